//! What a locker answers and reports, and what it makes of a door.

use postern_api::token::Operation;
use postern_protocol::{
    Refusal, Reply,
    message::{DoorEvent, DoorEventKind, StatusReport},
    receipt::{self, Outcome, Receipt},
};

use super::{
    Ask, At, Env, News, Purpose, StepState, Unlock,
    air::REDIAL_MAX_MS,
    drive::KEEP_OPEN_MS,
    openings::OpenDoor,
    pending::{Pending, is_closing_of},
    problem,
};
use crate::{
    cx::Cx,
    view::{ProblemCode, ProblemView},
    wallet,
};

/// So long after it was asked a locker without a receipt may still be at work, seconds.
const AT_WORK_S: i64 = 8;
/// A busy locker is asked again after this.
const BUSY_MS: u64 = 400;

impl Unlock {
    pub(super) fn on_reply(&mut self, reply: Reply, env: &Env<'_>, cx: &mut Cx<'_>) {
        match reply {
            Reply::Event(event) => self.on_door(event, cx),
            Reply::Receipt(bytes) => {
                let asked = self.sent().is_some_and(|(_, status)| !status);
                if asked && !self.on_receipt(&bytes, None, env, cx) {
                    // The locker answered with something that proves nothing; asking again would not change it.
                    self.fail(problem(ProblemCode::NotTheLocker), cx);
                }
            }
            Reply::Closing(bytes) => self.on_closing(&bytes, env, cx),
            Reply::Status(report) => self.on_status(report, env, cx),
            Reply::Refused(refusal) => self.on_refused(refusal, env, cx),
            // Only couriers carry; nobody asked.
            Reply::Carried(_) => {}
        }
    }

    /// What is being asked, and whether it is only asked about.
    fn sent(&self) -> Option<(Pending, bool)> {
        match &self.run.as_ref()?.ask {
            Ask::Sent { exchange, .. } => Some((exchange.pending.clone(), exchange.status)),
            _ => None,
        }
    }

    /// A receipt of the operation that was asked for, as an answer or out of a status report that also says whether the
    /// door is open now.
    fn on_receipt(&mut self, bytes: &[u8], open_now: Option<bool>, env: &Env<'_>, cx: &mut Cx<'_>) -> bool {
        let now = cx.now.monotonic_ms;
        let Some(run) = &self.run else { return false };
        let Some((pending, _)) = self.sent() else { return false };
        let carried = match &run.ask {
            Ask::Sent { exchange, .. } => exchange.bulletin.clone(),
            _ => None,
        };
        let receipt = env
            .wallet
            .locker(&run.locker)
            .and_then(wallet::identity)
            .and_then(|identity| pending.verify(bytes, &identity.receipt_key));
        let Some(receipt) = receipt else { return false };
        let state = self.state_after(&receipt, &pending, open_now, cx);
        let Some(run) = &mut self.run else { return false };
        let opened = matches!(receipt.outcome, Outcome::Opened | Outcome::AlreadyOpen);
        if opened && run.purpose != Purpose::Resolve {
            let after = now.saturating_sub(run.gesture);
            run.step_mut().opened_after_ms = Some(u32::try_from(after).unwrap_or(u32::MAX));
        }
        run.step_mut().already_open = receipt.outcome == Outcome::AlreadyOpen;
        run.ask = Ask::Nothing;
        run.recheck_until = None;
        run.keep_until = now + KEEP_OPEN_MS;
        run.step_mut().state = state;
        if run.step().state == StepState::Closed {
            self.keep_after_closing(now);
        }
        let Pending { reservation, locker, door, .. } = pending;
        let at = At { reservation: reservation.clone(), locker, door };
        self.news.push(News::Receipt { at, bytes: bytes.to_vec(), receipt: Box::new(receipt), carried });
        if opened && open_now == Some(false) {
            self.news.push(News::Closed { reservation });
        }
        // The pending operation and its receipt change places in one write.
        cx.out.save_now();
        true
    }

