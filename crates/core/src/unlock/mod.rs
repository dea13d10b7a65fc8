//! Opens doors. From the customer's gesture to a receipt that the locker signed: dial, HELLO, a proof by the device
//! key, OPEN, receipt, and what the door reports afterwards.
//!
//! Architecture invariants: no request leaves without a gesture at most 30 s old (`relay_needs_gesture`); what was
//! asked is in the store before it leaves; a door counts as opened only by a verified receipt of one of our own
//! sessions; an operation whose outcome is unknown is only ever repeated with the same token and nonce.

mod air;
mod pending;
mod picture;
mod run;

use std::collections::BTreeMap;

use postern_api::{
    reservation::Action,
    token::{Grant, Grants, Operation, TokenBatch},
};
use postern_protocol::receipt::Receipt;

pub(crate) use self::pending::{Pending, on_air};
use self::run::{Ask, Fresh, Link, Purpose, Run, Step, StepState};
use crate::{
    cx::{Cx, earlier},
    effect::{Effect, RadioCommand},
    event::{Adapter, Ticket},
    line::{self, Call, Miss},
    view::{ProblemCode, ProblemView},
    wallet::{self, Wallet},
};

/// How long a gesture is good for (PROTOCOL.md, relays).
pub(crate) const GESTURE_MS: u64 = 30_000;
/// The longest single dial.
const DIAL_MS: u64 = 20_000;
/// Between two dials: first and longest.
const REDIAL_MS: u64 = 400;
const REDIAL_MAX_MS: u64 = 1_600;
/// A HELLO is good for 5 s at the locker; what would come later is not sent.
const HELLO_MS: u64 = 4_500;
/// The locker drives a latch twice and answers well within this time.
const ANSWER_MS: u64 = 10_000;
/// So long after it was asked a locker without a receipt may still be at work, seconds.
const AT_WORK_S: i64 = 8;
/// A door that stands open for longer is worth a warning.
const LEFT_OPEN_MS: u64 = 60_000;
/// The link is kept for the door's events, and for a next door, at most so long.
const KEEP_OPEN_MS: u64 = 180_000;
/// After the last door was closed.
const KEEP_CLOSED_MS: u64 = 3_000;
/// Doors in one opening.
const MAX_DOORS: usize = 32;

/// What an opening needs to know of the rest.
pub(crate) struct Env<'a> {
    /// Reservations, lockers, tokens.
    pub(crate) wallet: &'a Wallet,
    /// The hub can be asked for a token.
    pub(crate) online: bool,
    /// The radio.
    pub(crate) adapter: Adapter,
}

/// What came of it, for the rest.
pub(crate) enum News {
    /// A verified receipt.
    Receipt {
        /// Of which operation.
        pending: Box<Pending>,
        /// As it came.
        bytes: Vec<u8>,
        /// What it says.
        receipt: Box<Receipt>,
    },
    /// A door has been open for too long.
    LeftOpen {
        /// Of which reservation.
        reservation: String,
    },
    /// The locker refused a token of this device's own.
    TokenRefused {
        /// Of which reservation.
        reservation: String,
        /// Its id.
        token_id: String,
    },
    /// The locker has the bulletin.
    BulletinDelivered {
        /// Locker id.
        locker: String,
    },
}

/// The machine.
#[derive(Default)]
pub(crate) struct Unlock {
    run: Option<Run>,
    pendings: BTreeMap<String, Pending>,
    last_attempt: u64,
    news: Vec<News>,
}

pub(crate) fn problem(code: ProblemCode) -> ProblemView {
    let retry = !matches!(
        code,
        ProblemCode::BluetoothAbsent | ProblemCode::VersionMismatch | ProblemCode::NotTheLocker
    );
    ProblemView { code, may_have_opened: false, retry, wait_seconds: None }
}

impl Unlock {
    /// Operations of unknown outcome, for the store.
    pub(crate) fn pendings(&self) -> &BTreeMap<String, Pending> {
        &self.pendings
    }

    /// From the store.
    pub(crate) fn restore(&mut self, pendings: BTreeMap<String, Pending>) {
        self.pendings = pendings;
    }

    /// An operation of unknown outcome on this reservation.
    pub(crate) fn is_pending(&self, reservation: &str) -> bool {
        self.pendings.contains_key(reservation)
    }

