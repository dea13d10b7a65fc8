//! What an opening costs on the air, against the bare platform, in one run:
//!
//! ```text
//! POSTERN_LAB_BUS=… DBUS_SYSTEM_BUS_ADDRESS=… cargo run -p postern-lab-tests --example bench
//! ```
//!
//! Prints a table, and the same as one line of JSON. Without a lab only the frames and bytes.
//!
//! - *warm*: connected and greeted; from handing OPEN to the link to the latch, against one bare write with response plus
//!   one notification of the same sizes, on the same stack. Bound: 1.25.
//! - *cold*: scan, connect, discover, subscribe and the first write, against the same steps by btleplug alone. Bound: 1.10.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use btleplug::{
    api::{Central, CentralEvent, Manager as _, Peripheral as _, ScanFilter, WriteType},
    platform::{Adapter, Manager, Peripheral},
};
use futures::StreamExt;
use postern_lab_tests::{PATIENCE, PHONE, Rig};
use postern_protocol::{
    frame::{Tag, fragments},
    gatt::{COMPANY_ID, RX_UUID, SERVICE_UUID, TX_UUID},
};
use postern_radio::Radio;
use uuid::Uuid;

/// Sizes of the messages of one opening with one token: HELLO, OPEN, RECEIPT.
const HELLO: usize = 49;
const OPEN: usize = 313;
const RECEIPT: usize = 176;
/// Runs of each kind; medians are compared.
const RUNS: usize = 7;

fn main() {
    let mut json = serde_json::Map::new();
    println!("MTU    frames (HELLO + OPEN + RECEIPT)    bytes with frame and ATT headers");
    for mtu in [23usize, 185, 247, 517] {
        let cut = |length: usize| {
            let frames: Vec<_> = fragments(&vec![2; length], Tag(1), mtu - 3).collect();
            (frames.len(), frames.iter().map(|frame| frame.len() + 3).sum::<usize>())
        };
        let parts = [cut(HELLO), cut(OPEN), cut(RECEIPT)];
        let frames: usize = parts.iter().map(|part| part.0).sum();
        let bytes: usize = parts.iter().map(|part| part.1).sum();
        println!("{mtu:>3}    {frames:>2} ({} + {} + {})    {bytes}", parts[0].0, parts[1].0, parts[2].0);
        json.insert(format!("mtu_{mtu}"), serde_json::json!({ "frames": frames, "bytes": bytes }));
    }
    if std::env::var_os("POSTERN_LAB_BUS").is_none() {
        eprintln!("no lab: only sizes");
    } else {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(lab(&mut json));
    }
    println!("{}", serde_json::Value::Object(json));
}

