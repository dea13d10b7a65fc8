//! What comes over the air in an opening: progress, HELLO, replies, the end of the link.

use postern_api::token::Operation;
use postern_protocol::{
    ClockState, Refusal, Reply, Request,
    message::{DoorEvent, DoorEventKind, StatusReport},
    phone::{Greeted, PhoneError},
    receipt::{Outcome, Receipt},
};

use super::{
    AT_WORK_S, Ask, Env, Fresh, GESTURE_MS, HELLO_MS, Link, News, Pending, Purpose, REDIAL_MAX_MS, REDIAL_MS,
    StepState, Unlock, adapter_problem, problem,
};
use crate::{
    cx::Cx,
    effect::{Effect, RadioCommand},
    event::{Adapter, EndReason, RadioEvent},
    view::{ProblemCode, ProblemView},
    wallet,
};

/// Token, delegation and bulletin of one request together; the rest of the message takes less than 124 bytes.
const MAX_PARTS: usize = 900;

/// A bulletin that does not fit beside the token stays for another time.
pub(super) fn make_it_fit(request: &mut Request) {
    let len = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
    if request.token.len() + len(&request.delegation) + len(&request.bulletin) > MAX_PARTS {
        request.bulletin = None;
    }
}

/// It takes only tokens that are bound to this HELLO.
pub(super) fn lost_the_time(greeted: &Greeted) -> bool {
    greeted.hello().clock == ClockState::Unset
}

impl Unlock {
    /// Something of the radio.
    pub(crate) fn on_radio(&mut self, event: RadioEvent, env: &Env<'_>, cx: &mut Cx<'_>) {
        let attempt = self.run.as_ref().and_then(|run| run.link.attempt());
        match event {
            RadioEvent::Progress { attempt: of, stage } if attempt == Some(of) => {
                if let Some(run) = &mut self.run
                    && let Link::Dialling { stage: shown, .. } = &mut run.link
                {
                    *shown = Some(stage);
                }
            }
            RadioEvent::Message { attempt: of, bytes } if attempt == Some(of) => {
                self.on_message(of, bytes, env, cx);
            }
            RadioEvent::Ended { attempt: of, reason } if attempt == Some(of) => {
                self.on_ended(&reason, cx);
            }
            RadioEvent::Adapter(Adapter::Unknown) => {}
            RadioEvent::Adapter(adapter) => self.on_adapter(adapter, cx),
            _ => {}
        }
    }

    fn on_adapter(&mut self, adapter: Adapter, cx: &mut Cx<'_>) {
        if let Some(code) = adapter_problem(adapter)
            && self.run.as_ref().is_some_and(|run| run.link.attempt().is_some())
        {
            self.hang_up(cx);
            self.link_ended(code, cx);
        }
    }

    fn on_ended(&mut self, reason: &EndReason, cx: &mut Cx<'_>) {
        let Some(run) = &mut self.run else { return };
        run.link = Link::Down { dial_at: cx.now.monotonic_ms };
        let code = match reason {
            EndReason::NotFound => ProblemCode::OutOfRange,
            EndReason::Busy => ProblemCode::LockerBusy,
            EndReason::Lost | EndReason::Frame | EndReason::HungUp => ProblemCode::LinkLost,
            EndReason::Adapter(adapter) => adapter_problem(*adapter).unwrap_or(ProblemCode::LinkLost),
        };
        self.link_ended(code, cx);
    }

    /// The link is gone. An operation that was asked for is asked for again with the same token and nonce, and one
    /// that was not may be tried again, as long as the gesture is fresh.
    pub(super) fn link_ended(&mut self, code: ProblemCode, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        run.ask = Ask::Nothing;
        run.clock_unset = false;
        if matches!(run.fresh, Fresh::Fetching(Some(_)) | Fresh::Here { bound: Some(_), .. }) {
            run.fresh = Fresh::None;
        }
        if !run.is_active() {
            return;
        }
        run.last = Some(code);
        let again = match code {
            ProblemCode::LinkLost | ProblemCode::LockerBusy => true,
            // Not heard at first; but where it was asked already it was there a moment ago.
            ProblemCode::OutOfRange => self.pendings.contains_key(&run.step().reservation),
            _ => false,
        };
        let pause = (REDIAL_MS << run.failures.min(8)).min(REDIAL_MAX_MS);
        run.failures = run.failures.saturating_add(1);
        let dial_at = now + cx.jitter(pause);
        if again && dial_at + REDIAL_MS < run.gesture + GESTURE_MS {
            run.link = Link::Down { dial_at };
        } else {
            self.fail(problem(code), cx);
        }
    }

