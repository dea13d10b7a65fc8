//! What carriers call.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use postern_api::{
    carrier::{Courier, CourierTokenRequest, Deposit, NewCourier, NewParcel, Parcel, Tasks},
    token::Grants,
};

use super::begin::begin;
use super::parts::Path;
use crate::{
    auth::{
        api_key::{Partner, Scope},
        customer::Customer,
    },
    domain::{couriers, parcels},
    error::Result,
    hub::Hub,
    write::{Empty, Repeat, Write},
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
    let mut change = begin!(hub, partner, repeat);
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
    let mut change = begin!(hub, partner, repeat);
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
    let mut change = begin!(hub, partner, repeat);
    let parcel = parcels::lock(&mut change.tx, &carrier, &id).await?;
    let parcel = parcels::deposit(&hub, &mut change.tx, parcel, &body).await?;
    change.finish(StatusCode::OK, &parcels::shown(&parcel)?).await
}

/// An expired parcel was taken out and goes back. In the field this follows the locker's receipt of the courier's opening.
#[utoipa::path(post, path = "/v1/carrier/parcels/{id}/returned", tag = "carriers", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Parcel)))]
pub(super) async fn returned(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Parcels)?.to_owned();
    let mut change = begin!(hub, partner, repeat);
    let now = hub.clock.now();
    let mut parcel = parcels::lock(&mut change.tx, &carrier, &id).await?;
    parcels::went_back(&mut change.tx, &mut parcel, now, false).await?;
    parcel.save(&mut change.tx, now).await?;
    change.finish(StatusCode::OK, &parcels::shown(&parcel)?).await
}

/// A return was looked at and is accepted.
#[utoipa::path(post, path = "/v1/carrier/parcels/{id}/accept", tag = "carriers", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Parcel)))]
pub(super) async fn accept(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    judge(hub, partner, id, repeat, true).await
}

/// A return was looked at and is refused.
#[utoipa::path(post, path = "/v1/carrier/parcels/{id}/refuse", tag = "carriers", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Parcel)))]
pub(super) async fn refuse(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    judge(hub, partner, id, repeat, false).await
}

async fn judge(
    hub: Arc<Hub>,
    partner: Partner,
    id: String,
    repeat: Repeat,
    accepted: bool,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Parcels)?.to_owned();
    let mut change = begin!(hub, partner, repeat);
    let now = hub.clock.now();
    let mut parcel = parcels::lock(&mut change.tx, &carrier, &id).await?;
    parcels::judge(&mut change.tx, &mut parcel, accepted, now).await?;
    parcel.save(&mut change.tx, now).await?;
    change.finish(StatusCode::OK, &parcels::shown(&parcel)?).await
}

/// A courier joins: a person or a machine.
#[utoipa::path(post, path = "/v1/carrier/couriers", tag = "couriers", security(("key" = [])),
    request_body = NewCourier, responses((status = 201, body = Courier)))]
pub(super) async fn new_courier(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Write { body, repeat }: Write<NewCourier>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Parcels)?.to_owned();
    let mut change = begin!(hub, partner, repeat);
    let courier = couriers::create(&mut change.tx, &carrier, &body.name, hub.clock.now()).await?;
    change.finish(StatusCode::CREATED, &courier).await
}

/// A courier leaves: signed out at once, and nothing opens for them any more.
#[utoipa::path(delete, path = "/v1/carrier/couriers/{id}", tag = "couriers", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn dismiss_courier(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Parcels)?.to_owned();
    let mut change = begin!(hub, partner, repeat);
    couriers::dismiss(&mut change.tx, &carrier, &id, hub.clock.now()).await?;
    change.done().await
}

/// What lies before a courier.
#[utoipa::path(get, path = "/v1/courier/tasks", tag = "couriers", security(("dpop" = [])),
    responses((status = 200, body = Tasks)))]
pub(super) async fn tasks(State(hub): State<Arc<Hub>>, customer: Customer) -> Result<Json<Tasks>> {
    let carrier = couriers::carrier_of(&hub, &customer).await?;
    Ok(Json(couriers::tasks(&hub, &carrier).await?))
}

/// A token for one errand.
#[utoipa::path(post, path = "/v1/courier/tokens", tag = "couriers", security(("dpop" = [])),
    request_body = CourierTokenRequest, responses((status = 200, body = Grants)))]
pub(super) async fn courier_token(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<CourierTokenRequest>,
) -> Result<Response> {
    let carrier = couriers::carrier_of(&hub, &customer).await?;
    let mut change = begin!(hub, customer, repeat);
    let grants = couriers::token(&hub, &mut change.tx, &customer, &carrier, &body).await?;
    change.finish(StatusCode::OK, &grants).await
}
