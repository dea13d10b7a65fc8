//! The change feed, and receipts.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State, http::StatusCode, response::Response};
use postern_api::sync::{Changes, ReceiptResults, ReceiptUpload};
use serde::Deserialize;

use super::begin::begin;
use super::parts::Query;
use crate::{
    auth::customer::Customer,
    domain::{
        feed::Cursor,
        network, news, receipts,
        view::{self, joins, shown_columns},
    },
    error::{Result, refuse},
    hub::Hub,
    store::RowExt,
    write::Write,
};

/// Reservations in one answer.
const PAGE: i64 = 100;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// From the last answer; absent for everything.
    cursor: Option<String>,
}

/// What changed since the cursor, each reservation once and as it is now.
#[utoipa::path(get, path = "/v1/changes", tag = "sync", security(("dpop" = [])), params(Since),
    responses((status = 200, body = Changes)))]
pub(super) async fn changes(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Query(since): Query<Since>,
) -> Result<Json<Changes>> {
    let cursor = Cursor::read(since.cursor.as_deref(), &hub.id)?;
    let mut on = hub.store.snapshot().await?;
    let account = sqlx::query("SELECT feed, feed_floor FROM accounts WHERE id = $1")
        .bind(&customer.account)
        .fetch_one(&mut *on)
        .await?;
    let (newest, floor) = (account.int("feed")?, account.int("feed_floor")?);
    // A cursor from the future is of a database that was restored from a backup.
    if cursor.is_some_and(|Cursor(at)| at < floor || at > newest) {
        return Err(postern_api::problem::Code::CursorTooOld.into());
    }
    let from = cursor.map_or(0, |Cursor(at)| at);
    let rows = sqlx::query(concat!(
        "SELECT f.reservation_id, f.seq, f.removed, ",
        shown_columns!(),
        " FROM feed f LEFT JOIN reservations r ON r.id = f.reservation_id ",
        joins!(),
        " WHERE f.account_id = $1 AND f.seq > $2 ORDER BY f.seq LIMIT $3"
    ))
    .bind(&customer.account)
    .bind(from)
    .bind(PAGE + 1)
    .fetch_all(&mut *on)
    .await?;
    let more = rows.len() as i64 > PAGE;
    let mut changes = Changes {
        cursor: String::new(),
        reservations: Vec::new(),
        removed: Vec::new(),
        lockers: Vec::new(),
        news: news::of_account(&mut on, &customer.account, hub.clock.now()).await?,
        more,
        now: hub.clock.now(),
    };
    let mut reached = if more { from } else { newest };
    let mut lockers = BTreeSet::new();
    for row in rows.iter().take(PAGE as usize) {
        if more {
            reached = row.int("seq")?;
        }
        if row.int("removed")? == 1 || row.maybe_text("id")?.is_none() {
            // Who asks for everything has nothing that could vanish.
            if cursor.is_some() {
                changes.removed.push(row.text("reservation_id")?);
            }
            continue;
        }
        let shown = view::from_row(&hub, &mut on, row, customer.viewer()).await?;
        lockers.extend(shown.compartment.iter().map(|compartment| compartment.locker.clone()));
        changes.reservations.push(shown.into());
    }
    for locker in lockers {
        changes.lockers.extend(network::descriptor(&mut on, &locker).await?.map(Into::into));
    }
    changes.cursor = Cursor(reached).write(&hub.id);
    Ok(Json(changes))
}

/// Receipts signed by lockers, from any phone.
#[utoipa::path(post, path = "/v1/receipts", tag = "sync", security(("dpop" = [])), request_body = ReceiptUpload,
    responses((status = 200, body = ReceiptResults)))]
pub(super) async fn receipts(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<ReceiptUpload>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    if body.receipts.is_empty() {
        return Err(refuse(postern_api::problem::Code::Malformed, "no receipts"));
    }
    let results = receipts::ingest(&hub, &mut change.tx, &body.receipts).await?;
    change
        .finish(StatusCode::OK, &ReceiptResults { results: results.into_iter().map(Into::into).collect() })
        .await
}
