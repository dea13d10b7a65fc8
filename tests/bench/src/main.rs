//! `cargo xtask bench`: what it costs, beside what it must cost at least, in one report. See README.md.
#![forbid(unsafe_code)]

pub mod bench;
mod machine;
mod markdown;
mod page;
mod plot;
pub mod report;
mod rooms;
pub mod stat;
mod terminal;

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use clap::Parser;

use crate::{bench::Bench, report::Report};

/// Measures, and writes `report.json`, `index.html` and `BENCHMARKS.md`.
#[derive(Parser)]
struct Options {
    /// Fewer runs and the small sizes: under five minutes for everything.
    #[arg(long)]
    quick: bool,
    /// Only what begins so (`hub`, `air.opening`); may be given more than once.
    #[arg(long)]
    only: Vec<String>,
    /// Where the report goes.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Where the programs of the product are, built with optimisation.
    #[arg(long, default_value = "target/release")]
    binaries: PathBuf,
    /// Wait for a line on the standard input between making what is measured and measuring it: for whoever must make the
    /// machine quiet first.
    #[arg(long)]
    pause: bool,
    /// Measure nothing: write the page of the report that is there once more.
    #[arg(long)]
    redraw: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("postern-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    fs::create_dir_all(&options.out).with_context(|| format!("cannot make {}", options.out.display()))?;
    let json = options.out.join("report.json");
    let report = if options.redraw {
        serde_json::from_slice(&fs::read(&json)?)?
    } else {
        let report = measure(options)?;
        fs::write(&json, serde_json::to_vec_pretty(&report)?)?;
        report
    };
    page::write(&report, &options.out)?;
    fs::write(options.out.join("BENCHMARKS.md"), markdown::write(&report))?;
    terminal::end(&report);
    println!("report: {}", options.out.join("index.html").display());
    let good = report.failures.is_empty() && report.missed().is_empty();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(options: &Options) -> Result<Report> {
    let began = Instant::now();
    let mut machine = machine::machine();
    let scratch = std::path::absolute(options.out.join("scratch"))?;
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    let binaries = std::path::absolute(&options.binaries)?;
    let mut bench = Bench::new(options.quick, options.pause, options.only.clone(), binaries, scratch);
    let mut failures = Vec::new();
    for (room, measure) in rooms::ROOMS {
        if !bench.wants(room) {
            continue;
        }
        println!("{room}");
        // A room that fails does not take the numbers of the others with it.
        if let Err(error) = measure(&mut bench) {
            println!("  {room} stopped: {error:#}");
            failures.push(((*room).to_owned(), format!("{error:#}")));
        }
    }
    machine.load[1] = machine::load();
    Ok(Report {
        commit: machine::commit(),
        began: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |now| now.as_secs().saturating_sub(began.elapsed().as_secs())),
        took: began.elapsed().as_secs_f64(),
        quick: options.quick,
        machine,
        measurements: bench.measurements,
        curves: bench.curves,
        failures,
    })
}
