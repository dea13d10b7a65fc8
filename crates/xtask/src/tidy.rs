//! `cargo xtask tidy`: the rules that a tool can check.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{
    deny, dependencies,
    graph::{self, Graph},
    process, promises,
    report::Tally,
    setup::{self, Use},
    sources,
    workspace::{root, target},
};

/// `cargo xtask tidy`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Only what needs no compiler: everything but clippy and cargo-deny.
    #[arg(long)]
    quick: bool,
}

/// `cargo xtask tidy`.
///
/// # Errors
/// A program of Rust's cannot be started.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    if !flags.quick {
        setup::ensure(&[Use::Build])?;
    }
    let tally = all(flags.quick)?;
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All of it, or what needs no compiler.
///
/// # Errors
/// As [`run`].
pub(crate) fn all(quick: bool) -> Result<Tally> {
    let mut tally = shape();
    let mut step = |name: &str, command: &mut std::process::Command| -> Result<()> {
        let held = process::status(command)?.success();
        say(&mut tally, name, if held { &[] } else { &["see above"] });
        Ok(())
    };
    if !quick {
        step(
            "clippy",
            process::cargo().args([
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--",
                "--deny",
                "warnings",
            ]),
        )?;
        let bench = root().join("tests/bench/Cargo.toml");
        step(
            "clippy of tests/bench",
            process::cargo()
                .args(["clippy", "--quiet", "--locked", "--all-targets", "--manifest-path"])
                .arg(&bench)
                .arg("--target-dir")
                .arg(target())
                .args(["--", "--deny", "warnings"]),
        )?;
        if let Some(held) = deny::holds()? {
            say(&mut tally, "cargo-deny", if held { &[] } else { &["see above"] });
        }
    }
    Ok(tally)
}

/// What needs no compiler.
fn shape() -> Tally {
    let mut tally = Tally::default();
    let mut check = |name: &str, faults: Result<Vec<String>>| {
        say(&mut tally, name, &faults.unwrap_or_else(|error| vec![format!("{error:#}")]));
    };
    match graph::metadata() {
        Ok(metadata) => {
            check("crate graph", Graph::read(&metadata).map(|graph| graph.faults()));
            check("unused dependencies", dependencies::unused(&metadata));
            check("minimum Rust", dependencies::minimum_rust(&metadata));
        }
        Err(error) => check("cargo metadata", Err(error)),
    }
    check("what some crates never name", sources::forbidden());
    check("file sizes", sources::too_long());
    check("promises of SECURITY.md", promises::broken());
    // Those of the workspace, and of the workspaces beside it.
    let manifests = ["Cargo.toml", "tests/bench/Cargo.toml", "crates/locker-board/Cargo.toml"];
    let held = manifests.iter().all(|manifest| {
        let mut fmt = process::cargo();
        fmt.args(["fmt", "--all", "--check", "--manifest-path", manifest, "--", "-l"]);
        process::status(&mut fmt).is_ok_and(|status| status.success())
    });
    say(&mut tally, "rustfmt", if held { &[] } else { &["cargo fmt --all"] });
    say(&mut tally, "lock files", &old_locks(&manifests));
    tally
}

/// Lock files that lag behind what the workspaces ask for: nothing else builds them all.
fn old_locks(manifests: &[&str]) -> Vec<String> {
    let up_to_date = |manifest: &&str| {
        let mut update = process::cargo();
        update.args(["update", "--quiet", "--workspace", "--locked", "--manifest-path", manifest]);
        process::status(&mut update).is_ok_and(|status| status.success())
    };
    let old = manifests.iter().filter(|manifest| !up_to_date(manifest));
    old.map(|manifest| format!("cargo update --workspace --manifest-path {manifest}")).collect()
}

fn say(tally: &mut Tally, name: &str, faults: &[impl AsRef<str>]) {
    if faults.is_empty() {
        tally.passed += 1;
        println!("  {name}: ok");
    } else {
        tally.failed += 1;
        println!("  {name}:");
        for fault in faults {
            println!("    {}", fault.as_ref());
        }
    }
}
