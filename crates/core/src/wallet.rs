//! What the customer has: reservations, lockers, and the tokens that open them, fetched ahead in one batch and renewed
//! before they end. Data of the hub is bounded here, once, before anything else sees it.

use std::collections::{BTreeMap, BTreeSet};

mod bounds;
pub(crate) mod newer;
mod news;
mod pins;
mod traces;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use postern_api::{
    growth::Item,
    locker::LockerDescriptor,
    reservation::{Action, Kind, Reservation, State},
    token::{Grant, Grants, Operation, TokenBatch},
};
use postern_protocol::{LockerId, LockerIdentity};
use serde::{Deserialize, Serialize};

use self::{
    bounds::{TIMES, bounded, bounded_locker},
    newer::Newer,
    news::{Held, Wanted},
};
pub(crate) use self::{pins::Pin, traces::Trace};
use crate::{
    cx::{Cx, earlier},
    line::{Call, Miss, Purpose},
    shelf::{self, Shelf},
    sync::{Page, backoff},
    time::Now,
};

/// More reservations than anybody has; what goes beyond is not kept.
const MAX_RESERVATIONS: usize = 20_000;
const MAX_LOCKERS: usize = 5_000;
/// Tokens asked for in one batch.
const BATCH: usize = 200;
/// The hub gave no token for a reservation that looks open: do not ask at once again.
const NO_GRANT_MS: u64 = 5 * 60_000;
/// A refused token is renewed by the opening under way, or after this time.
const OPENING_MS: u64 = 30_000;
/// A token of less than this life is not renewed while the app is in the background.
const LONG_LIFE_S: i64 = 3600;

/// Access that somebody gave in person (PROTOCOL.md, delegation).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delegated {
    /// The owner's delegation, base64url.
    pub(crate) delegation: String,
}

/// The part that is stored.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Wallet {
    reservations: Shelf<Reservation>,
    #[serde(default)]
    newer: Shelf<Newer>,
    lockers: Shelf<LockerDescriptor>,
    grants: Shelf<Grant>,
    /// Each device's own PINs, by reservation: they outlive the tokens with which they came.
    #[serde(default)]
    pins: Shelf<Pin>,
    /// The highest epoch of its door that the hub's news told of, by reservation.
    #[serde(default)]
    epochs: Shelf<u32>,
    #[serde(default)]
    news: Shelf<Held>,
    /// The highest number of news that a receipt of the locker acknowledges.
    #[serde(default)]
    acknowledged: Shelf<u32>,
    traces: Shelf<Trace>,
    delegated: Shelf<Delegated>,
    /// Ids of tokens that the locker refused, by reservation.
    #[serde(default)]
    refused: Shelf<String>,
    #[serde(skip)]
    fetching: Fetching,
    #[serde(skip)]
    wanted: Wanted,
    /// How far this device's clock is ahead of the hub's, seconds, as of the last contact.
    #[serde(skip)]
    skew: i64,
}

/// What changed in a wallet since it was last written down.
#[derive(Serialize, Deserialize)]
pub(crate) struct Changes {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    reservations: shelf::Changes<Reservation>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    newer: shelf::Changes<Newer>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lockers: shelf::Changes<LockerDescriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    grants: shelf::Changes<Grant>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pins: shelf::Changes<Pin>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    epochs: shelf::Changes<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    news: shelf::Changes<Held>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    acknowledged: shelf::Changes<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    traces: shelf::Changes<Trace>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    delegated: shelf::Changes<Delegated>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    refused: shelf::Changes<String>,
}

/// Fetching tokens ahead.
#[derive(Default)]
struct Fetching {
    under_way: bool,
    not_before: u64,
    failures: u32,
    passed_over: BTreeMap<String, u64>,
    background: bool,
}

/// What came new, for the window and for reminders.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// Pickups that became ready.
    pub(crate) ready: Vec<String>,
    /// What the customer reported about these was answered.
    pub(crate) answered: Vec<String>,
    /// Anything changed at all.
    pub(crate) changed: bool,
}

impl Changes {
    /// Nothing changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.reservations.is_empty()
            && self.newer.is_empty()
            && self.lockers.is_empty()
            && self.grants.is_empty()
            && self.pins.is_empty()
            && self.epochs.is_empty()
            && self.news.is_empty()
            && self.acknowledged.is_empty()
            && self.traces.is_empty()
            && self.delegated.is_empty()
            && self.refused.is_empty()
    }
}

