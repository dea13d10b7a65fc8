//! The port to secrets: the device key and what it proves, small secrets in the platform's keyring, and the sealed store
//! on disk.
#![forbid(unsafe_code)]

pub mod dpop;
mod file;
pub mod hardware;
pub mod keyring;
pub mod keys;
mod lock;
pub mod memory;
mod sealed;
#[cfg(feature = "testing")]
pub mod testing;
mod vault;

use std::sync::Arc;

use zeroize::Zeroizing;

pub use lock::ProfileLock;
pub use sealed::{Loaded, SealedStore};
pub use vault::{Opened, Vault};

/// A secret in memory; wiped when dropped, never printed.
pub type Secret = Zeroizing<Vec<u8>>;

/// The signature algorithm of a device key (PROTOCOL.md, proof of possession).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032): public key 32 bytes.
    Ed25519,
    /// ECDSA on P-256 with SHA-256, for keys in hardware: public key 33 bytes, compressed SEC1.
    P256,
}

/// A public device key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePublic {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// 32 bytes (Ed25519) or 33 bytes (P-256, compressed).
    pub bytes: Vec<u8>,
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The platform has no keyring, or none is running.
    #[error("no keyring on this machine: {0}")]
    Absent(String),
    /// The keyring is locked and the customer did not unlock it.
    #[error("the keyring is locked")]
    Locked,
    /// The keyring failed otherwise.
    #[error("keyring: {0}")]
    Keyring(String),
    /// The store is damaged, from another device, or older than the newest one seen.
    #[error("the sealed store cannot be opened: {0}")]
    Damaged(String),
    /// Disk.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The key that tokens are bound to. The private half need not be readable (Secure Enclave, StrongBox, TPM).
#[async_trait::async_trait]
pub trait DeviceKey: Send + Sync {
    /// The public half.
    fn public(&self) -> DevicePublic;
    /// 64 bytes: Ed25519, or r and s of ECDSA (fixed width) over the SHA-256 of the message.
    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], VaultError>;
}

/// Small named secrets, one set for each profile.
#[async_trait::async_trait]
pub trait Secrets: Send + Sync {
    /// None where there is no such secret.
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError>;
    /// Creates or replaces.
    async fn set(&self, name: &str, secret: &[u8]) -> Result<(), VaultError>;
    /// Forgets; no error where there was none.
    async fn delete(&self, name: &str) -> Result<(), VaultError>;
    /// Whether the platform keeps them when the app is removed. What an app that was installed again finds there is of
    /// whoever had the device before.
    fn outlive_the_app(&self) -> bool {
        false
    }
}

/// Where the device key comes from. One key stands at a time; a hardware key fills this port (Secure Enclave,
/// StrongBox, TPM), the keyring fills it where there is none.
#[async_trait::async_trait]
pub trait DeviceKeys: Send + Sync {
    /// The key of this device; made when there is none. True where it was made just now: whatever was bound to an
    /// earlier key is worthless.
    async fn load_or_create(&self) -> Result<(Arc<dyn DeviceKey>, bool), VaultError>;
    /// Forgets the key for good; no error where there was none.
    async fn destroy(&self) -> Result<(), VaultError>;
}
