//! Links that are being ended. BlueZ takes 2 s for that (`DISCONNECT_TIMER`), says all the while that it is connected, and
//! gives whoever connects in between the link that is about to end.

use std::{sync::Arc, time::Duration};

use btleplug::{
    api::Peripheral as _,
    platform::{Peripheral, PeripheralId},
};
use tokio::{sync::watch, time::timeout};

/// The longest wait for the platform to let go of a connection. BlueZ takes up to 2 s of its own accord.
const LET_GO: Duration = Duration::from_secs(5);

/// Of one radio.
#[derive(Clone)]
pub(super) struct Leaving(Arc<watch::Sender<Vec<PeripheralId>>>);

impl Default for Leaving {
    fn default() -> Self {
        Self(Arc::new(watch::channel(Vec::new()).0))
    }
}

impl Leaving {
    /// Disconnects and waits until it is so, within reason.
    pub(super) async fn let_go(&self, peripheral: &Peripheral) {
        let _marked = Mark::set(self, peripheral.id());
        match timeout(LET_GO, peripheral.disconnect()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "was disconnected already"),
            Err(_) => tracing::warn!("the platform does not let go of a connection"),
        }
    }

    /// Resolves when no link to this peripheral is being ended.
    pub(super) async fn over(&self, id: &PeripheralId) {
        // The sender is here: this does not fail.
        let _ = self.0.subscribe().wait_for(|leaving| !leaving.contains(id)).await;
    }
}

struct Mark<'a> {
    leaving: &'a Leaving,
    id: PeripheralId,
}

impl<'a> Mark<'a> {
    fn set(leaving: &'a Leaving, id: PeripheralId) -> Self {
        leaving.0.send_modify(|all| all.push(id.clone()));
        Self { leaving, id }
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.leaving.0.send_modify(|all| {
            if let Some(place) = all.iter().position(|id| *id == self.id) {
                all.swap_remove(place);
            }
        });
    }
}
