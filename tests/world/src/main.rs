//! `postern-world`: runs seeds, shrinks what fails, plays a run step by step.

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use postern_world::{mutants, plan::Plan, shrink::shrink, world};

/// Seeded simulation of phones, lockers and a hub, held against an independent reference.
#[derive(Parser)]
struct Options {
    /// How many seeds to run, from --seed on.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after so many seconds, whatever the number of seeds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Show what happens in the one run of --seed, line by line; Enter goes on.
    #[arg(long)]
    step: bool,
    /// Print the whole log of the one run of --seed.
    #[arg(long)]
    log: bool,
    /// Play a plan that was written down.
    #[arg(long)]
    plan: Option<PathBuf>,
    /// Do not shrink what fails.
    #[arg(long)]
    keep_whole: bool,
    /// Switch deliberate defects on, one after the other, in a copy of the source: each must be found within --seeds.
    #[arg(long)]
    mutants: bool,
    /// Where a shrunk plan and its log are written when something is found.
    #[arg(long, default_value = "target/world")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("postern-world: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> io::Result<ExitCode> {
    if options.mutants {
        let workspace = std::fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))?;
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
        return mutants::run(&workspace, &target, options.seeds);
    }
    if let Some(path) = &options.plan {
        let plan = serde_json::from_slice(&std::fs::read(path)?)?;
        return show(&plan, options.step);
    }
    if options.step || options.log {
        return show(&Plan::of(options.seed), options.step);
    }
    let began = Instant::now();
    let limit = options.seconds.map(Duration::from_secs);
    let (mut openings, mut happenings, mut seeds) = (0, 0, 0);
    for seed in options.seed..options.seed.saturating_add(options.seeds) {
        let plan = Plan::of(seed);
        let outcome = world::run(&plan);
        if !outcome.violations.is_empty() {
            return found(&plan, options);
        }
        openings += outcome.openings;
        happenings += outcome.happenings;
        seeds += 1;
        if limit.is_some_and(|limit| began.elapsed() > limit) {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "world: {seeds} seeds, {openings} openings, {happenings} happenings in {seconds:.1} s ({:.0} openings/s), nothing found",
        openings as f64 / seconds
    );
    Ok(ExitCode::SUCCESS)
}

fn show(plan: &Plan, step: bool) -> io::Result<ExitCode> {
    let (outcome, log) = world::run_logged(plan);
    let mut out = io::stdout().lock();
    let mut enter = io::stdin().lock().lines();
    for line in log {
        writeln!(out, "{line}")?;
        if step {
            out.flush()?;
            if enter.next().is_none() {
                break;
            }
        }
    }
    for violation in &outcome.violations {
        writeln!(out, "VIOLATION of invariant {}: {}", violation.invariant, violation.what)?;
    }
    Ok(if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn found(plan: &Plan, options: &Options) -> io::Result<ExitCode> {
    println!("seed {} breaks an invariant; shrinking {} steps", plan.seed, plan.steps.len());
    let small = if options.keep_whole { plan.clone() } else { shrink(plan) };
    std::fs::create_dir_all(&options.out)?;
    let path = options.out.join(format!("seed-{}.json", plan.seed));
    std::fs::write(&path, serde_json::to_vec_pretty(&small)?)?;
    let (outcome, log) = world::run_logged(&small);
    let log_path = path.with_extension("log");
    std::fs::write(&log_path, log.join("\n"))?;
    for violation in &outcome.violations {
        println!("VIOLATION of invariant {}: {}", violation.invariant, violation.what);
    }
    println!("{} steps are left: {} and {}", small.steps.len(), path.display(), log_path.display());
    println!("again: cargo xtask world --plan {}", path.display());
    Ok(ExitCode::FAILURE)
}
