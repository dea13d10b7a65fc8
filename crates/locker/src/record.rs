//! The journal's records: what is worth surviving a power failure, and its bytes.
//!
//! Fixed fields, little-endian; a count or a length goes before what repeats. A record is at most [`MAX_RECORD`]
//! bytes. The layout is private to the locker; the journal's header carries its version.
//!
//! Firmware meets records of later firmware when a board is set back. A kind with the [`IGNORABLE`] bit is one that may be
//! passed over: nothing opens that should not for want of it. Any other unknown kind stops the start, by its number.

use alloc::vec::Vec;

use postern_protocol::{
    ClockState, Door, Epoch, IssuerKeys, KeyId, Operation, OperationNonce, Timestamp, TokenId,
    bulletin::{DoorNews, MAX_REVOKED, Revocation, RevocationKind},
    message::MAX_RECEIPT,
    receipt::{Outcome, Source},
};

/// The longest payload of a record.
pub(crate) const MAX_RECORD: usize = 384;

/// A kind that firmware which does not know it passes over.
pub(crate) const IGNORABLE: u8 = 0x80;

/// Tokens or epochs in one record.
pub(crate) const CHUNK: usize = 16;
/// Door lines in one record.
pub(crate) const DOOR_CHUNK: usize = 4;

/// Longest payloads of each kind, for sizing the flash; a test holds the encoder to them.
pub(crate) const TOKENS_RECORD: usize = 1 + CHUNK * 16;
pub(crate) const DOORS_RECORD: usize = 1 + DOOR_CHUNK * 90;
pub(crate) const INTENT_RECORD: usize = 83;
pub(crate) const NEWS_RECORD: usize = 5 + MAX_REVOKED * 22;
pub(crate) const COMPLETION_RECORD: usize = 31 + MAX_RECEIPT;
pub(crate) const ISSUERS_RECORD: usize = 9 + IssuerKeys::MAX * 36;
const _: () = assert!(
    TOKENS_RECORD <= MAX_RECORD
        && DOORS_RECORD <= MAX_RECORD
        && INTENT_RECORD <= MAX_RECORD
        && COMPLETION_RECORD <= MAX_RECORD
        && ISSUERS_RECORD <= MAX_RECORD
        && NEWS_RECORD <= MAX_RECORD
);

/// A token or delegation as the journal remembers it: its 16-byte id folded to 8 bytes. Ids are drawn at random by
/// the issuer, who is trusted; two that fold alike would cost a customer an opening, never grant one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mark(pub(crate) u64);

impl Mark {
    pub(crate) fn of(id: &[u8; 16]) -> Self {
        let (high, low) = id.split_at(8);
        let half = |bytes: &[u8]| bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        Self(half(high) ^ half(low))
    }
}

/// What is written before a latch moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) token: TokenId,
    /// When the token's use need no longer be remembered.
    pub(crate) expires: Timestamp,
    /// The token names more than one door.
    pub(crate) several: bool,
    /// The delegation, if the opening is a guest's.
    pub(crate) delegation: Option<Guest>,
    pub(crate) door: Door,
    pub(crate) epoch: Epoch,
    pub(crate) operation: Operation,
    pub(crate) nonce: OperationNonce,
    pub(crate) handshake: [u8; 16],
    pub(crate) source: Source,
    /// The locker's time; also the new floor.
    pub(crate) at: Timestamp,
    pub(crate) clock: ClockState,
    /// The sensor said that the door stood open before anything moved.
    pub(crate) was_open: bool,
    /// Power failed since, before the outcome was known.
    pub(crate) interrupted: bool,
}

/// A delegation as an intent counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    pub(crate) mark: Mark,
    pub(crate) expires: Timestamp,
    /// It names more than one door.
    pub(crate) several: bool,
}

/// What is written when the door has answered, before the customer is; and once more when the door is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(crate) token: Mark,
    pub(crate) nonce: OperationNonce,
    pub(crate) door: Door,
    pub(crate) sequence: u32,
    pub(crate) outcome: Outcome,
    /// The locker's time at the end of the opening, or at the closing.
    pub(crate) at: Timestamp,
    /// The signed receipt.
    pub(crate) receipt: Vec<u8>,
}

