//! The firmware as its host sees it, and the way of an opening through it.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use postern_protocol::{
    Capabilities, ClockState, Door, Hello, Timestamp, VERSION, frame::Tag, gatt::Advertisement,
    locker_side::Greeting, token,
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Config, Connection, Fittings, Hardware, Keys, MAX_DOORS, Notice, Output, Reason, Uptime,
    clock::{Clock, Reading},
    doors::DoorWatch,
    hardware::FlashError,
    links::{Link, State, Throttle},
    local::Keypad,
    opening::Opening,
    record::Record,
    store::{Faulted, Store},
};

/// Why a locker did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// The configuration, or the flash's geometry, is outside of its limits.
    #[error("configuration: {0}")]
    Config(&'static str),
    /// The journal's flash region is too small for what the configuration promises to remember.
    #[error("the journal needs at least {needed} bytes of flash")]
    FlashTooSmall {
        /// Bytes.
        needed: u64,
    },
    /// The journal holds what no power failure can explain. Service staff must decide.
    #[error("the journal is damaged")]
    JournalDamaged,
    /// The journal has a record that later firmware wrote, and without which this one must not open doors.
    #[error(
        "the journal has a record of kind {kind}, which this firmware does not know: install the later one again"
    )]
    UnknownRecord {
        /// Its number.
        kind: u8,
    },
    /// The flash failed.
    #[error(transparent)]
    Flash(#[from] FlashError),
}

/// How often the sensors of a door are looked at while its latch works, in milliseconds.
const POLL_MOVING: u64 = 10;
/// How often all sensors are looked at otherwise.
const POLL_IDLE: u64 = 500;
/// By how many seconds the clock runs ahead of the persisted floor before the floor is written again.
const FLOOR_STEP: u64 = 600;

/// One locker's firmware.
pub struct Locker<H: Hardware> {
    pub(crate) config: Config,
    pub(crate) keys: Keys,
    pub(crate) hardware: H,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) keypad: Keypad,
    pub(crate) watches: Vec<DoorWatch>,
    pub(crate) openings: Vec<Opening>,
    pub(crate) links: Vec<Link>,
    pub(crate) throttle: Throttle,
    pub(crate) output: VecDeque<Output>,
    advertised: Option<Advertisement>,
    pub(crate) faulted: bool,
    /// It heeds news of the hub that it could not write down.
    pub(crate) forgetful: bool,
    handshakes: u64,
    next_tag: u8,
    next_look: Uptime,
}

impl<H: Hardware> Locker<H> {
    /// Starts: replays the journal (a blank one is laid out), raises the boot number and settles what a power
    /// failure interrupted.
    ///
    /// An opening that was cut off between its intent and its outcome is settled by the sensor: a door that stands
    /// open has [`Opened`](postern_protocol::receipt::Outcome::Opened), anything else is [`Unknown`](postern_protocol::receipt::Outcome::Unknown). Either counts as a use, since the latch
    /// may have moved; after either the customer may reopen, and the reopening time counts from this start, also where no
    /// clock says when that is; after an unknown outcome from every later start anew.
    ///
    /// # Errors
    /// With the hardware, so that a host can try again; see [`BootError`].
    pub fn boot(config: Config, keys: Keys, mut hardware: H, now: Uptime) -> Result<Self, (BootError, H)> {
        let opened = check(&config).and_then(|()| Store::open(&mut hardware, &config, &keys.issuers));
        let mut store = match opened {
            Ok(store) => store,
            Err(error) => return Err((error, hardware)),
        };
        let boot = store.ledger().boot.wrapping_add(1);
        if store.commit(&mut hardware, &Record::Boot(boot)).is_err() {
            return Err((BootError::Flash(FlashError), hardware));
        }
        let watches: Vec<DoorWatch> = store
            .ledger()
            .doors()
            .iter()
            .map(|line| {
                let mut watch = DoorWatch::new(line.door, hardware.sense(line.door), now);
                if line.last.is_some_and(|last| last.unsure) {
                    watch.count_from(now);
                }
                watch
            })
            .collect();
        for watch in &watches {
            // Whatever the latch was doing when the power failed.
            hardware.latch(watch.door(), false);
        }
        let mut locker = Self {
            clock: Clock::new(store.ledger().floor, now),
            keypad: Keypad::at_boot(store.ledger().pin_failures, watches.len(), now),
            openings: Vec::with_capacity(watches.len()),
            links: Vec::with_capacity(config.connections + 1),
            throttle: Throttle::default(),
            output: VecDeque::new(),
            advertised: None,
            faulted: false,
            forgetful: false,
            handshakes: 0,
            next_tag: 0,
            next_look: now,
            watches,
            config,
            keys,
            hardware,
            store,
        };
        locker.settle(now);
        if locker.faulted {
            return Err((BootError::Flash(FlashError), locker.hardware));
        }
        locker.advertise(now);
        Ok(locker)
    }

