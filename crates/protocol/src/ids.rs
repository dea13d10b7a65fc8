//! Identifiers and numbers that both ends of the air use. None of them is secret.

use core::{fmt, str::FromStr};

/// A locker: 8 bytes chosen at random when it is provisioned, written as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockerId(pub [u8; 8]);

impl LockerId {
    /// The first four bytes: what fits the advertisement. A hint for finding, never proof of identity.
    #[must_use]
    pub const fn short(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }
}

/// Not 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a locker id is 16 lower-case hex digits")]
pub struct BadLockerId;

impl FromStr for LockerId {
    type Err = BadLockerId;

    /// Accepts exactly what [`fmt::Display`] writes: 16 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        fn nibble(digit: u8) -> Result<u8, BadLockerId> {
            match digit {
                b'0'..=b'9' => Ok(digit - b'0'),
                b'a'..=b'f' => Ok(digit - b'a' + 10),
                _ => Err(BadLockerId),
            }
        }
        let text: &[u8; 16] = text.as_bytes().try_into().map_err(|_| BadLockerId)?;
        let mut id = [0; 8];
        for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(id))
    }
}

/// A token's `cti`: 16 random bytes, unique for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub [u8; 16]);

impl TokenId {
    /// What the receipt of an opening by PIN has in place of a token: 11 zero bytes, the slot, the epoch.
    #[must_use]
    pub fn of_pin(epoch: Epoch, slot: u8) -> Self {
        let mut id = [0; 16];
        id[11] = slot;
        id[12..].copy_from_slice(&epoch.0.to_be_bytes());
        Self(id)
    }
}

/// Chosen at random by the phone for each gesture; kept for its retries, so that a retry moves nothing twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationNonce(pub [u8; 8]);

impl OperationNonce {
    /// Of a carry request: the first wanted sequence of the receipt chain.
    #[must_use]
    pub fn from_sequence(first: u32) -> Self {
        Self(u64::from(first).to_be_bytes())
    }

    /// The first wanted sequence that a carry request names; none where it is no sequence.
    #[must_use]
    pub fn sequence(self) -> Option<u32> {
        u32::try_from(u64::from_be_bytes(self.0)).ok()
    }
}

macro_rules! hex_fmt {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let mut text = [0; 2 * size_of::<$name>()];
                for (byte, pair) in self.0.iter().zip(text.as_chunks_mut::<2>().0) {
                    *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xF)]];
                }
                f.write_str(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}
hex_fmt!(LockerId, TokenId, OperationNonce);

/// A door of one locker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Door(pub u16);

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the occupancies of a door: the hub raises it as one begins, and when a courier is to take something out. A
/// locker refuses tokens below the highest epoch that it has verified for the door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

/// UNIX seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Later by so many seconds; stops at the end of time.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds since `earlier`, or 0 where that is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Names an issuer key of the hub. Never given to a second key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);
