//! The hub as the phones see it: the paths of the contract that the core calls, in memory. It answers like the real
//! one where the world looks, and keeps the ledger of every token that it ever signed for the reference to judge by.

mod ended;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use postern_api::{
    account::{Account, Device, HubInfo, TokenResponse},
    locker::{DoorInfo, LockerDescriptor, Reach, Size},
    problem::{Code, Problem},
    reservation::{
        Action, Carrier, Compartment, Kind, Reservation, Role, State, TimelineEntry, TimelineEvent,
    },
    sync::{Changes, ReceiptResult, ReceiptResults, ReceiptUpload},
    token::{Grant, Grants, Operation, TokenBatch},
};
use postern_core::effect::{Auth, Body, HttpRequest, Method};
use postern_protocol::{
    DeviceKey, Door, Epoch, IssuerKeys, KeyId, LockerId, LockerIdentity, Timestamp, TokenId, carry,
    issue::Issuer,
    message::{Operation as Op, Operations},
    receipt::{self, Outcome, Receipt},
    token::Claims,
};

use crate::{
    dice::Dice,
    news::{Ended, News},
    said::Said,
};

/// Base URL in this world.
pub const BASE: &str = "https://hub.example";
/// Seconds within which a door may be opened again.
pub const REOPEN: u64 = 600;
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
    /// The epoch of its door when it was booked: all that is below is of others.
    pub first_epoch: u32,
    /// Its customer's access was taken back some time.
    pub revoked: bool,
    /// Epoch and slot of its customer's PIN.
    slot: Option<(u32, u8)>,
    /// The customer said that it was taken.
    pub taken: Option<bool>,
    /// A receipt says for certain that the door was opened.
    pub certain: bool,
    /// Some receipt says that it was, or that the locker cannot tell.
    opened: Option<u64>,
    /// It counted as dropped off some time.
    pub was_dropped_off: bool,
    /// Openings and closings of it by their place in the chain, in which they need not arrive.
    links: BTreeMap<u32, Outcome>,
    version: u64,
    position: u64,
}

