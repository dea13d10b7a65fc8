//! The opening code on the screen, read by the cabinet's own scanner.

use crate::common::signed_in;
use anyhow::{Result, ensure};

#[test]
fn the_code_on_the_screen_opens_the_door_at_the_scanner_once() -> Result<()> {
    let world = signed_in("scanner")?;
    let parcel = world.reservation("Two paperbacks")?;
    world.show(&parcel)?;
    let code = world.code("qr", "PO1:")?;
    world.cabinet.scan(&code)?;
    world.app()?.window.until("A2 to open", postern_window_tests::world::PATIENCE, || {
        Ok(world.cabinet.is_open("A2")?.then_some(()))
    })?;
    // Shut before its latch has let go, it would spring open again.
    world.app()?.window.until("the latch to be done", postern_window_tests::world::PATIENCE, || {
        let receipts = world.cabinet.state()?["receipts"].as_array().map_or(0, Vec::len);
        Ok((receipts == 1).then_some(()))
    })?;
    world.cabinet.hand("A2", "close")?;
    // A picture of it is worth nothing now.
    world.cabinet.scan(&code)?;
    let refused =
        world.app()?.window.until("the scanner to refuse", postern_window_tests::world::PATIENCE, || {
            Ok(world.cabinet.log()?.into_iter().rev().find(|entry| entry["what"] == "refused"))
        })?;
    ensure!(!world.cabinet.is_open("A2")?, "the copied code opened the door again: {refused}");
    Ok(())
}
