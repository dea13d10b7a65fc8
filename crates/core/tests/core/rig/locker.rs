//! The locker's side of the protocol, in memory, with a journal and faults.

use std::collections::{BTreeMap, VecDeque};

use postern_core::Now;
use postern_protocol::{
    ClockState, Door, LockerKeys, Operation, OperationNonce, Refusal, Reply, Request, Timestamp, TokenId,
    locker_side::{Greeting, Session},
    message::{Hello, StatusReport},
    receipt::{self, Outcome, Receipt, Source},
};
use rand_core::TryRng;

use super::{TestRng, locker_id};

/// The locker.
pub(crate) struct Locker {
    pub(crate) keys: LockerKeys,
    pub(crate) in_range: bool,
    pub(crate) busy: u32,
    pub(crate) clock: ClockState,
    pub(crate) session: Option<Session>,
    pub(crate) greeting: Option<Greeting>,
    pub(crate) journal: BTreeMap<(Vec<u8>, [u8; 8]), Vec<u8>>,
    pub(crate) sequence: u32,
    pub(crate) movements: u32,
    /// What receipts were made for.
    pub(crate) operations: Vec<Operation>,
    pub(crate) open: BTreeMap<u16, bool>,
    pub(crate) outcome: Outcome,
    pub(crate) refuse: VecDeque<Refusal>,
    pub(crate) hello_twice: bool,
    /// Cut the link when so many messages went either way in it, before the next arrives.
    pub(crate) cut_after: Option<u32>,
    /// Links left that are cut like this.
    pub(crate) cuts: u32,
    pub(crate) carried: u32,
    pub(crate) impostor: bool,
    pub(crate) heard: Vec<Vec<u8>>,
    pub(crate) forge: bool,
    /// Number of the newest news that it has taken in.
    pub(crate) news: u32,
    /// Bulletins that were brought.
    pub(crate) bulletins: Vec<Vec<u8>>,
    /// What its content sensors say of a closed compartment.
    pub(crate) content: Option<bool>,
    /// The last opening of each door.
    pub(crate) last: BTreeMap<u16, Receipt>,
    /// The closing that belongs to it.
    pub(crate) closings: BTreeMap<u16, Vec<u8>>,
    /// False: closing receipts do not reach the phone in its session.
    pub(crate) told_closings: bool,
}

impl Locker {
    pub(super) fn greet(&mut self, rng: &mut TestRng, now: Now) -> Vec<u8> {
        let mut ephemeral = [0; 32];
        rng.try_fill_bytes(&mut ephemeral).unwrap();
        let hello = Hello {
            version: 1,
            oldest: 1,
            boot: 1,
            clock: self.clock,
            floor: Timestamp(now.unix() as u64),
            capabilities: 0,
        };
        let keys = if self.impostor {
            // It has the name and the public key of the locker, and not its secrets.
            LockerKeys::from_seed(locker_id(), &[66; 32])
        } else {
            self.keys.clone()
        };
        let (greeting, bytes) = Greeting::start(&keys, &hello, ephemeral);
        self.greeting = Some(greeting);
        self.session = None;
        bytes
    }

    pub(super) fn on_message(&mut self, bytes: &[u8], now: Now) -> Vec<Vec<u8>> {
        self.heard.push(bytes.to_vec());
        let received = if let Some(greeting) = self.greeting.take() {
            let Ok((session, received)) = greeting.accept(bytes) else { return vec![vec![4; 40]] };
            self.session = Some(session);
            received
        } else {
            self.session.as_mut().unwrap().receive(bytes).unwrap()
        };
        let request = received.request;
        self.bulletins.extend(request.bulletin.clone());
        let reply = if let Some(refusal) = self.refuse.pop_front() {
            Reply::Refused(refusal)
        } else if self.clock == ClockState::Unset
            && request.token.len() < 30
            && request.operation != Operation::Status
            && !self.journal.contains_key(&(request.token.clone(), request.nonce.0))
        {
            // Bound tokens of the rig are longer by the nonce.
            Reply::Refused(Refusal::ClockUnset)
        } else {
            self.obey(&request, now)
        };
        vec![self.session.as_mut().unwrap().seal(&reply).unwrap()]
    }

    fn obey(&mut self, request: &Request, now: Now) -> Reply {
        let key = (request.token.clone(), request.nonce.0);
        if request.operation == Operation::Status {
            return Reply::Status(StatusReport {
                door: request.door,
                door_open: self.open.get(&request.door.0).copied().or(Some(false)),
                receipt: self.journal.get(&key).cloned().or_else(|| {
                    let last = self.last.get(&request.door.0)?;
                    Some(receipt::sign(last, &self.keys))
                }),
                clock: self.clock,
                at: Timestamp(now.unix() as u64),
                closing: self.closings.get(&request.door.0).cloned(),
            });
        }
        if let Some(stored) = self.journal.get(&key) {
            return Reply::Receipt(stored.clone());
        }
        if self.outcome == Outcome::Opened {
            self.movements += 1;
            self.open.insert(request.door.0, true);
        }
        let cti: [u8; 16] = request.token[..16].try_into().unwrap();
        let receipt = Receipt {
            locker: self.keys.id,
            sequence: self.sequence,
            previous: [0; 16],
            token: TokenId(cti),
            nonce: if self.forge { OperationNonce([0; 8]) } else { request.nonce },
            door: request.door,
            operation: request.operation,
            outcome: self.outcome,
            at: Timestamp(now.unix() as u64),
            clock: self.clock,
            handshake: self.session.as_ref().unwrap().handshake_id(),
            source: Source::Radio,
            news: self.news,
        };
        self.opened(&receipt);
        self.operations.push(request.operation);
        let bytes = receipt::sign(&receipt, &self.keys);
        self.journal.insert(key, bytes.clone());
        Reply::Receipt(bytes)
    }

    fn opened(&mut self, receipt: &Receipt) {
        self.sequence += 1;
        if receipt.outcome.may_be_open() {
            self.closings.remove(&receipt.door.0);
            self.last.insert(receipt.door.0, receipt.clone());
        }
    }

    /// The door is closed: the receipt of that, the first time.
    pub(super) fn close(&mut self, door: u16, now: Now) -> Option<Vec<u8>> {
        let opening = self.last.get(&door).filter(|_| !self.closings.contains_key(&door))?;
        let closing = Receipt {
            sequence: self.sequence,
            outcome: Outcome::of_closing(self.content),
            at: Timestamp(now.unix() as u64),
            news: self.news,
            ..opening.clone()
        };
        self.sequence += 1;
        let bytes = receipt::sign(&closing, &self.keys);
        self.closings.insert(door, bytes.clone());
        Some(bytes)
    }

    /// Somebody opens a door at the keypad, by this slot of this epoch.
    pub(crate) fn open_by_pin(&mut self, door: u16, epoch: u32, slot: u8, now: Now) {
        let mut token = [0; 16];
        token[11] = slot;
        token[12..].copy_from_slice(&epoch.to_be_bytes());
        let receipt = Receipt {
            locker: self.keys.id,
            sequence: self.sequence,
            previous: [0; 16],
            token: TokenId(token),
            nonce: OperationNonce([0; 8]),
            door: Door(door),
            operation: Operation::Collect,
            outcome: Outcome::Opened,
            at: Timestamp(now.unix() as u64),
            clock: self.clock,
            handshake: [0; 16],
            source: Source::Pin,
            news: self.news,
        };
        self.open.insert(door, true);
        self.movements += 1;
        self.opened(&receipt);
    }
}
