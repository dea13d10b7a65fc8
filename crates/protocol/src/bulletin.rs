//! Bulletins: news of the hub that any phone may carry to a locker.

use alloc::vec::Vec;

use minicbor::Decoder;

use crate::{
    DeviceKey, Door, Epoch, IssuerKeys, KeyId, LockerId, Timestamp,
    cbor::{self, Malformed},
    cose::{Purpose, Refused, Sign1},
    message, pin,
};

/// Most doors in one bulletin. More doors take more bulletins; their order does not matter.
pub const MAX_EPOCHS: usize = 48;
/// Most revocations in one bulletin, and so the most that live at one locker at once.
pub const MAX_REVOKED: usize = 16;

/// What a bulletin says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bulletin {
    /// For which locker.
    pub locker: LockerId,
    /// When the hub signed: the locker's clock floor rises to it.
    pub issued_at: Timestamp,
    /// The hub counts the news for each locker. Of two bulletins, the one with the higher number says which revocations
    /// live: it holds every one of them.
    pub number: u32,
    /// News of doors, ascending by door.
    pub epochs: Vec<DoorNews>,
    /// Every revocation that lives, ascending by kind and name.
    pub revoked: Vec<Revocation>,
    /// Issuer keys to trust from now on, ascending by id.
    pub add_keys: Vec<(KeyId, [u8; 32])>,
    /// Issuer keys to trust no more, ascending.
    pub remove_keys: Vec<KeyId>,
    /// For a locker that lost the time: sets its clock, in the session with this HELLO only.
    pub hello_nonce: Option<[u8; 16]>,
    /// The issuer key that signed (`kid`).
    pub key_id: KeyId,
}

/// News of a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorNews {
    /// Which.
    pub door: Door,
    /// Its epoch; a locker never lowers one.
    pub epoch: Epoch,
    /// PIN slots that open nothing any more in this epoch: bit `n` is slot `n`. They only accumulate within an epoch.
    pub ended_slots: u8,
}

/// Something that opens nothing any more, before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What is revoked.
    pub kind: RevocationKind,
    /// The `cti` of a token, or the [name](DeviceKey::name) of a device key.
    pub name: [u8; 16],
    /// Of a token, its `exp`, after which the revocation is dropped. Of a device: tokens that were issued before.
    pub at: Timestamp,
}

/// What a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RevocationKind {
    /// A token with its delegations.
    Token = 0,
    /// The delegations of a token, and not the token.
    Delegations = 1,
    /// A device, as the holder of tokens or as a guest: its access by tokens issued before [`Revocation::at`].
    Device = 2,
}

impl TryFrom<u8> for RevocationKind {
    type Error = ();

    fn try_from(code: u8) -> Result<Self, ()> {
        match code {
            0 => Ok(Self::Token),
            1 => Ok(Self::Delegations),
            2 => Ok(Self::Device),
            _ => Err(()),
        }
    }
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

/// Reads a bulletin that the hub itself handed over, without looking at its signature: what it says to whoever carries
/// it. A locker [verifies](verify).
///
/// # Errors
/// [`BulletinError::Malformed`], [`BulletinError::Algorithm`].
pub fn parse(bytes: &[u8]) -> Result<Bulletin, BulletinError> {
    if bytes.len() > message::MAX_BULLETIN {
        return Err(BulletinError::Malformed);
    }
    let signed = Sign1::parse(bytes)?;
    let key_id = signed.key_id.ok_or(BulletinError::Malformed)?;
    Ok(cbor::decode(signed.payload, |d| Bulletin::read(d, key_id), Bulletin::encode)?)
}

impl Bulletin {
    pub(crate) fn encode(&self) -> Vec<u8> {
        cbor::encode(|e| {
            e.array(if self.hello_nonce.is_some() { 8 } else { 7 })?;
            e.bytes(&self.locker.0)?.u64(self.issued_at.0)?.u32(self.number)?;
            e.array(self.epochs.len() as u64)?;
            for news in &self.epochs {
                e.array(3)?.u16(news.door.0)?.u32(news.epoch.0)?.u8(news.ended_slots)?;
            }
            e.array(self.revoked.len() as u64)?;
            for revocation in &self.revoked {
                e.array(3)?.u8(revocation.kind as u8)?.bytes(&revocation.name)?.u64(revocation.at.0)?;
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
            number: d.u32()?,
            epochs: cbor::list(d, 0..=MAX_EPOCHS as u64, |d| {
                cbor::array(d, 3)?;
                let news = DoorNews { door: cbor::door(d)?, epoch: Epoch(d.u32()?), ended_slots: d.u8()? };
                if news.ended_slots >> pin::SLOTS == 0 { Ok(news) } else { Err(Malformed) }
            })?,
            revoked: cbor::list(d, 0..=MAX_REVOKED as u64, |d| {
                cbor::array(d, 3)?;
                Ok(Revocation {
                    kind: RevocationKind::try_from(d.u8()?).map_err(|()| Malformed)?,
                    name: cbor::fixed(d)?,
                    at: cbor::time(d)?,
                })
            })?,
            add_keys: cbor::list(d, 0..=most_keys, |d| {
                cbor::array(d, 2)?;
                let entry = (KeyId(d.u32()?), cbor::fixed(d)?);
                if DeviceKey::Ed25519(entry.1).is_valid() { Ok(entry) } else { Err(Malformed) }
            })?,
            remove_keys: cbor::list(d, 0..=most_keys, |d| Ok(KeyId(d.u32()?)))?,
            hello_nonce: match len {
                Some(7) => None,
                Some(8) => Some(cbor::fixed(d)?),
                _ => return Err(Malformed),
            },
            key_id,
        };
        cbor::ascending(&bulletin.epochs, |news| news.door)?;
        cbor::ascending(&bulletin.revoked, |revocation| (revocation.kind, revocation.name))?;
        cbor::ascending(&bulletin.add_keys, |(id, _)| *id)?;
        cbor::ascending(&bulletin.remove_keys, |id| *id)?;
        Ok(bulletin)
    }
}
