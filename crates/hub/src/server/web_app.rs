//! The app for browsers at `/app/`, built in: the page, the core beside it, and what surrounds them.
//!
//! Whoever serves this page can change it (SECURITY.md); what is here keeps everybody else from doing so.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use postern_api::{account::PAGE_PATH, problem::Code};
use sha2::{Digest, Sha256};

use crate::{error::refuse, hub::Hub};

/// A file of the page, as it is and packed.
struct File {
    name: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/web_app.rs"));

/// Only the hub's own files; WebAssembly, but no `eval`; no markup made of text but by the page's own framework, and no
/// script named but the service worker.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; \
    connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html postern-worker";
/// What the app uses of the device, for itself alone; and nothing else of it.
const PERMISSIONS: &str = "bluetooth=(self), camera=(self), geolocation=(self), screen-wake-lock=(self), \
    clipboard-write=(self), clipboard-read=(), microphone=(), usb=(), serial=(), hid=(), midi=(), payment=(), \
    display-capture=(), publickey-credentials-get=(), publickey-credentials-create=()";

/// What every file of the page comes with, but for its kind and how long it is kept.
const HEADERS: [(HeaderName, &str); 9] = [
    (header::VARY, "accept-encoding"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
];
/// The service worker, by which a browser keeps the page.
const WORKER: &str = "worker.js";
/// The one that takes it away again.
const FAREWELL: &str = include_str!("../../../web/host/farewell.js");

/// Whether this program has the page in it.
#[must_use]
pub fn is_built_in() -> bool {
    !FILES.is_empty()
}

/// Whether this hub serves the page.
#[must_use]
pub fn is_served(hub: &Hub) -> bool {
    hub.config.web_app && is_built_in()
}

/// The routes, where the operator wants them.
pub fn router(hub: &Hub) -> Router<Arc<Hub>> {
    if !hub.config.web_app {
        // Browsers that had the page keep it until its worker says otherwise.
        return Router::new().route("/app/worker.js", get(async || script(FAREWELL.to_owned())));
    }
    Router::new()
        .route("/app", get(|| async { Redirect::permanent(PAGE_PATH) }))
        .route(PAGE_PATH, get(page))
        .route("/app/{*file}", get(file))
}

async fn page(State(_): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    answer("web.html", &headers)
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&name, &headers)
}

fn answer(name: &str, asked: &HeaderMap) -> Response {
    if !is_built_in() {
        return refuse(Code::NotFound, "this hub was built without the page for browsers (cargo xtask web)")
            .into_response();
    }
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        return refuse(Code::NotFound, "no such path").into_response();
    };
    if name == WORKER {
        return script(worker(&String::from_utf8_lossy(file.plain), &HEADERS));
    }
    let takes = |coding: &str| accepts(asked, coding);
    let (body, coding) = match (file.brotli, file.gzip) {
        (Some(brotli), _) if takes("br") => (brotli, Some("br")),
        (_, Some(gzip)) if takes("gzip") => (gzip, Some("gzip")),
        _ => (file.plain, None),
    };
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    // The digest of its content is in the name of what lies in `assets`.
    let kept = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let own = [(header::CONTENT_TYPE, kind(name)), (header::CACHE_CONTROL, kept)];
    for (name, value) in own.into_iter().chain(HEADERS) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The worker with the digest of what surrounds the page: browsers take up a worker whose bytes differ, and a page that is
/// kept comes with the headers that it was kept with.
fn worker(built: &str, headers: &[(HeaderName, &str)]) -> String {
    let mut digest = Sha256::new();
    for (name, value) in headers {
        digest.update(format!("{name}: {value}\n"));
    }
    let digest = hex::encode(&digest.finalize()[..8]);
    format!("const HEADERS = \"{digest}\";\n{built}")
}

/// A script that is made here, for the page's own folder.
fn script(text: String) -> Response {
    let mut response = (StatusCode::OK, text).into_response();
    let headers = response.headers_mut();
    let own = [(header::CONTENT_TYPE, kind(WORKER)), (header::CACHE_CONTROL, "no-cache")];
    for (name, value) in own.into_iter().chain(HEADERS) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// RFC 9110 section 12.5.3, as far as browsers use it: named, and not with a weight of zero.
fn accepts(asked: &HeaderMap, coding: &str) -> bool {
    let named = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let same = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        same && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    #[test]
    fn other_headers_make_another_worker() {
        let mut stricter = HEADERS;
        stricter[1].1 = "default-src 'none'";
        let (one, other) = (worker("built", &HEADERS), worker("built", &stricter));
        assert!(one.starts_with("const HEADERS = \"") && one.ends_with("\nbuilt"), "{one}");
        assert_ne!(one, other);
        assert_eq!(one, worker("built", &HEADERS));
    }

    #[test]
    fn a_coding_is_taken_where_it_is_named_and_wanted() {
        assert!(accepts(&asked("gzip, deflate, br"), "br") && accepts(&asked("BR;q=0.5"), "br"));
        for no in ["", "gzip", "br;q=0", "brotli", "br;q=x"] {
            assert!(!accepts(&asked(no), "br"), "{no}");
        }
        assert!(!accepts(&HeaderMap::new(), "gzip"));
    }
}
