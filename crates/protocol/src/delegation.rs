//! Delegations: the holder of a delegable token passes part of it on to one other device.
//!
//! Not a COSE message: the algorithm is the one of the owner's key, which the token names, so that there is nothing to
//! read from a header and nothing to confuse.

use alloc::vec::Vec;

use minicbor::Decoder;
use sha2::{Digest, Sha256};

use crate::{
    DeviceKey, Door, Operations, Timestamp, TokenId,
    cbor::{self, Malformed},
    message,
    token::{Claims, MAX_DOORS},
};

/// What is signed begins with this.
const LABEL: &[u8] = b"postern/1 delegation\0";

/// What a delegation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Of which token it passes a part on.
    pub token: TokenId,
    /// To whom.
    pub to: DeviceKey,
    /// Doors, ascending: 1 to [`MAX_DOORS`].
    pub doors: Vec<Door>,
    /// Operations; never empty, and never carry.
    pub operations: Operations,
    /// Not valid before.
    pub not_before: Timestamp,
    /// Not valid at or after.
    pub expires: Timestamp,
    /// How many uses, 1 to 255. They count against the token's own, too.
    pub uses: u8,
}

/// Why a delegation is refused. On the air it is always [`crate::Refusal::Refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    /// Not the one encoding of a delegation.
    #[error("malformed delegation")]
    Malformed,
    /// Not signed by the owner.
    #[error("bad signature")]
    Signature,
}

impl From<Malformed> for DelegationError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What the owner's device key signs.
#[must_use]
pub fn signing_input(delegation: &Delegation) -> Vec<u8> {
    [LABEL, &delegation.encode()].concat()
}

/// The delegation with its signature, as it is sent and shown.
#[must_use]
pub fn assemble(delegation: &Delegation, signature: [u8; 64]) -> Vec<u8> {
    envelope(&delegation.encode(), &signature)
}

/// Verifies form and signature. Whether the token allows it is for [`Delegation::is_within`].
///
/// # Errors
/// See [`DelegationError`].
pub fn verify(bytes: &[u8], owner: &DeviceKey) -> Result<Delegation, DelegationError> {
    let (delegation, signature) = parse(bytes)?;
    if owner.verify(&signing_input(&delegation), &signature) {
        Ok(delegation)
    } else {
        Err(DelegationError::Signature)
    }
}

/// Reads a delegation without knowing the owner: for a guest's phone, to show what it was given. Proves nothing.
///
/// # Errors
/// [`DelegationError::Malformed`].
pub fn parse(bytes: &[u8]) -> Result<(Delegation, [u8; 64]), DelegationError> {
    if bytes.len() > message::MAX_DELEGATION {
        return Err(DelegationError::Malformed);
    }
    let (payload, signature) = cbor::decode(
        bytes,
        |d| {
            cbor::array(d, 2)?;
            Ok((d.bytes()?, cbor::fixed(d)?))
        },
        |(payload, signature)| envelope(payload, signature),
    )?;
    let delegation = cbor::decode(payload, Delegation::read, Delegation::encode)?;
    Ok((delegation, signature))
}

/// SHA-256 of the whole delegation: binds it to a proof. It does not name the delegation, since an ECDSA signature has
/// two forms: [`Delegation::name`] does.
#[must_use]
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn envelope(payload: &[u8], signature: &[u8; 64]) -> Vec<u8> {
    cbor::encode(|e| {
        e.array(2)?.bytes(payload)?.bytes(signature)?;
        Ok(())
    })
}

impl Delegation {
    /// Whether it stays within the token: the token is the one named and delegable; doors, operations, time and uses
    /// are the same or less; and it goes to another key than the owner's.
    #[must_use]
    pub fn is_within(&self, token: &Claims) -> bool {
        token.delegable
            && token.id == self.token
            && token.key != self.to
            && self.doors.iter().all(|door| token.epoch_of(*door).is_some())
            && self.operations.is_subset_of(token.operations)
            && token.not_before <= self.not_before
            && self.expires <= token.expires
            && self.uses <= token.uses
    }

    /// Its name, by which uses are counted: the first 16 bytes of SHA-256 of what the owner signs. The signature is not
    /// part of it.
    #[must_use]
    pub fn name(&self) -> [u8; 16] {
        crate::first_half(&Sha256::digest(signing_input(self)).into())
    }

    /// Valid at that second: at the start, and not any more at the end.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.expires
    }

    fn encode(&self) -> Vec<u8> {
        cbor::encode(|e| {
            e.array(7)?.bytes(&self.token.0)?;
            cbor::write_key(e, &self.to)?;
            e.array(self.doors.len() as u64)?;
            for door in &self.doors {
                e.u16(door.0)?;
            }
            e.u8(self.operations.bits())?.u64(self.not_before.0)?.u64(self.expires.0)?.u8(self.uses)?;
            Ok(())
        })
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, Malformed> {
        cbor::array(d, 7)?;
        let delegation = Self {
            token: TokenId(cbor::fixed(d)?),
            to: cbor::read_key(d)?,
            doors: cbor::list(d, 1..=MAX_DOORS as u64, cbor::door)?,
            operations: message::operations(d)?,
            not_before: cbor::time(d)?,
            expires: cbor::time(d)?,
            uses: d.u8()?,
        };
        cbor::ascending(&delegation.doors, |door| *door)?;
        if delegation.uses == 0
            || delegation.not_before >= delegation.expires
            || delegation.operations.contains(message::Operation::Carry)
        {
            return Err(Malformed);
        }
        Ok(delegation)
    }
}
