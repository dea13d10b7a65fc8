//! Time as an argument. Gestures, timeouts and backoff are measured on the monotonic clock; deadlines and expiries,
//! which other machines named, on the wall clock.

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, UNIX milliseconds. May jump.
    pub unix_ms: i64,
    /// Milliseconds since any fixed moment of this process. Never goes back.
    pub monotonic_ms: u64,
}

impl Now {
    /// Wall clock in whole UNIX seconds.
    pub fn unix(self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }
}
