//! The JSON API: see PANEL.md.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures::{Stream, StreamExt};
use postern_courier::{CourierError, HubError};
use postern_protocol::LockerId;
use postern_radio::AdapterState;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_stream::wrappers::WatchStream;

use super::{Panel, state};
use crate::{
    cabinet::Cabinet,
    courier::{Courier, Errand, ErrandError},
    fate::Fate,
    machine::{Compartment, Now},
    scanner,
};

type Shared = State<Arc<Panel>>;

/// Largest screenshot, in bytes.
const MAX_IMAGE: usize = 8 << 20;

pub(super) fn routes() -> Router<Arc<Panel>> {
    Router::new()
        .route("/state", get(everything))
        .route("/events", get(events))
        .route("/adapter", post(adapter))
        .route("/cabinets/{id}", get(one))
        .route("/cabinets/{id}/doors/{door}/{hand}", post(hand))
        .route("/cabinets/{id}/keypad", post(keypad))
        .route("/cabinets/{id}/scanner", post(scanner))
        .route(
            "/cabinets/{id}/scanner/image",
            post(scanner_image).layer(axum::extract::DefaultBodyLimit::max(MAX_IMAGE)),
        )
        .route("/cabinets/{id}/power", post(power))
        .route("/cabinets/{id}/address", post(address))
        .route("/cabinets/{id}/faults", get(faults).post(set_faults).delete(clear_faults))
        .route("/cabinets/{id}/courier/deposit", post(deposit))
        .route("/cabinets/{id}/courier/collect", post(collect))
}

/// What went wrong, as JSON.
pub(super) struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

fn not_found(what: &str) -> Failure {
    Failure(StatusCode::NOT_FOUND, format!("no such {what}"))
}

fn bad(why: impl Into<String>) -> Failure {
    Failure(StatusCode::BAD_REQUEST, why.into())
}

fn find(panel: &Panel, id: &str) -> Result<usize, Failure> {
    let id: LockerId = id.parse().map_err(|_| not_found("cabinet"))?;
    panel.world.find(id).ok_or_else(|| not_found("cabinet"))
}

fn with<T>(panel: &Panel, id: &str, f: impl FnOnce(&mut Cabinet, Now) -> T) -> Result<T, Failure> {
    panel.world.with(find(panel, id)?, f).ok_or_else(|| not_found("cabinet"))
}

async fn everything(State(panel): Shared) -> impl IntoResponse {
    Json(state::state(&panel))
}

async fn one(State(panel): Shared, Path(id): Path<String>) -> Result<impl IntoResponse, Failure> {
    let index = find(&panel, &id)?;
    state::cabinet(&panel.world, index).map(Json).ok_or_else(|| not_found("cabinet"))
}

async fn events(State(panel): Shared) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let revisions = WatchStream::new(panel.world.revision());
    Sse::new(revisions.map(|revision| Ok(Event::default().event("revision").data(revision.to_string()))))
        .keep_alive(KeepAlive::default())
}

