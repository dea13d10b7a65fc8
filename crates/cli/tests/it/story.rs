//! A parcel collected from a terminal: real hub, real firmware, real browser, real keyring.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use postern_runtime::{Browser as _, vault::testing::TestKeyring};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    Shell,
    chromium::Chromium,
    parts::{Cabinet, Hub},
};

/// A customer's shell. Its browser is a program that takes the page down for the real one.
pub(crate) fn shell(
    keyring: &TestKeyring,
    folder: &Path,
    hub: &Hub,
    cabinet: &Cabinet,
    page: &Path,
) -> Shell {
    on_radio(keyring, folder, hub, &format!("air:{}", cabinet.air), page)
}

/// The same with a radio by name.
pub(crate) fn on_radio(keyring: &TestKeyring, folder: &Path, hub: &Hub, radio: &str, page: &Path) -> Shell {
    let opener = folder.join("browser");
    let script = format!("#!/bin/sh\nprintf %s \"$1\" > '{0}.new' && mv '{0}.new' '{0}'\n", page.display());
    std::fs::write(&opener, script).unwrap();
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    Shell::new(keyring.environment(), folder, &hub.url, radio)
        .with("BROWSER", opener.as_os_str())
        .with("TZ", "UTC")
}

pub(crate) fn sign_in(shell: &Shell, runtime: &Runtime, browser: &Chromium, page: &Path) {
    let signed_in = signed_in(shell, page, |url| runtime.block_on(browser.open(url)).unwrap());
    assert_eq!(signed_in["name"], "Ada Lovelace");
    assert_eq!(signed_in["reservations"], 4);
}

