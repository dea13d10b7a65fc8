//! What a customer does at the cabinet, from the first touch to the proof.

use anyhow::{Context, Result, ensure};
use postern_window_tests::world::{PATIENCE, World};
use serde_json::json;

use crate::common::{latches, latches_after, newest, signed_in};

/// One customer, one afternoon, one stage: each journey begins where the one before has ended, as in life.
#[test]
fn a_return_three_parcels_and_a_compartment_in_one_afternoon() -> Result<()> {
    let world = signed_in("afternoon")?;
    drops_off_a_return(&world).context("a return is dropped off and proven")?;
    books_a_return(&world).context("another return is booked by its code, and a door is kept for it")?;
    collects_three(&world).context("three parcels by one gesture, one after the other")?;
    uses_the_own_compartment(&world).context("a resident's compartment, twice")
}

/// The door opens empty, something is put in, and the locker's signature says so.
fn drops_off_a_return(world: &World) -> Result<()> {
    let jacket = world.reservation("Winter jacket")?;
    world.show(&jacket)?;
    world.open("C1")?;
    world.cabinet.hand("C1", "put")?;
    world.cabinet.hand("C1", "close")?;
    world.see("opening-phase", "[data-phase='closed']")?;
    world.leave_opening()?;
    // The hub has the receipt within a moment, and then nobody has to say more.
    world.see(&format!("card-{jacket}"), "[data-state='deposited']")?;
    receipts(world, 1)
}

/// By the carrier's code: the hub keeps a door of the size, and says which.
fn books_a_return(world: &World) -> Result<()> {
    world.press("nav-find")?;
    world.press("book")?;
    world.write("[data-testid='return-code']", "RT-4711")?;
    world.click("[data-testid='book-sheet'] input[type='radio'][name$='-site']:not(:disabled)")?;
    world.press("book-send")?;
    let booked = world.reservation("RT-4711")?;
    world.show(&booked)?;
    let label = world.see("detail-door", "")?;
    world.open(label.trim())?;
    world.cabinet.hand(label.trim(), "put")?;
    world.cabinet.hand(label.trim(), "close")?;
    world.see("opening-phase", "[data-phase='closed']")?;
    world.leave_opening()?;
    world.see(&format!("card-{booked}"), "[data-state='deposited']")?;
    receipts(world, 2)
}

/// The banner offers what is here; the doors open one after the other, each when the one before is closed.
fn collects_three(world: &World) -> Result<()> {
    let shoes = world.reservation("Running shoes")?;
    let books = world.reservation("Two paperbacks")?;
    let number = world.customer_number()?;
    world.press("nav-home")?;
    let teapot = world.hub.dispatches(&number, "Teapot")?;
    for parcel in [&shoes, &teapot] {
        world.cabinet.courier_deposits(parcel)?;
    }
    // Lockers are listened for by those who want that.
    world.press("nav-settings")?;
    world.press("set-nearby")?;
    world.press("nav-home")?;
    let window = &world.app()?.window;
    window.until("the banner to offer all three", PATIENCE, || {
        let banner = window.find("[data-testid='nearby']")?;
        let text = banner.map(|banner| window.text_of(&banner)).transpose()?.unwrap_or_default();
        let all = ["Running shoes", "Two paperbacks", "Teapot"];
        Ok(all.iter().all(|title| text.contains(title)).then_some(()))
    })?;
    let before = newest(world)?;
    world.gesture("open-nearby")?;
    let mut opened = Vec::new();
    for number in 1..=3 {
        let label = window.until(&format!("door {number} to be open, and shown"), PATIENCE, || {
            // The next door follows by itself within the gesture's half minute; after that it takes a new one.
            if window.find("[data-testid='continue-opening']")?.is_some() {
                world.gesture("continue-opening")?;
            }
            let script = "return [...document.querySelectorAll(\"[data-testid^='opening-door-'][data-state='opened']\")]\
                .map((door) => door.querySelector('.label').innerText.trim())";
            let shown = window.run(script, &json!([]))?;
            let label = shown[0].as_str().unwrap_or_default().to_owned();
            Ok((!label.is_empty() && !opened.contains(&label)).then_some(label))
        })?;
        ensure!(world.cabinet.is_open(&label)?, "the app says that {label} is open, and it is not");
        ensure!(latches_after(world, before)? == number, "more than one door opened at a time");
        world.cabinet.hand(&label, "take")?;
        world.cabinet.hand(&label, "close")?;
        opened.push(label);
    }
    world.see("opening-phase", "[data-phase='closed']")?;
    // The last is asked about at once, the others where they are listed.
    world.press("confirm-taken")?;
    world.leave_opening()?;
    for parcel in [&shoes, &books, &teapot] {
        world.show(parcel)?;
        if let Some(asked) = window.find("[data-testid='detail'] [data-testid='confirm-taken']")? {
            window.click(&asked)?;
        }
        world.see(&format!("card-{parcel}"), "[data-state='collected']")?;
    }
    receipts(world, 5)
}

