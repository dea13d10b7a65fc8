//! One cabinet: the firmware, unchanged, on its simulated machine, with fate between it and the air. Sans-IO: time and
//! requests come in, [`Act`]s come out, so that it runs on TCP, on Bluetooth and in a scenario that takes no time at all.

use std::{collections::BTreeMap, io, path::PathBuf};

use postern_api::locker::DoorInfo;
use postern_locker::{BootError, Config, Connection, Fittings, Keys, Locker, Notice, Output, Uptime};
use postern_protocol::{Door, LockerId, Timestamp, frame::MIN_FRAME, gatt::Advertisement};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::{
    chain::Chain,
    config::CabinetConfig,
    fate::Fate,
    link::{Crossing, Link, Schedule, Step},
    log::{Ender, Log, What},
    machine::{Compartment, Machine, Now},
};

/// Something for the cabinet's host to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// The connection stands, with this ATT MTU.
    Connected {
        /// Link number.
        link: u16,
        /// ATT MTU to announce.
        mtu: u16,
    },
    /// Confirm the subscription.
    Subscribed {
        /// Link number.
        link: u16,
    },
    /// Answer the read.
    Value {
        /// Link number.
        link: u16,
        /// The HELLO as one frame, or nothing.
        value: Vec<u8>,
    },
    /// Answer the write with 0 or an ATT error code.
    Written {
        /// Link number.
        link: u16,
        /// Status.
        status: u8,
    },
    /// Notify TX.
    Notify {
        /// Link number.
        link: u16,
        /// One frame.
        frame: Vec<u8>,
    },
    /// End the connection.
    HangUp {
        /// Link number.
        link: u16,
    },
}

/// How a cabinet is set up.
pub struct Setup {
    /// Its shape.
    pub config: CabinetConfig,
    /// Its secrets.
    pub keys: Keys,
    /// Folder for its flash and receipts; none keeps both in memory.
    pub folder: Option<PathBuf>,
    /// Seed of everything that happens by chance.
    pub seed: [u8; 32],
    /// When it was provisioned, UNIX seconds: its hub sets its clock back no further. 0 where that does not matter.
    pub provisioned_at: u64,
}

/// Why a cabinet cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Its files.
    #[error("cabinet's files: {0}")]
    Files(#[from] io::Error),
    /// The firmware cannot run in this shape: it would never start.
    #[error("cabinet {name:?} cannot be: {error}")]
    Impossible {
        /// Its name.
        name: String,
        /// What the firmware says.
        error: BootError,
    },
}

enum Power {
    On(Box<Locker<Machine>>),
    /// Off, with the machine; on again at this time, if ever.
    Off(Box<Machine>, Option<u64>),
}

/// See the module.
pub struct Cabinet {
    config: CabinetConfig,
    firmware: Config,
    doors: Vec<DoorInfo>,
    keys: Keys,
    /// `None` only while it changes hands.
    power: Option<Power>,
    /// Host time of power-on.
    boot: u64,
    now: Now,
    links: BTreeMap<u16, Link>,
    schedule: Schedule,
    acts: Vec<Act>,
    fate: Fate,
    rng: ChaCha20Rng,
    address: [u8; 6],
    rotated: u64,
    advertisement: Option<Advertisement>,
    chain: Chain,
    log: Log,
    screen: String,
    revision: u64,
}

