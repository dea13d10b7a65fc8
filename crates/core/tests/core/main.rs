//! The core in a small world: every test drives it by events alone and looks at effects and views alone.

mod opening;
mod rig;
mod session;
