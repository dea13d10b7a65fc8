//! Serving: the listener, what surrounds every request, the ready file, and the end.

mod connections;
pub mod web_app;

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Router,
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::Response,
};
use axum_server::{
    Handle, Server,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use tokio::net::TcpListener;
use tower_http::timeout::{RequestBodyDeadlineLayer, RequestBodyTimeoutLayer};
use tracing::Instrument;

use self::connections::Gate;
pub use self::connections::raise_limit;
use crate::{
    attempt,
    auth::rate::Budget,
    config::Tls,
    error::{Error, Result},
    hub::Hub,
    random, routes,
};

/// How long requests that are under way may take to finish.
const PATIENCE: Duration = Duration::from_secs(10);
/// For the head of a request, which is also how long a connection may be idle between two. A TLS handshake has as long.
const HEAD: Duration = Duration::from_secs(20);
/// Between two pieces of a body.
const PIECE: Duration = Duration::from_secs(15);
/// For a whole body: a report with photos over a poor network.
const BODY: Duration = Duration::from_secs(180);
/// Longest head, bytes.
const LONGEST_HEAD: usize = 64 * 1024;
/// Requests at once on one connection of HTTP/2.
const STREAMS: u32 = 100;
/// How often a certificate's files are looked at.
const RENEWED: Duration = Duration::from_secs(60);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Serves until `hub.stopping` is cancelled, then lets requests that are under way finish.
///
/// # Errors
/// When the listener fails.
pub async fn serve(hub: Arc<Hub>, listener: TcpListener) -> Result<()> {
    let server = patient(listener)?.acceptor(gate(&hub)).handle(handle(&hub));
    server.serve(app(hub).into_make_service_with_connect_info::<SocketAddr>()).await.map_err(failed)
}

/// As [`serve`], with the hub's own certificate.
///
/// # Errors
/// When the listener fails.
pub async fn serve_tls(hub: Arc<Hub>, listener: TcpListener, certificate: Certificate) -> Result<()> {
    let config = certificate.config.clone();
    let acceptor = RustlsAcceptor::new(config).handshake_timeout(HEAD).acceptor(gate(&hub));
    let server = patient(listener)?.acceptor(acceptor).handle(handle(&hub));
    tokio::select! {
        served = server.serve(app(hub).into_make_service_with_connect_info::<SocketAddr>()) => served.map_err(failed),
        never = certificate.renew() => match never {},
    }
}

/// A certificate and its key that were read.
pub struct Certificate {
    config: RustlsConfig,
    files: Tls,
    of: Option<SystemTime>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be read, or do not hold a certificate and its key.
    pub async fn read(files: &Tls) -> Result<Self> {
        // One process, one provider: where somebody else was first that is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let of = changed(files);
        let config = RustlsConfig::from_pem_file(&files.certificate, &files.key).await.map_err(|error| {
            let (chain, key) = (files.certificate.display(), files.key.display());
            Error::Internal(format!("TLS: {chain}, {key}: {error}"))
        })?;
        Ok(Self { config, files: files.clone(), of })
    }

    /// Takes up what the files hold whenever they change. Where that is not sound, the one before is used further.
    async fn renew(mut self) -> Infallible {
        loop {
            tokio::time::sleep(RENEWED).await;
            let now = changed(&self.files);
            if now == self.of {
                continue;
            }
            self.of = now;
            match self.config.reload_from_pem_file(&self.files.certificate, &self.files.key).await {
                Ok(()) => tracing::info!("the certificate was renewed"),
                Err(error) => tracing::error!(%error, "the renewed certificate cannot be used"),
            }
        }
    }
}

fn changed(files: &Tls) -> Option<SystemTime> {
    let of = |path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    of(&files.certificate).max(of(&files.key))
}

/// Connections have descriptors as far as they go. Behind a proxy all are its own.
fn gate(hub: &Hub) -> Gate {
    let of_one = (!hub.config.behind_proxy).then_some(hub.config.connections_per_address);
    Gate::new(raise_limit(), of_one)
}

/// With the limits of time that hold for every connection.
fn patient(listener: TcpListener) -> Result<Server<SocketAddr>> {
    let listener = listener.into_std().map_err(failed)?;
    let mut server = axum_server::from_tcp(listener).map_err(failed)?.first_request_timeout(HEAD);
    let builder = server.http_builder();
    builder.http1().header_read_timeout(HEAD).max_buf_size(LONGEST_HEAD);
    builder
        .http2()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(LONGEST_HEAD as u32)
        .keep_alive_interval(HEAD)
        .keep_alive_timeout(HEAD);
    Ok(server.accept_error_handler(|_, error| tracing::debug!(%error, "a connection was not accepted")))
}

/// Ends with the hub. Somebody who sends half a request and waits does not keep it from ending.
fn handle(hub: &Hub) -> Handle<SocketAddr> {
    let handle = Handle::new();
    let (stopping, stop) = (hub.stopping.clone(), handle.clone());
    tokio::spawn(async move {
        stopping.cancelled().await;
        stop.graceful_shutdown(Some(PATIENCE));
    });
    handle
}

fn failed(error: std::io::Error) -> Error {
    Error::Internal(format!("listener: {error}"))
}

/// The whole application with what surrounds every request.
pub fn app(hub: Arc<Hub>) -> Router {
    routes::router(Arc::clone(&hub), web_app::router(&hub))
        .layer(RequestBodyTimeoutLayer::new(PIECE))
        .layer(RequestBodyDeadlineLayer::new(BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&hub), attempt::carry_out))
        .layer(middleware::from_fn_with_state(hub, around))
}

/// Gives each request an id, counts and logs it. Paths hold ids of reservations, so the log has the pattern only.
async fn around(State(hub): State<Arc<Hub>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().to_string();
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let given = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    let plain = |id: &&str| {
        (8..=64).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    let id = given.filter(plain).map_or_else(random::id, str::to_owned);
    // Tests drive the application without a listener.
    if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 0))));
    }
    let budget = Budget::default();
    request.extensions_mut().insert(budget.clone());
    let span = tracing::info_span!("request", %id, %method, %route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = began.elapsed();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::info!(status, micros = took.as_micros() as u64, "answered"));
    hub.metrics.count(&route, &method, status, took);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    budget.say(response.headers_mut());
    // Tokens, PINs and names are for the caller alone (RFC 9111 section 5.2.2). What has an `ETag` the caller asks for again.
    if route.starts_with(postern_api::PREFIX) {
        let kept = response.headers().contains_key(header::ETAG);
        let control = HeaderValue::from_static(if kept { "private, no-cache" } else { "no-store" });
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(control);
    }
    // RFC 6797. Behind a proxy it is the proxy's to say; `localhost` has plain services of others as well.
    if hub.config.tls.is_some() && !hub.is_local() {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// Writes `text` to `path` so that a reader never sees half of it.
///
/// # Errors
/// When the file cannot be written.
pub fn write_ready_file(path: &Path, text: &str) -> Result<()> {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, path))
        .map_err(|error| Error::Internal(format!("ready file: {error}")))
}
