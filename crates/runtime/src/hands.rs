//! Carries out effects, in order; what takes long goes on beside and answers with an event.

use std::{path::PathBuf, sync::Arc, time::Duration};

use postern_core::{
    effect::{Effect, Notification, RadioCommand, Reminder},
    event::{DeviceKey as CoreKey, EndReason, Event, HttpFailure, Opened, PushEvent, RadioEvent, VaultState},
};
use postern_vault::{
    Algorithm, DeviceKeys, Secret, Secrets, Vault, VaultError, dpop::Prover, hardware, keys::StoredKeys,
    memory::MemorySecrets,
};
use tokio::sync::{broadcast, mpsc, watch};

use crate::{
    browser::Browser,
    http::{self, Http},
    push,
    radio::RadioDesk,
    redirect::{Listener, WayBack},
    task::{Task, answering, or_panicked},
};

/// The name of the sealed store in the profile's folder.
const STORE: &str = "wallet.sealed";

/// Longest wait for the keyring where something else waits behind it.
const KEYRING: Duration = Duration::from_secs(5);

/// What the hands work with.
pub(crate) struct Tools {
    pub(crate) http: Arc<Http>,
    pub(crate) radio: RadioDesk,
    pub(crate) browser: Arc<dyn Browser>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) device_keys: Option<Arc<dyn DeviceKeys>>,
    pub(crate) account: String,
    pub(crate) way_back: WayBack,
    pub(crate) folder: PathBuf,
    pub(crate) notifications: broadcast::Sender<Notification>,
    pub(crate) reminders: watch::Sender<Arc<[Reminder]>>,
    pub(crate) events: mpsc::Sender<Event>,
}

/// Carries out effects until no more can come, then lets go of everything.
pub(crate) struct Hands {
    tools: Tools,
    vault: Option<Vault>,
    prover: Option<Prover>,
    push: Option<Task>,
    redirect: Option<Task>,
}

impl Hands {
    pub(crate) fn new(tools: Tools) -> Self {
        Self { tools, vault: None, prover: None, push: None, redirect: None }
    }

    /// Opens the vault, then works.
    pub(crate) async fn work(mut self, mut effects: mpsc::UnboundedReceiver<Effect>) {
        let otherwise = Event::Vault(VaultState::Absent);
        self.guarded(Some(otherwise), async |hands| hands.open(false).await).await;
        while let Some(effect) = effects.recv().await {
            let closing = effects.is_closed();
            // Of several saves in a row, only what the last leaves need ever be on disk, and is written at once.
            let mut due = Due::default();
            let mut next = due.take(effect);
            while next.is_none()
                && let Ok(effect) = effects.try_recv()
            {
                next = due.take(effect);
            }
            if !due.is_empty() {
                let otherwise = Event::NotSaved;
                self.guarded(Some(otherwise), async |hands| hands.save(due).await).await;
            }
            if let Some(effect) = next {
                let otherwise = unanswered(&effect);
                self.guarded(otherwise, async |hands| hands.carry_out(effect, closing).await).await;
            }
        }
        self.push = None;
        self.redirect = None;
        self.tools.radio.close().await;
        if let Some(vault) = &self.vault {
            let _ = tokio::time::timeout(KEYRING, vault.settle()).await;
        }
    }

    /// Does it, and says what it came to where it panics: the core waits for an answer, and the next effect for its turn.
    async fn guarded(&mut self, otherwise: Option<Event>, work: impl AsyncFnOnce(&mut Self)) {
        if or_panicked(
            async {
                work(self).await;
                true
            },
            false,
        )
        .await
        {
            return;
        }
        if let Some(event) = otherwise {
            self.tell(event).await;
        }
    }

