//! One query layer over two databases.
//!
//! SQLite (WAL, embedded) is the default; PostgreSQL takes over when several instances share one database. Queries are
//! written once, in the SQL that both understand: `$1` placeholders, `RETURNING`, `ON CONFLICT`, BIGINT, TEXT and a
//! byte column. A row that is about to be changed is locked by the very `UPDATE … RETURNING` that reads it, which is
//! what both databases mean by the same text.
//!
//! Architecture invariant: every change goes through [`Tx`], and nothing is answered before its commit returned.

pub mod accounts;
mod alone;
pub mod chain;
mod checkpoint;
pub mod claims;
pub mod emails;
mod fault;
mod herald;
pub mod letters;
mod migrate;
pub mod news;
pub mod receipts;
pub mod reports;
mod row;
pub mod transfer;
mod tx;

use std::{
    str::FromStr,
    sync::{Arc, Once},
    time::{Duration, Instant},
};

use sqlx::{
    AnyConnection, AnyPool, Connection,
    any::{AnyConnectOptions, AnyPoolOptions},
    postgres::PgConnectOptions,
};
use tokio::{sync::Mutex, time::timeout};

pub use self::{
    alone::Alone,
    fault::Fault,
    herald::{CHANNEL, EVERYBODY, read as read_pokes},
    row::RowExt,
    tx::Tx,
};
use self::{checkpoint::Checkpoints, herald::Herald, tx::After};
use crate::{
    error::{Error, Result},
    push::Push,
};

/// FULL: an acknowledged write survives a power cut, not only the end of the process. The pages at which a commit carries the
/// log over: [`checkpoint`]. What is deleted is overwritten.
const SQLITE: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                      PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 8000; \
                      PRAGMA secure_delete = ON;";
/// Nobody waits for somebody's lock for longer, and a hub that hangs keeps none.
const POSTGRES: &str = "SET lock_timeout = '8s'; SET idle_in_transaction_session_timeout = '60s'";
/// As well, no commit waits for the disk. All others are as the server's settings say, by default until they are on it.
const POSTGRES_PASSING: &str = "SET lock_timeout = '8s'; SET synchronous_commit = off";
/// Connections for what passes; each holds one for the time of one statement.
const PASSING: u32 = 4;
/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long [`Store::keeps_changes`] waits for its own.
const PROBE: Duration = Duration::from_secs(2);
/// For so long an answer of [`Store::keeps_changes`] holds.
const PROBED: Duration = Duration::from_secs(1);

/// Which database stands behind a [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Embedded, one process.
    Sqlite,
    /// A server, many instances.
    Postgres,
}

/// The hub's database.
#[derive(Clone)]
pub struct Store {
    read: AnyPool,
    write: AnyPool,
    passing: AnyPool,
    backend: Backend,
    after: After,
    probed: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Store {
    /// Opens `url` (`sqlite:PATH` or `postgres://…`), creating an SQLite file that is not there.
    ///
    /// # Errors
    /// When the database cannot be reached, which says where it was looked for, or the URL is of another kind.
    pub async fn open(url: &str, connections: u32, push: Push) -> Result<Self> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let backend = if url.starts_with("sqlite:") { Backend::Sqlite } else { Backend::Postgres };
        let options = AnyConnectOptions::from_str(url)?;
        // A pool would try again until its time is over, and say no more than that it is.
        let first = timeout(PATIENCE, AnyConnection::connect_with(&options)).await;
        first
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(|error| unreachable(url, backend, &error))?
            .close()
            .await?;
        let pool = |max: u32, settings: &'static str| {
            AnyPoolOptions::new().max_connections(max).acquire_timeout(PATIENCE).after_connect(
                move |connection, _| {
                    Box::pin(async move {
                        sqlx::raw_sql(settings).execute(connection).await?;
                        Ok(())
                    })
                },
            )
        };
        // SQLite ends a transaction by itself when its disk is full. The ROLLBACK that follows then fails, and the connection
        // would believe for ever that it is in one, so it is thrown away.
        let embedded = |max| {
            pool(max, SQLITE).after_release(|connection, _| {
                Box::pin(async move {
                    // The rollback of a change that was dropped is done by then.
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
        };
        let probed = Arc::default();
        let opened = match backend {
            Backend::Sqlite => {
                let write = embedded(1).connect_with(options.clone()).await?;
                let read = embedded(connections).connect_with(options.clone()).await?;
                let checkpoints = Some(Checkpoints::start(embedded(1).connect_with(options).await?));
                let after = After { push, herald: None, checkpoints };
                Self { passing: read.clone(), read, write, backend, after, probed }
            }
            Backend::Postgres => {
                let both = pool(connections, POSTGRES).connect_with(options.clone()).await?;
                let passing = pool(PASSING, POSTGRES_PASSING).connect_with(options).await?;
                let after = After { push, herald: Some(Herald::start(passing.clone())), checkpoints: None };
                Self { read: both.clone(), write: both, passing, backend, after, probed }
            }
        };
        Ok(opened)
    }

    /// Brings the schema up to date. Safe to call from several instances at once.
    ///
    /// # Errors
    /// When a migration fails, or the schema is newer than this program.
    pub async fn migrate(&self) -> Result<Vec<&'static str>> {
        migrate::run(self).await
    }

    /// For reading outside a transaction.
    #[must_use]
    pub fn read(&self) -> &AnyPool {
        &self.read
    }

    /// For what may be lost when the database's machine loses power within the second, and is worth no write to its disk.
    #[must_use]
    pub fn passing(&self) -> &AnyPool {
        &self.passing
    }

    /// Which database it is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Begins a change.
    ///
    /// # Errors
    /// When no connection is to be had within ten seconds.
    pub async fn begin(&self) -> Result<Tx> {
        let inner = match self.backend {
            // Taking the write lock at once: a transaction that reads first could otherwise fail half way.
            Backend::Sqlite => self.write.begin_with("BEGIN IMMEDIATE").await?,
            Backend::Postgres => self.write.begin().await?,
        };
        Ok(Tx::new(inner, self.after.clone()))
    }

    /// A consistent view for several reads.
    ///
    /// # Errors
    /// When no connection is to be had within ten seconds.
    pub async fn snapshot(&self) -> Result<sqlx::Transaction<'static, sqlx::Any>> {
        Ok(match self.backend {
            Backend::Sqlite => self.read.begin().await?,
            Backend::Postgres => {
                self.read.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?
            }
        })
    }

    /// Version of the schema.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn version(&self) -> Result<i64> {
        sqlx::query("SELECT MAX(version) AS newest FROM schema_versions")
            .fetch_one(&self.read)
            .await?
            .int("newest")
    }