/// What the command says, once a person did with its page what `browse` does.
pub(crate) fn signed_in(shell: &Shell, page: &Path, browse: impl FnOnce(&str)) -> Value {
    let mut signing_in =
        shell.command(&["sign-in", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(signing_in.stderr.take().unwrap()).lines();
    let url = told
        .find_map(|line| line.unwrap().trim().strip_prefix("http").map(|rest| format!("http{rest}")))
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !page.exists() {
        assert!(Instant::now() < deadline, "no browser was opened");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(std::fs::read_to_string(page).unwrap(), url);
    browse(&url);
    let output = signing_in.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same with the firmware on a Cortex-M4: what a terminal opens is a door of the board.
#[test]
#[ignore = "needs the board's image and QEMU; cargo xtask platforms runs it"]
fn a_door_of_a_board_is_opened_from_a_terminal() {
    let runtime = Runtime::new().unwrap();
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let cabinet = Cabinet::on_board(folder.path(), &hub);
    let browser = runtime.block_on(Chromium::start());
    let page = folder.path().join("page");
    let shell = shell(&keyring, folder.path(), &hub, &cabinet, &page);
    sign_in(&shell, &runtime, &browser, &page);

    let doors = shell.run(&["open", "A2", "--yes", "--json"]).good().json();
    assert_eq!((&doors[0]["label"], &doors[0]["state"]), (&"A2".into(), &"opened".into()));
    eprintln!("gesture to receipt: {} ms", doors[0]["openedAfterMs"]);
    assert_eq!(shell.run(&["taken", "A2"]).good().out, "Two paperbacks: taken.\n");
    let receipts = shell.run(&["receipts", "--json"]).good().json();
    assert_eq!((&receipts[0]["verified"], &receipts[0]["delivered"]), (&true.into(), &true.into()));
    runtime.block_on(browser.end());
}

#[test]
fn a_parcel_is_collected_from_a_terminal() {
    let runtime = Runtime::new().unwrap();
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(folder.path());
    let cabinet = Cabinet::start(folder.path(), &hub);
    let browser = runtime.block_on(Chromium::start());

    let page = folder.path().join("page");
    let shell = shell(&keyring, folder.path(), &hub, &cabinet, &page);

    let doctor = shell.run(&["doctor"]).good();
    assert!(doctor.out.contains("one locker in range"), "{}", doctor.out);

    sign_in(&shell, &runtime, &browser, &page);

    let list = shell.run(&["list"]).good().out;
    for words in ["To collect", "To return", "My lockers", "Two paperbacks", "A2  Lindenhof 1", "on its way"]
    {
        assert!(list.contains(words), "{words}: {list}");
    }
    let parcels = shell.run(&["list", "--json"]).good().json();
    let books = parcels.as_array().unwrap().iter().find(|r| r["title"] == "Two paperbacks").unwrap();
    let id = books["id"].as_str().unwrap();
    assert!(shell.run(&["show", &id[..10]]).good().out.contains("Nordpost"));
    let number = books["reference"].as_str().unwrap();
    for typed in [number.to_lowercase(), format!("]C1{number}"), number[..6].to_owned()] {
        let by_number = shell.run(&["show", &typed]).good().out;
        assert!(by_number.contains("Two paperbacks") && by_number.contains(number), "{typed}: {by_number}");
    }
    assert_eq!(shell.run(&["show", "no such thing"]).code, 2);
    assert_eq!(shell.run(&["open", "A2"]).code, 2, "nobody can be asked, and --yes was not said");

    let png = folder.path().join("return.png");
    shell.run(&["qr", "Winter", "--png", png.to_str().unwrap()]).good();
    let text = shell.run(&["qr", "Winter", "--json"]).good().json()["text"].as_str().unwrap().to_owned();
    let read =
        std::process::Command::new("zbarimg").args(["-q", "--raw"]).arg(&png).output().expect("zbar-tools");
    assert_eq!(String::from_utf8(read.stdout).unwrap().trim(), text);

    // What opens a door at a scanner is another text each time, and it is what the picture says.
    let code = shell.run(&["qr", "A2", "--opening", "--json"]).good().json();
    assert_eq!(code["kind"], "opening");
    assert!(code["renewsAtMs"].as_i64().unwrap() > 0);
    let again = shell.run(&["qr", "A2", "--opening"]).good().out;
    assert!(!again.trim().is_empty() && again.trim() != code["text"]);
    assert_eq!(shell.run(&["qr", "A2"]).code, 2, "nothing identifies a parcel of this carrier");

    assert_eq!(shell.run(&["share", "Flat", "--name", "Ben", "--until", "yesterday"]).code, 2);
    let shared = shell.run(&["share", "Flat", "--name", "Ben", "--until", "2h", "--json"]).good().json();
    assert_eq!(shared["name"], "Ben");
    assert!(shared["link"].as_str().unwrap().starts_with(&hub.url), "{shared}");
    assert_eq!(shell.run(&["resolve", "A2"]).code, 2, "there is nothing to resolve");

    let opened = shell.run(&["open", "A2", "--yes", "--json"]).good();
    let doors = opened.json();
    assert_eq!(doors[0]["label"], "A2");
    assert_eq!(doors[0]["state"], "opened");
    eprintln!("gesture to receipt: {} ms", doors[0]["openedAfterMs"]);
    let door = runtime.block_on(cabinet.door("A2"));
    assert_eq!(door["open"], true);
    runtime.block_on(async {
        cabinet.hand("A2", "take").await;
        cabinet.hand("A2", "close").await;
    });
    // Something was forgotten inside.
    let again = shell.run(&["reopen", "A2", "--yes", "--json"]).good().json();
    assert_eq!((&again[0]["label"], &again[0]["state"]), (&"A2".into(), &"opened".into()));
    assert_eq!(runtime.block_on(cabinet.door("A2"))["open"], true);
    runtime.block_on(cabinet.hand("A2", "close"));
    assert_eq!(shell.run(&["taken", "A2"]).good().out, "Two paperbacks: taken.\n");
    let receipts = shell.run(&["receipts", "--json"]).good().json();
    let receipts = receipts.as_array().unwrap();
    let openings = receipts.iter().filter(|one| one["outcome"] == "opened").count();
    assert_eq!(openings, 2, "{receipts:?}");
    assert!(receipts.iter().all(|one| one["verified"] == true && one["delivered"] == true), "{receipts:?}");

    // With no hub the list is there, and says how old it may be.
    hub.kill();
    let offline = shell.run(&["list", "--all"]).good();
    assert!(offline.out.contains("Two paperbacks"), "{}", offline.out);
    assert!(offline.err.contains("cannot be reached"), "{}", offline.err);

    let signed_out = shell.run(&["sign-out", "--yes"]).good();
    assert!(signed_out.out.contains("forgotten"));
    assert_eq!(shell.run(&["list"]).code, 3);
    runtime.block_on(browser.end());
}
