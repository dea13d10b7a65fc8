//! What people do: customers with their habits and patience, couriers, hands at doors; and the steps of a plan.

use ed25519_dalek::SigningKey;
use postern_api::reservation::State;
use postern_core::{
    event::{Event, PushEvent},
    intent::Intent,
    view::{ActionView, OpeningPhase, SessionView, StateView, View},
};
use postern_protocol::{
    Door, LockerId, OperationNonce,
    message::{Operation, Operations},
    receipt::{self, Outcome},
};
use url::Url;

use crate::{
    agent::{Agent, Errand, Move, Wish, public},
    air::Who,
    hub::{BASE, Hub},
    machine::WallClock,
    plan::Step,
    world::{Happening, World},
};

/// What a hand does at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    /// Takes out what is this customer's.
    Take(usize),
    /// Puts the parcel of this booking in.
    Put(usize),
    /// Shuts the door.
    Shut,
}

/// What the browser comes back with: the customer is always who the phone belongs to.
pub(crate) fn sign_in(authorization: &str, customer: usize) -> String {
    let asked = Url::parse(authorization).expect("the core composes a URL");
    let value = |name: &str| {
        asked
            .query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let mut back = Url::parse(&value("redirect_uri")).expect("the core names a redirect URI");
    back.query_pairs_mut()
        .append_pair("code", &customer.to_string())
        .append_pair("state", &value("state"))
        .append_pair("iss", BASE);
    back.into()
}

impl World {
    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Parcel { customer, locker, door } => {
                if let Some(booking) = self.hub.book(customer, locker, door) {
                    self.poke();
                    self.after(3_000, Happening::Courier { booking });
                }
            }
            Step::Walk { customer, locker } => self.walk(customer, locker),
            Step::Gesture { customer } => self.behave(customer),
            Step::Cancel { customer } => self.wish(customer, Intent::CancelOpening),
            Step::Network { customer, on } => self.network(customer, on),
            Step::KillApp { customer } => {
                if let Some((_, link)) = self.phones[customer].attempt {
                    self.close_link(link);
                }
                self.phones[customer].kill();
                self.after(1_000, Happening::Start { customer });
            }
            Step::PhoneClock { customer, skew } => self.phones[customer].skew = skew,
            Step::CutLink { customer, frames } => self.phones[customer].cut = Some(frames),
            Step::Latency { customer, ms } => self.phones[customer].latency = ms,
            Step::Mtu { customer, mtu } => self.phones[customer].mtu = mtu,
            Step::PowerCut { locker, operations, torn } => {
                let machine = self.cabinets[locker].machine();
                machine.operations_left = Some(operations);
                machine.torn = torn;
            }
            Step::Reboot { locker } => self.lose_power(locker),
            Step::LoseClock { locker } => {
                self.cabinets[locker].machine().wall_clock = WallClock::Dead;
                self.lose_power(locker);
            }
            Step::SetClock { locker, skew } => {
                self.cabinets[locker].machine().wall_clock = WallClock::Runs(skew);
            }
            Step::Jam { locker, door, pulses } => {
                if let Some(compartment) = self.cabinets[locker].machine().compartments.get_mut(&door) {
                    compartment.jammed = pulses;
                }
            }
            Step::Revoke { customer } => {
                let open = |state| matches!(state, State::Ready | State::Opened);
                let mine = self.hub.bookings.iter().position(|b| b.customer == customer && open(b.state));
                if let Some(booking) = mine {
                    self.hub.revoke(booking);
                    self.poke();
                }
            }
            Step::CarryBulletin { locker } => self.carry_bulletin(locker),
            Step::RotateKey => self.hub.rotate_key(),
            Step::Attack { attack, locker, victim } => self.attack(attack, locker, victim),
        }
    }

    pub(crate) fn wish(&mut self, customer: usize, intent: Intent) {
        self.note(|| format!("customer {customer} wishes {intent:?}"));
        self.tell(customer, Event::Intent(intent));
    }

    fn walk(&mut self, customer: usize, locker: Option<usize>) {
        if self.phones[customer].near == locker {
            return;
        }
        self.phones[customer].near = locker;
        if let Some((_, link)) = self.phones[customer].attempt {
            self.break_link(link);
        }
    }

    fn network(&mut self, customer: usize, on: bool) {
        let phone = &mut self.phones[customer];
        if std::mem::replace(&mut phone.online, on) && !on && std::mem::take(&mut phone.push) {
            self.later(customer, 300, Event::Push(PushEvent::Lost));
        }
    }

    pub(crate) fn sign_in_if_needed(&mut self, customer: usize) {
        let session = self.phones[customer].core.view().session;
        if matches!(session, SessionView::SignedOut { .. }) {
            self.wish(customer, Intent::SignIn { hub: None });
        }
    }

    /// All faults end, everybody gets up and collects what is theirs.
    pub(crate) fn begin_calm(&mut self) {
        self.note(|| "CALM".into());
        self.calm = true;
        for cabinet in &mut self.cabinets {
            let machine = cabinet.machine();
            machine.operations_left = None;
            if let WallClock::Runs(skew) = &mut machine.wall_clock {
                *skew = 0;
            }
            for compartment in machine.compartments.values_mut() {
                compartment.jammed = 0;
            }
        }
        for link in 0..self.links.len() {
            if matches!(self.links[link].who, Who::Agent(_)) {
                self.close_link(link);
            }
        }
        for customer in 0..self.phones.len() {
            let phone = &mut self.phones[customer];
            phone.skew = 0;
            phone.latency = 20;
            phone.cut = None;
            phone.impostor = false;
            self.network(customer, true);
            self.after(1_000 + 100 * customer as u64, Happening::Behave { customer });
        }
    }

    /// A customer looks at the phone and does what it offers, as somebody would who wants their parcel.
    pub(crate) fn behave(&mut self, customer: usize) {
        if self.calm {
            self.after(5_000, Happening::Behave { customer });
        }
        let view = self.phones[customer].core.view();
        if !matches!(view.session, SessionView::SignedIn { .. }) {
            return self.sign_in_if_needed(customer);
        }
        if view.opening.is_some() {
            return self.go_on_opening(customer, &view);
        }
        let Some((id, action, locker)) = view.reservations.iter().find_map(|reservation| {
            let action = *reservation.actions.first()?;
            let locker: LockerId = reservation.locker.as_ref()?.parse().ok()?;
            let at = self.cabinets.iter().position(|cabinet| cabinet.keys.identity().id == locker)?;
            let wanted = self.calm || self.phones[customer].near == Some(at);
            wanted.then(|| (reservation.id.clone(), action, at))
        }) else {
            if self.calm {
                self.wish(customer, Intent::Refresh);
            }
            return;
        };
        if self.calm {
            self.walk(customer, Some(locker));
        }
        match action {
            ActionView::Open => self.wish(customer, Intent::Open { reservations: vec![id] }),
            ActionView::Resolve => self.wish(customer, Intent::ResolveOpening { reservation: Some(id) }),
            ActionView::ConfirmTaken | ActionView::Reopen => self.say_taken(customer, id),
            _ => {}
        }
    }

    fn content_is_here(&mut self, id: &str) -> Option<bool> {
        let booking: usize = id.strip_prefix("rsv-")?.parse().ok()?;
        let (locker, door) = (self.hub.bookings[booking].locker, self.hub.bookings[booking].door);
        let content = self.cabinets[locker].machine().compartments.get(&door)?.content;
        Some(content == Some(booking))
    }

    fn say_taken(&mut self, customer: usize, id: String) {
        match self.content_is_here(&id) {
            Some(true) => self.wish(customer, Intent::Reopen { reservation: id }),
            _ => self.wish(customer, Intent::ConfirmTaken { reservation: id, taken: true }),
        }
    }

    fn go_on_opening(&mut self, customer: usize, view: &View) {
        let Some(opening) = &view.opening else { return };
        self.note(|| format!("customer {customer} sees {:?}", opening.phase));
        let id = opening.reservation.clone();
        match &opening.phase {
            OpeningPhase::MayBeOpen { asking: false } => {
                if self.calm {
                    let at = self.hub.bookings[booking_of(&id)].locker;
                    self.walk(customer, Some(at));
                }
                self.wish(customer, Intent::ResolveOpening { reservation: None });
            }
            OpeningPhase::Opened { .. } | OpeningPhase::Closed { .. } => {
                self.wish(customer, Intent::DismissOpening);
                self.say_taken(customer, id);
            }
            OpeningPhase::Failed { .. } | OpeningPhase::Cancelled => {
                self.wish(customer, Intent::DismissOpening);
            }
            OpeningPhase::NextDoor => self.wish(customer, Intent::ContinueOpening),
            _ => {}
        }
    }

    /// A door swings open: whoever asked for it does what they came for, and somebody shuts it.
    pub(crate) fn came_open(&mut self, locker: usize, door: u16) {
        self.note(|| format!("door {door} of locker {locker} comes open"));
        let key = self.reference.behind(locker, door);
        let customer = self.phones.iter().position(|phone| Some(public(&phone.key)) == key);
        let parcel = self.courier_tokens.iter().find(|(booking, (courier, _, _))| {
            let it = &self.hub.bookings[**booking];
            Some(public(courier)) == key && (it.locker, it.door) == (locker, door)
        });
        if let Some(customer) = customer {
            self.after(3_000, Happening::Hand { locker, door, hand: Hand::Take(customer) });
        } else if let Some((booking, _)) = parcel {
            let hand = Hand::Put(*booking);
            self.after(3_000, Happening::Hand { locker, door, hand });
        }
        self.after(6_000, Happening::Hand { locker, door, hand: Hand::Shut });
    }

    pub(crate) fn hand(&mut self, locker: usize, door: u16, hand: Hand) {
        let near = match hand {
            Hand::Take(customer) => self.phones[customer].near == Some(locker),
            Hand::Put(_) | Hand::Shut => true,
        };
        let bookings = &self.hub.bookings;
        let owner = |booking: usize| bookings[booking].customer;
        let Some(compartment) = self.cabinets[locker].machine().compartments.get_mut(&door) else { return };
        match hand {
            Hand::Take(customer) if near && compartment.open => {
                if compartment.content.is_some_and(|booking| owner(booking) == customer) {
                    compartment.content = None;
                }
            }
            Hand::Put(booking) if compartment.open => compartment.content = Some(booking),
            Hand::Shut => compartment.open = false,
            _ => {}
        }
        self.note(|| format!("hand at door {door} of locker {locker}: {hand:?}"));
        self.firmware(locker, |locker, now| locker.tick(now));
        if let Hand::Put(booking) = hand {
            self.deposit_if_done(booking);
        }
    }

    // --- couriers ---------------------------------------------------------------------------------------------------

    /// A courier goes to the locker with the parcel, again and again until it lies inside and a receipt says so.
    pub(crate) fn courier(&mut self, booking: usize) {
        if self.hub.bookings[booking].state != State::InTransit {
            return;
        }
        let (locker, door) = (self.hub.bookings[booking].locker, self.hub.bookings[booking].door);
        let unix = self.unix();
        let stale = self.courier_tokens.get(&booking).is_none_or(|(_, issued, _)| {
            unix + 60 > issued.claims.expires.0 || issued.claims.doors[0].1.0 < self.hub.epoch(locker, door)
        });
        if stale {
            let key = SigningKey::from_bytes(&self.dice.bytes());
            let issued = self.hub.mint(booking, public(&key), courier_operations(), unix, None);
            let nonce = self.dice.bytes();
            self.courier_tokens.insert(booking, (key, issued, nonce));
        }
        let bulletin = self.hub.bulletin(locker, unix, None);
        let (key, issued, nonce) = &self.courier_tokens[&booking];
        let wish = Wish {
            operation: Operation::Deposit,
            door: Door(door),
            token: issued.bytes.clone(),
            bulletin: Some(bulletin),
            nonce: OperationNonce(*nonce),
        };
        let key = key.clone();
        self.send_agent(Errand::Deposit(booking), key, locker, vec![wish]);
        self.after(20_000, Happening::Courier { booking });
    }

    /// A courier's device is online at the locker and has its token bound to the HELLO.
    pub(crate) fn fresh_token_for(&mut self, agent: usize, link: usize, nonce: [u8; 16]) -> Move {
        let Errand::Deposit(booking) = self.agents[agent].errand else { return Move::Leave };
        let (unix, locker) = (self.unix(), self.links[link].locker);
        let key = public(&self.agents[agent].key);
        let issued = self.hub.mint(booking, key, courier_operations(), unix, Some(nonce));
        let bulletin = self.hub.bulletin(locker, unix, Some(nonce));
        self.agents[agent].with_fresh_token(&issued.bytes, &bulletin)
    }

    pub(crate) fn carry_bulletin(&mut self, locker: usize) {
        let unix = self.unix();
        let bulletin = self.hub.bulletin(locker, unix, None);
        let Some(issued) = self
            .hub
            .ledger
            .values()
            .filter(|issued| issued.claims.locker == self.cabinets[locker].keys.identity().id)
            .find(|issued| issued.reservation.is_some_and(|b| self.courier_tokens.contains_key(&b)))
            .cloned()
        else {
            return;
        };
        let booking = issued.reservation.expect("found by it");
        let (key, issued, _) = &self.courier_tokens[&booking];
        let wish = Wish {
            operation: Operation::Status,
            door: issued.claims.doors[0].0,
            token: issued.bytes.clone(),
            bulletin: Some(bulletin),
            nonce: OperationNonce(self.dice.bytes()),
        };
        let key = key.clone();
        self.send_agent(Errand::Bulletin, key, locker, vec![wish]);
    }

    pub(crate) fn send_agent(&mut self, errand: Errand, key: SigningKey, locker: usize, wishes: Vec<Wish>) {
        let identity = self.cabinets[locker].keys.identity();
        let seed = self.dice.roll();
        self.agents.push(Agent::new(errand, key, identity, wishes, seed));
        let who = Who::Agent(self.agents.len() - 1);
        self.after(50, Happening::Dialled { who, locker, patience: 10_000 });
    }

    pub(crate) fn agent_has_receipt(&mut self, agent: usize, link: usize, bytes: &[u8]) {
        let locker = self.links[link].locker;
        let identity = self.cabinets[locker].keys.identity();
        let Ok(receipt) = receipt::verify(bytes, &identity.receipt_key) else {
            return self
                .reference
                .object(3, format!("agent {agent} was given a receipt that does not verify"));
        };
        match self.agents[agent].errand {
            Errand::Deposit(booking) => match receipt.outcome {
                Outcome::Opened | Outcome::AlreadyOpen => {
                    self.hub.evidence(locker, bytes);
                    self.deposit_if_done(booking);
                }
                Outcome::Jammed | Outcome::Unknown => {
                    let nonce = self.dice.bytes();
                    if let Some((_, _, old)) = self.courier_tokens.get_mut(&booking) {
                        *old = nonce;
                    }
                }
            },
            Errand::Harm | Errand::Play(_) | Errand::Hog => {
                self.reference.object(1, format!("agent {agent}, who means harm, was given {receipt:?}"));
            }
            Errand::Bulletin | Errand::Greed => {}
        }
    }

    fn deposit_if_done(&mut self, booking: usize) {
        let (locker, door) = (self.hub.bookings[booking].locker, self.hub.bookings[booking].door);
        let content = self.cabinets[locker].machine().compartments.get(&door).and_then(|it| it.content);
        if content == Some(booking) && self.hub.bookings[booking].state == State::InTransit {
            self.hub.deposited(booking);
            self.poke();
        }
    }

    pub(crate) fn agent_is_gone(&mut self, agent: usize) {
        self.note(|| format!("agent {agent} is gone"));
    }

    /// Nothing is left to do: every honest customer has what is theirs.
    pub(crate) fn is_done(&self) -> bool {
        self.hub
            .bookings
            .iter()
            .all(|booking| booking.state == State::Collected || !self.phones[booking.customer].honest)
    }

    /// What a customer's view says of a booking.
    pub(crate) fn shown(view: &View, booking: usize) -> Option<StateView> {
        let id = Hub::id_of(booking);
        view.reservations.iter().find(|reservation| reservation.id == id).map(|reservation| reservation.state)
    }
}

fn courier_operations() -> Operations {
    [Operation::Deposit, Operation::Reopen, Operation::Status]
        .into_iter()
        .fold(Operations::NONE, Operations::with)
}

fn booking_of(id: &str) -> usize {
    id.strip_prefix("rsv-").and_then(|number| number.parse().ok()).unwrap_or(0)
}
