//! Rate limits for each caller. They slow down who asks too often; they never lock an account, so that nobody can lock out its
//! owner.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use crate::error::{Result, throttled};

/// Callers of one kind.
pub struct Limiter {
    callers: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
}

impl Limiter {
    /// So many a minute for each caller, all of them at once if need be.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self { callers: RateLimiter::keyed(quota), clock: DefaultClock::default() }
    }

    /// So many a day for each caller, all of them at once if need be.
    #[must_use]
    pub fn per_day(count: u32) -> Self {
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(Duration::from_secs(86_400) / count.get())
            .unwrap_or(Quota::per_hour(NonZeroU32::MIN))
            .allow_burst(count);
        Self { callers: RateLimiter::keyed(quota), clock: DefaultClock::default() }
    }

    /// Counts one of `caller`'s.
    ///
    /// # Errors
    /// `Throttled`, with the time to wait, where it is one too many.
    pub fn take(&self, caller: &str) -> Result<()> {
        let known = self.callers.check_key(&caller.to_owned());
        known.map_err(|early| {
            let wait = early.wait_time_from(self.clock.now()).as_secs_f64().ceil();
            throttled((wait as u32).max(1))
        })
    }

    /// Forgets those who could take all at once again.
    pub fn tidy(&self) {
        self.callers.retain_recent();
        self.callers.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_is_slowed_and_another_is_not() {
        let limiter = Limiter::new(3);
        for _ in 0..3 {
            limiter.take("a").unwrap();
        }
        let wait = limiter.take("a").unwrap_err().into_refusal().retry_after.unwrap();
        assert!((19..=20).contains(&wait), "{wait}");
        limiter.take("b").unwrap();
        limiter.tidy();
        assert!(limiter.take("a").is_err(), "who is slowed is not forgotten");
    }
}
