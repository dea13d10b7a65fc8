//! What the customer says after the door was open.

use postern_api::{
    problem::Code,
    reservation::{Kind, State, Taken, TimelineEvent},
};

use super::{
    alarms::{self, Alarm},
    doors,
    reservation::Reservation,
    rules::{placed::Inside, settling::Holds},
};
use crate::{
    error::{Result, refuse},
    hub::Hub,
    store::Tx,
};

/// Taken: with the receipt, that makes it collected, and frees the door. Where no receipt has come yet (it was opened by code
/// or PIN at a locker without a network) it is collected by word, and the door is kept until the receipt comes. Not taken: the
/// door is looked at by somebody before it is used again.
///
/// # Errors
/// `WrongState` where there is nothing to be taken.
pub async fn say(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation, said: &Taken) -> Result<()> {
    let now = hub.clock.now();
    match (reservation.kind, reservation.state, said.taken) {
        // Saying it twice changes nothing.
        (Kind::Pickup, State::Collected, true) => Ok(()),
        (Kind::Pickup, State::Opened, true) => {
            reservation.state = State::Collected;
            reservation.note(now, TimelineEvent::Collected, Some("you"), false);
            if reservation.inside == Some(Inside::Present) {
                // Opened and said to be taken, and yet measured inside.
                doors::end(tx, reservation, Holds::Something, now).await?;
                left_inside(tx, reservation, now).await?;
            } else {
                doors::free(tx, &reservation.id).await?;
            }
            reservation.save(tx, now).await
        }
        (Kind::Pickup, State::Ready, true) => {
            reservation.state = State::Collected;
            reservation.unproven = true;
            reservation.note(now, TimelineEvent::Collected, Some("you"), false);
            doors::end(tx, reservation, Holds::Something, now).await?;
            reservation.save(tx, now).await
        }
        (Kind::Pickup, State::Opened | State::Collected, false) => {
            if let (Some(locker), Some(door)) = (&reservation.locker, reservation.door) {
                doors::set_out_of_order(tx, locker, door, true).await?;
            }
            alarms::raise(
                tx,
                Alarm {
                    kind: "disputed",
                    locker: reservation.locker.as_deref(),
                    door: reservation.door,
                    reservation: Some(&reservation.id),
                    reason: "the customer says that the compartment did not hold what it should; it is out of order \
                             until somebody has looked",
                    repaired: false,
                },
                now,
            )
            .await?;
            reservation.state = State::Opened;
            reservation.note(now, TimelineEvent::Disputed, Some("you"), false);
            reservation.save(tx, now).await
        }
        _ => Err(refuse(Code::WrongState, "nothing lies there to be taken")),
    }
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
