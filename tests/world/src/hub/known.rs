//! What receipts make known: as the real hub's `receipts` and `placing`, in memory.

use postern_api::{
    reservation::{Kind, State},
    sync::ReceiptResult,
};
use postern_protocol::{
    carry,
    message::Operation,
    receipt::{self, Outcome, Receipt},
};
use postern_rules::{
    booked::{self, Event, Facts, Then, Who},
    chain::{self, Neighbour, New, Step},
    placed::{self, Answer, Inside},
    settling::Holds,
};

use super::{Booking, Hub, wide};
use crate::news::Ended;

/// An opening or closing of a booking's door.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// What was asked for.
    pub(super) operation: Operation,
    /// What came of it.
    pub(super) outcome: Outcome,
    /// By a courier.
    pub(super) courier: bool,
    /// In which epoch.
    pub(super) epoch: u32,
}

impl Link {
    /// A courier opened, or may have, to put something in.
    pub(super) fn is_deposit_by_courier(self) -> bool {
        self.courier && self.operation == Operation::Deposit && self.outcome.may_be_open()
    }
}

/// A receipt that came in, as the rules of the chain look at it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    hash: String,
    previous: String,
    step: Step,
}

/// Whose opening a receipt tells of.
struct Whose {
    booking: Option<usize>,
    epoch: Option<u32>,
    courier: bool,
}

impl Booking {
    /// Those of its openings and closings, in the order of the chain.
    pub(super) fn links(&self, which: impl Fn(&Link) -> bool) -> Vec<placed::Link> {
        let those = self.links.iter().filter(|(_, link)| which(link));
        placed::links(those.map(|(sequence, link)| (i64::from(*sequence), link.outcome)).collect())
    }

    /// What its couriers, or everybody else, opened it for, and how that went.
    fn openings(&self, by_courier: bool) -> Vec<(Operation, Outcome)> {
        let theirs = self.links.values().filter(|link| link.courier == by_courier);
        theirs.filter(|link| link.outcome.may_be_open()).map(|link| (link.operation, link.outcome)).collect()
    }
}

impl Hub {
    /// Takes a receipt in, whoever brings it.
    pub fn evidence(&mut self, locker: usize, bytes: &[u8], now: u64) -> ReceiptResult {
        let Ok(receipt) = receipt::verify(bytes, &self.lockers[locker].0.receipt_key) else {
            return ReceiptResult::Invalid;
        };
        let at = (locker, receipt.sequence);
        if self.receipts.get(&at).is_some_and(|known| known == bytes) {
            return ReceiptResult::Known;
        }
        let row = Row {
            hash: hex::encode(receipt::hash(bytes)),
            previous: hex::encode(receipt.previous),
            step: Step {
                sequence: receipt.sequence.into(),
                news: receipt.news.into(),
                at: chain::happened_at(receipt.at.0, wide(now)),
            },
        };
        let new = New { sequence: receipt.sequence.into(), hash: &row.hash, previous: &row.previous };
        if chain::contradicts(new, &self.beside(at)) {
            self.forks += 1;
            return ReceiptResult::Fork;
        }
        let happened = row.step.at;
        self.rows.insert(at, row);
        self.receipts.insert(at, bytes.to_vec());
        self.learn(locker, &receipt);
        self.apply(locker, &receipt, (happened, wide(now)));
        self.grow(locker);
        self.settle(locker);
        ReceiptResult::Accepted
    }

    fn beside(&self, (locker, sequence): (usize, u32)) -> Vec<Neighbour> {
        let near = (locker, sequence.saturating_sub(1))..=(locker, sequence.saturating_add(1));
        let neighbour = |row: &Row| Neighbour {
            sequence: row.step.sequence,
            hash: row.hash.clone(),
            previous: row.previous.clone(),
        };
        self.rows.range(near).map(|(_, row)| neighbour(row)).collect()
    }

    /// Moves on the place up to which a locker's chain is complete.
    fn grow(&mut self, locker: usize) {
        let next = u32::try_from(self.whole[locker].to + 1).expect("few");
        let rest = self.rows.range((locker, next)..=(locker, u32::MAX));
        for (_, row) in rest {
            if !self.whole[locker].grow(&[row.step]) {
                break;
            }
        }
    }

