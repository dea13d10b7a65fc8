//! Minting tokens and bulletins: the hub's part (feature `issue`).

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::{
    KeyId,
    bulletin::Bulletin,
    cbor,
    cose::{self, Purpose},
    message,
    token::Claims,
};

/// An issuer key of the hub.
#[derive(Clone)]
pub struct Issuer {
    /// Its name, in the header of all that it signs.
    pub key_id: KeyId,
    /// Ed25519 seed.
    pub secret: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Issuer {
    /// From its seed.
    #[must_use]
    pub fn new(key_id: KeyId, secret: [u8; 32]) -> Self {
        Self { key_id, secret: Zeroizing::new(secret) }
    }

    /// The public key, for lockers.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        ed25519_dalek::SigningKey::from_bytes(&self.secret).verifying_key().to_bytes()
    }

    /// Signs a token under this issuer's `key_id` (that of the claims is not looked at).
    ///
    /// Claims out of range (see [`Claims`]) give a token that no locker takes; [`is_issuable`] tells beforehand.
    #[must_use]
    pub fn sign_token(&self, claims: &Claims) -> Vec<u8> {
        cose::sign(Purpose::Token, Some(self.key_id), &claims.encode(), &self.secret)
    }

    /// Signs a bulletin under this issuer's `key_id` (that of the bulletin is not looked at).
    ///
    /// The same holds as for tokens: see [`is_publishable`].
    #[must_use]
    pub fn sign_bulletin(&self, bulletin: &Bulletin) -> Vec<u8> {
        cose::sign(Purpose::Bulletin, Some(self.key_id), &bulletin.encode(), &self.secret)
    }
}

/// Bytes that header and signature add to a payload, at most.
const ENVELOPE: usize = 84;

/// Whether a locker will accept the form of these claims.
#[must_use]
pub fn is_issuable(claims: &Claims) -> bool {
    let payload = claims.encode();
    payload.len() + ENVELOPE <= message::MAX_TOKEN
        && cbor::decode(&payload, |d| Claims::read(d, claims.key_id), Claims::encode).is_ok()
}

/// Whether a locker will accept the form of this bulletin.
#[must_use]
pub fn is_publishable(bulletin: &Bulletin) -> bool {
    let payload = bulletin.encode();
    payload.len() + ENVELOPE <= message::MAX_BULLETIN
        && cbor::decode(&payload, |d| Bulletin::read(d, bulletin.key_id), Bulletin::encode).is_ok()
}
