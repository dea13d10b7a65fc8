//! What a run says: measurements, each beside its floor or peer, and curves of growth.

use serde::{Deserialize, Serialize};

use crate::stat::{Samples, Stat};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Of time. Shown as ns, µs, ms or s.
    Seconds,
    /// Of memory, storage or the air. Shown as bytes, KB or MB (of 1,000).
    Bytes,
    /// How often in a second.
    PerSecond,
    /// Things.
    Count,
}

impl Unit {
    /// As people read it.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value < 1e-6 => format!("{:.0} ns", value * 1e9),
            Self::Seconds if value < 1e-3 => format!("{} µs", digits(value * 1e6)),
            Self::Seconds if value < 1.0 => format!("{} ms", digits(value * 1e3)),
            Self::Seconds => format!("{} s", digits(value)),
            Self::Bytes if value < 1e4 => format!("{value:.0} B"),
            Self::Bytes if value < 1e6 => format!("{} KB", digits(value / 1e3)),
            Self::Bytes => format!("{} MB", digits(value / 1e6)),
            Self::PerSecond => format!("{} /s", thousands(value)),
            Self::Count => thousands(value),
        }
    }
}

fn digits(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// 1,234,567 from a thousand on, else what digits there are.
fn thousands(value: f64) -> String {
    if value < 1000.0 {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let whole = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A limit that an issue names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// What is limited.
    pub of: Of,
    /// In which direction.
    pub kind: Kind,
    /// The limit.
    pub limit: f64,
}

/// What a bound limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The median of ours, in its unit.
    Value,
    /// The median of ours over what is beside it, pair by pair.
    Ratio,
    /// The last point of ours over its first.
    Growth,
}

/// In which direction a bound limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No more than this.
    AtMost,
    /// No less than this.
    AtLeast,
}

impl Bound {
    fn holds(&self, value: f64) -> bool {
        match self.kind {
            Kind::AtMost => value <= self.limit,
            Kind::AtLeast => value >= self.limit,
        }
    }

    /// `≤ 1.25`, `≥ 20,000 /s`.
    #[must_use]
    pub fn show(&self, unit: Unit) -> String {
        let sign = match self.kind {
            Kind::AtMost => "≤",
            Kind::AtLeast => "≥",
        };
        match self.of {
            Of::Value => format!("{sign} {}", unit.show(self.limit)),
            Of::Ratio => format!("{sign} {:.2}×", self.limit),
            Of::Growth => format!("{sign} {:.2}× growth", self.limit),
        }
    }
}

/// One number, beside its floor or peer where it has one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// `room.what.how`: what `--only` picks by its beginning.
    pub name: String,
    /// What it is, in words.
    pub title: String,
    /// What it counts.
    pub unit: Unit,
    /// Ours.
    pub value: Stat,
    /// What it is held against: a floor (the least that the same machine needs) or a peer (another who does the same).
    pub beside: Option<Beside>,
    /// What the issue allows.
    pub bound: Option<Bound>,
    /// Whether it holds. None where nothing is bound.
    pub held: Option<bool>,
    /// What a reader has to know to read it rightly.
    pub note: Option<String>,
}

/// The floor or peer of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Beside {
    /// Who or what it is.
    pub title: String,
    /// Its number, in the unit of ours.
    pub value: Stat,
    /// Ours over it, pair by pair.
    pub ratio: Stat,
    samples: Samples,
}

impl Measurement {
    /// A number of ours.
    #[must_use]
    pub fn new(name: &str, title: &str, unit: Unit, samples: &Samples) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            unit,
            value: samples.stat(),
            beside: None,
            bound: None,
            held: None,
            note: None,
        }
    }

    /// A number of ours and one beside it, as [`pairs`](crate::stat::pairs) measured them.
    #[must_use]
    pub fn paired(name: &str, title: &str, unit: Unit, beside: &str, samples: &(Samples, Samples)) -> Self {
        let (ours, other) = samples;
        let ratio = ours.over(other).stat();
        let beside = Beside { title: beside.to_owned(), value: other.stat(), ratio, samples: other.clone() };
        Self { beside: Some(beside), ..Self::new(name, title, unit, ours) }
    }

    /// The median may not pass this.
    #[must_use]
    pub fn at_most(self, limit: f64) -> Self {
        self.bound(Bound { of: Of::Value, kind: Kind::AtMost, limit })
    }

    /// The median may not fall below this.
    #[must_use]
    pub fn at_least(self, limit: f64) -> Self {
        self.bound(Bound { of: Of::Value, kind: Kind::AtLeast, limit })
    }

    /// The median of the ratios may not pass this.
    ///
    /// # Panics
    /// Nothing is beside it.
    #[must_use]
    pub fn at_most_times(self, limit: f64) -> Self {
        self.bound(Bound { of: Of::Ratio, kind: Kind::AtMost, limit })
    }

    fn bound(mut self, bound: Bound) -> Self {
        let value = match bound.of {
            Of::Ratio => self.beside.as_ref().expect("a ratio needs something beside it").ratio.median,
            Of::Value | Of::Growth => self.value.median,
        };
        self.bound = Some(bound);
        self.held = Some(bound.holds(value));
        self
    }

    /// What a reader has to know to read it rightly: why it is missed, what was left out.
    #[must_use]
    pub fn note(mut self, text: &str) -> Self {
        self.note = Some(text.to_owned());
        self
    }
}

