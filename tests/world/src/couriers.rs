//! Couriers: they bring parcels, fetch returns, and carry what lockers sealed for the hub.

use ed25519_dalek::SigningKey;
use postern_api::reservation::State;
use postern_protocol::{
    Door, OperationNonce,
    message::{Carried, Operation},
};

use crate::{
    agent::{Errand, Move, Wish, public},
    air::Who,
    hub::Issued,
    world::{Happening, KEPT_RECEIPTS, World},
};

/// Visits with one token, after which a courier asks for another.
const VISITS: u8 = 4;

/// A courier's token: the same one is used until the door has opened, or may have.
pub(crate) struct CourierToken {
    pub(crate) key: SigningKey,
    pub(crate) issued: Issued,
    pub(crate) nonce: [u8; 8],
    visits: u8,
}

impl World {
    /// A courier goes to the locker with the parcel, again and again until it lies inside and a receipt says so.
    pub(crate) fn courier(&mut self, booking: usize) {
        if self.hub.bookings[booking].state != State::InTransit {
            return;
        }
        let unix = self.unix();
        let (locker, door) = (self.hub.bookings[booking].locker, self.hub.bookings[booking].door);
        if by_key(booking) && self.hub.report(booking, unix) {
            return self.put_in_by_key(booking, locker, door);
        }
        self.courier_says(booking);
        if self.hub.bookings[booking].state != State::InTransit {
            return;
        }
        self.leave_the_last_visit(booking, locker);
        let stale = self.courier_tokens.get(&booking).is_none_or(|held| {
            held.visits >= VISITS
                || unix + 60 > held.issued.claims.expires.0
                || held.issued.claims.doors[0].1.0 < self.hub.epoch(locker, door)
        });
        if stale {
            let key = SigningKey::from_bytes(&self.dice.bytes());
            let Some(issued) = self.hub.courier_token(booking, public(&key), unix, None) else { return };
            self.couriers.insert(public(&key), (booking, false));
            let nonce = self.dice.bytes();
            self.courier_tokens.insert(booking, CourierToken { key, issued, nonce, visits: 0 });
        }
        let (bulletin, _) = self.hub.bulletin(locker, unix, None);
        let first = self.hub.first_missing(locker);
        let Some(held) = self.courier_tokens.get_mut(&booking) else { return };
        held.visits += 1;
        let wish = Wish {
            operation: Operation::Deposit,
            door: Door(door),
            token: held.issued.bytes.clone(),
            delegation: None,
            bulletin: Some(bulletin),
            nonce: OperationNonce(held.nonce),
        };
        let carry = carry_wish(&held.issued, first);
        let key = held.key.clone();
        // The last comes first.
        self.send_agent(Errand::Deposit(booking), key, locker, vec![carry, wish]);
        self.after(20_000, Happening::Courier { booking });
    }

    /// A courier without a device opens with the carrier's own key, and the carrier says so over the network.
    fn put_in_by_key(&mut self, booking: usize, locker: usize, door: u16) {
        self.note(|| format!("the carrier says that parcel {booking} lies behind door {door} of {locker}"));
        self.put_in(locker, door, booking);
        self.firmware(locker, postern_locker::Locker::tick);
        self.poke();
    }

    /// Where a locker does not measure, a courier says at the closed door whether it lies inside.
    pub(crate) fn courier_says(&mut self, booking: usize) {
        let unix = self.unix();
        let (locker, door) = (self.hub.bookings[booking].locker, self.hub.bookings[booking].door);
        let machine = self.cabinets[locker].machine();
        let Some(compartment) = machine.compartment(door).filter(|it| !it.open && !machine.measures) else {
            return;
        };
        let inside = compartment.content == Some(booking);
        if self.hub.courier_says(booking, inside, unix) {
            self.note(|| {
                format!("the courier says of {booking}: {}", if inside { "inside" } else { "not inside" })
            });
            self.poke();
        }
    }

    /// Whoever still waits there for a door to be closed has gone by the time that the next comes.
    fn leave_the_last_visit(&mut self, booking: usize, locker: usize) {
        let waits = |link: &&usize| match self.links[**link].who {
            Who::Agent(agent) => self.agents[agent].errand == Errand::Deposit(booking),
            Who::Phone { .. } => false,
        };
        if let Some(link) = self.cabinets[locker].links.iter().find(waits).copied() {
            self.close_link(link);
        }
    }

    /// A courier fetches what a customer has dropped off, or has not collected in time.
    pub(crate) fn fetch(&mut self, customer: usize) {
        let waits = |booking: &usize| match self.hub.bookings[*booking].state {
            State::Deposited => !self.hub.is_fetched(*booking),
            State::Expired => true,
            _ => false,
        };
        if let Some(booking) = self.hub.of(customer).iter().copied().find(waits) {
            self.send_for(booking);
        }
    }

    /// Everybody gets up at last: carriers fetch what was not collected in time, and say what they have.
    pub(crate) fn ask_carriers(&mut self) {
        for booking in 0..self.hub.bookings.len() {
            self.after(10_000, Happening::Carrier { booking });
        }
    }

    /// A carrier looks after a parcel that has expired, or a return that its courier took.
    pub(crate) fn carrier(&mut self, booking: usize) {
        match self.hub.bookings[booking].state {
            State::Deposited if self.fetched.contains(&booking) => {
                self.hub.say_fetched(booking);
                return self.poke();
            }
            State::Expired => {
                self.courier_says(booking);
                if self.hub.bookings[booking].state == State::Expired {
                    self.send_for(booking);
                }
            }
            _ => {}
        }
        if self.hub.open.contains(&booking) {
            self.after(30_000, Happening::Carrier { booking });
        }
    }

