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

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use p256::elliptic_curve::sec1::ToSec1Point;

    use super::*;
    use crate::DeviceKey;

    fn parts(message: &str) -> (Vec<u8>, Vec<u8>, [u8; 64]) {
        let bytes = hex::decode(message).expect("hex");
        let d = &mut Decoder::new(&bytes);
        assert_eq!(d.tag().expect("tagged").as_u64(), 18);
        cbor::array(d, 4).expect("COSE_Sign1");
        let protected = d.bytes().expect("header").to_vec();
        d.skip().expect("unprotected");
        (protected, d.bytes().expect("payload").to_vec(), cbor::fixed(d).expect("signature"))
    }

    fn compressed(x: &str, y: &str) -> DeviceKey {
        let point = hex::decode(["04", x, y].concat()).expect("hex");
        let key = p256::PublicKey::from_sec1_bytes(&point).expect("on the curve");
        DeviceKey::P256(key.to_sec1_point(true).as_bytes().try_into().expect("33 bytes"))
    }

    fn es256_structure(protected: &[u8], payload: &[u8]) -> Vec<u8> {
        // Neither example has a purpose: their `external_aad` is empty.
        cbor::encode(|e| {
            e.array(4)?.str("Signature1")?.bytes(protected)?.bytes(&[])?.bytes(payload)?;
            Ok(())
        })
    }

    /// SECURITY.md, vectors: RFC 9052, C.2.1 (a signature by one signer) and RFC 8392, A.3 (a signed CWT). Both are
    /// ES256, with `kid` unprotected and a tag: the structure that is signed is the same as ours and the signatures
    /// verify; as messages, they are not of the one shape that is taken here.
    #[test]
    fn vectors_cose_and_cwt() {
        let cose = "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc6b23\
                    d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36";
        let cwt = "d28443a10126a104524173796d6d657472696345434453413235365850a70175636f61703a2f2f61732e6578616d706c652e63\
                   6f6d02656572696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a56\
                   10d9f007420b7158405427c1ff28d23fbad1f29c4c7c6a555e601d6fa29f9179bc3d7438bacaca5acd08c8d4d4f96131680c42\
                   9a01f85951ecee743a52b9b63632c57209120e1c9e30";
        let cose_key = compressed(
            "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff",
            "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e",
        );
        let cwt_key = compressed(
            "143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f",
            "60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9",
        );
        for (message, key) in [(cose, cose_key), (cwt, cwt_key)] {
            let (protected, payload, signature) = parts(message);
            assert!(key.verify(&es256_structure(&protected, &payload), &signature));
            assert!(
                !key.verify(&to_be_signed(Purpose::Token, &protected, &payload), &signature),
                "another purpose"
            );
            let bytes = hex::decode(message).expect("hex");
            assert_eq!(Sign1::parse(&bytes).err(), Some(Refused::Malformed), "tagged");
            assert!(Sign1::parse(&bytes[1..]).is_err(), "unprotected kid");
            let bare = assemble(&protected, &payload, &signature);
            assert_eq!(Sign1::parse(&bare).err(), Some(Refused::Algorithm), "ES256");
        }
    }

    /// The two structures that are signed differ in nothing but the purpose.
    #[test]
    fn the_signed_structure_is_that_of_rfc_9052() {
        let ours = to_be_signed(Purpose::Receipt, &[0xa1, 1, 0x27], b"payload");
        let expected = [
            &[0x84, 0x6a][..],
            b"Signature1",
            &[0x43, 0xa1, 1, 0x27, 0x51],
            b"postern/1 receipt",
            &[0x47],
            b"payload",
        ]
        .concat();
        assert_eq!(ours, expected);
    }
}
