//! A hub of a few lines: enough of the contract to sign in and to fetch, strict about proofs, and rude on demand.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Form, Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response, Sse, sse::Event},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use futures::StreamExt as _;
use p256::ecdsa::signature::Verifier as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

/// What it does besides answering.
#[derive(Default)]
pub(crate) struct Manners {
    /// Seconds that its clock is ahead.
    pub(crate) clock_ahead: i64,
    /// It wants this nonce in every proof.
    pub(crate) nonce: Option<&'static str>,
    /// It takes neither access nor refresh tokens any more, as after a reuse.
    pub(crate) session_ended: bool,
    /// It takes every call, and never answers.
    pub(crate) silent: bool,
}

pub(crate) struct Hub {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    manners: Mutex<Manners>,
    /// `METHOD /path` of every request whose proof was good.
    asked: watch::Sender<Vec<String>>,
    proofs: Mutex<HashSet<String>>,
    thumbprint: Mutex<Option<String>>,
    pokes: watch::Sender<u64>,
}

impl Hub {
    pub(crate) async fn start(manners: Manners) -> Self {
        Self::start_with(manners, None).await
    }

    /// The same over TLS.
    pub(crate) async fn start_with(manners: Manners, tls: Option<rustls::ServerConfig>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
        let shared = Arc::new(Shared {
            url: url.clone(),
            manners: Mutex::new(manners),
            asked: watch::channel(Vec::new()).0,
            proofs: Mutex::default(),
            thumbprint: Mutex::default(),
            pokes: watch::channel(0).0,
        });
        let proven = Router::new()
            .route("/oauth/token", post(token))
            .route("/v1/me", get(me))
            .route("/v1/changes", get(changes))
            .route("/v1/events", get(events))
            .route("/v1/tokens", post(|| async { Json(json!({ "grants": [], "bulletins": [] })) }))
            .layer(from_fn_with_state(shared.clone(), check_proof));
        let app = Router::new()
            .route("/.well-known/postern", get(info))
            .merge(proven)
            .layer(from_fn_with_state(shared.clone(), date))
            .with_state(shared.clone());
        match tls {
            None => drop(tokio::spawn(async move { axum::serve(listener, app).await })),
            Some(tls) => {
                let tls = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(tls));
                let server = axum_server::from_tcp_rustls(listener.into_std().unwrap(), tls).unwrap();
                tokio::spawn(server.serve(app.into_make_service()));
            }
        }
        Self { url, shared }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.shared.manners.lock().unwrap());
    }

    /// Tells everybody that something changed.
    pub(crate) fn poke(&self) {
        self.shared.pokes.send_modify(|n| *n += 1);
    }

    /// How often this was asked so far.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.shared.asked.borrow().iter().filter(|asked| *asked == what).count()
    }

    /// Waits until this was asked so often.
    pub(crate) async fn asked(&self, what: &str, times: usize) {
        let mut asked = self.shared.asked.subscribe();
        let enough = asked.wait_for(|asked| asked.iter().filter(|a| *a == what).count() >= times);
        tokio::time::timeout(crate::stage::PATIENCE, enough).await.expect(what).unwrap();
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

type Hubs = State<Arc<Shared>>;

async fn date(State(hub): Hubs, request: Request, next: Next) -> Response {
    let (ahead, silent) = {
        let manners = hub.manners.lock().unwrap();
        (manners.clock_ahead, manners.silent)
    };
    if silent {
        std::future::pending::<()>().await;
    }
    let mut response = next.run(request).await;
    let at = UNIX_EPOCH + std::time::Duration::from_secs((now() + ahead) as u64);
    response.headers_mut().insert(header::DATE, httpdate::fmt_http_date(at).parse().unwrap());
    response
}

async fn info(State(hub): Hubs) -> Json<Value> {
    let ahead = hub.manners.lock().unwrap().clock_ahead;
    Json(json!({
        "hub": "fake", "name": "A fake hub", "api": 1, "issuer": hub.url,
        "authorization_endpoint": format!("{}/authorize", hub.url),
        "token_endpoint": format!("{}/oauth/token", hub.url),
        "now": now() + ahead,
    }))
}

/// RFC 9449 §4.3, for Ed25519 and P-256.
async fn check_proof(State(hub): Hubs, request: Request, next: Next) -> Response {
    match proof_fault(&hub, &request) {
        None if hub.manners.lock().unwrap().session_ended && request.uri().path().starts_with("/v1") => {
            (StatusCode::UNAUTHORIZED, Json(json!({
                "type": "urn:postern:problem:unauthenticated", "title": "ended", "status": 401, "code": "unauthenticated",
            })))
                .into_response()
        }
        None => {
            let what = format!("{} {}", request.method(), request.uri().path());
            hub.asked.send_modify(|asked| asked.push(what));
            next.run(request).await
        }
        Some("use_dpop_nonce") => {
            let nonce = hub.manners.lock().unwrap().nonce.unwrap_or_default();
            let status = if request.uri().path() == "/oauth/token" {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::UNAUTHORIZED
            };
            (
                status,
                [("dpop-nonce", nonce), ("www-authenticate", "DPoP error=\"use_dpop_nonce\"")],
                Json(json!({ "error": "use_dpop_nonce" })),
            )
                .into_response()
        }
        Some(fault) => (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": "invalid_dpop_proof", "error_description": fault })),
        )
            .into_response(),
    }
}

fn proof_fault(hub: &Shared, request: &Request) -> Option<&'static str> {
    let text = |name: &str| request.headers().get(name)?.to_str().ok();
    let proof = text("dpop").unwrap_or_default();
    let Some((signed, signature)) = proof.rsplit_once('.') else { return Some("no proof") };
    let signature = BASE64.decode(signature).unwrap_or_default();
    let part = |index: usize| -> Value {
        let bytes = BASE64.decode(signed.split('.').nth(index).unwrap_or_default()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    };
    let (header, claims) = (part(0), part(1));
    let coordinate =
        |name: &str| BASE64.decode(header["jwk"][name].as_str().unwrap_or_default()).unwrap_or_default();
    let (good, canonical) = match header["alg"].as_str() {
        Some("EdDSA") => {
            let key = coordinate("x")
                .try_into()
                .ok()
                .and_then(|x| ed25519_dalek::VerifyingKey::from_bytes(&x).ok());
            let signature = ed25519_dalek::Signature::from_slice(&signature).ok();
            let good =
                key.zip(signature).is_some_and(|(k, s)| k.verify_strict(signed.as_bytes(), &s).is_ok());
            (good, format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, BASE64.encode(coordinate("x"))))
        }
        Some("ES256") => {
            let point = [vec![4], coordinate("x"), coordinate("y")].concat();
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok();
            let signature = p256::ecdsa::Signature::from_slice(&signature).ok();
            let good = key.zip(signature).is_some_and(|(k, s)| k.verify(signed.as_bytes(), &s).is_ok());
            let [x, y] = ["x", "y"].map(|name| BASE64.encode(coordinate(name)));
            (good, format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
        }
        _ => return Some("alg"),
    };
    if !good {
        return Some("signature");
    }
    let manners = hub.manners.lock().unwrap();
    if manners.nonce.is_some_and(|nonce| claims["nonce"] != nonce) {
        return Some("use_dpop_nonce");
    }
    if claims["htm"] != request.method().as_str()
        || claims["htu"] != format!("{}{}", hub.url, request.uri().path())
    {
        return Some("htm or htu");
    }
    if (claims["iat"].as_i64().unwrap_or(0) - now() - manners.clock_ahead).abs() > 10 {
        return Some("iat");
    }
    let token = text("authorization").and_then(|value| value.strip_prefix("DPoP "));
    let ath = token.map(|token| BASE64.encode(Sha256::digest(token)));
    if claims["ath"].as_str() != ath.as_deref() {
        return Some("ath");
    }
    if !hub.proofs.lock().unwrap().insert(claims["jti"].to_string()) {
        return Some("replayed");
    }
    let thumbprint = BASE64.encode(Sha256::digest(canonical));
    let mut bound = hub.thumbprint.lock().unwrap();
    if token.is_some() && bound.as_deref().is_some_and(|bound| bound != thumbprint) {
        return Some("another key");
    }
    bound.get_or_insert(thumbprint);
    None
}

async fn token(State(hub): Hubs, headers: HeaderMap, Form(form): Form<Vec<(String, String)>>) -> Response {
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert!(headers.contains_key("dpop"));
    let manners = hub.manners.lock().unwrap();
    let refuse = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    match field("grant_type") {
        Some("authorization_code") if field("code") == Some("good-code") => {}
        Some("refresh_token") if !manners.session_ended => {}
        _ => return refuse("invalid_grant"),
    }
    Json(json!({
        "access_token": "access-token-of-the-customer",
        "token_type": "DPoP",
        "expires_in": 600,
        "refresh_token": "refresh-token-of-the-customer",
    }))
    .into_response()
}

async fn me() -> Json<Value> {
    Json(json!({
        "id": "acc", "display_name": "Ada", "guest": false, "device_id": "dev",
        "devices": [{ "id": "dev", "name": "Test phone", "created_at": 1, "last_seen_at": 1 }],
        "prefers_low_doors": false,
    }))
}

async fn changes() -> Json<Value> {
    Json(json!({
        "cursor": "c1", "reservations": [], "removed": [], "lockers": [], "more": false, "now": now(),
    }))
}

async fn events(State(hub): Hubs) -> impl IntoResponse {
    let pokes = hub.pokes.subscribe();
    let stream = futures::stream::unfold(pokes, |mut pokes| async move {
        pokes.changed().await.ok()?;
        Some((Ok::<_, std::convert::Infallible>(Event::default().data("{\"cursor\":\"c1\"}")), pokes))
    });
    Sse::new(stream.boxed())
}
