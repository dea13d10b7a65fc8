//! One run: what is wanted, how much of it, and what has been found.

use std::path::PathBuf;

use crate::report::{Curve, Measurement, Unit};

/// What a room is handed to measure with.
pub struct Bench {
    quick: bool,
    pause: bool,
    only: Vec<String>,
    binaries: PathBuf,
    scratch: PathBuf,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) curves: Vec<Curve>,
}

impl Bench {
    pub(crate) fn new(
        quick: bool,
        pause: bool,
        only: Vec<String>,
        binaries: PathBuf,
        scratch: PathBuf,
    ) -> Self {
        Self { quick, pause, only, binaries, scratch, measurements: Vec::new(), curves: Vec::new() }
    }

    /// What is measured is made. Waits until somebody says that the machine is quiet, where that was asked for.
    ///
    /// # Errors
    /// The standard input cannot be read.
    pub fn prepared(&self) -> std::io::Result<()> {
        if self.pause {
            println!("  prepared; a line on the standard input begins");
            std::io::stdin().read_line(&mut String::new())?;
        }
        Ok(())
    }

    /// Under five minutes are wanted for everything: take the small sizes only.
    #[must_use]
    pub fn quick(&self) -> bool {
        self.quick
    }

    /// How many runs: `full`, or a quarter of them (three at least) where it has to be quick.
    #[must_use]
    pub fn runs(&self, full: usize) -> usize {
        if self.quick { (full / 4).max(3).min(full) } else { full }
    }

    /// Whether something of this name is to be measured; ask before what is expensive.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        let begins = |name: &str, only: &str| {
            name.strip_prefix(only).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        // `--only air.opening` wants the room `air`, the number `air.opening` and those below it.
        self.only.is_empty() || self.only.iter().any(|only| begins(name, only) || begins(only, name))
    }

    /// A program of the product, built with optimisation; xtask builds those that a room names.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// A folder for this run's files, empty at its beginning.
    #[must_use]
    pub fn scratch(&self) -> &std::path::Path {
        &self.scratch
    }

    /// Puts a number into the report, and on the terminal.
    pub fn add(&mut self, measurement: Measurement) {
        if self.wants(&measurement.name) {
            crate::terminal::line(&measurement);
            self.measurements.push(measurement);
        }
    }

    /// Puts a curve into the report, and on the terminal.
    pub fn draw(&mut self, curve: Curve) {
        if self.wants(&curve.name) {
            crate::terminal::curve(&curve);
            self.curves.push(curve);
        }
    }

    /// A size or a count: the same every time.
    #[must_use]
    pub fn exact(&self, name: &str, title: &str, unit: Unit, value: f64) -> Measurement {
        Measurement::new(name, title, unit, &crate::stat::Samples::exact(value))
    }
}

#[cfg(test)]
mod tests {
    use super::Bench;

    #[test]
    fn only_what_is_asked_for_is_wanted() {
        let bench = |only: &[&str]| {
            let only = only.iter().map(ToString::to_string).collect();
            Bench::new(false, false, only, "".into(), "".into())
        };
        assert!(bench(&[]).wants("hub.sync"));
        let some = bench(&["air.opening", "hub"]);
        assert!(some.wants("air") && some.wants("air.opening") && some.wants("air.opening.cpu"));
        assert!(some.wants("hub.sync"));
        assert!(!some.wants("air.token") && !some.wants("air.openings") && !some.wants("app"));
    }
}
