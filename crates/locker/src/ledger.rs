//! What the locker knows and must not forget: the sum of the journal's records.
//!
//! [`Ledger::apply`] is the only way to change it, at replay as in operation, so that memory and flash cannot
//! disagree. Memory is bounded: see [`Ledger::memory`].

use alloc::{boxed::Box, vec::Vec};

use postern_protocol::{
    Door, Epoch, IssuerKeys, Operation, Timestamp,
    receipt::{self, Outcome, Source},
};

use crate::{
    Config,
    record::{CHUNK, Completion, DOOR_CHUNK, DoorLine, Intent, LastOpening, Mark, Record, TokenLine},
};

/// Openings that came to nothing (jammed, already open) which a token is not charged for; from then on it is.
pub(crate) const FREE_FAILURES: u8 = 3;

/// The tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) boot: u32,
    pub(crate) floor: Timestamp,
    pub(crate) issuers: IssuerKeys,
    /// When the newest bulletin that changed the issuers was signed.
    pub(crate) issuers_at: Timestamp,
    pub(crate) pin_failures: u16,
    /// Sequence of the next receipt.
    pub(crate) sequence: u32,
    /// Hash of the last receipt, zeros before the first.
    pub(crate) previous: [u8; 16],
    /// Intents without an outcome yet, at most one a door.
    pub(crate) pending: Vec<Intent>,
    doors: Vec<DoorLine>,
    tokens: Tokens,
}

/// The remembered tokens: three parallel columns, since padding would cost a sixth more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tokens {
    marks: Vec<Mark>,
    expires: Vec<u32>,
    /// Uses counted, and failures that were not.
    counts: Vec<[u8; 2]>,
    capacity: usize,
}

impl Ledger {
    /// An empty one, with all its memory taken at once.
    pub(crate) fn new(config: &Config, issuers: IssuerKeys) -> Self {
        let mut doors: Vec<DoorLine> = config
            .doors
            .iter()
            .map(|door| DoorLine { door: *door, epoch: Epoch(0), pin_uses: 0, last: None })
            .collect();
        doors.sort_unstable_by_key(|line| line.door);
        Self {
            boot: 0,
            floor: Timestamp(0),
            issuers,
            issuers_at: Timestamp(0),
            pin_failures: 0,
            sequence: 0,
            previous: [0; 16],
            pending: Vec::with_capacity(doors.len()),
            doors,
            tokens: Tokens::with_capacity(config.remembered_tokens),
        }
    }

    /// Bytes of heap that the tables take for this many doors and tokens, all at start-up.
    #[must_use]
    pub(crate) const fn memory(doors: usize, tokens: usize) -> usize {
        doors * (size_of::<DoorLine>() + size_of::<Intent>()) + tokens * Tokens::BYTES
    }

    /// Sets the issuers, unless a bulletin has.
    pub(crate) fn provision(&mut self, issuers: &IssuerKeys) {
        if self.issuers_at == Timestamp(0) {
            self.issuers = issuers.clone();
        }
    }

