//! `cargo xtask test`: every test of every kind, one summary.

use std::{
    fmt::Write as _,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::{
    build::{self, TestBinary},
    lab, peer, platforms, process, python, root, setup, target, tidy,
};

/// No test binary takes as long as this, in seconds.
const TIMEOUT: &str = "1500";

/// `cargo xtask test`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Only this part; may be given more than once.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Then what `cargo xtask platforms` proves, counted with the rest.
    #[arg(long)]
    platforms: bool,
}

/// A part of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Part {
    /// Tests beside the code, and the shape of the house.
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

    /// Whether its tests speak Bluetooth.
    fn needs_lab(self) -> bool {
        matches!(self, Self::Window | Self::Lab | Self::Peer)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Ui => "ui",
            Self::World => "world",
            Self::Window => "window",
            Self::Lab => "lab",
            Self::Peer => "peer",
        }
    }
}

/// How many held and how many did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Held.
    pub(crate) passed: u32,
    /// Did not.
    pub(crate) failed: u32,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// `cargo xtask test`.
///
/// # Errors
/// Something is missing or does not build. A failed test is not an error but a failure in the summary.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let began = Instant::now();
    let all = [Part::Unit, Part::Ui, Part::World, Part::Window, Part::Lab, Part::Peer];
    let parts: Vec<Part> =
        all.into_iter().filter(|part| flags.only.is_empty() || flags.only.contains(part)).collect();
    setup::packages()?;
    build::page()?;
    if parts.contains(&Part::Unit) {
        // For the clients that are generated of the hub's document; the test takes what it finds there.
        let wanted = std::fs::read_to_string(root().join("tests/contract/requirements.txt"))?;
        python::environment("contract/python", &wanted)?;
    }
    let logs = Logs::fresh()?;
    let binaries = if parts == [Part::Ui] {
        Vec::new()
    } else {
        println!("building");
        build::tests()?
    };
    println!("built after {}", seconds(began.elapsed()));

    let lab = match parts.iter().any(|part| part.needs_lab()) {
        true => Some(Lab::up()?),
        false => None,
    };
    let suite = Suite { binaries, logs, lab };
    let mut results = Vec::new();
    let (waiting, busy): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.needs_lab());
    for part in busy {
        println!("\n{}", part.name());
        results.push(suite.run(part, Tests::All)?);
    }
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

    println!("\nlogs: {}", logs.folder.strip_prefix(root()).unwrap_or(&logs.folder).display());
    let mut total = Tally::default();
    for (part, tally, took) in &results {
        let Tally { passed, failed } = tally;
        println!("{part:9} {passed:5} passed {failed:5} failed {:>8}", seconds(*took));
        total.add(*tally);
    }
    println!("after {}", seconds(began.elapsed()));
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f32())
}

/// `target/test`: one file for each test binary.
pub(crate) struct Logs {
    folder: PathBuf,
}

impl Logs {
    fn fresh() -> Result<Self> {
        let folder = target().join("test");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// The file of this name.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }
}

/// A lab for as long as the suite needs it; one that ran already is used, and left as it is.
pub(crate) struct Lab {
    bus: String,
    control: PathBuf,
    air: String,
    /// To be stopped, and who stops it when we are not asked (Ctrl-C, SIGKILL).
    ours: Option<(lab::Lab, Child)>,
}

impl Lab {
    /// Boots it, or finds it running.
    ///
    /// # Errors
    /// As [`lab::up`].
    pub(crate) fn up() -> Result<Self> {
        println!("booting the lab");
        let options = lab::Options::new(&target());
        let ran = lab::running(&options.folder).is_some();
        let up = lab::up(&options)?;
        let (bus, control, air) = (up.bus.clone(), up.control.clone(), up.air.clone());
        let ours = if ran { None } else { Some((up, guard()?)) };
        Ok(Self { bus, control, air, ours })
    }

    /// The address of its message bus.
    pub(crate) fn bus(&self) -> &str {
        &self.bus
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let Some((lab, guard)) = &mut self.ours else { return };
        if let Err(error) = lab.down() {
            eprintln!("the lab: {error:#}");
        }
        // It may have ended already; that it is gone is all that matters.
        let _ = guard.kill().and_then(|()| guard.wait());
    }
}

/// A process that takes the lab down when this one has ended, however it ended.
fn guard() -> Result<Child> {
    let script = "sleep infinity & trap 'kill $!' TERM; wait; exec \"$0\" lab down";
    let mut guard = process::command("sh");
    guard.args(["-c", script]).arg(std::env::current_exe()?).process_group(0);
    guard.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(guard.spawn()?)
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
    lab: Option<Lab>,
}

impl Suite {
    /// One part.
    fn run(&self, part: Part, tests: Tests) -> Result<Outcome> {
        let began = Instant::now();
        let mut tally = match part {
            Part::Ui => page(&self.logs)?,
            Part::Peer => peer::run(&self.logs, self.lab.as_ref())?,
            Part::Unit | Part::World | Part::Window | Part::Lab => self.rust(part, tests)?,
        };
        if part == Part::Unit {
            tally.add(tidy::shape());
        }
        Ok((part.name(), tally, began.elapsed()))
    }

