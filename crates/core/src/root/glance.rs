//! What the view claims of doors and offers to do, without the rest of the picture: for whoever looks again and again.

use super::{Core, picture::order};
use crate::{
    sign_in::Picture,
    view::{ActionView, OpeningPhase, StateView},
};

/// An opening as [`Core::view`] shows it, but for its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance<'a> {
    /// The reservation whose door it is.
    pub reservation: &'a str,
    /// How far it is.
    pub phase: OpeningPhase,
    /// UNIX milliseconds of the gesture.
    pub started_at_ms: i64,
}

/// What [`Core::view`] offers to do with a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// The reservation.
    pub reservation: &'a str,
    /// The locker where its compartment is.
    pub locker: Option<&'a str>,
    /// What can be done now. The first is the one that makes sense.
    pub actions: Vec<ActionView>,
}

impl Core {
    /// Where each reservation stands, as [`Core::view`] shows it, by id.
    pub fn standings(&self) -> impl Iterator<Item = (&str, StateView)> {
        let reservations = self.kept.wallet.reservations();
        reservations.map(|reservation| (reservation.id.as_str(), self.state(reservation)))
    }

    /// What can be done with each reservation, in the order in which [`Core::view`] lists them.
    pub fn offers(&self) -> Vec<Offer<'_>> {
        let reservations = self.kept.wallet.reservations().map(|reservation| {
            let state = self.state(reservation);
            let actions = self.actions(reservation, state, self.reopen_until(reservation));
            let order = order(state, &actions, reservation.until, reservation.since);
            let locker = reservation.compartment.as_ref().map(|compartment| compartment.locker.as_str());
            (order, Offer { reservation: &reservation.id, locker, actions })
        });
        let mut offers: Vec<_> = reservations.collect();
        offers.sort_by_key(|(order, offer)| (*order, offer.reservation));
        offers.into_iter().map(|(_, offer)| offer).collect()
    }

    /// The opening under way, or the last one until it is dismissed.
    pub fn opening(&self) -> Option<Glance<'_>> {
        let (reservation, phase, started_at_ms) = self.unlock.glance(&self.kept.wallet, self.now)?;
        Some(Glance { reservation, phase, started_at_ms })
    }

    /// Whether the view shows somebody as signed in.
    pub fn is_signed_in(&self) -> bool {
        matches!(self.sign_in.picture(), Picture::Idle(_))
            && self.session.exists()
            && self.session.account().is_some()
    }
}
