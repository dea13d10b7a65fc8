//! Carries SQLite's log over to its file beside the requests.
//!
//! By itself SQLite does that inside of a commit, whenever the log has a thousand pages: one request in some hundred then
//! waits for a thousand writes all over a large file. Here a connection of its own does it, after the commit was answered.
//! A commit only steps in when the log has 8,000 pages (32 MB): that starts it afresh, which under load nobody else can, and
//! little is left to carry by then.

//! After a change that forgets somebody, all of the log is carried over and the log is emptied: until then it holds the pages
//! as they were.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{AnyPool, Row};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

/// Commits of so long are carried over together. Short: while pages go to the disk, the commits of others wait for it too, so
/// few at a time keep everybody's wait small.
const GATHERED: Duration = Duration::from_millis(5);
/// Who still reads what was before is waited for so long, while nobody can write; then it is tried again later.
const EMPTY: &str = "PRAGMA busy_timeout = 100; PRAGMA wal_checkpoint(TRUNCATE)";
/// Until an emptying that did not succeed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells a task of commits. It ends when this is closed, or all of these are gone.
#[derive(Clone)]
pub(super) struct Checkpoints {
    committed: mpsc::Sender<()>,
    forgets: Arc<AtomicBool>,
    pool: AnyPool,
}

impl Checkpoints {
    /// Starts the task, which takes its connection from `pool`.
    pub(super) fn start(pool: AnyPool) -> Self {
        let (committed, mut commits) = mpsc::channel(1);
        let (own, forgets) = (pool.clone(), Arc::new(AtomicBool::new(false)));
        let forgotten = Arc::clone(&forgets);
        tokio::spawn(async move {
            loop {
                // What could not be emptied is tried again, though nobody writes.
                let waiting = forgotten.load(Ordering::Acquire);
                let told =
                    if waiting { timeout(AGAIN, commits.recv()).await } else { Ok(commits.recv().await) };
                if let Ok(None) = told {
                    return;
                }
                sleep(GATHERED).await;
                let outcome = if forgotten.swap(false, Ordering::AcqRel) {
                    let emptied = empty(&own).await;
                    if !matches!(emptied, Ok(true)) {
                        forgotten.store(true, Ordering::Release);
                    }
                    emptied.map(|_| ())
                } else {
                    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&own).await.map(|_| ())
                };
                match outcome {
                    Ok(()) => {}
                    Err(sqlx::Error::PoolClosed) => return,
                    // Nothing is lost: it stands in the log.
                    Err(error) => tracing::warn!(%error, "the log could not be carried over"),
                }
            }
        });
        Self { committed, forgets, pool }
    }

    /// Something was committed; it `forgets` what must leave the log, too.
    pub(super) fn committed(&self, forgets: bool) {
        if forgets {
            self.forgets.store(true, Ordering::Release);
        }
        // One that waits stands for all.
        let _ = self.committed.try_send(());
    }

    /// Ends the task once it has done what it was doing.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Carries all over and empties the log; false where somebody still reads what was before.
async fn empty(pool: &AnyPool) -> sqlx::Result<bool> {
    let row = sqlx::raw_sql(EMPTY).fetch_all(pool).await?;
    Ok(row.last().is_some_and(|row| row.try_get::<i64, _>("busy").is_ok_and(|busy| busy == 0)))
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
