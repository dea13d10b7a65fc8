//! From frames to messages, with what a notification channel really does: HELLO lost, doubled or halved, frames meant for
//! another phone, and frames that overtook each other.

use alloc::vec::Vec;

use crate::frame::{FrameError, Reassembler, Tag};

/// Header bit of a first fragment (PROTOCOL.md, frames).
const FIRST: u8 = 0x80;
/// Where another fragment's part begins: header and tag.
const HEADER: usize = 2;
/// Where a first fragment's message begins: header, tag, two bytes of length.
const BODY: usize = 4;
/// Frames that came too early and wait for the ones before them. Enhanced bearers (EATT) are a few, each with a few frames
/// under way.
const MAX_HELD: usize = 16;

/// Reassembles what the locker sends on one link. The first message it yields is the HELLO, exactly once.
#[derive(Debug)]
pub struct Inbox {
    frames: Reassembler,
    /// The HELLO, once it is here.
    hello: Option<Vec<u8>>,
    /// A message other than the HELLO has begun: from here on a stray fragment is an error.
    past_hello: bool,
    /// Frames of ours that came before their turn.
    held: Vec<Vec<u8>>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// Of a link that was just made.
    #[must_use]
    pub const fn new() -> Self {
        Self { frames: Reassembler::new(), hello: None, past_hello: false, held: Vec::new() }
    }

    /// Takes one notification: the messages that it completed, mostly none or one.
    ///
    /// # Errors
    /// The rules of frames are broken: the link is to be ended.
    pub fn push(&mut self, frame: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut messages = Vec::new();
        messages.extend(self.take(frame)?);
        while let Some(next) = self.held.iter().position(|frame| self.frames.is_due(frame)) {
            let frame = self.held.remove(next);
            messages.extend(self.take(&frame)?);
        }
        Ok(messages)
    }

    fn take(&mut self, frame: &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        if self.hello.is_some() && self.echoes_hello(frame) {
            return Ok(None);
        }
        if self.is_early(frame) {
            if self.held.len() == MAX_HELD {
                return Err(FrameError::Sequence);
            }
            self.held.push(frame.to_vec());
            return Ok(None);
        }
        if self.hello.is_some() && self.is_ours(frame) {
            self.past_hello = true;
        }
        let message = match self.frames.push(frame) {
            Err(_) if self.hello.is_none() => {
                // A fragment of the HELLO was lost, or the echo of a read got in between. The HELLO can be read as a whole,
                // so nothing is lost by beginning anew; only what follows it must be without a gap.
                self.frames = Reassembler::new();
                self.held.clear();
                self.frames.push(frame).unwrap_or_default()
            }
            result => result?,
        };
        if let (None, Some(message)) = (&self.hello, &message) {
            self.hello = Some(message.clone());
        }
        Ok(message)
    }

    /// Takes what reading `tx` gave: the HELLO as one frame, or nothing yet. It overrides a HELLO that is under way.
    ///
    /// # Errors
    /// It is no frame.
    pub fn push_read(&mut self, value: &[u8]) -> Result<Option<Vec<u8>>, FrameError> {
        if self.hello.is_some() || value.is_empty() {
            return Ok(None);
        }
        let mut frames = Reassembler::new();
        let message = frames.push(value)?;
        if let Some(message) = &message {
            self.hello = Some(message.clone());
            self.frames = frames;
            self.held.clear();
        }
        Ok(message)
    }

    /// The tag, once the HELLO told it.
    #[must_use]
    pub const fn tag(&self) -> Option<Tag> {
        self.frames.tag()
    }

    /// The HELLO has been yielded.
    #[must_use]
    pub const fn has_hello(&self) -> bool {
        self.hello.is_some()
    }