    /// Takes a fact in.
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Boot(boot) => self.boot = *boot,
            Record::Floor(floor) => self.floor = self.floor.max(*floor),
            Record::Epochs(epochs) => epochs.iter().for_each(|(door, epoch)| self.raise(*door, *epoch)),
            Record::Intent(intent) => self.intend(intent),
            Record::Pending(intent) => self.pending.push(intent.clone()),
            Record::Completion(completion) => self.complete(completion),
            Record::Issuers { at, keys } => {
                let mut issuers = IssuerKeys::new();
                let fit = keys.iter().all(|(id, key)| issuers.insert(*id, *key));
                debug_assert!(fit, "a set of issuers is checked before it is written");
                self.issuers = issuers;
                self.issuers_at = *at;
            }
            Record::PinFailures(failures) => self.pin_failures = *failures,
            Record::Tokens(lines) => lines.iter().for_each(|line| self.tokens.restore(line)),
            Record::Doors(lines) => {
                for line in lines {
                    // A door that the configuration no longer has is forgotten.
                    if let Some(known) = self.door_mut(line.door) {
                        *known = *line;
                    }
                }
            }
            Record::Chain { sequence, previous } => (self.sequence, self.previous) = (*sequence, *previous),
            Record::Archived(_) => {}
        }
    }

    fn raise(&mut self, door: Door, epoch: Epoch) {
        if let Some(line) = self.door_mut(door)
            && epoch > line.epoch
        {
            line.epoch = epoch;
            line.pin_uses = 0;
        }
    }

    fn intend(&mut self, intent: &Intent) {
        self.floor = self.floor.max(intent.at);
        self.raise(intent.door, intent.epoch);
        let floor = self.floor;
        match (intent.source, intent.operation) {
            (Source::Pin, _) => {
                if let Some(line) = self.door_mut(intent.door) {
                    line.pin_uses = line.pin_uses.saturating_add(1);
                }
            }
            (_, Operation::Reopen) => {
                if let Some(last) = self.door_mut(intent.door).and_then(|line| line.last.as_mut()) {
                    last.reopens = last.reopens.saturating_add(1);
                }
            }
            _ => {
                self.tokens.charge(Mark::of(&intent.token.0), intent.expires, floor);
                if let Some((mark, expires)) = intent.delegation {
                    self.tokens.charge(mark, expires, floor);
                }
            }
        }
        self.pending.push(intent.clone());
    }

    fn complete(&mut self, completion: &Completion) {
        self.floor = self.floor.max(completion.at);
        self.sequence = completion.sequence.wrapping_add(1);
        self.previous = receipt::hash(&completion.receipt);
        let Some(index) = self.pending.iter().position(|intent| intent.door == completion.door) else {
            return;
        };
        let intent = self.pending.swap_remove(index);
        let nothing_moved = matches!(completion.outcome, Outcome::Jammed | Outcome::AlreadyOpen);
        let token = Mark::of(&intent.token.0);
        if nothing_moved && intent.source != Source::Pin && intent.operation != Operation::Reopen {
            self.tokens.refund(token);
            if let Some((mark, _)) = intent.delegation {
                self.tokens.refund(mark);
            }
        }
        if completion.outcome != Outcome::Jammed
            && let Some(line) = self.door_mut(intent.door)
        {
            match &mut line.last {
                // Reopening does not start the reopening time anew, except that a power failure must not eat it up.
                Some(last) if intent.operation == Operation::Reopen => {
                    if completion.outcome == Outcome::Unknown {
                        last.at = last.at.max(completion.at);
                    }
                }
                last => {
                    *last = Some(LastOpening {
                        token,
                        epoch: intent.epoch,
                        operation: intent.operation,
                        at: completion.at,
                        reopens: 0,
                    });
                }
            }
        }
    }

    /// All of it in records, for a new bank.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Record> {
        let heads = [
            Record::Boot(self.boot),
            Record::Floor(self.floor),
            Record::Issuers {
                at: self.issuers_at,
                keys: self.issuers.iter().map(|(id, key)| (id, *key)).collect(),
            },
            Record::PinFailures(self.pin_failures),
            Record::Chain { sequence: self.sequence, previous: self.previous },
        ];
        let doors = self.doors.chunks(DOOR_CHUNK).map(|lines| Record::Doors(lines.to_vec()));
        let tokens = (0..self.tokens.marks.len()).step_by(CHUNK).map(|start| {
            let end = (start + CHUNK).min(self.tokens.marks.len());
            Record::Tokens((start..end).map(|index| self.tokens.line(index)).collect())
        });
        let pending = self.pending.iter().map(|intent| Record::Pending(intent.clone()));
        Box::new(heads.into_iter().chain(doors).chain(tokens).chain(pending))
    }

    /// The line of a door.
    pub(crate) fn door(&self, door: Door) -> Option<&DoorLine> {
        self.doors.binary_search_by_key(&door, |line| line.door).ok().map(|index| &self.doors[index])
    }

    fn door_mut(&mut self, door: Door) -> Option<&mut DoorLine> {
        self.doors.binary_search_by_key(&door, |line| line.door).ok().map(|index| &mut self.doors[index])
    }

    /// All doors, ascending.
    pub(crate) fn doors(&self) -> &[DoorLine] {
        &self.doors
    }

    /// Uses of a token or delegation that have been counted; `None` if it was never seen (or is long expired).
    pub(crate) fn used(&self, mark: Mark) -> Option<u8> {
        self.tokens.position(mark).map(|index| self.tokens.counts[index][0])
    }

    /// Whether so many more tokens can be remembered.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        let dead = || self.tokens.expires.iter().filter(|expires| **expires < seconds(self.floor)).count();
        self.tokens.capacity - self.tokens.marks.len() >= more
            || self.tokens.capacity - self.tokens.marks.len() + dead() >= more
    }

    /// The intent under way at a door.
    pub(crate) fn pending_at(&self, door: Door) -> Option<&Intent> {
        self.pending.iter().find(|intent| intent.door == door)
    }
}

fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.0).unwrap_or(u32::MAX)
}

impl Tokens {
    /// Bytes of one place in the table.
    const BYTES: usize = size_of::<Mark>() + size_of::<u32>() + size_of::<[u8; 2]>();

    fn with_capacity(capacity: usize) -> Self {
        Self {
            marks: Vec::with_capacity(capacity),
            expires: Vec::with_capacity(capacity),
            counts: Vec::with_capacity(capacity),
            capacity,
        }
    }

    fn position(&self, mark: Mark) -> Option<usize> {
        self.marks.iter().position(|known| *known == mark)
    }

    fn line(&self, index: usize) -> TokenLine {
        let [used, idle] = self.counts[index];
        TokenLine { mark: self.marks[index], expires: self.expires[index], used, idle }
    }

    fn restore(&mut self, line: &TokenLine) {
        if self.marks.len() < self.capacity {
            self.marks.push(line.mark);
            self.expires.push(line.expires);
            self.counts.push([line.used, line.idle]);
        }
    }

    /// Counts a use, in the place of an expired token when all are taken. That there is room was checked before.
    fn charge(&mut self, mark: Mark, expires: Timestamp, floor: Timestamp) {
        if let Some(index) = self.position(mark) {
            self.counts[index][0] = self.counts[index][0].saturating_add(1);
            return;
        }
        let line = TokenLine { mark, expires: seconds(expires), used: 1, idle: 0 };
        if self.marks.len() < self.capacity {
            self.restore(&line);
        } else if let Some(index) = self.expires.iter().position(|expires| *expires < seconds(floor)) {
            self.marks[index] = line.mark;
            self.expires[index] = line.expires;
            self.counts[index] = [1, 0];
        }
    }

    /// Gives a use back after an opening that came to nothing, unless that has happened too often.
    fn refund(&mut self, mark: Mark) {
        if let Some(index) = self.position(mark)
            && self.counts[index][1] < FREE_FAILURES
        {
            self.counts[index][0] = self.counts[index][0].saturating_sub(1);
            self.counts[index][1] += 1;
        }
    }
}
