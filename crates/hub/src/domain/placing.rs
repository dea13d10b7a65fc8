//! Moves a reservation on by what became known at its door: by a receipt, or by a word of who stood there. The rules are in
//! [`super::rules::booked`].

use postern_api::{
    problem::Code,
    reservation::{Inside as Said, Kind, State},
};
use postern_protocol::{Operation, receipt::Outcome};

use super::{
    alarms::{self, Alarm},
    doors, parcels,
    reservation::Reservation,
    rules::{
        booked::{self, By, Door, Event, Facts, Then, Who},
        placed::{self, Answer, Inside, Link, Unsaid},
    },
    settle,
};
use crate::{
    error::{Result, refuse},
    hub::Hub,
    store::{RowExt, Tx},
};

/// What became known.
#[derive(Clone, Copy, Debug)]
pub struct Happened<'a> {
    /// Whose opening it was.
    pub who: Who,
    /// What.
    pub event: Event,
    /// When, UNIX seconds.
    pub at: i64,
    /// Locker id.
    pub locker: &'a str,
    /// Its door.
    pub door: i64,
}

/// Receipts of the reservation at a door, by its couriers or by everybody else, in the order of the chain.
async fn links(tx: &mut Tx, reservation: &str, locker: &str, door: i64, who: Who) -> Result<Vec<Link>> {
    let rows = sqlx::query(
        "SELECT sequence, outcome FROM receipts WHERE reservation_id = $1 AND locker_id = $2 AND door = $3 \
         AND courier = $4 AND standing = 'chained' AND outcome <> $5 ORDER BY sequence",
    )
    .bind(reservation)
    .bind(locker)
    .bind(door)
    .bind(i64::from(who == Who::Courier))
    .bind(Outcome::Jammed as i64)
    .fetch_all(tx.on())
    .await?;
    rows.iter().map(settle::link).collect()
}

/// Whether their last opening to take something out is certain; none where there was none.
async fn took_out(tx: &mut Tx, reservation: &str, locker: &str, door: i64, who: Who) -> Result<Option<bool>> {
    let row = sqlx::query(
        "SELECT outcome FROM receipts WHERE reservation_id = $1 AND locker_id = $2 AND door = $3 AND courier = $4 \
         AND standing = 'chained' AND outcome IN (0, 2, 3) AND operation IN ($5, $6) ORDER BY sequence DESC LIMIT 1",
    )
    .bind(reservation)
    .bind(locker)
    .bind(door)
    .bind(i64::from(who == Who::Courier))
    .bind(Operation::Collect as i64)
    .bind(Operation::Access as i64)
    .fetch_optional(tx.on())
    .await?;
    row.map(|row| Ok(row.int("outcome")? != Outcome::Unknown as i64)).transpose()
}

/// Takes in what happened. The caller saves the reservation.
///
/// # Errors
/// When the database fails.
pub async fn move_on(
    hub: &Hub,
    tx: &mut Tx,
    reservation: &mut Reservation,
    happened: Happened<'_>,
) -> Result<()> {
    let now = hub.clock.now();
    let Happened { who, event, at, locker, door } = happened;
    let place = sqlx::query(
        "SELECT d.reservation_id, l.content_sensors, (SELECT o.reservation_id FROM occupancies o \
         WHERE o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = d.settling_epoch) AS settling \
         FROM doors d JOIN lockers l ON l.id = d.locker_id WHERE d.locker_id = $1 AND d.door = $2",
    )
    .bind(locker)
    .bind(door)
    .fetch_optional(tx.on())
    .await?;
    // A door that was never provisioned: the receipt stands in the chain, and that is all.
    let Some(place) = place else { return Ok(()) };
    let sensors = place.int("content_sensors")? == 1;
    let links = links(tx, &reservation.id, locker, door, who).await?;
    let inside = placed::known(&links, reservation.answer, sensors);
    let here = (reservation.locker.as_deref(), reservation.door) == (Some(locker), Some(door));
    if who == Who::Customer && here {
        reservation.opening = placed::last_opening(&links);
    }
    let whose = if place.maybe_text("reservation_id")?.as_deref() == Some(&*reservation.id) {
        Door::Kept
    } else if place.maybe_text("settling")?.as_deref() == Some(&*reservation.id) {
        Door::Settling
    } else {
        Door::Gone
    };
    let facts = Facts {
        kind: reservation.kind,
        state: reservation.state,
        who,
        inside,
        before: reservation.inside,
        door: whose,
        opened_by_customer: reservation.first_opened.is_some(),
        took_out: took_out(tx, &reservation.id, locker, door, who).await?,
        sensors,
        unproven: reservation.unproven,
    };
    let verdict = booked::judge(facts, event);
    tracing::debug!(?facts, ?event, ?verdict, "judged");
    let before = reservation.state;
    reservation.inside = inside;
    reservation.state = verdict.state;
    reservation.unproven = verdict.unproven;
    let carrier = parcels::carrier_name(tx, &reservation.carrier).await?;
    for (what, by, proven) in verdict.notes {
        let by = match by {
            By::Carrier => Some(carrier.as_str()),
            By::Customer if what == postern_api::reservation::TimelineEvent::Opened => None,
            By::Customer => Some("you"),
        };
        reservation.note(at, what, by, proven);
    }
    match verdict.then {
        Then::Stays => {}
        Then::Keep => {
            doors::keep_again(tx, reservation, locker, door, now).await?;
        }
        Then::Free => doors::free(tx, &reservation.id).await?,
    }
    if verdict.begins {
        reservation.called_off = before == State::Cancelled;
        parcels::begin_window(hub, tx, reservation, None).await?;
    }
    if let Some(alarm) = verdict.alarm {
        let (kind, reason, repaired) = words(alarm);
        let alarm = Alarm {
            kind,
            locker: Some(locker),
            door: Some(door),
            reservation: Some(&reservation.id),
            reason,
            repaired,
        };
        alarms::raise_once(tx, alarm, now).await?;
    }
    Ok(())
}

