//! The reference: decides from what the world knows, and nothing that a locker or a phone says of itself, whether what
//! happened was allowed to happen. It shares no code with the firmware's own checks.

use std::collections::{BTreeMap, BTreeSet};

use postern_protocol::{
    DeviceKey, Door, LockerId, TokenId,
    delegation::Delegation,
    message::Operation,
    receipt::{self, Outcome, Receipt, Source},
};

use crate::{hub::Hub, news::Ended, world::BEGINNING};

/// Seconds by which a locker's clock may be wrong in this world, and one more.
pub const CLOCK_TOLERANCE: u64 = 61;
/// Times that a door may be opened again after one opening.
const REOPENINGS: usize = 3;
/// Uses of a token that are given back where the door did not come open, or stood open.
const GIVEN_BACK: usize = 3;

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Number of the invariant, 1 to 14, as in the README.
    pub invariant: u8,
    /// What happened.
    pub what: String,
}

/// A latch that was driven on behalf of somebody.
#[derive(Clone, Debug)]
struct Movement {
    at: u64,
    key: Option<DeviceKey>,
    typed: Option<String>,
    epoch_known: u32,
    news_known: u32,
    /// The booking whose parcel lay inside.
    content: Option<usize>,
    came_open: bool,
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
    /// When a request for the door was accepted last, in milliseconds of the world.
    asked_at: BTreeMap<u16, u64>,
    typed: Option<String>,
    epochs: BTreeMap<u16, u32>,
    used: BTreeMap<TokenId, Vec<Use>>,
    reopened: BTreeMap<u16, usize>,
    /// Number of the newest news that the locker has taken in for certain.
    news: u32,
    /// Openings of each door that no closing receipt belongs to yet.
    unclosed: BTreeMap<u16, Receipt>,
}

impl Truth {
    /// The last movement of a door of which no receipt tells yet: this one does.
    fn tell(&mut self, door: u16, sequence: u32) -> Option<Movement> {
        let all = self.movements.get_mut(&door)?;
        let movement = all.iter_mut().rev().find(|movement| movement.receipt.is_none())?;
        movement.receipt = Some(sequence);
        Some(movement.clone())
    }
}

/// One receipt for a token.
struct Use {
    operation: Operation,
    nonce: [u8; 8],
    outcome: Outcome,
    guest: Option<DeviceKey>,
}

/// Uses that count: an opening, or one of which nobody can tell; what came to nothing is given back so many times.
fn counted<'a>(uses: impl Iterator<Item = &'a Use>) -> usize {
    let (mut spent, mut vain) = (0, 0_usize);
    for it in uses.filter(|it| it.operation != Operation::Reopen) {
        match it.outcome {
            Outcome::Opened | Outcome::Unknown => spent += 1,
            Outcome::Jammed | Outcome::AlreadyOpen => vain += 1,
            Outcome::Closed | Outcome::ClosedPresent | Outcome::ClosedAbsent => {}
        }
    }
    spent + vain.saturating_sub(GIVEN_BACK)
}