    /// There is a receipt for the operation of unknown outcome: the locker itself cannot tell.
    pub(crate) fn has_receipt(&self, reservation: &str) -> bool {
        self.pendings.get(reservation).is_some_and(|pending| pending.locker_unsure)
    }

    /// The first answer to its only request is still on its way: nothing went wrong so far.
    pub(crate) fn is_being_asked(&self, reservation: &str) -> bool {
        self.run.as_ref().is_some_and(|run| {
            matches!(&run.ask, Ask::Sent { status: false, pending, .. }
                if pending.reservation == reservation
                    && pending.handshakes.len() == 1
                    && pending.replaces.is_none())
        })
    }

    /// The outcome of an operation is unknown and will not be found out by asking, so the door is opened anew.
    pub(crate) fn is_past_asking(&self, reservation: &str, now: i64) -> bool {
        self.pendings.get(reservation).is_some_and(|pending| pending.is_past_asking(now))
    }

    /// Of its kind the next answer to a fetch is good for any session, and worth keeping.
    pub(crate) fn fetches_for_any_session(&self) -> bool {
        matches!(self.run.as_ref().map(|run| &run.fresh), Some(Fresh::Fetching(None)))
    }

    /// It did not take place. What was unknown before it is unknown still.
    fn did_not_take_place(&mut self, pending: &Pending) {
        match &pending.replaces {
            Some(other) => self.pendings.insert(pending.reservation.clone(), (**other).clone()),
            None => self.pendings.remove(&pending.reservation),
        };
    }

    /// The hub or the customer knows better by now.
    pub(crate) fn settle(&mut self, reservation: &str) -> bool {
        let busy = self.run.as_ref().is_some_and(|run| {
            run.is_active() && run.steps.iter().any(|step| step.reservation == reservation)
        });
        !busy && self.pendings.remove(reservation).is_some()
    }

    /// What happened, once.
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Everything is being wiped.
    pub(crate) fn clear(&mut self, cx: &mut Cx<'_>) {
        self.hang_up(cx);
        self.run = None;
        self.pendings.clear();
        self.news.clear();
    }

    /// The gesture: open the doors of these reservations, as far as they are at the locker of the first.
    pub(crate) fn open(&mut self, ids: &[String], env: &Env<'_>, cx: &mut Cx<'_>) {
        self.begin(Purpose::Open, ids, env, cx);
    }

    /// The gesture for a door that was open already.
    pub(crate) fn reopen(&mut self, id: &str, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(reservation) = env.wallet.reservation(id) else { return };
        let within = env.wallet.reopen_until(reservation).is_some_and(|until| cx.now.unix() < until);
        if within || reservation.actions.contains(&Action::Reopen) {
            self.begin(Purpose::Reopen, &[id.to_owned()], env, cx);
        }
    }

    /// Ask the locker what became of an operation. The customer asks for it, so it is a gesture too.
    pub(crate) fn resolve(&mut self, id: Option<&str>, env: &Env<'_>, cx: &mut Cx<'_>) {
        let shown = self.run.as_ref().map(|run| run.step().reservation.as_str());
        let latest = || self.pendings.values().max_by_key(|pending| pending.asked_at);
        let id = id
            .or(shown)
            .filter(|id| self.pendings.contains_key(*id))
            .or_else(|| latest().map(|pending| pending.reservation.as_str()))
            .map(str::to_owned);
        if let Some(id) = id {
            self.begin(Purpose::Resolve, &[id], env, cx);
        }
    }

    fn begin(&mut self, purpose: Purpose, ids: &[String], env: &Env<'_>, cx: &mut Cx<'_>) {
        if let Some(run) = &mut self.run
            && run.is_active()
        {
            let same =
                run.purpose == purpose && run.steps.iter().map(|step| &step.reservation).eq(ids.iter());
            if same {
                // A second touch on the same button is a fresher gesture, not a second opening.
                run.gesture = cx.now.monotonic_ms;
                return;
            }
            if matches!(run.ask, Ask::Sent { status: false, .. }) {
                return;
            }
        }
        let mut locker = None;
        let mut steps: Vec<Step> = Vec::new();
        for id in ids.iter().take(MAX_DOORS) {
            let Some(compartment) =
                env.wallet.reservation(id).and_then(|reservation| reservation.compartment.as_ref())
            else {
                continue;
            };
            let here = locker.get_or_insert_with(|| compartment.locker.clone()) == &compartment.locker;
            if here && steps.iter().all(|step| step.reservation != *id) {
                steps.push(Step {
                    reservation: id.clone(),
                    door: compartment.door,
                    label: compartment.label.clone(),
                    state: StepState::Waiting,
                    opened_after_ms: None,
                });
            }
        }
        let (Some(locker), Some(first)) = (locker, steps.first_mut()) else { return };
        first.state = StepState::Active;
        let link = self.reusable_link(&locker, cx);
        self.run = Some(Run {
            purpose,
            locker,
            gesture: cx.now.monotonic_ms,
            started_at_ms: cx.now.unix_ms,
            steps,
            current: 0,
            link,
            ask: Ask::Nothing,
            fresh: Fresh::None,
            last: None,
            failures: 0,
            clock_unset: false,
            refused: Vec::new(),
        });
        self.drive(env, cx);
    }

