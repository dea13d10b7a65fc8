//! Rate limits for each caller. They slow down who asks too often; they never lock an account, so that nobody can lock out its
//! owner.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};

use crate::error::{Result, throttled};

/// Callers of one kind.
pub struct Limiter {
    callers: RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>,
    count: u32,
    /// Seconds in which all of them come back.
    window: u64,
    clock: DefaultClock,
}

impl Limiter {
    /// So many a minute for each caller, all of them at once if need be.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        Self::within(per_minute, 60)
    }

    /// So many a day for each caller, all of them at once if need be.
    #[must_use]
    pub fn per_day(count: u32) -> Self {
        Self::within(count, 86_400)
    }

    fn within(count: u32, window: u64) -> Self {
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(Duration::from_secs(window) / count.get())
            .unwrap_or(Quota::per_second(count))
            .allow_burst(count);
        let callers = RateLimiter::keyed(quota).with_middleware();
        Self { callers, count: count.get(), window, clock: DefaultClock::default() }
    }

    /// Counts one of `caller`'s.
    ///
    /// # Errors
    /// `Throttled`, with the time to wait, where it is one too many.
    pub fn take(&self, caller: &str) -> Result<()> {
        self.charge(caller, &Budget::default())
    }

    /// Counts one of `caller`'s, and lets the answer say what is left ([`Budget`] among the `extensions` of the request).
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_of_request(&self, caller: &str, extensions: &Extensions) -> Result<()> {
        self.charge(caller, extensions.get().unwrap_or(&Budget::default()))
    }

    fn charge(&self, caller: &str, budget: &Budget) -> Result<()> {
        let left = |left: u32, full_after: u64| {
            let _ = budget.0.set(Left { count: self.count, window: self.window, left, full_after });
        };
        match self.callers.check_key(&caller.to_owned()) {
            Ok(known) => {
                let remaining = known.remaining_burst_capacity();
                let used = u64::from(self.count.saturating_sub(remaining));
                left(remaining, (used * self.window).div_ceil(u64::from(self.count)));
                Ok(())
            }
            Err(early) => {
                let wait = early.wait_time_from(self.clock.now()).as_secs_f64().ceil();
                left(0, self.window);
                Err(throttled((wait as u32).max(1)))
            }
        }
    }

    /// Forgets those who could take all at once again.
    pub fn tidy(&self) {
        self.callers.retain_recent();
        self.callers.shrink_to_fit();
    }
}

/// What a caller may still ask for, once it was counted; for the answer's headers (draft-ietf-httpapi-ratelimit-headers-10).
#[derive(Clone, Default)]
pub struct Budget(Arc<OnceLock<Left>>);

struct Left {
    count: u32,
    window: u64,
    left: u32,
    /// Seconds until all may be taken at once again.
    full_after: u64,
}

impl Budget {
    /// Says it, where anything was counted.
    pub fn say(&self, headers: &mut HeaderMap) {
        const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
        const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
        let Some(Left { count, window, left, full_after }) = self.0.get() else { return };
        let texts = [
            (POLICY, format!("\"requests\";q={count};w={window}")),
            (LIMIT, format!("\"requests\";r={left};t={full_after}")),
        ];
        for (name, text) in texts {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
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

    #[test]
    fn what_is_left_is_said() {
        let limiter = Limiter::new(3);
        let said = || {
            let mut extensions = Extensions::new();
            let budget = Budget::default();
            extensions.insert(budget.clone());
            let _ = limiter.take_of_request("a", &extensions);
            let mut headers = HeaderMap::new();
            budget.say(&mut headers);
            assert_eq!(headers["ratelimit-policy"], "\"requests\";q=3;w=60");
            headers["ratelimit"].to_str().unwrap().to_owned()
        };
        assert_eq!(said(), "\"requests\";r=2;t=20");
        assert_eq!(said(), "\"requests\";r=1;t=40");
        assert_eq!(said(), "\"requests\";r=0;t=60");
        assert_eq!(said(), "\"requests\";r=0;t=60", "one too many");
        let mut headers = HeaderMap::new();
        Budget::default().say(&mut headers);
        assert!(headers.is_empty(), "nothing was counted");
    }
}
