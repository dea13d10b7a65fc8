//! What the messages say (PROTOCOL.md, "Messages"): plaintexts, before encryption and fragments.

use alloc::vec::Vec;

use minicbor::Decoder;

use crate::{
    Door, OperationNonce, Timestamp,
    cbor::{self, Malformed},
};

/// First byte of every message.
pub(crate) mod kind {
    pub(crate) const HELLO: u8 = 0x01;
    pub(crate) const OPEN: u8 = 0x02;
    pub(crate) const REQUEST: u8 = 0x03;
    pub(crate) const REPLY: u8 = 0x04;
}

/// Longest token, in bytes.
pub const MAX_TOKEN: usize = 384;
/// Longest delegation, in bytes.
pub const MAX_DELEGATION: usize = 208;
/// Longest bulletin, in bytes. What does not fit in one OPEN beside a token goes first, in a status request.
pub const MAX_BULLETIN: usize = 600;
/// Longest receipt, in bytes.
pub const MAX_RECEIPT: usize = 181;
/// Longest sealed part of the receipt chain that one reply carries, in bytes.
pub const MAX_CARRIED: usize = 900;

/// What a locker says first, in clear and bound by the handshake hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Newest protocol version that it speaks.
    pub version: u8,
    /// Oldest protocol version that it speaks.
    pub oldest: u8,
    /// How often the locker has started. Never repeats, so that a repeated random number harms nothing.
    pub boot: u32,
    /// How well it knows the time.
    pub clock: ClockState,
    /// The lowest time that it can be now.
    pub floor: Timestamp,
    /// Bit set, see [`Capabilities`].
    pub capabilities: u16,
}

/// Bits of [`Hello::capabilities`]. A phone ignores those that it does not know.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities;

impl Capabilities {
    /// Doors have a sensor that tells whether something lies inside.
    pub const CONTENT_SENSOR: u16 = 1 << 0;
    /// Has a keypad.
    pub const KEYPAD: u16 = 1 << 1;
    /// Has a scanner for opening codes.
    pub const SCANNER: u16 = 1 << 2;
    /// Is usually reached by the hub itself.
    pub const ONLINE: u16 = 1 << 3;
}

/// How well a locker knows the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ClockState {
    /// Its clock runs and has been set by the hub.
    Set = 0,
    /// Its clock runs; it was last told the time by a token or bulletin, so the true time may be later.
    Floor = 1,
    /// It lost the time: tokens and bulletins must be bound to its HELLO.
    Unset = 2,
}

impl TryFrom<u8> for ClockState {
    type Error = ();

    fn try_from(code: u8) -> Result<Self, ()> {
        match code {
            0 => Ok(Self::Set),
            1 => Ok(Self::Floor),
            2 => Ok(Self::Unset),
            _ => Err(()),
        }
    }
}

impl Hello {
    /// Bytes of the payload behind `e`.
    pub(crate) const LEN: usize = 15;

    /// The payload of the first Noise message: all of HELLO but the versions, which stand before it.
    pub(crate) fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.boot.to_be_bytes());
        bytes[4] = self.clock as u8;
        bytes[5..13].copy_from_slice(&self.floor.0.to_be_bytes());
        bytes[13..].copy_from_slice(&self.capabilities.to_be_bytes());
        bytes
    }

    pub(crate) fn decode([version, oldest]: [u8; 2], bytes: &[u8]) -> Option<Self> {
        let (boot, rest) = bytes.split_first_chunk::<4>()?;
        let (&[clock], rest) = rest.split_first_chunk::<1>()?;
        let (floor, rest) = rest.split_first_chunk::<8>()?;
        let capabilities: [u8; 2] = rest.try_into().ok()?;
        Some(Self {
            version,
            oldest,
            boot: u32::from_be_bytes(*boot),
            clock: ClockState::try_from(clock).ok()?,
            floor: Timestamp(u64::from_be_bytes(*floor)),
            capabilities: u16::from_be_bytes(capabilities),
        })
    }
}

/// What a door may be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Operation {
    /// Take something out. Counts as a use.
    Collect = 0,
    /// Open again within the reopening time after one's own opening. Counts as none.
    Reopen = 1,
    /// Put something in. Counts as a use.
    Deposit = 2,
    /// Open one's own compartment. Counts as a use.
    Access = 3,
    /// Ask, or bring a bulletin; nothing moves.
    Status = 4,
    /// Fetch part of the receipt chain, sealed for the hub; nothing moves.
    Carry = 5,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Collect, Self::Reopen, Self::Deposit, Self::Access, Self::Status, Self::Carry];
}

impl TryFrom<u8> for Operation {
    type Error = ();

    fn try_from(code: u8) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|operation| *operation as u8 == code).ok_or(())
    }
}

/// A set of operations: bit `n` stands for the operation with number `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Operations(u8);

