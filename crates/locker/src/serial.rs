//! The firmware's host port: what a radio module (or a simulator's bridge) and a locker board say to each other over a
//! byte stream, such as a UART.
//!
//! A packet is `kind u8 ‖ fields ‖ CRC-32` (little-endian, checksum over what stands before it), stuffed by COBS
//! (Cheshire and Baker, 1999) and ended by one zero byte: a zero stands nowhere else, so that whoever listens late is
//! in step at the next zero. A packet that is too long, or whose checksum is wrong, is dropped without an answer; a
//! frame lost so is found out by the protocol's own sequence.
//!
//! | kind | to the board | fields |
//! |---|---|---|
//! | 0x01 | provision | locker id 8, static secret 32, receipt secret 32, PIN secret flag 1 + 32, seed 32, fittings u8 (bit 0 content sensors, 1 keypad, 2 scanner, 3 uplink), provisioned at u64, connections u8, tokens u16, issuers u8 × (key id u32, key 32), open doors u16 × u16, all doors × u16 |
//! | 0x02 | connect | connection u16, largest frame u16 |
//! | 0x03 | subscribe | connection u16 |
//! | 0x04 | read HELLO | connection u16 |
//! | 0x05 | write | connection u16, frame |
//! | 0x06 | disconnect | connection u16 |
//! | 0x07 | frame size | connection u16, largest frame u16 |
//! | 0x08 | sensors | door u16, open u8, obstructed u8, content u8 (0 no, 1 yes, 2 unknown) |
//! | 0x09 | wall clock | flag u8, UNIX seconds u64 |
//! | 0x0A | battery | low u8 |
//! | 0x0B | keypad | digits |
//! | 0x0C | scanner | text |
//! | 0x0D | power cut | flash step u32, bytes of it u32 |
//! | 0x0E | measure | – |
//!
//! | kind | from the board | fields |
//! |---|---|---|
//! | 0x81 | ready: provision me | – |
//! | 0x82 | started | start number u32 |
//! | 0x83 | not started | reason u8 |
//! | 0x84 | notify | connection u16, frame |
//! | 0x85 | read result | connection u16, frame |
//! | 0x86 | hang up | connection u16 |
//! | 0x87 | advertise | 6 bytes |
//! | 0x88 | latch | door u16, energised u8 |
//! | 0x89 | keypad or scanner answers | code u8, door u16, value u32 |
//! | 0x8A | measures | busy ticks u64, allocations u32, heap in use u32, heap peak u32, stack peak u32 |
//!
//! Provisioning over this port stands for what a factory does once; a board in the field keeps these secrets in
//! protected flash and has no such packet.

use alloc::{boxed::Box, string::String, vec::Vec};

use postern_protocol::{Door, IssuerKeys, KeyId, LockerId, LockerKeys, Timestamp, receipt::Outcome};
use zeroize::Zeroizing;

use crate::{Connection, Fittings, Keys, LocalAnswer, Sensors, journal::crc32};

/// The longest packet before stuffing: a frame of 512 bytes, or the provisioning of 256 doors.
pub const MAX_PACKET: usize = 1536;

/// To the board.
#[derive(Clone, Debug)]
pub enum ToBoard {
    /// Who it is.
    Provision(Box<Provision>),
    /// A central has connected.
    Connect(Connection, u16),
    /// It has subscribed.
    Subscribe(Connection),
    /// It reads TX.
    Read(Connection),
    /// It has written to RX.
    Write(Connection, Vec<u8>),
    /// It is gone.
    Disconnect(Connection),
    /// Its MTU has changed.
    FrameSize(Connection, u16),
    /// A door's sensors.
    Sensors(Door, Sensors),
    /// The wall clock was set, or has lost power.
    Clock(Option<Timestamp>),
    /// Whether the battery is low.
    Battery(bool),
    /// Digits from the keypad.
    Pin(String),
    /// Text from the scanner.
    Scan(String),
    /// Reset at this flash step from now, so many bytes into it. For tests.
    PowerCut {
        /// Counted from 0.
        step: u32,
        /// Bytes of it that still reach the flash.
        bytes: u32,
    },
    /// Send [`Measures`] and begin to measure anew.
    Measure,
}

