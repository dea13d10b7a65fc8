//! The air and the locker: bytes and frames, CPU of an opening, gesture to latch, tokens and their peers.

mod bluetooth;
mod opening;
mod tokens;

use anyhow::Result;
use postern_protocol::frame::{Tag, fragments};

use crate::{bench::Bench, report::Unit};

/// Sizes of the messages of one opening with one token: HELLO, OPEN, RECEIPT, as in crates/protocol/vectors/session.json.
const MESSAGES: [usize; 3] = [49, 314, 176];

pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    frames(bench);
    opening::measure(bench)?;
    tokens::measure(bench)?;
    bluetooth::measure(bench)
}

/// What an opening puts on the air, with the headers of frame and ATT, at the MTUs that are met in the field.
fn frames(bench: &mut Bench) {
    for mtu in [23_usize, 185, 247, 517] {
        let (mut frames, mut bytes) = (0, 0);
        for length in MESSAGES {
            for frame in fragments(&vec![2; length], Tag(1), mtu - 3) {
                frames += 1;
                bytes += frame.len() + 3;
            }
        }
        let name = format!("air.frames.mtu_{mtu}");
        let title = format!("Frames of an opening at MTU {mtu}");
        bench.add(bench.exact(&name, &title, Unit::Count, f64::from(frames)));
        let name = format!("air.bytes.mtu_{mtu}");
        let title = format!("Bytes of an opening on the air at MTU {mtu}");
        bench.add(bench.exact(&name, &title, Unit::Bytes, bytes as f64));
    }
}
