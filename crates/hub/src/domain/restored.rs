//! After a backup was put back: what was written since is gone, and lockers and clients know things that the hub does not.

use super::{
    account,
    alarms::{self, Alarm},
};
use crate::{
    error::Result,
    store::{RowExt, Store, Tx},
};

/// Epochs, numbers of news and versions that may have been given out since the backup: so many are never used again. The first
/// two have 32 bits.
const PASSED_OVER: i64 = 1_000_000;
/// The same for places in feeds, of which each change of an account's things is one.
const PLACES: i64 = 1_000_000_000;
/// What stands in a door's `reported_by` until somebody has looked.
pub const MARK: &str = "restored";
/// Names in `meta`: when it was restored, and from when on access tokens count.
const RESTORED: &str = "restored_at";
const SIGNED_IN_SINCE: &str = "signed_in_since";
const LOOK: &str = "a backup was put back: look at each compartment, put it back into service where what the hub says lies \
                    there (where it says nothing: where it is empty), and clear it where not";
/// Doors that join so many seconds after a restore may have been in the network before, and be forgotten with what was written
/// since the backup.
const JOINS: i64 = 30 * 86_400;

/// What the operator is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Doors that wait until somebody has looked.
    pub doors: u64,
    /// API keys that are good, those among them that were revoked since the backup.
    pub keys: i64,
}

/// Ends all access that was ever given, and gives no door to anybody before somebody has looked at it: what was put in on a
/// carrier's word, or at a locker whose receipts are lost, no receipt will tell. Unless `keep_sessions`, everybody signs in anew and
/// what was shared ends, for a device, courier or guest that was removed since the backup would be back.
///
/// # Errors
/// When the database fails.
pub async fn mark(store: &Store, keep_sessions: bool, now: i64) -> Result<Marked> {
    let lockers = sqlx::query("SELECT id FROM lockers WHERE retired_at IS NULL ORDER BY id")
        .fetch_all(store.read())
        .await?;
    let mut doors = 0;
    for row in lockers {
        let locker = row.text("id")?;
        let mut tx = store.begin().await?;
        let all = sqlx::query("SELECT door FROM doors WHERE locker_id = $1 AND COALESCE(reported_by, '') <> 'gone' ORDER BY door")
            .bind(&locker)
            .fetch_all(tx.on())
            .await?;
        let all = all.iter().map(|row| row.int("door")).collect::<Result<Vec<_>>>()?;
        doors += all.len() as u64;
        pass_over(&mut tx, &locker, &all, now).await?;
        tx.commit().await?;
    }
    let mut tx = store.begin().await?;
    // Cursors, versions and ETags of since the backup are of nothing that is known: clients fetch everything anew, and take it for
    // newer than what they have.
    for (sql, by) in [
        ("UPDATE accounts SET feed = feed + $1, feed_floor = feed_floor + $1", PLACES),
        ("UPDATE feed SET seq = seq + $1", PLACES),
        ("UPDATE reservations SET version = version + $1", PASSED_OVER),
    ] {
        sqlx::query(sql).bind(by).execute(tx.on()).await?;
    }
    if !keep_sessions {
        // Who has no account has no other way back than the link that brought them.
        let guests =
            sqlx::query("SELECT id FROM accounts WHERE guest = 1 ORDER BY id").fetch_all(tx.on()).await?;
        for row in guests {
            account::leave_parcels(&mut tx, &row.text("id")?).await?;
        }
        sqlx::query(
            "UPDATE feed SET removed = 1, changed_at = $1 WHERE EXISTS (SELECT 1 FROM shares s \
             JOIN reservations r ON r.id = s.reservation_id WHERE s.reservation_id = feed.reservation_id \
             AND s.account_id = feed.account_id AND COALESCE(r.account_id, '') <> feed.account_id)",
        )
        .bind(now)
        .execute(tx.on())
        .await?;
        for sql in [
            "DELETE FROM refresh_tokens",
            "DELETE FROM enrolments",
            "UPDATE shares SET state = 'ended' WHERE state <> 'ended'",
        ] {
            sqlx::query(sql).execute(tx.on()).await?;
        }
        note(&mut tx, SIGNED_IN_SINCE, now).await?;
    }
    note(&mut tx, RESTORED, now).await?;
    let keys = sqlx::query("SELECT COUNT(*) AS keys FROM api_keys WHERE revoked_at IS NULL")
        .fetch_one(tx.on())
        .await?
        .int("keys")?;
    tx.commit().await?;
    Ok(Marked { doors, keys })
}

