//! Things that an operator must look at, with the reason on record.

use crate::{error::Result, random, store::Tx};

/// What an alarm is about.
#[derive(Clone, Debug, Default)]
pub struct Alarm<'a> {
    /// A stable word: `fork`, `jammed`, `disputed`, ...
    pub kind: &'a str,
    /// Locker id.
    pub locker: Option<&'a str>,
    /// Door.
    pub door: Option<i64>,
    /// Reservation id.
    pub reservation: Option<&'a str>,
    /// In English, for the operator; no personal data.
    pub reason: &'a str,
    /// The hub set right what it could by itself.
    pub repaired: bool,
}

/// Puts it on record.
///
/// # Errors
/// When the database fails.
pub async fn raise(tx: &mut Tx, alarm: Alarm<'_>, now: i64) -> Result<()> {
    tracing::warn!(kind = alarm.kind, locker = alarm.locker, door = alarm.door, "alarm");
    sqlx::query(
        "INSERT INTO alarms (id, kind, locker_id, door, reservation_id, reason, repaired, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(random::id())
    .bind(alarm.kind)
    .bind(alarm.locker.map(str::to_owned))
    .bind(alarm.door)
    .bind(alarm.reservation.map(str::to_owned))
    .bind(alarm.reason)
    .bind(i64::from(alarm.repaired))
    .bind(now)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// As [`raise`], unless the same is on record already, of the same thing, and nobody has resolved it.
///
/// # Errors
/// When the database fails.
pub async fn raise_once(tx: &mut Tx, alarm: Alarm<'_>, now: i64) -> Result<()> {
    let known = sqlx::query(
        "SELECT id FROM alarms WHERE kind = $1 AND COALESCE(locker_id, '') = $2 AND COALESCE(door, -1) = $3 \
         AND COALESCE(reservation_id, '') = $4 AND resolved_at IS NULL LIMIT 1",
    )
    .bind(alarm.kind)
    .bind(alarm.locker.unwrap_or_default())
    .bind(alarm.door.unwrap_or(-1))
    .bind(alarm.reservation.unwrap_or_default())
    .fetch_optional(tx.on())
    .await?;
    if known.is_some() { Ok(()) } else { raise(tx, alarm, now).await }
}

/// Everything of these kinds at a door is resolved.
///
/// # Errors
/// When the database fails.
pub async fn resolve_of_door(
    tx: &mut Tx,
    kinds: &[&str],
    (locker, door): (&str, i64),
    now: i64,
) -> Result<()> {
    for kind in kinds {
        sqlx::query(
            "UPDATE alarms SET resolved_at = $1 WHERE kind = $2 AND locker_id = $3 AND door = $4 AND resolved_at IS NULL",
        )
        .bind(now)
        .bind(*kind)
        .bind(locker)
        .bind(door)
        .execute(tx.on())
        .await?;
    }
    Ok(())
}

/// Everything of this kind at a locker is resolved.
///
/// # Errors
/// When the database fails.
pub async fn resolve_all(tx: &mut Tx, kind: &str, locker: &str, now: i64) -> Result<()> {
    sqlx::query(
        "UPDATE alarms SET resolved_at = $1 WHERE kind = $2 AND locker_id = $3 AND resolved_at IS NULL",
    )
    .bind(now)
    .bind(kind)
    .bind(locker)
    .execute(tx.on())
    .await?;
    Ok(())
}
