//! One module for each room. Each is a feature, so that one room's numbers are built without the others' peers.

#[cfg(feature = "air")]
mod air;
#[cfg(feature = "app")]
mod app;
#[cfg(feature = "hub")]
mod hub;
#[cfg(feature = "world")]
mod world;

use crate::bench::Bench;

/// Measures one room.
type Measure = fn(&mut Bench) -> anyhow::Result<()>;

/// In the order of the report.
pub(crate) const ROOMS: &[(&str, Measure)] = &[
    #[cfg(feature = "air")]
    ("air", air::measure),
    #[cfg(feature = "hub")]
    ("hub", hub::measure),
    #[cfg(feature = "app")]
    ("app", app::measure),
    #[cfg(feature = "world")]
    ("world", world::measure),
];
