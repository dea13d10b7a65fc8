//! The world: virtual time, one happening after the other, everything deterministic for a plan.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use ed25519_dalek::SigningKey;
use postern_core::{
    effect::{Effect, HttpRequest},
    event::{Event, HttpFailure, HttpResponse, PushEvent, Ticket},
};
use postern_locker::{Config, Keys, Locker, Notice, Output, Uptime};
use postern_protocol::{DeviceKey, Door, IssuerKeys, LockerId, LockerIdentity, LockerKeys};
use zeroize::Zeroizing;

use crate::{
    agent::{Agent, public},
    air::{Link, Who},
    couriers::CourierToken,
    dice::Dice,
    hub::{Hub, PIN_SECRET},
    machine::Machine,
    people::Hand,
    phone::Phone,
    plan::{Plan, Step},
    reference::{Reference, Violation},
};

/// UNIX seconds at which every world begins.
pub const BEGINNING: u64 = 1_800_000_000;
/// Receipts that a locker keeps.
pub(crate) const KEPT_RECEIPTS: u32 = 32;
/// Milliseconds after the last step until all faults end.
const CALM_AFTER: u64 = 30_000;
/// Milliseconds until the operator has looked into a compartment of which a customer says that nothing was there.
const OPERATOR: u64 = 60_000;
/// Milliseconds of calm within which every honest customer has their parcel (invariant 4).
pub const PATIENCE: u64 = 600_000;

/// What is going to happen.
pub(crate) enum Happening {
    Step(Step),
    Calm,
    Phone { customer: usize, incarnation: u32, event: Box<Event> },
    Wake { customer: usize, incarnation: u32 },
    Start { customer: usize },
    Request { customer: usize, incarnation: u32, ticket: Ticket, request: Box<HttpRequest> },
    LockerTick { locker: usize, boot: u32 },
    Boot { locker: usize },
    Dialled { who: Who, locker: usize, patience: u64 },
    ToLocker { link: usize, frame: Vec<u8> },
    ToPhone { link: usize, frame: Vec<u8> },
    Hand { locker: usize, door: u16, hand: Hand },
    LinkOver { link: usize },
    Courier { booking: usize },
    Carrier { booking: usize },
    Operator { booking: usize },
    Inspect { locker: usize, door: u16 },
    Behave { customer: usize },
    Look { customer: usize },
    Backup { locker: usize, victim: usize },
    Advertise { customer: usize, incarnation: u32, since: u64 },
}

/// When something is going to happen, its number, and its place among [`World::planned`]: 64, 32 and 32 bits of one number,
/// so that they are compared at once. What was planned first happens first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due(u128);

impl Due {
    fn new(at: u64, number: u32, place: u32) -> Self {
        Self(u128::from(at) << 64 | u128::from(number) << 32 | u128::from(place))
    }

    fn at(self) -> u64 {
        (self.0 >> 64) as u64
    }

    fn number(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn place(self) -> u32 {
        self.0 as u32
    }
}

/// A cabinet: firmware on its machine, or a machine without power.
pub(crate) struct Cabinet {
    pub(crate) keys: LockerKeys,
    pub(crate) identity: LockerIdentity,
    pub(crate) running: Option<Locker<Machine>>,
    pub(crate) machine: Option<Machine>,
    pub(crate) boot: u32,
    pub(crate) booted_at: u64,
    pub(crate) due: Option<u64>,
    pub(crate) trust: IssuerKeys,
    pub(crate) doors: u16,
    /// Links to it that stand, or stood until lately.
    pub(crate) links: Vec<usize>,
}

impl Cabinet {
    /// The machine, to look at.
    pub(crate) fn look(&self) -> Option<&Machine> {
        self.running.as_ref().map(Locker::machine).or(self.machine.as_ref())
    }