/// It is the resident's for as long as it is held: it opens again and again, and nobody asks what was taken.
fn uses_the_own_compartment(world: &World) -> Result<()> {
    let flat = world.reservation("Flat 12 box")?;
    for what in ["put", "take"] {
        world.show(&flat)?;
        world.open("D2")?;
        world.cabinet.hand("D2", what)?;
        world.cabinet.hand("D2", "close")?;
        world.see("opening-phase", "[data-phase='closed']")?;
        ensure!(
            world.app()?.window.find("[data-testid='confirm-taken']")?.is_none(),
            "the resident is asked whether everything was taken"
        );
        world.press("opening-done")?;
        world.see(&format!("card-{flat}"), "[data-state='held']")?;
    }
    receipts(world, 7)
}

/// So many openings are in the app, all verified, all with the hub; and the cabinet signed no others.
fn receipts(world: &World, count: usize) -> Result<()> {
    world.press("nav-activity")?;
    let window = &world.app()?.window;
    window.until(&format!("{count} receipts, verified and delivered"), PATIENCE, || {
        let script = "return [...document.querySelectorAll(\"[data-testid^='receipt-']\")].map((one) => \
            one.dataset.verified + one.dataset.delivered + one.dataset.outcome)";
        let shown = window.run(script, &json!([]))?;
        let shown = shown.as_array().cloned().unwrap_or_default();
        // Each opening has the receipt of its closing behind it, as far as that has come.
        let opened = shown.iter().filter(|one| *one == "truetrueopened").count();
        let told = |one: &serde_json::Value| one.as_str().is_some_and(|one| one.starts_with("truetrue"));
        Ok((opened == count && shown.iter().all(told)).then_some(()))
    })?;
    ensure!(world.cabinet.state()?["chain_whole"] == true, "the cabinet's chain has a gap");
    world.press("nav-home")
}

#[test]
fn the_nearest_door_is_one_key_away_from_anywhere_and_opens_by_the_gesture_alone() -> Result<()> {
    let world = signed_in("nearest")?;
    let window = &world.app()?.window;
    let asked = |how: &str| {
        window.until(&format!("the gesture to be next after {how}"), PATIENCE, || {
            let focused = window.run("return document.activeElement?.dataset.testid", &json!([]))?;
            Ok((focused == "open-nearby").then_some(()))
        })
    };
    world.press("nav-settings")?;
    let script = "dispatchEvent(new KeyboardEvent('keydown', { key: 'o', ctrlKey: true }))";
    window.run(script, &json!([]))?;
    asked("the key")?;
    world.press("nav-activity")?;
    world.hand_to_app(Some("postern://nearest"))?;
    asked("the launcher's link")?;
    ensure!(latches(&world)? == 0, "a door opened with no gesture");
    Ok(())
}

#[test]
fn a_door_that_fell_shut_opens_again_within_the_operators_minutes() -> Result<()> {
    let world = signed_in("reopen")?;
    let parcel = world.reservation("Two paperbacks")?;
    world.show(&parcel)?;
    world.open("A2")?;
    world.cabinet.hand("A2", "close")?;
    world.see("opening-phase", "[data-phase='closed']")?;
    world.gesture("reopen-gesture")?;
    world.see("opening-phase", "[data-phase='opened']")?;
    ensure!(world.cabinet.is_open("A2")?, "the app says opened, and the door is shut");
    world.cabinet.hand("A2", "take")?;
    world.cabinet.hand("A2", "close")?;
    world.see("opening-phase", "[data-phase='closed']")?;
    // Left, and thought better of: from the list as well.
    world.leave_opening()?;
    world.show(&parcel)?;
    world.open("A2")?;
    world.cabinet.hand("A2", "close")?;
    world.see("opening-phase", "[data-phase='closed']")?;
    world.confirm(&parcel)?;
    ensure!(latches(&world)? == 3, "the latch moved {} times", latches(&world)?);
    Ok(())
}