impl Cabinet {
    /// Builds it and switches it on.
    ///
    /// # Errors
    /// See [`SetupError`]. A firmware that does not start because of what is in its flash is no error: it says so on the
    /// panel, and on standard error.
    pub fn new(setup: Setup, now: Now) -> Result<Self, SetupError> {
        let Setup { config, keys, folder, seed, provisioned_at } = setup;
        let mut rng = ChaCha20Rng::from_seed(seed);
        let doors = config.doors();
        let machine = Machine::new(
            doors.iter().map(|door| door.door),
            Fittings {
                content_sensors: config.content_sensors,
                keypad: config.keypad,
                scanner: config.scanner,
                uplink: config.uplink,
            },
            config.flash_pages,
            folder.as_ref().map(|folder| folder.join("flash.bin")).as_deref(),
            ChaCha20Rng::from_rng(&mut rng),
        )?;
        let chain = Chain::open(
            keys.locker.identity().receipt_key,
            folder.as_ref().map(|folder| folder.join("receipts.txt")),
        )?;
        let mut firmware = Config::new(doors.iter().map(|door| Door(door.door)).collect());
        firmware.connections = config.connections;
        firmware.remembered_tokens = config.remembered_tokens;
        firmware.held_open = config.held_open * 1000;
        firmware.reopen_for = u64::from(config.reopen_minutes) * 60;
        firmware.provisioned_at = Timestamp(provisioned_at);
        let mut cabinet = Self {
            config,
            firmware,
            doors,
            keys,
            power: Some(Power::Off(Box::new(machine), None)),
            boot: now.up,
            now,
            links: BTreeMap::new(),
            schedule: Schedule::default(),
            acts: Vec::new(),
            fate: Fate::default(),
            address: random_address(&mut rng),
            rng,
            rotated: now.up,
            advertisement: None,
            chain,
            log: Log::default(),
            screen: String::new(),
            revision: 0,
        };
        match cabinet.switch_on() {
            Some(error @ (BootError::Config(_) | BootError::FlashTooSmall { .. })) => {
                Err(SetupError::Impossible { name: cabinet.config.name, error })
            }
            _ => Ok(cabinet),
        }
    }

    // -- what its host tells it ------------------------------------------------------------------------------------

    /// A central wants to connect. False: turned away. Otherwise [`Act::Connected`] follows, now or after a slow wake.
    pub fn connect(&mut self, link: u16, central_mtu: u16, now: Now) -> bool {
        self.advance(now);
        // One more than the firmware has places: it decides who makes room.
        let full = self.fate.air.taken || self.links.len() > self.config.connections;
        if full || !matches!(self.power, Some(Power::On(_))) {
            self.note(What::TurnedAway);
            return false;
        }
        let announced = self.fate.air.mtu.unwrap_or(self.config.mtu).min(central_mtu).max(23);
        let new = Link::new(announced, &self.fate.air);
        self.links.insert(link, new);
        self.schedule.add(self.now.up + self.fate.air.wake_ms, link, Step::Connect);
        self.settle();
        true
    }

    /// The link's ATT MTU became known: some stacks tell it with the first request only. They have agreed on it with the
    /// central, which fills its frames accordingly: only fate can have less go through. A notification may have to have
    /// some octets `less` than a write.
    pub fn mtu_known(&mut self, link: u16, mtu: u16, less: u16, now: Now) {
        self.advance(now);
        let fate = &self.fate.air;
        let mtu = fate.mtu.map_or(mtu, |offered| offered.min(mtu));
        let Some(max_frame) = self.links.get_mut(&link).and_then(|link| link.mtu_known(mtu, fate)) else {
            return;
        };
        self.revision += 1;
        let max_frame = max_frame.saturating_sub(less.into()).max(MIN_FRAME);
        self.firmware(|locker, _| locker.frame_size_changed(Connection(link), max_frame));
        self.settle();
    }

    /// The central subscribed to TX.
    pub fn subscribe(&mut self, link: u16, now: Now) {
        self.crossing(link, Crossing::Subscribe, now);
    }

    /// The central reads TX.
    pub fn read(&mut self, link: u16, now: Now) {
        self.crossing(link, Crossing::Read, now);
    }

    /// The central writes RX.
    pub fn write(&mut self, link: u16, frame: Vec<u8>, now: Now) {
        self.crossing(link, Crossing::Write(frame), now);
    }

    /// The central has gone.
    pub fn disconnected(&mut self, link: u16, now: Now) {
        self.advance(now);
        self.end(link, Ender::Phone);
        self.settle();
    }

    /// Somebody typed at the keypad.
    pub fn type_pin(&mut self, digits: &str, now: Now) {
        self.advance(now);
        self.firmware(|locker, now| locker.pin_entered(digits, now));
        self.settle();
    }

    /// Somebody held a code before the scanner.
    pub fn scan(&mut self, text: &str, now: Now) {
        self.advance(now);
        self.firmware(|locker, now| locker.scanned(text, now));
        self.settle();
    }

