//! News of lockers as rows: their numbers, what of doors and revocations is to be told, and to whom.

use sqlx::AnyConnection;

use super::{RowExt, Tx};
use crate::error::Result;

/// Counts another piece of news for the locker and locks its row.
///
/// # Errors
/// When the database fails.
pub async fn count(tx: &mut Tx, locker: &str) -> Result<i64> {
    sqlx::query("UPDATE lockers SET news = news + 1 WHERE id = $1 RETURNING news")
        .bind(locker)
        .fetch_one(tx.on())
        .await?
        .int("news")
}

/// Accounts that hold a living token at a locker.
///
/// # Errors
/// When the database fails.
pub async fn holders(tx: &mut Tx, locker: &str, now: i64) -> Result<Vec<String>> {
    let rows =
        sqlx::query("SELECT DISTINCT account_id FROM grants WHERE locker_id = $1 AND expires_at > $2 AND account_id <> ''")
            .bind(locker)
            .bind(now)
            .fetch_all(tx.on())
            .await?;
    rows.iter().map(|row| row.text("account_id")).collect()
}

/// Lockers where the account holds a living token, with news that no receipt has acknowledged, and the newest number.
///
/// # Errors
/// When the database fails.
pub async fn unheard(on: &mut AnyConnection, account: &str, now: i64) -> Result<Vec<(String, i64)>> {
    let rows = sqlx::query(
        "SELECT l.id, l.news FROM lockers l WHERE l.news > l.news_known AND l.id IN (SELECT g.locker_id FROM grants g \
         WHERE g.account_id = $1 AND g.expires_at > $2) ORDER BY l.id LIMIT 500",
    )
    .bind(account)
    .bind(now)
    .fetch_all(on)
    .await?;
    rows.iter().map(|row| Ok((row.text("id")?, row.int("news")?))).collect()
}

/// Whether the account holds a living token at the locker.
///
/// # Errors
/// When the database fails.
pub async fn holds_token(tx: &mut Tx, account: &str, locker: &str, now: i64) -> Result<bool> {
    let row = sqlx::query(
        "SELECT token_id FROM grants WHERE account_id = $1 AND locker_id = $2 AND expires_at > $3 LIMIT 1",
    )
    .bind(account)
    .bind(locker)
    .bind(now)
    .fetch_optional(tx.on())
    .await?;
    Ok(row.is_some())
}

/// How far a locker is with its news.
#[derive(Clone, Copy, Debug)]
pub struct Locker {
    /// Number of the newest.
    pub newest: i64,
    /// The newest that a receipt acknowledges.
    pub known: i64,
    /// When it joined, UNIX seconds.
    pub joined: i64,
}

/// A locker; none where there is no such locker.
///
/// # Errors
/// When the database fails.
pub async fn locker(tx: &mut Tx, id: &str) -> Result<Option<Locker>> {
    let row = sqlx::query("SELECT news, news_known, created_at FROM lockers WHERE id = $1")
        .bind(id)
        .fetch_optional(tx.on())
        .await?;
    row.map(|row| {
        Ok(Locker { newest: row.int("news")?, known: row.int("news_known")?, joined: row.int("created_at")? })
    })
    .transpose()
}

/// News of a door.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// The door.
    pub door: i64,
    /// Its epoch.
    pub epoch: i64,
    /// PIN slots of that epoch that have ended.
    pub ended_slots: i64,
    /// When, among the news of the locker.
    pub number: i64,
}

/// So many news of doors, oldest first, that no receipt has acknowledged.
///
/// # Errors
/// When the database fails.
pub async fn doors(tx: &mut Tx, locker: &str, known: i64, most: i64) -> Result<Vec<Door>> {
    let rows = sqlx::query(
        "SELECT door, revoked_epoch, ended_slots, news_number FROM doors WHERE locker_id = $1 AND news_number > $2 \
         AND (revoked_epoch > proven_epoch OR ended_slots > 0) ORDER BY news_number LIMIT $3",
    )
    .bind(locker)
    .bind(known)
    .bind(most)
    .fetch_all(tx.on())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Door {
                door: row.int("door")?,
                epoch: row.int("revoked_epoch")?,
                ended_slots: row.int("ended_slots")?,
                number: row.int("news_number")?,
            })
        })
        .collect()
}

/// A living revocation.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// What is named.
    pub kind: i64,
    /// Its name, in hex.
    pub name: String,
    /// Since when, or until when.
    pub at: i64,
}

/// Every revocation of a locker that lives.
///
/// # Errors
/// When the database fails.
pub async fn revoked(tx: &mut Tx, locker: &str, now: i64) -> Result<Vec<Revoked>> {
    let rows = sqlx::query(
        "SELECT kind, name, at FROM revocations WHERE locker_id = $1 AND drop_at > $2 ORDER BY kind, name",
    )
    .bind(locker)
    .bind(now)
    .fetch_all(tx.on())
    .await?;
    rows.iter()
        .map(|row| Ok(Revoked { kind: row.int("kind")?, name: row.text("name")?, at: row.int("at")? }))
        .collect()
}
