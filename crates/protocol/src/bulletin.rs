//! Bulletins: news of the hub that any phone may carry to a locker.

use alloc::vec::Vec;

use minicbor::Decoder;

use crate::{
    DeviceKey, Door, Epoch, IssuerKeys, KeyId, LockerId, Timestamp,
    cbor::{self, Malformed},
    cose::{Purpose, Refused, Sign1},
    message,
    token::doors_with_epochs,
};

/// Most epochs in one bulletin. More doors take more bulletins; their order does not matter.
pub const MAX_EPOCHS: usize = 48;

/// What a bulletin says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bulletin {
    /// For which locker.
    pub locker: LockerId,
    /// When the hub signed: the locker's clock floor rises to it.
    pub issued_at: Timestamp,
    /// Epochs of doors, ascending by door; a locker never lowers one.
    pub epochs: Vec<(Door, Epoch)>,
    /// Issuer keys to trust from now on, ascending by id.
    pub add_keys: Vec<(KeyId, [u8; 32])>,
    /// Issuer keys to trust no more, ascending.
    pub remove_keys: Vec<KeyId>,
    /// For a locker that lost the time: sets its clock, in the session with this HELLO only.
    pub hello_nonce: Option<[u8; 16]>,
    /// The issuer key that signed (`kid`).
    pub key_id: KeyId,
}

/// Why a bulletin is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BulletinError {
    /// Not the one encoding of a bulletin.
    #[error("malformed bulletin")]
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

impl From<Refused> for BulletinError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed => Self::Malformed,
            Refused::Algorithm => Self::Algorithm,
        }
    }
}

impl From<Malformed> for BulletinError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Verifies signature, algorithm and form. Whether it is for this locker and this HELLO is for the locker to judge.
///
/// # Errors
/// See [`BulletinError`].
pub fn verify(bytes: &[u8], keys: &IssuerKeys) -> Result<Bulletin, BulletinError> {
    if bytes.len() > message::MAX_BULLETIN {
        return Err(BulletinError::Malformed);
    }
    let signed = Sign1::parse(bytes)?;
    let key_id = signed.key_id.ok_or(BulletinError::Malformed)?;
    let key = keys.get(key_id).ok_or(BulletinError::UnknownKey)?;
    if !signed.is_signed_by(Purpose::Bulletin, key) {
        return Err(BulletinError::Signature);
    }
    Ok(cbor::decode(signed.payload, |d| Bulletin::read(d, key_id), Bulletin::encode)?)
}

impl Bulletin {
    pub(crate) fn encode(&self) -> Vec<u8> {
        cbor::encode(|e| {
            e.array(if self.hello_nonce.is_some() { 6 } else { 5 })?;
            e.bytes(&self.locker.0)?.u64(self.issued_at.0)?.array(self.epochs.len() as u64)?;
            for (door, epoch) in &self.epochs {
                e.array(2)?.u16(door.0)?.u32(epoch.0)?;
            }
            e.array(self.add_keys.len() as u64)?;
            for (id, key) in &self.add_keys {
                e.array(2)?.u32(id.0)?.bytes(key)?;
            }
            e.array(self.remove_keys.len() as u64)?;
            for id in &self.remove_keys {
                e.u32(id.0)?;
            }
            if let Some(nonce) = &self.hello_nonce {
                e.bytes(nonce)?;
            }
            Ok(())
        })
    }

    pub(crate) fn read(d: &mut Decoder<'_>, key_id: KeyId) -> Result<Self, Malformed> {
        let len = d.array()?;
        let most_keys = IssuerKeys::MAX as u64;
        let bulletin = Self {
            locker: LockerId(cbor::fixed(d)?),
            issued_at: cbor::time(d)?,
            epochs: doors_with_epochs(d, 0..=MAX_EPOCHS as u64)?,
            add_keys: cbor::list(d, 0..=most_keys, |d| {
                cbor::array(d, 2)?;
                let entry = (KeyId(d.u32()?), cbor::fixed(d)?);
                if DeviceKey::Ed25519(entry.1).is_valid() { Ok(entry) } else { Err(Malformed) }
            })?,
            remove_keys: cbor::list(d, 0..=most_keys, |d| Ok(KeyId(d.u32()?)))?,
            hello_nonce: match len {
                Some(5) => None,
                Some(6) => Some(cbor::fixed(d)?),
                _ => return Err(Malformed),
            },
            key_id,
        };
        cbor::ascending(&bulletin.add_keys, |(id, _)| *id)?;
        cbor::ascending(&bulletin.remove_keys, |id| *id)?;
        Ok(bulletin)
    }
}
