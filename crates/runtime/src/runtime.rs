//! The loop around the core, and the handle that a host holds.

use std::sync::Arc;

use postern_core::{
    Config, Core,
    effect::{Effect, Notification, Reminder},
    event::Event,
    intent::Intent,
    view::View,
};
use postern_vault::{ProfileLock, keyring::KeyringSecrets};
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};

use crate::{
    clock::Clock,
    hands::{Hands, Tools},
    http::Http,
    options::{Options, SecretsChoice},
    radio::RadioDesk,
    redirect::WayBack,
};

/// Facts that may wait for the core.
const EVENTS: usize = 256;
/// Facts handled before the view is drawn again: a flood of them costs one picture, not one each.
const BATCH: usize = 64;
/// Notifications that a slow host may miss none of.
const NOTIFICATIONS: usize = 32;

/// Why the app cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process uses this profile.
    #[error("Postern is running already with this profile")]
    InUse,
    /// The profile's folder cannot be used.
    #[error("the profile folder: {0}")]
    Folder(#[source] std::io::Error),
    /// The keyring's thread cannot be started.
    #[error("the keyring: {0}")]
    Keyring(#[source] postern_vault::VaultError),
}

/// The app has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the app has ended")]
pub struct Ended;

/// What a host says to the loop.
enum Word {
    Event(Event),
    Shutdown,
}

/// A running app. Cheap to clone; the app ends with [`Handle::shutdown`] or with the last handle.
#[derive(Clone)]
pub struct Handle {
    words: mpsc::UnboundedSender<Word>,
    views: watch::Receiver<Arc<View>>,
    notifications: broadcast::Sender<Notification>,
    reminders: watch::Receiver<Arc<[Reminder]>>,
    way_back: WayBack,
}

/// The app without a window.
pub struct Runtime;

impl Runtime {
    /// Starts the app on the current tokio runtime. The vault is opened at once; everything else waits for intents.
    ///
    /// # Errors
    /// [`StartError`]; [`StartError::InUse`] where another process has this profile open.
    pub async fn start(options: Options) -> Result<Handle, StartError> {
        let folder = options.folder.clone();
        let lock = tokio::task::spawn_blocking(move || ProfileLock::acquire(&folder))
            .await
            .map_err(|e| StartError::Folder(std::io::Error::other(e)))?
            .map_err(StartError::Folder)?
            .ok_or(StartError::InUse)?;
        let secrets = match options.secrets {
            SecretsChoice::Keyring => {
                Arc::new(KeyringSecrets::new(options.account.clone()).map_err(StartError::Keyring)?)
            }
            SecretsChoice::Given(secrets) => secrets,
        };
        let http = Arc::new(Http::new(options.roots));

        let (events, facts) = mpsc::channel(EVENTS);
        let (words, said) = mpsc::unbounded_channel();
        let (orders, effects) = mpsc::unbounded_channel();
        let (notifications, _) = broadcast::channel(NOTIFICATIONS);
        let (planned, reminders) = watch::channel(Arc::from([]));
        let hands = Hands::new(Tools {
            http,
            radio: RadioDesk::new(options.radio, options.radio_is_chosen, events.clone()),
            browser: options.browser,
            secrets,
            device_keys: options.device_keys,
            account: options.account,
            way_back: options.way_back.clone(),
            folder: options.folder,
            notifications: notifications.clone(),
            reminders: planned,
            events,
        });
        let hands = tokio::spawn(hands.work(effects));

        let core = Core::new(Config { hub: options.hub, device_name: options.device_name });
        let (picture, views) = watch::channel(Arc::new(core.view()));
        let mind = Mind { core, clock: Clock::start(), orders, picture };
        tokio::spawn(async move {
            let picture = mind.think(said, facts, hands).await;
            // Whoever waits for the end waits for the last picture to go; the profile is free by then.
            drop(lock);
            drop(picture);
        });
        Ok(Handle { words, views, notifications, reminders, way_back: options.way_back })
    }
}

impl Handle {
    /// The customer wants something.
    ///
    /// # Errors
    /// [`Ended`] after [`Handle::shutdown`].
    pub fn send(&self, intent: Intent) -> Result<(), Ended> {
        self.say(Word::Event(Event::Intent(intent)))
    }

    /// A deep link reached the app: `postern://…`, a claim link, or the browser's answer. Everything in it is checked.
    ///
    /// # Errors
    /// [`Ended`] after [`Handle::shutdown`].
    pub fn redirect(&self, url: String) -> Result<(), Ended> {
        let answer = self.way_back.is_answer(&url);
        self.say(Word::Event(if answer { Event::Redirected { url } } else { Event::DeepLink { url } }))
    }

    /// The app came to the foreground or left it.
    ///
    /// # Errors
    /// [`Ended`] after [`Handle::shutdown`].
    pub fn foreground(&self, foreground: bool) -> Result<(), Ended> {
        self.say(Word::Event(Event::Foreground(foreground)))
    }

    /// Everything that is to be seen, now and as it changes. It ends when the app has ended.
    pub fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.clone()
    }

    /// What the platform should notify of, from now on.
    pub fn notifications(&self) -> broadcast::Receiver<Notification> {
        self.notifications.subscribe()
    }

    /// The reminders to come, now and as they change, for a platform that shows them by itself while the app does not
    /// run. Nothing is said before the secrets are open.
    pub fn reminders(&self) -> watch::Receiver<Arc<[Reminder]>> {
        self.reminders.clone()
    }

    /// Hangs up, writes what must not be lost, and lets go of the profile. Returns when that is done.
    pub async fn shutdown(&self) {
        let mut views = self.views.clone();
        if self.say(Word::Shutdown).is_ok() {
            while views.changed().await.is_ok() {}
        }
    }

    fn say(&self, word: Word) -> Result<(), Ended> {
        self.words.send(word).map_err(|_| Ended)
    }
}