    /// Somebody's hand is at a door. False without such a door.
    pub fn hand(
        &mut self,
        door: u16,
        did: &'static str,
        now: Now,
        hand: impl FnOnce(&mut Compartment, Now),
    ) -> bool {
        self.advance(now);
        let done = self.machine_mut(|machine| machine.reach_in(door, hand).is_some()).unwrap_or(false);
        if done {
            self.note(What::Hand { door, did });
            self.firmware(Locker::tick);
            self.settle();
        }
        done
    }

    /// Changes its fate.
    pub fn set_fate(&mut self, fate: Fate, now: Now) {
        self.advance(now);
        if fate == self.fate {
            return;
        }
        self.machine_mut(|machine| machine.set_fate(&fate));
        self.fate = fate;
        self.note(What::Fate);
        self.firmware(Locker::tick);
        self.settle();
    }

    /// Pulls the plug; power comes back after `dark_ms`, if given.
    pub fn cut_power(&mut self, dark_ms: Option<u64>, now: Now) {
        self.advance(now);
        self.go_dark(dark_ms);
        self.settle();
    }

    /// Puts the plug back. Nothing when it is on.
    pub fn restore_power(&mut self, now: Now) {
        self.advance(now);
        self.switch_on();
        self.settle();
    }

    /// Takes another random address.
    pub fn rotate_address(&mut self, now: Now) {
        self.advance(now);
        self.address = random_address(&mut self.rng);
        self.rotated = self.now.up;
        self.note(What::AddressRotated);
    }

    /// Writes something into its log.
    pub fn remark(&mut self, text: impl Into<String>) {
        self.note(What::Note { text: text.into() });
    }

    /// The hub has sent a bulletin over the cabinet's own line.
    pub fn hear(&mut self, bulletin: &[u8], now: Now) {
        self.advance(now);
        self.firmware(|locker, now| {
            // A firmware that cannot keep it says so in its log.
            let _ = locker.bulletin_received(bulletin, now);
        });
        self.settle();
    }

    /// Number of the newest news that the firmware has taken in; none while it is off.
    #[must_use]
    pub fn news(&self) -> Option<u32> {
        match &self.power {
            Some(Power::On(locker)) => Some(locker.news_number()),
            _ => None,
        }
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Now) {
        self.advance(now);
        self.settle();
    }

    /// When [`Self::tick`] is due at the latest, in milliseconds of [`Now::up`].
    #[must_use]
    pub fn due(&mut self) -> Option<u64> {
        let uptime = self.uptime();
        let of_power = match &self.power {
            Some(Power::On(locker)) => {
                let firmware = locker.poll_timeout(uptime).0;
                Some(self.boot.saturating_add(firmware)).filter(|_| firmware != u64::MAX)
            }
            Some(Power::Off(_, again)) => *again,
            None => None,
        };
        let machine = self.machine_mut(|machine| machine.next_movement()).flatten();
        let rotate =
            (self.fate.air.rotate_seconds > 0).then(|| self.rotated + self.fate.air.rotate_seconds * 1000);
        of_power.into_iter().chain(machine).chain(rotate).chain(self.schedule.due()).min()
    }

    /// What to do now, in this order.
    pub fn take_acts(&mut self) -> Vec<Act> {
        std::mem::take(&mut self.acts)
    }

    // -- what it is ------------------------------------------------------------------------------------------------

    /// Its id.
    #[must_use]
    pub fn id(&self) -> LockerId {
        self.keys.locker.id
    }

    /// Its shape.
    #[must_use]
    pub fn config(&self) -> &CabinetConfig {
        &self.config
    }

    /// Its secrets, for an impostor that has not got them.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Its doors.
    #[must_use]
    pub fn doors(&self) -> &[DoorInfo] {
        &self.doors
    }

