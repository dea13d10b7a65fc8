//! The hub as the phones see it, in memory: the paths of the contract that the core calls ([`answers`]), on the rules that the
//! real hub decides by (`postern-rules`). What the real one keeps in rows is kept here in maps; what follows from it is decided
//! by the same functions. It also keeps the ledger of every token that it ever signed, for the reference to judge by.

mod answers;
mod doors;
mod ended;
mod known;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use postern_api::{
    locker::LockerDescriptor,
    reservation::{Kind, State},
};
use postern_protocol::{
    DeviceKey, Door, Epoch, IssuerKeys, KeyId, LockerId, LockerIdentity, Timestamp, TokenId, carry,
    issue::Issuer,
    message::{Operation, Operations},
    token::Claims,
};
use postern_rules::{
    access,
    chain::Whole,
    placed::{Answer, Inside},
};

pub use self::doors::DoorState;
use self::known::{Link, Row};
use crate::{dice::Dice, news::News, said::Said};

/// Base URL in this world.
pub const BASE: &str = "https://hub.example";
/// Seconds within which a door may be opened again.
pub const REOPEN: u64 = 600;
/// How often there is more time for a parcel, and so many hours of it.
const EXTENSIONS: i64 = 2;
const EXTENSION_HOURS: i64 = 48;
/// The secret of which the PINs of all lockers are made.
pub const PIN_SECRET: [u8; 32] = [0x2a; 32];

/// A token that the hub signed.
#[derive(Clone, Debug)]
pub struct Issued {
    /// What it says.
    pub claims: Claims,
    /// The signed bytes.
    pub bytes: Vec<u8>,
    /// The reservation it was signed for; none for a courier's service key.
    pub reservation: Option<usize>,
}

/// One reservation.
#[derive(Clone, Debug)]
pub struct Booking {
    /// Whose.
    pub customer: usize,
    /// Where.
    pub locker: usize,
    /// Which door.
    pub door: u16,
    /// To collect, or to give back.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Its customer's access was ended some time, before its end.
    pub revoked: bool,
    /// The customer said that it was taken.
    pub taken: Option<bool>,
    /// A receipt says for certain that its customer opened the door.
    pub certain: bool,
    /// It counted as dropped off some time.
    pub was_dropped_off: bool,
    /// The state rests on a word.
    unproven: bool,
    /// The epoch of its door for which its tokens and PINs are.
    epoch: u32,
    /// Until when it is the customer's, UNIX seconds; none where that is far.
    pub until: Option<i64>,
    /// How often there was more time for it.
    extensions: i64,
    /// The epoch with which it was given its door.
    first_epoch: u32,
    /// Since when it has lain inside by its carrier's report alone.
    reported: Option<i64>,
    /// What is known of the compartment.
    inside: Option<Inside>,
    /// Place in the chain of its customer's last opening.
    opening: Option<i64>,
    /// What somebody at the door said of it.
    answer: Option<Answer>,
    /// When its customer opened it, first and last.
    first_opened: Option<i64>,
    last_opened: Option<i64>,
    /// The last epoch in which its customer was given access.
    given_in: Option<u32>,
    /// Epoch and slot of its customer's PIN.
    slot: Option<(u32, u8)>,
    /// A PIN was given out for it.
    pin: bool,
    /// The last end of a token that was signed for it.
    tokens_until: Option<i64>,
    /// Openings and closings of its door by its customer and by couriers, by their place in the chain.
    links: BTreeMap<u32, Link>,
    version: u64,
    position: u64,
}

