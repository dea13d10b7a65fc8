//! The least that a peripheral can be: the locker's service without a locker behind it. Floor of what is measured, and
//! the other end of what is tried.

use std::collections::{BTreeMap, BTreeSet};

use bluer::{
    Adapter,
    adv::{Advertisement, AdvertisementHandle},
    gatt::local::{
        Application, ApplicationHandle, Characteristic, CharacteristicNotifier, CharacteristicNotify,
        CharacteristicNotifyMethod, CharacteristicWrite, CharacteristicWriteMethod, Service,
    },
};
use futures::FutureExt;
use postern_protocol::gatt::{self, COMPANY_ID, RX_UUID, SERVICE_UUID, TX_UUID};
use std::sync::Arc;
use tokio::sync::Mutex;
use uuid::Uuid;

/// Takes writes, and answers each with one notification of the same bytes every time.
pub struct BarePeripheral {
    adapter: Adapter,
    short_id: [u8; 4],
    advertised: Option<AdvertisementHandle>,
    _application: ApplicationHandle,
}

impl BarePeripheral {
    /// On this adapter, not yet on the air.
    ///
    /// # Errors
    /// What BlueZ says.
    pub async fn start(adapter: Adapter, short_id: [u8; 4], answer: Vec<u8>) -> bluer::Result<Self> {
        let application = adapter.serve_gatt_application(application(answer)).await?;
        Ok(Self { adapter, short_id, advertised: None, _application: application })
    }

    /// Advertises, from now on anew.
    ///
    /// # Errors
    /// What BlueZ says.
    pub async fn advertise(&mut self) -> bluer::Result<()> {
        // BlueZ has no room for two, and lets go of one in its own time.
        self.advertised = None;
        while self.adapter.active_advertising_instances().await? > 0 {
            tokio::task::yield_now().await;
        }
        let payload = gatt::Advertisement {
            version: 1,
            accepting: true,
            low_battery: false,
            clock_unset: false,
            short_id: self.short_id,
        };
        let advertisement = Advertisement {
            service_uuids: BTreeSet::from([Uuid::from_u128(SERVICE_UUID)]),
            manufacturer_data: BTreeMap::from([(COMPANY_ID, payload.encode().to_vec())]),
            discoverable: Some(true),
            ..Advertisement::default()
        };
        self.advertised = Some(self.adapter.advertise(advertisement).await?);
        Ok(())
    }
}

fn application(answer: Vec<u8>) -> Application {
    let subscriber = Arc::new(Mutex::new(None::<CharacteristicNotifier>));
    let listener = subscriber.clone();
    let rx = Characteristic {
        uuid: Uuid::from_u128(RX_UUID),
        write: Some(CharacteristicWrite {
            write: true,
            method: CharacteristicWriteMethod::Fun(Box::new(move |_, _| {
                let (subscriber, answer) = (subscriber.clone(), answer.clone());
                async move {
                    if let Some(subscriber) = &mut *subscriber.lock().await {
                        // A central that has gone hears nothing.
                        let _ = subscriber.notify(answer).await;
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
        notify: Some(CharacteristicNotify {
            notify: true,
            method: CharacteristicNotifyMethod::Fun(Box::new(move |notifier| {
                let listener = listener.clone();
                async move { *listener.lock().await = Some(notifier) }.boxed()
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
