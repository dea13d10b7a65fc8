//! Deterministic CBOR (RFC 8949, 4.2.1) and nothing else: whatever does not encode again to the same bytes is refused.

use alloc::vec::Vec;
use core::convert::Infallible;

use minicbor::{Decoder, Encoder};

use crate::{DeviceKey, Door, Timestamp};

/// Malformed, out of range, or not the one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<minicbor::decode::Error> for Malformed {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

/// Times on the wire stay below this (year 36812), so that sums of them never overflow.
const TIME_END: u64 = 1 << 40;

/// Bytes set aside for an encoding: most are shorter, and few grow more than once.
const USUAL: usize = 128;

/// Encodes into memory, which cannot fail.
pub(crate) fn encode(
    write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Result<(), minicbor::encode::Error<Infallible>>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL);
    write(&mut Encoder::new(&mut bytes)).expect("writing to memory is infallible");
    bytes
}

/// Result of an encoding step.
pub(crate) type Written = Result<(), minicbor::encode::Error<Infallible>>;
/// The encoder that [`encode`] hands out.
pub(crate) type Writer<'a> = Encoder<&'a mut Vec<u8>>;

/// Decodes all of `bytes` and checks that the result encodes to the same bytes again. This one comparison refuses long
/// integers, indefinite lengths, duplicate or unsorted keys, and trailing bytes.
pub(crate) fn decode<'b, T>(
    bytes: &'b [u8],
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, Malformed>,
    write: impl FnOnce(&T) -> Vec<u8>,
) -> Result<T, Malformed> {
    let value = read(&mut Decoder::new(bytes))?;
    if write(&value) == bytes { Ok(value) } else { Err(Malformed) }
}

/// Expects an array of exactly `len` items.
pub(crate) fn array(d: &mut Decoder<'_>, len: u64) -> Result<(), Malformed> {
    if d.array()? == Some(len) { Ok(()) } else { Err(Malformed) }
}

/// Expects a map of exactly `len` pairs.
pub(crate) fn map(d: &mut Decoder<'_>, len: u64) -> Result<(), Malformed> {
    if d.map()? == Some(len) { Ok(()) } else { Err(Malformed) }
}

/// Expects this integer.
pub(crate) fn key(d: &mut Decoder<'_>, expected: i64) -> Result<(), Malformed> {
    if d.i64()? == expected { Ok(()) } else { Err(Malformed) }
}

/// A byte string of exactly `N` bytes.
pub(crate) fn fixed<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], Malformed> {
    d.bytes()?.try_into().map_err(|_| Malformed)
}

/// A byte string of 1 to `max` bytes.
pub(crate) fn bounded(d: &mut Decoder<'_>, max: usize) -> Result<Vec<u8>, Malformed> {
    let bytes = d.bytes()?;
    if (1..=max).contains(&bytes.len()) { Ok(bytes.to_vec()) } else { Err(Malformed) }
}

/// Null, or what `read` reads.
pub(crate) fn optional<'b, T>(
    d: &mut Decoder<'b>,
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    if d.datatype()? == minicbor::data::Type::Null {
        d.null()?;
        Ok(None)
    } else {
        read(d).map(Some)
    }
}

/// A list of `min` to `max` items.
pub(crate) fn list<'b, T>(
    d: &mut Decoder<'b>,
    bounds: core::ops::RangeInclusive<u64>,
    mut read: impl FnMut(&mut Decoder<'b>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let len = d.array()?.filter(|len| bounds.contains(len)).ok_or(Malformed)?;
    (0..len).map(|_| read(d)).collect()
}

/// UNIX seconds.
pub(crate) fn time(d: &mut Decoder<'_>) -> Result<Timestamp, Malformed> {
    let seconds = d.u64()?;
    if seconds < TIME_END { Ok(Timestamp(seconds)) } else { Err(Malformed) }
}

/// A door number.
pub(crate) fn door(d: &mut Decoder<'_>) -> Result<Door, Malformed> {
    Ok(Door(d.u16()?))
}

/// Strictly ascending: sorted, and nothing twice.
pub(crate) fn ascending<T, K: Ord>(items: &[T], key: impl Fn(&T) -> K) -> Result<(), Malformed> {
    if items.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])) { Ok(()) } else { Err(Malformed) }
}

/// A COSE_Key (RFC 9052, 7; RFC 9053, 7): OKP with Ed25519, or EC2 with P-256 and the sign of y as a bool.
pub(crate) fn write_key(e: &mut Writer<'_>, key: &DeviceKey) -> Written {
    match key {
        DeviceKey::Ed25519(x) => {
            e.map(3)?.u8(1)?.u8(1)?.i8(-1)?.u8(6)?.i8(-2)?.bytes(x)?;
        }
        DeviceKey::P256(point) => {
            e.map(4)?.u8(1)?.u8(2)?.i8(-1)?.u8(1)?.i8(-2)?.bytes(&point[1..])?.i8(-3)?;
            e.bool(point[0] == 3)?;
        }
    }
    Ok(())
}

/// The reverse; refuses keys that are not on the curve or of small order.
pub(crate) fn read_key(d: &mut Decoder<'_>) -> Result<DeviceKey, Malformed> {
    let pairs = d.map()?;
    key(d, 1)?;
    let device_key = match (pairs, d.u8()?) {
        (Some(3), 1) => {
            key(d, -1)?;
            key(d, 6)?;
            key(d, -2)?;
            DeviceKey::Ed25519(fixed(d)?)
        }
        (Some(4), 2) => {
            key(d, -1)?;
            key(d, 1)?;
            key(d, -2)?;
            let x: [u8; 32] = fixed(d)?;
            key(d, -3)?;
            let mut point = [0; 33];
            point[0] = if d.bool()? { 3 } else { 2 };
            point[1..].copy_from_slice(&x);
            DeviceKey::P256(point)
        }
        _ => return Err(Malformed),
    };
    if device_key.is_valid() { Ok(device_key) } else { Err(Malformed) }
}
