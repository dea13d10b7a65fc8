//! What goes wrong, and how it is said over HTTP (RFC 9457).

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use postern_api::problem::{Code, Problem};

use crate::{random, store::Fault};

/// The result of nearly everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Refused for a reason that the caller is told.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The database failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A fault of the hub; the text is for the log and holds no customer data.
    #[error("{0}")]
    Internal(String),
}

/// A refusal with its stable code.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code:?}: {}", detail.as_deref().unwrap_or("-"))]
pub struct Refusal {
    /// What a client decides by.
    pub code: Code,
    /// What exactly was wrong, in English, without personal data.
    pub detail: Option<Cow<'static, str>>,
    /// The field at fault, as a JSON pointer.
    pub pointer: Option<Cow<'static, str>>,
    /// Seconds.
    pub retry_after: Option<u32>,
    /// Where it is another than [`status_of`] the code.
    pub status: Option<StatusCode>,
    /// What a caller without credentials is asked for.
    pub asked_for: Scheme,
    /// How often the request is worth being carried out again from its beginning.
    pub other_tries: usize,
}

/// A way to show who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// A customer's: RFC 9449.
    #[default]
    Dpop,
    /// A partner's: RFC 6750. The request had none.
    Bearer,
    /// A partner's, and the one that the request had is not good.
    AnotherBearer,
}

impl Refusal {
    fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            pointer: None,
            retry_after: None,
            status: None,
            asked_for: Scheme::default(),
            other_tries: 0,
        }
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Refusal::new(code).into()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// A refusal with words for engineers.
pub fn refuse(code: Code, detail: impl Into<Cow<'static, str>>) -> Error {
    Refusal { detail: Some(detail.into()), ..Refusal::new(code) }.into()
}

/// A field of the request that is not as it should be.
pub fn invalid(pointer: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Error {
    Refusal { detail: Some(detail.into()), pointer: Some(pointer.into()), ..Refusal::new(Code::Malformed) }
        .into()
}

/// Too many requests; try again after `seconds`.
#[must_use]
pub fn throttled(seconds: u32) -> Error {
    Refusal { retry_after: Some(seconds), ..Refusal::new(Code::Throttled) }.into()
}

/// Not now, for a reason that passes; try again after `seconds`.
pub fn unavailable(seconds: u32, detail: impl Into<Cow<'static, str>>) -> Error {
    let (detail, retry_after) = (Some(detail.into()), Some(seconds));
    Refusal { detail, retry_after, ..Refusal::new(Code::Unavailable) }.into()
}

/// The hub has more to do than it can: come back in a moment, not all in the same one.
#[must_use]
pub fn overloaded() -> Error {
    unavailable(1 + u32::from(random::bytes::<1>()[0]) % 5, "more requests than can be served now")
}

/// No partner's key, or one that is not good.
#[must_use]
pub fn no_key(asked_for: Scheme) -> Error {
    Refusal { asked_for, ..Refusal::new(Code::Unauthenticated) }.into()
}

/// A path that is there, but not for this method.
#[must_use]
pub fn no_such_method() -> Error {
    refuse(Code::MethodNotAllowed, "the path is there, but not for this method")
}

/// The HTTP status and English title of a code.
#[must_use]
pub fn status_of(code: Code) -> (StatusCode, &'static str) {
    match code {
        Code::Malformed => (StatusCode::BAD_REQUEST, "Malformed request"),
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "No valid credentials"),
        Code::BadProof => (StatusCode::UNAUTHORIZED, "Bad proof of possession"),
        Code::DeviceRevoked => (StatusCode::UNAUTHORIZED, "This device was removed"),
        Code::Forbidden => (StatusCode::FORBIDDEN, "Not allowed"),
        Code::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        Code::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"),
        Code::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not JSON"),
        Code::Stale => (StatusCode::PRECONDITION_FAILED, "Changed in the meantime"),
        Code::WrongState => (StatusCode::CONFLICT, "Does not fit the state"),
        Code::NoCompartment => (StatusCode::CONFLICT, "No free compartment"),
        Code::LimitReached => (StatusCode::CONFLICT, "Limit reached"),
        Code::LockerNotTold => (StatusCode::CONFLICT, "The locker does not know of it"),
        Code::SomethingInside => (StatusCode::CONFLICT, "Something may lie inside"),
        Code::NoClimate => (StatusCode::CONFLICT, "No compartment that keeps it as it has to be kept"),
        Code::KeepsNoLonger => (StatusCode::CONFLICT, "It does not keep for so long"),
        Code::FairShare => (StatusCode::CONFLICT, "More than a fair share"),
        Code::WrongCode => (StatusCode::CONFLICT, "Not the code that was sent"),
        Code::CodeEnded => (StatusCode::GONE, "The code has ended"),
        Code::IdempotencyMismatch => {
            (StatusCode::UNPROCESSABLE_ENTITY, "Idempotency key used for another request")
        }
        Code::Throttled => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        Code::ClaimEnded => (StatusCode::GONE, "The claim link has ended"),
        Code::BadReceipt => (StatusCode::UNPROCESSABLE_ENTITY, "Receipt does not verify"),
        Code::CursorTooOld => (StatusCode::GONE, "The cursor is too old"),
        Code::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Not available now"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "Fault of the hub"),
    }
}