    /// Its fate.
    #[must_use]
    pub fn fate(&self) -> &Fate {
        &self.fate
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its receipts.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// What its screen says.
    #[must_use]
    pub fn screen(&self) -> &str {
        &self.screen
    }

    /// Counts up with everything that a panel would show.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Links that stand.
    pub fn links(&self) -> impl Iterator<Item = (u16, &Link)> {
        self.links.iter().map(|(number, link)| (*number, link))
    }

    /// Its address on the air.
    #[must_use]
    pub fn address(&self) -> [u8; 6] {
        self.address
    }

    /// What it advertises; none while it is silent or dark.
    #[must_use]
    pub fn advertisement(&self) -> Option<Advertisement> {
        let on = matches!(self.power, Some(Power::On(_))) && !self.fate.air.silent;
        let mut advertisement = self.advertisement.filter(|_| on)?;
        advertisement.accepting &= !self.fate.air.taken && self.links.len() <= self.config.connections;
        Some(advertisement)
    }

    /// Whether the firmware runs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        matches!(self.power, Some(Power::On(_)))
    }

    /// What a compartment's sensors say, and what it really is.
    #[must_use]
    pub fn compartment(&mut self, door: u16) -> Option<(postern_locker::Sensors, Compartment)> {
        self.machine_mut(|machine| {
            let compartment = machine.compartment(door)?.clone();
            Some((machine.reading(door), compartment))
        })?
    }

    // -- inside ----------------------------------------------------------------------------------------------------

    fn note(&mut self, what: What) {
        self.revision += 1;
        self.log.add(self.now.wall, what);
    }

    /// What is written on a door.
    fn label(&self, door: Door) -> String {
        let found = self.doors.iter().find(|info| info.door == door.0);
        found.map_or_else(|| door.0.to_string(), |info| info.label.clone())
    }

    fn uptime(&self) -> Uptime {
        Uptime(self.now.up.saturating_sub(self.boot))
    }

    fn machine_mut<T>(&mut self, f: impl FnOnce(&mut Machine) -> T) -> Option<T> {
        match &mut self.power {
            Some(Power::On(locker)) => Some(f(locker.hardware())),
            Some(Power::Off(machine, _)) => Some(f(machine)),
            None => None,
        }
    }

    fn firmware(&mut self, f: impl FnOnce(&mut Locker<Machine>, Uptime)) {
        let uptime = self.uptime();
        if let Some(Power::On(locker)) = &mut self.power {
            f(locker, uptime);
        }
    }

    fn advance(&mut self, now: Now) {
        self.now = Now { up: now.up.max(self.now.up), wall: now.wall };
        let now = self.now;
        self.machine_mut(|machine| machine.advance(now));
    }

    fn crossing(&mut self, number: u16, crossing: Crossing, now: Now) {
        self.advance(now);
        let up = self.now.up;
        let extra = self.delay();
        if let Some(link) = self.links.get_mut(&number) {
            let at = link.in_order(crate::fate::Direction::ToLocker, up + extra);
            self.schedule.add(at, number, Step::Arrive(crossing));
        }
        self.settle();
    }

    fn delay(&mut self) -> u64 {
        let air = &self.fate.air;
        let jitter = match air.jitter_ms {
            0 => 0,
            most => self.rng.next_u64() % (most + 1),
        };
        air.delay_ms + jitter
    }

    /// Does everything that is due, until nothing is.
    fn settle(&mut self) {
        loop {
            self.firmware(Locker::tick);
            self.drain();
            self.check_power();
            let Some((link, step)) = self.schedule.pop(self.now.up) else { break };
            self.step(link, step);
            self.drain();
            self.check_power();
        }
        if let Some(Power::Off(_, Some(again))) = &self.power
            && *again <= self.now.up
        {
            self.switch_on();
            self.drain();
        }
        if self.fate.air.rotate_seconds > 0
            && self.now.up >= self.rotated + self.fate.air.rotate_seconds * 1000
        {
            self.rotate_address(self.now);
        }
    }

