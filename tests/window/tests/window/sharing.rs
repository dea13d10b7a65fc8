//! Access for somebody else: by a link, taken back, in person with no network; and a device that is no longer one's own.

use anyhow::{Context, Result, ensure};
use postern_window_tests::{
    desk::Desk,
    world::{PATIENCE, World},
};

use crate::common::{SIGNED_OUT, signed_in};

/// Opens the sheet, says whom and until when, and asks for what `way` says.
fn share(world: &World, reservation: &str, name: &str) -> Result<()> {
    world.show(reservation)?;
    world.press_for("action-share", "[data-testid='share-sheet']")?;
    world.write("[data-testid='share-name']", name)?;
    world.click("[data-testid='share-sheet'] input[type='radio'][name$='-until']")
}

/// The link that the app hands out for a share of this reservation.
fn link(world: &World, reservation: &str, name: &str) -> Result<String> {
    share(world, reservation, name)?;
    world.press("share-make")?;
    let link = world.see("share-link", "")?.trim().to_owned();
    let code = world.code("share-qr", &world.hub.url)?;
    ensure!(code == link, "the code says {code}, the words say {link}");
    world.press("share-done")?;
    Ok(link)
}

/// What the hub's page behind a claim link hands to the system for the app.
fn behind(desk: &mut Desk, link: &str) -> Result<String> {
    let window = &desk.browser()?.window;
    window.navigate(link)?;
    let button = window.wait_for("#open", PATIENCE)?;
    let href = window.attribute(&button, "href")?;
    href.filter(|href| href.starts_with("postern://")).context("the page leads nowhere")
}

/// Follows a claim link as somebody without an account does.
fn as_guest(desk: &mut Desk, link: &str) -> Result<()> {
    let handed = behind(desk, link)?;
    desk.hand_to_app(Some(&handed))?;
    let address = desk.handed_to_browser()?;
    let window = &desk.browser()?.window;
    window.navigate(&address)?;
    let button = window.wait_for("#guest", PATIENCE)?;
    window.click(&button)?;
    desk.see("home", "[aria-busy='false']").map(drop)
}

#[test]
fn a_guest_collects_by_link_and_nobody_collects_by_a_link_taken_back() -> Result<()> {
    let world = signed_in("share")?;
    let books = world.reservation("Two paperbacks")?;
    let mut guest = world.beside("guest")?;
    guest.start_app(SIGNED_OUT)?;

    // Taken up, and taken back before the door was opened.
    let first = link(&world, &books, "Alex")?;
    as_guest(&mut guest, &first)?;
    ensure!(guest.reservation("Two paperbacks")? == books, "the guest sees something else");
    guest.show(&books)?;
    guest.see("open-gesture", "")?;
    ensure!(!guest.app()?.window.text()?.contains("Winter jacket"), "the guest sees more than was shared");
    world.see("shares", " [data-state='accepted']")?;
    world.press("share-revoke")?;
    guest.app()?.window.until("the parcel to vanish from the guest's list", PATIENCE, || {
        let card = guest.app()?.window.find(&format!("[data-testid='card-{books}']"))?;
        Ok(card.is_none().then_some(()))
    })?;
    ensure!(!world.cabinet.is_open("A2")?, "the door opened");

    // The link itself is worth nothing any more.
    let window = &guest.browser()?.window;
    window.navigate(&first)?;
    window.wait_for("h1", PATIENCE)?;
    ensure!(window.find("#open")?.is_none(), "the page still leads to the app");

    // Another one, for somebody else on the same machine.
    guest.press("nav-settings")?;
    guest.press("sign-out")?;
    guest.press("confirm-end")?;
    guest.see("welcome", "[data-session='signedOut']")?;
    let second = link(&world, &books, "Kim")?;
    as_guest(&mut guest, &second)?;
    guest.show(&books)?;
    guest.gesture("open-gesture")?;
    guest.see("opening-phase", "[data-phase='opened']")?;
    ensure!(world.cabinet.is_open("A2")?, "the guest's app says opened, and the door is shut");
    world.cabinet.hand("A2", "take")?;
    world.cabinet.hand("A2", "close")?;
    guest.see("opening-phase", "[data-phase='closed']")?;
    guest.press("confirm-taken")?;
    guest.leave_opening()?;
    // The owner hears of it by the guest's receipt.
    world.press("nav-home")?;
    world.see(&format!("card-{books}"), ":is([data-state='opened'], [data-state='collected'])").map(drop)
}