async fn note(tx: &mut Tx, name: &str, now: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(now.to_string())
    .execute(tx.on())
    .await?;
    Ok(())
}

async fn noted(store: &Store, name: &str) -> Result<Option<i64>> {
    let row =
        sqlx::query("SELECT value FROM meta WHERE name = $1").bind(name).fetch_optional(store.read()).await?;
    Ok(row.map(|row| row.text("value")).transpose()?.and_then(|value| value.parse().ok()))
}

/// Access tokens that were given before this moment, UNIX seconds, are good for nothing.
///
/// # Errors
/// When the database fails.
pub async fn signed_in_since(store: &Store) -> Result<i64> {
    Ok(noted(store, SIGNED_IN_SINCE).await?.unwrap_or(0))
}

/// Doors join a locker that may have been in the network between the backup and now: with something inside, and access that works.
///
/// # Errors
/// When the database fails.
pub async fn joined(store: &Store, tx: &mut Tx, locker: &str, doors: &[i64], now: i64) -> Result<()> {
    let restored = noted(store, RESTORED).await?;
    if doors.is_empty() || restored.is_none_or(|at| at < now - JOINS) {
        return Ok(());
    }
    pass_over(tx, locker, doors, now).await
}

/// What the hub does not know may have been done with these doors.
async fn pass_over(tx: &mut Tx, locker: &str, doors: &[i64], now: i64) -> Result<()> {
    let count = i64::try_from(doors.len()).unwrap_or(PASSED_OVER);
    let newest = sqlx::query("UPDATE lockers SET news = news + $1 WHERE id = $2 RETURNING news")
        .bind(PASSED_OVER + count)
        .bind(locker)
        .fetch_one(tx.on())
        .await?
        .int("news")?;
    // Each has a number of its own: of doors that shared one, those that a bulletin has no room for would never be heard of.
    for (number, door) in (newest - count + 1..).zip(doors) {
        one_door(tx, locker, *door, number, now).await?;
    }
    // Whoever was told to run this has done so.
    alarms::resolve_all(tx, MARK, locker, now).await?;
    let alarm = Alarm { kind: MARK, locker: Some(locker), reason: LOOK, ..Alarm::default() };
    alarms::raise_once(tx, alarm, now).await
}