    fn step(&mut self, number: u16, step: Step) {
        let uptime = self.uptime();
        let Some(link) = self.links.get_mut(&number) else { return };
        match step {
            Step::Connect => {
                let (announced, max_frame) = (link.announced, link.max_frame());
                self.acts.push(Act::Connected { link: number, mtu: announced });
                self.note(What::Connected { link: number, mtu: announced });
                self.firmware(|locker, now| locker.connected(Connection(number), max_frame, now));
                self.cut_if_due(number);
            }
            Step::Arrive(Crossing::Subscribe) => {
                self.acts.push(Act::Subscribed { link: number });
                self.note(What::Subscribed { link: number });
                self.firmware(|locker, now| locker.subscribed(Connection(number), now));
            }
            Step::Arrive(Crossing::Read) => {
                let mut value = Vec::new();
                if let Some(Power::On(locker)) = &mut self.power {
                    value = locker.read_hello(Connection(number), uptime);
                }
                self.note(What::HelloRead { link: number });
                self.acts.push(Act::Value { link: number, value });
            }
            Step::Arrive(Crossing::Write(frame)) => self.written(number, frame),
            Step::Deliver(frame) => {
                self.acts.push(Act::Notify { link: number, frame });
            }
            Step::Cut(ender) => self.end_from_here(number, ender),
        }
    }