#[derive(Deserialize)]
struct AdapterRequest {
    state: AdapterName,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum AdapterName {
    On,
    Off,
    Absent,
    Denied,
}

async fn adapter(State(panel): Shared, Json(request): Json<AdapterRequest>) -> Result<StatusCode, Failure> {
    let air = panel.air.as_ref().ok_or_else(|| bad("the cabinets are on Bluetooth"))?;
    air.set_adapter(match request.state {
        AdapterName::On => AdapterState::On,
        AdapterName::Off => AdapterState::Off,
        AdapterName::Absent => AdapterState::Absent,
        AdapterName::Denied => AdapterState::Denied,
    });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HandRequest {
    what: Option<String>,
}

async fn hand(
    State(panel): Shared,
    Path((id, door, hand)): Path<(String, u16, String)>,
    body: Option<Json<HandRequest>>,
) -> Result<impl IntoResponse, Failure> {
    let what = body.and_then(|Json(request)| request.what).unwrap_or_else(|| "parcel".to_owned());
    if what.len() > 200 {
        return Err(bad("a name of at most 200 bytes, please"));
    }
    let index = find(&panel, &id)?;
    let did: &'static str = match hand.as_str() {
        "close" => "close",
        "pull" => "pull",
        "take" => "take",
        "put" => "put",
        _ => return Err(not_found("hand")),
    };
    let (_, compartment) = panel
        .world
        .look(index, |cabinet| cabinet.compartment(door))
        .flatten()
        .ok_or_else(|| not_found("door"))?;
    if matches!(did, "take" | "put") && !compartment.open {
        return Err(Failure(StatusCode::CONFLICT, "the door is closed".to_owned()));
    }
    let obstructed = panel.world.look(index, |cabinet| cabinet.fate().door(door).obstructed).unwrap_or(false);
    if did == "close" && obstructed {
        return Err(Failure(StatusCode::CONFLICT, "something keeps the door from closing".to_owned()));
    }
    if did == "pull" && !compartment.open {
        return Err(Failure(StatusCode::CONFLICT, "the latch holds".to_owned()));
    }
    panel.world.with(index, |cabinet, now| {
        cabinet.hand(door, did, now, |compartment, now| move_hand(compartment, did, what, now))
    });
    Ok(StatusCode::NO_CONTENT)
}

fn move_hand(compartment: &mut Compartment, did: &str, what: String, now: Now) {
    match did {
        "close" if compartment.open => {
            compartment.open = false;
            compartment.moved = Some(now.up);
        }
        "take" => compartment.inside = None,
        "put" => compartment.inside = Some(what),
        _ => {}
    }
}

#[derive(Deserialize)]
struct KeypadRequest {
    digits: String,
}

async fn keypad(
    State(panel): Shared,
    Path(id): Path<String>,
    Json(request): Json<KeypadRequest>,
) -> Result<StatusCode, Failure> {
    if request.digits.len() > 16 || !request.digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad("a keypad has the digits 0 to 9"));
    }
    let there = with(&panel, &id, |cabinet, now| {
        let there = cabinet.config().keypad;
        if there {
            cabinet.type_pin(&request.digits, now);
        }
        there
    })?;
    if there { Ok(StatusCode::ACCEPTED) } else { Err(not_found("keypad")) }
}

#[derive(Deserialize)]
struct ScannerRequest {
    text: String,
}

async fn scanner(
    State(panel): Shared,
    Path(id): Path<String>,
    Json(request): Json<ScannerRequest>,
) -> Result<StatusCode, Failure> {
    scan(&panel, &id, &request.text)
}

async fn scanner_image(
    State(panel): Shared,
    Path(id): Path<String>,
    image: axum::body::Bytes,
) -> Result<StatusCode, Failure> {
    // Looking for a code in a large picture takes a while.
    let read = tokio::task::spawn_blocking(move || scanner::read(&image)).await;
    let text = read.map_err(|_| bad("cannot read that picture"))?.map_err(|error| bad(error.to_string()))?;
    scan(&panel, &id, &text)
}

fn scan(panel: &Panel, id: &str, text: &str) -> Result<StatusCode, Failure> {
    if text.len() > 4296 {
        return Err(bad("no QR code holds that much"));
    }
    let there = with(panel, id, |cabinet, now| {
        let there = cabinet.config().scanner;
        if there {
            cabinet.scan(text, now);
        }
        there
    })?;
    if there { Ok(StatusCode::ACCEPTED) } else { Err(not_found("scanner")) }
}

#[derive(Deserialize)]
struct PowerRequest {
    on: bool,
    #[serde(default)]
    dark_ms: Option<u64>,
}

async fn power(
    State(panel): Shared,
    Path(id): Path<String>,
    Json(request): Json<PowerRequest>,
) -> Result<StatusCode, Failure> {
    with(&panel, &id, |cabinet, now| {
        if request.on {
            cabinet.restore_power(now);
        } else {
            cabinet.cut_power(request.dark_ms, now);
        }
    })?;
    Ok(StatusCode::NO_CONTENT)
}

