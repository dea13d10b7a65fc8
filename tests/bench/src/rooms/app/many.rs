//! The real window with more reservations than anybody has: from the hub's database by way of sync and sealed store.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use postern_window_tests::{webdriver::Session, world::World};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    report::{Measurement, Unit},
    stat::Samples,
};

const RESERVATIONS: u32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// Scrolls on with every frame for two seconds or so, and leaves the times between frames, milliseconds.
const SCROLL: &str = "
    const list = document.querySelector(\"[data-testid='home']\"), frames = [];
    let last;
    const step = (now) => {
        if (last !== undefined) frames.push(now - last);
        last = now;
        list.scrollTop += 437;
        if (frames.length < 120) requestAnimationFrame(step);
        else document.documentElement.dataset.measured = JSON.stringify(frames);
    };
    list.scrollTop = 0;
    requestAnimationFrame(step);";

/// Types something into the search, and leaves the time until it is painted, milliseconds.
const SEARCH: &str = "
    const field = document.querySelector(\"[data-testid='search']\"), began = performance.now();
    field.value = arguments[0];
    field.dispatchEvent(new Event('input', { bubbles: true }));
    requestAnimationFrame(() => setTimeout(() => {
        document.documentElement.dataset.measured = JSON.stringify([performance.now() - began]);
    }));";

pub(super) fn measure(bench: &mut Bench, world: &mut World) -> Result<()> {
    world.hub.fill(RESERVATIONS)?;
    world.start_app("[data-testid='home']")?;
    all_there(&world.app()?.window)?;
    world.app = None;
    // Once more, as on every day after the first: all of it is in the store.
    let began = Instant::now();
    world.start_app("[data-testid='long-list']")?;
    let start = Samples::exact(began.elapsed().as_secs_f64());
    let title = format!("Start to a list of {RESERVATIONS}, driver included");
    bench.add(Measurement::new("app.many.start", &title, Unit::Seconds, &start));
    let window = &world.app()?.window;
    all_there(window)?;

    let mut worst = Samples::default();
    for _ in 0..bench.runs(12) {
        let frames = measured(window, SCROLL, &json!([]))?;
        worst.0.push(frames.into_iter().fold(0.0, f64::max) / 1000.0);
    }
    let title = format!("Longest of 120 frames while {RESERVATIONS} are scrolled through");
    bench.add(
        Measurement::new("app.many.frame", &title, Unit::Seconds, &worst)
            .at_most(0.033)
            .note("Times between frames of the real window, without a graphics card."),
    );
    let mut answered = Samples::default();
    for _ in 0..bench.runs(12) {
        for words in ["parcel 99", "heron 7", "zzz", "HX12", ""] {
            let took = measured(window, SEARCH, &json!([words]))?;
            answered.0.push(took.first().context("nothing measured")? / 1000.0);
        }
    }
    let title = format!("Search among {RESERVATIONS}, from the letter to the painted list");
    bench.add(Measurement::new("app.many.search", &title, Unit::Seconds, &answered).at_most(0.05));
    world.app = None;
    Ok(())
}

/// The last one is found, and nothing comes in any more that would be measured along.
fn all_there(window: &Session) -> Result<()> {
    let count = "const list = document.querySelector(\"[data-testid='long-list']\"); \
         return list === null ? 0 : Number(list.querySelector('[aria-setsize]')?.ariaSetSize ?? 0)";
    window.until("all reservations", PATIENCE, || {
        let there = window.run(count, &json!([]))?.as_f64().unwrap_or_default();
        Ok((there >= f64::from(RESERVATIONS)).then_some(()))
    })
}

fn measured(window: &Session, script: &str, arguments: &Value) -> Result<Vec<f64>> {
    window.run("delete document.documentElement.dataset.measured", &json!([]))?;
    window.run(script, arguments)?;
    let told = window.until("what was measured", PATIENCE, || {
        let told = window.run("return document.documentElement.dataset.measured ?? null", &json!([]))?;
        Ok(told.as_str().map(str::to_owned))
    })?;
    Ok(serde_json::from_str(&told)?)
}
