//! Compartments that a customer holds for a time: a resident's own, a booked one, a shared thing.

use postern_api::{
    problem::Code,
    reservation::{Kind, State, TimelineEvent},
};

use super::{
    doors,
    homes::{self, Flat},
    network::OPERATOR,
    reservation::Reservation,
};
use crate::{error::Result, hub::Hub, store::Tx};

/// Whose a compartment is to be.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// A customer's, by account.
    Customer(&'a str),
    /// A flat's at the locker's site: of whoever lives there, now or later.
    Flat(&'a str),
}

/// What is held.
#[derive(Clone, Copy, Debug)]
pub struct Holding<'a> {
    /// Whose.
    pub of: Of<'a>,
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
    if let Of::Customer(account) = holding.of {
        reservation.account = Some(account.to_owned());
    }
    reservation.since = Some(now);
    reservation.until = holding.until;
    let taking = doors::Taking { by_customer: false, now };
    if !doors::take(tx, &mut reservation, holding.locker, holding.door, taking).await? {
        return Err(Code::NoCompartment.into());
    }
    reservation.note(now, TimelineEvent::Held, Some("you"), false);
    reservation.insert(tx, now).await?;
    if let (Of::Flat(unit), Some(site)) = (holding.of, reservation.site.clone()) {
        homes::give_to_flat(tx, &mut reservation, Flat { site: &site, unit }).await?;
        reservation.save(tx, now).await?;
    }
    Ok(reservation)
}
