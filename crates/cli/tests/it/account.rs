//! How others reach the customer, and the account to its end, from a terminal.

use std::os::unix::fs::PermissionsExt as _;

use postern_runtime::vault::testing::TestKeyring;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    chromium::Chromium,
    parts::{Cabinet, Hub},
    story,
};

#[test]
fn a_carrier_reaches_the_number_that_the_terminal_prints_and_the_account_ends() {
    let runtime = Runtime::new().unwrap();
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::start(folder.path());
    let cabinet = Cabinet::start(folder.path(), &hub);
    let browser = runtime.block_on(Chromium::start());
    let page = folder.path().join("page");
    let shell = story::shell(&keyring, folder.path(), &hub, &cabinet, &page);
    assert_eq!(shell.run(&["address"]).code, 3, "not signed in");
    story::sign_in(&shell, &runtime, &browser, &page);

    let address = shell.run(&["address", "--site", "lindenhof", "--json"]).good().json();
    let number = address["number"].as_str().unwrap().to_owned();
    let printed = shell.run(&["address"]).good().out;
    assert_eq!(printed, format!("Ada Lovelace\n{number}\nLindenhof\nLindenhof 4, 10247 Berlin\n"));
    runtime.block_on(hub.announce(&number.replace(' ', "."), "Teapot"));
    let list = shell.run(&["list", "--json"]).good().json();
    assert!(list.as_array().unwrap().iter().any(|one| one["title"] == "Teapot"), "{list}");
    let link = runtime.block_on(hub.announce("somebody@example.org", "Kettle"));
    shell.run(&["claim", &link]).good();
    let list = shell.run(&["list", "--json"]).good().json();
    assert!(list.as_array().unwrap().iter().any(|one| one["title"] == "Kettle"), "{list}");
    let again = shell.run(&["claim", &link]).good().out;
    assert!(again.contains("Kettle"), "followed again: {again}");

    // A flat of the house, by the link and by the code.
    let (link, code) = runtime.block_on(hub.invite("3 right"));
    assert_eq!(shell.run(&["home", "join", &link]).code, 2, "nobody can be asked");
    let wrong = shell.run(&["home", "join", "7QFM-3K9T-XWB2", "--yes", "--json"]);
    assert_eq!((wrong.code, &wrong.json()["error"]["code"]), (6, &"homeMistyped".into()), "{}", wrong.err);
    assert_eq!(
        shell.run(&["home", "join", "https://elsewhere.example/home/7QFM-3K9T-XWB4", "--yes"]).code,
        2
    );
    assert_eq!(shell.run(&["home", "--json"]).good().json(), serde_json::json!([]));
    let joined = shell.run(&["home", "join", &code, "--yes"]).good().out;
    assert!(joined.contains("Lindenhof, 3 right"), "{joined}");
    assert_eq!(shell.run(&["home", "--json"]).good().json()[0]["unit"], "3 right");
    let held = shell.run(&["home", "leave", "lindenhof", "--yes", "--json"]);
    assert_eq!((held.code, &held.json()["error"]["code"]), (6, &"homeHolds".into()), "{}", held.err);

    // The account.
    shell.run(&["account", "name", "Ada King"]).good();
    let account = shell.run(&["account", "--json"]).good().json();
    assert_eq!((&account["name"], &account["number"]), (&"Ada King".into(), &number.clone().into()));
    assert_eq!(
        (&account["passkeys"].as_array().unwrap().len(), &account["recoveryCodesLeft"]),
        (&1, &0.into())
    );
    assert!(account["email"].is_null());
    let refused = shell.run(&["account", "email", "ada@example.org", "--json"]);
    assert_eq!((refused.code, &refused.json()["error"]["code"]), (6, &"noMail".into()));
    let passkey = account["passkeys"][0]["id"].as_str().unwrap();
    let last = shell.run(&["account", "remove-passkey", passkey, "--yes", "--json"]);
    assert_eq!((last.code, &last.json()["error"]["code"]), (6, &"lastWayIn".into()), "{}", last.err);
    let codes = shell.run(&["account", "recovery-codes"]).good().out;
    assert_eq!(codes.lines().filter(|code| code.len() == 19).count(), 8, "{codes}");
    assert_eq!(
        shell.run(&["account", "recovery-codes"]).code,
        2,
        "nobody can be asked whether the old ones end"
    );
    let anew = shell.run(&["account", "recovery-codes", "--yes", "--json"]).good().json();
    assert!(!codes.contains(anew["codes"][0].as_str().unwrap()));
    assert_eq!(shell.run(&["account", "--json"]).good().json()["recoveryCodesLeft"], 8);

    // Everything as a file.
    let file = folder.path().join("everything.json");
    let name = file.to_str().unwrap();
    shell.run(&["account", "export", name]).good();
    let all: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(
        (&all["account"]["display_name"], &all["account"]["number"]),
        (&"Ada King".into(), &number.into())
    );
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_ne!(shell.run(&["account", "export", name]).code, 0, "nothing is written over");

    let hindered = shell.run(&["account", "delete", "--yes", "--json"]);
    assert_eq!((hindered.code, &hindered.json()["error"]["code"]), (6, &"giveBackFirst".into()));
    assert!(
        hindered.err.contains("Winter jacket") || hindered.out.contains("Winter jacket"),
        "{}",
        hindered.out
    );
    shell.run(&["cancel", "Winter", "--yes"]).good();
    shell.run(&["release", "Flat", "--yes"]).good();
    shell.run(&["home", "leave", "lindenhof", "--yes"]).good();
    assert_eq!(shell.run(&["home", "--json"]).good().json(), serde_json::json!([]));
    shell.run(&["account", "delete", "--yes"]).good();
    assert_eq!(shell.run(&["list"]).code, 3, "nothing is left");

    runtime.block_on(browser.end());
}