/// Identity, secrets and shape of a board.
#[derive(Clone, Debug)]
pub struct Provision {
    /// Keys and trust anchors.
    pub keys: Keys,
    /// Seeds the random numbers of a board without a generator of its own.
    pub seed: [u8; 32],
    /// What the cabinet at the other end of the line has.
    pub fittings: Fittings,
    /// `Config::provisioned_at`.
    pub provisioned_at: Timestamp,
    /// `Config::connections`.
    pub connections: u8,
    /// `Config::remembered_tokens`.
    pub remembered_tokens: u16,
    /// `Config::doors`.
    pub doors: Vec<Door>,
    /// Those whose sensor says open at this moment: the firmware looks at them as soon as it runs.
    pub open: Vec<Door>,
}

/// From the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromBoard {
    /// Switched on: waits to be provisioned.
    Ready,
    /// Runs; this often it has started.
    Started(u32),
    /// Does not run: 1 configuration, 2 flash too small, 3 journal damaged, 4 flash failed, 5 a record of later firmware.
    NotStarted(u8),
    /// Notify.
    Send(Connection, Vec<u8>),
    /// What a read of TX returns.
    Read(Connection, Vec<u8>),
    /// End the connection.
    Disconnect(Connection),
    /// Advertise these manufacturer data.
    Advertise([u8; 6]),
    /// A latch is energised or released.
    Latch(Door, bool),
    /// Keypad and scanner.
    Local(LocalAnswer),
    /// Since the last time.
    Measures(Measures),
}

/// What the firmware took since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Timer ticks spent inside the firmware.
    pub busy_ticks: u64,
    /// Allocations made.
    pub allocations: u32,
    /// Bytes of heap in use now.
    pub heap: u32,
    /// The most that was in use.
    pub heap_peak: u32,
    /// The deepest that the stack has ever been, in bytes.
    pub stack_peak: u32,
}