    /// The machine, powered or not.
    pub(crate) fn machine(&mut self) -> &mut Machine {
        match (&mut self.running, &mut self.machine) {
            (Some(locker), _) => locker.hardware(),
            (None, Some(machine)) => machine,
            (None, None) => unreachable!("a cabinet always has its machine"),
        }
    }
}

/// A world.
pub struct World {
    pub(crate) now: u64,
    pub(crate) dice: Dice,
    pub(crate) hub: Hub,
    pub(crate) phones: Vec<Phone>,
    pub(crate) cabinets: Vec<Cabinet>,
    pub(crate) links: Vec<Link>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) reference: Reference,
    pub(crate) calm: bool,
    /// Couriers' tokens by booking.
    pub(crate) courier_tokens: BTreeMap<usize, CourierToken>,
    /// Whose key it is, of customers and of couriers (with their booking, and whether they take it out).
    pub(crate) owners: BTreeMap<DeviceKey, usize>,
    pub(crate) couriers: BTreeMap<DeviceKey, (usize, bool)>,
    /// Every eighth world speaks JSON between phones and hub; the others hand the types over.
    as_json: bool,
    /// Guests to whom a booking was passed on.
    pub(crate) guests: BTreeMap<DeviceKey, usize>,
    /// For which booking somebody typed a PIN last, by locker.
    pub(crate) typists: BTreeMap<usize, usize>,
    /// Returns of which the thing was forgotten at home the first time.
    pub(crate) forgetful: BTreeSet<usize>,
    /// Bookings by which something was kept in a compartment, and taken out again.
    pub(crate) kept: BTreeSet<usize>,
    /// Doors whose sensors stuck some time.
    pub(crate) stuck: BTreeSet<(usize, u16)>,
    /// What a courier took out for its carrier.
    pub(crate) fetched: BTreeSet<usize>,
    /// What the operator found behind doors that were nobody's, and brought to whose it is.
    pub(crate) brought: BTreeSet<usize>,
    /// Digits are being typed at a locker that a phone shows for a booking.
    pub(crate) promised: Option<(usize, usize)>,
    pub(crate) planted: Option<Planted>,
    /// What happened, in words, where asked for.
    pub log: Option<Vec<String>>,
    /// The steps of the plan that are still to come, the next one last.
    steps: Vec<(u64, Step)>,
    queue: BinaryHeap<Reverse<Due>>,
    planned: Vec<Option<Happening>>,
    /// Places there that are free.
    free: Vec<u32>,
    number: u32,
    /// What was queued up to this number comes before steps of the same moment.
    first: u32,
    pub(crate) happened: u64,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Everything that must not be.
    pub violations: Vec<Violation>,
    /// Doors that came open for customers and their guests: to collect, to open again, by PIN.
    pub openings: u64,
    /// Doors that came open for couriers, who put a parcel in: by a token, a handshake and a receipt like any other.
    pub deposits: u64,
    /// Happenings.
    pub happenings: u64,
    /// Virtual milliseconds.
    pub milliseconds: u64,
}

/// Runs a plan to its end.
pub fn run(plan: &Plan) -> Outcome {
    World::new(plan, false).run().0
}

/// A defect of the world itself, to see that what is broken is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Customers never look at their phones.
    NobodyComes,
}

/// Runs a plan with a defect in it.
pub fn run_with(plan: &Plan, planted: Planted) -> Outcome {
    let mut world = World::new(plan, false);
    world.planted = Some(planted);
    world.run().0
}

/// The same, with a log of everything that happened.
pub fn run_logged(plan: &Plan) -> (Outcome, Vec<String>) {
    World::new(plan, true).run()
}