    fn on_message(&mut self, attempt: u64, bytes: Vec<u8>, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(run) = &mut self.run else { return };
        match &mut run.link {
            Link::Dialling { .. } => self.on_hello(attempt, bytes, env, cx),
            // Platforms deliver a HELLO twice, once notified and once read. It is passed over, before the session sees it.
            Link::Greeted { .. } => {}
            Link::Up { hello, .. } if *hello == bytes => {}
            Link::Up { session, .. } => match session.receive(&bytes) {
                Ok(reply) => self.on_reply(reply, env, cx),
                Err(_) => {
                    // Not by the locker in this session, so it proves nothing. What was asked may have arrived.
                    self.hang_up(cx);
                    self.link_ended(ProblemCode::LinkLost, cx);
                }
            },
            Link::Down { .. } => {}
        }
    }

    fn on_hello(&mut self, attempt: u64, bytes: Vec<u8>, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(run) = &mut self.run else { return };
        let identity = env.wallet.locker(&run.locker).and_then(wallet::identity);
        let greeted = match identity.map(|identity| Greeted::from_hello(&identity, &bytes)) {
            Some(Ok(greeted)) => greeted,
            Some(Err(PhoneError::Version(_))) => return self.fail(problem(ProblemCode::VersionMismatch), cx),
            Some(Err(_)) | None => return self.fail(problem(ProblemCode::NotTheLocker), cx),
        };
        run.link =
            Link::Greeted { attempt, greeted: Box::new(greeted), hello: bytes, at: cx.now.monotonic_ms };
        if run.is_active() {
            self.drive_active(env, cx);
        }
    }