impl ToBoard {
    /// The packet, stuffed and ended.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Provision(provision) => {
                out.push(0x01);
                encode_provision(provision, &mut out);
            }
            Self::Connect(connection, size) => numbers(&mut out, 0x02, &[connection.0, *size]),
            Self::Subscribe(connection) => numbers(&mut out, 0x03, &[connection.0]),
            Self::Read(connection) => numbers(&mut out, 0x04, &[connection.0]),
            Self::Write(connection, frame) => {
                numbers(&mut out, 0x05, &[connection.0]);
                out.extend(frame);
            }
            Self::Disconnect(connection) => numbers(&mut out, 0x06, &[connection.0]),
            Self::FrameSize(connection, size) => numbers(&mut out, 0x07, &[connection.0, *size]),
            Self::Sensors(door, sensors) => {
                numbers(&mut out, 0x08, &[door.0]);
                out.extend([maybe(sensors.open), u8::from(sensors.obstructed), maybe(sensors.content)]);
            }
            Self::Clock(time) => {
                out.extend([0x09, u8::from(time.is_some())]);
                out.extend(time.unwrap_or_default().0.to_le_bytes());
            }
            Self::Battery(low) => out.extend([0x0A, u8::from(*low)]),
            Self::Pin(digits) => {
                out.push(0x0B);
                out.extend(digits.as_bytes());
            }
            Self::Scan(text) => {
                out.push(0x0C);
                out.extend(text.as_bytes());
            }
            Self::PowerCut { step, bytes } => {
                out.push(0x0D);
                out.extend(step.to_le_bytes());
                out.extend(bytes.to_le_bytes());
            }
            Self::Measure => out.push(0x0E),
        }
        stuff(out)
    }

    /// Reads an unstuffed packet; none for anything that is not one.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<Self> {
        let (kind, mut rest) = packet.split_first()?;
        let rest = &mut rest;
        let message = match kind {
            0x01 => Self::Provision(Box::new(decode_provision(rest)?)),
            0x02 => Self::Connect(connection(rest)?, u16::from_le_bytes(array(rest)?)),
            0x03 => Self::Subscribe(connection(rest)?),
            0x04 => Self::Read(connection(rest)?),
            0x05 => Self::Write(connection(rest)?, core::mem::take(rest).to_vec()),
            0x06 => Self::Disconnect(connection(rest)?),
            0x07 => Self::FrameSize(connection(rest)?, u16::from_le_bytes(array(rest)?)),
            0x08 => {
                let door = Door(u16::from_le_bytes(array(rest)?));
                let [open, obstructed, content] = array(rest)?;
                let sensors = Sensors {
                    open: is_maybe(open)?,
                    obstructed: is_maybe(obstructed)?.unwrap_or_default(),
                    content: is_maybe(content)?,
                };
                Self::Sensors(door, sensors)
            }
            0x09 => {
                let [set] = array(rest)?;
                let time = Timestamp(u64::from_le_bytes(array(rest)?));
                Self::Clock((set == 1).then_some(time))
            }
            0x0A => Self::Battery(array(rest)? == [1]),
            0x0B => Self::Pin(text(rest)?),
            0x0C => Self::Scan(text(rest)?),
            0x0D => Self::PowerCut {
                step: u32::from_le_bytes(array(rest)?),
                bytes: u32::from_le_bytes(array(rest)?),
            },
            0x0E => Self::Measure,
            _ => return None,
        };
        rest.is_empty().then_some(message)
    }
}

impl FromBoard {
    /// The packet, stuffed and ended.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Ready => out.push(0x81),
            Self::Started(boot) => {
                out.push(0x82);
                out.extend(boot.to_le_bytes());
            }
            Self::NotStarted(reason) => out.extend([0x83, *reason]),
            Self::Send(connection, frame) => {
                numbers(&mut out, 0x84, &[connection.0]);
                out.extend(frame);
            }
            Self::Read(connection, frame) => {
                numbers(&mut out, 0x85, &[connection.0]);
                out.extend(frame);
            }
            Self::Disconnect(connection) => numbers(&mut out, 0x86, &[connection.0]),
            Self::Advertise(data) => {
                out.push(0x87);
                out.extend(data);
            }
            Self::Latch(door, energised) => {
                numbers(&mut out, 0x88, &[door.0]);
                out.push(u8::from(*energised));
            }
            Self::Local(answer) => {
                let (code, door, value) = match answer {
                    LocalAnswer::Opening(door) => (0, door.0, 0),
                    LocalAnswer::Done(door, outcome) => (1, door.0, *outcome as u32),
                    LocalAnswer::Refused => (2, 0, 0),
                    LocalAnswer::Locked { seconds } => (3, 0, *seconds),
                    LocalAnswer::Busy => (4, 0, 0),
                };
                out.extend([0x89, code]);
                out.extend(door.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Self::Measures(measures) => {
                out.push(0x8A);
                out.extend(measures.busy_ticks.to_le_bytes());
                for number in [measures.allocations, measures.heap, measures.heap_peak, measures.stack_peak] {
                    out.extend(number.to_le_bytes());
                }
            }
        }
        stuff(out)
    }

