//! Fragments at every MTU, and what must end a connection.

use postern_protocol::frame::{FrameError, MAX_FRAME, MAX_MESSAGE, MIN_FRAME, Reassembler, Tag, fragments};
use proptest::prelude::*;

const TAG: Tag = Tag(0xa5);

fn message(len: usize) -> Vec<u8> {
    (0..len).map(|n| n as u8).collect()
}

fn put_together(reassembler: &mut Reassembler, frames: &[Vec<u8>]) -> Result<Option<Vec<u8>>, FrameError> {
    let mut whole = None;
    for (index, frame) in frames.iter().enumerate() {
        whole = reassembler.push(frame)?;
        assert_eq!(whole.is_some(), index + 1 == frames.len());
        assert_eq!(reassembler.is_partial(), index + 1 != frames.len());
    }
    Ok(whole)
}

/// SECURITY.md, at the level of frames: ATT MTU 23, 100, 185, 247, 517, and one that lies (announced 247, carries 23: the
/// sender then cuts for the smaller one). Every length at each.
#[test]
fn mtu_matrix() {
    for mtu in [0, 3, 5, 23, 24, 100, 185, 247, 517, usize::MAX] {
        for len in 1..=MAX_MESSAGE {
            let max_frame = mtu.saturating_sub(3);
            let frames: Vec<_> = fragments(&message(len), TAG, max_frame).collect();
            let most = max_frame.clamp(MIN_FRAME, MAX_FRAME);
            assert!(frames.iter().all(|frame| frame.len() <= most));
            assert_eq!(frames.len() == 1, len + 4 <= most, "one frame when it fits");
            assert!(frames.len() <= 57);
            let whole = put_together(&mut Reassembler::with_tag(TAG), &frames).expect("in order");
            assert_eq!(whole.as_deref(), Some(&message(len)[..]), "MTU {mtu}, {len} bytes");
        }
    }
}

#[test]
fn what_cannot_be_sent_gives_no_frame() {
    assert_eq!(fragments(&[], TAG, 100).count(), 0);
    assert_eq!(fragments(&message(MAX_MESSAGE + 1), TAG, 100).count(), 0);
}

#[test]
fn frames_look_as_the_text_says() {
    let frames: Vec<_> = fragments(&message(40), Tag(9), 20).collect();
    assert_eq!(frames[0][..5], [0x80, 9, 0, 40, 0]);
    assert_eq!(frames[1][..3], [0x01, 9, 16]);
    assert_eq!(frames[2], [0x42, 9, 34, 35, 36, 37, 38, 39]);
    assert_eq!(fragments(&[7], Tag(9), 20).collect::<Vec<_>>(), [[0xc0, 9, 0, 1, 7]]);
}

#[test]
fn broken_rules_end_the_connection() {
    let frames: Vec<_> = fragments(&message(60), TAG, 20).collect();
    let after = |sent: &[usize], bad: &[u8]| {
        let mut reassembler = Reassembler::with_tag(TAG);
        for index in sent {
            assert_eq!(reassembler.push(&frames[*index]), Ok(None));
        }
        let result = reassembler.push(bad);
        assert!(!reassembler.is_partial());
        result
    };
    let tag = TAG.0;
    assert_eq!(after(&[], &[]), Err(FrameError::Short));
    assert_eq!(after(&[], &[0x80]), Err(FrameError::Short));
    assert_eq!(after(&[], &[0x80, tag, 0]), Err(FrameError::Short));
    assert_eq!(after(&[], &[0x80, tag, 0, 5]), Err(FrameError::Short));
    assert_eq!(after(&[0], &[0x01, tag]), Err(FrameError::Short));
    assert_eq!(after(&[], &[0xc0, tag, 0, 0, 1]), Err(FrameError::Length));
    assert_eq!(after(&[], &[0x80, tag, 4, 1, 1]), Err(FrameError::Length));
    assert_eq!(after(&[], &[0x80, tag, 0xff, 0xff, 1]), Err(FrameError::Length));
    assert_eq!(after(&[], &frames[1]), Err(FrameError::Sequence));
    assert_eq!(after(&[0], &frames[0]), Err(FrameError::Sequence));
    assert_eq!(after(&[0], &frames[2]), Err(FrameError::Sequence));
    assert_eq!(after(&[0, 1], &frames[1]), Err(FrameError::Sequence));
    assert_eq!(after(&[], &[0x81, tag, 0, 1, 1]), Err(FrameError::Sequence));
    assert_eq!(after(&[], &[0xc0, tag, 0, 1, 1, 2]), Err(FrameError::Mismatch));
    assert_eq!(after(&[], &[0xc0, tag, 0, 2, 1]), Err(FrameError::Mismatch));
    assert_eq!(after(&[], &[0x80, tag, 0, 1, 1]), Err(FrameError::Mismatch));
    assert_eq!(after(&[0, 1], &[0x42, tag, 1]), Err(FrameError::Mismatch));
}