    /// While the app is closing, only what must not be lost is still done.
    async fn carry_out(&mut self, effect: Effect, closing: bool) {
        match effect {
            Effect::Save(_) | Effect::Append(_) => {}
            Effect::SaveSession(session) => self.save_session(&session).await,
            Effect::Wipe => self.wipe(closing).await,
            _ if closing => {}
            Effect::Http { ticket, request } => {
                let (http, prover, events) =
                    (self.tools.http.clone(), self.prover.clone(), self.tools.events.clone());
                answering(events, no_answer(ticket), async move {
                    Event::Http { ticket, result: http.send(&request, prover.as_ref()).await }
                });
            }
            Effect::Push(target) => {
                self.push = target.map(|target| {
                    let (http, prover, events) =
                        (self.tools.http.clone(), self.prover.clone(), self.tools.events.clone());
                    Task::spawn(push::listen(http, prover, target, events))
                });
            }
            Effect::ListenForRedirect => self.listen_for_redirect().await,
            Effect::StopListening => self.redirect = None,
            Effect::OpenBrowser { url } => self.open_browser(url),
            Effect::Sign { ticket, message } => self.sign(ticket, message),
            Effect::Radio(command) => self.tools.radio.carry_out(command),
            Effect::OpenVault { memory_only } => self.open(memory_only).await,
            Effect::Notify(notification) => {
                // Nobody listens where the host has no notifications.
                let _ = self.tools.notifications.send(notification);
            }
            Effect::Remind(reminders) => {
                self.tools.reminders.send_replace(reminders.into());
            }
        }
    }

    /// Not for ever: a keyring that was locked meanwhile asks for its password, and what waits behind this may be a
    /// door. The keyring still writes it once it can.
    async fn save_session(&mut self, session: &[u8]) {
        let Some(vault) = &mut self.vault else { return };
        match tokio::time::timeout(KEYRING, vault.save_session(session)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(code = "session_not_saved", %error, "the session will not outlive the process");
            }
            Err(_) => tracing::warn!(code = "keyring_slow", "the keyring takes its time with the session"),
        }
    }

    async fn save(&mut self, due: Due) {
        let Some(vault) = &mut self.vault else { return };
        let saved = match (due.whole, due.entries.is_empty()) {
            (true, _) => vault.replace(&due.entries).await,
            (false, false) => vault.append(&due.entries).await,
            (false, true) => return,
        };
        if let Err(error) = saved {
            tracing::error!(code = "state_not_saved", %error, "the newest state is not on disk");
            self.tell(Event::NotSaved).await;
        }
    }

    fn sign(&self, ticket: u64, message: Vec<u8>) {
        let key = self.vault.as_ref().map(|vault| vault.device_key().clone());
        let events = self.tools.events.clone();
        answering(events, Event::Signed { ticket, signature: None }, async move {
            let signature = match key {
                Some(key) => key
                    .sign(&message)
                    .await
                    .inspect_err(
                        |error| tracing::warn!(code = "key_refused", %error, "the device key did not sign"),
                    )
                    .ok(),
                None => None,
            };
            Event::Signed { ticket, signature }
        });
    }

    async fn listen_for_redirect(&mut self) {
        self.redirect = None;
        if let WayBack::Link(link) = &self.tools.way_back {
            return self.tell(Event::RedirectReady { redirect_uri: link.clone() }).await;
        }
        match Listener::bind().await {
            Ok(listener) => {
                let redirect_uri = listener.redirect_uri();
                self.redirect = Some(Task::spawn(listener.serve(self.tools.events.clone())));
                self.tell(Event::RedirectReady { redirect_uri }).await;
            }
            Err(error) => {
                tracing::error!(code = "no_redirect_listener", %error, "no loopback port for the way back from the browser");
                self.tell(Event::BrowserFailed).await;
            }
        }
    }

    fn open_browser(&self, url: String) {
        let (browser, events) = (self.tools.browser.clone(), self.tools.events.clone());
        tokio::spawn(async move {
            let open = async {
                match http::allowed(&url) {
                    Some(_) => browser.open(&url).await,
                    None => Err(std::io::ErrorKind::InvalidInput.into()),
                }
            };
            let opened = or_panicked(open, Err(std::io::Error::other("panicked"))).await;
            if let Err(error) = opened {
                tracing::warn!(code = "browser_failed", %error, "the browser could not be opened");
                let _ = events.send(Event::BrowserFailed).await;
            }
        });
    }

    async fn open(&mut self, memory_only: bool) {
        // The old one first: a store is never open twice.
        self.vault = None;
        self.prover = None;
        let state = match self.open_vault(memory_only).await {
            Ok(state) => state,
            Err(VaultError::Locked) => VaultState::Locked,
            Err(error) => {
                tracing::warn!(code = "vault_unavailable", %error, "secrets cannot be kept on this machine");
                VaultState::Absent
            }
        };
        self.tell(Event::Vault(state)).await;
    }

    async fn open_vault(&mut self, memory_only: bool) -> Result<VaultState, VaultError> {
        let given = self.tools.device_keys.clone();
        let opened = if memory_only {
            let keys = given.unwrap_or_else(|| Arc::new(StoredKeys::new(Arc::new(MemorySecrets::new()))));
            Vault::in_memory(keys).await?
        } else {
            let keys =
                given.unwrap_or_else(|| hardware::keys(&self.tools.account, self.tools.secrets.clone()));
            Vault::open(self.tools.secrets.clone(), keys, self.tools.folder.join(STORE)).await?
        };
        let prover = Prover::new(opened.vault.device_key().clone())
            .map_err(|error| VaultError::Keyring(error.to_string()))?;
        let public = opened.vault.device_key().public();
        let device_key = match public.algorithm {
            Algorithm::Ed25519 => public.bytes.try_into().map(CoreKey::Ed25519).ok(),
            Algorithm::P256 => public.bytes.try_into().map(CoreKey::P256).ok(),
        };
        let contents = Opened {
            memory_only: opened.vault.is_memory_only(),
            device_thumbprint: prover.thumbprint().to_owned(),
            device_key: device_key
                .ok_or_else(|| VaultError::Keyring("the device key is malformed".into()))?,
            state: opened.state,
            session: opened.session,
        };
        self.vault = Some(opened.vault);
        self.prover = Some(prover);
        Ok(if opened.damage.is_some() { VaultState::Damaged(contents) } else { VaultState::Open(contents) })
    }

    /// Forgets everything, and starts again with a new key unless the app is closing.
    async fn wipe(&mut self, closing: bool) {
        self.push = None;
        self.prover = None;
        let Some(vault) = self.vault.take() else { return };
        let memory_only = vault.is_memory_only();
        if let Err(error) = vault.wipe().await {
            tracing::error!(code = "wipe_incomplete", %error, "not everything could be removed");
        }
        if !closing {
            self.open(memory_only).await;
        }
    }

    async fn tell(&self, event: Event) {
        let _ = self.tools.events.send(event).await;
    }
}

