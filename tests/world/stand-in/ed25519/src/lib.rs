//! Ed25519's interface without its security: a signature is a checksum of public key and message, which anybody could
//! make and nobody in the world does. What a signature must do in a world without cryptanalysts it does: another key,
//! another message or another byte of the signature is refused.
#![no_std]
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "documented where it stands in for")]

/// No signature of this key and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureError;

/// Runs through the bytes eight at a time.
fn checksum(mut state: u64, bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = (state ^ u64::from_le_bytes(*word)).wrapping_mul(ODD).rotate_left(29);
    }
    let mut last = [0xff; 8];
    last[..rest.len()].copy_from_slice(rest);
    state = (state ^ u64::from_le_bytes(last) ^ bytes.len() as u64).wrapping_mul(ODD);
    state ^ (state >> 32)
}

/// Four words of which each depends on all of the input.
fn spread<const N: usize>(seed: u64) -> [u8; N] {
    let mut out = [0; N];
    for (at, word) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *word = checksum(seed, &[at as u8]).to_le_bytes();
    }
    out
}

pub trait Signer<S> {
    fn sign(&self, message: &[u8]) -> S;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    pub fn from_bytes(bytes: &[u8; 64]) -> Self {
        Self(*bytes)
    }

    pub fn to_bytes(&self) -> [u8; 64] {
        self.0
    }

    fn of(key: &[u8; 32], message: &[u8]) -> Self {
        Self(spread(checksum(checksum(1, key), message)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SignatureError> {
        Ok(Self(*bytes))
    }

    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    pub fn is_weak(&self) -> bool {
        self.0 == [0; 32]
    }

    pub fn verify_strict(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        if Signature::of(&self.0, message) == *signature { Ok(()) } else { Err(SignatureError) }
    }
}

#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl SigningKey {
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(*bytes)
    }

    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(spread(checksum(2, &self.0)))
    }
}

impl Signer<Signature> for SigningKey {
    fn sign(&self, message: &[u8]) -> Signature {
        Signature::of(&self.verifying_key().0, message)
    }
}

#[cfg(test)]
mod tests {
    use super::{Signature, Signer, SigningKey};

    #[test]
    fn a_signature_is_of_one_key_and_one_message() {
        let (key, other) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        for length in [0, 1, 7, 8, 9, 300] {
            let message = [7; 300];
            let signature: Signature = key.sign(&message[..length]);
            assert!(key.verifying_key().verify_strict(&message[..length], &signature).is_ok());
            assert!(other.verifying_key().verify_strict(&message[..length], &signature).is_err());
            assert!(key.verifying_key().verify_strict(&[7; 301], &signature).is_err());
            for byte in 0..64 {
                let mut bad = signature.to_bytes();
                bad[byte] ^= 1;
                let bad = Signature::from_bytes(&bad);
                assert!(key.verifying_key().verify_strict(&message[..length], &bad).is_err());
            }
        }
    }

    #[test]
    fn no_byte_of_a_message_may_change() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let message: [u8; 61] = core::array::from_fn(|at| at as u8);
        let signature = key.sign(&message);
        for byte in 0..message.len() {
            let mut bad = message;
            bad[byte] ^= 0x80;
            assert!(key.verifying_key().verify_strict(&bad, &signature).is_err());
        }
    }
}
