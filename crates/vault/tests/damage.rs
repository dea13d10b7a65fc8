//! `store_damage` and `storage_theft`: what happens to a sealed store in bad hands.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use chacha20poly1305::{AeadInOut as _, KeyInit as _, XChaCha20Poly1305, XNonce};
use postern_vault::{SealedStore, Secret, Secrets as _, VaultError, keys::StoredKeys, memory::MemorySecrets};

const FILE: &str = "wallet.sealed";

fn secret(bytes: &[u8]) -> Secret {
    Secret::new(bytes.to_vec())
}

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

    async fn open(&self) -> (SealedStore, Vec<Secret>, Option<VaultError>) {
        let (store, loaded) = SealedStore::open(self.path(), self.secrets.clone()).await.unwrap();
        (store, loaded.entries, loaded.damage)
    }

    async fn saved(&self, content: &[u8]) {
        let (mut store, ..) = self.open().await;
        store.replace(&[secret(content)]).await.unwrap();
        store.settle().await;
    }

    async fn added(&self, content: &[u8]) {
        let (mut store, ..) = self.open().await;
        store.append(&[secret(content)]).await.unwrap();
        store.settle().await;
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    /// Something whole is found, and nothing wrong with it.
    async fn holds(&self, entries: &[&[u8]]) -> SealedStore {
        let (store, found, damage) = self.open().await;
        assert!(damage.is_none(), "{damage:?}");
        assert_eq!(found.iter().map(|entry| entry.as_slice()).collect::<Vec<_>>(), entries);
        store
    }

    /// The process died, or the machine, before the keyring's counter was raised to the last save.
    async fn forget_last(&self) {
        let counter = self.secrets.get("store-generation").await.unwrap().unwrap();
        let counter = u64::from_be_bytes(counter.as_slice().try_into().unwrap()) - 1;
        self.secrets.set("store-generation", &counter.to_be_bytes()).await.unwrap();
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
        assert!(state.is_empty());
        assert!(!self.path().exists());
        assert!(store.append(&[secret(b"a change of nothing")]).await.is_err());
        if let Some(bad) = bad {
            let names = self.aside();
            assert_eq!(names.len(), copies + 1);
            assert!(names.iter().any(|name| fs::read(self.folder.path().join(name)).unwrap() == bad));
        }
        store.replace(&[secret(b"healed")]).await.unwrap();
        store.settle().await;
        self.holds(&[b"healed"]).await;
    }
}

#[tokio::test]
async fn what_was_saved_is_there() {
    let place = Place::new();
    place.holds(&[]).await;
    place.saved(b"first").await;
    place.saved(b"second").await;
    place.holds(&[b"second"]).await;
    place.added(b"a change").await;
    let mut store = place.holds(&[b"second", b"a change"]).await;
    store.append(&[secret(b"two"), secret(b"more")]).await.unwrap();
    store.settle().await;
    place.holds(&[b"second", b"a change", b"two", b"more"]).await;
    place.saved(b"third").await;
    place.holds(&[b"third"]).await;
    assert!(place.aside().is_empty());
}

