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

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

pub(crate) use self::page::page;
pub use self::request::{AuthorizationRequest, redirect_allowed, tidy_name};
use crate::hub::Hub;

/// The only client.
pub const CLIENT: &str = "postern-app";

/// Routes of sign-in.
pub fn router() -> Router<Arc<Hub>> {
    Router::new()
        .route("/authorize", get(page::show))
        .route("/authorize/register/start", post(ceremony::register_start))
        .route("/authorize/register/finish", post(ceremony::register_finish))
        .route("/authorize/sign-in/start", post(ceremony::sign_in_start))
        .route("/authorize/sign-in/finish", post(ceremony::sign_in_finish))
        .route("/authorize/guest", post(ceremony::guest))
        .route("/claim/{secret}", get(page::claim))
        .route("/authorize/recover/start", post(ceremony::recover_start))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(token::revoke))
        .layer(DefaultBodyLimit::max(64 * 1024))
}
