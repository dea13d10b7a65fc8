//! What the operator of a network calls: provisioning of lockers.

use serde::{Deserialize, Serialize};

use crate::locker::LockerDescriptor;

/// `POST /v1/operator/lockers`: a locker joins the network. Sent by whoever installs it, with the operator's API key.
/// Private keys never leave the locker. Repeating it with the same keys is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Provision {
    /// Its public side.
    pub descriptor: LockerDescriptor,
}

/// What the locker is given.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Provisioned {
    /// Issuer keys to trust.
    pub issuer_keys: Vec<IssuerKey>,
    /// Shared secret for PINs, base64url, 32 bytes. Secret.
    pub pin_secret: String,
    /// The hub's clock, UNIX seconds.
    pub now: i64,
}

/// A key that signs tokens and bulletins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IssuerKey {
    /// Key id, a number that fits one to four bytes.
    pub id: u32,
    /// Ed25519 public key, base64url, 32 bytes.
    pub key: String,
}

impl core::fmt::Debug for Provisioned {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Provisioned").field("issuer_keys", &self.issuer_keys).finish_non_exhaustive()
    }
}
