//! Access tokens for lockers (PROTOCOL.md, token). The token itself is opaque to clients.

use serde::{Deserialize, Serialize};

/// `POST /v1/tokens`: tokens for this device, for some or all reservations that can be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenBatch {
    /// Which; empty means all.
    #[serde(default)]
    pub reservations: Vec<String>,
    /// For a locker whose clock is unset: the nonce of its HELLO, base64url (PROTOCOL.md, clock).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello_nonce: Option<String>,
}

/// The answer to [`TokenBatch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grants {
    /// One for each reservation that may be opened.
    pub grants: Vec<Grant>,
    /// Bulletins to carry to the lockers concerned.
    pub bulletins: Vec<BulletinFor>,
}

/// A token and what the hub says of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grant {
    /// Reservation id.
    pub reservation: String,
    /// Locker id, 16 hex digits.
    pub locker: String,
    /// Door numbers.
    pub doors: Vec<u16>,
    /// What it is good for.
    pub operations: Vec<Operation>,
    /// Start.
    pub not_before: i64,
    /// End.
    pub expires: i64,
    /// How many openings.
    pub uses: u8,
    /// May be passed on in person.
    pub delegable: bool,
    /// The token's id (`cti`), 32 hex digits: what a delegation names, since clients do not open the token.
    pub token_id: String,
    /// The CWT, base64url. Useless without the device's key, yet not for logs.
    pub token: String,
}

/// Operations at a locker. PROTOCOL.md has their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Take something out.
    Collect,
    /// Open again soon after.
    Reopen,
    /// Put something in.
    Deposit,
    /// Open one's own compartment.
    Access,
    /// Ask only.
    Status,
}

/// A signed bulletin for one locker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulletinFor {
    /// Locker id, 16 hex digits.
    pub locker: String,
    /// The COSE_Sign1, base64url.
    pub bulletin: String,
}

impl core::fmt::Debug for Grant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Grant")
            .field("reservation", &self.reservation)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
