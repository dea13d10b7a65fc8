//! A small world around one core: a hub that keeps what it is told, a locker that runs the locker's side of the
//! protocol in memory, a disk, a key, and a clock that only the test moves.

mod hub;
mod locker;

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use postern_api::{
    locker::{DoorInfo, LockerDescriptor, Reach, Size},
    reservation::{Action, Carrier, Compartment, Kind, Reservation, Role, SiteSummary, State},
    token::{NoPin, Operation},
};
use postern_core::{
    Config, Core, Now,
    effect::{Effect, Notification, RadioCommand, Reminder},
    event::{Adapter, DeviceKey, DialStage, EndReason, Event, Opened, PushEvent, RadioEvent, VaultState},
    intent::Intent,
    view::{OpeningPhase, ReservationView, SessionView, StateView, View},
};
use postern_protocol::{
    ClockState, Door, LockerId, LockerKeys, Reply,
    message::{DoorEvent, DoorEventKind},
    receipt::Outcome,
};
use rand_core::{TryCryptoRng, TryRng};
use url::Url;
use zeroize::Zeroizing;

use self::{hub::Hub, locker::Locker};

pub(crate) const HUB: &str = "http://localhost:9000";
pub(crate) const START_MS: i64 = 1_800_000_000_000;

/// SplitMix64: for tests only, and only called a crypto RNG so that the core takes it.
pub(crate) struct TestRng(pub(crate) u64);

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.try_next_u64()? as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Ok(z ^ (z >> 31))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}

pub(crate) struct Rig {
    pub(crate) core: Core,
    pub(crate) now: Now,
    pub(crate) rng: TestRng,
    pub(crate) hub: Hub,
    pub(crate) locker: Locker,
    pub(crate) key: SigningKey,
    pub(crate) state: Vec<Zeroizing<Vec<u8>>>,
    pub(crate) session: Option<Vec<u8>>,
    pub(crate) browser: Option<String>,
    pub(crate) notifications: Vec<Notification>,
    /// What a platform would show by itself, and how often it was told.
    pub(crate) planned: Vec<Reminder>,
    pub(crate) plans: u32,
    pub(crate) wiped: u32,
    pub(crate) saves: u32,
    pub(crate) attempt: Option<u64>,
    pub(crate) dials: u32,
    /// The radio listens for lockers in range.
    pub(crate) listening: bool,
    /// Where lockers are reached over TCP.
    pub(crate) air: Option<Option<String>>,
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) hold_signatures: bool,
    /// Dials are not answered; the test does that.
    pub(crate) hold_radio: bool,
    /// False: messages to the locker are swallowed.
    pub(crate) locker_answers: bool,
    pub(crate) signing: VecDeque<(u64, Vec<u8>)>,
    pub(crate) pushing: bool,
    /// Where the browser comes back to.
    pub(crate) redirect: &'static str,
    /// Requests to paths that begin so are carried out, and their answers kept back.
    pub(crate) swallow: Option<&'static str>,
    pub(crate) swallowed: Vec<Event>,
    /// Every claim of the view that a door opened is checked against the locker after every event.
    pub(crate) queue: VecDeque<Event>,
    /// Stop before the effect with this number is carried out: the process dies there.
    pub(crate) die_at: Option<u32>,
    pub(crate) effects_done: u32,
    pub(crate) dead: bool,
}

pub(crate) fn locker_id() -> LockerId {
    LockerId([0xA1, 2, 3, 4, 5, 6, 7, 8])
}

pub(crate) fn reservation(id: &str, door: u16, state: State) -> Reservation {
    Reservation {
        id: id.to_owned(),
        version: 1,
        kind: Kind::Pickup,
        state,
        title: format!("Parcel {id}"),
        carrier: Carrier { id: "heron".into(), name: "Heron Express".into() },
        reference: Some(format!("HX{id}")),
        site: Some(SiteSummary {
            id: "lindenhof".into(),
            name: "Lindenhof".into(),
            address: "Lindenhof 1, Bern".into(),
            latitude: 46.9,
            longitude: 7.4,
        }),
        compartment: Some(Compartment { locker: locker_id().to_string(), door, label: format!("B{door}") }),
        role: Role::Owner,
        until: Some(START_MS / 1000 + 3 * 86_400),
        since: Some(START_MS / 1000 - 3_600),
        identification: None,
        unproven: false,
        checking: false,
        care: None,
        lent: false,
        flat: None,
        opening: None,
        actions: vec![Action::Open, Action::Extend, Action::Share, Action::Report],
        shares: vec![],
        timeline: vec![],
        reports: vec![],
    }
}

