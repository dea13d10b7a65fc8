//! The core in a small world: every test drives it by events alone and looks at effects and views alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod again;
mod care;
mod desk;
mod door;
mod homes;
mod hostile;
mod killed;
mod opening;
mod pictures;
mod rig;
mod session;
mod snapshots;
mod waiting;
mod wallet;
