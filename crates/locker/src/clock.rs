//! What time it is, as far as a locker can know.
//!
//! There is always a lower bound: the persisted floor at boot, going on with the uptime, raised by whatever the hub
//! signed later. Nothing that is signed pushes it far ahead of a running clock, and only a correction by the hub, bound
//! to a HELLO, sets it back. Whether it is close to the truth is the [`ClockState`].

use postern_protocol::{ClockState, Timestamp};

use crate::Uptime;

/// A wall clock that lags behind the lower bound by more than this many seconds has lost the time. And the lower bound
/// may be ahead of the truth by as much: a clock that ran ahead raised it before it was lost.
pub(crate) const LAG: u64 = 300;
/// A signed time this many seconds ahead of a running clock moves nothing.
const AHEAD: u64 = 300;
/// The furthest that a running clock is corrected forwards: 400 days.
const FURTHEST: u64 = 400 * 86_400;

/// The lower bound, and whether it has been told since power-on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// It was this time at this uptime, at the earliest.
    base: Timestamp,
    since: Uptime,
    /// The latest time that was ever read or signed.
    floor: Timestamp,
    /// The time by the wall clock, or by something bound to a HELLO, and when that was. What else is signed raises the
    /// floor within bounds of this, and never this itself: many small steps would be a large one.
    told: Option<(Timestamp, Uptime)>,
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
        Self { base: floor, since: now, floor, told: None }
    }

    /// The time, given what the wall clock says (with the hub's correction).
    pub(crate) fn read(&mut self, wall: Option<Timestamp>, now: Uptime) -> Reading {
        let state = match wall {
            // While the wall clock is believed the uptime is not counted on: the two drift apart over months.
            Some(wall) if wall.plus(LAG) >= self.floor => {
                (self.base, self.since, self.told) = (wall.max(self.floor), now, Some((wall, now)));
                ClockState::Set
            }
            _ if self.told.is_some() => ClockState::Floor,
            _ => ClockState::Unset,
        };
        self.floor = self.floor.max(self.bound(now));
        Reading { at: self.floor, state }
    }

    /// Whether something signed at `at` is too far ahead of the running clock to be believed. A clock that only carries
    /// on what it was told drifts by a thousandth.
    pub(crate) fn vetoes(&self, at: Timestamp, now: Uptime) -> bool {
        self.told.is_some_and(|(time, since)| {
            let elapsed = now.since(since) / 1000;
            at > time.plus(elapsed + elapsed / 1000 + AHEAD)
        })
    }

    /// The hub signed something at `at`: it is not earlier. Only for a clock that runs ([`Self::vetoes`] comes first).
    pub(crate) fn raise(&mut self, at: Timestamp, now: Uptime) {
        if at > self.bound(now) {
            (self.base, self.since) = (at, now);
        }
        self.floor = self.floor.max(at);
    }

    /// The hub signed something at `at` for a HELLO of this session: that is the time, give or take the session.
    pub(crate) fn tell(&mut self, at: Timestamp, now: Uptime) {
        self.raise(at, now);
        self.told = Some((at, now));
    }

    /// What the time becomes when the hub signs `at` for this HELLO; none where it is right already, or beyond what is
    /// believed: earlier than the locker was provisioned, or more than 400 days ahead of a running clock.
    pub(crate) fn correction(reading: Reading, at: Timestamp, provisioned: Timestamp) -> Option<Timestamp> {
        let ahead = at > reading.at.plus(AHEAD);
        let behind = at.plus(LAG) < reading.at;
        let far = reading.state != ClockState::Unset && at > reading.at.plus(FURTHEST);
        ((ahead || behind) && !far && at >= provisioned).then_some(at)
    }

    /// The hub has corrected the time: the floor follows, down too.
    pub(crate) fn correct(&mut self, at: Timestamp, now: Uptime) {
        (self.base, self.since, self.floor, self.told) = (at, now, at, Some((at, now)));
    }

    /// The latest time that was ever read or signed, or what a correction made of it.
    pub(crate) const fn floor(&self) -> Timestamp {
        self.floor
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
