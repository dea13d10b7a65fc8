//! `cargo xtask test`: every test of every kind, one summary.

use std::{
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{
    build::{self, TestBinary},
    disk::Room,
    guarded_lab::GuardedLab,
    peer, platforms, process, python,
    report::{Logs, Tally, libtest, one, page_line, seconds},
    setup::{self, Use},
    tidy, web,
    workspace::{root, target},
};

/// No test binary takes as long as this, in seconds.
const TIMEOUT: &str = "1500";

/// Said before and after, so that nobody takes what ran for everything.
const WITHOUT_LAB: &str = "no Bluetooth lab on this system: everything over Bluetooth is left out";
/// The same of the page for browsers.
const WITHOUT_WASM: &str = "no compiler for WebAssembly on this system: the app in a browser is left out (rustup target add \
    wasm32-unknown-unknown brings one)";
/// How long the world runs where it is to be quick, in seconds.
const QUICK_WORLD: &str = "30";

/// `cargo xtask test`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Only this part; may be given more than once.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// For the loop: about five minutes on a built tree. The rules that need no compiler, the tests beside the code, the
    /// page, and the world for half a minute; no window, no Bluetooth, no lints.
    #[arg(long, conflicts_with_all = ["only", "platforms"])]
    quick: bool,
    /// Then what `cargo xtask platforms` proves, counted with the rest.
    #[arg(long)]
    platforms: bool,
}

/// A part of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Part {
    /// Formatting, lints, who imports whom, dependencies, lock files.
    Tidy,
    /// Tests beside the code.
    Unit,
    /// The page in a browser.
    Ui,
    /// Many phones, lockers and hubs in one seeded simulation.
    World,
    /// The real window under WebDriver.
    Window,
    /// The real Bluetooth stack.
    Lab,
    /// The protocol's second implementation, in Python, over `air` and over the real Bluetooth stack.
    Peer,
    /// The app in a phone's browser, over the real Bluetooth stack.
    Web,
}

impl Part {
    /// Which part a package's tests belong to.
    fn of(package: &str) -> Self {
        match package {
            "postern-window-tests" => Self::Window,
            "postern-lab-tests" => Self::Lab,
            "postern-world" => Self::World,
            _ => Self::Unit,
        }
    }

    /// Whether it runs what cargo builds.
    fn is_built(self) -> bool {
        !matches!(self, Self::Tidy | Self::Ui)
    }

    /// Whether its tests speak Bluetooth.
    fn needs_lab(self) -> bool {
        matches!(self, Self::Window | Self::Lab | Self::Peer | Self::Web)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tidy => "tidy",
            Self::Unit => "unit",
            Self::Ui => "ui",
            Self::World => "world",
            Self::Window => "window",
            Self::Lab => "lab",
            Self::Peer => "peer",
            Self::Web => "web",
        }
    }
}

