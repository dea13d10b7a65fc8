//! The reference: decides from what the world knows, and nothing that a locker or a phone says of itself, whether what
//! happened was allowed to happen. It shares no code with the firmware's own checks.

use std::collections::{BTreeMap, BTreeSet};

use postern_protocol::{
    DeviceKey, Door, LockerId, TokenId,
    message::Operation,
    receipt::{self, Outcome, Receipt, Source},
};

use crate::hub::Hub;

/// Seconds by which a locker's clock may be wrong in this world, and one more.
pub const CLOCK_TOLERANCE: u64 = 61;
/// Times that a door may be opened again on one token.
const REOPENINGS: usize = 3;

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Number of the invariant, 1 to 8, as in the project's list.
    pub invariant: u8,
    /// What happened.
    pub what: String,
}

/// A latch that was driven on behalf of somebody.
#[derive(Clone, Debug)]
struct Movement {
    at: u64,
    key: Option<DeviceKey>,
    epoch_known: u32,
    receipt: Option<u32>,
}

/// What is known for certain about one locker.
struct Truth {
    id: LockerId,
    receipt_key: [u8; 32],
    chain: Vec<Receipt>,
    bytes: Vec<Vec<u8>>,
    movements: BTreeMap<u16, Vec<Movement>>,
    asked: BTreeMap<u16, Option<DeviceKey>>,
    epochs: BTreeMap<u16, u32>,
    used: BTreeMap<TokenId, Vec<(Operation, [u8; 8])>>,
}

/// The reference.
pub struct Reference {
    lockers: Vec<Truth>,
    /// When the door of a booking really came open for its customer, in milliseconds of the world.
    pub opened: BTreeMap<usize, Vec<u64>>,
    /// Bookings for whose collection a receipt exists that says the door stood open.
    pub proven: BTreeSet<usize>,
    /// Doors opened.
    pub openings: u64,
    /// What was found.
    pub violations: Vec<Violation>,
}

impl Reference {
    /// For these lockers.
    pub fn new(lockers: impl Iterator<Item = (LockerId, [u8; 32])>) -> Self {
        let lockers = lockers.map(|(id, receipt_key)| Truth {
            id,
            receipt_key,
            chain: Vec::new(),
            bytes: Vec::new(),
            movements: BTreeMap::new(),
            asked: BTreeMap::new(),
            epochs: BTreeMap::new(),
            used: BTreeMap::new(),
        });
        Self {
            lockers: lockers.collect(),
            opened: BTreeMap::new(),
            proven: BTreeSet::new(),
            openings: 0,
            violations: Vec::new(),
        }
    }

    /// Notes something that must not be.
    pub fn object(&mut self, invariant: u8, what: impl Into<String>) {
        self.violations.push(Violation { invariant, what: what.into() });
    }

    /// The firmware says that it accepted a request of whoever holds this key.
    pub fn accepted(&mut self, locker: usize, door: Door, key: Option<DeviceKey>) {
        self.lockers[locker].asked.insert(door.0, key);
    }

    /// A latch was seen to be driven; `first` for the first pulse of an opening.
    pub fn latch(&mut self, locker: usize, door: u16, first: bool, at: u64) {
        let truth = &mut self.lockers[locker];
        if first {
            let Some(key) = truth.asked.remove(&door) else {
                return self.object(1, format!("latch of door {door} of locker {locker} without a request"));
            };
            let epoch_known = truth.epochs.get(&door).copied().unwrap_or(0);
            truth.movements.entry(door).or_default().push(Movement { at, key, epoch_known, receipt: None });
        } else if truth
            .movements
            .get(&door)
            .and_then(|all| all.last())
            .is_none_or(|last| last.receipt.is_some())
        {
            self.object(1, format!("second pulse of door {door} of locker {locker} without a first"));
        }
    }

    /// Who was behind the opening that is under way at a door.
    pub fn behind(&self, locker: usize, door: u16) -> Option<DeviceKey> {
        self.lockers[locker].movements.get(&door)?.last()?.key
    }

    /// A locker knows these epochs now: a bulletin reached it.
    pub fn learnt(&mut self, locker: usize, epochs: impl Iterator<Item = (u16, u32)>) {
        for (door, epoch) in epochs {
            let known = self.lockers[locker].epochs.entry(door).or_insert(0);
            *known = (*known).max(epoch);
        }
    }

    /// The epoch that a locker is known to know.
    pub fn epoch(&self, locker: usize, door: u16) -> u32 {
        self.lockers[locker].epochs.get(&door).copied().unwrap_or(0)
    }

    /// Whether a receipt is in the locker's chain.
    pub fn is_in_chain(&self, locker: usize, bytes: &[u8]) -> bool {
        self.lockers[locker].bytes.iter().any(|known| known == bytes)
    }