pub(crate) fn descriptor(keys: &LockerKeys) -> LockerDescriptor {
    let identity = keys.identity();
    LockerDescriptor {
        id: identity.id.to_string(),
        name: "Lindenhof 1".into(),
        site: "lindenhof".into(),
        static_key: BASE64_URL_SAFE_NO_PAD.encode(identity.static_key),
        receipt_key: BASE64_URL_SAFE_NO_PAD.encode(identity.receipt_key),
        scanner: true,
        keypad: true,
        content_sensors: false,
        reopen_minutes: 5,
        doors: (1..=4)
            .map(|door| DoorInfo {
                door,
                label: format!("B{door}"),
                column: 1,
                row: door - 1,
                height: 1,
                size: Size::S.into(),
                reach: Reach::Easy.into(),
                chilled: false,
                frozen: false,
            })
            .collect(),
    }
}

impl Rig {
    pub(crate) fn new(seed: u64) -> Self {
        let keys = LockerKeys::from_seed(locker_id(), &[7; 32]);
        let lockers = vec![descriptor(&keys)];
        let mut rig = Self {
            core: core(),
            now: Now { unix_ms: START_MS, monotonic_ms: 1_000 },
            rng: TestRng(seed),
            hub: Hub {
                online: true,
                answers_lost: false,
                account: "acc_1".into(),
                reservations: vec![],
                removed: vec![],
                newer_states: BTreeMap::new(),
                lockers,
                version: 1,
                page: usize::MAX,
                token_life: 86_400,
                bulletins: vec![],
                news: vec![],
                occupancy: 1,
                pin: Some("1234567#".into()),
                no_pin: NoPin::KeypadBehind,
                refuse: BTreeMap::new(),
                page_of: BTreeMap::new(),
                oauth_error: None,
                codes: None,
                deleted: false,
                claimed: vec![],
                claimable: None,
                access: 0,
                clock_ahead: 0,
                seen: vec![],
                grants_made: 0,
                info: None,
                operations: vec![
                    Operation::Collect,
                    Operation::Reopen,
                    Operation::Deposit,
                    Operation::Access,
                    Operation::Status,
                ],
            },
            locker: Locker {
                keys,
                in_range: true,
                busy: 0,
                clock: ClockState::Set,
                session: None,
                greeting: None,
                journal: BTreeMap::new(),
                sequence: 0,
                movements: 0,
                operations: Vec::new(),
                open: BTreeMap::new(),
                outcome: Outcome::Opened,
                refuse: VecDeque::new(),
                hello_twice: false,
                cut_after: None,
                cuts: u32::MAX,
                carried: 0,
                impostor: false,
                heard: vec![],
                forge: false,
                news: 0,
                bulletins: vec![],
                content: None,
                last: BTreeMap::new(),
                closings: BTreeMap::new(),
                told_closings: true,
            },
            key: SigningKey::from_bytes(&[9; 32]),
            state: Vec::new(),
            session: None,
            browser: None,
            notifications: vec![],
            planned: vec![],
            plans: 0,
            wiped: 0,
            saves: 0,
            attempt: None,
            dials: 0,
            listening: false,
            air: None,
            sent: vec![],
            hold_signatures: false,
            hold_radio: false,
            locker_answers: true,
            signing: VecDeque::new(),
            pushing: false,
            redirect: "http://127.0.0.1:5555/callback",
            swallow: None,
            swallowed: vec![],
            queue: VecDeque::new(),
            die_at: None,
            effects_done: 0,
            dead: false,
        };
        rig.open_vault();
        rig.event(Event::Radio(RadioEvent::Adapter(Adapter::On)));
        rig
    }

    /// Signed in, with one parcel ready at each of these doors.
    pub(crate) fn with_parcels(seed: u64, doors: &[u16]) -> Self {
        let mut rig = Self::new(seed);
        rig.hub.reservations =
            doors.iter().map(|door| reservation(&format!("r{door}"), *door, State::Ready)).collect();
        rig.sign_in();
        rig.advance(1_000);
        rig
    }

