//! The seeded world: thousands of short lives of phones, lockers and a hub, held against an independent reference.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;

use crate::process;

/// What to run.
#[derive(Args)]
pub(crate) struct Flags {
    /// How many seeds to run, from --seed on.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Show what happens in the one run of --seed or --plan, line by line; Enter goes on.
    #[arg(long)]
    step: bool,
    /// Play a plan that was written down.
    #[arg(long)]
    plan: Option<PathBuf>,
    /// Switch deliberate defects on, one after the other: each must be found within --seeds.
    #[arg(long)]
    mutants: bool,
    /// With stand-ins for the public-key cryptography: many times as many seeds in the same time.
    #[arg(long)]
    stand_in: bool,
    /// With optimisation: worth its build for more than a few hundred seeds.
    #[arg(long)]
    release: bool,
}

/// Builds the world and runs it as asked. Its exit code is 0 where nothing was found.
///
/// # Errors
/// It does not build, or cannot be started.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--package", "postern-world"]);
    if flags.release {
        cargo.arg("--release");
    }
    cargo.arg("--");
    for (name, value) in [("--seeds", flags.seeds), ("--seed", flags.seed), ("--seconds", flags.seconds)] {
        if let Some(value) = value {
            cargo.arg(name).arg(value.to_string());
        }
    }
    for (name, on) in [("--step", flags.step), ("--mutants", flags.mutants), ("--stand-in", flags.stand_in)] {
        if on {
            cargo.arg(name);
        }
    }
    if let Some(plan) = &flags.plan {
        cargo.arg("--plan").arg(std::path::absolute(plan)?);
    }
    let status = process::status(&mut cargo)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
