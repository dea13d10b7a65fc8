//! Connections: who is greeted, who has a session, who is kept waiting, who has to go.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use postern_protocol::{
    DeviceKey, Door, Reply,
    frame::{self, Reassembler, Tag},
    locker_side::{Greeting, Session},
};

use crate::{Connection, Output, Uptime};

/// OPEN must be there this many milliseconds after HELLO; a central that has not subscribed has as long.
pub(crate) const HANDSHAKE: u64 = 5_000;
/// A gap of this many milliseconds within a message ends the connection.
pub(crate) const FRAGMENT_GAP: u64 = 1_000;
/// A session in which nothing useful is asked ends after so many milliseconds …
pub(crate) const IDLE: u64 = 30_000;
/// … and after so many while a door that it opened stands open.
pub(crate) const IDLE_AT_OPEN_DOOR: u64 = 120_000;
/// A connection may have to make room for a new one after so many milliseconds without a useful request.
const GRACE: u64 = 1_000;
/// A session that has lasted so many milliseconds may have to make room, however useful it is: nobody needs as long while
/// others wait, and devices of one person look like those of several.
const LONGEST: u64 = 120_000;
/// A read of TX returns HELLO in one frame: an attribute holds no more.
const ATTRIBUTE: usize = 512;

/// How far a connection is.
pub(crate) enum State {
    /// Not subscribed yet.
    Connected,
    /// Greeted; the greeting is gone once it was tried.
    Greeted { greeting: Option<Box<Greeting>>, hello: Vec<u8>, at: Uptime },
    /// OPEN was good.
    Open(Box<Conversation>),
    /// Found guessing: it is heard no more, and gets its answer late.
    Penalised { answer: Option<Vec<u8>>, until: Uptime },
}

/// A session and what became of it.
pub(crate) struct Conversation {
    pub(crate) session: Session,
    /// When it was greeted.
    pub(crate) greeted: Uptime,
    /// The last useful request, by a holder whose token was good for something at that moment; or the beginning.
    pub(crate) last: Uptime,
    /// Whose request that was; none before the first, and after one that was of no use.
    pub(crate) party: Option<Party>,
    /// Doors that this session has opened, for events.
    pub(crate) doors: Vec<Door>,
    /// Requests by proven holders that were refused.
    pub(crate) refused: u8,
    /// Until when everything is refused.
    pub(crate) throttled: Option<Uptime>,
}

/// Who asks: the device that proved possession, and the one whose token it is. They differ for a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Party {
    pub(crate) device: DeviceKey,
    pub(crate) owner: DeviceKey,
}

/// How little a connection is missed when one has to make room: the higher goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// It waits at an open door.
    AtDoor,
    /// So does this one, and its owner or another of the owner's guests has a newer connection.
    DoubledAtDoor,
    /// It has been of use.
    Useful,
    /// It is of use, and its owner or another of the owner's guests has a newer connection.
    Doubled,
    /// Nothing has been proven, or its last request was of no use.
    Useless,
    /// The same device has a newer connection.
    Left,
}

/// One connection.
pub(crate) struct Link {
    pub(crate) connection: Connection,
    pub(crate) max_frame: usize,
    pub(crate) state: State,
    tag: Tag,
    since: Uptime,
    reassembler: Reassembler,
    fragment_at: Uptime,
}

impl Link {
    pub(crate) fn new(connection: Connection, max_frame: usize, tag: Tag, now: Uptime) -> Self {
        Self {
            connection,
            max_frame,
            state: State::Connected,
            tag,
            since: now,
            reassembler: Reassembler::with_tag(tag),
            fragment_at: now,
        }
    }

    pub(crate) const fn tag(&self) -> Tag {
        self.tag
    }

    /// Takes a frame; a whole message if it was the last.
    pub(crate) fn frame(&mut self, frame: &[u8], now: Uptime) -> Result<Option<Vec<u8>>, frame::FrameError> {
        if self.reassembler.is_partial() && now.since(self.fragment_at) > FRAGMENT_GAP {
            self.reassembler.reset();
            return Err(frame::FrameError::Sequence);
        }
        self.fragment_at = now;
        self.reassembler.push(frame)
    }

