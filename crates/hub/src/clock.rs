//! The hub's clock, and whether it can be believed.
//!
//! A machine's clock can be wrong by hours or years: no battery, a bad time server, a virtual machine that was restored. What
//! such a clock makes the hub do must not be what cannot be undone: deleting, signing out, ending windows. So a jump is noticed
//! (against the processor's own steady clock while the hub runs, against the time that it last wrote down when it starts), an
//! alarm is raised, and what cannot be undone waits: until the database server's clock agrees, or the clock is back, or [`HOLD`]
//! is over, after which it is believed. So a hub that was off for a week is itself again an hour later.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// A difference of so many seconds is none.
const SLACK: i64 = 600;
/// The database server's clock agrees within so many seconds.
const AGREES: i64 = 120;
/// A hub that was off for longer doubts its clock when it starts, seconds.
const AWAY: i64 = 86_400;
/// What cannot be undone waits for so long, seconds.
const HOLD: i64 = 3600;
/// The same, where the database server's clock says otherwise.
const HOLD_AGAINST: i64 = 86_400;

/// Wall time in UNIX seconds, and steady time. Tests move it; nothing else does.
#[derive(Clone)]
pub struct Clock {
    began: Instant,
    moved: Arc<Moved>,
}

#[derive(Default)]
struct Moved {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { began: Instant::now(), moved: Arc::default() }
    }
}

impl Clock {
    /// UNIX seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        wall.saturating_add(self.moved.wall.load(Ordering::Relaxed))
    }

    /// Seconds since the process began, which nobody sets.
    #[must_use]
    pub fn steady(&self) -> i64 {
        let since = i64::try_from(self.began.elapsed().as_secs()).unwrap_or(i64::MAX);
        since.saturating_add(self.moved.steady.load(Ordering::Relaxed))
    }

    /// The time that another machine says it is, for whom the time that tests let pass has passed as well.
    #[must_use]
    pub fn of_another(&self, said: i64) -> i64 {
        said.saturating_add(self.moved.steady.load(Ordering::Relaxed))
    }

    /// Lets time pass, for tests of things that take days.
    pub fn advance(&self, seconds: i64) {
        self.jump(seconds);
        self.moved.steady.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sets the clock by so much, as somebody who sets it wrong, or right, does; for tests.
    pub fn jump(&self, seconds: i64) {
        self.moved.wall.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// Whether the clock is believed.
pub struct Belief {
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    /// Wall and steady time of the last look.
    last: (i64, i64),
    doubt: Option<Doubt>,
}

#[derive(Clone, Copy)]
struct Doubt {
    /// Steady time of its beginning.
    since: i64,
    /// Wall and steady time of the last look that was not in doubt.
    before: (i64, i64),
}

/// What a look at the clock came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// As it should be.
    Sure,
    /// It is so many seconds ahead (or behind) of what it should be. Told once.
    Jumped(i64),
    /// What it jumped to is not believed yet.
    Doubted,
    /// Believed again.
    Settled,
}

impl Belief {
    /// At the start of a hub that last wrote down the time `seen`.
    #[must_use]
    pub fn begin(clock: &Clock, seen: Option<i64>) -> Self {
        let (now, steady) = (clock.now(), clock.steady());
        let odd = seen.filter(|seen| !(-SLACK..=AWAY).contains(&(now - seen)));
        let last = (odd.unwrap_or(now), steady);
        Self { state: Mutex::new(State { last, doubt: None }) }
    }

    /// Whether what the clock says may have consequences that cannot be undone.
    #[must_use]
    pub fn is_sure(&self, clock: &Clock) -> bool {
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.doubt.is_none() && off(state.last, clock).abs() <= SLACK
    }

    /// A regular look, with the time that the database server says it is, where it says one.
    pub fn look(&self, clock: &Clock, witness: Option<i64>) -> Look {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, steady) = (clock.now(), clock.steady());
        let agreed = witness.map(|witness| (now - witness).abs() <= AGREES);
        let jump = off(state.last, clock);
        let disagreement = match witness {
            Some(witness) if (now - witness).abs() > SLACK => now - witness,
            _ => 0,
        };
        let before = state.last;
        state.last = (now, steady);
        match state.doubt {
            None if jump.abs() <= SLACK && disagreement == 0 => Look::Sure,
            None => {
                if agreed != Some(true) {
                    state.doubt = Some(Doubt { since: steady, before });
                }
                Look::Jumped(if jump.abs() > SLACK { jump } else { disagreement })
            }
            Some(doubt) => {
                let hold = if disagreement == 0 { HOLD } else { HOLD_AGAINST };
                let over = steady - doubt.since >= hold;
                let back = off(doubt.before, clock).abs() <= SLACK && disagreement == 0;
                if agreed == Some(true) || back || over {
                    state.doubt = None;
                    return Look::Settled;
                }
                Look::Doubted
            }
        }
    }
}

