//! An operation that was asked for and whose outcome is not known yet. Written to the store before OPEN leaves, so that
//! it outlives the process.

use postern_api::token::{Grant, Operation};
use postern_protocol::{
    Door, LockerId, OperationNonce, Request, TokenId,
    receipt::{self, Receipt},
};
use serde::{Deserialize, Serialize};

use crate::wallet::decode;

/// What was asked, exactly, so that it can be asked again without a second movement.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Of which reservation.
    pub(crate) reservation: String,
    /// Where.
    pub(crate) locker: String,
    /// Which door.
    pub(crate) door: u16,
    /// What.
    pub(crate) operation: Operation,
    /// The operation nonce.
    pub(crate) nonce: [u8; 8],
    /// The token that was shown, as the hub gave it.
    pub(crate) token: String,
    /// Its id, as the hub told it.
    pub(crate) token_id: String,
    /// The owner's delegation, base64url.
    pub(crate) delegation: Option<String>,
    /// First halves of the handshake hashes of all sessions in which it was asked.
    pub(crate) handshakes: Vec<[u8; 16]>,
    /// When it was asked last, UNIX seconds.
    pub(crate) asked_at: i64,
    /// When the token ends, UNIX seconds.
    pub(crate) expires: i64,
    /// The locker itself cannot tell: power failed between latch and sensor.
    pub(crate) locker_unsure: bool,
    /// The locker does not answer by this token any more: it was taken back since.
    #[serde(default)]
    pub(crate) unanswered: bool,
    /// The operation of unknown outcome in whose place the customer asked for this one. It counts again where this one
    /// turns out not to have taken place.
    #[serde(default)]
    pub(crate) replaces: Option<Box<Pending>>,
}

/// Sessions in which one operation may be asked for. All must be remembered, since the receipt names the one in which
/// the latch moved; who gets here has touched the button again and again for minutes.
const MAX_SESSIONS: usize = 256;

impl Pending {
    /// A new operation.
    pub(crate) fn new(
        grant: &Grant,
        delegation: Option<String>,
        door: u16,
        operation: Operation,
        nonce: [u8; 8],
        asked_at: i64,
    ) -> Self {
        Self {
            reservation: grant.reservation.clone(),
            locker: grant.locker.clone(),
            door,
            operation,
            nonce,
            token: grant.token.clone(),
            token_id: grant.token_id.clone(),
            delegation,
            handshakes: Vec::new(),
            asked_at,
            expires: grant.expires,
            locker_unsure: false,
            unanswered: false,
            replaces: None,
        }
    }

    /// Asking the locker what became of it cannot settle it any more: the locker cannot tell, or need no longer remember.
    /// What is left is to open by a new operation.
    pub(crate) fn is_past_asking(&self, now: i64) -> bool {
        self.locker_unsure || self.unanswered || now >= self.expires
    }

    /// This one is asked for in place of another.
    pub(crate) fn instead_of(mut self, other: Option<&Pending>) -> Self {
        self.replaces = other.map(|other| Box::new(Pending { replaces: None, ..other.clone() }));
        self
    }

    /// The request for it: the same each time, but for the bulletin; or a question about it.
    pub(crate) fn request(&self, ask_only: bool, bulletin: Option<Vec<u8>>) -> Option<Request> {
        Some(Request {
            operation: if ask_only { postern_protocol::Operation::Status } else { on_air(self.operation) },
            door: Door(self.door),
            nonce: OperationNonce(self.nonce),
            token: decode(&self.token)?,
            delegation: match &self.delegation {
                Some(text) => Some(decode(text)?),
                None => None,
            },
            bulletin,
        })
    }

    /// It may be asked once more.
    pub(crate) fn may_be_asked(&self) -> bool {
        self.handshakes.len() < MAX_SESSIONS
    }

    /// It is about to be asked in this session.
    pub(crate) fn asked_in(&mut self, handshake: [u8; 16], now: i64) {
        self.asked_at = now;
        self.handshakes.push(handshake);
    }

    /// The receipt, if it is signed by the locker and is about this very operation in one of our own sessions.
    pub(crate) fn verify(&self, bytes: &[u8], receipt_key: &[u8; 32]) -> Option<Receipt> {
        let receipt = receipt::verify(bytes, receipt_key).ok()?;
        (!receipt.outcome.is_closing() && self.is_subject_of(&receipt)).then_some(receipt)
    }

    /// The receipt is about this very operation in one of our own sessions.
    fn is_subject_of(&self, receipt: &Receipt) -> bool {
        let locker = self.locker.parse::<LockerId>().ok();
        let token = hex::decode(&self.token_id).ok().and_then(|bytes| bytes.try_into().ok());
        Some(receipt.locker) == locker
            && Some(receipt.token) == token.map(TokenId)
            && receipt.nonce == OperationNonce(self.nonce)
            && receipt.door == Door(self.door)
            && receipt.operation == on_air(self.operation)
            && self.handshakes.contains(&receipt.handshake)
    }
}

/// The receipt says that the door of this opening was closed.
pub(super) fn is_closing_of(receipt: &Receipt, opening: &Pending, locker: &str) -> bool {
    opening.locker == locker && receipt.outcome.is_closing() && opening.is_subject_of(receipt)
}

/// The hub's word for an operation, as the air has it.
pub(crate) fn on_air(operation: Operation) -> postern_protocol::Operation {
    match operation {
        Operation::Collect => postern_protocol::Operation::Collect,
        Operation::Reopen => postern_protocol::Operation::Reopen,
        Operation::Deposit => postern_protocol::Operation::Deposit,
        Operation::Access => postern_protocol::Operation::Access,
        // What this version does not know is not asked for; a status moves nothing.
        Operation::Carry | Operation::Status | Operation::Unknown => postern_protocol::Operation::Status,
    }
}

/// Says which operation it is, and nothing of the token.
impl core::fmt::Debug for Pending {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Pending")
            .field("reservation", &self.reservation)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}
