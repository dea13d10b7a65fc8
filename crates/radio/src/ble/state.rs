//! The adapter's state, now and as it changes.

use std::{sync::Arc, time::Duration};

use btleplug::{
    api::{Central, CentralEvent, CentralState, Manager as _},
    platform::{Adapter, Manager},
};
use futures::StreamExt;
use tokio::sync::watch;

use crate::AdapterState;

/// Plugging in and pulling out is not reported by btleplug: looked at this often.
const LOOK: Duration = Duration::from_secs(3);

/// The state of an adapter that is there.
pub(super) async fn of(adapter: &Adapter) -> AdapterState {
    // On Linux an adapter that has gone counts as "off" for `adapter_state`; its description tells the two apart.
    if let Err(error) = adapter.adapter_info().await {
        return refused(&error);
    }
    match adapter.adapter_state().await {
        Ok(CentralState::PoweredOn) => AdapterState::On,
        Ok(CentralState::PoweredOff) => AdapterState::Off,
        Ok(CentralState::Unknown) | Err(_) => AdapterState::Unknown,
    }
}

/// Looks for the adapter of this name; the first there is when it is empty.
pub(super) async fn find(wanted: &str) -> (AdapterState, Option<Adapter>) {
    let adapters = match Manager::new().await {
        Ok(manager) => manager.adapters().await,
        Err(error) => Err(error),
    };
    let adapters = match adapters {
        Ok(adapters) => adapters,
        Err(error) => {
            tracing::debug!(%error, "no Bluetooth");
            return (refused(&error), None);
        }
    };
    for adapter in adapters {
        let named = match adapter.adapter_info().await {
            Ok(info) => is_named(&info, wanted),
            Err(_) => false,
        };
        if wanted.is_empty() || named {
            return (of(&adapter).await, Some(adapter));
        }
    }
    (AdapterState::Absent, None)
}

/// Whether btleplug describes an adapter of this name. On Linux it says `hci1 (usb:v1D6Bp0246d053F)`, elsewhere the name
/// alone; `hci1` is not `hci10`.
fn is_named(description: &str, wanted: &str) -> bool {
    description.split_once(" (").map_or(description, |(name, _)| name).trim() == wanted
}

/// Why there is no adapter: none, or not for us. D-Bus names its errors; btleplug only passes their text on.
fn refused(error: &btleplug::Error) -> AdapterState {
    let text = format!("{error:?}");
    if matches!(error, btleplug::Error::PermissionDenied) || text.contains("AccessDenied") {
        AdapterState::Denied
    } else {
        AdapterState::Absent
    }
}

/// Reports the state for as long as somebody could be listening.
pub(super) async fn watch(wanted: Arc<str>, state: watch::Sender<AdapterState>) {
    loop {
        let (now, adapter) = find(&wanted).await;
        state.send_if_modified(|old| std::mem::replace(old, now) != now);
        let Some(adapter) = adapter else {
            tokio::time::sleep(LOOK).await;
            continue;
        };
        let Ok(mut events) = adapter.events().await else {
            tokio::time::sleep(LOOK).await;
            continue;
        };
        loop {
            let now = of(&adapter).await;
            state.send_if_modified(|old| std::mem::replace(old, now) != now);
            if matches!(now, AdapterState::Absent | AdapterState::Denied) {
                break;
            }
            let changed = async {
                while let Some(event) = events.next().await {
                    if matches!(event, CentralEvent::StateUpdate(_)) {
                        return true;
                    }
                }
                false
            };
            match tokio::time::timeout(LOOK, changed).await {
                Ok(true) | Err(_) => {}
                Ok(false) => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn an_adapter_goes_by_its_whole_name() {
        assert!(is_named("hci1 (usb:v1D6Bp0246d053F)", "hci1"));
        assert!(!is_named("hci10 (usb:v1D6Bp0246d053F)", "hci1"));
        assert!(!is_named("hci1 (usb:v1D6Bp0246d053F)", "hci"));
        assert!(is_named("CoreBluetooth", "CoreBluetooth"));
    }
}
