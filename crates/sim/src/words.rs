//! Words for what the protocol has codes for.

use postern_locker::{LocalAnswer, Reason};
use postern_protocol::{
    ClockState, Door, Operation,
    message::DoorEventKind,
    receipt::{Outcome, Source},
};

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
        Outcome::Closed => "closed",
        Outcome::ClosedPresent => "closed_full",
        Outcome::ClosedAbsent => "closed_empty",
    }
}

/// What somebody came for.
#[must_use]
pub fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Collect => "collect",
        Operation::Reopen => "reopen",
        Operation::Deposit => "deposit",
        Operation::Access => "access",
        Operation::Status => "status",
        Operation::Carry => "carry",
    }
}

/// How well a locker knows the time.
#[must_use]
pub fn clock(clock: ClockState) -> &'static str {
    match clock {
        ClockState::Set => "set",
        ClockState::Floor => "floor",
        ClockState::Unset => "unset",
    }
}

/// Where a request came in.
#[must_use]
pub fn source(source: Source) -> &'static str {
    match source {
        Source::Radio => "radio",
        Source::Pin => "pin",
        Source::Scanner => "scanner",
    }
}

/// Why the firmware refused a request, as a code.
#[must_use]
pub fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Message => "message",
        Reason::Late => "late",
        Reason::Handshake => "handshake",
        Reason::Token => "token",
        Reason::Delegation => "delegation",
        Reason::Proof => "proof",
        Reason::Locker => "locker",
        Reason::Door => "door",
        Reason::Operation => "operation",
        Reason::Early => "early",
        Reason::Expired => "expired",
        Reason::Lifetime => "lifetime",
        Reason::Epoch => "epoch",
        Reason::Revoked => "revoked",
        Reason::Guests => "guests",
        Reason::Ahead => "ahead",
        Reason::Full => "full",
        Reason::Clock => "clock",
        Reason::Uses => "uses",
        Reason::Order => "order",
        Reason::Repeated => "repeated",
        Reason::Busy => "busy",
        Reason::Throttled => "throttled",
        Reason::Pin => "pin",
        Reason::Faulted => "faulted",
    }
}

/// What a cabinet's screen says to whoever stands before it. `label` is what is written on a door.
#[must_use]
pub fn screen(answer: LocalAnswer, label: impl Fn(Door) -> String) -> String {
    match answer {
        LocalAnswer::Opening(door) => format!("Opening door {}", label(door)),
        LocalAnswer::Done(door, Outcome::Opened) => format!("Door {} is open", label(door)),
        LocalAnswer::Done(door, Outcome::AlreadyOpen) => format!("Door {} is open already", label(door)),
        LocalAnswer::Done(door, Outcome::Jammed) => format!("Door {} does not open", label(door)),
        LocalAnswer::Done(door, _) => format!("Please look at door {}", label(door)),
        LocalAnswer::Refused => "This code is not valid".to_owned(),
        LocalAnswer::Locked { seconds: 1 } => "Please wait a second".to_owned(),
        LocalAnswer::Locked { seconds } => format!("Too many attempts: please wait {seconds} seconds"),
        LocalAnswer::Busy => "One moment, please try again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_speaks_of_doors_by_their_labels() {
        let label = |door: Door| format!("B{}", door.0);
        assert_eq!(screen(LocalAnswer::Done(Door(3), Outcome::Opened), label), "Door B3 is open");
        assert_eq!(
            screen(LocalAnswer::Locked { seconds: 60 }, label),
            "Too many attempts: please wait 60 seconds"
        );
    }
}
