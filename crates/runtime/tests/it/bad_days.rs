//! Each bad day has a state of its own and a way on.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use postern_runtime::{
    Runtime, StartError, WayBack,
    intent::Intent,
    vault::{Secret, Secrets, VaultError, keys::StandInKeys, memory::MemorySecrets},
    view::{NetworkView, NoticeCode, ProblemCode, SessionView, VaultView, View},
};
use tokio::{net::TcpStream, sync::mpsc};
use url::Url;

use crate::{
    fake_hub::{Hub, Manners},
    stage::{App, Opener, options, with_secrets},
};

/// What the browser was asked to open, as the hub reads it.
pub(crate) struct Authorization {
    redirect: Url,
    pub(crate) state: String,
}

impl Authorization {
    pub(crate) async fn of(pages: &mut mpsc::UnboundedReceiver<String>) -> Self {
        let page = tokio::time::timeout(crate::stage::PATIENCE, pages.recv()).await.unwrap().unwrap();
        let page = Url::parse(&page).unwrap();
        let field = |name: &str| page.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
        assert_eq!(field("code_challenge_method"), "S256");
        Self { redirect: Url::parse(&field("redirect_uri")).unwrap(), state: field("state") }
    }

    /// The browser goes back, as it was sent by the hub or by somebody else.
    async fn back(&self, pairs: &[(&str, &str)]) -> u16 {
        let mut url = self.redirect.clone();
        url.query_pairs_mut().extend_pairs(pairs);
        crate::parts::http().get(url).send().await.unwrap().status().as_u16()
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.redirect.port().unwrap()))
    }
}

pub(crate) async fn opened(app: &App) {
    app.holds("the vault", |view| matches!(view.vault, VaultView::Keyring | VaultView::MemoryOnly)).await;
}

pub(crate) async fn signed_in(app: &App, pages: &mut mpsc::UnboundedReceiver<String>) {
    opened(app).await;
    app.send(Intent::SignIn { hub: None });
    let page = Authorization::of(pages).await;
    assert_eq!(page.back(&[("code", "good-code"), ("state", &page.state)]).await, 200);
    app.holds("signed in", |view| matches!(view.session, SessionView::SignedIn { .. }) && view.loaded).await;
}

/// Signs in at this hub and gives the problem that comes of it.
async fn refused(hub: &str) -> ProblemCode {
    let folder = tempfile::tempdir().unwrap();
    let app = App::start(options(hub, folder.path()).0).await;
    opened(&app).await;
    app.send(Intent::SignIn { hub: None });
    let problem = app
        .until("a problem", |view| match &view.session {
            SessionView::SignedOut { problem: Some(problem) } => Some(problem.code),
            _ => None,
        })
        .await;
    app.end().await;
    problem
}

#[tokio::test]
async fn hub_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(refused(&nobody).await, ProblemCode::HubUnreachable);
}

#[tokio::test]
async fn wrong_hub() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let portal = format!("http://{}", listener.local_addr().unwrap());
    let app =
        axum::Router::new().fallback(|| async { axum::response::Html("<h1>Welcome to our café</h1>") });
    tokio::spawn(async move { axum::serve(listener, app).await });
    assert_eq!(refused(&portal).await, ProblemCode::WrongHub);
}

#[tokio::test]
async fn clock_skew() {
    let hub = Hub::start(Manners { clock_ahead: 3_600, ..Manners::default() }).await;
    assert_eq!(refused(&hub.url).await, ProblemCode::ClockSkew);
}

