//! What the locker knows and must not forget: the sum of the journal's records.
//!
//! [`Ledger::apply`] is the only way to change it, at replay as in operation, so that memory and flash cannot
//! disagree. Memory is bounded: see [`Ledger::memory`].

use alloc::{boxed::Box, vec::Vec};

use postern_protocol::{
    Door, Epoch, IssuerKeys, Operation, Timestamp,
    bulletin::{DoorNews, MAX_REVOKED, Revocation, RevocationKind},
    receipt::{self, Outcome, Source},
};

use crate::{
    Config,
    record::{CHUNK, Completion, DOOR_CHUNK, DoorLine, Intent, LastOpening, Mark, Opened, Record},
    tokens::Tokens,
};

/// The tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) boot: u32,
    pub(crate) floor: Timestamp,
    /// What to add to the wall clock, in seconds: a correction by the hub.
    pub(crate) offset: i64,
    /// Number of the newest bulletin that was taken in.
    pub(crate) news: u32,
    /// When that, or a later one of the same number, was signed. None where the firmware before took it in.
    pub(crate) news_at: Option<Timestamp>,
    /// The revocations in it.
    pub(crate) revoked: Vec<Revocation>,
    pub(crate) issuers: IssuerKeys,
    /// When the newest bulletin that changed the issuers was signed.
    pub(crate) issuers_at: Timestamp,
    /// When the newest that named any was signed, whether it changed them or not.
    pub(crate) issuers_named_at: Timestamp,
    /// Wrong PINs that have not been forgotten, as it was written last.
    pub(crate) pin_failures: u16,
    /// Sequence of the next receipt.
    pub(crate) sequence: u32,
    /// Hash of the last receipt, zeros before the first.
    pub(crate) previous: [u8; 16],
    /// Intents without an outcome yet, at most one a door.
    pub(crate) pending: Vec<Intent>,
    doors: Vec<DoorLine>,
    pub(crate) tokens: Tokens,
}

impl Ledger {
    /// An empty one, with all its memory taken at once.
    pub(crate) fn new(config: &Config, issuers: IssuerKeys) -> Self {
        let mut doors: Vec<DoorLine> = config
            .doors
            .iter()
            .map(|door| DoorLine { door: *door, epoch: Epoch(0), ended_slots: 0, last: None, opened: None })
            .collect();
        doors.sort_unstable_by_key(|line| line.door);
        Self {
            boot: 0,
            floor: Timestamp(0),
            offset: 0,
            news: 0,
            news_at: Some(Timestamp(0)),
            revoked: Vec::with_capacity(MAX_REVOKED),
            issuers,
            issuers_at: Timestamp(0),
            issuers_named_at: Timestamp(0),
            pin_failures: 0,
            sequence: 0,
            previous: [0; 16],
            pending: Vec::with_capacity(doors.len()),
            tokens: Tokens::new(doors.len(), config.remembered_tokens),
            doors,
        }
    }

