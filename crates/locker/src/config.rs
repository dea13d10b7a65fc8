//! What a locker is told once, when it is built or provisioned.

use alloc::vec::Vec;

use postern_protocol::{Door, IssuerKeys, LockerKeys, Timestamp};
use zeroize::Zeroizing;

/// Milliseconds since the machine was switched on; never goes back while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uptime(pub u64);

impl Uptime {
    /// This time and `milliseconds` more.
    #[must_use]
    pub const fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to this; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The secrets and trust anchors of one locker.
#[derive(Clone)]
pub struct Keys {
    /// Identity: handshake and receipt keys.
    pub locker: LockerKeys,
    /// Issuers trusted at first boot. From the first bulletin on that changes them, the journal's set counts.
    pub issuers: IssuerKeys,
    /// Shared with the hub: door PINs are derived from it. `None` turns the keypad off, and HELLO says so.
    pub pin_secret: Option<Zeroizing<[u8; 32]>>,
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// The shape and the limits of one locker. `Config::new` gives the reference limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Every door, at most [`MAX_DOORS`]; order does not matter.
    pub doors: Vec<Door>,
    /// Connections held at once, 1 to 32. Best one less than the radio can hold: then there is always room to hear
    /// of a newcomer, and whoever idles makes place for it.
    pub connections: usize,
    /// Tokens whose use is remembered until they expire: 16 to 65,535. Every door has an equal share of the places, and 16
    /// at least. When all places of a door are taken by tokens that are still alive, an unknown token for it is refused as
    /// full rather than an old one forgotten.
    pub remembered_tokens: usize,
    /// Receipts kept to be handed out again, openings and closings: 16 to 65,535. The protocol asks for 256. Each door has
    /// an equal share of the places; what it leaves free others use.
    pub kept_receipts: u32,
    /// Longest life of a token that is accepted, in seconds from `issued_at` to `expires`.
    pub longest_token: u64,
    /// For how many seconds after an opening its customer may reopen the door, at most three times.
    pub reopen_for: u64,
    /// After how many milliseconds an open door is reported as held open.
    pub held_open: u64,
    /// When the locker was provisioned: the hub sets its clock back no further.
    pub provisioned_at: Timestamp,
}

/// The most doors that one locker serves.
pub const MAX_DOORS: usize = 256;

impl Config {
    /// The reference limits for these doors.
    #[must_use]
    pub fn new(doors: Vec<Door>) -> Self {
        Self {
            doors,
            connections: 4,
            remembered_tokens: 10_000,
            kept_receipts: 256,
            longest_token: 24 * 3600,
            reopen_for: 600,
            held_open: 60_000,
            provisioned_at: Timestamp(0),
        }
    }
}
