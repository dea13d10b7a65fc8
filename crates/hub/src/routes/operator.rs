//! What the operator of a network calls.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use postern_api::{
    locker::Site,
    operator::{
        Alarms, ApiKey, CarrierSettings, DoorService, Gap, Insight, LockerReport, NewKey, Provision,
        Provisioned,
    },
    problem::Code,
    reservation::Asset,
    sync::{ReceiptResults, ReceiptUpload},
    token::BulletinFor,
};
use serde::Deserialize;

use super::begin::begin;
use super::parts::{Path, Query};
use crate::{
    auth::api_key::{self, Partner, Scope},
    domain::{assets, demo, grants, network, news, receipts, service},
    error::{Result, invalid},
    hub::Hub,
    write::{Empty, Write},
};

/// Seconds for which a heartbeat counts.
const ONLINE: i64 = 600;

/// A locker joins the network, or says again what it is.
#[utoipa::path(post, path = "/v1/operator/lockers", tag = "operators", security(("key" = [])), request_body = Provision,
    responses((status = 200, body = Provisioned)))]
pub(super) async fn provision(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Write { body, repeat }: Write<Provision>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    let provisioned = network::provision(&hub, &mut change.tx, &body.descriptor).await?;
    if hub.demo {
        demo::give_all(&hub, &mut change.tx).await?;
    }
    change.finish(StatusCode::OK, &provisioned).await
}

/// The state of one locker.
#[utoipa::path(get, path = "/v1/operator/lockers/{id}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 200, body = LockerReport)))]
pub(super) async fn locker(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
) -> Result<Json<LockerReport>> {
    partner.operator(Scope::Watch)?;
    Ok(Json(service::report(&hub, &id).await?))
}

/// A locker leaves the network, once it is empty.
#[utoipa::path(delete, path = "/v1/operator/lockers/{id}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn decommission(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    service::decommission(&mut change.tx, &id, hub.clock.now()).await?;
    change.done().await
}

/// Receipts from a gateway that is connected to the locker.
#[utoipa::path(post, path = "/v1/operator/lockers/{id}/receipts", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), request_body = ReceiptUpload, responses((status = 200, body = ReceiptResults)))]
pub(super) async fn receipts(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { body, repeat }: Write<ReceiptUpload>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    if body.receipts.iter().any(|receipt| receipt.locker != id) {
        return Err(invalid("/receipts", "of another locker than in the path"));
    }
    let results = receipts::ingest(&hub, &mut change.tx, &body.receipts).await?;
    change
        .finish(StatusCode::OK, &ReceiptResults { results: results.into_iter().map(Into::into).collect() })
        .await
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ForHello {
    /// The nonce of a HELLO of the locker, base64url: the bulletin then tells the time as well (PROTOCOL.md, clock).
    hello_nonce: Option<String>,
    /// What that HELLO said the time is, UNIX seconds.
    locker_time: Option<i64>,
}

/// The newest bulletin for a locker that a gateway is connected to; 204 where there is no news.
#[utoipa::path(get, path = "/v1/operator/lockers/{id}/bulletin", tag = "operators", security(("key" = [])),
    params(("id" = String, Path), ForHello), responses((status = 200, body = BulletinFor), (status = 204)))]
pub(super) async fn bulletin(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Query(hello): Query<ForHello>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let nonce = grants::hello_nonce(hello.hello_nonce.as_deref())?;
    let now = hub.clock.now();
    let mut tx = hub.store.begin().await?;
    if network::descriptor(tx.on(), &id).await?.is_none() {
        return Err(Code::NotFound.into());
    }
    if let Some(at) = hello.locker_time.filter(|_| nonce.is_some()) {
        news::hear_clock(&mut tx, &id, at, now).await?;
    }
    let bulletin = news::bulletin(&hub, &mut tx, &id, nonce, now).await?;
    tx.commit().await?;
    Ok(bulletin
        .map_or_else(|| StatusCode::NO_CONTENT.into_response(), |bulletin| Json(bulletin).into_response()))
}

/// Receipts are lost, and the chain goes on behind them: the first gap of the report. Doors of whoever had access before are
/// looked at and cleared before the next is given them.
#[utoipa::path(post, path = "/v1/operator/lockers/{id}/lost", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), request_body = Gap, responses((status = 204)))]
pub(super) async fn lost(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { body, repeat }: Write<Gap>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    let gap = (i64::from(body.first), i64::from(body.last));
    receipts::give_up(&mut change.tx, &id, gap, hub.clock.now()).await?;
    change.done().await
}

/// The locker can be reached online: tokens for it live for minutes from now on. To be repeated every few minutes.
#[utoipa::path(post, path = "/v1/operator/lockers/{id}/heartbeat", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn heartbeat(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    let known = sqlx::query("UPDATE lockers SET online_until = $1 WHERE id = $2 AND retired_at IS NULL")
        .bind(hub.clock.now() + ONLINE)
        .bind(&id)
        .execute(change.tx.on())
        .await?
        .rows_affected();
    if known == 0 {
        return Err(Code::NotFound.into());
    }
    change.done().await
}

/// Takes a door out of service, or puts it back.
#[utoipa::path(put, path = "/v1/operator/lockers/{id}/doors/{door}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path), ("door" = u16, Path)), request_body = DoorService, responses((status = 204)))]
pub(super) async fn door(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path((id, door)): Path<(String, u16)>,
    Write { body, repeat }: Write<DoorService>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    let door = i64::from(door);
    service::set_out_of_order(&mut change.tx, &id, door, body.out_of_order, hub.clock.now()).await?;
    change.done().await
}

/// Somebody looked: the compartment is empty and in order.
#[utoipa::path(post, path = "/v1/operator/lockers/{id}/doors/{door}/clear", tag = "operators",
    security(("key" = [])), params(("id" = String, Path), ("door" = u16, Path)), responses((status = 204)))]