impl Error {
    /// The refusal that a caller is told; faults of the hub keep their details for the log.
    #[must_use]
    pub fn into_refusal(self) -> Refusal {
        let fault = match &self {
            Self::Refused(refusal) => return (**refusal).clone(),
            Self::Database(error) => Fault::of(error),
            Self::Internal(_) => Fault::Ours,
        };
        let other_tries = fault.other_tries();
        let (code, retry_after) = match fault {
            Fault::Full => (Code::Unavailable, Some(30)),
            Fault::Passing => (Code::Unavailable, Some(2)),
            Fault::Crossed => (Code::Unavailable, Some(1)),
            Fault::Moved | Fault::Ours => (Code::Internal, None),
        };
        if other_tries > 0 {
            tracing::info!(error = %self, ?fault, "a change met another");
        } else {
            tracing::error!(error = %self, ?fault, "request failed");
        }
        let status = (fault == Fault::Full).then_some(StatusCode::INSUFFICIENT_STORAGE);
        Refusal { retry_after, status, other_tries, ..Refusal::new(code) }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Database(_) | Self::Internal(_) => Code::Internal,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let refusal = self.into_refusal();
        let (usual, title) = status_of(refusal.code);
        let status = refusal.status.unwrap_or(usual);
        // RFC 9457, section 4.2.1: where the status says all, so does its phrase.
        let title = if status == usual { title } else { status.canonical_reason().unwrap_or(title) };
        let name = serde_json::to_value(refusal.code).ok();
        let name = name.as_ref().and_then(|value| value.as_str()).unwrap_or("internal");
        let problem = Problem {
            kind: format!("urn:postern:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            code: refusal.code,
            detail: refusal.detail.map(Cow::into_owned),
            pointer: refusal.pointer.map(Cow::into_owned),
            retry_after: refusal.retry_after,
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = refusal.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if refusal.code == Code::UnsupportedMediaType {
            // RFC 9110, section 15.5.16.
            headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if let Some(challenge) = challenge(refusal.code, refusal.asked_for) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if refusal.other_tries > 0 {
            response.extensions_mut().insert(OtherTries(refusal.other_tries));
        }
        response
    }
}

/// With an answer that says only that the request is worth being carried out again: how often.
#[derive(Clone, Copy, Debug)]
pub struct OtherTries(pub usize);

/// RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9449 section 7.1.
fn challenge(code: Code, scheme: Scheme) -> Option<&'static str> {
    match (code, scheme) {
        (Code::Unauthenticated, Scheme::Bearer) => Some("Bearer realm=\"postern\""),
        (Code::Unauthenticated, Scheme::AnotherBearer) => {
            Some("Bearer realm=\"postern\", error=\"invalid_token\"")
        }
        (Code::Unauthenticated | Code::DeviceRevoked, _) => {
            Some("DPoP error=\"invalid_token\", algs=\"EdDSA ES256\"")
        }
        (Code::BadProof, _) => Some("DPoP error=\"invalid_dpop_proof\", algs=\"EdDSA ES256\""),
        _ => None,
    }
}
