//! A thin WebDriver client (W3C WebDriver Level 2, WebAuthn §11): what the story needs, blocking, over loopback.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use ureq::Agent;

/// The key that WebDriver gives element references under.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How often something is clicked that no click arrives at.
const CLICKS: usize = 4;

/// A session with a driver: one window of a browser or of the app.
#[derive(Debug)]
pub struct Session {
    agent: Agent,
    /// `http://127.0.0.1:PORT/session/ID`
    base: String,
}

/// An element of the page.
#[derive(Clone, Debug)]
pub struct Element(String);

impl Session {
    /// Opens a session at a driver, waiting for the driver to listen.
    ///
    /// # Errors
    /// The driver is not there after `within`, or refuses.
    pub fn open(driver: &str, capabilities: &Value, within: Duration) -> Result<Self> {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into();
        let deadline = Instant::now() + within;
        while agent.get(format!("{driver}/status")).call().is_err() {
            if Instant::now() > deadline {
                bail!("no WebDriver at {driver}");
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let value = answer(agent.post(format!("{driver}/session")).send_json(&body)?)?;
        let id = value["sessionId"].as_str().context("the driver named no session")?;
        let base = format!("{driver}/session/{id}");
        Ok(Self { agent, base })
    }

    fn get(&self, path: &str) -> Result<Value> {
        answer(self.agent.get(format!("{}{path}", self.base)).call()?)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        answer(self.agent.post(format!("{}{path}", self.base)).send_json(body)?)
    }

    /// Goes to an address.
    ///
    /// # Errors
    /// The driver's.
    pub fn navigate(&self, url: &str) -> Result<()> {
        self.post("/url", &json!({ "url": url })).map(drop)
    }

    /// The address shown.
    ///
    /// # Errors
    /// The driver's.
    pub fn url(&self) -> Result<String> {
        Ok(self.get("/url")?.as_str().unwrap_or_default().to_owned())
    }

    /// Sets the size of the window, in CSS pixels.
    ///
    /// # Errors
    /// The driver's.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        self.post("/window/rect", &json!({ "width": width, "height": height })).map(drop)
    }

    /// Runs a function body in the page.
    ///
    /// # Errors
    /// The page's exception.
    pub fn run(&self, script: &str, arguments: &Value) -> Result<Value> {
        self.post("/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// The first element that matches a CSS selector, if there is one.
    ///
    /// # Errors
    /// The driver's, other than that there is none.
    pub fn find(&self, css: &str) -> Result<Option<Element>> {
        let found = self.post("/elements", &json!({ "using": "css selector", "value": css }))?;
        Ok(found
            .as_array()
            .and_then(|list| list.first())
            .and_then(|element| element[ELEMENT].as_str().map(|id| Element(id.to_owned()))))
    }

    /// Waits for an element that matches and is displayed.
    ///
    /// # Errors
    /// There is none after `within`.
    pub fn wait_for(&self, css: &str, within: Duration) -> Result<Element> {
        self.until(&format!("{css} to show"), within, || self.find_shown(css))
    }

    /// What matches, if it is displayed now.
    ///
    /// # Errors
    /// The driver's; also where the page is just being replaced.
    pub fn find_shown(&self, css: &str) -> Result<Option<Element>> {
        let Some(element) = self.find(css)? else { return Ok(None) };
        Ok(self.displayed(&element)?.then_some(element))
    }

    /// Waits until `look` finds what it looks for. An error of `look` (a page that is just being replaced) is another
    /// try, until the time is over.
    ///
    /// # Errors
    /// It did not within the time.
    pub fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + within;
        loop {
            let found = look();
            if let Ok(Some(found)) = found {
                return Ok(found);
            }
            if Instant::now() > deadline {
                let text = self.text().unwrap_or_default();
                let page = text.lines().take(40).collect::<Vec<_>>().join(" | ");
                let error = found.err().map(|error| format!(" ({error:#})")).unwrap_or_default();
                bail!("waited {within:?} in vain for {what}{error}; the page says: {page}");
            }
            thread::park_timeout(Duration::from_millis(25));
        }
    }

    /// Waits until what stands in the page is painted, and what moves towards an end has come to it, so that a picture
    /// shows where it led. What goes on for ever (waves, a ring) does not count.
    ///
    /// # Errors
    /// Something is still moving after two seconds.
    pub fn still(&self) -> Result<()> {
        let paint = "document.documentElement.dataset.painted = 'false'; requestAnimationFrame(() => \
            requestAnimationFrame(() => { document.documentElement.dataset.painted = 'true' }))";
        self.run(paint, &json!([]))?;
        let script = "return document.documentElement.dataset.painted !== 'true' \
            || document.getAnimations().some((one) => one.playState === 'running' \
            && Number.isFinite(one.effect.getComputedTiming().endTime))";
        self.until("the page to stand still", Duration::from_secs(2), || {
            Ok((self.run(script, &json!([]))? == false).then_some(()))
        })
    }

    fn displayed(&self, element: &Element) -> Result<bool> {
        // The endpoint is not in every driver; its algorithm is, in the browser.
        let script = "const e = arguments[0], b = e.getBoundingClientRect(); \
            return b.width > 0 && b.height > 0 && getComputedStyle(e).visibility !== 'hidden'";
        Ok(self.run(script, &json!([{ ELEMENT: element.0 }]))? == true)
    }

    /// Clicks in the middle of an element, as a pointer does, and not while it moves: the driver looks where it is and clicks
    /// there a moment later, on whatever is there by then. Where that was something else, it is clicked again.
    ///
    /// # Errors
    /// It still moves after two seconds, or no click arrives at it. The driver's: hidden, covered, gone.
    pub fn click(&self, element: &Element) -> Result<()> {
        for _ in 0..CLICKS {
            self.stands_still(element)?;
            let arm = "window.posternClicked = false; arguments[0].addEventListener('click', \
                () => { window.posternClicked = true }, { capture: true, once: true })";
            self.run(arm, &json!([{ ELEMENT: element.0 }]))?;
            self.post(&format!("/element/{}/click", element.0), &json!({}))?;
            let arrived = self.until("the click", Duration::from_millis(500), || {
                // A page that was replaced, or is just being, has no such variable.
                let clicked = self.run("return window.posternClicked", &json!([]));
                Ok(clicked.map_or(Some(()), |clicked| (clicked != false).then_some(())))
            });
            if arrived.is_ok() {
                return Ok(());
            }
        }
        bail!("clicked {CLICKS} times, and no click arrived")
    }

    fn stands_still(&self, element: &Element) -> Result<()> {
        let place = || {
            let script =
                "const b = arguments[0].getBoundingClientRect(); return [b.x, b.y, b.width, b.height]";
            self.run(script, &json!([{ ELEMENT: element.0 }]))
        };
        let mut before = place()?;
        thread::park_timeout(Duration::from_millis(25));
        self.until("what is to be clicked to stand still", Duration::from_secs(2), || {
            let now = place()?;
            let still = now == before;
            before = now;
            Ok(still.then_some(()))
        })
    }

    /// Scrolls as somebody does who wants to press it: the driver is content when some of it is seen.
    ///
    /// # Errors
    /// The driver's.
    pub fn bring(&self, element: &Element) -> Result<()> {
        self.run("arguments[0].scrollIntoView({ block: 'center' })", &json!([{ ELEMENT: element.0 }]))
            .map(drop)
    }

    /// Presses on the middle of an element, holds, lets go.
    ///
    /// # Errors
    /// The driver's.
    pub fn hold(&self, element: &Element, time: Duration) -> Result<()> {
        self.bring(element)?;
        let actions = json!({ "actions": [{
            "type": "pointer", "id": "finger", "parameters": { "pointerType": "mouse" },
            "actions": [
                { "type": "pointerMove", "origin": { ELEMENT: element.0 }, "x": 0, "y": 0, "duration": 0 },
                { "type": "pointerDown", "button": 0 },
                { "type": "pause", "duration": u64::try_from(time.as_millis())? },
                { "type": "pointerUp", "button": 0 },
            ],
        }] });
        self.post("/actions", &actions)?;
        Ok(())
    }

    /// Types into an element.
    ///
    /// # Errors
    /// The driver's.
    pub fn type_into(&self, element: &Element, text: &str) -> Result<()> {
        self.post(&format!("/element/{}/value", element.0), &json!({ "text": text })).map(drop)
    }

    /// The rendered text of the page.
    ///
    /// # Errors
    /// The driver's.
    pub fn text(&self) -> Result<String> {
        let text = self.run("return document.body ? document.body.innerText : ''", &json!([]))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// The rendered text of an element.
    ///
    /// # Errors
    /// The driver's.
    pub fn text_of(&self, element: &Element) -> Result<String> {
        let text = self.run("return arguments[0].innerText", &json!([{ ELEMENT: element.0 }]))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// An attribute of an element, as it is written.
    ///
    /// # Errors
    /// The driver's.
    pub fn attribute(&self, element: &Element, name: &str) -> Result<Option<String>> {
        let script = "return arguments[0].getAttribute(arguments[1])";
        let value = self.run(script, &json!([{ ELEMENT: element.0 }, name]))?;
        Ok(value.as_str().map(str::to_owned))
    }

    /// A picture of what the window shows, as PNG.
    ///
    /// WebKitGTK that paints without a graphics card takes it with the next thing it paints, so for that long the page
    /// has a corner that changes and that nobody can see.
    ///
    /// # Errors
    /// The driver's.
    pub fn screenshot(&self) -> Result<Vec<u8>> {
        self.run(
            "const corner = document.createElement('i'); \
             corner.id = 'picture'; \
             corner.style.cssText = 'position:fixed;inset:0 auto auto 0;width:1px;height:1px;pointer-events:none'; \
             document.documentElement.append(corner); \
             let on = false; \
             const turn = () => { corner.style.background = (on = !on) ? '#00000001' : '#ffffff01'; }; \
             const timer = setInterval(() => (corner.isConnected ? turn() : clearInterval(timer)), 16);",
            &json!([]),
        )?;
        let picture = self.get("/screenshot");
        self.run("document.getElementById('picture')?.remove()", &json!([]))?;
        Ok(BASE64_STANDARD.decode(picture?.as_str().context("no picture")?)?)
    }

    /// Gives the browser an authenticator with resident keys that verifies its user, as a phone or laptop has.
    ///
    /// # Errors
    /// The driver's.
    pub fn add_authenticator(&self) -> Result<()> {
        let authenticator = json!({
            "protocol": "ctap2", "transport": "internal",
            "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        self.post("/webauthn/authenticator", &authenticator).map(drop)
    }

    /// Closes the window.
    ///
    /// # Errors
    /// The driver's.
    pub fn close(&self) -> Result<()> {
        answer(self.agent.delete(&self.base).call()?).map(drop)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // May be closed already, or the driver gone; its process group is ended after this in any case.
        let _ = self
            .agent
            .delete(&self.base)
            .config()
            .timeout_global(Some(Duration::from_secs(3)))
            .build()
            .call();
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Result<Value> {
    let status = response.status();
    let mut body: Value =
        response.body_mut().with_config().limit(64 << 20).read_json().context("the driver's answer")?;
    let value = body["value"].take();
    if !status.is_success() {
        bail!("{}: {}", value["error"].as_str().unwrap_or("error"), value["message"].as_str().unwrap_or(""));
    }
    Ok(value)
}
