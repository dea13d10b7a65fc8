//! A customer's machine: the app, the browser, and the stage on which both live; and what the customer does there.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{
    app::{App, Settings, binary},
    browser::Browser,
    child::Program,
    qr,
    stage::{Keyring, Screen, Stage},
    world::PATIENCE,
};

/// How long the gesture is held: the app asks for 600 ms.
const HOLD: Duration = Duration::from_millis(750);
/// What the app asks for, in milliseconds.
const GESTURE_MS: u64 = 600;

/// See the module. What uses something stands before it, so that it ends before it.
#[derive(Debug)]
pub struct Desk {
    /// The app; none while it is closed.
    pub app: Option<App>,
    /// The customer's browser.
    pub browser: Option<Browser>,
    /// Everything else.
    pub stage: Stage,
    /// What the app is told.
    pub settings: Settings,
    /// How many addresses the default browser was given so far that have been looked at.
    addresses: usize,
}

impl Desk {
    /// A machine whose app will use this hub and this radio; nothing is started on it yet.
    ///
    /// # Errors
    /// Its display, bus or keyring does not start.
    pub fn set(folder: &Path, keyring: Keyring, settings: Settings) -> Result<Self> {
        Ok(Self::on(Stage::set(folder, Screen::Virtual, keyring)?, settings))
    }

    /// On a stage that stands.
    #[must_use]
    pub fn on(stage: Stage, settings: Settings) -> Self {
        Self { app: None, browser: None, stage, settings, addresses: 0 }
    }

    /// Starts the app, and says how long it took from there to the first page that says something.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_app(&mut self, shows: &str) -> Result<Duration> {
        let began = Instant::now();
        let app = App::start(&self.stage, &self.settings)?;
        app.window.wait_for(shows, PATIENCE)?;
        let took = began.elapsed();
        self.app = Some(app);
        Ok(took)
    }

    /// Starts the app once more, as the system does with a link that the app is registered for, and waits until that
    /// second instance has handed over and ended.
    ///
    /// # Errors
    /// It does not end, or not well.
    pub fn hand_to_app(&self, link: Option<&str>) -> Result<()> {
        let mut second = self.stage.command(binary("postern-app")?);
        second.args(link);
        self.settings.tell(&self.stage, &mut second);
        let status = Program::start("second", self.stage.logs(), &second)?.wait(PATIENCE)?;
        ensure!(status.success(), "the second instance ended with {status}");
        Ok(())
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
        let css = format!("[data-testid='{id}']{attribute}");
        // Found and read in one try: what stood there may be replaced by its next state in between.
        window.until(&format!("{css} to show"), PATIENCE, || {
            let Some(element) = window.find_shown(&css)? else { return Ok(None) };
            window.text_of(&element).map(Some)
        })
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

    /// The customer number, as the window shows it with the address; leaves the settings open.
    ///
    /// # Errors
    /// None is shown.
    pub fn customer_number(&self) -> Result<String> {
        self.press("nav-settings")?;
        let shown = self.see("customer-number", "")?;
        // The page isolates text of others from its own.
        let number: String = shown.chars().filter(|c| c.is_ascii_digit() || *c == ' ').collect();
        Ok(number.trim().to_owned())
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
        self.app()?.window.until("the list alone", PATIENCE, || {
            Ok(self.app()?.window.find("[data-testid='detail']")?.is_none().then_some(()))
        })?;
        self.press_for(
            &format!("card-{reservation}"),
            &format!("[data-testid='detail'][data-reservation='{reservation}']"),
        )
    }

    /// Presses what has this test id, and again where it moved away under the finger (a strip or a cabinet in range
    /// comes in above it), until what matches `shown` is there.
    ///
    /// # Errors
    /// It does not come.
    pub fn press_for(&self, id: &str, shown: &str) -> Result<()> {
        let window = &self.app()?.window;
        let css = format!("[data-testid='{id}']:not([inert] *)");
        window.until(&format!("{shown} after pressing {id}"), PATIENCE, || {
            if window.find(shown)?.is_some() {
                return Ok(Some(()));
            }
            if let Some(element) = window.find(&css)? {
                window.bring(&element)?;
                window.click(&element)?;
            }
            Ok(None)
        })
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

    /// Types into the field of this test id, in place of what is there.
    ///
    /// # Errors
    /// There is none.
    pub fn write(&self, css: &str, text: &str) -> Result<()> {
        let window = &self.app()?.window;
        let field = window.wait_for(css, PATIENCE)?;
        window.type_into(&field, text)
    }

    /// Clicks what matches a CSS selector, once it is there.
    ///
    /// # Errors
    /// There is nothing.
    pub fn click(&self, css: &str) -> Result<()> {
        let window = &self.app()?.window;
        window.until(&format!("{css} to be clicked"), PATIENCE, || {
            let Some(element) = window.find(css)? else { return Ok(None) };
            window.click(&element).map(Some)
        })
    }
}
