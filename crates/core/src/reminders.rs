//! Reminders: a day and three hours before a deadline, at a usual moment to collect, and when a lent thing is late. Of what keeps for
//! a time only earlier: when half of that time is left, and when a quarter is. Each once.

use std::collections::BTreeMap;

use postern_api::reservation::{Kind, Reservation, State};
use serde::{Deserialize, Serialize};

use crate::{effect::NotificationKind, habits::Habits, wallet::Wallet};

const HOUR: i64 = 3600;
/// A usual moment is said so long before.
const AHEAD: i64 = HOUR / 2;
/// Two usual moments are said at least so far apart.
const HABIT_GAP: i64 = 20 * HOUR;

/// Of what keeps for long, the first reminder comes so long before it does no more, and the second so long.
const SPOILS: [i64; 2] = [36 * HOUR, 6 * HOUR];

const DAY_BEFORE: u8 = 1;
const HOURS_BEFORE: u8 = 2;
const OVERDUE: u8 = 4;
const HABIT: u8 = 8;
/// Reminders planned ahead. An iPhone keeps 64 of an app.
const PLANNED: usize = 32;

/// What was said already; stored, so that it is not said again after a restart.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Reminders {
    said: BTreeMap<String, Said>,
    habit_said: Option<i64>,
}

/// What was said about one reservation, for this deadline.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Said {
    until: i64,
    bits: u8,
}

/// Something to say now.
pub(crate) struct Due {
    pub(crate) kind: NotificationKind,
    pub(crate) reservation: String,
}

/// A moment of a reservation: bit, when, and what it is called.
type Moment = (u8, i64, NotificationKind);

/// The moments of one reservation, at most two. Looked at after every event, so nothing is allocated for them.
fn moments(reservation: &Reservation) -> [Option<Moment>; 2] {
    let Some(until) = reservation.until else { return [None, None] };
    match (reservation.kind, reservation.state) {
        (Kind::Pickup, State::Ready) | (Kind::Return, State::Booked) => {
            if let Some(moments) = before_it_spoils(reservation, until) {
                return moments;
            }
            let since = reservation.since.unwrap_or(i64::MIN);
            let early = (DAY_BEFORE, until - 24 * HOUR, NotificationKind::Deadline);
            let late = (HOURS_BEFORE, until - 3 * HOUR, NotificationKind::Deadline);
            // What came less than a day before its deadline was just announced as ready.
            [early, late].map(|moment| Some(moment).filter(|(_, at, _)| since < *at))
        }
        (Kind::Storage, State::Held) => [Some((OVERDUE, until, NotificationKind::Overdue)), None],
        _ => [None, None],
    }
}

/// The moments of what keeps for a time only. However short that is, one comes well before, so that somebody can still go.
fn before_it_spoils(reservation: &Reservation, until: i64) -> Option<[Option<Moment>; 2]> {
    let keeps = reservation.care?.keeps_until?.min(until);
    let whole = keeps - reservation.since?;
    if whole <= 0 {
        return None;
    }
    let moment = |bit, before| (bit, keeps - before, NotificationKind::Deadline);
    let [early, late] = SPOILS;
    Some([Some(moment(DAY_BEFORE, early.min(whole / 2))), Some(moment(HOURS_BEFORE, late.min(whole / 4)))])
}

/// It still waits to be collected or dropped off, as far as is known.
fn waits(reservation: &Reservation, wallet: &Wallet) -> bool {
    let trace = wallet.trace(&reservation.id);
    match reservation.kind {
        // What was opened for it may have been closed empty.
        Kind::Return => !trace.content.or(trace.inside).unwrap_or(trace.opened_at.is_some()),
        // What was left inside is to be collected as before.
        Kind::Pickup => {
            let here = trace.opened_at.is_some() && !trace.uncertain && trace.content != Some(true);
            // The hub has heard of that opening, and counts it as ready all the same.
            let taken_out = here && !(trace.opening.is_some() && reservation.opening >= trace.opening);
            !taken_out && trace.taken != Some(true)
        }
        Kind::Storage => trace.opened_at.is_none() && trace.taken != Some(true),
    }
}

