//! Tasks that end with their owner, and tasks that owe an answer.

use std::{future::Future, panic::AssertUnwindSafe};

use futures::FutureExt as _;
use postern_core::event::Event;
use tokio::{sync::mpsc, task::JoinHandle};

/// Aborted when dropped.
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What `work` answers; `otherwise` where it panics. Whoever waits for an answer would wait for ever else.
///
/// What a panicking piece of work shared with others may be half changed: only what heals by itself may be shared.
pub(crate) async fn or_panicked<T>(work: impl Future<Output = T>, otherwise: T) -> T {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
        // The panic itself has been reported by the hook; its text may say anything.
        tracing::error!(code = "effect_panicked", "a fault of this program ended what was to be done");
        otherwise
    })
}

/// Does `work` beside everything else, and tells its event; `otherwise` where it panics.
pub(crate) fn answering(
    events: mpsc::Sender<Event>,
    otherwise: Event,
    work: impl Future<Output = Event> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let event = or_panicked(work, otherwise).await;
        let _ = events.send(event).await;
    })
}