    /// The session of the opening before, where it is at the same locker and nothing is being asked on it.
    fn reusable_link(&mut self, locker: &str, cx: &mut Cx<'_>) -> Link {
        let down = Link::Down { dial_at: cx.now.monotonic_ms };
        let Some(run) = &mut self.run else { return down };
        let free = matches!((&run.link, &run.ask), (Link::Up { .. }, Ask::Nothing)) && run.locker == locker;
        if free {
            return std::mem::replace(&mut run.link, down);
        }
        self.hang_up(cx);
        down
    }

    /// A fresh gesture for the next of several doors. It also passes over a door that failed.
    pub(crate) fn continue_opening(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(run) = &mut self.run else { return };
        if run.is_active() || run.current + 1 >= run.steps.len() {
            return;
        }
        run.gesture = cx.now.monotonic_ms;
        next_step(run);
        self.drive(env, cx);
    }

    /// Stop, as long as nothing was asked that could move a latch.
    pub(crate) fn cancel(&mut self, cx: &mut Cx<'_>) {
        if !self.can_cancel() {
            return;
        }
        self.hang_up(cx);
        let Some(run) = &mut self.run else { return };
        run.step_mut().state = StepState::Cancelled;
        run.ask = Ask::Nothing;
    }

    /// Cancelling would still keep the door shut.
    pub(crate) fn can_cancel(&self) -> bool {
        self.run
            .as_ref()
            .is_some_and(|run| run.is_active() && !self.pendings.contains_key(&run.step().reservation))
    }

    /// Close the screen. An operation of unknown outcome stays known.
    pub(crate) fn dismiss(&mut self, cx: &mut Cx<'_>) {
        self.hang_up(cx);
        self.run = None;
    }

    fn hang_up(&mut self, cx: &mut Cx<'_>) {
        let Some(run) = &mut self.run else { return };
        if let Some(attempt) = run.link.attempt() {
            cx.out.push(Effect::Radio(RadioCommand::HangUp { attempt }));
        }
        run.link = Link::Down { dial_at: cx.now.monotonic_ms };
        if matches!(run.ask, Ask::Signing { .. } | Ask::Sent { .. } | Ask::Pause { .. }) {
            run.ask = Ask::Nothing;
        }
    }