    /// A message of ours is under way: the next fragment is due.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.frames.is_partial() || !self.held.is_empty()
    }

    fn is_ours(&self, frame: &[u8]) -> bool {
        frame.get(1).copied().map(Tag) == self.frames.tag()
    }

    /// Over enhanced bearers notifications may overtake each other (PROTOCOL.md, frames). A first fragment in the middle of
    /// the HELLO is not one of those: it is the HELLO again.
    fn is_early(&self, frame: &[u8]) -> bool {
        let &[header, _, _, ..] = frame else { return false };
        self.is_ours(frame) && !self.frames.is_due(frame) && (self.hello.is_some() || header & FIRST == 0)
    }

    /// Platforms report a read value as a notification too (BlueZ), and the notification of the HELLO may come in the
    /// middle of, or after, the read that stood in for it. Both are the HELLO again, whole or in part.
    fn echoes_hello(&self, frame: &[u8]) -> bool {
        let Some(&header) = frame.first() else { return false };
        if !self.is_ours(frame) || self.frames.is_partial() {
            return false;
        }
        let (Some(hello), Some(part)) = (&self.hello, frame.get(HEADER..)) else { return false };
        if header & FIRST != 0 {
            frame.get(BODY) == hello.first()
        } else {
            !self.past_hello && !part.is_empty() && hello.windows(part.len()).any(|window| window == part)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;
    use crate::frame::fragments;

    const TAG: Tag = Tag(7);

    /// A message of the kind HELLO (1): only its first byte matters here.
    fn hello() -> Vec<u8> {
        let mut message = vec![1];
        message.extend(1..90u8);
        message
    }

    fn feed(inbox: &mut Inbox, frames: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
        frames.into_iter().flat_map(|frame| inbox.push(&frame).unwrap()).collect()
    }

    #[test]
    fn hello_then_messages_at_any_mtu() {
        for max in [20, 97, 182, 244, 514] {
            let mut inbox = Inbox::new();
            assert_eq!(feed(&mut inbox, fragments(&hello(), TAG, max)), [hello()]);
            assert_eq!(inbox.tag(), Some(TAG));
            let reply = vec![0x55; 300];
            assert_eq!(feed(&mut inbox, fragments(&reply, TAG, max)), [reply]);
        }
    }

    #[test]
    fn read_and_notification_together_yield_one_hello() {
        let whole = fragments(&hello(), TAG, 514).next().unwrap();
        let mut inbox = Inbox::new();
        assert!(inbox.push_read(&[]).unwrap().is_none());
        assert_eq!(inbox.push_read(&whole).unwrap(), Some(hello()));
        assert!(inbox.push(&whole).unwrap().is_empty());
        assert!(feed(&mut inbox, fragments(&hello(), TAG, 20)).is_empty());
        assert_eq!(feed(&mut inbox, fragments(&[0x55; 40], TAG, 20)), [vec![0x55; 40]]);
    }

    #[test]
    fn a_read_in_the_middle_of_the_notification_swallows_the_rest() {
        let whole = fragments(&hello(), TAG, 514).next().unwrap();
        let parts: Vec<_> = fragments(&hello(), TAG, 20).collect();
        let mut inbox = Inbox::new();
        assert!(feed(&mut inbox, parts[..2].to_vec()).is_empty());
        assert_eq!(inbox.push_read(&whole).unwrap(), Some(hello()));
        assert!(feed(&mut inbox, parts[2..].to_vec()).is_empty());
        assert_eq!(feed(&mut inbox, fragments(&[0x55; 40], TAG, 20)), [vec![0x55; 40]]);
    }

    #[test]
    fn the_echo_of_a_read_in_the_middle_of_the_notification_is_the_hello() {
        let whole = fragments(&hello(), TAG, 514).next().unwrap();
        let mut parts: Vec<_> = fragments(&hello(), TAG, 20).collect();
        parts.insert(2, whole.clone());
        let mut inbox = Inbox::new();
        assert_eq!(feed(&mut inbox, parts), [hello()]);
        assert_eq!(inbox.push_read(&whole).unwrap(), None);
        assert_eq!(feed(&mut inbox, fragments(&[0x55; 40], TAG, 20)), [vec![0x55; 40]]);
    }

    #[test]
    fn frames_with_another_tag_are_passed_over() {
        let mut inbox = Inbox::new();
        assert!(feed(&mut inbox, fragments(&[0x55; 40], Tag(9), 20)).is_empty());
        let mut mixed = Vec::new();
        let foreign: Vec<_> = fragments(&[0x55; 60], Tag(9), 20).collect();
        for (index, frame) in fragments(&hello(), TAG, 20).enumerate() {
            mixed.push(frame);
            mixed.extend(foreign.get(index).cloned());
        }
        assert_eq!(feed(&mut inbox, mixed), [hello()]);
        assert!(feed(&mut inbox, fragments(&[0x55; 40], Tag(9), 20)).is_empty());
    }

    #[test]
    fn frames_that_overtake_each_other_are_put_in_order() {
        let mut inbox = Inbox::new();
        let mut parts: Vec<_> = fragments(&hello(), TAG, 20).collect();
        parts.swap(2, 4);
        parts.swap(3, 5);
        assert_eq!(feed(&mut inbox, parts), [hello()]);
        let (reply, event) = (vec![0x55; 300], vec![0x56; 30]);
        let mut parts: Vec<_> = fragments(&reply, TAG, 180).chain(fragments(&event, TAG, 180)).collect();
        assert_eq!(parts.len(), 3);
        parts.swap(0, 1);
        assert_eq!(feed(&mut inbox, parts.clone()), [reply.clone(), event.clone()]);
        parts.rotate_left(1);
        assert_eq!(feed(&mut inbox, parts), [reply, event], "the next message began before this one ended");
        assert!(!inbox.is_partial());
    }

    #[test]
    fn a_stray_fragment_counts_as_a_message_under_way_and_many_are_an_error() {
        let mut inbox = Inbox::new();
        feed(&mut inbox, fragments(&hello(), TAG, 514));
        feed(&mut inbox, fragments(&[0x55; 40], TAG, 514));
        let stray = fragments(&[0x55; 40], TAG, 20).nth(1).unwrap();
        for _ in 0..MAX_HELD {
            assert!(inbox.push(&stray).unwrap().is_empty());
            assert!(inbox.is_partial(), "so that the gap ends the link");
        }
        assert!(inbox.push(&stray).is_err());
    }
}
