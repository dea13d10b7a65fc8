//! Device keys that this platform keeps in hardware: P-256, because that is what the hardware has.
//!
//! | platform | where | without it |
//! |---|---|---|
//! | Android | Android Keystore, in StrongBox where the device has one | there is always a Keystore |
//! | iOS, macOS | Secure Enclave | Ed25519 in the Keychain |
//! | others | | Ed25519 in the keyring |

#[cfg(any(target_os = "android", feature = "jvm"))]
pub mod android;
#[cfg(any(target_os = "macos", target_os = "ios"))]
pub mod apple;
#[cfg(any(target_os = "android", target_os = "macos", target_os = "ios", feature = "jvm"))]
mod encoding;

use std::sync::Arc;

use crate::{DeviceKeys, Secrets};

/// The best keys that this platform has for the profile: in hardware, or among its secrets.
#[cfg(target_os = "android")]
pub fn keys(profile: &str, _secrets: Arc<dyn Secrets>) -> Arc<dyn DeviceKeys> {
    Arc::new(android::KeystoreKeys::new(profile))
}

/// The best keys that this platform has for the profile: in hardware, or among its secrets.
#[cfg(any(target_os = "macos", target_os = "ios"))]
pub fn keys(profile: &str, secrets: Arc<dyn Secrets>) -> Arc<dyn DeviceKeys> {
    Arc::new(apple::EnclaveKeys::new(profile, secrets))
}

/// The best keys that this platform has for the profile: in hardware, or among its secrets.
#[cfg(not(any(target_os = "android", target_os = "macos", target_os = "ios")))]
pub fn keys(_profile: &str, secrets: Arc<dyn Secrets>) -> Arc<dyn DeviceKeys> {
    Arc::new(crate::keys::StoredKeys::new(secrets))
}
