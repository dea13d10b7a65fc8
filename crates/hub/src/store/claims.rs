//! Claim links: each announced parcel has one, by the hash of its secret, until somebody takes it up; and who came by one.

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

/// Before the hash of a link that became somebody's parcel: nobody else's from then on.
const TAKEN: &str = "taken ";

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

/// Notes that the owner came by this link, so that they may come by it again.
///
/// # Errors
/// When the database fails.
pub async fn note_owner(on: &mut AnyConnection, reservation: &str, hash: &str) -> Result<()> {
    make(on, reservation, &format!("{TAKEN}{hash}")).await
}

/// What this account has by this link already.
///
/// # Errors
/// When the database fails.
pub async fn held(on: &mut AnyConnection, account: &str, hash: &str) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT id FROM reservations WHERE claim_hash = $1 AND account_id = $2 \
         UNION ALL SELECT reservation_id FROM shares WHERE claim_hash = $3 AND account_id = $2 AND state = 'accepted'",
    )
    .bind(format!("{TAKEN}{hash}"))
    .bind(account)
    .bind(hash)
    .fetch_optional(on)
    .await?;
    row.map(|row| row.text("id")).transpose()
}

/// The guest who took this link up after `since` (UNIX seconds), with the device key of this thumbprint where one is named:
/// account, and whether it is for a parcel that nobody owns.
///
/// # Errors
/// When the database fails.
pub async fn guest(
    on: &mut AnyConnection,
    hash: &str,
    thumbprint: Option<&str>,
    since: i64,
) -> Result<Option<(String, bool)>> {
    let row = sqlx::query(
        "SELECT s.account_id, CAST(CASE WHEN r.account_id IS NULL THEN 1 ELSE 0 END AS BIGINT) AS nobodys FROM shares s \
         JOIN accounts a ON a.id = s.account_id AND a.guest = 1 JOIN reservations r ON r.id = s.reservation_id \
         WHERE s.claim_hash = $1 AND s.state = 'accepted' AND s.until_at > $2 AND EXISTS (SELECT 1 FROM auth_codes c \
         WHERE c.account_id = s.account_id AND c.expires_at > $2 AND (c.thumbprint = $3 OR $3 = ''))",
    )
    .bind(hash)
    .bind(since)
    .bind(thumbprint.unwrap_or_default())
    .fetch_optional(on)
    .await?;
    row.map(|row| Ok((row.text("account_id")?, row.int("nobodys")? == 1))).transpose()
}
