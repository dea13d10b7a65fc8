//! What the hub says of itself: discovery, health, metrics, and the document of its interface.

use std::sync::{Arc, OnceLock};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use postern_api::{
    account::{HubInfo, ServerMetadata, TestNetwork},
    problem::Problem,
};
use serde_json::Value;
use utoipa::openapi::{
    Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::contract;
use crate::{
    auth::api_key::{Partner, Scope},
    error::{Result, no_such_method, refuse},
    hub::Hub,
    pages, signin,
    store::RowExt,
};

/// What a client must know of a hub before it signs in.
#[utoipa::path(get, path = "/.well-known/postern", tag = "sign-in", responses((status = 200, body = HubInfo)))]
pub(super) async fn well_known(State(hub): State<Arc<Hub>>) -> Json<HubInfo> {
    let issuer = hub.public_url().to_owned();
    Json(HubInfo {
        hub: hub.id.clone(),
        name: hub.config.name.clone(),
        api: postern_api::VERSION,
        api_min: Some(postern_api::VERSION),
        authorization_endpoint: format!("{issuer}/authorize"),
        token_endpoint: format!("{issuer}/oauth/token"),
        issuer,
        now: hub.clock.now(),
        test_network: hub.config.test_network.as_ref().map(|test| TestNetwork { air_port: test.air_port }),
    })
}

/// The same for any client of OAuth 2 (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "sign-in",
    responses((status = 200, body = ServerMetadata)))]
pub(super) async fn authorization_server(State(hub): State<Arc<Hub>>) -> Json<ServerMetadata> {
    let issuer = hub.public_url().to_owned();
    let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Json(ServerMetadata {
        authorization_endpoint: format!("{issuer}/authorize"),
        token_endpoint: format!("{issuer}/oauth/token"),
        revocation_endpoint: format!("{issuer}/oauth/revoke"),
        service_documentation: format!("{issuer}/docs"),
        response_types_supported: all(&["code"]),
        response_modes_supported: all(&["query"]),
        grant_types_supported: all(&["authorization_code", "refresh_token", "enrolment"]),
        code_challenge_methods_supported: all(&["S256"]),
        token_endpoint_auth_methods_supported: all(&["none"]),
        dpop_signing_alg_values_supported: all(&["EdDSA", "ES256"]),
        authorization_response_iss_parameter_supported: true,
        issuer,
    })
}

/// An empty document, to which the routes add themselves.
pub(super) fn document() -> OpenApi {
    let mut components = Components::new();
    components.add_security_scheme(
        "dpop",
        // OpenAPI knows no DPoP scheme; the header is described as what it is.
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "Authorization",
            "`DPoP` and an access token of /oauth/token, together with a `DPoP` header: a proof by the device key \
             (RFC 9449).",
        ))),
    );
    components.add_security_scheme(
        "key",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("API key of a carrier or operator, pk_…"))
                .build(),
        ),
    );
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Postern hub")
                .version(env!("CARGO_PKG_VERSION"))
                .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
                .build(),
        )
        .components(Some(components))
        .build()
}

/// The document as it is told: see [`contract`].
pub(super) fn completed(mut document: OpenApi) -> Value {
    if let Some(components) = &mut document.components {
        let mut schemas = Vec::new();
        schemas.push((
            <Problem as utoipa::ToSchema>::name().into_owned(),
            <Problem as utoipa::PartialSchema>::schema(),
        ));
        <Problem as utoipa::ToSchema>::schemas(&mut schemas);
        components.schemas.extend(schemas);
    }
    contract::complete(&document)
}

/// Adds what is not part of the contract: the document itself, and what pages need.
pub(super) fn with_document(router: Router<Arc<Hub>>, document: OpenApi) -> Router<Arc<Hub>> {
    let document = completed(document);
    // One document for the life of the process.
    let leaked = |told: &Value| -> &'static str { Box::leak(told.to_string().into_boxed_str()) };
    let (text, collection) = (leaked(&document), leaked(&contract::collection::collection(&document)));
    let asset = |kind: &'static str, body: &'static str| {
        get(move || async move {
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600")], body)
                .into_response()
        })
    };
    router
        .route("/openapi.json", asset("application/json", text))
        .route("/collection.json", asset("application/json", collection))
        .route("/pages/page.css", asset("text/css; charset=utf-8", pages::STYLE))
        .route("/pages/sign_in.js", asset("text/javascript; charset=utf-8", pages::SCRIPT))
        .route("/pages/icon.svg", asset("image/svg+xml", pages::ICON))
        .route("/", get(front))
        .route("/docs", get(docs))
        .fallback(|| async { refuse(postern_api::problem::Code::NotFound, "no such path") })
        .method_not_allowed_fallback(|| async { no_such_method() })
}

/// The process answers.
#[utoipa::path(get, path = "/health", tag = "operation",
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Whether this instance can serve: a change is kept and it is not stopping.
#[utoipa::path(get, path = "/ready", tag = "operation",
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn ready(State(hub): State<Arc<Hub>>) -> Result<Response> {
    if hub.stopping.is_cancelled() || !hub.store.keeps_changes().await {
        return Err(refuse(
            postern_api::problem::Code::Unavailable,
            "stopping, or the database keeps no change",
        ));
    }
    let mut response = "ready\n".into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Counters for Prometheus: for an operator's key with `watch`, or for everyone where the operator says so.
#[utoipa::path(get, path = "/metrics", tag = "operation", security(("key" = [])),
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn metrics(State(hub): State<Arc<Hub>>, partner: Result<Partner>) -> Result<Response> {
    if !hub.config.public_metrics {
        partner?.operator(Scope::Watch)?;
    }
    let count = |sql: &'static str| {
        let hub = Arc::clone(&hub);
        async move { sqlx::query(sql).fetch_one(hub.store.read()).await?.int("n") }
    };
    let alarms = count("SELECT COUNT(*) AS n FROM alarms WHERE resolved_at IS NULL").await?;
    let due = count("SELECT COUNT(*) AS n FROM deliveries WHERE state IN ('due', 'sending')").await?;
    let dead = count("SELECT COUNT(*) AS n FROM deliveries WHERE state = 'dead'").await?;
    let pool = hub.store.read();
    let text = hub.metrics.render(&[
        ("postern_event_streams", "Clients that wait for changes.", hub.push.waiting() as f64),
        ("postern_requests_under_way", "Requests that are served now.", hub.places.taken() as f64),
        ("postern_database_connections", "Connections to the database.", f64::from(pool.size())),
        ("postern_database_connections_idle", "Those that nobody uses now.", pool.num_idle() as f64),
        ("postern_alarms_open", "Alarms that nobody resolved yet.", alarms as f64),
        ("postern_webhooks_due", "Webhook messages to be sent.", due as f64),
        ("postern_webhooks_dead", "Webhook messages given up.", dead as f64),
    ])?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// For a person who wonders whether the hub is there.
async fn front(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    let app = hub.config.apps.get.as_deref();
    signin::page(StatusCode::OK, pages::front(&hub.config.name, pages::words(&headers), app))
}

/// The document for people.
async fn docs(State(hub): State<Arc<Hub>>) -> Response {
    static PAGE: OnceLock<String> = OnceLock::new();
    let (_, document) = super::documented().split_for_parts();
    let document = completed(document);
    let html = PAGE.get_or_init(|| pages::docs(&hub.config.name, &document));
    signin::page(StatusCode::OK, html.clone())
}
