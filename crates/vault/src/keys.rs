//! Device keys in software: Ed25519 kept in the keyring, and a P-256 stand-in that behaves like a key in hardware.

use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

use crate::{Algorithm, DeviceKey, DeviceKeys, DevicePublic, Secrets, VaultError};

/// The name of the key's secret in the keyring.
const NAME: &str = "device-key";
/// First byte of the stored secret: Ed25519 seed follows. Others are kept free for other algorithms.
const TAG_ED25519: u8 = 1;

/// Ed25519 with its seed in [`Secrets`].
pub struct StoredKeys {
    secrets: Arc<dyn Secrets>,
}

impl StoredKeys {
    /// Keeps the key among these secrets.
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets }
    }

    /// The key that stands, if there is one.
    ///
    /// # Errors
    /// As [`Secrets::get`].
    pub async fn load(&self) -> Result<Option<Arc<dyn DeviceKey>>, VaultError> {
        let Some(stored) = self.secrets.get(NAME).await? else { return Ok(None) };
        if let Some(seed) = stored
            .split_first()
            .and_then(|(tag, seed)| (*tag == TAG_ED25519).then(|| <&[u8; 32]>::try_from(seed).ok()).flatten())
        {
            return Ok(Some(Arc::new(SoftwareEd25519::from_seed(seed))));
        }
        // Something else wrote here. The key cannot be had again; a new one means signing in again.
        tracing::warn!(code = "device_key_malformed", "the stored device key is replaced");
        Ok(None)
    }
}

#[async_trait::async_trait]
impl DeviceKeys for StoredKeys {
    async fn load_or_create(&self) -> Result<(Arc<dyn DeviceKey>, bool), VaultError> {
        if let Some(key) = self.load().await? {
            return Ok((key, false));
        }
        let mut seed = Zeroizing::new([0u8; 32]);
        random(seed.as_mut_slice())?;
        let mut stored = Zeroizing::new(Vec::with_capacity(33));
        stored.push(TAG_ED25519);
        stored.extend_from_slice(seed.as_slice());
        self.secrets.set(NAME, &stored).await?;
        Ok((Arc::new(SoftwareEd25519::from_seed(&seed)), true))
    }

    async fn destroy(&self) -> Result<(), VaultError> {
        self.secrets.delete(NAME).await
    }
}

/// Ed25519 in this process.
struct SoftwareEd25519(ed25519_dalek::SigningKey);

impl SoftwareEd25519 {
    fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }
}

#[async_trait::async_trait]
impl DeviceKey for SoftwareEd25519 {
    fn public(&self) -> DevicePublic {
        DevicePublic { algorithm: Algorithm::Ed25519, bytes: self.0.verifying_key().to_bytes().to_vec() }
    }

    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], VaultError> {
        Ok(self.0.sign(message).to_bytes())
    }
}

/// A P-256 key that cannot be read out through the port: what a Secure Enclave, StrongBox or TPM gives, without one.
/// It lives as long as this value, so it suits tests and memory-only sessions, not a customer's device.
#[derive(Default)]
pub struct StandInKeys {
    key: Mutex<Option<Arc<StandIn>>>,
}

impl StandInKeys {
    /// No key yet.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait::async_trait]
impl DeviceKeys for StandInKeys {
    async fn load_or_create(&self) -> Result<(Arc<dyn DeviceKey>, bool), VaultError> {
        let mut slot = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = slot.as_ref() {
            return Ok((key.clone(), false));
        }
        let key = Arc::new(StandIn::generate()?);
        *slot = Some(key.clone());
        Ok((key, true))
    }

    async fn destroy(&self) -> Result<(), VaultError> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}

struct StandIn(p256::ecdsa::SigningKey);

impl StandIn {
    fn generate() -> Result<Self, VaultError> {
        // A random string is a valid scalar but with a chance of about 2^-32 (zero, or not below the group order).
        for _ in 0..4 {
            let mut scalar = Zeroizing::new([0u8; 32]);
            random(scalar.as_mut_slice())?;
            if let Ok(key) = p256::ecdsa::SigningKey::from_slice(scalar.as_slice()) {
                return Ok(Self(key));
            }
        }
        Err(VaultError::Keyring("no valid P-256 scalar from the system's random numbers".into()))
    }
}

#[async_trait::async_trait]
impl DeviceKey for StandIn {
    fn public(&self) -> DevicePublic {
        let point = self.0.verifying_key().to_sec1_point(true);
        DevicePublic { algorithm: Algorithm::P256, bytes: point.as_bytes().to_vec() }
    }

    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], VaultError> {
        let signature: p256::ecdsa::Signature = self.0.sign(message);
        Ok(signature.to_bytes().into())
    }
}

/// Random bytes of the operating system.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), VaultError> {
    getrandom::fill(bytes).map_err(|e| VaultError::Io(std::io::Error::other(e.to_string())))
}