    /// What a verified receipt makes of its door and of the operation that it settles.
    fn state_after(
        &mut self,
        receipt: &Receipt,
        pending: &Pending,
        open_now: Option<bool>,
        cx: &Cx<'_>,
    ) -> StepState {
        let id = &pending.reservation;
        match receipt.outcome {
            Outcome::Opened | Outcome::AlreadyOpen => {
                self.openings.pendings.remove(id);
                let closed = open_now == Some(false);
                let step = self.run.as_ref().map(|run| run.step().label.clone());
                let door = OpenDoor {
                    asked: Pending { replaces: None, ..pending.clone() },
                    label: step.unwrap_or_default(),
                    since: cx.now.unix(),
                    closed,
                    told: false,
                    open_at: Some(cx.now.monotonic_ms),
                };
                self.openings.doors.insert(id.clone(), door);
                if closed { StepState::Closed } else { StepState::Opened }
            }
            Outcome::Unknown => {
                // The locker itself cannot tell. It stays known as such until the customer or the hub says more.
                if let Some(kept) = self.openings.pendings.get_mut(id) {
                    kept.locker_unsure = true;
                }
                StepState::MayBeOpen
            }
            Outcome::Jammed | Outcome::Closed | Outcome::ClosedPresent | Outcome::ClosedAbsent => {
                self.openings.pendings.remove(id);
                StepState::Failed(problem(ProblemCode::Jammed))
            }
        }
    }

    fn on_status(&mut self, report: StatusReport, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some((pending, true)) = self.sent() else { return };
        let mine = report.door.0 == pending.door;
        let reservation = pending.reservation.clone();
        let unknown = self.openings.pendings.contains_key(&reservation);
        let now = cx.now.monotonic_ms;
        if mine
            && unknown
            && let Some(bytes) = &report.receipt
        {
            let known = self.on_receipt(bytes, report.door_open, env, cx);
            if known {
                self.close_by(report.closing.as_deref(), env, cx);
                return;
            }
        }
        let Some(run) = &mut self.run else { return };
        run.ask = Ask::Nothing;
        run.recheck_until = None;
        if mine && !unknown {
            // It is known what this device did; what else was done there the locker tells as well.
            run.keep_until = now;
            self.on_others_receipt(&pending, report.receipt.as_deref(), env, cx);
            self.close_by(report.closing.as_deref(), env, cx);
            return self.door_is_now(&reservation, report.door_open, cx);
        }
        let since = cx.now.unix() - pending.asked_at;
        if (0..AT_WORK_S).contains(&since) {
            // The latch may be moving this very moment.
            run.ask = Ask::Pause { until: now + REDIAL_MAX_MS };
            return;
        }
        let remembers = report.door_open == Some(false)
            || (report.door_open.is_none() && cx.now.unix() < pending.expires);
        if mine && remembers {
            // A locker keeps the receipt of each movement at least as long as the token lives, and the door is not
            // open: it never took place.
            self.did_not_take_place(&pending);
            self.on_others_receipt(&pending, report.receipt.as_deref(), env, cx);
            let unknown = self.openings.pendings.contains_key(&reservation);
            let Some(run) = &mut self.run else { return };
            run.step_mut().state = if unknown {
                StepState::MayBeOpen
            } else {
                StepState::Failed(problem(ProblemCode::LinkLost))
            };
            cx.out.save_now();
        } else {
            run.step_mut().state = StepState::MayBeOpen;
        }
    }

