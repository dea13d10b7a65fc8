//! Accounts: a name and the keys that open it.

use postern_api::problem::Code;
use webauthn_rs::prelude::{Passkey, Uuid};

use crate::{
    error::{Error, Result, refuse},
    random,
    store::{RowExt, Tx},
};

/// A new account; its id.
///
/// # Errors
/// When the database fails.
pub async fn create(tx: &mut Tx, handle: Uuid, name: &str, now: i64) -> Result<String> {
    let id = random::id();
    sqlx::query("INSERT INTO accounts (id, handle, display_name, created_at) VALUES ($1, $2, $3, $4)")
        .bind(&id)
        .bind(handle.to_string())
        .bind(name)
        .bind(now)
        .execute(tx.on())
        .await?;
    Ok(id)
}

/// Adds a way in.
///
/// # Errors
/// `Unauthenticated` where this credential is registered already, for whomever.
pub async fn add_passkey(
    tx: &mut Tx,
    account: &str,
    passkey: &Passkey,
    name: &str,
    now: i64,
) -> Result<String> {
    let id = random::id();
    let credential = serde_json::to_string(passkey).map_err(|error| Error::Internal(error.to_string()))?;
    let added = sqlx::query(
        "INSERT INTO passkeys (id, account_id, credential_id, credential, name, created_at, last_used_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (credential_id) DO NOTHING",
    )
    .bind(&id)
    .bind(account)
    .bind(random::encode(passkey.cred_id()))
    .bind(credential)
    .bind(name)
    .bind(now)
    .execute(tx.on())
    .await?
    .rows_affected();
    if added == 1 { Ok(id) } else { Err(refuse(Code::Unauthenticated, "the passkey was not accepted")) }
}

/// Recovery codes are typed by hand: case, spaces and dashes do not count.
#[must_use]
pub fn tidy_recovery_code(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Uses up a recovery code, given its hash.
///
/// # Errors
/// `Unauthenticated` where it was used in the meantime.
pub async fn use_recovery_code(tx: &mut Tx, hash: &str) -> Result<()> {
    let used = sqlx::query("DELETE FROM recovery_codes WHERE hash = $1")
        .bind(hash)
        .execute(tx.on())
        .await?
        .rows_affected();
    if used == 1 { Ok(()) } else { Err(refuse(Code::Unauthenticated, "no such recovery code")) }
}

/// Whether the account has still to be given the demo's content.
///
/// # Errors
/// When the database fails.
pub async fn wants_demo(tx: &mut Tx, account: &str) -> Result<bool> {
    let row = sqlx::query("SELECT demo_given FROM accounts WHERE id = $1 AND guest = 0")
        .bind(account)
        .fetch_optional(tx.on())
        .await?;
    row.map_or(Ok(false), |row| Ok(row.int("demo_given")? == 0))
}
