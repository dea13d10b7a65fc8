//! `postern-hub import`: sites of a real network, from InPost's points payload.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use postern_hub::{clock::Clock, domain::import, hub::Hub};

use super::Common;

#[derive(Args)]
pub(crate) struct Import {
    #[command(flatten)]
    common: Common,
    /// JSON as InPost's points API gives it.
    file: PathBuf,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(&self.file).with_context(|| self.file.display().to_string())?;
        let read = import::read(&text)?;
        for skipped in &read.skipped {
            println!("skipped {}: {}", skipped.point, skipped.reason);
        }
        for doubt in &read.doubts {
            println!("doubtful {}: {}", doubt.point, doubt.reason);
        }
        println!(
            "{} sites, {} skipped, {} doubtful",
            read.sites.len(),
            read.skipped.len(),
            read.doubts.len()
        );
        if read.sites.is_empty() {
            bail!("nothing to import");
        }
        if !self.dry_run {
            let config = self.common.config()?;
            self.common.check_folder(&config, false)?;
            let (store, ..) = Hub::storage(&self.common.data, &config).await?;
            let mut tx = store.begin().await?;
            import::write(&mut tx, &read, Clock::default().now()).await?;
            tx.commit().await?;
            store.close().await;
            println!("imported");
        }
        Ok(())
    }
}
