//! For tests: a real keyring daemon of its own, and what every implementation of the ports must do.

pub mod conformance;
#[cfg(target_os = "linux")]
mod daemon;

#[cfg(target_os = "linux")]
pub use daemon::{TestKeyring, in_keyring};
