//! What a customer has, sees and may do. Sans-IO: events in, effects out; time and randomness are arguments.
//!
//! ```text
//! intents ─┐                             ┌─> effects (HTTP, radio, sign, save, browser, notify)
//!          ├─> handle(event, now, rng) ──┤
//! facts  ──┘                             └─> view()
//! ```
#![forbid(unsafe_code)]

pub mod effect;
pub mod event;
pub mod intent;
pub mod view;

mod cx;
mod desk;
mod finder;
mod habits;
mod homes;
mod lending;
mod line;
mod lookup;
mod nearby;
mod network;
mod notices;
mod opening_code;
mod outbox;
mod qr;
mod receipts;
mod reminders;
mod root;
mod session;
mod sharing;
mod shelf;
mod sign_in;
mod store;
mod sync;
mod text;
mod time;
mod unlock;
mod wallet;

pub use root::{Config, Core, Glance, Offer};
pub use time::Now;