impl Wallet {
    /// What is not written down yet.
    pub(crate) fn changes(&self) -> Changes {
        Changes {
            reservations: self.reservations.changes(),
            newer: self.newer.changes(),
            lockers: self.lockers.changes(),
            grants: self.grants.changes(),
            pins: self.pins.changes(),
            epochs: self.epochs.changes(),
            news: self.news.changes(),
            acknowledged: self.acknowledged.changes(),
            traces: self.traces.changes(),
            delegated: self.delegated.changes(),
            refused: self.refused.changes(),
        }
    }

    /// All of it is written down.
    pub(crate) fn written(&mut self) {
        self.reservations.written();
        self.newer.written();
        self.lockers.written();
        self.grants.written();
        self.pins.written();
        self.epochs.written();
        self.news.written();
        self.acknowledged.written();
        self.traces.written();
        self.delegated.written();
        self.refused.written();
    }

    /// What was written down of a change.
    pub(crate) fn apply_changes(&mut self, changes: Changes) {
        self.reservations.apply(changes.reservations);
        self.newer.apply(changes.newer);
        self.lockers.apply(changes.lockers);
        self.grants.apply(changes.grants);
        self.pins.apply(changes.pins);
        self.epochs.apply(changes.epochs);
        self.news.apply(changes.news);
        self.acknowledged.apply(changes.acknowledged);
        self.traces.apply(changes.traces);
        self.delegated.apply(changes.delegated);
        self.refused.apply(changes.refused);
    }

    /// A reservation.
    pub(crate) fn reservation(&self, id: &str) -> Option<&Reservation> {
        self.reservations.get(id)
    }

