//! How the app's mind grows with what the customer has: taking an event in, showing everything, saving.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use postern_core::{event::Event, view::View};

use super::store::{App, Saved, document};
use crate::{
    bench::Bench,
    report::{Curve, Line, Unit},
    stat::Samples,
};

/// The wallet keeps no more than the last of these.
const SIZES: [u32; 4] = [100, 1_000, 10_000, 20_000];
/// What is measured goes on for at least so long, so that the clock's grain does not show.
const LONG_ENOUGH: Duration = Duration::from_millis(2);

/// What was made is there, whatever the optimiser thinks of it, and goes.
fn made<T>(value: T) -> Result<()> {
    drop(black_box(value));
    Ok(())
}

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let sizes = if bench.quick() { &SIZES[..2] } else { &SIZES };
    let runs = bench.runs(20);
    let mut empty = App::with(document(0)?);
    let [mut event, mut none, mut view, mut copy, mut change, mut small, mut whole, mut bytes] =
        [const { Vec::new() }; 8];
    for size in sizes {
        let mut app = App::with(document(*size)?);
        let mut points = [const { Samples(Vec::new()) }; 8];
        for _ in 0..runs {
            let shown: View = app.core.view();
            if shown.reservations.len() != *size as usize {
                bail!("the wallet did not take {size} reservations");
            }
            let Saved::Whole(saved) = app.save_all()? else { bail!("not written whole") };
            let took = [
                each(|| look(&mut app))?,
                each(|| look(&mut empty))?,
                each(|| made(app.core.view()))?,
                each(|| made(shown.clone()))?,
                each(|| app.change().map(drop))?,
                each(|| empty.change().map(drop))?,
                each(|| app.save_all().map(drop))?,
                each(|| made(saved.clone()))?,
            ];
            for (samples, took) in points.iter_mut().zip(took) {
                samples.0.push(took);
            }
        }
        let lines =
            [&mut event, &mut none, &mut view, &mut copy, &mut change, &mut small, &mut whole, &mut bytes];
        for (line, samples) in lines.into_iter().zip(points) {
            line.push((f64::from(*size), samples));
        }
    }
    for (name, title, ours, other) in [
        ("event", "An event that changes nothing, taken in", event, ("the same with an empty wallet", none)),
        ("view", "The whole view", view, ("a copy of it", copy)),
        ("change", "A change, as it is to be saved", change, ("the same with an empty wallet", small)),
        ("whole", "Everything, as it is to be saved", whole, ("a copy of the bytes", bytes)),
    ] {
        let lines = vec![Line::new("core", &ours), Line::new(other.0, &other.1)];
        let name = format!("app.wallet.{name}.growth");
        bench.draw(Curve::new(&name, title, "reservations, each with a token", Unit::Seconds, lines));
    }
    Ok(())
}

/// Time passes, and the core says when it wants to be woken.
fn look(app: &mut App) -> Result<()> {
    app.tell(Event::Tick);
    while app.core.poll_effect().is_some() {}
    black_box(app.core.poll_timeout());
    Ok(())
}

/// Seconds that one call takes, over as many as it takes.
fn each(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    let (began, mut calls) = (Instant::now(), 0_u32);
    while began.elapsed() < LONG_ENOUGH {
        call()?;
        calls += 1;
    }
    Ok(began.elapsed().as_secs_f64() / f64::from(calls))
}
