//! What the customer says after the door was open.

use postern_api::{
    problem::Code,
    reservation::{State, Taken, TimelineEvent},
};
use postern_rules::{
    booked,
    settling::Holds,
    taken::{self, Door, Facts, Not, Verdict},
};

use super::{
    alarms::{self, Alarm},
    doors, placing,
    reservation::Reservation,
};
use crate::{
    error::{Result, refuse},
    hub::Hub,
    store::{RowExt, Tx, receipts},
};

/// `by` is the account that says so. Taken: with the receipt, that makes it collected, and frees the door. Where no receipt has
/// come yet (it was opened by code or PIN at a locker without a network) it is collected by word, and the door is kept until the
/// receipt comes. Not taken: the door is looked at by somebody before it is used again. The rules are in
/// [`postern_rules::taken`].
///
/// # Errors
/// `WrongState` where there is nothing to be taken, or where a guest says so before a receipt has come.
pub async fn say(
    hub: &Hub,
    tx: &mut Tx,
    reservation: &mut Reservation,
    by: &str,
    said: &Taken,
) -> Result<()> {
    let now = hub.clock.now();
    let theirs = doors::is_of(tx, reservation).await?;
    let whose = if doors::kept_for(tx, &reservation.id).await?.is_some() {
        booked::Door::Kept
    } else if theirs {
        booked::Door::Settling
    } else {
        booked::Door::Others
    };
    let facts = Facts {
        kind: reservation.kind,
        state: reservation.state,
        inside: reservation.inside,
        sensors: measures(tx, reservation).await?,
        unproven: reservation.unproven,
        opened: reservation.first_opened.is_some(),
        by_owner: reservation.account.as_deref() == Some(by),
        by_opener: receipts::were_opened_by(tx, &reservation.id, by).await?,
        door: whose,
    };
    // The owner reads whose word it was.
    let guest = if facts.by_owner { None } else { name_of(tx, reservation, by).await? };
    let who = guest.as_deref().unwrap_or("you");
    let verdict = taken::judge(facts, said.taken).map_err(|not| match not {
        Not::Guest => refuse(Code::WrongState, "no receipt says that you have opened the door"),
        Not::Measured => refuse(Code::SomethingInside, "the locker measured that it still lies inside"),
        Not::State => refuse(Code::WrongState, "nothing lies there to be taken"),
    })?;
    match verdict {
        Verdict::Known => return Ok(()),
        Verdict::Collected { unproven, door, left } => {
            reservation.state = State::Collected;
            reservation.unproven = unproven;
            reservation.note(now, TimelineEvent::Collected, Some(who), false);
            let jammed = doors::jammed_last(tx, reservation).await?;
            match door {
                Door::Free if !jammed => doors::free(tx, &reservation.id).await?,
                Door::Free | Door::Settles => {
                    doors::end(tx, reservation, Holds::Taken, now).await?;
                }
            }
            if left {
                left_inside(tx, reservation, now).await?;
            }
        }
        Verdict::Ready => {
            let place = reservation.locker.clone().zip(reservation.door);
            let (locker, door) = place.ok_or(Code::WrongState)?;
            if !doors::keep_again(tx, reservation, &locker, door, now).await? {
                return Err(Code::WrongState.into());
            }
            reservation.state = State::Ready;
            reservation.unproven = false;
            reservation.timeline.retain(|entry| entry.event != TimelineEvent::Collected);
        }
        Verdict::Disputed { again } => {
            // Once for each opening: whoever has looked is not sent again by the same word.
            let last = |event| reservation.timeline.iter().rposition(|entry| entry.event == event);
            let anew = last(TimelineEvent::Disputed) <= last(TimelineEvent::Opened);
            if anew {
                let out = if theirs {
                    doors::take_out_of_order(tx, reservation, by).await?;
                    true
                } else {
                    hold(tx, reservation, by, now).await?
                };
                disputed(tx, reservation, out, now).await?;
            }
            // What was given back is not opened again by this.
            let place = reservation.locker.clone().zip(reservation.door);
            if let (Some(state), Some((locker, door))) = (again, place) {
                doors::keep_again(tx, reservation, &locker, door, now).await?;
                reservation.state = state;
                reservation.unproven = false;
            }
            if anew {
                reservation.note(now, TimelineEvent::Disputed, Some(who), false);
            }
        }
    }
    reservation.save(tx, now).await
}

/// Where a door is nobody's by now, nobody is given it before somebody has looked: whatever share of the site it takes, it was
/// theirs, and a carrier had put something in.
async fn hold(tx: &mut Tx, reservation: &Reservation, by: &str, now: i64) -> Result<bool> {
    let (Some(locker), Some(door)) = (&reservation.locker, reservation.door) else { return Ok(false) };
    // Nobody answers for a door that was out of order before.
    let was_out = doors::is_out_of_order(tx, locker, door).await?;
    let since = reservation.opening.unwrap_or_default();
    let held = placing::hold(tx, (locker, door), since, Some(&reservation.id), now).await?;
    if held && !was_out {
        doors::note_report(tx, locker, door, by).await?;
    }
    Ok(held)
}

/// What the owner calls a guest.
async fn name_of(tx: &mut Tx, reservation: &Reservation, guest: &str) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT name FROM shares WHERE reservation_id = $1 AND account_id = $2 ORDER BY created_at DESC LIMIT 1",
    )
    .bind(&reservation.id)
    .bind(guest)
    .fetch_optional(tx.on())
    .await?;
    row.map(|row| row.text("name")).transpose()
}

async fn disputed(tx: &mut Tx, reservation: &Reservation, out: bool, now: i64) -> Result<()> {
    let reason = if out {
        "the customer says that the compartment did not hold what it should; it is out of order until somebody has \
         looked"
    } else {
        "the customer says that the compartment did not hold what it should, and it has been given back since: whoever \
         has it now is not disturbed"
    };
    let alarm = Alarm {
        kind: "disputed",
        locker: reservation.locker.as_deref(),
        door: reservation.door,
        reservation: Some(&reservation.id),
        reason,
        repaired: false,
    };
    alarms::raise(tx, alarm, now).await
}

/// Whether the locker measures what is inside.
async fn measures(tx: &mut Tx, reservation: &Reservation) -> Result<bool> {
    let row = sqlx::query("SELECT content_sensors FROM lockers WHERE id = $1")
        .bind(reservation.locker.clone())
        .fetch_optional(tx.on())
        .await?;
    row.map_or(Ok(false), |row| Ok(row.int("content_sensors")? == 1))
}

async fn left_inside(tx: &mut Tx, reservation: &Reservation, now: i64) -> Result<()> {
    let alarm = Alarm {
        kind: "left_inside",
        locker: reservation.locker.as_deref(),
        door: reservation.door,
        reservation: Some(&reservation.id),
        reason: "the customer says that everything was taken, and the locker measured something inside: look at the \
                 compartment, and clear it",
        repaired: false,
    };
    alarms::raise_once(tx, alarm, now).await
}