#[tokio::test]
async fn store_damage_truncated() {
    let place = Place::new();
    place.saved(b"some state of the wallet").await;
    let length = fs::metadata(place.path()).unwrap().len();
    for keep in [0, 7, 11, 12, 19, 20, 35, 36, 39, 40, 63, 64, 79, 80, length - 1] {
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
    place.added(b"a change").await;
    place.added(b"another").await;
    let good = place.bytes();
    for at in 0..good.len() {
        for bit in [0x01, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            fs::write(place.path(), &bad).unwrap();
            let (_, state, damage) = place.open().await;
            assert!(matches!(damage, Some(VaultError::Damaged(_))), "byte {at}");
            assert!(state.is_empty());
        }
    }
    assert_eq!(place.aside().len(), 5, "the newest five are kept");
}

#[tokio::test]
async fn store_damage_changes_left_out_repeated_moved_or_cut_off() {
    let place = Place::new();
    place.saved(b"one").await;
    let one = place.bytes();
    place.added(b"two").await;
    let two = place.bytes()[one.len()..].to_vec();
    place.added(b"tri").await;
    let three = place.bytes()[one.len() + two.len()..].to_vec();
    assert_eq!(two.len(), three.len());
    let orders: [&[&[u8]]; 6] = [
        &[&one],
        &[&one, &two],
        &[&one, &three],
        &[&one, &three, &two],
        &[&one, &two, &two, &three],
        &[&one[..36], &two, &three],
    ];
    for order in orders {
        fs::write(place.path(), order.concat()).unwrap();
        let (_, state, damage) = place.open().await;
        assert!(matches!(damage, Some(VaultError::Damaged(_))));
        assert!(state.is_empty());
    }
    fs::write(place.path(), [&one[..], &two, &three].concat()).unwrap();
    place.holds(&[b"one", b"two", b"tri"]).await;
    // Once more at the end, it is no entry, and nothing is lost.
    fs::write(place.path(), [&one[..], &two, &three, &three].concat()).unwrap();
    place.holds(&[b"one", b"two", b"tri"]).await;
}

#[tokio::test]
async fn store_damage_a_change_of_an_earlier_file_is_noticed() {
    let place = Place::new();
    place.saved(b"one").await;
    let one = place.bytes().len();
    place.added(b"two").await;
    let two = place.bytes()[one..].to_vec();
    // Another file in which the next change is of the same generation as that one.
    let later = Place { folder: tempfile::tempdir().unwrap(), secrets: place.secrets.clone() };
    later.secrets.delete("store-generation").await.unwrap();
    later.saved(b"uno").await;
    fs::write(later.path(), [later.bytes(), two].concat()).unwrap();
    later.added(b"due").await;
    later.holds(&[b"uno", b"due"]).await;
    let (_, _, damage) = later.open().await;
    assert!(damage.is_none());
}

#[tokio::test]
async fn a_save_that_the_power_cut_off_counts_as_not_made() {
    let place = Place::new();
    place.saved(b"one").await;
    place.added(b"two").await;
    let before = place.bytes();
    place.added(b"a change that is cut off").await;
    let after = place.bytes();
    place.forget_last().await;
    for length in before.len()..after.len() {
        fs::write(place.path(), &after[..length]).unwrap();
        place.holds(&[b"one", b"two"]).await;
        // The length of the file reached the disk, its bytes only in part.
        let mut zeroed = after.clone();
        zeroed[length..].fill(0);
        fs::write(place.path(), &zeroed).unwrap();
        place.holds(&[b"one", b"two"]).await;
    }
    let mut store = place.holds(&[b"one", b"two"]).await;
    store.append(&[secret(b"tri")]).await.unwrap();
    store.settle().await;
    place.holds(&[b"one", b"two", b"tri"]).await;
}

#[tokio::test]
async fn store_damage_before_the_last_save_is_noticed_without_the_counter_too() {
    let place = Place::new();
    place.saved(b"one").await;
    let one = place.bytes().len();
    place.added(b"two").await;
    place.added(b"three").await;
    let good = place.bytes();
    place.secrets.set("store-generation", &1u64.to_be_bytes()).await.unwrap();
    for at in one..one + 44 + 3 {
        // A length that leads beyond the end looks cut off; the others cannot.
        if (one..one + 4).contains(&at) {
            continue;
        }
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(place.path(), &bad).unwrap();
        let (_, state, damage) = place.open().await;
        assert!(matches!(damage, Some(VaultError::Damaged(_))), "byte {at}");
        assert!(state.is_empty());
    }
}

#[tokio::test]
async fn a_save_that_failed_is_not_built_upon() {
    let place = Place::new();
    place.saved(b"one").await;
    let (mut store, ..) = place.open().await;
    let whole = place.bytes();
    fs::write(place.path(), &whole[..whole.len() - 1]).unwrap();
    assert!(store.append(&[secret(b"two")]).await.is_err());
    fs::write(place.path(), &whole).unwrap();
    assert!(store.append(&[secret(b"two")]).await.is_err(), "what failed once may be there in part");
    place.holds(&[b"one"]).await;
    store.replace(&[secret(b"one and two")]).await.unwrap();
    store.append(&[secret(b"three")]).await.unwrap();
    store.settle().await;
    place.holds(&[b"one and two", b"three"]).await;
}

#[tokio::test]
async fn a_store_of_the_first_version_is_read_and_written_anew() {
    let place = Place::new();
    place.saved(b"something, so that there is a key").await;
    let key = place.secrets.get("store-key").await.unwrap().unwrap();
    let mut head = b"PSTNSEAL\0\x01\0\0".to_vec();
    head.extend_from_slice(&7u64.to_be_bytes());
    let mut sealed = b"of the first version".to_vec();
    let nonce = [5; 24];
    XChaCha20Poly1305::new(key.as_slice().try_into().unwrap())
        .encrypt_in_place(&XNonce::from(nonce), &head, &mut sealed)
        .unwrap();
    let old = [head.as_slice(), &nonce, &sealed].concat();
    fs::write(place.path(), &old).unwrap();

    let mut store = place.holds(&[b"of the first version"]).await;
    assert_eq!(place.bytes()[..12], *b"PSTNSEAL\0\x02\0\0");
    store.append(&[secret(b"a change")]).await.unwrap();
    store.settle().await;
    place.holds(&[b"of the first version", b"a change"]).await;
    // The old file would be a step back now.
    place.damaged_by(|path| fs::write(path, &old).unwrap()).await;
}

#[tokio::test]
async fn store_damage_swapped_with_another_device() {
    let (place, other) = (Place::new(), Place::new());
    place.saved(b"mine").await;
    other.saved(b"of somebody else").await;
    place.damaged_by(|path| fs::write(path, fs::read(other.path()).unwrap()).unwrap()).await;
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
    place.holds(&[b"two"]).await;
    place.added(b"three").await;
    place.secrets.set("store-generation", &counter).await.unwrap();
    place.holds(&[b"two", b"three"]).await;
}

#[tokio::test]
async fn a_crash_while_writing_leaves_the_old_state() {
    let place = Place::new();
    place.saved(b"old").await;
    fs::write(place.path().with_extension("new"), b"half of the n").unwrap();
    let mut store = place.holds(&[b"old"]).await;
    store.replace(&[secret(b"new")]).await.unwrap();
    assert!(!place.path().with_extension("new").exists());
}

#[tokio::test]
async fn storage_theft() {
    let place = Place::new();
    let keys = Arc::new(StoredKeys::new(place.secrets.clone()));
    let mut opened = postern_vault::Vault::open(place.secrets.clone(), keys, place.path()).await.unwrap();
    let wallet = br#"{"title":"Running shoes","token":"0kOhASeg","pin":"48151623"}"#;
    opened.vault.replace(&[secret(wallet)]).await.unwrap();
    opened.vault.append(&[secret(br#"{"title":"Blue coat","pin":"70326515"}"#)]).await.unwrap();
    opened.vault.save_session(b"refresh-token-of-the-customer").await.unwrap();

    let key = place.secrets.get("store-key").await.unwrap().unwrap();
    let seed = place.secrets.get("device-key").await.unwrap().unwrap();
    for entry in fs::read_dir(place.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for secret in [
            b"Running".as_slice(),
            b"0kOhASeg",
            b"48151623",
            b"Blue coat",
            b"70326515",
            b"refresh-token",
            &key,
            &seed[1..],
        ] {
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
    assert!(state.is_empty());
    assert!(matches!(damage, Some(VaultError::Damaged(_))));
}
