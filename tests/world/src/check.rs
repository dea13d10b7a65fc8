//! What must hold of what customers see, of what phones keep, and of hub and lockers in the end.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use postern_api::reservation::State;
use postern_core::view::{OpeningPhase, SessionView, StateView, View};

use crate::{
    people::booking_of,
    world::{PATIENCE, World},
};

/// Of so many happenings one whole view is composed; what it claims of doors is looked at after each.
const WHOLE_VIEW: u64 = 64;

impl World {
    /// Invariant 5: the view claims nothing that is not proven. Looked at after every event that a phone takes in.
    pub(crate) fn check_view(&mut self, customer: usize) {
        let phone = &self.phones[customer];
        let claimed = phone.core.standings().find_map(|(id, state)| {
            let booking = booking_of(id);
            let claims = match state {
                // Of a return that was opened nothing is claimed but that.
                StateView::Opened => true,
                // What the customer said is the customer's, wherever it is shown.
                StateView::Collected => !phone.said.contains(&booking),
                _ => false,
            };
            (claims && !self.reference.proven.contains(&booking)).then_some(booking)
        });
        let empty = phone.core.standings().find_map(|(id, state)| {
            let booking = booking_of(id);
            let empty = state == StateView::Deposited && !self.lies_inside(booking);
            (empty && !self.was_told_inside(customer, id)).then_some(booking)
        });
        if let Some(booking) = empty {
            self.reference.object(
                13,
                format!("customer {customer} is shown the empty return {booking} as dropped off"),
            );
        }
        if let Some(booking) = claimed {
            self.reference.object(5, format!("customer {customer} is shown booking {booking} as opened"));
        }
        self.check_opening(customer);
        if self.log.is_some() || self.happened.is_multiple_of(WHOLE_VIEW) {
            self.check_whole_view(customer);
        }
    }

    /// What goes back by a booking lies behind its door.
    fn lies_inside(&self, booking: usize) -> bool {
        let it = &self.hub.bookings[booking];
        let content =
            self.cabinets[it.locker].look().and_then(|machine| machine.compartment(it.door)?.content);
        content == Some(booking)
    }

    /// That a return lay inside was signed to this phone last, or the hub had it signed: that it was taken out again
    /// since, by a PIN or with somebody else's device, the phone cannot know before it is told.
    fn was_told_inside(&self, customer: usize, id: &str) -> bool {
        let view = self.phones[customer].core.view();
        let last = view.receipts.iter().filter(|it| it.reservation == id).max_by_key(|it| it.sequence);
        self.hub.bookings[booking_of(id)].was_dropped_off
            || self.phones[customer].placed.contains(&booking_of(id))
            || last.is_some_and(|last| last.outcome == "closed_present")
    }

    fn check_opening(&mut self, customer: usize) {
        let Some(opening) = self.phones[customer].core.opening() else { return };
        let booking = booking_of(opening.reservation);
        let phase = opening.phase;
        let proven = self.reference.proven.contains(&booking);
        let gesture = self.phones[customer].gestures.get(&booking).copied().unwrap_or(0);
        match phase {
            OpeningPhase::Opened { .. } | OpeningPhase::Closed { .. } if !proven => {
                self.reference.object(5, format!("customer {customer} is told that {booking} opened"));
            }
            OpeningPhase::Failed { .. } => {
                self.deny(customer, booking, gesture, "that it did not open");
            }
            OpeningPhase::Cancelled => self.deny(customer, booking, gesture, "that it was cancelled"),
            _ => {}
        }
    }

    /// The whole view says what its parts say, which are looked at after every event, and holds no secret.
    fn check_whole_view(&mut self, customer: usize) {
        let core = &self.phones[customer].core;
        let view = core.view();
        let standings: BTreeMap<&str, StateView> = core.standings().collect();
        let same = view.reservations.len() == standings.len()
            && view.reservations.iter().all(|it| standings.get(it.id.as_str()) == Some(&it.state))
            && view
                .reservations
                .iter()
                .map(|it| (&*it.id, it.locker.as_deref(), &it.actions))
                .eq(core.offers().iter().map(|offer| (offer.reservation, offer.locker, &offer.actions)))
            && matches!(view.session, SessionView::SignedIn { .. }) == core.is_signed_in()
            && match (&view.opening, core.opening()) {
                (Some(whole), Some(part)) => {
                    (whole.reservation.as_str(), &whole.phase, whole.started_at_ms)
                        == (part.reservation, &part.phase, part.started_at_ms)
                }
                (None, None) => true,
                _ => false,
            };
        if !same {
            self.reference.object(5, format!("the view of customer {customer} is not what its parts say"));
        }
        if self.log.is_some() {
            self.check_secrets(customer, &view);
        }
    }

    fn deny(&mut self, customer: usize, booking: usize, gesture: u64, what: &str) {
        let opened = self.reference.opened.get(&booking);
        let since = opened.is_some_and(|all| all.iter().any(|at| *at > gesture));
        if since && self.phones[customer].honest {
            self.reference.object(5, format!("customer {customer} is told of {booking} {what}, and it did"));
        }
    }

    /// Invariant 8: what is drawn or logged holds no token.
    fn check_secrets(&mut self, customer: usize, view: &View) {
        let shown = format!("{view:?}");
        let leak = self
            .hub
            .ledger
            .values()
            .any(|issued| shown.contains(&BASE64_URL_SAFE_NO_PAD.encode(&issued.bytes)));
        if leak {
            self.reference.object(8, format!("the view of customer {customer} holds a token"));
        }
    }

    /// At the end: invariants 3, 4 and 7.
    pub(crate) fn settle(&mut self) {
        self.reference.settle();
        for booking in 0..self.hub.bookings.len() {
            let it = self.hub.bookings[booking].clone();
            let honest = self.phones[it.customer].honest;
            let done = !self.hub.open.contains(&booking);
            if honest && !done {
                self.reference.object(
                    4,
                    format!(
                        "booking {booking} of customer {} is {:?} after {PATIENCE} ms of calm",
                        it.customer, it.state
                    ),
                );
            }
            // Behind a door that is said to be shut while it stands open, what is measured proves nothing.
            let gone = self.stuck.contains(&(it.locker, it.door))
                || self.hub.is_fetched(booking)
                || self.fetched.contains(&booking)
                || self.brought.contains(&booking);
            if it.state == State::Deposited && !self.lies_inside(booking) && !gone {
                self.reference
                    .object(13, format!("return {booking} counts as dropped off, and nothing lies inside"));
            }
            let opened = self.reference.proven.contains(&booking);
            if it.certain && !opened {
                self.reference.object(7, format!("the hub believes that booking {booking} was opened"));
            }
        }
        for ((locker, sequence), bytes) in &self.hub.receipts.clone() {
            if !self.reference.is_in_chain(*locker, *sequence, bytes) {
                self.reference.object(
                    3,
                    format!("receipt {sequence} of locker {locker} at the hub is not in its chain"),
                );
            }
        }
        if self.hub.forks > 0 {
            self.reference.object(3, "a locker's chain forked");
        }
    }
}
