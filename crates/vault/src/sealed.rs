//! The sealed store: one encrypted file, its key and its newest generation in the keyring.
//!
//! ```text
//! magic "PSTNSEAL" | version u16 | reserved u16 | generation u64 | nonce 24 bytes | XChaCha20-Poly1305 ciphertext, tag
//! └────────── associated data ───────────────────────────────────┘                  (integers big endian)
//! ```
//!
//! The generation rises with every save. The file is replaced first and the keyring's counter raised afterwards, so
//! a file may be newer than the counter (the process died in between) but never older, unless somebody put an older
//! copy in its place. Nobody waits for the counter: a keyring that was locked meanwhile must not keep a customer from
//! a door.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use chacha20poly1305::{AeadInOut as _, KeyInit as _, XChaCha20Poly1305, XNonce};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::{Secret, Secrets, VaultError, file, keys::random};

const MAGIC: &[u8; 8] = b"PSTNSEAL";
const VERSION: u16 = 1;
/// Magic, version, reserved, generation.
const BOUND: usize = 8 + 2 + 2 + 8;
const NONCE: usize = 24;
const TAG: usize = 16;
/// No wallet comes near it: 10,000 reservations are about 10 MB.
const LIMIT: u64 = 64 << 20;
/// Damaged files kept for whoever wants to look; older ones go.
const KEPT: u32 = 5;

const KEY_NAME: &str = "store-key";
const GENERATION_NAME: &str = "store-generation";

/// One encrypted file.
pub struct SealedStore {
    path: PathBuf,
    secrets: Arc<dyn Secrets>,
    key: Zeroizing<[u8; 32]>,
    generation: u64,
    counter: Counter,
}

/// What was found when a store was opened.
pub struct Loaded {
    /// The content of the newest save, if there ever was one and it is whole.
    pub state: Option<Secret>,
    /// [`VaultError::Damaged`] where something stood there that cannot be trusted. It was put aside as
    /// `NAME.damaged-N`; the store is empty and usable.
    pub damage: Option<VaultError>,
}

impl SealedStore {
    /// Opens the store at `path`. Its folder need not exist.
    ///
    /// # Errors
    /// Those of the keyring and the disk. Damage is not an error: see [`Loaded`].
    pub async fn open(path: PathBuf, secrets: Arc<dyn Secrets>) -> Result<(Self, Loaded), VaultError> {
        let stored_key = secrets.get(KEY_NAME).await?;
        let newest = match secrets.get(GENERATION_NAME).await? {
            Some(bytes) => bytes.as_slice().try_into().map(u64::from_be_bytes).unwrap_or(0),
            None => 0,
        };
        let reader = path.clone();
        let found = blocking(move || match file::read(&reader, LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(Some(Vec::new())),
            other => other,
        })
        .await?;

        let known_key = stored_key.and_then(|k| <[u8; 32]>::try_from(k.as_slice()).ok()).map(Zeroizing::new);
        let outcome = match (&known_key, found) {
            (_, None) if newest == 0 => Ok(None),
            (_, None) => Err("the file is gone"),
            (None, Some(_)) => Err("its key is not in the keyring"),
            (Some(key), Some(bytes)) => unseal(key, newest, &bytes).map(Some),
        };
        let key = match known_key {
            Some(key) => key,
            None => {
                let mut key = Zeroizing::new([0u8; 32]);
                random(key.as_mut_slice())?;
                secrets.set(KEY_NAME, key.as_slice()).await?;
                key
            }
        };
        let (generation, loaded) = match outcome {
            Ok(None) => (newest, Loaded { state: None, damage: None }),
            Ok(Some((generation, state))) => (generation, Loaded { state: Some(state), damage: None }),
            Err(reason) => {
                let aside = path.clone();
                blocking(move || put_aside(&aside)).await?;
                tracing::warn!(code = "store_damaged", reason, "the sealed store was put aside");
                (newest, Loaded { state: None, damage: Some(VaultError::Damaged(reason.into())) })
            }
        };
        let counter = Counter::start(secrets.clone(), newest);
        Ok((Self { path, secrets, key, generation, counter }, loaded))
    }

    /// Replaces the content. When this returns it survives a crash of process or machine.
    pub async fn save(&mut self, content: &[u8]) -> Result<(), VaultError> {
        let generation = self.generation + 1;
        let header = header(generation);
        let mut nonce = [0u8; NONCE];
        random(&mut nonce)?;
        let mut sealed = Vec::with_capacity(content.len() + TAG);
        sealed.extend_from_slice(content);
        cipher(&self.key)
            .encrypt_in_place(&XNonce::from(nonce), &header, &mut sealed)
            .map_err(|_| VaultError::Io(io::ErrorKind::FileTooLarge.into()))?;
        let path = self.path.clone();
        blocking(move || file::replace(&path, &[&header, &nonce, &sealed])).await?;
        self.generation = generation;
        self.counter.raise(generation);
        Ok(())
    }

