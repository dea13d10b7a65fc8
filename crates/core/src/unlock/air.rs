//! The link of an opening: progress, HELLO, what the key signed, the end of the link.

use postern_protocol::{
    ClockState, Request,
    phone::{Greeted, PhoneError},
};

use super::{
    Ask, Env, Fresh, GESTURE_MS, Link, Unlock,
    drive::{HELLO_MS, adapter_problem},
    problem,
};
use crate::{
    cx::Cx,
    effect::{Effect, RadioCommand},
    event::{Adapter, EndReason, RadioEvent},
    view::ProblemCode,
    wallet,
};

/// Between two dials: first and longest.
const REDIAL_MS: u64 = 400;
pub(super) const REDIAL_MAX_MS: u64 = 1_600;
/// Links that may break under a question that nobody asked for just now.
const TRIES_BY_ITSELF: u32 = 2;
/// Token, delegation and bulletin of one request together; the rest of the message takes less than 124 bytes.
const MAX_PARTS: usize = 900;
/// A locker whose clock is off by more is told the time by the hub (PROTOCOL.md, time), seconds.
const CLOCK_OFF_S: u64 = 300;

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

/// Its clock runs, and is too far from the hub's.
pub(super) fn is_wrong(greeted: &Greeted, hub_time: i64) -> bool {
    greeted.hello().floor.0.abs_diff(hub_time.max(0).unsigned_abs()) > CLOCK_OFF_S
}

impl Unlock {
    /// Something of the radio.
    pub(crate) fn on_radio(&mut self, event: RadioEvent, env: &Env<'_>, cx: &mut Cx<'_>) {
        let attempt = self.run.as_ref().and_then(|run| run.link.attempt());
        match event {
            RadioEvent::Progress { attempt: of, stage } if attempt == Some(of) => {
                let Some(run) = &mut self.run else { return };
                if run.is_asked() {
                    run.gesture = cx.now.monotonic_ms;
                }
                if let Link::Dialling { stage: shown, .. } = &mut run.link {
                    *shown = Some(stage);
                }
            }
            RadioEvent::Message { attempt: of, bytes } if attempt == Some(of) => {
                self.on_message(of, bytes, env, cx);
            }
            RadioEvent::Ended { attempt: of, reason } if attempt == Some(of) => {
                self.on_ended(&reason, cx);
            }
            RadioEvent::Sighted { short_id, .. } => self.in_range(short_id, env, cx),
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
    /// that was not may be tried again, as long as the gesture is fresh. A door that is open is asked about.
    pub(super) fn link_ended(&mut self, code: ProblemCode, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        run.ask = Ask::Nothing;
        run.clock_unset = false;
        if matches!(run.fresh, Fresh::Fetching(Some(_)) | Fresh::Here { bound: Some(_), .. }) {
            run.fresh = Fresh::None;
        }
        if !run.is_active() {
            return self.lost_at_the_door(code, cx);
        }
        run.last = Some(code);
        let again = match code {
            _ if run.by_itself && run.failures >= TRIES_BY_ITSELF => false,
            ProblemCode::LinkLost | ProblemCode::LockerBusy => true,
            // Not heard at first; but where it was asked already it was there a moment ago.
            ProblemCode::OutOfRange => self.openings.pendings.contains_key(&run.step().reservation),
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
                Ok(reply) => {
                    self.openings.trust(&run.locker);
                    self.on_reply(reply, env, cx);
                }
                Err(_) => {
                    // Not by the locker in this session, so it proves nothing. What was asked may have arrived.
                    self.openings.suspect(&run.locker, cx.now.unix());
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
        self.drive(env, cx);
    }

    /// Whether a signature is for this machine.
    pub(crate) fn owns(&self, ticket: crate::event::Ticket) -> bool {
        matches!(self.run.as_ref().map(|run| &run.ask),
            Some(Ask::Signing { ticket: own, .. }) if *own == ticket)
    }

    /// The device key signed, or refused. Only here does anything leave that can move a latch.
    pub(crate) fn on_signed(&mut self, signature: Option<[u8; 64]>, env: &Env<'_>, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        let Ask::Signing { request, mut exchange, .. } = std::mem::replace(&mut run.ask, Ask::Nothing) else {
            return;
        };
        let Some(signature) = signature else { return self.fail(problem(ProblemCode::KeyRefused), cx) };
        if now > run.deadline() {
            return self.fail(problem(ProblemCode::GestureTooOld), cx);
        }
        if matches!(run.link, Link::Greeted { at, .. } if now >= at + HELLO_MS) {
            return self.drive(env, cx);
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
        if !exchange.status {
            exchange.pending.asked_in(session.handshake_id(), cx.now.unix());
            let asked = exchange.pending.clone();
            self.openings.pendings.insert(asked.reservation.clone(), asked);
            // Must be on disk before it leaves: after a crash the app still knows that the door may be open.
            cx.out.save_now();
        }
        run.ask = Ask::Sent { since: now, exchange };
        cx.out.push(Effect::Radio(RadioCommand::Send { attempt, bytes }));
    }
}