impl World {
    /// A world at its beginning.
    pub fn new(plan: &Plan, logged: bool) -> Self {
        let mut dice = Dice::new(plan.seed);
        let identities: Vec<LockerKeys> = (0..plan.lockers)
            .map(|at| {
                let id = LockerId((at as u64 + 1).to_le_bytes());
                LockerKeys::from_seed(id, &dice.bytes())
            })
            .collect();
        let dying: BTreeSet<usize> = plan.steps.iter().filter_map(|(_, step)| step.ends_app_of()).collect();
        let phones: Vec<Phone> = (0..plan.customers)
            .map(|at| Phone::new(SigningKey::from_bytes(&dice.bytes()), dice.roll(), dying.contains(&at)))
            .collect();
        let hub = Hub::new(
            plan.seed,
            identities.iter().map(|keys| (keys.identity(), plan.doors)).collect(),
            (0..plan.lockers).map(|at| !plan.unmeasured.contains(&at)).collect(),
            phones.iter().map(|phone| public(&phone.key)).collect(),
        );
        let owners = phones.iter().enumerate().map(|(at, phone)| (public(&phone.key), at)).collect();
        let reference =
            Reference::new(identities.iter().map(|keys| (keys.identity().id, keys.identity().receipt_key)));
        let trust = hub.issuer_keys();
        let cabinets = identities
            .into_iter()
            .enumerate()
            .map(|(at, keys)| Cabinet {
                identity: keys.identity(),
                keys,
                running: None,
                machine: Some(Machine::new(plan.doors, !plan.unmeasured.contains(&at), dice.roll())),
                boot: 0,
                booted_at: 0,
                due: None,
                trust: trust.clone(),
                doors: plan.doors,
                links: Vec::new(),
            })
            .collect();
        let mut world = Self {
            now: 0,
            dice,
            hub,
            phones,
            cabinets,
            links: Vec::new(),
            agents: Vec::new(),
            reference,
            calm: false,
            courier_tokens: BTreeMap::new(),
            owners,
            couriers: BTreeMap::new(),
            as_json: plan.seed.is_multiple_of(8),
            guests: BTreeMap::new(),
            typists: BTreeMap::new(),
            forgetful: BTreeSet::new(),
            kept: BTreeSet::new(),
            stuck: BTreeSet::new(),
            fetched: BTreeSet::new(),
            brought: BTreeSet::new(),
            promised: None,
            planted: None,
            log: logged.then(Vec::new),
            steps: plan.steps.iter().rev().cloned().collect(),
            queue: BinaryHeap::new(),
            planned: Vec::new(),
            free: Vec::new(),
            number: 0,
            first: 0,
            happened: 0,
        };
        for locker in 0..plan.lockers {
            world.after(0, Happening::Boot { locker });
        }
        for customer in 0..plan.customers {
            world.after(1, Happening::Start { customer });
        }
        world.first = world.number;
        let last = plan.steps.last().map_or(0, |(at, _)| *at);
        world.after(last + CALM_AFTER, Happening::Calm);
        world
    }

    /// To the end.
    pub fn run(mut self) -> (Outcome, Vec<String>) {
        let mut end = u64::MAX;
        while let Some((at, happening)) = self.next() {
            if at > end || !self.reference.violations.is_empty() {
                break;
            }
            self.now = at;
            self.happened += 1;
            if matches!(happening, Happening::Calm) {
                end = at + PATIENCE;
            }
            self.happen(happening);
            // Somebody who is owed nothing may be in the middle of an opening: its receipts are waited for.
            if self.calm && self.is_done() && self.reference.is_settled() {
                break;
            }
        }
        if self.reference.violations.is_empty() {
            self.settle();
        }
        let outcome = Outcome {
            violations: self.reference.violations,
            openings: self.reference.openings,
            deposits: self.reference.deposits,
            happenings: self.happened,
            milliseconds: self.now,
        };
        (outcome, self.log.unwrap_or_default())
    }

    /// What happens next, and when.
    fn next(&mut self) -> Option<(u64, Happening)> {
        let step = self.steps.last().map(|(at, _)| *at);
        let first = self.queue.peek().map(|Reverse(due)| (due.at(), due.number() > self.first));
        if step.is_some_and(|at| first.is_none_or(|first| (at, false) < first)) {
            return self.steps.pop().map(|(at, step)| (at, Happening::Step(step)));
        }
        let Reverse(due) = self.queue.pop()?;
        self.free.push(due.place());
        Some((due.at(), self.planned[due.place() as usize].take()?))
    }

    pub(crate) fn unix(&self) -> u64 {
        BEGINNING + self.now / 1000
    }