    /// Where nothing was measured, at a locker without sensors or behind a door that a carrier opened with a key of its own, nobody
    /// can tell a carrier who is right about it from one who is not: its courier has taken it out, with that key.
    pub(crate) fn take_by_key(&mut self, booking: usize) {
        let (locker, door) = (self.hub.bookings[booking].locker, self.hub.bookings[booking].door);
        let machine = self.cabinets[locker].machine();
        let measured = machine.measures && !by_key(booking);
        if let Some(compartment) = machine.compartment_mut(door)
            && !measured
            && compartment.content == Some(booking)
        {
            compartment.content = None;
            self.fetched.insert(booking);
        }
    }

    /// A courier goes to take something out.
    fn send_for(&mut self, booking: usize) {
        let unix = self.unix();
        let key = SigningKey::from_bytes(&self.dice.bytes());
        let Some(issued) = self.hub.courier_token(booking, public(&key), unix, None) else { return };
        self.poke();
        self.couriers.insert(public(&key), (booking, true));
        let locker = self.hub.bookings[booking].locker;
        let (bulletin, _) = self.hub.bulletin(locker, unix, None);
        let wish = Wish {
            operation: Operation::Collect,
            door: issued.claims.doors[0].0,
            token: issued.bytes.clone(),
            delegation: None,
            bulletin: Some(bulletin),
            nonce: OperationNonce(self.dice.bytes()),
        };
        let carry = carry_wish(&issued, self.hub.first_missing(locker));
        let held = CourierToken { key: key.clone(), issued, nonce: wish.nonce.0, visits: 1 };
        self.courier_tokens.insert(booking, held);
        self.send_agent(Errand::Fetch(booking), key, locker, vec![carry, wish]);
    }

    /// A courier's device is online at the locker and has its token bound to the HELLO.
    pub(crate) fn fresh_token_for(&mut self, agent: usize, link: usize, nonce: [u8; 16]) -> Move {
        let (Errand::Deposit(booking) | Errand::Fetch(booking)) = self.agents[agent].errand else {
            return Move::Leave;
        };
        let (unix, locker) = (self.unix(), self.links[link].locker);
        let key = public(&self.agents[agent].key);
        let Some(issued) = self.hub.courier_token(booking, key, unix, Some(nonce)) else {
            return Move::Leave;
        };
        let (bulletin, _) = self.hub.bulletin(locker, unix, Some(nonce));
        self.agents[agent].with_fresh_token(&issued.bytes, &bulletin)
    }

    pub(crate) fn carry_bulletin(&mut self, locker: usize) {
        let unix = self.unix();
        let (bulletin, _) = self.hub.bulletin(locker, unix, None);
        let Some(issued) = self
            .hub
            .ledger
            .values()
            .filter(|issued| issued.claims.locker == self.cabinets[locker].identity.id)
            .find(|issued| issued.reservation.is_some_and(|b| self.courier_tokens.contains_key(&b)))
            .cloned()
        else {
            return;
        };
        let booking = issued.reservation.expect("found by it");
        let CourierToken { key, issued, .. } = &self.courier_tokens[&booking];
        let wish = Wish {
            operation: Operation::Status,
            door: issued.claims.doors[0].0,
            token: issued.bytes.clone(),
            delegation: None,
            bulletin: Some(bulletin),
            nonce: OperationNonce(self.dice.bytes()),
        };
        let key = key.clone();
        self.send_agent(Errand::Bulletin, key, locker, vec![wish]);
    }

    /// A courier's device was given a part of the chain: the hub opens it, and the device goes on until all is there.
    pub(crate) fn carried(&mut self, agent: usize, link: usize, part: &Carried) -> Move {
        let locker = self.links[link].locker;
        let unix = self.unix();
        if !self.hub.carried(locker, &part.sealed, unix) {
            self.reference.object(12, format!("what locker {locker} sealed cannot be opened"));
        }
        self.poke();
        if part.next < part.head {
            if let Errand::Deposit(booking) | Errand::Fetch(booking) = self.agents[agent].errand
                && let Some(held) = self.courier_tokens.get(&booking)
            {
                let wish = carry_wish(&held.issued, part.next);
                self.agents[agent].wish(wish);
            }
        } else {
            self.all_is_known(locker, part.head);
        }
        self.agents[agent].go_on()
    }

    /// Every opening up to there is known to the hub, as far as the locker keeps its receipts.
    fn all_is_known(&mut self, locker: usize, head: u32) {
        let missing = (head.saturating_sub(KEPT_RECEIPTS)..head)
            .find(|at| !self.hub.receipts.contains_key(&(locker, *at)));
        if let Some(sequence) = missing {
            self.reference
                .object(12, format!("receipt {sequence} of locker {locker} was carried and is not known"));
        }
    }
}

/// Whether a carrier puts it in with a key of its own, where the hub takes its word.
const fn by_key(booking: usize) -> bool {
    booking % 5 == 4
}

/// Asks for the receipts from one on.
fn carry_wish(issued: &Issued, first: u32) -> Wish {
    Wish {
        operation: Operation::Carry,
        door: issued.claims.doors[0].0,
        token: issued.bytes.clone(),
        delegation: None,
        bulletin: None,
        nonce: OperationNonce::from_sequence(first),
    }
}