    /// Reads an unstuffed packet; none for anything that is not one.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<Self> {
        let (kind, mut rest) = packet.split_first()?;
        let rest = &mut rest;
        let message = match kind {
            0x81 => Self::Ready,
            0x82 => Self::Started(u32::from_le_bytes(array(rest)?)),
            0x83 => Self::NotStarted(array::<1>(rest)?[0]),
            0x84 => Self::Send(connection(rest)?, core::mem::take(rest).to_vec()),
            0x85 => Self::Read(connection(rest)?, core::mem::take(rest).to_vec()),
            0x86 => Self::Disconnect(connection(rest)?),
            0x87 => Self::Advertise(array(rest)?),
            0x88 => Self::Latch(Door(u16::from_le_bytes(array(rest)?)), array(rest)? == [1]),
            0x89 => {
                let [code] = array(rest)?;
                let door = Door(u16::from_le_bytes(array(rest)?));
                let value = u32::from_le_bytes(array(rest)?);
                Self::Local(match code {
                    0 => LocalAnswer::Opening(door),
                    1 => LocalAnswer::Done(door, Outcome::try_from(u8::try_from(value).ok()?).ok()?),
                    2 => LocalAnswer::Refused,
                    3 => LocalAnswer::Locked { seconds: value },
                    4 => LocalAnswer::Busy,
                    _ => return None,
                })
            }
            0x8A => Self::Measures(Measures {
                busy_ticks: u64::from_le_bytes(array(rest)?),
                allocations: u32::from_le_bytes(array(rest)?),
                heap: u32::from_le_bytes(array(rest)?),
                heap_peak: u32::from_le_bytes(array(rest)?),
                stack_peak: u32::from_le_bytes(array(rest)?),
            }),
            _ => return None,
        };
        rest.is_empty().then_some(message)
    }
}

fn encode_provision(provision: &Provision, out: &mut Vec<u8>) {
    let keys = &provision.keys;
    out.extend(keys.locker.id.0);
    out.extend(keys.locker.static_secret.iter());
    out.extend(keys.locker.receipt_secret.iter());
    out.push(u8::from(keys.pin_secret.is_some()));
    out.extend(keys.pin_secret.as_deref().unwrap_or(&[0; 32]));
    out.extend(provision.seed);
    let Fittings { content_sensors, keypad, scanner, uplink } = provision.fittings;
    let bits = [content_sensors, keypad, scanner, uplink].into_iter().rev();
    out.push(bits.fold(0, |bits, bit| bits << 1 | u8::from(bit)));
    out.extend(provision.provisioned_at.0.to_le_bytes());
    out.push(provision.connections);
    out.extend(provision.remembered_tokens.to_le_bytes());
    let issuers: Vec<_> = keys.issuers.iter().collect();
    out.push(u8::try_from(issuers.len()).unwrap_or(u8::MAX));
    for (id, key) in issuers {
        out.extend(id.0.to_le_bytes());
        out.extend(key);
    }
    out.extend(u16::try_from(provision.open.len()).unwrap_or(u16::MAX).to_le_bytes());
    for door in provision.open.iter().chain(&provision.doors) {
        out.extend(door.0.to_le_bytes());
    }
}

fn decode_provision(rest: &mut &[u8]) -> Option<Provision> {
    let locker = LockerKeys {
        id: LockerId(array(rest)?),
        static_secret: Zeroizing::new(array(rest)?),
        receipt_secret: Zeroizing::new(array(rest)?),
    };
    let [has_pin] = array(rest)?;
    let pin_secret = Zeroizing::new(array(rest)?);
    let seed = array(rest)?;
    let [bits] = array(rest)?;
    let has = |bit: u8| bits >> bit & 1 != 0;
    let fittings = Fittings { content_sensors: has(0), keypad: has(1), scanner: has(2), uplink: has(3) };
    let provisioned_at = Timestamp(u64::from_le_bytes(array(rest)?));
    let [connections] = array(rest)?;
    let remembered_tokens = u16::from_le_bytes(array(rest)?);
    let [count] = array(rest)?;
    let mut issuers = IssuerKeys::new();
    for _ in 0..count {
        if !issuers.insert(KeyId(u32::from_le_bytes(array(rest)?)), array(rest)?) {
            return None;
        }
    }
    let count = usize::from(u16::from_le_bytes(array(rest)?));
    let (doors, odd) = core::mem::take(rest).as_chunks::<2>();
    let (open, doors) = doors.split_at_checked(count)?;
    let read = |doors: &[[u8; 2]]| doors.iter().map(|door| Door(u16::from_le_bytes(*door))).collect();
    odd.is_empty().then(|| Provision {
        keys: Keys { locker, issuers, pin_secret: (has_pin == 1).then_some(pin_secret) },
        seed,
        fittings,
        provisioned_at,
        connections,
        remembered_tokens,
        doors: read(doors),
        open: read(open),
    })
}

