//! Which apps this host vouches for, so that a claim link opens the network's app and not a page first: Android App Links
//! and Apple universal links.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use postern_api::problem::Code;
use serde_json::{Value, json};

use crate::{config::Apps, error::Result, hub::Hub};

/// Both documents, at the places that the systems look at.
pub(super) fn router() -> Router<Arc<Hub>> {
    Router::new()
        .route("/.well-known/assetlinks.json", get(android))
        .route("/.well-known/apple-app-site-association", get(apple))
}

async fn android(State(hub): State<Arc<Hub>>) -> Result<Response> {
    served(asset_links(&hub.config.apps))
}

async fn apple(State(hub): State<Arc<Hub>>) -> Result<Response> {
    served(site_association(&hub.config.apps))
}

/// `application/json` and no redirect, as both systems ask. `NotFound` where the operator named no app.
fn served(document: Option<Value>) -> Result<Response> {
    let mut response = Json(document.ok_or(Code::NotFound)?).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Ok(response)
}

/// Digital Asset Links: a statement for each app of the operator's.
fn asset_links(apps: &Apps) -> Option<Value> {
    let statement = |app: &crate::config::AndroidApp| {
        json!({
            "relation": ["delegate_permission/common.handle_all_urls"],
            "target": {
                "namespace": "android_app",
                "package_name": app.package,
                "sha256_cert_fingerprints": app.fingerprints(),
            },
        })
    };
    (!apps.android.is_empty()).then(|| apps.android.iter().map(statement).collect())
}

/// Apple's associated domains: claim links open the app, and its passkeys are those of this host.
fn site_association(apps: &Apps) -> Option<Value> {
    let ids: Vec<_> = apps.apple.iter().map(|app| format!("{}.{}", app.team, app.bundle)).collect();
    (!ids.is_empty()).then(|| {
        json!({
            "applinks": { "details": [{ "appIDs": ids, "components": [{ "/": "/claim/*" }] }] },
            "webcredentials": { "apps": ids },
        })
    })
}
