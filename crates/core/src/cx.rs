//! What every machine is handed with an event: the time, randomness, and somewhere to put what it wants done.

use std::collections::VecDeque;

use rand_core::CryptoRng;

use crate::{
    effect::{Effect, Notification},
    event::Ticket,
    line::Call,
    time::Now,
};

/// The surroundings of one event.
pub(crate) struct Cx<'a> {
    /// When it happens.
    pub(crate) now: Now,
    /// Unpredictable.
    pub(crate) rng: &'a mut dyn CryptoRng,
    /// What is wanted done.
    pub(crate) out: &'a mut Outlet,
}

impl Cx<'_> {
    /// So many random bytes.
    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Full jitter above one half (so that a crowd of phones spreads out): between `ms / 2` and `ms`.
    pub(crate) fn jitter(&mut self, ms: u64) -> u64 {
        let half = ms / 2;
        half + self.rng.next_u64() % (ms - half + 1)
    }
}

/// What waits to be polled out.
pub(crate) enum Item {
    /// Goes out as it is.
    Effect(Effect),
    /// The sealed state, composed at the moment when it is polled.
    Save,
}

/// Collects what the machines want done.
#[derive(Default)]
pub(crate) struct Outlet {
    items: VecDeque<Item>,
    calls: VecDeque<Call>,
    last_ticket: Ticket,
    dirty: bool,
}

impl Outlet {
    /// Something to do.
    pub(crate) fn push(&mut self, effect: Effect) {
        self.items.push_back(Item::Effect(effect));
    }

    /// A call to the hub that needs the session.
    pub(crate) fn call(&mut self, call: Call) {
        self.calls.push_back(call);
    }

    /// A notification of the platform.
    pub(crate) fn notify(&mut self, notification: Notification) {
        self.push(Effect::Notify(notification));
    }

    /// A number that no other effect of this process has.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// The state changed; it is written soon.
    pub(crate) fn save_soon(&mut self) {
        self.dirty = true;
    }

    /// The state is written before anything that is pushed later begins.
    pub(crate) fn save_now(&mut self) {
        if !matches!(self.items.back(), Some(Item::Save)) {
            self.items.push_back(Item::Save);
        }
        self.dirty = false;
    }

    /// Whether something changed that is not written yet.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// For the line to the hub.
    pub(crate) fn next_call(&mut self) -> Option<Call> {
        self.calls.pop_front()
    }

    /// For the root.
    pub(crate) fn next_item(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Nothing that was to be asked or written matters any more.
    pub(crate) fn forget(&mut self) {
        self.calls.clear();
        self.items.retain(|item| !matches!(item, Item::Save));
        self.dirty = false;
    }
}

/// The earlier of two moments, where none means never.
pub(crate) fn earlier(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
