//! Things that are lent, each from a door of its own.

use postern_api::{
    problem::Code,
    reservation::{Asset, State, TimelineEvent},
};
use postern_rules::{placed::Inside, settling::Holds};

use super::{
    alarms::{self, Alarm},
    doors, network,
    reservation::Reservation,
};
use crate::{
    error::{Result, invalid, refuse},
    store::{RowExt, Tx},
};

/// What an alarm is about that the thing's return resolves.
const MISSING: &str = "missing";

/// A thing lies in the door that is kept for it from now on; one that was missing is back, unless somebody has it on loan.
///
/// # Errors
/// `Malformed`; `NoCompartment` where the door is somebody's; `WrongState` where the thing is lent, or may not lie in its compartment
/// yet; `LockerNotTold` where whoever had the door before may still open it.
pub async fn put(tx: &mut Tx, id: &str, asset: &Asset, now: i64) -> Result<()> {
    network::check_id(id, "/id")?;
    network::check_name(&asset.title, 120, "/title")?;
    if !(1..=8760).contains(&asset.loan_hours) {
        return Err(invalid("/loan_hours", "1 to 8760"));
    }
    let door = (asset.locker.as_str(), i64::from(asset.door));
    // Whoever borrows it, or books the door, in the same moment waits, or has been waited for.
    sqlx::query("UPDATE assets SET title = title WHERE id = $1").bind(id).execute(tx.on()).await?;
    doors::lock(tx, door).await?;
    let free = sqlx::query(
        "SELECT d.site_id, a.id FROM doors d LEFT JOIN assets a ON a.locker_id = d.locker_id AND a.door = d.door \
         WHERE d.locker_id = $1 AND d.door = $2 AND COALESCE(d.reported_by, '') <> 'gone' AND ((a.id IS NULL AND d.reservation_id IS NULL AND d.settling_epoch IS NULL) OR a.id = $3)",
    )
    .bind(door.0)
    .bind(door.1)
    .bind(id)
    .fetch_optional(tx.on())
    .await?
    .ok_or(Code::NoCompartment)?;
    let before = sqlx::query("SELECT locker_id, door, reservation_id FROM assets WHERE id = $1")
        .bind(id)
        .fetch_optional(tx.on())
        .await?;
    // It comes back to the door that it was taken from.
    let lent = sqlx::query(
        "SELECT id FROM assets WHERE id = $1 AND (locker_id <> $2 OR door <> $3) AND (reservation_id IS NOT NULL \
         OR EXISTS (SELECT 1 FROM doors d WHERE d.locker_id = assets.locker_id AND d.door = assets.door \
         AND (d.reservation_id IS NOT NULL OR d.settling_epoch IS NOT NULL)))",
    )
    .bind(id)
    .bind(door.0)
    .bind(door.1)
    .fetch_optional(tx.on())
    .await?;
    if lent.is_some() {
        return Err(refuse(
            Code::WrongState,
            "it is lent, or may not lie in its compartment yet: it is moved when it is back",
        ));
    }
    if free.maybe_text("id")?.is_none() && !doors::is_safe_by_word(tx, "", door, now).await? {
        return Err(refuse(
            Code::LockerNotTold,
            "access from before may still open this door: clear it, bring the locker its news, and try again",
        ));
    }
    sqlx::query(
        "INSERT INTO assets (id, title, site_id, locker_id, door, loan_hours) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (id) DO UPDATE SET title = excluded.title, site_id = excluded.site_id, \
         locker_id = excluded.locker_id, door = excluded.door, loan_hours = excluded.loan_hours, \
         missing_at = CASE WHEN assets.reservation_id IS NULL THEN NULL ELSE assets.missing_at END",
    )
    .bind(id)
    .bind(&asset.title)
    .bind(free.text("site_id")?)
    .bind(door.0)
    .bind(door.1)
    .bind(i64::from(asset.loan_hours))
    .execute(tx.on())
    .await?;
    if let Some(before) = before {
        if before.maybe_text("reservation_id")?.is_some() {
            return Ok(());
        }
        let (locker, door) = (before.text("locker_id")?, before.int("door")?);
        alarms::resolve_of_door(tx, &[MISSING], (&locker, door), now).await?;
    }
    alarms::resolve_of_door(tx, &[MISSING], door, now).await
}

/// A thing is lent no more: somebody took it out of its compartment, which is anybody's from now on, or whoever has it does not bring
/// it back, and the loan ends.
///
/// # Errors
/// `NotFound`; `WrongState` where it may not lie in its compartment yet.
pub async fn remove(tx: &mut Tx, id: &str, now: i64) -> Result<()> {
    if let Some(loan) = loan(tx, id).await? {
        return end_loan(tx, id, loan, now).await;
    }
    let gone = sqlx::query(
        "DELETE FROM assets WHERE id = $1 AND reservation_id IS NULL AND NOT EXISTS (SELECT 1 FROM doors d \
         WHERE d.locker_id = assets.locker_id AND d.door = assets.door \
         AND (d.reservation_id IS NOT NULL OR d.settling_epoch IS NOT NULL)) RETURNING locker_id, door",
    )
    .bind(id)
    .fetch_optional(tx.on())
    .await?;
    let Some(row) = gone else {
        let known =
            sqlx::query("SELECT id FROM assets WHERE id = $1").bind(id).fetch_optional(tx.on()).await?;
        return Err(match known {
            Some(_) => refuse(Code::WrongState, "it is lent, or may not lie in its compartment yet"),
            None => Code::NotFound.into(),
        });
    };
    let (locker, door) = (row.text("locker_id")?, row.int("door")?);
    alarms::resolve_of_door(tx, &[MISSING], (&locker, door), now).await?;
    doors::clear(tx, &locker, door, now).await
}