    /// Bytes of heap that the tables take for this many doors and tokens, all at start-up.
    #[must_use]
    pub(crate) const fn memory(doors: usize, tokens: usize) -> usize {
        doors * (size_of::<DoorLine>() + size_of::<Intent>())
            + Tokens::memory(doors, tokens)
            + MAX_REVOKED * size_of::<Revocation>()
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
            Record::Boot(boot) => {
                self.boot = *boot;
                self.pending.iter_mut().for_each(|intent| intent.interrupted = true);
            }
            Record::Floor(floor) => self.floor = self.floor.max(*floor),
            Record::Epochs(epochs) => epochs.iter().for_each(|news| self.hear(news)),
            Record::Intent(intent) => self.intend(intent),
            Record::Pending(intent) => self.pending.push(intent.clone()),
            Record::Completion(completion) => self.complete(completion),
            Record::Issuers { at, keys } => {
                let mut issuers = IssuerKeys::new();
                let fit = keys.iter().all(|(id, key)| issuers.insert(*id, *key));
                debug_assert!(fit, "a set of issuers is checked before it is written");
                self.issuers = issuers;
                self.issuers_at = *at;
                self.issuers_named_at = self.issuers_named_at.max(*at);
            }
            Record::PinFailures(failures) => self.pin_failures = *failures,
            Record::Tokens(lines) => {
                for line in lines {
                    // What was counted at a door that the configuration no longer has is remembered elsewhere: the token
                    // may name more doors.
                    let index = self.index(line.door).unwrap_or(0);
                    self.tokens.restore(line, index);
                }
            }
            Record::Doors(lines) => {
                for line in lines {
                    // A door that the configuration no longer has is forgotten.
                    if let Some(known) = self.door_mut(line.door) {
                        *known = *line;
                    }
                }
            }
            Record::Chain { sequence, previous } => (self.sequence, self.previous) = (*sequence, *previous),
            Record::Corrected { floor, offset } => (self.floor, self.offset) = (*floor, *offset),
            Record::News { number, revoked } => {
                self.news = *number;
                self.news_at = (*number == 0 && revoked.is_empty()).then_some(Timestamp(0));
                self.revoked.clone_from(revoked);
            }
            Record::IssuersNamedAt(at) => self.issuers_named_at = self.issuers_named_at.max(*at),
            Record::NewsAt(at) => self.news_at = Some(*at),
            Record::Forgotten(until) => self.tokens.forgotten = *until,
            Record::Archived(_) => {}
        }
    }

    fn hear(&mut self, news: &DoorNews) {
        let Some(index) = self.index(news.door) else { return };
        let line = &mut self.doors[index];
        if news.epoch > line.epoch {
            (line.epoch, line.ended_slots) = (news.epoch, news.ended_slots);
            self.tokens.epoch_raised(index);
        } else if news.epoch == line.epoch {
            line.ended_slots |= news.ended_slots;
        }
    }

    /// Whether this says anything new of its door.
    pub(crate) fn is_news(&self, news: &DoorNews) -> bool {
        self.door(news.door).is_some_and(|line| {
            news.epoch > line.epoch || (news.epoch == line.epoch && news.ended_slots & !line.ended_slots != 0)
        })
    }

    /// Whether a bulletin has ended this before its time.
    pub(crate) fn is_revoked(&self, is_it: impl Fn(RevocationKind, &[u8; 16], Timestamp) -> bool) -> bool {
        self.revoked.iter().any(|part| is_it(part.kind, &part.name, part.at))
    }

    fn intend(&mut self, intent: &Intent) {
        self.floor = self.floor.max(intent.at);
        self.hear(&DoorNews { door: intent.door, epoch: intent.epoch, ended_slots: 0 });
        let floor = self.floor;
        match (intent.source, intent.operation) {
            (Source::Pin, _) => {}
            (_, Operation::Reopen) => {
                if let Some(last) = self.door_mut(intent.door).and_then(|line| line.last.as_mut()) {
                    last.reopens = last.reopens.saturating_add(1);
                }
            }
            _ => {
                if let Some(index) = self.index(intent.door) {
                    let token = Mark::of(&intent.token.0);
                    self.tokens.charge(token, intent.expires, intent.several, index, floor);
                    if let Some(guest) = intent.delegation {
                        let known =
                            self.tokens.charge(guest.mark, guest.expires, guest.several, index, floor);
                        if !known {
                            self.tokens.count_guest(token);
                        }
                    }
                }
            }
        }
        self.pending.push(intent.clone());
    }

    fn complete(&mut self, completion: &Completion) {
        self.floor = self.floor.max(completion.at);
        self.sequence = completion.sequence.wrapping_add(1);
        self.previous = receipt::hash(&completion.receipt);
        if completion.outcome.is_closing() {
            if let Some(line) = self.door_mut(completion.door) {
                if let Some(opened) = &mut line.opened {
                    opened.closing = Some(completion.sequence);
                }
                if let Some(last) = &mut line.last {
                    last.inside = match completion.outcome {
                        Outcome::ClosedPresent => Some(true),
                        Outcome::ClosedAbsent => Some(false),
                        _ => None,
                    };
                }
            }
            return;
        }
        let Some(index) = self.pending.iter().position(|intent| intent.door == completion.door) else {
            return;
        };
        let intent = self.pending.swap_remove(index);
        let nothing_moved = matches!(completion.outcome, Outcome::Jammed | Outcome::AlreadyOpen);
        let token = Mark::of(&intent.token.0);
        if nothing_moved && intent.source != Source::Pin && intent.operation != Operation::Reopen {
            self.tokens.refund(token);
            if let Some(guest) = intent.delegation {
                self.tokens.refund(guest.mark);
            }
        }
        let unsure = intent.interrupted && completion.outcome == Outcome::Unknown;
        if completion.outcome.may_be_open()
            && let Some(line) = self.door_mut(intent.door)
        {
            line.opened = Some(Opened {
                token: intent.token,
                nonce: intent.nonce,
                handshake: intent.handshake,
                operation: intent.operation,
                source: intent.source,
                epoch: intent.epoch,
                sequence: completion.sequence,
                closing: None,
            });
            match &mut line.last {
                // Reopening does not start the reopening time anew, except that a power failure must not eat it up.
                Some(last) if intent.operation == Operation::Reopen => {
                    if completion.outcome == Outcome::Unknown {
                        last.at = last.at.max(completion.at);
                    }
                    (last.unsure, last.inside) = (unsure, None);
                }
                last => {
                    *last = Some(LastOpening {
                        token,
                        epoch: intent.epoch,
                        operation: intent.operation,
                        at: completion.at,
                        reopens: 0,
                        unsure,
                        inside: None,
                    });
                }
            }
        }
    }

    /// All of it in records, for a new bank.
    pub(crate) fn snapshot(&self) -> impl Iterator<Item = Record> {
        let heads = [
            Record::Boot(self.boot),
            Record::Corrected { floor: self.floor, offset: self.offset },
            Record::News { number: self.news, revoked: self.revoked.clone() },
            Record::Forgotten(self.tokens.forgotten),
            Record::Issuers {
                at: self.issuers_at,
                keys: self.issuers.iter().map(|(id, key)| (id, *key)).collect(),
            },
            Record::PinFailures(self.pin_failures),
            Record::Chain { sequence: self.sequence, previous: self.previous },
        ];
        let doors = self.doors.chunks(DOOR_CHUNK).map(|lines| Record::Doors(lines.to_vec()));
        let tokens = (0..self.tokens.len()).step_by(CHUNK).map(|start| {
            let end = (start + CHUNK).min(self.tokens.len());
            let line = |index| self.tokens.line(index, |at| self.doors[at].door);
            Record::Tokens((start..end).map(line).collect())
        });
        let pending = self.pending.iter().map(|intent| Record::Pending(intent.clone()));
        let dated = self.news_at.map(Record::NewsAt);
        let named = Record::IssuersNamedAt(self.issuers_named_at);
        Box::new(heads.into_iter().chain(dated).chain([named]).chain(doors).chain(tokens).chain(pending))
    }

    /// The line of a door.
    pub(crate) fn door(&self, door: Door) -> Option<&DoorLine> {
        self.doors.binary_search_by_key(&door, |line| line.door).ok().map(|index| &self.doors[index])
    }

    /// Whether the door's last opening has no closing receipt yet.
    pub(crate) fn is_unclosed(&self, door: Door) -> bool {
        self.door(door).and_then(|line| line.opened).is_some_and(|opened| opened.closing.is_none())
    }

    /// Its place among [`Self::doors`].
    pub(crate) fn index(&self, door: Door) -> Option<usize> {
        self.doors.binary_search_by_key(&door, |line| line.door).ok()
    }

    fn door_mut(&mut self, door: Door) -> Option<&mut DoorLine> {
        self.doors.binary_search_by_key(&door, |line| line.door).ok().map(|index| &mut self.doors[index])
    }

    /// All doors, ascending.
    pub(crate) fn doors(&self) -> &[DoorLine] {
        &self.doors
    }

    /// The intent under way at a door.
    pub(crate) fn pending_at(&self, door: Door) -> Option<&Intent> {
        self.pending.iter().find(|intent| intent.door == door)
    }
}
