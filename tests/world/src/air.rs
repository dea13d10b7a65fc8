//! Links between somebody on the air and a locker: frames take their time, links break, impostors answer.

use postern_locker::Connection;
use postern_protocol::{
    LockerKeys,
    frame::{Reassembler, Tag, fragments},
    locker_side::Greeting,
};

/// Who is at the phone's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A customer's app, by its dial.
    Phone {
        /// Whose.
        customer: usize,
        /// The app's start.
        incarnation: u32,
        /// The core's number.
        attempt: u64,
    },
    /// An agent.
    Agent(usize),
}

/// What is at the locker's end.
pub enum Far {
    /// The firmware, by its connection and the boot in which it was made.
    Locker {
        /// The number.
        connection: Connection,
        /// The boot.
        boot: u32,
    },
    /// Something with the locker's name. It keeps what it is told.
    Impostor {
        /// Its side of the handshake, until OPEN.
        greeting: Option<Box<Greeting>>,
        /// Its idea of the locker's keys.
        keys: Box<LockerKeys>,
        /// Frames that it was sent.
        heard: Reassembler,
    },
}

/// A link.
pub struct Link {
    /// The phone's end.
    pub who: Who,
    /// Which locker it is, or claims to be.
    pub locker: usize,
    /// The locker's end.
    pub far: Far,
    /// It stands.
    pub up: bool,
    /// The locker has ended it; its last frames may still be on their way.
    pub ended: bool,
    /// Milliseconds a frame takes.
    pub latency: u64,
    /// Most bytes of a frame.
    pub max_frame: usize,
    /// It breaks after so many frames more.
    pub cut: Option<u32>,
    /// Whole messages that went to the locker.
    pub sent: Vec<Vec<u8>>,
    inbox: Reassembler,
}

impl Link {
    /// A link that has just come up.
    pub fn new(who: Who, locker: usize, far: Far, latency: u64, max_frame: usize, cut: Option<u32>) -> Self {
        Self {
            who,
            locker,
            far,
            up: true,
            ended: false,
            latency,
            max_frame,
            cut,
            sent: Vec::new(),
            inbox: Reassembler::new(),
        }
    }

    /// Counts one frame; false when the link breaks before it arrives.
    pub fn carries(&mut self) -> bool {
        match &mut self.cut {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    /// The phone's end got a frame; whole messages come out. `None` in case of a broken rule.
    pub fn hear(&mut self, frame: &[u8]) -> Option<Option<Vec<u8>>> {
        self.inbox.push(frame).ok()
    }

    /// Cuts a message of the phone's end into frames.
    pub fn cut_up(&mut self, message: Vec<u8>) -> Vec<Vec<u8>> {
        let tag = self.inbox.tag().unwrap_or(Tag(0));
        let frames = fragments(&message, tag, self.max_frame).collect();
        self.sent.push(message);
        frames
    }
}
