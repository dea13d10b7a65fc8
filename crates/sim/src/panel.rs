//! The live panel: a page, and the JSON API of PANEL.md. Loopback only: whoever reaches it may do everything.

mod api;
mod state;

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use postern_radio::air::AirServer;
use tokio::net::TcpListener;

use crate::{courier::Courier, world::World};

/// What the panel works on.
pub struct Panel {
    /// The cabinets.
    pub world: Arc<World>,
    /// Their radio, if it is `air`.
    pub air: Option<Arc<AirServer>>,
    /// The courier of a carrier at the hub.
    pub courier: Option<Arc<Courier>>,
}

/// Listens; port 0 takes any. Returns the address and the server to run.
///
/// # Errors
/// When the address is not a loopback one, or cannot be bound.
pub async fn bind(
    address: SocketAddr,
    panel: Panel,
) -> io::Result<(SocketAddr, impl Future<Output = io::Result<()>>)> {
    if !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the panel is for the loopback interface only",
        ));
    }
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let app = Router::new()
        .route("/", get(|| page("text/html; charset=utf-8", include_str!("panel/index.html"))))
        .route("/panel.css", get(|| page("text/css; charset=utf-8", include_str!("panel/panel.css"))))
        .route("/panel.js", get(|| page("text/javascript; charset=utf-8", include_str!("panel/panel.js"))))
        .nest("/api", api::routes())
        .layer(middleware::from_fn(only_from_here))
        .layer(middleware::map_response(unframed))
        .with_state(Arc::new(panel));
    Ok((address, async move { axum::serve(listener, app).await }))
}

async fn page(kind: &'static str, text: &'static str) -> Response {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                  frame-ancestors 'none'; form-action 'none'; base-uri 'none'";
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, policy)], text).into_response()
}

/// Nothing of this is shown within another page, where a click could be stolen.
async fn unframed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}

/// A page on the internet can make a browser here send requests: none from another origin, and none by a name that
/// somebody else's DNS points here.
async fn only_from_here(request: Request, next: Next) -> Response {
    let host = text(request.headers(), &header::HOST);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
    let origin = text(request.headers(), &header::ORIGIN);
    let same = origin.is_empty() || origin.strip_prefix("http://") == Some(host);
    if local && same { next.run(request).await } else { StatusCode::FORBIDDEN.into_response() }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