    /// The last opening of the door in this occupancy, where it was not this device's: by PIN, by code, or by another
    /// device. The locker tells the owner's devices.
    fn on_others_receipt(&mut self, asked: &Pending, bytes: Option<&[u8]>, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(bytes) = bytes else { return };
        let identity = env.wallet.locker(&asked.locker).and_then(wallet::identity);
        let Some(identity) = identity else { return };
        let Ok(receipt) = receipt::verify(bytes, &identity.receipt_key) else { return };
        let occupancy = env.wallet.occupancy(&asked.reservation);
        let this = receipt.locker == identity.id && receipt.door.0 == asked.door;
        let in_time = receipt.pin().is_none_or(|pin| Some(pin.epoch.0) == occupancy);
        if !this || !in_time || receipt.outcome.is_closing() || env.wallet.is_delegated(&asked.reservation) {
            return;
        }
        let at =
            At { reservation: asked.reservation.clone(), locker: asked.locker.clone(), door: asked.door };
        self.rechecks.answered(&asked.reservation);
        self.news.push(News::Receipt {
            at,
            bytes: bytes.to_vec(),
            receipt: Box::new(receipt),
            carried: None,
        });
        cx.out.save_soon();
    }

    /// The closing receipt that a status report brought.
    fn close_by(&mut self, closing: Option<&[u8]>, env: &Env<'_>, cx: &mut Cx<'_>) {
        if let Some(bytes) = closing {
            self.on_closing(bytes, env, cx);
        }
    }

    /// What the sensor says of a door that this device opened, and that no receipt says was closed.
    fn door_is_now(&mut self, reservation: &str, open: Option<bool>, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(door) = self.openings.doors.get_mut(reservation) else {
            let Some(run) = &mut self.run else { return };
            if run.is_active() {
                run.step_mut().state = StepState::Cancelled;
            }
            return;
        };
        if open == Some(false) {
            self.closed(reservation, cx);
        } else if open == Some(true) {
            door.open_at.get_or_insert(now);
        }
    }

    /// A signed word that a door was closed, and what lies behind it.
    fn on_closing(&mut self, bytes: &[u8], env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(run) = &self.run else { return };
        let locker = run.locker.clone();
        let Some(identity) = env.wallet.locker(&locker).and_then(wallet::identity) else { return };
        let Ok(receipt) = receipt::verify(bytes, &identity.receipt_key) else { return };
        let of = |door: &OpenDoor| is_closing_of(&receipt, &door.asked, &locker);
        let found = self.openings.doors.iter().find(|(_, door)| of(door));
        let Some(reservation) = found.map(|(reservation, _)| reservation.clone()) else {
            return self.on_others_closing(bytes, receipt, &locker, cx);
        };
        self.closed(&reservation, cx);
        self.openings.doors.remove(&reservation);
        let door = receipt.door.0;
        let at = At { reservation, locker, door };
        self.news.push(News::Receipt {
            at,
            bytes: bytes.to_vec(),
            receipt: Box::new(receipt),
            carried: None,
        });
        cx.out.save_now();
    }

    /// The closing of an opening by PIN or code, which a status report brought with it.
    fn on_others_closing(&mut self, bytes: &[u8], receipt: Receipt, locker: &str, cx: &mut Cx<'_>) {
        let opening = self.news.iter().rev().find_map(|news| match news {
            News::Receipt { at, receipt: opening, .. } => Some((at.clone(), opening)),
            _ => None,
        });
        let Some((at, opening)) = opening else { return };
        let same = (opening.token, opening.nonce, opening.door, opening.operation, opening.handshake)
            == (receipt.token, receipt.nonce, receipt.door, receipt.operation, receipt.handshake)
            && opening.sequence < receipt.sequence;
        if same && receipt.outcome.is_closing() && at.locker == locker {
            self.news.push(News::Receipt {
                at,
                bytes: bytes.to_vec(),
                receipt: Box::new(receipt),
                carried: None,
            });
            cx.out.save_soon();
        }
    }

