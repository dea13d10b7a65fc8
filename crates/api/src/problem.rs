//! Errors over HTTP: problem details (RFC 9457) with a stable code.

use serde::{Deserialize, Serialize};

/// The body of every error response, `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A URI that names the kind of problem: `urn:postern:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short English title, for engineers; clients translate the code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What a client decides by.
    pub code: Code,
    /// What exactly was wrong, in English, without personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The field of the request at fault, as a JSON pointer (RFC 6901).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Seconds after which another try makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// Stable codes. New ones may be added; a client treats one it does not know by the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// The request is not of the form that the document describes.
    Malformed,
    /// No valid credentials: sign in again or refresh.
    Unauthenticated,
    /// The DPoP proof is missing, stale, replayed or not by the key that the session is bound to (RFC 9449).
    BadProof,
    /// The device was removed by its owner or the operator: the client wipes itself.
    DeviceRevoked,
    /// Who asks is known but may not do this.
    Forbidden,
    /// No such thing, or none that the caller may know of.
    NotFound,
    /// The path is there, but not for this method: `Allow` names those that are.
    MethodNotAllowed,
    /// The body is of another media type than the one that `Accept` names.
    UnsupportedMediaType,
    /// The thing changed since the client saw it: fetch and try again.
    Stale,
    /// The action does not fit the state that the thing is in.
    WrongState,
    /// No compartment of that size is free there.
    NoCompartment,
    /// The limit that the operator set is reached (extensions, shares, reopenings).
    LimitReached,
    /// The same idempotency key was used with another request.
    IdempotencyMismatch,
    /// Too many requests.
    Throttled,
    /// The claim link was used, revoked, or has ended.
    ClaimEnded,
    /// A receipt that does not verify or does not fit the chain.
    BadReceipt,
    /// The change feed no longer reaches back to this cursor: start from none.
    CursorTooOld,
    /// Too large.
    TooLarge,
    /// A fault of the hub.
    Internal,
    /// The hub is starting, stopping or cut off from its database.
    Unavailable,
    /// The deposit cannot be taken on somebody's word: the locker does not know of it yet, and earlier access might
    /// still open the door. The courier deposits by the locker's protocol instead.
    LockerNotTold,
    /// Something may still lie in the compartment.
    SomethingInside,
    /// The account, or all customers together, have their share of the site's compartments already.
    FairShare,
    /// No compartment there is chilled, or freezes, as the parcel has to be kept; or the one named is not.
    NoClimate,
    /// The parcel does not keep for so long.
    KeepsNoLonger,
    /// Not the code that was sent.
    WrongCode,
    /// The code that was sent was used, is over, or was guessed at too often: ask for another.
    CodeEnded,
    /// A code newer than this client.
    #[serde(other)]
    Unknown,
}
