//! The app without a window: runs the core's effects on tokio, with reqwest, the radio, the vault and the clocks.
//!
//! ```text
//! host ── Intent ──> Mind (core) ── Effect ──> Hands ──> hub, radio, vault, browser
//!  ^                  │   ^                      │
//!  └── View ──────────┘   └────── Event ─────────┘
//! ```
//!
//! Two tasks: one owns the core and never waits for the world, the other carries out effects in their order and never
//! decides. Nothing polls: without a timer of the core, a fact or an intent, no code runs.
//!
//! Architecture invariant: no secret and nothing of the customer's is ever logged; a log line has a `code` and at most
//! the error of a library that cannot contain either.
#![forbid(unsafe_code)]

mod browser;
mod clock;
pub mod diagnosis;
mod hands;
mod http;
mod options;
mod push;
mod radio;
mod redirect;
mod roots;
mod runtime;
mod task;

pub use browser::{Browser, SystemBrowser};
pub use options::{Options, OptionsError, SecretsChoice, device_name};
pub use postern_core::{effect, intent, view};
pub use postern_radio::{Radio, phone};
pub use postern_vault as vault;
pub use redirect::WayBack;
pub use roots::{BadCertificate, Roots};
pub use runtime::{Ended, Handle, Runtime, StartError};
