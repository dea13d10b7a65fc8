//! What an opening costs over a real Bluetooth stack, by turns with the bare platform: the room `air` of
//! `cargo xtask bench` runs it and reads what it prints, one JSON object of samples in seconds. By hand:
//!
//! ```text
//! POSTERN_LAB_BUS=… DBUS_SYSTEM_BUS_ADDRESS=… cargo run -p postern-lab-tests --example bluetooth_costs -- 7
//! ```
//!
//! - `warm`: connected and greeted; from the gesture to the latch, beside a bare write with response and the notification
//!   that answers it, of the sizes of OPEN and RECEIPT.
//! - `answered`: the same up to the receipt, verified.
//! - `cold`: from nothing: adapter, scan, connect, discover, subscribe, HELLO, OPEN written, beside adapter, scan, connect,
//!   discover, subscribe and a write of that size by btleplug alone, to the same peripheral.
//! - `again`: the next link, from the moment the one before is told to end, up to its HELLO.
#![cfg(target_os = "linux")]

use std::{
    collections::{BTreeMap, HashSet},
    error::Error,
    sync::Mutex,
    time::{Duration, Instant},
};

use btleplug::{
    api::{Central, CentralEvent, Characteristic, Manager as _, Peripheral as _, ScanFilter, WriteType},
    platform::{Adapter, Manager, Peripheral, PeripheralId},
};
use futures::StreamExt;
use postern_lab_tests::{PATIENCE, PHONE, Rig, bare::BarePeripheral, fresh};
use postern_protocol::{
    Reply,
    frame::{MAX_FRAME, Tag, fragments},
    gatt::{COMPANY_ID, RX_UUID, SERVICE_UUID, TX_UUID},
};
use postern_radio::{Progress, Radio, ble::BleRadio};
use uuid::Uuid;

/// Sizes of OPEN with one token and of RECEIPT, as messages.
const OPEN: usize = 314;
const RECEIPT: usize = 176;
/// Where the bare peripheral is.
const BARE: &str = "hci2";
/// Exchanges on one bare link; their median is one sample.
const EXCHANGES: usize = 9;
/// A scan that heard nothing for so long is started anew, as the radio does: the platform is compared, not its luck.
const DEAF: Duration = Duration::from_millis(2500);

type Outcome<T> = Result<T, Box<dyn Error>>;
/// Ours and the bare ones, pair by pair.
type Pairs = (Vec<f64>, Vec<f64>);

fn main() -> Outcome<()> {
    let runs: u16 = std::env::args().nth(1).map_or(Ok(7), |runs| runs.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let samples = runtime.block_on(measure(runs))?;
    println!("{}", serde_json::to_string(&samples)?);
    Ok(())
}

async fn measure(runs: u16) -> Outcome<BTreeMap<&'static str, Pairs>> {
    let mut rig = Rig::new().await;
    let session = bluer::Session::new().await?;
    let id = rig.locker().id.short().map(|byte| !byte);
    let answer = frame(Tag(0), RECEIPT)?;
    let mut peripheral = BarePeripheral::start(fresh(&session, BARE).await?, id, answer).await?;
    let (mut warm, mut answered, mut cold, mut again) =
        (Pairs::default(), Pairs::default(), Pairs::default(), Pairs::default());
    // The first pair warms up and is thrown away.
    for run in 0..=runs {
        let mut times = None;
        for turn in 0..2 {
            if (run + turn) % 2 == 0 {
                times = Some(ours(&mut rig, run % 16 + 1).await?);
            } else {
                let exchange = exchange(&mut peripheral, id).await?;
                let opening = bare_opening(&rig).await?;
                if run > 0 {
                    warm.1.push(exchange);
                    answered.1.push(exchange);
                    cold.1.push(opening);
                }
            }
        }
        let times = times.ok_or("no run of ours")?;
        eprintln!("{run}: {times:?}");
        if run > 0 {
            warm.0.push(times.latch);
            answered.0.push(times.receipt);
            cold.0.push(times.cold);
            again.0.push(times.again);
        }
    }
    rig.end().await;
    Ok(BTreeMap::from([("warm", warm), ("answered", answered), ("cold", cold), ("again", again)]))
}