#[tokio::test]
async fn a_clock_that_is_somewhat_wrong_does_not_keep_the_customer_out() {
    let hub = Hub::start(Manners { clock_ahead: 200, ..Manners::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let (options, mut pages) = options(&hub.url, folder.path());
    let app = App::start(options).await;
    signed_in(&app, &mut pages).await;
    app.holds("said", |view| matches!(view.network, NetworkView::ClockSkew { seconds } if seconds < -120))
        .await;
    app.end().await;
}

#[tokio::test]
async fn credentials_are_not_sent_in_clear_to_another_machine() {
    assert_eq!(refused("http://hub.example").await, ProblemCode::WrongHub);
}

/// A keyring whose state the test chooses.
struct Moody {
    inner: MemorySecrets,
    mood: AtomicU8,
}

const WELL: u8 = 0;
const ABSENT: u8 = 1;
const LOCKED: u8 = 2;

impl Moody {
    fn new(mood: u8) -> Arc<Self> {
        Arc::new(Self { inner: MemorySecrets::new(), mood: AtomicU8::new(mood) })
    }

    fn check(&self) -> Result<(), VaultError> {
        match self.mood.load(Ordering::SeqCst) {
            ABSENT => Err(VaultError::Absent("the test has none".into())),
            LOCKED => Err(VaultError::Locked),
            _ => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl Secrets for Moody {
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        self.check()?;
        self.inner.get(name).await
    }
    async fn set(&self, name: &str, secret: &[u8]) -> Result<(), VaultError> {
        self.check()?;
        self.inner.set(name, secret).await
    }
    async fn delete(&self, name: &str) -> Result<(), VaultError> {
        self.check()?;
        self.inner.delete(name).await
    }
}

#[tokio::test]
async fn keyring_absent_then_memory_only() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (options, mut pages) = options(&hub.url, folder.path());
    let app = App::start(with_secrets(options, Moody::new(ABSENT))).await;
    app.holds("absent", |view| view.vault == VaultView::Absent).await;
    // Nothing happens by itself: the customer decides.
    app.send(Intent::SignIn { hub: None });
    app.send(Intent::UseMemoryOnly);
    app.holds("memory only", |view| view.vault == VaultView::MemoryOnly).await;
    signed_in(&app, &mut pages).await;
    app.end().await;
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["lock"], "no trace of a memory-only session on disk");
}

#[tokio::test]
async fn keyring_locked_then_unlocked() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let secrets = Moody::new(LOCKED);
    let app = App::start(with_secrets(options(&hub.url, folder.path()).0, secrets.clone())).await;
    app.holds("locked", |view| view.vault == VaultView::Locked).await;
    secrets.mood.store(WELL, Ordering::SeqCst);
    app.send(Intent::RetryKeyring);
    app.holds("open", |view| view.vault == VaultView::Keyring).await;
    app.end().await;
}

#[tokio::test]
async fn browser_closed_in_the_middle_of_sign_in() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (options, mut pages) = options(&hub.url, folder.path());
    let app = App::start(options).await;
    opened(&app).await;
    app.send(Intent::SignIn { hub: None });
    let page = Authorization::of(&mut pages).await;
    app.holds("waiting", |view| matches!(view.session, SessionView::InBrowser { .. })).await;
    app.send(Intent::CancelSignIn);
    app.holds("given up", |view| matches!(view.session, SessionView::SignedOut { .. })).await;
    // The port is free again, whatever comes back late.
    let gone = async { while TcpStream::connect(page.address()).await.is_ok() {} };
    tokio::time::timeout(crate::stage::PATIENCE, gone).await.expect("the listener is gone");

    app.send(Intent::SignIn { hub: None });
    let page = Authorization::of(&mut pages).await;
    page.back(&[("error", "access_denied"), ("state", &page.state)]).await;
    app.holds("refused", |view| {
        matches!(&view.session, SessionView::SignedOut { problem: Some(p) } if p.code == ProblemCode::SignInRefused)
    })
    .await;
    app.end().await;
}

#[tokio::test]
async fn no_browser_at_all() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut options, _) = options(&hub.url, folder.path());
    let (opened_in, mut pages) = mpsc::unbounded_channel();
    options.browser = Arc::new(Opener { opened: opened_in, works: false });
    let app = App::start(options).await;
    opened(&app).await;
    app.send(Intent::SignIn { hub: None });
    let page = Authorization::of(&mut pages).await;
    app.holds("said", |view| {
        matches!(&view.session, SessionView::InBrowser { problem: Some(p), .. } if p.code == ProblemCode::BrowserFailed)
    })
    .await;
    // The customer opens the address by hand.
    page.back(&[("code", "good-code"), ("state", &page.state)]).await;
    app.holds("signed in", |view| matches!(view.session, SessionView::SignedIn { .. })).await;
    app.end().await;
}

