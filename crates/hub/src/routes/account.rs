//! The account and its devices.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use postern_api::account::{Account, Changes, Device};
use sqlx::AnyConnection;

use super::begin::begin;
use crate::{
    auth::customer::Customer,
    error::{Result, invalid},
    hub::Hub,
    signin::tidy_name,
    store::RowExt,
    write::Write,
};

/// Who is signed in, and on which devices.
#[utoipa::path(get, path = "/v1/me", tag = "account", security(("dpop" = [])), responses((status = 200, body = Account)))]
pub(super) async fn me(State(hub): State<Arc<Hub>>, customer: Customer) -> Result<Json<Account>> {
    let mut on = hub.store.snapshot().await?;
    Ok(Json(read(&hub, &mut on, &customer).await?))
}

/// Changes the account's own settings.
#[utoipa::path(patch, path = "/v1/me", tag = "account", security(("dpop" = [])), request_body = Changes,
    responses((status = 200, body = Account)))]
pub(super) async fn change_me(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<Changes>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    if let Some(name) = &body.name {
        let name = tidy_name(name).ok_or_else(|| invalid("/name", "1 to 64 characters"))?;
        sqlx::query("UPDATE accounts SET display_name = $1 WHERE id = $2")
            .bind(name)
            .bind(&customer.account)
            .execute(change.tx.on())
            .await?;
    }
    if let Some(low) = body.prefers_low_doors {
        sqlx::query("UPDATE accounts SET prefers_low_doors = $1 WHERE id = $2")
            .bind(i64::from(low))
            .bind(&customer.account)
            .execute(change.tx.on())
            .await?;
    }
    let account = read(&hub, change.tx.on(), &customer).await?;
    change.finish(StatusCode::OK, &account).await
}

pub(super) async fn read(hub: &Hub, on: &mut AnyConnection, customer: &Customer) -> Result<Account> {
    let account =
        sqlx::query("SELECT id, display_name, guest, prefers_low_doors FROM accounts WHERE id = $1")
            .bind(&customer.account)
            .fetch_one(&mut *on)
            .await?;
    let rows = sqlx::query(
        "SELECT id, name, created_at, last_seen_at FROM sessions WHERE account_id = $1 AND revoked_at IS NULL \
         ORDER BY created_at, id",
    )
    .bind(&customer.account)
    .fetch_all(on)
    .await?;
    let device = |row: &sqlx::any::AnyRow| {
        let id = row.text("id")?;
        let written = row.int("last_seen_at")?;
        Ok(Device {
            name: row.text("name")?,
            created_at: row.int("created_at")?,
            last_seen_at: hub.seen.of(&id).map_or(written, |noted| noted.max(written)),
            id,
        })
    };
    Ok(Account {
        id: account.text("id")?,
        display_name: account.text("display_name")?,
        guest: account.int("guest")? == 1,
        device_id: customer.session.clone(),
        devices: rows.iter().map(device).collect::<Result<_>>()?,
        prefers_low_doors: account.int("prefers_low_doors")? == 1,
    })
}
