//! One reservation: to look at, and what a customer may do with it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use postern_api::{
    problem::Code,
    reservation::{Reservation as Shown, Taken},
};

use crate::{
    auth::customer::Customer,
    domain::{network::check_text, reservation::Reservation, taken as confirmation, view},
    error::Result,
    hub::Hub,
    store::Tx,
    write::{Begun, Change, Write},
};

/// One reservation. With `If-None-Match`, 304 where it is unchanged.
#[utoipa::path(get, path = "/v1/reservations/{id}", tag = "reservations", security(("dpop" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Shown), (status = 304)))]
pub(super) async fn show(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let mut on = hub.store.snapshot().await?;
    let shown = view::one(&hub, &mut on, &id, customer.viewer()).await?.ok_or(Code::NotFound)?;
    let etag = format!("\"{}\"", shown.version);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known.is_some_and(|known| known.split(',').any(|one| one.trim() == etag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(shown).into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// Says that it was taken, or that it was not there.
#[utoipa::path(post, path = "/v1/reservations/{id}/taken", tag = "reservations", security(("dpop" = [])),
    params(("id" = String, Path)), request_body = Taken, responses((status = 200, body = Shown)))]
pub(super) async fn taken(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    headers: HeaderMap,
    Write { body, repeat }: Write<Taken>,
) -> Result<Response> {
    check_text(body.note.as_deref().unwrap_or_default(), 2000, "/note")?;
    let mut change = match repeat.begin(&hub, customer.principal()).await? {
        Begun::Before(answer) => return Ok(answer),
        Begun::Fresh(change) => change,
    };
    let mut reservation = lock(&mut change.tx, &customer, &id, Whose::OwnOrShared, &headers).await?;
    confirmation::say(&hub, &mut change.tx, &mut reservation, &body).await?;
    finish(&hub, change, &customer, &id).await
}

/// Who may do something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The owner alone.
    Own,
    /// A guest with a standing share as well.
    OwnOrShared,
}

/// Locks a reservation for a change by the customer, if they may make it. With `If-Match`, only the version named.
pub(super) async fn lock(
    tx: &mut Tx,
    customer: &Customer,
    id: &str,
    whose: Whose,
    headers: &HeaderMap,
) -> Result<Reservation> {
    let reservation = Reservation::lock(tx, id).await?.ok_or(Code::NotFound)?;
    if reservation.account.as_deref() != Some(&customer.account) {
        let shared = sqlx::query(
            "SELECT id FROM shares WHERE reservation_id = $1 AND account_id = $2 AND state IN ('accepted', 'used')",
        )
        .bind(id)
        .bind(&customer.account)
        .fetch_optional(tx.on())
        .await?;
        return match (shared, whose) {
            (Some(_), Whose::OwnOrShared) => Ok(reservation),
            (Some(_), Whose::Own) => Err(Code::Forbidden.into()),
            // Of somebody else's things not even the existence is known.
            (None, _) => Err(Code::NotFound.into()),
        };
    }
    if let Some(wanted) = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()) {
        // The lock has raised the version by one.
        let seen = format!("\"{}\"", reservation.version - 1);
        if wanted != "*" && !wanted.split(',').any(|one| one.trim() == seen) {
            return Err(Code::Stale.into());
        }
    }
    Ok(reservation)
}

/// Answers with the reservation as the customer now sees it.
pub(super) async fn finish(hub: &Hub, mut change: Change, customer: &Customer, id: &str) -> Result<Response> {
    let shown = view::one(hub, change.tx.on(), id, customer.viewer()).await?.ok_or(Code::NotFound)?;
    change.finish(StatusCode::OK, &shown).await
}
