//! One scan for everybody who listens: platforms give a process one, and refuse a second.

use std::{collections::HashSet, pin::Pin, sync::Arc};

use btleplug::{
    api::{Central, CentralEvent, Peripheral as _, ScanFilter},
    platform::{Adapter, PeripheralId},
};
use futures::{Stream, StreamExt};
use postern_protocol::gatt::{Advertisement, COMPANY_ID, SERVICE_UUID};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::pace::{self, Failure, Manners, Run, STARTS, Situation, Starts, Step};
use crate::{RadioError, Sighting, phone};

/// RSSI value that says "not available" (Core Specification, HCI).
const RSSI_UNKNOWN: i16 = 127;

/// Who wants what of the scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Demand {
    listeners: usize,
    /// Listeners who are about to connect.
    dialling: usize,
    pauses: usize,
}

impl Demand {
    fn scan(self) -> bool {
        self.listeners > 0 && self.pauses == 0
    }
}

/// What the platform's scan does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    Idle,
    Runs,
    /// Nobody wants it now, and it runs on since none could be started after it: see [`Manners::next`].
    RunsOn,
}

/// The scan of one adapter.
pub(super) struct Scanner {
    adapter: Adapter,
    demand: watch::Sender<Demand>,
    scanning: watch::Receiver<Activity>,
    heard: watch::Sender<Option<Instant>>,
}

impl Scanner {
    pub(super) fn new(adapter: Adapter) -> Self {
        let (demand, wanted) = watch::channel(Demand::default());
        let (active, scanning) = watch::channel(Activity::Idle);
        let (heard, last) = watch::channel(None);
        let refused = phone::half()
            .map_or_else(|| watch::channel(phone::ScanFailure::default()).1, phone::Half::failures);
        let keeper = Keeper { air: adapter.clone(), manners: pace::HERE, starts: &STARTS, active };
        // Ends when the scanner is gone, and stops the scan first.
        tokio::spawn(keeper.keep(wanted, last, refused));
        Self { adapter, demand, scanning, heard }
    }

    pub(super) fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Scans until the ear is dropped; at full power where a locker is being dialled.
    pub(super) async fn listen(self: &Arc<Self>, dialling: bool) -> Result<Ear, RadioError> {
        let lost = |error: btleplug::Error| RadioError::Lost(error.to_string());
        // What the platform remembers comes first in its events and is not news.
        let cached = self.adapter.peripherals().await.map_err(lost)?;
        let cached = cached.iter().map(btleplug::api::Peripheral::id).collect();
        let events = self.adapter.events().await.map_err(lost)?;
        self.demand.send_modify(|demand| {
            demand.listeners += 1;
            demand.dialling += usize::from(dialling);
        });
        Ok(Ear { scanner: self.clone(), events, cached, dialling })
    }

    /// Does not scan until the pause is dropped; returns when the scan has stopped, or is left to run on.
    pub(super) async fn pause(self: &Arc<Self>) -> Pause {
        self.demand.send_modify(|demand| demand.pauses += 1);
        let pause = Pause { scanner: self.clone() };
        let _ = self.scanning.clone().wait_for(|active| *active != Activity::Runs).await;
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
    dialling: bool,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.scanner.demand.send_modify(|demand| {
            demand.listeners -= 1;
            demand.dialling -= usize::from(self.dialling);
        });
    }
}

impl Ear {
    /// The next advertisement of a locker; none when the adapter has gone.
    pub(super) async fn next(&mut self) -> Option<(PeripheralId, Sighting)> {
        loop {
            let event = self.events.next().await?;
            tracing::trace!(?event, "heard");
            self.scanner.heard.send_replace(Some(Instant::now()));
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
    // The services say nothing: the scan asks for ours, and once BlueZ has been connected, whichever program wanted that, it names
    // what it discovered then, which is not ours where the link was lost meanwhile or the locker was just starting.
    let payload = payload.or_else(|| properties.manufacturer_data.remove(&COMPANY_ID))?;
    let advertisement = Advertisement::decode(&payload)?;
    Some(Sighting { advertisement, rssi: properties.rssi.filter(|rssi| *rssi != RSSI_UNKNOWN) })
}

/// A platform's scan.
trait Air: Send + 'static {
    /// False where it did not start.
    async fn start(&self, eager: bool) -> bool;
    async fn stop(&self);
}

impl Air for Adapter {
    async fn start(&self, eager: bool) -> bool {
        if let Some(half) = phone::half() {
            half.scan_eagerly(eager);
        }
        let filter = ScanFilter { services: vec![Uuid::from_u128(SERVICE_UUID)] };
        let Err(error) = self.start_scan(filter.clone()).await else { return true };
        tracing::debug!(%error, "scan did not start");
        if !error.to_string().contains("InProgress") && !error.to_string().contains("in progress") {
            return false;
        }
        Air::stop(self).await;
        self.start_scan(filter).await.is_ok()
    }

    async fn stop(&self) {
        if let Err(error) = self.stop_scan().await {
            tracing::debug!(%error, "scan was over already");
        }
    }
}

/// Starts and stops the platform's scan as it is wanted and as the platform wants it.
struct Keeper<A> {
    air: A,
    manners: Manners,
    starts: &'static Starts,
    active: watch::Sender<Activity>,
}

impl<A: Air> Keeper<A> {
    async fn keep(
        self,
        mut demand: watch::Receiver<Demand>,
        heard: watch::Receiver<Option<Instant>>,
        mut refused: watch::Receiver<phone::ScanFailure>,
    ) {
        let (mut running, mut failed): (Option<Run>, Option<Failure>) = (None, None);
        refused.mark_unchanged();
        loop {
            if refused.has_changed().unwrap_or(false) {
                let too_many = refused.borrow_and_update().too_many;
                failed = Some(Failure { at: Instant::now(), too_many });
                if running.take().is_some() {
                    self.air.stop().await;
                    self.active.send_replace(Activity::Idle);
                }
            }
            let (now, wants) = (Instant::now(), *demand.borrow_and_update());
            let starts = self.starts.list();
            let step = self.manners.next(&Situation {
                now,
                wanted: wants.scan(),
                dialling: wants.dialling > 0,
                running,
                heard: *heard.borrow(),
                failed,
                starts: &starts,
            });
            match step {
                Step::Start { eager } => {
                    self.starts.note(now, &self.manners);
                    if self.air.start(eager).await {
                        (running, failed) = (Some(Run { since: now, eager }), None);
                        self.active.send_replace(Activity::Runs);
                    } else {
                        failed = Some(Failure { at: now, too_many: false });
                    }
                }
                Step::Stop => {
                    self.air.stop().await;
                    running = None;
                    self.active.send_replace(Activity::Idle);
                }
                Step::Wait(until) => {
                    if running.is_some() {
                        let wanted = if wants.scan() { Activity::Runs } else { Activity::RunsOn };
                        self.active.send_if_modified(|active| std::mem::replace(active, wanted) != wanted);
                    }
                    let due = async {
                        match until {
                            Some(until) => sleep_until(until).await,
                            None => std::future::pending().await,
                        }
                    };
                    let told = async {
                        if refused.changed().await.is_err() {
                            std::future::pending::<()>().await;
                        }
                    };
                    tokio::select! {
                        changed = demand.changed() => if changed.is_err() { break },
                        () = told => refused.mark_changed(),
                        () = due => {}
                    }
                }
            }
        }
        if running.is_some() {
            self.air.stop().await;
        }
    }
}

#[cfg(test)]
mod tests;