#[test]
fn a_device_that_was_removed_forgets_everything_and_says_so() -> Result<()> {
    let mut world = signed_in("revoked")?;
    let books = world.reservation("Two paperbacks")?;
    let mut other = world.beside("other")?;
    other.start_app(SIGNED_OUT)?;
    other.press("sign-in")?;
    let address = other.handed_to_browser()?;
    // The same passkey, in the browser that has it.
    let window = &world.browser()?.window;
    window.navigate(&address)?;
    let button = window.wait_for("#sign-in", PATIENCE)?;
    window.click(&button)?;
    other.see("home", "[aria-busy='false']")?;
    ensure!(other.reservation("Two paperbacks")? == books, "the second device sees something else");

    other.press("nav-settings")?;
    other.click("[data-testid^='device-'] button")?;
    other.press("confirm-end")?;
    let words = world.see("revoked", "")?;
    ensure!(words.len() > 40, "said too little: {words:?}");
    let page = world.app()?.window.text()?;
    ensure!(!page.contains("Two paperbacks"), "something is left on the screen: {page}");
    // Nothing is left on the disk either: after a restart nobody is signed in and nothing is shown.
    world.app = None;
    world.start_app(SIGNED_OUT)?;
    // And the way on works.
    world.press("sign-in")?;
    let address = world.handed_to_browser()?;
    let window = &world.browser()?.window;
    window.navigate(&address)?;
    let button = window.wait_for("#sign-in", PATIENCE)?;
    window.click(&button)?;
    world.see("home", "[aria-busy='false']")?;
    world.reservation("Two paperbacks").map(drop)
}

#[test]
fn access_passes_from_device_to_device_with_no_network_at_all() -> Result<()> {
    let mut world = signed_in("in-person")?;
    let books = world.reservation("Two paperbacks")?;
    world.show(&books)?;
    world.see("open-gesture", "")?;
    let mut guest = world.beside("neighbour")?;
    guest.start_app(SIGNED_OUT)?;
    guest.sign_in("Kim")?;
    world.hub.stop();

    guest.press("nav-settings")?;
    // What the platform can do is asked for, and what it can moves the rest down.
    guest.see("set-autostart", "")?;
    guest.press("show-invitation")?;
    let invitation = guest.code("invitation-qr", "PI1:")?;
    share(&world, &books, "Kim")?;
    world.click("[data-testid='share-sheet'] input[value='inPerson']")?;
    world.write("[data-testid='share-sheet'] textarea", &invitation)?;
    world.press("share-make")?;
    let access = world.code("share-qr", "PA1:")?;
    guest.write("[data-testid='invitation-sheet'] textarea", &access)?;
    guest.click("[data-testid='invitation-sheet'] button[type='submit']")?;
    guest.see("notice", "[data-code='accessTaken']")?;

    guest.press("nav-home")?;
    let window = &guest.app()?.window;
    let given = window.until("the access in the guest's list", PATIENCE, || {
        let script = "const card = document.querySelector(\"[data-testid^='card-in-person']\"); return card && card.dataset.testid";
        Ok(window.run(script, &serde_json::json!([]))?.as_str().map(str::to_owned))
    })?;
    guest.press(&given)?;
    guest.gesture("open-gesture")?;
    guest.see("opening-phase", "[data-phase='opened']")?;
    ensure!(world.cabinet.is_open("A2")?, "the guest's app says opened, and the door is shut");
    world.cabinet.hand("A2", "take")?;
    world.cabinet.hand("A2", "close")?;
    guest.see("opening-phase", "[data-phase='closed']").map(drop)
}
