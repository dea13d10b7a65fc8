//! What goes wrong, and how it is said over HTTP (RFC 9457).

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use postern_api::problem::{Code, Problem};

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
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::Refused(Box::new(Refusal { code, detail: None, pointer: None, retry_after: None }))
    }
}

/// A refusal with words for engineers.
pub fn refuse(code: Code, detail: impl Into<Cow<'static, str>>) -> Error {
    Error::Refused(Box::new(Refusal { code, detail: Some(detail.into()), pointer: None, retry_after: None }))
}

/// A field of the request that is not as it should be.
pub fn invalid(pointer: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Error {
    Error::Refused(Box::new(Refusal {
        code: Code::Malformed,
        detail: Some(detail.into()),
        pointer: Some(pointer.into()),
        retry_after: None,
    }))
}

/// Too many requests; try again after `seconds`.
#[must_use]
pub fn throttled(seconds: u32) -> Error {
    Error::Refused(Box::new(Refusal {
        code: Code::Throttled,
        detail: None,
        pointer: None,
        retry_after: Some(seconds),
    }))
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
        Code::Stale => (StatusCode::PRECONDITION_FAILED, "Changed in the meantime"),
        Code::WrongState => (StatusCode::CONFLICT, "Does not fit the state"),
        Code::NoCompartment => (StatusCode::CONFLICT, "No free compartment"),
        Code::LimitReached => (StatusCode::CONFLICT, "Limit reached"),
        Code::LockerNotTold => (StatusCode::CONFLICT, "The locker does not know of it"),
        Code::SomethingInside => (StatusCode::CONFLICT, "Something may lie inside"),
        Code::FairShare => (StatusCode::CONFLICT, "More than a fair share"),
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
        let code = match &self {
            Self::Refused(refusal) => return (**refusal).clone(),
            Self::Database(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_)) => {
                tracing::error!(error = %self, "database not reachable");
                Code::Unavailable
            }
            Self::Database(_) | Self::Internal(_) => {
                tracing::error!(error = %self, "request failed");
                Code::Internal
            }
        };
        let retry_after = (code == Code::Unavailable).then_some(2);
        Refusal { code, detail: None, pointer: None, retry_after }
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
        let (status, title) = status_of(refusal.code);
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
        match refusal.code {
            Code::Unauthenticated | Code::DeviceRevoked => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("DPoP error=\"invalid_token\", algs=\"EdDSA ES256\""),
                );
            }
            Code::BadProof => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("DPoP error=\"invalid_dpop_proof\", algs=\"EdDSA ES256\""),
                );
            }
            _ => {}
        }
        response
    }
}