fn numbers(out: &mut Vec<u8>, kind: u8, fields: &[u16]) {
    out.push(kind);
    fields.iter().for_each(|field| out.extend(field.to_le_bytes()));
}

const fn maybe(value: Option<bool>) -> u8 {
    match value {
        Some(false) => 0,
        Some(true) => 1,
        None => 2,
    }
}

const fn is_maybe(byte: u8) -> Option<Option<bool>> {
    match byte {
        0 => Some(Some(false)),
        1 => Some(Some(true)),
        2 => Some(None),
        _ => None,
    }
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (front, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*front)
}

fn connection(rest: &mut &[u8]) -> Option<Connection> {
    array(rest).map(u16::from_le_bytes).map(Connection)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    core::str::from_utf8(core::mem::take(rest)).ok().map(String::from)
}

/// Checksum, COBS, end.
fn stuff(mut packet: Vec<u8>) -> Vec<u8> {
    packet.extend(crc32(&[&packet]).to_le_bytes());
    let mut out = Vec::with_capacity(packet.len() + packet.len() / 254 + 2);
    let mut code_at = 0;
    out.push(1);
    for byte in packet {
        if byte != 0 {
            out.push(byte);
            out[code_at] += 1;
        }
        if byte == 0 || out[code_at] == 0xFF {
            code_at = out.len();
            out.push(1);
        }
    }
    out.push(0);
    out
}

/// Finds packets in a stream of bytes. Memory: one packet.
#[derive(Debug, Default)]
pub struct Deframer {
    packet: Vec<u8>,
    /// Bytes until the next code byte, and whether a zero stands there.
    left: u8,
    zero_after: bool,
    broken: bool,
}

