//! Whether it is the customer who opens: the desktop asks, and where nobody can ask any more nothing opens.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use postern_window_tests::{
    desk::Desk,
    polkit::{Answer, Desktop, Polkit},
    stage::{Keyring, Person},
    world::PATIENCE,
};

use crate::common::{SIGNED_OUT, latches, world};

const POLICY: &str = "../../linux/app.postern.policy";
/// Each language with a word that only its way to say it has: to sign out.
const SIGN_OUT: [(&str, &str); 4] =
    [("de", "melde dich in den Einstellungen ab"), ("pl", "wyloguj"), ("uk", "вийдіть"), ("en", "sign out")];

/// Waits until this is said.
fn hears(desk: &Desk, word: &str) -> Result<()> {
    let window = &desk.app()?.window;
    window.until(&format!("words that say {word}"), PATIENCE, || {
        let Some(said) = window.find_shown("[data-testid='said']")? else { return Ok(None) };
        Ok(window.text_of(&said)?.contains(word).then_some(()))
    })
}

/// Waits until the customer was asked so often.
fn asked(desktop: &Desktop, times: usize) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while desktop.asked() < times {
        ensure!(Instant::now() < deadline, "asked {} times, not {times}", desktop.asked());
        thread::park_timeout(Duration::from_millis(20));
    }
    ensure!(desktop.asked() == times, "asked {} times, not {times}", desktop.asked());
    Ok(())
}

fn is_confirmed(desk: &Desk) -> Result<bool> {
    let window = &desk.app()?.window;
    let switch = window.wait_for("[data-testid='set-confirm']", PATIENCE)?;
    Ok(window.attribute(&switch, "aria-checked")?.as_deref() == Some("true"))
}

#[test]
fn the_desktop_is_asked_before_a_door_opens_and_where_nobody_can_ask_none_does() -> Result<()> {
    if !Polkit::is_possible() {
        eprintln!("left out: takes root, to be more than one person");
        return Ok(());
    }
    let world = world("presence", Keyring::Unlocked)?;
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join(POLICY);
    let polkit = Polkit::start(world.stage.logs(), &policy)?;
    let mut desk = world.beside_as(Person::NOBODY, "someone")?;
    desk.stage.use_system_bus(polkit.address());
    desk.start_app(SIGNED_OUT)?;
    desk.sign_in("Robin")?;
    let desktop = Desktop::of(desk.app()?.id()?, &polkit, Answer::Wrong)?;

    // Whoever wants to be asked shows once that they can answer.
    desk.press("nav-settings")?;
    ensure!(!is_confirmed(&desk)?, "asked for by nobody");
    desk.press("set-confirm")?;
    hears(&desk, "Not confirmed")?;
    asked(&desktop, 1)?;
    ensure!(!is_confirmed(&desk)?, "on, though nobody answered");
    desktop.answers(Answer::Right);
    desk.press("set-confirm")?;
    desk.see("set-confirm", "[aria-checked='true']")?;

    desk.press("nav-home")?;
    let books = desk.reservation("Two paperbacks")?;
    desk.show(&books)?;
    for (answer, times) in [(Answer::Wrong, 3), (Answer::NotNow, 4)] {
        desktop.answers(answer);
        desk.gesture("open-gesture")?;
        asked(&desktop, times)?;
        hears(&desk, "Not confirmed").with_context(|| format!("{answer:?}"))?;
    }
    ensure!(latches(&world)? == 0 && !world.cabinet.is_open("A2")?, "a door opened");
    desktop.answers(Answer::Right);
    desk.gesture("open-gesture")?;
    desk.see("opening-phase", "[data-phase='opened']")?;
    ensure!(world.cabinet.is_open("A2")?, "the app says opened, and door A2 is shut");
    world.cabinet.hand("A2", "close")?;
    desk.see("opening-phase", "[data-phase='closed']")?;
    desk.leave_opening()?;

    // Nobody can ask any more: it stays shut, and the words name the way out, whatever is spoken.
    desktop.end()?;
    desk.press("nav-settings")?;
    desk.press("set-confirm")?;
    hears(&desk, "sign out")?;
    ensure!(is_confirmed(&desk)?, "whoever finds this device can switch it off");
    for (language, word) in SIGN_OUT {
        desk.press("nav-settings")?;
        desk.press(&format!("set-language-{language}"))?;
        desk.app()?.window.wait_for(&format!("html[lang='{language}']"), PATIENCE)?;
        desk.show(&books)?;
        desk.gesture("open-gesture")?;
        hears(&desk, word)?;
    }
    ensure!(latches(&world)? == 1 && !world.cabinet.is_open("A2")?, "a door opened");

    // The way out: the passkey says who it is.
    desk.press("nav-settings")?;
    desk.press("sign-out")?;
    desk.press("confirm-end")?;
    desk.see("welcome", "[data-session='signedOut']")?;
    desk.press("sign-in")?;
    let address = desk.handed_to_browser()?;
    let window = &desk.browser()?.window;
    window.navigate(&address)?;
    let button = window.wait_for("#sign-in", PATIENCE)?;
    window.click(&button)?;
    desk.see("home", "[aria-busy='false']")?;
    desk.show(&books)?;
    desk.gesture("open-gesture")?;
    desk.see("opening-phase", "[data-phase='opened']")?;
    ensure!(world.cabinet.is_open("A2")?, "the app says opened, and door A2 is shut");
    Ok(())
}
