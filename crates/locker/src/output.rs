//! What comes out of the firmware.

use alloc::vec::Vec;

use postern_protocol::{Door, Operation, gatt::Advertisement, message::DoorEventKind, receipt::Outcome};

/// A connection, by the number that the host gave it. Numbers may be used again after the connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(pub u16);

/// Something for the host to do or to know. Drain with `Locker::poll_output` after every call.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Notify this frame on the TX characteristic of this connection.
    Send {
        /// To whom.
        connection: Connection,
        /// One frame, no longer than the connection's largest.
        frame: Vec<u8>,
    },
    /// End this connection, after the frames already handed out. The firmware has forgotten it; the host need not
    /// (but may) report it as disconnected.
    Disconnect {
        /// Which.
        connection: Connection,
    },
    /// What the locker says of itself has changed: advertise this.
    Advertise(Advertisement),
    /// The answer to somebody at the keypad or the scanner.
    Local(LocalAnswer),
    /// For a panel, a log or a test; nothing needs to be done. Holds no secret and never reaches a phone.
    Notice(Notice),
}

/// The answer at the cabinet itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalAnswer {
    /// The door is being opened.
    Opening(Door),
    /// It was tried, and this came of it.
    Done(Door, Outcome),
    /// Not accepted.
    Refused,
    /// Too many attempts; again after so many seconds.
    Locked {
        /// Rounded up.
        seconds: u32,
    },
    /// Try again in a moment.
    Busy,
}

/// What happened inside.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A connection was greeted.
    Greeted(Connection),
    /// A request was authorised.
    Accepted {
        /// By whom; `None` at the keypad or scanner.
        connection: Option<Connection>,
        /// Which door.
        door: Door,
        /// What for.
        operation: Operation,
    },
    /// A request was refused, and why. The phone is told a coarser reason.
    Refused {
        /// By whom; `None` at the keypad or scanner.
        connection: Option<Connection>,
        /// The true reason.
        reason: Reason,
    },
    /// A latch was energised; the number of the attempt from 1.
    Latch(Door, u8),
    /// A receipt was written.
    Receipt(Vec<u8>),
    /// A door's sensors changed.
    Door(Door, DoorEventKind),
    /// A bulletin changed what the locker knows.
    Bulletin,
    /// The hub has corrected the clock by so many seconds: it ran wrong, or was pushed. The operator should know.
    Corrected {
        /// What the time moved by; negative backwards.
        seconds: i64,
    },
    /// The flash failed; nothing is opened any more until a restart.
    Faulted,
}

/// Why a request was refused: for logs and tests, too telling for a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not a message of the protocol, or not at this moment.
    Message,
    /// OPEN came too late after HELLO.
    Late,
    /// The handshake or its encryption failed.
    Handshake,
    /// The token's form, algorithm or signature.
    Token,
    /// The delegation's form or signature, or what it delegates.
    Delegation,
    /// One more delegation of a token that has as many as are remembered.
    Guests,
    /// The proof of possession.
    Proof,
    /// Made for another locker.
    Locker,
    /// A door that the token does not name or the locker does not have.
    Door,
    /// An operation that the token does not allow.
    Operation,
    /// Not yet valid.
    Early,
    /// No longer valid.
    Expired,
    /// Valid for longer than the locker accepts.
    Lifetime,
    /// An epoch below the highest seen.
    Epoch,
    /// Ended by a bulletin.
    Revoked,
    /// The time is not known and the token is not bound to this HELLO; or it is, and that HELLO is too long ago.
    Clock,
    /// Signed far ahead of a running clock.
    Ahead,
    /// All uses are spent.
    Uses,
    /// Reopen before any opening, or a deposit where the customer was already, or where another token has put something in.
    Order,
    /// The same code was used before.
    Repeated,
    /// Another opening of this door is under way, or the firmware is at a limit.
    Busy,
    /// No room at this door to remember one more token.
    Full,
    /// Too many refused attempts.
    Throttled,
    /// The keypad's digits.
    Pin,
    /// The flash failed.
    Faulted,
}