/// Of one opening of ours, in seconds.
#[derive(Debug)]
struct Times {
    cold: f64,
    latch: f64,
    receipt: f64,
    again: f64,
}

async fn ours(rig: &mut Rig, door: u16) -> Outcome<Times> {
    let request = rig.collect(0, door);
    let locker = rig.locker();
    let pulses = rig.world.look(0, |cabinet| cabinet.compartment(door).map_or(0, |door| door.1.pulses));
    let begun = Instant::now();
    // A radio that remembers nothing of the locker.
    let radio = BleRadio::new(Some(PHONE));
    let mut link = radio.connect(locker.id, begun + PATIENCE, &|_| {}).await?;
    let hello = link.receive().await?;
    let gesture = Instant::now();
    let latch = latched(rig, door, pulses.unwrap_or(0));
    let opening = async {
        // Its own phone: the rig is looked at meanwhile.
        let mut phone = postern_sim::customer::Phone::new(4);
        let (open, mut session) = phone.open(&locker, &hello, &request)?;
        link.send(&open).await?;
        let cold = begun.elapsed();
        let Reply::Receipt(receipt) = session.receive(&link.receive().await?)? else {
            return Err("no receipt".into());
        };
        postern_protocol::receipt::verify(&receipt, &locker.receipt_key)?;
        Outcome::Ok((cold, gesture.elapsed()))
    };
    let (opening, latch) = tokio::join!(opening, latch);
    let (cold, receipt) = opening?;
    rig.world.with(0, |cabinet, now| {
        cabinet.hand(door, "close", now, |compartment, now| {
            compartment.open = false;
            compartment.moved = Some(now.up);
        })
    });
    let left = Instant::now();
    drop(link);
    let stages = Mutex::new(Vec::new());
    let record = |stage: Progress| {
        if let Ok(mut stages) = stages.lock() {
            stages.push((stage, left.elapsed()));
        }
    };
    let mut link = radio.connect(locker.id, left + PATIENCE, &record).await?;
    link.receive().await?;
    let again = left.elapsed();
    eprintln!("again: {stages:?}");
    link.close().await;
    rig.until(0, |cabinet| cabinet.links().count() == 0).await;
    Ok(Times {
        cold: cold.as_secs_f64(),
        latch: (latch - gesture).as_secs_f64(),
        receipt: receipt.as_secs_f64(),
        again: again.as_secs_f64(),
    })
}

/// When the latch of a door was driven once more.
async fn latched(rig: &Rig, door: u16, before: u32) -> Instant {
    let mut revision = rig.world.revision();
    loop {
        revision.borrow_and_update();
        let pulses = rig.world.look(0, |cabinet| cabinet.compartment(door).map_or(0, |door| door.1.pulses));
        if pulses.unwrap_or(0) > before || revision.changed().await.is_err() {
            return Instant::now();
        }
    }
}

/// Scan, connect, discover, subscribe, write: to the cabinet, whose firmware passes over a message that is none.
async fn bare_opening(rig: &Rig) -> Outcome<f64> {
    let begun = Instant::now();
    let phone = find(&Manager::new().await?).await?;
    let link = reach(&phone, rig.locker().id.short()).await?;
    link.peripheral.subscribe(&link.tx).await?;
    link.peripheral.write(&link.rx, &frame(Tag(0), OPEN)?, WriteType::WithResponse).await?;
    let took = begun.elapsed();
    // BlueZ would subscribe for this one as soon as ours connects, and the HELLO would go by before ours listens.
    link.peripheral.unsubscribe(&link.tx).await?;
    link.peripheral.disconnect().await?;
    rig.until(0, |cabinet| cabinet.links().count() == 0).await;
    Ok(took.as_secs_f64())
}

