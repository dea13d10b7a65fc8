//! What can go wrong before and around an opening: each has words in the window, and a way on that works.

use std::time::Duration;

use crate::common::{SIGNED_OUT, latches, problem, signed_in, world};
use anyhow::{Result, ensure};
use postern_window_tests::{stage::Keyring, world::PATIENCE};
use serde_json::json;

#[test]
fn hub_unreachable_says_so_and_sign_in_works_once_it_is_back() -> Result<()> {
    let mut world = world("hub-unreachable", Keyring::Unlocked)?;
    world.hub.stop();
    world.start_app(SIGNED_OUT)?;
    world.press("sign-in")?;
    problem(&world, "hubUnreachable")?;
    world.hub.restart(&world.desk.stage)?;
    world.sign_in("Robin")
}

#[test]
fn wrong_hub_is_recognised_before_anything_is_entrusted_to_it() -> Result<()> {
    let mut world = world("wrong-hub", Keyring::Unlocked)?;
    // Something else that answers to HTTP: the cabinet's panel.
    world.desk.settings.hub = world.cabinet.panel().to_owned();
    world.start_app(SIGNED_OUT)?;
    world.press("sign-in")?;
    problem(&world, "wrongHub").map(drop)
}

#[test]
fn without_a_keyring_nothing_is_kept_and_the_customer_is_asked_first() -> Result<()> {
    let mut world = world("keyring-absent", Keyring::Absent)?;
    world.start_app("[data-testid='no-keyring'][data-vault='absent']")?;
    world.press("use-memory-only")?;
    world.see("memory-only", "")?;
    world.sign_in("Robin")?;
    world.app = None;
    world.start_app("[data-testid='no-keyring'][data-vault='absent']").map(drop)
}

#[test]
fn a_locked_keyring_can_be_unlocked_and_tried_again() -> Result<()> {
    let mut world = world("keyring-locked", Keyring::Locked)?;
    world.start_app("[data-testid='no-keyring'][data-vault='locked']")?;
    world.stage.keyring(Keyring::Unlocked)?;
    world.press("retry-keyring")?;
    world.see("welcome", "[data-session='signedOut']")?;
    world.sign_in("Robin")
}

#[test]
fn a_browser_closed_in_the_middle_of_sign_in_can_be_given_up_on() -> Result<()> {
    let mut world = world("browser-closed", Keyring::Unlocked)?;
    world.start_app(SIGNED_OUT)?;
    world.press("sign-in")?;
    let address = world.handed_to_browser()?;
    world.browser()?.window.navigate(&address)?;
    world.browser = None;
    world.see("welcome", "[data-session='inBrowser']")?;
    let shown = world.see("sign-in-url", "")?;
    ensure!(shown.trim() == address, "the address to open by hand is {shown}, and the browser got {address}");
    world.press("cancel-sign-in")?;
    world.see("welcome", "[data-session='signedOut']")?;
    world.sign_in("Robin")
}

#[test]
fn a_second_instance_hands_over_to_the_first_and_ends() -> Result<()> {
    let mut world = world("second-instance", Keyring::Unlocked)?;
    world.start_app(SIGNED_OUT)?;
    world.hand_to_app(None)?;
    world.see("welcome", "[data-session='signedOut']").map(drop)
}

#[test]
fn a_locker_out_of_range_is_found_when_the_customer_has_come_nearer() -> Result<()> {
    let world = signed_in("out-of-range")?;
    world.cabinet.faults(&json!({ "air": { "silent": true } }))?;
    let parcel = world.reservation("Two paperbacks")?;
    world.show(&parcel)?;
    world.gesture("open-gesture")?;
    problem(&world, "outOfRange")?;
    ensure!(!world.cabinet.is_open("A2")?, "a door opened");
    world.cabinet.faults(&json!({ "air": { "silent": false } }))?;
    world.leave_opening()?;
    world.show(&parcel)?;
    world.open("A2").map(drop)
}

