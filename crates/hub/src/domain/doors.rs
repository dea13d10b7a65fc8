//! Compartments. The database itself makes sure that a door never has two occupants: a door is taken by one `UPDATE`
//! that names it free, and its occupant is unique.
//!
//! Each occupancy of a door has an epoch of its own (PROTOCOL.md, epochs), and so have a courier who takes something out and
//! the customer who gets the door back. `occupancies` says for ever whose each of them was.

use postern_api::{locker::Size, problem::Code};
use postern_rules::{
    access::{self, For},
    care::Climate,
    settling::Holds,
    share,
};

use super::{care, code, news, reservation::Reservation};
use crate::{
    error::{Error, Result, refuse},
    store::{RowExt, Tx, chain},
};

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
    /// What it must do to what lies behind it.
    pub climate: Climate,
    /// No access from earlier occupancies may still work there, as far as the hub can know.
    pub untold: bool,
}

impl Wanted<'_> {
    /// In which order doors are looked at: a chilled one is left to what needs it wherever a larger plain one will do.
    fn tries(self) -> impl Iterator<Item = (Climate, Size)> {
        let climates = self.climate.doors().iter();
        climates.flat_map(move |climate| care::sizes_from(self.size).map(move |size| (*climate, size)))
    }
}

/// Who takes a door, and when.
#[derive(Clone, Copy, Debug)]
pub struct Taking {
    /// A customer books it, so that it counts against their share.
    pub by_customer: bool,
    /// UNIX seconds.
    pub now: i64,
}

/// Earlier access to `d` that may still work: tokens that live and PINs, of an epoch that the locker may still take.
macro_rules! earlier_access {
    () => {
        "(SELECT COUNT(*) FROM grants g WHERE g.locker_id = d.locker_id AND g.door = d.door AND g.expires_at > $1 \
         AND g.epoch >= d.proven_epoch AND g.reservation_id <> $2) AS tokens, \
         (SELECT COUNT(*) FROM pin_slots p JOIN occupancies o ON o.locker_id = p.locker_id AND o.door = p.door \
         AND o.epoch = p.epoch WHERE p.locker_id = d.locker_id AND p.door = d.door AND p.epoch >= d.proven_epoch \
         AND COALESCE(o.reservation_id, '') <> $2) AS pins"
    };
}

/// Whether a door `d` of a locker `l` is free and one that is wanted: at this site, of this size, at this locker where one is named,
/// and of this climate.
macro_rules! is_wanted {
    ($site:literal, $size:literal, $locker:literal, $chilled:literal, $frozen:literal) => {
        concat!(
            "d.site_id = ",
            $site,
            " AND d.size = ",
            $size,
            " AND d.out_of_order = 0 AND d.reservation_id IS NULL AND d.settling_epoch IS NULL \
             AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.locker_id = d.locker_id AND a.door = d.door) \
             AND l.retired_at IS NULL AND (",
            $locker,
            " = '' OR d.locker_id = ",
            $locker,
            ") AND d.chilled = ",
            $chilled,
            " AND d.frozen = ",
            $frozen
        )
    };
}

