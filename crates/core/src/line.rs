//! The line to the hub: adds the session to each call, keeps calls while the session is renewed, and says in one way
//! what an answer means.

use std::collections::{BTreeMap, VecDeque};

use postern_api::problem::{Code, Problem};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{
    cx::Cx,
    desk::Errand,
    effect::{Auth, Body, Effect, HttpRequest, Method},
    event::{HttpFailure, HttpResponse, Payload, Ticket},
    homes::Step,
    session::Session,
    view::{ProblemCode, ProblemView},
};

/// The longest wait for any one answer of the hub, milliseconds. Whoever carries requests out gives up much sooner and
/// says so; this is for an answer that gets lost on the way, so that nobody waits for ever.
pub(crate) const ANSWER_MS: u64 = 45_000;

/// Who asked, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The account.
    Me,
    /// One page of the change feed.
    Changes,
    /// Grants fetched ahead, for these reservations.
    Grants(Vec<String>),
    /// A grant bound to the HELLO of the opening under way.
    FreshGrant,
    /// News for lockers.
    Bulletins,
    /// The head of the outbox.
    Outbox,
    /// The finder's question with this number.
    Sites(u64),
    /// The question with this number for things to borrow.
    Assets(u64),
    /// A claim link.
    Claim,
    /// The question with this number about an invitation to a flat.
    Home(Step, u64),
    /// Something about the account itself.
    Desk(Errand),
}

/// A call that needs the session.
#[derive(Clone)]
pub(crate) struct Call {
    /// For the way back.
    pub(crate) purpose: Purpose,
    /// Method.
    pub(crate) method: Method,
    /// Path and query below the base URL of the hub, from `/`.
    pub(crate) path: String,
    /// JSON body.
    pub(crate) body: Option<Zeroizing<Vec<u8>>>,
    /// `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// The session was renewed for it already.
    pub(crate) renewed: bool,
}

impl Call {
    /// A read.
    pub(crate) fn get(purpose: Purpose, path: String) -> Self {
        Self { purpose, method: Method::Get, path, body: None, key: None, renewed: false }
    }

    /// A write with a JSON body.
    pub(crate) fn post(purpose: Purpose, path: String, body: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("types of the contract serialise");
        Self {
            purpose,
            method: Method::Post,
            path,
            body: Some(Zeroizing::new(body)),
            key: None,
            renewed: false,
        }
    }
}

/// Why there is no good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// Nobody answered.
    NoNetwork,
    /// What answered is no Postern hub: a captive portal, another server.
    NotTheHub,
    /// The hub answered no.
    Refused {
        /// Why.
        code: Code,
        /// Seconds after which another try makes sense.
        wait: Option<u32>,
    },
}

impl Miss {
    /// Another try later may go better, with nothing changed.
    pub(crate) fn passes(self) -> bool {
        match self {
            Self::NoNetwork | Self::NotTheHub => true,
            Self::Refused { code, .. } => matches!(
                code,
                Code::Internal | Code::Unavailable | Code::Throttled | Code::Unauthenticated | Code::BadProof
            ),
        }
    }

    /// In the customer's terms.
    pub(crate) fn problem(self) -> ProblemView {
        let code = match self {
            Self::NoNetwork => ProblemCode::HubUnreachable,
            Self::NotTheHub => ProblemCode::WrongHub,
            Self::Refused { code, .. } => match code {
                Code::Stale | Code::WrongState | Code::NotFound => ProblemCode::ChangedMeanwhile,
                Code::NoCompartment => ProblemCode::NoCompartment,
                Code::NoClimate => ProblemCode::NoClimate,
                Code::KeepsNoLonger => ProblemCode::KeepsNoLonger,
                Code::LimitReached => ProblemCode::LimitReached,
                Code::FairShare => ProblemCode::FairShare,
                Code::SomethingInside => ProblemCode::SomethingInside,
                Code::ClaimEnded => ProblemCode::ClaimEnded,
                Code::WrongCode => ProblemCode::WrongCode,
                Code::CodeEnded => ProblemCode::CodeEnded,
                Code::Internal | Code::Unavailable => ProblemCode::HubFault,
                Code::Throttled => ProblemCode::Throttled,
                _ => ProblemCode::HubRefused,
            },
        };
        let wait_seconds = if let Self::Refused { wait, .. } = self { wait } else { None };
        ProblemView { code, retry: self.passes(), wait_seconds }
    }
}

