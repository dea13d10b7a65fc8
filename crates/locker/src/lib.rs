//! The reference firmware of a parcel locker: a pure state machine over a small [`Hardware`] trait.
//!
//! It never waits, reads no clock and draws no randomness but through what its host hands it. A host (board,
//! simulator, seeded world) does this:
//!
//! 1. [`Locker::boot`] with the hardware; the journal in flash is replayed, a half-done opening is settled.
//! 2. Tells what happens: [`Locker::connected`], [`Locker::subscribed`], [`Locker::received`] (one *frame*: the
//!    firmware puts fragments together itself and cuts its answers to the connection's largest frame, so a host only
//!    moves frames), [`Locker::disconnected`], [`Locker::pin_entered`], [`Locker::scanned`], [`Locker::tick`].
//! 3. After each of these drains [`Locker::poll_output`], then calls [`Locker::tick`] no later than
//!    [`Locker::poll_timeout`]. Sensors are polled through [`Hardware`] in `tick`; a host that has an interrupt for
//!    a sensor calls `tick` at once.
//!
//! # What an opening is, and what a power failure makes of it
//!
//! Intent into the journal, latch, door, outcome into the journal, answer. The same token and operation nonce again gets
//! the stored receipt and no second movement, for as long as the receipt is kept ([`Config::kept_receipts`]).
//!
//! - Collect, Deposit and Access count as a use of the token (and of the delegation) at the intent. A latch that jammed,
//!   or a door that stood open already, gives the use back, three times a token: from then on it counts.
//! - Reopen counts as none: three times an opening, within [`Config::reopen_for`], by the token that opened or by
//!   another of the same epoch unless the opening was a deposit. It drives the latch also of a door whose sensor claims
//!   to be open: whoever asks again says that it is not.
//! - Power that fails between intent and outcome is settled at the next start. A door that stands open has opened. Of
//!   a closed one nobody knows: the receipt says `Unknown`, the use stays counted (the latch may have moved), and the
//!   time for reopening runs from that start, so that the customer opens by Reopen. With a token that allows none, the
//!   hub's next token or the PIN opens; no other path leads to a second movement.
//! - The closing of a door that was opened has a receipt of its own, with what the content sensor says once it has
//!   settled; whoever wants to open the door anew before that is told to wait. A door that was closed in the dark is measured
//!   and has it from the next start. One that is opened anew while it stands open has one closing, for the last opening.
//!
//! # Who ends what
//!
//! A door's epoch numbers its occupancies ([`Config`] knows the doors, the journal their epochs). It rises by whatever is
//! authentic: a deposit's token, a customer's, a PIN of one of the next two, a bulletin. What is below it opens nothing, and
//! its use need not be remembered. Bulletins name what ends before its time; those of the highest number count.
//!
//! # Memory
//!
//! The tables are taken at start and never grow: [`Locker::table_memory`], 194,964 bytes for 100 doors, 10,000
//! remembered tokens and 256 receipts (on a 64-bit host). Flash is checked at start against what the configuration
//! promises to remember. Connections hold one handshake or session and at most one message each.
//!
//! Time is [`Uptime`], milliseconds since power-on. Wall-clock time comes from [`Hardware::wall_clock`] or is unset.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod access;
mod clock;
mod config;
mod doors;
mod hardware;
mod journal;
mod kept;
mod ledger;
mod links;
mod local;
mod locker;
#[cfg(feature = "test-hardware")]
pub mod machine;
mod news;
mod opening;
mod output;
mod record;
mod requests;
pub mod serial;
mod store;
mod tokens;

pub use crate::{
    config::{Config, Keys, MAX_DOORS, Uptime},
    hardware::{Doors, Fittings, Flash, FlashError, Geometry, Hardware, Sensors},
    locker::{BootError, Locker},
    output::{Connection, LocalAnswer, Notice, Output, Reason},
};
