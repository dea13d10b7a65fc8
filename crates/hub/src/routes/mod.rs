//! HTTP: each route takes a request apart, calls the domain, and puts the answer together.

mod account;
mod carrier;
mod events;
mod meta;
mod operator;
mod reservations;
mod sync;
mod tokens;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts},
    http::request::Parts,
};
use postern_api::problem::Code;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    error::{Error, Result},
    hub::Hub,
    signin,
};

/// Bodies are at most so large, except where a route says otherwise.
const LONGEST_BODY: usize = 256 * 1024;

/// Everything that the hub answers to.
pub fn router(hub: Arc<Hub>) -> Router {
    let (api, document) = documented().split_for_parts();
    meta::with_document(api, document).merge(signin::router()).with_state(hub)
}

/// The routes that the OpenAPI document describes.
fn documented() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::with_openapi(meta::document())
        .routes(routes!(meta::well_known))
        .routes(routes!(account::me, account::change_me))
        .routes(routes!(sync::changes))
        .routes(routes!(sync::receipts))
        .routes(routes!(events::events))
        .routes(routes!(tokens::tokens))
        .routes(routes!(reservations::show))
        .routes(routes!(reservations::taken))
        .routes(routes!(carrier::announce))
        .routes(routes!(carrier::show))
        .routes(routes!(carrier::dispatch))
        .routes(routes!(carrier::deposit))
        .routes(routes!(operator::provision))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
}

/// The address that a request came from.
pub struct Caller(pub String);

impl FromRequestParts<Arc<Hub>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self> {
        if hub.config.behind_proxy {
            // The last entry is the proxy's own word; those before it may be the client's.
            let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
            let last =
                forwarded.and_then(|value| value.to_str().ok()).and_then(|value| value.rsplit(',').next());
            if let Some(address) = last {
                return Ok(Self(address.trim().to_owned()));
            }
        }
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().ok_or(Code::Internal)?;
        Ok(Self(peer.0.ip().to_string()))
    }
}