    /// A central has connected. `max_frame` is the most that one notification to it carries: ATT MTU − 3.
    ///
    /// When all places are taken one makes room: first one whose device has a newer connection, then one that has proven
    /// nothing for a second or whose token is over, then one whose owner, or another guest of the owner, has a newer one, then
    /// the one that has gone longest without a useful request, if that is a second at least or the session has lasted for two
    /// minutes; last those that wait at an open door. Where there is none the new one is sent away.
    pub fn connected(&mut self, connection: Connection, max_frame: usize, now: Uptime) {
        self.forget(connection);
        if self.links.len() >= self.config.connections {
            match self.dispensable(now) {
                Some(oldest) => self.hang_up(oldest),
                None => {
                    self.output.push_back(Output::Disconnect { connection });
                    return;
                }
            }
        }
        let tag = self.fresh_tag();
        self.links.push(Link::new(connection, max_frame, tag, now));
        self.advertise(now);
    }

    /// The connection's MTU has changed.
    pub fn frame_size_changed(&mut self, connection: Connection, max_frame: usize) {
        if let Some(link) = self.link(connection) {
            link.max_frame = max_frame;
        }
    }

    /// The central has subscribed to TX: greets it with HELLO, or sends the same HELLO again.
    pub fn subscribed(&mut self, connection: Connection, now: Uptime) {
        self.greet(connection, now);
        let output = &mut self.output;
        if let Some(link) = self.links.iter().find(|link| link.connection == connection)
            && let State::Greeted { hello, .. } = &link.state
        {
            link.send(hello, output);
        }
    }

    /// What a read of TX returns: this connection's current HELLO in a single frame; empty without a connection or
    /// in a session. Repeated reads return the same and do not extend its life.
    pub fn read_hello(&mut self, connection: Connection, now: Uptime) -> Vec<u8> {
        self.greet(connection, now);
        self.link(connection).map(|link| link.hello_frame()).unwrap_or_default()
    }

    pub(crate) fn greet(&mut self, connection: Connection, now: Uptime) {
        if self.link(connection).is_none_or(|link| !matches!(link.state, State::Connected)) {
            return;
        }
        let reading = self.time(now);
        let hello = Hello {
            version: VERSION,
            oldest: VERSION,
            boot: self.store.ledger().boot,
            clock: reading.state,
            floor: reading.at,
            capabilities: self.capabilities(),
        };
        let ephemeral = self.ephemeral();
        let (greeting, hello) = Greeting::start(&self.keys.locker, &hello, ephemeral);
        if let Some(link) = self.link(connection) {
            link.state = State::Greeted { greeting: Some(Box::new(greeting)), hello, at: now };
            self.output.push_back(Output::Notice(Notice::Greeted(connection)));
        }
    }

    /// What the cabinet can do, and its configuration lets it.
    fn capabilities(&self) -> u16 {
        let Fittings { content_sensors, keypad, scanner, uplink } = self.hardware.fittings();
        [
            (content_sensors, Capabilities::CONTENT_SENSOR),
            (keypad && self.keys.pin_secret.is_some(), Capabilities::KEYPAD),
            (scanner, Capabilities::SCANNER),
            (uplink, Capabilities::ONLINE),
        ]
        .into_iter()
        .filter(|(has, _)| *has)
        .fold(0, |bits, (_, bit)| bits | bit)
    }

    /// The hub itself has sent a bulletin, over a line of the locker's own. It is taken in as one that a phone brings; it is
    /// bound to no HELLO here, so that it tells a lost clock nothing.
    ///
    /// # Errors
    /// [`Reason::Faulted`]: it is heeded, and a start would forget it, so that it has to be sent again.
    pub fn bulletin_received(&mut self, bulletin: &[u8], now: Uptime) -> Result<(), Reason> {
        self.take_bulletin(bulletin, None, now)
    }

    /// Number of the newest bulletin that was taken in; 0 where there was none.
    #[must_use]
    pub const fn news_number(&self) -> u32 {
        self.store.ledger().news
    }