/// One byte at a time: 64 fragments later it is over, and nothing grew.
#[test]
fn a_trickle_is_cut_off() {
    let mut reassembler = Reassembler::with_tag(TAG);
    assert_eq!(reassembler.push(&[0x80, TAG.0, 4, 0, 1]), Ok(None));
    for sequence in 1..63 {
        assert_eq!(reassembler.push(&[sequence, TAG.0, 1]), Ok(None));
    }
    assert_eq!(reassembler.push(&[63, TAG.0, 1]), Err(FrameError::Sequence));
}

#[test]
fn a_phone_learns_its_tag_from_a_hello_and_passes_over_the_rest() {
    let mut hello = message(49);
    hello[0] = 0x01;
    let own: Vec<_> = fragments(&hello, Tag(2), 20).collect();
    let foreign: Vec<_> = fragments(&[[0x04].as_slice(), &message(40)].concat(), Tag(1), 20).collect();
    let mut phone = Reassembler::new();
    for frame in &foreign {
        assert_eq!(phone.push(frame), Ok(None));
    }
    assert_eq!(phone.push(&[]), Ok(None));
    assert_eq!(phone.tag(), None);
    assert_eq!(phone.push(&own[0]), Ok(None));
    assert_eq!(phone.tag(), Some(Tag(2)));
    // Another connection's frames in between are no error.
    assert_eq!(phone.push(&foreign[0]), Ok(None));
    assert_eq!(phone.push(&own[1]), Ok(None));
    assert_eq!(phone.push(&foreign[2]), Ok(None));
    assert_eq!(phone.push(&own[2]).unwrap(), Some(hello));
}

proptest! {
    /// SECURITY.md, fragment_fuzz: whatever arrives, in whatever order: no panic, and never more than one message held.
    #[test]
    fn fragment_fuzz(
        learn: bool,
        frames in proptest::collection::vec(
            prop_oneof![
                // Anything.
                proptest::collection::vec(any::<u8>(), 0..40),
                // Nearly right: header, tag, length, a little body.
                (any::<u8>(), 0_u8..2, 0_u16..1100, proptest::collection::vec(any::<u8>(), 0..30)).prop_map(
                    |(header, tag, total, body)| {
                        [&[header, tag][..], &total.to_be_bytes(), &body].concat()
                    }
                ),
                // The next fragment of a plausible message.
                (0_u8..64, 0_u8..2, 1_usize..30).prop_map(|(n, tag, len)| {
                    [&[n & 0x3f, tag][..], &vec![1; len]].concat()
                }),
            ],
            0..80,
        ),
    ) {
        let mut reassembler = if learn { Reassembler::new() } else { Reassembler::with_tag(Tag(1)) };
        for frame in frames {
            if let Ok(Some(message)) = reassembler.push(&frame) {
                prop_assert!((1..=MAX_MESSAGE).contains(&message.len()));
                prop_assert!(!reassembler.is_partial());
            }
        }
    }

    #[test]
    fn any_message_survives_any_frame_size(bytes in proptest::collection::vec(any::<u8>(), 1..=MAX_MESSAGE), max in 0_usize..600, tag: u8) {
        let frames: Vec<_> = fragments(&bytes, Tag(tag), max).collect();
        let whole = put_together(&mut Reassembler::with_tag(Tag(tag)), &frames).unwrap();
        prop_assert_eq!(whole, Some(bytes));
    }

    /// Lost, repeated or swapped fragments never give a message.
    #[test]
    fn a_disturbed_sequence_gives_nothing(len in 60_usize..1000, at in 0_usize..57, kind in 0..3) {
        let mut frames: Vec<_> = fragments(&message(len), TAG, 20).collect();
        let at = at % (frames.len() - 1);
        match kind {
            0 => drop(frames.remove(at)),
            1 => frames.insert(at, frames[at].clone()),
            _ => frames.swap(at, at + 1),
        }
        let mut reassembler = Reassembler::with_tag(TAG);
        // The connection ends at the first error.
        let broken = frames.iter().try_for_each(|frame| match reassembler.push(frame) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => panic!("a whole message"),
            Err(error) => Err(error),
        });
        prop_assert_eq!(broken, Err(FrameError::Sequence));
    }
}