    /// All of them, by id.
    pub(crate) fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        self.reservations.values()
    }

    /// Something is here, fetched or given.
    pub(crate) fn is_empty(&self) -> bool {
        self.reservations.is_empty() && self.newer.is_empty()
    }

    /// A locker.
    pub(crate) fn locker(&self, id: &str) -> Option<&LockerDescriptor> {
        self.lockers.get(id)
    }

    /// All of them, by id.
    pub(crate) fn lockers(&self) -> impl Iterator<Item = &LockerDescriptor> {
        self.lockers.values()
    }

    /// The owner's delegation, base64url, where access was given in person.
    pub(crate) fn delegation_text(&self, id: &str) -> Option<String> {
        Some(self.delegated.get(id)?.delegation.clone())
    }

    /// Whether access was given in person: the hub knows nothing of it.
    pub(crate) fn is_delegated(&self, id: &str) -> bool {
        self.delegated.contains_key(id)
    }

    /// How often the token that is here opens.
    pub(crate) fn uses(&self, id: &str) -> u8 {
        self.grants.get(id).map_or(0, |grant| grant.uses)
    }

    /// The hub told its time: this device's clock is ahead by so many seconds.
    pub(crate) fn set_skew(&mut self, seconds: i64) {
        self.skew = seconds;
    }

    /// The hub's time as well as it is known, UNIX seconds. Tokens live by it: a device whose clock is wrong by more
    /// than a token's life could otherwise never open. The locker is what enforces their end.
    pub(crate) fn hub_time(&self, now: Now) -> i64 {
        now.unix().saturating_sub(self.skew)
    }

    /// A token that is good now, by the hub's time.
    pub(crate) fn grant(&self, id: &str, now: Now) -> Option<&Grant> {
        self.grants.get(id).filter(|grant| self.hub_time(now) < grant.expires)
    }

    /// The locker refused the token that is here.
    pub(crate) fn is_refused(&self, id: &str) -> bool {
        self.refused
            .get(id)
            .is_some_and(|token| self.grants.get(id).is_some_and(|grant| grant.token_id == *token))
    }

    /// The locker refused this token. Another is fetched; until there is one it stays, since a refusal can pass.
    pub(crate) fn refused(&mut self, id: &str, token_id: String, now: Now) {
        let ours = self.grants.get(id).is_some_and(|grant| grant.token_id == token_id);
        if ours && !self.delegated.contains_key(id) {
            self.refused.insert(id.to_owned(), token_id);
            // The opening under way asks for one itself.
            self.fetching.passed_over.insert(id.to_owned(), now.monotonic_ms + OPENING_MS);
        }
    }

    /// Seconds of UNIX time until which a door that this device opened may be opened again.
    pub(crate) fn reopen_until(&self, reservation: &Reservation) -> Option<i64> {
        let opened = self.trace(&reservation.id).opened_at?;
        let locker = self.lockers.get(&reservation.compartment.as_ref()?.locker)?;
        (locker.reopen_minutes > 0).then(|| opened + 60 * i64::from(locker.reopen_minutes))
    }

    /// Its time is over, though the hub may not have said so yet: what was to be collected or dropped off is not any
    /// more.
    pub(crate) fn is_over_time(&self, reservation: &Reservation, now: Now) -> bool {
        let ends = matches!(
            (reservation.kind, reservation.state),
            (Kind::Pickup, State::Ready) | (Kind::Return, State::Booked)
        );
        ends && reservation.until.is_some_and(|until| until <= self.hub_time(now))
    }

    /// When the next reservation runs out of time, on the monotonic clock.
    pub(crate) fn next_deadline(&self, now: Now) -> Option<u64> {
        let hub_time = self.hub_time(now);
        let ahead = |reservation: &Reservation| {
            let until = reservation.until.filter(|until| *until > hub_time)?;
            let open = matches!(reservation.state, State::Ready | State::Booked);
            open.then(|| (until - hub_time).unsigned_abs())
        };
        let wait = self.reservations.values().filter_map(ahead).min()?;
        Some(now.monotonic_ms.saturating_add(wait.saturating_mul(1000)))
    }

    /// Access that was given in person.
    pub(crate) fn take_delegation(
        &mut self,
        reservation: Reservation,
        locker: LockerDescriptor,
        grant: Grant,
        delegation: String,
    ) -> bool {
        let id = reservation.id.clone();
        // What the hub told of a reservation or a locker is never replaced by what a QR code says.
        if self.reservations.contains_key(&id) && !self.is_delegated(&id) {
            return false;
        }
        let (Some(reservation), Some(locker)) = (bounded(reservation), bounded_locker(locker)) else {
            return false;
        };
        // A code in a stranger's hand must not make another key of a locker that the hub told of.
        let known = self.lockers.get_or_insert_with(&locker.id, || locker.clone());
        if (&known.static_key, &known.receipt_key) != (&locker.static_key, &locker.receipt_key) {
            return false;
        }
        self.reservations.insert(id.clone(), reservation);
        self.grants.insert(id.clone(), grant);
        self.delegated.insert(id, Delegated { delegation });
        true
    }

    /// Access given in person that has ended goes by itself.
    pub(crate) fn drop_ended(&mut self, now: Now) -> bool {
        let over = now.unix() - 24 * 3600;
        let ended: Vec<String> = self
            .delegated
            .keys()
            .filter(|id| self.grants.get(*id).is_none_or(|grant| grant.expires < over))
            .cloned()
            .collect();
        for id in &ended {
            self.forget(id);
        }
        !ended.is_empty()
    }

    fn forget(&mut self, id: &str) {
        self.reservations.remove(id);
        self.newer.remove(id);
        self.grants.remove(id);
        self.traces.remove(id);
        self.delegated.remove(id);
        self.refused.remove(id);
        self.pins.remove(id);
        self.epochs.remove(id);
    }

    /// One page of the change feed.
    pub(crate) fn apply(&mut self, page: Page) -> Arrivals {
        let mut arrivals = Arrivals::default();
        let changes = page.changes;
        self.want_news(&changes.news);
        // A locker that cannot be read is not opened by this version; what was known of it stays.
        for locker in changes.lockers.into_iter().filter_map(Item::known) {
            // Told with every change of a reservation there; nearly always it is as it was.
            if self.lockers.get(&locker.id) == Some(&locker) {
                continue;
            }
            if (self.lockers.len() < MAX_LOCKERS || self.lockers.contains_key(&locker.id))
                && let Some(locker) = bounded_locker(locker)
            {
                arrivals.changed = true;
                self.lockers.insert(locker.id.clone(), locker);
            }
        }
        for reservation in changes.reservations {
            match reservation {
                Item::Known(reservation) => self.put_known(reservation, &mut arrivals),
                Item::Newer(raw) => self.put_newer(&raw, &mut arrivals),
            }
        }
        for id in &changes.removed {
            arrivals.changed |= self.reservations.contains_key(id) || self.newer.contains_key(id);
            self.forget(id);
        }
        if let Some(everything) = page.everything {
            let gone: Vec<String> = self
                .reservations
                .keys()
                .chain(self.newer.keys())
                .filter(|id| !everything.contains(*id) && !self.delegated.contains_key(*id))
                .cloned()
                .collect();
            for id in &gone {
                arrivals.changed = true;
                self.forget(id);
            }
        }
        if arrivals.changed {
            self.drop_unused_lockers();
        }
        arrivals
    }

    fn put_known(&mut self, reservation: Reservation, arrivals: &mut Arrivals) {
        let Some(reservation) = bounded(reservation) else { return };
        let known = self.reservations.get(&reservation.id);
        // Answers may overtake each other; the newer version stays.
        if known.is_some_and(|known| {
            known.version >= reservation.version && !self.delegated.contains_key(&reservation.id)
        }) || (known.is_none() && self.reservations.len() >= MAX_RESERVATIONS)
        {
            return;
        }
        arrivals.changed = true;
        // What was left inside as its door was closed has not arrived.
        let was_there =
            known.is_some_and(|known| matches!(known.state, State::Ready | State::Opened | State::Collected));
        if reservation.state == State::Ready && reservation.kind == Kind::Pickup && !was_there {
            arrivals.ready.push(reservation.id.clone());
        }
        let answers = |of: &Reservation| of.reports.iter().map(|report| report.answers.len()).sum::<usize>();
        if known.is_some_and(|known| answers(known) < answers(&reservation)) {
            arrivals.answered.push(reservation.id.clone());
        }
        let moved = known.is_some_and(|known| known.compartment != reservation.compartment);
        // A token whose door was opened is kept as long as it lives: it opens again within the operator's minutes.
        let opened = self.trace(&reservation.id).opened_at.is_some();
        if moved || !(opened || wants_grant(&reservation)) {
            self.grants.remove(&reservation.id);
            self.pins.remove(&reservation.id);
        }
        if moved {
            self.epochs.remove(&reservation.id);
        }
        // The hub knew that it lay inside, and says that it does not: it was taken out again, by a PIN or another device.
        let trace = self.trace(&reservation.id);
        let taken_out = trace.heard && trace.lies_inside() == Some(true);
        if taken_out && (reservation.kind, reservation.state) == (Kind::Return, State::Booked) {
            self.traces.remove(&reservation.id);
        }
        // It was collected, and is to be collected again: "taken" was taken back, here or on another device.
        let was_collected =
            self.reservations.get(&reservation.id).map(|it| it.state) == Some(State::Collected);
        if was_collected
            && matches!(reservation.state, State::Ready | State::Opened)
            && trace.taken == Some(true)
        {
            self.said_no_more(&reservation.id);
        }
        self.fetching.passed_over.remove(&reservation.id);
        self.delegated.remove(&reservation.id);
        self.newer.remove(&reservation.id);
        self.reservations.insert(reservation.id.clone(), reservation);
    }

    fn drop_unused_lockers(&mut self) {
        let used: BTreeSet<String> = self
            .reservations
            .values()
            .filter_map(|reservation| Some(reservation.compartment.as_ref()?.locker.clone()))
            .collect();
        // Compartments are often assigned one page after their locker is told; so only a surplus is dropped.
        if self.lockers.len() > used.len() + 64 {
            self.lockers.retain(|id| used.contains(id));
        }
        self.news.retain(|id| self.lockers.contains_key(id));
        self.acknowledged.retain(|id| self.lockers.contains_key(id));
    }

    /// The app came to the foreground or left it.
    pub(crate) fn set_foreground(&mut self, foreground: bool) {
        self.fetching.background = !foreground;
    }

    /// It is no longer good; another is fetched.
    pub(crate) fn drop_grant(&mut self, id: &str) {
        self.grants.remove(id);
        self.fetching.passed_over.remove(id);
    }

    /// The token that is here may not be good any more: the locker refused it, or the hub says that the door's epoch is
    /// another.
    pub(crate) fn is_doubtful(&self, id: &str) -> bool {
        let over = |grant: &Grant| self.epochs.get(id).is_some_and(|epoch| grant.occupancy < *epoch);
        self.is_refused(id) || self.grants.get(id).is_some_and(over)
    }

    /// The token that is here has opened its door, and only opens it again.
    pub(crate) fn is_spent(&self, id: &str) -> bool {
        let trace = self.trace(id);
        let opened = trace.token.filter(|_| !trace.uncertain).map(hex::encode);
        let collects = self.reservations.get(id).is_some_and(|reservation| reservation.kind == Kind::Pickup);
        let grant = self.grants.get(id).filter(|grant| collects && grant.uses == 1);
        grant.zip(opened).is_some_and(|(grant, token)| grant.token_id == token)
    }

    /// The network came back, or the customer asked: try at once.
    pub(crate) fn wake(&mut self) {
        self.fetching.not_before = 0;
        self.fetching.passed_over.clear();
        self.wanted.wake();
    }

    /// UNIX seconds at which the token of a reservation should be renewed: when a third of its life is left. None
    /// while no token is wanted.
    fn renewal(&self, reservation: &Reservation) -> Option<i64> {
        if !wants_grant(reservation) || self.delegated.contains_key(&reservation.id) {
            return None;
        }
        let compartment = reservation.compartment.as_ref()?;
        let Some(grant) = self.grants.get(&reservation.id) else { return Some(i64::MIN) };
        let fits = grant.locker == compartment.locker && grant.doors.contains(&compartment.door);
        if !fits || self.is_doubtful(&reservation.id) {
            return Some(i64::MIN);
        }
        let life = grant.expires.saturating_sub(grant.not_before).max(1);
        let due = grant.expires - life / 3;
        if self.is_spent(&reservation.id) && reservation.actions.contains(&Action::Open) {
            // Until then it opens again what it opened. That is by this device's clock, all else by the hub's.
            let until = self.reopen_until(reservation).map_or(i64::MIN, |at| at.saturating_sub(self.skew));
            return Some(due.min(until));
        }
        if self.fetching.background && life < LONG_LIFE_S {
            return None;
        }
        Some(due)
    }

    /// When tokens are to be fetched next, on the monotonic clock; that moment itself where they are due.
    pub(crate) fn next_fetch(&self, now: Now) -> Option<u64> {
        if self.fetching.under_way {
            return self.next_news(now);
        }
        let mut next = self.next_news(now);
        for reservation in self.reservations.values() {
            let Some(at) = self.renewal(reservation) else { continue };
            let wait = at.saturating_sub(self.hub_time(now)).max(0).unsigned_abs().saturating_mul(1000);
            let mut due = now.monotonic_ms.saturating_add(wait).max(self.fetching.not_before);
            if let Some(not_before) = self.fetching.passed_over.get(&reservation.id) {
                due = due.max(*not_before);
            }
            next = earlier(next, Some(due));
        }
        next
    }

    /// Fetches what is due, in one batch. Otherwise says when something is.
    pub(crate) fn drive(&mut self, cx: &mut Cx<'_>) -> Option<u64> {
        let now = cx.now;
        self.fetch_news(cx);
        let next = self.next_fetch(now);
        if next.is_none_or(|at| at > now.monotonic_ms) {
            return next;
        }
        let passed_over = &self.fetching.passed_over;
        let due: Vec<String> = self
            .reservations
            .values()
            .filter(|reservation| self.renewal(reservation).is_some_and(|at| at <= self.hub_time(now)))
            .filter(|reservation| passed_over.get(&reservation.id).is_none_or(|at| *at <= now.monotonic_ms))
            .take(BATCH)
            .map(|reservation| reservation.id.clone())
            .collect();
        self.fetching.under_way = true;
        let batch = TokenBatch { reservations: due.clone(), hello_nonce: None, locker_time: None };
        cx.out.call(Call::post(Purpose::Grants(due), "/v1/tokens".into(), &batch));
        None
    }

    /// Tokens came, or did not.
    pub(crate) fn on_grants(&mut self, asked: &[String], answer: Result<Grants, Miss>, cx: &mut Cx<'_>) {
        self.fetching.under_way = false;
        match answer {
            Ok(grants) => {
                self.fetching.failures = 0;
                for id in asked {
                    self.fetching.passed_over.insert(id.clone(), cx.now.monotonic_ms + NO_GRANT_MS);
                }
                for bulletin in grants.bulletins {
                    self.keep_bulletin(bulletin);
                }
                for grant in grants.grants {
                    self.keep_grant(grant, cx.now);
                }
                cx.out.save_soon();
            }
            Err(_) => {
                self.fetching.not_before = cx.now.monotonic_ms + backoff(self.fetching.failures + 2, cx);
                self.fetching.failures = self.fetching.failures.saturating_add(1);
            }
        }
    }

    /// A token that the hub gave, if it can be one.
    pub(crate) fn keep_grant(&mut self, grant: Grant, now: Now) {
        let now = self.hub_time(now);
        let mut grant = grant;
        let fits = is_plausible(&grant)
            && grant.expires > now
            && self
                .reservations
                .get(&grant.reservation)
                .and_then(|reservation| reservation.compartment.as_ref())
                .is_some_and(|compartment| {
                    compartment.locker == grant.locker && grant.doors.contains(&compartment.door)
                });
        if fits {
            // A token that comes with less than a third of its life left would be renewed again at once; the pause in
            // `passed_over` stands between.
            if self.fetching.passed_over.contains_key(&grant.reservation)
                && grant.expires - (grant.expires - grant.not_before) / 3 > now
            {
                self.fetching.passed_over.remove(&grant.reservation);
            }
            self.keep_pin(&mut grant);
            self.grants.insert(grant.reservation.clone(), grant);
        }
    }
}