#[tokio::test]
async fn redirect_abuse_is_refused_and_the_wait_goes_on() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (options, mut pages) = options(&hub.url, folder.path());
    let app = App::start(options).await;
    opened(&app).await;
    app.send(Intent::SignIn { hub: None });
    let page = Authorization::of(&mut pages).await;
    page.back(&[("code", "an attacker's"), ("state", "made up")]).await;
    app.holds("refused", |view| {
        matches!(&view.session, SessionView::InBrowser { problem: Some(p), .. } if p.code == ProblemCode::SignInMismatch)
    })
    .await;
    assert_eq!(hub.count("POST /oauth/token"), 0, "the attacker's code was not redeemed");
    page.back(&[("code", "good-code"), ("state", &page.state)]).await;
    app.holds("signed in", |view| matches!(view.session, SessionView::SignedIn { .. })).await;
    app.end().await;
}

/// A phone stops the app behind the browser: the way back is a link, and nobody listens on a port.
#[tokio::test]
async fn a_phone_comes_back_by_its_link() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut options, mut pages) = options(&hub.url, folder.path());
    options.way_back = WayBack::phone();
    let app = App::start(options).await;
    opened(&app).await;
    app.send(Intent::SignIn { hub: None });
    let page = Authorization::of(&mut pages).await;
    assert_eq!(page.redirect.as_str(), "postern://signed-in");

    let back = |code: &str, state: &str| format!("postern://signed-in?code={code}&state={state}");
    app.0.redirect(back("stolen", "made-up")).unwrap();
    app.holds("refused", |view| {
        matches!(&view.session, SessionView::InBrowser { problem: Some(p), .. } if p.code == ProblemCode::SignInMismatch)
    })
    .await;
    assert_eq!(hub.count("POST /oauth/token"), 0, "another app's code was not redeemed");
    app.0.redirect(back("good-code", &page.state)).unwrap();
    app.holds("signed in", |view| matches!(view.session, SessionView::SignedIn { .. })).await;
    app.end().await;
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_session_with_words_and_loses_nothing() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (options, mut pages) = options(&hub.url, folder.path());
    let app = App::start(options).await;
    signed_in(&app, &mut pages).await;
    hub.change(|manners| manners.session_ended = true);
    app.send(Intent::Refresh);
    app.holds("said", |view| view.network == NetworkView::SignInAgain).await;
    app.holds("still there", |view| view.loaded).await;

    // And the way back.
    hub.change(|manners| *manners = Manners::default());
    app.send(Intent::SignIn { hub: None });
    let page = Authorization::of(&mut pages).await;
    page.back(&[("code", "good-code"), ("state", &page.state)]).await;
    app.holds("well again", |view| view.network == NetworkView::Online).await;
    app.end().await;
}

