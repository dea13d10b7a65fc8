//! Public keys of devices, lockers and issuers, and the locker's own secrets.

use alloc::vec::Vec;
use core::fmt;

use ed25519_dalek::{Signature as EdSignature, VerifyingKey as EdKey};
use hkdf::Hkdf;
use p256::ecdsa::{Signature as EcSignature, VerifyingKey as EcKey, signature::Verifier};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{KeyId, LockerId, cbor};

/// The two signature algorithms. Which one applies follows from the key, never from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), verified strictly. COSE −8.
    EdDsa,
    /// ECDSA on P-256 with SHA-256. COSE −7.
    Es256,
}

/// A device's public key: Ed25519 where the key is kept in software, P-256 where hardware keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKey {
    /// RFC 8032 encoding.
    Ed25519([u8; 32]),
    /// SEC 1 compressed.
    P256([u8; 33]),
}

impl DeviceKey {
    /// What signatures of this key are made with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    /// Whether the bytes are a usable public key: on the curve, and not of small order.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        match self {
            Self::Ed25519(key) => EdKey::from_bytes(key).is_ok_and(|key| !key.is_weak()),
            Self::P256(key) => matches!(key[0], 2 | 3) && EcKey::from_sec1_bytes(key).is_ok(),
        }
    }

    /// The name by which a bulletin revokes it: the first 16 bytes of SHA-256 of its COSE_Key.
    #[must_use]
    pub fn name(&self) -> [u8; 16] {
        let encoded = cbor::encode(|e| cbor::write_key(e, self));
        crate::first_half(&Sha256::digest(encoded).into())
    }

    /// Verifies a signature of `message`.
    ///
    /// Ed25519 is strict (canonical points and scalar, no small order: RFC 8032 5.1.7 without cofactor). For P-256 the
    /// signature is `r ‖ s`, big-endian; both values of `s` are taken, since secure hardware does not normalise it and
    /// nothing here identifies a message by its signature.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        match self {
            Self::Ed25519(key) => ed25519_verify(key, message, signature),
            Self::P256(key) => {
                matches!(key[0], 2 | 3)
                    && EcKey::from_sec1_bytes(key)
                        .and_then(|key| key.verify(message, &EcSignature::from_slice(signature)?))
                        .is_ok()
            }
        }
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes): (_, &[u8]) = match self {
            Self::Ed25519(key) => ("Ed25519", key),
            Self::P256(key) => ("P256", key),
        };
        // Eight bytes tell keys apart in a log and do not fill it.
        write!(f, "{name}(")?;
        bytes.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

/// Strict Ed25519 verification.
pub(crate) fn ed25519_verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    EdKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &EdSignature::from_bytes(signature)).is_ok())
}

/// What a phone knows of a locker, from the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockerIdentity {
    /// Its id.
    pub id: LockerId,
    /// X25519: authenticates the locker in the handshake.
    pub static_key: [u8; 32],
    /// Ed25519: verifies its receipts.
    pub receipt_key: [u8; 32],
}

/// A locker's own keys. Secret; `Debug` shows the id alone.
#[derive(Clone)]
pub struct LockerKeys {
    /// Its id.
    pub id: LockerId,
    /// X25519 secret scalar, before clamping.
    pub static_secret: Zeroizing<[u8; 32]>,
    /// Ed25519 seed.
    pub receipt_secret: Zeroizing<[u8; 32]>,
}

impl LockerKeys {
    /// Derives both keys from one provisioning seed: HKDF-SHA256 without salt, a label each, the id behind the label.
    #[must_use]
    pub fn from_seed(id: LockerId, seed: &[u8; 32]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, seed);
        let derive = |label: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            hkdf.expand_multi_info(&[label, &id.0], key.as_mut_slice())
                .expect("32 bytes are within the 8160 that HKDF-SHA256 can give");
            key
        };
        Self {
            id,
            static_secret: derive(b"postern/1 locker static"),
            receipt_secret: derive(b"postern/1 locker receipt"),
        }
    }

    /// The public half.
    #[must_use]
    pub fn identity(&self) -> LockerIdentity {
        let secret = x25519_dalek::StaticSecret::from(*self.static_secret);
        LockerIdentity {
            id: self.id,
            static_key: x25519_dalek::PublicKey::from(&secret).to_bytes(),
            receipt_key: ed25519_dalek::SigningKey::from_bytes(&self.receipt_secret)
                .verifying_key()
                .to_bytes(),
        }
    }
}

impl fmt::Debug for LockerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockerKeys").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The issuer keys that a locker trusts: at most [`IssuerKeys::MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerKeys(Vec<(KeyId, [u8; 32])>);

impl IssuerKeys {
    /// How many keys the set holds at most: a current and a next one, with room for a rotation under way.
    pub const MAX: usize = 8;

    /// An empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a key. False, and nothing changed, when the set is full, or the id already names another key, or the key
    /// is no usable Ed25519 key.
    #[must_use = "a full set refuses"]
    pub fn insert(&mut self, id: KeyId, key: [u8; 32]) -> bool {
        match self.0.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(index) => self.0[index].1 == key,
            Err(index) => {
                let fits = self.0.len() < Self::MAX && DeviceKey::Ed25519(key).is_valid();
                if fits {
                    self.0.insert(index, (id, key));
                }
                fits
            }
        }
    }

    /// Removes a key; true when it was there.
    pub fn remove(&mut self, id: KeyId) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| *known != id);
        self.0.len() != before
    }

    /// The key of that name.
    #[must_use]
    pub fn get(&self, id: KeyId) -> Option<&[u8; 32]> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, key)| key)
    }

    /// All, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = (KeyId, &[u8; 32])> {
        self.0.iter().map(|(id, key)| (*id, key))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
