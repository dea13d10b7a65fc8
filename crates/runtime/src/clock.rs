//! The two clocks that the core is told.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use postern_core::Now;

/// How far the wall clock may run ahead of the other before we believe that the machine slept.
const SLEPT_MS: i64 = 2_000;

/// Reads both clocks. The monotonic one of most platforms stands still while the machine sleeps; a gesture made
/// before a night's sleep would be fresh in the morning. So time that only the wall clock saw is added to it. A wall
/// clock that is set forward is taken for sleep too, which ends gestures and waits early and harms nothing.
pub(crate) struct Clock {
    started: Instant,
    slept_ms: u64,
    last: Option<(i64, u64)>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), slept_ms: 0, last: None }
    }

    pub(crate) fn now(&mut self) -> Now {
        let ran_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.read(unix_ms(), ran_ms)
    }

    fn read(&mut self, unix_ms: i64, ran_ms: u64) -> Now {
        if let Some((last_unix_ms, last_ran_ms)) = self.last {
            let ran = i64::try_from(ran_ms.saturating_sub(last_ran_ms)).unwrap_or(i64::MAX);
            let missed = unix_ms.saturating_sub(last_unix_ms).saturating_sub(ran);
            if missed > SLEPT_MS {
                self.slept_ms = self.slept_ms.saturating_add(missed.unsigned_abs());
            }
        }
        self.last = Some((unix_ms, ran_ms));
        Now { unix_ms, monotonic_ms: ran_ms.saturating_add(self.slept_ms) }
    }

    /// The moment at which the core's monotonic clock will show this.
    pub(crate) fn instant(&self, monotonic_ms: u64) -> Instant {
        let ran_ms = monotonic_ms.saturating_sub(self.slept_ms);
        // A year stands for "never": adding more could leave the range of the platform's clock.
        let ran_ms =
            ran_ms.min(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(0) + 31_536_000_000);
        self.started + std::time::Duration::from_millis(ran_ms)
    }
}

/// Wall clock, UNIX milliseconds.
pub(crate) fn unix_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_of_sleep_ages_a_gesture() {
        let mut clock = Clock::start();
        let before = clock.read(1_000_000, 500);
        let after = clock.read(1_000_000 + 8 * 3_600_000, 1_500);
        assert!(after.monotonic_ms - before.monotonic_ms >= 8 * 3_600_000 - 1);
    }

    #[test]
    fn a_wall_clock_set_back_does_not_turn_time_back() {
        let mut clock = Clock::start();
        let before = clock.read(1_000_000, 500);
        let after = clock.read(0, 700);
        assert_eq!(after.monotonic_ms - before.monotonic_ms, 200);
    }

    #[test]
    fn ordinary_jitter_adds_nothing() {
        let mut clock = Clock::start();
        clock.read(1_000_000, 0);
        assert_eq!(clock.read(1_001_400, 1_000).monotonic_ms, 1_000);
    }
}
