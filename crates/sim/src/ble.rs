//! One cabinet as a Bluetooth LE peripheral, through BlueZ (bluer).
//!
//! What BlueZ's GATT server API is like, and what is done about it here:
//!
//! - It signals a changed *value*, not a message to one central: every subscribed central gets every notification, and
//!   passes over those with another tag (PROTOCOL.md, frames).
//! - It says that *somebody* subscribed, once, and not who. It is taken to be the central that connected last; another
//!   one that subscribes while the first is there reads its HELLO instead, and reads do say who.
//! - The MTU of a central comes with its first read or write. Until then frames are of the smallest size.
//! - Where the central takes it (BlueZ does), a notification goes out as one of several handles, with two octets more of
//!   header than one of a single handle, and BlueZ cuts what does not fit without a word: the cabinet's frames are
//!   shorter by these two. At MTU 23 that is not possible; BlueZ has 48 or more.
//! - AcquireWrite and AcquireNotify pass file descriptors, which a D-Bus over TCP (the radio lab) does not carry: the
//!   method-call variants are used.
//! - After a connection ends, Linux 6.1 goes on advertising by the wrong instance: empty, not connectable. The
//!   advertisement is therefore registered again each time.
//! - BlueZ's emulator (btvirt, the radio lab) reports an advertiser not every 100 ms but once: when the advertising or a
//!   scan begins. The report at the beginning of a scan comes microseconds after the scan is enabled, and the kernel drops
//!   it when it comes before discovery counts as active, which on a busy machine is most of the time. So while nobody is
//!   connected the advertisement is registered again every second; a real controller does not mind.
//! - Only devices that are new are announced; a central that BlueZ remembers is watched from the start.
//! - Handlers of method calls run as tasks of their own and may overtake each other. Writes with response cannot; a
//!   central that sends several writes *without* response at once may see them swapped, which the frame sequence turns
//!   into a disconnect.
//! - The address is the adapter's: it does not rotate.

mod advertiser;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use advertiser::Advertiser;
use bluer::{
    Adapter, AdapterEvent, Address, DeviceEvent, DeviceProperty, Session,
    gatt::local::{
        Application, ApplicationHandle, Characteristic, CharacteristicNotifier, CharacteristicNotify,
        CharacteristicNotifyMethod, CharacteristicRead, CharacteristicWrite, CharacteristicWriteMethod,
        ReqError, Service,
    },
};
use futures::{FutureExt, StreamExt};
use postern_protocol::gatt::{RX_UUID, SERVICE_UUID, TX_UUID};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::MissedTickBehavior,
};
use uuid::Uuid;

use crate::{
    cabinet::Act,
    link::TOO_LONG,
    world::{Admitted, World},
};

/// ATT MTU that every link has.
const LEAST_MTU: u16 = 23;
/// What a notification of several handles has more of header than one of a single handle, in octets (Core Specification
/// 3.F.3.4.7.4).
const LENGTH: u16 = 2;
/// How often the advertisement is registered again while nobody is connected; see the module.
const REFRESH: Duration = Duration::from_secs(1);

enum Event {
    Write { from: Address, mtu: u16, frame: Vec<u8>, answer: oneshot::Sender<u8> },
    Read { from: Address, mtu: u16, answer: oneshot::Sender<Vec<u8>> },
    Subscribed(CharacteristicNotifier),
    Act(u16, Act),
    Connected(Address),
    Disconnected(Address),
}

/// See the module. Dropping it takes the cabinet off the air.
pub struct Peripheral {
    world: Arc<World>,
    cabinet: usize,
    adapter: Adapter,
    events_in: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    centrals: HashMap<Address, Central>,
    /// Devices whose connecting and disconnecting is watched.
    watched: HashMap<Address, AbortHandle>,
    /// In the order of connecting.
    order: Vec<Address>,
    notifier: Option<CharacteristicNotifier>,
    /// Somebody subscribed before we knew who is connected.
    subscription_open: bool,
    advertiser: Advertiser,
    _application: ApplicationHandle,
    _session: Session,
}

struct Central {
    link: u16,
    writes: VecDeque<oneshot::Sender<u8>>,
    reads: VecDeque<oneshot::Sender<Vec<u8>>>,
    subscribed: bool,
}

