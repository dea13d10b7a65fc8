//! Tells other instances what was committed here (PostgreSQL's NOTIFY), many pokes at once.
//!
//! A transaction that notifies takes its turn with every other one that does, in the whole database, until it is on the disk. So a
//! change does not notify by itself: a task does, after the commit, a moment's pokes together and without waiting for the disk.
//! An instance that is killed in that moment takes its pokes with it; clients of others see the change with the next poke, or
//! when they come back with a fresh access token.

use std::{
    collections::HashMap,
    fmt::Write as _,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::AnyPool;
use tokio::{sync::Notify, task::JoinHandle, time::sleep};

/// What instances listen to.
pub const CHANNEL: &str = "postern";
/// Stands for more than can be told: everybody is to look.
pub const EVERYBODY: &str = "*";
/// Pokes of so long go together.
const GATHERED: Duration = Duration::from_millis(10);
/// While the database is away, more accounts than this are told as [`EVERYBODY`].
const MOST: usize = 50_000;
/// Bytes; PostgreSQL takes payloads shorter than 8,000.
const PAYLOAD: usize = 7_900;

/// Takes pokes, and tells them.
#[derive(Clone)]
pub(super) struct Herald {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Newest position of each account, not told yet.
    pokes: Mutex<Pokes>,
    some: Notify,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Pokes {
    positions: HashMap<String, i64>,
    everybody: bool,
    closing: bool,
}

impl Herald {
    /// Starts the task, which takes its connections from `pool`.
    pub(super) fn start(pool: AnyPool) -> Self {
        let this = Self { shared: Arc::default() };
        let task = tokio::spawn(tell_all(Arc::clone(&this.shared), pool));
        *this.shared.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        this
    }

    /// `account`'s feed stands at `position`.
    pub(super) fn poke(&self, account: &str, position: i64) {
        self.shared.add(account.to_owned(), position);
        self.shared.some.notify_one();
    }

    /// Tells what is not told yet, then ends.
    pub(super) async fn close(&self) {
        self.shared.pokes.lock().unwrap_or_else(PoisonError::into_inner).closing = true;
        self.shared.some.notify_one();
        let task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

impl Shared {
    fn add(&self, account: String, position: i64) {
        let mut pokes = self.pokes.lock().unwrap_or_else(PoisonError::into_inner);
        if pokes.positions.len() >= MOST {
            pokes.positions.clear();
            pokes.everybody = true;
        }
        if !pokes.everybody {
            let newest = pokes.positions.entry(account).or_insert(position);
            *newest = position.max(*newest);
        }
    }

    fn take(&self) -> (Pokes, bool) {
        let mut pokes = self.pokes.lock().unwrap_or_else(PoisonError::into_inner);
        let closing = pokes.closing;
        (mem::replace(&mut pokes, Pokes { closing, ..Pokes::default() }), closing)
    }
}

async fn tell_all(shared: Arc<Shared>, pool: AnyPool) {
    loop {
        shared.some.notified().await;
        sleep(GATHERED).await;
        let (mut pokes, closing) = shared.take();
        let payloads =
            if pokes.everybody { vec![EVERYBODY.to_owned()] } else { payloads(&mut pokes.positions) };
        for payload in payloads {
            let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(&payload);
            let Err(error) = notify.execute(&pool).await else { continue };
            if closing || matches!(error, sqlx::Error::PoolClosed) {
                return;
            }
            tracing::warn!(%error, "other instances were not told of changes; trying again");
            for (account, position) in read(&payload) {
                shared.add(account.to_owned(), position);
            }
            sleep(Duration::from_millis(500)).await;
            shared.some.notify_one();
        }
        if closing {
            return;
        }
    }
}

/// A line for each account, as many as a payload holds.
fn payloads(positions: &mut HashMap<String, i64>) -> Vec<String> {
    let mut payloads = vec![String::new()];
    for (account, position) in positions.drain() {
        if payloads.last().is_some_and(|last| last.len() + account.len() + 24 > PAYLOAD) {
            payloads.push(String::new());
        }
        if let Some(last) = payloads.last_mut() {
            let _ = writeln!(last, "{account} {position}");
        }
    }
    payloads.retain(|payload| !payload.is_empty());
    payloads
}

/// The accounts and positions of a payload.
pub fn read(payload: &str) -> impl Iterator<Item = (&str, i64)> {
    payload.lines().filter_map(|line| {
        let (account, position) = line.split_once(' ')?;
        Some((account, position.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard_whole_and_in_payloads_that_postgres_takes() {
        let told: HashMap<_, _> = (0..1_000).map(|n| (format!("{n:0>26}"), n)).collect();
        let payloads = payloads(&mut told.clone());
        assert!(payloads.len() > 1 && payloads.iter().all(|payload| payload.len() < 8_000));
        let heard: HashMap<_, _> = payloads
            .iter()
            .flat_map(|payload| read(payload))
            .map(|(account, at)| (account.to_owned(), at))
            .collect();
        assert_eq!(heard, told);
        assert_eq!(read(EVERYBODY).count(), 0);
    }

    #[test]
    fn more_than_can_be_kept_becomes_everybody() {
        let shared = Shared::default();
        for n in 0..=MOST {
            shared.add(n.to_string(), 1);
        }
        let (pokes, _) = shared.take();
        assert!(pokes.everybody && pokes.positions.is_empty());
    }
}
