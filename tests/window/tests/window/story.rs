//! The story of issue one, on both radios, as `cargo xtask demo --headless` tells it.

use crate::common::folder;
use anyhow::Result;
use postern_window_tests::{parts::Air, radio::Adapters, stage::Bluetooth, story};

#[test]
fn a_parcel_is_collected_over_air_and_another_with_no_network() -> Result<()> {
    story::tell(&folder("story-air"), Bluetooth::None, &Air::Tcp).map(drop)
}

#[test]
fn a_parcel_is_collected_over_bluetooth_and_another_with_no_network() -> Result<()> {
    let adapters = Adapters::find()?;
    story::tell(&folder("story-ble"), adapters.bluetooth.clone(), &adapters.air).map(drop)
}