impl Reminders {
    /// The next moment at which something is to be said, UNIX seconds.
    pub(crate) fn next(&self, wallet: &Wallet, habits: Option<&Habits>, now: i64) -> Option<i64> {
        let mut next: Option<i64> = None;
        let mut pickup = false;
        for reservation in wallet.reservations() {
            let moments = moments(reservation);
            if moments == [None, None] || !waits(reservation, wallet) {
                continue;
            }
            pickup |= reservation.kind == Kind::Pickup && reservation.until.is_some_and(|until| until > now);
            let said = self.said(reservation);
            for (bit, at, _) in moments.into_iter().flatten() {
                if said & bit == 0 {
                    next = Some(next.map_or(at, |next| next.min(at)));
                }
            }
        }
        let habit = habits.filter(|_| pickup).and_then(|habits| habits.next(self.habits_after(now)));
        [next, habit.map(|at| at - AHEAD)].into_iter().flatten().min()
    }

    /// What is to come, the next first: when, what, about which reservation, and which of its moments it is.
    pub(crate) fn planned<'a>(
        &self,
        wallet: &'a Wallet,
        habits: Option<&Habits>,
        now: i64,
    ) -> Vec<(i64, NotificationKind, &'a str, u8)> {
        let mut planned = Vec::new();
        let mut first: Option<(&Reservation, i64)> = None;
        for reservation in wallet.reservations() {
            let moments = moments(reservation);
            if moments == [None, None] || !waits(reservation, wallet) {
                continue;
            }
            if reservation.kind == Kind::Pickup
                && let Some(until) = reservation.until.filter(|until| *until > now)
                && first.is_none_or(|(_, earliest)| until < earliest)
            {
                first = Some((reservation, until));
            }
            let said = self.said(reservation);
            for (bit, at, kind) in moments.into_iter().flatten() {
                if said & bit == 0 && at > now {
                    planned.push((at, kind, reservation.id.as_str(), bit));
                }
            }
        }
        if let (Some(habits), Some((reservation, until))) = (habits, first)
            && let Some(at) = habits.next(self.habits_after(now)).map(|at| at - AHEAD)
            && (now + 1..until).contains(&at)
        {
            planned.push((at, NotificationKind::Habit, &reservation.id, HABIT));
        }
        planned.sort_unstable_by_key(|(at, _, id, bit)| (*at, *id, *bit));
        planned.truncate(PLANNED);
        planned
    }

    /// A deadline that moved begins anew.
    fn said(&self, reservation: &Reservation) -> u8 {
        let said = self.said.get(&reservation.id).filter(|said| Some(said.until) == reservation.until);
        said.map_or(0, |said| said.bits)
    }

    /// A usual moment must come after this to be said.
    fn habits_after(&self, now: i64) -> i64 {
        self.habit_said.map_or(now, |said| now.max(said + HABIT_GAP))
    }

    /// What is to be said now, and remembers that it was. `spoken` is false where the customer wants no reminders; then
    /// what is due passes in silence.
    pub(crate) fn due(
        &mut self,
        wallet: &Wallet,
        habits: Option<&Habits>,
        now: i64,
        spoken: bool,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        let mut first: Option<(&Reservation, i64)> = None;
        for reservation in wallet.reservations() {
            let moments = moments(reservation);
            if moments == [None, None] || !waits(reservation, wallet) {
                continue;
            }
            if reservation.kind == Kind::Pickup
                && let Some(until) = reservation.until
                && until > now
                && first.is_none_or(|(_, earliest)| until < earliest)
            {
                first = Some((reservation, until));
            }
            let said = self.said(reservation);
            let ripe: Vec<_> =
                moments.into_iter().flatten().filter(|(bit, at, _)| said & bit == 0 && *at <= now).collect();
            let Some((_, _, kind)) = ripe.last() else { continue };
            // Too late to be of use, except for what is late itself.
            let useful =
                *kind == NotificationKind::Overdue || reservation.until.is_some_and(|until| now < until);
            if spoken && useful {
                due.push(Due { kind: *kind, reservation: reservation.id.clone() });
            }
            let bits = ripe.iter().fold(said, |bits, (bit, _, _)| bits | bit);
            let until = reservation.until.unwrap_or(0);
            self.said.insert(reservation.id.clone(), Said { until, bits });
        }
        if let (Some(habits), Some((reservation, _))) = (habits, first)
            && let Some(at) = habits.next(self.habits_after(now))
            && at - AHEAD <= now
        {
            self.habit_said = Some(at);
            if spoken && due.is_empty() {
                due.push(Due { kind: NotificationKind::Habit, reservation: reservation.id.clone() });
            }
        }
        due
    }

    /// What is gone need not be remembered.
    pub(crate) fn forget_gone(&mut self, wallet: &Wallet) {
        self.said.retain(|id, _| wallet.reservation(id).is_some());
    }
}
