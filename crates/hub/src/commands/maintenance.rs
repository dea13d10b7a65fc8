//! `postern-hub migrate`, `keys` and `backup`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use postern_hub::{
    auth::api_key::{NewKey, Scope},
    clock::Clock,
    domain::keyring::{self, Keyring},
    hub::{Hub, private_file},
    store::Backend,
};

use super::{Common, say};

#[derive(Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    common: Common,
}

impl Migrate {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = self.common.config()?;
        let (store, ..) = Hub::storage(&self.common.data, &config).await?;
        say!("the schema is at version {}", store.version().await?);
        store.close().await;
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: KeyAction,
}

#[derive(Subcommand)]
enum KeyAction {
    /// Shows the keys that sign tokens.
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Makes a new signing key. Lockers hear of it from phones; it signs after the overlap, and the old ones end after
    /// twice that time.
    Rotate {
        #[command(flatten)]
        common: Common,
        /// Hours until the new key signs; long enough for phones to reach every locker.
        #[arg(long, default_value_t = 168)]
        overlap_hours: u32,
    },
    /// Makes an API key for the operator and prints it, once.
    Operator {
        #[command(flatten)]
        common: Common,
        /// What it is for.
        name: String,
    },
}

impl Keys {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (KeyAction::List { common }
        | KeyAction::Rotate { common, .. }
        | KeyAction::Operator { common, .. }) = &self.action;
        let (store, secrets, _) = Hub::storage(&common.data, &common.config()?).await?;
        let now = Clock::default().now();
        match self.action {
            KeyAction::List { .. } => {
                for key in Keyring::open(&store, &secrets, now).await?.all().iter() {
                    let keys = serde_json::json!({
                        "id": key.id, "public_key": postern_hub::random::encode(key.public),
                        "created_at": key.created_at, "active_from": key.active_from, "retired_at": key.retired_at,
                    });
                    say!("{keys}");
                }
            }
            KeyAction::Rotate { overlap_hours, .. } => {
                Keyring::open(&store, &secrets, now).await?;
                let mut tx = store.begin().await?;
                let id = keyring::rotate(&mut tx, &secrets, now, i64::from(overlap_hours) * 3600).await?;
                tx.commit().await?;
                say!("key {id} signs in {overlap_hours} hours; running hubs notice within a minute");
            }
            KeyAction::Operator { name, .. } => {
                let key = NewKey::random();
                let mut tx = store.begin().await?;
                key.keep(&mut tx, None, &name, &[Scope::Network, Scope::Watch, Scope::Keys], now).await?;
                tx.commit().await?;
                say!("{}", key.expose());
            }
        }
        store.close().await;
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    common: Common,
    /// File to write; must not be there yet.
    file: PathBuf,
}

impl Backup {
    /// A consistent copy while the hub runs. The master key is not in it: keep that elsewhere, or whoever finds the backup
    /// has everything.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = self.common.config()?;
        let (store, ..) = Hub::storage(&self.common.data, &config).await?;
        if store.backend() == Backend::Postgres {
            bail!("use pg_dump for PostgreSQL; keep the master key apart from the dump");
        }
        if self.file.exists() {
            bail!("{} is there already", self.file.display());
        }
        let path = self.file.to_str().context("the file name is not Unicode")?;
        private_file(&self.file)?;
        if let Err(error) = store.copy_to(path).await {
            // Nobody is to take an empty file for a backup.
            let _ = std::fs::remove_file(&self.file);
            return Err(error.into());
        }
        store.close().await;
        say!("{path} holds the database; the master key is not in it");
        Ok(())
    }
}
