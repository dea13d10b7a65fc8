//! Clients that ask one after the other, and what they saw.

use std::time::Instant;

use anyhow::{Result, ensure};

/// Clients at once.
pub(crate) const CLIENTS: usize = 4;
/// Requests in a round, of all clients together.
pub(crate) const REQUESTS: usize = 400;

/// One round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Median, seconds.
    pub(crate) p50: f64,
    /// Seconds.
    pub(crate) p99: f64,
    /// Requests answered in a second.
    pub(crate) per_second: f64,
}

/// Requests that one client has prepared at once: a proof is good for two minutes only, and a disk can be slow.
pub(crate) const PREPARED: usize = 10;

/// One round: batch after batch of [`PREPARED`] requests for each client, made by `prepare` while nobody waits.
///
/// # Errors
/// A request was answered by anything but success.
pub(crate) fn round(
    runtime: &tokio::runtime::Handle,
    client: &reqwest::Client,
    mut prepare: impl FnMut(usize) -> Result<reqwest::Request>,
) -> Result<Round> {
    let (mut took, mut seconds) = (Vec::new(), 0.0);
    for _ in 0..REQUESTS / CLIENTS / PREPARED {
        let mut prepared = Vec::new();
        for client in 0..CLIENTS {
            prepared.push((0..PREPARED).map(|_| prepare(client)).collect::<Result<Vec<_>>>()?);
        }
        let began = Instant::now();
        took.extend(runtime.block_on(drive(client, prepared))?);
        seconds += began.elapsed().as_secs_f64();
    }
    let per_second = took.len() as f64 / seconds;
    let took = crate::stat::Samples(took);
    Ok(Round { p50: took.quantile(0.5), p99: took.quantile(0.99), per_second })
}

/// Sends what was prepared, each client its own, one after the other; how long each took.
async fn drive(client: &reqwest::Client, prepared: Vec<Vec<reqwest::Request>>) -> Result<Vec<f64>> {
    let clients: Vec<_> = prepared
        .into_iter()
        .map(|requests| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut took = Vec::with_capacity(requests.len());
                for request in requests {
                    let began = Instant::now();
                    let answer = client.execute(request).await?;
                    let status = answer.status();
                    let body = answer.bytes().await?;
                    took.push(began.elapsed().as_secs_f64());
                    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
                }
                Ok(took)
            })
        })
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await??);
    }
    Ok(took)
}

/// A client that keeps its connections.
///
/// # Errors
/// TLS cannot be set up.
pub(crate) fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().timeout(std::time::Duration::from_secs(60)).build()?)
}
