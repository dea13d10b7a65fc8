//! Doors of occupancies that have ended without proof: free again once the locker's chain proves that nobody used what had
//! been given out.

use postern_protocol::receipt::Outcome;
use sqlx::any::AnyRow;

use super::{
    alarms::{self, Alarm},
    code, doors,
    reservation::Reservation,
    rules::{
        placed::{self, Answer, Link},
        settling::{Chain, Ended, Holds, ToldBy, Verdict},
    },
};
use crate::{
    error::{Error, Result},
    store::{RowExt, Tx},
};

/// Looks at the settling doors of a locker; how many are free now. The locker's row is locked by the caller, who has taken
/// receipts in, or nothing of the chain changes meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn doors_of(tx: &mut Tx, locker: &str, now: i64) -> Result<usize> {
    let rows = sqlx::query(
        "SELECT d.door, d.settling_epoch, o.reservation_id, o.holds, o.ended_news, o.tokens_until, o.pins, \
         r.answer, r.answered_after, l.content_sensors, l.whole_news, l.whole_at, \
         (SELECT MIN(f.epoch) FROM occupancies f WHERE f.locker_id = o.locker_id AND f.door = o.door \
         AND f.reservation_id = o.reservation_id) AS first_epoch, \
         (SELECT COUNT(*) FROM occupancies c WHERE c.locker_id = o.locker_id AND c.door = o.door \
         AND c.reservation_id = o.reservation_id AND c.courier = 1) AS errands FROM doors d JOIN lockers l ON l.id = d.locker_id \
         JOIN occupancies o ON o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = d.settling_epoch \
         LEFT JOIN reservations r ON r.id = o.reservation_id \
         WHERE d.locker_id = $1 AND d.settling_epoch IS NOT NULL ORDER BY d.door",
    )
    .bind(locker)
    .fetch_all(tx.on())
    .await?;
    let mut freed = 0;
    for row in &rows {
        let door = row.int("door")?;
        let chain = Chain { news: row.int("whole_news")?, at: row.int("whole_at")? };
        match ended(tx, locker, row).await?.verdict(chain) {
            Verdict::Wait => {}
            Verdict::Free => {
                // Of the occupancy that was judged, and of none that has ended since.
                let free = sqlx::query(
                    "UPDATE doors SET settling_epoch = NULL WHERE locker_id = $1 AND door = $2 AND settling_epoch = $3",
                )
                .bind(locker)
                .bind(door)
                .bind(row.int("settling_epoch")?)
                .execute(tx.on())
                .await?;
                freed += usize::from(free.rows_affected() > 0);
            }
            Verdict::Look => {
                let reservation = row.maybe_text("reservation_id")?;
                let alarm = Alarm {
                    kind: "unproven",
                    locker: Some(locker),
                    door: Some(door),
                    reservation: reservation.as_deref(),
                    reason: "something may lie in this compartment for a reservation that has ended: look at it, and \
                             clear it",
                    repaired: false,
                };
                alarms::raise_once(tx, alarm, now).await?;
            }
        }
    }
    Ok(freed)
}

/// Ends the occupancy of a reservation's door on somebody's word, saves the reservation, and gives the door to the next at once
/// where the locker's chain bears the word out.
///
/// # Errors
/// When the database fails.
pub async fn end(tx: &mut Tx, reservation: &mut Reservation, holds: Holds, now: i64) -> Result<()> {
    let kept = doors::kept_for(tx, &reservation.id).await?;
    let free = doors::end(tx, reservation, holds, now).await?;
    reservation.save(tx, now).await?;
    if let (Some((locker, _)), false) = (kept, free) {
        doors_of(tx, &locker, now).await?;
    }
    Ok(())
}

async fn ended(tx: &mut Tx, locker: &str, row: &AnyRow) -> Result<Ended> {
    let holds = row.maybe_text("holds")?.map_or(Ok(Holds::Nothing), |holds| code::parse(&holds))?;
    let epoch = row.int("settling_epoch")?;
    // Of a token that is not known any more it is not known whose it was.
    let links = sqlx::query(
        "SELECT r.sequence, r.outcome FROM receipts r JOIN occupancies o ON o.locker_id = r.locker_id \
         AND o.door = r.door AND o.epoch = $4 LEFT JOIN occupancies f ON f.locker_id = r.locker_id \
         AND f.door = r.door AND f.epoch = r.epoch WHERE r.locker_id = $1 AND r.door = $2 \
         AND r.standing = 'chained' AND (r.epoch BETWEEN $3 AND $4 OR (r.epoch IS NULL AND r.received_at >= o.began_at)) \
         AND r.courier <= $5 AND COALESCE(f.courier, 0) >= $6 ORDER BY r.sequence",
    )
    .bind(locker)
    .bind(row.int("door")?)
    .bind(row.maybe_int("first_epoch")?.unwrap_or(epoch))
    .bind(epoch)
    .bind(i64::from(holds.told_by() != ToldBy::Customers))
    .bind(i64::from(holds.told_by() == ToldBy::WhoFetches))
    .fetch_all(tx.on())
    .await?;
    let links = links.iter().map(link).collect::<Result<Vec<_>>>()?;
    let answer = answer(row)?;
    let sensors = row.int("content_sensors")? == 1;
    Ok(Ended {
        holds,
        inside: placed::known(&links, answer, sensors),
        sensors,
        errand: row.int("errands")? > 0,
        tokens_until: row.maybe_int("tokens_until")?,
        pin: row.int("pins")? == 1,
        news: row.maybe_int("ended_news")?.unwrap_or(0),
    })
}

/// A link of the chain, of a row with `sequence` and `outcome`.
///
/// # Errors
/// When the database holds another outcome.
pub fn link(row: &AnyRow) -> Result<Link> {
    let outcome = u8::try_from(row.int("outcome")?).ok().and_then(|outcome| Outcome::try_from(outcome).ok());
    let outcome = outcome.ok_or_else(|| Error::Internal("a stored outcome cannot be read".to_owned()))?;
    Ok(Link { sequence: row.int("sequence")?, outcome })
}

/// What was said at the door, of a row with `answer` and `answered_after`.
///
/// # Errors
/// When the database fails.
pub fn answer(row: &AnyRow) -> Result<Option<Answer>> {
    let said = row.maybe_int("answer")?.zip(row.maybe_int("answered_after")?);
    Ok(said.map(|(inside, after)| Answer { after, inside: inside == 1 }))
}

/// Lockers with settling doors.
///
/// # Errors
/// When the database fails.
pub async fn lockers(on: &mut sqlx::AnyConnection) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT DISTINCT locker_id FROM doors WHERE settling_epoch IS NOT NULL ORDER BY locker_id LIMIT 5000",
    )
    .fetch_all(on)
    .await?;
    rows.iter().map(|row| row.text("locker_id")).collect()
}

/// As the reservation's row holds it.
///
/// # Errors
/// When the database holds another word.
pub fn read_inside(text: Option<String>) -> Result<Option<placed::Inside>> {
    text.map(|text| code::parse(&text)).transpose()
}
