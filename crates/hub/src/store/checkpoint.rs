//! Carries SQLite's log over to its file beside the requests.
//!
//! By itself SQLite does that inside of a commit, whenever the log has a thousand pages: one request in some hundred then
//! waits for a thousand writes all over a large file. Here a connection of its own does it, after the commit was answered.
//! A commit only steps in when the log has 8,000 pages (32 MB): that starts it afresh, which under load nobody else can, and
//! little is left to carry by then.

use std::time::Duration;

use sqlx::AnyPool;
use tokio::{sync::mpsc, time::sleep};

/// Commits of so long are carried over together. Short: while pages go to the disk, the commits of others wait for it too, so
/// few at a time keep everybody's wait small.
const GATHERED: Duration = Duration::from_millis(5);

/// Tells a task of commits. It ends when this is closed, or all of these are gone.
#[derive(Clone)]
pub(super) struct Checkpoints {
    committed: mpsc::Sender<()>,
    pool: AnyPool,
}

impl Checkpoints {
    /// Starts the task, which takes its connection from `pool`.
    pub(super) fn start(pool: AnyPool) -> Self {
        let (committed, mut commits) = mpsc::channel(1);
        let own = pool.clone();
        tokio::spawn(async move {
            while commits.recv().await.is_some() {
                sleep(GATHERED).await;
                match sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&own).await {
                    Ok(_) => {}
                    Err(sqlx::Error::PoolClosed) => return,
                    // Nothing is lost: it stands in the log.
                    Err(error) => tracing::warn!(%error, "the log could not be carried over"),
                }
            }
        });
        Self { committed, pool }
    }

    /// Something was committed.
    pub(super) fn committed(&self) {
        // One that waits stands for all.
        let _ = self.committed.try_send(());
    }

    /// Ends the task once it has done what it was doing.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use crate::{push::Push, store::Store};

    #[tokio::test]
    async fn what_is_committed_comes_to_the_file_without_a_full_log() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hub.db");
        let store =
            Store::open(&format!("sqlite:{}?mode=rwc", file.display()), 1, Push::default()).await.unwrap();
        store.migrate().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        sqlx::query("CREATE TABLE kept (what TEXT)").execute(tx.on()).await.unwrap();
        sqlx::query("INSERT INTO kept VALUES ('a parcel for Kim')").execute(tx.on()).await.unwrap();
        tx.commit().await.unwrap();
        let began = Instant::now();
        let there = |bytes: Vec<u8>| bytes.windows(16).any(|at| at == b"a parcel for Kim");
        while !there(std::fs::read(&file).unwrap()) {
            assert!(began.elapsed().as_secs() < 20, "it is still in the log only");
            tokio::task::yield_now().await;
        }
        store.close().await;
    }
}
