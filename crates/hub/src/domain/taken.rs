//! What the customer says after the door was open.

use postern_api::{
    problem::Code,
    reservation::{Kind, State, Taken, TimelineEvent},
};
use postern_rules::{placed::Inside, settling::Holds};

use super::{
    alarms::{self, Alarm},
    doors,
    reservation::Reservation,
};
use crate::{
    error::{Result, refuse},
    hub::Hub,
    store::{RowExt, Tx},
};

/// `by` is the account that says so. Taken: with the receipt, that makes it collected, and frees the door. Where no receipt has come yet (it was opened by code
/// or PIN at a locker without a network) it is collected by word, and the door is kept until the receipt comes. Not taken: the
/// door is looked at by somebody before it is used again.
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
    match (reservation.kind, reservation.state, said.taken) {
        // Saying it twice changes nothing.
        (Kind::Pickup, State::Collected, true) => Ok(()),
        (Kind::Pickup, State::Opened, true) => {
            reservation.state = State::Collected;
            reservation.note(now, TimelineEvent::Collected, Some("you"), false);
            match reservation.inside {
                // Opened and said to be taken, and yet measured inside; or the closing has still to say.
                Some(Inside::Present) => {
                    doors::end(tx, reservation, Holds::Taken, now).await?;
                    left_inside(tx, reservation, now).await?;
                }
                Some(Inside::Open) if measures(tx, reservation).await? => {
                    doors::end(tx, reservation, Holds::Taken, now).await?;
                }
                _ => doors::free(tx, &reservation.id).await?,
            }
            reservation.save(tx, now).await
        }
        (Kind::Pickup, State::Ready, true) => {
            if reservation.account.as_deref() != Some(by) {
                return Err(refuse(Code::WrongState, "no receipt says that the door was opened"));
            }
            reservation.state = State::Collected;
            reservation.unproven = true;
            reservation.note(now, TimelineEvent::Collected, Some("you"), false);
            doors::end(tx, reservation, Holds::Taken, now).await?;
            reservation.save(tx, now).await
        }
        // Said by mistake, and no receipt has come that would say otherwise: it lies there still.
        (Kind::Pickup, State::Collected, false)
            if reservation.unproven && reservation.first_opened.is_none() =>
        {
            let place = reservation.locker.clone().zip(reservation.door);
            let (locker, door) = place.ok_or(Code::WrongState)?;
            if !doors::keep_again(tx, reservation, &locker, door, now).await? {
                return Err(Code::WrongState.into());
            }
            reservation.state = State::Ready;
            reservation.unproven = false;
            reservation.timeline.retain(|entry| entry.event != TimelineEvent::Collected);
            reservation.save(tx, now).await
        }
        (Kind::Pickup, State::Opened | State::Collected, false) => {
            let theirs = doors::is_of(tx, reservation).await?;
            let out = doors::report(tx, reservation, by).await?;
            alarms::raise(
                tx,
                Alarm {
                    kind: "disputed",
                    locker: reservation.locker.as_deref(),
                    door: reservation.door,
                    reservation: Some(&reservation.id),
                    reason: if out {
                        "the customer says that the compartment did not hold what it should; it is out of order until \
                         somebody has looked"
                    } else if theirs {
                        "the customer says that the compartment did not hold what it should, as of others before: it stays \
                         in service"
                    } else {
                        "the customer says that the compartment did not hold what it should, and it has been given back \
                         since: whoever has it now is not disturbed"
                    },
                    repaired: false,
                },
                now,
            )
            .await?;
            // What was given back is not opened again by this.
            if theirs {
                reservation.state = State::Opened;
            }
            reservation.note(now, TimelineEvent::Disputed, Some("you"), false);
            reservation.save(tx, now).await
        }
        _ => Err(refuse(Code::WrongState, "nothing lies there to be taken")),
    }
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
