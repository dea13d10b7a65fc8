//! `store_damage` and `storage_theft`: what happens to a sealed store in bad hands.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use postern_vault::{SealedStore, Secrets as _, VaultError, keys::StoredKeys, memory::MemorySecrets};

const FILE: &str = "wallet.sealed";

struct Place {
    folder: tempfile::TempDir,
    secrets: Arc<MemorySecrets>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), secrets: Arc::new(MemorySecrets::new()) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    async fn open(&self) -> (SealedStore, Option<Vec<u8>>, Option<VaultError>) {
        let (store, loaded) = SealedStore::open(self.path(), self.secrets.clone()).await.unwrap();
        (store, loaded.state.map(|s| s.to_vec()), loaded.damage)
    }

    async fn saved(&self, content: &[u8]) {
        let (mut store, ..) = self.open().await;
        store.save(content).await.unwrap();
        store.settle().await;
    }

    fn aside(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains(".damaged-"))
            .collect();
        names.sort();
        names
    }

    /// Noticed, kept aside byte for byte, empty, and usable afterwards.
    async fn damaged_by(&self, damage: impl FnOnce(&Path)) {
        let copies = self.aside().len();
        damage(&self.path());
        let bad = fs::read(self.path()).ok();
        let (mut store, state, error) = self.open().await;
        assert!(matches!(error, Some(VaultError::Damaged(_))));
        assert_eq!(state, None);
        assert!(!self.path().exists());
        if let Some(bad) = bad {
            let names = self.aside();
            assert_eq!(names.len(), copies + 1);
            assert!(names.iter().any(|name| fs::read(self.folder.path().join(name)).unwrap() == bad));
        }
        store.save(b"healed").await.unwrap();
        store.settle().await;
        let (_, state, error) = self.open().await;
        assert_eq!(state.as_deref(), Some(b"healed".as_slice()));
        assert!(error.is_none());
    }
}

#[tokio::test]
async fn what_was_saved_is_there() {
    let place = Place::new();
    assert_eq!(place.open().await.1, None);
    place.saved(b"first").await;
    place.saved(b"second").await;
    let (_, state, damage) = place.open().await;
    assert_eq!(state.as_deref(), Some(b"second".as_slice()));
    assert!(damage.is_none());
    assert!(place.aside().is_empty());
}

#[tokio::test]
async fn store_damage_truncated() {
    let place = Place::new();
    place.saved(b"some state of the wallet").await;
    let length = fs::metadata(place.path()).unwrap().len();
    for keep in [0, 7, 19, 20, 43, 44, 59, 60, length - 1] {
        place.saved(b"some state of the wallet").await;
        place
            .damaged_by(|path| {
                fs::OpenOptions::new().write(true).open(path).unwrap().set_len(keep).unwrap();
                for old in fs::read_dir(path.parent().unwrap()).unwrap() {
                    let old = old.unwrap().path();
                    if old != path {
                        fs::remove_file(old).unwrap();
                    }
                }
            })
            .await;
        for name in place.aside() {
            fs::remove_file(place.folder.path().join(name)).unwrap();
        }
    }
}

#[tokio::test]
async fn store_damage_every_flipped_bit_is_noticed() {
    let place = Place::new();
    place.saved(b"state").await;
    let good = fs::read(place.path()).unwrap();
    for at in 0..good.len() {
        for bit in [0x01, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            fs::write(place.path(), &bad).unwrap();
            let (_, state, damage) = place.open().await;
            assert!(matches!(damage, Some(VaultError::Damaged(_))), "byte {at}");
            assert_eq!(state, None);
        }
    }
    assert_eq!(place.aside().len(), 5, "the newest five are kept");
}

#[tokio::test]
async fn store_damage_swapped_with_another_device() {
    let (place, other) = (Place::new(), Place::new());
    place.saved(b"mine").await;
    other.saved(b"of somebody else").await;
    place.damaged_by(|path| assert!(fs::copy(other.path(), path).unwrap() > 0)).await;
}

#[tokio::test]
async fn store_damage_older_copy_is_noticed() {
    let place = Place::new();
    place.saved(b"one opening left").await;
    let older = fs::read(place.path()).unwrap();
    place.saved(b"used up").await;
    place.damaged_by(|path| fs::write(path, &older).unwrap()).await;
}

#[tokio::test]
async fn store_damage_removed_file_is_noticed() {
    let place = Place::new();
    place.saved(b"state").await;
    place.damaged_by(|path| fs::remove_file(path).unwrap()).await;
}

#[tokio::test]
async fn store_damage_lost_key_is_noticed() {
    let place = Place::new();
    place.saved(b"state").await;
    place.secrets.delete("store-key").await.unwrap();
    place.damaged_by(|_| ()).await;
}

#[tokio::test]
async fn a_crash_between_file_and_counter_loses_nothing() {
    let place = Place::new();
    place.saved(b"one").await;
    let counter = place.secrets.get("store-generation").await.unwrap().unwrap();
    place.saved(b"two").await;
    place.secrets.set("store-generation", &counter).await.unwrap();
    let (_, state, damage) = place.open().await;
    assert_eq!(state.as_deref(), Some(b"two".as_slice()));
    assert!(damage.is_none());
}

#[tokio::test]
async fn a_crash_while_writing_leaves_the_old_state() {
    let place = Place::new();
    place.saved(b"old").await;
    fs::write(place.path().with_extension("new"), b"half of the n").unwrap();
    let (mut store, state, damage) = place.open().await;
    assert_eq!(state.as_deref(), Some(b"old".as_slice()));
    assert!(damage.is_none());
    store.save(b"new").await.unwrap();
    assert!(!place.path().with_extension("new").exists());
}

#[tokio::test]
async fn storage_theft() {
    let place = Place::new();
    let keys = Arc::new(StoredKeys::new(place.secrets.clone()));
    let mut opened = postern_vault::Vault::open(place.secrets.clone(), keys, place.path()).await.unwrap();
    let wallet = br#"{"title":"Running shoes","token":"0kOhASeg","pin":"48151623"}"#;
    opened.vault.save(wallet).await.unwrap();
    opened.vault.save_session(b"refresh-token-of-the-customer").await.unwrap();

    let key = place.secrets.get("store-key").await.unwrap().unwrap();
    let seed = place.secrets.get("device-key").await.unwrap().unwrap();
    for entry in fs::read_dir(place.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for secret in [b"Running".as_slice(), b"0kOhASeg", b"48151623", b"refresh-token", &key, &seed[1..]] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
        }
    }

    // After sign-out a copy made before is worthless, and nothing is left here.
    let copy = fs::read(place.path()).unwrap();
    opened.vault.wipe().await.unwrap();
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);
    fs::write(place.path(), copy).unwrap();
    let (_, state, damage) = place.open().await;
    assert_eq!(state, None);
    assert!(matches!(damage, Some(VaultError::Damaged(_))));
}
