//! Receipts of a locker as rows: what the chain holds of a door, of an occupancy, of a reservation.

use postern_protocol::{Operation, receipt::Outcome};
use sqlx::{AnyConnection, any::AnyRow};

use super::{RowExt, Tx};
use crate::error::{Error, Result};

/// One receipt: its place in the chain, and what it says.
pub type Link = (i64, Outcome);

fn link(row: &AnyRow) -> Result<Link> {
    let outcome = u8::try_from(row.int("outcome")?).ok().and_then(|outcome| Outcome::try_from(outcome).ok());
    let outcome = outcome.ok_or_else(|| Error::Internal("a stored outcome cannot be read".to_owned()))?;
    Ok((row.int("sequence")?, outcome))
}

/// A door of an occupancy that has ended and is not proven yet.
#[derive(Clone, Debug)]
pub struct Settling {
    /// The door.
    pub door: i64,
    /// The last epoch of the occupancy.
    pub epoch: i64,
    /// The first: all in between are of the same reservation, and the door was nobody else's meanwhile.
    pub first_epoch: i64,
    /// Whose it was, unless that is forgotten.
    pub reservation: Option<String>,
    /// What was said that it holds.
    pub holds: Option<String>,
    /// Number of the news that ends its access.
    pub ended_news: i64,
    /// The last end of a token that was given for it.
    pub tokens_until: Option<i64>,
    /// A PIN was given for it.
    pub pin: bool,
    /// A courier was given a token to take something out, or its carrier has couriers here, who open by tokens.
    pub errand: bool,
    /// Receipts of it may be among those that were given up.
    pub lost: bool,
    /// What was said at the door: whether it lies inside, and after which opening.
    pub answer: Option<(bool, i64)>,
    /// The locker measures what is inside.
    pub sensors: bool,
    /// The newest news that a receipt of the complete chain acknowledges.
    pub whole_news: i64,
    /// The latest time of a receipt of it.
    pub whole_at: i64,
}

/// Doors of a locker that are settling, but for those that wait until somebody has looked.
///
/// # Errors
/// When the database fails.
pub async fn settling(tx: &mut Tx, locker: &str) -> Result<Vec<Settling>> {
    let rows = sqlx::query(
        "SELECT d.door, d.settling_epoch, o.reservation_id, o.holds, o.ended_news, o.tokens_until, o.pins, \
         r.answer, r.answered_after, l.content_sensors, l.whole_news, l.whole_at, \
         o.first_epoch, (SELECT COUNT(*) FROM occupancies c WHERE c.locker_id = o.locker_id AND c.door = o.door \
         AND c.epoch BETWEEN o.first_epoch AND o.epoch AND c.courier = 1) AS errands, \
         (SELECT COUNT(*) FROM reservations p JOIN accounts a ON a.courier_of = p.carrier_id WHERE p.id = o.reservation_id) \
         AS couriers, \
         (SELECT MAX(f.lost) FROM occupancies f WHERE f.locker_id = o.locker_id AND f.door = o.door \
         AND f.epoch BETWEEN o.first_epoch AND o.epoch) AS lost FROM doors d \
         JOIN lockers l ON l.id = d.locker_id \
         JOIN occupancies o ON o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = d.settling_epoch \
         LEFT JOIN reservations r ON r.id = o.reservation_id AND r.answered_locker = d.locker_id \
         AND r.answered_door = d.door \
         WHERE d.locker_id = $1 AND d.settling_epoch IS NOT NULL AND COALESCE(d.reported_by, '') <> 'restored' \
         ORDER BY d.door",
    )
    .bind(locker)
    .fetch_all(tx.on())
    .await?;
    rows.iter()
        .map(|row| {
            let answer = row.maybe_int("answer")?.map(|inside| inside == 1);
            Ok(Settling {
                door: row.int("door")?,
                epoch: row.int("settling_epoch")?,
                first_epoch: row.int("first_epoch")?,
                reservation: row.maybe_text("reservation_id")?,
                holds: row.maybe_text("holds")?,
                ended_news: row.maybe_int("ended_news")?.unwrap_or(0),
                tokens_until: row.maybe_int("tokens_until")?,
                pin: row.int("pins")? == 1,
                errand: row.int("errands")? > 0 || row.int("couriers")? > 0,
                lost: row.int("lost")? == 1,
                answer: answer.zip(row.maybe_int("answered_after")?),
                sensors: row.int("content_sensors")? == 1,
                whole_news: row.int("whole_news")?,
                whole_at: row.int("whole_at")?,
            })
        })
        .collect()
}

