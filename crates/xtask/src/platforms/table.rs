//! The table that `cargo xtask platforms` ends with.

use std::{fmt::Write as _, time::Duration};

/// How far something was proven on this machine, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proof {
    /// Files were checked against their schema or for what they must say; nothing was compiled.
    Checked,
    /// The compiler accepted it; nothing was linked.
    TypeChecked,
    /// An image or a package came out; it was not run.
    Built,
    /// It ran and did what it should.
    Ran,
}

impl Proof {
    fn word(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::TypeChecked => "type-checked",
            Self::Built => "built",
            Self::Ran => "run",
        }
    }
}

/// One thing that was proven.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// What, in words.
    pub(crate) what: String,
    /// How far.
    pub(crate) proof: Proof,
    /// How long it took.
    pub(crate) took: Duration,
    /// Bytes of what came out, where something did.
    pub(crate) size: Option<u64>,
}

/// What became of one target.
pub(crate) struct Outcome {
    /// As `--only` names it.
    pub(crate) target: &'static str,
    /// What was proven before the end or the failure.
    pub(crate) steps: Vec<Step>,
    /// Why it went no further.
    pub(crate) failure: Option<String>,
}

/// Target, proof, time and size in columns, and what it was in words.
pub(crate) fn render(outcomes: &[Outcome]) -> String {
    let mut lines = vec![row("target", "proof", "time", "size", "what")];
    for outcome in outcomes {
        for step in &outcome.steps {
            let size = step.size.map_or_else(|| "-".to_owned(), bytes);
            lines.push(row(outcome.target, step.proof.word(), &seconds(step.took), &size, &step.what));
        }
        if let Some(failure) = &outcome.failure {
            lines.push(row(outcome.target, "FAILED", "-", "-", failure.lines().next().unwrap_or_default()));
        }
    }
    lines.concat()
}

fn row(target: &str, proof: &str, time: &str, size: &str, what: &str) -> String {
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(line, "{target:<15}{proof:<14}{time:>8}{size:>10}  {what}");
    line
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f32())
}

/// Bytes in the unit that leaves at most four digits before the point.
fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{} kB", count / 1000),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Outcome, Proof, Step, bytes, render};

    #[test]
    fn a_failure_shows_beside_what_held_before_it() {
        let step = Step {
            what: "runtime".into(),
            proof: Proof::TypeChecked,
            took: Duration::from_millis(61_240),
            size: None,
        };
        let table = render(&[
            Outcome { target: "android", steps: vec![step], failure: Some("no manifest\nat all".into()) },
            Outcome { target: "ios", steps: Vec::new(), failure: None },
        ]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], "android        type-checked    61.2 s         -  runtime");
        assert_eq!(lines[2], "android        FAILED               -         -  no manifest");
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!(bytes(9_999), "9999 B");
        assert_eq!(bytes(235_900), "235 kB");
        assert_eq!(bytes(12_340_000), "12.3 MB");
    }

    #[test]
    fn proofs_are_ordered_by_strength() {
        assert!(
            Proof::Checked < Proof::TypeChecked
                && Proof::TypeChecked < Proof::Built
                && Proof::Built < Proof::Ran
        );
    }
}
