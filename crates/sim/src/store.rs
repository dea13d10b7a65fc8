//! What a cabinet keeps in its folder: its identity and what its hub gave it. Flash and receipts are beside it.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use postern_api::operator::{IssuerKey, Provisioned};
use postern_locker::Keys;
use postern_protocol::{IssuerKeys, KeyId, LockerId, LockerKeys};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Name of the file with the secrets.
const FILE: &str = "locker.json";

/// Why a cabinet's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it was.
    #[error("{0}: damaged")]
    Damaged(PathBuf),
    /// The hub answered with something that is no key.
    #[error("what the hub gave is no {0}")]
    Malformed(&'static str),
}

/// The file. All of it is secret.
#[derive(Clone, Serialize, Deserialize)]
struct Identity {
    id: String,
    seed: String,
    #[serde(default)]
    issuers: Vec<IssuerKey>,
    #[serde(default)]
    pin_secret: Option<String>,
    /// When it was provisioned for the first time, UNIX seconds.
    #[serde(default)]
    provisioned_at: Option<u64>,
}

/// One cabinet's folder.
pub struct Store {
    folder: PathBuf,
    identity: Identity,
}

impl Store {
    /// Opens the folder, or makes it and a new identity.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(folder: PathBuf, rng: &mut ChaCha20Rng) -> Result<Self, StoreError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        fs::create_dir_all(&folder).map_err(io(&folder))?;
        let path = folder.join(FILE);
        let mut id = [0; 8];
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut id);
        rng.fill_bytes(seed.as_mut());
        let identity = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| StoreError::Damaged(path.clone()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Identity {
                id: hex::encode(id),
                seed: hex::encode(seed.as_ref()),
                issuers: Vec::new(),
                pin_secret: None,
                provisioned_at: None,
            },
            Err(error) => return Err(io(&path)(error)),
        };
        let store = Self { folder, identity };
        store.keys()?;
        store.save()?;
        Ok(store)
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a hub has provisioned it.
    #[must_use]
    pub fn is_provisioned(&self) -> bool {
        !self.identity.issuers.is_empty()
    }

    /// When it was provisioned for the first time, UNIX seconds; 0 before.
    #[must_use]
    pub fn provisioned_at(&self) -> u64 {
        self.identity.provisioned_at.unwrap_or(0)
    }

    /// What the firmware is given.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn keys(&self) -> Result<Keys, StoreError> {
        let damaged = || StoreError::Damaged(self.folder.join(FILE));
        let id: LockerId = self.identity.id.parse().map_err(|_| damaged())?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&self.identity.seed, seed.as_mut()).map_err(|_| damaged())?;
        let mut issuers = IssuerKeys::new();
        for issuer in &self.identity.issuers {
            if !issuers.insert(KeyId(issuer.id), decode(&issuer.key).ok_or_else(damaged)?) {
                return Err(StoreError::Malformed("small set of issuer keys"));
            }
        }
        let pin_secret = match &self.identity.pin_secret {
            Some(secret) => Some(Zeroizing::new(decode(secret).ok_or_else(damaged)?)),
            None => None,
        };
        Ok(Keys { locker: LockerKeys::from_seed(id, &seed), issuers, pin_secret })
    }

    /// Keeps what the hub gave.
    ///
    /// # Errors
    /// When it is not what it should be, or cannot be written.
    pub fn provision(&mut self, given: &Provisioned) -> Result<(), StoreError> {
        for issuer in &given.issuer_keys {
            decode(&issuer.key).ok_or(StoreError::Malformed("issuer key"))?;
        }
        decode(&given.pin_secret).ok_or(StoreError::Malformed("PIN secret"))?;
        self.identity.issuers.clone_from(&given.issuer_keys);
        self.identity.pin_secret = Some(given.pin_secret.clone());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.identity.provisioned_at.get_or_insert(now);
        self.save()
    }

    fn save(&self) -> Result<(), StoreError> {
        let path = self.folder.join(FILE);
        let io = |source| StoreError::Io { path: path.clone(), source };
        let text = serde_json::to_vec_pretty(&self.identity).map_err(|error| io(error.into()))?;
        let new = path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new).map_err(io)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(io)?;
        fs::rename(&new, &path).map_err(io)
    }
}

/// 32 bytes in base64url.
fn decode(text: &str) -> Option<[u8; 32]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// 32 bytes to base64url.
#[must_use]
pub fn encode(bytes: &[u8; 32]) -> String {
    BASE64.encode(bytes)
}
