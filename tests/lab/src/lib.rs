//! The real Bluetooth stack: btleplug on one virtual controller, cabinets of the firmware behind bluer on others, a real
//! kernel and a real bluetoothd in between (`cargo xtask lab up`).
//!
//! A test finds the lab by `POSTERN_LAB_BUS`, what changes it by `POSTERN_LAB_CONTROL`, and controllers of its own by
//! `POSTERN_LAB_AIR`, as `cargo xtask lab up` prints them. Without the first a test says that it is skipped, or fails where
//! `POSTERN_LAB_REQUIRED=1` says that there must be one.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

pub mod bare;
pub mod chip;

use std::{
    env,
    fs::File,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use postern_protocol::{LockerIdentity, Operation, Request, Timestamp};
use postern_radio::{Link, Radio, ble::BleRadio};
use postern_sim::{
    ble::Peripheral,
    cabinet::{Cabinet, Setup},
    config::{CabinetConfig, Cabinets},
    customer::{Grant, Network, Phone},
    fate::Fate,
    world::World,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

/// Where the lab's bus is.
const LAB: &str = "POSTERN_LAB_BUS";
/// There must be a lab.
const REQUIRED: &str = "POSTERN_LAB_REQUIRED";
/// Where the lab takes commands.
const CONTROL: &str = "POSTERN_LAB_CONTROL";
/// What every D-Bus client looks at.
const BUS: &str = "DBUS_SYSTEM_BUS_ADDRESS";
/// The phone's adapter.
pub const PHONE: &str = "hci0";
/// Long enough for a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// A test that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs a test in the lab, one at a time: the controllers are there once.
///
/// The test runs in a process of its own (this test binary again, with only the test of this `name`), because the bus is
/// found by an environment variable, which a process cannot safely set for itself.
///
/// # Panics
/// When the test fails, or there is no lab and there must be one.
pub fn in_lab<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F) {
    let Some(bus) = env::var_os(LAB).filter(|bus| !bus.is_empty()) else {
        let required = env::var_os(REQUIRED).is_some_and(|required| required == "1");
        assert!(!required, "{REQUIRED}=1 and {LAB} is not set: boot the lab with `cargo xtask lab up`");
        eprintln!("skipped: {LAB} is not set (`cargo xtask test --only lab` boots the lab)");
        return;
    };
    if env::var_os(BUS).as_ref() != Some(&bus) {
        let me = env::current_exe().expect("a test has an executable");
        let status = Command::new(me)
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(BUS, bus)
            // Its summary would be counted as another test's; what a test says goes to stderr.
            .stdout(Stdio::null())
            .status()
            .expect("a test can run itself");
        assert!(status.success(), "{name} failed in the lab: see above");
        return;
    }
    // POSTERN_LOG=debug tells what radio and peripheral do.
    let filter = tracing_subscriber::EnvFilter::try_from_env("POSTERN_LOG");
    if let Ok(filter) = filter {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let one_at_a_time = File::create(env::temp_dir().join("postern-lab.lock")).expect("a temporary folder");
    one_at_a_time.lock().expect("files can be locked");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        // However a test before this one ended.
        for command in ["bus open", "rfkill off"] {
            lab(command).await;
        }
        tokio::time::timeout(LIMIT, test()).await.expect("the test took too long");
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

/// Has the lab do something, and waits until it is done: see `crates/xtask`, lab, for what it can.
///
/// # Panics
/// When it cannot be done.
pub async fn lab(command: &str) {
    let socket = env::var_os(CONTROL).unwrap_or_else(|| panic!("{CONTROL} is not set"));
    let answered = async {
        let mut control = BufReader::new(UnixStream::connect(socket).await?);
        control.write_all(format!("{command}\n").as_bytes()).await?;
        let mut answer = String::new();
        control.read_line(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, answered).await.expect("the lab is silent").expect("a lab");
    assert_eq!(answer.trim(), "ok", "{command}");
}

/// An adapter with nothing left on it of whoever had it before: links that their owner never ended live on in the lab.
///
/// # Errors
/// What BlueZ says.
pub async fn fresh(session: &bluer::Session, adapter: &str) -> bluer::Result<bluer::Adapter> {
    let adapter = session.adapter(adapter)?;
    adapter.set_powered(false).await?;
    adapter.set_powered(true).await?;
    Ok(adapter)
}

/// One or more cabinets, each on its adapter, a phone, and a network that all trust.
pub struct Rig {
    /// The cabinets.
    pub world: Arc<World>,
    /// The phone's radio.
    pub radio: BleRadio,
    /// What the phone knows of the lockers.
    pub lockers: Vec<LockerIdentity>,
    /// Issues tokens.
    pub network: Network,
    /// The phone's key.
    pub phone: Phone,
    serving: tokio::task::JoinSet<()>,
}

impl Rig {
    /// The usual cabinet on hci1.
    pub async fn new() -> Self {
        Self::with(&["hci1"], |_| {}).await
    }

    /// A cabinet on each of these adapters.
    ///
    /// # Panics
    /// When the lab does not have them.
    pub async fn with(adapters: &[&str], change: impl Fn(&mut CabinetConfig)) -> Self {
        // Not the same identities in every test: what an adapter remembers of an earlier one must not help.
        let seed = std::process::id();
        let mut network = Network::new(u64::from(seed));
        let mut lockers = Vec::new();
        let mut setups = Vec::new();
        for (number, adapter) in adapters.iter().enumerate() {
            let keys = network.locker();
            lockers.push(keys.locker.identity());
            let mut config = Cabinets::default().cabinet.remove(0);
            config.mtu = 517;
            config.name = format!("{adapter} {number}");
            change(&mut config);
            setups.push(Setup {
                config,
                keys,
                folder: None,
                seed: [2 + number as u8; 32],
                provisioned_at: 0,
            });
        }
        let world = World::new(setups, [3; 32]).expect("cabinets");
        let session = bluer::Session::new().await.expect("BlueZ");
        for adapter in adapters.iter().chain([&PHONE]) {
            fresh(&session, adapter).await.expect("an adapter");
        }
        let mut serving = tokio::task::JoinSet::new();
        for (number, adapter) in adapters.iter().enumerate() {
            let peripheral = Peripheral::start(world.clone(), number, adapter).await.expect("an adapter");
            serving.spawn(async move {
                if let Err(error) = peripheral.serve().await {
                    eprintln!("peripheral: {error}");
                }
            });
        }
        Self { world, radio: BleRadio::new(Some(PHONE)), lockers, network, phone: Phone::new(4), serving }
    }

    /// The first locker.
    #[must_use]
    pub fn locker(&self) -> LockerIdentity {
        self.lockers[0]
    }

    /// UNIX seconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.world.now().wall / 1000)
    }

    /// Changes the fate of the first cabinet.
    pub fn fate(&self, change: impl FnOnce(&mut Fate)) {
        let mut fate = Fate::default();
        change(&mut fate);
        self.world.with(0, |cabinet, now| cabinet.set_fate(fate, now));
    }

    /// A request to collect from a door of a cabinet.
    pub fn collect(&mut self, cabinet: usize, door: u16) -> Request {
        let grant = Grant::collect(self.lockers[cabinet].id, door);
        let token = self.network.token(&grant, &self.phone.key(), self.now());
        self.phone.request(Operation::Collect, door, token)
    }

    /// A link to a cabinet.
    ///
    /// # Panics
    /// When there is none to be had.
    pub async fn connect(&self, cabinet: usize) -> Box<dyn Link> {
        self.radio
            .connect(self.lockers[cabinet].id, Instant::now() + PATIENCE, &|_| {})
            .await
            .expect("the locker is in range")
    }

    /// Waits for a fact about a cabinet.
    ///
    /// # Panics
    /// When it does not come about.
    pub async fn until(&self, cabinet: usize, fact: impl Fn(&mut Cabinet) -> bool) {
        let mut revision = self.world.revision();
        let waiting = async {
            while !self.world.look(cabinet, &fact).unwrap_or(false) {
                let _ = tokio::time::timeout(Duration::from_millis(20), revision.changed()).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the fact did not come about");
    }

    /// Takes the cabinets off the air.
    pub async fn end(mut self) {
        self.serving.shutdown().await;
    }
}
