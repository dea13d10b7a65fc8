//! What the window shows of an opening.

use super::{GESTURE_MS, Link, Purpose, Run, StepState, Unlock};
use crate::{
    event::DialStage,
    time::Now,
    view::{OpeningDoorState, OpeningDoorView, OpeningPhase, OpeningView},
    wallet::Wallet,
};

impl Unlock {
    /// The opening under way, or the last one until it is dismissed.
    pub(crate) fn view(&self, wallet: &Wallet, now: Now) -> Option<OpeningView> {
        let run = self.run.as_ref().filter(|run| !run.minimised)?;
        let step = run.step();
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Some(OpeningView {
            reservation: step.reservation.clone(),
            locker: run.locker.clone(),
            door: step.door,
            label: step.label.clone(),
            index: count(run.current + 1),
            total: count(run.steps.len()),
            doors: run
                .steps
                .iter()
                .map(|step| OpeningDoorView {
                    reservation: step.reservation.clone(),
                    door: step.door,
                    label: step.label.clone(),
                    state: self.door_state(&step.state, &step.reservation),
                })
                .collect(),
            phase: self.phase(run, wallet, now),
            can_cancel: self.can_cancel(),
            started_at_ms: run.started_at_ms,
            opened_after_ms: step.opened_after_ms,
            already_open: step.already_open,
        })
    }

    /// Of the same: the reservation whose door it is, how far it is, and the UNIX milliseconds of the gesture.
    pub(crate) fn glance(&self, wallet: &Wallet, now: Now) -> Option<(&str, OpeningPhase, i64)> {
        let run = self.run.as_ref().filter(|run| !run.minimised)?;
        Some((run.step().reservation.as_str(), self.phase(run, wallet, now), run.started_at_ms))
    }

    fn door_state(&self, state: &StepState, reservation: &str) -> OpeningDoorState {
        match state {
            StepState::Waiting | StepState::Cancelled => OpeningDoorState::Waiting,
            StepState::Active if self.is_pending(reservation) && !self.is_being_asked(reservation) => {
                OpeningDoorState::MayBeOpen
            }
            StepState::Active => OpeningDoorState::Current,
            StepState::Opened => OpeningDoorState::Opened,
            StepState::Closed => OpeningDoorState::Closed,
            StepState::MayBeOpen => OpeningDoorState::MayBeOpen,
            StepState::Failed(_) => OpeningDoorState::Failed,
        }
    }

    fn phase(&self, run: &Run, wallet: &Wallet, now: Now) -> OpeningPhase {
        let step = run.step();
        let reopen_seconds = wallet
            .reservation(&step.reservation)
            .and_then(|reservation| wallet.reopen_until(reservation))
            .and_then(|until| u32::try_from(until - now.unix()).ok())
            .filter(|seconds| *seconds > 0);
        match &step.state {
            StepState::Active => self.active_phase(run),
            StepState::Opened => {
                let door = self.openings.doors.get(&step.reservation);
                OpeningPhase::Opened { reopen_seconds, left_open: door.is_some_and(|door| door.told) }
            }
            StepState::Closed if run.has_next() && now.monotonic_ms > run.gesture + GESTURE_MS => {
                OpeningPhase::NextDoor
            }
            StepState::Closed => OpeningPhase::Closed { reopen_seconds },
            StepState::MayBeOpen => OpeningPhase::MayBeOpen { asking: false },
            StepState::Failed(problem) => OpeningPhase::Failed { problem: problem.clone() },
            StepState::Cancelled | StepState::Waiting => OpeningPhase::Cancelled,
        }
    }

    fn active_phase(&self, run: &Run) -> OpeningPhase {
        if self.is_being_asked(&run.step().reservation) {
            return OpeningPhase::Asked;
        }
        if run.purpose == Purpose::Resolve || self.is_pending(&run.step().reservation) {
            return OpeningPhase::MayBeOpen { asking: true };
        }
        match &run.link {
            Link::Down { .. }
            | Link::Dialling { stage: None | Some(DialStage::Asking | DialStage::Searching), .. } => {
                OpeningPhase::Searching
            }
            Link::Dialling { stage: Some(DialStage::Sighted | DialStage::Connected), .. } => {
                OpeningPhase::Connecting
            }
            Link::Dialling { stage: Some(DialStage::Subscribed), .. }
            | Link::Greeted { .. }
            | Link::Up { .. } => OpeningPhase::Proving,
        }
    }
}