/// Frees a door of the occupancy that was judged, and of none that has ended since; whether it did.
///
/// # Errors
/// When the database fails.
pub async fn free(tx: &mut Tx, locker: &str, ended: &Settling) -> Result<bool> {
    let free = sqlx::query(
        "UPDATE doors SET settling_epoch = NULL WHERE locker_id = $1 AND door = $2 AND settling_epoch = $3",
    )
    .bind(locker)
    .bind(ended.door)
    .bind(ended.epoch)
    .execute(tx.on())
    .await?;
    Ok(free.rows_affected() > 0)
}

/// Lockers with settling doors.
///
/// # Errors
/// When the database fails.
pub async fn unsettled(on: &mut AnyConnection) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT DISTINCT locker_id FROM doors WHERE settling_epoch IS NOT NULL ORDER BY locker_id LIMIT 5000",
    )
    .fetch_all(on)
    .await?;
    rows.iter().map(|row| row.text("locker_id")).collect()
}

/// Whose receipts of an occupancy are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Everybody's.
    Everybody,
    /// Not couriers'.
    Customers,
    /// Couriers' in an epoch of a courier who takes something out.
    Errands,
}

/// Receipts of an occupancy, in the order of the chain.
///
/// # Errors
/// When the database fails.
pub async fn of_occupancy(tx: &mut Tx, locker: &str, ended: &Settling, of: Of) -> Result<Vec<Link>> {
    // Of a token that is not known any more it is not known whose it was.
    let rows = sqlx::query(
        "SELECT r.sequence, r.outcome FROM receipts r JOIN occupancies o ON o.locker_id = r.locker_id \
         AND o.door = r.door AND o.epoch = $4 LEFT JOIN occupancies f ON f.locker_id = r.locker_id \
         AND f.door = r.door AND f.epoch = r.epoch WHERE r.locker_id = $1 AND r.door = $2 \
         AND r.standing = 'chained' AND (r.epoch BETWEEN $3 AND $4 OR (r.epoch IS NULL AND r.received_at >= o.began_at)) \
         AND r.courier BETWEEN $6 AND $5 AND COALESCE(f.courier, 0) >= $6 ORDER BY r.sequence",
    )
    .bind(locker)
    .bind(ended.door)
    .bind(ended.first_epoch)
    .bind(ended.epoch)
    .bind(i64::from(of != Of::Customers))
    .bind(i64::from(of == Of::Errands))
    .fetch_all(tx.on())
    .await?;
    rows.iter().map(link).collect()
}

/// Receipts of a reservation at a door, by its couriers or by everybody else, in the order of the chain.
///
/// # Errors
/// When the database fails.
pub async fn of_reservation(
    tx: &mut Tx,
    reservation: &str,
    (locker, door): (&str, i64),
    by_courier: bool,
) -> Result<Vec<Link>> {
    let rows = sqlx::query(
        "SELECT sequence, outcome FROM receipts WHERE reservation_id = $1 AND locker_id = $2 AND door = $3 \
         AND courier = $4 AND standing = 'chained' AND outcome <> $5 ORDER BY sequence",
    )
    .bind(reservation)
    .bind(locker)
    .bind(door)
    .bind(i64::from(by_courier))
    .bind(Outcome::Jammed as i64)
    .fetch_all(tx.on())
    .await?;
    rows.iter().map(link).collect()
}

/// Whether the last that a locker's chain has of a door since it was given to whoever has it is that its latch jammed, as the
/// sensor says.
///
/// # Errors
/// When the database fails.
pub async fn jammed_last(tx: &mut Tx, locker: &str, door: i64) -> Result<bool> {
    let row = sqlx::query(
        "SELECT r.outcome FROM receipts r JOIN doors d ON d.locker_id = r.locker_id AND d.door = r.door \
         JOIN occupancies o ON o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = COALESCE(d.settling_epoch, d.epoch) \
         WHERE r.locker_id = $1 AND r.door = $2 AND r.standing = 'chained' \
         AND (r.epoch >= o.first_epoch OR (r.epoch IS NULL AND r.received_at >= o.began_at)) \
         ORDER BY r.sequence DESC LIMIT 1",
    )
    .bind(locker)
    .bind(door)
    .fetch_optional(tx.on())
    .await?;
    row.map_or(Ok(false), |row| Ok(row.int("outcome")? == Outcome::Jammed as i64))
}

