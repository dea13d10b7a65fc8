//! The second implementation of the protocol: its tests, in a Python environment of their own below `target`.

use anyhow::Result;

use crate::{
    process, root, setup,
    suite::{Lab, Logs, Tally, one},
    target,
};

/// What Debian has for it.
const PACKAGES: &[(&str, &str)] = &[("python3-venv", "the protocol's second implementation")];

/// Installs what it needs where that changed, and runs its tests against the simulator that was built.
///
/// # Errors
/// Something cannot be installed, or Python cannot be started.
pub(crate) fn run(logs: &Logs, lab: Option<&Lab>) -> Result<Tally> {
    let folder = root().join("tests/peer");
    let home = target().join("peer");
    let python = home.join("bin/python");
    let (wanted, installed) = (folder.join("requirements.txt"), home.join("requirements.txt"));
    if std::fs::read(&wanted)? != std::fs::read(&installed).unwrap_or_default() {
        setup::install(PACKAGES)?;
        println!("  installing the Python packages of tests/peer");
        process::run(process::command("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        let mut pip = process::command(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        process::run(pip.arg(&wanted))?;
        // Last, so that what was interrupted is done again.
        std::fs::copy(&wanted, &installed)?;
    }
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
