//! Webhook endpoints of carriers, and what could not be delivered.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use postern_api::{
    carrier::{DeadLetter, DeadLetters, NewWebhook, Webhook, Webhooks},
    problem::Code,
};

use super::begin::begin;
use super::parts::Path;
use crate::{
    auth::api_key::{Partner, Scope},
    domain::webhooks,
    error::{Error, Result},
    hub::Hub,
    store::RowExt,
    write::{Empty, Write},
};

/// A new endpoint.
#[utoipa::path(post, path = "/v1/carrier/webhooks", tag = "webhooks", security(("key" = [])),
    request_body = NewWebhook, responses((status = 201, body = Webhook)))]
pub(super) async fn create(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Write { body, repeat }: Write<NewWebhook>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Webhooks)?.to_owned();
    let mut change = begin!(hub, partner, repeat);
    let webhook = webhooks::create(&hub, &mut change.tx, &carrier, &body.url).await?;
    change.finish(StatusCode::CREATED, &webhook).await
}

/// All endpoints.
#[utoipa::path(get, path = "/v1/carrier/webhooks", tag = "webhooks", security(("key" = [])),
    responses((status = 200, body = Webhooks)))]
pub(super) async fn list(State(hub): State<Arc<Hub>>, partner: Partner) -> Result<Json<Webhooks>> {
    let rows = sqlx::query("SELECT id, url FROM webhooks WHERE carrier_id = $1 ORDER BY id")
        .bind(partner.carrier(Scope::Webhooks)?)
        .fetch_all(hub.store.read())
        .await?;
    let webhook =
        |row: &sqlx::any::AnyRow| Ok(Webhook { id: row.text("id")?, url: row.text("url")?, secret: None });
    Ok(Json(Webhooks { webhooks: rows.iter().map(webhook).collect::<Result<_>>()? }))
}

/// Removes an endpoint, with what is still to be sent there.
#[utoipa::path(delete, path = "/v1/carrier/webhooks/{id}", tag = "webhooks", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn remove(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Webhooks)?.to_owned();
    let mut change = begin!(hub, partner, repeat);
    let gone = sqlx::query("DELETE FROM webhooks WHERE id = $1 AND carrier_id = $2")
        .bind(&id)
        .bind(carrier)
        .execute(change.tx.on())
        .await?
        .rows_affected();
    if gone == 0 {
        return Err(Code::NotFound.into());
    }
    change.done().await
}

/// Messages that could not be delivered.
#[utoipa::path(get, path = "/v1/carrier/dead-letters", tag = "webhooks", security(("key" = [])),
    responses((status = 200, body = DeadLetters)))]
pub(super) async fn dead_letters(State(hub): State<Arc<Hub>>, partner: Partner) -> Result<Json<DeadLetters>> {
    let rows = sqlx::query(
        "SELECT d.id, d.webhook_id, d.message, d.attempts, d.error FROM deliveries d \
         JOIN webhooks w ON w.id = d.webhook_id WHERE w.carrier_id = $1 AND d.state = 'dead' ORDER BY d.id LIMIT 100",
    )
    .bind(partner.carrier(Scope::Webhooks)?)
    .fetch_all(hub.store.read())
    .await?;
    let letter = |row: &sqlx::any::AnyRow| {
        Ok(DeadLetter {
            id: row.text("id")?,
            webhook: row.text("webhook_id")?,
            message: serde_json::from_str(&row.text("message")?)
                .map_err(|_| Error::Internal("a stored message cannot be read".to_owned()))?,
            attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
            error: row.text("error")?,
        })
    };
    Ok(Json(DeadLetters { letters: rows.iter().map(letter).collect::<Result<_>>()? }))
}

/// Sends a dead letter again.
#[utoipa::path(post, path = "/v1/carrier/dead-letters/{id}/retry", tag = "webhooks", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn retry(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Webhooks)?.to_owned();
    let mut change = begin!(hub, partner, repeat);
    webhooks::retry(&mut change.tx, &carrier, &id, hub.clock.now()).await?;
    change.done().await
}