    /// The whole chain of a locker.
    pub fn chain(&self, locker: usize) -> &[Vec<u8>] {
        &self.lockers[locker].bytes
    }

    /// The firmware wrote a receipt at this UNIX second.
    pub fn receipt(&mut self, locker: usize, bytes: &[u8], hub: &Hub, unix: u64) {
        let truth = &mut self.lockers[locker];
        let Ok(receipt) = receipt::verify(bytes, &truth.receipt_key) else {
            return self.object(3, format!("locker {locker} wrote a receipt that does not verify"));
        };
        let (sequence, previous) = match (truth.chain.last(), truth.bytes.last()) {
            (Some(last), Some(bytes)) => (last.sequence + 1, receipt::hash(bytes)),
            _ => (0, [0; 16]),
        };
        let continues = receipt.sequence == sequence && receipt.previous == previous;
        truth.chain.push(receipt.clone());
        truth.bytes.push(bytes.to_vec());
        if !continues {
            self.object(3, format!("chain of locker {locker} breaks at {}", receipt.sequence));
        }
        if receipt.source == Source::Radio {
            self.judge(locker, &receipt, hub, unix);
        }
    }

    fn judge(&mut self, locker: usize, receipt: &Receipt, hub: &Hub, unix: u64) {
        let truth = &mut self.lockers[locker];
        let door = receipt.door.0;
        let movement = truth
            .movements
            .get_mut(&door)
            .and_then(|all| all.iter_mut().rev().find(|movement| movement.receipt.is_none()))
            .map(|movement| {
                movement.receipt = Some(receipt.sequence);
                movement.clone()
            });
        if movement.is_none() && matches!(receipt.outcome, Outcome::Opened | Outcome::Jammed) {
            return self.object(3, format!("receipt {receipt:?} of locker {locker} without a movement"));
        }
        let Some(issued) = hub.ledger.get(&receipt.token) else {
            return self.object(1, format!("door {door} of locker {locker} for a token that nobody signed"));
        };
        let claims = &issued.claims;
        let mut wrong = Vec::new();
        if claims.locker != truth.id {
            wrong.push("another locker's token");
        }
        let epoch = claims.doors.iter().find(|(named, _)| *named == receipt.door).map(|(_, epoch)| epoch.0);
        if epoch.is_none() {
            wrong.push("another door's token");
        }
        if !claims.operations.contains(receipt.operation) {
            wrong.push("another operation's token");
        }
        if unix + CLOCK_TOLERANCE < claims.not_before.0 || unix > claims.expires.0 + CLOCK_TOLERANCE {
            wrong.push("outside of its time");
        }
        if let Some(movement) = &movement {
            if movement.key.is_some_and(|key| key != claims.key) {
                wrong.push("by somebody without its key");
            }
            if epoch.is_some_and(|epoch| epoch < movement.epoch_known) {
                self.violations.push(Violation {
                    invariant: 6,
                    what: format!("revoked token opened door {door} of locker {locker}"),
                });
            }
        }
        let truth = &mut self.lockers[locker];
        if let Some(epoch) = epoch {
            let known = truth.epochs.entry(door).or_insert(0);
            *known = (*known).max(epoch);
        }
        let used = truth.used.entry(receipt.token).or_default();
        if used.iter().any(|(_, nonce)| *nonce == receipt.nonce.0) {
            self.violations.push(Violation {
                invariant: 2,
                what: format!("two receipts for one request at door {door} of locker {locker}"),
            });
        }
        used.push((receipt.operation, receipt.nonce.0));
        let reopened = used.iter().filter(|(operation, _)| *operation == Operation::Reopen).count();
        if used.len() - reopened > usize::from(claims.uses) || reopened > REOPENINGS {
            self.violations.push(Violation {
                invariant: 2,
                what: format!("door {door} of locker {locker} opened more often than its token allows"),
            });
        }
        if let Some(booking) = issued.reservation
            && receipt.operation != Operation::Deposit
        {
            if matches!(receipt.outcome, Outcome::Opened | Outcome::AlreadyOpen) {
                self.proven.insert(booking);
            }
            if receipt.outcome == Outcome::Opened {
                self.openings += 1;
                self.opened.entry(booking).or_default().push(movement.map_or(0, |movement| movement.at));
            }
        }
        for what in wrong {
            self.object(1, format!("door {door} of locker {locker}: {what}"));
        }
    }

    /// At the end: every movement has its receipt.
    pub fn settle(&mut self) {
        let mut open = Vec::new();
        for (locker, truth) in self.lockers.iter().enumerate() {
            for (door, movements) in &truth.movements {
                open.extend(
                    movements
                        .iter()
                        .filter(|movement| movement.receipt.is_none())
                        .map(|movement| (locker, *door, movement.at)),
                );
            }
        }
        for (locker, door, at) in open {
            self.object(3, format!("door {door} of locker {locker} moved at {at} ms and no receipt says so"));
        }
    }
}
