//! What came of tests: counted from what their runners print, with a log of each.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{process, workspace::target};

/// How many held and how many did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Held.
    pub(crate) passed: u32,
    /// Did not.
    pub(crate) failed: u32,
}

impl Tally {
    /// Counts others as well.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// `target/test`: one file for each test binary.
pub(crate) struct Logs {
    /// Where they are.
    pub(crate) folder: PathBuf,
}

impl Logs {
    /// An empty folder.
    ///
    /// # Errors
    /// The old one cannot be removed.
    pub(crate) fn fresh() -> Result<Self> {
        let folder = target().join("test");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// What failed and what it said, of each log: who sees only the end of a long run is to know it too.
    ///
    /// # Errors
    /// A log cannot be read.
    pub(crate) fn failures(&self) -> Result<Vec<String>> {
        let mut files: Vec<_> =
            std::fs::read_dir(&self.folder)?.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
        files.sort();
        let mut failures = Vec::new();
        for file in files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "log")) {
            let log = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let said = said(&String::from_utf8_lossy(&log));
            if !said.is_empty() {
                let name = file.file_stem().unwrap_or_default().to_string_lossy();
                failures.push(format!("{name}\n{}", said.join("\n")));
            }
        }
        Ok(failures)
    }

    /// The file of this name.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }
}

/// As it is written in a summary.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f32())
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

/// Lines of a log that are repeated at the end.
const REPEATED: usize = 40;

/// What a log says of failures: libtest's and unittest's paragraphs of them, and the names that the page's runners mark.
fn said(log: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in log.lines().map(plain) {
        let word = line.trim();
        let begins = word == "failures:" || line.starts_with("FAIL: ") || line.starts_with("ERROR: ");
        inside = (inside || begins) && !line.starts_with("test result: ") && !line.starts_with("Ran ");
        // A frame of a backtrace; the log has them all.
        let frame = word.starts_with("at ")
            || word.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        let named = ["FAIL ", "✘ ", "× ", "not ok "].iter().any(|mark| word.starts_with(mark));
        if (inside || named) && !frame && !word.is_empty() && lines.len() < REPEATED {
            lines.push(format!("    {line}"));
        }
    }
    lines
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
pub(crate) fn libtest(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?;
    Some(Tally { passed: count(counts, "passed")?, failed: count(counts, "failed")? })
}

/// Vitest: `      Tests  1 failed | 12 passed (13)`. Playwright: `  1 failed`, `  12 passed (3.4s)`, `  1 flaky` (which
/// is a failure here), `  2 did not run`. node:test: `# pass 3`, `# fail 0`.
pub(crate) fn page_line(line: &str) -> Option<Tally> {
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
    use super::{Tally, libtest, page_line, plain, said};

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
    fn what_failed_is_found_in_a_log() {
        let log = "test fine ... ok\ntest bad ... FAILED\n\nfailures:\n\n---- bad stdout ----\npanicked at x.rs\n   0: std::f\n      at f.rs\n\n\
                   failures:\n    bad\n\ntest result: FAILED. 1 passed; 1 failed\nafter\n";
        let lines = said(log);
        assert_eq!(lines[1..3], ["    ---- bad stdout ----", "    panicked at x.rs"]);
        assert!(
            !lines
                .iter()
                .any(|line| line.contains("after") || line.contains("fine") || line.contains("f.rs"))
        );
        assert_eq!(said("\u{1b}[31m × home > is there\u{1b}[39m"), ["     × home > is there"]);
        assert_eq!(said("ok 1\n# pass 1\ntest result: ok. 1 passed; 0 failed"), [""; 0]);
    }

    #[test]
    fn colours_do_not_hide_a_summary() {
        assert_eq!(plain("\u{1b}[32m  12 passed\u{1b}[39m (3s)"), "  12 passed (3s)");
    }
}