    /// Hands a message out in frames.
    pub(crate) fn send(&self, message: &[u8], output: &mut VecDeque<Output>) {
        let connection = self.connection;
        output.extend(
            frame::fragments(message, self.tag, self.max_frame)
                .map(|frame| Output::Send { connection, frame }),
        );
    }

    /// HELLO as a read of TX returns it.
    pub(crate) fn hello_frame(&self) -> Vec<u8> {
        match &self.state {
            State::Greeted { hello, .. } => {
                frame::fragments(hello, self.tag, ATTRIBUTE).next().unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// Encrypts and hands out a reply, if there is a session.
    pub(crate) fn reply(&mut self, reply: &Reply, output: &mut VecDeque<Output>) {
        if let State::Open(conversation) = &mut self.state
            && let Ok(message) = conversation.session.seal(reply)
        {
            self.send(&message, output);
        }
    }

    /// Stops listening, and answers (if at all) only then.
    pub(crate) fn penalise(&mut self, reply: Option<&Reply>, until: Uptime) {
        let answer = match (&mut self.state, reply) {
            (State::Open(conversation), Some(reply)) => conversation.session.seal(reply).ok(),
            _ => None,
        };
        self.state = State::Penalised { answer, until };
    }

    /// When the connection ends if nothing happens. `at_door`: a door that it opened is open or opening.
    pub(crate) fn deadline(&self, at_door: bool) -> Uptime {
        let state = match &self.state {
            State::Connected => self.since.plus(HANDSHAKE),
            State::Greeted { at, .. } => at.plus(HANDSHAKE),
            State::Open(conversation) => {
                conversation.last.plus(if at_door { IDLE_AT_OPEN_DOOR } else { IDLE })
            }
            State::Penalised { until, .. } => return *until,
        };
        // One more than the last moment that is still in time.
        let state = state.plus(1);
        if self.reassembler.is_partial() { state.min(self.fragment_at.plus(FRAGMENT_GAP + 1)) } else { state }
    }

    /// Since when it is of no use.
    fn useful_at(&self) -> Uptime {
        match &self.state {
            State::Open(conversation) => conversation.last,
            _ => self.since,
        }
    }

    /// Who has proven a token that is good for something.
    fn party(&self) -> Option<Party> {
        match &self.state {
            State::Open(conversation) => conversation.party,
            _ => None,
        }
    }

    /// Whether this connection has to make room when all places are taken, and before which others. `newer` are those that
    /// were made after it: one device, and one owner with all guests, has a claim to its newest alone, whatever it asks on
    /// the others.
    pub(crate) fn dispensable(&self, newer: &[Self], at_door: bool, now: Uptime) -> Option<(Rank, u64)> {
        let age = now.since(self.useful_at());
        let Some(party) = self.party() else { return (age >= GRACE).then_some((Rank::Useless, age)) };
        let newer = || newer.iter().filter_map(Self::party);
        let left = newer().any(|other| other.device == party.device);
        let doubled = newer().any(|other| other.owner == party.owner);
        let rank = match (left, doubled, at_door) {
            (true, ..) => Rank::Left,
            (_, true, true) => Rank::DoubledAtDoor,
            (_, true, false) => Rank::Doubled,
            (.., true) => Rank::AtDoor,
            (.., false) => Rank::Useful,
        };
        (left || doubled || age >= GRACE || self.has_lasted(now)).then_some((rank, age))
    }

    fn has_lasted(&self, now: Uptime) -> bool {
        matches!(&self.state, State::Open(conversation) if now.since(conversation.greeted) >= LONGEST)
    }
}

/// Slows down guessing without slowing down anybody else: whoever guessed waits for the answer, the longer the more
/// was guessed lately. One guess is forgotten every ten seconds.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    recent: u32,
    counted: Uptime,
}

impl Throttle {
    const FIRST: u64 = 250;
    const DOUBLINGS: u32 = 4;
    const FORGET: u64 = 10_000;

    /// Counts a guess; how many milliseconds the guesser waits.
    pub(crate) fn guessed(&mut self, now: Uptime) -> u64 {
        let forgotten = now.since(self.counted) / Self::FORGET;
        self.recent = self.recent.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX));
        if forgotten > 0 || self.recent == 0 {
            self.counted = now;
        }
        let wait = Self::FIRST << self.recent.min(Self::DOUBLINGS);
        self.recent = (self.recent + 1).min(60);
        wait
    }
}