impl Operations {
    /// None.
    pub const NONE: Self = Self(0);

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From bits; none when a bit means nothing.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits < 1 << Operation::ALL.len() { Some(Self(bits)) } else { None }
    }

    /// This set and one more.
    #[must_use]
    pub const fn with(self, operation: Operation) -> Self {
        Self(self.0 | 1 << operation as u8)
    }

    /// Holds it.
    #[must_use]
    pub const fn contains(self, operation: Operation) -> bool {
        self.0 & 1 << operation as u8 != 0
    }

    /// Everything in here is in `other` too.
    #[must_use]
    pub const fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Holds nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What it holds, ascending.
    pub fn iter(self) -> impl Iterator<Item = Operation> {
        Operation::ALL.into_iter().filter(move |operation| self.contains(*operation))
    }
}

impl FromIterator<Operation> for Operations {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        operations.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What a phone asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub operation: Operation,
    /// With which door.
    pub door: Door,
    /// The same for all retries of one gesture. For [`Operation::Carry`]: [`OperationNonce::from_sequence`] of the first
    /// receipt that is wanted.
    pub nonce: OperationNonce,
    /// The hub's token, at most [`MAX_TOKEN`] bytes.
    pub token: Vec<u8>,
    /// For a guest: the owner's delegation, at most [`MAX_DELEGATION`] bytes.
    pub delegation: Option<Vec<u8>>,
    /// News of the hub for the locker, at most [`MAX_BULLETIN`] bytes.
    pub bulletin: Option<Vec<u8>>,
}

impl core::fmt::Debug for Request {
    /// Without the token: whoever holds it and steals the device's key could open.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.operation)
            .field("door", &self.door)
            .field("nonce", &self.nonce)
            .field("delegated", &self.delegation.is_some())
            .field("bulletin", &self.bulletin.is_some())
            .finish_non_exhaustive()
    }
}

impl Request {
    /// The plaintext of OPEN and of REQUEST.
    pub(crate) fn encode(&self, proof: &[u8; 64]) -> Vec<u8> {
        cbor::encode(|e| {
            e.array(7)?
                .u8(self.operation as u8)?
                .u16(self.door.0)?
                .bytes(&self.nonce.0)?
                .bytes(&self.token)?;
            for part in [&self.delegation, &self.bulletin] {
                match part {
                    Some(bytes) => e.bytes(bytes)?,
                    None => e.null()?,
                };
            }
            e.bytes(proof)?;
            Ok(())
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, [u8; 64]), Malformed> {
        cbor::decode(
            bytes,
            |d| {
                cbor::array(d, 7)?;
                let request = Self {
                    operation: operation(d)?,
                    door: cbor::door(d)?,
                    nonce: OperationNonce(cbor::fixed(d)?),
                    token: cbor::bounded(d, MAX_TOKEN)?,
                    delegation: cbor::optional(d, |d| cbor::bounded(d, MAX_DELEGATION))?,
                    bulletin: cbor::optional(d, |d| cbor::bounded(d, MAX_BULLETIN))?,
                };
                Ok((request, cbor::fixed(d)?))
            },
            |(request, proof)| request.encode(proof),
        )
    }

    /// Every part is within its bounds.
    pub(crate) fn is_sendable(&self) -> bool {
        let within =
            |part: &Option<Vec<u8>>, max| part.as_ref().is_none_or(|bytes| (1..=max).contains(&bytes.len()));
        (1..=MAX_TOKEN).contains(&self.token.len())
            && within(&self.delegation, MAX_DELEGATION)
            && within(&self.bulletin, MAX_BULLETIN)
    }
}

/// Reads an operation.
pub(crate) fn operation(d: &mut Decoder<'_>) -> Result<Operation, Malformed> {
    Operation::try_from(d.u8()?).map_err(|()| Malformed)
}

/// Reads a set of operations that is not empty.
pub(crate) fn operations(d: &mut Decoder<'_>) -> Result<Operations, Malformed> {
    Operations::from_bits(d.u8()?).filter(|set| !set.is_empty()).ok_or(Malformed)
}

/// What a locker answers or reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The signed receipt ([`crate::receipt`]) of what was done.
    Receipt(Vec<u8>),
    /// Nothing was done.
    Refused(Refusal),
    /// Something happened at a door that this session opened.
    Event(DoorEvent),
    /// The answer to a status request.
    Status(StatusReport),
    /// The answer to a carry request: a part of the receipt chain.
    Carried(Carried),
    /// The signed receipt of the closing of a door that this session opened; comes unasked, like an event.
    Closing(Vec<u8>),
}

/// Part of a locker's receipt chain, on its way to the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Sealed for the hub ([`crate::carry`]), at most [`MAX_CARRIED`] bytes.
    pub sealed: Vec<u8>,
    /// The first sequence that is not in it.
    pub next: u32,
    /// The sequence that the locker's next receipt will get: all is carried once `next` is this.
    pub head: u32,
}

