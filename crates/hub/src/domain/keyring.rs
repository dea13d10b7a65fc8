//! Issuer keys: made here, sealed at rest, rotated with an overlap that lets every locker hear of the new one first.

use std::sync::{Arc, PoisonError, RwLock};

use postern_protocol::{KeyId, issue::Issuer};
use zeroize::Zeroizing;

use crate::{
    error::{Error, Result},
    random,
    secrets::{Sealer, Secrets},
    store::{RowExt, Store, Tx},
};

/// One issuer key.
pub struct IssuerKey {
    /// Its number, for ever.
    pub id: u32,
    /// Ed25519 public key.
    pub public: [u8; 32],
    /// UNIX seconds.
    pub created_at: i64,
    /// It signs from then on.
    pub active_from: i64,
    /// Lockers drop it from then on.
    pub retired_at: Option<i64>,
    issuer: Issuer,
}

/// All keys that are not forgotten, oldest first, held unsealed in memory.
pub struct Keyring {
    keys: RwLock<Arc<Vec<IssuerKey>>>,
}

impl Keyring {
    /// Reads them, making the first.
    ///
    /// # Errors
    /// When the database fails or the keys were sealed by another master key.
    pub async fn open(store: &Store, secrets: &Secrets, now: i64) -> Result<Self> {
        let mut tx = store.begin().await?;
        // Two instances that start together both offer key 1; the database keeps one.
        if read(&mut tx, secrets).await?.is_empty() {
            insert(&mut tx, secrets, 1, now, now).await?;
        }
        let keys = read(&mut tx, secrets).await?;
        tx.commit().await?;
        Ok(Self { keys: RwLock::new(Arc::new(keys)) })
    }

    /// Reads them again: another instance or the command line may have rotated.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub async fn reload(&self, store: &Store, secrets: &Secrets) -> Result<()> {
        let mut tx = store.begin().await?;
        let keys = Arc::new(read(&mut tx, secrets).await?);
        drop(tx);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// All keys.
    #[must_use]
    pub fn all(&self) -> Arc<Vec<IssuerKey>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keys that a locker provisioned at `now` should trust.
    #[must_use]
    pub fn trusted(&self, now: i64) -> Vec<postern_api::operator::IssuerKey> {
        let trusted = |key: &&IssuerKey| key.retired_at.is_none_or(|at| now < at);
        let entry = |key: &IssuerKey| postern_api::operator::IssuerKey {
            id: key.id,
            key: random::encode(key.public),
        };
        self.all().iter().filter(trusted).map(entry).collect()
    }

    /// Signs with the key that is active at `now`.
    ///
    /// # Errors
    /// When there is none.
    pub fn with_active<T>(&self, now: i64, sign: impl FnOnce(&Issuer) -> T) -> Result<T> {
        let keys = self.all();
        let trusted = |key: &&IssuerKey| key.retired_at.is_none_or(|at| now < at);
        let active = keys.iter().rev().filter(trusted).find(|key| key.active_from <= now);
        // With a clock that is behind the making of the first, that one.
        active
            .or_else(|| keys.iter().find(trusted))
            .map(|key| sign(&key.issuer))
            .ok_or_else(|| Error::Internal("no issuer key is active".to_owned()))
    }

    /// Signs with the oldest key that lockers still trust at `now`. Bulletins are signed so: the one that brings a new
    /// key must be by a key that a locker knows which has heard nothing since.
    ///
    /// # Errors
    /// When there is none.
    pub fn with_oldest<T>(&self, now: i64, sign: impl FnOnce(&Issuer) -> T) -> Result<T> {
        let keys = self.all();
        let oldest = keys.iter().find(|key| key.retired_at.is_none_or(|at| now < at));
        oldest
            .map(|key| sign(&key.issuer))
            .ok_or_else(|| Error::Internal("no issuer key is trusted".to_owned()))
    }
}

/// Adds a key that signs after `overlap` seconds, and retires those before it at twice that time. The new key's number.
///
/// # Errors
/// When the database fails.
pub async fn rotate(tx: &mut Tx, secrets: &Secrets, now: i64, overlap: i64) -> Result<u32> {
    let keys = read(tx, secrets).await?;
    let id = keys.iter().map(|key| key.id).max().unwrap_or(0) + 1;
    sqlx::query("UPDATE issuer_keys SET retired_at = $1 WHERE retired_at IS NULL")
        .bind(now + 2 * overlap)
        .execute(tx.on())
        .await?;
    insert(tx, secrets, id, now, now + overlap).await?;
    Ok(id)
}

async fn insert(tx: &mut Tx, secrets: &Secrets, id: u32, now: i64, active_from: i64) -> Result<()> {
    let seed = Zeroizing::new(random::bytes::<32>());
    let issuer = Issuer::new(KeyId(id), *seed);
    sqlx::query(
        "INSERT INTO issuer_keys (id, public_key, sealed_secret, created_at, active_from) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(i64::from(id))
    .bind(issuer.public().to_vec())
    .bind(secrets.seal(&purpose(id), &*seed)?)
    .bind(now)
    .bind(active_from)
    .execute(tx.on())
    .await?;
    Ok(())
}

async fn read(tx: &mut Tx, secrets: &Secrets) -> Result<Vec<IssuerKey>> {
    let rows = sqlx::query(
        "SELECT id, sealed_secret, created_at, active_from, retired_at FROM issuer_keys ORDER BY id",
    )
    .fetch_all(tx.on())
    .await?;
    let wrong = || Error::Internal("a stored issuer key cannot be read".to_owned());
    rows.iter()
        .map(|row| {
            let id = u32::try_from(row.int("id")?).map_err(|_| wrong())?;
            let seed = secrets.open(&purpose(id), &row.bytes("sealed_secret")?)?;
            let issuer = Issuer::new(KeyId(id), seed.as_slice().try_into().map_err(|_| wrong())?);
            Ok(IssuerKey {
                id,
                public: issuer.public(),
                created_at: row.int("created_at")?,
                active_from: row.int("active_from")?,
                retired_at: row.maybe_int("retired_at")?,
                issuer,
            })
        })
        .collect()
}

fn purpose(id: u32) -> String {
    format!("issuer key {id}")
}
