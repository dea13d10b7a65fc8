//! COSE_Sign1 (RFC 9052, 4.2) in the one shape that is used here.
//!
//! Written by hand and not taken from `coset`: that crate accepts every legal header and hands the choice to its user,
//! brings a second CBOR implementation (`ciborium`) into the firmware, and keeps no deterministic encoding. What is
//! needed is one shape, and everything else refused, which is shorter than the checks on top of a general parser.

use alloc::vec::Vec;

use minicbor::Decoder;

use crate::{
    KeyId,
    cbor::{self, Malformed},
};

/// COSE algorithm identifier of EdDSA.
const EDDSA: i64 = -8;

/// What the signature is of: the `external_aad`, so that no structure can be taken for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Token,
    Bulletin,
    Receipt,
}

impl Purpose {
    pub(crate) const fn label(self) -> &'static [u8] {
        match self {
            Self::Token => b"postern/1 token",
            Self::Bulletin => b"postern/1 bulletin",
            Self::Receipt => b"postern/1 receipt",
        }
    }
}

/// A parsed message whose signature is still to be verified.
pub(crate) struct Sign1<'b> {
    protected: &'b [u8],
    /// `kid` of the protected header: present in what an issuer signs, absent in receipts.
    pub(crate) key_id: Option<KeyId>,
    pub(crate) payload: &'b [u8],
    signature: [u8; 64],
}

/// Why a message is refused before its signature is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Malformed,
    /// The protected header is well-formed and does not name EdDSA, or names nothing.
    Algorithm,
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

fn protected_header(key_id: Option<KeyId>) -> Vec<u8> {
    cbor::encode(|e| {
        e.map(if key_id.is_some() { 2 } else { 1 })?.u8(1)?.i64(EDDSA)?;
        if let Some(KeyId(id)) = key_id {
            e.u8(4)?.bytes(&id.to_be_bytes())?;
        }
        Ok(())
    })
}

/// `Sig_structure` (RFC 9052, 4.4): what is signed.
fn to_be_signed(purpose: Purpose, protected: &[u8], payload: &[u8]) -> Vec<u8> {
    cbor::encode(|e| {
        e.array(4)?.str("Signature1")?.bytes(protected)?.bytes(purpose.label())?.bytes(payload)?;
        Ok(())
    })
}

fn assemble(protected: &[u8], payload: &[u8], signature: &[u8; 64]) -> Vec<u8> {
    cbor::encode(|e| {
        e.array(4)?.bytes(protected)?.map(0)?.bytes(payload)?.bytes(signature)?;
        Ok(())
    })
}

/// Signs with an Ed25519 seed. Untagged, nothing in the unprotected header.
pub(crate) fn sign(purpose: Purpose, key_id: Option<KeyId>, payload: &[u8], secret: &[u8; 32]) -> Vec<u8> {
    use ed25519_dalek::Signer;

    let protected = protected_header(key_id);
    let signature = ed25519_dalek::SigningKey::from_bytes(secret)
        .sign(&to_be_signed(purpose, &protected, payload))
        .to_bytes();
    assemble(&protected, payload, &signature)
}

impl<'b> Sign1<'b> {
    /// Parses; refuses every algorithm but EdDSA, whatever is unprotected, and all but the one encoding.
    pub(crate) fn parse(bytes: &'b [u8]) -> Result<Self, Refused> {
        let (protected, payload, signature) = cbor::decode(
            bytes,
            |d| {
                cbor::array(d, 4)?;
                let protected = d.bytes()?;
                cbor::map(d, 0)?;
                Ok((protected, d.bytes()?, cbor::fixed(d)?))
            },
            |(protected, payload, signature)| assemble(protected, payload, signature),
        )?;
        let key_id = Self::header(protected)?;
        if protected_header(key_id) != protected {
            return Err(Refused::Malformed);
        }
        Ok(Self { protected, key_id, payload, signature })
    }

    fn header(protected: &[u8]) -> Result<Option<KeyId>, Refused> {
        let d = &mut Decoder::new(protected);
        // An empty header is how COSE says "no protected parameters": no algorithm, then.
        if protected.is_empty() {
            return Err(Refused::Algorithm);
        }
        let pairs = d.map().map_err(Malformed::from)?;
        if pairs == Some(0) || d.i64().map_err(Malformed::from)? != 1 {
            return Err(Refused::Algorithm);
        }
        if d.i64().map_err(|_| Refused::Algorithm)? != EDDSA {
            return Err(Refused::Algorithm);
        }
        match pairs {
            Some(1) => Ok(None),
            Some(2) => {
                cbor::key(d, 4)?;
                Ok(Some(KeyId(u32::from_be_bytes(cbor::fixed(d)?))))
            }
            _ => Err(Refused::Malformed),
        }
    }

    /// Verifies the signature, strictly.
    pub(crate) fn is_signed_by(&self, purpose: Purpose, key: &[u8; 32]) -> bool {
        let message = to_be_signed(purpose, self.protected, self.payload);
        crate::keys::ed25519_verify(key, &message, &self.signature)
    }
}