    pub(crate) fn after(&mut self, milliseconds: u64, happening: Happening) {
        self.number += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.planned.push(None);
            u32::try_from(self.planned.len() - 1).expect("far fewer wait at once")
        });
        self.planned[place as usize] = Some(happening);
        self.queue.push(Reverse(Due::new(self.now + milliseconds, self.number, place)));
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{:>9} ms  {}", self.now, text()));
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Step(step) => {
                self.note(|| format!("STEP {step:?}"));
                self.step(step);
            }
            Happening::Calm => self.begin_calm(),
            Happening::Phone { customer, incarnation, event } => {
                if self.phones[customer].incarnation == incarnation {
                    self.tell(customer, *event);
                }
            }
            Happening::Wake { customer, incarnation } => {
                let phone = &mut self.phones[customer];
                if phone.incarnation == incarnation && phone.due.is_some_and(|due| due <= self.now) {
                    phone.due = None;
                    self.tell(customer, Event::Tick);
                }
            }
            Happening::Start { customer } => self.start_app(customer),
            Happening::Request { customer, incarnation, ticket, request } => {
                self.answer(customer, incarnation, ticket, &request);
            }
            Happening::LockerTick { locker, boot } => {
                let cabinet = &mut self.cabinets[locker];
                if cabinet.boot == boot && cabinet.due.is_some_and(|due| due <= self.now) {
                    cabinet.due = None;
                    self.firmware(locker, Locker::tick);
                }
            }
            Happening::Boot { locker } => self.boot(locker),
            Happening::Dialled { who, locker, patience } => self.dialled(who, locker, patience),
            Happening::ToLocker { link, frame } => self.reaches_locker(link, frame),
            Happening::ToPhone { link, frame } => self.reaches_phone(link, &frame),
            Happening::LinkOver { link } => self.link_is_over(link),
            Happening::Hand { locker, door, hand } => self.hand(locker, door, hand),
            Happening::Courier { booking } => self.courier(booking),
            Happening::Carrier { booking } => self.carrier(booking),
            Happening::Operator { booking } => self.operator(booking),
            Happening::Inspect { locker, door } => self.inspect(locker, door),
            Happening::Behave { customer } => self.behave(customer),
            Happening::Look { customer } => self.look(customer),
            Happening::Backup { locker, victim } => self.use_backup(locker, victim),
            Happening::Advertise { customer, incarnation, since } => {
                let phone = &self.phones[customer];
                if phone.incarnation == incarnation && phone.listens == Some(since) {
                    self.advertise(customer, since);
                }
            }
        }
    }

    // --- phones -----------------------------------------------------------------------------------------------------

    /// Lets the core take an event in, does what it asks for, and looks at what it shows.
    pub(crate) fn tell(&mut self, customer: usize, event: Event) {
        let unix = self.unix();
        let phone = &mut self.phones[customer];
        phone.handle(event, self.now, unix);
        while let Some(effect) = self.phones[customer].core.poll_effect() {
            self.carry_out(customer, effect);
        }
        self.check_view(customer);
        let phone = &mut self.phones[customer];
        if let Some(due) = phone.core.poll_timeout() {
            let due = due.max(self.now);
            if phone.due.is_none_or(|planned| planned > due || planned < self.now) {
                phone.due = Some(due);
                let (wait, incarnation) = (due - self.now, phone.incarnation);
                self.after(wait, Happening::Wake { customer, incarnation });
            }
        }
    }

    pub(crate) fn later(&mut self, customer: usize, milliseconds: u64, event: Event) {
        let incarnation = self.phones[customer].incarnation;
        self.after(milliseconds, Happening::Phone { customer, incarnation, event: Box::new(event) });
    }

    fn carry_out(&mut self, customer: usize, effect: Effect) {
        match effect {
            Effect::Http { ticket, request } => {
                let incarnation = self.phones[customer].incarnation;
                if self.phones[customer].online {
                    let wait = self.dice.between(20, 200);
                    self.after(
                        wait,
                        Happening::Request { customer, incarnation, ticket, request: Box::new(request) },
                    );
                } else {
                    let result = Err(HttpFailure::Unreachable);
                    self.later(customer, 10, Event::Http { ticket, result });
                }
            }
            Effect::Push(Some(_)) => {
                if self.phones[customer].online {
                    self.phones[customer].push = true;
                    self.later(customer, 50, Event::Push(PushEvent::Connected));
                } else {
                    self.later(customer, 50, Event::Push(PushEvent::Lost));
                }
            }
            Effect::Push(None) => self.phones[customer].push = false,
            Effect::ListenForRedirect => {
                let redirect_uri = "http://127.0.0.1:4711/signed-in".into();
                self.later(customer, 5, Event::RedirectReady { redirect_uri });
            }
            Effect::OpenBrowser { url } => {
                let url = crate::people::sign_in(&url, customer);
                self.later(customer, 3_000, Event::Redirected { url });
            }
            Effect::Sign { ticket, message } => {
                self.note(|| format!("customer {customer} signs"));
                use ed25519_dalek::Signer;
                let signature = Some(self.phones[customer].key.sign(&message).to_bytes());
                self.later(customer, 3, Event::Signed { ticket, signature });
            }
            Effect::Radio(command) => self.radio(customer, command),
            Effect::Save(state) => self.phones[customer].save(state),
            Effect::Append(change) => self.phones[customer].append(change),
            Effect::SaveSession(session) => self.phones[customer].save_session(session),
            Effect::Wipe => {
                self.phones[customer].wipe();
                let vault = self.phones[customer].vault();
                self.later(customer, 5, vault);
            }
            Effect::OpenVault { .. } => {
                let vault = self.phones[customer].vault();
                self.later(customer, 5, vault);
            }
            Effect::StopListening | Effect::Notify(_) | Effect::Remind(_) => {}
        }
    }

    fn answer(&mut self, customer: usize, incarnation: u32, ticket: Ticket, request: &HttpRequest) {
        let unix = self.unix();
        let (status, said) = self.hub.answer(request, unix);
        self.note(|| format!("hub: customer {customer} {} -> {status}", request.url));
        self.poke();
        for booking in self.hub.take_disputes() {
            self.after(OPERATOR, Happening::Operator { booking });
        }
        let result = if self.phones[customer].online {
            let date = Some(i64::try_from(unix).expect("in range"));
            Ok(HttpResponse { status, date, etag: None, body: said.payload(self.as_json) })
        } else {
            Err(HttpFailure::TimedOut)
        };
        let wait = self.dice.between(20, 200);
        let event = Box::new(Event::Http { ticket, result });
        self.after(wait, Happening::Phone { customer, incarnation, event });
    }

    /// Whoever has a push connection hears that something changed, and the operator where to look.
    pub(crate) fn poke(&mut self) {
        for (locker, door) in self.hub.take_looks() {
            self.after(OPERATOR, Happening::Inspect { locker, door });
        }
        for customer in self.hub.take_touched() {
            if self.phones[customer].push && self.phones[customer].online {
                self.later(customer, 30, Event::Push(PushEvent::Poke));
            }
        }
    }

    // --- lockers ----------------------------------------------------------------------------------------------------

    fn boot(&mut self, locker: usize) {
        let unix = self.unix();
        let cabinet = &mut self.cabinets[locker];
        let Some(mut machine) = cabinet.machine.take() else { return };
        machine.dead = false;
        machine.true_time = unix;
        let keys = Keys {
            locker: cabinet.keys.clone(),
            issuers: cabinet.trust.clone(),
            pin_secret: Some(Zeroizing::new(PIN_SECRET)),
        };
        let mut config = Config::new((1..=cabinet.doors).map(Door).collect());
        config.remembered_tokens = 64;
        config.kept_receipts = KEPT_RECEIPTS;
        cabinet.boot += 1;
        cabinet.booted_at = self.now;
        cabinet.due = None;
        match Locker::boot(config, keys, machine, Uptime(0)) {
            Ok(running) => {
                // One may have been written in full in the moment in which the power failed: nobody has heard of it.
                let written: Vec<Vec<u8>> = running.receipts().collect();
                cabinet.running = Some(running);
                for bytes in written {
                    self.reference.receipt(locker, &bytes, &self.hub, unix);
                    if self.calm {
                        self.hub.evidence(locker, &bytes, unix);
                        self.poke();
                    }
                }
                self.firmware(locker, |_, _| {});
            }
            Err((error, mut machine)) => {
                if machine.dead || machine.is_worn() {
                    machine.operations_left = None;
                    cabinet.machine = Some(machine);
                    self.after(2_000, Happening::Boot { locker });
                } else {
                    cabinet.machine = Some(machine);
                    self.reference.object(4, format!("locker {locker} does not start again: {error}"));
                }
            }
        }
    }

    /// Calls the firmware, then lets everything that it did or said come about.
    pub(crate) fn firmware(&mut self, locker: usize, call: impl FnOnce(&mut Locker<Machine>, Uptime)) {
        let unix = self.unix();
        let cabinet = &mut self.cabinets[locker];
        let uptime = Uptime(self.now - cabinet.booted_at);
        let Some(running) = &mut cabinet.running else { return };
        running.hardware().true_time = unix;
        call(running, uptime);
        let mut outputs = Vec::new();
        while let Some(output) = running.poll_output() {
            outputs.push(output);
        }
        let machine = running.hardware();
        let (opened, pulses, dead) =
            (std::mem::take(&mut machine.came_open), std::mem::take(&mut machine.pulses), machine.dead);
        let due = running.poll_timeout(uptime).0.saturating_add(cabinet.booted_at).max(self.now);
        let boot = cabinet.boot;
        self.listen(locker, outputs, pulses, dead);
        for door in opened {
            self.came_open(locker, door);
        }
        if dead {
            return self.lose_power(locker);
        }
        let cabinet = &mut self.cabinets[locker];
        if due < u64::MAX / 2 && cabinet.due.is_none_or(|planned| planned > due || planned < self.now) {
            cabinet.due = Some(due);
            self.after(due - self.now, Happening::LockerTick { locker, boot });
        }
    }

    fn listen(&mut self, locker: usize, outputs: Vec<Output>, mut pulses: Vec<u16>, dead: bool) {
        let unix = self.unix();
        for output in outputs {
            match output {
                Output::Send { connection, frame } if !dead => self.send_down(locker, connection, frame),
                Output::Disconnect { connection } => self.hang_up_from_locker(locker, connection),
                Output::Notice(notice) => {
                    self.note(|| format!("locker {locker}: {notice:?}"));
                    match notice {
                        Notice::Accepted { connection, door, .. } => {
                            let key = connection.and_then(|connection| self.key_behind(locker, connection));
                            self.reference.accepted(locker, door, key, self.now);
                        }
                        Notice::Latch(door, attempt) => {
                            if let Some(at) = pulses.iter().position(|pulse| *pulse == door.0) {
                                pulses.remove(at);
                                let content = self.cabinets[locker]
                                    .machine()
                                    .compartment(door.0)
                                    .and_then(|it| it.content);
                                self.reference.latch(locker, door.0, attempt == 1, self.now, content);
                            } else if !dead {
                                self.reference.object(
                                    1,
                                    format!(
                                        "locker {locker} says that it drove latch {} and did not",
                                        door.0
                                    ),
                                );
                            }
                        }
                        Notice::Receipt(bytes) => {
                            self.reference.receipt(locker, &bytes, &self.hub, unix);
                            if self.calm {
                                // A technician stands beside it.
                                self.hub.evidence(locker, &bytes, unix);
                                self.poke();
                            }
                        }
                        Notice::Refused { connection, reason } => {
                            let key = connection.and_then(|connection| self.key_behind(locker, connection));
                            self.refused(locker, key, reason);
                        }
                        Notice::Faulted if !dead && !self.cabinets[locker].machine().is_worn() => {
                            self.reference.object(4, format!("locker {locker} gave up without a fault"));
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        for door in pulses {
            self.reference.object(1, format!("latch {door} of locker {locker} driven without a word"));
        }
    }

    /// When all faults have ended a technician reads out what no phone and no courier brought.
    pub(crate) fn read_out(&mut self) {
        let unix = self.unix();
        for locker in 0..self.cabinets.len() {
            for bytes in self.reference.chain(locker).to_vec() {
                self.hub.evidence(locker, &bytes, unix);
            }
        }
        self.poke();
    }

    pub(crate) fn lose_power(&mut self, locker: usize) {
        self.note(|| format!("locker {locker} has no power"));
        let cabinet = &mut self.cabinets[locker];
        if let Some(running) = cabinet.running.take() {
            cabinet.machine = Some(running.into_hardware());
            self.after(2_000, Happening::Boot { locker });
        }
        for link in std::mem::take(&mut self.cabinets[locker].links) {
            if self.links[link].up {
                self.break_link(link);
            }
        }
    }
}