/// `cargo xtask test`.
///
/// # Errors
/// Something is missing or does not build. A failed test is not an error but a failure in the summary.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let began = Instant::now();
    let mut room = Room::now();
    let mut parts = chosen(flags);
    let wants_lab = parts.iter().any(|part| part.needs_lab());
    let without_lab = wants_lab && !flags.only.contains(&Part::Lab) && !setup::is_possible(Use::Lab)?;
    if without_lab {
        println!("{WITHOUT_LAB}");
        parts.retain(|part| *part != Part::Lab);
    }
    let without_wasm = leave_out(&mut parts, Part::Web, &flags.only, web::is_possible)?;
    if without_wasm {
        println!("{WITHOUT_WASM}");
    }
    setup::ensure(&uses(&parts, !without_lab))?;
    build::announce(build::What::Tests);
    build::page()?;
    if parts.contains(&Part::Web) {
        web::build(false)?;
    }
    if parts.contains(&Part::Unit) {
        // For the clients that are generated of the hub's document; the test takes what it finds there.
        let wanted = std::fs::read_to_string(root().join("tests/contract/requirements.txt"))?;
        python::environment("contract/python", &wanted)?;
    }
    let logs = Logs::fresh()?;
    let binaries = if parts.iter().any(|part| part.is_built()) {
        println!("building");
        let binaries = build::tests()?;
        println!("built after {}", seconds(began.elapsed()));
        room.look();
        binaries
    } else {
        Vec::new()
    };

    let lab = if wants_lab && !without_lab { Some(GuardedLab::up()?) } else { None };
    let suite = Suite { binaries, logs, lab, quick: flags.quick };
    let (waiting, busy): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.needs_lab());
    let mut results = suite.busy(&busy)?;
    if !waiting.is_empty() {
        println!("\n{}", waiting.iter().map(|part| part.name()).collect::<Vec<_>>().join(", "));
        results.extend(suite.side_by_side(&waiting)?);
    }
    let Suite { logs, lab, .. } = suite;
    drop(lab);
    if flags.platforms {
        let began = Instant::now();
        results.push(("platforms", platforms::tally(), began.elapsed()));
    }
    room.look();

    for failure in logs.failures()? {
        println!("\nfailed in {failure}");
    }
    println!("\nlogs: {}", logs.folder.strip_prefix(root()).unwrap_or(&logs.folder).display());
    let mut total = Tally::default();
    for (part, tally, took) in &results {
        let Tally { passed, failed } = tally;
        println!("{part:9} {passed:5} passed {failed:5} failed {:>8}", seconds(*took));
        total.add(*tally);
    }
    if without_lab {
        println!("{WITHOUT_LAB}");
    }
    if without_wasm {
        println!("{WITHOUT_WASM}");
    }
    println!("{room}");
    println!("after {}", seconds(began.elapsed()));
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The parts that the flags ask for, in the order in which they run.
fn chosen(flags: &Flags) -> Vec<Part> {
    let quick = [Part::Tidy, Part::Unit, Part::Ui, Part::World];
    let asked = |part: &Part| {
        if flags.quick { quick.contains(part) } else { flags.only.is_empty() || flags.only.contains(part) }
    };
    Part::value_variants().iter().copied().filter(asked).collect()
}

/// Takes a part out that this system cannot run; whoever asks for it by name gets to hear why instead. Whether it is out.
fn leave_out(
    parts: &mut Vec<Part>,
    part: Part,
    asked: &[Part],
    is_possible: impl FnOnce() -> Result<bool>,
) -> Result<bool> {
    if !parts.contains(&part) || asked.contains(&part) || is_possible()? {
        return Ok(false);
    }
    parts.retain(|one| *one != part);
    Ok(true)
}

