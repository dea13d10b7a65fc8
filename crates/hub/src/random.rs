//! Identifiers and secrets from the operating system's generator.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// `N` random bytes.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    getrandom::fill(&mut out).expect("the operating system gives random bytes");
    out
}

/// A secret of 256 bits, base64url.
#[must_use]
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// An identifier that sorts by the time of its making (48 bits of milliseconds, 80 random bits, Crockford base 32), so
/// that new rows land together in the index. Not a secret, but not to be guessed either.
#[must_use]
pub fn id() -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut random = [0; 16];
    random[6..].copy_from_slice(&bytes::<10>());
    let mut value = (millis << 80) | (u128::from_be_bytes(random) & ((1 << 80) - 1));
    let mut out = [0; 26];
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[(value & 31) as usize];
        value >>= 5;
    }
    out.iter().map(|digit| char::from(*digit)).collect()
}

/// What is kept of a secret that was given away: its SHA-256, base64url. For secrets of full entropy only.
#[must_use]
pub fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}

/// Base64url without padding.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Bytes of a base64url text without padding.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_26_characters_distinct_and_sorted_by_time() {
        let first = id();
        let second = id();
        assert_eq!(first.len(), 26);
        assert_ne!(first, second);
        assert!(first[..9] <= second[..9]);
    }
}
