//! The change feed and receipts.

use serde::{Deserialize, Serialize};

use crate::{
    growth::{Item, Word},
    locker::LockerDescriptor,
    reservation::Reservation,
};

/// `GET /v1/changes?cursor=…`: what changed for the caller since the cursor, each thing once and as it is now.
/// Without a cursor: everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Changes {
    /// Give this the next time.
    pub cursor: String,
    /// Changed or new.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Reservation>))]
    pub reservations: Vec<Item<Reservation>>,
    /// No longer the caller's to see.
    pub removed: Vec<String>,
    /// Lockers of the reservations above.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<LockerDescriptor>))]
    pub lockers: Vec<Item<LockerDescriptor>>,
    /// Lockers where the caller has access, with news that no receipt has acknowledged yet. Complete each time. A
    /// client that holds a bulletin with a lower number fetches the new one at once (`POST /v1/bulletins`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<LockerNews>,
    /// More is waiting: ask again at once.
    pub more: bool,
    /// The hub's clock, UNIX seconds.
    pub now: i64,
}

/// News that wait to be carried to a locker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockerNews {
    /// Locker id, 16 hex digits.
    pub locker: String,
    /// Number of the newest news, as in [`BulletinFor::number`](crate::token::BulletinFor::number).
    pub number: u32,
}

/// The data of each server-sent event of `GET /v1/events`: something changed, ask for changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Poke {
    /// The feed's newest position for this account.
    pub cursor: String,
}

/// `POST /v1/receipts`: receipts signed by lockers, from any phone; `POST /v1/operator/lockers/{id}/receipts`: from the
/// operator's gateway to a locker that is connected.
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
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<ReceiptResult>))]
    pub results: Vec<Word<ReceiptResult>>,
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
