//! The page in the system browser. Everything on it comes from the hub itself; nothing a request says is put into it
//! but the sealed request.

use std::sync::Arc;

use axum::{
    extract::{Query as UrlQuery, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};

use super::request::{Fault, Query};
use crate::{error::Result, hub::Hub, pages};

pub(super) async fn show(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    query: std::result::Result<UrlQuery<Query>, QueryRejection>,
) -> Result<Response> {
    let words = pages::words(&headers);
    let query = match query {
        Ok(UrlQuery(query)) => query,
        Err(_) => return Ok(broken(&hub, words)),
    };
    Ok(match query.check(hub.clock.now()) {
        Ok(request) => page(StatusCode::OK, pages::sign_in(&hub.config.name, words, &request.seal(&hub)?)),
        Err(Fault::Unsafe(what)) => {
            tracing::info!(what, "an authorization request was refused");
            broken(&hub, words)
        }
        Err(Fault::Redirect(uri)) => Redirect::to(&uri).into_response(),
    })
}

fn broken(hub: &Hub, words: &pages::Words) -> Response {
    page(StatusCode::BAD_REQUEST, pages::broken(&hub.config.name, words))
}

/// An HTML answer that may show only what the hub itself serves, in no frame, and tells nobody where it came from.
pub(super) fn page(status: StatusCode, html: String) -> Response {
    let mut response = (status, Html(html)).into_response();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "publickey-credentials-create=(self), publickey-credentials-get=(self), camera=(), geolocation=()",
        ),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
