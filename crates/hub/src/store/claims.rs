//! Claim links of announced parcels: each parcel has one, by the hash of its secret, until somebody takes it up.

use sqlx::AnyConnection;

use super::RowExt;
use crate::error::Result;

/// The parcel can be taken up by who has the secret behind `hash`.
///
/// # Errors
/// When the database fails.
pub async fn make(on: &mut AnyConnection, reservation: &str, hash: &str) -> Result<()> {
    sqlx::query("UPDATE reservations SET claim_hash = $1 WHERE id = $2")
        .bind(hash)
        .bind(reservation)
        .execute(on)
        .await?;
    Ok(())
}

/// The parcel that a link was made for, while nobody has taken it up and it is under way.
///
/// # Errors
/// When the database fails.
pub async fn parcel(on: &mut AnyConnection, hash: &str) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT id FROM reservations WHERE claim_hash = $1 \
         AND state IN ('announced', 'in_transit', 'ready', 'opened', 'expired')",
    )
    .bind(hash)
    .fetch_optional(on)
    .await?;
    row.map(|row| row.text("id")).transpose()
}

/// Uses the link up. Of several at once, one is the first: whether it was this one.
///
/// # Errors
/// When the database fails.
pub async fn take(on: &mut AnyConnection, reservation: &str, hash: &str) -> Result<bool> {
    let taken = sqlx::query("UPDATE reservations SET claim_hash = NULL WHERE id = $1 AND claim_hash = $2")
        .bind(reservation)
        .bind(hash)
        .execute(on)
        .await?;
    Ok(taken.rows_affected() == 1)
}
