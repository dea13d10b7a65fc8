//! Receipts as they come in: what is known of them, whom they are about, and how far a locker's chain is complete.

use sqlx::{AnyConnection, any::AnyRow};

use super::{RowExt, Tx};
use crate::error::{Error, Result};

/// How a receipt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In its locker's chain.
    Chained,
    /// It contradicts the chain.
    Fork,
}

/// How the receipt with this hash stands; none where it has not come yet.
///
/// # Errors
/// When the database fails.
pub async fn standing(tx: &mut Tx, hash: &str) -> Result<Option<Standing>> {
    let row = sqlx::query("SELECT standing FROM receipts WHERE hash = $1")
        .bind(hash)
        .fetch_optional(tx.on())
        .await?;
    row.map(|row| Ok(if row.text("standing")? == "fork" { Standing::Fork } else { Standing::Chained }))
        .transpose()
}

/// The key with which a locker signs; none where there is no such locker.
///
/// # Errors
/// When the database fails.
pub async fn key(tx: &mut Tx, locker: &str) -> Result<Option<[u8; 32]>> {
    let row = sqlx::query("SELECT receipt_key FROM lockers WHERE id = $1")
        .bind(locker)
        .fetch_optional(tx.on())
        .await?;
    let wrong = |_| Error::Internal("a stored receipt key has a wrong length".to_owned());
    row.map(|row| row.bytes("receipt_key")?.try_into().map_err(wrong)).transpose()
}

/// Whom a receipt is about.
#[derive(Clone, Debug, Default)]
pub struct Whose {
    /// The token is one of this hub's, or the PIN's occupancy is known.
    pub known: bool,
    /// The reservation, unless it is forgotten.
    pub reservation: Option<String>,
    /// The door's epoch.
    pub epoch: Option<i64>,
    /// A courier's.
    pub courier: bool,
    /// The share that it was opened by.
    pub share: Option<String>,
}

/// Whose the PIN of a slot was.
///
/// # Errors
/// When the database fails.
pub async fn of_pin(
    tx: &mut Tx,
    (locker, door): (&str, i64),
    epoch: i64,
    slot: i64,
) -> Result<Option<Whose>> {
    let row = sqlx::query(
        "SELECT o.reservation_id, s.share_id FROM occupancies o LEFT JOIN pin_slots p \
         ON p.locker_id = o.locker_id AND p.door = o.door AND p.epoch = o.epoch AND p.slot = $4 \
         LEFT JOIN sessions s ON s.id = p.session_id WHERE o.locker_id = $1 AND o.door = $2 AND o.epoch = $3",
    )
    .bind(locker)
    .bind(door)
    .bind(epoch)
    .bind(slot)
    .fetch_optional(tx.on())
    .await?;
    row.map(|row| {
        Ok(Whose {
            known: true,
            reservation: row.maybe_text("reservation_id")?,
            epoch: Some(epoch),
            courier: false,
            share: row.maybe_text("share_id")?,
        })
    })
    .transpose()
}

/// Whose a token was. `token` in hex.
///
/// # Errors
/// When the database fails.
pub async fn of_token(tx: &mut Tx, locker: &str, token: &str) -> Result<Option<Whose>> {
    let row = sqlx::query(
        "SELECT g.reservation_id, g.epoch, g.share_id, a.courier_of FROM grants g \
         LEFT JOIN accounts a ON a.id = g.account_id WHERE g.token_id = $1 AND g.locker_id = $2",
    )
    .bind(token)
    .bind(locker)
    .fetch_optional(tx.on())
    .await?;
    row.map(|row| {
        Ok(Whose {
            known: true,
            reservation: Some(row.text("reservation_id")?),
            epoch: Some(row.int("epoch")?),
            courier: row.maybe_text("courier_of")?.is_some(),
            share: row.maybe_text("share_id")?,
        })
    })
    .transpose()
}

/// One receipt as it is kept.
#[derive(Clone, Debug)]
pub struct Kept<'a> {
    /// Its hash, in hex.
    pub hash: &'a str,
    /// Locker id.
    pub locker: &'a str,
    /// Its place in the chain.
    pub sequence: i64,
    /// The hash before it, in hex.
    pub previous: &'a str,
    /// Token id, in hex.
    pub token: String,
    /// The door.
    pub door: i64,
    /// What was asked for.
    pub operation: i64,
    /// What it says.
    pub outcome: i64,
    /// When, UNIX seconds.
    pub happened_at: i64,
    /// How it stands.
    pub standing: Standing,
    /// As the locker signed it.
    pub bytes: &'a [u8],
    /// The newest news that it acknowledges.
    pub news: i64,
}

