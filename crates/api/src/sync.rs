//! The change feed and receipts.

use serde::{Deserialize, Serialize};

use crate::{locker::LockerDescriptor, reservation::Reservation};

/// `GET /v1/changes?cursor=…`: what changed for the caller since the cursor, each thing once and as it is now.
/// Without a cursor: everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Changes {
    /// Give this the next time.
    pub cursor: String,
    /// Changed or new.
    pub reservations: Vec<Reservation>,
    /// No longer the caller's to see.
    pub removed: Vec<String>,
    /// Lockers of the reservations above.
    pub lockers: Vec<LockerDescriptor>,
    /// More is waiting: ask again at once.
    pub more: bool,
    /// The hub's clock, UNIX seconds.
    pub now: i64,
}

/// The data of each server-sent event of `GET /v1/events`: something changed, ask for changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Poke {
    /// The feed's newest position for this account.
    pub cursor: String,
}

/// `POST /v1/receipts`: receipts signed by lockers, from any phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiptUpload {
    /// At most 100.
    pub receipts: Vec<UploadedReceipt>,
}

/// One receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UploadedReceipt {
    /// Locker id, 16 hex digits.
    pub locker: String,
    /// The COSE_Sign1 as it came from the locker, base64url.
    pub receipt: String,
}

/// What became of each receipt, in the order sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiptResults {
    /// One for each.
    pub results: Vec<ReceiptResult>,
}

/// What became of one receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReceiptResult {
    /// Verified and new.
    Accepted,
    /// Verified and known before.
    Known,
    /// Does not verify: keep it, but do not send it again.
    Invalid,
    /// Contradicts the chain: the operator is alarmed.
    Fork,
}