async fn lab(json: &mut serde_json::Map<String, serde_json::Value>) {
    let mut rig = Rig::new().await;
    let locker = rig.locker();
    let (mut ours, mut bare, mut cold_ours, mut cold_bare) = (vec![], vec![], vec![], vec![]);
    for door in 1..=RUNS as u16 {
        // Ours: the time from the gesture to the latch, as the cabinet's log has it.
        let request = rig.collect(0, door);
        let begun = Instant::now();
        let deadline = begun + PATIENCE;
        let mut link = rig.radio.connect(locker.id, deadline, &|_| {}).await.expect("a link");
        let hello = link.receive().await.expect("HELLO");
        let (open, mut session) = rig.phone.open(&locker, &hello, &request).expect("OPEN");
        let gesture = rig.world.now().wall;
        link.send(&open).await.expect("sent");
        cold_ours.push(begun.elapsed());
        let _ = session.receive(&link.receive().await.expect("RECEIPT")).expect("authentic");
        let latch = rig.world.look(0, |cabinet| {
            cabinet
                .log()
                .after(0)
                .filter(|entry| matches!(entry.what, postern_sim::log::What::Latch { .. }))
                .last()
                .map(|e| e.at)
        });
        ours.push(Duration::from_millis(latch.flatten().expect("a latch").saturating_sub(gesture)));
        link.close().await;
        rig.until(0, |cabinet| cabinet.links().count() == 0).await;

        // Bare: the same platform calls, nothing around them.
        let manager = Manager::new().await.expect("bluez");
        let adapter = find(&manager).await;
        let begun = Instant::now();
        let peripheral = reach(&adapter, locker.id.short()).await;
        let service = Uuid::from_u128(SERVICE_UUID);
        let characteristic = |uuid| {
            let services = peripheral.services();
            let found = services.iter().find(|s| s.uuid == service).expect("the service");
            found
                .characteristics
                .iter()
                .find(|c| c.uuid == Uuid::from_u128(uuid))
                .cloned()
                .expect("characteristic")
        };
        let (rx, tx) = (characteristic(RX_UUID), characteristic(TX_UUID));
        let mut values = peripheral.notifications().await.expect("notifications");
        peripheral.subscribe(&tx).await.expect("subscribed");
        let hello = values.next().await.expect("HELLO");
        // A frame of OPEN's size under the right tag: the cabinet takes it, and says nothing to a message of nobody.
        let frame = fragments(&vec![0x7F; OPEN], Tag(hello.value[1]), 514).next().expect("one frame");
        let write = Instant::now();
        peripheral.write(&rx, &frame, WriteType::WithResponse).await.expect("written");
        bare.push(write.elapsed());
        cold_bare.push(begun.elapsed());
        peripheral.disconnect().await.expect("disconnected");
        rig.until(0, |cabinet| cabinet.links().count() == 0).await;
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1000.0
    };
    let (ours, bare) = (median(&mut ours), median(&mut bare));
    let (cold_ours, cold_bare) = (median(&mut cold_ours), median(&mut cold_bare));
    println!("\nmedian of {RUNS}, ms                        ours      bare     ratio    bound");
    println!(
        "warm: gesture to latch / bare write   {ours:>7.1}   {bare:>7.1}   {:>6.2}    1.25",
        ours / bare
    );
    println!(
        "cold: to OPEN written / bare          {cold_ours:>7.1}   {cold_bare:>7.1}   {:>6.2}    1.10",
        cold_ours / cold_bare
    );
    json.insert("warm".into(), serde_json::json!({ "ours_ms": ours, "bare_ms": bare, "ratio": ours / bare }));
    json.insert(
        "cold".into(),
        serde_json::json!({ "ours_ms": cold_ours, "bare_ms": cold_bare, "ratio": cold_ours / cold_bare }),
    );
    rig.end().await;
}

async fn find(manager: &Manager) -> Adapter {
    for adapter in manager.adapters().await.expect("adapters") {
        if adapter.adapter_info().await.is_ok_and(|info| info.starts_with(PHONE)) {
            return adapter;
        }
    }
    panic!("no {PHONE}");
}

async fn reach(adapter: &Adapter, short_id: [u8; 4]) -> Peripheral {
    let mut events = adapter.events().await.expect("events");
    let services = vec![Uuid::from_u128(SERVICE_UUID)];
    adapter.start_scan(ScanFilter { services }).await.expect("scan");
    let heard = loop {
        let event = tokio::time::timeout(Duration::from_millis(2500), events.next()).await;
        let id = match event {
            Ok(Some(
                CentralEvent::DeviceDiscovered(id) | CentralEvent::ManufacturerDataAdvertisement { id, .. },
            )) => id,
            Ok(_) => continue,
            // The same remedy for a deaf scan as ours: it is the platform that is compared, not its luck.
            Err(_) => {
                let _ = adapter.stop_scan().await;
                let services = vec![Uuid::from_u128(SERVICE_UUID)];
                adapter.start_scan(ScanFilter { services }).await.expect("scan");
                continue;
            }
        };
        let Ok(peripheral) = adapter.peripheral(&id).await else { continue };
        let Ok(Some(properties)) = peripheral.properties().await else { continue };
        if properties
            .manufacturer_data
            .get(&COMPANY_ID)
            .is_some_and(|data| data.get(2..6) == Some(&short_id[..]))
        {
            break peripheral;
        }
    };
    adapter.stop_scan().await.expect("scan stopped");
    heard.connect().await.expect("connected");
    heard.discover_services().await.expect("discovered");
    heard
}
