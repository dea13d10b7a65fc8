//! Receipts: what a locker signs for every movement of a latch, chained by hash.

use alloc::vec::Vec;

use minicbor::Decoder;
use sha2::{Digest, Sha256};

use crate::{
    ClockState, Door, Epoch, LockerId, LockerKeys, Operation, OperationNonce, Timestamp, TokenId,
    cbor::{self, Malformed},
    cose::{self, Purpose, Refused, Sign1},
    message,
};

/// What a receipt says.
///
/// The two hashes are the first 16 bytes of the full ones: HELLO, OPEN and RECEIPT stay within 560 bytes that way. A
/// second preimage of 128 bits is out of reach, and a collision would have to be made by the locker that signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The locker that signed.
    pub locker: LockerId,
    /// One more than in the receipt before; the first has 0.
    pub sequence: u32,
    /// [`hash`] of the receipt before; zeros in the first.
    pub previous: [u8; 16],
    /// `cti` of the token; for a PIN [`TokenId::of_pin`], see [`Self::pin`].
    pub token: TokenId,
    /// The operation nonce; zeros for a PIN.
    pub nonce: OperationNonce,
    /// The door.
    pub door: Door,
    /// What was asked for.
    pub operation: Operation,
    /// What came of it.
    pub outcome: Outcome,
    /// When, by the locker's clock or its floor.
    pub at: Timestamp,
    /// How well the locker knew the time.
    pub clock: ClockState,
    /// First half of the session's handshake hash; zeros for a scanner or a PIN.
    pub handshake: [u8; 16],
    /// How the request came.
    pub source: Source,
    /// Number of the newest bulletin that the locker had taken in; 0 where there was none.
    pub news: u32,
}

/// Which PIN opened: what a receipt says in place of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PinUse {
    /// The epoch that it was made for.
    pub epoch: Epoch,
    /// Its slot, below [`crate::pin::SLOTS`].
    pub slot: u8,
}

/// What came of a request, or what was measured as the door was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// The latch moved and the door came open.
    Opened = 0,
    /// The latch was driven twice and the door did not come open.
    Jammed = 1,
    /// The door stood open already; nothing moved.
    AlreadyOpen = 2,
    /// Power failed between latch and sensor: it may have opened.
    Unknown = 3,
    /// The door that was opened has been closed; there is no content sensor.
    Closed = 4,
    /// It has been closed, and something lies inside.
    ClosedPresent = 5,
    /// It has been closed, and nothing lies inside.
    ClosedAbsent = 6,
}

impl Outcome {
    /// What a closing receipt says: a second receipt, for the closing of what an earlier one opened.
    #[must_use]
    pub const fn is_closing(self) -> bool {
        matches!(self, Self::Closed | Self::ClosedPresent | Self::ClosedAbsent)
    }

    /// The door stood open afterwards, or may have.
    #[must_use]
    pub const fn may_be_open(self) -> bool {
        matches!(self, Self::Opened | Self::AlreadyOpen | Self::Unknown)
    }

    /// The outcome of a closing, by what the content sensor says; none where there is no sensor.
    #[must_use]
    pub const fn of_closing(content: Option<bool>) -> Self {
        match content {
            None => Self::Closed,
            Some(true) => Self::ClosedPresent,
            Some(false) => Self::ClosedAbsent,
        }
    }
}

impl TryFrom<u8> for Outcome {
    type Error = ();

    fn try_from(code: u8) -> Result<Self, ()> {
        match code {
            0 => Ok(Self::Opened),
            1 => Ok(Self::Jammed),
            2 => Ok(Self::AlreadyOpen),
            3 => Ok(Self::Unknown),
            4 => Ok(Self::Closed),
            5 => Ok(Self::ClosedPresent),
            6 => Ok(Self::ClosedAbsent),
            _ => Err(()),
        }
    }
}

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Source {
    /// Over the air.
    Radio = 0,
    /// Typed at the keypad.
    Pin = 1,
    /// Shown to the scanner.
    Scanner = 2,
}

impl TryFrom<u8> for Source {
    type Error = ();

