//! What the customer says after the door was open.

use postern_api::{
    problem::Code,
    reservation::{Kind, State, Taken, TimelineEvent},
};

use super::{
    alarms::{self, Alarm},
    doors,
    reservation::Reservation,
};
use crate::{
    error::{Result, refuse},
    hub::Hub,
    store::Tx,
};

/// Taken: with the receipt, that makes it collected, and frees the door. Not taken: the door is looked at by somebody
/// before it is used again.
///
/// # Errors
/// `WrongState` where no receipt has said yet that the door was opened.
pub async fn say(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation, said: &Taken) -> Result<()> {
    let now = hub.clock.now();
    match (reservation.kind, reservation.state, said.taken) {
        // Saying it twice changes nothing.
        (Kind::Pickup, State::Collected, true) => Ok(()),
        (Kind::Pickup, State::Opened, true) => {
            reservation.state = State::Collected;
            reservation.note(now, TimelineEvent::Collected, Some("you"), false);
            doors::free(tx, &reservation.id).await?;
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
        _ => Err(refuse(Code::WrongState, "no receipt says that the door was opened")),
    }
}
