//! Which store serves this platform, and what its errors mean to a customer.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error, Result};

use crate::VaultError;

/// Connects to the keyring of this platform.
#[cfg(target_os = "linux")]
pub(super) fn connect() -> Result<Arc<CredentialStore>> {
    use std::sync::atomic::{AtomicBool, Ordering};
    static TRIED: AtomicBool = AtomicBool::new(false);

    // `keyring` connects once for each process and remembers a failure for good.
    if !TRIED.swap(true, Ordering::Relaxed)
        && keyring::Entry::store_status().is_ok()
        && let Some(store) = keyring_core::get_default_store()
    {
        return Ok(store);
    }
    let store = zbus_secret_service_keyring_store::Store::new()?;
    Ok(store)
}

/// Connects to the keyring of this platform.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "ios")))]
pub(super) fn connect() -> Result<Arc<CredentialStore>> {
    match keyring::Entry::store_status() {
        Ok(()) => keyring_core::get_default_store().ok_or(Error::NoDefaultStore),
        Err(error) => Err(Error::NotSupportedByStore(error.to_string())),
    }
}

/// Connects to the keyring of this platform: encrypted by a key in the Android Keystore.
#[cfg(target_os = "android")]
pub(super) fn connect() -> Result<Arc<CredentialStore>> {
    let store = android_native_keyring_store::Store::new()?;
    Ok(store)
}

/// Connects to the keyring of this platform: the app's own part of the Keychain.
#[cfg(target_os = "ios")]
pub(super) fn connect() -> Result<Arc<CredentialStore>> {
    let store = apple_native_keyring_store::protected::Store::new()?;
    Ok(store)
}

/// The entry for one secret. Where the platform shows its keyring to people, it says whose secret it is.
pub(super) fn entry(store: &Arc<CredentialStore>, service: &str, account: &str) -> Result<Entry> {
    #[cfg(target_os = "linux")]
    {
        let label = format!("Postern ({account})");
        let modifiers = std::collections::HashMap::from([("label", label.as_str())]);
        store.build(service, account, Some(&modifiers))
    }
    // Of this device only, not of a backup of it on another; and readable while a locked phone catches up.
    #[cfg(target_os = "ios")]
    {
        let modifiers =
            std::collections::HashMap::from([("access-policy", "after-first-unlock-this-device-only")]);
        store.build(service, account, Some(&modifiers))
    }
    #[cfg(not(any(target_os = "linux", target_os = "ios")))]
    store.build(service, account, None)
}

/// What a failure means. Errors of the keyring may carry the secret itself, so only those parts are kept that cannot.
pub(super) fn classify(error: &Error) -> VaultError {
    match error {
        Error::NoDefaultStore => VaultError::Absent("no store for this platform".into()),
        Error::NotSupportedByStore(reason) => VaultError::Absent(reason.clone()),
        Error::NoStorageAccess(cause) | Error::PlatformFailure(cause) => {
            #[cfg(target_os = "linux")]
            if let Some(cause) = cause.downcast_ref::<secret_service::Error>() {
                return secret_service(cause);
            }
            if matches!(error, Error::NoStorageAccess(_)) {
                VaultError::Locked
            } else {
                VaultError::Keyring(cause.to_string())
            }
        }
        Error::BadEncoding(_) | Error::BadDataFormat(..) => {
            VaultError::Keyring("a secret is not in the form that this platform writes".into())
        }
        Error::Ambiguous(_) => VaultError::Keyring("there is more than one secret of this name".into()),
        other => VaultError::Keyring(other.to_string()),
    }
}

#[cfg(target_os = "linux")]
fn secret_service(error: &secret_service::Error) -> VaultError {
    use secret_service::Error as Service;
    match error {
        Service::Locked | Service::Prompt | Service::PromptDisconnected => VaultError::Locked,
        // There is a service, but nobody has ever made a keyring in it.
        Service::NoResult => VaultError::Absent("the secret service has no default keyring".into()),
        Service::Unavailable => VaultError::Absent("no secret service on the session bus".into()),
        Service::Zbus(zbus::Error::MethodError(name, ..)) => match name.as_str() {
            "org.freedesktop.Secret.Error.IsLocked" => VaultError::Locked,
            "org.freedesktop.DBus.Error.ServiceUnknown"
            | "org.freedesktop.DBus.Error.NameHasNoOwner"
            | "org.freedesktop.DBus.Error.NoReply" => {
                VaultError::Absent("no secret service on the session bus".into())
            }
            name => VaultError::Keyring(format!("the secret service answered {name}")),
        },
        other => VaultError::Keyring(other.to_string()),
    }
}

/// What it means that no connection can be had at all: no bus, no service, or one that does not come up.
pub(super) fn unreachable(error: &Error) -> VaultError {
    match classify(error) {
        VaultError::Keyring(reason) => VaultError::Absent(reason),
        other => other,
    }
}
