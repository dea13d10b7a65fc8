//! What works with no network, what waits for one, and clocks that disagree.

use std::time::Duration;

use anyhow::{Result, ensure};
use postern_window_tests::{
    parts::Air,
    stage::{Bluetooth, Keyring},
    world::{PATIENCE, World},
};
use serde_json::json;

use crate::common::{SIGNED_OUT, folder, latches, problem, signed_in, world};

#[test]
fn what_was_done_offline_waits_goes_out_and_a_no_is_explained() -> Result<()> {
    let mut world = signed_in("waits")?;
    let books = world.reservation("Two paperbacks")?;
    world.hub.stop();
    // A later deadline, a way for somebody else: both wait, and say so.
    world.show(&books)?;
    world.press("action-extend")?;
    world.click("[data-testid='extend-sheet'] input[type='radio']")?;
    world.press("until-ask")?;
    world.press_for("action-share", "[data-testid='share-sheet']")?;
    world.write("[data-testid='share-name']", "Alex")?;
    world.click("[data-testid='share-sheet'] input[type='radio'][name$='-until']")?;
    world.press("share-make")?;
    world.see("share-waits", "")?;
    world.press("share-done")?;
    world.press("nav-activity")?;
    world.see("outbox", " [data-what='extend']")?;
    world.see("outbox", " [data-what='share']")?;
    // It outlives the app.
    world.app = None;
    world.start_app("[data-testid='offline-strip']")?;
    world.press("nav-activity")?;
    world.see("outbox", " [data-what='share']")?;

    // Meanwhile the operator allows no extension any more.
    world.hub.configure("[policy]\nextensions = 0\n")?;
    world.hub.restart(&world.desk.stage)?;
    world.show(&books)?;
    world.see("shares", " [data-state='offered']")?;
    world.press("nav-activity")?;
    let words = world.see("outbox", " [data-what='extend'] [data-code='limitReached']")?;
    ensure!(words.trim().len() > 20, "the refusal has no words: {words:?}");
    world.click("[data-testid='outbox'] [data-what='extend'] button")?;
    world.app()?.window.until("the outbox to be empty", Duration::from_secs(10), || {
        Ok(world.app()?.window.find("[data-testid='outbox']")?.is_none().then_some(()))
    })
}

#[test]
fn a_token_that_ended_with_no_network_is_told_and_renewed_once_there_is_one() -> Result<()> {
    let policy = "[policy]\nonline_token_minutes = 1\n";
    let folder = folder("token-expired");
    let mut world = World::build_with(&folder, Keyring::Unlocked, Bluetooth::None, &Air::Tcp, policy)?;
    world.hub.hears_from(&world.cabinet)?;
    world.start_app(SIGNED_OUT)?;
    world.sign_in("Robin")?;
    let books = world.reservation("Two paperbacks")?;
    world.show(&books)?;
    world.see("open-gesture", "")?;
    world.hub.stop();
    world.app()?.window.wait_for("[data-testid='needs-network']", Duration::from_secs(90))?;
    // The PIN knows no end but the reservation's.
    let pin = world.see("pin", "")?;
    ensure!(pin.bytes().filter(u8::is_ascii_digit).count() == 8, "the PIN is {pin:?}");
    // What would not work is not offered.
    let gesture = world.app()?.window.find("[data-testid='open-gesture']")?;
    ensure!(gesture.is_none(), "a gesture is offered that opens nothing");
    world.hub.restart(&world.desk.stage)?;
    world.click("[data-testid='offline-strip'] button")?;
    world.show(&books)?;
    let window = &world.app()?.window;
    window.until("the token to be renewed", PATIENCE, || {
        Ok(window.find("[data-testid='needs-network']")?.is_none().then_some(()))
    })?;
    world.open("A2").map(drop)
}

#[test]
fn a_wrong_clock_is_named_before_sign_in_and_hinders_no_opening_after_it() -> Result<()> {
    let mut world = world("clock-skew", Keyring::Unlocked)?;
    world.hub.hears_from(&world.cabinet)?;
    // The phone's clock is twenty minutes ahead of everybody else's.
    world.hub.set_ahead(-1200);
    world.hub.restart(&world.desk.stage)?;
    world.start_app(SIGNED_OUT)?;
    world.press("sign-in")?;
    let words = problem(&world, "clockSkew")?;
    ensure!(words.to_lowercase().contains("clock"), "the words do not name the clock: {words}");
    // Set right, as the words ask for: the same button works.
    world.hub.set_ahead(0);
    world.hub.restart(&world.desk.stage)?;
    world.sign_in("Robin")?;
    let books = world.reservation("Two paperbacks")?;
    world.show(&books)?;
    world.see("open-gesture", "")?;
    // Wrong again, by twenty minutes behind hub and cabinet: longer than a token lives. It is said, and the door opens.
    world.cabinet.faults(&json!({ "machine": { "clock_skew": 1200 } }))?;
    world.hub.set_ahead(1200);
    world.hub.restart(&world.desk.stage)?;
    let words = world.see("clock-skew", "")?;
    ensure!(words.contains("20"), "how much is not said: {words}");
    world.open("A2").map(drop)
}

#[test]
fn bluetooth_that_is_off_is_said_at_the_gesture_with_the_way_to_switch_it_on() -> Result<()> {
    let world = signed_in("bluetooth-off")?;
    let books = world.reservation("Two paperbacks")?;
    world.cabinet.phones_adapter("off")?;
    world.show(&books)?;
    world.see("bluetooth-strip", "[data-bluetooth='off'] button")?;
    world.gesture("open-gesture")?;
    problem(&world, "bluetoothOff")?;
    world.see("opening-pin", "")?;
    world.cabinet.phones_adapter("on")?;
    world.leave_opening()?;
    world.show(&books)?;
    world.open("A2").map(drop)
}

#[test]
fn power_that_fails_at_the_locker_is_never_told_as_more_than_is_known() -> Result<()> {
    let world = signed_in("power-cut")?;
    let books = world.reservation("Two paperbacks")?;
    // In the middle of what the locker writes once the latch was driven.
    world
        .cabinet
        .faults(&json!({ "machine": { "power_cut": { "write": 2, "bytes": 5, "dark_ms": 2500 } } }))?;
    world.show(&books)?;
    world.gesture("open-gesture")?;
    let window = &world.app()?.window;
    let end = window.until("an end", Duration::from_secs(60), || {
        let known = "[data-testid='opening-phase']:is([data-phase='opened'], [data-phase='failed'])";
        let ends = [(known, true), ("[data-testid='resolve-opening']", false)];
        for (css, is_known) in ends {
            if window.find(css)?.is_some() {
                return Ok(Some(is_known));
            }
        }
        Ok(None)
    })?;
    let open = world.cabinet.is_open("A2")?;
    ensure!(latches(&world)? == 1, "the latch moved {} times", latches(&world)?);
    ensure!(open, "the latch moved, and the door is shut");
    if end {
        world.see("opening-phase", "[data-phase='opened']")?;
    } else {
        // The words send the customer to look.
        let words = world.see("opening-phase", "[data-phase='mayBeOpen']")?;
        ensure!(words.contains("A2"), "the door is not named: {words}");
    }
    world.cabinet.hand("A2", "take")?;
    world.cabinet.hand("A2", "close")?;
    world.leave_opening()?;
    world.show(&books)?;
    world.press("confirm-taken")?;
    world.see(&format!("card-{books}"), "[data-state='collected']").map(drop)
}
