//! Access tokens for lockers.

use std::sync::Arc;

use axum::{Json, extract::State};
use postern_api::token::{Grants, TokenBatch};

use crate::{auth::customer::Customer, domain::grants, error::Result, hub::Hub, write::Write};

/// Tokens for this device, for all reservations that may be opened or those named, and news for the lockers concerned.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", security(("dpop" = [])), request_body = TokenBatch,
    responses((status = 200, body = Grants)))]
pub(super) async fn tokens(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, .. }: Write<TokenBatch>,
) -> Result<Json<Grants>> {
    let mut tx = hub.store.begin().await?;
    let grants = grants::mint(&hub, &mut tx, &customer, &body).await?;
    tx.commit().await?;
    Ok(Json(grants))
}
