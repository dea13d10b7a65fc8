//! `postern-hub migrate`, `keys`, `backup`, `restored` and `compact`.

use std::{
    fs::File,
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use postern_hub::{
    auth::api_key::{NewKey, Scope},
    clock::Clock,
    domain::{
        keyring::{self, Keyring},
        restored,
    },
    hub::{Hub, private_file},
    store::{Alone, Store},
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
        self.common.check_folder(&config, false)?;
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
        let config = common.config()?;
        common.check_folder(&config, false)?;
        let (store, secrets, _) = Hub::storage(&common.data, &config).await?;
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
    /// File to write; must not be there yet. `-` is standard output.
    file: PathBuf,
}

impl Backup {
    /// A consistent copy while the hub runs. The master key is not in it: keep that elsewhere, or whoever finds the backup
    /// has everything.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let store = existing(&self.common).await?;
        let to_output = self.file.as_os_str() == "-";
        if to_output && std::io::stdout().is_terminal() {
            bail!("a database is nothing for a terminal: send it to a file or a program");
        }
        if !to_output && self.file.exists() {
            bail!("{} is there already", self.file.display());
        }
        // Beside the database, where there is room for it and nobody else may look.
        let file = if to_output {
            self.common.data.join(format!(".backup-{}", postern_hub::random::id()))
        } else {
            self.file.clone()
        };
        let path = file.to_str().context("the file name is not Unicode")?;
        private_file(&file)?;
        let copied = store.copy_to(path).await.map_err(anyhow::Error::from);
        let sent = if to_output { copied.and_then(|()| send(&file)) } else { copied };
        if to_output || sent.is_err() {
            // Nobody is to take half a file for a backup.
            let _ = std::fs::remove_file(&file);
        }
        sent?;
        store.close().await;
        if !to_output {
            say!("{path} holds the database; the master key is not in it");
        }
        Ok(())
    }
}

fn send(file: &Path) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    std::io::copy(&mut File::open(file)?, &mut output)?;
    output.flush().context("standard output")
}

/// The embedded database of a hub that is there.
async fn existing(common: &Common) -> anyhow::Result<Store> {
    let config = common.config()?;
    let Some(file) = config.sqlite_file(&common.data) else {
        bail!("PostgreSQL has tools of its own: pg_dump, VACUUM. Keep the master key apart from the dump");
    };
    if !file.exists() {
        bail!("there is no hub in {}", common.data.display());
    }
    let (store, ..) = Hub::storage(&common.data, &config).await?;
    Ok(store)
}

#[derive(Args)]
pub(crate) struct Restored {
    #[command(flatten)]
    common: Common,
    /// Leave everybody signed in, and what was shared: only where no device, courier or guest was removed since the backup.
    #[arg(long)]
    keep_sessions: bool,
}

impl Restored {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = self.common.config()?;
        self.common.check_folder(&config, false)?;
        let file = config.sqlite_file(&self.common.data);
        let _alone = file
            .map(|file| Alone::with(&file))
            .transpose()
            .context("stop the hub first: this is for before it serves the database that was put back")?;
        let (store, ..) = Hub::storage(&self.common.data, &config).await?;
        let marked = restored::mark(&store, self.keep_sessions, Clock::default().now()).await?;
        store.close().await;
        say!("{} doors wait until somebody has looked at them: see the alarms", marked.doors);
        if self.keep_sessions {
            say!("everybody stays signed in: remove again whom you removed since the backup");
        } else {
            say!("everybody signs in anew, and what was shared has ended");
        }
        say!("{} API keys are good: revoke again what you revoked since the backup", marked.keys);
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    common: Common,
}

impl Compact {
    /// Writes the embedded database anew, without the traces that hubs before version 0.2 left of what they deleted. Nobody can
    /// write while it runs.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let store = existing(&self.common).await?;
        store.compact().await?;
        store.close().await;
        say!("the database was written anew");
        Ok(())
    }
}
