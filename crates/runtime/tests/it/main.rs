//! The runtime as a whole: against a hub of a few lines (`bad_days`), and against the real hub, the real firmware, a
//! real browser and a real keyring (`story`).
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod bad_days;
mod chromium;
mod fake_hub;
mod faults;
mod parts;
mod stage;
mod story;
mod trust;
