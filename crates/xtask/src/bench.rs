//! `cargo xtask bench`: what it costs, in one report for the whole project; see tests/bench/README.md.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;

use crate::{
    guarded_lab::GuardedLab,
    process,
    setup::{self, Use},
    workspace::{root, target},
};

/// What a room needs besides its own module, when its numbers are wanted.
struct Room {
    name: &'static str,
    /// Programs of the product, built with optimisation.
    programs: &'static [&'static str],
    /// What is held against them: examples of theirs.
    floors: &'static [&'static str],
    /// The page, inside the window.
    page: bool,
    /// Its numbers that need a real Bluetooth stack, and the example of tests/lab that takes them there.
    lab: Option<(&'static str, &'static str)>,
}

impl Room {
    /// What it needs of tests/lab, where that is wanted.
    fn in_lab(&self, flags: &Flags) -> Option<&'static str> {
        let (numbers, example) = self.lab.filter(|_| !flags.no_lab)?;
        let wanted = |only: &String| numbers.starts_with(only.as_str()) || only.starts_with(numbers);
        (flags.only.is_empty() || flags.only.iter().any(wanted)).then_some(example)
    }
}

/// In the order of tests/bench/src/rooms/mod.rs; the name of a room is its feature there.
const ROOMS: &[Room] = &[
    Room { name: "air", programs: &[], floors: &[], page: false, lab: Some(("air.ble", "bluetooth_costs")) },
    Room { name: "hub", programs: &["postern-hub"], floors: &[], page: false, lab: None },
    Room {
        name: "app",
        programs: &["postern-app", "postern-hub", "postern-sim"],
        floors: &["empty_window"],
        page: true,
        lab: None,
    },
    Room { name: "world", programs: &[], floors: &[], page: false, lab: None },
];

/// What to measure.
#[derive(Args)]
pub(crate) struct Flags {
    /// Fewer runs and the small sizes: under five minutes for everything, on a built tree.
    #[arg(long)]
    quick: bool,
    /// Only what begins so: `hub`, `air.opening`; may be given more than once.
    #[arg(long)]
    only: Vec<String>,
    /// No Bluetooth: leave out what needs the lab.
    #[arg(long)]
    no_lab: bool,
    /// Make BENCHMARKS.md of this run: meant for a full one on a quiet machine.
    #[arg(long)]
    publish: bool,
    /// Where the report goes, instead of target/bench.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Builds what is wanted and measures it. Its exit code is 0 where everything was measured and every bound holds.
///
/// # Errors
/// Something is missing or does not build; no room of that name.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let wanted = |room: &&Room| {
        flags.only.is_empty() || flags.only.iter().any(|only| only.split('.').next() == Some(room.name))
    };
    let rooms: Vec<&Room> = ROOMS.iter().filter(wanted).collect();
    anyhow::ensure!(!rooms.is_empty(), "no room of that name: {}", flags.only.join(", "));
    let lab: Vec<&str> = rooms.iter().filter_map(|room| room.in_lab(flags)).collect();
    let mut uses = vec![Use::Build, Use::Page, Use::Unit, Use::Window, Use::Browser, Use::WindowTests];
    if !lab.is_empty() {
        uses.push(Use::Lab);
    }
    setup::ensure(&uses)?;
    products(&rooms, &lab)?;

    let features: Vec<&str> = rooms.iter().map(|room| room.name).collect();
    let mut build = process::cargo();
    build
        .args(["build", "--release", "--locked", "--no-default-features", "--features", &features.join(",")])
        .arg("--manifest-path")
        .arg(root().join("tests/bench/Cargo.toml"))
        .arg("--target-dir")
        .arg(target());
    process::run(&mut build)?;

    let lab = if lab.is_empty() { None } else { Some(GuardedLab::up()?) };
    let release = target().join("release");
    let mut bench = process::command(release.join("postern-bench"));
    bench.arg("--binaries").arg(&release);
    let out = flags.out.clone().unwrap_or_else(|| target().join("bench"));
    bench.arg("--out").arg(&out);
    bench.env("POSTERN_BINARIES", &release).env("POSTERN_XTASK", std::env::current_exe()?);
    if let Some(lab) = &lab {
        bench.env("POSTERN_LAB_BUS", lab.bus()).env("DBUS_SYSTEM_BUS_ADDRESS", lab.bus());
    }
    if flags.quick {
        bench.arg("--quick");
    }
    for only in &flags.only {
        bench.arg("--only").arg(only);
    }
    let status = process::status(&mut bench)?;
    if flags.publish {
        std::fs::copy(out.join("BENCHMARKS.md"), root().join("BENCHMARKS.md"))?;
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the product is: the same programs that a customer or an operator runs.
fn products(rooms: &[&Room], lab: &[&str]) -> Result<()> {
    if rooms.iter().any(|room| room.page) {
        crate::build::page()?;
    }
    let mut programs: Vec<&str> = rooms.iter().flat_map(|room| room.programs).copied().collect();
    programs.sort_unstable();
    programs.dedup();
    if !lab.is_empty() {
        programs.push("postern-lab-tests");
    }
    if programs.is_empty() {
        return Ok(());
    }
    let mut build = process::cargo();
    build.args(["build", "--release", "--bins"]);
    for program in programs {
        build.args(["--package", program]);
    }
    for example in rooms.iter().flat_map(|room| room.floors).chain(lab) {
        build.args(["--example", example]);
    }
    process::run(&mut build)
}