/// Why nothing was done. Coarse on purpose: it must not help whoever guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The token, the proof or the request is not good here and now.
    Refused,
    /// Too many attempts; again after so many seconds.
    Throttled {
        /// 1 to 65535.
        seconds: u16,
    },
    /// The door is busy with another session, or the journal is being written: soon again, with the same nonce.
    Busy,
    /// The locker lost the time: bring a token or bulletin bound to its HELLO.
    ClockUnset,
    /// The door is out of order.
    OutOfOrder,
    /// The request is of a version or kind that this locker does not speak.
    Version,
    /// There is no room to remember this token at this door; not before something ends.
    Full,
}

/// Something that happened at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorEvent {
    /// Which.
    pub door: Door,
    /// What.
    pub kind: DoorEventKind,
}

/// What happens at doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DoorEventKind {
    /// It stands open now.
    Opened = 0,
    /// It was closed.
    Closed = 1,
    /// It has been open for a long time.
    HeldOpen = 2,
    /// Something keeps it from closing.
    Obstructed = 3,
    /// Something lies inside.
    ContentPresent = 4,
    /// Nothing lies inside.
    ContentAbsent = 5,
}

impl TryFrom<u8> for DoorEventKind {
    type Error = ();

    fn try_from(code: u8) -> Result<Self, ()> {
        [
            Self::Opened,
            Self::Closed,
            Self::HeldOpen,
            Self::Obstructed,
            Self::ContentPresent,
            Self::ContentAbsent,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == code)
        .ok_or(())
    }
}

/// How things stand at a door, for the holder of a token for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// Which door.
    pub door: Door,
    /// Whether it stands open; none where its sensor gives no answer.
    pub door_open: Option<bool>,
    /// The stored receipt for the same token and operation nonce. Otherwise, for the owner, the last opening of this
    /// door in the token's epoch, however it was opened, unless it was a deposit by another token.
    pub receipt: Option<Vec<u8>>,
    /// How well the locker knows the time.
    pub clock: ClockState,
    /// The locker's time, or its floor.
    pub at: Timestamp,
    /// The receipt of the closing that belongs to `receipt`, once the door has been closed.
    pub closing: Option<Vec<u8>>,
}