    /// When something must happen.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        let run = self.run.as_ref()?;
        let mut due = None;
        match &run.step().state {
            StepState::Active => {
                due = Some(run.gesture + GESTURE_MS + 1);
                due = match (&run.link, &run.ask) {
                    (_, Ask::Sent { since, .. }) => Some(since + ANSWER_MS),
                    (Link::Down { dial_at }, _) => earlier(due, Some(*dial_at)),
                    (_, Ask::Pause { until }) => earlier(due, Some(*until)),
                    (Link::Greeted { at, .. }, _) => earlier(due, Some(at + HELLO_MS)),
                    _ => due,
                };
            }
            StepState::Opened { at, left_open } => {
                if !left_open {
                    due = Some(at + LEFT_OPEN_MS);
                }
                if run.link.attempt().is_some() {
                    due = earlier(due, Some(at + KEEP_OPEN_MS));
                }
            }
            StepState::Closed { at } if run.link.attempt().is_some() => due = Some(at + keep_ms(run)),
            _ => {}
        }
        due
    }

    /// Does what is due.
    pub(crate) fn drive(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        match run.step().state.clone() {
            StepState::Active => self.drive_active(env, cx),
            StepState::Opened { at, left_open } => {
                if !left_open && now >= at + LEFT_OPEN_MS {
                    self.left_open();
                }
                if now >= at + KEEP_OPEN_MS {
                    self.hang_up(cx);
                }
            }
            StepState::Closed { at } => {
                if run.current + 1 < run.steps.len() && now <= run.gesture + GESTURE_MS {
                    next_step(run);
                    self.drive_active(env, cx);
                } else if now >= at + keep_ms(run) {
                    self.hang_up(cx);
                }
            }
            StepState::Waiting | StepState::MayBeOpen | StepState::Failed(_) | StepState::Cancelled => {
                self.hang_up(cx);
            }
        }
    }

    fn drive_active(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        let now = cx.now.monotonic_ms;
        let Some(run) = &mut self.run else { return };
        match run.ask {
            Ask::Sent { since, .. } => {
                if now >= since + ANSWER_MS {
                    self.hang_up(cx);
                    self.link_ended(ProblemCode::LinkLost, cx);
                }
                return;
            }
            Ask::Pause { until } if now >= until => run.ask = Ask::Nothing,
            Ask::Pause { .. } | Ask::Signing { .. } | Ask::Nothing => {}
        }
        if now > run.gesture + GESTURE_MS {
            let code = run.last.unwrap_or(match run.link {
                Link::Down { .. } | Link::Dialling { .. } => ProblemCode::OutOfRange,
                _ => ProblemCode::GestureTooOld,
            });
            return self.fail(problem(code), cx);
        }
        if let Link::Greeted { at, .. } = run.link
            && now >= at + HELLO_MS
        {
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
        let left = (run.gesture + GESTURE_MS).saturating_sub(cx.now.monotonic_ms);
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
        let good = env.wallet.grant(id, cx.now).is_some() && !(env.online && env.wallet.is_refused(id));
        let asked = self
            .pendings
            .get(id)
            .is_some_and(|pending| run.purpose == Purpose::Resolve || !pending.is_past_asking(cx.now.unix()));
        let here = good || asked;
        if here || !matches!(run.fresh, Fresh::None) {
            return;
        }
        if env.online && !env.wallet.is_delegated(id) {
            fetch(run, None, cx);
        } else {
            self.hang_up(cx);
            self.fail(problem(ProblemCode::TokenExpired), cx);
        }
    }

    /// Composes the request of the current door and has it signed.
    fn compose(&mut self, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(run) = &mut self.run else { return };
        let id = run.step().reservation.clone();
        // A locker answers for what it did whatever has become of token and clock since.
        let asked_before = self.pendings.contains_key(&id);
        let bound = match &run.link {
            Link::Greeted { greeted, .. } if !asked_before && air::lost_the_time(greeted) => {
                Some(greeted.hello_nonce())
            }
            Link::Up { hello_nonce, .. } if run.clock_unset => Some(*hello_nonce),
            _ => None,
        };
        let (fresh_grant, fresh_bulletin) = match &run.fresh {
            Fresh::Fetching(_) => return,
            Fresh::Here { bound: for_hello, grant, bulletin } if bound.is_none() || *for_hello == bound => {
                (grant.clone().filter(|grant| grant.reservation == id), bulletin.clone())
            }
            Fresh::Here { .. } | Fresh::None => (None, None),
        };
        let fetched_already =
            matches!(&run.fresh, Fresh::Here { bound: for_hello, .. } if *for_hello == bound);
        if bound.is_some() && fresh_grant.is_none() && fresh_bulletin.is_none() {
            if env.online && !fetched_already {
                return fetch(run, bound, cx);
            }
            return self.fail(problem(ProblemCode::LockerClockUnset), cx);
        }
        let resolving = run.purpose == Purpose::Resolve;
        // The same token and nonce again, so that nothing moves twice; unless the customer asks anew where that could
        // come to nothing.
        let (reusable, unknown) = match self.pendings.get(&id) {
            Some(pending) if resolving || !pending.is_past_asking(cx.now.unix()) => (Some(pending), None),
            unknown => (None, unknown),
        };
        let grant = fresh_grant
            .as_ref()
            .or_else(|| env.wallet.grant(&id, cx.now))
            .filter(|_| fetched_already || !(env.online && env.wallet.is_refused(&id)));
        let wish = grant.and_then(|grant| {
            let usual =
                env.wallet.reservation(&id).and_then(|reservation| wallet::operation(reservation, grant));
            let fresh = fresh_grant.is_some();
            Some((grant, wished(run, usual, unknown.is_some(), fresh, grant)?))
        });
        let pending = if let Some(pending) = reusable {
            if !resolving && !pending.may_be_asked() {
                return self.fail(problem(ProblemCode::LinkLost), cx);
            }
            pending.clone()
        } else if let Some((grant, operation)) = wish {
            let delegation = env.wallet.delegation_text(&id);
            Pending::new(grant, delegation, run.step().door, operation, cx.random(), cx.now.unix())
                .instead_of(unknown)
        } else if env.online && !fetched_already && !env.wallet.is_delegated(&id) {
            return fetch(run, None, cx);
        } else {
            // A network would bring a token that is good, unless it was the hub's newest that the locker refused.
            let refused = grant.is_some() && (env.online || env.wallet.is_delegated(&id));
            let code = if refused { ProblemCode::Refused } else { ProblemCode::TokenExpired };
            return self.fail(problem(code), cx);
        };
        let bulletin = fresh_bulletin.or_else(|| env.wallet.bulletin(&run.locker));
        let Some(mut request) = pending.request(resolving, bulletin) else {
            return self.fail(problem(ProblemCode::Refused), cx);
        };
        air::make_it_fit(&mut request);
        let message = match &run.link {
            Link::Greeted { greeted, .. } => greeted.challenge(&request),
            Link::Up { session, .. } => session.challenge(&request),
            Link::Down { .. } | Link::Dialling { .. } => return,
        };
        let ticket = cx.out.ticket();
        cx.out.push(Effect::Sign { ticket, message });
        run.ask = Ask::Signing { ticket, request, pending: Box::new(pending) };
    }

    /// Whether a signature is for this machine.
    pub(crate) fn owns(&self, ticket: Ticket) -> bool {
        matches!(self.run.as_ref().map(|run| &run.ask),
            Some(Ask::Signing { ticket: own, .. }) if *own == ticket)
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
        run.fresh = Fresh::Here { bound, grant, bulletin };
        if run.is_active() {
            self.drive_active(env, cx);
        }
    }

    /// It did not open, or nobody can tell.
    fn fail(&mut self, problem: ProblemView, cx: &mut Cx<'_>) {
        self.hang_up(cx);
        let Some(run) = &mut self.run else { return };
        let unknown = self.pendings.contains_key(&run.step().reservation);
        run.ask = Ask::Nothing;
        run.step_mut().state = if unknown { StepState::MayBeOpen } else { StepState::Failed(problem) };
    }

    fn left_open(&mut self) {
        let Some(run) = &mut self.run else { return };
        if let StepState::Opened { left_open, .. } = &mut run.step_mut().state
            && !*left_open
        {
            *left_open = true;
            let reservation = run.step().reservation.clone();
            self.news.push(News::LeftOpen { reservation });
        }
    }
}