/// A write and the notification that answers it.
async fn exchange(peripheral: &mut BarePeripheral, id: [u8; 4]) -> Outcome<f64> {
    let phone = find(&Manager::new().await?).await?;
    let link = tokio::select! {
        link = reach(&phone, id) => link?,
        error = keep_on_air(peripheral) => return Err(error.into()),
    };
    let mut values = link.peripheral.notifications().await?;
    link.peripheral.subscribe(&link.tx).await?;
    let frame = frame(Tag(0), OPEN)?;
    let mut took = Vec::new();
    for exchange in 0..EXCHANGES {
        let begun = Instant::now();
        link.peripheral.write(&link.rx, &frame, WriteType::WithResponse).await?;
        // The first may be lost where the subscription is only taking effect.
        let answer = tokio::time::timeout(Duration::from_secs(2), values.next()).await;
        if exchange > 0 {
            answer?.ok_or("the link broke")?;
            took.push(begun.elapsed().as_secs_f64());
        }
    }
    link.peripheral.disconnect().await?;
    took.sort_by(f64::total_cmp);
    Ok(took[took.len() / 2])
}

/// Advertises again and again, as a cabinet in the lab does (postern_sim::ble), until that fails.
async fn keep_on_air(peripheral: &mut BarePeripheral) -> bluer::Error {
    loop {
        if let Err(error) = peripheral.advertise().await {
            return error;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn frame(tag: Tag, length: usize) -> Outcome<Vec<u8>> {
    Ok(fragments(&vec![0x7F; length], tag, MAX_FRAME).next().ok_or("a frame")?)
}

async fn find(manager: &Manager) -> Outcome<Adapter> {
    for adapter in manager.adapters().await? {
        if adapter.adapter_info().await?.starts_with(&format!("{PHONE} ")) {
            return Ok(adapter);
        }
    }
    Err(format!("no {PHONE}").into())
}

struct BareLink {
    peripheral: Peripheral,
    rx: Characteristic,
    tx: Characteristic,
}

async fn reach(adapter: &Adapter, short_id: [u8; 4]) -> Outcome<BareLink> {
    // Whom the platform remembers, it reports first; heard is who is reported after that.
    let mut remembered: HashSet<PeripheralId> =
        adapter.peripherals().await?.iter().map(btleplug::api::Peripheral::id).collect();
    let mut events = adapter.events().await?;
    let services = vec![Uuid::from_u128(SERVICE_UUID)];
    let filter = ScanFilter { services };
    adapter.start_scan(filter.clone()).await?;
    let peripheral = loop {
        let id = match tokio::time::timeout(DEAF, events.next()).await {
            Ok(Some(CentralEvent::DeviceDiscovered(id))) if !remembered.remove(&id) => id,
            Ok(Some(CentralEvent::ManufacturerDataAdvertisement { id, .. })) => id,
            Ok(Some(_)) => continue,
            Ok(None) => return Err("the adapter has gone".into()),
            Err(_) => {
                adapter.stop_scan().await?;
                adapter.start_scan(filter.clone()).await?;
                continue;
            }
        };
        let Ok(peripheral) = adapter.peripheral(&id).await else { continue };
        let Ok(Some(properties)) = peripheral.properties().await else { continue };
        let said = properties.manufacturer_data.get(&COMPANY_ID);
        if said.is_some_and(|said| said.get(2..6) == Some(&short_id[..])) {
            break peripheral;
        }
    };
    adapter.stop_scan().await?;
    peripheral.connect().await?;
    peripheral.discover_services().await?;
    let services = peripheral.services();
    let found = |uuid| {
        let all = services.iter().flat_map(|service| &service.characteristics);
        all.into_iter().find(|found| found.uuid == Uuid::from_u128(uuid)).cloned()
    };
    let (rx, tx) = found(RX_UUID).zip(found(TX_UUID)).ok_or("no such service")?;
    Ok(BareLink { peripheral, rx, tx })
}
