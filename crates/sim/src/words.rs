//! Words for what the protocol has codes for.

use postern_protocol::{message::DoorEventKind, receipt::Outcome};

/// What a door did.
#[must_use]
pub fn event(kind: DoorEventKind) -> &'static str {
    match kind {
        DoorEventKind::Opened => "opened",
        DoorEventKind::Closed => "closed",
        DoorEventKind::HeldOpen => "held_open",
        DoorEventKind::Obstructed => "obstructed",
        DoorEventKind::ContentPresent => "content_present",
        DoorEventKind::ContentAbsent => "content_absent",
    }
}

/// What came of a request.
#[must_use]
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Opened => "opened",
        Outcome::Jammed => "jammed",
        Outcome::AlreadyOpen => "already_open",
        Outcome::Unknown => "unknown",
    }
}