/// Whether a door is free that is wanted.
///
/// # Errors
/// When the database fails.
pub async fn has_free(tx: &mut Tx, wanted: Wanted<'_>) -> Result<bool> {
    for (climate, size) in wanted.tries() {
        let (chilled, frozen) = care::columns(climate);
        let free = sqlx::query(concat!(
            "SELECT d.door FROM doors d JOIN lockers l ON l.id = d.locker_id WHERE ",
            is_wanted!("$1", "$2", "$3", "$4", "$5"),
            " LIMIT 1"
        ))
        .bind(wanted.site)
        .bind(code::of(&size))
        .bind(wanted.locker.unwrap_or_default())
        .bind(chilled)
        .bind(frozen)
        .fetch_optional(tx.on())
        .await?;
        if free.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes a free door for the reservation: the smallest that fits, then the easiest to reach. Puts locker, door and epoch
/// into the reservation.
///
/// # Errors
/// `NoCompartment` where none is free, `NoClimate` where there is none that keeps it; `LockerNotTold` where some are free, and
/// all of them may open to somebody else.
pub async fn book(
    tx: &mut Tx,
    reservation: &mut Reservation,
    wanted: Wanted<'_>,
    taking: Taking,
) -> Result<()> {
    let mut untold = false;
    for (climate, size) in wanted.tries() {
        let (chilled, frozen) = care::columns(climate);
        // A door that somebody else was faster at is not among the next candidates.
        loop {
            let candidates = sqlx::query(concat!(
                "SELECT d.locker_id, d.door, d.epoch, d.proven_epoch, ",
                earlier_access!(),
                " FROM doors d JOIN lockers l ON l.id = d.locker_id WHERE ",
                is_wanted!("$3", "$4", "$5", "$6", "$7"),
                " ORDER BY CASE WHEN $8 = 0 OR d.reach = 'easy' THEN 0 WHEN d.reach = 'floor' THEN 1 ELSE 2 END, \
                 d.locker_id, d.door LIMIT 64"
            ))
            .bind(taking.now)
            .bind(&reservation.id)
            .bind(wanted.site)
            .bind(code::of(&size))
            .bind(wanted.locker.unwrap_or_default())
            .bind(chilled)
            .bind(frozen)
            .bind(i64::from(wanted.prefers_low))
            .fetch_all(tx.on())
            .await?;
            let all = candidates.len();
            let mut fit = Vec::new();
            for row in candidates {
                // The occupancy that begins has the next epoch.
                let epochs =
                    access::Epochs { present: row.int("epoch")? + 1, proven: row.int("proven_epoch")? };
                let earlier = access::Earlier { tokens: row.int("tokens")?, pins: row.int("pins")? };
                if !wanted.untold || access::is_safe_by_word(epochs, earlier) {
                    fit.push((row.text("locker_id")?, row.int("door")?));
                }
            }
            untold |= fit.len() < all;
            let Some((locker, door)) = fit.first() else { break };
            if take(tx, reservation, locker, *door, taking).await? {
                return Ok(());
            }
        }
    }
    if untold {
        return Err(not_told());
    }
    care::check_site(tx, (wanted.site, wanted.locker), wanted.size, wanted.climate).await?;
    Err(Code::NoCompartment.into())
}

fn not_told() -> Error {
    refuse(
        Code::LockerNotTold,
        "the locker does not know of this deposit, and earlier access might still open the door: deposit by the \
         locker's protocol, or bring the locker its news first",
    )
}

/// Goes on where nobody else's access to the reservation's door can work, though nothing but a word says what lies there.
///
/// # Errors
/// `LockerNotTold`.
pub async fn check_untold(tx: &mut Tx, reservation: &Reservation, now: i64) -> Result<()> {
    let (Some(locker), Some(door)) = (&reservation.locker, reservation.door) else { return Err(not_told()) };
    if is_safe_by_word(tx, &reservation.id, (locker, door), now).await? { Ok(()) } else { Err(not_told()) }
}

/// Whether nobody but the holders of `reservation` can have access that opens the door now.
///
/// # Errors
/// When the database fails.
pub async fn is_safe_by_word(
    tx: &mut Tx,
    reservation: &str,
    (locker, door): (&str, i64),
    now: i64,
) -> Result<bool> {
    let row = sqlx::query(concat!(
        "SELECT d.epoch, d.proven_epoch, d.reservation_id, ",
        earlier_access!(),
        " FROM doors d WHERE d.locker_id = $3 AND d.door = $4"
    ))
    .bind(now)
    .bind(reservation)
    .bind(locker)
    .bind(door)
    .fetch_one(tx.on())
    .await?;
    // Where the door is not the reservation's yet, its occupancy begins with the next epoch.
    let begins = row.maybe_text("reservation_id")?.as_deref() != Some(reservation);
    let epochs =
        access::Epochs { present: row.int("epoch")? + i64::from(begins), proven: row.int("proven_epoch")? };
    let earlier = access::Earlier { tokens: row.int("tokens")?, pins: row.int("pins")? };
    Ok(access::is_safe_by_word(epochs, earlier))
}

/// Reuses an epoch in which nobody was given access. Otherwise booking and calling off in a loop would move the door's epoch
/// beyond what its keypad looks ahead, and no PIN could be shown. Only for occupancies that began within a day: expired tokens
/// stay on record for at least that long.
async fn give_back_epoch(
    tx: &mut Tx,
    reservation: &Reservation,
    (locker, door): (&str, i64),
    epoch: i64,
    now: i64,
) -> Result<()> {
    let unused = sqlx::query(
        "DELETE FROM occupancies WHERE locker_id = $1 AND door = $2 AND epoch = $3 AND first_epoch = $3 \
         AND reservation_id = $4 AND began_at > $5",
    )
    .bind(locker)
    .bind(door)
    .bind(epoch)
    .bind(&reservation.id)
    .bind(now - 86_400)
    .execute(tx.on())
    .await?;
    if unused.rows_affected() > 0 {
        sqlx::query("UPDATE doors SET epoch = epoch - 1 WHERE locker_id = $1 AND door = $2 AND epoch = $3")
            .bind(locker)
            .bind(door)
            .bind(epoch)
            .execute(tx.on())
            .await?;
    }
    Ok(())
}

/// Locks a door: whoever takes or assigns it in the same moment waits here.
///
/// # Errors
/// When the database fails.
pub async fn lock(tx: &mut Tx, (locker, door): (&str, i64)) -> Result<()> {
    sqlx::query("UPDATE doors SET door = door WHERE locker_id = $1 AND door = $2")
        .bind(locker)
        .bind(door)
        .execute(tx.on())
        .await?;
    Ok(())
}

/// Takes exactly this door: an occupancy begins, with an epoch of its own, unless it is the reservation's already. False
/// where it is not free.
///
/// # Errors
/// When the database fails.
pub async fn take(
    tx: &mut Tx,
    reservation: &mut Reservation,
    locker: &str,
    door: i64,
    taking: Taking,
) -> Result<bool> {
    // Whoever assigns a thing to it in the same moment waits, or has been waited for.
    lock(tx, (locker, door)).await?;
    let kept = sqlx::query("SELECT id FROM assets WHERE locker_id = $1 AND door = $2")
        .bind(locker)
        .bind(door)
        .fetch_optional(tx.on())
        .await?;
    if kept.is_some() { Ok(false) } else { take_kept(tx, reservation, locker, door, taking).await }
}

/// As [`take`], also where the door is kept for a thing that is lent.
///
/// # Errors
/// When the database fails.
pub async fn take_kept(
    tx: &mut Tx,
    reservation: &mut Reservation,
    locker: &str,
    door: i64,
    taking: Taking,
) -> Result<bool> {
    let taken = sqlx::query(
        "UPDATE doors SET reservation_id = $1, epoch = CASE WHEN reservation_id = $1 THEN epoch ELSE epoch + 1 END \
         WHERE locker_id = $2 AND door = $3 AND out_of_order = 0 \
         AND ((reservation_id IS NULL AND settling_epoch IS NULL) OR reservation_id = $1) RETURNING epoch, site_id",
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
    let booked_by = reservation.account.clone().filter(|_| taking.by_customer);
    let anew = Occupancy { whom: For::Customer, booked_by, first_epoch: reservation.epoch };
    occupy(tx, reservation, anew, taking.now).await?;
    Ok(true)
}

/// An epoch of a door, as it begins.
struct Occupancy {
    whom: For,
    /// Whose share of the site it counts against.
    booked_by: Option<String>,
    /// The epoch since which the door has been the reservation's without a break.
    first_epoch: i64,
}

/// Writes down whose the reservation's epoch is.
async fn occupy(tx: &mut Tx, reservation: &Reservation, occupancy: Occupancy, now: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO occupancies (locker_id, door, epoch, reservation_id, booked_by, courier, first_epoch, began_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (locker_id, door, epoch) DO NOTHING",
    )
    .bind(reservation.locker.clone())
    .bind(reservation.door)
    .bind(reservation.epoch)
    .bind(&reservation.id)
    .bind(occupancy.booked_by)
    .bind(i64::from(occupancy.whom == For::Courier))
    .bind(occupancy.first_epoch)
    .bind(now)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// What goes on in the epoch after `epoch` of a door: whose it is stays the same.
async fn goes_on(tx: &mut Tx, (locker, door): (&str, i64), epoch: i64, whom: For) -> Result<Occupancy> {
    let row = sqlx::query(
        "SELECT booked_by, first_epoch FROM occupancies WHERE locker_id = $1 AND door = $2 AND epoch = $3",
    )
    .bind(locker)
    .bind(door)
    .bind(epoch)
    .fetch_optional(tx.on())
    .await?;
    Ok(match row {
        Some(row) => {
            Occupancy { whom, booked_by: row.maybe_text("booked_by")?, first_epoch: row.int("first_epoch")? }
        }
        None => Occupancy { whom, booked_by: None, first_epoch: epoch },
    })
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

/// Frees the reservation's door, if it has one: it is proven what became of what lay in it, or somebody answers for it.
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

/// Ends the occupancy of a reservation's door without proof of what became of it. Where access was given, it ends by the
/// locker's next news, and the door is nobody's until receipts prove that it was not used ([`super::settle`]). True where the
/// door is free now.
///
/// # Errors
/// When the database fails.
pub async fn end(tx: &mut Tx, reservation: &Reservation, holds: Holds, now: i64) -> Result<bool> {
    let Some((locker, door)) = kept_for(tx, &reservation.id).await? else { return Ok(true) };
    let row = sqlx::query(
        "SELECT d.epoch, (SELECT MAX(g.expires_at) FROM grants g WHERE g.reservation_id = $3 AND g.locker_id = $1 \
         AND g.door = $2) AS tokens_until, (SELECT COUNT(*) FROM pin_slots p JOIN occupancies o \
         ON o.locker_id = p.locker_id AND o.door = p.door AND o.epoch = p.epoch WHERE p.locker_id = $1 \
         AND p.door = $2 AND o.reservation_id = $3) AS pins FROM doors d WHERE d.locker_id = $1 AND d.door = $2",
    )
    .bind(&locker)
    .bind(door)
    .bind(&reservation.id)
    .fetch_one(tx.on())
    .await?;
    let (epoch, tokens_until, pins) = (row.int("epoch")?, row.maybe_int("tokens_until")?, row.int("pins")?);
    // One that was opened and never said to be empty was touched, although its tokens may have been deleted since.
    let untouched = tokens_until.is_none()
        && pins == 0
        && reservation.inside.is_none_or(|inside| inside.counts() == Some(false));
    if untouched && matches!(holds, Holds::Nothing | Holds::Lent) {
        give_back_epoch(tx, reservation, (&locker, door), epoch, now).await?;
        free(tx, &reservation.id).await?;
        return Ok(true);
    }
    let number = news::next(tx, &locker, now).await?;
    sqlx::query(
        "UPDATE doors SET reservation_id = NULL, settling_epoch = epoch, epoch = epoch + 1, revoked_epoch = epoch + 1, \
         ended_slots = 0, news_number = $1 WHERE locker_id = $2 AND door = $3",
    )
    .bind(number)
    .bind(&locker)
    .bind(door)
    .execute(tx.on())
    .await?;
    sqlx::query(
        "UPDATE occupancies SET ended_news = $1, holds = $2, tokens_until = $3, pins = $4 \
         WHERE locker_id = $5 AND door = $6 AND epoch = $7",
    )
    .bind(number)
    .bind(code::of(&holds))
    .bind(tokens_until)
    .bind(i64::from(pins > 0))
    .bind(&locker)
    .bind(door)
    .bind(epoch)
    .execute(tx.on())
    .await?;
    Ok(false)
}

/// Keeps a door again for the reservation whose occupancy of it had ended: something lies there after all. Another door that
/// is kept for it is given up. False where the door is somebody else's.
///
/// # Errors
/// When the database fails.
pub async fn keep_again(
    tx: &mut Tx,
    reservation: &mut Reservation,
    locker: &str,
    door: i64,
    now: i64,
) -> Result<bool> {
    if kept_for(tx, &reservation.id).await?.is_some_and(|kept| kept != (locker.to_owned(), door)) {
        end(tx, reservation, Holds::Nothing, now).await?;
    }
    let ended = sqlx::query(
        "SELECT COALESCE(settling_epoch, epoch) AS epoch FROM doors WHERE locker_id = $1 AND door = $2",
    )
    .bind(locker)
    .bind(door)
    .fetch_optional(tx.on())
    .await?;
    let kept = sqlx::query(
        "UPDATE doors SET reservation_id = $1, settling_epoch = NULL WHERE locker_id = $2 AND door = $3 \
         AND (reservation_id = $1 OR EXISTS (SELECT 1 FROM occupancies o WHERE o.locker_id = doors.locker_id \
         AND o.door = doors.door AND o.epoch = doors.settling_epoch AND o.reservation_id = $1)) \
         RETURNING epoch, site_id",
    )
    .bind(&reservation.id)
    .bind(locker)
    .bind(door)
    .fetch_optional(tx.on())
    .await?;
    let (Some(row), Some(ended)) = (kept, ended) else { return Ok(false) };
    reservation.locker = Some(locker.to_owned());
    reservation.door = Some(door);
    reservation.epoch = row.int("epoch")?;
    reservation.site = Some(row.text("site_id")?);
    let occupancy = goes_on(tx, (locker, door), ended.int("epoch")?, For::Customer).await?;
    occupy(tx, reservation, occupancy, now).await?;
    Ok(true)
}

/// Makes the present epoch of the reservation's door `next`'s, with a new one where it is the other's.
///
/// # Errors
/// When the database fails.
pub async fn hand_to(tx: &mut Tx, reservation: &mut Reservation, next: For, now: i64) -> Result<()> {
    let present = is_whose(tx, &reservation.id).await?;
    let shared = (present, next) == (For::Courier, For::Courier)
        && is_shared_with_customer(tx, &reservation.id, now).await?;
    if shared || access::rises(present, next) { raise(tx, reservation, next, now).await } else { Ok(()) }
}

/// Whose the present epoch is of the door that is kept for a reservation.
///
/// # Errors
/// When the database fails.
pub async fn is_whose(tx: &mut Tx, reservation: &str) -> Result<For> {
    let row = sqlx::query(
        "SELECT o.courier FROM doors d JOIN occupancies o ON o.locker_id = d.locker_id AND o.door = d.door \
         AND o.epoch = d.epoch WHERE d.reservation_id = $1",
    )
    .bind(reservation)
    .fetch_optional(tx.on())
    .await?;
    let courier = row.map_or(Ok(0), |row| row.int("courier"))? == 1;
    Ok(if courier { For::Courier } else { For::Customer })
}

/// Whether a customer was given access, which may still work or have been used unheard of, in the present epoch of the door that is kept for a reservation.
async fn is_shared_with_customer(tx: &mut Tx, reservation: &str, now: i64) -> Result<bool> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM grants g JOIN lockers l ON l.id = g.locker_id \
         LEFT JOIN accounts a ON a.id = g.account_id WHERE g.locker_id = d.locker_id AND g.door = d.door \
         AND g.epoch = d.epoch AND (g.expires_at > $2 OR l.whole_at <= g.expires_at) \
         AND a.courier_of IS NULL) AS tokens, (SELECT COUNT(*) FROM pin_slots p WHERE p.locker_id = d.locker_id \
         AND p.door = d.door AND p.epoch = d.epoch) AS pins FROM doors d WHERE d.reservation_id = $1",
    )
    .bind(reservation)
    .bind(now)
    .fetch_optional(tx.on())
    .await?;
    row.map_or(Ok(false), |row| Ok(row.int("tokens")? + row.int("pins")? > 0))
}

/// Frees the reservation's door once a courier is known to have taken out what lay there; where a customer was given access
/// beside the courier, or the latch jammed last, as one says whose sensor sticks, it settles.
///
/// # Errors
/// When the database fails.
pub async fn free_or_settle(tx: &mut Tx, reservation: &Reservation, now: i64) -> Result<()> {
    if is_shared_with_customer(tx, &reservation.id, now).await? || jammed_last(tx, reservation).await? {
        end(tx, reservation, Holds::Nothing, now).await?;
        return Ok(());
    }
    free(tx, &reservation.id).await
}

/// Ends all access to the reservation's door that was given so far: the epoch rises, and the locker's news say so.
///
/// # Errors
/// When the database fails.
pub async fn revoke(tx: &mut Tx, reservation: &mut Reservation, now: i64) -> Result<()> {
    raise(tx, reservation, For::Customer, now).await
}

async fn raise(tx: &mut Tx, reservation: &mut Reservation, whom: For, now: i64) -> Result<()> {
    let Some((locker, door)) = kept_for(tx, &reservation.id).await? else { return Ok(()) };
    let number = news::next(tx, &locker, now).await?;
    let row = sqlx::query(
        "UPDATE doors SET epoch = epoch + 1, revoked_epoch = epoch + 1, ended_slots = 0, news_number = $1 \
         WHERE locker_id = $2 AND door = $3 RETURNING epoch",
    )
    .bind(number)
    .bind(&locker)
    .bind(door)
    .fetch_one(tx.on())
    .await?;
    let epoch = row.int("epoch")?;
    let occupancy = goes_on(tx, (&locker, door), epoch - 1, whom).await?;
    let mut occupant = reservation.clone();
    (occupant.locker, occupant.door, occupant.epoch) = (Some(locker.clone()), Some(door), epoch);
    occupy(tx, &occupant, occupancy, now).await?;
    if (reservation.locker.as_deref(), reservation.door) == (Some(locker.as_str()), Some(door)) {
        reservation.epoch = epoch;
    }
    Ok(())
}

/// Somebody looked: nothing lies in it, and no access that was given before opens it once the locker has heard so.
///
/// # Errors
/// When the database fails.
pub async fn clear(tx: &mut Tx, locker: &str, door: i64, now: i64) -> Result<()> {
    let number = news::next(tx, locker, now).await?;
    sqlx::query(
        "UPDATE doors SET reservation_id = NULL, settling_epoch = NULL, epoch = epoch + 1, revoked_epoch = epoch + 1, \
         ended_slots = 0, news_number = $1 WHERE locker_id = $2 AND door = $3",
    )
    .bind(number)
    .bind(locker)
    .bind(door)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// Whether a door is kept for the reservation, or settling after it: nobody else's.
///
/// # Errors
/// When the database fails.
pub async fn is_of(tx: &mut Tx, reservation: &Reservation) -> Result<bool> {
    let row = sqlx::query(
        "SELECT d.door FROM doors d WHERE d.locker_id = $1 AND d.door = $2 AND (d.reservation_id = $3 \
         OR EXISTS (SELECT 1 FROM occupancies o WHERE o.locker_id = d.locker_id AND o.door = d.door \
         AND o.epoch = d.settling_epoch AND o.reservation_id = $3))",
    )
    .bind(reservation.locker.clone())
    .bind(reservation.door)
    .bind(&reservation.id)
    .fetch_optional(tx.on())
    .await?;
    Ok(row.is_some())
}

/// Takes the reservation's door out of service because `account` says that it should be, where the door is the reservation's
/// and nobody else's, until somebody has looked. Whether it is out of service now: it is one of the account's share of the
/// site, and whoever has had that taken out already is heard without it.
///
/// # Errors
/// When the database fails.
pub async fn report(tx: &mut Tx, reservation: &Reservation, account: &str) -> Result<bool> {
    let (Some(locker), Some(door)) = (&reservation.locker, reservation.door) else { return Ok(false) };
    if !is_of(tx, reservation).await? {
        return Ok(false);
    }
    if is_out_of_order(tx, locker, door).await? && !is_held(tx, locker, door).await? {
        return Ok(true);
    }
    if !may_report(tx, locker, door, account).await? {
        return Ok(false);
    }
    take_out_of_order(tx, reservation, account).await?;
    Ok(true)
}

/// Takes the reservation's door out of service by this account's word, whatever share of the site that is. One that is out of
/// service already stays so by the word that took it out.
///
/// # Errors
/// When the database fails.
pub async fn take_out_of_order(tx: &mut Tx, reservation: &Reservation, account: &str) -> Result<()> {
    sqlx::query(
        "UPDATE doors SET out_of_order = 1, reported_by = $3 WHERE locker_id = $1 AND door = $2 \
         AND (out_of_order = 0 OR reported_by = 'held')",
    )
    .bind(reservation.locker.clone())
    .bind(reservation.door)
    .bind(account)
    .execute(tx.on())
    .await?;
    Ok(())
}

/// Whether the last that is known of a reservation's door is that its latch jammed, as its sensor says.
///
/// # Errors
/// When the database fails.
pub async fn jammed_last(tx: &mut Tx, reservation: &Reservation) -> Result<bool> {
    let (Some(locker), Some(door)) = (&reservation.locker, reservation.door) else { return Ok(false) };
    chain::jammed_last(tx, locker, door).await
}

/// Whether a door is out of service because something may lie in it, until its locker measures otherwise.
async fn is_held(tx: &mut Tx, locker: &str, door: i64) -> Result<bool> {
    let row =
        sqlx::query("SELECT door FROM doors WHERE locker_id = $1 AND door = $2 AND reported_by = 'held'")
            .bind(locker)
            .bind(door)
            .fetch_optional(tx.on())
            .await?;
    Ok(row.is_some())
}

/// Whether a door is out of service.
///
/// # Errors
/// When the database fails.
pub async fn is_out_of_order(tx: &mut Tx, locker: &str, door: i64) -> Result<bool> {
    let row = sqlx::query("SELECT out_of_order FROM doors WHERE locker_id = $1 AND door = $2")
        .bind(locker)
        .bind(door)
        .fetch_one(tx.on())
        .await?;
    Ok(row.int("out_of_order")? == 1)
}

/// Whether an account has fewer doors of the door's site out of service by its reports than its share.
async fn may_report(tx: &mut Tx, locker: &str, door: i64, account: &str) -> Result<bool> {
    // Of several reports at once, each counts those before it.
    sqlx::query("UPDATE accounts SET feed = feed WHERE id = $1").bind(account).execute(tx.on()).await?;
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM doors r WHERE r.site_id = d.site_id AND r.reported_by = $3) \
         AS reported, (SELECT COUNT(*) FROM doors s JOIN lockers l ON l.id = s.locker_id AND l.retired_at IS NULL \
         WHERE s.site_id = d.site_id) AS doors FROM doors d WHERE d.locker_id = $1 AND d.door = $2",
    )
    .bind(locker)
    .bind(door)
    .bind(account)
    .fetch_one(tx.on())
    .await?;
    Ok(row.int("reported")? < share::of_account(row.int("doors")?))
}

/// Notes that a door which was taken out of service is so by this account's word.
///
/// # Errors
/// When the database fails.
pub async fn note_report(tx: &mut Tx, locker: &str, door: i64, account: &str) -> Result<()> {
    sqlx::query("UPDATE doors SET reported_by = $3 WHERE locker_id = $1 AND door = $2 AND out_of_order = 1")
        .bind(locker)
        .bind(door)
        .bind(account)
        .execute(tx.on())
        .await?;
    Ok(())
}

/// Takes a door that is nobody's out of service: something may lie in it since this place in the chain. One that settles after
/// nobody who is known is nobody's too. False where it is somebody's or a lent thing's, or was opened again since: that opening tells.
///
/// # Errors
/// When the database fails.
pub async fn hold(tx: &mut Tx, locker: &str, door: i64, since: i64) -> Result<bool> {
    let held = sqlx::query(
        "UPDATE doors SET out_of_order = 1, reported_by = CASE WHEN out_of_order = 1 THEN reported_by ELSE 'held' END \
         WHERE locker_id = $1 AND door = $2 AND reservation_id IS NULL AND NOT EXISTS (SELECT 1 FROM occupancies o WHERE o.locker_id = doors.locker_id AND o.door = doors.door \
         AND o.epoch = doors.settling_epoch AND o.reservation_id IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.locker_id = doors.locker_id \
         AND a.door = doors.door) AND NOT EXISTS (SELECT 1 FROM receipts r WHERE r.locker_id = doors.locker_id \
         AND r.door = doors.door AND r.standing = 'chained' AND r.outcome IN (0, 2, 3) AND r.sequence > $3)",
    )
    .bind(locker)
    .bind(door)
    .bind(since)
    .execute(tx.on())
    .await?;
    Ok(held.rows_affected() > 0)
}

/// Puts a door back into service that was taken out by [`hold`]: its locker has measured since that nothing lies in it. Whether it
/// was one.
///
/// # Errors
/// When the database fails.
pub async fn let_go(tx: &mut Tx, locker: &str, door: i64) -> Result<bool> {
    let held = sqlx::query(
        "UPDATE doors SET out_of_order = 0, reported_by = NULL WHERE locker_id = $1 AND door = $2 AND reported_by = 'held'",
    )
    .bind(locker)
    .bind(door)
    .execute(tx.on())
    .await?;
    Ok(held.rows_affected() > 0)
}

/// A door is not there any more, as its locker says.
///
/// # Errors
/// `WrongState` where it is somebody's, something is lent from it, or something may lie in it.
pub async fn leave(tx: &mut Tx, locker: &str, door: i64) -> Result<()> {
    let gone = sqlx::query(
        "UPDATE doors SET out_of_order = 1, reported_by = 'gone' WHERE locker_id = $1 AND door = $2 \
         AND COALESCE(reported_by, '') NOT IN ('held', 'restored') AND reservation_id IS NULL AND settling_epoch IS NULL AND NOT EXISTS (SELECT 1 FROM assets a \
         WHERE a.locker_id = doors.locker_id AND a.door = doors.door)",
    )
    .bind(locker)
    .bind(door)
    .execute(tx.on())
    .await?;
    if gone.rows_affected() > 0 {
        return Ok(());
    }
    Err(refuse(
        Code::WrongState,
        format!("door {door} is somebody's, or may hold something: it has to stay until it is cleared"),
    ))
}

/// Takes a door out of service, or puts it back, as an operator says. Nobody has looked at one that is put out of service once more
/// after a backup was put back.
///
/// # Errors
/// `NotFound` where there is no such door.
pub async fn set_out_of_order(tx: &mut Tx, locker: &str, door: i64, out: bool) -> Result<()> {
    let changed = sqlx::query(
        "UPDATE doors SET out_of_order = $1, reported_by = CASE WHEN $1 = 1 AND reported_by = 'restored' \
         THEN reported_by END WHERE locker_id = $2 AND door = $3 AND COALESCE(reported_by, '') <> 'gone' AND NOT EXISTS (SELECT 1 FROM lockers l WHERE l.id = doors.locker_id AND l.retired_at IS NOT NULL)",
    )
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
