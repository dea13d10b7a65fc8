//! The page in the system browser. Everything on it comes from the hub itself; nothing a request says is put into it
//! but the sealed request.

use std::sync::Arc;

use axum::{
    extract::{Path, Query as UrlQuery, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};

use postern_api::{account::PAGE_PATH, problem::Code};

use super::request::{Fault, Query};
use crate::{
    domain::{invitations, shares},
    error::Result,
    hub::Hub,
    pages,
    server::web_app,
};

/// The sign-in page, for the system browser (RFC 6749 section 4.1.1, RFC 7636, RFC 8252). It ends with a redirect that
/// carries `code`, `state` and `iss` (RFC 9207), or `error`.
#[utoipa::path(get, path = "/authorize", tag = "sign-in", params(Query), responses(
    (status = 200, content_type = "text/html", body = String, description = "The page."),
    (status = 303, description = "Back to the app with `error` and `state`."),
    (status = 400, content_type = "text/html", body = String,
        description = "Not of an app that the hub knows: nobody is sent anywhere."),
))]
pub(super) async fn show(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    query: std::result::Result<UrlQuery<Query>, QueryRejection>,
) -> Result<Response> {
    let words = pages::words(&headers);
    let Ok(UrlQuery(query)) = query else { return Ok(broken(&hub, words)) };
    let app = app_page(&hub);
    Ok(match query.check(hub.clock.now(), app.as_deref()) {
        Ok(request) => {
            let sealed = request.seal(&hub)?;
            let name = &hub.config.name;
            page(
                StatusCode::OK,
                if request.add_passkey {
                    pages::add_passkey(name, words, &sealed)
                } else {
                    pages::sign_in(name, words, &sealed, request.claim.is_some())
                },
            )
        }
        Err(Fault::Unsafe(what)) => {
            tracing::info!(what, "an authorization request was refused");
            broken(&hub, words)
        }
        Err(Fault::Redirect(uri)) => Redirect::to(&uri).into_response(),
    })
}

/// Where a claim link leads in a browser: on to the app. Looking at it uses nothing up, so that a messenger's preview does
/// not either.
#[utoipa::path(get, path = "/claim/{secret}", tag = "sign-in",
    params(("secret" = String, Path, description = "What `POST /v1/claims` takes.")),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "A page that opens the app."),
        (status = 410, content_type = "text/html", body = String, description = "The link is over."),
    ))]
pub(super) async fn claim(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    Path(secret): Path<String>,
) -> Response {
    let words = pages::words(&headers);
    match shares::check(&hub, &secret).await {
        Ok(of) => {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("hub", hub.public_url())
                .append_pair("claim", &secret)
                .finish();
            let app = hub.config.apps.get.as_deref();
            // In the fragment, which no server and no log sees.
            let here = web_app::is_served(&hub).then(|| format!("{PAGE_PATH}#claim={secret}"));
            page(
                StatusCode::OK,
                pages::claim(
                    &hub.config.name,
                    words,
                    of,
                    &format!("postern://claim?{query}"),
                    here.as_deref(),
                    app,
                ),
            )
        }
        Err(error) if error.code() == Code::ClaimEnded => {
            page(StatusCode::GONE, pages::claim_ended(&hub.config.name, words))
        }
        Err(error) => error.into_response(),
    }
}

/// Where the link of an invitation to a flat leads in a browser: what it is to, and on to the app. Looking uses nothing up.
#[utoipa::path(get, path = "/home/{code}", tag = "sign-in",
    params(("code" = String, Path, description = "What `POST /v1/homes` takes.")),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "A page that opens the app."),
        (status = 410, content_type = "text/html", body = String, description = "The link is over, or never was."),
    ))]
pub(super) async fn home(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Response {
    let words = pages::words(&headers);
    match invitations::look(&hub, &code).await {
        Ok(to) => {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("hub", hub.public_url())
                .append_pair("code", &code)
                .finish();
            let here = web_app::is_served(&hub).then(|| {
                let code: String = url::form_urlencoded::byte_serialize(code.as_bytes()).collect();
                format!("{PAGE_PATH}#home={code}")
            });
            let link = format!("postern://home?{query}");
            let app = hub.config.apps.get.as_deref();
            page(StatusCode::OK, pages::home(&hub.config.name, words, &to, (&link, here.as_deref(), app)))
        }
        Err(error) if matches!(error.code(), Code::ClaimEnded | Code::WrongCode) => {
            page(StatusCode::GONE, pages::claim_ended(&hub.config.name, words))
        }
        Err(error) => error.into_response(),
    }
}

/// Where sign-in of the app for browsers comes back to: this very page, and no other of this origin.
fn app_page(hub: &Hub) -> Option<String> {
    web_app::is_served(hub).then(|| format!("{}{PAGE_PATH}", hub.public_url()))
}

fn broken(hub: &Hub, words: &pages::Words) -> Response {
    page(StatusCode::BAD_REQUEST, pages::broken(&hub.config.name, words))
}

/// An HTML answer that may show only what the hub itself serves, in no frame, and tells nobody where it came from.
pub(crate) fn page(status: StatusCode, html: String) -> Response {
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
