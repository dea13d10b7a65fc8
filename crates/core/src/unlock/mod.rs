//! Opens doors. From the customer's gesture to a receipt that the locker signed: dial, HELLO, a proof by the device
//! key, OPEN, receipt, and what the door reports until it is closed.
//!
//! Architecture invariants: nothing that can move a latch leaves without a gesture at most 30 s old
//! (`relay_needs_gesture`); what was asked is in the store before it leaves; a door counts as opened only by a verified
//! receipt; an operation whose outcome is unknown is only ever repeated with the same token and nonce; an opening lives
//! as long as its door is open.

mod air;
mod answers;
mod choose;
mod drive;
mod openings;
mod pending;
mod picture;
mod recheck;
mod run;

use std::collections::BTreeMap;

use postern_api::reservation::{Action, Kind};
use postern_protocol::receipt::Receipt;

use self::{
    choose::{Exchange, Purpose},
    recheck::Rechecks,
    run::{Ask, Fresh, Link, Run, Step, StepState},
};
pub(crate) use self::{
    openings::Openings,
    pending::{Pending, on_air},
};
use crate::{
    cx::Cx,
    effect::{Effect, RadioCommand},
    event::Adapter,
    view::{ProblemCode, ProblemView},
    wallet::Wallet,
};

/// How long a customer may read what the system asks them before the radio runs. Their answer is part of the gesture.
const ASKED_MS: u64 = 120_000;
/// How long a gesture is good for (PROTOCOL.md, relays).
pub(crate) const GESTURE_MS: u64 = 30_000;
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

/// Where a receipt is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At {
    /// Reservation id.
    pub(crate) reservation: String,
    /// Locker id.
    pub(crate) locker: String,
    /// Door number.
    pub(crate) door: u16,
}

/// What came of it, for the rest.
pub(crate) enum News {
    /// A verified receipt: of an opening of this device, or of what became of its reservation otherwise.
    Receipt {
        /// Where.
        at: At,
        /// As it came.
        bytes: Vec<u8>,
        /// What it says.
        receipt: Box<Receipt>,
        /// The bulletin that went with the request.
        carried: Option<Vec<u8>>,
    },
    /// The door was closed, as the locker says in a session; its receipt may follow.
    Closed {
        /// Of which reservation.
        reservation: String,
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
}

/// The machine.
#[derive(Default)]
pub(crate) struct Unlock {
    run: Option<Run>,
    openings: Openings,
    rechecks: Rechecks,
    last_attempt: u64,
    news: Vec<News>,
}

pub(crate) fn problem(code: ProblemCode) -> ProblemView {
    let retry = !matches!(
        code,
        ProblemCode::BluetoothAbsent | ProblemCode::VersionMismatch | ProblemCode::NotTheLocker
    );
    ProblemView { code, retry, wait_seconds: None }
}

impl Unlock {
    /// What outlives the process, for the store.
    pub(crate) fn openings(&self) -> &Openings {
        &self.openings
    }

    /// Operations of unknown outcome, by reservation.
    pub(crate) fn pendings(&self) -> &BTreeMap<String, Pending> {
        &self.openings.pendings
    }

    /// From the store.
    pub(crate) fn restore(&mut self, openings: Openings) {
        self.openings = openings;
        self.rechecks = Rechecks::default();
    }

    /// Something may pretend to be this locker: nothing secret is to be shown or typed there.
    pub(crate) fn is_suspected(&self, locker: &str, now: i64) -> bool {
        self.openings.is_suspected(locker, now)
    }

    /// An operation of unknown outcome on this reservation.
    pub(crate) fn is_pending(&self, reservation: &str) -> bool {
        self.openings.pendings.contains_key(reservation)
    }

    /// Its door is open, as far as is known.
    pub(crate) fn is_open(&self, reservation: &str) -> bool {
        self.openings.doors.get(reservation).is_some_and(|door| !door.closed)
    }

    /// There is a receipt for the operation of unknown outcome: the locker itself cannot tell.
    pub(crate) fn has_receipt(&self, reservation: &str) -> bool {
        self.openings.pendings.get(reservation).is_some_and(|pending| pending.locker_unsure)
    }

    /// The first answer to its only request is still on its way: nothing went wrong so far.
    pub(crate) fn is_being_asked(&self, reservation: &str) -> bool {
        self.run.as_ref().is_some_and(|run| {
            matches!(&run.ask, Ask::Sent { exchange, .. }
                if !exchange.status
                    && exchange.pending.reservation == reservation
                    && exchange.pending.handshakes.len() == 1
                    && exchange.pending.replaces.is_none())
        })
    }

    /// The outcome of an operation is unknown and will not be found out by asking, so the door is opened anew.
    pub(crate) fn is_past_asking(&self, reservation: &str, now: i64) -> bool {
        self.openings.pendings.get(reservation).is_some_and(|pending| pending.is_past_asking(now))
    }

    /// Of its kind the next answer to a fetch is good for any session, and worth keeping.
    pub(crate) fn fetches_for_any_session(&self) -> bool {
        matches!(self.run.as_ref().map(|run| &run.fresh), Some(Fresh::Fetching(None)))
    }

    /// It did not take place. What was unknown before it is unknown still.
    fn did_not_take_place(&mut self, pending: &Pending) {
        let pendings = &mut self.openings.pendings;
        match &pending.replaces {
            Some(other) => pendings.insert(pending.reservation.clone(), (**other).clone()),
            None => pendings.remove(&pending.reservation),
        };
    }

