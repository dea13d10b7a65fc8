//! Receipts on their way to the hub, in the hands of a courier (PROTOCOL.md, "Carrying receipts").
//!
//! They concern other carriers' customers too, so a locker seals them to the hub's key: one Noise_N message, whose
//! contents the courier's device cannot read. Who sealed it does not matter, since every receipt is signed.

use alloc::vec::Vec;

use crate::{
    LockerId, cbor,
    message::{MAX_CARRIED, MAX_RECEIPT},
    noise,
};

/// Most receipts in one part.
pub const MAX_RECEIPTS: usize = 5;
/// What Noise_N adds: an ephemeral key and a tag.
const ENVELOPE: usize = 32 + noise::TAG;

/// Not a part of a receipt chain that was sealed to this key by a locker of that id, or a key that is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sealed receipts")]
pub struct CarryError;

/// How many of these receipts, from the first on, fit one part.
#[must_use]
pub fn fitting<'r>(receipts: impl IntoIterator<Item = &'r [u8]>) -> usize {
    let mut room = MAX_CARRIED - ENVELOPE - 1;
    receipts
        .into_iter()
        .take(MAX_RECEIPTS)
        .take_while(|receipt| {
            // The head of a byte string of up to 255 bytes.
            let taken = receipt.len() + 2;
            let fits = taken <= room && receipt.len() <= MAX_RECEIPT;
            room = room.saturating_sub(taken);
            fits
        })
        .count()
}

/// Seals receipts, in their order, to the hub's X25519 key. `ephemeral` is 32 fresh random bytes.
///
/// # Errors
/// [`CarryError`] for a key of small order, and for more than [`fitting`] receipts.
pub fn seal(
    key: &[u8; 32],
    locker: LockerId,
    receipts: &[Vec<u8>],
    ephemeral: &[u8; 32],
) -> Result<Vec<u8>, CarryError> {
    if fitting(receipts.iter().map(Vec::as_slice)) < receipts.len() {
        return Err(CarryError);
    }
    let payload = encode(receipts);
    let mut state = noise::carry_sealer(locker, key, ephemeral);
    noise::written(payload.len(), |out| state.write_message(&payload, out)).map_err(|_| CarryError)
}

/// Opens a part with the hub's secret key. The receipts are still to be verified.
///
/// # Errors
/// [`CarryError`].
#[cfg(feature = "issue")]
pub fn open(secret: &[u8; 32], locker: LockerId, sealed: &[u8]) -> Result<Vec<Vec<u8>>, CarryError> {
    if sealed.len() > MAX_CARRIED {
        return Err(CarryError);
    }
    let mut state = noise::carry_opener(locker, secret);
    let payload = noise::read(sealed.len(), |out| state.read_message(sealed, out)).map_err(|_| CarryError)?;
    let read = cbor::decode(
        &payload,
        |d| cbor::list(d, 0..=MAX_RECEIPTS as u64, |d| cbor::bounded(d, MAX_RECEIPT)),
        |receipts: &Vec<_>| encode(receipts),
    );
    read.map_err(|_| CarryError)
}

/// The public half of the hub's key, for tokens.
#[cfg(feature = "issue")]
#[must_use]
pub fn public(secret: &[u8; 32]) -> [u8; 32] {
    x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(*secret)).to_bytes()
}

fn encode(receipts: &[Vec<u8>]) -> Vec<u8> {
    cbor::encode(|e| {
        e.array(receipts.len() as u64)?;
        for receipt in receipts {
            e.bytes(receipt)?;
        }
        Ok(())
    })
}
