//! Keeps a cabinet's advertisement registered, without anybody waiting for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bluer::{
    Adapter,
    adv::{Advertisement, AdvertisementHandle},
};
use postern_protocol::gatt::{COMPANY_ID, SERVICE_UUID};
use tokio::{sync::watch, task::JoinHandle};
use uuid::Uuid;

use crate::world::OnAir;

/// Tries to register an advertisement while BlueZ is still letting go of the one before.
const TRIES: u32 = 8;

/// A task of its own. Dropping this takes the advertisement off the air.
pub(super) struct Advertiser {
    again: watch::Sender<u64>,
    task: JoinHandle<bluer::Result<()>>,
}

impl Drop for Advertiser {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Advertiser {
    /// Registers the advertisement of a cabinet, and again whenever it changes.
    pub(super) async fn start(
        adapter: Adapter,
        on_air: watch::Receiver<Vec<OnAir>>,
        cabinet: usize,
    ) -> bluer::Result<Self> {
        let (again, wanted) = watch::channel(0);
        let mut state = State { adapter, on_air, cabinet, wanted, advertised: None };
        state.advertise(true).await?;
        Ok(Self { again, task: tokio::spawn(state.run()) })
    }

    /// Registers it once more as it is.
    pub(super) fn again(&self) {
        self.again.send_modify(|count| *count += 1);
    }

    /// Resolves when it cannot go on.
    pub(super) async fn ended(&mut self) -> bluer::Result<()> {
        // A task that panicked or was aborted has nothing more to say.
        (&mut self.task).await.unwrap_or(Ok(()))
    }
}

struct State {
    adapter: Adapter,
    on_air: watch::Receiver<Vec<OnAir>>,
    cabinet: usize,
    wanted: watch::Receiver<u64>,
    advertised: Option<(AdvertisementHandle, Vec<u8>)>,
}

impl State {
    async fn run(mut self) -> bluer::Result<()> {
        loop {
            let again = tokio::select! {
                changed = self.on_air.changed() => match changed {
                    Ok(()) => false,
                    Err(_) => return Ok(()),
                },
                changed = self.wanted.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return Ok(()),
                },
            };
            self.advertise(again).await?;
        }
    }

    async fn advertise(&mut self, again: bool) -> bluer::Result<()> {
        let payload = self
            .on_air
            .borrow_and_update()
            .iter()
            .find(|heard| heard.cabinet == self.cabinet)
            .map(|heard| heard.advertisement.encode().to_vec());
        let Some(payload) = payload else {
            self.advertised = None;
            return Ok(());
        };
        if !again && self.advertised.as_ref().is_some_and(|(_, old)| *old == payload) {
            return Ok(());
        }
        // Dropped first: there may be no room for two. BlueZ lets go of it in its own time, hence the tries.
        if self.advertised.take().is_some() {
            self.adapter_let_go().await;
        }
        let mut tried = 0;
        let handle = loop {
            tried += 1;
            match self.adapter.advertise(advertisement(&payload)).await {
                Ok(handle) => break handle,
                Err(error) if tried == TRIES => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, tried, "advertisement not taken yet");
                    tokio::time::sleep(Duration::from_millis(20 << tried)).await;
                }
            }
        };
        tracing::debug!(tried, "advertising");
        self.advertised = Some((handle, payload));
        Ok(())
    }
}

impl State {
    /// Waits until BlueZ has one advertisement less than before, within reason.
    async fn adapter_let_go(&self) {
        for _ in 0..TRIES {
            // Each look is a call over D-Bus behind the one that unregisters, which takes its time by itself.
            match self.adapter.active_advertising_instances().await {
                Ok(0) | Err(_) => return,
                Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// UUID list and manufacturer data: with the flags that BlueZ adds these are the 31 bytes of legacy advertising, all that
/// it accepts.
fn advertisement(payload: &[u8]) -> Advertisement {
    Advertisement {
        service_uuids: BTreeSet::from([Uuid::from_u128(SERVICE_UUID)]),
        manufacturer_data: BTreeMap::from([(COMPANY_ID, payload.to_vec())]),
        discoverable: Some(true),
        ..Advertisement::default()
    }
}