async fn one_door(tx: &mut Tx, locker: &str, door: i64, number: i64, now: i64) -> Result<()> {
    let row = sqlx::query("SELECT epoch, reservation_id FROM doors WHERE locker_id = $1 AND door = $2")
        .bind(locker)
        .bind(door)
        .fetch_one(tx.on())
        .await?;
    let (top, kept) = (row.int("epoch")? + PASSED_OVER, row.maybe_text("reservation_id")?);
    // PINs and tokens that were given since may open the door. No deposit is taken on a word until the locker has heard, and no
    // occupancy ends as one that nobody was given access in.
    guard(tx, (locker, door), top - 2, None, now).await?;
    if let Some(reservation) = kept {
        guard(tx, (locker, door), top - 1, Some(&reservation), now).await?;
        sqlx::query(
            "INSERT INTO occupancies (locker_id, door, epoch, reservation_id, booked_by, courier, first_epoch, began_at) \
             SELECT d.locker_id, d.door, $1, d.reservation_id, o.booked_by, 0, COALESCE(o.first_epoch, d.epoch), $2 \
             FROM doors d LEFT JOIN occupancies o ON o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = d.epoch \
             WHERE d.locker_id = $3 AND d.door = $4",
        )
        .bind(top)
        .bind(now)
        .bind(locker)
        .bind(door)
        .execute(tx.on())
        .await?;
        sqlx::query(
            "UPDATE doors SET epoch = $1, revoked_epoch = $1, ended_slots = 0, news_number = $2, out_of_order = 1, \
             reported_by = $3 WHERE locker_id = $4 AND door = $5",
        )
        .bind(top)
        .bind(number)
        .bind(MARK)
        .bind(locker)
        .bind(door)
        .execute(tx.on())
        .await?;
        sqlx::query("UPDATE reservations SET epoch = $1 WHERE id = $2 AND locker_id = $3 AND door = $4")
            .bind(top)
            .bind(&reservation)
            .bind(locker)
            .bind(door)
            .execute(tx.on())
            .await?;
        return Ok(());
    }
    // Nobody's: it settles after what it settled after, or after an occupancy of which nothing is known, and receipts of it are lost.
    sqlx::query(
        "INSERT INTO occupancies (locker_id, door, epoch, reservation_id, booked_by, first_epoch, began_at, ended_news, holds, \
         tokens_until, pins, lost) SELECT d.locker_id, d.door, $1, o.reservation_id, o.booked_by, \
         COALESCE(o.first_epoch, d.epoch + 1), COALESCE(o.began_at, $2), $3, COALESCE(o.holds, CASE WHEN a.id IS NULL \
         THEN 'nothing' ELSE 'lent' END), $2 + 86400, 1, 1 FROM doors d LEFT JOIN occupancies o ON o.locker_id = d.locker_id \
         AND o.door = d.door AND o.epoch = d.settling_epoch LEFT JOIN assets a ON a.locker_id = d.locker_id \
         AND a.door = d.door WHERE d.locker_id = $4 AND d.door = $5",
    )
    .bind(top)
    .bind(now)
    .bind(number)
    .bind(locker)
    .bind(door)
    .execute(tx.on())
    .await?;
    sqlx::query(
        "UPDATE doors SET settling_epoch = $1, epoch = $1 + 1, revoked_epoch = $1 + 1, ended_slots = 0, news_number = $2, \
         out_of_order = 1, reported_by = $3 WHERE locker_id = $4 AND door = $5",
    )
    .bind(top)
    .bind(number)
    .bind(MARK)
    .bind(locker)
    .bind(door)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// Somebody whom nobody knows may have a PIN of this epoch.
async fn guard(
    tx: &mut Tx,
    (locker, door): (&str, i64),
    epoch: i64,
    reservation: Option<&str>,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO occupancies (locker_id, door, epoch, reservation_id, first_epoch, began_at) \
         VALUES ($1, $2, $3, $4, $3, $5)",
    )
    .bind(locker)
    .bind(door)
    .bind(epoch)
    .bind(reservation.map(str::to_owned))
    .bind(now)
    .execute(tx.on())
    .await?;
    sqlx::query(
        "INSERT INTO pin_slots (locker_id, door, epoch, slot, session_id, ended) VALUES ($1, $2, $3, 0, $4, 0)",
    )
    .bind(locker)
    .bind(door)
    .bind(epoch)
    .bind(MARK)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// Whether nobody has looked at a door since a backup was put back.
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

/// Somebody has looked at a door of this locker: where it was the last, its alarm is resolved.
///
/// # Errors
/// When the database fails.
pub async fn looked_at(tx: &mut Tx, locker: &str, now: i64) -> Result<()> {
    let left = sqlx::query("SELECT door FROM doors WHERE locker_id = $1 AND reported_by = $2 LIMIT 1")
        .bind(locker)
        .bind(MARK)
        .fetch_optional(tx.on())
        .await?;
    if left.is_some() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE alarms SET resolved_at = $1 WHERE kind = $2 AND locker_id = $3 AND reason = $4 AND resolved_at IS NULL",
    )
    .bind(now)
    .bind(MARK)
    .bind(locker)
    .bind(LOOK)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// A locker acknowledges news that this hub has never given: it does not know what happened since some backup.
///
/// # Errors
/// When the database fails.
pub async fn suspect(tx: &mut Tx, locker: &str, now: i64) -> Result<()> {
    let alarm = Alarm {
        kind: MARK,
        locker: Some(locker),
        reason: "this locker has heard news that this hub never gave: was a backup put back? Stop the hub, run \
                 `postern-hub restored`, and start it again",
        ..Alarm::default()
    };
    alarms::raise_once(tx, alarm, now).await
}
