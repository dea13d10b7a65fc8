//! Compartments. The database itself makes sure that a door never has two occupants: a door is taken by one `UPDATE`
//! that names it free, and its occupant is unique.

use postern_api::{
    locker::{Reach, Size},
    problem::Code,
};

use super::{code, reservation::Reservation};
use crate::{
    error::{Error, Result, refuse},
    store::{RowExt, Tx},
};

/// Sizes that hold a parcel of `size`, smallest first.
fn sizes_from(size: Size) -> impl Iterator<Item = Size> {
    [Size::Xs, Size::S, Size::M, Size::L, Size::Xl].into_iter().filter(move |candidate| *candidate >= size)
}

/// What is wanted of a door.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// At this locker, or at any of the site.
    pub locker: Option<&'a str>,
    /// The site.
    pub site: &'a str,
    /// At least so large.
    pub size: Size,
    /// Doors between 40 and 120 cm first.
    pub prefers_low: bool,
    /// Must be cooled.
    pub chilled: bool,
}

/// Takes a free door for the reservation: the smallest that fits, then the easiest to reach. Puts locker, door and epoch
/// into the reservation.
///
/// # Errors
/// `NoCompartment` where none is free.
pub async fn book(tx: &mut Tx, reservation: &mut Reservation, wanted: Wanted<'_>) -> Result<()> {
    for size in sizes_from(wanted.size) {
        loop {
            let candidate = sqlx::query(
                "SELECT d.locker_id, d.door FROM doors d JOIN lockers l ON l.id = d.locker_id \
                 WHERE d.site_id = $1 AND d.size = $2 AND d.out_of_order = 0 AND d.reservation_id IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.locker_id = d.locker_id AND a.door = d.door) \
                 AND l.retired_at IS NULL AND ($3 = '' OR d.locker_id = $3) AND d.chilled >= $4 \
                 ORDER BY CASE WHEN $5 = 0 OR d.reach = 'easy' THEN 0 WHEN d.reach = 'floor' THEN 1 ELSE 2 END, \
                 d.chilled, d.locker_id, d.door LIMIT 1",
            )
            .bind(wanted.site)
            .bind(code::of(&size))
            .bind(wanted.locker.unwrap_or_default())
            .bind(i64::from(wanted.chilled))
            .bind(i64::from(wanted.prefers_low))
            .fetch_optional(tx.on())
            .await?;
            let Some(row) = candidate else { break };
            if take(tx, reservation, &row.text("locker_id")?, row.int("door")?).await? {
                return Ok(());
            }
            // Somebody was faster at that door; look for the next.
        }
    }
    Err(Code::NoCompartment.into())
}

/// Takes exactly this door, and ends every token there was for it by raising its epoch. False where it is not free.
///
/// # Errors
/// When the database fails.
pub async fn take(tx: &mut Tx, reservation: &mut Reservation, locker: &str, door: i64) -> Result<bool> {
    let kept = sqlx::query("SELECT id FROM assets WHERE locker_id = $1 AND door = $2")
        .bind(locker)
        .bind(door)
        .fetch_optional(tx.on())
        .await?;
    if kept.is_some() { Ok(false) } else { take_kept(tx, reservation, locker, door).await }
}

/// As [`take`], also where the door is kept for a thing that is lent.
///
/// # Errors
/// When the database fails.
pub async fn take_kept(tx: &mut Tx, reservation: &mut Reservation, locker: &str, door: i64) -> Result<bool> {
    let taken = sqlx::query(
        "UPDATE doors SET reservation_id = $1, epoch = epoch + 1 WHERE locker_id = $2 AND door = $3 \
         AND out_of_order = 0 AND (reservation_id IS NULL OR reservation_id = $1) RETURNING epoch, site_id",
    )
    .bind(&reservation.id)
    .bind(locker)
    .bind(door)
    .fetch_optional(tx.on())
    .await?;
    let Some(row) = taken else { return Ok(false) };
    reservation.locker = Some(locker.to_owned());
    reservation.door = Some(door);
    reservation.epoch = row.int("epoch")?;
    reservation.site = Some(row.text("site_id")?);
    Ok(true)
}

