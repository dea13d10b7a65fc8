//! `postern-hub serve`.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Args;
use postern_hub::{
    clock::Clock,
    domain::demo,
    hub::{Hub, Opening},
    jobs,
    server::{self, Certificate},
    store::Alone,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::Common;

#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    common: Common,
    /// Address to listen on; port 0 means any. By default `listen` of the settings.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Base URL as clients use it; by default the address listened on, by the name `localhost`.
    #[arg(long)]
    public_url: Option<String>,
    /// Give each new account something to collect, to return and to keep.
    #[arg(long)]
    demo: bool,
    /// Written when the hub can be reached: `{"url":"…"}`.
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

impl Serve {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = self.common.config()?;
        self.common.check_folder(&config, self.demo)?;
        let certificate = match &config.tls {
            Some(files) => Some(Certificate::read(files).await?),
            None => None,
        };
        let _alone = config.sqlite_file(&self.common.data).map(|file| Alone::with(&file)).transpose()?;
        let listen = self.listen.unwrap_or(config.listen);
        let listener = TcpListener::bind(listen).await.with_context(|| format!("listen on {listen}"))?;
        let port = listener.local_addr()?.port();
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let public_url = self
            .public_url
            .clone()
            .or_else(|| config.public_url.clone())
            .unwrap_or_else(|| format!("{scheme}://localhost:{port}"));
        let clock = Clock::default();
        let opening =
            Opening { data: &self.common.data, config, public_url: &public_url, demo: self.demo, clock };
        let hub = Hub::open(opening).await?;
        if self.demo {
            demo::prepare(&hub.store, &hub.secrets, hub.clock.now()).await?;
        }
        jobs::start(&hub)?;
        tokio::spawn(stop_on_signal(Arc::clone(&hub)));
        if let Some(path) = &self.ready_file {
            server::write_ready_file(path, &serde_json::json!({ "url": hub.public_url() }).to_string())?;
        }
        if hub.config.web_app && !server::web_app::is_built_in() {
            tracing::info!("this hub was built without the app for browsers (cargo xtask web)");
        }
        tracing::info!(url = hub.public_url(), "ready");
        match certificate {
            Some(certificate) => server::serve_tls(Arc::clone(&hub), listener, certificate).await?,
            None => server::serve(Arc::clone(&hub), listener).await?,
        }
        hub.seen.write(&hub.store).await?;
        hub.store.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn stop_on_signal(hub: Arc<Hub>) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping");
    hub.stopping.cancel();
}