    /// Waits until the keyring knows the newest generation, or has failed to take it.
    pub async fn settle(&self) {
        self.counter.settled().await;
    }

    /// Removes the content, every damaged copy, and the key: whatever copy exists elsewhere is unreadable from now.
    pub async fn wipe(self) -> Result<(), VaultError> {
        // The key first: it alone makes every copy worthless.
        self.secrets.delete(KEY_NAME).await?;
        self.counter.settled().await;
        self.secrets.delete(GENERATION_NAME).await?;
        let path = self.path.clone();
        blocking(move || {
            file::remove(&path)?;
            file::remove(&path.with_extension("new"))?;
            for (_, damaged) in damaged_copies(&path)? {
                file::remove(&damaged)?;
            }
            match path.parent() {
                Some(folder) if folder.exists() => file::sync_folder(folder),
                _ => Ok(()),
            }
        })
        .await
    }
}

/// Raises the counter in the keyring behind the saves; of several in a row, only to the newest.
struct Counter {
    wanted: watch::Sender<u64>,
    /// The generation that was last written or failed to be.
    tried: watch::Receiver<u64>,
}

impl Counter {
    fn start(secrets: Arc<dyn Secrets>, newest: u64) -> Self {
        let (wanted, mut orders) = watch::channel(newest);
        let (done, tried) = watch::channel(newest);
        tokio::spawn(async move {
            // A change that came before the sender was dropped is still seen.
            while orders.changed().await.is_ok() {
                let generation = *orders.borrow_and_update();
                if let Err(error) = secrets.set(GENERATION_NAME, &generation.to_be_bytes()).await {
                    tracing::warn!(code = "generation_not_kept", %error, "an older copy of the store may pass unnoticed");
                }
                done.send_replace(generation);
            }
        });
        Self { wanted, tried }
    }

    fn raise(&self, generation: u64) {
        self.wanted.send_replace(generation);
    }

    async fn settled(&self) {
        let wanted = *self.wanted.borrow();
        let mut tried = self.tried.clone();
        let _ = tried.wait_for(|tried| *tried >= wanted).await;
    }
}

fn header(generation: u64) -> [u8; BOUND] {
    let mut header = [0u8; BOUND];
    header[..8].copy_from_slice(MAGIC);
    header[8..10].copy_from_slice(&VERSION.to_be_bytes());
    header[12..].copy_from_slice(&generation.to_be_bytes());
    header
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

/// Generation and content, or a reason that contains nothing of either.
fn unseal(key: &[u8; 32], newest: u64, bytes: &[u8]) -> Result<(u64, Secret), &'static str> {
    let (bound, rest) = bytes.split_first_chunk::<BOUND>().ok_or("too short")?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or("too short")?;
    if &bound[..8] != MAGIC {
        return Err("not a sealed store");
    }
    if bound[8..12] != [VERSION.to_be_bytes(), [0, 0]].concat() {
        return Err("a version that this app does not know");
    }
    let mut content = Zeroizing::new(sealed.to_vec());
    cipher(key)
        .decrypt_in_place(&XNonce::from(*nonce), bound, &mut *content)
        .map_err(|_| "changed, cut off, or of another device")?;
    let mut generation = [0u8; 8];
    generation.copy_from_slice(&bound[12..]);
    let generation = u64::from_be_bytes(generation);
    if generation < newest {
        return Err("older than the newest that was saved");
    }
    Ok((generation, content))
}

/// Renames what stands there to `NAME.damaged-N`, N one above the highest there is; keeps the newest five.
fn put_aside(path: &Path) -> io::Result<()> {
    let mut copies = damaged_copies(path)?;
    let next = copies.iter().map(|(n, _)| *n).max().unwrap_or(0).saturating_add(1);
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".damaged-{next}"));
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    copies.sort_unstable();
    for (_, oldest) in copies.iter().filter(|(n, _)| n.saturating_add(KEPT) <= next) {
        file::remove(oldest)?;
    }
    path.parent().map_or(Ok(()), file::sync_folder)
}

fn damaged_copies(path: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else {
        return Ok(Vec::new());
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut copies = Vec::new();
    for entry in entries {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|n| n.strip_prefix(name)?.strip_prefix(".damaged-")?.parse().ok());
        if let Some(number) = number {
            copies.push((number, entry.path()));
        }
    }
    Ok(copies)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, VaultError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(VaultError::Io(io::Error::other("the file thread ended"))),
    }
}
