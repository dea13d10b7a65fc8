//! The story of one parcel (and of a second one with no network at all), told on the real window with real parts
//! around it.

use std::{path::Path, time::Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{
    parts::Air,
    stage::{Bluetooth, Keyring},
    transcript::Transcript,
    webdriver::Session,
    world::{Opened, PATIENCE, World},
};

/// Who signs in.
const NAME: &str = "Robin";
/// What the courier brings.
const FIRST: &str = "Running shoes";
/// What lies there already.
const SECOND: &str = "Two paperbacks";

/// Tells it in `folder`: pictures and `transcript.md` there, logs and data below. Returns the world as it stands at
/// the end.
///
/// # Errors
/// The first step that is not as it should be.
pub fn tell(folder: &Path, bluetooth: Bluetooth, air: &Air) -> Result<World> {
    let radio = match air {
        Air::Tcp => "TCP",
        Air::Bluetooth { .. } => "Bluetooth",
    };
    let mut transcript = Transcript::begin(folder, &format!("One parcel, collected end to end ({radio})"))?;
    let mut world = World::build(folder, Keyring::Unlocked, bluetooth, air)?;

    let cold = world.start_app("[data-testid='welcome'][data-session='signedOut']")?;
    transcript.fact("Cold start to a painted welcome", format!("{} ms", cold.as_millis()))?;
    signing_in(&mut world, &mut transcript)?;
    let first = deposit(&world, &mut transcript)?;
    codes(&world, &mut transcript, &first)?;
    let online = collection(&world, &mut transcript, &first, FIRST, "B3")?;
    proof(&world, &mut transcript, &first, "and the hub has it", true)?;
    timing(&mut transcript, "online", online)?;

    world.hub.stop();
    step(&mut transcript, &world, "The hub is stopped", || {
        world.press("nav-home")?;
        world.see("offline-strip", "")
    })?;
    let second = world.reservation(SECOND)?;
    let offline = collection(&world, &mut transcript, &second, SECOND, "A2")?;
    proof(&world, &mut transcript, &second, "and it waits for the hub", false)?;
    timing(&mut transcript, "with no network", offline)?;

    world.hub.restart(&world.desk.stage)?;
    proof(&world, &mut transcript, &second, "and now the hub has it", true)?;
    return_home(&mut world, &mut transcript)?;
    Ok(world)
}

fn step(
    transcript: &mut Transcript,
    world: &World,
    name: &str,
    act: impl FnOnce() -> Result<String>,
) -> Result<()> {
    transcript.step(name, window(world)?, act)
}

fn window(world: &World) -> Result<&Session> {
    Ok(&world.app()?.window)
}

fn signing_in(world: &mut World, transcript: &mut Transcript) -> Result<()> {
    step(transcript, world, "Signed out", || world.see("welcome", "[data-session='signedOut']"))?;
    step(transcript, world, "Sign in, in the system's browser", || {
        world.press("sign-in")?;
        world.see("welcome", "[data-session='inBrowser']")
    })?;
    let address = world.handed_to_browser()?;
    let hub = world.hub.url.clone();
    ensure!(address.starts_with(&hub), "the browser was sent to {address}, and not to the hub");
    let began = Instant::now();
    let farewell = world.create_account(&address, NAME)?;
    let took = began.elapsed();
    let browser = &world.browser.as_ref().context("no browser")?.window;
    transcript.step("A passkey, made in the browser", browser, || {
        Ok(format!(
            "the hub's page took the passkey; the browser says: {} ({} ms)",
            farewell.trim(),
            took.as_millis()
        ))
    })?;
    step(transcript, world, "Signed in, back in the window", || {
        let name = world.see("session-name", "")?;
        ensure!(name.contains(NAME), "the window greets {name:?}");
        Ok(name)
    })?;
    step(transcript, world, "Everything that is on its way, here, to return and to keep", || {
        let window = window(world)?;
        window.until("four reservations", PATIENCE, || {
            let text = window.text()?;
            let all = ["Heron Express", "Nordpost", FIRST, SECOND, "Winter jacket", "Flat 12 box"];
            Ok(all.iter().all(|word| text.contains(word)).then_some(()))
        })?;
        Ok("pickups from Heron Express and Nordpost, a return, a resident's compartment".to_owned())
    })
}

fn deposit(world: &World, transcript: &mut Transcript) -> Result<String> {
    let parcel = world.reservation(FIRST)?;
    let mut appeared = 0;
    step(transcript, world, "A courier's deposit appears by itself", || {
        world.see(&format!("card-{parcel}"), "[data-state='inTransit']")?;
        let door = world.cabinet.courier_deposits(&parcel)?;
        let began = Instant::now();
        world.see(&format!("card-{parcel}"), "[data-state='ready']")?;
        appeared = began.elapsed().as_millis();
        ensure!(appeared <= 1000, "it took {appeared} ms, more than a second");
        Ok(format!("put into door number {door}; in the list {appeared} ms after the courier's report"))
    })?;
    transcript.fact("From the courier's report to the list", format!("{appeared} ms"))?;
    step(transcript, world, "The parcel: door and deadline", || {
        world.show(&parcel)?;
        let door = world.see("detail-door", "")?;
        ensure!(door.trim() == "B3", "the door is {door}");
        let until = world.see("detail-deadline", "[data-until]")?;
        world.see("open-gesture", "")?;
        Ok(format!("door {}, {}", door.trim(), until.replace('\n', " ")))
    })?;
    Ok(parcel)
}

/// The codes, read from pictures of the window by zbar, in both themes.
fn codes(world: &World, transcript: &mut Transcript, parcel: &str) -> Result<()> {
    let jacket = world.reservation("Winter jacket")?;
    for theme in ["light", "dark"] {
        world.theme(theme)?;
        step(transcript, world, &format!("The opening code, {theme}"), || {
            world.show(parcel)?;
            let text = world.code("qr", "PO1:")?;
            ensure!(
                text.bytes().all(|byte| byte.is_ascii_uppercase() || b"0123456789 $%*+-./:".contains(&byte)),
                "not an alphanumeric code: {text}"
            );
            Ok(format!(
                "zbar reads {} characters from the picture: {}…",
                text.len(),
                &text[..text.len().min(16)]
            ))
        })?;
        step(transcript, world, &format!("The identification code of a return, {theme}"), || {
            world.show(&jacket)?;
            let text = world.code("qr-identification", &world.hub.url)?;
            // Application identifier 00: the SSCC, eighteen digits.
            let sscc =
                text.split_once("/00/").map(|(_, rest)| rest.split(['?', '/']).next().unwrap_or_default());
            let is_sscc =
                sscc.is_some_and(|sscc| sscc.len() == 18 && sscc.bytes().all(|byte| byte.is_ascii_digit()));
            ensure!(is_sscc, "not a GS1 Digital Link with an SSCC: {text}");
            Ok(format!("zbar reads {text}"))
        })?;
    }
    world.theme("light")
}

fn collection(
    world: &World,
    transcript: &mut Transcript,
    reservation: &str,
    title: &str,
    label: &str,
) -> Result<Opened> {
    let mut opened = None;
    step(transcript, world, &format!("{title}: in front of the cabinet"), || {
        world.show(reservation)?;
        world.see("open-gesture", "").map(|text| text.trim().to_owned())
    })?;
    step(transcript, world, &format!("{title}: the gesture opens {label}"), || {
        let took = world.open(label)?;
        opened = Some(took);
        Ok(format!(
            "door {label} stands open; latch after {} ms, receipt after {} ms",
            took.to_latch, took.to_receipt
        ))
    })?;
    step(transcript, world, &format!("{title}: taken and closed"), || {
        world.cabinet.hand(label, "take")?;
        world.cabinet.hand(label, "close")?;
        world.see("opening-phase", "[data-phase='closed']")
    })?;
    step(transcript, world, &format!("{title}: confirmed"), || {
        world.confirm(reservation)?;
        Ok("collected, by receipt and by the customer's word".to_owned())
    })?;
    opened.context("not opened")
}

fn proof(
    world: &World,
    transcript: &mut Transcript,
    reservation: &str,
    words: &str,
    delivered: bool,
) -> Result<()> {
    step(transcript, world, &format!("The receipt is verified, {words}"), || {
        world.press("nav-activity")?;
        let window = window(world)?;
        let count = window.until("a verified receipt", PATIENCE, || {
            let script = "return [...document.querySelectorAll(\"[data-testid^='receipt-']\")].map((one) => \
                [one.dataset.verified, one.dataset.delivered, one.dataset.outcome])";
            let receipts = window.run(script, &json!([]))?;
            let receipts = receipts.as_array().cloned().unwrap_or_default();
            let known = |outcome: &Value| {
                outcome == "opened" || outcome.as_str().is_some_and(|word| word.starts_with("closed"))
            };
            let verified = receipts.iter().all(|one| one[0] == "true" && known(&one[2]));
            let last = receipts.first().is_some_and(|one| one[1] == if delivered { "true" } else { "false" });
            Ok((verified && last).then_some(receipts.len()))
        })?;
        let cabinet = world.cabinet.state()?;
        let signed = cabinet["receipts"].as_array().cloned().unwrap_or_default();
        // The cabinet signs for the courier too, whose device is another one.
        let (couriers, ours): (Vec<_>, Vec<_>) = signed.iter().partition(|one| one["operation"] == "deposit");
        ensure!(count == ours.len(), "{count} receipts in the app, {} for it at the cabinet", ours.len());
        // The opening and its closing.
        ensure!(couriers.len() == 2, "{} receipts of deposits by couriers", couriers.len());
        ensure!(cabinet["chain_whole"] == true, "the cabinet's chain has a gap");
        Ok(format!(
            "{count} verified, of {} that the cabinet signed, the courier's among them (reservation {reservation})",
            signed.len()
        ))
    })
}

fn timing(transcript: &mut Transcript, when: &str, opened: Opened) -> Result<()> {
    transcript.fact(&format!("From gesture to latch, {when}"), format!("{} ms", opened.to_latch))?;
    transcript.fact(&format!("From gesture to receipt, {when}"), format!("{} ms", opened.to_receipt))
}

fn return_home(world: &mut World, transcript: &mut Transcript) -> Result<()> {
    // Closed and started again: still signed in, the list from the sealed store.
    world.app = None;
    let cold = world.start_app("[data-testid='home']")?;
    step(transcript, world, "Closed and started again: still signed in", || {
        let name = world.see("session-name", "")?;
        ensure!(name.contains(NAME), "the window greets {name:?}");
        world.reservation("Flat 12 box")?;
        Ok(name)
    })?;
    transcript.fact("Cold start to the list from the sealed store", format!("{} ms", cold.as_millis()))
}
