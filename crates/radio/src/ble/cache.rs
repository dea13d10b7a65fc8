//! What the platform remembers of a peripheral's attributes, and how it is made to forget.
//!
//! BlueZ keeps handles by address and takes them for true at the next link, unless the peripheral has a bond and indicates
//! Service Changed, or a Database Hash. Elsewhere there is nothing that an app could do: Apple's and Microsoft's stacks
//! discover anew where there is no bond, and Android hides its switch.

use btleplug::platform::PeripheralId;

/// Forgets a peripheral, which ends its link too. One that is paired stays: a bond is the user's, and not ours to break.
#[cfg(target_os = "linux")]
pub(super) async fn forget(id: &PeripheralId) {
    let id = id.to_string();
    let forgotten = tokio::task::spawn_blocking(move || remove(&id)).await;
    match forgotten {
        Ok(Ok(())) => tracing::debug!("forgot what was known of the locker's attributes"),
        Ok(Err(error)) => tracing::debug!(%error, "could not forget the locker's attributes"),
        // The runtime is shutting down.
        Err(_) => {}
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) async fn forget(_: &PeripheralId) {}

/// `id` is `hci0/dev_11_22_33_44_55_66`.
#[cfg(target_os = "linux")]
fn remove(id: &str) -> Result<(), dbus::Error> {
    use std::time::Duration;

    use dbus::blocking::{Connection, stdintf::org_freedesktop_dbus::Properties};

    /// BlueZ disconnects first, which takes it 2 s.
    const PATIENCE: Duration = Duration::from_secs(5);

    let bus = Connection::new_system()?;
    let device = dbus::Path::new(format!("/org/bluez/{id}")).map_err(|why| dbus::Error::new_failed(&why))?;
    let paired: bool = bus.with_proxy("org.bluez", &device, PATIENCE).get("org.bluez.Device1", "Paired")?;
    if paired {
        return Err(dbus::Error::new_failed("it is paired"));
    }
    let adapter = id.split_once('/').map_or(id, |(adapter, _)| adapter);
    let adapter = bus.with_proxy("org.bluez", format!("/org/bluez/{adapter}"), PATIENCE);
    adapter.method_call("org.bluez.Adapter1", "RemoveDevice", (device,))
}
