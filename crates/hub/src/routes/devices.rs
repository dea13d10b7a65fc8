//! Devices, passkeys, recovery codes, export and deletion.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use postern_api::{
    account::{Account, Changes, Export, ExportedPhoto, ExportedProblem, Passkey, Passkeys, RecoveryCodes},
    problem::Code,
    sync::UploadedReceipt,
};
use sqlx::AnyConnection;

use super::parts::Path;
use super::{account, begin::begin};
use crate::{
    auth::customer::Customer,
    domain::{
        account as accounts, code, device,
        view::{self, joins, shown_columns},
    },
    error::{Result, invalid, refuse},
    hub::Hub,
    random,
    signin::tidy_name,
    store::{RowExt, Tx},
    write::{Empty, Write},
};

/// Renames a device.
#[utoipa::path(patch, path = "/v1/devices/{id}", tag = "account", security(("dpop" = [])),
    params(("id" = String, Path)), request_body = Changes, responses((status = 200, body = Account)))]
pub(super) async fn rename(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    Write { body, repeat }: Write<Changes>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    check_own(&mut change.tx, &customer, &id).await?;
    let name =
        body.name.as_deref().and_then(tidy_name).ok_or_else(|| invalid("/name", "1 to 64 characters"))?;
    sqlx::query("UPDATE sessions SET name = $1 WHERE id = $2")
        .bind(name)
        .bind(&id)
        .execute(change.tx.on())
        .await?;
    let account = account::read(&hub, change.tx.on(), &customer).await?;
    change.finish(StatusCode::OK, &account).await
}

/// Removes a device: it is signed out at once, and what it could open ends with the tokens that it holds.
#[utoipa::path(delete, path = "/v1/devices/{id}", tag = "account", security(("dpop" = [])),
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn remove(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    check_own(&mut change.tx, &customer, &id).await?;
    device::revoke(&mut change.tx, &id, hub.clock.now()).await?;
    change.done().await
}

async fn check_own(tx: &mut Tx, customer: &Customer, id: &str) -> Result<()> {
    let known =
        sqlx::query("SELECT id FROM sessions WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL")
            .bind(id)
            .bind(&customer.account)
            .fetch_optional(tx.on())
            .await?;
    if known.is_some() { Ok(()) } else { Err(refuse(Code::NotFound, "no such device")) }
}

/// All ways into the account.
#[utoipa::path(get, path = "/v1/passkeys", tag = "account", security(("dpop" = [])),
    responses((status = 200, body = Passkeys)))]
pub(super) async fn passkeys(State(hub): State<Arc<Hub>>, customer: Customer) -> Result<Json<Passkeys>> {
    customer.has_own_account()?;
    let mut on = hub.store.snapshot().await?;
    let passkeys = read_passkeys(&mut on, &customer.account).await?;
    let left = sqlx::query("SELECT COUNT(*) AS codes FROM recovery_codes WHERE account_id = $1")
        .bind(&customer.account)
        .fetch_one(&mut *on)
        .await?
        .int("codes")?;
    Ok(Json(Passkeys { passkeys, recovery_codes_left: u32::try_from(left).unwrap_or(0) }))
}

async fn read_passkeys(on: &mut AnyConnection, account: &str) -> Result<Vec<Passkey>> {
    let rows = sqlx::query(
        "SELECT id, name, created_at, last_used_at FROM passkeys WHERE account_id = $1 ORDER BY id",
    )
    .bind(account)
    .fetch_all(on)
    .await?;
    let passkey = |row: &sqlx::any::AnyRow| {
        Ok(Passkey {
            id: row.text("id")?,
            name: row.text("name")?,
            created_at: row.int("created_at")?,
            last_used_at: row.int("last_used_at")?,
        })
    };
    rows.iter().map(passkey).collect()
}

