//! A process that ends while it forgets: nothing of the profile is left to the next one.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use postern_vault::{Opened, Secret, Secrets, Vault, VaultError, keys::StoredKeys, memory::MemorySecrets};
use tokio::sync::Notify;

/// A keyring of a process that ends before its change number `left`: nothing comes back from there.
struct Ending {
    keyring: Arc<MemorySecrets>,
    left: AtomicU32,
    ended: Notify,
}

impl Ending {
    async fn step(&self) {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() {
            self.ended.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait::async_trait]
impl Secrets for Ending {
    async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        self.keyring.get(name).await
    }

    async fn set(&self, name: &str, secret: &[u8]) -> Result<(), VaultError> {
        self.step().await;
        self.keyring.set(name, secret).await
    }

    async fn delete(&self, name: &str) -> Result<(), VaultError> {
        self.step().await;
        self.keyring.delete(name).await
    }
}

async fn open(secrets: Arc<dyn Secrets>, folder: &Path) -> Result<Opened, VaultError> {
    let keys = Arc::new(StoredKeys::new(secrets.clone()));
    Vault::open(secrets, keys, folder.join("wallet.sealed")).await
}

impl Ending {
    fn of(keyring: &Arc<MemorySecrets>, left: u32) -> Arc<Self> {
        Arc::new(Self { keyring: keyring.clone(), left: AtomicU32::new(left), ended: Notify::new() })
    }

    /// What it comes to before its process ends.
    async fn until_then<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.ended.notified() => None,
        }
    }
}

#[tokio::test]
async fn what_was_being_forgotten_is_forgotten_whenever_the_process_ended() {
    let mut ends = 0;
    for left in 0.. {
        let keyring = Arc::new(MemorySecrets::new());
        let folder = tempfile::tempdir().unwrap();
        let mut first = open(keyring.clone(), folder.path()).await.unwrap();
        first.vault.save_session(b"the session").await.unwrap();
        first.vault.replace(&[Secret::new(b"the wallet".to_vec())]).await.unwrap();
        first.vault.settle().await;
        let key = first.vault.device_key().public();
        drop(first);

        let ending = Ending::of(&keyring, u32::MAX);
        let second = open(ending.clone(), folder.path()).await.unwrap();
        assert!(second.session.is_some() && second.state.len() == 1);
        ending.left.store(left, Ordering::SeqCst);
        let done = ending.until_then(second.vault.wipe()).await.is_some();

        // The next process may end in the middle of the rest as well.
        let ending = Ending::of(&keyring, left / 2);
        let _ = ending.clone().until_then(open(ending, folder.path())).await;

        let third = open(keyring.clone(), folder.path()).await.unwrap();
        assert!(third.session.is_none(), "before change {left}: a session is left");
        assert!(third.state.is_empty() && third.damage.is_none(), "before change {left}: a wallet is left");
        assert_ne!(third.vault.device_key().public(), key, "before change {left}: the key is left");
        drop(third);
        let left_over: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert!(
            left_over.iter().all(|name| !name.to_string_lossy().ends_with("leaving")),
            "before change {left}: {left_over:?}"
        );
        if done {
            break;
        }
        ends += 1;
    }
    assert!(ends >= 4, "session, key, and two of the store: {ends}");
}

/// A keyring that does not let go now is asked again at the next start, before anything is shown.
#[tokio::test]
async fn what_could_not_be_forgotten_is_not_shown_again() {
    struct Refusing(Arc<MemorySecrets>);
    #[async_trait::async_trait]
    impl Secrets for Refusing {
        async fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
            self.0.get(name).await
        }
        async fn set(&self, name: &str, secret: &[u8]) -> Result<(), VaultError> {
            self.0.set(name, secret).await
        }
        async fn delete(&self, _: &str) -> Result<(), VaultError> {
            Err(VaultError::Locked)
        }
    }
    let keyring = Arc::new(MemorySecrets::new());
    let folder = tempfile::tempdir().unwrap();
    let refusing: Arc<dyn Secrets> = Arc::new(Refusing(keyring.clone()));
    let mut first = open(keyring.clone(), folder.path()).await.unwrap();
    first.vault.save_session(b"the session").await.unwrap();
    first.vault.replace(&[Secret::new(b"the wallet".to_vec())]).await.unwrap();
    first.vault.settle().await;
    drop(first);
    let second = open(refusing.clone(), folder.path()).await.unwrap();
    assert!(second.vault.wipe().await.is_err());
    assert!(open(refusing, folder.path()).await.is_err(), "nothing is shown that was to be forgotten");
    let third = open(keyring, folder.path()).await.unwrap();
    assert!(third.session.is_none() && third.state.is_empty() && third.damage.is_none());
}
