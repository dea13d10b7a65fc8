//! What people do: customers with their habits and patience, couriers, hands at doors; and the steps of a plan.

use ed25519_dalek::{Signer, SigningKey};
use postern_api::reservation::{Kind, State};
use postern_core::{
    Offer,
    event::{Event, PushEvent},
    intent::Intent,
    view::{ActionView, OpeningPhase, SessionView},
};
use postern_locker::Reason;
use postern_protocol::{
    DeviceKey, OperationNonce,
    delegation::{self, Delegation},
    message::{Operation, Operations},
    receipt::{self, Outcome},
};
use url::Url;

use crate::{
    agent::{Agent, Errand, Wish, public},
    air::Who,
    hub::{BASE, Hub, Issued},
    machine::WallClock,
    plan::Step,
    world::{Happening, Planted, World},
};

/// What a hand does at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    /// Takes out what is this customer's.
    Take(usize),
    /// Puts in what goes back by this booking, unless it was forgotten at home.
    Bring(usize),
    /// Puts the parcel of this booking in.
    Put(usize),
    /// Takes the parcel of this booking out for somebody else.
    Fetch(usize),
    /// Takes it out for its carrier.
    CarryOff(usize),
    /// Puts in what is kept by this booking, or takes it out again.
    Keep(usize),
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
                if let Some(booking) = self.give_door(customer, locker, door, Kind::Pickup) {
                    self.after(3_000, Happening::Courier { booking });
                }
            }
            Step::Return { customer, locker, door } => {
                self.give_door(customer, locker, door, Kind::Return);
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
            Step::PowerCutAtLatch { locker, moves } => {
                self.cabinets[locker].machine().fails_at_latch = Some(moves);
            }
            Step::WearFlash { locker, operations } => {
                self.cabinets[locker].machine().sound_operations = Some(operations);
            }
            Step::KillAsking { customer } => self.phones[customer].dies_asking = true,
            Step::Reboot { locker } => self.lose_power(locker),
            Step::LoseClock { locker } => {
                self.cabinets[locker].machine().wall_clock = WallClock::Dead;
                self.lose_power(locker);
            }
            Step::SetClock { locker, skew } => {
                self.cabinets[locker].machine().wall_clock = WallClock::Runs(skew);
            }
            Step::Jam { locker, door, pulses } => {
                if let Some(compartment) = self.cabinets[locker].machine().compartment_mut(door) {
                    compartment.jammed = pulses;
                }
            }
            Step::StickSensor { locker, door, open } => {
                let compartment = self.cabinets[locker].machine().compartment_mut(door);
                let was_open = compartment.is_some_and(|it| {
                    it.stuck = Some(open);
                    it.open
                });
                if was_open && !open {
                    self.reference.beyond_telling.insert((locker, door));
                }
                self.stuck.insert((locker, door));
                if open {
                    self.reference.lying.insert((locker, door));
                }
                self.firmware(locker, postern_locker::Locker::tick);
            }
            Step::Store { customer, locker, door } => {
                self.give_door(customer, locker, door, Kind::Storage);
            }
            Step::Expire { customer } => {
                let (bookings, unix) = (self.hub.of(customer).to_vec(), self.unix());
                if bookings.into_iter().any(|booking| self.hub.expire(booking, unix)) {
                    self.poke();
                }
            }
            Step::Extend { customer } => {
                let offer = |offer: &&Offer<'_>| offer.actions.contains(&ActionView::Extend);
                let offered = self.phones[customer].core.offers();
                if let Some(id) = offered.iter().find(offer).map(|offer| offer.reservation.to_owned()) {
                    self.wish(customer, self.more_time(id));
                }
            }
            Step::SayFetched { customer } => {
                let bookings = self.hub.of(customer).to_vec();
                if let Some(booking) = bookings.into_iter().find(|booking| self.hub.say_fetched(*booking)) {
                    self.take_by_key(booking);
                    self.poke();
                }
            }
            Step::Revoke { customer } => {
                let open = |state| matches!(state, State::Ready | State::Opened | State::Held);
                let state = |booking: &usize| self.hub.bookings[*booking].state;
                let mine = self.hub.of(customer).iter().copied().find(|booking| open(state(booking)));
                if let Some(booking) = mine {
                    let unix = self.unix();
                    self.hub.revoke(booking, unix);
                    self.poke();
                }
            }
            Step::CallOff { customer } => {
                let bookings = self.hub.of(customer).to_vec();
                if bookings.into_iter().any(|booking| self.hub.call_off(booking)) {
                    self.poke();
                }
            }
            Step::Fetch { customer } => self.fetch(customer),
            Step::SayTaken { customer } => self.say_taken(customer),
            Step::PassOn { customer } => self.pass_on(customer),
            Step::Pin { customer } => self.type_what_is_shown(customer),
            Step::CarryBulletin { locker } => self.carry_bulletin(locker),
            Step::RotateKey => self.hub.rotate_key(),
            Step::Attack { attack, locker, victim } => self.attack(attack, locker, victim),
        }
    }

    /// The hub gives a door to a booking. Nothing lies there then, whatever it knows of it.
    fn give_door(&mut self, customer: usize, locker: usize, door: u16, kind: Kind) -> Option<usize> {
        let booking = self.hub.book(customer, locker, door, kind)?;
        let content = self.cabinets[locker].look().and_then(|machine| machine.compartment(door)?.content);
        if let Some(content) = content.filter(|_| !self.is_beyond_telling(locker, door)) {
            self.reference.object(
                14,
                format!("door {door} of locker {locker} is given to {booking}, where {content} lies"),
            );
        }
        self.poke();
        Some(booking)
    }

    /// Its sensor sticks at "shut" since it stood open, or the power failed as it came open: the locker takes it for shut, and
    /// measures an empty compartment before anything is put in. No receipt can tell.
    fn is_beyond_telling(&mut self, locker: usize, door: u16) -> bool {
        if self.stuck.contains(&(locker, door)) && self.cabinets[locker].machine().cut.contains(&door) {
            self.reference.beyond_telling.insert((locker, door));
        }
        self.reference.beyond_telling.contains(&(locker, door))
    }

    /// A customer says that a parcel was taken which lies there untouched.
    fn say_taken(&mut self, customer: usize) {
        let waits = self.phones[customer].core.offers().iter().find_map(|offer| {
            let booking = booking_of(offer.reservation);
            let ready = self.hub.bookings[booking].state == State::Ready;
            // Where nothing is measured nobody can tell that it is not true.
            let machine = self.cabinets[self.hub.bookings[booking].locker].look();
            let measures = machine.is_some_and(|machine| machine.measures);
            (ready && measures && offer.actions.contains(&ActionView::ConfirmTaken)).then_some(booking)
        });
        if let Some(booking) = waits {
            self.phones[customer].said.insert(booking);
            self.wish(customer, Intent::ConfirmTaken { reservation: Hub::id_of(booking), taken: true });
        }
    }

    pub(crate) fn wish(&mut self, customer: usize, intent: Intent) {
        self.note(|| format!("customer {customer} wishes {intent:?}"));
        let gestures = match &intent {
            Intent::Open { reservations } => reservations.as_slice(),
            Intent::Reopen { reservation } => std::slice::from_ref(reservation),
            _ => &[],
        };
        let began = gestures.iter().map(|id| (booking_of(id), self.now));
        self.phones[customer].gestures.extend(began);
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
        let core = &self.phones[customer].core;
        if !core.is_signed_in() && matches!(core.view().session, SessionView::SignedOut { .. }) {
            self.wish(customer, Intent::SignIn { hub: None });
        }
    }

    /// All faults end, everybody gets up and collects what is theirs.
    pub(crate) fn begin_calm(&mut self) {
        self.note(|| "CALM".into());
        self.calm = true;
        let (mut worn, mut stuck) = (Vec::new(), Vec::new());
        for (locker, cabinet) in self.cabinets.iter_mut().enumerate() {
            let machine = cabinet.machine();
            machine.operations_left = None;
            machine.fails_at_latch = None;
            worn.extend(machine.sound_operations.take().map(|_| locker));
            if let WallClock::Runs(skew) = &mut machine.wall_clock {
                *skew = 0;
            }
            for compartment in &mut machine.compartments {
                compartment.jammed = 0;
                stuck.extend(compartment.stuck.take().map(|_| locker));
            }
        }
        for locker in stuck {
            self.firmware(locker, postern_locker::Locker::tick);
        }
        self.read_out();
        self.ask_carriers();
        // Whoever exchanges a flash switches the locker off and on.
        for locker in worn {
            self.lose_power(locker);
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
            phone.dies_asking = false;
            self.network(customer, true);
            self.after(1_000 + 100 * customer as u64, Happening::Behave { customer });
        }
    }

    /// A customer looks at the phone and does what it offers, as somebody would who wants their parcel.
    pub(crate) fn behave(&mut self, customer: usize) {
        if self.calm {
            self.after(5_000, Happening::Behave { customer });
        }
        self.look(customer);
    }

    /// One look at the phone.
    pub(crate) fn look(&mut self, customer: usize) {
        if self.planted == Some(Planted::NobodyComes) {
            return;
        }
        let core = &self.phones[customer].core;
        if !core.is_signed_in() {
            return self.sign_in_if_needed(customer);
        }
        if let Some(opening) = core.opening() {
            let (id, phase) = (opening.reservation.to_owned(), opening.phase);
            return self.go_on_opening(customer, id, &phase);
        }
        let wished = core.offers().iter().find_map(|offer| {
            let at = self.hub.locker_index(offer.locker?)?;
            let wanted = self.calm || self.phones[customer].near == Some(at);
            Some((self.choose(customer, offer).filter(|_| wanted)?, at))
        });
        let Some((intent, locker)) = wished else {
            if self.calm {
                self.wish(customer, Intent::Refresh);
            }
            return;
        };
        if self.calm {
            self.walk(customer, Some(locker));
        }
        match &intent {
            Intent::ConfirmTaken { reservation, taken: true } => {
                self.phones[customer].said.insert(booking_of(reservation));
            }
            Intent::ConfirmPlaced { reservation, inside: true } => {
                self.phones[customer].placed.insert(booking_of(reservation));
            }
            Intent::Open { reservations } => reservations.iter().for_each(|id| self.note_pin(customer, id)),
            _ => {}
        }
        self.wish(customer, intent);
    }

    /// What somebody wishes who knows whether their parcel still lies in the compartment, among what is offered.
    fn choose(&self, customer: usize, offer: &Offer<'_>) -> Option<Intent> {
        let id = offer.reservation.to_owned();
        let offered = |action: ActionView| offer.actions.contains(&action);
        let vain = self.phones[customer].vain.get(&booking_of(&id)).copied().unwrap_or(0);
        let taken = |taken| Intent::ConfirmTaken { reservation: id.clone(), taken };
        let inside = self.content_is_here(&id) == Some(true);
        let gives_back = self.hub.bookings[booking_of(&id)].kind == Kind::Return;
        if self.hub.bookings[booking_of(&id)].kind == Kind::Storage {
            return self.keep_or_release(offer, inside);
        }
        if offered(ActionView::Extend) && self.hub.bookings[booking_of(&id)].state == State::Expired && inside
        {
            return Some(self.more_time(id));
        }
        if gives_back && offered(ActionView::ConfirmPlaced) {
            // Asked at the closed door.
            return self.is_shut(&id).then_some(Intent::ConfirmPlaced { reservation: id, inside });
        }
        if gives_back && inside {
            // Whoever has shut a door that the app takes for open, and sees so, says it.
            let unknown = self.hub.bookings[booking_of(&id)].state == State::Booked && self.is_shut(&id);
            if unknown && self.is_shown_open(customer, &id) {
                return Some(Intent::ConfirmClosed { reservation: id });
            }
            // Its sensor stuck, so that nobody has heard of it: whoever opens and shuts it again is heard.
            let again = unknown && self.calm && offered(ActionView::Open);
            return again.then_some(Intent::Open { reservations: vec![id] });
        }
        if gives_back && !offered(ActionView::Open) && offered(ActionView::Reopen) {
            return Some(Intent::Reopen { reservation: id });
        }
        let past_asking = offer.actions.first() == Some(&ActionView::Open);
        if offered(ActionView::Resolve) && !past_asking {
            return Some(Intent::ResolveOpening { reservation: Some(id) });
        }
        if !inside && offered(ActionView::ConfirmTaken) {
            return Some(taken(true));
        }
        // Whoever tried again and again says that it cannot be got at, and then goes on trying.
        let disputed = self.hub.bookings[booking_of(&id)].taken == Some(false);
        // Where nothing was opened yet, nobody is asked whether it was there.
        let asked = self.hub.bookings[booking_of(&id)].state != State::Ready || offered(ActionView::Resolve);
        if inside && offered(ActionView::ConfirmTaken) && asked && vain >= 6 && !disputed {
            return Some(taken(false));
        }
        if offered(ActionView::Open) {
            return Some(Intent::Open { reservations: vec![id] });
        }
        if inside && offered(ActionView::Reopen) {
            return Some(Intent::Reopen { reservation: id });
        }
        (inside && offered(ActionView::ConfirmTaken) && !disputed).then(|| taken(false))
    }

    /// What somebody wishes who keeps something in a compartment: to put it in, to take it out again, and then to give the
    /// compartment back.
    fn keep_or_release(&self, offer: &Offer<'_>, inside: bool) -> Option<Intent> {
        let reservation = offer.reservation.to_owned();
        let offered = |action: ActionView| offer.actions.contains(&action);
        let was_used = self.kept.contains(&booking_of(&reservation));
        // Whoever is told that something lies there opens it once more, to see.
        let told = self.hub.says_it_lies_inside(booking_of(&reservation));
        let gives_back = (self.calm || was_used) && !told;
        if !inside && gives_back && offered(ActionView::Release) && self.is_shut(&reservation) {
            return Some(Intent::Release { reservation, confirmed: Some(true) });
        }
        if offered(ActionView::Resolve) && !offered(ActionView::Open) {
            return Some(Intent::ResolveOpening { reservation: Some(reservation) });
        }
        offered(ActionView::Open).then(|| Intent::Open { reservations: vec![reservation] })
    }

    /// A day more for a parcel.
    fn more_time(&self, reservation: String) -> Intent {
        let until = i64::try_from(self.unix() + 86_400).expect("in range");
        Intent::Extend { reservation, until }
    }

    /// The operator looks into a compartment with a key of their own, and brings the customer what lies there.
    pub(crate) fn operator(&mut self, booking: usize) {
        self.note(|| format!("the operator looks for the parcel of booking {booking}"));
        let (locker, door) = (self.hub.bookings[booking].locker, self.hub.bookings[booking].door);
        if let Some(compartment) = self.cabinets[locker].machine().compartment_mut(door)
            && compartment.content == Some(booking)
        {
            compartment.content = None;
        }
    }

    /// The operator looks into a compartment that is nobody's, brings what lies there to whose it is, and gives the door back.
    pub(crate) fn inspect(&mut self, locker: usize, door: u16) {
        self.note(|| format!("the operator looks into door {door} of locker {locker}"));
        let kept = self.hub.kept(locker, door);
        if let Some(compartment) = self.cabinets[locker].machine().compartment_mut(door)
            && compartment.content != kept
            && let Some(found) = compartment.content.take()
        {
            self.brought.insert(found);
        }
        self.hub.clear(locker, door);
        self.firmware(locker, postern_locker::Locker::tick);
        self.poke();
    }

    /// Something is put into a compartment, which must be empty for it.
    pub(crate) fn put_in(&mut self, locker: usize, door: u16, booking: usize) {
        let Some(compartment) = self.cabinets[locker].machine().compartment_mut(door) else { return };
        let before = compartment.content.replace(booking).filter(|before| *before != booking);
        if let Some(before) = before.filter(|_| !self.is_beyond_telling(locker, door)) {
            self.reference.object(
                14,
                format!("{booking} is put behind door {door} of locker {locker}, where {before} lies"),
            );
        }
    }

    fn is_shown_open(&self, customer: usize, id: &str) -> bool {
        self.phones[customer].core.view().open_doors.iter().any(|door| door.reservation == id)
    }

    fn is_shut(&self, id: &str) -> bool {
        let it = &self.hub.bookings[booking_of(id)];
        let door = self.cabinets[it.locker].look().and_then(|machine| machine.compartment(it.door));
        door.is_some_and(|compartment| !compartment.open)
    }

    fn content_is_here(&self, id: &str) -> Option<bool> {
        let booking: usize = id.strip_prefix("rsv-")?.parse().ok()?;
        let (locker, door) = (self.hub.bookings[booking].locker, self.hub.bookings[booking].door);
        let content = self.cabinets[locker].look()?.compartment(door)?.content;
        Some(content == Some(booking))
    }

    fn go_on_opening(&mut self, customer: usize, id: String, phase: &OpeningPhase) {
        self.note(|| format!("customer {customer} sees {phase:?}"));
        match phase {
            // The list says what can be done about it.
            OpeningPhase::MayBeOpen { asking: false } | OpeningPhase::Cancelled => {
                *self.phones[customer].vain.entry(booking_of(&id)).or_insert(0) += 1;
                self.wish(customer, Intent::DismissOpening);
                self.after(500, Happening::Look { customer });
            }
            OpeningPhase::Opened { .. } | OpeningPhase::Closed { .. } => {
                self.phones[customer].vain.remove(&booking_of(&id));
                self.wish(customer, Intent::DismissOpening);
                // By then they have taken what was there and shut the door.
                self.after(7_000, Happening::Look { customer });
            }
            OpeningPhase::Failed { .. } => {
                *self.phones[customer].vain.entry(booking_of(&id)).or_insert(0) += 1;
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
        let customer = key.and_then(|key| self.owners.get(&key).copied());
        let owner =
            self.hub.booked(locker, door).filter(|it| Some(self.hub.bookings[*it].customer) == customer);
        // Where the sensor sticks, neither locker nor phone can know.
        let senses = self.cabinets[locker].machine().compartment(door).is_some_and(|it| it.stuck.is_none());
        self.reference.came_open(locker, door, owner.filter(|_| senses));
        let errand = key.and_then(|key| self.couriers.get(&key).copied()).filter(|(booking, _)| {
            let it = &self.hub.bookings[*booking];
            (it.locker, it.door) == (locker, door)
        });
        let keeps = |booking: usize| self.hub.bookings[booking].kind == Kind::Storage;
        let kept = owner.or(typed_for(key, &self.typists, locker)).filter(|booking| keeps(*booking));
        let guest = key.and_then(|key| self.guests.get(&key).copied());
        let typed = typed_for(key, &self.typists, locker);
        let brings = owner.filter(|booking| self.hub.bookings[*booking].kind == Kind::Return);
        if let Some(booking) = kept {
            self.after(3_000, Happening::Hand { locker, door, hand: Hand::Keep(booking) });
        } else if let Some(booking) = brings {
            self.after(3_000, Happening::Hand { locker, door, hand: Hand::Bring(booking) });
        } else if let Some(customer) = customer {
            self.after(3_000, Happening::Hand { locker, door, hand: Hand::Take(customer) });
        } else if let Some(booking) = guest.or(typed) {
            self.after(3_000, Happening::Hand { locker, door, hand: Hand::Fetch(booking) });
        } else if let Some((booking, fetches)) = errand {
            let hand = if fetches { Hand::CarryOff(booking) } else { Hand::Put(booking) };
            self.after(3_000, Happening::Hand { locker, door, hand });
        }
        self.after(6_000, Happening::Hand { locker, door, hand: Hand::Shut });
    }

    pub(crate) fn hand(&mut self, locker: usize, door: u16, hand: Hand) {
        let near = match hand {
            Hand::Take(customer) => self.phones[customer].near == Some(locker),
            _ => true,
        };
        let bookings = &self.hub.bookings;
        let owner = |booking: usize| bookings[booking].customer;
        // Who forgot it comes back with it.
        let forgot =
            matches!(hand, Hand::Bring(booking) if booking % 2 == 0 && self.forgetful.insert(booking));
        let calm = self.calm;
        let Some(compartment) = self.cabinets[locker].machine().compartment_mut(door) else { return };
        match hand {
            Hand::Take(customer)
                if near
                    && compartment.open
                    && compartment.content.is_some_and(|booking| owner(booking) == customer) =>
            {
                compartment.content = None;
            }
            Hand::Put(booking) if compartment.open => self.put_in(locker, door, booking),
            Hand::Bring(booking) if compartment.open && !forgot => self.put_in(locker, door, booking),
            Hand::Fetch(booking) if compartment.open && compartment.content == Some(booking) => {
                compartment.content = None;
            }
            Hand::CarryOff(booking) if compartment.open && compartment.content == Some(booking) => {
                compartment.content = None;
                self.fetched.insert(booking);
            }
            Hand::Keep(booking) if compartment.open && compartment.content == Some(booking) => {
                compartment.content = None;
                self.kept.insert(booking);
            }
            Hand::Keep(booking) if compartment.open && !calm => self.put_in(locker, door, booking),
            Hand::Shut => compartment.open = false,
            _ => {}
        }
        self.note(|| format!("hand at door {door} of locker {locker}: {hand:?}"));
        self.firmware(locker, postern_locker::Locker::tick);
    }

    fn ready_for(&self, customer: usize) -> Option<usize> {
        self.hub
            .of(customer)
            .iter()
            .copied()
            .find(|booking| self.hub.bookings[*booking].state == State::Ready)
    }

    /// A customer without Bluetooth types what the phone shows, for whatever can be opened there. It opens: whatever else
    /// happened, nobody needs to have been at the locker before.
    fn type_what_is_shown(&mut self, customer: usize) {
        let view = self.phones[customer].core.view();
        // What nobody has been at yet says most: first of all what is to be given back.
        let shown = view.reservations.iter().filter_map(|it| Some((booking_of(&it.id), it.pin.clone()?)));
        let shown = shown.max_by_key(|(booking, _)| self.hub.bookings[*booking].kind == Kind::Return);
        let Some((booking, digits)) = shown else { return self.type_what_was_noted(customer) };
        let locker = self.hub.bookings[booking].locker;
        self.promised = Some((locker, booking));
        self.type_pin(locker, Some(booking), &digits);
        self.promised = None;
    }

    /// A customer who gave something back thinks better of it, and takes it out again by the PIN that was shown before: it
    /// opens until a courier has fetched it.
    fn type_what_was_noted(&mut self, customer: usize) {
        // Or one who gave a compartment back, and wants something more of it.
        let over = |(booking, _): &(&usize, &String)| {
            matches!(self.hub.bookings[**booking].state, State::Deposited | State::Released)
        };
        let noted = self.phones[customer].noted.iter().find(over);
        if let Some((booking, digits)) = noted.map(|(booking, digits)| (*booking, digits.clone())) {
            self.type_pin(self.hub.bookings[booking].locker, Some(booking), &digits);
        }
    }

    /// Whoever is about to open a door to give something back writes down the PIN that the phone shows for it.
    fn note_pin(&mut self, customer: usize, id: &str) {
        let booking = booking_of(id);
        if matches!(self.hub.bookings[booking].kind, Kind::Return | Kind::Storage) {
            let view = self.phones[customer].core.view();
            let pin = view.reservations.into_iter().find(|it| it.id == id).and_then(|it| it.pin);
            self.phones[customer].noted.extend(pin.map(|pin| (booking, pin)));
        }
    }

    /// The firmware refused somebody.
    pub(crate) fn refused(&mut self, locker: usize, key: Option<DeviceKey>, reason: Reason) {
        // What was ended is shown until the phone hears of it.
        let untouched = |booking: usize| !self.hub.bookings[booking].revoked;
        if let Some((at, booking)) = self.promised
            && at == locker
            && reason == Reason::Pin
            && untouched(booking)
        {
            self.reference
                .object(9, format!("the PIN shown for booking {booking} opens nothing at {locker}"));
        }
        let customer = key.and_then(|key| self.owners.get(&key).copied());
        if let Some(customer) = customer.filter(|customer| self.phones[*customer].honest)
            && matches!(reason, Reason::Revoked | Reason::Epoch)
            && self.hub.of(customer).iter().all(|booking| {
                let it = &self.hub.bookings[*booking];
                it.locker != locker || (untouched(*booking) && self.hub.open.contains(booking))
            })
        {
            self.reference.object(
                10,
                format!("customer {customer}, of whom nothing was ended, is refused: {reason:?}"),
            );
        }
    }

    /// Somebody stands at the keypad.
    pub(crate) fn type_pin(&mut self, locker: usize, booking: Option<usize>, digits: &str) {
        self.note(|| format!("somebody types a PIN at locker {locker} for {booking:?}"));
        match booking {
            Some(booking) => self.typists.insert(locker, booking),
            None => self.typists.remove(&locker),
        };
        self.reference.typed(locker, digits);
        self.firmware(locker, |locker, now| locker.pin_entered(digits, now));
    }

    /// The owner's device signs part of its newest token over to a guest's, who goes to the locker at once.
    fn pass_on(&mut self, customer: usize) {
        let Some(booking) = self.ready_for(customer) else { return };
        let owner = self.phones[customer].key.clone();
        let unix = self.unix();
        let theirs = |issued: &&Issued| {
            issued.reservation == Some(booking)
                && issued.claims.key == public(&owner)
                && issued.claims.operations.contains(Operation::Collect)
                && issued.claims.hello_nonce.is_none()
                && unix < issued.claims.expires.0
        };
        let Some(issued) = self.hub.ledger.values().filter(theirs).max_by_key(|it| it.claims.issued_at)
        else {
            return;
        };
        let issued = issued.clone();
        let guest = SigningKey::from_bytes(&self.dice.bytes());
        let delegation = Delegation {
            token: issued.claims.id,
            to: public(&guest),
            doors: vec![issued.claims.doors[0].0],
            operations: Operations::NONE.with(Operation::Collect),
            not_before: issued.claims.not_before,
            expires: issued.claims.expires,
            uses: 1,
        };
        let signature = owner.sign(&delegation::signing_input(&delegation)).to_bytes();
        let locker = self.hub.bookings[booking].locker;
        self.guests.insert(delegation.to, booking);
        self.reference.delegations.insert((delegation.token, delegation.to), delegation.clone());
        let wish = Wish {
            operation: Operation::Collect,
            door: delegation.doors[0],
            token: issued.bytes,
            delegation: Some(delegation::assemble(&delegation, signature)),
            bulletin: None,
            nonce: OperationNonce(self.dice.bytes()),
        };
        self.send_agent(Errand::Guest(booking), guest, locker, vec![wish]);
    }

    pub(crate) fn send_agent(&mut self, errand: Errand, key: SigningKey, locker: usize, wishes: Vec<Wish>) {
        let identity = self.cabinets[locker].identity;
        let seed = self.dice.roll();
        self.agents.push(Agent::new(errand, key, identity, wishes, seed));
        let who = Who::Agent(self.agents.len() - 1);
        self.after(50, Happening::Dialled { who, locker, patience: 10_000 });
    }

    pub(crate) fn agent_has_receipt(&mut self, agent: usize, link: usize, bytes: &[u8]) {
        let locker = self.links[link].locker;
        let identity = self.cabinets[locker].identity;
        let Ok(receipt) = receipt::verify(bytes, &identity.receipt_key) else {
            return self
                .reference
                .object(3, format!("agent {agent} was given a receipt that does not verify"));
        };
        match self.agents[agent].errand {
            Errand::Deposit(booking) => {
                match receipt.outcome {
                    Outcome::Opened | Outcome::AlreadyOpen => {}
                    Outcome::Jammed => {
                        let nonce = self.dice.bytes();
                        if let Some(held) = self.courier_tokens.get_mut(&booking) {
                            held.nonce = nonce;
                        }
                    }
                    // Counts as a use, since the latch may have moved: nothing is left of the token. The next is another.
                    Outcome::Unknown => drop(self.courier_tokens.remove(&booking)),
                    Outcome::Closed | Outcome::ClosedPresent | Outcome::ClosedAbsent => {
                        self.reference.object(3, format!("agent {agent} was answered with {receipt:?}"));
                    }
                }
                self.bring(locker, bytes);
            }
            Errand::Fetch(_) => self.bring(locker, bytes),
            // A guest's app hands it to the hub, too.
            Errand::Guest(_) => self.bring(locker, bytes),
            Errand::Harm | Errand::Play(_) | Errand::Hog => {
                self.reference.object(1, format!("agent {agent}, who means harm, was given {receipt:?}"));
            }
            Errand::Bulletin | Errand::Greed => {}
        }
    }

    /// A device brings a receipt to the hub at once.
    pub(crate) fn bring(&mut self, locker: usize, bytes: &[u8]) {
        let unix = self.unix();
        self.hub.evidence(locker, bytes, unix);
        self.poke();
    }

    pub(crate) fn agent_is_gone(&mut self, agent: usize) {
        self.note(|| format!("agent {agent} is gone"));
    }

    /// Nothing is left to do: every honest customer has what is theirs.
    pub(crate) fn is_done(&self) -> bool {
        self.hub.open.iter().all(|booking| !self.phones[self.hub.bookings[*booking].customer].honest)
    }
}

/// For which booking the PIN was typed by which a door opened.
fn typed_for(
    key: Option<DeviceKey>,
    typists: &std::collections::BTreeMap<usize, usize>,
    locker: usize,
) -> Option<usize> {
    if key.is_none() { typists.get(&locker).copied() } else { None }
}

/// The number of a reservation.
pub(crate) fn booking_of(id: &str) -> usize {
    id.strip_prefix("rsv-").and_then(|number| number.parse().ok()).unwrap_or(0)
}
