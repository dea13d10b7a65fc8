//! Offline PINs: for keypads and for dead phones (PROTOCOL.md, "PIN").

use alloc::{format, string::String};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{Door, Epoch, LockerId, receipt::PinUse};

/// Digits of a PIN.
pub const DIGITS: usize = 8;
/// PINs of one door in one epoch: each device that holds the door has one of its own.
pub const SLOTS: u8 = 4;
/// How many epochs after the door's own a keypad accepts (RFC 4226, 7.4): a locker hears of a new occupancy late, or
/// only from its first PIN.
pub const LOOK_AHEAD: u32 = 2;

/// The PIN of a door in an epoch: HMAC-SHA256 under the secret that hub and locker share, over label, locker, door,
/// epoch and slot; its first eight bytes, big-endian, modulo 10^8 (the bias is below 2^-37).
///
/// A new occupancy raises the epoch, and so ends the PINs of the one before.
#[must_use]
pub fn derive(secret: &[u8; 32], locker: LockerId, door: Door, epoch: Epoch, slot: u8) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(b"postern/1 pin\0");
    mac.update(&locker.0);
    mac.update(&door.0.to_be_bytes());
    mac.update(&epoch.0.to_be_bytes());
    mac.update(&[slot]);
    let digest: [u8; 32] = mac.finalize().into_bytes().into();
    let number = digest[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{:08}", number % 100_000_000)
}

/// What a keypad accepts for a door of that epoch, of which these slots have ended: the slots that have not, unless the
/// epoch is 0, and all slots of the next [`LOOK_AHEAD`] epochs. At most 12.
pub fn candidates(epoch: Epoch, ended_slots: u8) -> impl Iterator<Item = PinUse> {
    (epoch.0..=epoch.0.saturating_add(LOOK_AHEAD))
        .filter(|candidate| *candidate > 0)
        .flat_map(|candidate| (0..SLOTS).map(move |slot| PinUse { epoch: Epoch(candidate), slot }))
        .filter(move |candidate| candidate.epoch != epoch || ended_slots >> candidate.slot & 1 == 0)
}

/// Whether what was typed is the PIN, in a time that does not depend on where they differ.
#[must_use]
pub fn equal(expected: &str, typed: &str) -> bool {
    expected.as_bytes().ct_eq(typed.as_bytes()).into()
}