/// Whether a receipt says that an account has opened a reservation's door: with a token of theirs, or by their PIN, whose slot it
/// names (PROTOCOL.md, receipt).
///
/// # Errors
/// When the database fails.
pub async fn were_opened_by(tx: &mut Tx, reservation: &str, account: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS openings FROM receipts r WHERE r.reservation_id = $1 AND r.courier = 0 \
         AND r.standing = 'chained' AND r.outcome IN (0, 2, 3) \
         AND (EXISTS (SELECT 1 FROM grants g WHERE g.token_id = r.token_id AND g.account_id = $2) \
         OR (r.token_id LIKE '0000000000000000000000%' AND EXISTS (SELECT 1 FROM pin_slots p JOIN sessions s \
         ON s.id = p.session_id WHERE p.locker_id = r.locker_id AND p.door = r.door AND p.epoch = r.epoch \
         AND '0' || CAST(p.slot AS TEXT) = SUBSTR(r.token_id, 23, 2) AND s.account_id = $2)))",
    )
    .bind(reservation)
    .bind(account)
    .fetch_one(tx.on())
    .await?;
    Ok(row.int("openings")? > 0)
}

/// Keeps a receipt.
///
/// # Errors
/// When the database fails.
pub async fn keep(tx: &mut Tx, kept: Kept<'_>, whose: &Whose, now: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO receipts (hash, locker_id, sequence, previous, token_id, door, operation, outcome, happened_at, \
         reservation_id, standing, bytes, received_at, news, epoch, courier) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(kept.hash)
    .bind(kept.locker)
    .bind(kept.sequence)
    .bind(kept.previous)
    .bind(kept.token)
    .bind(kept.door)
    .bind(kept.operation)
    .bind(kept.outcome)
    .bind(kept.happened_at)
    .bind(whose.reservation.clone())
    .bind(if kept.standing == Standing::Fork { "fork" } else { "chained" })
    .bind(kept.bytes.to_vec())
    .bind(now)
    .bind(kept.news)
    .bind(whose.epoch)
    .bind(i64::from(whose.courier))
    .execute(tx.on())
    .await?;
    Ok(())
}

/// Place, hash and previous hash of the receipts of the chain at this place and beside it.
///
/// # Errors
/// When the database fails.
pub async fn beside(tx: &mut Tx, locker: &str, sequence: i64) -> Result<Vec<(i64, String, String)>> {
    let rows = sqlx::query(
        "SELECT sequence, hash, previous FROM receipts WHERE locker_id = $1 AND sequence BETWEEN $2 AND $3 \
         AND standing = 'chained'",
    )
    .bind(locker)
    .bind(sequence - 1)
    .bind(sequence + 1)
    .fetch_all(tx.on())
    .await?;
    rows.iter().map(|row| Ok((row.int("sequence")?, row.text("hash")?, row.text("previous")?))).collect()
}

/// The locker has shown that it has heard of everything up to this number; false where this hub has not got so far.
///
/// # Errors
/// When the database fails.
pub async fn prove_news(tx: &mut Tx, locker: &str, number: i64) -> Result<bool> {
    let given = sqlx::query("SELECT news FROM lockers WHERE id = $1").bind(locker).fetch_one(tx.on()).await?;
    sqlx::query(
        "UPDATE doors SET proven_epoch = revoked_epoch WHERE locker_id = $1 AND news_number BETWEEN 1 AND $2 \
         AND proven_epoch < revoked_epoch",
    )
    .bind(locker)
    .bind(number)
    .execute(tx.on())
    .await?;
    Ok(number <= given.int("news")?)
}

/// The locker has shown that it knows this epoch of a door.
///
/// # Errors
/// When the database fails.
pub async fn prove_epoch(tx: &mut Tx, locker: &str, door: i64, epoch: i64) -> Result<()> {
    sqlx::query(
        "UPDATE doors SET proven_epoch = $1 WHERE locker_id = $2 AND door = $3 AND proven_epoch < $1",
    )
    .bind(epoch)
    .bind(locker)
    .bind(door)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// A locker's chain, as its row says.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// Complete up to this place.
    pub to: i64,
    /// The newest news that a receipt up to there acknowledges.
    pub news: i64,
    /// The latest time of a receipt up to there.
    pub at: i64,
    /// The newest news that any receipt acknowledges.
    pub heard: i64,
}