/// The hub.
pub struct Hub {
    dice: Dice,
    issuers: Vec<Issuer>,
    lockers: Vec<(LockerIdentity, u16)>,
    by_id: HashMap<LockerId, usize>,
    descriptors: Vec<LockerDescriptor>,
    epochs: BTreeMap<(usize, u16), u32>,
    /// The highest epoch that a receipt proves the locker to know.
    proven: BTreeMap<(usize, u16), u32>,
    /// PIN slots given out.
    slots: BTreeMap<(usize, u16, u32), u8>,
    /// What ended before its time, by locker.
    pub news: Vec<News>,
    /// The highest number that a receipt acknowledges, by locker.
    acknowledged: Vec<u32>,
    /// To which couriers' devices carry sealed receipts.
    carry_secret: [u8; 32],
    /// All bookings ever made.
    pub bookings: Vec<Booking>,
    /// Those of a door and of a customer, in the order in which they were made; those that are not collected.
    by_door: HashMap<(usize, u16), Vec<usize>>,
    by_customer: Vec<Vec<usize>>,
    pub(crate) open: BTreeSet<usize>,
    /// All tokens ever signed.
    pub ledger: BTreeMap<TokenId, Issued>,
    /// Receipts that reached the hub, by locker and sequence.
    pub receipts: BTreeMap<(usize, u32), Vec<u8>>,
    position: u64,
    keys: Vec<DeviceKey>,
    idempotent: BTreeMap<String, (u16, Said)>,
    touched: Vec<usize>,
    /// Seconds that a token lives in this world.
    token_life: u64,
    /// Openings that a token allows in this world.
    pub uses: u8,
    disputes: Vec<usize>,
    /// A receipt contradicted one that the hub had.
    pub forks: u32,
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

const fn yes(said: Said) -> (u16, Said) {
    (200, said)
}

fn problem(status: u16, code: Code) -> (u16, Said) {
    let body = Problem {
        kind: "urn:postern:problem".into(),
        title: String::new(),
        status,
        code,
        detail: None,
        pointer: None,
        retry_after: None,
    };
    (status, Said::Problem(body))
}

impl Hub {
    /// A hub with these lockers (and how many doors each has) and the device keys of all customers.
    pub fn new(seed: u64, lockers: Vec<(LockerIdentity, u16)>, keys: Vec<DeviceKey>) -> Self {
        let mut dice = Dice::new(seed ^ 0x6875_6221);
        let issuer = Issuer::new(KeyId(1), dice.bytes());
        let carry_secret = dice.bytes();
        Self {
            dice,
            issuers: vec![issuer],
            descriptors: lockers.iter().enumerate().map(|(at, it)| descriptor(at, it)).collect(),
            by_id: lockers.iter().enumerate().map(|(at, (it, _))| (it.id, at)).collect(),
            news: vec![News::default(); lockers.len()],
            acknowledged: vec![0; lockers.len()],
            lockers,
            epochs: BTreeMap::new(),
            proven: BTreeMap::new(),
            slots: BTreeMap::new(),
            carry_secret,
            bookings: Vec::new(),
            by_door: HashMap::new(),
            by_customer: vec![Vec::new(); keys.len()],
            open: BTreeSet::new(),
            ledger: BTreeMap::new(),
            receipts: BTreeMap::new(),
            position: 0,
            keys,
            idempotent: BTreeMap::new(),
            touched: Vec::new(),
            token_life: if seed.is_multiple_of(4) { 900 } else { 200 },
            uses: if seed.is_multiple_of(3) { 2 } else { 1 },
            disputes: Vec::new(),
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

    /// The epoch of a door as the hub has it.
    pub fn epoch(&self, locker: usize, door: u16) -> u32 {
        self.epochs.get(&(locker, door)).copied().unwrap_or(0)
    }

    fn raise_epoch(&mut self, locker: usize, door: u16) {
        *self.epochs.entry((locker, door)).or_insert(0) += 1;
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

    /// Books a door, unless somebody has it or something lies in it.
    pub fn book(&mut self, customer: usize, locker: usize, door: u16, kind: Kind) -> Option<usize> {
        let at_door = self.by_door.entry((locker, door)).or_default();
        let taken = |it: &usize| self.open.contains(it) || self.bookings[*it].state == State::Deposited;
        if at_door.iter().any(taken) {
            return None;
        }
        let booking = self.bookings.len();
        at_door.push(booking);
        self.by_customer[customer].push(booking);
        self.open.insert(booking);
        self.raise_epoch(locker, door);
        let state = if kind == Kind::Return { State::Booked } else { State::InTransit };
        self.bookings.push(Booking {
            customer,
            locker,
            door,
            kind,
            state,
            first_epoch: self.epoch(locker, door),
            revoked: false,
            slot: None,
            taken: None,
            certain: false,
            opened: None,
            was_dropped_off: false,
            links: BTreeMap::new(),
            version: 0,
            position: 0,
        });
        self.touch(booking);
        Some(booking)
    }

    fn put(&mut self, booking: usize, state: State) {
        self.bookings[booking].state = state;
        if matches!(state, State::Collected | State::Deposited) {
            self.open.remove(&booking)
        } else {
            self.open.insert(booking)
        };
    }

    /// The bookings of a customer, oldest first.
    pub fn of(&self, customer: usize) -> &[usize] {
        &self.by_customer[customer]
    }

    /// The courier's receipt is here.
    pub fn deposited(&mut self, booking: usize) {
        self.put(booking, State::Ready);
        self.touch(booking);
    }

    /// Bookings whose customers said, since the last time, that nothing was there.
    pub fn take_disputes(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.disputes)
    }

    /// Whose parcel the hub believes to be behind a door.
    pub fn booked(&self, locker: usize, door: u16) -> Option<usize> {
        let here = |booking: &&usize| {
            matches!(self.bookings[**booking].state, State::Ready | State::Opened | State::Booked)
        };
        self.by_door.get(&(locker, door))?.iter().find(here).copied()
    }

    /// Who had a door in an epoch.
    pub fn occupant(&self, locker: usize, door: u16, epoch: u32) -> Option<usize> {
        let began = |booking: &&usize| self.bookings[**booking].first_epoch <= epoch;
        self.by_door.get(&(locker, door))?.iter().rev().find(began).copied()
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
        let Booking { locker, door, .. } = self.bookings[booking];
        let courier = operations.contains(Op::Carry);
        let claims = Claims {
            key_id: self.issuer().key_id,
            locker: self.lockers[locker].0.id,
            doors: vec![(Door(door), Epoch(self.epoch(locker, door)))],
            operations,
            not_before: Timestamp(now - 60),
            expires: Timestamp(now + self.token_life),
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
        issued
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

    /// Answers one request of a customer's app at this UNIX second.
    pub fn answer(&mut self, request: &HttpRequest, now: u64) -> (u16, Said) {
        let path = request.url.strip_prefix(BASE).unwrap_or("/");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if let Some(known) = request.idempotency_key.as_ref().and_then(|key| self.idempotent.get(key)) {
            return known.clone();
        }
        let body: &[u8] = match &request.body {
            Some(Body::Json(body) | Body::Form(body)) => body,
            None => &[],
        };
        let answer = match (request.method, path) {
            (Method::Get, "/.well-known/postern") => yes(Said::Info(HubInfo {
                hub: "world".into(),
                name: "World".into(),
                api: 1,
                api_min: None,
                issuer: BASE.into(),
                authorization_endpoint: format!("{BASE}/authorize"),
                token_endpoint: format!("{BASE}/oauth/token"),
                now: i64::try_from(now).expect("in range"),
            })),
            (Method::Post, "/oauth/token") => Self::tokens_for(body),
            _ => {
                let Auth::Token(token) = &request.auth else { return problem(401, Code::Unauthenticated) };
                let Some(customer) = token.strip_prefix("access-").and_then(|n| n.parse().ok()) else {
                    return problem(401, Code::Unauthenticated);
                };
                self.authorised(customer, request.method, path, query, body, now)
            }
        };
        if let Some(key) = &request.idempotency_key {
            self.idempotent.insert(key.clone(), answer.clone());
        }
        answer
    }

    /// In this world the authorization code and the refresh token are the customer's number.
    fn tokens_for(form: &[u8]) -> (u16, Said) {
        let field = |name: &str| {
            url::form_urlencoded::parse(form)
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let customer = field("code").or_else(|| field("refresh_token")).unwrap_or_default();
        yes(Said::Tokens(TokenResponse {
            access_token: format!("access-{customer}"),
            token_type: "DPoP".into(),
            expires_in: 600,
            refresh_token: customer,
        }))
    }

    fn authorised(
        &mut self,
        customer: usize,
        method: Method,
        path: &str,
        query: &str,
        body: &[u8],
        now: u64,
    ) -> (u16, Said) {
        match (method, path) {
            (Method::Get, "/v1/me") => yes(Said::Account(Account {
                id: format!("acc-{customer}"),
                display_name: format!("Customer {customer}"),
                guest: false,
                device_id: format!("dev-{customer}"),
                devices: vec![Device {
                    id: format!("dev-{customer}"),
                    name: "Phone".into(),
                    created_at: 0,
                    last_seen_at: 0,
                }],
                prefers_low_doors: false,
                number: None,
                email: None,
            })),
            (Method::Get, "/v1/changes") => self.changes(customer, query, now),
            (Method::Post, "/v1/tokens") => self.grants(customer, body, now),
            (Method::Post, "/v1/bulletins") => self.bulletins(body, now),
            (Method::Post, "/v1/receipts") => self.ingest(body),
            (Method::Post, _) => self.taken(customer, path, body, now),
            _ => problem(404, Code::NotFound),
        }
    }

    fn changes(&self, customer: usize, query: &str, now: u64) -> (u16, Said) {
        let cursor = query.strip_prefix("cursor=").and_then(|at| at.parse::<u64>().ok()).unwrap_or(0);
        let new = |at: &usize| self.bookings[*at].position > cursor;
        let changed: Vec<usize> = self.of(customer).iter().copied().filter(new).collect();
        let mut lockers: Vec<usize> = changed.iter().map(|at| self.bookings[*at].locker).collect();
        lockers.sort_unstable();
        lockers.dedup();
        yes(Said::Changes(Changes {
            cursor: self.position.to_string(),
            reservations: changed.into_iter().map(|at| self.reservation(at, now).into()).collect(),
            removed: Vec::new(),
            news: self.news_for(customer),
            lockers: lockers.into_iter().map(|at| self.descriptors[at].clone().into()).collect(),
            more: false,
            now: i64::try_from(now).expect("in range"),
        }))
    }

    fn reservation(&self, at: usize, now: u64) -> Reservation {
        let booking = &self.bookings[at];
        let locker = &self.descriptors[booking.locker];
        let mut actions = match booking.state {
            State::Ready => vec![Action::Open, Action::ConfirmTaken, Action::Report],
            State::Booked => vec![Action::Open, Action::Report],
            State::Opened => vec![Action::ConfirmTaken, Action::Report],
            _ => Vec::new(),
        };
        if booking.state == State::Opened && booking.may_open(now) {
            actions.insert(0, Action::Reopen);
        }
        let opened = booking.opened.map(|at| TimelineEntry {
            at: i64::try_from(at).expect("in range"),
            event: TimelineEvent::Opened,
            by: None,
            proven: booking.certain,
        });
        Reservation {
            id: Self::id_of(at),
            version: booking.version,
            kind: booking.kind,
            state: booking.state,
            title: "Parcel".into(),
            carrier: Carrier { id: "c".into(), name: "Carrier".into() },
            reference: None,
            site: None,
            compartment: Some(Compartment {
                locker: locker.id.clone(),
                door: booking.door,
                label: locker.doors[usize::from(booking.door) - 1].label.clone(),
            }),
            role: Role::Owner,
            until: Some(i64::MAX / 4),
            since: None,
            identification: None,
            unproven: booking.state == State::Collected && booking.opened.is_none(),
            lent: false,
            opening: None,
            actions,
            shares: Vec::new(),
            timeline: opened.into_iter().collect(),
        }
    }

    fn grants(&mut self, customer: usize, body: &[u8], now: u64) -> (u16, Said) {
        let Ok(batch) = serde_json::from_slice::<TokenBatch>(body) else {
            return problem(400, Code::Malformed);
        };
        let nonce = batch.hello_nonce.as_ref().and_then(|text| {
            BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
        });
        let asked: Option<BTreeSet<usize>> = (!batch.reservations.is_empty())
            .then(|| batch.reservations.iter().filter_map(|id| Self::booking_of(id)).collect());
        let named = |at: &usize| asked.as_ref().is_none_or(|asked| asked.contains(at));
        let mut wanted: Vec<usize> = self.of(customer).iter().copied().filter(named).collect();
        if wanted.len() < batch.reservations.len() {
            return problem(404, Code::NotFound);
        }
        let before = wanted.len();
        wanted.retain(|at| self.bookings[*at].may_open(now));
        if wanted.len() < before && !batch.reservations.is_empty() {
            return problem(409, Code::WrongState);
        }
        let mut grants = Vec::new();
        let mut lockers = Vec::new();
        for at in wanted {
            // Taken out once; the token that took it out has no use left, and a new one gives none.
            let (allowed, told): (&[Op], &[Operation]) = match self.bookings[at].state {
                State::Opened => (&[Op::Reopen, Op::Status], &[Operation::Reopen, Operation::Status]),
                State::Booked => (
                    &[Op::Deposit, Op::Access, Op::Reopen, Op::Status],
                    &[Operation::Deposit, Operation::Access, Operation::Reopen, Operation::Status],
                ),
                _ => (
                    &[Op::Collect, Op::Reopen, Op::Status],
                    &[Operation::Collect, Operation::Reopen, Operation::Status],
                ),
            };
            let operations = allowed.iter().copied().fold(Operations::NONE, Operations::with);
            let key = self.keys[customer];
            let issued = self.mint(at, key, operations, now, nonce);
            let pin = self.pin_for(at);
            let booking = &self.bookings[at];
            lockers.push(booking.locker);
            grants.push(Grant {
                reservation: Self::id_of(at),
                locker: self.descriptors[booking.locker].id.clone(),
                doors: vec![booking.door],
                operations: told.to_vec(),
                not_before: i64::try_from(issued.claims.not_before.0).expect("in range"),
                expires: i64::try_from(issued.claims.expires.0).expect("in range"),
                uses: self.uses,
                delegable: true,
                token_id: hex::encode(issued.claims.id.0),
                token: encode(&issued.bytes),
                occupancy: issued.claims.doors[0].1.0,
                no_pin: pin.as_ref().err().copied(),
                pin: pin.ok(),
                receipts_from: None,
            });
        }
        lockers.sort_unstable();
        lockers.dedup();
        let bulletins = lockers.into_iter().map(|at| self.bulletin_for(at, now, nonce)).collect();
        yes(Said::Grants(Grants { grants, bulletins }))
    }

    fn ingest(&mut self, body: &[u8]) -> (u16, Said) {
        let Ok(upload) = serde_json::from_slice::<ReceiptUpload>(body) else {
            return problem(400, Code::Malformed);
        };
        let results = upload
            .receipts
            .iter()
            .map(|uploaded| {
                let bytes = BASE64_URL_SAFE_NO_PAD.decode(&uploaded.receipt).unwrap_or_default();
                match self.locker_index(&uploaded.locker) {
                    Some(locker) => self.evidence(locker, &bytes),
                    None => ReceiptResult::Invalid,
                }
                .into()
            })
            .collect();
        yes(Said::Results(ReceiptResults { results }))
    }

    /// Takes a receipt in, whoever brings it.
    pub fn evidence(&mut self, locker: usize, bytes: &[u8]) -> ReceiptResult {
        let Ok(receipt) = receipt::verify(bytes, &self.lockers[locker].0.receipt_key) else {
            return ReceiptResult::Invalid;
        };
        match self.receipts.get(&(locker, receipt.sequence)) {
            Some(known) if known == bytes => return ReceiptResult::Known,
            Some(_) => {
                self.forks += 1;
                return ReceiptResult::Fork;
            }
            None => self.receipts.insert((locker, receipt.sequence), bytes.to_vec()),
        };
        self.follow(locker, &receipt);
        ReceiptResult::Accepted
    }

    fn follow(&mut self, locker: usize, receipt: &Receipt) {
        let door = receipt.door.0;
        // By which token, or by the PIN of which epoch: never by who has the door now.
        let (booking, epoch) = match receipt.pin() {
            Some(pin) => (self.occupant(locker, door, pin.epoch.0), Some(pin.epoch.0)),
            None => match self.ledger.get(&receipt.token) {
                Some(issued) => {
                    (issued.reservation, issued.claims.epoch_of(receipt.door).map(|epoch| epoch.0))
                }
                None => (None, None),
            },
        };
        self.acknowledged[locker] = self.acknowledged[locker].max(receipt.news);
        let told = self.news[locker].up_to(receipt.news).filter_map(|ended| match ended {
            Ended::Epoch(door, epoch) => Some((*door, *epoch)),
            _ => None,
        });
        for (door, epoch) in told.chain(epoch.map(|epoch| (door, epoch))).collect::<Vec<_>>() {
            let proven = self.proven.entry((locker, door)).or_insert(0);
            *proven = (*proven).max(epoch);
        }
        let Some(booking) = booking else { return };
        let it = &mut self.bookings[booking];
        let collects = receipt.operation != Op::Deposit;
        if receipt.outcome != Outcome::Jammed {
            it.links.insert(receipt.sequence, receipt.outcome);
        }
        match (it.kind, receipt.outcome) {
            // Only what the locker measured says that something was put in, or taken out again.
            (Kind::Return, _) => match (it.state, inside(&it.links)) {
                (State::Booked, Some(true)) => {
                    it.was_dropped_off = true;
                    self.put(booking, State::Deposited);
                }
                (State::Deposited, Some(false)) => self.put(booking, State::Booked),
                _ => return,
            },
            // Where the locker cannot tell, it may lie there still: opened it is once the locker has measured that it is gone.
            (
                Kind::Pickup,
                Outcome::Opened | Outcome::AlreadyOpen | Outcome::Unknown | Outcome::ClosedAbsent,
            ) if collects => {
                let certain = matches!(receipt.outcome, Outcome::Opened | Outcome::AlreadyOpen);
                if !certain && inside(&it.links) != Some(false) {
                    return;
                }
                it.certain |= certain;
                it.opened = Some(it.opened.map_or(receipt.at.0, |last| last.max(receipt.at.0)));
                if it.state == State::Ready {
                    self.put(booking, State::Opened);
                }
            }
            _ => return,
        }
        self.touch(booking);
    }

    fn taken(&mut self, customer: usize, path: &str, body: &[u8], now: u64) -> (u16, Said) {
        let booking = path
            .strip_prefix("/v1/reservations/")
            .and_then(|rest| rest.strip_suffix("/taken"))
            .and_then(Self::booking_of);
        let said = serde_json::from_slice::<postern_api::reservation::Taken>(body);
        let (Some(booking), Ok(said)) = (booking, said) else { return problem(404, Code::NotFound) };
        if self.bookings.get(booking).is_none_or(|booking| booking.customer != customer) {
            return problem(404, Code::NotFound);
        }
        match (self.bookings[booking].state, said.taken) {
            (State::Collected, true) => {}
            // Of an opening by PIN that nobody knows of yet there is the customer's word.
            (State::Opened | State::Ready, true) => self.put(booking, State::Collected),
            (State::Opened | State::Collected, false) => {
                self.put(booking, State::Opened);
                self.disputes.push(booking);
            }
            _ => return problem(409, Code::WrongState),
        }
        self.bookings[booking].taken = Some(said.taken);
        self.touch(booking);
        yes(Said::Reservation(Box::new(self.reservation(booking, now))))
    }
}

/// What was measured inside since the last opening, given openings and closings by their place in the chain.
fn inside(links: &BTreeMap<u32, Outcome>) -> Option<bool> {
    let mut inside = None;
    for outcome in links.values() {
        inside = match outcome {
            Outcome::ClosedPresent => Some(true),
            Outcome::ClosedAbsent => Some(false),
            Outcome::Closed => inside,
            Outcome::Opened | Outcome::Jammed | Outcome::AlreadyOpen | Outcome::Unknown => None,
        };
    }
    inside
}

impl Booking {
    /// Whether its door may be opened by its customer.
    fn may_open(&self, now: u64) -> bool {
        match self.state {
            State::Ready | State::Booked => true,
            State::Opened => self.opened.is_some_and(|at| now < at + REOPEN),
            _ => false,
        }
    }
}

fn descriptor(at: usize, (identity, doors): &(LockerIdentity, u16)) -> LockerDescriptor {
    LockerDescriptor {
        id: identity.id.to_string(),
        name: format!("Locker {at}"),
        site: "site".into(),
        static_key: encode(&identity.static_key),
        receipt_key: encode(&identity.receipt_key),
        scanner: true,
        keypad: true,
        content_sensors: true,
        reopen_minutes: u16::try_from(REOPEN / 60).expect("small"),
        doors: (1..=*doors)
            .map(|door| DoorInfo {
                door,
                label: format!("A{door}"),
                column: 0,
                row: door - 1,
                height: 1,
                size: Size::M.into(),
                reach: Reach::Easy.into(),
                chilled: false,
            })
            .collect(),
    }
}
