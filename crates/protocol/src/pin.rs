//! Offline PINs: for keypads and for dead phones (PROTOCOL.md, "PIN").

use alloc::{format, string::String};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{Door, Epoch, LockerId};

/// Digits of a PIN.
pub const DIGITS: usize = 8;

/// The PIN of a door in an epoch: HMAC-SHA256 under the secret that hub and locker share, over label, locker, door and
/// epoch; its first eight bytes, big-endian, modulo 10^8 (the bias is below 2^-37).
///
/// A new reservation raises the epoch, and so ends the PIN of the one before.
#[must_use]
pub fn derive(secret: &[u8; 32], locker: LockerId, door: Door, epoch: Epoch) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(b"postern/1 pin\0");
    mac.update(&locker.0);
    mac.update(&door.0.to_be_bytes());
    mac.update(&epoch.0.to_be_bytes());
    let digest: [u8; 32] = mac.finalize().into_bytes().into();
    let number = digest[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{:08}", number % 100_000_000)
}

/// Whether what was typed is the PIN, in a time that does not depend on where they differ.
#[must_use]
pub fn equal(expected: &str, typed: &str) -> bool {
    expected.as_bytes().ct_eq(typed.as_bytes()).into()
}
