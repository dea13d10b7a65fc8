//! One query layer over two databases.
//!
//! SQLite (WAL, embedded) is the default; PostgreSQL takes over when several instances share one database. Queries are
//! written once, in the SQL that both understand: `$1` placeholders, `RETURNING`, `ON CONFLICT`, BIGINT, TEXT and a
//! byte column. A row that is about to be changed is locked by the very `UPDATE … RETURNING` that reads it, which is
//! what both databases mean by the same text.
//!
//! Architecture invariant: every change goes through [`Tx`], and nothing is answered before its commit returned.

mod checkpoint;
mod migrate;
mod row;
mod tx;

use std::{str::FromStr, sync::Once, time::Duration};

use sqlx::{
    AnyPool,
    any::{AnyConnectOptions, AnyPoolOptions},
};

use self::checkpoint::Checkpoints;
pub use self::{row::RowExt, tx::Tx};
use crate::{error::Result, push::Push};

/// FULL: an acknowledged write survives a power cut, not only the end of the process. The pages at which a commit carries the
/// log over: [`checkpoint`].
const SQLITE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000; \
                      PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 8000;";
/// No commit waits for the disk. All others are as the server's settings say, by default until they are on it.
const POSTGRES_PASSING: &str = "SET synchronous_commit = off";
/// Connections for what passes; each holds one for the time of one statement.
const PASSING: u32 = 4;

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
    /// None: PostgreSQL, which does it by itself.
    checkpoints: Option<Checkpoints>,
    push: Push,
}

impl Store {
    /// Opens `url` (`sqlite:PATH` or `postgres://…`), creating an SQLite file that is not there.
    ///
    /// # Errors
    /// When the database cannot be reached or the URL is of another kind.
    pub async fn open(url: &str, connections: u32, push: Push) -> Result<Self> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let backend = if url.starts_with("sqlite:") { Backend::Sqlite } else { Backend::Postgres };
        let options = AnyConnectOptions::from_str(url)?;
        let pool = |max: u32, settings: Option<&'static str>| {
            AnyPoolOptions::new().max_connections(max).acquire_timeout(Duration::from_secs(10)).after_connect(
                move |connection, _| {
                    Box::pin(async move {
                        if let Some(settings) = settings {
                            sqlx::raw_sql(settings).execute(&mut *connection).await?;
                        }
                        Ok(())
                    })
                },
            )
        };
        Ok(match backend {
            Backend::Sqlite => {
                let write = pool(1, Some(SQLITE)).connect_with(options.clone()).await?;
                let read = pool(connections, Some(SQLITE)).connect_with(options.clone()).await?;
                let checkpoints =
                    Some(Checkpoints::start(pool(1, Some(SQLITE)).connect_with(options).await?));
                Self { passing: read.clone(), read, write, backend, checkpoints, push }
            }
            Backend::Postgres => {
                let both = pool(connections, None).connect_with(options.clone()).await?;
                let passing = pool(PASSING, Some(POSTGRES_PASSING)).connect_with(options).await?;
                Self { read: both.clone(), write: both, passing, backend, checkpoints: None, push }
            }
        })
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
        Ok(Tx::new(inner, self.backend, self.checkpoints.clone(), self.push.clone()))
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

    /// Whether the database answers.
    pub async fn answers(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.read).await.is_ok()
    }

    /// Waits for connections to be given back and closes them; in SQLite this folds the log into the file.
    pub async fn close(&self) {
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.close().await;
        }
        self.passing.close().await;
        self.read.close().await;
        self.write.close().await;
    }
}