/// The hub.
pub struct Hub {
    dice: Dice,
    issuers: Vec<Issuer>,
    lockers: Vec<(LockerIdentity, u16)>,
    /// Whether each measures what lies in its compartments.
    measures: Vec<bool>,
    by_id: HashMap<LockerId, usize>,
    descriptors: Vec<LockerDescriptor>,
    /// Every door that was ever given to somebody.
    doors: BTreeMap<(usize, u16), DoorState>,
    /// What ended before its time, by locker.
    pub news: Vec<News>,
    /// The highest number that a receipt acknowledges, by locker.
    acknowledged: Vec<u32>,
    /// To which couriers' devices carry sealed receipts.
    carry_secret: [u8; 32],
    /// All bookings ever made.
    pub bookings: Vec<Booking>,
    by_customer: Vec<Vec<usize>>,
    /// Bookings of which somebody still has something to get, or to give.
    pub(crate) open: BTreeSet<usize>,
    /// All tokens ever signed.
    pub ledger: BTreeMap<TokenId, Issued>,
    /// Receipts that reached the hub, by locker and sequence.
    pub receipts: BTreeMap<(usize, u32), Vec<u8>>,
    rows: BTreeMap<(usize, u32), Row>,
    /// Each locker's chain, as far as it is complete.
    whole: Vec<Whole>,
    position: u64,
    keys: Vec<DeviceKey>,
    idempotent: BTreeMap<String, (u16, Said)>,
    touched: Vec<usize>,
    /// Seconds that a token lives in this world.
    token_life: u64,
    /// Openings that a token allows in this world.
    pub uses: u8,
    disputes: Vec<usize>,
    /// Doors at which somebody has to look, and those of them of which the operator has not been told.
    looks: BTreeSet<(usize, u16)>,
    untold: Vec<(usize, u16)>,
    /// A receipt contradicted one that the hub had.
    pub forks: u32,
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// As the rules and the contract count seconds and epochs.
fn wide(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

impl Hub {
    /// A hub with these lockers (how many doors each has, and whether it measures what lies behind them) and the device keys
    /// of all customers.
    pub fn new(
        seed: u64,
        lockers: Vec<(LockerIdentity, u16)>,
        measures: Vec<bool>,
        keys: Vec<DeviceKey>,
    ) -> Self {
        let mut dice = Dice::new(seed ^ 0x6875_6221);
        let issuer = Issuer::new(KeyId(1), dice.bytes());
        let carry_secret = dice.bytes();
        Self {
            dice,
            issuers: vec![issuer],
            descriptors: lockers
                .iter()
                .zip(&measures)
                .enumerate()
                .map(|(at, (it, measures))| answers::descriptor(at, it, *measures))
                .collect(),
            by_id: lockers.iter().enumerate().map(|(at, (it, _))| (it.id, at)).collect(),
            doors: BTreeMap::new(),
            news: vec![News::default(); lockers.len()],
            acknowledged: vec![0; lockers.len()],
            whole: vec![Whole { to: -1, news: 0, at: 0 }; lockers.len()],
            lockers,
            measures,
            carry_secret,
            bookings: Vec::new(),
            by_customer: vec![Vec::new(); keys.len()],
            open: BTreeSet::new(),
            ledger: BTreeMap::new(),
            receipts: BTreeMap::new(),
            rows: BTreeMap::new(),
            position: 0,
            keys,
            idempotent: BTreeMap::new(),
            touched: Vec::new(),
            token_life: if seed.is_multiple_of(4) { 900 } else { 200 },
            uses: if seed.is_multiple_of(3) { 2 } else { 1 },
            disputes: Vec::new(),
            looks: BTreeSet::new(),
            untold: Vec::new(),
            forks: 0,
        }
    }

    fn issuer(&self) -> &Issuer {
        self.issuers.last().expect("there is always one")
    }

    /// What a new locker is provisioned with.
    pub fn issuer_keys(&self) -> IssuerKeys {
        let mut keys = IssuerKeys::new();
        for issuer in &self.issuers {
            let _ = keys.insert(issuer.key_id, issuer.public());
        }
        keys
    }

    /// Signs with a new key from now on. Lockers learn it by the next bulletin; the old key is still trusted.
    pub fn rotate_key(&mut self) {
        let id = KeyId(self.issuer().key_id.0 + 1);
        let secret = self.dice.bytes();
        self.issuers.push(Issuer::new(id, secret));
    }

    fn touch(&mut self, booking: usize) {
        self.position += 1;
        self.bookings[booking].version += 1;
        self.bookings[booking].position = self.position;
        self.touched.push(self.bookings[booking].customer);
    }

    /// Customers for whom something changed since the last time.
    pub fn take_touched(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.touched)
    }

    fn put(&mut self, booking: usize, state: State) {
        self.bookings[booking].state = state;
        self.bookings[booking].was_dropped_off |= state == State::Deposited;
        let over = matches!(
            state,
            State::Collected
                | State::Deposited
                | State::Cancelled
                | State::Returned
                | State::Accepted
                | State::Refused
                | State::Released
        );
        if over {
            self.open.remove(&booking)
        } else {
            self.open.insert(booking)
        };
    }

    /// The bookings of a customer, oldest first.
    pub fn of(&self, customer: usize) -> &[usize] {
        &self.by_customer[customer]
    }

    /// Bookings whose customers said, since the last time, that nothing was there.
    pub fn take_disputes(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.disputes)
    }

