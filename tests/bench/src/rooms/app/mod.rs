//! The window: cold start and memory against an empty window; long lists; the sealed store; idle; sizes.

mod many;
mod processes;
mod screen;
mod sizes;
mod store;
mod wallet;

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use postern_window_tests::{
    child::Program,
    parts::Air,
    stage::{Bluetooth, Keyring},
    world::World,
};
use serde_json::json;

use self::{
    processes::Tree,
    screen::{Picture, Screen},
};
use crate::{
    bench::Bench,
    report::{Measurement, Unit},
    stat::{Samples, pairs},
};

const SIGNED_OUT: &str = "[data-testid='welcome'][data-session='signedOut']";
const EMPTY: &str = "an empty Tauri window";

pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    sizes::measure(bench)?;
    if bench.wants("app.store") {
        store::measure(bench)?;
    }
    if bench.wants("app.wallet") {
        wallet::measure(bench)?;
    }
    let wanted = ["app.opening", "app.start", "app.memory", "app.idle", "app.many"];
    if wanted.iter().any(|name| bench.wants(name)) {
        window(bench)?;
    }
    Ok(())
}

/// A customer who is signed in, in front of a cabinet, and then the same customer's app started again and again.
fn window(bench: &mut Bench) -> Result<()> {
    let folder = bench.scratch().join("window");
    let mut world = World::build(&folder, Keyring::Unlocked, Bluetooth::None, &Air::Tcp)?;
    world.start_app(SIGNED_OUT)?;
    world.sign_in("Robin")?;
    if bench.wants("app.opening") {
        opening(bench, &world)?;
    }
    world.browser = None;
    world.app = None;
    // No cabinet is near at home.
    world.cabinet.faults(&json!({ "air": { "silent": true } }))?;

    let screen = Screen::open(&world.stage.framebuffer())?;
    let app = Subject::new(&world, &screen, bench.binary("postern-app"))?;
    let empty = Subject::new(&world, &screen, bench.binary("examples/empty_window"))?;
    let rests = if bench.wants("app.memory") || bench.wants("app.idle") { bench.runs(8) } else { 0 };
    let starts = if bench.wants("app.start") { bench.runs(20) } else { rests };
    if starts > 0 {
        let idle = Duration::from_secs(if bench.quick() { 4 } else { 15 });
        let (mut ours, mut other) = (Rests::new(rests, idle), Rests::new(rests, idle));
        let samples = pairs(starts, || app.start(&mut ours), || empty.start(&mut other))?;
        bench.add(
            Measurement::paired("app.start.cold", "Start to the painted list", Unit::Seconds, EMPTY, &samples)
                .at_most_times(1.2)
                .note(
                    "A new process, from the sealed store, signed in, files in the page cache. Painted: 95 % of the \
                     letters and lines of the picture that it comes to rest with are in the display's memory. The \
                     empty window paints as Tauri has it paint; the app, without a graphics card, paints by itself.",
                ),
        );
        rest(bench, &ours, &other);
    }
    if bench.wants("app.many") {
        many::measure(bench, &mut world)?;
    }
    Ok(())
}

/// The resident's compartment, which opens as often as one likes.
fn opening(bench: &mut Bench, world: &World) -> Result<()> {
    let mut samples = Samples::default();
    let flat = world.reservation("Flat 12 box")?;
    for run in 0..bench.runs(20) {
        world.show(&flat)?;
        let opened = world.open("D2")?;
        samples.0.push(opened.to_latch as f64 / 1000.0);
        world.cabinet.hand("D2", if run % 2 == 0 { "put" } else { "take" })?;
        world.cabinet.hand("D2", "close")?;
        world.see("opening-phase", "[data-phase='closed']")?;
        world.press("opening-done")?;
        world.see(&format!("card-{flat}"), "[data-state='held']")?;
    }
    let title = "Gesture in the window to the latch of a simulated cabinet, over TCP";
    bench.add(Measurement::new("app.opening.latch", title, Unit::Seconds, &samples));
    Ok(())
}

