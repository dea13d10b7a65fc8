//! What the window's tests share.

use std::{env, path::PathBuf};

use anyhow::{Result, ensure};
use postern_window_tests::{
    parts::Air,
    stage::{Bluetooth, Keyring},
    world::World,
};

/// The welcome of somebody who is not signed in.
pub(crate) const SIGNED_OUT: &str = "[data-testid='welcome'][data-session='signedOut']";

/// Where a test keeps its data, logs and pictures.
pub(crate) fn folder(name: &str) -> PathBuf {
    env::var_os("POSTERN_OUT")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
        .join(name)
}

/// Hub and cabinet over TCP; the app not started.
pub(crate) fn world(name: &str, keyring: Keyring) -> Result<World> {
    World::build(&folder(name), keyring, Bluetooth::None, &Air::Tcp)
}

/// As [`world`], and somebody is signed in.
pub(crate) fn signed_in(name: &str) -> Result<World> {
    let mut world = world(name, Keyring::Unlocked)?;
    world.start_app(SIGNED_OUT)?;
    world.sign_in("Robin")?;
    Ok(world)
}

/// How often latches of the cabinet moved, as far back as its log goes.
pub(crate) fn latches(world: &World) -> Result<usize> {
    Ok(world.cabinet.log()?.iter().filter(|entry| entry["what"] == "latch").count())
}

/// The newest entry of the cabinet's log, which keeps the latest only.
pub(crate) fn newest(world: &World) -> Result<u64> {
    Ok(world.cabinet.log()?.last().and_then(|entry| entry["number"].as_u64()).unwrap_or(0))
}

/// How often a latch moved after that entry.
pub(crate) fn latches_after(world: &World, entry: u64) -> Result<usize> {
    let log = world.cabinet.log()?;
    let later = |one: &&serde_json::Value| one["number"].as_u64().is_some_and(|number| number > entry);
    Ok(log.iter().filter(later).filter(|one| one["what"] == "latch").count())
}

/// Waits for a problem of this code, in words, and gives them.
pub(crate) fn problem(world: &World, code: &str) -> Result<String> {
    let words = world.see("problem", &format!("[data-code='{code}']"))?;
    ensure!(words.trim().len() > 10, "{code} has no words: {words:?}");
    Ok(words)
}
