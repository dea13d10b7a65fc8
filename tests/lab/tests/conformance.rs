//! The conformance suite of the radio, against `ble` through the real stack: two echoing peripherals, an adapter each.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use bluer::{
    Adapter, AdapterEvent, Address, Session,
    adv::{Advertisement, AdvertisementHandle},
    gatt::local::{
        Application, ApplicationHandle, Characteristic, CharacteristicNotifier, CharacteristicNotify,
        CharacteristicNotifyMethod, CharacteristicRead, CharacteristicWrite, CharacteristicWriteMethod,
        Service,
    },
};
use futures::{FutureExt, StreamExt};
use postern_lab_tests::{PATIENCE, PHONE, fresh, in_lab};
use postern_protocol::{
    LockerId,
    frame::{Reassembler, Tag, fragments},
    gatt::{self, COMPANY_ID, RX_UUID, SERVICE_UUID, TX_UUID},
};
use postern_radio::{
    AdapterState, Radio,
    ble::BleRadio,
    conformance::{self, Bench},
};
use uuid::Uuid;

/// What an echo has of its one central.
#[derive(Default)]
struct Conversation {
    notifier: Option<CharacteristicNotifier>,
    frames: Reassembler,
    hello: Vec<u8>,
}

struct Echo {
    adapter: Adapter,
    locker: LockerId,
    lose: Arc<AtomicBool>,
    advertised: tokio::sync::Mutex<Option<AdvertisementHandle>>,
    state: Mutex<(bool, bool)>,
    /// Not a phone: see [`occupy_a_handle`].
    occupant: Option<Address>,
    _application: ApplicationHandle,
}

impl Echo {
    async fn start(adapter: Adapter, locker: LockerId, occupant: Option<Address>) -> Self {
        let lose = Arc::new(AtomicBool::new(false));
        let application = adapter.serve_gatt_application(application(lose.clone())).await.unwrap();
        let echo = Self {
            adapter,
            locker,
            lose,
            advertised: tokio::sync::Mutex::new(None),
            state: Mutex::new((true, false)),
            occupant,
            _application: application,
        };
        echo.publish().await;
        echo
    }

    async fn publish(&self) {
        let mut advertised = self.advertised.lock().await;
        let (accepting, low_battery) = *self.state.lock().unwrap();
        let payload = gatt::Advertisement {
            version: 1,
            accepting,
            low_battery,
            clock_unset: false,
            short_id: self.locker.short(),
        };
        *advertised = None;
        for attempt in 0..10 {
            let advertisement = Advertisement {
                service_uuids: BTreeSet::from([Uuid::from_u128(SERVICE_UUID)]),
                manufacturer_data: BTreeMap::from([(COMPANY_ID, payload.encode().to_vec())]),
                discoverable: Some(true),
                ..Advertisement::default()
            };
            match self.adapter.advertise(advertisement).await {
                Ok(handle) => {
                    *advertised = Some(handle);
                    return;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20 << attempt)).await,
            }
        }
        panic!("BlueZ takes no advertisement");
    }

    async fn connected(&self) -> Vec<bluer::Device> {
        let mut connected = Vec::new();
        for address in self.adapter.device_addresses().await.unwrap_or_default() {
            if let Ok(device) = self.adapter.device(address)
                && device.is_connected().await.unwrap_or(false)
                && Some(address) != self.occupant
            {
                connected.push(device);
            }
        }
        connected
    }
}

/// Connects one adapter to another, and leaves it so.
///
/// BlueZ's emulator numbers connections for each controller by itself, and then tells both ends the number of the one
/// that called (btvirt, `le_conn_complete`). A phone's second link therefore reaches its peripheral only where that has
/// one already.
async fn occupy_a_handle(from: &Adapter, to: &Adapter) -> Address {
    let address = to.address().await.unwrap();
    let advertisement = || Advertisement {
        local_name: Some("handle".to_owned()),
        discoverable: Some(true),
        ..Advertisement::default()
    };
    let mut heard = Box::pin(from.discover_devices().await.unwrap());
    let mut on_air = to.advertise(advertisement()).await.unwrap();
    loop {
        match tokio::time::timeout(Duration::from_secs(1), heard.next()).await {
            Ok(Some(AdapterEvent::DeviceAdded(found))) if found == address => break,
            Ok(Some(_)) => {}
            Ok(None) => panic!("discovery ended"),
            // The emulator reports an advertiser once.
            Err(_) => {
                drop(on_air);
                on_air = to.advertise(advertisement()).await.unwrap();
            }
        }
    }
    from.device(address).unwrap().connect().await.unwrap();
    address
}

/// Registers the advertisement again and again while nobody is connected: for the reason see `postern_sim::ble`.
async fn keep_on_air(echo: Weak<Echo>) {
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let Some(echo) = echo.upgrade() else { return };
        if echo.connected().await.is_empty() {
            echo.publish().await;
        }
    }
}

