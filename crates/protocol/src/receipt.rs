//! Receipts: what a locker signs for every movement of a latch, chained by hash.

use alloc::vec::Vec;

use minicbor::Decoder;
use sha2::{Digest, Sha256};

use crate::{
    ClockState, Door, LockerId, LockerKeys, Operation, OperationNonce, Timestamp, TokenId,
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
    /// `cti` of the token; zeros for a PIN.
    pub token: TokenId,
    /// The operation nonce; zeros for a PIN.
    pub nonce: OperationNonce,
    /// The door.
    pub door: Door,
    /// What was asked for.
    pub operation: Operation,
    /// What came of it.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// How well the locker knew the time.
    pub clock: ClockState,
    /// First half of the session's handshake hash; zeros for a scanner or a PIN.
    pub handshake: [u8; 16],
    /// How the request came.
    pub source: Source,
}

/// What came of a request.
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
}

impl TryFrom<u8> for Outcome {
    type Error = ();

    fn try_from(code: u8) -> Result<Self, ()> {
        match code {
            0 => Ok(Self::Opened),
            1 => Ok(Self::Jammed),
            2 => Ok(Self::AlreadyOpen),
            3 => Ok(Self::Unknown),
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
    fn encode(&self) -> Vec<u8> {
        cbor::encode(|e| {
            e.array(12)?.bytes(&self.locker.0)?.u32(self.sequence)?.bytes(&self.previous)?;
            e.bytes(&self.token.0)?.bytes(&self.nonce.0)?.u16(self.door.0)?.u8(self.operation as u8)?;
            e.u8(self.outcome as u8)?.u64(self.at.0)?.u8(self.clock as u8)?.bytes(&self.handshake)?;
            e.u8(self.source as u8)?;
            Ok(())
        })
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, Malformed> {
        cbor::array(d, 12)?;
        Ok(Self {
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
        })
    }
}