    /// Windows wait most of their time, and so does Bluetooth: at the same time, but for what of the windows uses the
    /// adapters too, which comes last.
    fn side_by_side(&self, parts: &[Part]) -> Result<Vec<Outcome>> {
        let windows = parts.contains(&Part::Window);
        let joined = |handle: thread::ScopedJoinHandle<'_, Result<Vec<Outcome>>>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
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
        if windows {
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
                    Part::Unit | Part::Ui | Part::Peer => &mut test,
                };
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
                    test.env("POSTERN_LAB_BUS", &lab.bus).env("POSTERN_LAB_CONTROL", &lab.control);
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

/// Runs one program whose lines tell how many held; where it fails without telling, that is one failure, and where it
/// succeeds without telling, one success.
///
/// # Errors
/// It cannot be started, or its log cannot be written.
pub(crate) fn one(
    name: &str,
    command: &mut Command,
    log: &Path,
    read: fn(&str) -> Option<Tally>,
) -> Result<Tally> {
    let began = Instant::now();
    let mut tally = Tally::default();
    let mut told = false;
    let mut failures = Vec::new();
    let status = process::logged(command, log, |line| {
        let line = plain(line);
        if let Some(part) = read(&line) {
            told = true;
            tally.add(part);
        }
        if line.starts_with("test ") && line.ends_with("FAILED") {
            failures.push(line);
        }
    })?;
    if !status.success() && tally.failed == 0 {
        tally.failed = 1;
        failures.push(format!("{name} ended with {status}"));
    }
    if status.success() && !told {
        tally.passed = 1;
    }
    let Tally { passed, failed } = tally;
    let mut report = String::new();
    if passed + failed > 0 {
        let took = seconds(began.elapsed());
        let _ = writeln!(report, "  {name:40} {passed:5} passed {failed:3} failed {took:>8}");
    }
    for failure in failures {
        let _ = writeln!(report, "    {failure}");
    }
    if tally.failed > 0 {
        let _ = writeln!(report, "    see {}", log.display());
    }
    // At once: others report beside this one.
    print!("{report}");
    Ok(tally)
}

/// Without the escape sequences that colour it.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            text.push(character);
        }
    }
    text
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; …`
fn libtest(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?;
    Some(Tally { passed: count(counts, "passed")?, failed: count(counts, "failed")? })
}

/// Vitest: `      Tests  1 failed | 12 passed (13)`. Playwright: `  1 failed`, `  12 passed (3.4s)`, `  1 flaky` (which
/// is a failure here), `  2 did not run`. node:test: `# pass 3`, `# fail 0`.
fn page_line(line: &str) -> Option<Tally> {
    let line = line.trim();
    if let Some(counts) = line.strip_prefix("Tests ") {
        return Some(Tally {
            passed: count(counts, "passed").unwrap_or(0),
            failed: count(counts, "failed").unwrap_or(0),
        });
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["#" | "ℹ", "pass", number] => Some(Tally { passed: number.parse().ok()?, failed: 0 }),
        ["#" | "ℹ", "fail", number] => Some(Tally { passed: 0, failed: number.parse().ok()? }),
        [number, "passed"] => Some(Tally { passed: number.parse().ok()?, failed: 0 }),
        [number, "passed", took] if took.starts_with('(') => {
            Some(Tally { passed: number.parse().ok()?, failed: 0 })
        }
        [number, "failed" | "flaky" | "interrupted"] | [number, "did", "not", "run"] => {
            Some(Tally { passed: 0, failed: number.parse().ok()? })
        }
        _ => None,
    }
}

/// The number before the word.
fn count(text: &str, word: &str) -> Option<u32> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c == ';' || c == '|').filter(|w| !w.is_empty()).collect();
    let at = words.iter().position(|candidate| *candidate == word)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Tally, libtest, page_line, plain};

    #[test]
    fn every_kind_of_summary_is_read() {
        let tally = |passed, failed| Some(Tally { passed, failed });
        assert_eq!(libtest("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured"), tally(3, 0));
        assert_eq!(libtest("test result: FAILED. 3 passed; 2 failed; 0 ignored"), tally(3, 2));
        assert_eq!(libtest("test something ... ok"), None);
        assert_eq!(page_line("      Tests  1 failed | 12 passed (13)"), tally(12, 1));
        assert_eq!(page_line("      Tests  12 passed (12)"), tally(12, 0));
        assert_eq!(page_line(" Test Files  2 passed (2)"), None);
        assert_eq!(page_line("  12 passed (3.4s)"), tally(12, 0));
        assert_eq!(page_line("  2 flaky"), tally(0, 2));
        assert_eq!(page_line("# pass 4"), tally(4, 0));
    }

    #[test]
    fn colours_do_not_hide_a_summary() {
        assert_eq!(plain("\u{1b}[32m  12 passed\u{1b}[39m (3s)"), "  12 passed (3s)");
    }
}