/// How far the clock is ahead of what it should be, `then` having been wall and steady time.
fn off((wall, steady): (i64, i64), clock: &Clock) -> i64 {
    clock.now() - wall - (clock.steady() - steady)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn time_that_passes_is_no_jump() {
        let clock = Clock::default();
        let belief = Belief::begin(&clock, Some(clock.now() - 3600));
        clock.advance(400 * DAY);
        assert!(belief.is_sure(&clock));
        assert_eq!(belief.look(&clock, None), Look::Sure);
        clock.jump(30);
        assert_eq!(belief.look(&clock, None), Look::Sure);
    }

    #[test]
    fn a_jump_is_doubted_at_once_and_for_a_bounded_time() {
        let clock = Clock::default();
        let belief = Belief::begin(&clock, None);
        clock.jump(5 * DAY);
        assert!(!belief.is_sure(&clock), "before anybody looks");
        assert!(matches!(belief.look(&clock, None), Look::Jumped(seconds) if (seconds - 5 * DAY).abs() < 5));
        assert_eq!(belief.look(&clock, None), Look::Doubted);
        clock.advance(HOLD - 60);
        assert_eq!(belief.look(&clock, None), Look::Doubted);
        clock.advance(120);
        assert_eq!(belief.look(&clock, None), Look::Settled);
        assert!(belief.is_sure(&clock));
        assert_eq!(belief.look(&clock, None), Look::Sure);
    }

    #[test]
    fn a_clock_that_is_set_right_again_is_believed_again() {
        let clock = Clock::default();
        let belief = Belief::begin(&clock, None);
        for jump in [-DAY, 400 * DAY] {
            clock.jump(jump);
            assert!(matches!(belief.look(&clock, None), Look::Jumped(_)));
            clock.advance(300);
            clock.jump(-jump);
            assert_eq!(belief.look(&clock, None), Look::Settled);
            assert_eq!(belief.look(&clock, None), Look::Sure);
        }
    }

    #[test]
    fn the_database_servers_clock_decides() {
        let clock = Clock::default();
        let belief = Belief::begin(&clock, None);
        // This machine's clock was wrong and is set right.
        clock.jump(DAY);
        assert!(matches!(belief.look(&clock, Some(clock.now())), Look::Jumped(_)));
        assert!(belief.is_sure(&clock));
        // It goes wrong.
        let right = clock.now();
        clock.jump(3 * DAY);
        assert!(matches!(belief.look(&clock, Some(right)), Look::Jumped(_)));
        clock.advance(2 * HOLD);
        assert_eq!(
            belief.look(&clock, Some(right + 2 * HOLD)),
            Look::Doubted,
            "longer than without a witness"
        );
        clock.advance(DAY);
        assert_eq!(belief.look(&clock, Some(right + 2 * HOLD + DAY)), Look::Settled, "not for ever");
    }

    #[test]
    fn a_hub_that_was_off_for_long_or_starts_before_it_ended_doubts() {
        for (away, doubted) in [(3600, false), (7 * DAY, true), (-3600, true), (-10, false)] {
            let clock = Clock::default();
            let belief = Belief::begin(&clock, Some(clock.now() - away));
            assert_eq!(belief.is_sure(&clock), !doubted, "{away}");
            assert_eq!(matches!(belief.look(&clock, None), Look::Jumped(_)), doubted, "{away}");
            assert_eq!(belief.look(&clock, None) == Look::Doubted, doubted, "{away}");
        }
    }
}
