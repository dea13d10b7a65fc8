//! What a customer wishes of the hub from a terminal, and what a terminal must say right wherever it stands.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use postern_runtime::{Browser as _, vault::testing::TestKeyring};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    Shell,
    chromium::Chromium,
    parts::{Cabinet, Hub},
    story,
};

/// A proxy that lets nothing through and counts who asks.
fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            counter.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
        }
    });
    (url, asked)
}

#[test]
fn a_couriers_code_for_this_machine_goes_through_no_proxy() {
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let (url, asked) = proxy();
    let runtime = Runtime::new().unwrap();
    let code = runtime.block_on(hub.new_courier("Cart 7"));
    let shell = Shell::new(keyring.environment(), folder.path(), &hub.url, "air:127.0.0.1:9")
        .with("http_proxy", &url)
        .with("ALL_PROXY", &url);
    shell.run(&["courier", "sign-in", &code]).good();
    shell.run(&["courier", "tasks"]).good();
    assert_eq!(asked.load(Ordering::Relaxed), 0, "the proxy was told of what is for this machine");
    // What is for elsewhere may go through it, and the doctor says so.
    let elsewhere =
        Shell::new(keyring.environment(), folder.path(), "https://hub.example", "air:127.0.0.1:9")
            .with("https_proxy", url.replace("http://", "http://ada:secret@"));
    let doctor = elsewhere.run(&["doctor"]);
    assert!(doctor.out.contains(&format!("through the proxy {url} (https_proxy)")), "{}", doctor.out);
    assert!(!doctor.out.contains("secret"), "{}", doctor.out);
}

#[test]
fn what_a_package_puts_beside_the_program_is_printed_without_a_profile() {
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell::new(Vec::new(), folder.path(), "http://localhost:9", "wifi");
    for shell_name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = shell.run(&["completions", shell_name]).good().out;
        assert!(script.contains("in-person") && script.contains("until-closed"), "{shell_name}");
    }
    let script = shell.run(&["completions", "bash"]).good().out;
    let read = std::process::Command::new("bash").args(["-n", "-c", &script]).status().unwrap();
    assert!(read.success(), "bash cannot read it");
    assert!(shell.run(&["man"]).good().out.contains(".TH postern 1"));
    let pages = folder.path().join("man1");
    shell.run(&["man", "--folder", pages.to_str().unwrap()]).good();
    let names: Vec<_> = std::fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for page in ["postern.1", "postern-open.1", "postern-in-person-give.1", "postern-courier-deposit.1"] {
        assert!(names.iter().any(|name| name == page), "{page} in {names:?}");
    }
    let help = shell.run(&["--help"]).good().out;
    assert!(help.contains("Examples:") && help.contains("Exit codes:") && help.contains("--hub"), "{help}");
    assert!(shell.run(&["report", "--help"]).good().out.contains("door-stuck"));
    // Nobody listens to the end.
    let mut head =
        shell.command(&["completions", "zsh"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(head.stdout.take());
    let mut said = String::new();
    head.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(head.wait().unwrap().success() && said.is_empty(), "{said}");
}

/// A PNG of one white pixel.
const PIXEL: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0,
    1, 8, 0, 0, 0, 0, 0x3A, 0x7E, 0x9B, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9C, 0x63, 0xF8,
    0x0F, 0, 0x01, 0x01, 0x01, 0, 0x1B, 0xB6, 0xEE, 0x56, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42,
    0x60, 0x82,
];

