//! The world in the test command: as many seeds as fit, and proof that the net holds what it should.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use postern_world::{
    plan::{Plan, Step},
    shrink::shrink_by,
    world,
};

/// On two cores these are three minutes of worlds; `cargo xtask world` runs on.
fn budget() -> Duration {
    let seconds = std::env::var("POSTERN_WORLD_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(90))
}

/// Seeds from 1 on until the time is up (`POSTERN_WORLD_SECONDS`, 90 where nothing is said), at least twenty; each world
/// has one thread, and each core a world.
#[test]
fn nothing_is_found_in_as_many_seeds_as_fit() {
    let began = Instant::now();
    let (next, openings) = (AtomicU64::new(1), AtomicU64::new(0));
    let run = || {
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed > 20 && began.elapsed() > budget() {
                return;
            }
            let outcome = world::run(&Plan::of(seed));
            assert!(
                outcome.violations.is_empty(),
                "seed {seed}: {:?}; `cargo xtask world --seed {seed} --seeds 1` shrinks it and writes its log",
                outcome.violations
            );
            openings.fetch_add(outcome.openings, Relaxed);
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // What one thread finds ends the test when all have stopped.
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(run))));
    let (seeds, openings) = (next.into_inner() - 1 - cores as u64, openings.into_inner());
    assert!(
        openings >= seeds,
        "a world in which nobody opens anything proves nothing: {openings} in {seeds} seeds"
    );
    println!("{seeds} seeds, {openings} openings");
}

/// The same seed is the same life, to the last word of its log: a seed in a report is enough to see it again.
#[test]
fn a_seed_is_the_same_world_every_time() {
    for seed in [3, 17, 530] {
        let plan = Plan::of(seed);
        let (first, log) = world::run_logged(&plan);
        let (second, again) = world::run_logged(&plan);
        assert_eq!(first.happenings, second.happenings);
        assert!(!log.is_empty());
        assert_eq!(log, again, "seed {seed}");
        // A plan that was written down is the plan.
        let text = serde_json::to_vec(&plan).expect("a plan can be written");
        assert_eq!(serde_json::from_slice::<Plan>(&text).expect("and read"), plan);
    }
}

/// A planted defect, here a world in which nobody comes to open: found, and reduced to the one step that matters.
#[test]
fn what_is_found_is_shrunk_to_what_matters() {
    let plan = Plan::of(4);
    let abandoned = |plan: &Plan| world::run_with(plan, world::Planted::NobodyComes);
    let found = abandoned(&plan);
    assert_eq!(found.violations.first().map(|violation| violation.invariant), Some(4));
    let small = shrink_by(&plan, abandoned);
    assert!(small.steps.len() < plan.steps.len());
    assert!(matches!(small.steps[..], [(_, Step::Parcel { .. })]), "{:?}", small.steps);
}

/// A return that its customer puts in and, by PIN, takes out again, before anybody hears of either: when the receipts come
/// it is booked once more, and brought once more.
#[test]
fn a_return_that_was_emptied_again_is_brought_again() {
    let customer = 0;
    let steps = vec![
        // What goes back by an even number is forgotten at home the first time: this one has the 0.
        (1_000, Step::Parcel { customer: 1, locker: 0, door: 2 }),
        (20_000, Step::Return { customer, locker: 0, door: 1 }),
        (30_000, Step::Walk { customer, locker: Some(0) }),
        (40_000, Step::Gesture { customer }),
        // The phone is out of reach before the door is closed.
        (41_500, Step::Walk { customer, locker: None }),
        (120_000, Step::Pin { customer }),
    ];
    let plan = Plan { seed: 3, lockers: 1, doors: 2, unmeasured: Vec::new(), customers: 2, steps };
    let (outcome, log) = world::run_logged(&plan);
    assert_eq!(outcome.violations, []);
    let said = |what: &str| log.iter().filter(|line| line.contains(what)).count();
    assert_eq!((said("Fetch(1)"), said("Bring(1)")), (1, 2), "{}", log.join("\n"));
}
