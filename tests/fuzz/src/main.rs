//! Runs the fuzz targets for a time on stable Rust.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Parser;
use postern_fuzz::{
    TARGETS, Target,
    mutate::{Dice, mutate, shrink},
    target,
};

/// Throw hostile bytes at everything that reads bytes.
#[derive(Parser)]
struct Arguments {
    /// How long, in minutes, over all targets.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// The seed; another one gives other inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
    /// Run this one input (a file) and nothing else.
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
    /// Write the seed corpus below this folder, for libFuzzer, and end.
    #[arg(long)]
    write_corpus: Option<PathBuf>,
    /// Where failing inputs are put.
    #[arg(long, default_value = "target/fuzz")]
    artifacts: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let chosen: Vec<Target> = match &arguments.target {
        Some(name) => vec![target(name).ok_or_else(|| anyhow::anyhow!("no target {name}"))?],
        None => TARGETS.to_vec(),
    };
    if let Some(folder) = &arguments.write_corpus {
        for target in chosen {
            let folder = folder.join(target.name);
            fs::create_dir_all(&folder)?;
            for (number, seed) in (target.seeds)().iter().enumerate() {
                fs::write(folder.join(format!("{number:03}")), seed)?;
            }
        }
        return Ok(());
    }
    if let Some(path) = &arguments.input {
        (chosen[0].run)(&fs::read(path)?);
        return Ok(());
    }
    let share = Duration::from_secs_f64(arguments.minutes * 60.0 / chosen.len() as f64);
    let mut failed = false;
    for target in chosen {
        failed |= !hunt(target, arguments.seed, share, &arguments.artifacts)?;
    }
    anyhow::ensure!(!failed, "a target failed");
    Ok(())
}

fn hunt(target: Target, seed: u64, time: Duration, artifacts: &std::path::Path) -> anyhow::Result<bool> {
    let fails = |bytes: &[u8]| panic::catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err();
    let corpus = (target.seeds)();
    let mut dice = Dice::new(seed);
    let end = Instant::now() + time;
    let mut tried = 0_u64;
    let mut inputs = corpus.clone().into_iter();
    while Instant::now() < end || inputs.len() > 0 {
        let input = inputs.next().unwrap_or_else(|| mutate(&corpus, &mut dice));
        tried += 1;
        if fails(&input) {
            // The panic of the first failure has been shown; those of shrinking would only repeat it.
            panic::set_hook(Box::new(|_| {}));
            let input = shrink(input, fails);
            let _ = panic::take_hook();
            fs::create_dir_all(artifacts)?;
            let path = artifacts.join(format!("{}-{seed}-{tried}", target.name));
            fs::write(&path, &input)?;
            println!("{}: failed at input {tried} of seed {seed}: {}", target.name, path.display());
            return Ok(false);
        }
    }
    println!("{}: {tried} inputs from {} seeds, none failed", target.name, corpus.len());
    Ok(true)
}