    pub(crate) fn opened(&self) -> Opened {
        Opened {
            memory_only: false,
            device_thumbprint: "thumb".into(),
            device_key: DeviceKey::Ed25519(self.key.verifying_key().to_bytes()),
            state: self.state.clone(),
            session: self.session.clone().map(Zeroizing::new),
        }
    }

    pub(crate) fn open_vault(&mut self) {
        let opened = self.opened();
        self.event(Event::Vault(VaultState::Open(opened)));
    }

    /// The process dies and starts again; disk, hub and locker stay.
    pub(crate) fn restart(&mut self) {
        self.core = core();
        self.air = None;
        self.queue.clear();
        self.signing.clear();
        self.attempt = None;
        self.listening = false;
        self.locker.session = None;
        self.locker.greeting = None;
        self.pushing = false;
        self.dead = false;
        self.die_at = None;
        self.now.monotonic_ms = 1_000;
        self.open_vault();
        self.event(Event::Radio(RadioEvent::Adapter(Adapter::On)));
    }

    pub(crate) fn sign_in(&mut self) {
        self.intent(Intent::SignIn { hub: None });
        let url = self.browser.take().expect("the browser was opened");
        let redirect = redirect_for(&url, "code-1");
        self.event(Event::Redirected { url: redirect });
    }

    pub(crate) fn intent(&mut self, intent: Intent) {
        self.event(Event::Intent(intent));
    }

    pub(crate) fn open(&mut self, ids: &[&str]) {
        self.intent(Intent::Open { reservations: ids.iter().map(|id| (*id).to_owned()).collect() });
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.queue.push_back(event);
        self.settle();
    }

    /// Carries everything out that is wanted now.
    pub(crate) fn settle(&mut self) {
        let mut steps = 0;
        while let Some(event) = self.queue.pop_front() {
            steps += 1;
            assert!(steps < 10_000, "the core and the world never come to rest");
            self.core.handle(event, self.now, &mut self.rng);
            while let Some(effect) = self.core.poll_effect() {
                if self.die_at.is_some_and(|at| self.effects_done >= at) {
                    self.dead = true;
                    self.queue.clear();
                    return;
                }
                self.effects_done += 1;
                self.carry_out(effect);
            }
            self.check_truth();
        }
    }

