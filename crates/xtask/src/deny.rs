//! cargo-deny: licences, sources and bans of everything that is built, and known weaknesses of it.

use std::path::PathBuf;

use anyhow::Result;

use crate::process;

/// The workspace, and those beside it.
const MANIFESTS: [&str; 3] = ["Cargo.toml", "tests/bench/Cargo.toml", "crates/locker-board/Cargo.toml"];
/// Where known weaknesses are published.
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";

/// Whether all is as `deny.toml` wants it; none where cargo-deny is not installed.
///
/// Without a network the advisories that were fetched last are asked, and their date is said; where there never were any,
/// that is said.
///
/// # Errors
/// A program cannot be started.
pub(crate) fn holds() -> Result<Option<bool>> {
    // Slow to build where it is not installed, so it is not installed for you: `cargo install cargo-deny`.
    if !process::exists("cargo-deny") {
        println!("  cargo-deny is not installed: licences and advisories were not looked at");
        return Ok(None);
    }
    let online =
        process::output(process::command("git").args(["ls-remote", "--quiet", ADVISORIES, "HEAD"])).is_ok();
    let fetched = fetched();
    match &fetched {
        _ if online => {}
        Some(date) => println!("  no network: advisories as of {date}"),
        None => println!("  no network, and no advisories were ever fetched: they were not looked at"),
    }
    let what: &[&str] = if online || fetched.is_some() {
        &["advisories", "bans", "licenses", "sources"]
    } else {
        &["bans", "licenses", "sources"]
    };
    let mut held = true;
    for manifest in MANIFESTS {
        let mut deny = process::cargo();
        deny.args(["deny", "--log-level", "error", "--config", "deny.toml", "--manifest-path", manifest]);
        if !online {
            deny.arg("--offline");
        }
        held &= process::status(deny.arg("check").args(what))?.success();
    }
    Ok(Some(held))
}

/// The day of the advisories that cargo-deny fetched last.
fn fetched() -> Option<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let folder = std::fs::read_dir(home.join("advisory-dbs")).ok()?.flatten().next()?.path();
    let mut log = process::command("git");
    log.arg("-C").arg(folder).args(["log", "-1", "--format=%cs"]);
    Some(process::output(&mut log).ok()?.trim().to_owned())
}
