//! The paths of the contract that the core calls.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use postern_api::{
    account::{Account, Device, HubInfo, TokenResponse},
    locker::{DoorInfo, LockerDescriptor, Reach, Size},
    problem::{Code, Problem},
    reservation::{
        Action, Carrier, Compartment, Extend, Inside, Kind, Release, Reservation, Role, State, Taken,
        TimelineEntry, TimelineEvent,
    },
    sync::{Changes, ReceiptResult, ReceiptResults, ReceiptUpload},
    token::{Grant, Grants, TokenBatch},
};
use postern_core::effect::{Auth, Body, HttpRequest, Method};
use postern_protocol::LockerIdentity;
use postern_rules::{
    access::{self, For, Standing},
    booked::{self, Who},
    care::Keeps,
    parcel::{self, Timed},
    placed::{self, Answer},
    release::{self, Back, Given},
    settling::Holds,
    taken::{self, Verdict},
};

use super::{BASE, Booking, EXTENSION_HOURS, EXTENSIONS, Hub, REOPEN, encode, wide};
use crate::said::Said;

pub(super) const fn yes(said: Said) -> (u16, Said) {
    (200, said)
}

pub(super) fn problem(status: u16, code: Code) -> (u16, Said) {
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
                test_network: None,
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
                homes: Vec::new(),
            })),
            (Method::Get, "/v1/changes") => self.changes(customer, query, now),
            (Method::Post, "/v1/tokens") => self.grants(customer, body, now),
            (Method::Post, "/v1/bulletins") => self.bulletins(body, now),
            (Method::Post, "/v1/receipts") => self.ingest(body, now),
            (Method::Post, _) if path.ends_with("/inside") => self.inside(customer, path, body, now),
            (Method::Post, _) if path.ends_with("/extend") => self.extend(customer, path, body, now),
            (Method::Post, _) if path.ends_with("/release") => self.release(customer, path, body, now),
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
            State::Expired if booking.first_opened.is_some() => vec![Action::ConfirmTaken, Action::Report],
            State::Expired => vec![Action::Report],
            State::Held => vec![Action::Open, Action::Release, Action::Report],
            _ => Vec::new(),
        };
        if booking.more_time(i64::MAX / 4, now).is_ok() {
            actions.push(Action::Extend);
        }
        if booking.state == State::Opened && booking.may_open(now) {
            let again = access::reopens(booking.standing(), wide(REOPEN), wide(now));
            actions.insert(0, if again { Action::Reopen } else { Action::Open });
        }
        let is_unsaid = booked::may_say(Who::Customer, booking.kind, booking.state, false)
            && booking.opening.is_some()
            && matches!(booking.inside, Some(placed::Inside::Open | placed::Inside::Unknown));
        if is_unsaid {
            actions.push(Action::ConfirmPlaced);
        }
        let opened = booking.last_opened.map(|at| TimelineEntry {
            at,
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
            until: Some(booking.until.unwrap_or(i64::MAX / 4)),
            since: None,
            identification: None,
            unproven: booking.unproven,
            checking: false,
            care: None,
            lent: false,
            flat: None,
            opening: booking.opening.and_then(|opening| u32::try_from(opening).ok()),
            actions,
            shares: Vec::new(),
            timeline: opened.into_iter().collect(),
            reports: Vec::new(),
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
        wanted.retain(|at| self.bookings[*at].may_open(now));
        if wanted.is_empty() && !batch.reservations.is_empty() {
            return problem(409, Code::WrongState);
        }
        let mut grants = Vec::new();
        let mut lockers = Vec::new();
        for at in wanted {
            let Booking { kind, state, inside, .. } = self.bookings[at];
            if kind == Kind::Return {
                self.hand_to(at, For::Customer);
            }
            let Booking { locker, door, .. } = self.bookings[at];
            self.bookings[at].given_in = Some(self.epoch(locker, door));
            let allowed = access::operations(kind, state, inside);
            let operations = allowed.iter().copied().collect();
            let key = self.keys[customer];
            let issued = self.mint(at, key, operations, now, nonce);
            let pin = self.pin_for(at);
            let booking = &self.bookings[at];
            lockers.push(booking.locker);
            grants.push(Grant {
                reservation: Self::id_of(at),
                locker: self.descriptors[booking.locker].id.clone(),
                doors: vec![booking.door],
                operations: allowed.iter().copied().map(access::named).collect(),
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

    fn ingest(&mut self, body: &[u8], now: u64) -> (u16, Said) {
        let Ok(upload) = serde_json::from_slice::<ReceiptUpload>(body) else {
            return problem(400, Code::Malformed);
        };
        let results = upload
            .receipts
            .iter()
            .map(|uploaded| {
                let bytes = BASE64_URL_SAFE_NO_PAD.decode(&uploaded.receipt).unwrap_or_default();
                match self.locker_index(&uploaded.locker) {
                    Some(locker) => self.evidence(locker, &bytes, now),
                    None => ReceiptResult::Invalid,
                }
                .into()
            })
            .collect();
        yes(Said::Results(ReceiptResults { results }))
    }

    /// Which of a customer's bookings something is said of.
    fn spoken_of(&self, customer: usize, path: &str, word: &str) -> Option<usize> {
        let booking =
            path.strip_prefix("/v1/reservations/")?.strip_suffix(word).and_then(Self::booking_of)?;
        (self.bookings.get(booking)?.customer == customer).then_some(booking)
    }

    fn inside(&mut self, customer: usize, path: &str, body: &[u8], now: u64) -> (u16, Said) {
        let said = serde_json::from_slice::<Inside>(body);
        let (Some(booking), Ok(said)) = (self.spoken_of(customer, path, "/inside"), said) else {
            return problem(404, Code::NotFound);
        };
        let answer = Answer { after: i64::from(said.opening), inside: said.inside };
        if !self.say(booking, Who::Customer, answer, now) {
            return problem(409, Code::WrongState);
        }
        yes(Said::Reservation(Box::new(self.reservation(booking, now))))
    }

    fn extend(&mut self, customer: usize, path: &str, body: &[u8], now: u64) -> (u16, Said) {
        let said = serde_json::from_slice::<Extend>(body);
        let (Some(booking), Ok(said)) = (self.spoken_of(customer, path, "/extend"), said) else {
            return problem(404, Code::NotFound);
        };
        let Ok(until) = self.bookings[booking].more_time(said.until, now) else {
            return problem(409, Code::WrongState);
        };
        self.hand_to(booking, For::Customer);
        let it = &mut self.bookings[booking];
        it.until = Some(until);
        it.extensions += 1;
        self.put(booking, State::Ready);
        self.touch(booking);
        yes(Said::Reservation(Box::new(self.reservation(booking, now))))
    }

    fn release(&mut self, customer: usize, path: &str, body: &[u8], now: u64) -> (u16, Said) {
        let said = serde_json::from_slice::<Release>(body);
        let (Some(booking), Ok(said)) = (self.spoken_of(customer, path, "/release"), said) else {
            return problem(404, Code::NotFound);
        };
        let it = &mut self.bookings[booking];
        if (it.kind, it.state) != (Kind::Storage, State::Held) {
            return problem(409, Code::WrongState);
        }
        let opening = said.opening.map(i64::from);
        let as_it_should_be = said.empty.filter(|_| opening.is_some() && opening == it.opening);
        let given = Given { lent: false, inside: it.inside, as_it_should_be };
        let Ok(back) = release::give_back(given) else { return problem(409, Code::SomethingInside) };
        if let (Some(true), Some(after)) = (as_it_should_be, opening) {
            it.answer = Some(Answer { after, inside: false });
            if back == Back::Said {
                it.inside = Some(placed::Inside::SaidOut);
            }
        }
        it.unproven = back == Back::Said;
        let locker = it.locker;
        self.end(booking, Holds::Nothing);
        self.bookings[booking].revoked = true;
        self.put(booking, State::Released);
        self.settle(locker);
        self.touch(booking);
        yes(Said::Reservation(Box::new(self.reservation(booking, now))))
    }

    fn taken(&mut self, customer: usize, path: &str, body: &[u8], now: u64) -> (u16, Said) {
        let said = serde_json::from_slice::<Taken>(body);
        let (Some(booking), Ok(said)) = (self.spoken_of(customer, path, "/taken"), said) else {
            return problem(404, Code::NotFound);
        };
        let whose = self.whose(booking);
        let it = &self.bookings[booking];
        let facts = taken::Facts {
            kind: it.kind,
            state: it.state,
            inside: it.inside,
            sensors: self.measures[it.locker],
            unproven: it.unproven,
            opened: it.first_opened.is_some(),
            by_owner: true,
            by_opener: true,
            door: whose,
        };
        let Ok(verdict) = taken::judge(facts, said.taken) else { return problem(409, Code::WrongState) };
        match verdict {
            Verdict::Known => {}
            Verdict::Collected { unproven, door, left } => {
                let jammed = placed::jammed_last(&self.bookings[booking].links(|_| true));
                match door {
                    taken::Door::Free if !jammed => self.free(booking),
                    taken::Door::Free | taken::Door::Settles => self.end(booking, Holds::Taken),
                }
                self.bookings[booking].unproven = unproven;
                self.put(booking, State::Collected);
                let Booking { locker, door, .. } = self.bookings[booking];
                if left {
                    self.alarm(locker, door);
                }
                self.settle(locker);
            }
            Verdict::Ready => {
                if !self.keep_again(booking) {
                    return problem(409, Code::WrongState);
                }
                self.bookings[booking].unproven = false;
                self.put(booking, State::Ready);
            }
            Verdict::Disputed { again } => {
                if let Some(state) = again {
                    self.keep_again(booking);
                    self.put(booking, state);
                }
                self.disputes.push(booking);
            }
        }
        self.bookings[booking].taken = Some(said.taken);
        self.touch(booking);
        yes(Said::Reservation(Box::new(self.reservation(booking, now))))
    }
}

impl Booking {
    /// Whether its door may be opened by its customer.
    fn may_open(&self, now: u64) -> bool {
        access::may_open(self.standing(), wide(REOPEN), wide(now))
    }

    fn standing(&self) -> Standing {
        Standing {
            kind: self.kind,
            state: self.state,
            last_opened: self.last_opened,
            inside: self.inside,
            until: self.until,
            has_door: true,
        }
    }

    /// What is granted where there is to be more time for it, until then.
    fn more_time(&self, until: i64, now: u64) -> Result<i64, parcel::Not> {
        let timed = Timed {
            kind: self.kind,
            state: self.state,
            until: self.until,
            held_until: None,
            extensions: self.extensions,
            may_lie_there: access::may_lie_there(self.inside),
            keeps: Keeps::default(),
        };
        parcel::extend(timed, until, EXTENSIONS, EXTENSION_HOURS, wide(now))
    }
}

/// What phones are told of a locker.
pub(super) fn descriptor(
    at: usize,
    (identity, doors): &(LockerIdentity, u16),
    measures: bool,
) -> LockerDescriptor {
    LockerDescriptor {
        id: identity.id.to_string(),
        name: format!("Locker {at}"),
        site: "site".into(),
        static_key: encode(&identity.static_key),
        receipt_key: encode(&identity.receipt_key),
        scanner: true,
        keypad: true,
        content_sensors: measures,
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
                frozen: false,
            })
            .collect(),
    }
}
