//! A link between a central and the firmware, as fate leaves it.

use std::{cmp::Reverse, collections::BinaryHeap};

use postern_protocol::frame::MAX_FRAME;

use crate::{
    fate::{AirFate, Direction, DropAfter, TooLong},
    log::Ender,
};

/// ATT error: invalid attribute value length.
pub(crate) const TOO_LONG: u8 = 0x0D;
/// Octets of ATT header in a write or notification.
const ATT_HEADER: u16 = 3;
/// Header bit of a first fragment (PROTOCOL.md, frames).
const FIRST: u8 = 0x80;
/// First byte of a HELLO.
const HELLO: u8 = 0x01;

/// A message that a first fragment announces: its kind, and how many octets it has.
pub(crate) type Announced = (&'static str, usize);

/// What a central does on its link.
#[derive(Debug, PartialEq)]
pub(crate) enum Crossing {
    Subscribe,
    Read,
    Write(Vec<u8>),
}

/// Something that happens on a link at its time.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    Connect,
    Arrive(Crossing),
    Deliver(Vec<u8>),
    Cut(Ender),
}

/// One link.
#[derive(Debug)]
pub struct Link {
    /// ATT MTU as announced to the central.
    pub(crate) announced: u16,
    /// ATT MTU that really goes through, and what becomes of longer writes.
    carried: u16,
    too_long: TooLong,
    frames_in: u32,
    frames_out: u32,
    drop_after: Option<DropAfter>,
    lose: Option<u32>,
    losing_hello: bool,
    /// Frames never overtake each other, whatever their delay.
    last: [u64; 2],
    kinds: [Option<&'static str>; 2],
}

impl Link {
    pub(crate) fn new(announced: u16, fate: &AirFate) -> Self {
        Self {
            announced,
            carried: fate.true_mtu.map_or(announced, |carried| carried.min(announced)),
            too_long: fate.too_long,
            frames_in: 0,
            frames_out: 0,
            drop_after: fate.drop_after,
            lose: fate.lose_notification,
            losing_hello: false,
            last: [0; 2],
            kinds: [None; 2],
        }
    }

    /// The ATT MTU became known; the new largest frame if that changes it.
    pub(crate) fn mtu_known(&mut self, mtu: u16, fate: &AirFate) -> Option<usize> {
        if mtu == self.announced || !(23..=517).contains(&mtu) {
            return None;
        }
        self.announced = mtu;
        self.carried = fate.true_mtu.map_or(mtu, |carried| carried.min(mtu));
        Some(self.max_frame())
    }

    /// The most that a notification carries: the locker knows its own radio.
    pub(crate) fn max_frame(&self) -> usize {
        usize::from(self.carried - ATT_HEADER).min(MAX_FRAME)
    }

    /// Frames in and out so far.
    #[must_use]
    pub fn frames(&self) -> (u32, u32) {
        (self.frames_in, self.frames_out)
    }

    /// Kinds of the last messages in and out.
    #[must_use]
    pub fn kinds(&self) -> [Option<&'static str>; 2] {
        self.kinds
    }

    /// ATT MTU as announced.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        self.announced
    }

    pub(crate) fn in_order(&mut self, direction: Direction, at: u64) -> u64 {
        let last = &mut self.last[direction as usize];
        *last = at.max(*last);
        *last
    }

    /// Counts a frame from the central, or refuses it.
    pub(crate) fn inbound(&mut self, mut frame: Vec<u8>) -> Result<(Vec<u8>, Option<Announced>), ()> {
        let most = self.max_frame();
        if frame.len() > most {
            // A stack that honours its MTU never sends this; one that lies about it decides here.
            if self.too_long == TooLong::Refused || frame.len() > usize::from(self.announced - ATT_HEADER) {
                return Err(());
            }
            frame.truncate(most);
        }
        self.frames_in += 1;
        let message = message(&frame);
        if let Some((kind, _)) = message {
            self.kinds[Direction::ToLocker as usize] = Some(kind);
        }
        Ok((frame, message))
    }

    /// Counts a frame to the central; whether it is lost.
    pub(crate) fn outbound(&mut self, frame: &[u8], fate: &mut AirFate) -> (Option<Announced>, bool) {
        self.frames_out += 1;
        let message = message(frame);
        if let Some((kind, _)) = message {
            self.kinds[Direction::ToPhone as usize] = Some(kind);
        }
        if frame.first().is_some_and(|header| header & FIRST != 0) {
            self.losing_hello = frame.get(4) == Some(&HELLO) && fate.lose_hellos > 0;
            if self.losing_hello {
                fate.lose_hellos -= 1;
            }
        }
        let chosen = self.lose == Some(self.frames_out);
        if chosen {
            fate.lose_notification = None;
        }
        (message, self.losing_hello || chosen)
    }

    /// Whether the frame that was counted last arrives, seeing that the link may be cut there.
    pub(crate) fn survives(&self, direction: Direction) -> bool {
        let count = self.count(direction);
        self.drop_after.is_none_or(|drop| {
            drop.direction != direction || count < drop.frame || (count == drop.frame && drop.delivered)
        })
    }

    /// Fate cuts the link now.
    pub(crate) fn is_due(&self) -> bool {
        self.drop_after.is_some_and(|drop| self.count(drop.direction) >= drop.frame)
    }

    fn count(&self, direction: Direction) -> u32 {
        match direction {
            Direction::ToLocker => self.frames_in,
            Direction::ToPhone => self.frames_out,
        }
    }
}

/// What a first fragment says of its message.
fn message(frame: &[u8]) -> Option<Announced> {
    let &[header, _tag, high, low, kind, ..] = frame else { return None };
    if header & FIRST == 0 {
        return None;
    }
    let name = match kind {
        HELLO => "HELLO",
        0x02 => "OPEN",
        0x03 => "REQUEST",
        0x04 => "REPLY",
        _ => "?",
    };
    Some((name, usize::from(u16::from_be_bytes([high, low]))))
}

/// What happens when, in order.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Reverse<Planned>>,
    count: u64,
}

#[derive(Debug)]
struct Planned {
    at: u64,
    number: u64,
    link: u16,
    step: Step,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Planned {}
impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl Schedule {
    pub(crate) fn add(&mut self, at: u64, link: u16, step: Step) {
        self.count += 1;
        self.heap.push(Reverse(Planned { at, number: self.count, link, step }));
    }

    pub(crate) fn due(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(planned)| planned.at)
    }

    pub(crate) fn pop(&mut self, now: u64) -> Option<(u16, Step)> {
        if self.due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(planned)| (planned.link, planned.step))
    }

    pub(crate) fn forget(&mut self, link: u16) {
        self.heap.retain(|Reverse(planned)| planned.link != link);
    }
}