#[test]
fn everything_that_a_customer_may_wish_is_a_command() {
    let runtime = Runtime::new().unwrap();
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(folder.path());
    let cabinet = Cabinet::start(folder.path(), &hub);
    let browser = runtime.block_on(Chromium::start());
    let page = folder.path().join("page");
    let shell = story::shell(&keyring, folder.path(), &hub, &cabinet, &page);
    story::sign_in(&shell, &runtime, &browser, &page);

    says_the_time_where_it_is(&shell, &keyring, folder.path(), &hub, &cabinet, &page);
    shows_ids_that_can_be_typed(&shell);

    // What cannot be opened yet is said at once.
    let asked = Instant::now();
    let early = shell.run(&["open", "Running", "--yes"]);
    assert_eq!(early.code, 6, "{}", early.err);
    assert!(early.err.contains("not there yet"), "{}", early.err);
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert!(shell.run(&["reopen", "A2", "--yes"]).err.contains("was not opened yet"));

    // Another hub's things are not shown by mistake.
    let other = shell.run(&["list", "--hub", "https://hub.example"]);
    assert_eq!(other.code, 2, "{}", other.err);
    assert!(other.err.contains("signed in at"), "{}", other.err);
    shell.run(&["list", "--hub", &hub.url]).good();

    let found = shell.run(&["find", "linden", "--json"]).good().json();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["id"]), (1, &"lindenhof".into()));
    let near = shell.run(&["find", "--near", "52.51,13.45", "--size", "s"]).good().out;
    assert!(
        near.contains("Lindenhof") && near.contains("open at all hours") && near.contains(" m "),
        "{near}"
    );
    assert!(shell.run(&["find", "Atlantis"]).good().out.contains("No site"));
    assert_eq!(shell.run(&["find", "--near", "north"]).code, 2);

    changes_what_it_has(&shell, &folder.path().join("photo.png"));
    // The operator reads it by the documented interface, and Ada what is answered.
    assert_eq!(runtime.block_on(hub.answer_reports("Thank you. We look at it today.")), 1);
    let shown = shell.run(&["show", "A2"]).good().out;
    let report = shown.split_once("Report, solved").expect(&shown).1;
    for words in ["damaged", "A corner is wet.", "Postern", "Thank you. We look at it today."] {
        assert!(report.contains(words), "{words}: {report}");
    }
    books_and_gives_back(&shell);
    passes_on_and_takes_back(&shell, &keyring, folder.path(), &hub, &cabinet, &runtime, &browser);

    // What needs the hub and cannot reach it says so, is kept, and goes out later.
    hub.kill();
    let offline = shell.run(&["extend", "A2", "--until", "4d", "--json"]);
    assert_eq!((offline.code, &offline.json()["error"]["code"]), (4, &"offline".into()), "{}", offline.err);
    assert!(shell.run(&["list"]).out.contains("waiting for the network"));
    assert_eq!(shell.run(&["find", "linden"]).code, 4);
    hub.restart();
    let receipts = shell.run(&["receipts"]);
    assert_eq!(receipts.code, 0, "{}", receipts.err);
    assert!(!shell.run(&["list"]).good().out.contains("waiting"), "it went out with the next command");
    runtime.block_on(browser.end());
}

fn says_the_time_where_it_is(
    shell: &Shell,
    keyring: &TestKeyring,
    folder: &std::path::Path,
    hub: &Hub,
    cabinet: &Cabinet,
    page: &std::path::Path,
) {
    let list = shell.run(&["list", "--json"]).good().json();
    let books = list.as_array().unwrap().iter().find(|r| r["title"] == "Two paperbacks").unwrap();
    let until = books["until"].as_i64().unwrap();
    for (zone, offset, suffix) in
        [("Asia/Tokyo", 9 * 3600, " JST"), ("UTC", 0, " UTC"), ("Nowhere/Land", 0, " UTC")]
    {
        let there = story::shell(keyring, folder, hub, cabinet, page).with("TZ", zone);
        let shown = there.run(&["list", "--cached"]).good().out;
        let minutes = (until + offset).rem_euclid(86_400) / 60;
        let clock = format!("{:02}:{:02}{suffix} (in", minutes / 60, minutes % 60);
        assert!(shown.contains(&clock), "{zone}: {clock} in {shown}");
    }
    let lost = story::shell(keyring, folder, hub, cabinet, page).with("TZ", "Nowhere/Land");
    assert!(lost.run(&["doctor"]).out.contains("`Nowhere/Land`, which no database here knows"));

    // An end is where its text says, not where the machine stands.
    let there = story::shell(keyring, folder, hub, cabinet, page).with("TZ", "Asia/Tokyo");
    let end = i64::div_euclid(until, 3600) * 3600 - 7200;
    let text = jiff_text(end);
    let shared = there.run(&["share", "A2", "--name", "Cleo", "--until", &text, "--json"]).good().json();
    assert_eq!(shared["until"], end, "{text}");
    there.run(&["revoke", "A2", "Cleo", "--yes"]).good();
    assert!(
        there.run(&["share", "A2", "--name", "Cleo", "--until", "2020-01-01"]).err.contains("over already")
    );
}

