//! The GATT client of one link.

use std::{pin::Pin, time::Duration};

use btleplug::{
    api::{
        CentralEvent, CentralState, Characteristic, ConnectionParameterPreset, Peripheral as _,
        ValueNotification, WriteType,
    },
    platform::{Peripheral, PeripheralId},
};
use futures::{Stream, StreamExt};
use postern_protocol::gatt::{RX_UUID, SERVICE_UUID, TX_UUID};
use tokio::{sync::mpsc, time::timeout};
use uuid::Uuid;

use super::{cache, leaving::Leaving};
use crate::{
    RadioError,
    link::{Gatt, Notifications, WriteError},
};

/// Notifications that may wait for the link's task.
const QUEUE: usize = 256;
/// Pause before a call is repeated that collided with another client's.
const COLLISION: Duration = Duration::from_millis(20);
/// And how often.
const COLLISIONS: u32 = 25;
/// The longest wait for an unsubscription before the link is ended all the same.
const UNSUBSCRIBE: Duration = Duration::from_millis(500);

pub(super) type Events = Pin<Box<dyn Stream<Item = CentralEvent> + Send>>;

pub(super) struct BleGatt {
    peripheral: Peripheral,
    rx: Characteristic,
    tx: Characteristic,
    mtu: u16,
    leaving: Leaving,
}

fn lost(error: &btleplug::Error) -> RadioError {
    RadioError::Lost(error.to_string())
}

impl BleGatt {
    /// Discovers and subscribes on a peripheral that is connected. `events` are the adapter's, from before connecting.
    /// A peripheral that is not what the platform takes it for is forgotten.
    pub(super) async fn start(
        peripheral: Peripheral,
        events: Events,
        leaving: Leaving,
    ) -> Result<(Self, Notifications), RadioError> {
        hurry(&peripheral).await;
        let mut found = characteristics(&peripheral).await?;
        if found.is_none() {
            // Services that are resolved a moment later: once more.
            found = characteristics(&peripheral).await?;
        }
        let Some((rx, tx)) = found else {
            cache::forget(&peripheral.id()).await;
            return Err(RadioError::Lost("the locker's service is missing".into()));
        };
        // Before the subscription: nothing must fall between the two.
        let values = peripheral.notifications().await.map_err(|error| lost(&error))?;
        let (notify, notifications) = mpsc::channel(QUEUE);
        tokio::spawn(forward(peripheral.id(), values, events, notify));
        if let Err(error) = again(|| peripheral.subscribe(&tx)).await {
            if peripheral.is_connected().await.unwrap_or(false) {
                cache::forget(&peripheral.id()).await;
            }
            return Err(lost(&error));
        }
        let mtu = peripheral.mtu();
        tracing::debug!(mtu, "subscribed");
        Ok((Self { peripheral, rx, tx, mtu, leaving }, notifications))
    }
}

/// Asks for short intervals, while somebody stands before the door. Android alone lets an app choose, and goes back by
/// itself when the link ends.
async fn hurry(peripheral: &Peripheral) {
    if cfg!(target_os = "android")
        && let Err(error) =
            peripheral.request_connection_parameters(ConnectionParameterPreset::ThroughputOptimized).await
    {
        tracing::debug!(%error, "the link keeps its intervals");
    }
}

async fn characteristics(
    peripheral: &Peripheral,
) -> Result<Option<(Characteristic, Characteristic)>, RadioError> {
    peripheral.discover_services().await.map_err(|error| lost(&error))?;
    let services = peripheral.services();
    let Some(service) = services.iter().find(|service| service.uuid == Uuid::from_u128(SERVICE_UUID)) else {
        return Ok(None);
    };
    let find = |uuid| service.characteristics.iter().find(|c| c.uuid == Uuid::from_u128(uuid)).cloned();
    Ok(find(RX_UUID).zip(find(TX_UUID)))
}

/// Repeats a call that collided with another one on the same device.
async fn again<T, F, R>(mut call: F) -> Result<T, btleplug::Error>
where
    F: FnMut() -> R,
    R: Future<Output = Result<T, btleplug::Error>>,
{
    let mut collisions = 0;
    loop {
        match call().await {
            Err(error) if collisions < COLLISIONS && is_collision(&error) => {
                collisions += 1;
                tokio::time::sleep(COLLISION).await;
            }
            result => return result,
        }
    }
}

fn is_collision(error: &btleplug::Error) -> bool {
    let text = format!("{error:?}");
    text.contains("InProgress") || text.contains("In Progress") || text.contains("in progress")
}

/// BlueZ turns ATT error 0x0D into InvalidArguments ("Invalid Length"), and names others by their number.
fn is_too_long(error: &btleplug::Error) -> bool {
    let text = format!("{error:?}").to_lowercase();
    text.contains("invalid length") || text.contains("invalidvaluelength") || text.contains("0x0d")
}

async fn forward(
    id: PeripheralId,
    mut values: Pin<Box<dyn Stream<Item = ValueNotification> + Send>>,
    mut events: Events,
    notify: mpsc::Sender<Result<Vec<u8>, RadioError>>,
) {
    let lost = |why: &str| Err(RadioError::Lost(why.to_owned()));
    loop {
        let item = tokio::select! {
            // Values that came before the end are still messages.
            biased;
            value = values.next() => match value {
                Some(value) if value.uuid == Uuid::from_u128(TX_UUID) => Ok(value.value),
                Some(_) => continue,
                None => lost("disconnected"),
            },
            event = events.next() => match event {
                Some(CentralEvent::DeviceDisconnected(gone)) if gone == id => lost("disconnected"),
                Some(CentralEvent::StateUpdate(CentralState::PoweredOff)) => lost("adapter switched off"),
                Some(_) => continue,
                None => lost("adapter gone"),
            },
            () = notify.closed() => return,
        };
        let last = item.is_err();
        if notify.send(item).await.is_err() || last {
            return;
        }
    }
}

#[async_trait::async_trait]
impl Gatt for BleGatt {
    fn mtu(&self) -> u16 {
        self.mtu
    }

    async fn write(&self, frame: &[u8]) -> Result<(), WriteError> {
        again(|| self.peripheral.write(&self.rx, frame, WriteType::WithResponse)).await.map_err(|error| {
            tracing::debug!(?error, length = frame.len(), "write refused");
            if is_too_long(&error) { WriteError::TooLong } else { WriteError::Lost(error.to_string()) }
        })
    }

    async fn read(&self) -> Result<Vec<u8>, RadioError> {
        again(|| self.peripheral.read(&self.tx)).await.map_err(|error| lost(&error))
    }

    async fn disconnect(&self) {
        // What is not unsubscribed BlueZ subscribes by itself at the next link, before anybody listens.
        if !matches!(timeout(UNSUBSCRIBE, self.peripheral.unsubscribe(&self.tx)).await, Ok(Ok(()))) {
            tracing::debug!("could not unsubscribe");
        }
        self.leaving.let_go(&self.peripheral).await;
    }

    async fn forget(&self) {
        cache::forget(&self.peripheral.id()).await;
    }
}