/// Removes a passkey, but not the last one while no recovery code is left.
#[utoipa::path(delete, path = "/v1/passkeys/{id}", tag = "account", security(("dpop" = [])),
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn remove_passkey(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    customer.has_own_account()?;
    let mut change = begin!(hub, customer, repeat);
    let gone = sqlx::query("DELETE FROM passkeys WHERE id = $1 AND account_id = $2")
        .bind(&id)
        .bind(&customer.account)
        .execute(change.tx.on())
        .await?
        .rows_affected();
    if gone == 0 {
        return Err(Code::NotFound.into());
    }
    let ways = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM passkeys WHERE account_id = $1) + \
         (SELECT COUNT(*) FROM recovery_codes WHERE account_id = $1) AS ways",
    )
    .bind(&customer.account)
    .fetch_one(change.tx.on())
    .await?
    .int("ways")?;
    if ways == 0 {
        return Err(refuse(
            Code::WrongState,
            "it is the last way into the account: make recovery codes first",
        ));
    }
    change.done().await
}

/// New recovery codes.
#[utoipa::path(post, path = "/v1/recovery-codes", tag = "account", security(("dpop" = [])),
    responses((status = 201, body = RecoveryCodes)))]
pub(super) async fn recovery_codes(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    customer.has_own_account()?;
    let mut change = begin!(hub, customer, repeat);
    let codes = accounts::new_recovery_codes(&mut change.tx, &customer.account, hub.clock.now()).await?;
    change.finish(StatusCode::CREATED, &RecoveryCodes { codes }).await
}

/// Everything that the hub keeps of the account.
#[utoipa::path(get, path = "/v1/me/export", tag = "account", security(("dpop" = [])),
    responses((status = 200, body = Export)))]
pub(super) async fn export(State(hub): State<Arc<Hub>>, customer: Customer) -> Result<Json<Export>> {
    let mut on = hub.store.snapshot().await?;
    let mut export = Export {
        account: account::read(&hub, &mut on, &customer).await?,
        passkeys: read_passkeys(&mut on, &customer.account).await?,
        reservations: Vec::new(),
        receipts: Vec::new(),
        problems: Vec::new(),
        at: hub.clock.now(),
    };
    let rows = sqlx::query(concat!(
        "SELECT ",
        shown_columns!(),
        " FROM reservations r ",
        joins!(),
        " WHERE r.account_id = $1 ORDER BY r.id"
    ))
    .bind(&customer.account)
    .fetch_all(&mut *on)
    .await?;
    for row in &rows {
        export.reservations.push(view::from_row(&hub, &mut on, row, customer.viewer()).await?);
    }
    let rows = sqlx::query(
        "SELECT c.locker_id, c.bytes FROM receipts c JOIN reservations r ON r.id = c.reservation_id \
         WHERE r.account_id = $1 ORDER BY c.locker_id, c.sequence",
    )
    .bind(&customer.account)
    .fetch_all(&mut *on)
    .await?;
    for row in &rows {
        let receipt = random::encode(row.bytes("bytes")?);
        export.receipts.push(UploadedReceipt { locker: row.text("locker_id")?, receipt });
    }
    let rows = sqlx::query(
        "SELECT id, reservation_id, kind, note, created_at FROM problems WHERE account_id = $1 ORDER BY id",
    )
    .bind(&customer.account)
    .fetch_all(&mut *on)
    .await?;
    for row in &rows {
        let photos = sqlx::query("SELECT media_type, bytes FROM photos WHERE problem_id = $1 ORDER BY id")
            .bind(row.text("id")?)
            .fetch_all(&mut *on)
            .await?;
        let picture = |row: &sqlx::any::AnyRow| {
            let bytes = random::encode(row.bytes("bytes")?);
            Ok(ExportedPhoto { media_type: row.text("media_type")?, bytes })
        };
        let pictures = photos.iter().map(picture).collect::<Result<Vec<_>>>()?;
        export.problems.push(ExportedProblem {
            reservation: row.text("reservation_id")?,
            kind: code::parse(&row.text("kind")?)?,
            note: row.text("note")?,
            photos: u32::try_from(pictures.len()).unwrap_or(u32::MAX),
            pictures,
            at: row.int("created_at")?,
        });
    }
    Ok(Json(export))
}

/// Deletes the account.
#[utoipa::path(delete, path = "/v1/me", tag = "account", security(("dpop" = [])), responses((status = 204)))]
pub(super) async fn delete(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    // Whose openings are a courier's is told by its account; its carrier ends it.
    customer.is_no_courier()?;
    let mut change = begin!(hub, customer, repeat);
    accounts::delete(&mut change.tx, &customer.account, hub.clock.now()).await?;
    change.done().await
}
