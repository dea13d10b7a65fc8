//! Letting people in: the page in the system browser, passkeys, and the token endpoint.
//!
//! OAuth 2 authorization code with PKCE for native apps (RFC 6749, 7636, 8252), sender-constrained by DPoP (RFC 9449).
//! The one client, `postern-app`, is public; consent is implied by signing in for an app of the same operator.

mod ceremony;
mod code;
mod page;
mod request;
mod token;

use std::sync::Arc;

use axum::{extract::DefaultBodyLimit, routing::post};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use self::page::page;
pub use self::request::{AuthorizationRequest, redirect_allowed, tidy_name};
use crate::hub::Hub;

/// The only client.
pub const CLIENT: &str = "postern-app";

/// Routes of sign-in. What a client calls is described; the ceremonies are between the hub's own page and the hub.
pub fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(page::show))
        .routes(routes!(page::claim))
        .routes(routes!(page::home))
        .routes(routes!(token::token))
        .routes(routes!(token::revoke))
        .route("/authorize/register/start", post(ceremony::register_start))
        .route("/authorize/register/finish", post(ceremony::register_finish))
        .route("/authorize/sign-in/start", post(ceremony::sign_in_start))
        .route("/authorize/sign-in/finish", post(ceremony::sign_in_finish))
        .route("/authorize/guest", post(ceremony::guest))
        .route("/authorize/recover/start", post(ceremony::recover_start))
        .layer(DefaultBodyLimit::max(64 * 1024))
}
