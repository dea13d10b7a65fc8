//! What the panel shows, as data.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use postern_api::locker::DoorInfo;
use postern_radio::AdapterState;
use serde::Serialize;

use crate::{cabinet::Cabinet, fate::Fate, log::Entry, words, world::World};

use super::Panel;

/// Everything.
#[derive(Serialize)]
pub(super) struct State {
    /// UNIX milliseconds.
    now: u64,
    /// Counts up with every change.
    revision: u64,
    /// What phones are told of their radio on `air`: on, off, absent, denied; `null` on Bluetooth.
    adapter: Option<&'static str>,
    /// `host:port` of `air`.
    air: Option<String>,
    /// Whether a courier can call the hub.
    courier: bool,
    cabinets: Vec<CabinetState>,
}

#[derive(Serialize)]
pub(super) struct CabinetState {
    id: String,
    name: String,
    site: String,
    on: bool,
    keypad: bool,
    scanner: bool,
    content_sensors: bool,
    uplink: bool,
    /// Number of the newest news that the firmware has taken in; `null` while it is off.
    news: Option<u32>,
    screen: Option<String>,
    address: String,
    mtu: u16,
    connections: usize,
    advertisement: Option<AdvertisementState>,
    clock: ClockState,
    doors: Vec<DoorState>,
    links: Vec<LinkState>,
    receipts: Vec<ReceiptState>,
    chain_whole: bool,
    fate: Fate,
    log: Vec<Entry>,
}

#[derive(Serialize)]
struct AdvertisementState {
    accepting: bool,
    low_battery: bool,
    clock_unset: bool,
    short_id: String,
}

#[derive(Serialize)]
struct ClockState {
    /// The battery-backed clock knows the time.
    set: bool,
    /// Seconds by which it is wrong.
    skew: i64,
}

#[derive(Serialize)]
struct DoorState {
    #[serde(flatten)]
    info: DoorInfo,
    /// As it really is.
    open: bool,
    /// As the sensor says.
    sensed_open: Option<bool>,
    energised: bool,
    obstructed: bool,
    pulses: u32,
    inside: Option<String>,
}

#[derive(Serialize)]
struct LinkState {
    link: u16,
    mtu: u16,
    frames_in: u32,
    frames_out: u32,
    last_in: Option<&'static str>,
    last_out: Option<&'static str>,
}

#[derive(Serialize)]
struct ReceiptState {
    sequence: Option<u32>,
    door: Option<u16>,
    operation: Option<&'static str>,
    outcome: Option<&'static str>,
    at: Option<u64>,
    clock: Option<&'static str>,
    source: Option<&'static str>,
    /// Of a PIN: the slot and epoch that it was made for.
    pin: Option<PinState>,
    /// Number of the newest news that it acknowledges.
    news: Option<u32>,
    token: Option<String>,
    nonce: Option<String>,
    hash: String,
    previous: Option<String>,
    /// Signature good.
    signed: bool,
    /// And it names the one before.
    follows: bool,
    /// base64url.
    bytes: String,
}

#[derive(Serialize)]
struct PinState {
    epoch: u32,
    slot: u8,
}

pub(super) fn state(panel: &Panel) -> State {
    let world = &panel.world;
    State {
        now: world.now().wall,
        revision: *world.revision().borrow(),
        adapter: panel.air.as_ref().map(|air| match air.adapter() {
            AdapterState::On | AdapterState::Unknown => "on",
            AdapterState::Off => "off",
            AdapterState::Absent => "absent",
            AdapterState::Denied | AdapterState::LocationOff => "denied",
        }),
        air: panel.air.as_ref().map(|air| air.local_addr().to_string()),
        courier: panel.courier.is_some(),
        cabinets: (0..world.len()).filter_map(|index| cabinet(world, index)).collect(),
    }
}

pub(super) fn cabinet(world: &World, index: usize) -> Option<CabinetState> {
    world.look(index, |cabinet| {
        let config = cabinet.config().clone();
        CabinetState {
            id: cabinet.id().to_string(),
            name: config.name,
            site: config.site,
            on: cabinet.is_on(),
            keypad: config.keypad,
            scanner: config.scanner,
            content_sensors: config.content_sensors,
            uplink: config.uplink,
            news: cabinet.news(),
            screen: config.screen.then(|| cabinet.screen().to_owned()),
            address: cabinet.address().map(|byte| format!("{byte:02X}")).join(":"),
            mtu: config.mtu,
            connections: config.connections,
            advertisement: cabinet.advertisement().map(|advertisement| AdvertisementState {
                accepting: advertisement.accepting,
                low_battery: advertisement.low_battery,
                clock_unset: advertisement.clock_unset,
                short_id: hex::encode(advertisement.short_id),
            }),
            clock: ClockState {
                set: !cabinet.fate().machine.clock_lost,
                skew: cabinet.fate().machine.clock_skew,
            },
            doors: doors(cabinet),
            links: cabinet
                .links()
                .map(|(number, link)| {
                    let (frames_in, frames_out) = link.frames();
                    let [last_in, last_out] = link.kinds();
                    LinkState { link: number, mtu: link.mtu(), frames_in, frames_out, last_in, last_out }
                })
                .collect(),
            receipts: receipts(cabinet),
            chain_whole: cabinet.chain().is_whole(),
            fate: cabinet.fate().clone(),
            log: cabinet.log().after(cabinet.log().last().saturating_sub(120)).cloned().collect(),
        }
    })
}

fn doors(cabinet: &mut Cabinet) -> Vec<DoorState> {
    let infos = cabinet.doors().to_vec();
    infos
        .into_iter()
        .filter_map(|info| {
            let (sensors, compartment) = cabinet.compartment(info.door)?;
            Some(DoorState {
                info,
                open: compartment.open,
                sensed_open: sensors.open,
                energised: compartment.energised.is_some(),
                obstructed: sensors.obstructed,
                pulses: compartment.pulses,
                inside: compartment.inside,
            })
        })
        .collect()
}

fn receipts(cabinet: &Cabinet) -> Vec<ReceiptState> {
    let one = |link: &crate::chain::Link| {
        let receipt = link.receipt.as_ref();
        ReceiptState {
            sequence: receipt.map(|r| r.sequence),
            door: receipt.map(|r| r.door.0),
            operation: receipt.map(|r| words::operation(r.operation)),
            outcome: receipt.map(|r| words::outcome(r.outcome)),
            at: receipt.map(|r| r.at.0),
            clock: receipt.map(|r| words::clock(r.clock)),
            source: receipt.map(|r| words::source(r.source)),
            pin: receipt
                .and_then(postern_protocol::receipt::Receipt::pin)
                .map(|pin| PinState { epoch: pin.epoch.0, slot: pin.slot }),
            news: receipt.map(|r| r.news),
            token: receipt.map(|r| hex::encode(r.token.0)),
            nonce: receipt.map(|r| hex::encode(r.nonce.0)),
            hash: hex::encode(link.hash),
            previous: receipt.map(|r| hex::encode(r.previous)),
            signed: receipt.is_some(),
            follows: link.follows,
            bytes: BASE64.encode(&link.bytes),
        }
    };
    cabinet.chain().links().iter().rev().take(50).map(one).collect()
}
