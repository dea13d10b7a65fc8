//! Samples, and what is said of them.

use std::{hint::black_box, time::Instant};

use serde::{Deserialize, Serialize};

/// What was measured, in the order in which it was.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Samples(pub Vec<f64>);

/// Median and spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stat {
    /// The middle one.
    pub median: f64,
    /// A quarter lies below.
    pub low: f64,
    /// A quarter lies above.
    pub high: f64,
    /// How many.
    pub runs: usize,
}

impl Samples {
    /// A number that is the same every time: a size, a count.
    #[must_use]
    pub fn exact(value: f64) -> Self {
        Self(vec![value])
    }

    /// Median and quartiles.
    ///
    /// # Panics
    /// There is nothing to say something of.
    #[must_use]
    pub fn stat(&self) -> Stat {
        Stat {
            median: self.quantile(0.5),
            low: self.quantile(0.25),
            high: self.quantile(0.75),
            runs: self.0.len(),
        }
    }

    /// The value below which this share lies, between neighbours in proportion.
    ///
    /// # Panics
    /// There are no samples.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        assert!(!self.0.is_empty(), "nothing was measured");
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = share * (sorted.len() - 1) as f64;
        let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
        below + (above - below) * at.fract()
    }

    /// Pair by pair.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(ours, other)| ours / other).collect())
    }
}

/// Measures two things by turns, so that whatever else the machine does falls on both: ours first in one pair, the other
/// first in the next. Each closure measures once and returns its number. The first pair warms up and is thrown away.
///
/// # Errors
/// Of the closures.
pub fn pairs(
    runs: usize,
    mut ours: impl FnMut() -> anyhow::Result<f64>,
    mut other: impl FnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<(Samples, Samples)> {
    let mut samples = (Samples::default(), Samples::default());
    for run in 0..=runs {
        let (a, b) = if run % 2 == 0 {
            let a = ours()?;
            (a, other()?)
        } else {
            let b = other()?;
            (ours()?, b)
        };
        if run > 0 {
            samples.0.0.push(a);
            samples.1.0.push(b);
        }
    }
    Ok(samples)
}

/// Seconds that one call takes, over so many calls.
pub fn time<T>(calls: u32, mut call: impl FnMut() -> T) -> f64 {
    let began = Instant::now();
    for _ in 0..calls {
        black_box(call());
    }
    began.elapsed().as_secs_f64() / f64::from(calls)
}

#[cfg(test)]
mod tests {
    use super::{Samples, pairs};

    #[test]
    fn quartiles_lie_between_neighbours() {
        let stat = Samples(vec![4.0, 1.0, 3.0, 2.0]).stat();
        assert_eq!((stat.low, stat.median, stat.high, stat.runs), (1.75, 2.5, 3.25, 4));
    }

    #[test]
    fn pairs_take_turns_and_forget_the_first() {
        let order = std::cell::RefCell::new(String::new());
        let log = |who: char| {
            order.borrow_mut().push(who);
            Ok(order.borrow().len() as f64)
        };
        let samples = pairs(3, || log('a'), || log('b')).expect("measured");
        assert_eq!(*order.borrow(), "abbaabba");
        assert_eq!(samples.0.0, [4.0, 5.0, 8.0]);
        assert_eq!(samples.1.0, [3.0, 6.0, 7.0]);
    }
}
