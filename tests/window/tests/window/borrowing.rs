//! What a network lends: found, borrowed with and without a network, fetched, and given back for the next one.

use anyhow::{Result, ensure};
use postern_window_tests::{desk::Desk, world::World};

use crate::common::{SIGNED_OUT, signed_in};

/// Opens the sheet at what is lent.
fn look(desk: &Desk) -> Result<()> {
    desk.press("nav-find")?;
    desk.press("book")?;
    desk.press("book-what-borrow")
}

/// Fetches it or brings it back.
fn reach_in(world: &World, loan: &str, label: &str, what: &str) -> Result<()> {
    world.show(loan)?;
    world.open(label)?;
    world.cabinet.hand(label, what)?;
    world.cabinet.hand(label, "close")?;
    world.see("opening-phase", "[data-phase='closed']")?;
    ensure!(
        world.app()?.window.find("[data-testid='confirm-taken']")?.is_none(),
        "who borrows is asked whether everything was taken"
    );
    world.press("opening-done")?;
    world.see(&format!("card-{loan}"), "[data-state='held']").map(drop)
}

#[test]
fn a_shared_thing_is_borrowed_fetched_brought_back_and_free_for_the_next_one() -> Result<()> {
    let mut world = signed_in("borrowing")?;
    world.hub.lends(&world.cabinet, "B1", "drill", "Cordless drill", 48)?;
    world.hub.lends(&world.cabinet, "B2", "ladder", "Folding ladder", 5)?;
    let mut neighbour = world.beside("next")?;
    neighbour.start_app(SIGNED_OUT)?;
    neighbour.sign_in("Kim")?;

    look(&world)?;
    world.see("thing-drill", ":not(:disabled)")?;
    let offer = world.see("book-sheet", "")?;
    for words in ["Cordless drill", "2 days", "Folding ladder", "5 hours", "Lindenhof"] {
        ensure!(offer.contains(words), "nothing says {words}: {offer}");
    }
    world.press("thing-drill")?;
    world.press("book-send")?;
    let drill = world.reservation("Cordless drill")?;
    world.see(&format!("card-{drill}"), "[data-state='held']")?;

    // One has it, and the next one sees that.
    look(&neighbour)?;
    neighbour.see("thing-drill", ":disabled")?;
    let offer = neighbour.see("book-sheet", "")?;
    ensure!(offer.contains("On loan"), "that it is lent is not said: {offer}");
    neighbour.click("[data-testid='book-sheet'] .close")?;
    reach_in(&world, &drill, "B1", "take")?;

    // What is asked for with no network waits like any other wish.
    look(&world)?;
    world.see("thing-ladder", ":not(:disabled)")?;
    world.hub.stop();
    world.press("thing-ladder")?;
    world.press("book-send")?;
    world.press("nav-activity")?;
    world.see("outbox", " [data-what='borrow']")?;
    world.hub.restart(&world.desk.stage)?;
    world.press("nav-home")?;
    let ladder = world.reservation("Folding ladder")?;
    world.see(&format!("card-{ladder}"), "[data-state='held']")?;

    // Back behind the same door, and given back.
    reach_in(&world, &drill, "B1", "put")?;
    world.show(&drill)?;
    world.press("action-release")?;
    world.press("end-confirm")?;
    world.press("nav-home")?;
    world.see(&format!("card-{drill}"), "[data-state='released']")?;
    world.show(&drill)?;
    world.see("detail", "[data-state='released']")?;
    ensure!(
        world.app()?.window.find("[data-testid='open-gesture']")?.is_none(),
        "the door can still be opened"
    );

    look(&neighbour)?;
    neighbour.press("thing-drill")?;
    neighbour.press("book-send")?;
    let drill = neighbour.reservation("Cordless drill")?;
    neighbour.show(&drill)?;
    neighbour.gesture("open-gesture")?;
    neighbour.see("opening-phase", "[data-phase='opened']")?;
    ensure!(world.cabinet.is_open("B1")?, "the neighbour's app says opened, and the door is shut");
    world.cabinet.hand("B1", "take")?;
    world.cabinet.hand("B1", "close")?;
    neighbour.see("opening-phase", "[data-phase='closed']").map(drop)
}