/// Reads a locker's chain and locks it: whoever brings receipts of this locker in the same moment waits here.
///
/// # Errors
/// When the database fails.
pub async fn lock_chain(tx: &mut Tx, locker: &str) -> Result<Chain> {
    let row = sqlx::query(
        "UPDATE lockers SET whole_to = whole_to WHERE id = $1 RETURNING whole_to, whole_news, whole_at, news_known",
    )
    .bind(locker)
    .fetch_one(tx.on())
    .await?;
    Ok(Chain {
        to: row.int("whole_to")?,
        news: row.int("whole_news")?,
        at: row.int("whole_at")?,
        heard: row.int("news_known")?,
    })
}

/// Place, acknowledged news and time of so many receipts of the chain from this place on.
///
/// # Errors
/// When the database fails.
pub async fn steps(tx: &mut Tx, locker: &str, from: i64, most: i64) -> Result<Vec<(i64, i64, i64)>> {
    let rows = sqlx::query(
        "SELECT sequence, news, happened_at FROM receipts WHERE locker_id = $1 \
         AND sequence BETWEEN $2 AND $3 AND standing = 'chained' ORDER BY sequence",
    )
    .bind(locker)
    .bind(from)
    .bind(from + most - 1)
    .fetch_all(tx.on())
    .await?;
    let step = |row: &AnyRow| Ok((row.int("sequence")?, row.int("news")?, row.int("happened_at")?));
    rows.iter().map(step).collect()
}

/// Writes a locker's chain.
///
/// # Errors
/// When the database fails.
pub async fn write_chain(tx: &mut Tx, locker: &str, chain: Chain) -> Result<()> {
    sqlx::query(
        "UPDATE lockers SET whole_to = $1, whole_news = $2, whole_at = $3, news_known = $4 WHERE id = $5",
    )
    .bind(chain.to)
    .bind(chain.news)
    .bind(chain.at)
    .bind(chain.heard)
    .bind(locker)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// A share was used for the first time.
///
/// # Errors
/// When the database fails.
pub async fn use_share(tx: &mut Tx, share: &str) -> Result<()> {
    sqlx::query("UPDATE shares SET state = 'used' WHERE state = 'accepted' AND id = $1")
        .bind(share)
        .execute(tx.on())
        .await?;
    Ok(())
}

/// Up to which place a locker's chain is complete, and the places that have come beyond; none where there is no such locker.
///
/// # Errors
/// When the database fails.
pub async fn beyond(on: &mut AnyConnection, locker: &str) -> Result<Option<(i64, Vec<i64>)>> {
    let row = sqlx::query("SELECT whole_to FROM lockers WHERE id = $1")
        .bind(locker)
        .fetch_optional(&mut *on)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let to = row.int("whole_to")?;
    let rows = sqlx::query(
        "SELECT sequence FROM receipts WHERE locker_id = $1 AND sequence > $2 AND standing = 'chained' ORDER BY sequence",
    )
    .bind(locker)
    .bind(to)
    .fetch_all(on)
    .await?;
    let places = rows.iter().map(|row| row.int("sequence")).collect::<Result<_>>()?;
    Ok(Some((to, places)))
}

/// When the receipt of the chain at this place came in, UNIX seconds.
///
/// # Errors
/// When the database fails.
pub async fn received_at(tx: &mut Tx, locker: &str, sequence: i64) -> Result<i64> {
    sqlx::query(
        "SELECT MIN(received_at) AS received_at FROM receipts WHERE locker_id = $1 AND sequence = $2 \
         AND standing = 'chained'",
    )
    .bind(locker)
    .bind(sequence)
    .fetch_one(tx.on())
    .await?
    .int("received_at")
}

/// Receipts of a locker are lost: of every occupancy whose end it had not acknowledged before, with news up to `told`, it is
/// not known any more whether its door was opened.
///
/// # Errors
/// When the database fails.
pub async fn lose(tx: &mut Tx, locker: &str, told: i64) -> Result<()> {
    sqlx::query(
        "UPDATE occupancies SET lost = 1 WHERE locker_id = $1 AND (ended_news IS NULL OR ended_news > $2)",
    )
    .bind(locker)
    .bind(told)
    .execute(tx.on())
    .await?;
    Ok(())
}
