//! Access tokens for lockers.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use postern_api::token::{Bulletins, Grants, TokenBatch, WantedBulletins};

use super::begin::begin;
use crate::{
    auth::customer::Customer,
    domain::{grants, news},
    error::Result,
    hub::Hub,
    write::Write,
};

/// Tokens for this device, for all reservations that may be opened or those named, and news for the lockers concerned.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", security(("dpop" = [])), request_body = TokenBatch,
    responses((status = 200, body = Grants)))]
pub(super) async fn tokens(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<TokenBatch>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    let grants = grants::mint(&hub, &mut change.tx, &customer, &body).await?;
    change.finish(StatusCode::OK, &grants).await
}

/// The newest news for lockers where the caller has access, to carry there. Customers, guests and couriers alike.
#[utoipa::path(post, path = "/v1/bulletins", tag = "tokens", security(("dpop" = [])), request_body = WantedBulletins,
    responses((status = 200, body = Bulletins)))]
pub(super) async fn bulletins(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<WantedBulletins>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    let bulletins = news::wanted(&hub, &mut change.tx, &customer, &body).await?;
    change.finish(StatusCode::OK, &bulletins).await
}
