//! A courier's device, of a person or a machine: it signs in with the code that its carrier made, takes a token for one
//! errand, opens the door by the very same protocol as a customer's phone, and hands the locker's receipt in. The hub
//! follows the receipt, not the courier's word.
//!
//! Architecture invariant: what was done at a door is kept before anybody is told of it, and is offered to the hub until it
//! is taken.
#![forbid(unsafe_code)]

mod device;
mod hub;
mod visit;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use postern_api::locker::LockerDescriptor;
pub use postern_protocol::{LockerId, Operation, message::Refusal};
use postern_protocol::{LockerIdentity, phone::PhoneError, receipt::Outcome};
pub use postern_radio::{AdapterState, Link, RadioError};
use postern_vault::{VaultError, dpop::ProofError};

pub use self::{
    device::{Device, Errand},
    hub::{HubError, answer, answer_if_any, is_this_machine},
    visit::{Dial, OpenDoor},
};

/// Why an errand was not done.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// Nobody signed in on this device.
    #[error("not signed in")]
    NotSignedIn,
    /// The hub ended the session: the carrier dismissed the courier, or the hub came back from a backup. What it has not got yet is
    /// kept for the next sign-in.
    #[error("the hub ended the session")]
    SessionEnded,
    /// The hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// Below the protocol; nothing was asked yet.
    #[error(transparent)]
    Radio(#[from] RadioError),
    /// What came was not what the protocol says.
    #[error("the locker broke the protocol: {0}")]
    Protocol(String),
    /// The locker said no; nothing moved.
    #[error("the locker refused: {0:?}")]
    Refused(Refusal),
    /// The door did not open.
    #[error("the door did not open: {0:?}")]
    Closed(Outcome),
    /// The connection ended after the locker was asked: the door may be open.
    #[error("the connection ended after the locker was asked; the door may be open")]
    MayBeOpen,
    /// The keyring or the key.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<PhoneError> for CourierError {
    fn from(error: PhoneError) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl From<ProofError> for CourierError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Key(error) => Self::Vault(error),
            other => Self::Protocol(other.to_string()),
        }
    }
}

/// What a courier must know of a locker to trust it, from its descriptor. None where that makes no sense.
#[must_use]
pub fn identity(descriptor: &LockerDescriptor) -> Option<LockerIdentity> {
    let key = |text: &str| BASE64.decode(text).ok()?.try_into().ok();
    Some(LockerIdentity {
        id: descriptor.id.parse().ok()?,
        static_key: key(&descriptor.static_key)?,
        receipt_key: key(&descriptor.receipt_key)?,
    })
}
