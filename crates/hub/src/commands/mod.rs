//! The command line.

mod demo_data;
mod import;
mod maintenance;
mod serve;
mod transfer;

use std::{
    io::{ErrorKind, Write as _},
    path::PathBuf,
};

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use postern_hub::{config::Config, hub, routes::contract};

/// The network's server: accounts, reservations, tokens, receipts.
#[derive(Parser)]
#[command(version, name = "postern-hub")]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Serves until it is told to stop (SIGTERM, Ctrl-C).
    Serve(serve::Serve),
    /// Makes the demo's carriers, keys and site, and prints them as JSON.
    DemoData(demo_data::DemoData),
    /// Brings the database's schema up to date.
    Migrate(maintenance::Migrate),
    /// Signing keys and operator's keys.
    Keys(maintenance::Keys),
    /// A consistent copy of the embedded database, while the hub runs.
    Backup(maintenance::Backup),
    /// Says that a backup was put back, before the hub is started with it: ends all access, and gives no door to anybody before its
    /// locker has been heard or somebody has looked.
    Restored(maintenance::Restored),
    /// Writes the embedded database anew: smaller, and without traces of what was deleted long ago.
    Compact(maintenance::Compact),
    /// Copies everything of the embedded database into an empty PostgreSQL database, and compares.
    Transfer(transfer::Transfer),
    /// Reads sites of a real network from a file.
    Import(import::Import),
    /// Prints the OpenAPI document of the interface.
    Openapi {
        /// As a collection of requests instead, for Postman, Bruno, Insomnia and the like.
        #[arg(long)]
        collection: bool,
    },
}

/// A line to stdout. Whoever reads it may have had enough (`| head`): that is no reason to stop in the middle of a change.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::commands::to_stdout(&format!($($words)*))
    };
}
use say;

fn to_stdout(line: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        tracing::error!(%error, "standard output cannot be written");
    }
}

/// What every command needs.
#[derive(Args)]
pub(crate) struct Common {
    /// Folder for database and master key.
    #[arg(long, env = "POSTERN_HUB_DATA")]
    data: PathBuf,
    /// `postgres://…` or `sqlite:PATH`, with `%`, `?` and `#` of a path escaped as in any URL; by default `hub.db` in the data folder.
    #[arg(long)]
    database: Option<String>,
    /// Configuration; by default `postern.toml` in the data folder, where there is one.
    #[arg(long)]
    config: Option<PathBuf>,
}

impl Common {
    /// A folder that was mistyped is not to become another hub, with another master key. A new hub is made in a folder that is
    /// there and has no folders in it; for the demo the folder is made as well.
    fn check_folder(&self, config: &Config, demo: bool) -> anyhow::Result<()> {
        let data = self.data.display();
        let entries = match std::fs::read_dir(&self.data) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound && demo => {
                let made = hub::make_folder(&self.data);
                return made.with_context(|| data.to_string());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("there is no folder {data}; for a new hub, make it: install -d -m 700 {data}")
            }
            Err(error) => return Err(error).with_context(|| data.to_string()),
        };
        if config.sqlite_file(&self.data).is_none_or(|file| file.exists()) {
            return Ok(());
        }
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let own = name.to_str().is_some_and(|name| name == "lost+found" || name.starts_with('.'));
            if entry.file_type()?.is_dir() && !own {
                bail!(
                    "{data} holds no hub, but a folder {name:?}: is it the right one? A new hub is made in an empty folder"
                );
            }
        }
        if !demo {
            tracing::warn!(folder = %data, "a new hub is made here");
        }
        Ok(())
    }

    fn config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(&self.data, self.config.as_deref())?;
        if let Some(database) = &self.database {
            config.database = Some(database.clone());
        }
        Ok(config)
    }
}

impl Command {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Serve(serve) => serve.run().await,
            Action::DemoData(demo_data) => demo_data.run().await,
            Action::Migrate(migrate) => migrate.run().await,
            Action::Keys(keys) => keys.run().await,
            Action::Backup(backup) => backup.run().await,
            Action::Restored(restored) => restored.run().await,
            Action::Compact(compact) => compact.run().await,
            Action::Transfer(transfer) => transfer.run().await,
            Action::Import(import) => import.run().await,
            Action::Openapi { collection } => {
                let document = postern_hub::routes::document();
                let told = if collection { contract::collection::collection(&document) } else { document };
                say!("{}", serde_json::to_string_pretty(&told)?);
                Ok(())
            }
        }
    }
}
