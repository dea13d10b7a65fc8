//! An app that was removed and installed again, on a platform whose secrets stay behind.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{path::Path, sync::Arc};

use postern_vault::{Opened, Secret, Secrets, Vault, VaultError, keys::StoredKeys, memory::MemorySecrets};

/// The Keychain of an iPhone: what is in it outlives the app.
struct Staying(MemorySecrets);

#[async_trait::async_trait]
impl Secrets for Staying {
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        self.0.get(name).await
    }

    async fn set(&self, name: &str, secret: &[u8]) -> Result<(), VaultError> {
        self.0.set(name, secret).await
    }

    async fn delete(&self, name: &str) -> Result<(), VaultError> {
        self.0.delete(name).await
    }

    fn outlive_the_app(&self) -> bool {
        true
    }
}

async fn open(secrets: &Arc<dyn Secrets>, folder: &Path) -> Opened {
    let keys = Arc::new(StoredKeys::new(secrets.clone()));
    Vault::open(secrets.clone(), keys, folder.join("wallet.sealed")).await.unwrap()
}

async fn used(secrets: &Arc<dyn Secrets>, folder: &Path) -> postern_vault::DevicePublic {
    let mut opened = open(secrets, folder).await;
    opened.vault.save_session(b"the session").await.unwrap();
    opened.vault.replace(&[Secret::new(b"the wallet".to_vec())]).await.unwrap();
    opened.vault.settle().await;
    opened.vault.device_key().public()
}

#[tokio::test]
async fn an_app_that_was_installed_again_finds_nothing_of_the_old_one() {
    let secrets: Arc<dyn Secrets> = Arc::new(Staying(MemorySecrets::new()));
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = used(&secrets, first.path()).await;
    let again = open(&secrets, first.path()).await;
    assert_eq!(
        (again.session.as_deref().map(Vec::as_slice), again.state.len()),
        (Some(&b"the session"[..]), 1)
    );
    assert_eq!(again.vault.device_key().public(), key);
    drop(again);

    // Removed with its folder, and installed again, perhaps by who got the phone.
    let fresh = open(&secrets, second.path()).await;
    assert!(fresh.session.is_none() && fresh.state.is_empty() && fresh.damage.is_none());
    assert_ne!(fresh.vault.device_key().public(), key, "a key of its own");
}

#[tokio::test]
async fn who_signed_in_and_saved_nothing_else_yet_stays_signed_in() {
    let secrets: Arc<dyn Secrets> = Arc::new(Staying(MemorySecrets::new()));
    let folder = tempfile::tempdir().unwrap();
    let mut opened = open(&secrets, folder.path()).await;
    opened.vault.save_session(b"the session").await.unwrap();
    drop(opened);
    assert!(open(&secrets, folder.path()).await.session.is_some());
}

#[tokio::test]
async fn where_secrets_go_with_the_app_nothing_changes() {
    let secrets: Arc<dyn Secrets> = Arc::new(MemorySecrets::new());
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = used(&secrets, first.path()).await;
    let moved = open(&secrets, second.path()).await;
    assert!(moved.session.is_some());
    assert_eq!(moved.vault.device_key().public(), key);
    assert!(!second.path().join("installed").exists());
}
