//! The core for a browser. The thinking is `postern_core`'s; here are its events as calls and its effects as plain objects.
//! What carries them out is the host in TypeScript beside this crate (`host/`), with the order guarantees of
//! `postern_runtime`.
#![cfg(target_arch = "wasm32")]
#![forbid(unsafe_code)]

mod frames;
mod orders;

use getrandom::SysRng;
use js_sys::{Array, Uint8Array};
use postern_core::{
    Config, Core, Now,
    event::{
        Adapter, DeviceKey, DialStage, EndReason, Event, HttpFailure, HttpResponse, Opened, PushEvent,
        RadioEvent, VaultState,
    },
    view::View,
};
use rand_core::UnwrapErr;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

pub use self::{frames::Frames, orders::JsOrder};

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since the page began; never goes back.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn monotonic() -> f64;
}

fn now() -> Now {
    Now { unix_ms: js_sys::Date::now() as i64, monotonic_ms: monotonic() as u64 }
}

/// The core, and the picture that was given last.
#[wasm_bindgen]
pub struct Engine {
    core: Core,
    shown: Option<View>,
}

/// Words that the host got wrong: a mistake in the host, not of the customer's.
fn unknown(what: &str) -> JsError {
    JsError::new(&format!("unknown: {what}"))
}

#[wasm_bindgen]
impl Engine {
    /// A core that knows nothing yet. `hub` is the base URL of the hub that serves the page.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(hub: String, device_name: String) -> Self {
        Self { core: Core::new(Config { hub, device_name }), shown: None }
    }

    /// The next thing to do, in the order in which they are to begin; none when there is nothing more.
    pub fn order(&mut self) -> Option<JsOrder> {
        self.core.poll_effect().map(orders::order)
    }

    /// The view as JSON, where it differs from the last one by more than its time.
    pub fn view(&mut self) -> Option<String> {
        let mut view = self.core.view();
        if let Some(shown) = &self.shown {
            let now = core::mem::replace(&mut view.now, shown.now);
            if view == *shown {
                return None;
            }
            view.now = now;
        }
        let text = serde_json::to_string(&view).ok();
        self.shown = Some(view);
        text
    }

    /// Milliseconds until [`Engine::tick`] is due, none while nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<f64> {
        self.core.poll_timeout().map(|at| (at as f64 - monotonic()).max(0.0))
    }

    /// The tab is about to let go: what would be written soon is written now.
    pub fn finish(&mut self) {
        self.core.finish();
    }

    /// Time passed.
    pub fn tick(&mut self) {
        self.handle(Event::Tick);
    }

    /// The customer wants something.
    ///
    /// # Errors
    /// It is no intent.
    pub fn intent(&mut self, json: &str) -> Result<(), JsError> {
        let intent = serde_json::from_str(json).map_err(|error| JsError::new(&error.to_string()))?;
        self.handle(Event::Intent(intent));
        Ok(())
    }

    /// Answer to an order `http`. `date` in UNIX seconds.
    pub fn answered(
        &mut self,
        ticket: u64,
        status: u16,
        date: Option<f64>,
        etag: Option<String>,
        body: Vec<u8>,
    ) {
        let date = date.map(|date| date as i64);
        let response = HttpResponse { status, date, etag, body: body.into() };
        self.handle(Event::Http { ticket, result: Ok(response) });
    }

    /// No answer to an order `http`: `sent` where it may have been carried out.
    pub fn unanswered(&mut self, ticket: u64, sent: bool) {
        let failure = if sent { HttpFailure::TimedOut } else { HttpFailure::Unreachable };
        self.handle(Event::Http { ticket, result: Err(failure) });
    }

    /// The push connection: `connected`, `poke`, `lost`, `unauthenticated`.
    ///
    /// # Errors
    /// Another word.
    pub fn push(&mut self, what: &str) -> Result<(), JsError> {
        self.handle(Event::Push(match what {
            "connected" => PushEvent::Connected,
            "poke" => PushEvent::Poke,
            "lost" => PushEvent::Lost,
            "unauthenticated" => PushEvent::Unauthenticated,
            other => return Err(unknown(other)),
        }));
        Ok(())
    }

    /// Where sign-in is to come back to.
    pub fn redirect_ready(&mut self, redirect_uri: String) {
        self.handle(Event::RedirectReady { redirect_uri });
    }

    /// The page was opened by the way back of a sign-in.
    pub fn redirected(&mut self, url: String) {
        self.handle(Event::Redirected { url });
    }

    /// The sign-in page could not be gone to.
    pub fn browser_failed(&mut self) {
        self.handle(Event::BrowserFailed);
    }

    /// A claim link was followed.
    pub fn deep_link(&mut self, url: String) {
        self.handle(Event::DeepLink { url });
    }

    /// A claim link was followed that is neither taken up nor written down yet: whoever brought it keeps it until then.
    #[must_use]
    pub fn is_claiming(&self) -> bool {
        self.core.is_claiming()
    }

    /// Answer to an order `sign`: r and s, 32 bytes each; none where the key refused.
    pub fn signed(&mut self, ticket: u64, signature: Option<Vec<u8>>) {
        let signature = signature.and_then(|bytes| bytes.try_into().ok());
        self.handle(Event::Signed { ticket, signature });
    }

    /// The secrets are open: the device's key (P-256, compressed SEC 1), its RFC 7638 thumbprint, what was saved. `damaged`
    /// where something of it could not be read and was put aside.
    ///
    /// # Errors
    /// The key has another length than 33 bytes.
    pub fn opened(
        &mut self,
        memory_only: bool,
        thumbprint: String,
        key: &[u8],
        state: &Array,
        session: Option<Vec<u8>>,
        damaged: bool,
    ) -> Result<(), JsError> {
        let device_key = DeviceKey::P256(key.try_into().map_err(|_| unknown("device key"))?);
        let state = state.iter().map(|entry| Zeroizing::new(Uint8Array::new(&entry).to_vec())).collect();
        let contents = Opened {
            memory_only,
            device_thumbprint: thumbprint,
            device_key,
            state,
            session: session.map(Zeroizing::new),
        };
        self.handle(Event::Vault(if damaged {
            VaultState::Damaged(contents)
        } else {
            VaultState::Open(contents)
        }));
        Ok(())
    }

    /// This browser keeps no secrets (private mode, storage switched off).
    pub fn no_vault(&mut self) {
        self.handle(Event::Vault(VaultState::Absent));
    }

    /// What was to be saved is not on the disk.
    pub fn not_saved(&mut self) {
        self.handle(Event::NotSaved);
    }

    /// The page is seen, or no longer.
    pub fn foreground(&mut self, on: bool) {
        self.handle(Event::Foreground(on));
    }

    /// The adapter: `on`, `off`, `absent`, `denied`.
    ///
    /// # Errors
    /// Another word.
    pub fn adapter(&mut self, what: &str) -> Result<(), JsError> {
        let adapter = adapter(what)?;
        self.handle(Event::Radio(RadioEvent::Adapter(adapter)));
        Ok(())
    }

    /// How far a dial is: `sighted`, `connected`, `subscribed`.
    ///
    /// # Errors
    /// Another word.
    pub fn dialled(&mut self, attempt: u64, stage: &str) -> Result<(), JsError> {
        let stage = match stage {
            "sighted" => DialStage::Sighted,
            "connected" => DialStage::Connected,
            "subscribed" => DialStage::Subscribed,
            other => return Err(unknown(other)),
        };
        self.handle(Event::Radio(RadioEvent::Progress { attempt, stage }));
        Ok(())
    }

    /// A whole message came.
    pub fn received(&mut self, attempt: u64, bytes: Vec<u8>) {
        self.handle(Event::Radio(RadioEvent::Message { attempt, bytes }));
    }

    /// A dial failed or a link ended: `notFound`, `lost`, `frame`, `hungUp`, or what the adapter is now.
    ///
    /// # Errors
    /// Another word.
    pub fn link_ended(&mut self, attempt: u64, why: &str) -> Result<(), JsError> {
        let reason = match why {
            "notFound" => EndReason::NotFound,
            "lost" => EndReason::Lost,
            "frame" => EndReason::Frame,
            "hungUp" => EndReason::HungUp,
            other => EndReason::Adapter(adapter(other)?),
        };
        self.handle(Event::Radio(RadioEvent::Ended { attempt, reason }));
        Ok(())
    }

    fn handle(&mut self, event: Event) {
        // Without random numbers there are no keys; nothing sensible can be done but to stop.
        self.core.handle(event, now(), &mut UnwrapErr(SysRng));
    }
}

fn adapter(what: &str) -> Result<Adapter, JsError> {
    Ok(match what {
        "on" => Adapter::On,
        "off" => Adapter::Off,
        "absent" => Adapter::Absent,
        "denied" => Adapter::Denied,
        other => return Err(unknown(other)),
    })
}
