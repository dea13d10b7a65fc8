//! A list that the hub is asked for, looked at and put away again: nothing of it is kept.

use crate::{line::Miss, view::ProblemView};

/// More than anybody looks through.
const MAX: usize = 500;

/// The machine: what was found, and which question an answer must be to.
#[derive(Debug)]
pub(crate) struct Lookup<T> {
    found: Option<Found<T>>,
    asked: u64,
}

/// What the customer sees of it. While the next answer is on its way, the one before still stands there.
#[derive(Clone, Debug)]
pub(crate) struct Found<T> {
    pub(crate) loading: bool,
    pub(crate) problem: Option<ProblemView>,
    pub(crate) items: Vec<T>,
}

impl<T> Default for Lookup<T> {
    fn default() -> Self {
        Self { found: None, asked: 0 }
    }
}

impl<T> Lookup<T> {
    /// Begins another question; its number goes with the call.
    pub(crate) fn begin(&mut self) -> u64 {
        self.asked += 1;
        let items = self.found.take().map(|found| found.items).unwrap_or_default();
        self.found = Some(Found { loading: true, problem: None, items });
        self.asked
    }

    /// The customer looked enough; an answer that is still on its way comes too late.
    pub(crate) fn close(&mut self) {
        self.found = None;
        self.asked += 1;
    }

    /// The hub answered, or did not.
    pub(crate) fn on_answer(&mut self, asked: u64, answer: Result<impl Iterator<Item = T>, Miss>) {
        let Some(found) = self.found.as_mut().filter(|_| asked == self.asked) else { return };
        found.loading = false;
        match answer {
            Ok(items) => found.items = items.take(MAX).collect(),
            Err(miss) => found.problem = Some(miss.problem()),
        }
    }

    /// For the window.
    pub(crate) fn found(&self) -> Option<&Found<T>> {
        self.found.as_ref()
    }
}