/// A hub that takes the call and never answers: the sign-in says so and can be tried again, and what was fetched is shown as it is
/// when there is no network. When it speaks again, so does the app.
#[tokio::test]
async fn a_hub_that_never_answers_is_not_waited_for() {
    let hub = Hub::start(Manners { silent: true, ..Manners::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let (options, mut pages) = options(&hub.url, folder.path());
    let app = App::start(options).await;
    opened(&app).await;
    app.send(Intent::SignIn { hub: None });
    let problem = app
        .until("words", |view| match &view.session {
            SessionView::SignedOut { problem } => problem.as_ref().map(|problem| problem.code),
            _ => None,
        })
        .await;
    assert_eq!(problem, ProblemCode::HubUnreachable);
    hub.change(|manners| manners.silent = false);
    signed_in(&app, &mut pages).await;
    app.holds("everything", |view| view.loaded && view.network == NetworkView::Online).await;

    hub.change(|manners| manners.silent = true);
    app.send(Intent::Refresh);
    let offline = |view: &View| matches!(view.network, NetworkView::Offline { since: Some(_) });
    app.holds("no network", |view| offline(view) && view.loaded).await;
    hub.change(|manners| manners.silent = false);
    app.send(Intent::Refresh);
    app.holds("the network", |view| view.network == NetworkView::Online).await;
    app.end().await;
}

#[tokio::test]
async fn the_hub_may_ask_for_its_own_nonce() {
    let hub = Hub::start(Manners { nonce: Some("n-1"), ..Manners::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let (options, mut pages) = options(&hub.url, folder.path());
    let app = App::start(options).await;
    signed_in(&app, &mut pages).await;
    hub.change(|manners| manners.nonce = Some("n-2"));
    let before = hub.count("GET /v1/changes");
    app.send(Intent::Refresh);
    hub.asked("GET /v1/changes", before + 1).await;
    app.end().await;
}

#[tokio::test]
async fn a_key_in_hardware_signs_in_as_well() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut options, mut pages) = options(&hub.url, folder.path());
    options.device_keys = Some(Arc::new(StandInKeys::new()));
    let app = App::start(options).await;
    signed_in(&app, &mut pages).await;
    app.end().await;
}

#[tokio::test]
async fn a_poke_of_the_hub_fetches_at_once() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let (options, mut pages) = options(&hub.url, folder.path());
    let app = App::start(options).await;
    signed_in(&app, &mut pages).await;
    hub.asked("GET /v1/events", 1).await;
    // The fetch that follows the connection.
    hub.asked("GET /v1/changes", 2).await;
    let before = hub.count("GET /v1/changes");
    hub.poke();
    hub.asked("GET /v1/changes", before + 1).await;
    app.end().await;
}

#[tokio::test]
async fn a_second_instance_is_told_so_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = App::start(options("http://localhost:9", folder.path()).0).await;
    let second = Runtime::start(options("http://localhost:9", folder.path()).0).await;
    assert!(matches!(second.map(drop), Err(StartError::InUse)));
    opened(&first).await;
    first.end().await;
    App::start(options("http://localhost:9", folder.path()).0).await.end().await;
}

#[tokio::test]
async fn a_session_outlives_the_process_and_a_damaged_store_is_healed_from_the_hub() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let secrets: Arc<dyn Secrets> = Arc::new(MemorySecrets::new());
    let (first, mut pages) = options(&hub.url, folder.path());
    let app = App::start(with_secrets(first, secrets.clone())).await;
    signed_in(&app, &mut pages).await;
    app.end().await;

    let app = App::start(with_secrets(options(&hub.url, folder.path()).0, secrets.clone())).await;
    app.holds(
        "signed in",
        |view| matches!(&view.session, SessionView::SignedIn { name, .. } if name == "Ada"),
    )
    .await;
    app.end().await;

    let store = folder.path().join("wallet.sealed");
    let length = std::fs::metadata(&store).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&store).unwrap().set_len(length / 2).unwrap();
    let app = App::start(with_secrets(options(&hub.url, folder.path()).0, secrets)).await;
    app.holds("told", |view| view.notices.iter().any(|n| n.code == NoticeCode::StoreHealed)).await;
    app.holds("healed", |view| view.loaded && matches!(view.session, SessionView::SignedIn { .. })).await;
    app.end().await;
    assert!(folder.path().join("wallet.sealed.damaged-1").exists());
}

#[tokio::test]
async fn signing_out_leaves_nothing() {
    let hub = Hub::start(Manners::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let secrets: Arc<dyn Secrets> = Arc::new(MemorySecrets::new());
    let (options, mut pages) = options(&hub.url, folder.path());
    let app = App::start(with_secrets(options, secrets.clone())).await;
    signed_in(&app, &mut pages).await;
    let key = secrets.get("device-key").await.unwrap().unwrap();
    app.send(Intent::SignOut);
    app.holds("signed out", |view| {
        matches!(view.session, SessionView::SignedOut { .. }) && view.vault == VaultView::Keyring
    })
    .await;
    app.end().await;
    assert!(secrets.get("session").await.unwrap().is_none());
    assert_ne!(secrets.get("device-key").await.unwrap().unwrap(), key, "a new device key");
    assert!(!folder.path().join("wallet.sealed").exists());
}
