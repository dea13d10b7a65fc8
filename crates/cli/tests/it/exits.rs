//! Exit codes and words without a hub.

use postern_runtime::vault::testing::TestKeyring;

use crate::Shell;

/// Nobody listens there.
const NOBODY: &str = "http://localhost:9";

#[test]
fn usage_is_two() {
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell::new(Vec::new(), folder.path(), NOBODY, "wifi");
    assert_eq!(shell.run(&["fly"]).code, 2);
    let outcome = shell.run(&["list"]);
    assert_eq!(outcome.code, 2, "{}", outcome.err);
    assert!(outcome.err.contains("POSTERN_RADIO"), "{}", outcome.err);
}

#[test]
fn without_a_session_it_says_so() {
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell::new(keyring.environment(), folder.path(), NOBODY, "air:127.0.0.1:9");
    for command in
        [&["list"][..], &["show", "x"], &["open", "x", "--yes"], &["qr", "x"], &["receipts"], &["taken", "x"]]
    {
        let outcome = shell.run(command);
        assert_eq!(outcome.code, 3, "{command:?}: {}", outcome.err);
        assert!(outcome.err.contains("postern sign-in"), "{}", outcome.err);
        assert_eq!(outcome.out, "");
    }
    let outcome = shell.run(&["list", "--json"]);
    assert_eq!(outcome.json()["error"]["code"], "notSignedIn");
}

#[test]
fn a_hub_that_is_not_there_is_four() {
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell::new(keyring.environment(), folder.path(), NOBODY, "air:127.0.0.1:9");
    let outcome = shell.run(&["sign-in", "--no-browser"]);
    assert_eq!(outcome.code, 4, "{}", outcome.err);
    assert!(outcome.err.contains("cannot be reached"), "{}", outcome.err);
}

#[test]
fn without_a_keyring_it_is_eight_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = vec![("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus".into())];
    let shell = Shell::new(nowhere, folder.path(), NOBODY, "air:127.0.0.1:9");
    let outcome = shell.run(&["sign-in"]);
    assert_eq!(outcome.code, 8, "{}", outcome.err);
    assert!(outcome.err.contains("no keyring"), "{}", outcome.err);
    assert!(outcome.err.contains("Without a desktop"), "{}", outcome.err);
    let profile = folder.path().join("profile/default");
    let names: Vec<_> = std::fs::read_dir(profile).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["lock"]);
}

#[test]
fn a_locked_keyring_is_eight_too_and_says_what_to_do() {
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell::new(keyring.environment(), folder.path(), NOBODY, "air:127.0.0.1:9");
    // Something is in it, so that it matters.
    assert_eq!(shell.run(&["list"]).code, 3);
    keyring.lock();
    let outcome = shell.run(&["list"]);
    assert_eq!(outcome.code, 8, "{}", outcome.err);
    assert!(outcome.err.contains("Unlock"), "{}", outcome.err);
    keyring.unlock();
    assert_eq!(shell.run(&["list"]).code, 3);
}

#[test]
fn the_doctor_names_each_thing_and_what_to_do() {
    let keyring = TestKeyring::start();
    let folder = tempfile::tempdir().unwrap();
    let shell = Shell::new(keyring.environment(), folder.path(), NOBODY, "air:127.0.0.1:9");
    let outcome = shell.run(&["doctor"]);
    assert_eq!(outcome.code, 4, "the hub is what is wrong: {}", outcome.out);
    for thing in ["OK  keyring", "OK  profile", "!!  hub", "OK  radio", "OK  clock"] {
        assert!(outcome.out.contains(thing), "{thing}: {}", outcome.out);
    }
    let outcome = shell.run(&["doctor", "--json"]);
    // One document, which a script reads as a whole.
    let diagnosis: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!((outcome.code, &diagnosis["error"]["code"]), (4, &"hubUnreachable".into()));
    assert_eq!(diagnosis["keyring"]["state"], "ok");
    assert_eq!(diagnosis["hub"]["state"], "unreachable");
}
