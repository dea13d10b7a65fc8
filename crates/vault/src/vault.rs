//! Everything secret of one profile: device key, session, sealed state.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    DeviceKey, DeviceKeys, SealedStore, Secret, Secrets, VaultError, file, memory::MemorySecrets,
    sealed::blocking,
};

const SESSION_NAME: &str = "session";
/// Beside the sealed store: the app was here before.
const INSTALLED: &str = "installed";

/// The secrets of one profile, open.
pub struct Vault {
    secrets: Arc<dyn Secrets>,
    keys: Arc<dyn DeviceKeys>,
    key: Arc<dyn DeviceKey>,
    /// None where nothing may outlive the process.
    store: Option<SealedStore>,
}

/// A vault and what it held.
pub struct Opened {
    /// The vault.
    pub vault: Vault,
    /// What [`Vault::replace`] last stored, and what [`Vault::append`] added to it since; none if nothing ever was.
    pub state: Vec<Secret>,
    /// What [`Vault::save_session`] last stored.
    pub session: Option<Secret>,
    /// [`VaultError::Damaged`] where the state could not be trusted and was put aside.
    pub damage: Option<VaultError>,
}

impl Vault {
    /// Opens a profile: its secrets, its key, and its sealed store at `path`.
    ///
    /// # Errors
    /// [`VaultError::Absent`] and [`VaultError::Locked`] where there is no keyring to be had; nothing is ever written
    /// in clear instead.
    pub async fn open(
        secrets: Arc<dyn Secrets>,
        keys: Arc<dyn DeviceKeys>,
        path: PathBuf,
    ) -> Result<Opened, VaultError> {
        let installed = path.with_file_name(INSTALLED);
        let leaving = leaving(&path);
        if leaving.exists() {
            tracing::info!(code = "wipe_finished", "what an earlier process began to forget is forgotten");
            secrets.delete(SESSION_NAME).await?;
            keys.destroy().await?;
            SealedStore::forget(secrets.as_ref()).await?;
            SealedStore::remove(path.clone()).await?;
            blocking(move || file::remove(&leaving)).await?;
        }
        if secrets.outlive_the_app() && !installed.exists() && !path.exists() {
            tracing::info!(code = "installed_anew", "secrets of an app that was here before are forgotten");
            secrets.delete(SESSION_NAME).await?;
            SealedStore::forget(secrets.as_ref()).await?;
            keys.destroy().await?;
        }
        let (key, new) = keys.load_or_create().await?;
        if new {
            // A session is bound to the key that it was made with (RFC 9449).
            secrets.delete(SESSION_NAME).await?;
        }
        let session = secrets.get(SESSION_NAME).await?;
        let (store, loaded) = SealedStore::open(path, secrets.clone()).await?;
        if secrets.outlive_the_app() {
            // Gone with the app's folder. Written last: a beginning that was cut off begins anew.
            std::fs::write(&installed, [])?;
        }
        let vault = Self { secrets, keys, key, store: Some(store) };
        Ok(Opened { vault, state: loaded.entries, session, damage: loaded.damage })
    }

    /// A profile that ends with the process.
    pub async fn in_memory(keys: Arc<dyn DeviceKeys>) -> Result<Opened, VaultError> {
        let (key, _) = keys.load_or_create().await?;
        let vault = Self { secrets: Arc::new(MemorySecrets::new()), keys, key, store: None };
        Ok(Opened { vault, state: Vec::new(), session: None, damage: None })
    }

    /// The key that tokens are bound to.
    pub fn device_key(&self) -> &Arc<dyn DeviceKey> {
        &self.key
    }

    /// Nothing outlives the process.
    pub fn is_memory_only(&self) -> bool {
        self.store.is_none()
    }

    /// Replaces the sealed state: see [`SealedStore::replace`].
    ///
    /// # Errors
    /// [`VaultError::Io`].
    pub async fn replace(&mut self, entries: &[Secret]) -> Result<(), VaultError> {
        match &mut self.store {
            Some(store) => store.replace(entries).await,
            None => Ok(()),
        }
    }

    /// Adds changes to the sealed state: see [`SealedStore::append`].
    ///
    /// # Errors
    /// [`VaultError::Io`]; only a replacement is taken then.
    pub async fn append(&mut self, entries: &[Secret]) -> Result<(), VaultError> {
        match &mut self.store {
            Some(store) => store.append(entries).await,
            None => Ok(()),
        }
    }

    /// Waits until everything that was saved is known to the keyring too.
    pub async fn settle(&self) {
        if let Some(store) = &self.store {
            store.settle().await;
        }
    }

    /// Replaces the session secret; an empty one is forgotten.
    pub async fn save_session(&mut self, session: &[u8]) -> Result<(), VaultError> {
        if session.is_empty() {
            self.secrets.delete(SESSION_NAME).await
        } else {
            self.secrets.set(SESSION_NAME, session).await
        }
    }

    /// Forgets session, state and device key. Goes on past a failure, so that as much as can be is gone, and returns
    /// the first. What a failure or the end of the process leaves over goes when the profile is opened the next time.
    pub async fn wipe(self) -> Result<(), VaultError> {
        let leaving = self.store.as_ref().map(|store| leaving(store.path()));
        let noted = match leaving.clone() {
            Some(leaving) => blocking(move || file::replace(&leaving, &[])).await,
            None => Ok(()),
        };
        let session = self.secrets.delete(SESSION_NAME).await;
        let key = self.keys.destroy().await;
        let state = match self.store {
            Some(store) => store.wipe().await,
            None => Ok(()),
        };
        noted.and(session).and(key).and(state)?;
        match leaving {
            Some(leaving) => blocking(move || file::remove(&leaving)).await,
            None => Ok(()),
        }
    }
}

/// Says beside a store that it is being forgotten.
fn leaving(store: &Path) -> PathBuf {
    store.with_extension("leaving")
}
