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

pub use crate::{
    config::{Config, Keys, MAX_DOORS, Uptime},
    hardware::{Doors, Flash, FlashError, Geometry, Hardware, Sensors},
    locker::{BootError, Locker},
    output::{Connection, LocalAnswer, Notice, Output, Reason},
};
