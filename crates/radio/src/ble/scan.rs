//! One scan for everybody who listens: platforms give a process one, and refuse a second.

use std::{collections::HashSet, pin::Pin, sync::Arc, time::Duration};

use btleplug::{
    api::{Central, CentralEvent, Peripheral as _, ScanFilter},
    platform::{Adapter, PeripheralId},
};
use futures::{Stream, StreamExt};
use postern_protocol::gatt::{Advertisement, COMPANY_ID, SERVICE_UUID};
use tokio::{sync::watch, time::timeout};
use uuid::Uuid;

use crate::{RadioError, Sighting};

/// A scan that has heard nothing for so long is started anew: some controllers and kernels report an advertiser once for
/// each scan, or stop reporting after a connection, and say nothing of it.
const DEAF: Duration = Duration::from_millis(2500);
/// Pause before a scan that would not start is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// RSSI value that says "not available" (Core Specification, HCI).
const RSSI_UNKNOWN: i16 = 127;

/// Who wants what of the scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Demand {
    listeners: usize,
    pauses: usize,
    restarts: usize,
}

impl Demand {
    fn scan(self) -> bool {
        self.listeners > 0 && self.pauses == 0
    }
}

/// The scan of one adapter.
pub(super) struct Scanner {
    adapter: Adapter,
    demand: watch::Sender<Demand>,
    scanning: watch::Receiver<bool>,
}

impl Scanner {
    pub(super) fn new(adapter: Adapter) -> Self {
        let (demand, wanted) = watch::channel(Demand::default());
        let (active, scanning) = watch::channel(false);
        // Ends when the scanner is gone, and stops the scan first.
        tokio::spawn(keep(adapter.clone(), wanted, active));
        Self { adapter, demand, scanning }
    }

    pub(super) fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Scans until the ear is dropped.
    pub(super) async fn listen(self: &Arc<Self>) -> Result<Ear, RadioError> {
        let lost = |error: btleplug::Error| RadioError::Lost(error.to_string());
        // What the platform remembers comes first in its events and is not news.
        let cached = self.adapter.peripherals().await.map_err(lost)?;
        let cached = cached.iter().map(btleplug::api::Peripheral::id).collect();
        let events = self.adapter.events().await.map_err(lost)?;
        self.demand.send_modify(|demand| demand.listeners += 1);
        Ok(Ear { scanner: self.clone(), events, cached })
    }

    /// Does not scan until the pause is dropped; returns when the scan has stopped.
    pub(super) async fn pause(self: &Arc<Self>) -> Pause {
        self.demand.send_modify(|demand| demand.pauses += 1);
        let pause = Pause { scanner: self.clone() };
        let _ = self.scanning.clone().wait_for(|active| !active).await;
        pause
    }
}

/// See [`Scanner::pause`].
pub(super) struct Pause {
    scanner: Arc<Scanner>,
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.scanner.demand.send_modify(|demand| demand.pauses -= 1);
    }
}

/// Hears lockers. Dropping it ends the scan when nobody else listens.
pub(super) struct Ear {
    scanner: Arc<Scanner>,
    events: Pin<Box<dyn Stream<Item = CentralEvent> + Send>>,
    cached: HashSet<PeripheralId>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.scanner.demand.send_modify(|demand| demand.listeners -= 1);
    }
}

impl Ear {
    /// The next advertisement of a locker; none when the adapter has gone.
    pub(super) async fn next(&mut self) -> Option<(PeripheralId, Sighting)> {
        loop {
            let Ok(event) = timeout(DEAF, self.events.next()).await else {
                self.scanner.demand.send_modify(|demand| demand.restarts += 1);
                continue;
            };
            let event = event?;
            tracing::trace!(?event, "heard");
            let (id, payload) = match event {
                CentralEvent::ManufacturerDataAdvertisement { id, mut manufacturer_data } => {
                    self.cached.remove(&id);
                    (id, manufacturer_data.remove(&COMPANY_ID))
                }
                CentralEvent::DeviceDiscovered(id) if !self.cached.remove(&id) => (id, None),
                _ => continue,
            };
            let adapter = self.scanner.adapter.clone();
            if let Some(sighting) = sighting(&adapter, &id, payload).await {
                return Some((id, sighting));
            }
        }
    }
}

async fn sighting(adapter: &Adapter, id: &PeripheralId, payload: Option<Vec<u8>>) -> Option<Sighting> {
    let peripheral = adapter.peripheral(id).await.ok()?;
    let mut properties = peripheral.properties().await.ok()??;
    // Without any services is what BlueZ says of whom it lost in the middle of discovery. The scan asks for ours anyway.
    if !properties.services.is_empty() && !properties.services.contains(&Uuid::from_u128(SERVICE_UUID)) {
        return None;
    }
    let payload = payload.or_else(|| properties.manufacturer_data.remove(&COMPANY_ID))?;
    let advertisement = Advertisement::decode(&payload)?;
    Some(Sighting { advertisement, rssi: properties.rssi.filter(|rssi| *rssi != RSSI_UNKNOWN) })
}

/// Starts and stops the platform's scan as it is wanted.
async fn keep(adapter: Adapter, mut demand: watch::Receiver<Demand>, active: watch::Sender<bool>) {
    let mut restarts = 0;
    loop {
        let now = *demand.borrow_and_update();
        if std::mem::replace(&mut restarts, now.restarts) != now.restarts && now.scan() && *active.borrow() {
            tracing::debug!("nothing heard, scanning anew");
            stop(&adapter).await;
            active.send_replace(false);
        }
        let wanted = now.scan();
        if wanted && !*active.borrow() {
            if start(&adapter).await {
                active.send_replace(true);
            } else {
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => continue,
                    changed = demand.changed() => if changed.is_err() { return } else { continue },
                }
            }
        } else if !wanted && *active.borrow() {
            stop(&adapter).await;
            active.send_replace(false);
        }
        if demand.changed().await.is_err() {
            break;
        }
    }
    if *active.borrow() {
        stop(&adapter).await;
    }
}

async fn start(adapter: &Adapter) -> bool {
    let filter = ScanFilter { services: vec![Uuid::from_u128(SERVICE_UUID)] };
    let Err(error) = adapter.start_scan(filter.clone()).await else { return true };
    tracing::debug!(%error, "scan did not start");
    if !error.to_string().contains("InProgress") && !error.to_string().contains("in progress") {
        return false;
    }
    stop(adapter).await;
    adapter.start_scan(filter).await.is_ok()
}

async fn stop(adapter: &Adapter) {
    if let Err(error) = adapter.stop_scan().await {
        tracing::debug!(%error, "scan was over already");
    }
}