    fn try_from(code: u8) -> Result<Self, ()> {
        match code {
            0 => Ok(Self::Radio),
            1 => Ok(Self::Pin),
            2 => Ok(Self::Scanner),
            _ => Err(()),
        }
    }
}

/// Why a receipt is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not the one encoding of a receipt.
    #[error("malformed receipt")]
    Malformed,
    /// The protected header does not name EdDSA.
    #[error("unexpected algorithm")]
    Algorithm,
    /// Not signed by this locker.
    #[error("bad signature")]
    Signature,
}

impl From<Refused> for ReceiptError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed => Self::Malformed,
            Refused::Algorithm => Self::Algorithm,
        }
    }
}

impl From<Malformed> for ReceiptError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Signs, with the locker's receipt key.
#[must_use]
pub fn sign(receipt: &Receipt, keys: &LockerKeys) -> Vec<u8> {
    cose::sign(Purpose::Receipt, None, &receipt.encode(), &keys.receipt_secret)
}

/// Verifies a receipt against the locker's receipt key. That it is the answer to one's own request, and its place in
/// the chain, are for the caller to compare.
///
/// # Errors
/// See [`ReceiptError`].
pub fn verify(bytes: &[u8], key: &[u8; 32]) -> Result<Receipt, ReceiptError> {
    if bytes.len() > message::MAX_RECEIPT {
        return Err(ReceiptError::Malformed);
    }
    let signed = Sign1::parse(bytes)?;
    if signed.key_id.is_some() {
        return Err(ReceiptError::Malformed);
    }
    if !signed.is_signed_by(Purpose::Receipt, key) {
        return Err(ReceiptError::Signature);
    }
    Ok(cbor::decode(signed.payload, Receipt::read, Receipt::encode)?)
}

/// First 16 bytes of SHA-256 of the whole receipt: what the next one carries in `previous`.
#[must_use]
pub fn hash(bytes: &[u8]) -> [u8; 16] {
    crate::first_half(&Sha256::digest(bytes).into())
}

impl Receipt {
    /// Which PIN opened; none where it was no PIN.
    #[must_use]
    pub fn pin(&self) -> Option<PinUse> {
        let [zeros @ .., slot, a, b, c, d] = &self.token.0;
        let is_pin = self.source == Source::Pin && *zeros == [0; 11] && *slot < crate::pin::SLOTS;
        is_pin.then(|| PinUse { epoch: Epoch(u32::from_be_bytes([*a, *b, *c, *d])), slot: *slot })
    }

    fn encode(&self) -> Vec<u8> {
        cbor::encode(|e| {
            e.array(13)?.bytes(&self.locker.0)?.u32(self.sequence)?.bytes(&self.previous)?;
            e.bytes(&self.token.0)?.bytes(&self.nonce.0)?.u16(self.door.0)?.u8(self.operation as u8)?;
            e.u8(self.outcome as u8)?.u64(self.at.0)?.u8(self.clock as u8)?.bytes(&self.handshake)?;
            e.u8(self.source as u8)?.u32(self.news)?;
            Ok(())
        })
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, Malformed> {
        cbor::array(d, 13)?;
        let receipt = Self {
            locker: LockerId(cbor::fixed(d)?),
            sequence: d.u32()?,
            previous: cbor::fixed(d)?,
            token: TokenId(cbor::fixed(d)?),
            nonce: OperationNonce(cbor::fixed(d)?),
            door: cbor::door(d)?,
            operation: message::operation(d)?,
            outcome: Outcome::try_from(d.u8()?).map_err(|()| Malformed)?,
            at: cbor::time(d)?,
            clock: ClockState::try_from(d.u8()?).map_err(|()| Malformed)?,
            handshake: cbor::fixed(d)?,
            source: Source::try_from(d.u8()?).map_err(|()| Malformed)?,
            news: d.u32()?,
        };
        let moves = !matches!(receipt.operation, Operation::Status | Operation::Carry);
        if !moves || (receipt.source == Source::Pin && receipt.pin().is_none()) {
            return Err(Malformed);
        }
        Ok(receipt)
    }
}
