//! What a radio remembers of lockers between links, to do better the next time. Never persisted.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use tokio::time::Instant;

use crate::link::Summary;

/// Lockers remembered.
const MAX_LOCKERS: usize = 64;
/// Addresses held against, for each locker.
const MAX_SUSPECTS: usize = 8;
/// How long another candidate may take to show up before a suspect is tried after all.
const GRACE: Duration = Duration::from_millis(600);

/// Keyed by short id, which anybody can advertise: what is remembered may delay a connection by [`GRACE`] and make
/// frames small, and nothing worse.
pub(crate) struct Memory<A> {
    lockers: Mutex<HashMap<[u8; 4], Past<A>>>,
}

struct Past<A> {
    /// Addresses whose last link brought a HELLO and then no answer: an impostor looks like that.
    suspects: VecDeque<A>,
    /// Long frames did not get through.
    careful: bool,
}

impl<A> Default for Memory<A> {
    fn default() -> Self {
        Self { lockers: Mutex::new(HashMap::new()) }
    }
}

impl<A: Clone + Eq> Memory<A> {
    /// Long frames did not get through to this locker before.
    pub(crate) fn careful(&self, short_id: [u8; 4]) -> bool {
        self.with(short_id, |past| past.careful)
    }

    /// Notes how a link ended.
    pub(crate) fn ended(&self, short_id: [u8; 4], address: A, link: Summary) {
        self.with(short_id, |past| {
            past.suspects.retain(|suspect| *suspect != address);
            let unanswered = link.received == 1;
            if unanswered {
                past.suspects.push_back(address);
                past.suspects.truncate(MAX_SUSPECTS);
            }
            // Written, acknowledged and never answered: a peripheral that cuts long writes short does that.
            past.careful = link.mtu_lied
                || (past.careful && !unanswered)
                || (unanswered && link.sent > 0 && !past.careful);
        });
    }

    /// Decides which of several advertisers with one short id to call.
    pub(crate) fn choice(&self, short_id: [u8; 4]) -> Choice<A> {
        let suspects = self.with(short_id, |past| past.suspects.iter().cloned().collect());
        Choice { suspects, since: None }
    }

    fn with<T: Default>(&self, short_id: [u8; 4], f: impl FnOnce(&mut Past<A>) -> T) -> T {
        let Ok(mut lockers) = self.lockers.lock() else { return T::default() };
        if lockers.len() >= MAX_LOCKERS && !lockers.contains_key(&short_id) {
            lockers.clear();
        }
        f(lockers.entry(short_id).or_insert_with(|| Past { suspects: VecDeque::new(), careful: false }))
    }
}

/// See [`Memory::choice`].
pub(crate) struct Choice<A> {
    suspects: Vec<A>,
    since: Option<Instant>,
}

impl<A: Eq> Choice<A> {
    /// Whether to call this one now: yes, unless it is a suspect and a better one may still show up.
    pub(crate) fn take(&mut self, address: &A) -> bool {
        if !self.suspects.contains(address) {
            return true;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        since.elapsed() >= GRACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKER: [u8; 4] = [1, 2, 3, 4];

    #[tokio::test(start_paused = true)]
    async fn an_address_that_never_answered_waits_for_a_better_one() {
        let memory = Memory::default();
        assert!(memory.choice(LOCKER).take(&1));
        memory.ended(LOCKER, 1, Summary { received: 1, sent: 0, ..Summary::default() });
        let mut choice = memory.choice(LOCKER);
        assert!(!choice.take(&1));
        assert!(choice.take(&2));
        tokio::time::advance(GRACE).await;
        assert!(choice.take(&1));
        memory.ended(LOCKER, 1, Summary { received: 2, sent: 1, ..Summary::default() });
        assert!(memory.choice(LOCKER).take(&1));
    }

    #[test]
    fn frames_become_small_where_long_ones_were_lost() {
        let memory = Memory::default();
        assert!(!memory.careful(LOCKER));
        memory.ended(LOCKER, 1, Summary { received: 1, sent: 1, ..Summary::default() });
        assert!(memory.careful(LOCKER));
        memory.ended(LOCKER, 1, Summary { received: 2, sent: 1, ..Summary::default() });
        assert!(memory.careful(LOCKER), "small frames worked: stay with them");
        memory.ended(LOCKER, 1, Summary { received: 1, sent: 1, ..Summary::default() });
        assert!(!memory.careful(LOCKER), "small frames did not help either");
    }
}
