//! Hubs that take a connection and say nothing, and other networks than the one that the app came with.

use std::{
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use postern_window_tests::{
    parts::Hub,
    stage::Keyring,
    world::{PATIENCE, World},
};

use crate::common::{SIGNED_OUT, signed_in, world};

/// Longer than any answer is awaited.
const GIVEN_UP: Duration = Duration::from_secs(75);

/// Takes every connection, reads nothing and says nothing, until the test ends.
fn mute() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        let held: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        for stream in listener.incoming().flatten() {
            held.lock().expect("nobody panics here").push(stream);
        }
    });
    Ok(address)
}

/// A hub that the system no longer lets run: its connections are taken, and nobody answers.
struct Held(u32);

impl Held {
    fn hold(hub: &Hub) -> Result<Self> {
        signal("-STOP", hub.id())?;
        Ok(Self(hub.id()))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = signal("-CONT", self.0);
    }
}

fn signal(which: &str, process: u32) -> Result<()> {
    let sent = Command::new("kill").args([which, &process.to_string()]).status()?;
    ensure!(sent.success(), "kill {which} {process}: {sent}");
    Ok(())
}

/// Signs in at the hub of the world by its address, from the first screen.
fn sign_in_elsewhere(world: &mut World) -> Result<()> {
    let address = world.hub.url.clone();
    world.press_for("other-network", "[data-testid='network-sheet']")?;
    world.write("[data-testid='network-address']", &address)?;
    world.press("network-sign-in")?;
    let page = world.handed_to_browser()?;
    ensure!(page.starts_with(&address), "the browser was sent to {page}, and not to {address}");
    world.create_account(&page, "Robin")?;
    world.see("home", "[aria-busy='false']").map(drop)
}

#[test]
fn a_hub_that_never_answers_is_given_up_with_words_and_another_network_is_the_way_on() -> Result<()> {
    let mut world = world("hub-mute", Keyring::Unlocked)?;
    world.desk.settings.hub = mute()?;
    world.start_app(SIGNED_OUT)?;
    world.press("sign-in")?;
    let css = "[data-testid='problem'][data-code='hubUnreachable']";
    world.app()?.window.wait_for(css, GIVEN_UP)?;
    let words = world.see("problem", "")?;
    ensure!(words.trim().len() > 10, "no words: {words:?}");
    // The same button tries again, and this may be given up by hand.
    world.see("sign-in", "")?;
    sign_in_elsewhere(&mut world)?;
    world.reservation("Two paperbacks").map(drop)
}

#[test]
fn another_network_is_signed_in_at_opened_at_and_remembered_until_it_is_left() -> Result<()> {
    let mut world = world("another-network", Keyring::Unlocked)?;
    // The app came with a hub where nobody is at home.
    world.desk.settings.hub = "http://127.0.0.1:9".to_owned();
    world.start_app(SIGNED_OUT)?;
    sign_in_elsewhere(&mut world)?;
    let books = world.reservation("Two paperbacks")?;
    world.show(&books)?;
    world.open("A2")?;
    // It is where this session is, also for the next process.
    world.app = None;
    world.start_app("[data-testid='home'][aria-busy='false']")?;
    world.see(&format!("card-{books}"), "[data-state='opened']")?;
    // Signed out, it is still the network of this machine; and can be left.
    world.press("nav-settings")?;
    world.press_for("sign-out", "[data-testid='confirm-end']")?;
    world.press("confirm-end")?;
    world.see("welcome", "[data-session='signedOut']")?;
    let host = world.hub.url.trim_start_matches("http://").to_owned();
    let shown = world.see("sign-in-where", "")?;
    ensure!(shown.contains(&host), "the network is not named: {shown:?}");
    world.press_for("other-network", "[data-testid='network-sheet']")?;
    world.press("network-usual")?;
    world.app()?.window.until("the usual network", PATIENCE, || {
        Ok((!world.see("sign-in-where", "")?.contains(&host)).then_some(()))
    })
}

#[test]
fn a_hub_that_falls_silent_is_said_to_be_away_and_hinders_no_door() -> Result<()> {
    let world = signed_in("hub-silent")?;
    let books = world.reservation("Two paperbacks")?;
    world.show(&books)?;
    world.see("open-gesture", "")?;
    let held = Held::hold(&world.hub)?;
    // It is open before anybody noticed.
    world.open("A2")?;
    world.cabinet.hand("A2", "take")?;
    world.cabinet.hand("A2", "close")?;
    world.see("opening-phase", "[data-phase='closed']")?;
    world.confirm(&books)?;
    world.app()?.window.wait_for("[data-testid='offline-strip']", GIVEN_UP)?;
    world.press("nav-activity")?;
    world.see("outbox", "")?;
    // It goes on where it was, and hears what it missed.
    drop(held);
    let window = &world.app()?.window;
    window.until("the outbox to be empty", GIVEN_UP, || {
        Ok(window.find("[data-testid='outbox']")?.is_none().then_some(()))
    })
}