/// RFC 3339 with the offset of New York in winter.
fn jiff_text(unix: i64) -> String {
    let local = unix - 5 * 3600;
    let output = std::process::Command::new("date")
        .args(["--utc", "+%Y-%m-%dT%H:%M:%S-05:00", "--date"])
        .arg(format!("@{local}"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn shows_ids_that_can_be_typed(shell: &Shell) {
    let list = shell.run(&["list"]).good().out;
    let ids: Vec<&str> = list
        .lines()
        .filter(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(ids.len(), 4, "{list}");
    for id in ids {
        shell.run(&["show", id]).good();
    }
}

fn changes_what_it_has(shell: &Shell, photo: &std::path::Path) {
    let before = shell.run(&["show", "A2", "--json"]).good().json();
    let extended = shell.run(&["extend", "A2", "--until", "4d", "--json"]).good().json();
    assert!(extended["until"].as_i64() > before["until"].as_i64(), "{extended}");
    assert_eq!(shell.run(&["extend", "A2", "--until", "yesterday"]).code, 2);
    assert_eq!(shell.run(&["extend", "Flat", "--until", "4d"]).code, 6, "there is nothing to extend");
    let held = shell.run(&["hold", "Running", "--until", "5d"]).good().out;
    assert!(held.contains("kept until you are back"), "{held}");
    assert_eq!(shell.run(&["move", "Running", "Atlantis"]).code, 2, "no such site");
    assert_eq!(shell.run(&["cancel", "A2", "--yes"]).code, 6, "it lies there already");
    assert_eq!(shell.run(&["cancel", "Winter"]).code, 2, "nobody can be asked");
    assert!(shell.run(&["cancel", "Winter", "--yes"]).good().out.contains("cancelled"));

    std::fs::write(photo, PIXEL).unwrap();
    let path = photo.to_str().unwrap();
    let report = ["report", "A2", "damaged", "--note", "A corner is wet.", "--photo", path, "--json"];
    let reported = shell.run(&report).good().json();
    assert_eq!((&reported["kind"], &reported["photos"]), (&"damaged".into(), &1.into()));
    std::fs::write(photo, "GIF89a").unwrap();
    let refused = shell.run(&report);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("neither JPEG nor PNG"), "{}", refused.err);
    assert_eq!(shell.run(&["report", "A2", "boring"]).code, 2);
    let shown = shell.run(&["show", "A2"]).good().out;
    assert!(shown.contains("Report, not answered yet") && shown.contains("A corner is wet."), "{shown}");
}

fn books_and_gives_back(shell: &Shell) {
    let storage = ["storage", "Skis", "--site", "Lindenhof", "--size", "s", "--until", "1d"];
    let skis = shell.run(&[&storage[..], &["--json"]].concat()).good().json();
    assert_eq!((&skis["title"], &skis["kind"]), (&"Skis".into(), &"storage".into()));
    assert!(skis["label"].is_string(), "{skis}");
    assert!(shell.run(&["release", "Skis", "--yes"]).good().out.contains("given back"));
    assert_eq!(shell.run(&["storage", "Skis", "--site", "Atlantis", "--until", "1d"]).code, 2);
    let parcel =
        shell.run(&["return", "RT-4711", "--site", "lindenhof", "--size", "s", "--json"]).good().json();
    assert_eq!((&parcel["kind"], &parcel["state"]), (&"return".into(), &"booked".into()));
    let id = parcel["id"].as_str().unwrap();
    assert!(shell.run(&["cancel", id, "--yes"]).good().out.contains("cancelled"));
    assert!(shell.run(&["things"]).good().out.contains("lend nothing"));
    assert_eq!(shell.run(&["borrow", "drill"]).code, 2);
    assert_eq!(shell.run(&["hand-over", "Flat", "Flat 99", "--yes"]).code, 6, "Ada is of no house here");
}

fn passes_on_and_takes_back(
    shell: &Shell,
    keyring: &TestKeyring,
    folder: &std::path::Path,
    hub: &Hub,
    cabinet: &Cabinet,
    runtime: &Runtime,
    browser: &Chromium,
) {
    let person = |name: &str| {
        let place = folder.join(name);
        std::fs::create_dir(&place).unwrap();
        let page = place.join("page");
        (story::shell(keyring, &place, hub, cabinet, &page), page)
    };
    // The tablet is another device of hers, which can be lost.
    let (tablet, page) = person("tablet");
    story::signed_in(&tablet, &page, |url| runtime.block_on(browser.come_back(url)).unwrap());
    let devices: Value = shell.run(&["devices", "--json"]).good().json();
    assert_eq!(devices.as_array().unwrap().len(), 2, "{devices}");
    let that = |this: bool| {
        let one = devices.as_array().unwrap().iter().find(|one| one["this"] == this).unwrap();
        one["id"].as_str().unwrap()
    };
    assert_eq!(shell.run(&["devices", "remove", that(true), "--yes"]).code, 2, "that is sign-out");
    shell.run(&["devices", "remove", that(false), "--yes"]).good();
    let removed = tablet.run(&["list"]);
    assert_eq!(removed.code, 3, "{} {}", removed.out, removed.err);

    // A neighbour follows a link.
    let (neighbour, page) = person("neighbour");
    story::signed_in(&neighbour, &page, |url| runtime.block_on(browser.open(url)).unwrap());
    let shared = shell.run(&["share", "A2", "--name", "Ben", "--until", "2h", "--json"]).good().json();
    let link = shared["link"].as_str().unwrap();
    assert_eq!(shell.run(&["claim", link]).code, 6, "it is hers already");
    assert_eq!(neighbour.run(&["claim", "https://evil.example/claim/abc"]).code, 6);
    let claimed = neighbour.run(&["claim", link, "--json"]).good().json();
    assert_eq!((&claimed["label"], &claimed["guest"]), (&"A2".into(), &true.into()));
    assert!(neighbour.run(&["claim", link]).good().out.contains("A2"), "it may be followed again");
    assert_eq!(shell.run(&["revoke", "A2", "Nobody", "--yes"]).code, 2);
    assert!(shell.run(&["revoke", "A2", "--yes"]).good().out.contains("Ben no longer has access"));

    // And takes access in person.
    let invitation = neighbour.run(&["in-person", "invite", "--json"]).good().json()["invitation"].clone();
    let invitation = invitation.as_str().unwrap();
    let wrong = shell.run(&["in-person", "give", "A2", "PI1:nonsense", "--name", "Tab"]);
    assert_eq!(wrong.code, 6, "{}", wrong.err);
    let given = shell.run(&["in-person", "give", "A2", invitation, "--name", "Ben", "--json"]).good().json();
    let access = given["access"].as_str().unwrap();
    assert!(access.starts_with("PA1:"), "{given}");
    assert_eq!(shell.run(&["in-person", "take", access]).code, 6, "it is for the neighbour alone");
    assert!(neighbour.run(&["in-person", "take", access]).good().out.contains("You can open Two paperbacks"));
}

#[test]
fn a_link_of_somebody_else_is_refused_to_who_is_not_signed_in_too() {
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let shell = Shell::new(keyring.environment(), folder.path(), &hub.url, "air:127.0.0.1:9");
    for link in ["https://evil.example/claim/abc", "not a link"] {
        let refused = shell.run(&["claim", link, "--json"]);
        assert_eq!(
            (refused.code, &refused.json()["error"]["code"]),
            (6, &"claimEnded".into()),
            "{}",
            refused.err
        );
    }
}

#[test]
fn a_device_that_is_removed_while_a_door_opens_says_that_it_may_be_open() {
    let runtime = Runtime::new().unwrap();
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let cabinet = Cabinet::start(folder.path(), &hub);
    let browser = runtime.block_on(Chromium::start());
    let page = folder.path().join("page");
    let phone = story::shell(&keyring, folder.path(), &hub, &cabinet, &page);
    story::sign_in(&phone, &runtime, &browser, &page);
    let place = folder.path().join("tablet");
    std::fs::create_dir(&place).unwrap();
    let page = place.join("page");
    let tablet = story::shell(&keyring, &place, &hub, &cabinet, &page);
    story::signed_in(&tablet, &page, |url| runtime.block_on(browser.come_back(url)).unwrap());
    runtime.block_on(browser.end());
    let devices = tablet.run(&["devices", "--json"]).good().json();
    let lost = devices.as_array().unwrap().iter().find(|one| one["this"] == false).unwrap();

    // The door moves; then the cabinet's power fails before it has signed that, and for long enough to lose a device.
    let fate = json!({ "machine": { "power_cut": { "write": 2, "bytes": 5, "dark_ms": 60_000 } } });
    runtime.block_on(cabinet.faults(fate));
    let opening = phone
        .command(&["open", "A2", "--yes", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(40);
    while runtime.block_on(cabinet.door("A2"))["open"] != true {
        assert!(Instant::now() < deadline, "the door did not move");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    tablet.run(&["devices", "remove", lost["id"].as_str().unwrap(), "--yes"]).good();
    let output = opening.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &document["error"]["code"]), (Some(7), &"mayBeOpen".into()), "{said}");
    assert!(said.contains("removed from your account"), "{said}");
}
