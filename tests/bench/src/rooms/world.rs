//! The world: how many openings it simulates in a second.

use std::time::Instant;

use anyhow::{Result, ensure};
use postern_world::{plan::Plan, world};

use crate::{
    bench::Bench,
    report::{Measurement, Unit},
    stat::Samples,
};

pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let mut rates = Samples::default();
    for run in 0..bench.runs(12) as u64 {
        let began = Instant::now();
        let mut openings = 0;
        for seed in run * 5 + 1..=run * 5 + 5 {
            let outcome = world::run(&Plan::of(seed));
            ensure!(outcome.violations.is_empty(), "seed {seed} breaks an invariant");
            openings += outcome.openings;
        }
        rates.0.push(openings as f64 / began.elapsed().as_secs_f64());
    }
    bench.add(Measurement::new(
        "world.openings.real",
        "Openings simulated a second, real cryptography, all faults",
        Unit::PerSecond,
        &rates,
    ));
    Ok(())
}
