//! Secrets that end with the process: for sessions that the customer asked to be forgotten, and for tests.

use std::{collections::HashMap, sync::Mutex};

use zeroize::Zeroizing;

use crate::{Secret, Secrets, VaultError};

/// A keyring in memory, wiped when dropped.
#[derive(Default)]
pub struct MemorySecrets {
    secrets: Mutex<HashMap<String, Secret>>,
}

impl MemorySecrets {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Secret>> {
        // No operation below can panic while it holds the lock, so a poisoned map is still whole.
        self.secrets.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Secrets for MemorySecrets {
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        Ok(self.locked().get(name).cloned())
    }

    async fn set(&self, name: &str, secret: &[u8]) -> Result<(), VaultError> {
        self.locked().insert(name.to_owned(), Zeroizing::new(secret.to_vec()));
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<(), VaultError> {
        self.locked().remove(name);
        Ok(())
    }
}
