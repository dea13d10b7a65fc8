//! Machines without a keyring. Each test is a process of its own, because a process has one session bus.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(target_os = "linux")]

use std::{env, process::Command, sync::Arc};

use postern_vault::{
    Secrets as _, Vault, VaultError, keyring::KeyringSecrets, keys::StoredKeys, testing::TestKeyring,
};

const INSIDE: &str = "POSTERN_TEST_ABSENT";

/// Runs the test's body in a process with this environment.
fn inside(test: &str, environment: Vec<(&str, std::ffi::OsString)>) {
    let status = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .envs(environment)
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed");
}

#[test]
fn no_bus_is_no_keyring_and_nothing_is_written_in_its_place() {
    if env::var_os(INSIDE).is_none() {
        let nowhere = vec![("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus".into())];
        return inside("no_bus_is_no_keyring_and_nothing_is_written_in_its_place", nowhere);
    }
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Arc::new(KeyringSecrets::new("absent").unwrap());
        let first = secrets.get("x").await;
        assert!(matches!(first, Err(VaultError::Absent(_))), "{:?}", first.err());
        let keys = Arc::new(StoredKeys::new(secrets.clone()));
        let opened = Vault::open(secrets, keys, folder.path().join("wallet.sealed")).await;
        assert!(matches!(opened.map(drop), Err(VaultError::Absent(_))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    });
}

#[test]
fn a_bus_without_a_secret_service_is_no_keyring() {
    if env::var_os(INSIDE).is_none() {
        let mut keyring = TestKeyring::start();
        keyring.stop();
        return inside("a_bus_without_a_secret_service_is_no_keyring", keyring.environment());
    }
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let secrets = KeyringSecrets::new("absent").unwrap();
        let first = secrets.get("x").await;
        assert!(matches!(first, Err(VaultError::Absent(_))), "{:?}", first.err());
        // And again: the first failure is not remembered in place of the fact.
        assert!(matches!(secrets.set("x", b"y").await, Err(VaultError::Absent(_))));
    });
}