    /// One frame was written to RX.
    pub fn received(&mut self, connection: Connection, frame: &[u8], now: Uptime) {
        let Some(link) = self.link(connection) else { return };
        if matches!(link.state, State::Penalised { .. }) {
            return;
        }
        match link.frame(frame, now) {
            Ok(None) => {}
            Ok(Some(message)) => self.message(connection, &message, now),
            Err(_) => self.drop_link(connection, Reason::Message),
        }
    }

    /// The link has ended. Openings under way go on; the receipt is kept for whoever asks with the same nonce.
    pub fn disconnected(&mut self, connection: Connection, now: Uptime) {
        self.forget(connection);
        self.advertise(now);
    }

    /// Lets time pass: samples sensors, ends latch pulses, times out connections.
    pub fn tick(&mut self, now: Uptime) {
        self.look_at_doors(now);
        self.end_links(now);
        if now >= self.next_look {
            self.next_look = now.plus(POLL_IDLE);
            let reading = self.time(now);
            if reading.at >= self.store.ledger().floor.plus(FLOOR_STEP) {
                // A failure is noted by `commit` itself.
                let _ = self.commit(&Record::Floor(reading.at));
            }
            if self.openings.is_empty() && self.links.is_empty() && !self.faulted {
                let result = self.store.tidy(&mut self.hardware);
                self.note(result);
            }
        }
        self.advertise(now);
    }

    pub(crate) fn end_links(&mut self, now: Uptime) {
        let over: Vec<Connection> = self
            .links
            .iter()
            .filter(|link| link.deadline(self.is_at_door(link)) <= now)
            .map(|link| link.connection)
            .collect();
        for connection in over {
            let output = &mut self.output;
            if let Some(link) = self.links.iter_mut().find(|link| link.connection == connection)
                && let State::Penalised { answer, .. } = &mut link.state
                && let Some(answer) = answer.take()
            {
                link.send(&answer, output);
            }
            self.hang_up(connection);
        }
    }

    /// A door that it asked for is being opened.
    fn is_opening(&self, link: &Link) -> bool {
        let State::Open(conversation) = &link.state else { return false };
        conversation.doors.iter().any(|door| self.watch(*door).is_some_and(DoorWatch::is_moving))
    }

    pub(crate) fn is_at_door(&self, link: &Link) -> bool {
        let State::Open(conversation) = &link.state else { return false };
        conversation.doors.iter().any(|door| {
            self.watch(*door).is_some_and(|watch| watch.is_moving() || watch.is_open() == Some(true))
        })
    }

    /// The next thing for the host to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When [`Self::tick`] must be called at the latest, given that it is `now`.
    #[must_use]
    pub fn poll_timeout(&self, now: Uptime) -> Uptime {
        let links = self.links.iter().map(|link| link.deadline(self.is_at_door(link)));
        let doors =
            self.watches.iter().filter_map(|watch| watch.timeout(self.config.held_open, POLL_MOVING, now));
        links.chain(doors).fold(self.next_look, Uptime::min).max(now)
    }

    /// What to advertise now; changes come as [`Output::Advertise`].
    #[must_use]
    pub fn advertisement(&mut self, now: Uptime) -> Advertisement {
        Advertisement {
            version: VERSION,
            accepting: self.has_place(now) && !self.faulted,
            low_battery: self.hardware.low_battery(),
            clock_unset: self.time(now).state == ClockState::Unset,
            short_id: self.keys.locker.id.short(),
        }
    }

    fn has_place(&self, now: Uptime) -> bool {
        self.links.len() < self.config.connections || self.dispensable(now).is_some()
    }

    /// The connection that makes room for a new one.
    fn dispensable(&self, now: Uptime) -> Option<Connection> {
        let candidates = self.links.iter().enumerate().rev().filter_map(|(index, link)| {
            // Its receipt is on its way.
            if self.is_opening(link) {
                return None;
            }
            let order = link.dispensable(&self.links[index + 1..], self.is_at_door(link), now)?;
            Some((order, link.connection))
        });
        candidates.max_by_key(|(order, _)| *order).map(|(_, connection)| connection)
    }

    pub(crate) fn advertise(&mut self, now: Uptime) {
        let advertisement = self.advertisement(now);
        if self.advertised != Some(advertisement) {
            self.advertised = Some(advertisement);
            self.output.push_back(Output::Advertise(advertisement));
        }
    }