fn words(alarm: booked::Alarm) -> (&'static str, &'static str, bool) {
    match alarm {
        booked::Alarm::CalledOffDeposit => (
            "called_off_deposit",
            "a courier opened to put in a parcel that had been called off or moved meanwhile: the door is kept for it",
            true,
        ),
        booked::Alarm::CalledOffDepositElsewhere => (
            "called_off_deposit",
            "a courier opened to put in a parcel that had been called off or moved meanwhile, and the door is kept for \
             something else by now: look at the compartment",
            false,
        ),
        booked::Alarm::TakenAfterExtend => (
            "taken_after_extend",
            "a courier took out a parcel whose customer had been given more time meanwhile",
            false,
        ),
        booked::Alarm::LeftInside => (
            "left_inside",
            "the door was opened to take out what lies there, and the locker measured something inside when it was closed: \
             look at the compartment, and clear it",
            false,
        ),
        booked::Alarm::MayBeTaken => (
            "unproven",
            "power failed as a courier opened to take out what lies there, and nothing was measured: look at the \
             compartment, and clear it",
            false,
        ),
        booked::Alarm::OpenedAfterBack => (
            "opened_after_back",
            "what was given back was opened once more with the access from before, and nobody knows what lies there now: \
             look at the compartment",
            false,
        ),
        booked::Alarm::PutInElsewhere => (
            "called_off_deposit",
            "a customer put in a return that had been called off meanwhile, and the door is kept for something else by \
             now: look at the compartment",
            false,
        ),
    }
}

/// What somebody at the door said: whether it lies inside, after which opening. The caller saves the reservation.
///
/// # Errors
/// `WrongState` where no receipt says that the door was opened then, where it was opened again since, or where the locker
/// measured otherwise.
pub async fn say(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation, who: Who, said: &Said) -> Result<()> {
    if !may_say(reservation, who) {
        return Err(refuse(Code::WrongState, "nothing is to be put in"));
    }
    let of = sqlx::query(
        "SELECT locker_id, door, happened_at FROM receipts WHERE reservation_id = $1 AND courier = $2 AND sequence = $3 \
         AND standing = 'chained' AND outcome IN (0, 2, 3) ORDER BY received_at DESC LIMIT 1",
    )
    .bind(&reservation.id)
    .bind(i64::from(who == Who::Courier))
    .bind(i64::from(said.opening))
    .fetch_optional(tx.on())
    .await?
    .ok_or_else(|| refuse(Code::WrongState, "no receipt says that the door was opened then"))?;
    let (locker, door) = (of.text("locker_id")?, of.int("door")?);
    let links = links(tx, &reservation.id, &locker, door, who).await?;
    let answer = Answer { after: i64::from(said.opening), inside: said.inside };
    placed::may_say(&links, answer).map_err(|why| match why {
        Unsaid::OpenedAgain => refuse(Code::WrongState, "the door was opened again since"),
        Unsaid::Measured => {
            refuse(Code::WrongState, "the locker measured otherwise when the door was closed")
        }
    })?;
    reservation.answer = Some(answer);
    let happened = Happened { who, event: Event::Said, at: of.int("happened_at")?, locker: &locker, door };
    move_on(hub, tx, reservation, happened).await
}

fn may_say(reservation: &Reservation, who: Who) -> bool {
    match (who, reservation.kind, reservation.state) {
        (Who::Customer, Kind::Return, State::Booked | State::Cancelled | State::Deposited)
        | (
            Who::Courier,
            Kind::Pickup,
            State::Announced | State::InTransit | State::Cancelled | State::Ready,
        ) => true,
        (Who::Customer, Kind::Storage, State::Held | State::Ready) => reservation.lent,
        _ => false,
    }
}

/// Whether the customer should be asked what lies inside.
#[must_use]
pub fn is_unsaid(reservation: &Reservation) -> bool {
    may_say(reservation, Who::Customer) && matches!(reservation.inside, Some(Inside::Open | Inside::Unknown))
}