/// A door's line in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DoorLine {
    pub(crate) door: Door,
    pub(crate) epoch: Epoch,
    /// PIN slots of this epoch that have ended.
    pub(crate) ended_slots: u8,
    pub(crate) last: Option<LastOpening>,
    pub(crate) opened: Option<Opened>,
}

/// The last receipt that said (or could not deny) that the door came open: what its closing receipt repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) token: TokenId,
    pub(crate) nonce: OperationNonce,
    pub(crate) handshake: [u8; 16],
    pub(crate) operation: Operation,
    pub(crate) source: Source,
    pub(crate) epoch: Epoch,
    /// Of its receipt.
    pub(crate) sequence: u32,
    /// Of the closing receipt, once there is one.
    pub(crate) closing: Option<u32>,
}

/// The last opening of a door, for the rule of reopening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastOpening {
    pub(crate) token: Mark,
    pub(crate) epoch: Epoch,
    /// Of the opening that is reopened, never [`Operation::Reopen`] itself.
    pub(crate) operation: Operation,
    pub(crate) at: Timestamp,
    pub(crate) reopens: u8,
    /// Power failed between latch and sensor: it may not have opened at all.
    pub(crate) unsure: bool,
    /// What the content sensor said once it was closed again; none before that, and without a sensor.
    pub(crate) inside: Option<bool>,
}

impl LastOpening {
    /// Beside the number of reopenings in their byte. The firmware before wrote the number alone.
    const UNSURE: u8 = 1 << 7;
    const ABSENT: u8 = 1 << 6;
    const PRESENT: u8 = 1 << 5;
    const REOPENS: u8 = Self::PRESENT - 1;

    fn reopens_and_flags(&self) -> u8 {
        let inside = match self.inside {
            None => 0,
            Some(false) => Self::ABSENT,
            Some(true) => Self::PRESENT,
        };
        self.reopens.min(Self::REOPENS) | if self.unsure { Self::UNSURE } else { 0 } | inside
    }

    fn inside(flags: u8) -> Option<bool> {
        (flags & (Self::ABSENT | Self::PRESENT) != 0).then_some(flags & Self::PRESENT != 0)
    }
}