    /// The hub or the customer knows better by now.
    pub(crate) fn settle(&mut self, reservation: &str) -> bool {
        let busy = self.run.as_ref().is_some_and(|run| {
            run.is_active() && run.steps.iter().any(|step| step.reservation == reservation)
        });
        !busy && self.openings.pendings.remove(reservation).is_some()
    }

    /// The customer says that the door is closed.
    pub(crate) fn door_is_closed(&mut self, reservation: &str, cx: &mut Cx<'_>) {
        if let Some(door) = self.openings.doors.get_mut(reservation)
            && !door.closed
        {
            door.closed = true;
            cx.out.save_soon();
        }
        let Some(run) = &mut self.run else { return };
        let here = run.steps.iter_mut().filter(|step| step.reservation == reservation);
        here.filter(|step| step.state == StepState::Opened).for_each(|step| step.state = StepState::Closed);
    }

    /// What happened, once.
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// What need not be known any more.
    pub(crate) fn forget_over(&mut self, now: i64) -> bool {
        self.openings.forget_over(now)
    }

    /// Everything is being wiped.
    pub(crate) fn clear(&mut self, cx: &mut Cx<'_>) {
        self.hang_up(cx);
        self.run = None;
        self.openings = Openings::default();
        self.rechecks = Rechecks::default();
        self.news.clear();
    }

    /// The gesture: open the doors of these reservations, as far as they are at the locker of the first. One gesture is
    /// for one thing: where anything is to be collected nothing else is opened, and what is to be put in is not opened
    /// together with compartments of one's own.
    pub(crate) fn open(&mut self, ids: &[String], env: &Env<'_>, cx: &mut Cx<'_>) {
        let kind = |id: &String| env.wallet.reservation(id).map(|reservation| reservation.kind);
        let collects = ids.iter().any(|id| kind(id) == Some(Kind::Pickup));
        let meant = if collects { Some(Kind::Pickup) } else { ids.iter().find_map(kind) };
        let ids: Vec<String> = ids.iter().filter(|id| kind(id) == meant).cloned().collect();
        self.begin(Purpose::Open, &ids, false, env, cx);
    }

    /// The gesture for a door that was open already.
    pub(crate) fn reopen(&mut self, id: &str, env: &Env<'_>, cx: &mut Cx<'_>) {
        let Some(reservation) = env.wallet.reservation(id) else { return };
        let within = env.wallet.reopen_until(reservation).is_some_and(|until| cx.now.unix() < until);
        if within || reservation.actions.contains(&Action::Reopen) {
            self.begin(Purpose::Reopen, &[id.to_owned()], false, env, cx);
        }
    }

    /// Ask the locker what became of an operation. The customer asks for it, so the answer is shown.
    pub(crate) fn resolve(&mut self, id: Option<&str>, env: &Env<'_>, cx: &mut Cx<'_>) {
        let pendings = &self.openings.pendings;
        let shown = self.run.as_ref().map(|run| run.step().reservation.as_str());
        let latest = || pendings.values().max_by_key(|pending| pending.asked_at);
        let id = id
            .or(shown)
            .filter(|id| pendings.contains_key(*id))
            .or_else(|| latest().map(|pending| pending.reservation.as_str()))
            .map(str::to_owned);
        if let Some(id) = id {
            self.begin(Purpose::Resolve, &[id], false, env, cx);
        }
    }

    fn begin(&mut self, purpose: Purpose, ids: &[String], minimised: bool, env: &Env<'_>, cx: &mut Cx<'_>) {
        if let Some(run) = &mut self.run
            && run.is_active()
        {
            let same =
                run.purpose == purpose && run.steps.iter().map(|step| &step.reservation).eq(ids.iter());
            if same {
                // A second touch on the same button is a fresher gesture, not a second opening.
                run.gesture = cx.now.monotonic_ms;
                run.minimised &= minimised;
                run.by_itself = false;
                return;
            }
            if matches!(&run.ask, Ask::Sent { exchange, .. } if !exchange.status) {
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
                    already_open: false,
                });
            }
        }
        let (Some(locker), Some(first)) = (locker, steps.first_mut()) else { return };
        first.state = StepState::Active;
        let link = self.reusable_link(&locker, cx);
        self.run = Some(Run::new(purpose, locker, steps, link, minimised, cx.now));
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
        if run.is_active() || !run.has_next() {
            return;
        }
        run.gesture = cx.now.monotonic_ms;
        run.next_step();
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
        self.run.as_ref().is_some_and(|run| run.is_active() && !self.is_pending(&run.step().reservation))
    }

    /// Close the screen. While a door is open the opening goes on without it; what is unknown stays known.
    pub(crate) fn dismiss(&mut self, cx: &mut Cx<'_>) {
        if let Some(run) = &mut self.run
            && run.step().state == StepState::Opened
        {
            run.minimised = true;
            return;
        }
        self.end(cx);
    }

    /// The screen of the opening at this door is wanted back. Gives whether there is one.
    pub(crate) fn show(&mut self, reservation: &str) -> bool {
        match &mut self.run {
            Some(run) if run.step().reservation == reservation => {
                run.minimised = false;
                true
            }
            _ => false,
        }
    }

    fn end(&mut self, cx: &mut Cx<'_>) {
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
}
