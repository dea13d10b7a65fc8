//! Which lockers were heard lately. A short id is a hint, never proof: nothing leaves the phone because of it.

use std::collections::BTreeMap;

use crate::cx::Cx;

/// Not heard for so long: gone.
const GONE_MS: u64 = 15_000;
/// Lockers heard at once; more than any place has.
const MAX: usize = 256;

/// One that was heard.
#[derive(Clone, Copy, Debug)]
struct Heard {
    at: u64,
    rssi: i16,
}

/// The machine.
#[derive(Debug, Default)]
pub(crate) struct Nearby {
    heard: BTreeMap<[u8; 4], Heard>,
}

impl Nearby {
    /// A locker was heard.
    pub(crate) fn sighted(&mut self, short_id: [u8; 4], rssi: Option<i16>, cx: &Cx<'_>) {
        if self.heard.len() < MAX || self.heard.contains_key(&short_id) {
            let heard = Heard { at: cx.now.monotonic_ms, rssi: rssi.unwrap_or(i16::MIN) };
            self.heard.insert(short_id, heard);
        }
    }

    /// Nobody listens any more.
    pub(crate) fn clear(&mut self) {
        self.heard.clear();
    }

    /// When something must happen.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.heard.values().map(|heard| heard.at + GONE_MS).min()
    }

    /// Forgets those that went.
    pub(crate) fn drive(&mut self, cx: &Cx<'_>) {
        self.heard.retain(|_, heard| cx.now.monotonic_ms < heard.at + GONE_MS);
    }

    /// How strong it was heard lately, in dBm.
    pub(crate) fn strength(&self, short_id: [u8; 4]) -> Option<i16> {
        self.heard.get(&short_id).map(|heard| heard.rssi)
    }

    /// Nothing was heard.
    pub(crate) fn is_empty(&self) -> bool {
        self.heard.is_empty()
    }
}