fn application(lose: Arc<AtomicBool>) -> Application {
    let conversation = Arc::new(tokio::sync::Mutex::new(Conversation::default()));
    let number = Arc::new(AtomicU8::new(0));
    let (on_write, on_read) = (conversation.clone(), conversation.clone());
    let rx = Characteristic {
        uuid: Uuid::from_u128(RX_UUID),
        write: Some(CharacteristicWrite {
            write: true,
            method: CharacteristicWriteMethod::Fun(Box::new(move |frame, _| {
                let conversation = on_write.clone();
                async move {
                    let mut conversation = conversation.lock().await;
                    let message = conversation.frames.push(&frame).expect("the phone keeps the rules");
                    let tag = conversation.frames.tag().unwrap();
                    for frame in message.iter().flat_map(|message| fragments(message, tag, 180)) {
                        if let Some(notifier) = &mut conversation.notifier {
                            let _ = notifier.notify(frame).await;
                        }
                    }
                    Ok(())
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
                let conversation = on_read.clone();
                async move {
                    let hello = conversation.lock().await.hello.clone();
                    Ok(hello.get(usize::from(request.offset)..).unwrap_or_default().to_vec())
                }
                .boxed()
            }),
            ..CharacteristicRead::default()
        }),
        notify: Some(CharacteristicNotify {
            notify: true,
            method: CharacteristicNotifyMethod::Fun(Box::new(move |mut notifier| {
                let (conversation, number, lose) = (conversation.clone(), number.clone(), lose.clone());
                async move {
                    let number = number.fetch_add(1, Ordering::SeqCst);
                    let tag = Tag(number);
                    let mut hello = vec![1, number];
                    hello.extend([9; 60]);
                    let mut conversation = conversation.lock().await;
                    conversation.frames = Reassembler::with_tag(tag);
                    conversation.hello = fragments(&hello, tag, 512).next().unwrap();
                    if !lose.swap(false, Ordering::SeqCst) {
                        for frame in fragments(&hello, tag, 20) {
                            let _ = notifier.notify(frame).await;
                        }
                    }
                    conversation.notifier = Some(notifier);
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

struct BleBench {
    radio: BleRadio,
    phone: Adapter,
    echoes: Vec<Arc<Echo>>,
}

#[async_trait::async_trait]
impl Bench for BleBench {
    fn radio(&self) -> &dyn Radio {
        &self.radio
    }

    fn lockers(&self) -> Vec<LockerId> {
        self.echoes.iter().map(|echo| echo.locker).collect()
    }

    /// The stack negotiates the MTU by itself.
    fn mtus(&self) -> Vec<u16> {
        vec![517]
    }

    async fn offer(&self, _mtu: u16) {}

    async fn lose_hello(&self) {
        self.echoes[0].lose.store(true, Ordering::SeqCst);
    }

    async fn advertise(&self, accepting: bool, low_battery: bool) {
        *self.echoes[0].state.lock().unwrap() = (accepting, low_battery);
        self.echoes[0].publish().await;
    }

    async fn cut(&self) {
        for echo in &self.echoes {
            for device in echo.connected().await {
                // BlueZ lets 2 s pass between this call and the HCI command, and answers when the link is gone.
                device.disconnect().await.unwrap();
            }
        }
    }

    async fn let_go(&self) {
        for echo in &self.echoes {
            while !echo.connected().await.is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn adapter(&self, state: AdapterState) -> bool {
        let on = match state {
            AdapterState::On => true,
            AdapterState::Off => false,
            _ => return false,
        };
        self.phone.set_powered(on).await.unwrap();
        true
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

#[test]
fn ble_conforms() {
    in_lab("ble_conforms", || async {
        let session = Session::new().await.unwrap();
        let seed = std::process::id().to_be_bytes();
        let locker = |number| LockerId([number, seed[0], seed[1], seed[2], seed[3], 0, 0, 0]);
        let first = fresh(&session, "hci2").await.unwrap();
        let second = fresh(&session, "hci3").await.unwrap();
        let filler = fresh(&session, "hci1").await.unwrap();
        let occupant = occupy_a_handle(&second, &filler).await;
        let echoes = vec![
            Arc::new(Echo::start(first, locker(seed[3]), None).await),
            Arc::new(Echo::start(second, locker(!seed[3]), Some(occupant)).await),
        ];
        for echo in &echoes {
            tokio::spawn(keep_on_air(Arc::downgrade(echo)));
        }
        let phone = fresh(&session, PHONE).await.unwrap();
        let bench = BleBench { radio: BleRadio::new(Some(PHONE)), phone, echoes };
        conformance::all(&bench).await;
    });
}