impl Peripheral {
    /// Registers service and advertisement on this adapter.
    ///
    /// # Errors
    /// What BlueZ says.
    pub async fn start(world: Arc<World>, cabinet: usize, adapter: &str) -> bluer::Result<Self> {
        let session = Session::new().await?;
        let adapter = session.adapter(adapter)?;
        adapter.set_powered(true).await?;
        let (events_in, events) = mpsc::channel(64);
        let application = adapter.serve_gatt_application(application(&events_in)).await?;
        let advertiser = Advertiser::start(adapter.clone(), world.on_air(), cabinet).await?;
        Ok(Self {
            world,
            cabinet,
            adapter,
            events_in,
            events,
            centrals: HashMap::new(),
            watched: HashMap::new(),
            order: Vec::new(),
            notifier: None,
            subscription_open: false,
            advertiser,
            _application: application,
            _session: session,
        })
    }

    /// Serves until BlueZ or the world is gone.
    ///
    /// # Errors
    /// What BlueZ says.
    pub async fn serve(mut self) -> bluer::Result<()> {
        let mut adapter_events = Box::pin(self.adapter.events().await?);
        // BlueZ forgets a device after 30 s; one from before would come back unannounced, and leave unnoticed.
        for address in self.adapter.device_addresses().await? {
            self.watch(address);
        }
        let mut refresh = tokio::time::interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = refresh.tick(), if self.centrals.is_empty() => self.advertiser.again(),
                event = self.events.recv() => match event {
                    Some(event) => self.handle(event).await,
                    None => return Ok(()),
                },
                event = adapter_events.next() => match event {
                    Some(AdapterEvent::DeviceAdded(address)) => self.watch(address),
                    Some(AdapterEvent::DeviceRemoved(address)) => {
                        if let Some(watching) = self.watched.remove(&address) {
                            watching.abort();
                        }
                        self.handle(Event::Disconnected(address)).await;
                    }
                    Some(AdapterEvent::PropertyChanged(_)) => {}
                    None => return Ok(()),
                },
                ended = self.advertiser.ended() => return ended,
            }
        }
    }

    /// Learns when this device connects and disconnects.
    fn watch(&mut self, address: Address) {
        let Ok(device) = self.adapter.device(address) else { return };
        let (watched, events) = (&mut self.watched, self.events_in.clone());
        watched.entry(address).or_insert_with(|| tokio::spawn(follow(device, events)).abort_handle());
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Connected(address) => {
                self.central(address);
            }
            Event::Disconnected(address) => {
                self.order.retain(|other| *other != address);
                if let Some(central) = self.centrals.remove(&address) {
                    self.world.disconnected(central.link);
                    self.advertiser.again();
                }
            }
            Event::Subscribed(notifier) => {
                self.notifier = Some(notifier);
                self.subscription_open = true;
                self.assign_subscription();
            }
            Event::Write { from, mtu, frame, answer } => match self.central(from) {
                Some(central) => {
                    central.writes.push_back(answer);
                    let link = central.link;
                    self.world.on_link(link, |cabinet, now| {
                        cabinet.mtu_known(link, mtu, LENGTH, now);
                        cabinet.write(link, frame, now);
                    });
                }
                None => drop(answer),
            },
            Event::Read { from, mtu, answer } => match self.central(from) {
                Some(central) => {
                    central.reads.push_back(answer);
                    let link = central.link;
                    self.world.on_link(link, |cabinet, now| {
                        cabinet.mtu_known(link, mtu, LENGTH, now);
                        cabinet.read(link, now);
                    });
                }
                None => drop(answer),
            },
            Event::Act(link, act) => self.act(link, act).await,
        }
    }

    async fn act(&mut self, link: u16, act: Act) {
        let Some((address, central)) =
            self.centrals.iter_mut().find(|(_, central)| central.link == link).map(|(a, c)| (*a, c))
        else {
            return;
        };
        match act {
            Act::Connected { .. } | Act::Subscribed { .. } => {}
            Act::Written { status, .. } => {
                if let Some(answer) = central.writes.pop_front() {
                    let _ = answer.send(status);
                }
            }
            Act::Value { value, .. } => {
                if let Some(answer) = central.reads.pop_front() {
                    let _ = answer.send(value);
                }
            }
            Act::Notify { frame, .. } => {
                if let Some(notifier) = &mut self.notifier
                    && let Err(error) = notifier.notify(frame).await
                {
                    tracing::debug!(%error, "nobody listens");
                }
            }
            Act::HangUp { .. } => {
                let device = self.adapter.device(address);
                tokio::spawn(async move {
                    if let Ok(device) = device {
                        let _ = device.disconnect().await;
                    }
                });
            }
        }
    }

    /// The central at this address, made known to the cabinet if it is new. None when it is turned away.
    fn central(&mut self, address: Address) -> Option<&mut Central> {
        if !self.centrals.contains_key(&address) {
            let Some(Admitted { link, mut acts }) = self.world.connect(self.cabinet, LEAST_MTU) else {
                if let Ok(device) = self.adapter.device(address) {
                    tokio::spawn(async move { device.disconnect().await });
                }
                return None;
            };
            let events = self.events_in.clone();
            tokio::spawn(async move {
                while let Some(act) = acts.recv().await {
                    if events.send(Event::Act(link, act)).await.is_err() {
                        return;
                    }
                }
            });
            let central =
                Central { link, writes: VecDeque::new(), reads: VecDeque::new(), subscribed: false };
            self.centrals.insert(address, central);
            self.order.push(address);
            self.assign_subscription();
            self.advertiser.again();
        }
        self.centrals.get_mut(&address)
    }

    fn assign_subscription(&mut self) {
        let newest = self
            .order
            .iter()
            .rev()
            .find(|address| self.centrals.get(*address).is_some_and(|central| !central.subscribed));
        let Some(central) = newest.copied().and_then(|address| self.centrals.get_mut(&address)) else {
            return;
        };
        if std::mem::take(&mut self.subscription_open) {
            central.subscribed = true;
            let link = central.link;
            self.world.on_link(link, |cabinet, now| cabinet.subscribe(link, now));
        }
    }
}

