//! One opening: its doors, its link, and what is being asked.

use postern_api::token::{Grant, Operation};
use postern_protocol::{
    Request,
    phone::{Greeted, Session},
};

use super::{Exchange, Purpose};
use crate::{
    event::{DialStage, Ticket},
    time::Now,
    view::{ProblemCode, ProblemView},
};

/// One door of it.
pub(crate) struct Step {
    pub(crate) reservation: String,
    pub(crate) door: u16,
    pub(crate) label: String,
    pub(crate) state: StepState,
    /// Milliseconds from the gesture to the receipt.
    pub(crate) opened_after_ms: Option<u32>,
    /// It stood open before, as its sensor says.
    pub(crate) already_open: bool,
}

/// How far a door is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StepState {
    /// Its turn has not come.
    Waiting,
    /// Under way.
    Active,
    /// A receipt says that it opened.
    Opened,
    /// And it was closed.
    Closed,
    /// It may be open, and nobody is being asked.
    MayBeOpen,
    /// It did not open, and will not without a new gesture.
    Failed(ProblemView),
    /// Stopped before anything was asked.
    Cancelled,
}

/// The link to the locker.
pub(crate) enum Link {
    /// None; the next dial may begin then.
    Down { dial_at: u64 },
    /// Being made.
    Dialling { attempt: u64, stage: Option<DialStage> },
    /// The HELLO is here and nothing was asked.
    Greeted { attempt: u64, greeted: Box<Greeted>, hello: Vec<u8>, at: u64 },
    /// A session.
    Up { attempt: u64, session: Box<Session>, hello: Vec<u8>, hello_nonce: [u8; 16] },
}

impl Link {
    pub(crate) fn attempt(&self) -> Option<u64> {
        match self {
            Self::Down { .. } => None,
            Self::Dialling { attempt, .. } | Self::Greeted { attempt, .. } | Self::Up { attempt, .. } => {
                Some(*attempt)
            }
        }
    }
}

/// What is being asked on the link.
pub(crate) enum Ask {
    /// Nothing.
    Nothing,
    /// The device key signs.
    Signing { ticket: Ticket, request: Request, exchange: Box<Exchange> },
    /// It left.
    Sent { since: u64, exchange: Box<Exchange> },
    /// The locker was busy; once more then.
    Pause { until: u64 },
}

/// A token for this opening alone.
#[derive(Debug)]
pub(crate) enum Fresh {
    /// Not needed so far.
    None,
    /// Asked of the hub, for the HELLO with this nonce or for any.
    Fetching(Option<[u8; 16]>),
    /// Here.
    Here {
        /// The HELLO that it is bound to.
        bound: Option<[u8; 16]>,
        grant: Option<Box<Grant>>,
        bulletin: Option<Vec<u8>>,
    },
}

/// An opening.
pub(crate) struct Run {
    pub(crate) purpose: Purpose,
    pub(crate) locker: String,
    /// The gesture, on the monotonic clock; where nothing is to move, the moment at which asking began.
    pub(crate) gesture: u64,
    /// The first gesture, UNIX milliseconds.
    pub(crate) started_at_ms: i64,
    pub(crate) steps: Vec<Step>,
    pub(crate) current: usize,
    pub(crate) link: Link,
    pub(crate) ask: Ask,
    pub(crate) fresh: Fresh,
    /// What went wrong last, to say when time is up.
    pub(crate) last: Option<ProblemCode>,
    /// Links that broke under this opening.
    pub(crate) failures: u32,
    /// The locker said in this session that it lost the time.
    pub(crate) clock_unset: bool,
    /// What the locker refused for the current door, by token id: it is not asked for again.
    pub(crate) refused: Vec<(String, Operation)>,
    /// Its screen is not shown: the customer left it, or nobody asked for one.
    pub(crate) minimised: bool,
    /// Nobody asked for it just now.
    pub(crate) by_itself: bool,
    /// With nothing under way, the link is kept until then.
    pub(crate) keep_until: u64,
    /// The door was opened, and the link to it is lost: until then the locker is called and asked whether it is closed.
    pub(crate) recheck_until: Option<u64>,
}

impl Run {
    pub(crate) fn step(&self) -> &Step {
        &self.steps[self.current]
    }

    pub(crate) fn step_mut(&mut self) -> &mut Step {
        &mut self.steps[self.current]
    }

    pub(crate) fn is_active(&self) -> bool {
        self.step().state == StepState::Active
    }

    /// What is asked now can move nothing.
    pub(crate) fn only_asks(&self) -> bool {
        self.purpose == Purpose::Resolve || !self.is_active()
    }

    /// What the next exchange is for.
    pub(crate) fn purpose_now(&self) -> Purpose {
        if self.is_active() { self.purpose } else { Purpose::Resolve }
    }

    /// Moments beyond which nothing leaves any more.
    pub(crate) fn deadline(&self) -> u64 {
        let good_for = if self.is_asked() { super::ASKED_MS } else { super::GESTURE_MS };
        self.recheck_until.filter(|_| !self.is_active()).unwrap_or(self.gesture + good_for)
    }

    /// The customer is being asked by the system whether the radio may be used.
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self.link, Link::Dialling { stage: Some(DialStage::Asking), .. })
    }

    /// Some other door of it is still to come.
    pub(crate) fn has_next(&self) -> bool {
        self.current + 1 < self.steps.len()
    }
}

impl Run {
    /// At its beginning.
    pub(super) fn new(
        purpose: Purpose,
        locker: String,
        steps: Vec<Step>,
        link: Link,
        minimised: bool,
        now: Now,
    ) -> Self {
        Self {
            purpose,
            locker,
            gesture: now.monotonic_ms,
            started_at_ms: now.unix_ms,
            steps,
            current: 0,
            link,
            ask: Ask::Nothing,
            fresh: Fresh::None,
            last: None,
            failures: 0,
            clock_unset: false,
            refused: Vec::new(),
            minimised,
            by_itself: false,
            keep_until: now.monotonic_ms,
            recheck_until: None,
        }
    }

    /// The next door's turn.
    pub(super) fn next_step(&mut self) {
        self.current += 1;
        self.step_mut().state = StepState::Active;
        self.ask = Ask::Nothing;
        self.fresh = Fresh::None;
        self.last = None;
        self.recheck_until = None;
        self.refused.clear();
    }
}