/// The hub says that the door can be opened, or the state does.
pub(crate) fn wants_grant(reservation: &Reservation) -> bool {
    reservation.compartment.is_some()
        && reservation.actions.iter().any(|action| matches!(action, Action::Open | Action::Reopen))
}

/// What the hub says of a token can be true.
pub(crate) fn is_plausible(grant: &Grant) -> bool {
    grant.not_before < grant.expires
        && TIMES.contains(&grant.not_before)
        && TIMES.contains(&grant.expires)
        && grant.doors.len() <= 64
        && grant.operations.len() <= 16
        && grant.token_id.len() == 32
        && decode(&grant.token)
            .is_some_and(|bytes| (1..=postern_protocol::message::MAX_TOKEN).contains(&bytes.len()))
}

/// What opening this reservation means at the locker: the first of these that the token allows.
pub(crate) fn operation(reservation: &Reservation, grant: &Grant) -> Option<Operation> {
    operations(reservation, grant).next()
}

/// All that opening this reservation can mean, in the order in which it is tried. That is one thing, but for a return: a
/// locker takes no deposit after an opening by PIN, which is none.
pub(crate) fn operations(reservation: &Reservation, grant: &Grant) -> impl Iterator<Item = Operation> {
    let wanted: &[Operation] = match reservation.kind {
        Kind::Pickup => &[Operation::Collect, Operation::Access],
        Kind::Return => &[Operation::Deposit, Operation::Access],
        Kind::Storage => &[Operation::Access, Operation::Collect, Operation::Deposit],
    };
    let most = if reservation.kind == Kind::Return { wanted.len() } else { 1 };
    wanted.iter().copied().filter(|operation| grant.operations.contains(operation)).take(most)
}

