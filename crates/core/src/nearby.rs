//! Which lockers were heard lately. A short id is a hint, never proof: nothing leaves the phone because of it.
//!
//! Listening costs power, so the radio listens only while the customer sees where it would show, and only for those who
//! want it: always, by a setting, or for once, by asking for the nearest locker. Besides it listens while an opening of
//! this device is to be asked about.

use std::collections::BTreeMap;

use crate::{
    cx::Cx,
    effect::{Effect, RadioCommand},
};

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
    /// The customer sees where it would show.
    seen: bool,
    /// The customer asked for the nearest locker.
    asked: bool,
    /// What is near shows.
    shows: bool,
    /// The radio listens.
    listening: bool,
}

impl Nearby {
    /// The customer sees from now on where it would show, or no longer.
    pub(crate) fn watch(&mut self, on: bool, asked: bool) {
        self.seen = on;
        self.asked = on && asked;
    }

    /// A locker was heard.
    pub(crate) fn sighted(&mut self, short_id: [u8; 4], rssi: Option<i16>, cx: &Cx<'_>) {
        if !self.shows {
            return;
        }
        if self.heard.len() < MAX || self.heard.contains_key(&short_id) {
            let heard = Heard { at: cx.now.monotonic_ms, rssi: rssi.unwrap_or(i16::MIN) };
            self.heard.insert(short_id, heard);
        }
    }

    /// None of them can be heard.
    pub(crate) fn clear(&mut self) {
        self.heard.clear();
    }

    /// When something must happen.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.heard.values().map(|heard| heard.at + GONE_MS).min()
    }

    /// Listens where that is wanted, and forgets those that went. `always` where the customer wants to be offered what is
    /// near; `question` where an opening is to be asked about, which shows nothing.
    pub(crate) fn drive(&mut self, always: bool, question: bool, cx: &mut Cx<'_>) {
        self.shows = self.seen && (always || self.asked);
        let listen = self.shows || question;
        if listen != self.listening {
            self.listening = listen;
            cx.out.push(Effect::Radio(RadioCommand::Watch(listen)));
        }
        if !self.shows {
            self.clear();
        }
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
