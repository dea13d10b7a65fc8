//! `postern-hub demo-data`.

use clap::Args;
use postern_hub::{clock::Clock, domain::demo, hub::Hub};

use super::{Common, say};

#[derive(Args)]
pub(crate) struct DemoData {
    #[command(flatten)]
    common: Common,
}

impl DemoData {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = self.common.config()?;
        self.common.check_folder(&config, true)?;
        let (store, secrets, _) = Hub::storage(&self.common.data, &config).await?;
        let data = demo::prepare(&store, &secrets, Clock::default().now()).await?;
        store.close().await;
        say!("{}", serde_json::to_string(&data)?);
        Ok(())
    }
}