    /// By which token, or by the PIN of which epoch: never by who has the door now.
    fn whose_opening(&self, locker: usize, receipt: &Receipt) -> Whose {
        match receipt.pin() {
            Some(pin) => Whose {
                booking: self.occupant(locker, receipt.door.0, pin.epoch.0),
                epoch: Some(pin.epoch.0),
                courier: false,
            },
            None => match self.ledger.get(&receipt.token) {
                Some(issued) => Whose {
                    booking: issued.reservation,
                    epoch: issued.claims.epoch_of(receipt.door).map(|epoch| epoch.0),
                    courier: issued.claims.operations.contains(Operation::Carry),
                },
                None => Whose { booking: None, epoch: None, courier: false },
            },
        }
    }

    /// What a receipt shows of what its locker has heard.
    fn learn(&mut self, locker: usize, receipt: &Receipt) {
        self.acknowledged[locker] = self.acknowledged[locker].max(receipt.news);
        let told = self.news[locker].up_to(receipt.news).filter_map(|ended| match ended {
            Ended::Epoch(door, epoch) => Some((*door, *epoch)),
            _ => None,
        });
        let epoch = self.whose_opening(locker, receipt).epoch.map(|epoch| (receipt.door.0, epoch));
        for (door, epoch) in told.chain(epoch).collect::<Vec<_>>() {
            self.prove(locker, door, epoch);
        }
    }

    /// Moves the booking on by what the receipt proves.
    fn apply(&mut self, locker: usize, receipt: &Receipt, (at, now): (i64, i64)) {
        let Whose { booking: Some(booking), epoch, courier } = self.whose_opening(locker, receipt) else {
            if matches!(receipt.outcome, Outcome::ClosedPresent | Outcome::Closed) {
                self.hold(locker, receipt.door.0);
            }
            return;
        };
        let link = Link {
            operation: receipt.operation,
            outcome: receipt.outcome,
            courier,
            epoch: epoch.unwrap_or_default(),
        };
        self.bookings[booking].links.insert(receipt.sequence, link);
        let who = if courier { Who::Courier } else { Who::Customer };
        if receipt.outcome == Outcome::Jammed {
            let it = &mut self.bookings[booking];
            let last = placed::jammed_last(&it.links(|_| true));
            it.unproven |= last && booked::is_doubted_after_jam(who, it.kind, it.state);
            if last {
                self.hold(locker, receipt.door.0);
            }
            return;
        }
        let event = if receipt.outcome.is_closing() {
            Event::Closed
        } else {
            let certain = receipt.outcome == Outcome::Opened;
            Event::Opened { operation: receipt.operation, certain }
        };
        if let (Who::Customer, Event::Opened { certain: true, .. }) = (who, event) {
            self.was_opened(booking, at);
            self.bookings[booking].certain = true;
        }
        self.move_on(booking, who, event, (at, now));
    }

    /// Somebody at the door says what lies inside since that opening; false where that says nothing (any more).
    pub(crate) fn say(&mut self, booking: usize, who: Who, answer: Answer, now: u64) -> bool {
        let by_courier = who == Who::Courier;
        let it = &self.bookings[booking];
        let theirs = it.links(|link| link.courier == by_courier);
        let others = it.links(|link| link.courier != by_courier);
        let taken_out = placed::known(&others, it.answer, self.measures[it.locker]).and_then(Inside::counts)
            == Some(false);
        let opened_since = placed::last_opening(&others).is_some_and(|later| later > answer.after);
        if opened_since
            || (by_courier && matches!(it.state, State::Booked | State::Cancelled) && taken_out)
            || !booked::may_say(who, it.kind, it.state, false)
            || placed::may_say(&theirs, answer).is_err()
        {
            return false;
        }
        self.bookings[booking].answer = Some(answer);
        self.move_on(booking, who, Event::Said, (wide(now), wide(now)));
        true
    }

    /// A courier, at the door or back from it, says what lies inside, where nobody has measured it.
    pub fn courier_says(&mut self, booking: usize, inside: bool, now: u64) -> bool {
        let it = &self.bookings[booking];
        let links = it.links(|link| link.courier);
        let open = matches!(placed::known(&links, it.answer, false), Some(Inside::Open | Inside::Unknown));
        let opened = placed::last_opening(&links).filter(|_| open);
        opened.is_some_and(|after| self.say(booking, Who::Courier, Answer { after, inside }, now))
    }

    fn was_opened(&mut self, booking: usize, at: i64) {
        let it = &mut self.bookings[booking];
        it.first_opened = Some(it.first_opened.map_or(at, |first| first.min(at)));
        it.last_opened = Some(it.last_opened.map_or(at, |last| last.max(at)));
    }