#[test]
fn a_busy_locker_is_said_to_be_busy_and_opens_when_it_is_free() -> Result<()> {
    let world = signed_in("locker-busy")?;
    let parcel = world.reservation("Two paperbacks")?;
    world.cabinet.faults(&json!({ "air": { "taken": true } }))?;
    world.show(&parcel)?;
    world.gesture("open-gesture")?;
    problem(&world, "lockerBusy")?;
    world.cabinet.faults(&json!({ "air": { "taken": false } }))?;
    world.leave_opening()?;
    world.show(&parcel)?;
    world.open("A2").map(drop)
}

#[test]
fn bluetooth_absent_or_off_has_words_and_other_ways_to_the_parcel() -> Result<()> {
    let world = signed_in("bluetooth-absent")?;
    let parcel = world.reservation("Two paperbacks")?;
    for state in ["absent", "off"] {
        world.cabinet.phones_adapter(state)?;
        world.press("nav-home")?;
        world.see("bluetooth-strip", &format!("[data-bluetooth='{state}']"))?;
        world.show(&parcel)?;
        // The PIN is there for the keypad, radio or not.
        let pin = world.see("pin", "")?;
        ensure!(pin.bytes().filter(u8::is_ascii_digit).count() == 8, "the PIN is {pin:?}");
    }
    world.cabinet.phones_adapter("on")?;
    world.show(&parcel)?;
    world.open("A2").map(drop)
}

#[test]
fn a_jammed_door_is_a_failure_and_not_an_opening() -> Result<()> {
    let world = signed_in("jammed")?;
    let parcel = world.reservation("Two paperbacks")?;
    let door = world.cabinet.door("A2")?["door"].to_string();
    world.cabinet.faults(&json!({ "doors": { door: { "jammed_pulses": 9 } } }))?;
    world.show(&parcel)?;
    world.gesture("open-gesture")?;
    problem(&world, "jammed")?;
    ensure!(!world.cabinet.is_open("A2")?, "the door opened");
    // Not collected: the receipt says that it jammed.
    world.leave_opening()?;
    world.see(&format!("card-{parcel}"), "[data-state='ready']").map(drop)
}

#[test]
fn what_was_missing_is_told_reported_and_not_asked_about_again() -> Result<()> {
    let world = signed_in("missing")?;
    let parcel = world.reservation("Two paperbacks")?;
    world.show(&parcel)?;
    world.open("A2")?;
    world.cabinet.hand("A2", "close")?;
    world.see("opening-phase", "[data-phase='closed']")?;
    world.press("confirm-missing")?;
    world.click("[data-testid='report-sheet'] input[value='empty']")?;
    world.press("report-send")?;
    let window = &world.app()?.window;
    let asked = "[data-testid='opening'] [data-testid='confirm-missing']";
    window.until("the question to be gone", PATIENCE, || Ok(window.find(asked)?.is_none().then_some(())))?;
    window.until("the operator to know", PATIENCE, || {
        let alarms = world.hub.alarms(&parcel)?;
        Ok(["disputed", "problem"].iter().all(|kind| alarms.iter().any(|one| one == kind)).then_some(()))
    })?;
    world.leave_opening()?;
    world.see(&format!("card-{parcel}"), "[data-state='opened']")?;
    // It was there after all.
    world.show(&parcel)?;
    world.press("confirm-taken")?;
    world.see(&format!("card-{parcel}"), "[data-state='collected']").map(drop)
}

#[test]
fn a_link_that_breaks_at_the_wrong_moment_is_told_as_it_is_and_found_out() -> Result<()> {
    let world = signed_in("link-lost")?;
    let parcel = world.reservation("Two paperbacks")?;
    // The locker hears OPEN, and nothing of its answer comes back.
    world.cabinet.faults(&json!({ "air": { "drop_after": { "direction": "to_phone", "frame": 2 } } }))?;
    world.show(&parcel)?;
    world.gesture("open-gesture")?;
    // Whether it says "may be open" first or has found out at once: in the end it says what is true.
    world
        .app()?
        .window
        .wait_for("[data-testid='opening-phase'][data-phase='opened']", Duration::from_secs(60))?;
    ensure!(world.cabinet.is_open("A2")?, "the app says opened, and the door is shut");
    let latch = latches(&world)?;
    ensure!(latch == 1, "the latch moved {latch} times");
    Ok(())
}
