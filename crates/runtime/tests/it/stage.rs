//! A running app in a test, and waiting for facts.

use std::{io, path::Path, sync::Arc, time::Duration};

use postern_radio::air::AirRadio;
use postern_runtime::{
    Browser, Handle, Options, Roots, Runtime, SecretsChoice, WayBack,
    intent::Intent,
    vault::{Secrets, memory::MemorySecrets},
    view::{ReservationView, View},
};
use tokio::sync::mpsc;

/// Longest wait for any one fact, on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A browser that shows the test what it was asked to open, or fails.
pub(crate) struct Opener {
    pub(crate) opened: mpsc::UnboundedSender<String>,
    pub(crate) works: bool,
}

#[async_trait::async_trait]
impl Browser for Opener {
    async fn open(&self, url: &str) -> io::Result<()> {
        let _ = self.opened.send(url.to_owned());
        if self.works { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

/// An app with a keyring in memory and nobody on the air.
pub(crate) fn options(hub: &str, folder: &Path) -> (Options, mpsc::UnboundedReceiver<String>) {
    let (opened, pages) = mpsc::unbounded_channel();
    let options = Options {
        hub: hub.to_owned(),
        device_name: "Test phone".into(),
        folder: folder.to_owned(),
        account: "test".into(),
        radio: Arc::new(AirRadio::new("127.0.0.1:9")),
        radio_is_chosen: true,
        browser: Arc::new(Opener { opened, works: true }),
        secrets: SecretsChoice::Given(Arc::new(MemorySecrets::new())),
        device_keys: None,
        way_back: WayBack::Loopback,
        roots: Roots::Platform,
    };
    (options, pages)
}

/// The same with this keyring.
pub(crate) fn with_secrets(mut options: Options, secrets: Arc<dyn Secrets>) -> Options {
    options.secrets = SecretsChoice::Given(secrets);
    options
}

/// A running app.
pub(crate) struct App(pub(crate) Handle);

impl App {
    pub(crate) async fn start(options: Options) -> Self {
        Self(Runtime::start(options).await.expect("the app starts"))
    }

    pub(crate) fn send(&self, intent: Intent) {
        self.0.send(intent).expect("the app runs");
    }

    /// Waits for a view of which `pick` makes something.
    pub(crate) async fn until<T>(&self, what: &str, mut pick: impl FnMut(&View) -> Option<T>) -> T {
        let mut views = self.0.views();
        let wait = async {
            loop {
                let view = views.borrow_and_update().clone();
                if let Some(picked) = pick(&view) {
                    return picked;
                }
                views.changed().await.expect("the app runs");
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(picked) => picked,
            Err(_) => panic!("waited in vain: {what}\n{:#?}", self.0.views().borrow()),
        }
    }

    pub(crate) async fn holds(&self, what: &str, mut is: impl FnMut(&View) -> bool) {
        self.until(what, |view| is(view).then_some(())).await;
    }

    /// The reservation of this title, once it is as wanted.
    pub(crate) async fn reservation(
        &self,
        title: &str,
        mut is: impl FnMut(&ReservationView) -> bool,
    ) -> ReservationView {
        self.until(title, |view| view.reservations.iter().find(|r| r.title == title && is(r)).cloned()).await
    }

    pub(crate) async fn end(self) {
        tokio::time::timeout(PATIENCE, self.0.shutdown()).await.expect("the app ends");
    }
}