/// Memory, and what it does while nobody does anything: of some of the starts.
fn rest(bench: &mut Bench, ours: &Rests, other: &Rests) {
    if ours.found.is_empty() {
        return;
    }
    let one = |at: usize| {
        let of = |rests: &Rests| Samples(rests.found.iter().map(|found| found[at]).collect());
        (of(ours), of(other))
    };
    let samples = [one(0), one(1), one(2)];
    let [memory, processor, wakes] = &samples;
    bench.add(
        Measurement::paired(
            "app.memory",
            "Memory of all processes, shared by shares",
            Unit::Bytes,
            EMPTY,
            memory,
        )
        .at_most_times(1.15)
        .note(
            "PSS of the process and all its descendants (the web view's two), a few seconds after the start.",
        ),
    );
    let titles = [
        (
            "app.idle.processor",
            "Processor time of a second of idling, signed in, pushed to",
            Unit::Seconds,
            processor,
        ),
        (
            "app.idle.wakes",
            "Threads woken in a second of idling, signed in, pushed to",
            Unit::PerSecond,
            wakes,
        ),
    ];
    for (name, title, unit, samples) in titles {
        // An empty window may well do nothing at all, and nothing is so many times nothing.
        let one = if samples.1.0.iter().all(|other| *other > 0.0) {
            Measurement::paired(name, title, unit, EMPTY, samples)
        } else {
            Measurement::new(name, title, unit, &samples.0).note("An empty window: none in one run or more.")
        };
        bench.add(one);
    }
}

/// What was found of a program that rests, after as many starts as are wanted.
struct Rests {
    wanted: usize,
    /// How long it is watched.
    idle: Duration,
    /// Bytes; and in each second: seconds on a processor, threads woken.
    found: Vec<[f64; 3]>,
}

impl Rests {
    fn new(wanted: usize, idle: Duration) -> Self {
        Self { wanted, idle, found: Vec::new() }
    }
}

/// A program with a window, and the picture that it comes to rest with.
struct Subject<'a> {
    world: &'a World,
    screen: &'a Screen,
    binary: PathBuf,
    picture: Picture,
}

impl<'a> Subject<'a> {
    fn new(world: &'a World, screen: &'a Screen, binary: PathBuf) -> Result<Self> {
        let mut subject = Self { world, screen, binary, picture: Picture::default() };
        let program = subject.launch()?;
        subject.picture = screen.settled()?;
        subject.end(program)?;
        Ok(subject)
    }

    fn launch(&self) -> Result<Program> {
        let stage = &self.world.stage;
        let mut command = stage.command(&self.binary);
        self.world.settings.tell(stage, &mut command);
        Program::start("measured", stage.logs(), &command)
    }

    /// Until nothing of it is on the display any more.
    fn end(&self, program: Program) -> Result<()> {
        drop(program);
        self.screen.wait_for(&self.picture, false)
    }

    /// Seconds from the start of the process to its picture. Then it may rest.
    fn start(&self, rests: &mut Rests) -> Result<f64> {
        let began = Instant::now();
        let program = self.launch()?;
        self.screen.wait_for(&self.picture, true)?;
        let took = began.elapsed().as_secs_f64();
        if rests.found.len() < rests.wanted {
            // What is put off until after the first picture is part of the start, and of no idling.
            thread::sleep(Duration::from_secs(3));
            let tree = Tree::of(program.id())?;
            let memory = tree.memory()?;
            let (before, since) = (tree.used()?, Instant::now());
            thread::sleep(rests.idle);
            let (after, seconds) = (tree.used()?, since.elapsed().as_secs_f64());
            let [processor, wakes] = after.since(&before);
            rests.found.push([memory, processor / seconds, wakes / seconds]);
        }
        self.end(program)?;
        Ok(took)
    }
}
