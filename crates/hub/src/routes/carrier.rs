//! What carriers call.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use postern_api::carrier::{Deposit, NewParcel, Parcel};

use crate::{
    auth::api_key::{Partner, Scope},
    domain::parcels,
    error::Result,
    hub::Hub,
    write::{Begun, Empty, Write},
};

/// Announces a parcel.
#[utoipa::path(post, path = "/v1/carrier/parcels", tag = "carriers", security(("key" = [])), request_body = NewParcel,
    responses((status = 201, body = Parcel)))]
pub(super) async fn announce(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Write { body, repeat }: Write<NewParcel>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Parcels)?.to_owned();
    let mut change = match repeat.begin(&hub, partner.principal()).await? {
        Begun::Before(answer) => return Ok(answer),
        Begun::Fresh(change) => change,
    };
    let parcel = parcels::announce(&hub, &mut change.tx, &carrier, &body).await?;
    change.finish(StatusCode::CREATED, &parcels::shown(&parcel)?).await
}

/// Where a parcel stands.
#[utoipa::path(get, path = "/v1/carrier/parcels/{id}", tag = "carriers", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Parcel)))]
pub(super) async fn show(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
) -> Result<Json<Parcel>> {
    Ok(Json(parcels::find(&hub, partner.carrier(Scope::Parcels)?, &id).await?))
}

/// It is on its way.
#[utoipa::path(post, path = "/v1/carrier/parcels/{id}/dispatch", tag = "carriers", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Parcel)))]
pub(super) async fn dispatch(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Parcels)?.to_owned();
    let mut change = match repeat.begin(&hub, partner.principal()).await? {
        Begun::Before(answer) => return Ok(answer),
        Begun::Fresh(change) => change,
    };
    let parcel = parcels::lock(&mut change.tx, &carrier, &id).await?;
    let parcel = parcels::dispatch(&hub, &mut change.tx, parcel).await?;
    change.finish(StatusCode::OK, &parcels::shown(&parcel)?).await
}

/// A courier put it in.
#[utoipa::path(post, path = "/v1/carrier/parcels/{id}/deposit", tag = "carriers", security(("key" = [])),
    params(("id" = String, Path)), request_body = Deposit, responses((status = 200, body = Parcel)))]
pub(super) async fn deposit(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { body, repeat }: Write<Deposit>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Parcels)?.to_owned();
    let mut change = match repeat.begin(&hub, partner.principal()).await? {
        Begun::Before(answer) => return Ok(answer),
        Begun::Fresh(change) => change,
    };
    let parcel = parcels::lock(&mut change.tx, &carrier, &id).await?;
    let parcel = parcels::deposit(&hub, &mut change.tx, parcel, &body).await?;
    change.finish(StatusCode::OK, &parcels::shown(&parcel)?).await
}
