//! The second implementation of the protocol: its tests, in a Python environment of their own below `target`.

use anyhow::Result;

use crate::{
    guarded_lab::GuardedLab,
    process, python,
    report::{Logs, Tally, one},
    workspace::{root, target},
};

/// Installs what it needs where that changed, and runs its tests against the simulator that was built.
///
/// # Errors
/// Something cannot be installed, or Python cannot be started.
pub(crate) fn run(logs: &Logs, lab: Option<&GuardedLab>) -> Result<Tally> {
    let folder = root().join("tests/peer");
    let python = python::environment("peer", &std::fs::read_to_string(folder.join("requirements.txt"))?)?;
    let mut tests = process::command(&python);
    tests
        .args(["-B", "-m", "unittest", "discover", "--verbose", "--start-directory"])
        .arg(&folder)
        .env("POSTERN_SIM", target().join("debug/postern-sim"));
    if let Some(lab) = lab {
        tests.env("POSTERN_LAB_BUS", lab.bus());
    }
    one("peer", &mut tests, &logs.file("peer"), line)
}

/// `test_keys (test_peer.Vectors.test_keys) ... ok`; where something was printed in between, the verdict has a line of its
/// own. A skipped test is none that held.
fn line(line: &str) -> Option<Tally> {
    match line.rsplit_once(" ... ").map_or(line, |(_, verdict)| verdict) {
        "ok" => Some(Tally { passed: 1, failed: 0 }),
        "FAIL" | "ERROR" => Some(Tally { passed: 0, failed: 1 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, line};

    #[test]
    fn what_unittest_says_is_read() {
        let tally = |passed, failed| Some(Tally { passed, failed });
        assert_eq!(line("test_keys (test_peer.Vectors.test_keys) ... ok"), tally(1, 0));
        assert_eq!(line("test_keys (test_peer.Vectors.test_keys) ... FAIL"), tally(0, 1));
        assert_eq!(line("ok"), tally(1, 0));
        assert_eq!(line("ERROR: test_keys (test_peer.Vectors.test_keys)"), None);
        assert_eq!(line("test_keys (test_peer.Vectors.test_keys) ... skipped 'no lab'"), None);
        assert_eq!(line("Ran 14 tests in 3.2s"), None);
    }
}
