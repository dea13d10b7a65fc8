//! Access tokens for lockers.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use postern_api::token::{Grants, TokenBatch};

use super::begin::begin;
use crate::{auth::customer::Customer, domain::grants, error::Result, hub::Hub, write::Write};

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
