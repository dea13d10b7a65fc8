//! `postern-hub transfer`.

use anyhow::bail;
use clap::Args;
use postern_hub::{
    hub::Hub,
    push::Push,
    store::{Alone, Store, transfer},
};

use super::{Common, say};

#[derive(Args)]
pub(crate) struct Transfer {
    #[command(flatten)]
    common: Common,
    /// `postgres://…`: an empty database.
    to: String,
}

impl Transfer {
    /// The hub must not run meanwhile. What was interrupted goes on where it was; the embedded database stays as it is.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = self.common.config()?;
        let Some(file) = config.sqlite_file(&self.common.data) else {
            bail!("the settings name PostgreSQL already: a transfer begins with the embedded database");
        };
        if !file.exists() {
            bail!("there is no hub in {}", self.common.data.display());
        }
        if !self.to.starts_with("postgres") {
            bail!("data are copied from the embedded database to PostgreSQL: postgres://…");
        }
        let _alone = Alone::with(&file)?;
        let (from, ..) = Hub::storage(&self.common.data, &config).await?;
        let to = Store::open(&self.to, config.connections, Push::default()).await?;
        to.migrate().await?;
        let mut rows = 0;
        transfer::copy(&from, &to, |copied| {
            rows += copied.rows;
            let before = if copied.before { ", there already" } else { "" };
            say!("{}: {} rows{before}", copied.table, copied.rows);
        })
        .await?;
        to.close().await;
        from.close().await;
        say!(
            "{rows} rows are in both databases, and the same. Now set `database` in the settings, and keep the master key"
        );
        say!(
            "where it is: both databases need it. The embedded one can go once you have a backup of the other."
        );
        Ok(())
    }
}