    /// Time passes, stopping at every timeout on the way.
    pub(crate) fn advance(&mut self, ms: u64) {
        let end = self.now.monotonic_ms + ms;
        let mut ticks_here = 0;
        while !self.dead {
            let due = self.core.poll_timeout().filter(|due| *due <= end);
            let Some(due) = due else { break };
            let step = due.saturating_sub(self.now.monotonic_ms);
            ticks_here = if step == 0 { ticks_here + 1 } else { 0 };
            assert!(ticks_here < 50, "a timeout is due again and again at the same moment");
            self.pass(step);
            self.event(Event::Tick);
        }
        self.pass(end.saturating_sub(self.now.monotonic_ms));
        if !self.dead {
            self.event(Event::Tick);
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.unix_ms += i64::try_from(ms).unwrap();
    }

    /// The view, and what is said of it without composing it must be what it shows.
    pub(crate) fn view(&self) -> View {
        let view = self.core.view();
        let shown: BTreeMap<_, _> = view.reservations.iter().map(|it| (it.id.as_str(), it.state)).collect();
        assert_eq!(self.core.standings().collect::<BTreeMap<_, _>>(), shown);
        let offered = view.reservations.iter().map(|it| (&*it.id, it.locker.as_deref(), &*it.actions));
        let offers = self.core.offers();
        assert!(offers.iter().map(|it| (it.reservation, it.locker, &*it.actions)).eq(offered));
        let glance = self.core.opening().map(|it| (it.reservation.to_owned(), it.phase, it.started_at_ms));
        let opening = view.opening.as_ref();
        assert_eq!(glance, opening.map(|it| (it.reservation.clone(), it.phase.clone(), it.started_at_ms)));
        assert_eq!(self.core.is_signed_in(), matches!(view.session, SessionView::SignedIn { .. }));
        view
    }

    pub(crate) fn reservation(&self, id: &str) -> ReservationView {
        self.view().reservations.into_iter().find(|view| view.id == id).expect("the reservation is there")
    }

    pub(crate) fn phase(&self) -> OpeningPhase {
        self.view().opening.expect("an opening is shown").phase
    }

    /// The view claims nothing that the locker has not done.
    fn check_truth(&self) {
        let view = self.view();
        let opened = |id: &str| {
            view.receipts.iter().any(|receipt| {
                receipt.reservation == id && matches!(receipt.outcome.as_str(), "opened" | "already_open")
            })
        };
        if let Some(opening) = &view.opening
            && matches!(opening.phase, OpeningPhase::Opened { .. } | OpeningPhase::Closed { .. })
        {
            assert!(opened(&opening.reservation), "opened without a receipt");
            assert!(self.locker.movements > 0 || opening.already_open);
        }
        for reservation in &view.reservations {
            let hub = self.hub.reservations.iter().find(|known| known.id == reservation.id);
            if matches!(reservation.state, StateView::Opened | StateView::Collected)
                && !reservation.unproven
                && hub.is_some_and(|hub| matches!(hub.state, State::Ready | State::Booked))
            {
                assert!(opened(&reservation.id), "{} moved on without a receipt", reservation.id);
            }
        }
        assert!(view.receipts.len() as u32 <= self.locker.sequence);
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Http { ticket, request } => {
                let result = self.hub.answer(&request, self.now);
                let answer = Event::Http { ticket, result };
                let path = request.url.strip_prefix(HUB).unwrap_or_default();
                if self.swallow.is_some_and(|swallow| path.starts_with(swallow)) {
                    self.swallowed.push(answer);
                } else {
                    self.queue.push_back(answer);
                }
            }
            Effect::Push(target) => {
                self.pushing = target.is_some();
                if self.pushing && self.swallow != Some("/v1/events") {
                    let event = if self.hub.online { PushEvent::Connected } else { PushEvent::Lost };
                    self.queue.push_back(Event::Push(event));
                }
            }
            Effect::ListenForRedirect => {
                self.queue.push_back(Event::RedirectReady { redirect_uri: self.redirect.into() });
            }
            Effect::StopListening => {}
            Effect::OpenBrowser { url } => self.browser = Some(url),
            Effect::Sign { ticket, message } => {
                if self.hold_signatures {
                    self.signing.push_back((ticket, message));
                } else {
                    let signature = Some(self.key.sign(&message).to_bytes());
                    self.queue.push_back(Event::Signed { ticket, signature });
                }
            }
            Effect::Radio(command) => self.radio(command),
            Effect::Save(bytes) => {
                self.saves += 1;
                self.state = vec![bytes];
            }
            Effect::Append(bytes) => {
                self.saves += 1;
                assert!(!self.state.is_empty(), "a change of nothing");
                self.state.push(bytes);
            }
            Effect::SaveSession(bytes) => self.session = (!bytes.is_empty()).then(|| bytes.to_vec()),
            Effect::Wipe => {
                self.wiped += 1;
                self.state.clear();
                self.session = None;
                self.key = SigningKey::from_bytes(&[10; 32]);
                let opened = self.opened();
                self.queue.push_back(Event::Vault(VaultState::Open(opened)));
            }
            Effect::OpenVault { memory_only } => {
                let opened = Opened { memory_only, ..self.opened() };
                self.queue.push_back(Event::Vault(VaultState::Open(opened)));
            }
            Effect::Notify(notification) => self.notifications.push(notification),
            Effect::Remind(reminders) => {
                assert!(
                    reminders.iter().all(|it| it.id > 0 && it.at > self.now.unix_ms / 1000),
                    "{reminders:?}"
                );
                self.plans += 1;
                self.planned = reminders;
            }
        }
    }

    pub(crate) fn radio_event(&mut self, event: RadioEvent) {
        self.queue.push_back(Event::Radio(event));
    }

    pub(crate) fn end_link(&mut self, reason: EndReason) {
        self.locker.session = None;
        self.locker.greeting = None;
        if let Some(attempt) = self.attempt.take() {
            self.radio_event(RadioEvent::Ended { attempt, reason });
        }
    }

