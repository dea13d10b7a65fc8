//! Fragments: how a message crosses an ATT link of any MTU (PROTOCOL.md, "Frames").

use alloc::vec::Vec;

/// Longest message, in bytes.
pub const MAX_MESSAGE: usize = 1024;
/// Smallest frame that every link carries: ATT MTU 23 less the three bytes of the ATT header.
pub const MIN_FRAME: usize = 20;
/// Largest frame, whatever the MTU: an attribute value has at most 512 bytes (Core Specification, Vol 3, Part F, 3.2.9),
/// and BlueZ counts the two of the handle with a write (its issue 570).
pub const MAX_FRAME: usize = 510;
/// First byte of a HELLO: the only message by which a phone may learn its tag.
const HELLO: u8 = crate::message::kind::HELLO;

const FIRST: u8 = 0x80;
const LAST: u8 = 0x40;
const SEQUENCE: u8 = 0x3f;
/// Header and tag.
const HEADER: usize = 2;
/// The length field of a first fragment.
const LENGTH: usize = 2;

/// Tells the frames of one connection from those of another. The locker chooses it, distinct among its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u8);

/// A broken framing rule. Each ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Shorter than its header, or a fragment without a byte of the message.
    #[error("frame too short")]
    Short,
    /// The message is empty or longer than [`MAX_MESSAGE`].
    #[error("message length out of range")]
    Length,
    /// A fragment is missing, repeated or out of turn.
    #[error("fragment out of sequence")]
    Sequence,
    /// More bytes than announced, or the last fragment came before all of them.
    #[error("message does not have the length announced")]
    Mismatch,
}

/// Cuts a message into frames of at most `max_frame` bytes (ATT MTU less 3, brought within [`MIN_FRAME`] and
/// [`MAX_FRAME`]). A message that fits is one frame. Yields nothing for a message that is empty or longer than
/// [`MAX_MESSAGE`]: this crate makes none.
pub fn fragments(message: &[u8], tag: Tag, max_frame: usize) -> impl Iterator<Item = Vec<u8>> {
    let max_frame = max_frame.clamp(MIN_FRAME, MAX_FRAME);
    let mut rest = if message.len() > MAX_MESSAGE { &[][..] } else { message };
    // The length fits: MAX_MESSAGE is below 2^16.
    let total = (message.len() as u16).to_be_bytes();
    let mut sequence = 0;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let first = sequence == 0;
        let overhead = if first { HEADER + LENGTH } else { HEADER };
        let (part, after) = rest.split_at(rest.len().min(max_frame - overhead));
        rest = after;
        let mut frame = Vec::with_capacity(overhead + part.len());
        frame.push(sequence | if first { FIRST } else { 0 } | if rest.is_empty() { LAST } else { 0 });
        frame.push(tag.0);
        if first {
            frame.extend_from_slice(&total);
        }
        frame.extend_from_slice(part);
        // Never wraps: 1024 bytes are at most 57 fragments of MIN_FRAME.
        sequence += 1;
        Some(frame)
    })
}

/// Puts the fragments of one direction of one connection together again. Memory: one message.
///
/// The gap of at most 1 s between fragments is for the holder of the clock to watch: see [`Self::is_partial`].
#[derive(Clone, Debug, Default)]
pub struct Reassembler {
    tag: Option<Tag>,
    partial: Option<Partial>,
}

#[derive(Clone, Debug)]
struct Partial {
    bytes: Vec<u8>,
    total: usize,
    next: u8,
}

impl Reassembler {
    /// For a phone: learns its tag from the first fragment of a HELLO and passes over everything before that.
    #[must_use]
    pub const fn new() -> Self {
        Self { tag: None, partial: None }
    }

    /// For whoever knows the tag already.
    #[must_use]
    pub const fn with_tag(tag: Tag) -> Self {
        Self { tag: Some(tag), partial: None }
    }

    /// Takes one frame. A whole message when this was its last fragment; none when more is to come, or when the frame
    /// carries another connection's tag.
    ///
    /// # Errors
    /// The frame is ours and breaks the rules. The message under way is dropped; the connection is to be ended.
    pub fn push(&mut self, frame: &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        let &[header, tag, ref body @ ..] = frame else {
            // Without a tag it is nobody's, and with the tag unknown it cannot be ours.
            return if self.tag.is_some() { self.fail(FrameError::Short) } else { Ok(None) };
        };
        match self.tag {
            Some(own) if own != Tag(tag) => return Ok(None),
            Some(_) => {}
            None if header & FIRST != 0 && body.get(LENGTH) == Some(&HELLO) => {}
            None => return Ok(None),
        }
        match self.take(header, body) {
            Ok(message) => {
                self.tag = Some(Tag(tag));
                Ok(message)
            }
            Err(error) => self.fail(error),
        }
    }

    /// The tag, once it is known.
    #[must_use]
    pub const fn tag(&self) -> Option<Tag> {
        self.tag
    }

    /// A message has begun and not ended.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    /// Whether this frame has the right sequence to come next. False for frames of others, and while the tag is unknown.
    #[must_use]
    pub fn is_due(&self, frame: &[u8]) -> bool {
        let &[header, tag, ..] = frame else { return false };
        let due = match &self.partial {
            None => FIRST,
            Some(partial) => partial.next,
        };
        self.tag == Some(Tag(tag)) && header & (FIRST | SEQUENCE) == due
    }

    /// Drops the message under way; keeps the tag.
    pub fn reset(&mut self) {
        self.partial = None;
    }

    fn fail<T>(&mut self, error: FrameError) -> Result<T, FrameError> {
        self.reset();
        Err(error)
    }

    fn take(&mut self, header: u8, body: &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        let (mut partial, part) = match (self.partial.take(), header & FIRST != 0) {
            (None, true) => {
                let &[high, low, ref part @ ..] = body else { return Err(FrameError::Short) };
                let total = usize::from(u16::from_be_bytes([high, low]));
                if total == 0 || total > MAX_MESSAGE {
                    return Err(FrameError::Length);
                }
                (Partial { bytes: Vec::with_capacity(total), total, next: 0 }, part)
            }
            (Some(partial), false) => (partial, body),
            _ => return Err(FrameError::Sequence),
        };
        if header & SEQUENCE != partial.next {
            return Err(FrameError::Sequence);
        }
        if part.is_empty() {
            return Err(FrameError::Short);
        }
        partial.bytes.extend_from_slice(part);
        let last = header & LAST != 0;
        if partial.bytes.len() > partial.total || last != (partial.bytes.len() == partial.total) {
            return Err(FrameError::Mismatch);
        }
        if last {
            return Ok(Some(partial.bytes));
        }
        partial.next = (partial.next + 1) & SEQUENCE;
        if partial.next == 0 {
            // 64 fragments and no end: someone sends less than the smallest link carries.
            return Err(FrameError::Sequence);
        }
        self.partial = Some(partial);
        Ok(None)
    }
}