    /// What follows from what became known at `now` and happened at `at`.
    fn move_on(&mut self, booking: usize, who: Who, event: Event, (at, now): (i64, i64)) {
        let by_courier = who == Who::Courier;
        let it = &self.bookings[booking];
        let links = it.links(|link| link.courier == by_courier);
        let others = it.links(|link| link.courier != by_courier);
        let overtaken = placed::last_opening(&others) > placed::last_opening(&links);
        let openings = it.openings(by_courier);
        let since = placed::known(&others, it.answer, self.measures[it.locker]);
        let put_in_since = overtaken
            && (placed::took_out(&it.openings(!by_courier)).is_none()
                || since.and_then(Inside::counts) == Some(true));
        let last = placed::last_opening(&links).unwrap_or_default();
        let earlier: Vec<_> = others.iter().filter(|link| link.sequence < last).copied().collect();
        let lay_there = placed::known(&earlier, it.answer, self.measures[it.locker]);
        let inside = placed::known(&links, it.answer, self.measures[it.locker]);
        let whose = self.whose(booking);
        let facts = Facts {
            kind: it.kind,
            state: it.state,
            who,
            inside,
            before: it.inside,
            door: whose,
            here: true,
            opened_by_customer: it.first_opened.is_some(),
            took_out: placed::took_out(&openings),
            unproven: it.unproven,
            overtaken,
            put_in_since,
            lay_there: lay_there == Some(Inside::Present),
            came_first: placed::first_opening(&others) > placed::last_opening(&links),
            before_report: it.reported.is_some_and(|since| at < since),
        };
        let (locker, door) = (it.locker, it.door);
        let opening = placed::last_opening(&links);
        let verdict = booked::judge(facts, event);
        // Whom the hub would ask what lies inside.
        self.bookings[booking].opening = match who {
            _ if overtaken && facts.kind == Kind::Return => self.bookings[booking].opening,
            Who::Customer => opening,
            Who::Courier if facts.kind == Kind::Return => None,
            Who::Courier => self.bookings[booking].opening,
        };
        let of_before = facts.before_report || overtaken;
        if !of_before {
            self.bookings[booking].inside = inside;
        }
        if verdict.state == State::Opened && self.bookings[booking].first_opened.is_none() {
            self.was_opened(booking, at);
        }
        self.bookings[booking].unproven = verdict.unproven;
        if verdict.begins {
            self.bookings[booking].until = None;
        }
        if verdict.state != self.bookings[booking].state {
            self.put(booking, verdict.state);
            self.bookings[booking].reported = None;
        }
        match verdict.then {
            Then::Stays => {}
            Then::Keep => drop(self.keep_again(booking)),
            // A return that its carrier has goes its way; what it ends in says nothing of any door.
            Then::Free => self.free_or_settle(booking),
            Then::Settle => self.end(booking, Holds::Nothing),
            Then::Hold => self.hold(locker, door),
        }
        // As the real hub's sweep, which comes a little later.
        let over = self.bookings[booking].until.is_some_and(|until| until <= now);
        if over && self.bookings[booking].state == State::Ready {
            self.put(booking, State::Expired);
        }
        if verdict.alarm.is_some() && self.whose(booking) != booked::Door::Kept {
            self.alarm(locker, door);
        }
        self.touch(booking);
    }

    /// Whether it answers whoever wants to give a compartment back that something lies inside.
    pub fn says_it_lies_inside(&self, booking: usize) -> bool {
        self.bookings[booking].inside == Some(Inside::Present)
    }

    /// The first receipt of a locker that is not here.
    pub fn first_missing(&self, locker: usize) -> u32 {
        u32::try_from(self.whole[locker].to + 1).expect("few")
    }

    /// A courier's device brings a sealed part of a locker's chain.
    pub fn carried(&mut self, locker: usize, sealed: &[u8], now: u64) -> bool {
        let Ok(receipts) = carry::open(&self.carry_secret, self.lockers[locker].0.id, sealed) else {
            return false;
        };
        receipts.iter().all(|bytes| self.evidence(locker, bytes, now) != ReceiptResult::Invalid)
    }

    /// A courier has fetched a return.
    pub fn is_fetched(&self, booking: usize) -> bool {
        let it = &self.bookings[booking];
        let fetches = |link: &Link| {
            link.courier && link.operation == Operation::Collect && link.outcome != Outcome::Jammed
        };
        it.links.values().any(fetches) && self.whose(booking) != booked::Door::Kept
    }
}