    fn written(&mut self, number: u16, frame: Vec<u8>) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let length = frame.len();
        let Ok((frame, message)) = link.inbound(frame) else {
            self.note(What::TooLong { link: number, length });
            self.acts.push(Act::Written { link: number, status: crate::link::TOO_LONG });
            return;
        };
        let delivered = link.survives(crate::fate::Direction::ToLocker);
        if let Some((kind, length)) = message {
            let direction = crate::fate::Direction::ToLocker;
            self.note(What::Message { link: number, direction, kind, length });
        }
        if delivered {
            self.acts.push(Act::Written { link: number, status: 0 });
            self.firmware(|locker, now| locker.received(Connection(number), &frame, now));
        } else {
            self.note(What::Lost { link: number, direction: crate::fate::Direction::ToLocker });
        }
        self.cut_if_due(number);
    }

    fn drain(&mut self) {
        loop {
            let Some(Power::On(locker)) = &mut self.power else { return };
            // What the firmware did after power failed has not happened.
            if locker.hardware().power_lost().is_some() {
                return;
            }
            let Some(output) = locker.poll_output() else { return };
            match output {
                Output::Send { connection, frame } => self.outbound(connection.0, frame),
                Output::Disconnect { connection } => {
                    let at = match self.links.get_mut(&connection.0) {
                        Some(link) => link.in_order(crate::fate::Direction::ToPhone, self.now.up),
                        None => continue,
                    };
                    self.schedule.add(at, connection.0, Step::Cut(Ender::Locker));
                }
                Output::Advertise(advertisement) => {
                    self.advertisement = Some(advertisement);
                    self.revision += 1;
                }
                Output::Local(answer) => {
                    self.screen = crate::words::screen(answer, |door| self.label(door));
                    self.note(What::Screen { says: self.screen.clone() });
                }
                Output::Notice(notice) => self.notice(notice),
            }
        }
    }

    fn outbound(&mut self, number: u16, frame: Vec<u8>) {
        let extra = self.delay();
        let up = self.now.up;
        let direction = crate::fate::Direction::ToPhone;
        let Some(link) = self.links.get_mut(&number) else { return };
        let (message, lost) = link.outbound(&frame, &mut self.fate.air);
        let survives = link.survives(direction) && !lost;
        let at = link.in_order(direction, up + extra);
        if let Some((kind, length)) = message {
            self.note(What::Message { link: number, direction, kind, length });
        }
        if survives {
            self.schedule.add(at, number, Step::Deliver(frame));
        } else {
            self.note(What::Lost { link: number, direction });
        }
        if self.links.get(&number).is_some_and(Link::is_due) {
            self.schedule.add(at, number, Step::Cut(Ender::Fate));
            self.fate.air.drop_after = None;
        }
    }

    /// Cuts the link behind the frame that fate has chosen.
    fn cut_if_due(&mut self, number: u16) {
        if self.links.get(&number).is_some_and(Link::is_due) {
            self.fate.air.drop_after = None;
            self.end_from_here(number, Ender::Fate);
        }
    }

    fn end_from_here(&mut self, number: u16, ender: Ender) {
        if self.end(number, ender) {
            self.acts.push(Act::HangUp { link: number });
        }
    }

    fn end(&mut self, number: u16, by: Ender) -> bool {
        let Some(link) = self.links.remove(&number) else { return false };
        self.schedule.forget(number);
        if by != Ender::Power {
            self.firmware(|locker, now| locker.disconnected(Connection(number), now));
        }
        let (frames_in, frames_out) = link.frames();
        self.note(What::Disconnected { link: number, by, frames_in, frames_out });
        true
    }

    fn notice(&mut self, notice: Notice) {
        let link = |connection: Option<Connection>| connection.map(|connection| connection.0);
        let what = match notice {
            Notice::Accepted { connection, door, operation } => What::Accepted {
                link: link(connection),
                door: door.0,
                operation: crate::words::operation(operation).to_owned(),
            },
            Notice::Refused { connection, reason } => {
                What::Refused { link: link(connection), reason: crate::words::reason(reason).to_owned() }
            }
            Notice::Latch(door, attempt) => What::Latch { door: door.0, attempt },
            Notice::Door(door, kind) => {
                What::Door { door: door.0, kind: crate::words::event(kind).to_owned() }
            }
            Notice::Receipt(bytes) => match self.chain.add(bytes).and_then(|link| link.receipt.clone()) {
                Some(receipt) => What::Receipt {
                    sequence: receipt.sequence,
                    door: receipt.door.0,
                    outcome: crate::words::outcome(receipt.outcome).to_owned(),
                },
                None => return,
            },
            Notice::Bulletin => What::Bulletin,
            Notice::Corrected { seconds } => What::Corrected { seconds },
            Notice::Faulted => What::Faulted,
            _ => return,
        };
        self.note(what);
    }

    // -- power -----------------------------------------------------------------------------------------------------

    fn check_power(&mut self) {
        let lost = match &mut self.power {
            Some(Power::On(locker)) => locker.hardware().power_lost(),
            _ => None,
        };
        if let Some(cut) = lost {
            self.fate.machine.power_cut = None;
            self.go_dark(Some(cut.dark_ms));
        }
    }

    fn go_dark(&mut self, dark_ms: Option<u64>) {
        let again = dark_ms.map(|dark| self.now.up + dark);
        self.power = match self.power.take() {
            Some(Power::On(locker)) => {
                let mut machine = locker.into_hardware();
                machine.switch_off();
                self.power = Some(Power::Off(Box::new(machine), again));
                let links: Vec<_> = self.links.keys().copied().collect();
                for link in links {
                    self.end_from_here(link, Ender::Power);
                }
                self.note(What::PowerLost);
                self.power.take()
            }
            Some(Power::Off(machine, _)) => Some(Power::Off(machine, again)),
            None => None,
        };
    }

    /// What kept the firmware from starting, if anything.
    fn switch_on(&mut self) -> Option<BootError> {
        let mut machine = match self.power.take() {
            Some(Power::Off(machine, _)) => machine,
            other => {
                self.power = other;
                return None;
            }
        };
        machine.switch_on();
        machine.advance(self.now);
        self.boot = self.now.up;
        match Locker::boot(self.firmware.clone(), self.keys.clone(), *machine, Uptime(0)) {
            Ok(mut locker) => {
                self.advertisement = Some(locker.advertisement(Uptime(0)));
                self.power = Some(Power::On(Box::new(locker)));
                self.note(What::Booted);
                None
            }
            Err((error, machine)) => {
                // A cut in the middle of the boot itself comes back like any other.
                let again = machine.power_lost().map(|cut| self.now.up + cut.dark_ms);
                self.power = Some(Power::Off(Box::new(machine), again));
                if again.is_none() {
                    tracing::error!(cabinet = self.config.name, %error, "the firmware does not start");
                }
                self.note(What::BootFailed { error: error.to_string() });
                Some(error)
            }
        }
    }
}

/// A random static address: the two highest bits are set (Core Specification, Vol 6, Part B, 1.3.2.1).
fn random_address(rng: &mut ChaCha20Rng) -> [u8; 6] {
    let mut address = [0; 6];
    rng.fill_bytes(&mut address);
    address[0] |= 0xC0;
    address
}
