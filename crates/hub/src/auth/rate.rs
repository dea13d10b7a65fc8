//! Rate limits: a token bucket for each caller. They slow down who asks too often; they never lock an account, so that
//! nobody can lock out its owner.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use crate::error::{Result, throttled};

/// Buckets of one kind.
pub struct Limiter {
    per_minute: f64,
    buckets: Mutex<HashMap<String, (f64, Instant)>>,
}

/// Above this many callers, full buckets are forgotten.
const CROWD: usize = 50_000;

impl Limiter {
    /// So many a minute for each caller, all of them at once if need be.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute: f64::from(per_minute.max(1)), buckets: Mutex::default() }
    }

    /// Takes one from `caller`'s bucket.
    ///
    /// # Errors
    /// `Throttled` when it is empty.
    pub fn take(&self, caller: &str) -> Result<()> {
        self.take_at(caller, Instant::now())
    }

    fn take_at(&self, caller: &str, now: Instant) -> Result<()> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = self.per_minute / 60.0;
        if buckets.len() > CROWD {
            buckets.retain(|_, (left, at)| {
                *left + now.duration_since(*at).as_secs_f64() * rate < self.per_minute
            });
        }
        let (left, at) = buckets.entry(caller.to_owned()).or_insert((self.per_minute, now));
        *left = (*left + now.duration_since(*at).as_secs_f64() * rate).min(self.per_minute);
        *at = now;
        if *left < 1.0 {
            return Err(throttled(((1.0 - *left) / rate).ceil().max(1.0) as u32));
        }
        *left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_caller_is_slowed_and_another_is_not() {
        let limiter = Limiter::new(3);
        let start = Instant::now();
        for _ in 0..3 {
            limiter.take_at("a", start).unwrap();
        }
        assert!(limiter.take_at("a", start).is_err());
        limiter.take_at("b", start).unwrap();
        limiter.take_at("a", start + Duration::from_secs(20)).unwrap();
        assert!(limiter.take_at("a", start + Duration::from_secs(20)).is_err());
    }
}
