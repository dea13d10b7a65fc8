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
/// How long after its last link a locker is called where it was, without waiting to hear it: it is likely to be there
/// still, and under the same address.
const FRESH: Duration = Duration::from_secs(60);

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
    /// Where a link with answers ended, and when. No link is there now.
    last: Option<(A, Instant)>,
    /// The link under way was not heard before it was called.
    recalled: bool,
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

    /// Where the locker was a moment ago. To be used once: until the next link has ended nobody else is told, for on a
    /// platform that is slow to let go of a link, calling meanwhile would find that one still standing.
    #[cfg_attr(
        not(feature = "ble"),
        allow(dead_code, reason = "over `air` an advertisement is heard at once")
    )]
    pub(crate) fn take_last(&self, short_id: [u8; 4]) -> Option<A> {
        let last = self.with(short_id, |past| {
            let last = past.last.take().filter(|(_, ended)| ended.elapsed() < FRESH);
            past.recalled |= last.is_some();
            last
        });
        last.map(|(address, _)| address)
    }

    /// Notes how a link ended, once the platform has let go of it.
    pub(crate) fn ended(&self, short_id: [u8; 4], address: A, link: Summary) {
        self.with(short_id, |past| {
            past.suspects.retain(|suspect| *suspect != address);
            let unanswered = link.received == 1;
            // Not twice in a row: an impostor that talks would keep the phone to itself.
            let recalled = std::mem::take(&mut past.recalled);
            past.last = (link.received > 1 && !recalled).then(|| (address.clone(), Instant::now()));
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
        f(lockers.entry(short_id).or_insert_with(|| Past {
            suspects: VecDeque::new(),
            careful: false,
            last: None,
            recalled: false,
        }))
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
        memory.ended(LOCKER, 1, Summary { received: 1, sent: 0, mtu_lied: false });
        let mut choice = memory.choice(LOCKER);
        assert!(!choice.take(&1));
        assert!(choice.take(&2));
        tokio::time::advance(GRACE).await;
        assert!(choice.take(&1));
        memory.ended(LOCKER, 1, Summary { received: 2, sent: 1, mtu_lied: false });
        assert!(memory.choice(LOCKER).take(&1));
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_locker_answered_it_is_called_again_once_and_for_a_while() {
        let memory = Memory::default();
        let answered = Summary { received: 2, sent: 1, mtu_lied: false };
        memory.ended(LOCKER, 1, answered);
        assert_eq!(memory.take_last(LOCKER), Some(1));
        assert_eq!(memory.take_last(LOCKER), None, "until the next link has ended");
        memory.ended(LOCKER, 1, answered);
        assert_eq!(memory.take_last(LOCKER), None, "not twice in a row without being heard");
        memory.ended(LOCKER, 1, answered);
        tokio::time::advance(FRESH).await;
        assert_eq!(memory.take_last(LOCKER), None, "it may have moved");
        memory.ended(LOCKER, 1, answered);
        memory.ended(LOCKER, 2, Summary { received: 1, sent: 1, mtu_lied: false });
        assert_eq!(memory.take_last(LOCKER), None, "an impostor is not called first");
    }

    #[test]
    fn frames_become_small_where_long_ones_were_lost() {
        let memory = Memory::default();
        assert!(!memory.careful(LOCKER));
        memory.ended(LOCKER, 1, Summary { received: 1, sent: 1, mtu_lied: false });
        assert!(memory.careful(LOCKER));
        memory.ended(LOCKER, 1, Summary { received: 2, sent: 1, mtu_lied: false });
        assert!(memory.careful(LOCKER), "small frames worked: stay with them");
        memory.ended(LOCKER, 1, Summary { received: 1, sent: 1, mtu_lied: false });
        assert!(!memory.careful(LOCKER), "small frames did not help either");
    }
}
