//! Compartments that a customer holds for a time: a resident's own, a booked one, a shared thing.

use postern_api::{
    problem::Code,
    reservation::{Kind, State, TimelineEvent},
};

use super::{doors, network::OPERATOR, reservation::Reservation};
use crate::{error::Result, hub::Hub, store::Tx};

/// What is held.
#[derive(Clone, Copy, Debug)]
pub struct Holding<'a> {
    /// Whose.
    pub account: &'a str,
    /// What the customer calls it.
    pub title: &'a str,
    /// Locker id.
    pub locker: &'a str,
    /// Its door.
    pub door: i64,
    /// Due time, for a thing that is lent.
    pub until: Option<i64>,
}

/// Gives a compartment to a customer to hold.
///
/// # Errors
/// `NoCompartment` where the door is not free.
pub async fn hold(hub: &Hub, tx: &mut Tx, holding: Holding<'_>) -> Result<Reservation> {
    let now = hub.clock.now();
    let mut reservation = Reservation::new(Kind::Storage, State::Held, holding.title, OPERATOR);
    reservation.account = Some(holding.account.to_owned());
    reservation.since = Some(now);
    reservation.until = holding.until;
    let taking = doors::Taking { by_customer: false, now };
    if !doors::take(tx, &mut reservation, holding.locker, holding.door, taking).await? {
        return Err(Code::NoCompartment.into());
    }
    reservation.note(now, TimelineEvent::Held, Some("you"), false);
    reservation.insert(tx, now).await?;
    Ok(reservation)
}
