//! When this customer usually collects. Learnt on this device only, from nothing but the moments of collections; can be
//! explained (which hours, from how many collections), switched off and erased. It never leaves the device.

use serde::{Deserialize, Serialize};

use crate::view::HabitView;

/// Older collections say nothing about now.
const WEEKS: i64 = 10;
/// Collections kept at most.
const MAX: usize = 200;
/// So many collections at about the same hour of the week make a habit.
const ENOUGH: u32 = 3;
/// Habits shown and used at most.
const SHOWN: usize = 3;

const HOUR: i64 = 3600;
const WEEK: i64 = 7 * 24 * HOUR;
/// Hours from a Monday, 00:00 UTC, to the beginning of UNIX time, which was a Thursday.
const EPOCH_HOUR: i64 = 3 * 24;

/// The moments of collections, UNIX seconds, to the hour.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Habits(Vec<i64>);

fn hour_of_week(at: i64) -> i64 {
    (at.div_euclid(HOUR) + EPOCH_HOUR).rem_euclid(7 * 24)
}

impl Habits {
    /// The customer collected something.
    pub(crate) fn learn(&mut self, at: i64) {
        if self.0.len() == MAX {
            self.0.remove(0);
        }
        self.0.push(at.div_euclid(HOUR) * HOUR);
    }

    /// Everything is forgotten.
    pub(crate) fn erase(&mut self) {
        self.0.clear();
    }

    /// What was learnt: hours of the week, strongest first. A neighbouring hour counts to it, and is no habit of its
    /// own.
    pub(crate) fn learnt(&self, now: i64) -> Vec<HabitView> {
        if self.0.len() < ENOUGH as usize {
            return Vec::new();
        }
        let mut counts = [0_u32; 7 * 24];
        let mut hours = Vec::with_capacity(self.0.len());
        for at in self.0.iter().filter(|at| (now - WEEKS * WEEK..=now).contains(*at)) {
            let hour = usize::try_from(hour_of_week(*at)).unwrap_or(0);
            if counts[hour] == 0 {
                hours.push(hour);
            }
            counts[hour] += 1;
        }
        let len = counts.len();
        let around = |hour: usize| counts[(hour + len - 1) % len] + counts[hour] + counts[(hour + 1) % len];
        hours.retain(|hour| around(*hour) >= ENOUGH);
        hours.sort_by_key(|hour| (std::cmp::Reverse((around(*hour), counts[*hour])), *hour));
        let mut learnt: Vec<usize> = Vec::new();
        for hour in hours {
            let apart = |known: &usize| {
                let distance = known.abs_diff(hour);
                distance.min(len - distance) > 1
            };
            if learnt.len() < SHOWN && learnt.iter().all(apart) {
                learnt.push(hour);
            }
        }
        learnt
            .into_iter()
            .map(|hour| HabitView {
                weekday: u8::try_from(hour / 24).unwrap_or(0),
                hour: u8::try_from(hour % 24).unwrap_or(0),
                times: around(hour),
            })
            .collect()
    }

    /// The next usual moment after this one, UNIX seconds.
    pub(crate) fn next(&self, after: i64) -> Option<i64> {
        let week_start = after - hour_of_week(after) * HOUR - after.rem_euclid(HOUR);
        self.learnt(after)
            .into_iter()
            .map(|habit| {
                let at = week_start + (i64::from(habit.weekday) * 24 + i64::from(habit.hour)) * HOUR;
                if at > after { at } else { at + WEEK }
            })
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday 2026-11-23, 00:00 UTC.
    const MONDAY: i64 = 1_795_392_000;

    #[test]
    fn three_tuesday_evenings_make_a_habit_and_two_do_not() {
        let tuesday_six = MONDAY + 24 * HOUR + 18 * HOUR;
        let mut habits = Habits::default();
        habits.learn(tuesday_six + 600);
        habits.learn(tuesday_six + WEEK + 1200);
        assert!(habits.learnt(MONDAY + 3 * WEEK).is_empty());
        habits.learn(tuesday_six + 2 * WEEK + HOUR);
        let learnt = habits.learnt(MONDAY + 3 * WEEK);
        assert_eq!(learnt, [HabitView { weekday: 1, hour: 18, times: 3 }]);
        assert_eq!(habits.next(MONDAY + 3 * WEEK), Some(tuesday_six + 3 * WEEK));
        assert_eq!(habits.next(tuesday_six + 3 * WEEK), Some(tuesday_six + 4 * WEEK));
        habits.erase();
        assert_eq!(habits.next(MONDAY), None);
    }

    #[test]
    fn what_was_long_ago_is_no_habit() {
        let mut habits = Habits::default();
        (0..5).for_each(|week| habits.learn(MONDAY + week * WEEK));
        assert!(!habits.learnt(MONDAY + 5 * WEEK).is_empty());
        assert!(habits.learnt(MONDAY + 30 * WEEK).is_empty());
    }
}
