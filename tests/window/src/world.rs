//! A stage with everything on it, and what a customer does there.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::{
    app::{App, Settings},
    browser::Browser,
    parts::{Air, Cabinet, Hub},
    qr,
    stage::{Bluetooth, Keyring, Screen, Stage},
};

/// What anything may take on a machine that has other things to do. Where a promise is shorter, the step measures it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long the gesture is held: the app asks for 600 ms.
const HOLD: Duration = Duration::from_millis(750);
/// What the app asks for, in milliseconds.
const GESTURE_MS: u64 = 600;

/// See the module. What uses something stands before it, so that it ends before it.
#[derive(Debug)]
pub struct World {
    /// The app; none while it is closed.
    pub app: Option<App>,
    /// The customer's browser.
    pub browser: Option<Browser>,
    /// The cabinet.
    pub cabinet: Cabinet,
    /// The hub.
    pub hub: Hub,
    /// Everything else.
    pub stage: Stage,
    /// How many addresses the default browser was given so far that have been looked at.
    addresses: usize,
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
        let mut stage = Stage::set(folder, Screen::Virtual, keyring)?;
        stage.use_bluetooth(bluetooth);
        let hub = Hub::start(&stage)?;
        let cabinet = Cabinet::start(&stage, &hub, air)?;
        Ok(Self { app: None, browser: None, cabinet, hub, stage, addresses: 0 })
    }

    /// What the app is told.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings { hub: self.hub.url.clone(), radio: self.cabinet.radio.clone() }
    }

    /// Starts the app, and says how long it took from there to the first page that says something.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_app(&mut self, shows: &str) -> Result<Duration> {
        let began = Instant::now();
        let app = App::start(&self.stage, &self.settings())?;
        app.window.wait_for(shows, PATIENCE)?;
        let took = began.elapsed();
        self.app = Some(app);
        Ok(took)
    }

    /// The app, which has to run.
    ///
    /// # Errors
    /// It does not.
    pub fn app(&self) -> Result<&App> {
        self.app.as_ref().context("the app is not running")
    }

    /// Presses the button of this test id.
    ///
    /// # Errors
    /// There is none.
    pub fn press(&self, id: &str) -> Result<()> {
        let window = &self.app()?.window;
        // What lies under the opening screen is there and cannot be reached.
        let css = format!("[data-testid='{id}']:not([inert] *)");
        window.until(&format!("{id} to be pressed"), PATIENCE, || {
            let Some(element) = window.find(&css)? else { return Ok(None) };
            window.click(&element).map(Some)
        })
    }

    /// Waits for an element of this test id with this attribute, and gives its text.
    ///
    /// # Errors
    /// It does not come.
    pub fn see(&self, id: &str, attribute: &str) -> Result<String> {
        let window = &self.app()?.window;
        let element = window.wait_for(&format!("[data-testid='{id}']{attribute}"), PATIENCE)?;
        window.text_of(&element)
    }

    /// The address that the app has opened in the customer's default browser.
    ///
    /// # Errors
    /// It opens none.
    pub fn handed_to_browser(&mut self) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(address) = self.stage.opened_address(self.addresses) {
                self.addresses += 1;
                return Ok(address);
            }
            ensure!(Instant::now() < deadline, "the app opened no address in the browser");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// The customer's browser, started when it is first needed.
    ///
    /// # Errors
    /// It does not start.
    pub fn browser(&mut self) -> Result<&Browser> {
        if self.browser.is_none() {
            self.browser = Some(Browser::start(&self.stage)?);
        }
        self.browser.as_ref().context("no browser")
    }

    /// Makes an account with a passkey on the hub's page at `address`, and says where the browser ended up.
    ///
    /// # Errors
    /// The page does not do as it should.
    pub fn create_account(&mut self, address: &str, name: &str) -> Result<String> {
        let window = &self.browser()?.window;
        window.navigate(address)?;
        let field = window.wait_for("#name", PATIENCE)?;
        window.type_into(&field, name)?;
        let button = window.wait_for("#create", PATIENCE)?;
        window.click(&button)?;
        window.until("the hub's page to lead back to the app", PATIENCE, || {
            let url = window.url()?;
            Ok(url
                .starts_with("http://127.0.0.1")
                .then(|| url.split('?').next().unwrap_or_default().to_owned()))
        })?;
        window.text()
    }

    /// From the welcome screen to the list.
    ///
    /// # Errors
    /// A step of it fails.
    pub fn sign_in(&mut self, name: &str) -> Result<()> {
        self.press("sign-in")?;
        let address = self.handed_to_browser()?;
        self.create_account(&address, name)?;
        self.see("home", "[aria-busy='false']").map(drop)
    }

    /// The reservation whose card has this title.
    ///
    /// # Errors
    /// There is none.
    pub fn reservation(&self, title: &str) -> Result<String> {
        let window = &self.app()?.window;
        window.until(&format!("a card that says {title}"), PATIENCE, || {
            let script = "const card = [...document.querySelectorAll('[data-testid^=\"card-\"]')]\
                .find((card) => card.innerText.includes(arguments[0])); return card ? card.dataset.testid : null";
            let id = window.run(script, &json!([title]))?;
            Ok(id.as_str().and_then(|id| id.strip_prefix("card-")).map(str::to_owned))
        })
    }

    /// Opens the detail of a reservation from the list.
    ///
    /// # Errors
    /// It is not there.
    pub fn show(&self, reservation: &str) -> Result<()> {
        self.press("nav-home")?;
        self.press(&format!("card-{reservation}"))?;
        self.see("detail", &format!("[data-reservation='{reservation}']")).map(drop)
    }

    /// Makes the gesture on the screen that is shown. Returns when the finger is off, with the time at which the
    /// gesture was complete, UNIX milliseconds.
    ///
    /// # Errors
    /// There is nothing to hold.
    pub fn gesture(&self, id: &str) -> Result<u64> {
        let window = &self.app()?.window;
        let css = format!("[data-testid='{id}']");
        let button = window.wait_for(&css, PATIENCE)?;
        window.run(
            "document.querySelector(arguments[0]).addEventListener('pointerdown', \
             () => { document.documentElement.dataset.down = Date.now() }, { once: true })",
            &json!([css]),
        )?;
        window.hold(&button, HOLD)?;
        let down = window.run("return Number(document.documentElement.dataset.down)", &json!([]))?;
        Ok(down.as_u64().context("the finger did not come down on the button")? + GESTURE_MS)
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

    /// Leaves the opening screen, once it can be left.
    ///
    /// # Errors
    /// It stays.
    pub fn leave_opening(&self) -> Result<()> {
        let window = &self.app()?.window;
        window.until("the opening screen to be left", PATIENCE, || {
            for way in ["opening-done", "dismiss-opening"] {
                if let Some(button) = window.find(&format!("[data-testid='{way}']"))? {
                    let _ = window.click(&button);
                }
            }
            Ok(window.find("[data-testid='opening']")?.is_none().then_some(()))
        })
    }

    /// The QR code of this test id, read by an independent decoder from a picture of the window. Where others are in the
    /// picture, the one that begins so.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    pub fn code(&self, id: &str, begins: &str) -> Result<String> {
        self.see(id, "")?;
        let window = &self.app()?.window;
        let picture = self.stage.folder().join("code.png");
        // What was scrolled to is painted a moment later.
        window.until(&format!("a code that begins with {begins}"), PATIENCE, || {
            window.run(
                "document.querySelector(arguments[0]).scrollIntoView({ block: 'center', behavior: 'instant' })",
                &json!([format!("[data-testid='{id}']")]),
            )?;
            std::fs::write(&picture, window.screenshot()?)?;
            Ok(qr::read(&picture)?.into_iter().find(|code| code.starts_with(begins)))
        })
    }

    /// Chooses a theme in the settings: `light` or `dark`.
    ///
    /// # Errors
    /// There is no such choice.
    pub fn theme(&self, theme: &str) -> Result<()> {
        self.press("nav-settings")?;
        let window = &self.app()?.window;
        window.until(&format!("the {theme} theme"), PATIENCE, || {
            let script = "const input = document.querySelector(`[data-testid='set-theme'] input[value='${arguments[0]}']`);\
                if (input) input.closest('label').click(); return document.documentElement.dataset.theme";
            Ok((window.run(script, &json!([theme]))? == theme).then_some(()))
        })
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
