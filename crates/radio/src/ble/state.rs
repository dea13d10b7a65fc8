//! The adapter's state, now and as it changes.

use std::{sync::Arc, time::Duration};

use btleplug::{
    api::{Central, CentralEvent, CentralState, Manager as _},
    platform::{Adapter, Manager},
};
use futures::StreamExt;
use tokio::sync::watch;

use crate::{
    AdapterState,
    phone::{Half, Told},
};

/// Plugging in and pulling out is not reported by btleplug: looked at this often.
const LOOK: Duration = Duration::from_secs(3);

/// Whether looking at the adapter asks the customer nothing. On Apple's systems whoever makes a central has the system
/// ask for Bluetooth, unless that was answered before.
#[cfg(any(target_os = "macos", target_os = "ios"))]
// A class method without arguments, of a class that every macOS from 10.15 and every iOS from 13.1 has.
#[allow(unsafe_code)]
pub(super) fn was_answered() -> bool {
    use objc2_core_bluetooth::{CBManager, CBManagerAuthorization};
    unsafe { CBManager::authorization_class() != CBManagerAuthorization::NotDetermined }
}

/// Whether looking at the adapter asks the customer nothing.
#[cfg(not(any(target_os = "macos", target_os = "ios")))]
pub(super) fn was_answered() -> bool {
    true
}

/// Reports what the phone's own half tells, for as long as somebody could be listening.
pub(super) async fn follow(half: &'static Half, state: watch::Sender<AdapterState>) {
    let mut told = half.states();
    loop {
        let now = told.borrow_and_update().map_or(AdapterState::Unknown, Told::state);
        state.send_if_modified(|old| std::mem::replace(old, now) != now);
        if told.changed().await.is_err() {
            return;
        }
    }
}

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
            if matches!(now, AdapterState::Absent | AdapterState::Denied | AdapterState::LocationOff) {
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
