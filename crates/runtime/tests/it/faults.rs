//! A part that panics is a part that answers "no": nobody waits for it for ever.

use std::{io, path::Path, sync::Arc};

use postern_runtime::{
    Browser, WayBack,
    intent::Intent,
    vault::{
        DeviceKey, DeviceKeys, DevicePublic, Secret, Secrets, VaultError, keys::StandInKeys,
        memory::MemorySecrets,
    },
    view::{ProblemCode, SessionView, VaultView},
};

use crate::{
    bad_days::{Authorization, opened},
    fake_hub::{Hub, Manners},
    stage::{App, options, with_secrets},
};

async fn shown(app: &App) -> ProblemCode {
    app.until("a problem", |view| match &view.session {
        SessionView::SignedOut { problem: Some(problem) }
        | SessionView::InBrowser { problem: Some(problem), .. } => Some(problem.code),
        _ => None,
    })
    .await
}

/// Panics where a request is made, as a verifier of the platform's does that nobody introduced.
struct Brittle(Arc<dyn DeviceKey>);

#[async_trait::async_trait]
impl DeviceKey for Brittle {
    fn public(&self) -> DevicePublic {
        self.0.public()
    }

    async fn sign(&self, _: &[u8]) -> Result<[u8; 64], VaultError> {
        panic!("expected to be initialized")
    }
}

struct BrittleKeys(StandInKeys);

#[async_trait::async_trait]
impl DeviceKeys for BrittleKeys {
    async fn load_or_create(&self) -> Result<(Arc<dyn DeviceKey>, bool), VaultError> {
        let (key, new) = self.0.load_or_create().await?;
        Ok((Arc::new(Brittle(key)), new))
    }

    async fn destroy(&self) -> Result<(), VaultError> {
        self.0.destroy().await
    }
}

#[tokio::test]
async fn a_request_that_panics_is_a_request_that_failed() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut options, mut pages) = options(&hub.url, folder.path());
    options.device_keys = Some(Arc::new(BrittleKeys(StandInKeys::new())));
    options.way_back = WayBack::phone();
    let app = App::start(options).await;
    opened(&app).await;
    app.send(Intent::SignIn { hub: None });
    let page = Authorization::of(&mut pages).await;
    app.0.redirect(format!("postern://signed-in?code=good-code&state={}", page.state)).unwrap();
    assert_eq!(shown(&app).await, ProblemCode::HubUnreachable);
    // And everything after it is still done.
    app.send(Intent::SignIn { hub: None });
    Authorization::of(&mut pages).await;
    app.end().await;
}

struct BrittleBrowser;

#[async_trait::async_trait]
impl Browser for BrittleBrowser {
    async fn open(&self, _: &str) -> io::Result<()> {
        panic!("no activity")
    }
}

#[tokio::test]
async fn a_browser_that_panics_is_a_browser_that_failed() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut options, _pages) = options(&hub.url, folder.path());
    options.browser = Arc::new(BrittleBrowser);
    let app = App::start(options).await;
    opened(&app).await;
    app.send(Intent::SignIn { hub: None });
    assert_eq!(shown(&app).await, ProblemCode::BrowserFailed);
    app.end().await;
}

struct BrittleSecrets;

#[async_trait::async_trait]
impl Secrets for BrittleSecrets {
    async fn get(&self, _: &str) -> Result<Option<Secret>, VaultError> {
        panic!("no context")
    }

    async fn set(&self, _: &str, _: &[u8]) -> Result<(), VaultError> {
        panic!("no context")
    }

    async fn delete(&self, _: &str) -> Result<(), VaultError> {
        panic!("no context")
    }
}

#[tokio::test]
async fn a_keyring_that_panics_is_none_and_the_app_goes_on_without() {
    let folder = tempfile::tempdir().unwrap();
    let (options, _pages) = options("http://localhost:9", folder.path());
    let app = App::start(with_secrets(options, Arc::new(BrittleSecrets))).await;
    app.holds("no keyring", |view| view.vault == VaultView::Absent).await;
    app.send(Intent::UseMemoryOnly);
    app.holds("memory only", |view| view.vault == VaultView::MemoryOnly).await;
    app.end().await;
}

async fn phone(hub: &Hub, folder: &Path, secrets: &Arc<dyn Secrets>) -> (App, Pages) {
    let (mut options, pages) = options(&hub.url, folder);
    options.way_back = WayBack::phone();
    (App::start(with_secrets(options, secrets.clone())).await, pages)
}

type Pages = tokio::sync::mpsc::UnboundedReceiver<String>;

/// The phone ends the app behind the browser, and starts it again with the browser's answer.
#[tokio::test]
async fn a_sign_in_behind_the_browser_outlives_the_process() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let secrets: Arc<dyn Secrets> = Arc::new(MemorySecrets::new());
    let (app, mut pages) = phone(&hub, folder.path(), &secrets).await;
    opened(&app).await;
    app.send(Intent::SignIn { hub: None });
    let page = Authorization::of(&mut pages).await;
    app.end().await;

    let (app, _pages) = phone(&hub, folder.path(), &secrets).await;
    // Before anything of the new process is up.
    app.0.redirect(format!("postern://signed-in?code=good-code&state={}", page.state)).unwrap();
    app.holds("signed in", |view| matches!(view.session, SessionView::SignedIn { .. }) && view.loaded).await;
    app.end().await;
}
