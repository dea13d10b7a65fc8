//! What carriers call.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, extract::State, http::StatusCode, response::Response};
use postern_api::{
    carrier::{
        Carried, CarriedResults, Courier, CourierTokenRequest, Deposit, NewCourier, NewParcel, Parcel,
        Parcels, Tasks,
    },
    reservation::{Inside, State as Standing},
    token::Grants,
};
use serde::Deserialize;
use tokio::time::sleep_until;

use super::begin::begin;
use super::parts::{Path, Query};
use crate::{
    auth::{
        api_key::{Partner, Scope},
        customer::Customer,
    },
    domain::{
        couriers,
        parcels::{self, Announced},
        placing, receipts,
    },
    error::Result,
    hub::Hub,
    write::{Empty, Repeat, Write},
};

/// Announcements are answered at multiples of this from their beginning.
const BEAT: Duration = Duration::from_millis(20);

/// Announces a parcel.
#[utoipa::path(post, path = "/v1/carrier/parcels", tag = "carriers", security(("key" = [])), request_body = NewParcel,
    responses((status = 201, body = Parcel)))]
pub(super) async fn announce(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Write { body, repeat }: Write<NewParcel>,
) -> Result<Response> {
    let began = Instant::now();
    let carrier = partner.carrier(Scope::Parcels)?.to_owned();
    let mut change = begin!(hub, partner, repeat);
    let Announced { parcel, claim } = parcels::announce(&hub, &mut change.tx, &carrier, &body).await?;
    let claim_link = Some(parcels::claim_link(&hub, &claim));
    let answer = Parcel { claim_link, ..parcels::shown(&parcel)? };
    let answer = change.finish(StatusCode::CREATED, &answer).await?;
    // Who has an account is told more than who has none, and the time that it takes is nobody's business.
    let beats = began.elapsed().as_micros() / BEAT.as_micros() + 1;
    sleep_until((began + BEAT * u32::try_from(beats).unwrap_or(1)).into()).await;
    Ok(answer)
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

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Only with this tracking number.
    reference: Option<String>,
    /// Only those that stand so.
    state: Option<Standing>,
    /// Only at this site.
    site: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
}

/// The carrier's parcels and returns, newest first, a page at a time.
#[utoipa::path(get, path = "/v1/carrier/parcels", tag = "carriers", security(("key" = [])), params(Search),
    responses((status = 200, body = Parcels)))]
pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Query(search): Query<Search>,
) -> Result<Json<Parcels>> {
    let carrier = partner.carrier(Scope::Parcels)?;
    let Search { reference, state, site, after } = search;
    Ok(Json(parcels::list(&hub, carrier, &parcels::Search { reference, state, site, after }).await?))
}

/// Calls a parcel off that is still on its way.
#[utoipa::path(post, path = "/v1/carrier/parcels/{id}/cancel", tag = "carriers", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Parcel)))]
pub(super) async fn cancel(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Parcels)?.to_owned();
    let mut change = begin!(hub, partner, repeat);
    let mut parcel = parcels::lock(&mut change.tx, &carrier, &id).await?;
    parcels::call_off(&hub, &mut change.tx, &mut parcel).await?;
    change.finish(StatusCode::OK, &parcels::shown(&parcel)?).await
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
    parcels::went_back(&mut change.tx, &mut parcel, now).await?;
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

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Round {
    /// Only at this site.
    site: Option<String>,
    /// Only at the site of this locker.
    locker: Option<String>,
    /// Only the parcel with this tracking number.
    number: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
}

/// What lies before a courier, a page at a time.
#[utoipa::path(get, path = "/v1/courier/tasks", tag = "couriers", security(("dpop" = [])), params(Round),
    responses((status = 200, body = Tasks)))]
pub(super) async fn tasks(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Query(round): Query<Round>,
) -> Result<Json<Tasks>> {
    let carrier = customer.carrier()?;
    let Round { site, locker, number, after } = round;
    Ok(Json(couriers::tasks(&hub, &carrier, &couriers::Round { site, locker, number, after }).await?))
}

/// Receipts that a courier's device carried from a locker, sealed for the hub. They concern everybody there.
#[utoipa::path(post, path = "/v1/courier/carried", tag = "couriers", security(("dpop" = [])), request_body = Carried,
    responses((status = 200, body = CarriedResults)))]
pub(super) async fn carried(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<Carried>,
) -> Result<Response> {
    customer.carrier()?;
    let mut change = begin!(hub, customer, repeat);
    let results = receipts::carried(&hub, &mut change.tx, &body).await?;
    change.finish(StatusCode::OK, &results).await
}

/// The courier's answer at the door: whether the parcel lies inside.
#[utoipa::path(post, path = "/v1/courier/parcels/{id}/inside", tag = "couriers", security(("dpop" = [])),
    params(("id" = String, Path)), request_body = Inside, responses((status = 200, body = Parcel)))]
pub(super) async fn inside(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    Write { body, repeat }: Write<Inside>,
) -> Result<Response> {
    let carrier = customer.carrier()?;
    let mut change = begin!(hub, customer, repeat);
    let mut parcel = parcels::lock(&mut change.tx, &carrier, &id).await?;
    placing::say(&hub, &mut change.tx, &mut parcel, Some(&customer.account), &body).await?;
    parcel.save(&mut change.tx, hub.clock.now()).await?;
    change.finish(StatusCode::OK, &parcels::shown(&parcel)?).await
}

/// A token for one errand.
#[utoipa::path(post, path = "/v1/courier/tokens", tag = "couriers", security(("dpop" = [])),
    request_body = CourierTokenRequest, responses((status = 200, body = Grants)))]
pub(super) async fn courier_token(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<CourierTokenRequest>,
) -> Result<Response> {
    let carrier = customer.carrier()?;
    let mut change = begin!(hub, customer, repeat);
    let grants = couriers::token(&hub, &mut change.tx, &customer, &carrier, &body).await?;
    change.finish(StatusCode::OK, &grants).await
}
