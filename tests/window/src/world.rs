//! A stage with everything on it, and what happens between the customer and the cabinet.

use std::{
    ops::{Deref, DerefMut},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::{
    app::Settings,
    desk::Desk,
    parts::{Air, Cabinet, Hub},
    stage::{Bluetooth, Keyring, Person, Screen, Stage},
};

/// What anything may take on a machine that has other things to do. Where a promise is shorter, the step measures it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The customer's machine, a hub and a cabinet. What the customer does is told to the machine ([`Desk`]).
#[derive(Debug)]
pub struct World {
    /// The customer's machine.
    pub desk: Desk,
    /// The cabinet.
    pub cabinet: Cabinet,
    /// The hub.
    pub hub: Hub,
}

impl Deref for World {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Desk {
        &mut self.desk
    }
}

/// How long an opening took.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// From the gesture to the latch being energised, by the simulator's log, milliseconds.
    pub to_latch: u64,
    /// From the gesture to the receipt, as the app says, milliseconds.
    pub to_receipt: u64,
}

impl World {
    /// Hub and cabinet up, the app not started yet.
    ///
    /// # Errors
    /// One of them does not come up.
    pub fn build(folder: &Path, keyring: Keyring, bluetooth: Bluetooth, air: &Air) -> Result<Self> {
        Self::build_with(folder, keyring, bluetooth, air, "")
    }

    /// As [`World::build`], with a hub whose operator has written this configuration (TOML).
    ///
    /// # Errors
    /// One of them does not come up.
    pub fn build_with(
        folder: &Path,
        keyring: Keyring,
        bluetooth: Bluetooth,
        air: &Air,
        configuration: &str,
    ) -> Result<Self> {
        let mut stage = Stage::set(folder, Screen::Virtual, keyring)?;
        stage.use_bluetooth(bluetooth);
        let hub = Hub::start(&stage, configuration)?;
        let cabinet = Cabinet::start(&stage, &hub, air)?;
        let settings = Settings { hub: hub.url.clone(), radio: cabinet.radio.clone() };
        Ok(Self { desk: Desk::on(stage, settings), cabinet, hub })
    }

    /// Another customer's machine in front of the same cabinet, at the same hub.
    ///
    /// # Errors
    /// Its display, bus or keyring does not start.
    pub fn beside(&self, name: &str) -> Result<Desk> {
        let folder = self.stage.folder().with_file_name(name);
        Desk::set(&folder, Keyring::Unlocked, self.settings.clone())
    }

    /// As [`World::beside`], in an account of its own: what asks for root asks for nothing there.
    ///
    /// # Errors
    /// As there; and we may not be this person.
    pub fn beside_as(&self, person: Person, name: &str) -> Result<Desk> {
        let folder = self.stage.folder().with_file_name(name);
        let stage = Stage::set_for(person, &folder, Screen::Virtual, Keyring::Unlocked)?;
        Ok(Desk::on(stage, self.settings.clone()))
    }

    /// Makes the gesture and waits for a receipt that says that this door opened, and looks at the cabinet whether it
    /// did.
    ///
    /// # Errors
    /// It does not open.
    pub fn open(&self, label: &str) -> Result<Opened> {
        ensure!(!self.cabinet.is_open(label)?, "door {label} is open before anybody asked");
        let gesture = self.gesture("open-gesture")?;
        self.see("opening-phase", "[data-phase='opened']")?;
        ensure!(self.cabinet.is_open(label)?, "the app says opened, and door {label} is shut");
        let window = &self.app()?.window;
        let told = window.run(
            "return Number(document.querySelector(\"[data-testid='opened-after']\").dataset.milliseconds)",
            &json!([]),
        )?;
        let latch = self.latched(label)?;
        Ok(Opened {
            to_latch: latch.saturating_sub(gesture),
            to_receipt: told.as_u64().context("the app does not say how long it took")?,
        })
    }

    /// When the latch of a door last moved, UNIX milliseconds.
    fn latched(&self, label: &str) -> Result<u64> {
        let door = self.cabinet.door(label)?["door"].clone();
        let log = self.cabinet.log()?;
        let entry = log.iter().rev().find(|entry| entry["what"] == "latch" && entry["door"] == door);
        entry
            .and_then(|entry| entry["at"].as_u64())
            .with_context(|| format!("the latch of {label} never moved"))
    }

    /// Says on the opening screen that everything was there and is taken, and leaves that screen.
    ///
    /// # Errors
    /// The app does not take it.
    pub fn confirm(&self, reservation: &str) -> Result<()> {
        self.press("confirm-taken")?;
        self.leave_opening()?;
        self.see(&format!("card-{reservation}"), "[data-state='collected']").map(drop)
    }
}

/// UNIX milliseconds.
///
/// # Errors
/// The machine's clock stands before 1970.
pub fn now_ms() -> Result<u64> {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Ok(u64::try_from(since.as_millis())?),
        Err(_) => bail!("the clock stands before 1970"),
    }
}