/// A request of which nothing is known: it may have been carried out.
fn no_answer(ticket: u64) -> Event {
    Event::Http { ticket, result: Err(HttpFailure::TimedOut) }
}

/// What the core is told where this came to nothing; none where it waits for no answer.
fn unanswered(effect: &Effect) -> Option<Event> {
    Some(match effect {
        Effect::Http { ticket, .. } => no_answer(*ticket),
        Effect::Push(Some(_)) => Event::Push(PushEvent::Lost),
        Effect::ListenForRedirect | Effect::OpenBrowser { .. } => Event::BrowserFailed,
        Effect::Sign { ticket, .. } => Event::Signed { ticket: *ticket, signature: None },
        Effect::Radio(RadioCommand::Dial { attempt, .. } | RadioCommand::Send { attempt, .. }) => {
            Event::Radio(RadioEvent::Ended { attempt: *attempt, reason: EndReason::Lost })
        }
        Effect::Save(_) | Effect::Append(_) => Event::NotSaved,
        Effect::Wipe | Effect::OpenVault { .. } => Event::Vault(VaultState::Absent),
        Effect::Push(None)
        | Effect::StopListening
        | Effect::Radio(RadioCommand::Use(_) | RadioCommand::Watch(_) | RadioCommand::HangUp { .. })
        | Effect::SaveSession(_)
        | Effect::Notify(_)
        | Effect::Remind(_) => return None,
    })
}

/// Saves that wait for the disk.
#[derive(Default)]
struct Due {
    /// The first entry is a whole: everything before it is worth nothing.
    whole: bool,
    entries: Vec<Secret>,
}

impl Due {
    fn is_empty(&self) -> bool {
        !self.whole && self.entries.is_empty()
    }

    /// Takes a save; gives back any other effect.
    fn take(&mut self, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Save(state) => *self = Self { whole: true, entries: vec![state] },
            Effect::Append(change) => self.entries.push(change),
            other => return Some(other),
        }
        None
    }
}
