//! Asking by itself. What became of an opening that was cut off, and whether a door that was opened is closed again, is
//! asked whenever the locker is in range, also after a restart and without a gesture: a status moves nothing.

use std::collections::BTreeMap;

use super::{Ask, Env, GESTURE_MS, Link, Purpose, Run, Step, StepState, Unlock, air::REDIAL_MAX_MS};
use crate::{cx::Cx, event::Adapter, view::ProblemCode, wallet::Wallet};

/// Waits between two questions about one door: first and longest.
const BETWEEN_MS: (u64, u64) = (4_000, 120_000);
/// An opening code was shown: whether somebody opened by it is asked for so long.
const CODE_MS: u64 = 10 * 60_000;

/// When what is asked about next.
#[derive(Default)]
pub(super) struct Rechecks {
    /// By reservation: how often it was asked, and when it may be asked again, on the monotonic clock.
    asked: BTreeMap<String, (u32, u64)>,
    /// Reservations whose opening code was shown, with the end of asking.
    codes: BTreeMap<String, u64>,
}

impl Rechecks {
    /// When something ends by itself.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        self.codes.values().min().copied()
    }

    /// It is known now.
    pub(super) fn answered(&mut self, reservation: &str) {
        self.codes.remove(reservation);
    }

    fn is_due(&self, reservation: &str, now: u64) -> bool {
        self.asked.get(reservation).is_none_or(|(_, next)| *next <= now)
    }

    fn asks(&mut self, reservation: &str, now: u64) {
        let (first, longest) = BETWEEN_MS;
        let entry = self.asked.entry(reservation.to_owned()).or_default();
        entry.1 = now + (first << entry.0.min(8)).min(longest);
        entry.0 += 1;
    }
}

impl Unlock {
    /// An opening code was shown, by which somebody may have opened.
    pub(crate) fn code_was_shown(&mut self, reservation: &str, cx: &Cx<'_>) {
        self.rechecks.codes.insert(reservation.to_owned(), cx.now.monotonic_ms + CODE_MS);
        self.rechecks.asked.remove(reservation);
    }

    /// Something is to be asked of a locker that is not connected: its advertisements are wanted.
    pub(crate) fn wants_to_listen(&mut self, wallet: &Wallet, adapter: Adapter, cx: &Cx<'_>) -> bool {
        let (now, unix) = (cx.now.monotonic_ms, cx.now.unix());
        self.rechecks.codes.retain(|id, until| now < *until && wallet.reservation(id).is_some());
        let connected = self.run.as_ref().is_some_and(|run| run.link.attempt().is_some());
        let anything = !self.rechecks.codes.is_empty() || self.openings.open_questions(unix).next().is_some();
        adapter == Adapter::On && !connected && anything
    }

    /// A locker is in range: what is open there is asked about.
    pub(super) fn in_range(&mut self, short_id: [u8; 4], env: &Env<'_>, cx: &mut Cx<'_>) {
        let (now, unix) = (cx.now.monotonic_ms, cx.now.unix());
        let is_here = |locker: &str| {
            locker.parse::<postern_protocol::LockerId>().is_ok_and(|locker| locker.short() == short_id)
        };
        let here = |id: &str| {
            let compartment = env.wallet.reservation(id)?.compartment.as_ref()?;
            is_here(&compartment.locker).then(|| id.to_owned())
        };
        let questions = self.openings.open_questions(unix).filter(|(_, pending)| is_here(&pending.locker));
        let mut wanted = questions
            .map(|(id, _)| id.to_owned())
            .chain(self.rechecks.codes.keys().filter_map(|id| here(id)))
            .filter(|id| self.rechecks.is_due(id, now));
        let Some(id) = wanted.next() else { return };
        drop(wanted);
        if let Some(run) = &self.run {
            let busy = run.is_active() || run.link.attempt().is_some();
            // Of a code that was shown the customer waits for no answer: it takes no screen from what they see.
            let shown_for = (!run.minimised).then(|| run.step().reservation.as_str());
            let keeps_screen = shown_for.is_some_and(|shown| shown != id || self.is_asked_for_a_code(&id));
            if busy || keeps_screen {
                return;
            }
        }
        self.rechecks.asks(&id, now);
        self.ask_about(id, env, cx);
    }

    /// Nothing is known to be open or unknown: its code was shown, and that is all.
    fn is_asked_for_a_code(&self, id: &str) -> bool {
        !self.openings.pendings.contains_key(id) && !self.openings.doors.contains_key(id)
    }

    fn ask_about(&mut self, id: String, env: &Env<'_>, cx: &mut Cx<'_>) {
        let shown = self.run.as_ref().is_some_and(|run| !run.minimised);
        let open = self.openings.doors.get(&id).filter(|_| !self.openings.pendings.contains_key(&id));
        let Some(open) = open else {
            self.begin(Purpose::Resolve, &[id], !shown, env, cx);
            if let Some(run) = &mut self.run {
                run.by_itself = true;
            }
            return;
        };
        let followed = self.run.as_ref().is_some_and(|run| {
            run.step().reservation == id && matches!(run.step().state, StepState::Opened | StepState::Closed)
        });
        if !followed {
            let state = if open.closed { StepState::Closed } else { StepState::Opened };
            let (door, label) = (open.asked.door, open.label.clone());
            let step =
                Step { reservation: id, door, label, state, opened_after_ms: None, already_open: false };
            let link = Link::Down { dial_at: cx.now.monotonic_ms };
            let locker = open.asked.locker.clone();
            self.run = Some(Run::new(Purpose::Resolve, locker, vec![step], link, true, cx.now));
        }
        self.recheck_at(cx.now.monotonic_ms, cx);
        self.drive(env, cx);
    }

    /// Calls the locker of an open door at this moment, and asks.
    fn recheck_at(&mut self, dial_at: u64, cx: &Cx<'_>) {
        let Some(run) = &mut self.run else { return };
        run.link = Link::Down { dial_at };
        run.recheck_until = Some(cx.now.monotonic_ms + GESTURE_MS);
    }

    /// The link to an open door, or to one whose closing receipt has not come, is lost. It is tried once more at once;
    /// afterwards whenever the locker is heard.
    pub(super) fn lost_at_the_door(&mut self, code: ProblemCode, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        let id = &run.step().reservation;
        let wanted = matches!(run.step().state, StepState::Opened | StepState::Closed)
            && self.openings.doors.contains_key(id)
            && matches!(code, ProblemCode::LinkLost | ProblemCode::LockerBusy);
        if wanted && run.recheck_until.is_none() {
            self.rechecks.asks(&id.clone(), now);
            let dial_at = now + cx.jitter(REDIAL_MAX_MS);
            self.recheck_at(dial_at, cx);
        } else {
            run.recheck_until = None;
        }
    }

    /// A door that is open is being asked about.
    pub(super) fn drive_recheck(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        let sent = matches!(run.ask, Ask::Sent { .. });
        if now > run.deadline() || self.has_no_answer(now) {
            self.hang_up(cx);
            if let Some(run) = &mut self.run {
                run.recheck_until = None;
            }
        } else if !sent {
            self.exchange(env, cx);
        }
    }
}