/// How numbers grow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Curve {
    /// `room.what`.
    pub name: String,
    /// What it is, in words.
    pub title: String,
    /// What grows, from left to right; drawn on a logarithmic scale.
    pub along: String,
    /// What the lines count.
    pub unit: Unit,
    /// The first one is ours.
    pub lines: Vec<Line>,
    /// What the issue allows; of growth: the last point of ours over its first.
    pub bound: Option<Bound>,
    /// The last point of ours over its first.
    pub growth: f64,
    /// Whether the bound holds.
    pub held: Option<bool>,
    /// What a reader has to know to read it rightly.
    pub note: Option<String>,
}

/// One line of a curve.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// What it is.
    pub title: String,
    /// Its points, from left to right.
    pub points: Vec<Point>,
}

/// One point of a line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Point {
    /// How much of what grows.
    pub at: f64,
    /// What it costs there.
    pub value: Stat,
}

impl Line {
    /// A line through these.
    #[must_use]
    pub fn new(title: &str, points: &[(f64, Samples)]) -> Self {
        let points = points.iter().map(|(at, samples)| Point { at: *at, value: samples.stat() }).collect();
        Self { title: title.to_owned(), points }
    }

    /// Its last point over its first.
    #[must_use]
    pub fn growth(&self) -> f64 {
        match (self.points.first(), self.points.last()) {
            (Some(first), Some(last)) if first.value.median > 0.0 => last.value.median / first.value.median,
            _ => 1.0,
        }
    }
}

impl Curve {
    /// A curve; the first of its lines is ours.
    #[must_use]
    pub fn new(name: &str, title: &str, along: &str, unit: Unit, lines: Vec<Line>) -> Self {
        let growth = lines.first().map_or(1.0, Line::growth);
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            along: along.to_owned(),
            unit,
            lines,
            bound: None,
            growth,
            held: None,
            note: None,
        }
    }

    /// The last point of ours over its first may not pass this.
    #[must_use]
    pub fn grows_at_most(mut self, limit: f64) -> Self {
        let bound = Bound { of: Of::Growth, kind: Kind::AtMost, limit };
        self.bound = Some(bound);
        self.held = Some(bound.holds(self.growth));
        self
    }

    /// As [`Measurement::note`].
    #[must_use]
    pub fn note(mut self, text: &str) -> Self {
        self.note = Some(text.to_owned());
        self
    }
}

/// The machine of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// As it calls itself.
    pub processor: String,
    /// How many of its threads this run may use.
    pub cores: usize,
    /// In bytes.
    pub memory: u64,
    /// Kernel and its version.
    pub system: String,
    /// `rustc --version`.
    pub rustc: String,
    /// Load of the last minute when the run began and when it ended: what else the machine was doing.
    pub load: [f64; 2],
}

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Short commit, with `+` where the tree had changes.
    pub commit: String,
    /// When it began, in Unix seconds.
    pub began: u64,
    /// How long it took, in seconds.
    pub took: f64,
    /// Fewer runs and smaller sizes.
    pub quick: bool,
    /// Where.
    pub machine: Machine,
    /// The numbers.
    pub measurements: Vec<Measurement>,
    /// The curves.
    pub curves: Vec<Curve>,
    /// Rooms that could not be measured, and why.
    pub failures: Vec<(String, String)>,
}

impl Report {
    /// Names of what is bound and does not hold.
    #[must_use]
    pub fn missed(&self) -> Vec<&str> {
        let numbers = self.measurements.iter().filter(|m| m.held == Some(false)).map(|m| m.name.as_str());
        let curves = self.curves.iter().filter(|c| c.held == Some(false)).map(|c| c.name.as_str());
        numbers.chain(curves).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Curve, Line, Measurement, Unit};
    use crate::stat::Samples;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        assert_eq!(Unit::Seconds.show(0.000_012_34), "12.3 µs");
        assert_eq!(Unit::Seconds.show(2.5), "2.50 s");
        assert_eq!(Unit::Bytes.show(560.0), "560 B");
        assert_eq!(Unit::Bytes.show(1_234_567.0), "1.23 MB");
        assert_eq!(Unit::PerSecond.show(20_000.0), "20,000 /s");
        assert_eq!(Unit::Count.show(4.0), "4");
    }

    #[test]
    fn a_bound_is_held_or_not() {
        let samples = (Samples(vec![2.0, 4.0, 6.0]), Samples(vec![1.0, 4.0, 3.0]));
        let measured = || Measurement::paired("a.b", "", Unit::Seconds, "floor", &samples);
        // Ratios pair by pair: 2, 1, 2.
        assert_eq!(measured().at_most_times(2.0).held, Some(true));
        assert_eq!(measured().at_most_times(1.9).held, Some(false));
        assert_eq!(measured().at_least(5.0).held, Some(false));
        let line = Line::new("ours", &[(1.0, Samples(vec![1.0])), (10.0, Samples(vec![1.5]))]);
        let curve = || Curve::new("a.c", "", "things", Unit::Seconds, vec![line.clone()]);
        assert_eq!(curve().grows_at_most(1.2).held, Some(false));
        assert_eq!(curve().grows_at_most(1.5).held, Some(true));
    }
}
