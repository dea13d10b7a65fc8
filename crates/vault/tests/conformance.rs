//! The ports' conformance suites on every implementation that this machine can run.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::sync::Arc;

use postern_vault::{
    keys::{StandInKeys, StoredKeys},
    memory::MemorySecrets,
    testing::conformance,
};

#[tokio::test]
async fn secrets_in_memory_conform() {
    conformance::secrets(&MemorySecrets::new()).await;
}

#[tokio::test]
async fn device_keys_in_memory_conform() {
    conformance::device_keys(&StoredKeys::new(Arc::new(MemorySecrets::new()))).await;
}

#[tokio::test]
async fn the_p256_stand_in_conforms() {
    conformance::device_keys(&StandInKeys::new()).await;
}

/// Windows keeps secrets in its Credential Manager; under Wine the tests find Wine's.
#[cfg(windows)]
mod credential_manager {
    use postern_vault::keyring::KeyringSecrets;

    use super::*;

    #[tokio::test]
    async fn secrets_in_the_credential_manager_conform() {
        conformance::secrets(&KeyringSecrets::new("conformance-secrets").unwrap()).await;
    }

    #[tokio::test]
    async fn device_keys_in_the_credential_manager_conform() {
        let secrets = Arc::new(KeyringSecrets::new("conformance-keys").unwrap());
        conformance::device_keys(&StoredKeys::new(secrets)).await;
    }
}

#[cfg(target_os = "linux")]
mod secret_service {
    use postern_vault::{
        Secret, Secrets as _, Vault, VaultError, keyring::KeyringSecrets, testing::in_keyring,
    };

    use super::*;

    fn secret(bytes: &[u8]) -> Secret {
        Secret::new(bytes.to_vec())
    }

    #[test]
    fn secrets_in_a_real_keyring_conform() {
        in_keyring("secret_service::secrets_in_a_real_keyring_conform", |_| async {
            conformance::secrets(&KeyringSecrets::new("conformance").unwrap()).await;
        });
    }

    #[test]
    fn device_keys_in_a_real_keyring_conform() {
        in_keyring("secret_service::device_keys_in_a_real_keyring_conform", |_| async {
            let secrets = Arc::new(KeyringSecrets::new("conformance").unwrap());
            conformance::device_keys(&StoredKeys::new(secrets)).await;
        });
    }

    #[test]
    fn profiles_do_not_see_each_other() {
        in_keyring("secret_service::profiles_do_not_see_each_other", |_| async {
            let one = KeyringSecrets::new("one").unwrap();
            let two = KeyringSecrets::new("two").unwrap();
            one.set("session", b"of one").await.unwrap();
            assert!(two.get("session").await.unwrap().is_none());
            two.delete("session").await.unwrap();
            assert!(one.get("session").await.unwrap().is_some());
        });
    }

    #[test]
    fn a_locked_keyring_says_so_and_serves_again_once_unlocked() {
        in_keyring(
            "secret_service::a_locked_keyring_says_so_and_serves_again_once_unlocked",
            |keyring| async move {
                let secrets = KeyringSecrets::new("locked").unwrap();
                secrets.set("session", b"kept").await.unwrap();
                keyring.lock().await;
                assert!(matches!(secrets.get("session").await, Err(VaultError::Locked)));
                assert!(matches!(secrets.set("session", b"new").await, Err(VaultError::Locked)));
                assert!(matches!(secrets.set("other", b"new").await, Err(VaultError::Locked)));
                keyring.unlock().await;
                assert_eq!(secrets.get("session").await.unwrap().unwrap().as_slice(), b"kept");
            },
        );
    }

    #[test]
    fn a_keyring_that_was_restarted_is_found_again() {
        in_keyring("secret_service::a_keyring_that_was_restarted_is_found_again", |keyring| async move {
            let secrets = KeyringSecrets::new("restarted").unwrap();
            secrets.set("session", b"kept").await.unwrap();
            let _daemon = keyring.restart().await;
            assert_eq!(secrets.get("session").await.unwrap().unwrap().as_slice(), b"kept");
        });
    }

    #[test]
    fn a_save_does_not_wait_for_a_locked_keyring() {
        in_keyring("secret_service::a_save_does_not_wait_for_a_locked_keyring", |keyring| async move {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("wallet.sealed");
            let secrets = Arc::new(KeyringSecrets::new("profile").unwrap());
            let (mut store, _) =
                postern_vault::SealedStore::open(path.clone(), secrets.clone()).await.unwrap();
            keyring.lock().await;
            store.replace(&[secret(b"a door may be open")]).await.unwrap();
            store.settle().await;
            keyring.unlock().await;
            let (_, loaded) = postern_vault::SealedStore::open(path, secrets).await.unwrap();
            assert_eq!(loaded.entries, [secret(b"a door may be open")]);
            assert!(loaded.damage.is_none());
        });
    }

    #[test]
    fn what_a_vault_held_is_there_for_the_next_process() {
        in_keyring("secret_service::what_a_vault_held_is_there_for_the_next_process", |_| async {
            let folder = tempfile::tempdir().unwrap();
            let open = || async {
                // A new connection, as a new process has.
                let secrets = Arc::new(KeyringSecrets::new("profile").unwrap());
                let keys = Arc::new(StoredKeys::new(secrets.clone()));
                Vault::open(secrets, keys, folder.path().join("wallet.sealed")).await.unwrap()
            };
            let mut first = open().await;
            assert!(first.state.is_empty() && first.session.is_none() && first.damage.is_none());
            first.vault.replace(&[secret(b"the wallet")]).await.unwrap();
            first.vault.append(&[secret(b"a change")]).await.unwrap();
            first.vault.save_session(b"the session").await.unwrap();
            first.vault.settle().await;
            let public = first.vault.device_key().public();
            drop(first);

            let second = open().await;
            assert_eq!(second.state, [secret(b"the wallet"), secret(b"a change")]);
            assert_eq!(second.session.unwrap().as_slice(), b"the session");
            assert_eq!(second.vault.device_key().public(), public);
            second.vault.wipe().await.unwrap();

            let third = open().await;
            assert!(third.state.is_empty() && third.session.is_none() && third.damage.is_none());
            assert_ne!(third.vault.device_key().public(), public);
        });
    }
}
