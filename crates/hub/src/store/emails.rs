//! E-mail addresses of customers: what is proven, and what waits for its code.

use postern_rules::{email::Pending, recipient::Email};
use sqlx::AnyConnection;

use super::RowExt;
use crate::error::Result;

/// What is kept of an account's addresses.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Mail there is read by the customer.
    pub address: Option<String>,
    /// Waits for its code.
    pub pending: Option<String>,
    /// What is kept of the code.
    pub code: Option<String>,
    /// When the code ends and how often it was guessed at.
    pub standing: Option<Pending>,
}

/// The customer who reads mail at `address`, and the language that they like.
///
/// # Errors
/// When the database fails.
pub async fn reader(on: &mut AnyConnection, address: &Email) -> Result<Option<(String, String)>> {
    let row = sqlx::query("SELECT account_id, language FROM emails WHERE address_key = $1")
        .bind(address.key())
        .fetch_optional(on)
        .await?;
    row.map(|row| Ok((row.text("account_id")?, row.text("language")?))).transpose()
}

/// What is kept of `account`'s addresses.
///
/// # Errors
/// When the database fails.
pub async fn of(on: &mut AnyConnection, account: &str) -> Result<Kept> {
    let row =
        sqlx::query("SELECT address, pending, code, code_until, tries FROM emails WHERE account_id = $1")
            .bind(account)
            .fetch_optional(on)
            .await?;
    let Some(row) = row else { return Ok(Kept::default()) };
    let (code, pending) = (row.maybe_text("code")?, row.maybe_text("pending")?);
    let (until, tries) = (row.int("code_until")?, row.int("tries")?);
    let standing = code.as_ref().map(|_| Pending { until, tries });
    Ok(Kept { address: row.maybe_text("address")?, pending, code, standing })
}

/// `address` waits for a code, in place of one that waited before.
///
/// # Errors
/// When the database fails.
pub async fn await_code(
    on: &mut AnyConnection,
    account: &str,
    address: &Email,
    language: &str,
    (code, until): (&str, i64),
) -> Result<()> {
    sqlx::query(
        "INSERT INTO emails (account_id, pending, code, code_until, tries, language) VALUES ($1, $2, $3, $4, 0, $5) \
         ON CONFLICT (account_id) DO UPDATE SET pending = excluded.pending, code = excluded.code, \
         code_until = excluded.code_until, tries = 0, language = excluded.language",
    )
    .bind(account)
    .bind(address.as_str())
    .bind(code)
    .bind(until)
    .bind(language)
    .execute(on)
    .await?;
    Ok(())
}

/// Counts a guess. Of several at once each is counted before the next is looked at.
///
/// # Errors
/// When the database fails.
pub async fn count_guess(on: &mut AnyConnection, account: &str) -> Result<()> {
    sqlx::query("UPDATE emails SET tries = tries + 1 WHERE account_id = $1")
        .bind(account)
        .execute(on)
        .await?;
    Ok(())
}

/// Mail to `address` is read by `account`: whoever had shown that before does no longer.
///
/// # Errors
/// When the database fails.
pub async fn prove(
    on: &mut AnyConnection,
    account: &str,
    address: &Email,
    code: &str,
    now: i64,
) -> Result<bool> {
    sqlx::query(
        "UPDATE emails SET address = NULL, address_key = NULL, verified_at = NULL \
         WHERE address_key = $1 AND account_id <> $2",
    )
    .bind(address.key())
    .bind(account)
    .execute(&mut *on)
    .await?;
    let proven = sqlx::query(
        "UPDATE emails SET address = $1, address_key = $2, verified_at = $3, pending = NULL, code = NULL \
         WHERE account_id = $4 AND code = $5",
    )
    .bind(address.as_str())
    .bind(address.key())
    .bind(now)
    .bind(account)
    .bind(code)
    .execute(on)
    .await?;
    Ok(proven.rows_affected() == 1)
}

/// Forgets all addresses of `account`.
///
/// # Errors
/// When the database fails.
pub async fn forget(on: &mut AnyConnection, account: &str) -> Result<()> {
    sqlx::query("DELETE FROM emails WHERE account_id = $1").bind(account).execute(&mut *on).await?;
    sqlx::query("DELETE FROM letters WHERE account_id = $1").bind(account).execute(on).await?;
    Ok(())
}