    /// The device key signed, or refused. Only here does anything leave that can move a latch.
    pub(crate) fn on_signed(&mut self, signature: Option<[u8; 64]>, env: &Env<'_>, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        let Ask::Signing { request, mut pending, .. } = std::mem::replace(&mut run.ask, Ask::Nothing) else {
            return;
        };
        let Some(signature) = signature else { return self.fail(problem(ProblemCode::KeyRefused), cx) };
        if now > run.gesture + GESTURE_MS {
            return self.fail(problem(ProblemCode::GestureTooOld), cx);
        }
        if matches!(run.link, Link::Greeted { at, .. } if now >= at + HELLO_MS) {
            return self.drive_active(env, cx);
        }
        let link = std::mem::replace(&mut run.link, Link::Down { dial_at: now });
        let attempt = link.attempt();
        let made = match link {
            Link::Greeted { attempt, greeted, hello, .. } => {
                let hello_nonce = greeted.hello_nonce();
                greeted.open(&request, signature, cx.random()).map(|(message, session)| {
                    run.link = Link::Up { attempt, session: Box::new(session), hello, hello_nonce };
                    message
                })
            }
            Link::Up { attempt, mut session, hello, hello_nonce } => {
                let message = session.request(&request, signature);
                run.link = Link::Up { attempt, session, hello, hello_nonce };
                message
            }
            Link::Down { .. } | Link::Dialling { .. } => return,
        };
        let (Some(attempt), Link::Up { session, .. }, Ok(bytes)) = (attempt, &run.link, made) else {
            // A handshake that fails here is a locker key or HELLO that is not one.
            if let Some(attempt) = attempt {
                cx.out.push(Effect::Radio(RadioCommand::HangUp { attempt }));
            }
            return self.fail(problem(ProblemCode::NotTheLocker), cx);
        };
        let status = run.purpose == Purpose::Resolve;
        if !status {
            pending.asked_in(session.handshake_id(), cx.now.unix());
            self.pendings.insert(pending.reservation.clone(), (*pending).clone());
            // Must be on disk before it leaves: after a crash the app still knows that the door may be open.
            cx.out.save_now();
        }
        run.ask = Ask::Sent { since: now, pending, status, bulletin: request.bulletin.is_some() };
        cx.out.push(Effect::Radio(RadioCommand::Send { attempt, bytes }));
    }

    fn on_reply(&mut self, reply: Reply, env: &Env<'_>, cx: &mut Cx<'_>) {
        match reply {
            Reply::Event(event) => self.on_door(event, cx),
            Reply::Receipt(bytes) => {
                let asked = matches!(self.run.as_ref().map(|run| &run.ask), Some(Ask::Sent { .. }));
                if asked && !self.on_receipt(bytes, None, env, cx) {
                    // The locker answered with something that proves nothing; asking again would not change it.
                    self.fail(problem(ProblemCode::NotTheLocker), cx);
                }
            }
            Reply::Status(report) => self.on_status(report, env, cx),
            Reply::Refused(refusal) => self.on_refused(refusal, env, cx),
        }
    }

    fn delivered(&mut self) {
        if let Some(run) = &self.run
            && let Ask::Sent { bulletin: true, .. } = run.ask
        {
            self.news.push(News::BulletinDelivered { locker: run.locker.clone() });
        }
    }

    /// A receipt, as an answer or out of a status report that also says whether the door is open now.
    fn on_receipt(&mut self, bytes: Vec<u8>, open_now: Option<bool>, env: &Env<'_>, cx: &mut Cx<'_>) -> bool {
        let now = cx.now.monotonic_ms;
        let Some(run) = &self.run else { return false };
        let Ask::Sent { pending, .. } = &run.ask else { return false };
        let receipt = env
            .wallet
            .locker(&run.locker)
            .and_then(wallet::identity)
            .and_then(|identity| pending.verify(&bytes, &identity.receipt_key));
        let Some(receipt) = receipt else { return false };
        let pending = pending.clone();
        self.delivered();
        let state = self.state_after(&receipt, &pending, open_now, now);
        let Some(run) = &mut self.run else { return false };
        if matches!(receipt.outcome, Outcome::Opened | Outcome::AlreadyOpen)
            && run.purpose != Purpose::Resolve
        {
            let after = now.saturating_sub(run.gesture);
            run.step_mut().opened_after_ms = Some(u32::try_from(after).unwrap_or(u32::MAX));
        }
        run.ask = Ask::Nothing;
        run.step_mut().state = state;
        self.news.push(News::Receipt { pending, bytes, receipt: Box::new(receipt) });
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
        now: u64,
    ) -> StepState {
        match receipt.outcome {
            Outcome::Opened | Outcome::AlreadyOpen => {
                self.pendings.remove(&pending.reservation);
                if open_now == Some(false) {
                    StepState::Closed { at: now }
                } else {
                    StepState::Opened { at: now, left_open: false }
                }
            }
            Outcome::Jammed => {
                self.pendings.remove(&pending.reservation);
                StepState::Failed(problem(ProblemCode::Jammed))
            }
            Outcome::Unknown => {
                // The locker itself cannot tell. It stays known as such until the customer or the hub says more.
                if let Some(kept) = self.pendings.get_mut(&pending.reservation) {
                    kept.locker_unsure = true;
                }
                StepState::MayBeOpen
            }
        }
    }

    fn on_status(&mut self, report: StatusReport, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(run) = &self.run else { return };
        let Ask::Sent { status: true, pending, .. } = &run.ask else { return };
        let reservation = pending.reservation.clone();
        let mine = report.door.0 == pending.door;
        if mine
            && let Some(bytes) = report.receipt
            && self.on_receipt(bytes, report.door_open, env, cx)
        {
            return;
        }
        self.delivered();
        let Some(run) = &mut self.run else { return };
        let Ask::Sent { pending, .. } = std::mem::replace(&mut run.ask, Ask::Nothing) else { return };
        let since = cx.now.unix() - pending.asked_at;
        if (0..AT_WORK_S).contains(&since) {
            // The latch may be moving this very moment.
            run.ask = Ask::Pause { until: cx.now.monotonic_ms + REDIAL_MAX_MS };
            return;
        }
        let remembers = report.door_open == Some(false)
            || (report.door_open.is_none() && cx.now.unix() < pending.expires);
        if mine && remembers {
            // A locker keeps the receipt of each movement at least as long as the token lives, and the door is not
            // open: it never took place.
            self.did_not_take_place(&pending);
            let Some(run) = &mut self.run else { return };
            run.step_mut().state = if self.pendings.contains_key(&reservation) {
                StepState::MayBeOpen
            } else {
                StepState::Failed(problem(ProblemCode::LinkLost))
            };
            cx.out.save_now();
        } else {
            run.step_mut().state = StepState::MayBeOpen;
        }
    }

    fn on_refused(&mut self, refusal: Refusal, env: &Env<'_>, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        let Ask::Sent { pending, status, .. } = std::mem::replace(&mut run.ask, Ask::Nothing) else { return };
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
                run.ask = Ask::Pause { until: now + REDIAL_MS + cx.jitter(REDIAL_MS) };
            }
            Refusal::ClockUnset if !run.clock_unset => {
                run.clock_unset = true;
                self.drive_active(env, cx);
            }
            Refusal::ClockUnset => self.fail(problem(ProblemCode::LockerClockUnset), cx),
            Refusal::Throttled { seconds } => {
                let wait_seconds = Some(u32::from(seconds));
                self.fail(ProblemView { wait_seconds, ..problem(ProblemCode::Throttled) }, cx);
            }
            Refusal::OutOfOrder => self.fail(problem(ProblemCode::Jammed), cx),
            Refusal::Version => self.fail(problem(ProblemCode::VersionMismatch), cx),
            Refusal::Refused => self.fail(problem(ProblemCode::Refused), cx),
        }
    }

    fn on_door(&mut self, event: DoorEvent, cx: &Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        let Some(index) = run.steps.iter().position(|step| step.door == event.door.0) else { return };
        let current = index == run.current;
        let step = &mut run.steps[index];
        let opened = matches!(step.state, StepState::Opened { .. });
        match event.kind {
            DoorEventKind::Closed if opened => step.state = StepState::Closed { at: now },
            DoorEventKind::Opened if matches!(step.state, StepState::Closed { .. }) => {
                // Not closed after all; a receipt said before that it opened.
                step.state = StepState::Opened { at: now, left_open: false };
            }
            DoorEventKind::HeldOpen | DoorEventKind::Obstructed if opened && current => self.left_open(),
            _ => {}
        }
    }
}