    fn radio(&mut self, command: RadioCommand) {
        match command {
            RadioCommand::Use(air) => {
                assert_ne!(self.air.as_ref(), Some(&air), "said twice");
                self.air = Some(air);
                // The radio tells how it is.
                self.queue.push_back(Event::Radio(RadioEvent::Adapter(Adapter::On)));
            }
            RadioCommand::Watch(on) => {
                assert_ne!(on, self.listening, "said twice");
                self.listening = on;
            }
            RadioCommand::Dial { attempt, locker, timeout_ms } => {
                assert!(self.attempt.is_none(), "one attempt at a time");
                assert!((1..=30_000).contains(&timeout_ms));
                self.dials += 1;
                self.attempt = Some(attempt);
                if !self.locker.in_range || locker != locker_id().0 {
                    return self.end_link(EndReason::NotFound);
                }
                if self.locker.busy > 0 {
                    self.locker.busy -= 1;
                    return self.end_link(EndReason::Busy);
                }
                if self.hold_radio {
                    return;
                }
                for stage in [DialStage::Sighted, DialStage::Connected, DialStage::Subscribed] {
                    self.radio_event(RadioEvent::Progress { attempt, stage });
                }
                self.queue_hello();
            }
            RadioCommand::Send { attempt, bytes } => {
                assert_eq!(self.attempt, Some(attempt), "sent on a link that is gone");
                self.sent.push(bytes.clone());
                if self.cut() {
                    return;
                }
                if !self.locker_answers {
                    return;
                }
                let replies = self.locker.on_message(&bytes, self.now);
                for reply in replies {
                    self.deliver(reply);
                }
            }
            RadioCommand::HangUp { attempt } => {
                if self.attempt == Some(attempt) {
                    self.end_link(EndReason::HungUp);
                }
            }
        }
    }

    fn queue_hello(&mut self) {
        self.locker.carried = 0;
        let hello = self.locker.greet(&mut self.rng, self.now);
        let times = if self.locker.hello_twice { 2 } else { 1 };
        for _ in 0..times {
            self.deliver(hello.clone());
        }
    }

    /// The locker says its HELLO on a link that was held.
    pub(crate) fn greet(&mut self) {
        self.queue_hello();
        self.settle();
    }

    /// Whether the link is cut before one more message arrives.
    fn cut(&mut self) -> bool {
        let cut =
            self.locker.cuts > 0 && self.locker.cut_after.is_some_and(|after| self.locker.carried >= after);
        self.locker.carried += 1;
        if cut {
            self.locker.cuts -= 1;
            self.end_link(EndReason::Lost);
        }
        cut
    }

    fn deliver(&mut self, bytes: Vec<u8>) {
        if self.attempt.is_none() || self.cut() {
            return;
        }
        if let Some(attempt) = self.attempt {
            self.radio_event(RadioEvent::Message { attempt, bytes });
        }
    }

    /// Somebody closes the door. The locker writes that down, and says so where a session follows the door.
    pub(crate) fn close_door(&mut self, door: u16) {
        self.locker.open.insert(door, false);
        let closing = self.locker.close(door, self.now);
        self.door_event(door, DoorEventKind::Closed);
        if let Some(closing) = closing.filter(|_| self.locker.told_closings)
            && let Some(session) = &mut self.locker.session
        {
            let bytes = session.seal(&Reply::Closing(closing)).unwrap();
            self.deliver(bytes);
            self.settle();
        }
    }

    /// A locker is heard, where the radio listens.
    pub(crate) fn sighted(&mut self) {
        assert!(self.listening, "the radio does not listen");
        self.event(Event::Radio(RadioEvent::Sighted { short_id: [0xA1, 2, 3, 4], rssi: Some(-40) }));
    }

    pub(crate) fn door_event(&mut self, door: u16, kind: DoorEventKind) {
        let event = Reply::Event(DoorEvent { door: Door(door), kind });
        if let Some(session) = &mut self.locker.session {
            let bytes = session.seal(&event).unwrap();
            self.deliver(bytes);
            self.settle();
        }
    }

    /// The hub's side of something that happened: a new version of a reservation.
    pub(crate) fn change(&mut self, id: &str, change: impl FnOnce(&mut Reservation)) {
        self.hub.version += 1;
        let version = self.hub.version;
        let reservation = self.hub.reservations.iter_mut().find(|reservation| reservation.id == id).unwrap();
        change(reservation);
        reservation.version = version;
        self.event(Event::Push(PushEvent::Poke));
    }
}

pub(crate) fn core() -> Core {
    Core::new(Config { hub: HUB.into(), device_name: "Test phone".into() })
}

/// What a well-behaved hub redirects to.
pub(crate) fn redirect_for(authorization: &str, code: &str) -> String {
    let url = Url::parse(authorization).unwrap();
    let value = |name: &str| {
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap()
    };
    format!("{}?code={code}&state={}", value("redirect_uri"), value("state"))
}
