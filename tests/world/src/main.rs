//! `postern-world`: runs seeds, shrinks what fails, plays a run step by step.

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use clap::Parser;
use postern_world::{copy, mutants, plan::Plan, shrink::shrink, world};

/// Much of a world is memory taken and given back.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// With stand-ins for the public-key cryptography, in a copy of the source: many times as many seeds in the same time.
    #[arg(long, conflicts_with = "mutants")]
    stand_in: bool,
    /// Busy minutes without mishaps: how fast openings are simulated.
    #[arg(long)]
    busy: bool,
    /// Say what came of it as JSON.
    #[arg(long)]
    json: bool,
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
    if options.mutants || options.stand_in {
        let workspace = std::fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))?;
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
        if options.mutants {
            return mutants::run(&workspace, &target, options.seeds);
        }
        let built = copy::stand_in(&workspace, &target)?;
        if !built.profiled {
            eprintln!("postern-world: built without a profile, as this compiler's llvm-profdata is not here");
        }
        let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--stand-in");
        let status = Command::new(built.program).args(arguments).status()?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let plan_of = if options.busy { Plan::busy } else { Plan::of };
    if let Some(path) = &options.plan {
        let plan = serde_json::from_slice(&std::fs::read(path)?)?;
        return show(&plan, options.step);
    }
    if options.step || options.log {
        return show(&plan_of(options.seed), options.step);
    }
    let began = Instant::now();
    let limit = options.seconds.map(Duration::from_secs);
    let (mut openings, mut deposits, mut happenings, mut seeds) = (0, 0, 0, 0);
    for seed in options.seed..options.seed.saturating_add(options.seeds) {
        let plan = plan_of(seed);
        let outcome = world::run(&plan);
        if !outcome.violations.is_empty() {
            return found(&plan, options);
        }
        openings += outcome.openings;
        deposits += outcome.deposits;
        happenings += outcome.happenings;
        seeds += 1;
        if limit.is_some_and(|limit| began.elapsed() > limit) {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    if options.json {
        let busy = busy().unwrap_or(seconds);
        let said = serde_json::json!({
            "seeds": seeds, "openings": openings, "deposits": deposits, "happenings": happenings,
            "seconds": seconds, "busy_seconds": busy,
        });
        println!("{said}");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "world: {seeds} seeds, {openings} openings for customers and {deposits} for couriers, {happenings} happenings \
         in {seconds:.1} s ({:.0} openings/s), nothing found",
        (openings + deposits) as f64 / seconds
    );
    Ok(ExitCode::SUCCESS)
}

/// Seconds that this thread has been on a core, where the system tells (Linux).
fn busy() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<u64>().ok()? as f64 / 1e9)
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