/// Tells when a device connects and disconnects, for as long as BlueZ knows it.
async fn follow(device: bluer::Device, events: mpsc::Sender<Event>) {
    let address = device.address();
    let Ok(changes) = device.events().await else { return };
    if device.is_connected().await.unwrap_or(false) && events.send(Event::Connected(address)).await.is_err() {
        return;
    }
    let mut changes = Box::pin(changes);
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            () = events.closed() => return,
        };
        let event = match change {
            Some(DeviceEvent::PropertyChanged(DeviceProperty::Connected(true))) => Event::Connected(address),
            Some(DeviceEvent::PropertyChanged(DeviceProperty::Connected(false))) => {
                Event::Disconnected(address)
            }
            Some(_) => continue,
            None => return,
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

fn application(events: &mpsc::Sender<Event>) -> Application {
    let (on_write, on_read, on_notify) = (events.clone(), events.clone(), events.clone());
    let rx = Characteristic {
        uuid: Uuid::from_u128(RX_UUID),
        write: Some(CharacteristicWrite {
            write: true,
            write_without_response: true,
            method: CharacteristicWriteMethod::Fun(Box::new(move |frame, request| {
                let events = on_write.clone();
                async move {
                    if request.offset != 0 {
                        return Err(ReqError::NotSupported);
                    }
                    let (answer, answered) = oneshot::channel();
                    let (from, mtu) = (request.device_address, request.mtu);
                    let event = Event::Write { from, mtu, frame, answer };
                    events.send(event).await.map_err(|_| ReqError::Failed)?;
                    match answered.await {
                        Ok(0) => Ok(()),
                        Ok(TOO_LONG) => Err(ReqError::InvalidValueLength),
                        _ => Err(ReqError::Failed),
                    }
                }
                .boxed()
            })),
            ..CharacteristicWrite::default()
        }),
        ..Characteristic::default()
    };
    let tx = Characteristic {
        uuid: Uuid::from_u128(TX_UUID),
        read: Some(CharacteristicRead {
            read: true,
            fun: Box::new(move |request| {
                let events = on_read.clone();
                async move {
                    let (answer, answered) = oneshot::channel();
                    let event = Event::Read { from: request.device_address, mtu: request.mtu, answer };
                    events.send(event).await.map_err(|_| ReqError::Failed)?;
                    let value = answered.await.map_err(|_| ReqError::Failed)?;
                    // A long read comes in parts.
                    value
                        .get(usize::from(request.offset)..)
                        .map(<[u8]>::to_vec)
                        .ok_or(ReqError::InvalidOffset)
                }
                .boxed()
            }),
            ..CharacteristicRead::default()
        }),
        notify: Some(CharacteristicNotify {
            notify: true,
            method: CharacteristicNotifyMethod::Fun(Box::new(move |notifier| {
                let events = on_notify.clone();
                async move {
                    let _ = events.send(Event::Subscribed(notifier)).await;
                }
                .boxed()
            })),
            ..CharacteristicNotify::default()
        }),
        ..Characteristic::default()
    };
    let service = Service {
        uuid: Uuid::from_u128(SERVICE_UUID),
        primary: true,
        characteristics: vec![rx, tx],
        ..Service::default()
    };
    Application { services: vec![service], ..Application::default() }
}
