//! Serving: the listener, what surrounds every request, the ready file, and the end.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue},
    middleware::{self, Next},
    response::Response,
    serve::ListenerExt,
};
use axum_server::{
    Handle,
    accept::NoDelayAcceptor,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use tokio::net::TcpListener;
use tracing::Instrument;

use crate::{
    config::Tls,
    error::{Error, Result},
    hub::Hub,
    random, routes,
};

/// How long requests that are under way may take to finish.
const PATIENCE: Duration = Duration::from_secs(10);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Serves until `hub.stopping` is cancelled, then lets requests that are under way finish.
///
/// # Errors
/// When the listener fails.
pub async fn serve(hub: Arc<Hub>, listener: TcpListener) -> Result<()> {
    let app = app(Arc::clone(&hub)).into_make_service_with_connect_info::<SocketAddr>();
    // An answer in two pieces does not wait for word of the first.
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    let (stopping, stop) = (hub.stopping.clone(), hub.stopping.clone());
    let serving =
        axum::serve(listener, app).with_graceful_shutdown(async move { stopping.cancelled().await });
    tokio::select! {
        ended = serving.into_future() => {
            ended.map_err(|error| Error::Internal(format!("listener: {error}")))
        }
        // Somebody who sends half a request and waits does not keep the hub from ending.
        () = async { stop.cancelled().await; tokio::time::sleep(PATIENCE).await } => Ok(()),
    }
}

/// As [`serve`], with the hub's own certificate.
///
/// # Errors
/// When the certificate or its key cannot be read, or the listener fails.
pub async fn serve_tls(hub: Arc<Hub>, listener: TcpListener, tls: &Tls) -> Result<()> {
    // One process, one provider: where somebody else was first that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |error: std::io::Error| Error::Internal(format!("TLS: {error}"));
    let config = RustlsConfig::from_pem_file(&tls.certificate, &tls.key).await.map_err(failed)?;
    let handle = Handle::new();
    let (stopping, stop) = (hub.stopping.clone(), handle.clone());
    tokio::spawn(async move {
        stopping.cancelled().await;
        stop.graceful_shutdown(Some(PATIENCE));
    });
    let listener = listener.into_std().map_err(failed)?;
    axum_server::from_tcp(listener)
        .map_err(failed)?
        // As with [`serve`].
        .acceptor(RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new()))
        .handle(handle)
        .serve(app(hub).into_make_service_with_connect_info::<SocketAddr>())
        .await
        .map_err(failed)
}

/// The whole application with what surrounds every request.
pub fn app(hub: Arc<Hub>) -> Router {
    routes::router(Arc::clone(&hub)).layer(middleware::from_fn_with_state(hub, around))
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
    let span = tracing::info_span!("request", %id, %method, %route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = began.elapsed();
    let status = response.status().as_u16();
    span.in_scope(|| tracing::info!(status, micros = took.as_micros() as u64, "answered"));
    hub.metrics.count(&route, &method, status, took);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
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
