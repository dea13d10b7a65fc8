//! What happened at a cabinet, for panel, API and scenarios.

use std::collections::VecDeque;

use serde::Serialize;

use crate::fate::Direction;

/// Entries kept.
const KEPT: usize = 400;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Counts up from 1 over the life of the process.
    pub number: u64,
    /// UNIX milliseconds by the simulator's clock.
    pub at: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// Kinds of entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// The firmware started.
    Booted,
    /// It would not start.
    BootFailed {
        /// Why.
        error: String,
    },
    /// Power failed.
    PowerLost,
    /// A central connected.
    Connected {
        /// Link number.
        link: u16,
        /// ATT MTU as announced.
        mtu: u16,
    },
    /// A central was turned away: no connection free.
    TurnedAway,
    /// A central subscribed.
    Subscribed {
        /// Link number.
        link: u16,
    },
    /// A central read the HELLO.
    HelloRead {
        /// Link number.
        link: u16,
    },
    /// A link ended.
    Disconnected {
        /// Link number.
        link: u16,
        /// By whom.
        by: Ender,
        /// Frames from the phone.
        frames_in: u32,
        /// Frames to the phone.
        frames_out: u32,
    },
    /// A message began on a link.
    Message {
        /// Link number.
        link: u16,
        /// Which way.
        direction: Direction,
        /// HELLO, OPEN, REQUEST, REPLY.
        kind: &'static str,
        /// Length in bytes.
        length: usize,
    },
    /// A frame was lost by fate.
    Lost {
        /// Link number.
        link: u16,
        /// Which way.
        direction: Direction,
    },
    /// A write was longer than the radio takes.
    TooLong {
        /// Link number.
        link: u16,
        /// Bytes.
        length: usize,
    },
    /// The firmware authorised a request.
    Accepted {
        /// Link, or none at the cabinet itself.
        link: Option<u16>,
        /// Door number.
        door: u16,
        /// What for.
        operation: String,
    },
    /// The firmware refused one.
    Refused {
        /// Link, or none at the cabinet itself.
        link: Option<u16>,
        /// The true reason.
        reason: String,
    },
    /// A latch was energised.
    Latch {
        /// Door number.
        door: u16,
        /// Which attempt.
        attempt: u8,
    },
    /// A receipt was signed.
    Receipt {
        /// Its number in the chain.
        sequence: u32,
        /// Door number.
        door: u16,
        /// What came of it.
        outcome: String,
    },
    /// The firmware saw a door change.
    Door {
        /// Door number.
        door: u16,
        /// What.
        kind: String,
    },
    /// A hand at the cabinet.
    Hand {
        /// Door number.
        door: u16,
        /// What it did.
        did: &'static str,
    },
    /// The cabinet's own screen, after keypad or scanner.
    Screen {
        /// What it says.
        says: String,
    },
    /// A bulletin changed what the locker knows.
    Bulletin,
    /// The hub has corrected the clock: it ran wrong, or was pushed. The operator should know.
    Corrected {
        /// By so many seconds; negative backwards.
        seconds: i64,
    },
    /// The firmware gave up on its flash.
    Faulted,
    /// The address changed.
    AddressRotated,
    /// Its fate was changed.
    Fate,
    /// Something from outside, such as the courier's system.
    Note {
        /// In words.
        text: String,
    },
}

/// Who ended a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ender {
    /// The central, or the air.
    Phone,
    /// The firmware.
    Locker,
    /// Fate.
    Fate,
    /// Power failed.
    Power,
}

/// The last entries.
#[derive(Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    last: u64,
}

impl Log {
    /// Adds one.
    pub fn add(&mut self, at: u64, what: What) {
        tracing::debug!(?what, "cabinet");
        self.last += 1;
        self.entries.push_back(Entry { number: self.last, at, what });
        if self.entries.len() > KEPT {
            self.entries.pop_front();
        }
    }

    /// Those after this number, oldest first.
    pub fn after(&self, number: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().skip_while(move |entry| entry.number <= number)
    }

    /// Number of the newest.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }
}
