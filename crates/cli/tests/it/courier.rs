//! A courier at a locker, from a terminal: real hub, real firmware, real keyring, and the same protocol as a customer.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use postern_runtime::vault::testing::TestKeyring;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    Outcome, Shell,
    chromium::Chromium,
    parts::{Cabinet, Hub},
    story,
};

/// The command that opens a door and waits until it is closed, up to where it says that the door is open.
struct AtTheDoor {
    running: Child,
    told: std::thread::JoinHandle<String>,
    /// Of the door.
    label: String,
}

impl AtTheDoor {
    fn start(shell: &Shell, arguments: &[&str]) -> Self {
        let mut running =
            shell.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let open = lines.by_ref().map_while(Result::ok).any(|line| {
            said.push_str(&line);
            line.contains("is open")
        });
        assert!(open, "no door was opened: {said}");
        let label = said.split("Door ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let label = label.to_owned();
        let told = std::thread::spawn(move || lines.map_while(Result::ok).collect());
        Self { running, told, label }
    }

    fn end(self) -> Outcome {
        let output = self.running.wait_with_output().unwrap();
        Outcome {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: self.told.join().unwrap(),
        }
    }
}

fn titled<'l>(list: &'l Value, title: &str) -> &'l Value {
    list.as_array().unwrap().iter().find(|one| one["title"] == title).unwrap()
}

#[test]
fn a_courier_puts_a_parcel_in_and_takes_a_return_out() {
    let runtime = Runtime::new().unwrap();
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(folder.path());
    let cabinet = Cabinet::start(folder.path(), &hub);
    let browser = runtime.block_on(Chromium::start());
    let page = folder.path().join("page");
    let customer = story::shell(&keyring, folder.path(), &hub, &cabinet, &page);
    story::sign_in(&customer, &runtime, &browser, &page);
    runtime.block_on(browser.end());

    // The same machine, and yet another device.
    let courier = &customer;
    assert_eq!(courier.run(&["courier", "tasks"]).code, 3);
    let refused = courier.run(&["courier", "sign-in", "no-such-code"]);
    assert_eq!(refused.code, 6, "{}", refused.err);
    let (cart, code) = runtime.block_on(hub.enrol("Cart 7"));
    let signed_in = courier.run(&["courier", "sign-in", &code, "--json"]).good().json();
    assert_eq!(signed_in["tasks"], 1);
    assert_eq!(courier.run(&["courier", "sign-in", &code]).code, 2, "signed in already");
    let tasks = courier.run(&["courier", "tasks", "--json"]).good().json();
    let shoes = &tasks["tasks"][0];
    let reference = shoes["parcel"]["reference"].as_str().unwrap();
    assert!(courier.run(&["courier", "tasks"]).good().out.contains(reference));
    assert!(shoes["title"].is_null(), "a courier sees nothing of the recipient's");
    assert_eq!(courier.run(&["courier", "deposit", "nothing", "--yes"]).code, 2);
    assert_eq!(courier.run(&["courier", "deposit", reference]).code, 2, "nobody can be asked");

    // A latch that does not move: there is another door. And a locker that lost the time.
    let deposit = ["courier", "deposit", reference, "--yes", "--json"];
    let door = runtime.block_on(cabinet.door("B3"))["door"].to_string();
    let faults = |patch: Value| runtime.block_on(cabinet.faults(patch));
    faults(json!({ "doors": { door.as_str(): { "jammed_pulses": 9 } } }));
    let jammed = courier.run(&deposit);
    assert_eq!((jammed.code, &jammed.json()["error"]["code"]), (6, &"jammed".into()), "{}", jammed.err);
    faults(json!({ "doors": { door.as_str(): { "jammed_pulses": null } },
                   "machine": { "clock_lost": true } }));

    let at_the_door = AtTheDoor::start(courier, &deposit);
    faults(json!({ "machine": { "clock_lost": false } }));
    let other = at_the_door.label.clone();
    assert_ne!(other, "B3");
    runtime.block_on(async {
        assert_eq!(cabinet.door(&other).await["open"], true);
        cabinet.hand(&other, "put").await;
        cabinet.hand(&other, "close").await;
    });
    let done = at_the_door.end().good().json();
    assert_eq!((&done[0]["label"], &done[0]["state"]), (&other.into(), &"closed".into()));
    assert_eq!(done[0]["handedIn"], true);
    let list = customer.run(&["list", "--json"]).good().json();
    assert_eq!(titled(&list, "Running shoes")["state"], "ready");
    assert!(courier.run(&["courier", "tasks"]).good().out.contains("Nothing to do"));

    // The customer's return waits for the courier, and the hub does not hear of its being fetched at once. The link breaks
    // behind the question, and the locker is asked again.
    let putting = AtTheDoor::start(&customer, &["open", "C1", "--yes", "--until-closed"]);
    runtime.block_on(async {
        cabinet.hand("C1", "put").await;
        cabinet.hand("C1", "close").await;
    });
    putting.end().good();
    faults(json!({ "air": { "drop_after": { "direction": "to_phone", "frame": 2 } } }));
    let at_the_door = AtTheDoor::start(courier, &["courier", "collect", "--yes", "--json"]);
    hub.kill();
    runtime.block_on(async {
        cabinet.hand("C1", "take").await;
        cabinet.hand("C1", "close").await;
    });
    let done = at_the_door.end().good().json();
    assert_eq!((&done[0]["label"], &done[0]["handedIn"]), (&"C1".into(), &false.into()));
    assert_eq!(courier.run(&["courier", "tasks"]).code, 4, "offline");
    hub.restart();
    // The carrier dismisses the courier whose receipt the hub has not got: whoever signs in next brings it.
    runtime.block_on(hub.dismiss(&cart));
    let ended = courier.run(&["courier", "tasks"]);
    assert_eq!(ended.code, 3);
    assert!(ended.err.contains("ended this courier's session"), "{}", ended.err);
    let code = runtime.block_on(hub.new_courier("Cart 8"));
    courier.run(&["courier", "sign-in", &code]).good();
    assert!(courier.run(&["courier", "tasks"]).good().out.contains("Nothing to do"));

    assert!(courier.run(&["courier", "sign-out", "--yes"]).good().out.contains("Signed out"));
    assert_eq!(courier.run(&["courier", "tasks"]).code, 3);
    customer.run(&["list"]).good();
}