/// The reference.
pub struct Reference {
    lockers: Vec<Truth>,
    /// When the door of a booking really came open at the request of its customer's own phone, in milliseconds of the world.
    pub opened: BTreeMap<usize, Vec<u64>>,
    /// Bookings for whose collection a receipt exists that says the door stood open.
    pub proven: BTreeSet<usize>,
    /// What owners passed on in person, by token and guest.
    pub delegations: BTreeMap<(TokenId, DeviceKey), Delegation>,
    /// Doors whose sensors said some time that they stood open, whatever they did.
    pub lying: BTreeSet<(usize, u16)>,
    /// Doors of which no receipt could tell what lay behind them.
    pub beyond_telling: BTreeSet<(usize, u16)>,
    /// Movements that no receipt has told of yet.
    untold: usize,
    /// Doors that came open for customers and their guests.
    pub openings: u64,
    /// Doors that came open for couriers.
    pub deposits: u64,
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
            asked_at: BTreeMap::new(),
            typed: None,
            epochs: BTreeMap::new(),
            used: BTreeMap::new(),
            reopened: BTreeMap::new(),
            news: 0,
            unclosed: BTreeMap::new(),
        });
        Self {
            lockers: lockers.collect(),
            opened: BTreeMap::new(),
            proven: BTreeSet::new(),
            delegations: BTreeMap::new(),
            lying: BTreeSet::new(),
            beyond_telling: BTreeSet::new(),
            untold: 0,
            openings: 0,
            deposits: 0,
            violations: Vec::new(),
        }
    }

    /// Notes something that must not be.
    pub fn object(&mut self, invariant: u8, what: impl Into<String>) {
        self.violations.push(Violation { invariant, what: what.into() });
    }

    /// The firmware says that it accepted a request of whoever holds this key, at this millisecond of the world.
    pub fn accepted(&mut self, locker: usize, door: Door, key: Option<DeviceKey>, at: u64) {
        self.lockers[locker].asked.insert(door.0, key);
        self.lockers[locker].asked_at.insert(door.0, at);
    }

    /// Somebody typed this at the keypad.
    pub fn typed(&mut self, locker: usize, digits: &str) {
        self.lockers[locker].typed = Some(digits.to_owned());
    }

    /// A latch was seen to be driven; `first` for the first pulse of an opening. What lies behind it is `content`.
    pub fn latch(&mut self, locker: usize, door: u16, first: bool, at: u64, content: Option<usize>) {
        let truth = &mut self.lockers[locker];
        if first {
            let Some(key) = truth.asked.remove(&door) else {
                return self.object(1, format!("latch of door {door} of locker {locker} without a request"));
            };
            let epoch_known = truth.epochs.get(&door).copied().unwrap_or(0);
            let typed = if key.is_none() { truth.typed.clone() } else { None };
            let news_known = truth.news;
            let movement = Movement {
                at,
                key,
                typed,
                epoch_known,
                news_known,
                content,
                came_open: false,
                receipt: None,
            };
            truth.movements.entry(door).or_default().push(movement);
            self.untold += 1;
        } else if truth
            .movements
            .get(&door)
            .and_then(|all| all.last())
            .is_none_or(|last| last.receipt.is_some())
        {
            self.object(1, format!("second pulse of door {door} of locker {locker} without a first"));
        }
    }

    /// A door was seen to come open; `owner` where it did for the phone of the customer whose booking this is. What a guest
    /// opens says nothing of what the owner's own request came to.
    pub fn came_open(&mut self, locker: usize, door: u16, owner: Option<usize>) {
        if let Some(last) = self.lockers[locker].movements.get_mut(&door).and_then(|all| all.last_mut()) {
            last.came_open = true;
            if let Some(booking) = owner {
                self.opened.entry(booking).or_default().push(last.at);
            }
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

    /// A locker has taken in the news up to this number: it did, authentically, what came with them, or signed that it has.
    pub fn told(&mut self, locker: usize, number: u32) {
        let truth = &mut self.lockers[locker];
        truth.news = truth.news.max(number);
    }

    /// Whether a locker is known to know that a token ended.
    pub fn knows_revoked(&self, locker: usize, hub: &Hub, token: TokenId) -> bool {
        let named = |ended: &Ended| matches!(ended, Ended::Token(id, _) if *id == token);
        hub.news[locker].number_of(named).is_some_and(|number| number <= self.lockers[locker].news)
    }

    /// The epoch that a locker is known to know.
    pub fn epoch(&self, locker: usize, door: u16) -> u32 {
        self.lockers[locker].epochs.get(&door).copied().unwrap_or(0)
    }

    /// Whether a receipt is in the locker's chain.
    pub fn is_in_chain(&self, locker: usize, sequence: u32, bytes: &[u8]) -> bool {
        self.lockers[locker].bytes.get(sequence as usize).is_some_and(|known| known == bytes)
    }

    /// The whole chain of a locker.
    pub fn chain(&self, locker: usize) -> &[Vec<u8>] {
        &self.lockers[locker].bytes
    }

    /// The firmware wrote a receipt at this UNIX second.
    pub fn receipt(&mut self, locker: usize, bytes: &[u8], hub: &Hub, unix: u64) {
        let truth = &self.lockers[locker];
        let Ok(receipt) = receipt::verify(bytes, &truth.receipt_key) else {
            return self.object(3, format!("locker {locker} wrote a receipt that does not verify"));
        };
        // Told when it was written, and found again at the next start.
        if self.is_in_chain(locker, receipt.sequence, bytes) {
            return;
        }
        let truth = &mut self.lockers[locker];
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
        if receipt.outcome.is_closing() {
            return self.closing(locker, &receipt);
        }
        if receipt.outcome.may_be_open() {
            self.lockers[locker].unclosed.insert(receipt.door.0, receipt.clone());
        }
        let told = receipt.outcome == Outcome::Opened && !self.is_lie(locker, &receipt);
        let last = self.lockers[locker].movements.get(&receipt.door.0).and_then(|all| all.last());
        if told && last.is_some_and(|movement| movement.receipt.is_none() && !movement.came_open) {
            self.object(3, format!("{receipt:?} of locker {locker}, and the door did not come open"));
        }
        match receipt.source {
            Source::Radio => self.judge(locker, &receipt, hub, unix),
            Source::Pin => self.judge_pin(locker, &receipt, hub),
            Source::Scanner => self.object(1, "nobody in this world uses the scanner"),
        }
        // What it signs to have heeded counts from the next opening on.
        self.told(locker, receipt.news);
        for ended in hub.news[locker].up_to(receipt.news) {
            if let Ended::Epoch(door, epoch) = ended {
                self.learnt(locker, std::iter::once((*door, *epoch)));
            }
        }
    }

    /// Where power failed at the latch, the firmware takes the word of a sensor that sticks.
    fn is_lie(&self, locker: usize, receipt: &Receipt) -> bool {
        matches!(receipt.outcome, Outcome::Opened | Outcome::AlreadyOpen)
            && self.lying.contains(&(locker, receipt.door.0))
    }

    /// A closing receipt belongs to the last opening of its door, once.
    fn closing(&mut self, locker: usize, receipt: &Receipt) {
        let opening = self.lockers[locker].unclosed.remove(&receipt.door.0);
        let subject = |it: &Receipt| (it.token, it.nonce, it.operation, it.handshake, it.source);
        if opening.is_none_or(|opening| subject(&opening) != subject(receipt)) {
            self.object(3, format!("{receipt:?} of locker {locker} closes nothing"));
        }
    }

    /// An opening by PIN: the digits that were typed are those of a slot of the door that was given out and has not ended
    /// as far as the locker must know, in an epoch that the locker need not know to be over.
    fn judge_pin(&mut self, locker: usize, receipt: &Receipt, hub: &Hub) {
        let truth = &mut self.lockers[locker];
        let door = receipt.door.0;
        truth.reopened.insert(door, 0);
        let Some(pin) = receipt.pin() else {
            return self.object(3, format!("{receipt:?} of locker {locker} says not by which PIN"));
        };
        let (epoch, slot) = (pin.epoch.0, pin.slot);
        let known = truth.epochs.entry(door).or_insert(0);
        *known = (*known).max(epoch);
        let movement = truth.tell(door, receipt.sequence);
        self.untold -= usize::from(movement.is_some());
        let occupant = hub.occupant(locker, door, epoch);
        let opened = matches!(receipt.outcome, Outcome::Opened | Outcome::AlreadyOpen);
        self.proven.extend(occupant.filter(|_| opened));
        let Some(movement) = movement else {
            if matches!(receipt.outcome, Outcome::Opened | Outcome::Jammed) && !self.is_lie(locker, receipt) {
                self.object(3, format!("receipt {receipt:?} of locker {locker} without a movement"));
            }
            return;
        };
        let ended = hub.news[locker].number_of(|ended| *ended == Ended::Slot(door, epoch, slot));
        let given = slot < hub.slots_of(locker, door, epoch);
        let right = given && hub.pin_of(locker, door, epoch, slot) == movement.typed.unwrap_or_default();
        if !right || epoch < movement.epoch_known {
            self.object(1, format!("door {door} of locker {locker} opened by digits that are not its PIN"));
        }
        if ended.is_some_and(|number| number <= movement.news_known) {
            self.object(6, format!("a PIN that was taken back opened door {door} of locker {locker}"));
        }
        self.others_parcel(locker, door, occupant, movement.content);
        self.openings += u64::from(opened && occupant.is_some());
    }

    /// What somebody was given, a customer or a courier, never opens a door behind which lies what is another's.
    fn others_parcel(&mut self, locker: usize, door: u16, by: Option<usize>, content: Option<usize>) {
        if content.is_some() && content != by && !self.beyond_telling.contains(&(locker, door)) {
            self.object(
                11,
                format!(
                    "access to booking {by:?} opened door {door} of locker {locker}, where {content:?} lies"
                ),
            );
        }
    }

    /// Whether somebody who is not the owner was given this by the owner.
    fn passed_on(
        &self,
        receipt: &Receipt,
        guest: DeviceKey,
        uses: &[Use],
        unix: u64,
    ) -> Result<(), &'static str> {
        let Some(given) = self.delegations.get(&(receipt.token, guest)) else {
            return Err("by somebody without its key");
        };
        let fits = given.doors.contains(&receipt.door)
            && given.operations.contains(receipt.operation)
            && unix + CLOCK_TOLERANCE >= given.not_before.0
            && unix <= given.expires.0 + CLOCK_TOLERANCE;
        if !fits {
            return Err("by a guest, beyond what was passed on");
        }
        let theirs = counted(uses.iter().filter(|it| it.guest == Some(guest)));
        if theirs > usize::from(given.uses) { Err("by a guest, too often") } else { Ok(()) }
    }

    fn judge(&mut self, locker: usize, receipt: &Receipt, hub: &Hub, unix: u64) {
        let truth = &mut self.lockers[locker];
        let door = receipt.door.0;
        let movement = truth.tell(door, receipt.sequence);
        self.untold -= usize::from(movement.is_some());
        let moved = matches!(receipt.outcome, Outcome::Opened | Outcome::Jammed);
        let lie = self.is_lie(locker, receipt);
        if movement.is_none() && moved && !lie {
            return self.object(3, format!("receipt {receipt:?} of locker {locker} without a movement"));
        }
        let truth = &mut self.lockers[locker];
        // What counts is when it moved, or was to move; where the outcome could not be written its receipt comes much later.
        let at = movement.as_ref().map(|movement| movement.at).or_else(|| truth.asked_at.get(&door).copied());
        let unix = at.map_or(unix, |at| BEGINNING + at / 1000);
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
        // Power failed before the latch moved, and nobody saw the request accepted: no time can be said of it.
        let idle = movement.is_none() && (receipt.outcome == Outcome::Unknown || lie);
        let early = unix + CLOCK_TOLERANCE < claims.not_before.0;
        if !idle && (early || unix > claims.expires.0 + CLOCK_TOLERANCE) {
            wrong.push("outside of its time");
        }
        if let Some(movement) = &movement
            && epoch.is_some_and(|epoch| epoch < movement.epoch_known)
        {
            self.violations.push(Violation {
                invariant: 6,
                what: format!("revoked token opened door {door} of locker {locker}"),
            });
        }
        let named = |ended: &Ended| matches!(ended, Ended::Token(id, _) if *id == receipt.token);
        let ended = hub.news[locker].number_of(named);
        if let Some(movement) = &movement
            && ended.is_some_and(|number| number <= movement.news_known)
        {
            self.object(
                6,
                format!("a token that was taken back by name opened door {door} of locker {locker}"),
            );
        }
        let courier = claims.operations.contains(Operation::Carry);
        if let Some(movement) = &movement {
            self.others_parcel(locker, door, issued.reservation, movement.content);
        }
        let truth = &mut self.lockers[locker];
        if let Some(epoch) = epoch {
            let known = truth.epochs.entry(door).or_insert(0);
            *known = (*known).max(epoch);
        }
        let guest = movement.as_ref().and_then(|movement| movement.key).filter(|key| *key != claims.key);
        let mut used = truth.used.remove(&receipt.token).unwrap_or_default();
        if used.iter().any(|it| it.nonce == receipt.nonce.0) {
            self.violations.push(Violation {
                invariant: 2,
                what: format!("two receipts for one request at door {door} of locker {locker}"),
            });
        }
        used.push(Use {
            operation: receipt.operation,
            nonce: receipt.nonce.0,
            outcome: receipt.outcome,
            guest,
        });
        let reopened = truth.reopened.entry(door).or_insert(0);
        *reopened = if receipt.operation == Operation::Reopen { *reopened + 1 } else { 0 };
        let too_often = counted(used.iter()) > usize::from(claims.uses) || *reopened > REOPENINGS;
        if let Some(guest) = guest
            && let Err(what) = self.passed_on(receipt, guest, &used, unix)
        {
            wrong.push(what);
        }
        self.lockers[locker].used.insert(receipt.token, used);
        if too_often {
            self.violations.push(Violation {
                invariant: 2,
                what: format!("door {door} of locker {locker} opened more often than its token allows"),
            });
        }
        let opened = u64::from(receipt.outcome == Outcome::Opened);
        if courier {
            self.deposits += opened;
        } else if let Some(booking) = issued.reservation {
            if matches!(receipt.outcome, Outcome::Opened | Outcome::AlreadyOpen) {
                self.proven.insert(booking);
            }
            self.openings += opened;
        }
        for what in wrong {
            self.object(1, format!("door {door} of locker {locker}: {what}"));
        }
    }

    /// Movements that no receipt has told of yet: locker, door, milliseconds.
    fn untold(&self) -> impl Iterator<Item = (usize, u16, u64)> + '_ {
        self.lockers.iter().enumerate().flat_map(|(locker, truth)| {
            truth.movements.iter().flat_map(move |(door, movements)| {
                let untold = movements.iter().filter(|movement| movement.receipt.is_none());
                untold.map(move |movement| (locker, *door, movement.at))
            })
        })
    }

    /// Whether nothing is in the middle of an opening, and each has its closing.
    pub fn is_settled(&self) -> bool {
        self.untold == 0 && self.lockers.iter().all(|locker| locker.unclosed.is_empty())
    }

    /// At the end: every movement has its receipt.
    pub fn settle(&mut self) {
        let open: Vec<_> = self.untold().collect();
        for (locker, door, at) in open {
            self.object(3, format!("door {door} of locker {locker} moved at {at} ms and no receipt says so"));
        }
    }
}