/// Base64url without padding.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// The reverse of [`decode`].
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What a phone must know to trust a locker.
pub(crate) fn identity(locker: &LockerDescriptor) -> Option<LockerIdentity> {
    let key = |text: &str| decode(text)?.try_into().ok();
    Some(LockerIdentity {
        id: locker.id.parse::<LockerId>().ok()?,
        static_key: key(&locker.static_key)?,
        receipt_key: key(&locker.receipt_key)?,
    })
}

#[cfg(test)]
mod tests {
    use postern_api::sync;

    use super::*;

    fn told(wallet: &mut Wallet, locker: &LockerDescriptor) -> Changes {
        let changes = sync::Changes {
            cursor: "1".into(),
            reservations: Vec::new(),
            removed: Vec::new(),
            lockers: vec![locker.clone().into()],
            news: Vec::new(),
            more: false,
            now: 0,
        };
        wallet.apply(Page { changes, everything: None, anew: false });
        let changes = wallet.changes();
        wallet.written();
        changes
    }

    #[test]
    fn a_locker_is_written_again_only_where_something_about_it_is_new() {
        let mut wallet = Wallet::default();
        let mut locker = LockerDescriptor {
            id: LockerId([1; 8]).to_string(),
            name: "Locker".into(),
            site: "site".into(),
            static_key: encode(&[2; 32]),
            receipt_key: encode(&[3; 32]),
            scanner: true,
            keypad: true,
            content_sensors: false,
            reopen_minutes: 10,
            doors: Vec::new(),
        };
        assert!(told(&mut wallet, &locker).lockers.contains_key(&locker.id));
        assert!(told(&mut wallet, &locker).is_empty());
        locker.reopen_minutes = 5;
        assert!(told(&mut wallet, &locker).lockers.contains_key(&locker.id));
        assert_eq!(wallet.locker(&locker.id), Some(&locker));
    }
}
