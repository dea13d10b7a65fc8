//! The world: how many openings it simulates in a second of one core, and how that grows with the number of people.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use postern_world::{copy, plan::Plan, world};

use crate::{
    bench::Bench,
    report::{Curve, Line, Measurement, Unit},
    stat::Samples,
};

const SEEDS: u64 = 4;
/// What is counted.
const COUNTED: &str = "An opening is a door that came open, as PROTOCOL.md uses the word: with a token, a handshake, an entry \
    in the journal, a latch and a receipt. A courier's is one too, and each parcel here has one of either kind. Until \
    2026-11-28 only those for customers were counted; that number is the next.";
/// Why customers' openings alone are fewer.
const ALONE: &str = "Alone these would miss 20,000 a second, which leaves 50 µs for a customer's opening with all that goes \
    before it: two handshakes, a courier's and a customer's, both ends of each; some 35 events of an app that asks, is told, \
    checks and tells the hub; and a cabinet that looks at its doors twice a second, and every ten milliseconds while a latch \
    works. tests/world has the shares.";

pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    if bench.wants("world.openings.real") {
        let runs = bench.runs(12) as u64;
        for (name, title, plan) in [
            (
                "world.openings.real.busy",
                "Openings for customers a second and core, no mishaps",
                Plan::busy as fn(u64) -> Plan,
            ),
            (
                "world.openings.real.faults",
                "Openings for customers a second and core, all faults and attacks",
                Plan::of,
            ),
        ] {
            let rates = (0..runs).map(|run| rate(run * SEEDS + 1, plan)).collect::<Result<_>>()?;
            bench.add(Measurement::new(name, title, Unit::PerSecond, &Samples(rates)));
        }
    }
    // A build of its own, which a quick run has no time for.
    if bench.wants("world.openings.stand_in") && !bench.quick() {
        stand_in(bench)?;
    }
    if bench.wants("world.growth") {
        growth(bench)?;
    }
    Ok(())
}

/// Openings for customers in a second of this core.
fn rate(first: u64, plan: fn(u64) -> Plan) -> Result<f64> {
    let began = busy()?;
    let mut openings = 0;
    for seed in first..first + SEEDS {
        openings += run(seed, &plan(seed))?;
    }
    Ok(openings as f64 / (busy()? - began))
}

fn run(seed: u64, plan: &Plan) -> Result<u64> {
    let outcome = world::run(plan);
    ensure!(outcome.violations.is_empty(), "seed {seed} breaks an invariant");
    Ok(outcome.openings)
}

/// Seconds that this thread has been on a core: what else the machine does does not count.
fn busy() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().context("schedstat has another shape")?;
    Ok(first.parse::<u64>()? as f64 / 1e9)
}

fn stand_in(bench: &mut Bench) -> Result<()> {
    let workspace = std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    let target = bench.binary("").parent().context("no folder above the programs")?.to_path_buf();
    let built = copy::stand_in(&workspace, &target)?;
    let how = if built.profiled {
        ""
    } else {
        " Built without a profile: this compiler's llvm-profdata is not here."
    };
    let (mut all, mut customers) = (Samples::default(), Samples::default());
    for run in 0..bench.runs(12) as u64 {
        let output = Command::new(&built.program)
            .args(["--busy", "--json", "--seeds", "20", "--seed"])
            .arg((run * 20 + 1).to_string())
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let number = |name: &str| said[name].as_f64().with_context(|| format!("no {name}"));
        let (openings, seconds) = (number("openings")?, number("busy_seconds")?);
        all.0.push((openings + number("deposits")?) / seconds);
        customers.0.push(openings / seconds);
    }
    bench.add(
        Measurement::new(
            "world.openings.stand_in",
            "Openings for customers and couriers a second and core, no mishaps, stand-ins for public keys",
            Unit::PerSecond,
            &all,
        )
        .at_least(20_000.0)
        .note(&format!("{COUNTED}{how}")),
    );
    bench.add(
        Measurement::new(
            "world.openings.stand_in.customers",
            "The same, for customers alone",
            Unit::PerSecond,
            &customers,
        )
        .note(ALONE),
    );
    Ok(())
}

/// What an opening for a customer costs, with its courier's, among more and more people, four to a locker.
fn growth(bench: &mut Bench) -> Result<()> {
    let sizes: &[usize] = if bench.quick() { &[4, 16, 64] } else { &[4, 16, 64, 256, 1024] };
    let mut points = Vec::new();
    for size in sizes {
        let mut costs = Samples::default();
        // The largest are so many openings that few runs say as much.
        let runs = if *size > 256 { 3 } else { bench.runs(8) };
        for seed in 1..=runs as u64 {
            let plan = Plan::busy_for(seed, *size);
            let began = busy()?;
            let openings = run(seed, &plan)?;
            costs.0.push((busy()? - began) / openings as f64);
        }
        points.push((*size as f64, costs));
    }
    let line = Line::new("processor time of an opening", &points);
    bench.draw(Curve::new(
        "world.growth",
        "The world, by the number of people in it",
        "customers",
        Unit::Seconds,
        vec![line],
    ));
    Ok(())
}