impl Deframer {
    /// Takes a byte; a packet without its checksum if it was the last of a good one.
    pub fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        if byte == 0 {
            let whole = !core::mem::take(&mut self.broken) && self.left == 0;
            (self.left, self.zero_after) = (0, false);
            let mut packet = core::mem::take(&mut self.packet);
            let length = packet.len().checked_sub(4)?;
            let good = whole && packet[length..] == crc32(&[&packet[..length]]).to_le_bytes();
            packet.truncate(length);
            return good.then_some(packet);
        }
        if self.left == 0 {
            if self.zero_after {
                self.keep(0);
            }
            self.left = byte - 1;
            self.zero_after = byte != 0xFF;
        } else {
            self.left -= 1;
            self.keep(byte);
        }
        None
    }

    fn keep(&mut self, byte: u8) {
        if self.packet.len() < MAX_PACKET + 4 {
            self.packet.push(byte);
        } else {
            self.broken = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use proptest::{collection::vec as bytes, prelude::*};

    use super::*;

    fn unstuff(stream: &[u8]) -> Vec<Vec<u8>> {
        let mut deframer = Deframer::default();
        stream.iter().filter_map(|byte| deframer.push(*byte)).collect()
    }

    proptest! {
        #[test]
        fn what_is_stuffed_is_unstuffed(packet in bytes(any::<u8>(), 1..MAX_PACKET), noise in bytes(1_u8.., 0..30)) {
            let stream = stuff(packet.clone());
            prop_assert!(stream[..stream.len() - 1].iter().all(|byte| *byte != 0));
            prop_assert_eq!(unstuff(&stream), vec![packet.clone()]);
            // Whoever comes in amid a packet is in step at the next.
            let late = [&noise[..], &[0], &stream].concat();
            prop_assert_eq!(unstuff(&late).pop(), Some(packet));
        }

        #[test]
        fn a_flipped_bit_is_dropped(packet in bytes(any::<u8>(), 1..300), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut stream = stuff(packet.clone());
            let at = at.index(stream.len() - 1);
            stream[at] ^= 1 << bit;
            prop_assert!(!unstuff(&stream).contains(&packet));
        }

        #[test]
        fn noise_is_no_packet(stream in bytes(any::<u8>(), 0..4000)) {
            for packet in unstuff(&stream) {
                prop_assert!(packet.len() <= MAX_PACKET);
                let _ = (ToBoard::decode(&packet), FromBoard::decode(&packet));
            }
        }

        #[test]
        fn packets_from_the_board_come_back(which in 0_u8..10, a in any::<u16>(), b in any::<u32>(), frame in bytes(any::<u8>(), 0..512)) {
            let message = match which {
                0 => FromBoard::Ready,
                1 => FromBoard::Started(b),
                2 => FromBoard::NotStarted(1),
                3 => FromBoard::Send(Connection(a), frame),
                4 => FromBoard::Read(Connection(a), frame),
                5 => FromBoard::Disconnect(Connection(a)),
                6 => FromBoard::Advertise([which; 6]),
                7 => FromBoard::Latch(Door(a), b.is_multiple_of(2)),
                8 => FromBoard::Local(LocalAnswer::Locked { seconds: b }),
                _ => FromBoard::Measures(Measures { busy_ticks: u64::from(b) << 9, allocations: b, ..Measures::default() }),
            };
            prop_assert_eq!(FromBoard::decode(&unstuff(&message.encode())[0]), Some(message));
        }

        #[test]
        fn packets_to_the_board_come_back(which in 0_u8..13, a in any::<u16>(), b in any::<u32>(), frame in bytes(any::<u8>(), 0..512), doors in bytes(any::<u16>(), 0..256)) {
            let connection = Connection(a);
            let message = match which {
                0 => ToBoard::Provision(Box::new(Provision {
                    keys: Keys {
                        locker: LockerKeys::from_seed(LockerId([3; 8]), &[4; 32]),
                        issuers: IssuerKeys::new(),
                        pin_secret: b.is_multiple_of(2).then(|| Zeroizing::new([5; 32])),
                    },
                    seed: [6; 32],
                    fittings: Fittings { content_sensors: a & 1 != 0, keypad: a & 2 != 0, scanner: a & 4 != 0, uplink: a & 8 != 0 },
                    provisioned_at: Timestamp(u64::from(b)),
                    connections: 3,
                    remembered_tokens: a,
                    open: doors.iter().copied().filter(|door| door % 3 == 0).map(Door).collect(),
                    doors: doors.into_iter().map(Door).collect(),
                })),
                1 => ToBoard::Connect(connection, 20),
                2 => ToBoard::Subscribe(connection),
                3 => ToBoard::Read(connection),
                4 => ToBoard::Write(connection, frame),
                5 => ToBoard::Disconnect(connection),
                6 => ToBoard::FrameSize(connection, 244),
                7 => ToBoard::Sensors(Door(a), Sensors { open: None, obstructed: true, content: Some(false) }),
                8 => ToBoard::Clock(b.is_multiple_of(2).then_some(Timestamp(u64::from(b)))),
                9 => ToBoard::Battery(true),
                10 => ToBoard::Pin(format!("{b:08}")),
                11 => ToBoard::PowerCut { step: b, bytes: 7 },
                _ => ToBoard::Measure,
            };
            let stream = message.encode();
            let decoded = ToBoard::decode(&unstuff(&stream)[0]);
            prop_assert_eq!(decoded.map(|decoded| decoded.encode()), Some(stream));
        }
    }
}