async fn address(State(panel): Shared, Path(id): Path<String>) -> Result<StatusCode, Failure> {
    with(&panel, &id, Cabinet::rotate_address)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn faults(State(panel): Shared, Path(id): Path<String>) -> Result<Json<Fate>, Failure> {
    Ok(Json(with(&panel, &id, |cabinet, _| cabinet.fate().clone())?))
}

async fn set_faults(
    State(panel): Shared,
    Path(id): Path<String>,
    Json(patch): Json<Value>,
) -> Result<Json<Fate>, Failure> {
    let current = with(&panel, &id, |cabinet, _| cabinet.fate().clone())?;
    let mut value = serde_json::to_value(current).map_err(|error| bad(error.to_string()))?;
    merge(&mut value, patch);
    let fate: Fate = serde_json::from_value(value).map_err(|error| bad(error.to_string()))?;
    if !fate.is_possible() {
        return Err(bad("out of the bounds of what can be"));
    }
    with(&panel, &id, |cabinet, now| cabinet.set_fate(fate.clone(), now))?;
    Ok(Json(fate))
}

async fn clear_faults(State(panel): Shared, Path(id): Path<String>) -> Result<StatusCode, Failure> {
    with(&panel, &id, |cabinet, now| cabinet.set_fate(Fate::default(), now))?;
    Ok(StatusCode::NO_CONTENT)
}

/// JSON merge patch (RFC 7396).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Value::Object(target) = target {
        for (key, value) in patch {
            if value.is_null() {
                target.remove(&key);
            } else {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
    }
}

#[derive(Deserialize)]
struct DepositRequest {
    /// Reservation id at the hub.
    parcel: String,
    /// The hub chooses when absent.
    #[serde(default)]
    door: Option<u16>,
    /// What lies in the compartment afterwards.
    #[serde(default)]
    what: Option<String>,
}

#[derive(Serialize)]
struct DepositAnswer {
    door: u16,
    /// Opened by the protocol; otherwise the hub was told by the carrier's key.
    by_protocol: bool,
    /// The hub knows of it already.
    reported: bool,
}

#[derive(Serialize)]
struct CollectAnswer {
    /// What was taken out.
    collected: Vec<Collected>,
}

#[derive(Serialize)]
struct Collected {
    reference: String,
    door: u16,
    reported: bool,
}

/// The courier opens a door, puts the parcel in, closes, and hands the receipt in.
async fn deposit(
    State(panel): Shared,
    Path(id): Path<String>,
    Json(request): Json<DepositRequest>,
) -> Result<Json<DepositAnswer>, Failure> {
    let index = find(&panel, &id)?;
    let errand = courier(&panel)?
        .deposit(&panel.world, index, &request.parcel, request.door, request.what)
        .await
        .map_err(errand_failed)?;
    panel.world.with(index, |cabinet, _| {
        cabinet.remark(format!("courier: {} put into door {}", errand.reference, errand.door));
    });
    let Errand { door, by_protocol, reported, .. } = errand;
    Ok(Json(DepositAnswer { door, by_protocol, reported }))
}

/// The courier takes out what has expired or goes back.
async fn collect(State(panel): Shared, Path(id): Path<String>) -> Result<Json<CollectAnswer>, Failure> {
    let index = find(&panel, &id)?;
    let errands = courier(&panel)?.collect(&panel.world, index).await.map_err(errand_failed)?;
    panel.world.with(index, |cabinet, _| {
        cabinet.remark(format!("courier: {} taken out", errands.len()));
    });
    let collected = errands.into_iter().map(|errand| {
        let Errand { reference, door, reported, .. } = errand;
        Collected { reference, door, reported }
    });
    Ok(Json(CollectAnswer { collected: collected.collect() }))
}

fn courier(panel: &Panel) -> Result<&Courier, Failure> {
    panel.courier.as_deref().ok_or_else(|| bad("started without --hub and --carrier-key"))
}

fn errand_failed(error: ErrandError) -> Failure {
    let status = match &error {
        ErrandError::Courier(CourierError::Hub(HubError::Unreachable(_))) => StatusCode::BAD_GATEWAY,
        ErrandError::NoCabinet => StatusCode::NOT_FOUND,
        _ => StatusCode::CONFLICT,
    };
    Failure(status, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let mut fate = serde_json::to_value(Fate::default()).unwrap();
        merge(&mut fate, json!({ "air": { "delay_ms": 5 }, "doors": { "3": { "jammed_pulses": 9 } } }));
        merge(&mut fate, json!({ "air": { "mtu": 23 } }));
        let read: Fate = serde_json::from_value(fate.clone()).unwrap();
        assert_eq!((read.air.delay_ms, read.air.mtu, read.door(3).jammed_pulses), (5, Some(23), Some(9)));
        merge(&mut fate, json!({ "air": { "mtu": null }, "doors": { "3": null } }));
        let read: Fate = serde_json::from_value(fate).unwrap();
        assert_eq!((read.air.delay_ms, read.air.mtu, read.doors.len()), (5, None, 0));
    }
}