/// What an answer means: the body of a success, or why there is none.
pub(crate) fn outcome(result: Result<HttpResponse, HttpFailure>) -> Result<Payload, Miss> {
    let response = result.map_err(|failure| match failure {
        HttpFailure::Unreachable | HttpFailure::TimedOut => Miss::NoNetwork,
        // Somebody answers there who cannot prove to be the hub.
        HttpFailure::Tls => Miss::NotTheHub,
    })?;
    match response.status {
        200..=299 => Ok(response.body),
        status => Err(match response.body.read::<Problem>() {
            Some(problem) => Miss::Refused { code: problem.code, wait: problem.retry_after },
            None => match status {
                401 => Miss::Refused { code: Code::Unauthenticated, wait: None },
                429 => Miss::Refused { code: Code::Throttled, wait: None },
                500..=599 => Miss::Refused { code: Code::Unavailable, wait: None },
                _ => Miss::NotTheHub,
            },
        }),
    }
}

/// A body of the contract, or not the hub.
pub(crate) fn parse<T: DeserializeOwned + 'static>(answer: Result<Payload, Miss>) -> Result<T, Miss> {
    answer?.read().ok_or(Miss::NotTheHub)
}

/// Calls that wait for the session, and calls under way.
#[derive(Default)]
pub(crate) struct Line {
    waiting: VecDeque<Call>,
    under_way: BTreeMap<Ticket, UnderWay>,
}

struct UnderWay {
    call: Call,
    /// On the monotonic clock.
    deadline: u64,
}

impl Line {
    /// Sends what can be sent.
    pub(crate) fn pump(&mut self, session: &mut Session, cx: &mut Cx<'_>) {
        while let Some(call) = cx.out.next_call() {
            self.waiting.push_back(call);
        }
        while !self.waiting.is_empty() {
            let Some((base, token)) = session.credentials(cx) else { return };
            let Some(call) = self.waiting.pop_front() else { return };
            let ticket = cx.out.ticket();
            cx.out.push(Effect::Http {
                ticket,
                request: HttpRequest {
                    method: call.method,
                    url: [base, &call.path].concat(),
                    body: call.body.clone().map(Body::Json),
                    auth: Auth::Token(token),
                    idempotency_key: call.key.clone(),
                },
            });
            let deadline = cx.now.monotonic_ms + ANSWER_MS;
            self.under_way.insert(ticket, UnderWay { call, deadline });
        }
    }

    /// The call that an answer belongs to; none if it is not of this line.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<Call> {
        self.under_way.remove(&ticket).map(|under_way| under_way.call)
    }

    /// When the first call under way is overdue.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.under_way.values().map(|under_way| under_way.deadline).min()
    }

    /// Calls whose answer is awaited no longer. One that comes all the same is nobody's.
    pub(crate) fn overdue(&mut self, now: u64) -> Vec<Call> {
        let late: Vec<Ticket> = self
            .under_way
            .iter()
            .filter(|(_, under_way)| under_way.deadline <= now)
            .map(|(ticket, _)| *ticket)
            .collect();
        late.into_iter().filter_map(|ticket| self.take(ticket)).collect()
    }

    /// Once more, first of all.
    pub(crate) fn again(&mut self, mut call: Call) {
        call.renewed = true;
        self.waiting.push_front(call);
    }

    /// Calls that cannot be sent because the session cannot be renewed now.
    pub(crate) fn give_up_waiting(&mut self) -> Vec<Call> {
        self.waiting.drain(..).collect()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.under_way.clear();
    }
}
