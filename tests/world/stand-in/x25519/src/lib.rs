//! X25519's interface without its security: an exchange like Diffie and Hellman's by multiplication below a prime,
//! which a child could undo. Both ends agree; an end with another secret does not.
#![no_std]
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "documented where it stands in for")]

/// 2⁶¹ − 1: a reduction is an addition.
const PRIME: u64 = (1 << 61) - 1;
const BASE: u64 = 37;

fn times(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    let sum = (wide as u64 & PRIME) + (wide >> 61) as u64;
    if sum >= PRIME { sum - PRIME } else { sum }
}

fn word(bytes: &[u8; 32]) -> u64 {
    u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

/// The number in the first eight bytes, the others made of it: they look like a key and carry nothing.
fn encoded(number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (at, part) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *part = number.wrapping_mul(2 * at as u64 + 1).to_le_bytes();
    }
    bytes
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<&StaticSecret> for PublicKey {
    fn from(secret: &StaticSecret) -> Self {
        Self(encoded(times(BASE, secret.factor())))
    }
}

#[derive(Clone)]
pub struct StaticSecret([u8; 32]);

impl StaticSecret {
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of all bytes, so that no two secrets of the world are the same key. Never 0, which would be no key.
    fn factor(&self) -> u64 {
        let mut sum = 0_u64;
        for part in self.0.as_chunks::<8>().0 {
            sum = (sum ^ u64::from_le_bytes(*part)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        }
        sum % (PRIME - 1) + 1
    }

    pub fn diffie_hellman(&self, public: &PublicKey) -> SharedSecret {
        let number = word(&public.0) % PRIME;
        // What is not the encoding of a number is no key that anybody has.
        let known = if encoded(number) == public.0 { number } else { 0 };
        SharedSecret(encoded(times(known, self.factor())))
    }
}

impl From<[u8; 32]> for StaticSecret {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn was_contributory(&self) -> bool {
        self.0 != [0; 32]
    }
}

#[cfg(test)]
mod tests {
    use super::{PublicKey, StaticSecret};

    #[test]
    fn both_ends_agree_and_nobody_else() {
        let secret = |byte| StaticSecret::from([byte; 32]);
        let (a, b, c) = (secret(1), secret(2), secret(3));
        let shared = |mine: &StaticSecret, theirs: &StaticSecret| {
            *mine.diffie_hellman(&PublicKey::from(theirs)).as_bytes()
        };
        assert_eq!(shared(&a, &b), shared(&b, &a));
        assert_ne!(shared(&a, &b), shared(&a, &c));
        assert_ne!(shared(&c, &b), shared(&a, &b));
    }

    #[test]
    fn a_changed_key_is_no_key() {
        let secret = StaticSecret::from([1; 32]);
        for byte in 0..32 {
            let mut public = PublicKey::from(&secret).to_bytes();
            public[byte] ^= 4;
            assert!(!secret.diffie_hellman(&PublicKey::from(public)).was_contributory());
        }
        assert!(!secret.diffie_hellman(&PublicKey::from([0; 32])).was_contributory());
    }
}
