//! Whom the app believes, and by whose hands its words go.

use std::{
    env,
    net::TcpListener,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use postern_runtime::{
    Options, Roots, WayBack,
    intent::Intent,
    view::{ProblemCode, SessionView},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::{
    bad_days::{Authorization, opened, signed_in},
    fake_hub::{Hub, Manners},
    stage::{App, options},
};

/// Says to the process of a test that it is the one with a proxy in its environment.
const INSIDE: &str = "POSTERN_TEST_BEHIND_PROXY";

/// A server's configuration, and the authority that vouches for it, in PEM.
fn authority() -> (ServerConfig, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server =
        CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![server.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (config, authority.pem())
}

async fn problem(options: Options) -> ProblemCode {
    let app = App::start(options).await;
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

/// What a phone does: no verifier of the platform, and nothing of it to be introduced.
#[tokio::test]
async fn with_roots_of_its_own_the_app_signs_in_over_tls() {
    let (tls, authority) = authority();
    let hub = Hub::start_with(Manners::default(), Some(tls)).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut options, mut pages) = options(&hub.url, folder.path());
    options.roots = Roots::carried(Some(&authority)).unwrap();
    let app = App::start(options).await;
    signed_in(&app, &mut pages).await;
    hub.asked("GET /v1/events", 1).await;
    app.end().await;
}

#[tokio::test]
async fn a_hub_that_no_root_vouches_for_is_not_believed() {
    let (tls, _) = authority();
    let (_, of_another) = authority();
    let hub = Hub::start_with(Manners::default(), Some(tls)).await;
    for roots in [Roots::carried(None), Roots::carried(Some(&of_another)), Ok(Roots::Platform)] {
        let folder = tempfile::tempdir().unwrap();
        let (mut options, _pages) = options(&hub.url, folder.path());
        options.roots = roots.unwrap();
        assert_eq!(problem(options).await, ProblemCode::WrongHub);
    }
}

/// Counts who calls, and hangs up.
fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    std::thread::spawn(move || {
        while listener.accept().is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, calls)
}

#[tokio::test]
async fn a_hub_on_this_machine_is_never_asked_by_way_of_a_proxy() {
    if env::var_os(INSIDE).is_some() {
        let hub = Hub::start(Manners::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let (mut options, mut pages) = options(&hub.url, folder.path());
        // Not by way of a browser of the test's, which would ask the proxy.
        options.way_back = WayBack::phone();
        let app = App::start(options).await;
        opened(&app).await;
        app.send(Intent::SignIn { hub: None });
        let page = Authorization::of(&mut pages).await;
        app.0.redirect(format!("postern://signed-in?code=good-code&state={}", page.state)).unwrap();
        app.holds("signed in", |view| matches!(view.session, SessionView::SignedIn { .. })).await;
        hub.asked("GET /v1/events", 1).await;
        app.end().await;
        return;
    }
    let (proxy, calls) = proxy();
    in_environment_of(&proxy, "trust::a_hub_on_this_machine_is_never_asked_by_way_of_a_proxy");
    assert_eq!(calls.load(Ordering::SeqCst), 0, "the proxy was asked");
}

#[tokio::test]
async fn a_hub_elsewhere_is_asked_by_way_of_the_proxy() {
    if env::var_os(INSIDE).is_some() {
        let folder = tempfile::tempdir().unwrap();
        let (options, _pages) = options("https://hub.example", folder.path());
        assert_eq!(problem(options).await, ProblemCode::HubUnreachable);
        return;
    }
    let (proxy, calls) = proxy();
    in_environment_of(&proxy, "trust::a_hub_elsewhere_is_asked_by_way_of_the_proxy");
    assert_ne!(calls.load(Ordering::SeqCst), 0, "nobody asked the proxy");
}

/// Runs that test in a process of its own, whose environment names the proxy for everything.
fn in_environment_of(proxy: &str, test: &str) {
    let mut process = Command::new(env::current_exe().unwrap());
    process.args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    for name in ["no_proxy", "NO_PROXY", "REQUEST_METHOD"] {
        process.env_remove(name);
    }
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        process.env(name, proxy);
    }
    let status = process.status().unwrap();
    assert!(status.success(), "{test}: {status}");
}