pub(super) async fn clear(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path((id, door)): Path<(String, u16)>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    service::clear(&mut change.tx, &id, i64::from(door), hub.clock.now()).await?;
    change.done().await
}

/// A site, made or changed.
#[utoipa::path(put, path = "/v1/operator/sites/{id}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), request_body = Site, responses((status = 204)))]
pub(super) async fn put_site(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { mut body, repeat }: Write<Site>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    if body.id.is_empty() {
        body.id.clone_from(&id);
    }
    if body.id != id {
        return Err(invalid("/id", "another one than in the path"));
    }
    let mut change = begin!(hub, partner, repeat);
    network::put_site(&mut change.tx, &body, "", hub.clock.now()).await?;
    change.done().await
}

/// A thing that is lent, and the door that is kept for it.
#[utoipa::path(put, path = "/v1/operator/assets/{id}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), request_body = Asset, responses((status = 204)))]
pub(super) async fn put_asset(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { body, repeat }: Write<Asset>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    assets::put(&mut change.tx, &id, &body, hub.clock.now()).await?;
    change.done().await
}

/// A thing is lent no more.
#[utoipa::path(delete, path = "/v1/operator/assets/{id}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn remove_asset(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    assets::remove(&mut change.tx, &id, hub.clock.now()).await?;
    change.done().await
}

/// A carrier joins, or is renamed.
#[utoipa::path(put, path = "/v1/operator/carriers/{id}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), request_body = CarrierSettings, responses((status = 204)))]
pub(super) async fn put_carrier(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { body, repeat }: Write<CarrierSettings>,
) -> Result<Response> {
    partner.operator(Scope::Keys)?;
    network::check_id(&id, "/id")?;
    network::check_name(&body.name, 120, "/name")?;
    let hours = body.pickup_hours.map_or(hub.config.policy.pickup_hours, i64::from);
    if !(1..=720).contains(&hours) {
        return Err(invalid("/pickup_hours", "1 to 720"));
    }
    let mut change = begin!(hub, partner, repeat);
    network::put_carrier(&mut change.tx, &id, &body.name, hours, hub.clock.now()).await?;
    change.done().await
}

/// An API key.
#[utoipa::path(post, path = "/v1/operator/keys", tag = "operators", security(("key" = [])), request_body = NewKey,
    responses((status = 201, body = ApiKey)))]
pub(super) async fn new_key(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Write { body, repeat }: Write<NewKey>,
) -> Result<Response> {
    partner.operator(Scope::Keys)?;
    network::check_name(&body.name, 120, "/name")?;
    let wanted: Vec<Scope> = body
        .scopes
        .iter()
        .map(|name| name.parse().map_err(|()| invalid("/scopes", "not a scope")))
        .collect::<Result<_>>()?;
    let fits = |scope: &Scope| matches!(scope, Scope::Parcels | Scope::Webhooks) == body.carrier.is_some();
    if wanted.is_empty() || !wanted.iter().all(fits) {
        return Err(invalid("/scopes", "carriers: parcels, webhooks; operators: network, watch, keys"));
    }
    let mut change = begin!(hub, partner, repeat);
    if let Some(carrier) = &body.carrier {
        let known = sqlx::query("SELECT id FROM carriers WHERE id = $1")
            .bind(carrier)
            .fetch_optional(change.tx.on())
            .await?;
        if known.is_none() {
            return Err(invalid("/carrier", "no such carrier"));
        }
    }
    let key = api_key::NewKey::random();
    key.keep(&mut change.tx, body.carrier.as_deref(), &body.name, &wanted, hub.clock.now()).await?;
    change
        .finish(StatusCode::CREATED, &ApiKey { id: key.id().to_owned(), key: key.expose().to_owned() })
        .await
}

/// Ends an API key.
#[utoipa::path(delete, path = "/v1/operator/keys/{id}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn revoke_key(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    partner.operator(Scope::Keys)?;
    let mut change = begin!(hub, partner, repeat);
    let ended = sqlx::query("UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2")
        .bind(hub.clock.now())
        .bind(&id)
        .execute(change.tx.on())
        .await?
        .rows_affected();
    if ended == 0 {
        return Err(Code::NotFound.into());
    }
    change.done().await
}

/// Things that somebody must look at.
#[utoipa::path(get, path = "/v1/operator/alarms", tag = "operators", security(("key" = [])),
    responses((status = 200, body = Alarms)))]
pub(super) async fn alarms(State(hub): State<Arc<Hub>>, partner: Partner) -> Result<Json<Alarms>> {
    partner.operator(Scope::Watch)?;
    let mut on = hub.store.snapshot().await?;
    Ok(Json(Alarms { alarms: service::alarms(&mut on).await? }))
}

/// Somebody looked.
#[utoipa::path(post, path = "/v1/operator/alarms/{id}/resolve", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn resolve(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    let known = sqlx::query("UPDATE alarms SET resolved_at = COALESCE(resolved_at, $1) WHERE id = $2")
        .bind(hub.clock.now())
        .bind(&id)
        .execute(change.tx.on())
        .await?
        .rows_affected();
    if known == 0 {
        return Err(Code::NotFound.into());
    }
    change.done().await
}

/// Aggregates that cannot single anyone out.
#[utoipa::path(get, path = "/v1/operator/insight", tag = "operators", security(("key" = [])),
    responses((status = 200, body = Insight)))]
pub(super) async fn insight(State(hub): State<Arc<Hub>>, partner: Partner) -> Result<Json<Insight>> {
    partner.operator(Scope::Watch)?;
    let mut on = hub.store.snapshot().await?;
    Ok(Json(service::insight(&mut on).await?))
}
