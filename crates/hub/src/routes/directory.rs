//! Lists of what there is: for a carrier where it can deliver, for an operator what the network consists of.

use std::sync::Arc;

use axum::{Json, extract::State};
use postern_api::{
    carrier::DeliverySites,
    operator::{Carriers, Keys, Lockers, NetworkSites},
};
use serde::Deserialize;

use super::parts::Query;
use crate::{
    auth::api_key::{Partner, Scope},
    domain::directory,
    error::Result,
    hub::Hub,
};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// `next` of the page before.
    after: Option<String>,
}

/// Where parcels can be delivered, and the lockers there.
#[utoipa::path(get, path = "/v1/carrier/sites", tag = "carriers", security(("key" = [])), params(Page),
    responses((status = 200, body = DeliverySites)))]
pub(super) async fn delivery_sites(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Query(page): Query<Page>,
) -> Result<Json<DeliverySites>> {
    partner.carrier(Scope::Parcels)?;
    Ok(Json(directory::delivery_sites(&hub, page.after.as_deref()).await?))
}

/// The sites of the network.
#[utoipa::path(get, path = "/v1/operator/sites", tag = "operators", security(("key" = [])), params(Page),
    responses((status = 200, body = NetworkSites)))]
pub(super) async fn sites(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Query(page): Query<Page>,
) -> Result<Json<NetworkSites>> {
    partner.operator(Scope::Watch)?;
    Ok(Json(directory::sites(&hub, page.after.as_deref()).await?))
}

/// The lockers of the network, those that have left it among them.
#[utoipa::path(get, path = "/v1/operator/lockers", tag = "operators", security(("key" = [])), params(Page),
    responses((status = 200, body = Lockers)))]
pub(super) async fn lockers(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Query(page): Query<Page>,
) -> Result<Json<Lockers>> {
    partner.operator(Scope::Watch)?;
    Ok(Json(directory::lockers(&hub, page.after.as_deref()).await?))
}

/// The carriers of the network.
#[utoipa::path(get, path = "/v1/operator/carriers", tag = "operators", security(("key" = [])), params(Page),
    responses((status = 200, body = Carriers)))]
pub(super) async fn carriers(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Query(page): Query<Page>,
) -> Result<Json<Carriers>> {
    partner.operator(Scope::Watch)?;
    Ok(Json(directory::carriers(&hub, page.after.as_deref()).await?))
}

/// API keys that were given out, without what is secret of them.
#[utoipa::path(get, path = "/v1/operator/keys", tag = "operators", security(("key" = [])), params(Page),
    responses((status = 200, body = Keys)))]
pub(super) async fn keys(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Query(page): Query<Page>,
) -> Result<Json<Keys>> {
    partner.operator(Scope::Keys)?;
    Ok(Json(directory::keys(&hub, page.after.as_deref()).await?))
}
