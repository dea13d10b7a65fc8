//! After a backup was put back: what was written since is gone, and lockers know things that the hub does not.

use super::alarms::{self, Alarm};
use crate::{
    error::Result,
    store::{RowExt, Store, Tx},
};

/// Epochs and numbers of news that may have been given out since the backup: so many are never used again. Both have 32 bits.
const PASSED_OVER: i64 = 1_000_000;
/// What [`mark`] writes as the reason for which a door is out of order.
const MARK: &str = "restored";

/// Ends all access that was ever given, and gives no door to anybody before its locker has been heard or somebody has looked at it.
/// How many doors.
///
/// # Errors
/// When the database fails.
pub async fn mark(store: &Store, now: i64) -> Result<u64> {
    let lockers = sqlx::query("SELECT id FROM lockers WHERE retired_at IS NULL ORDER BY id")
        .fetch_all(store.read())
        .await?;
    let mut doors = 0;
    for row in lockers {
        let locker = row.text("id")?;
        let mut tx = store.begin().await?;
        doors += locker_of_before(&mut tx, &locker, now).await?;
        tx.commit().await?;
    }
    Ok(doors)
}

async fn locker_of_before(tx: &mut Tx, locker: &str, now: i64) -> Result<u64> {
    let news = sqlx::query("UPDATE lockers SET news = news + $1 WHERE id = $2 RETURNING news")
        .bind(PASSED_OVER)
        .bind(locker)
        .fetch_one(tx.on())
        .await?
        .int("news")?;
    // PINs and tokens that were given since may open any door: no deposit is taken on a word until the locker has heard.
    sqlx::query(
        "INSERT INTO occupancies (locker_id, door, epoch, first_epoch, began_at) SELECT d.locker_id, d.door, \
         d.epoch + $1 - 1, d.epoch + 1, $2 FROM doors d WHERE d.locker_id = $3",
    )
    .bind(PASSED_OVER)
    .bind(now)
    .bind(locker)
    .execute(tx.on())
    .await?;
    sqlx::query(
        "INSERT INTO pin_slots (locker_id, door, epoch, slot, session_id, ended) SELECT d.locker_id, d.door, \
         d.epoch + $1 - 1, 0, $2, 0 FROM doors d WHERE d.locker_id = $3",
    )
    .bind(PASSED_OVER)
    .bind(MARK)
    .bind(locker)
    .execute(tx.on())
    .await?;
    // Nobody's, as far as the hub knew: each settles after an occupancy of which nothing is known, whatever was said of the last.
    sqlx::query(
        "INSERT INTO occupancies (locker_id, door, epoch, first_epoch, began_at, ended_news, holds, \
         tokens_until, pins) SELECT d.locker_id, d.door, d.epoch + $1, \
         COALESCE(o.first_epoch, d.epoch + 1), COALESCE(o.began_at, $2), $3, CASE WHEN a.id IS NULL THEN 'nothing' \
         ELSE 'lent' END, $2 + 86400, 1 FROM doors d LEFT JOIN occupancies o ON o.locker_id = d.locker_id \
         AND o.door = d.door AND o.epoch = d.settling_epoch LEFT JOIN assets a ON a.locker_id = d.locker_id \
         AND a.door = d.door WHERE d.locker_id = $4 AND d.reservation_id IS NULL",
    )
    .bind(PASSED_OVER)
    .bind(now)
    .bind(news)
    .bind(locker)
    .execute(tx.on())
    .await?;
    let nobodys = sqlx::query(
        "UPDATE doors SET settling_epoch = epoch + $1, epoch = epoch + $1 + 1, revoked_epoch = epoch + $1 + 1, \
         ended_slots = 0, news_number = $2 WHERE locker_id = $3 AND reservation_id IS NULL",
    )
    .bind(PASSED_OVER)
    .bind(news)
    .bind(locker)
    .execute(tx.on())
    .await?;
    // What lies behind somebody's door may have been taken since, and somebody else's be there now.
    sqlx::query(
        "INSERT INTO occupancies (locker_id, door, epoch, reservation_id, booked_by, courier, first_epoch, began_at) \
         SELECT d.locker_id, d.door, d.epoch + $1, d.reservation_id, o.booked_by, 0, COALESCE(o.first_epoch, d.epoch), $2 \
         FROM doors d LEFT JOIN occupancies o ON o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = d.epoch \
         WHERE d.locker_id = $3 AND d.reservation_id IS NOT NULL",
    )
    .bind(PASSED_OVER)
    .bind(now)
    .bind(locker)
    .execute(tx.on())
    .await?;
    let kept = sqlx::query(
        "UPDATE doors SET epoch = epoch + $1, revoked_epoch = epoch + $1, ended_slots = 0, news_number = $2, \
         out_of_order = 1, reported_by = $3 WHERE locker_id = $4 AND reservation_id IS NOT NULL",
    )
    .bind(PASSED_OVER)
    .bind(news)
    .bind(MARK)
    .bind(locker)
    .execute(tx.on())
    .await?;
    sqlx::query(
        "UPDATE reservations SET epoch = epoch + $1 WHERE locker_id = $2 AND id IN (SELECT d.reservation_id FROM doors d \
         WHERE d.locker_id = $2 AND d.reservation_id IS NOT NULL AND d.door = reservations.door)",
    )
    .bind(PASSED_OVER)
    .bind(locker)
    .execute(tx.on())
    .await?;
    let alarm = Alarm {
        kind: "restored",
        locker: Some(locker),
        reason: "a backup was put back: look at each compartment that is out of order, put it back into service where what \
                 the hub says lies there, and clear it where not; the others are given again when the locker's receipts \
                 have come, or when they are cleared",
        ..Alarm::default()
    };
    alarms::raise_once(tx, alarm, now).await?;
    Ok(nobodys.rows_affected() + kept.rows_affected())
}

/// Whether nobody has looked since at a door that was somebody's.
///
/// # Errors
/// When the database fails.
pub async fn is_unseen(tx: &mut Tx, locker: &str, door: i64) -> Result<bool> {
    let row = sqlx::query("SELECT door FROM doors WHERE locker_id = $1 AND door = $2 AND reported_by = $3")
        .bind(locker)
        .bind(door)
        .bind(MARK)
        .fetch_optional(tx.on())
        .await?;
    Ok(row.is_some())
}

/// A locker acknowledges news that this hub has never given: it does not know what happened since some backup.
///
/// # Errors
/// When the database fails.
pub async fn suspect(tx: &mut Tx, locker: &str, now: i64) -> Result<()> {
    let alarm = Alarm {
        kind: "restored",
        locker: Some(locker),
        reason: "this locker has heard news that this hub never gave: was a backup put back? Stop the hub, run \
                 `postern-hub restored`, and start it again",
        ..Alarm::default()
    };
    alarms::raise_once(tx, alarm, now).await
}