    /// The door was closed, by the locker's word in a session or by its receipt.
    fn closed(&mut self, reservation: &str, cx: &mut Cx<'_>) {
        let Some(door) = self.openings.doors.get_mut(reservation) else { return };
        if !std::mem::replace(&mut door.closed, true) {
            self.news.push(News::Closed { reservation: reservation.to_owned() });
            cx.out.save_soon();
        }
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        let mut here = run.steps.iter_mut().filter(|step| step.reservation == reservation);
        if let Some(step) = here.find(|step| step.state == StepState::Opened) {
            step.state = StepState::Closed;
            self.keep_after_closing(now);
        }
    }

    fn on_refused(&mut self, refusal: Refusal, env: &Env<'_>, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        let Ask::Sent { exchange, .. } = std::mem::replace(&mut run.ask, Ask::Nothing) else { return };
        let (pending, status) = (exchange.pending, exchange.status);
        if status && refusal == Refusal::Refused {
            // It is asked about by another token, or opened anew.
            let pendings = self.openings.pendings.values_mut();
            let doors = self.openings.doors.values_mut().map(|door| &mut door.asked);
            let same =
                |asked: &&mut Pending| asked.token_id == pending.token_id && asked.nonce == pending.nonce;
            pendings.chain(doors).filter(same).for_each(|asked| asked.unanswered = true);
            cx.out.save_soon();
        }
        // An authentic no to the only time that it was asked: nothing moved.
        let nothing_moved = !status && pending.handshakes.len() <= 1;
        if nothing_moved {
            self.did_not_take_place(&pending);
            cx.out.save_soon();
        }
        let Some(run) = &mut self.run else { return };
        match refusal {
            Refusal::Refused | Refusal::OutOfOrder
                if nothing_moved
                    && (refusal == Refusal::Refused || pending.operation == Operation::Reopen) =>
            {
                run.last = Some(ProblemCode::Refused);
                run.refused.push((pending.token_id.clone(), pending.operation));
                self.news.push(News::TokenRefused {
                    reservation: pending.reservation,
                    token_id: pending.token_id,
                });
                // Another operation, a newer token, or words: still the same gesture.
                self.drive_active(env, cx);
            }
            Refusal::Busy => {
                run.last = Some(ProblemCode::LockerBusy);
                run.ask = Ask::Pause { until: now + BUSY_MS + cx.jitter(BUSY_MS) };
            }
            Refusal::ClockUnset if !run.clock_unset && !status => {
                run.clock_unset = true;
                self.drive_active(env, cx);
            }
            Refusal::ClockUnset => self.fail(problem(ProblemCode::LockerClockUnset), cx),
            Refusal::Throttled { seconds } => {
                let wait_seconds = Some(u32::from(seconds));
                self.fail(ProblemView { wait_seconds, ..problem(ProblemCode::Throttled) }, cx);
            }
            Refusal::Full => self.fail(problem(ProblemCode::LockerFull), cx),
            Refusal::OutOfOrder => self.fail(problem(ProblemCode::Jammed), cx),
            Refusal::Version => self.fail(problem(ProblemCode::VersionMismatch), cx),
            Refusal::Refused => self.fail(problem(ProblemCode::Refused), cx),
        }
    }

    /// Something happened at a door that this session opened.
    fn on_door(&mut self, event: DoorEvent, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        let locker = run.locker.clone();
        let Some((reservation, door)) = self.openings.door_at(&locker, event.door.0) else { return };
        let reservation = reservation.clone();
        match event.kind {
            DoorEventKind::Closed => self.closed(&reservation, cx),
            DoorEventKind::Opened if door.closed => {
                // Not closed after all; a receipt said before that it opened.
                door.closed = false;
                door.open_at = Some(now);
                run.keep_until = now + KEEP_OPEN_MS;
                let mut here = run.steps.iter_mut().filter(|step| step.reservation == reservation);
                if let Some(step) = here.find(|step| step.state == StepState::Closed) {
                    step.state = StepState::Opened;
                }
            }
            DoorEventKind::HeldOpen | DoorEventKind::Obstructed if !door.closed => {
                self.left_open(&reservation);
            }
            _ => {}
        }
    }
}
