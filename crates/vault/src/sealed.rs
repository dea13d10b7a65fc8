//! The sealed store: one encrypted file of entries, its key and its newest generation in the keyring.
//!
//! ```text
//! file:  magic "PSTNSEAL" | version u16 = 2 | reserved u16 | generation u64 | id 16 bytes, random | entries
//! entry: length u32 | nonce 24 bytes | XChaCha20-Poly1305 ciphertext, tag (length bytes)
//!        associated data: everything before the entries, generation u64 of the entry, length  (integers big endian)
//! ```
//!
//! A save either replaces the file or adds entries at its end, so that it costs what changed. What the entries say is
//! the owner's: the first is a whole, each later one changes what those before it say. The generation, which the
//! file names for its first entry, rises by one with every entry, and every entry is bound to both: none can be left out,
//! repeated, moved, or come from elsewhere. An entry that was cut off at the end of the file is a save that the power cut
//! off, and counts as not made.
//!
//! The file is written first and the keyring's counter raised afterwards, so a file may be newer than the counter (the
//! process died in between) but never older, unless somebody put an older copy in its place or cut off its end. Nobody
//! waits for the counter: a keyring that was locked meanwhile must not keep a customer from a door.
//!
//! Version 1 was one entry without an id, replaced with every save. It is read, and written anew at once.

mod layout;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::watch;
use zeroize::Zeroizing;

use self::layout::End;
use crate::{Secret, Secrets, VaultError, file, keys::random};

/// No wallet comes near it: 10,000 reservations are about 10 MB, and as much again of changes.
const LIMIT: u64 = 128 << 20;
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
    /// Where the next entry goes; none where the file must be replaced first.
    end: Option<End>,
    counter: Counter,
}

/// What was found when a store was opened.
pub struct Loaded {
    /// The entries since the newest whole, which is the first, in the order of their saves; none if there never was a
    /// save.
    pub entries: Vec<Secret>,
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
            (Some(key), Some(bytes)) => layout::unseal(key, newest, &bytes).map(Some),
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
        let mut damage = None;
        let found = match outcome {
            Ok(found) => found,
            Err(reason) => {
                let aside = path.clone();
                blocking(move || put_aside(&aside)).await?;
                tracing::warn!(code = "store_damaged", reason, "the sealed store was put aside");
                damage = Some(VaultError::Damaged(reason.into()));
                None
            }
        };
        let counter = Counter::start(secrets.clone(), newest);
        let mut store = Self { path, secrets, key, generation: newest, end: None, counter };
        let Some(found) = found else { return Ok((store, Loaded { entries: Vec::new(), damage })) };
        store.generation = found.generation;
        store.end = found.end;
        if store.end.is_none() {
            store.replace(&found.entries).await?;
        }
        Ok((store, Loaded { entries: found.entries, damage }))
    }

    /// Replaces everything by these entries, the first of which is a whole. When this returns they survive a crash of
    /// process or machine.
    ///
    /// # Errors
    /// [`VaultError::Io`]: what was there before is there still, and only another replacement is taken.
    pub async fn replace(&mut self, entries: &[Secret]) -> Result<(), VaultError> {
        self.end = None;
        let mut id = [0u8; layout::ID];
        random(&mut id)?;
        let head = layout::head(self.generation + 1, &id);
        let sealed = self.seal(&head, entries)?;
        let length = (head.len() + sealed.len()) as u64;
        let path = self.path.clone();
        blocking(move || file::replace(&path, &[&head, &sealed])).await?;
        self.saved(entries.len(), End { head, length });
        Ok(())
    }

    /// Adds entries, each a change of what was saved before it. When this returns they survive a crash of process or
    /// machine.
    ///
    /// # Errors
    /// [`VaultError::Io`], also where there is nothing yet that could be changed. Only a replacement is taken then.
    pub async fn append(&mut self, entries: &[Secret]) -> Result<(), VaultError> {
        let Some(End { head, length }) = self.end.take() else {
            return Err(VaultError::Io(io::Error::other("there is no whole to add a change to")));
        };
        let sealed = self.seal(&head, entries)?;
        let end = length + sealed.len() as u64;
        let path = self.path.clone();
        blocking(move || file::append(&path, length, &sealed)).await?;
        self.saved(entries.len(), End { head, length: end });
        Ok(())
    }

    /// The entries of the next generations.
    fn seal(&self, head: &[u8; layout::HEAD], entries: &[Secret]) -> Result<Vec<u8>, VaultError> {
        let mut sealed = Vec::with_capacity(entries.iter().map(|entry| layout::OVERHEAD + entry.len()).sum());
        for (generation, entry) in (self.generation + 1..).zip(entries) {
            let mut nonce = [0u8; layout::NONCE];
            random(&mut nonce)?;
            layout::seal(&self.key, head, generation, nonce, entry, &mut sealed)
                .ok_or_else(|| VaultError::Io(io::ErrorKind::FileTooLarge.into()))?;
        }
        Ok(sealed)
    }

    fn saved(&mut self, entries: usize, end: End) {
        self.generation += entries as u64;
        self.end = Some(end);
        self.counter.raise(self.generation);
    }

    /// Waits until the keyring knows the newest generation, or has failed to take it.
    pub async fn settle(&self) {
        self.counter.settled().await;
    }

    /// Forgets what the keyring has of a store whose file is gone.
    pub(crate) async fn forget(secrets: &dyn Secrets) -> Result<(), VaultError> {
        secrets.delete(KEY_NAME).await?;
        secrets.delete(GENERATION_NAME).await
    }

    /// Removes the content, every damaged copy, and the key: whatever copy exists elsewhere is unreadable from now.
    pub async fn wipe(self) -> Result<(), VaultError> {
        // The key first: it alone makes every copy worthless.
        self.secrets.delete(KEY_NAME).await?;
        self.counter.settled().await;
        self.secrets.delete(GENERATION_NAME).await?;
        Self::remove(self.path).await
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the content and every damaged copy.
    pub(crate) async fn remove(path: PathBuf) -> Result<(), VaultError> {
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

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, VaultError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(VaultError::Io(io::Error::other("the file thread ended"))),
    }
}