/// The next door's turn.
fn next_step(run: &mut Run) {
    run.current += 1;
    run.step_mut().state = StepState::Active;
    run.ask = Ask::Nothing;
    run.fresh = Fresh::None;
    run.last = None;
    run.refused.clear();
}

/// What is asked for with this token; none where it allows nothing that makes sense, or all of that was refused.
///
/// Where the door may have been open the locker takes Reopen, which costs no use; where it was not, the `usual`. A
/// second choice is made only with a token that the hub gave just now, knowing what it knows, or where nobody can know.
fn wished(
    run: &Run,
    usual: Option<Operation>,
    unknown: bool,
    fresh: bool,
    grant: &Grant,
) -> Option<Operation> {
    let again = Some(Operation::Reopen);
    let first = if run.purpose == Purpose::Reopen || unknown { again } else { usual };
    // A new token without the usual operation says that the hub knows of an opening.
    let second = if first == again { usual } else { again.filter(|_| usual.is_none()) };
    let second = second.filter(|_| fresh || unknown);
    first.into_iter().chain(second).find(|operation| {
        grant.operations.contains(operation)
            && !run.refused.iter().any(|(token, refused)| *token == grant.token_id && refused == operation)
    })
}

/// A link with another door waiting is kept as long as the customer may need to come to it.
fn keep_ms(run: &Run) -> u64 {
    if run.current + 1 < run.steps.len() { KEEP_OPEN_MS } else { KEEP_CLOSED_MS }
}

fn fetch(run: &mut Run, bound: Option<[u8; 16]>, cx: &mut Cx<'_>) {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let batch = TokenBatch {
        reservations: vec![run.step().reservation.clone()],
        hello_nonce: bound.map(|nonce| BASE64_URL_SAFE_NO_PAD.encode(nonce)),
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
