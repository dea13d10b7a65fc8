//! `cargo xtask platforms`: what one Linux machine can prove of every other device, and `cargo xtask package`.

mod android;
mod apple;
mod brought;
mod cortex_m;
mod declared;
mod documents;
mod hub;
mod jvm;
mod linux;
mod minimums;
mod native;
mod recorded;
mod release;
mod table;
pub(crate) mod toolchain;
mod windows;

use std::{
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use self::table::{Outcome, Proof, Step};
use crate::{
    process,
    report::Tally,
    setup::{self, Use},
    web,
    workspace::target,
};

/// `cargo xtask platforms`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Only this target (`--list` names them); may be given more than once.
    #[arg(long, value_enum)]
    only: Vec<Platform>,
    /// Say what there is, and end.
    #[arg(long)]
    list: bool,
}

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Platform {
    /// The locker firmware on its board, in QEMU.
    CortexM4,
    /// Everything of Rust built for Windows; the rooms below the window tested under Wine.
    Windows,
    /// Everything of Rust type-checked for Android; the Gradle project checked.
    Android,
    /// Everything of Rust type-checked for iPhones; its configuration checked.
    Ios,
    /// The same for Macs.
    Macos,
    /// `.deb` and `.rpm` of the app and the `.deb` of the hub, built, installed into a clean root and started there.
    LinuxPackages,
    /// The workflows, held against the rules for them.
    Release,
}

impl Platform {
    fn name(self) -> &'static str {
        match self {
            Self::CortexM4 => "cortex-m4",
            Self::Windows => "windows",
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Macos => "macos",
            Self::LinuxPackages => "linux-packages",
            Self::Release => "release",
        }
    }

    /// Proves what can be proven here; what was proven before a failure is in `steps`.
    fn prove(self, steps: &mut Vec<Step>) -> Result<()> {
        match self {
            Self::CortexM4 => cortex_m::run(steps),
            Self::Windows => windows::run(steps),
            Self::Android => android::run(steps),
            Self::Ios => apple::run(apple::Device::Iphone, steps),
            Self::Macos => apple::run(apple::Device::Mac, steps),
            Self::LinuxPackages => {
                linux::run(steps)?;
                hub::run(steps)
            }
            Self::Release => release::run(steps),
        }
    }
}

/// `cargo xtask platforms`.
///
/// # Errors
/// None of its own: a target that cannot be proven is a failure in the table.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    if flags.list {
        for platform in Platform::value_variants() {
            let help =
                platform.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
            println!("{:<16}{}", platform.name(), help.unwrap_or_default());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let outcomes = prove(|platform| flags.only.is_empty() || flags.only.contains(&platform));
    let failed = outcomes.iter().any(|outcome| outcome.failure.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// All targets, counted: each thing that was proven, and each target that could not be.
pub(crate) fn tally() -> Tally {
    let mut tally = Tally::default();
    for outcome in prove(|_| true) {
        tally.passed += u32::try_from(outcome.steps.len()).unwrap_or(u32::MAX);
        tally.failed += u32::from(outcome.failure.is_some());
    }
    tally
}

/// Proves the chosen targets one after the other, and prints the table.
fn prove(chosen: impl Fn(Platform) -> bool) -> Vec<Outcome> {
    let began = Instant::now();
    let mut outcomes = Vec::new();
    for platform in Platform::value_variants().iter().filter(|platform| chosen(**platform)) {
        println!("\n{}", platform.name());
        let mut steps = Vec::new();
        let failure = platform.prove(&mut steps).err().map(|error| format!("{error:#}"));
        if let Some(failure) = &failure {
            eprintln!("xtask: {}: {failure}", platform.name());
        }
        outcomes.push(Outcome { target: platform.name(), steps, failure });
    }
    println!("\n{}after {:.1} s", table::render(&outcomes), began.elapsed().as_secs_f32());
    outcomes
}

/// `cargo xtask package`.
#[derive(Args)]
pub(crate) struct PackageFlags {
    /// The hub's `.deb`, with the page for browsers in it, instead of the app's packages; the simulator is built beside it.
    #[arg(long)]
    hub: bool,
}

/// `cargo xtask package`: `.deb` and `.rpm` of the app, or the `.deb` of the hub, for machines of this kind, built and
/// looked at.
///
/// # Errors
/// Something does not build, or a package is not what it should be.
pub(crate) fn package(flags: &PackageFlags) -> Result<ExitCode> {
    if flags.hub {
        setup::ensure(&[Use::Build, Use::Page])?;
        // The hub's build takes in what this leaves.
        web::build(false)?;
        let mut build = process::cargo();
        build.args(["build", "--release", "--locked"]);
        for package in ["postern-hub", "postern-cli", "postern-sim"] {
            build.args(["--package", package]);
        }
        process::run(&mut build)?;
        web::is_served_by(&target().join("release/postern-hub"))?;
        println!("{}", hub::pack(&target().join("release"), &target().join("release"))?.display());
        return Ok(ExitCode::SUCCESS);
    }
    let mut steps = Vec::new();
    let packages = linux::build(&mut steps, linux::Optimised::Fully)?;
    println!("\n{}", table::render(&[Outcome { target: "linux-packages", steps, failure: None }]));
    for (_, package) in packages {
        println!("{}", package.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The window, and the rooms below it that phones and desktops carry.
const CARRIED: [&str; 6] =
    ["postern-app", "postern-protocol", "postern-core", "postern-radio", "postern-vault", "postern-runtime"];

/// Selects the libraries of all of them: in one invocation, so that they share what they depend on.
fn carried(cargo: &mut Command) -> &mut Command {
    for package in CARRIED {
        cargo.args(["--package", package]);
    }
    cargo.arg("--lib")
}

/// A build for a phone that is told of no hub must not come about: it would look for one on the phone. The same selection as
/// [`carried`] in general, so that nothing but the runtime is compiled again.
fn homeless(cargo: &mut Command) -> Result<()> {
    let output = carried(cargo).env_remove("POSTERN_DEFAULT_HUB").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "a phone is built without a hub");
    ensure!(said.contains("POSTERN_DEFAULT_HUB must name the hub"), "it failed for another reason: {said}");
    Ok(())
}

/// Does it, and notes what it proved.
fn step(
    steps: &mut Vec<Step>,
    proof: Proof,
    what: &str,
    act: impl FnOnce() -> Result<Option<u64>>,
) -> Result<()> {
    println!("{what}");
    let began = Instant::now();
    let size = act()?;
    steps.push(Step { what: what.to_owned(), proof, took: began.elapsed(), size });
    Ok(())
}