/// A token's line in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenLine {
    pub(crate) mark: Mark,
    pub(crate) expires: u32,
    /// Uses that are counted.
    pub(crate) used: u8,
    /// [`crate::ledger::Flags`].
    pub(crate) flags: u8,
    /// At which it was first used.
    pub(crate) door: Door,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The machine was switched on.
    Boot(u32),
    /// It is at least this late.
    Floor(Timestamp),
    /// Verified epochs, and PIN slots that have ended in them.
    Epochs(Vec<DoorNews>),
    /// A latch is about to move.
    Intent(Intent),
    /// In a snapshot: an intent whose outcome is not known yet, and which the token table counts already.
    Pending(Intent),
    /// An opening came to its end.
    Completion(Completion),
    /// In a snapshot: the same, kept for its receipt alone; the tables count it already.
    Archived(Completion),
    /// The issuers trusted from now on, and when the bulletin that said so was signed.
    Issuers { at: Timestamp, keys: Vec<(KeyId, [u8; 32])> },
    /// Wrong PINs that have not been forgotten, this one included: written before the digits are compared.
    PinFailures(u16),
    /// In a snapshot: token table.
    Tokens(Vec<TokenLine>),
    /// In a snapshot: door table.
    Doors(Vec<DoorLine>),
    /// In a snapshot: the end of the receipt chain.
    Chain { sequence: u32, previous: [u8; 16] },
    /// The hub has corrected the clock: the floor is this, also where it falls, and the wall clock is off by so many
    /// seconds.
    Corrected { floor: Timestamp, offset: i64 },
    /// Number of the newest bulletin, and every revocation that it has.
    News { number: u32, revoked: Vec<Revocation> },
    /// In a snapshot: of every token whose use is no longer remembered, the latest end.
    Forgotten(u32),
    /// When the bulletin of the last [`Self::News`] was signed, or a later one that says the same. Firmware that passes it over
    /// takes no second bulletin of the same number, as before there was this record.
    NewsAt(Timestamp),
    /// When the newest bulletin was signed that named issuers without changing them. Firmware that passes it over may be told
    /// by an older one, as before there was this record.
    IssuersNamedAt(Timestamp),
}

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Record {
    /// The record's kind, by which [`Self::decode`] knows it.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Boot(_) => KIND_BOOT,
            Self::Floor(_) => 2,
            Self::Epochs(_) => 3,
            Self::Intent(_) => 4,
            Self::Pending(_) => 5,
            Self::Completion(_) => KIND_COMPLETION,
            Self::Issuers { .. } => 7,
            Self::PinFailures(_) => 8,
            Self::Tokens(_) => 9,
            Self::Doors(_) => 10,
            Self::Chain { .. } => 11,
            Self::Archived(_) => KIND_ARCHIVED,
            Self::Corrected { .. } => 13,
            Self::News { .. } => 14,
            Self::Forgotten(_) => 15,
            Self::NewsAt(_) => KIND_NEWS_AT,
            Self::IssuersNamedAt(_) => KIND_ISSUERS_NAMED_AT,
        }
    }

    /// Appends the payload.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Boot(boot) => out.extend(boot.to_le_bytes()),
            Self::Floor(at) | Self::NewsAt(at) | Self::IssuersNamedAt(at) => out.extend(at.0.to_le_bytes()),
            Self::Epochs(epochs) => {
                out.push(length(epochs.len()));
                for news in epochs {
                    out.extend(news.door.0.to_le_bytes());
                    out.extend(news.epoch.0.to_le_bytes());
                    out.push(news.ended_slots);
                }
            }
            Self::Intent(intent) | Self::Pending(intent) => encode_intent(intent, out),
            Self::Completion(completion) | Self::Archived(completion) => {
                out.extend(completion.token.0.to_le_bytes());
                out.extend(completion.nonce.0);
                out.extend(completion.door.0.to_le_bytes());
                out.extend(completion.sequence.to_le_bytes());
                out.push(completion.outcome as u8);
                out.extend(completion.at.0.to_le_bytes());
                out.extend(&completion.receipt);
            }
            Self::Issuers { at, keys } => {
                out.extend(at.0.to_le_bytes());
                out.push(length(keys.len()));
                for (id, key) in keys {
                    out.extend(id.0.to_le_bytes());
                    out.extend(key);
                }
            }
            Self::PinFailures(failures) => out.extend(failures.to_le_bytes()),
            Self::Tokens(tokens) => {
                out.push(length(tokens.len()));
                for token in tokens {
                    out.extend(token.mark.0.to_le_bytes());
                    out.extend(token.expires.to_le_bytes());
                    out.extend([token.used, token.flags]);
                    out.extend(token.door.0.to_le_bytes());
                }
            }
            Self::Doors(doors) => {
                out.push(length(doors.len()));
                for line in doors {
                    out.extend(line.door.0.to_le_bytes());
                    out.extend(line.epoch.0.to_le_bytes());
                    out.push(line.ended_slots);
                    out.push(u8::from(line.last.is_some()));
                    if let Some(last) = &line.last {
                        out.extend(last.token.0.to_le_bytes());
                        out.extend(last.epoch.0.to_le_bytes());
                        out.push(last.operation as u8);
                        out.extend(last.at.0.to_le_bytes());
                        out.push(last.reopens_and_flags());
                    }
                    out.push(u8::from(line.opened.is_some()));
                    if let Some(opened) = &line.opened {
                        out.extend(opened.token.0);
                        out.extend(opened.nonce.0);
                        out.extend(opened.handshake);
                        out.extend([opened.operation as u8, opened.source as u8]);
                        out.extend(opened.epoch.0.to_le_bytes());
                        out.extend(opened.sequence.to_le_bytes());
                        encode_option(opened.closing.map(u64::from), out);
                    }
                }
            }
            Self::Chain { sequence, previous } => {
                out.extend(sequence.to_le_bytes());
                out.extend(previous);
            }
            Self::Corrected { floor, offset } => {
                out.extend(floor.0.to_le_bytes());
                out.extend(offset.to_le_bytes());
            }
            Self::News { number, revoked } => {
                out.extend(number.to_le_bytes());
                out.push(length(revoked.len()));
                for revocation in revoked {
                    out.push(revocation.kind as u8);
                    out.extend(revocation.name);
                    // Times of the protocol stay below 2^40.
                    out.extend(&revocation.at.0.to_le_bytes()[..5]);
                }
            }
            Self::Forgotten(until) => out.extend(until.to_le_bytes()),
        }
    }

    /// The record of that kind in these bytes, all of them.
    pub(crate) fn decode(kind: u8, payload: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Bytes(payload);
        let record = match kind {
            KIND_BOOT => Self::Boot(bytes.u32()?),
            2 => Self::Floor(Timestamp(bytes.u64()?)),
            3 => Self::Epochs(bytes.many(|b| {
                Ok(DoorNews { door: Door(b.u16()?), epoch: Epoch(b.u32()?), ended_slots: b.u8()? })
            })?),
            4 => Self::Intent(decode_intent(&mut bytes)?),
            5 => Self::Pending(decode_intent(&mut bytes)?),
            KIND_COMPLETION => Self::Completion(decode_completion(&mut bytes)?),
            KIND_ARCHIVED => Self::Archived(decode_completion(&mut bytes)?),
            7 => Self::Issuers {
                at: Timestamp(bytes.u64()?),
                keys: bytes.many(|b| Ok((KeyId(b.u32()?), b.array()?)))?,
            },
            8 => Self::PinFailures(bytes.u16()?),
            9 => Self::Tokens(bytes.many(|b| {
                Ok(TokenLine {
                    mark: Mark(b.u64()?),
                    expires: b.u32()?,
                    used: b.u8()?,
                    flags: b.u8()?,
                    door: Door(b.u16()?),
                })
            })?),
            10 => Self::Doors(bytes.many(decode_door)?),
            11 => Self::Chain { sequence: bytes.u32()?, previous: bytes.array()? },
            13 => Self::Corrected {
                floor: Timestamp(bytes.u64()?),
                offset: bytes.array().map(i64::from_le_bytes)?,
            },
            14 => Self::News {
                number: bytes.u32()?,
                revoked: bytes.many(|b| {
                    let kind = RevocationKind::try_from(b.u8()?).or(Err(Malformed))?;
                    let name = b.array()?;
                    let [a, b, c, d, e] = b.array()?;
                    Ok(Revocation { kind, name, at: Timestamp(u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])) })
                })?,
            },
            15 => Self::Forgotten(bytes.u32()?),
            KIND_NEWS_AT => Self::NewsAt(Timestamp(bytes.u64()?)),
            KIND_ISSUERS_NAMED_AT => Self::IssuersNamedAt(Timestamp(bytes.u64()?)),
            _ => return Err(Malformed),
        };
        if bytes.0.is_empty() { Ok(record) } else { Err(Malformed) }
    }
}