/// What a reservation's openings of a door were for and how they went, in the order of the chain, by its couriers or by
/// everybody else.
///
/// # Errors
/// When the database fails.
pub async fn openings(
    tx: &mut Tx,
    reservation: &str,
    (locker, door): (&str, i64),
    by_courier: bool,
) -> Result<Vec<(Operation, Outcome)>> {
    let rows = sqlx::query(
        "SELECT sequence, outcome, operation FROM receipts WHERE reservation_id = $1 AND locker_id = $2 AND door = $3 \
         AND courier = $4 AND standing = 'chained' AND outcome IN (0, 2, 3) ORDER BY sequence",
    )
    .bind(reservation)
    .bind(locker)
    .bind(door)
    .bind(i64::from(by_courier))
    .fetch_all(tx.on())
    .await?;
    rows.iter()
        .map(|row| {
            let operation =
                u8::try_from(row.int("operation")?).ok().and_then(|code| Operation::try_from(code).ok());
            let wrong = || Error::Internal("a stored operation cannot be read".to_owned());
            Ok((operation.ok_or_else(wrong)?, link(row)?.1))
        })
        .collect()
}

/// Whether a courier, or this one, opened the door that is kept for a reservation, to put something in, in the door's present epoch.
///
/// # Errors
/// When the database fails.
pub async fn was_opened_for_deposit(tx: &mut Tx, reservation: &str, courier: Option<&str>) -> Result<bool> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS openings FROM receipts r JOIN doors d ON d.locker_id = r.locker_id AND d.door = r.door \
         AND d.epoch = r.epoch WHERE r.reservation_id = $1 AND d.reservation_id = $1 AND r.courier = 1 \
         AND r.standing = 'chained' AND r.outcome IN (0, 2, 3) AND r.operation = $2 AND ($3 = '' \
         OR EXISTS (SELECT 1 FROM grants g WHERE g.token_id = r.token_id AND g.account_id = $3))",
    )
    .bind(reservation)
    .bind(Operation::Deposit as i64)
    .bind(courier.unwrap_or_default())
    .fetch_one(tx.on())
    .await?;
    Ok(row.int("openings")? > 0)
}

/// Tokens of couriers for the door `d` of the locker `l` that is kept for the reservation $1, whose use no receipt has told or ruled
/// out: they live, or the chain is not complete past their end.
macro_rules! untold_tokens {
    ($and:literal) => {
        concat!(
            "(SELECT COUNT(*) FROM grants g JOIN accounts a ON a.id = g.account_id AND a.courier_of IS NOT NULL \
             WHERE g.reservation_id = $1 AND g.locker_id = d.locker_id AND g.door = d.door AND g.epoch >= d.proven_epoch \
             AND (g.expires_at > $3 OR l.whole_at <= g.expires_at) ",
            $and,
            ")"
        )
    };
}

/// What couriers were given for the door that is kept for a reservation, and may have used.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// This courier has had a token of the door's present epoch.
    pub own: bool,
    /// Another has one of an epoch before.
    pub others_before: bool,
    /// Another has one of the present epoch.
    pub others_now: bool,
}

/// What was given to this courier, by account, and to others.
///
/// # Errors
/// When the database fails.
pub async fn given(tx: &mut Tx, reservation: &str, account: &str, now: i64) -> Result<Given> {
    let row = sqlx::query(concat!(
        "SELECT ",
        untold_tokens!("AND g.account_id = $2 AND g.epoch = d.epoch"),
        " AS own, ",
        untold_tokens!("AND g.account_id <> $2 AND g.epoch < d.epoch"),
        " AS before, ",
        untold_tokens!("AND g.account_id <> $2 AND g.epoch = d.epoch"),
        " AS present FROM doors d JOIN lockers l ON l.id = d.locker_id WHERE d.reservation_id = $1"
    ))
    .bind(reservation)
    .bind(account)
    .bind(now)
    .fetch_optional(tx.on())
    .await?;
    let Some(row) = row else { return Ok(Given { own: false, others_before: false, others_now: false }) };
    Ok(Given {
        own: row.int("own")? > 0,
        others_before: row.int("before")? > 0,
        others_now: row.int("present")? > 0,
    })
}

