//! What the operator of a network calls.

use std::sync::Arc;

use axum::{Json, extract::State};
use postern_api::operator::{Provision, Provisioned};

use crate::{
    auth::api_key::{Partner, Scope},
    domain::{demo, network},
    error::Result,
    hub::Hub,
    write::Write,
};

/// A locker joins the network, or says again what it is.
#[utoipa::path(post, path = "/v1/operator/lockers", tag = "operators", security(("key" = [])), request_body = Provision,
    responses((status = 200, body = Provisioned)))]
pub(super) async fn provision(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Write { body, .. }: Write<Provision>,
) -> Result<Json<Provisioned>> {
    partner.operator(Scope::Network)?;
    let mut tx = hub.store.begin().await?;
    let provisioned = network::provision(&hub, &mut tx, &body.descriptor).await?;
    if hub.demo {
        demo::give_all(&hub, &mut tx).await?;
    }
    tx.commit().await?;
    Ok(Json(provisioned))
}