/// The loan of a thing that somebody has, and whether it is known to be missing.
async fn loan(tx: &mut Tx, id: &str) -> Result<Option<(Reservation, bool)>> {
    let row = sqlx::query("SELECT reservation_id FROM assets WHERE id = $1")
        .bind(id)
        .fetch_optional(tx.on())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let Some(lent) = row.maybe_text("reservation_id")? else { return Ok(None) };
    let Some(loan) = Reservation::lock(tx, &lent).await? else { return Ok(None) };
    // It may have been given back until then.
    let still = sqlx::query("SELECT missing_at FROM assets WHERE id = $1 AND reservation_id = $2")
        .bind(id)
        .bind(&lent)
        .fetch_optional(tx.on())
        .await?;
    still.map(|row| Ok((loan, row.maybe_int("missing_at")?.is_some()))).transpose()
}

/// Whoever has it does not bring it back. Its door settles: they may do so yet.
async fn end_loan(tx: &mut Tx, id: &str, (mut loan, missing): (Reservation, bool), now: i64) -> Result<()> {
    let is_away = loan.inside.and_then(Inside::counts) == Some(false);
    if !(is_away || missing) {
        return Err(refuse(
            Code::WrongState,
            "it may lie in its compartment: look, and clear the compartment where it does not",
        ));
    }
    sqlx::query("DELETE FROM assets WHERE id = $1").bind(id).execute(tx.on()).await?;
    doors::end(tx, &loan, Holds::Nothing, now).await?;
    loan.state = State::Released;
    loan.note(now, TimelineEvent::Ended, Some("operator"), false);
    loan.save(tx, now).await
}

/// The locker has measured that nothing lies in a compartment: what is lent from there, is lent to nobody now and has come back, is
/// missing.
///
/// # Errors
/// When the database fails.
pub async fn measured_gone(tx: &mut Tx, locker: &str, door: i64, now: i64) -> Result<()> {
    let missing = sqlx::query(
        "UPDATE assets SET missing_at = $1 WHERE locker_id = $2 AND door = $3 AND reservation_id IS NULL \
         AND missing_at IS NULL AND NOT EXISTS (SELECT 1 FROM doors d WHERE d.locker_id = assets.locker_id \
         AND d.door = assets.door AND (d.settling_epoch IS NOT NULL OR d.reservation_id IS NOT NULL))",
    )
    .bind(now)
    .bind(locker)
    .bind(door)
    .execute(tx.on())
    .await?;
    if missing.rows_affected() > 0 {
        let reason = "a thing that is lent from here is not in its compartment, as the locker has measured: put it back, and say so \
                      (PUT of the thing)";
        alarm(tx, (locker, door), reason, now).await?;
    }
    Ok(())
}

async fn alarm(tx: &mut Tx, (locker, door): (&str, i64), reason: &'static str, now: i64) -> Result<()> {
    let alarm = Alarm { kind: MISSING, locker: Some(locker), door: Some(door), reason, ..Alarm::default() };
    alarms::raise_once(tx, alarm, now).await
}

/// Somebody looked, and a thing does not lie in its compartment that was not known to be away.
///
/// # Errors
/// When the database fails.
pub async fn missing(tx: &mut Tx, locker: &str, door: i64, now: i64) -> Result<()> {
    sqlx::query(
        "UPDATE assets SET missing_at = COALESCE(missing_at, $1) WHERE locker_id = $2 AND door = $3 AND reservation_id IS NULL",
    )
    .bind(now)
    .bind(locker)
    .bind(door)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// The same, of a thing that is lent by this reservation: nobody borrows it after that before the operator says that it is back.
///
/// # Errors
/// When the database fails.
pub async fn lent_missing(tx: &mut Tx, loan: &str, now: i64) -> Result<()> {
    let missing = sqlx::query(
        "UPDATE assets SET missing_at = COALESCE(missing_at, $1) WHERE reservation_id = $2 RETURNING locker_id, door",
    )
    .bind(now)
    .bind(loan)
    .fetch_optional(tx.on())
    .await?;
    let Some(row) = missing else { return Ok(()) };
    let reason = "a thing that is lent from here was not in its compartment when somebody looked, and nobody had said that it was \
                  taken: once it is back, say so (PUT of the thing)";
    alarm(tx, (&row.text("locker_id")?, row.int("door")?), reason, now).await
}