/// The door that is kept for a reservation, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn kept_for(tx: &mut Tx, reservation: &str) -> Result<Option<(String, i64)>> {
    let row = sqlx::query("SELECT locker_id, door FROM doors WHERE reservation_id = $1")
        .bind(reservation)
        .fetch_optional(tx.on())
        .await?;
    row.map(|row| Ok((row.text("locker_id")?, row.int("door")?))).transpose()
}

/// Frees the reservation's door, if it has one.
///
/// # Errors
/// When the database fails.
pub async fn free(tx: &mut Tx, reservation: &str) -> Result<()> {
    sqlx::query("UPDATE doors SET reservation_id = NULL WHERE reservation_id = $1")
        .bind(reservation)
        .execute(tx.on())
        .await?;
    Ok(())
}

/// Frees the door of a reservation that ended without an opening, once that is certain: a token may have been used at a
/// locker without a network, and its receipt be on the way. It is certain where no token was minted, or where the
/// locker's chain has no gap up to a receipt from after `since`. True where the door is free now.
///
/// # Errors
/// When the database fails.
pub async fn free_when_proven(tx: &mut Tx, reservation: &Reservation, since: i64) -> Result<bool> {
    let Some(locker) = &reservation.locker else { return Ok(true) };
    let minted = sqlx::query("SELECT token_id FROM grants WHERE reservation_id = $1 LIMIT 1")
        .bind(&reservation.id)
        .fetch_optional(tx.on())
        .await?;
    if minted.is_some() {
        let chain = sqlx::query(
            "SELECT COUNT(*) AS links, COALESCE(MAX(sequence), -1) AS newest, COALESCE(MAX(happened_at), 0) AS latest \
             FROM receipts WHERE locker_id = $1 AND standing = 'chained'",
        )
        .bind(locker)
        .fetch_one(tx.on())
        .await?;
        let whole = chain.int("links")? == chain.int("newest")? + 1;
        if !whole || chain.int("latest")? <= since {
            return Ok(false);
        }
    }
    free(tx, &reservation.id).await?;
    Ok(true)
}

/// Ends all tokens for the reservation's door that were minted so far: raises the epoch and has it carried to the
/// locker.
///
/// # Errors
/// When the database fails.
pub async fn revoke(tx: &mut Tx, reservation: &mut Reservation, now: i64) -> Result<()> {
    let row = sqlx::query(
        "UPDATE doors SET epoch = epoch + 1, revoked_epoch = epoch + 1, revoked_at = $1 WHERE reservation_id = $2 \
         RETURNING epoch",
    )
    .bind(now)
    .bind(&reservation.id)
    .fetch_optional(tx.on())
    .await?;
    if let Some(row) = row {
        reservation.epoch = row.int("epoch")?;
    }
    Ok(())
}

/// Takes a door out of service, or puts it back.
///
/// # Errors
/// `NotFound` where there is no such door.
pub async fn set_out_of_order(tx: &mut Tx, locker: &str, door: i64, out: bool) -> Result<()> {
    let changed = sqlx::query("UPDATE doors SET out_of_order = $1 WHERE locker_id = $2 AND door = $3")
        .bind(i64::from(out))
        .bind(locker)
        .bind(door)
        .execute(tx.on())
        .await?
        .rows_affected();
    if changed == 1 { Ok(()) } else { Err(refuse(Code::NotFound, "no such door")) }
}

/// A door number of the contract.
///
/// # Errors
/// When the database holds one that does not fit.
pub fn number(door: i64) -> Result<u16> {
    u16::try_from(door).map_err(|_| Error::Internal("a stored door number does not fit".to_owned()))
}

/// As stored.
#[must_use]
pub fn reach(reach: Reach) -> String {
    code::of(&reach)
}