fn joined(handle: thread::ScopedJoinHandle<'_, Result<Vec<Outcome>>>) -> Result<Vec<Outcome>> {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What these parts need of this machine. Every part's tests are built in one go, so all that builds is needed for each.
fn uses(parts: &[Part], lab: bool) -> Vec<Use> {
    let mut uses = vec![Use::Page];
    if parts != [Part::Ui] {
        uses.push(Use::Build);
    }
    for part in parts {
        uses.extend_from_slice(match part {
            Part::Unit => &[Use::Unit, Use::Browser][..],
            Part::Ui => &[Use::Browser],
            Part::Tidy | Part::World => &[],
            Part::Window => &[Use::Window, Use::Browser, Use::WindowTests, Use::Lab],
            Part::Lab => &[Use::Lab],
            Part::Peer => &[Use::Python, Use::Lab],
            Part::Web => &[Use::Browser, Use::Lab],
        });
    }
    uses.retain(|one| lab || *one != Use::Lab);
    uses
}

/// How many test binaries beside the code run at once: most of them wait much of their time.
const LANES: usize = 2;
/// What the name of a window's test says that uses the adapters.
const ON_THE_AIR: &str = "over_bluetooth";

/// A part's name, what came of it, and how long it took.
type Outcome = (&'static str, Tally, Duration);

/// Which tests of a binary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tests {
    All,
    OnTheAir,
    Others,
}

/// What is there to be run.
struct Suite {
    binaries: Vec<TestBinary>,
    logs: Logs,
    lab: Option<GuardedLab>,
    /// As short as it is worth anything.
    quick: bool,
}

impl Suite {
    /// One part.
    fn run(&self, part: Part, tests: Tests) -> Result<Outcome> {
        let began = Instant::now();
        let tally = match part {
            Part::Tidy => tidy::all(self.quick)?,
            Part::Ui => page(&self.logs)?,
            Part::Peer => peer::run(&self.logs, self.lab.as_ref())?,
            Part::Web => web::test(&self.logs, self.lab.as_ref())?,
            Part::Unit | Part::World | Part::Window | Part::Lab => self.rust(part, tests)?,
        };
        Ok((part.name(), tally, began.elapsed()))
    }

    /// Parts that keep a processor busy: one after the other, so that no clock of theirs runs against another's. In the loop
    /// the page is tested beside the rest: half of its time is a browser's and a type checker's start.
    fn busy(&self, parts: &[Part]) -> Result<Vec<Outcome>> {
        let in_turn = |parts: &[Part]| -> Result<Vec<Outcome>> {
            let run = |part: &Part| {
                println!("\n{}", part.name());
                self.run(*part, Tests::All)
            };
            parts.iter().map(run).collect()
        };
        if !self.quick {
            return in_turn(parts);
        }
        let (page, rest): (Vec<Part>, Vec<Part>) = parts.iter().partition(|part| **part == Part::Ui);
        thread::scope(|scope| {
            let page = scope.spawn(|| in_turn(&page));
            let mut outcomes = in_turn(&rest)?;
            outcomes.extend(joined(page)?);
            Ok(outcomes)
        })
    }

    /// Windows wait most of their time, and so does Bluetooth: at the same time, but for what of the windows uses the
    /// adapters too, which comes last.
    fn side_by_side(&self, parts: &[Part]) -> Result<Vec<Outcome>> {
        let windows = parts.contains(&Part::Window);
        let mut outcomes = thread::scope(|scope| {
            let shown = scope.spawn(|| {
                windows.then(|| self.run(Part::Window, Tests::Others)).into_iter().collect::<Result<Vec<_>>>()
            });
            let heard = scope.spawn(|| {
                let rest = parts.iter().filter(|part| **part != Part::Window);
                rest.map(|part| self.run(*part, Tests::All)).collect()
            });
            let mut outcomes = joined(shown)?;
            outcomes.extend(joined(heard)?);
            anyhow::Ok(outcomes)
        })?;
        if windows && self.lab.is_some() {
            let (_, tally, took) = self.run(Part::Window, Tests::OnTheAir)?;
            outcomes[0].1.add(tally);
            outcomes[0].2 += took;
        }
        Ok(outcomes)
    }

    /// Runs the test binaries of one part, in the folder and with the variables that cargo would give them.
    fn rust(&self, part: Part, tests: Tests) -> Result<Tally> {
        let xtask = std::env::current_exe()?;
        let waiting = Mutex::new(self.binaries.iter().filter(|binary| Part::of(&binary.package) == part));
        let lane = || -> Result<Tally> {
            let mut tally = Tally::default();
            // A statement of its own: the lock is held for no longer than it takes to draw the next.
            while let Some(binary) = { waiting.lock().unwrap_or_else(PoisonError::into_inner).next() } {
                let mut test = process::command("timeout");
                test.args(["--kill-after=10", TIMEOUT]).arg(&binary.executable).current_dir(&binary.folder);
                match part {
                    // Each window has a display, a bus and a keyring of its own.
                    Part::Window => test.arg("--test-threads=2"),
                    Part::World | Part::Lab => test.arg("--test-threads=1"),
                    Part::Tidy | Part::Unit | Part::Ui | Part::Peer | Part::Web => &mut test,
                };
                if self.quick && part == Part::World {
                    test.env("POSTERN_WORLD_SECONDS", QUICK_WORLD);
                }
                match tests {
                    Tests::All => &mut test,
                    Tests::OnTheAir => test.arg(ON_THE_AIR),
                    Tests::Others => test.args(["--skip", ON_THE_AIR]),
                };
                test.env("CARGO_MANIFEST_DIR", &binary.folder)
                    .env("POSTERN_BINARIES", target().join("debug"))
                    .env("POSTERN_XTASK", &xtask)
                    .env("POSTERN_OUT", target().join("test").join(part.name()));
                if let Some(lab) = self.lab.as_ref().filter(|_| part.needs_lab()) {
                    test.env("POSTERN_LAB_BUS", lab.bus()).env("POSTERN_LAB_CONTROL", &lab.control);
                    test.env("POSTERN_LAB_AIR", &lab.air).env("POSTERN_LAB_REQUIRED", "1");
                }
                let name = format!("{}-{}", binary.package, binary.target);
                tally.add(one(&name, &mut test, &self.logs.file(&name), libtest)?);
            }
            Ok(tally)
        };
        let lanes = if part == Part::Unit { LANES } else { 1 };
        let mut tally = Tally::default();
        thread::scope(|scope| {
            let running: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
            for lane in running {
                tally.add(lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            anyhow::Ok(())
        })?;
        if part == Part::Unit {
            let mut own = process::cargo();
            own.args(["test", "--package", "postern-xtask"]);
            tally.add(one("postern-xtask", &mut own, &self.logs.file("postern-xtask"), libtest)?);
        }
        Ok(tally)
    }
}

/// The page's own tests: `npm test` in `ui`, with a summary as Vitest, Playwright and node:test print it.
fn page(logs: &Logs) -> Result<Tally> {
    let mut npm = process::command("npm");
    npm.args(["run", "--silent", "test"]).current_dir(root().join("ui")).env("CI", "1");
    one("ui", &mut npm, &logs.file("ui"), page_line)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    fn parts(line: &[&str]) -> Vec<Part> {
        let line = ["test"].iter().chain(line);
        chosen(&Line::try_parse_from(line).expect("a command line").flags)
    }

    #[test]
    fn parts_run_in_their_order_however_they_are_asked_for() {
        assert_eq!(parts(&["--only", "world", "--only", "unit"]), [Part::Unit, Part::World]);
        assert_eq!(parts(&["--quick"]), [Part::Tidy, Part::Unit, Part::Ui, Part::World]);
        assert_eq!(parts(&[]).len(), Part::value_variants().len(), "nothing is left out unasked");
        assert!(Line::try_parse_from(["test", "--quick", "--only", "lab"]).is_err());
    }

    #[test]
    fn what_a_system_cannot_run_is_left_out_and_nothing_else() {
        let mut all = parts(&[]);
        assert!(leave_out(&mut all, Part::Web, &[], || Ok(false)).unwrap());
        assert_eq!(all.len() + 1, Part::value_variants().len());
        assert!(!all.contains(&Part::Web));
        let mut all = parts(&[]);
        assert!(!leave_out(&mut all, Part::Web, &[], || Ok(true)).unwrap());
        assert!(!leave_out(&mut all, Part::Web, &[Part::Web], || Ok(false)).unwrap(), "asked for by name");
        assert!(all.contains(&Part::Web));
        // Nothing is looked for that is not wanted.
        let mut quick = parts(&["--quick"]);
        assert!(!leave_out(&mut quick, Part::Web, &[], || panic!("it was looked for")).unwrap());
    }

    #[test]
    fn a_part_asks_for_what_it_uses() {
        assert!(!uses(&parts(&["--quick"]), true).contains(&Use::Lab));
        assert!(!uses(&[Part::World], true).contains(&Use::Browser));
        assert!(uses(&[Part::Window], true).contains(&Use::Lab));
        assert!(
            !uses(&parts(&[]), false).contains(&Use::Lab),
            "a system that cannot have it is not asked for it"
        );
    }
}
