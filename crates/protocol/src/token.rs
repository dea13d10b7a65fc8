//! Access tokens: CWT (RFC 8392) in COSE_Sign1, bound to a device key by `cnf` (RFC 8747).

use alloc::vec::Vec;

use minicbor::Decoder;
use sha2::{Digest, Sha256};

use crate::{
    DeviceKey, Door, Epoch, IssuerKeys, KeyId, LockerId, Operations, Timestamp, TokenId,
    cbor::{self, Malformed},
    cose::{Purpose, Refused, Sign1},
    message,
};

/// Most doors that one token names.
pub const MAX_DOORS: usize = 16;
/// The one private claim (below −65536: RFC 8392, 9.1): an array with all that is particular to lockers.
const POSTERN: i64 = -65537;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The issuer key that signed (`kid`).
    pub key_id: KeyId,
    /// The one locker that it is for.
    pub locker: LockerId,
    /// Its doors, ascending, each with its epoch: 1 to [`MAX_DOORS`].
    pub doors: Vec<(Door, Epoch)>,
    /// What it allows; never empty.
    pub operations: Operations,
    /// Not valid before (`nbf`).
    pub not_before: Timestamp,
    /// Not valid at or after (`exp`).
    pub expires: Timestamp,
    /// When the hub signed (`iat`): the locker's clock floor rises to it.
    pub issued_at: Timestamp,
    /// Its name (`cti`).
    pub id: TokenId,
    /// Whose proof it needs (`cnf`).
    pub key: DeviceKey,
    /// How many uses, 1 to 255, for all doors together.
    pub uses: u8,
    /// Its holder may sign a delegation.
    pub delegable: bool,
    /// For a locker that lost the time: good only in the session with this HELLO.
    pub hello_nonce: Option<[u8; 16]>,
    /// There exactly where [`Self::operations`] has carry: the hub's X25519 key, to which the locker seals its receipt
    /// chain ([`crate::carry`]).
    pub carry_key: Option<[u8; 32]>,
}

/// Why a token is refused. For logs and tests; on the air it is always [`crate::Refusal::Refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not the one encoding of a token.
    #[error("malformed token")]
    Malformed,
    /// The protected header does not name EdDSA.
    #[error("unexpected algorithm")]
    Algorithm,
    /// Signed by a key that is not trusted here.
    #[error("unknown issuer key")]
    UnknownKey,
    /// The signature is not good.
    #[error("bad signature")]
    Signature,
}

impl From<Refused> for TokenError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed => Self::Malformed,
            Refused::Algorithm => Self::Algorithm,
        }
    }
}

impl From<Malformed> for TokenError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Verifies signature, algorithm and form. Time, locker, door, operation, epoch and uses are for the locker to judge.
///
/// # Errors
/// See [`TokenError`].
pub fn verify(bytes: &[u8], keys: &IssuerKeys) -> Result<Claims, TokenError> {
    if bytes.len() > message::MAX_TOKEN {
        return Err(TokenError::Malformed);
    }
    let signed = Sign1::parse(bytes)?;
    let key_id = signed.key_id.ok_or(TokenError::Malformed)?;
    let key = keys.get(key_id).ok_or(TokenError::UnknownKey)?;
    if !signed.is_signed_by(Purpose::Token, key) {
        return Err(TokenError::Signature);
    }
    Ok(cbor::decode(signed.payload, |d| Claims::read(d, key_id), Claims::encode)?)
}

/// SHA-256 of the whole token: names it in proofs and opening codes.
#[must_use]
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl Claims {
    /// The epoch that the token has for a door; none where it is not for that door.
    #[must_use]
    pub fn epoch_of(&self, door: Door) -> Option<Epoch> {
        self.doors.iter().find(|(named, _)| *named == door).map(|(_, epoch)| *epoch)
    }

    /// Valid at that second: at `nbf`, and not any more at `exp`.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.expires
    }

    /// The payload (`kid` is in the header). Every list in its order and every number in its range, or else nobody will
    /// take the token: the issuer checks.
    pub(crate) fn encode(&self) -> Vec<u8> {
        cbor::encode(|e| {
            e.map(6)?
                .u8(4)?
                .u64(self.expires.0)?
                .u8(5)?
                .u64(self.not_before.0)?
                .u8(6)?
                .u64(self.issued_at.0)?;
            e.u8(7)?.bytes(&self.id.0)?.u8(8)?.map(1)?.u8(1)?;
            cbor::write_key(e, &self.key)?;
            e.i64(POSTERN)?.array(match (self.hello_nonce, self.carry_key) {
                (None, None) => 5,
                (Some(_), None) => 6,
                (_, Some(_)) => 7,
            })?;
            e.bytes(&self.locker.0)?.array(self.doors.len() as u64)?;
            for (door, epoch) in &self.doors {
                e.array(2)?.u16(door.0)?.u32(epoch.0)?;
            }
            e.u8(self.operations.bits())?.u8(self.uses)?.bool(self.delegable)?;
            match &self.hello_nonce {
                Some(nonce) => {
                    e.bytes(nonce)?;
                }
                None if self.carry_key.is_some() => {
                    e.null()?;
                }
                None => {}
            }
            if let Some(key) = &self.carry_key {
                e.bytes(key)?;
            }
            Ok(())
        })
    }

    pub(crate) fn read(d: &mut Decoder<'_>, key_id: KeyId) -> Result<Self, Malformed> {
        cbor::map(d, 6)?;
        cbor::key(d, 4)?;
        let expires = cbor::time(d)?;
        cbor::key(d, 5)?;
        let not_before = cbor::time(d)?;
        cbor::key(d, 6)?;
        let issued_at = cbor::time(d)?;
        cbor::key(d, 7)?;
        let id = TokenId(cbor::fixed(d)?);
        cbor::key(d, 8)?;
        cbor::map(d, 1)?;
        cbor::key(d, 1)?;
        let key = cbor::read_key(d)?;
        cbor::key(d, POSTERN)?;
        let len = d.array()?.filter(|len| (5..=7).contains(len)).ok_or(Malformed)?;
        let claims = Self {
            key_id,
            locker: LockerId(cbor::fixed(d)?),
            doors: doors_with_epochs(d, 1..=MAX_DOORS as u64)?,
            operations: message::operations(d)?,
            not_before,
            expires,
            issued_at,
            id,
            key,
            uses: d.u8()?,
            delegable: d.bool()?,
            hello_nonce: match len {
                5 => None,
                6 => Some(cbor::fixed(d)?),
                _ => cbor::optional(d, cbor::fixed)?,
            },
            carry_key: if len == 7 { Some(cbor::fixed(d)?) } else { None },
        };
        let carries = claims.operations.contains(message::Operation::Carry);
        if claims.uses == 0 || claims.not_before >= claims.expires || carries != claims.carry_key.is_some() {
            return Err(Malformed);
        }
        Ok(claims)
    }
}

/// Reads doors with their epochs, strictly ascending.
fn doors_with_epochs(
    d: &mut Decoder<'_>,
    bounds: core::ops::RangeInclusive<u64>,
) -> Result<Vec<(Door, Epoch)>, Malformed> {
    let doors = cbor::list(d, bounds, |d| {
        cbor::array(d, 2)?;
        Ok((cbor::door(d)?, Epoch(d.u32()?)))
    })?;
    cbor::ascending(&doors, |(door, _)| *door)?;
    Ok(doors)
}