/// Kind of [`Record::Boot`], the first thing after a torn write.
pub(crate) const KIND_BOOT: u8 = 1;
/// Kind of [`Record::Completion`], which carries a receipt.
pub(crate) const KIND_COMPLETION: u8 = 6;
/// Kind of [`Record::NewsAt`].
const KIND_NEWS_AT: u8 = IGNORABLE | 16;
/// Kind of [`Record::IssuersNamedAt`].
const KIND_ISSUERS_NAMED_AT: u8 = IGNORABLE | 17;
/// Kind of [`Record::Archived`].
pub(crate) const KIND_ARCHIVED: u8 = 12;

/// The receipt's sequence in the payload of a completion.
pub(crate) fn sequence(payload: &[u8]) -> Option<u32> {
    payload.get(18..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn length(count: usize) -> u8 {
    u8::try_from(count).expect("tables are cut into chunks of at most 16")
}

fn encode_option(value: Option<u64>, out: &mut Vec<u8>) {
    out.push(u8::from(value.is_some()));
    out.extend(value.unwrap_or_default().to_le_bytes());
}

fn encode_intent(intent: &Intent, out: &mut Vec<u8>) {
    out.extend(intent.token.0);
    out.extend(intent.expires.0.to_le_bytes());
    encode_option(intent.delegation.map(|guest| guest.mark.0), out);
    out.extend(intent.delegation.map_or(0, |guest| guest.expires.0).to_le_bytes());
    out.extend(intent.door.0.to_le_bytes());
    out.extend(intent.epoch.0.to_le_bytes());
    out.push(intent.operation as u8);
    out.extend(intent.nonce.0);
    out.extend(intent.handshake);
    out.push(intent.source as u8);
    out.extend(intent.at.0.to_le_bytes());
    let guest_several = intent.delegation.is_some_and(|guest| guest.several);
    let flags = u8::from(intent.was_open)
        | u8::from(intent.several) << 1
        | u8::from(guest_several) << 2
        | u8::from(intent.interrupted) << 3;
    out.extend([intent.clock as u8, flags]);
}

fn decode_intent(bytes: &mut Bytes<'_>) -> Result<Intent, Malformed> {
    let token = TokenId(bytes.array()?);
    let expires = Timestamp(bytes.u64()?);
    let mark = bytes.option()?.map(Mark);
    let mark_expires = Timestamp(bytes.u64()?);
    let mut intent = Intent {
        token,
        expires,
        several: false,
        delegation: mark.map(|mark| Guest { mark, expires: mark_expires, several: false }),
        door: Door(bytes.u16()?),
        epoch: Epoch(bytes.u32()?),
        operation: bytes.operation()?,
        nonce: OperationNonce(bytes.array()?),
        handshake: bytes.array()?,
        source: Source::try_from(bytes.u8()?).or(Err(Malformed))?,
        at: Timestamp(bytes.u64()?),
        clock: ClockState::try_from(bytes.u8()?).or(Err(Malformed))?,
        was_open: false,
        interrupted: false,
    };
    let flags = bytes.u8()?;
    if flags > 0b1111 || (flags & 0b100 != 0 && intent.delegation.is_none()) {
        return Err(Malformed);
    }
    (intent.was_open, intent.several) = (flags & 1 != 0, flags & 0b10 != 0);
    intent.interrupted = flags & 0b1000 != 0;
    if let Some(guest) = &mut intent.delegation {
        guest.several = flags & 0b100 != 0;
    }
    Ok(intent)
}

fn decode_completion(bytes: &mut Bytes<'_>) -> Result<Completion, Malformed> {
    Ok(Completion {
        token: Mark(bytes.u64()?),
        nonce: OperationNonce(bytes.array()?),
        door: Door(bytes.u16()?),
        sequence: bytes.u32()?,
        outcome: Outcome::try_from(bytes.u8()?).or(Err(Malformed))?,
        at: Timestamp(bytes.u64()?),
        receipt: bytes.rest().to_vec(),
    })
}

fn decode_door(bytes: &mut Bytes<'_>) -> Result<DoorLine, Malformed> {
    Ok(DoorLine {
        door: Door(bytes.u16()?),
        epoch: Epoch(bytes.u32()?),
        ended_slots: bytes.u8()?,
        last: if bytes.flag()? { Some(decode_last(bytes)?) } else { None },
        opened: if bytes.flag()? {
            Some(Opened {
                token: TokenId(bytes.array()?),
                nonce: OperationNonce(bytes.array()?),
                handshake: bytes.array()?,
                operation: bytes.operation()?,
                source: Source::try_from(bytes.u8()?).or(Err(Malformed))?,
                epoch: Epoch(bytes.u32()?),
                sequence: bytes.u32()?,
                closing: match bytes.option()? {
                    Some(sequence) => Some(u32::try_from(sequence).or(Err(Malformed))?),
                    None => None,
                },
            })
        } else {
            None
        },
    })
}

fn decode_last(bytes: &mut Bytes<'_>) -> Result<LastOpening, Malformed> {
    let (token, epoch) = (Mark(bytes.u64()?), Epoch(bytes.u32()?));
    let (operation, at) = (bytes.operation()?, Timestamp(bytes.u64()?));
    let flags = bytes.u8()?;
    Ok(LastOpening {
        token,
        epoch,
        operation,
        at,
        reopens: flags & LastOpening::REOPENS,
        unsure: flags & LastOpening::UNSURE != 0,
        inside: LastOpening::inside(flags),
    })
}

/// Bytes that are taken from the front.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (front, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*front)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    fn operation(&mut self) -> Result<Operation, Malformed> {
        Operation::try_from(self.u8()?).or(Err(Malformed))
    }

    fn option(&mut self) -> Result<Option<u64>, Malformed> {
        let present = self.flag()?;
        let value = self.u64()?;
        Ok(present.then_some(value))
    }

    fn many<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.u8()?;
        (0..count).map(|_| one(self)).collect()
    }

    fn rest(&mut self) -> &[u8] {
        core::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn largest() -> [(Record, usize); 6] {
        let time = Timestamp((1 << 40) - 1);
        let intent = Intent {
            token: TokenId([1; 16]),
            expires: time,
            several: true,
            delegation: Some(Guest { mark: Mark(u64::MAX), expires: time, several: true }),
            door: Door(u16::MAX),
            epoch: Epoch(u32::MAX),
            operation: Operation::Access,
            nonce: OperationNonce([2; 8]),
            handshake: [3; 16],
            source: Source::Scanner,
            at: time,
            clock: ClockState::Unset,
            was_open: true,
            interrupted: true,
        };
        let completion = Completion {
            token: Mark(u64::MAX),
            nonce: OperationNonce([2; 8]),
            door: Door(u16::MAX),
            sequence: u32::MAX,
            outcome: Outcome::ClosedAbsent,
            at: time,
            receipt: vec![4; MAX_RECEIPT],
        };
        let line = DoorLine {
            door: Door(u16::MAX),
            epoch: Epoch(u32::MAX),
            ended_slots: 15,
            last: Some(LastOpening {
                token: Mark(u64::MAX),
                epoch: Epoch(u32::MAX),
                operation: Operation::Deposit,
                at: time,
                reopens: 3,
                unsure: true,
                inside: Some(true),
            }),
            opened: Some(Opened {
                token: TokenId([1; 16]),
                nonce: OperationNonce([2; 8]),
                handshake: [3; 16],
                operation: Operation::Reopen,
                source: Source::Pin,
                epoch: Epoch(u32::MAX),
                sequence: u32::MAX,
                closing: Some(u32::MAX),
            }),
        };
        let token = TokenLine {
            mark: Mark(u64::MAX),
            expires: u32::MAX,
            used: 255,
            flags: 0x7F,
            door: Door(u16::MAX),
        };
        let revocation = Revocation { kind: RevocationKind::Device, name: [5; 16], at: time };
        [
            (Record::Intent(intent), INTENT_RECORD),
            (Record::Completion(completion), COMPLETION_RECORD),
            (Record::Doors(vec![line; DOOR_CHUNK]), DOORS_RECORD),
            (Record::Tokens(vec![token; CHUNK]), TOKENS_RECORD),
            (Record::News { number: u32::MAX, revoked: vec![revocation; MAX_REVOKED] }, NEWS_RECORD),
            (
                Record::Issuers { at: time, keys: vec![(KeyId(u32::MAX), [6; 32]); IssuerKeys::MAX] },
                ISSUERS_RECORD,
            ),
        ]
    }

    /// The sizes that the flash is measured by are those of the longest records, and every record comes back.
    #[test]
    fn records_are_no_longer_than_stated() {
        for (record, stated) in largest() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!(bytes.len(), stated, "{record:?}");
            assert_eq!(Record::decode(record.kind(), &bytes), Ok(record));
            for cut in 0..bytes.len() {
                let _ = Record::decode(6, &bytes[..cut]);
                assert!(Record::decode(5, &bytes[..cut.min(INTENT_RECORD - 1)]).is_err());
            }
        }
        let short = [
            Record::Corrected { floor: Timestamp(7), offset: -9 },
            Record::Forgotten(8),
            Record::NewsAt(Timestamp(9)),
            Record::IssuersNamedAt(Timestamp(10)),
        ];
        for record in short {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!(Record::decode(record.kind(), &bytes), Ok(record));
        }
    }

    /// Kinds of this firmware are none that an older one would pass over by mistake.
    #[test]
    fn kinds_without_which_nothing_may_open_are_not_ignorable() {
        for (record, _) in largest() {
            assert_eq!(record.kind() & IGNORABLE, 0);
        }
    }
}