    /// Doors at which, since the last time, it was found that somebody has to look.
    pub fn take_looks(&mut self) -> Vec<(usize, u16)> {
        std::mem::take(&mut self.untold)
    }

    /// The operator is told of a door, once until it was looked at.
    fn alarm(&mut self, locker: usize, door: u16) {
        if self.looks.insert((locker, door)) {
            self.untold.push((locker, door));
        }
    }

    /// Signs a token and writes it into the ledger.
    pub fn mint(
        &mut self,
        booking: usize,
        key: DeviceKey,
        operations: Operations,
        now: u64,
        hello_nonce: Option<[u8; 16]>,
    ) -> Issued {
        let Booking { locker, door, epoch, .. } = self.bookings[booking];
        let courier = operations.contains(Operation::Carry);
        let expires = now + self.token_life;
        let claims = Claims {
            key_id: self.issuer().key_id,
            locker: self.lockers[locker].0.id,
            doors: vec![(Door(door), Epoch(epoch))],
            operations,
            not_before: Timestamp(now - 60),
            expires: Timestamp(expires),
            issued_at: Timestamp(now),
            id: TokenId(self.dice.bytes()),
            key,
            // A courier puts one thing in once.
            uses: if courier { 1 } else { self.uses },
            delegable: !courier,
            hello_nonce,
            carry_key: courier.then(|| carry::public(&self.carry_secret)),
        };
        let bytes = self.issuer().sign_token(&claims);
        let issued = Issued { claims, bytes, reservation: Some(booking) };
        self.ledger.insert(issued.claims.id, issued.clone());
        let until = &mut self.bookings[booking].tokens_until;
        *until = Some(until.unwrap_or(0).max(wide(expires)));
        issued
    }

    /// A token for a courier who puts a parcel in, or fetches a return. None where there is nothing to be done.
    pub fn courier_token(
        &mut self,
        booking: usize,
        key: DeviceKey,
        now: u64,
        hello_nonce: Option<[u8; 16]>,
    ) -> Option<Issued> {
        let Booking { locker, door, .. } = self.bookings[booking];
        if self.kept(locker, door) != Some(booking) {
            return None;
        }
        let puts_in = match (self.bookings[booking].kind, self.bookings[booking].state) {
            (Kind::Pickup, State::Announced | State::InTransit) => {
                // A locker that cannot measure takes no second deposit in one epoch.
                let unsaid = self.bookings[booking].inside.and_then(Inside::counts) != Some(true);
                if unsaid && self.was_opened_for_deposit(booking) {
                    self.raise(booking, access::For::Customer);
                }
                true
            }
            (Kind::Pickup, State::Expired) | (Kind::Return, State::Deposited) => {
                self.hand_to(booking, access::For::Courier);
                false
            }
            _ => return None,
        };
        let operations = access::errand(puts_in).iter().copied().collect();
        Some(self.mint(booking, key, operations, now, hello_nonce))
    }

    fn booking_of(id: &str) -> Option<usize> {
        id.strip_prefix("rsv-")?.parse().ok()
    }

    /// The name of a booking on the wire.
    pub fn id_of(booking: usize) -> String {
        format!("rsv-{booking}")
    }

    /// Which locker has this id.
    pub(crate) fn locker_index(&self, id: &str) -> Option<usize> {
        self.by_id.get(&id.parse::<LockerId>().ok()?).copied()
    }
}