/// An opening of a reservation.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Locker id.
    pub locker: String,
    /// Its door.
    pub door: i64,
    /// When, UNIX seconds.
    pub at: i64,
    /// Access to the door was given since, of a later epoch.
    pub is_of_before: bool,
}

/// Whose opening is looked for, and where in a chain.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// A courier's; else a customer's.
    pub by_courier: bool,
    /// By a token of this account, where that is asked for.
    pub account: Option<&'a str>,
    /// Its place in the chain of its locker.
    pub sequence: i64,
    /// The locker, where that is said.
    pub locker: Option<&'a str>,
}

/// The opening of a reservation at this place in a chain.
///
/// # Errors
/// When the database fails.
pub async fn opening(tx: &mut Tx, reservation: &str, at: At<'_>) -> Result<Option<Opening>> {
    let row = sqlx::query(
        // Of two lockers that have one there, the one where a door is kept for it.
        "SELECT locker_id, door, happened_at, ((SELECT COUNT(*) FROM grants n WHERE n.locker_id = r.locker_id \
         AND n.door = r.door AND n.epoch > r.epoch) + (SELECT COUNT(*) FROM pin_slots p WHERE p.locker_id = r.locker_id \
         AND p.door = r.door AND p.epoch > r.epoch)) AS later FROM receipts r WHERE reservation_id = $1 AND courier = $2 AND sequence = $3 \
         AND standing = 'chained' AND outcome IN (0, 2, 3) AND ($4 = '' OR locker_id = $4) \
         AND ($5 = '' OR EXISTS (SELECT 1 FROM grants g WHERE g.token_id = r.token_id AND g.account_id = $5)) ORDER BY CASE WHEN EXISTS (SELECT 1 FROM doors d \
         WHERE d.locker_id = r.locker_id AND d.door = r.door AND d.reservation_id = $1) THEN 0 ELSE 1 END, \
         received_at DESC LIMIT 1",
    )
    .bind(reservation)
    .bind(i64::from(at.by_courier))
    .bind(at.sequence)
    .bind(at.locker.unwrap_or_default())
    .bind(at.account.unwrap_or_default())
    .fetch_optional(tx.on())
    .await?;
    row.map(|row| {
        let is_of_before = row.int("later")? > 0;
        let (locker, door) = (row.text("locker_id")?, row.int("door")?);
        Ok(Opening { locker, door, at: row.int("happened_at")?, is_of_before })
    })
    .transpose()
}

/// The last that a locker's chain has of a door: its place, and what it says.
///
/// # Errors
/// When the database fails.
pub async fn last(tx: &mut Tx, locker: &str, door: i64) -> Result<Option<Link>> {
    let row = sqlx::query(
        "SELECT sequence, outcome FROM receipts WHERE locker_id = $1 AND door = $2 AND standing = 'chained' \
         ORDER BY sequence DESC LIMIT 1",
    )
    .bind(locker)
    .bind(door)
    .fetch_optional(tx.on())
    .await?;
    row.as_ref().map(link).transpose()
}

/// A door, as far as a receipt of it is concerned.
#[derive(Clone, Debug)]
pub struct Place {
    /// The reservation that it is kept for.
    pub reservation: Option<String>,
    /// The reservation whose occupancy has ended and is not proven yet.
    pub settling: Option<String>,
    /// It is nobody's: neither kept, nor settling after a reservation that is known.
    pub free: bool,
    /// The locker measures what is inside.
    pub sensors: bool,
}

/// A door of a locker; none where there is no such door.
///
/// # Errors
/// When the database fails.
pub async fn place(tx: &mut Tx, locker: &str, door: i64) -> Result<Option<Place>> {
    let row = sqlx::query(
        "SELECT d.reservation_id, l.content_sensors, (SELECT o.reservation_id FROM occupancies o \
         WHERE o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = d.settling_epoch) AS settling \
         FROM doors d JOIN lockers l ON l.id = d.locker_id WHERE d.locker_id = $1 AND d.door = $2",
    )
    .bind(locker)
    .bind(door)
    .fetch_optional(tx.on())
    .await?;
    row.map(|row| {
        let (reservation, settling) = (row.maybe_text("reservation_id")?, row.maybe_text("settling")?);
        Ok(Place {
            free: reservation.is_none() && settling.is_none(),
            reservation,
            settling,
            sensors: row.int("content_sensors")? == 1,
        })
    })
    .transpose()
}
