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
mod root;
mod time;
pub mod view;

pub use root::{Config, Core};
pub use time::Now;