    /// The time, as far as it is known.
    pub(crate) fn time(&mut self, now: Uptime) -> Reading {
        let offset = self.store.ledger().offset;
        let wall = self.hardware.wall_clock().map(|wall| Timestamp(wall.0.saturating_add_signed(offset)));
        self.clock.read(wall, now)
    }

    /// The kept receipts, oldest first: for service staff and a simulator's panel.
    pub fn receipts(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.store.receipts(&self.hardware).map(|done| done.receipt)
    }

    /// Bytes of heap that the tables take for so many doors, remembered tokens and kept receipts: all of it at start,
    /// whatever is opened later. Connections come on top: each holds a handshake or a session and at most one message.
    #[must_use]
    pub const fn table_memory(doors: usize, tokens: usize, receipts: usize) -> usize {
        Store::memory(doors, tokens, receipts)
            + Keypad::memory(doors)
            + doors * (size_of::<DoorWatch>() + size_of::<Opening>())
    }

    /// How often this locker has started, this time included.
    #[must_use]
    pub const fn boot_number(&self) -> u32 {
        self.store.ledger().boot
    }

    /// The machine, to look at.
    pub const fn machine(&self) -> &H {
        &self.hardware
    }

    /// The machine.
    pub const fn hardware(&mut self) -> &mut H {
        &mut self.hardware
    }

    /// Stops and gives the machine back, as after a power cut.
    pub fn into_hardware(self) -> H {
        self.hardware
    }

    pub(crate) fn ephemeral(&mut self) -> [u8; 32] {
        let mut random = [0; 32];
        self.hardware.random(&mut random);
        self.handshakes += 1;
        // Fresh even where the generator repeats itself: boot number and count are never the same twice.
        let mut mixed = Zeroizing::new(Vec::with_capacity(32 + 32 + 4 + 8));
        mixed.extend_from_slice(self.keys.locker.static_secret.as_slice());
        mixed.extend_from_slice(&random);
        mixed.extend_from_slice(&self.store.ledger().boot.to_le_bytes());
        mixed.extend_from_slice(&self.handshakes.to_le_bytes());
        random.zeroize();
        token::hash(&mixed)
    }

    pub(crate) fn fresh_tag(&mut self) -> Tag {
        loop {
            let tag = Tag(self.next_tag);
            self.next_tag = self.next_tag.wrapping_add(1);
            if self.links.iter().all(|link| link.tag() != tag) {
                return tag;
            }
        }
    }

    pub(crate) fn commit(&mut self, record: &Record) -> Result<(), Reason> {
        if self.faulted {
            return Err(Reason::Faulted);
        }
        let result = self.store.commit(&mut self.hardware, record);
        self.note(result);
        result.map_err(|Faulted| Reason::Faulted)
    }

    pub(crate) fn note(&mut self, result: Result<(), Faulted>) {
        if result.is_err() && !self.faulted {
            self.faulted = true;
            self.output.push_back(Output::Notice(Notice::Faulted));
        }
    }

    pub(crate) fn push(&mut self, output: Output) {
        self.output.push_back(output);
    }

    pub(crate) fn watch(&self, door: Door) -> Option<&DoorWatch> {
        self.watches.iter().find(|watch| watch.door() == door)
    }

    pub(crate) fn link(&mut self, connection: Connection) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.connection == connection)
    }

    pub(crate) fn drop_link(&mut self, connection: Connection, reason: Reason) {
        self.refused(connection, reason);
        self.hang_up(connection);
    }

    pub(crate) fn hang_up(&mut self, connection: Connection) {
        self.forget(connection);
        self.output.push_back(Output::Disconnect { connection });
    }

    pub(crate) fn forget(&mut self, connection: Connection) {
        self.links.retain(|link| link.connection != connection);
        for opening in &mut self.openings {
            opening.waiting.retain(|waiting| *waiting != connection);
        }
    }
}

fn check(config: &Config) -> Result<(), BootError> {
    let mut doors = config.doors.clone();
    doors.sort_unstable();
    doors.dedup();
    if doors.len() != config.doors.len() || doors.is_empty() || doors.len() > MAX_DOORS {
        return Err(BootError::Config("doors"));
    }
    if !(1..=32).contains(&config.connections) {
        return Err(BootError::Config("connections"));
    }
    if !(16..=65_535).contains(&config.remembered_tokens) {
        return Err(BootError::Config("remembered tokens"));
    }
    if !(16..=65_535).contains(&config.kept_receipts) {
        return Err(BootError::Config("kept receipts"));
    }
    Ok(())
}
