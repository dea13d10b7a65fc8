//! The device key in the Secure Enclave, filed in the Keychain that is the app's own.
//!
//! The Enclave wants a program that is signed for a part of the Keychain. Where it is not (a build for looking at, a
//! Mac without the chip), the key is in software as on other desktops.

use std::sync::Arc;

use security_framework::{
    access_control::{ProtectionMode, SecAccessControl},
    item::{ItemClass, ItemSearchOptions, KeyClass, Limit, Location, Reference, SearchResult},
    key::{Algorithm as Scheme, GenerateKeyOptions, KeyType, SecKey, Token},
    passwords::AccessControlOptions,
};

use super::encoding;
use crate::{DeviceKey, DeviceKeys, DevicePublic, Secrets, VaultError, keys::StoredKeys};

/// `errSecItemNotFound`.
const NOT_FOUND: i32 = -25_300;
/// `errSecInteractionNotAllowed`: the device was not unlocked since it started.
const LOCKED: i32 = -25_308;
/// `errSecMissingEntitlement`: the program is not signed for a part of the Keychain, so it has none to look into.
const NO_KEYCHAIN: i32 = -34_018;

/// One profile's key in the Secure Enclave, or in software where there is no Enclave for this program.
pub struct EnclaveKeys {
    label: String,
    software: StoredKeys,
}

impl EnclaveKeys {
    /// The key is filed under the profile's name; a key in software is among `secrets`.
    pub fn new(profile: &str, secrets: Arc<dyn Secrets>) -> Self {
        let label = format!("{}/{profile}/device-key", crate::keyring::SERVICE);
        Self { label, software: StoredKeys::new(secrets) }
    }
}

#[async_trait::async_trait]
impl DeviceKeys for EnclaveKeys {
    async fn load_or_create(&self) -> Result<(Arc<dyn DeviceKey>, bool), VaultError> {
        let label = self.label.clone();
        if let Some(key) = waiting(move || find(&label)).await? {
            return Ok((Arc::new(EnclaveKey::new(key)?), false));
        }
        // A key of an earlier build without the Enclave: tokens and session are bound to it.
        if let Some(key) = self.software.load().await? {
            return Ok((key, false));
        }
        let label = self.label.clone();
        match waiting(move || generate(&label).and_then(EnclaveKey::new)).await {
            Ok(key) => Ok((Arc::new(key), true)),
            Err(VaultError::Locked) => Err(VaultError::Locked),
            Err(error) => {
                tracing::info!(code = "no_enclave", %error, "the device key is in the Keychain, in software");
                self.software.load_or_create().await
            }
        }
    }

    async fn destroy(&self) -> Result<(), VaultError> {
        let label = self.label.clone();
        let hardware = waiting(move || match find(&label)? {
            Some(key) => key.delete().map_err(|error| failure(error.code())),
            None => Ok(()),
        })
        .await;
        let software = self.software.destroy().await;
        hardware.and(software)
    }
}

struct EnclaveKey {
    key: SecKey,
    public: DevicePublic,
}

impl EnclaveKey {
    fn new(key: SecKey) -> Result<Self, VaultError> {
        let point = key.public_key().and_then(|public| public.external_representation());
        let point =
            point.ok_or_else(|| VaultError::Keyring("the Enclave's key has no public half".into()))?;
        let public = encoding::public_of_point(&point)?;
        Ok(Self { key, public })
    }
}

#[async_trait::async_trait]
impl DeviceKey for EnclaveKey {
    fn public(&self) -> DevicePublic {
        self.public.clone()
    }

    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], VaultError> {
        let (key, message) = (self.key.clone(), message.to_vec());
        waiting(move || {
            let signed = key.create_signature(Scheme::ECDSASignatureMessageX962SHA256, &message);
            encoding::signature_of_der(&signed.map_err(|error| failure(code(error.code())))?)
        })
        .await
    }
}

/// The Keychain blocks; none of the runtime's threads may.
async fn waiting<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    let acted = tokio::task::spawn_blocking(act).await;
    acted.unwrap_or_else(|_| Err(VaultError::Keyring("the Keychain did not return".into())))
}

fn find(label: &str) -> Result<Option<SecKey>, VaultError> {
    let mut search = ItemSearchOptions::new();
    search.class(ItemClass::key()).key_class(KeyClass::private()).label(label);
    search.load_refs(true).limit(Limit::Max(1));
    #[cfg(target_os = "macos")]
    search.ignore_legacy_keychains();
    let found = match search.search() {
        Ok(found) => found,
        Err(error) if [NOT_FOUND, NO_KEYCHAIN].contains(&error.code()) => return Ok(None),
        Err(error) => return Err(failure(error.code())),
    };
    Ok(found.into_iter().find_map(|item| match item {
        SearchResult::Ref(Reference::Key(key)) => Some(key),
        _ => None,
    }))
}

fn generate(label: &str) -> Result<SecKey, VaultError> {
    // Of this device only, and usable while a locked phone catches up: opening itself asks for the customer.
    let access = SecAccessControl::create_with_protection(
        Some(ProtectionMode::AccessibleAfterFirstUnlockThisDeviceOnly),
        AccessControlOptions::PRIVATE_KEY_USAGE.bits(),
    )
    .map_err(|error| failure(error.code()))?;
    let mut options = GenerateKeyOptions::default();
    options
        .set_key_type(KeyType::ec())
        .set_size_in_bits(256)
        .set_token(Token::SecureEnclave)
        .set_location(Location::DataProtectionKeychain)
        .set_label(label)
        .set_access_control(access);
    SecKey::new(&options).map_err(|error| failure(code(error.code())))
}

/// `OSStatus` of an error of Core Foundation; errors of the Keychain have one, and zero says that this one had none.
fn code(code: isize) -> i32 {
    i32::try_from(code).unwrap_or_default()
}

fn failure(status: i32) -> VaultError {
    match status {
        LOCKED => VaultError::Locked,
        status => VaultError::Keyring(format!("the Keychain answered {status}")),
    }
}
