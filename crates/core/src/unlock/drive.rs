//! What is due: dialling, composing a request, giving up, warning of a door that stands open.

use postern_api::token::{Grants, TokenBatch};

use super::{
    Env, GESTURE_MS, News, Unlock,
    air::{self, is_wrong, lost_the_time},
    choose::{Choice, Facts, choose},
    openings::LEFT_OPEN_MS,
    problem,
    run::{Ask, Fresh, Link, Run, StepState},
};
use crate::{
    cx::{Cx, earlier},
    effect::{Effect, RadioCommand},
    event::Adapter,
    line::{self, Call, Miss},
    view::{ProblemCode, ProblemView},
    wallet,
};

/// The longest single dial.
const DIAL_MS: u64 = 20_000;
/// A HELLO is good for 5 s at the locker; what would come later is not sent.
pub(super) const HELLO_MS: u64 = 4_500;
/// The locker drives a latch twice and answers well within this time.
const ANSWER_MS: u64 = 10_000;
/// The link is kept for the door's events, and for a next door, at most so long.
pub(super) const KEEP_OPEN_MS: u64 = 180_000;
/// After the last door was closed.
const KEEP_CLOSED_MS: u64 = 3_000;

impl Unlock {
    /// When something must happen.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        let standing = self.openings.doors.values().filter(|door| !door.closed && !door.told);
        let warn = standing.filter_map(|door| door.open_at).map(|at| at + LEFT_OPEN_MS).min();
        let due = earlier(warn, self.rechecks.poll_timeout());
        let Some(run) = &self.run else { return due };
        let exchange = match (&run.link, &run.ask) {
            (_, Ask::Sent { since, .. }) => Some(since + ANSWER_MS),
            (Link::Down { dial_at }, _) => Some(*dial_at),
            (_, Ask::Pause { until }) => Some(*until),
            (Link::Greeted { at, .. }, _) => Some(at + HELLO_MS),
            _ => None,
        };
        let waits_for_answer = matches!(run.ask, Ask::Sent { .. });
        match &run.step().state {
            StepState::Active if waits_for_answer => earlier(due, exchange),
            StepState::Active => earlier(due, earlier(exchange, Some(run.deadline() + 1))),
            StepState::Opened | StepState::Closed if run.recheck_until.is_some() => {
                earlier(due, earlier(exchange, Some(run.deadline() + 1)))
            }
            StepState::Opened | StepState::Closed if run.link.attempt().is_some() => {
                earlier(due, Some(run.keep_until))
            }
            _ => due,
        }
    }

    /// Does what is due.
    pub(crate) fn drive(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        self.warn(cx);
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        match run.step().state {
            StepState::Active => self.drive_active(env, cx),
            StepState::Opened | StepState::Closed if run.recheck_until.is_some() => {
                self.drive_recheck(env, cx);
            }
            StepState::Closed if run.has_next() && !run.minimised && now <= run.gesture + GESTURE_MS => {
                run.next_step();
                self.drive_active(env, cx);
            }
            StepState::Opened | StepState::Closed => {
                if now >= run.keep_until {
                    self.hang_up(cx);
                    self.leave_if_over();
                }
            }
            StepState::Waiting | StepState::MayBeOpen | StepState::Failed(_) | StepState::Cancelled => {
                self.hang_up(cx);
                self.leave_if_over();
            }
        }
    }

    /// An opening without a screen, on which nothing is under way, is over.
    fn leave_if_over(&mut self) {
        let over = |run: &Run| run.minimised && run.step().state != StepState::Opened;
        if self.run.as_ref().is_some_and(over) {
            self.run = None;
        }
    }

    /// A door that stands open for too long, whether its screen is seen or not.
    fn warn(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        for (reservation, door) in &mut self.openings.doors {
            let due = door.open_at.is_some_and(|at| now >= at + LEFT_OPEN_MS);
            if due && !door.closed && !door.told {
                door.told = true;
                self.news.push(News::LeftOpen { reservation: reservation.clone() });
                cx.out.save_soon();
            }
        }
    }

    /// The locker itself says so.
    pub(super) fn left_open(&mut self, reservation: &str) {
        if let Some(door) = self.openings.doors.get_mut(reservation)
            && !door.closed
            && !door.told
        {
            door.told = true;
            self.news.push(News::LeftOpen { reservation: reservation.to_owned() });
        }
    }

    pub(super) fn drive_active(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        if self.has_no_answer(now) {
            self.hang_up(cx);
            return self.link_ended(ProblemCode::LinkLost, cx);
        }
        let Some(run) = &mut self.run else { return };
        if matches!(run.ask, Ask::Sent { .. }) {
            return;
        }
        if now > run.deadline() {
            let code = run.last.unwrap_or(match run.link {
                _ if run.is_asked() => ProblemCode::GestureTooOld,
                Link::Down { .. } | Link::Dialling { .. } => ProblemCode::OutOfRange,
                _ => ProblemCode::GestureTooOld,
            });
            return self.fail(problem(code), cx);
        }
        self.exchange(env, cx);
    }

    /// What was asked has not been answered for so long that it will not be.
    pub(super) fn has_no_answer(&self, now: u64) -> bool {
        self.run
            .as_ref()
            .is_some_and(|run| matches!(run.ask, Ask::Sent { since, .. } if now >= since + ANSWER_MS))
    }

    /// The next thing on the way to an answer: dial, or ask.
    pub(super) fn exchange(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        if matches!(run.ask, Ask::Pause { until } if now >= until) {
            run.ask = Ask::Nothing;
        }
        if matches!(run.link, Link::Greeted { at, .. } if now >= at + HELLO_MS) {
            // The locker has forgotten this HELLO by now; a new one costs less than a refusal.
            self.hang_up(cx);
        }
        let Some(run) = &mut self.run else { return };
        match (&run.link, &run.ask) {
            (Link::Down { dial_at }, _) if now >= *dial_at => self.dial(env, cx),
            (Link::Greeted { .. } | Link::Up { .. }, Ask::Nothing) => self.compose(env, cx),
            _ => {}
        }
    }

    fn dial(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        if let Some(code) = adapter_problem(env.adapter) {
            return self.fail(problem(code), cx);
        }
        let Some(run) = &mut self.run else { return };
        let Some(identity) = env.wallet.locker(&run.locker).and_then(wallet::identity) else {
            return self.fail(problem(ProblemCode::NotTheLocker), cx);
        };
        self.last_attempt += 1;
        let left = run.deadline().saturating_sub(cx.now.monotonic_ms);
        run.link = Link::Dialling { attempt: self.last_attempt, stage: None };
        cx.out.push(Effect::Radio(RadioCommand::Dial {
            attempt: self.last_attempt,
            locker: identity.id.0,
            timeout_ms: left.clamp(1, DIAL_MS),
        }));
        // What will be needed from the hub is asked for while the radio is busy.
        self.prefetch(env, cx);
    }

    /// No token on this device: ask for one while there is time.
    fn prefetch(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(run) = &mut self.run else { return };
        let id = &run.step().reservation;
        let good = env.wallet.grant(id, cx.now).is_some() && !(env.online && env.wallet.is_doubtful(id));
        let resolving = run.only_asks();
        let unknown = self.openings.pendings.get(id);
        let asked = unknown.is_some_and(|pending| resolving || !pending.is_past_asking(cx.now.unix()))
            || (resolving && self.openings.doors.contains_key(id));
        if good || asked || !matches!(run.fresh, Fresh::None) {
            return;
        }
        if env.online && !env.wallet.is_delegated(id) && !resolving {
            fetch(run, None, None, cx);
        } else {
            self.hang_up(cx);
            self.fail(problem(ProblemCode::TokenExpired), cx);
        }
    }

    /// Composes the request of the current door and has it signed.
    fn compose(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        let nonce = cx.random();
        let Some(run) = &mut self.run else { return };
        let id = run.step().reservation.clone();
        // A locker answers for what it did whatever has become of token and clock since.
        let unknown = self.openings.pendings.get(&id);
        let opened = self.openings.doors.get(&id).map(|door| &door.asked);
        let asks_again = unknown.is_some() || run.only_asks();
        let (bound, must_be_bound, told) = match &run.link {
            Link::Greeted { greeted, .. } if !asks_again => {
                let lost = lost_the_time(greeted);
                let wrong = env.online && is_wrong(greeted, env.wallet.hub_time(cx.now));
                let bound = (lost || wrong).then(|| greeted.hello_nonce());
                (bound, lost, Some(greeted.hello().floor))
            }
            Link::Up { hello_nonce, .. } if run.clock_unset => (Some(*hello_nonce), true, None),
            _ => (None, false, None),
        };
        let delegation = env.wallet.delegation_text(&id);
        let choice = choose(Facts {
            purpose: run.purpose_now(),
            now: cx.now.unix(),
            reservation: env.wallet.reservation(&id),
            door: run.step().door,
            unknown,
            opened,
            kept: env.wallet.grant(&id, cx.now),
            kept_is_doubtful: env.wallet.is_doubtful(&id),
            fresh: &run.fresh,
            bound,
            must_be_bound,
            online: env.online,
            delegation: delegation.as_deref(),
            refused: &run.refused,
            bulletin: env.wallet.bulletin(&run.locker),
            nonce,
        });
        let mut exchange = match choice {
            Choice::Wait => return,
            Choice::Fetch(bound) => {
                let told = told.and_then(|told| i64::try_from(told.0).ok());
                return fetch(run, bound, told, cx);
            }
            Choice::Impossible(code) => return self.fail(problem(code), cx),
            Choice::Ask(exchange) => exchange,
        };
        let Some(mut request) = exchange.pending.request(exchange.status, exchange.bulletin.clone()) else {
            return self.fail(problem(ProblemCode::Refused), cx);
        };
        air::make_it_fit(&mut request);
        exchange.bulletin.clone_from(&request.bulletin);
        let message = match &run.link {
            Link::Greeted { greeted, .. } => greeted.challenge(&request),
            Link::Up { session, .. } => session.challenge(&request),
            Link::Down { .. } | Link::Dialling { .. } => return,
        };
        let ticket = cx.out.ticket();
        cx.out.push(Effect::Sign { ticket, message });
        run.ask = Ask::Signing { ticket, request, exchange };
    }

    /// The hub answered with a token for this opening alone, or did not.
    pub(crate) fn on_grant(&mut self, answer: Result<Grants, Miss>, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(run) = &mut self.run else { return };
        let Fresh::Fetching(bound) = run.fresh else { return };
        let id = run.step().reservation.clone();
        let (grant, bulletin) = match answer {
            Ok(grants) => {
                let door = run.step().door;
                let grant = grants.grants.into_iter().find(|grant| {
                    grant.reservation == id
                        && grant.locker == run.locker
                        && grant.doors.contains(&door)
                        && wallet::is_plausible(grant)
                });
                let bulletin = grants
                    .bulletins
                    .into_iter()
                    .find(|bulletin| bulletin.locker == run.locker)
                    .and_then(|bulletin| wallet::decode(&bulletin.bulletin));
                (grant, bulletin)
            }
            Err(_) => (None, None),
        };
        run.fresh = Fresh::Here { bound, grant: grant.map(Box::new), bulletin };
        if run.is_active() {
            self.drive_active(env, cx);
        }
    }

    /// It did not open, or nobody can tell. Where it was only asked whether an open door is closed, that stays open.
    pub(super) fn fail(&mut self, problem: ProblemView, cx: &mut Cx<'_>) {
        self.hang_up(cx);
        let Some(run) = &mut self.run else { return };
        if problem.code == ProblemCode::NotTheLocker {
            self.openings.suspect(&run.locker, cx.now.unix());
        }
        run.ask = Ask::Nothing;
        run.recheck_until = None;
        if !run.is_active() {
            return;
        }
        let unknown = self.openings.pendings.contains_key(&run.step().reservation);
        run.step_mut().state = if unknown { StepState::MayBeOpen } else { StepState::Failed(problem) };
    }

    /// A link with another door waiting is kept as long as the customer may need to come to it.
    pub(super) fn keep_after_closing(&mut self, now: u64) {
        let Some(run) = &mut self.run else { return };
        run.keep_until = now + if run.has_next() { KEEP_OPEN_MS } else { KEEP_CLOSED_MS };
    }
}

fn fetch(run: &mut Run, bound: Option<[u8; 16]>, locker_time: Option<i64>, cx: &mut Cx<'_>) {
    let batch = TokenBatch {
        reservations: vec![run.step().reservation.clone()],
        hello_nonce: bound.map(|nonce| wallet::encode(&nonce)),
        locker_time: locker_time.filter(|_| bound.is_some()),
    };
    run.fresh = Fresh::Fetching(bound);
    cx.out.call(Call::post(line::Purpose::FreshGrant, "/v1/tokens".into(), &batch));
}

/// Why the radio cannot be used, as far as is known.
pub(crate) fn adapter_problem(adapter: Adapter) -> Option<ProblemCode> {
    match adapter {
        Adapter::On | Adapter::Unknown => None,
        Adapter::Off => Some(ProblemCode::BluetoothOff),
        Adapter::Absent => Some(ProblemCode::BluetoothAbsent),
        Adapter::Denied => Some(ProblemCode::BluetoothDenied),
        Adapter::LocationOff => Some(ProblemCode::LocationOff),
    }
}