    /// A consistent copy of an SQLite database, while it is in use.
    ///
    /// # Errors
    /// When the file cannot be written, or it is no SQLite database.
    pub async fn copy_to(&self, path: &str) -> Result<()> {
        sqlx::query("VACUUM INTO $1").bind(path).execute(&self.read).await?;
        Ok(())
    }

    /// Writes an SQLite database anew, without what deleted rows left in it.
    ///
    /// # Errors
    /// When there is no room for it, or somebody else uses it for longer than ten seconds.
    pub async fn compact(&self) -> Result<()> {
        sqlx::raw_sql("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.write).await?;
        Ok(())
    }

    /// Whether a change would be kept now: one is made, on the way that all take, and committed. Whoever asks within a second
    /// is given the same answer, so that asking costs nobody anything.
    pub async fn keeps_changes(&self) -> bool {
        let mut probed = self.probed.lock().await;
        if let Some((at, answer)) = *probed
            && at.elapsed() < PROBED
        {
            return answer;
        }
        let change = async {
            let mut tx = self.begin().await?;
            // Another value each time, for what is the same already might not be written, and as large as what others write.
            sqlx::query(
                "INSERT INTO meta (name, value) VALUES ('last try', $1) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .bind(crate::random::id().repeat(300))
            .execute(tx.on())
            .await?;
            tx.commit().await
        };
        let outcome = timeout(PROBE, change).await.unwrap_or(Err(sqlx::Error::PoolTimedOut.into()));
        if let Err(error) = &outcome {
            tracing::error!(%error, "no change can be kept");
        }
        *probed = Some((Instant::now(), outcome.is_ok()));
        outcome.is_ok()
    }

    /// The newest time that a hub on this database wrote down while it believed its clock, UNIX seconds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_seen(&self) -> Result<Option<i64>> {
        let row = sqlx::query("SELECT value FROM meta WHERE name = 'last seen'");
        let row = row.fetch_optional(&self.read).await?;
        Ok(row.map(|row| row.text("value")).transpose()?.and_then(|seen| seen.parse().ok()))
    }

    /// Writes down that it is `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn see(&self, now: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        let text = now.to_string();
        let keep = "INSERT INTO meta (name, value) VALUES ('last seen', $1) \
                    ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        sqlx::query(keep).bind(text).execute(tx.on()).await?;
        tx.commit().await
    }

    /// The database server's clock, UNIX seconds. None where the database has none of its own.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clock(&self) -> Result<Option<i64>> {
        if self.backend == Backend::Sqlite {
            return Ok(None);
        }
        let row = sqlx::query("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS BIGINT) AS now");
        row.fetch_one(&self.read).await?.int("now").map(Some)
    }

    /// Waits for connections to be given back and closes them; in SQLite this folds the log into the file.
    pub async fn close(&self) {
        if let Some(checkpoints) = &self.after.checkpoints {
            checkpoints.close().await;
        }
        if let Some(herald) = &self.after.herald {
            herald.close().await;
        }
        self.passing.close().await;
        self.read.close().await;
        self.write.close().await;
    }
}

/// Says where a database was looked for, without a password.
fn unreachable(url: &str, backend: Backend, error: &sqlx::Error) -> Error {
    let place = match PgConnectOptions::from_str(url) {
        Ok(options) if backend == Backend::Postgres => {
            let host = options.get_socket().map_or_else(
                || format!("{}:{}", options.get_host(), options.get_port()),
                |socket| socket.display().to_string(),
            );
            format!("database {:?} at {host}", options.get_database().unwrap_or_default())
        }
        _ => url.split('?').next().unwrap_or_default().to_owned(),
    };
    let why = match error {
        sqlx::Error::PoolTimedOut => format!("no answer within {} s", PATIENCE.as_secs()),
        error => error.to_string(),
    };
    Error::Internal(format!("{place} cannot be reached: {why}"))
}
