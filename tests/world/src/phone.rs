//! A customer's phone: the core, and what an operating system would keep for it.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use postern_core::{
    Config, Core, Now,
    event::{DeviceKey, Event, Opened, VaultState},
};
use zeroize::Zeroizing;

use crate::{dice::Dice, hub};

/// A phone.
pub struct Phone {
    /// The app's mind, while the app runs.
    pub core: Core,
    /// Rises with every start of the app: what was meant for an earlier one is dropped.
    pub incarnation: u32,
    /// Its device key.
    pub key: SigningKey,
    /// The app is ended some time.
    dies: bool,
    /// It has a network.
    pub online: bool,
    /// The push connection stands.
    pub push: bool,
    /// Seconds that its clock is ahead.
    pub skew: i64,
    /// Where its owner stands.
    pub near: Option<usize>,
    /// Milliseconds a frame takes.
    pub latency: u64,
    /// ATT MTU of its links.
    pub mtu: usize,
    /// The next link breaks after so many frames.
    pub cut: Option<u32>,
    /// Since when its radio listens for lockers.
    pub listens: Option<u64>,
    /// The next dial reaches an impostor.
    pub impostor: bool,
    /// The system kills the app as soon as its next OPEN has arrived.
    pub dies_asking: bool,
    /// Its owner is an honest customer.
    pub honest: bool,
    /// The link that the core dialled last.
    pub attempt: Option<(u64, usize)>,
    /// When the core wants to be woken, by the tick that was scheduled last.
    pub due: Option<u64>,
    /// Randomness of the phone.
    pub dice: Dice,
    /// Bookings of which the customer said that the parcel is taken.
    pub said: BTreeSet<usize>,
    /// Returns of which the customer said at the closed door that they lie inside.
    pub placed: BTreeSet<usize>,
    /// Gestures that came to nothing, by booking.
    pub vain: BTreeMap<usize, u32>,
    /// When its owner last made the gesture for a booking, in milliseconds of the world.
    pub gestures: BTreeMap<usize, u64>,
    /// PINs that the customer wrote down when they were shown, by booking.
    pub noted: BTreeMap<usize, String>,
    state: Vec<Zeroizing<Vec<u8>>>,
    session: Option<Zeroizing<Vec<u8>>>,
}

fn core() -> Core {
    Core::new(Config { hub: hub::BASE.into(), device_name: "Phone".into() })
}

impl Phone {
    /// A phone out of the box. One whose app is never ended has no keyring, so that nothing is saved for nobody to read.
    pub fn new(key: SigningKey, seed: u64, dies: bool) -> Self {
        Self {
            core: core(),
            incarnation: 0,
            key,
            dies,
            online: true,
            push: false,
            skew: 0,
            near: None,
            latency: 20,
            mtu: 247,
            cut: None,
            listens: None,
            impostor: false,
            dies_asking: false,
            honest: true,
            attempt: None,
            due: None,
            dice: Dice::new(seed),
            said: BTreeSet::new(),
            placed: BTreeSet::new(),
            vain: BTreeMap::new(),
            gestures: BTreeMap::new(),
            noted: BTreeMap::new(),
            state: Vec::new(),
            session: None,
        }
    }

    /// The app's process is gone; what it had saved is not.
    pub fn kill(&mut self) {
        self.core = core();
        self.incarnation += 1;
        self.listens = None;
        self.push = false;
        self.attempt = None;
        self.due = None;
    }

    /// Keeps the state, in place of what was kept.
    pub fn save(&mut self, state: Zeroizing<Vec<u8>>) {
        self.state.clear();
        self.state.push(state);
    }

    /// Keeps a change of the state.
    pub fn append(&mut self, change: Zeroizing<Vec<u8>>) {
        self.state.push(change);
    }

    /// Keeps the session.
    pub fn save_session(&mut self, session: Zeroizing<Vec<u8>>) {
        self.session = Some(session);
    }

    /// Forgets both.
    pub fn wipe(&mut self) {
        self.state.clear();
        self.session = None;
    }

    /// What an app is told when it starts.
    pub fn vault(&self) -> Event {
        Event::Vault(VaultState::Open(Opened {
            memory_only: !self.dies,
            device_thumbprint: "thumbprint".into(),
            device_key: DeviceKey::Ed25519(self.key.verifying_key().to_bytes()),
            state: self.state.clone(),
            session: self.session.clone(),
        }))
    }

    /// Hands the core one event at this moment of the world.
    pub fn handle(&mut self, event: Event, at: u64, unix: u64) {
        let unix_ms = i64::try_from(unix * 1000 + at % 1000).expect("in range") + self.skew * 1000;
        self.core.handle(event, Now { unix_ms, monotonic_ms: at }, &mut self.dice);
    }
}