/// The core and its surroundings.
struct Mind {
    core: Core,
    clock: Clock,
    orders: mpsc::UnboundedSender<Effect>,
    picture: watch::Sender<Arc<View>>,
}

impl Mind {
    /// Until the host wants no more, or is gone.
    async fn think(
        mut self,
        mut said: mpsc::UnboundedReceiver<Word>,
        mut facts: mpsc::Receiver<Event>,
        hands: JoinHandle<()>,
    ) -> watch::Sender<Arc<View>> {
        loop {
            let due = self.core.poll_timeout().map(|at| self.clock.instant(at));
            let tick = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            let first = tokio::select! {
                biased;
                word = said.recv() => match word {
                    Some(Word::Event(event)) => event,
                    Some(Word::Shutdown) | None => break,
                },
                fact = facts.recv() => match fact {
                    Some(fact) => fact,
                    // The hands hold a sender as long as they live.
                    None => break,
                },
                () = tick => Event::Tick,
            };
            self.handle(first);
            for _ in 0..BATCH {
                let Ok(fact) = facts.try_recv() else { break };
                self.handle(fact);
            }
            self.draw();
        }
        self.core.finish();
        self.give_orders();
        let Self { orders, picture, .. } = self;
        // The hands end when no more effects can come. Their last facts have nobody to tell them to.
        drop(orders);
        drop(facts);
        let _ = hands.await;
        picture
    }

    fn handle(&mut self, event: Event) {
        // Without random numbers there are no keys; nothing sensible can be done but to stop.
        self.core.handle(event, self.clock.now(), &mut UnwrapErr(SysRng));
        self.give_orders();
    }

    fn give_orders(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            let _ = self.orders.send(effect);
        }
    }

    fn draw(&self) {
        let mut view = self.core.view();
        self.picture.send_if_modified(|shown| {
            // A view that differs in its time only shows nothing new.
            let now = std::mem::replace(&mut view.now, shown.now);
            let new = **shown != view;
            if new {
                view.now = now;
                *shown = Arc::new(view);
            }
            new
        });
    }
}
