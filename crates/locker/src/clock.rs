//! What time it is, as far as a locker can know.
//!
//! There is always a lower bound: the persisted floor at boot, going on with the uptime, raised by whatever the hub
//! signed later. It never goes back. Whether it is close to the truth is the [`ClockState`].

use postern_protocol::{ClockState, Timestamp};

use crate::Uptime;

/// A wall clock that lags behind the lower bound by more than this many seconds has lost the time. And the lower bound
/// may be ahead of the truth by as much: a clock that ran ahead raised it before it was lost.
const LAG: u64 = 300;

/// The lower bound, and whether it has been told since power-on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// It was this time at this uptime, at the earliest.
    base: Timestamp,
    since: Uptime,
    /// The latest time that was ever read or signed.
    floor: Timestamp,
    told: bool,
}

/// A reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) at: Timestamp,
    pub(crate) state: ClockState,
}

impl Reading {
    /// Whether what the hub signed at `at` for a HELLO of this session can be the time. It is the truth; the lower bound
    /// is this locker's own, and would otherwise keep every token out for ever.
    pub(crate) fn may_be(self, at: Timestamp) -> bool {
        at.plus(LAG) >= self.at
    }
}

impl Clock {
    /// At power-on: it is not earlier than the floor.
    pub(crate) const fn new(floor: Timestamp, now: Uptime) -> Self {
        Self { base: floor, since: now, floor, told: false }
    }

    /// The time, given what the wall clock says.
    pub(crate) fn read(&mut self, wall: Option<Timestamp>, now: Uptime) -> Reading {
        let state = match wall {
            // While the wall clock is believed the uptime is not counted on: the two drift apart over months.
            Some(wall) if wall.plus(LAG) >= self.floor => {
                (self.base, self.since, self.told) = (wall.max(self.floor), now, true);
                ClockState::Set
            }
            _ if self.told => ClockState::Floor,
            _ => ClockState::Unset,
        };
        self.floor = self.floor.max(self.bound(now));
        Reading { at: self.floor, state }
    }

    /// The hub signed something at `at`: it is not earlier.
    pub(crate) fn raise(&mut self, at: Timestamp, now: Uptime) {
        if at > self.bound(now) {
            (self.base, self.since) = (at, now);
        }
        self.floor = self.floor.max(at);
    }

    /// The hub signed something at `at` for a HELLO of this session: that is the time, give or take the session.
    pub(crate) fn tell(&mut self, at: Timestamp, now: Uptime) {
        self.raise(at, now);
        self.told = true;
    }

    fn bound(&self, now: Uptime) -> Timestamp {
        self.base.plus(now.since(self.since) / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_wall_clock_the_uptime_carries_the_floor_on() {
        let mut clock = Clock::new(Timestamp(1000), Uptime(500));
        assert_eq!(
            clock.read(None, Uptime(60_500)),
            Reading { at: Timestamp(1060), state: ClockState::Unset }
        );
        clock.tell(Timestamp(5000), Uptime(60_500));
        assert_eq!(
            clock.read(None, Uptime(61_500)),
            Reading { at: Timestamp(5001), state: ClockState::Floor }
        );
    }

    #[test]
    fn a_wall_clock_may_lag_a_little_and_is_not_believed_when_it_lags_much() {
        let mut clock = Clock::new(Timestamp(10_000), Uptime(0));
        assert_eq!(
            clock.read(Some(Timestamp(9_700)), Uptime(0)),
            Reading { at: Timestamp(10_000), state: ClockState::Set }
        );
        let mut clock = Clock::new(Timestamp(10_000), Uptime(0));
        assert_eq!(
            clock.read(Some(Timestamp(9_699)), Uptime(0)),
            Reading { at: Timestamp(10_000), state: ClockState::Unset }
        );
    }

    #[test]
    fn it_never_goes_back() {
        let mut clock = Clock::new(Timestamp(100), Uptime(0));
        clock.raise(Timestamp(500), Uptime(0));
        clock.raise(Timestamp(50), Uptime(0));
        clock.tell(Timestamp(60), Uptime(1000));
        assert_eq!(clock.read(None, Uptime(1000)).at, Timestamp(501));
        assert_eq!(clock.read(Some(Timestamp(480)), Uptime(2000)).at, Timestamp(501));
        assert_eq!(clock.read(Some(Timestamp(150)), Uptime(3000)).state, ClockState::Floor);
    }

    #[test]
    fn a_year_of_drift_does_not_discredit_the_wall_clock() {
        let mut clock = Clock::new(Timestamp(1_900_000_000), Uptime(0));
        for day in 0..400_u64 {
            // The processor's crystal runs fast by 100 ppm.
            let uptime = Uptime(day * 86_400_000 + day * 8_640);
            let wall = Timestamp(1_900_000_000 + day * 86_400);
            assert_eq!(clock.read(Some(wall), uptime), Reading { at: wall, state: ClockState::Set });
        }
    }
}
