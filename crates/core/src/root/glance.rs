//! What the view claims of doors, without the rest of the picture: for whoever looks after every event.

use super::Core;
use crate::{
    sign_in::Picture,
    view::{OpeningPhase, StateView},
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

impl Core {
    /// Where each reservation stands, as [`Core::view`] shows it, by id.
    pub fn standings(&self) -> impl Iterator<Item = (&str, StateView)> {
        let reservations = self.kept.wallet.reservations();
        reservations.map(|reservation| (reservation.id.as_str(), self.state(reservation)))
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