impl Reply {
    pub(crate) fn encode(&self) -> Vec<u8> {
        cbor::encode(|e| {
            match self {
                Self::Receipt(receipt) => e.array(2)?.u8(0)?.bytes(receipt)?,
                Self::Refused(Refusal::Throttled { seconds }) => e.array(3)?.u8(1)?.u8(1)?.u16(*seconds)?,
                Self::Refused(refusal) => e.array(2)?.u8(1)?.u8(refusal.code())?,
                Self::Event(event) => e.array(3)?.u8(2)?.u16(event.door.0)?.u8(event.kind as u8)?,
                Self::Status(status) => {
                    e.array(7)?.u8(3)?.u16(status.door.0)?;
                    match status.door_open {
                        Some(open) => e.bool(open)?,
                        None => e.null()?,
                    };
                    match &status.receipt {
                        Some(receipt) => e.bytes(receipt)?,
                        None => e.null()?,
                    };
                    e.u8(status.clock as u8)?.u64(status.at.0)?;
                    match &status.closing {
                        Some(closing) => e.bytes(closing)?,
                        None => e.null()?,
                    }
                }
                Self::Carried(part) => {
                    e.array(4)?.u8(4)?.bytes(&part.sealed)?.u32(part.next)?.u32(part.head)?
                }
                Self::Closing(receipt) => e.array(2)?.u8(5)?.bytes(receipt)?,
            };
            Ok(())
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        cbor::decode(bytes, Self::read, Self::encode)
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let len = d.array()?.ok_or(Malformed)?;
        Ok(match (d.u8()?, len) {
            (0, 2) => Self::Receipt(cbor::bounded(d, MAX_RECEIPT)?),
            (1, 2 | 3) => Self::Refused(match (d.u8()?, len) {
                (0, 2) => Refusal::Refused,
                (1, 3) => match d.u16()? {
                    0 => return Err(Malformed),
                    seconds => Refusal::Throttled { seconds },
                },
                (2, 2) => Refusal::Busy,
                (3, 2) => Refusal::ClockUnset,
                (4, 2) => Refusal::OutOfOrder,
                (5, 2) => Refusal::Version,
                (6, 2) => Refusal::Full,
                _ => return Err(Malformed),
            }),
            (2, 3) => Self::Event(DoorEvent {
                door: cbor::door(d)?,
                kind: DoorEventKind::try_from(d.u8()?).map_err(|()| Malformed)?,
            }),
            (3, 7) => Self::Status(StatusReport {
                door: cbor::door(d)?,
                door_open: cbor::optional(d, |d| Ok(d.bool()?))?,
                receipt: cbor::optional(d, |d| cbor::bounded(d, MAX_RECEIPT))?,
                clock: ClockState::try_from(d.u8()?).map_err(|()| Malformed)?,
                at: cbor::time(d)?,
                closing: cbor::optional(d, |d| cbor::bounded(d, MAX_RECEIPT))?,
            }),
            (4, 4) => Self::Carried(Carried {
                sealed: cbor::bounded(d, MAX_CARRIED)?,
                next: d.u32()?,
                head: d.u32()?,
            }),
            (5, 2) => Self::Closing(cbor::bounded(d, MAX_RECEIPT)?),
            _ => return Err(Malformed),
        })
    }
}

impl Refusal {
    const fn code(self) -> u8 {
        match self {
            Self::Refused => 0,
            Self::Throttled { .. } => 1,
            Self::Busy => 2,
            Self::ClockUnset => 3,
            Self::OutOfOrder => 4,
            Self::Version => 5,
            Self::Full => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};
    use std::vec::Vec;

    use super::*;

    fn reply() -> impl Strategy<Value = Reply> {
        prop_oneof![
            vec(any::<u8>(), 1..=MAX_RECEIPT).prop_map(Reply::Receipt),
            prop_oneof![
                Just(Refusal::Refused),
                (1_u16..).prop_map(|seconds| Refusal::Throttled { seconds }),
                Just(Refusal::Busy),
                Just(Refusal::ClockUnset),
                Just(Refusal::OutOfOrder),
                Just(Refusal::Version),
                Just(Refusal::Full),
            ]
            .prop_map(Reply::Refused),
            (any::<u16>(), 0_u8..6).prop_map(|(door, kind)| {
                let kind = DoorEventKind::try_from(kind).expect("six kinds");
                Reply::Event(DoorEvent { door: Door(door), kind })
            }),
            (
                any::<u16>(),
                any::<Option<bool>>(),
                option::of(vec(any::<u8>(), 1..=MAX_RECEIPT)),
                0_u8..3,
                0_u64..1 << 40,
                option::of(vec(any::<u8>(), 1..=MAX_RECEIPT)),
            )
                .prop_map(|(door, door_open, receipt, clock, at, closing)| {
                    Reply::Status(StatusReport {
                        door: Door(door),
                        door_open,
                        receipt,
                        clock: ClockState::try_from(clock).expect("three states"),
                        at: Timestamp(at),
                        closing,
                    })
                }),
            (vec(any::<u8>(), 1..=MAX_CARRIED), any::<u32>(), any::<u32>())
                .prop_map(|(sealed, next, head)| Reply::Carried(Carried { sealed, next, head })),
            vec(any::<u8>(), 1..=MAX_RECEIPT).prop_map(Reply::Closing),
        ]
    }

    prop_compose! {
        fn request()(
            operation in 0_usize..6, door: u16, nonce: [u8; 8], token in vec(any::<u8>(), 1..=MAX_TOKEN),
            delegation in option::of(vec(any::<u8>(), 1..=MAX_DELEGATION)),
            bulletin in option::of(vec(any::<u8>(), 1..=MAX_BULLETIN)),
        ) -> Request {
            Request {
                operation: Operation::ALL[operation], door: Door(door), nonce: OperationNonce(nonce), token, delegation,
                bulletin,
            }
        }
    }

    proptest! {
        #[test]
        fn requests_agree(request in request(), proof in vec(any::<u8>(), 64)) {
            let proof: [u8; 64] = proof.try_into().expect("64");
            let bytes = request.encode(&proof);
            prop_assert_eq!(Request::decode(&bytes), Ok((request, proof)));
        }

        #[test]
        fn replies_agree(reply in reply()) {
            prop_assert_eq!(Reply::decode(&reply.encode()), Ok(reply));
        }

        #[test]
        fn disturbed_plaintexts_have_one_encoding(
            request in request(), reply in reply(), changes in vec((any::<usize>(), any::<u8>()), 0..4),
            noise in vec(any::<u8>(), 0..40), trailing: bool,
        ) {
            let disturb = |mut bytes: Vec<u8>| {
                for (at, value) in &changes {
                    // Most of what matters stands at the front.
                    let at = at % bytes.len().min(24);
                    bytes[at] = *value;
                }
                if trailing {
                    bytes.push(0);
                }
                bytes
            };
            let bytes = disturb(request.encode(&[7; 64]));
            if let Ok((request, proof)) = Request::decode(&bytes) {
                prop_assert_eq!(request.encode(&proof), bytes);
            }
            for bytes in [disturb(reply.encode()), noise] {
                if let Ok(reply) = Reply::decode(&bytes) {
                    prop_assert_eq!(reply.encode(), bytes);
                }
            }
        }
    }
}
