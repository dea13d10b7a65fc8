//! Receipts from phones, couriers and gateways: verified, chained, and what they prove. Each is booked on the reservation that
//! had the door then, by its token, or for a PIN by door and epoch, and never on whoever has the door by now.

use std::collections::{BTreeMap, BTreeSet};

use postern_api::{
    carrier::{Carried, CarriedResults},
    problem::Code,
    sync::{ReceiptResult, UploadedReceipt},
};
use postern_protocol::{
    LockerId, carry,
    receipt::{self, Outcome, Receipt},
};
use postern_rules::{
    booked::{self, Event, Who},
    chain::{self, Neighbour, New, Step, Whole},
};

use super::{
    alarms::{self, Alarm},
    assets, placing,
    reservation::Reservation,
    restored, settle,
};
use crate::{
    error::{Result, invalid, refuse},
    hub::Hub,
    random,
    store::{
        Tx,
        receipts::{self as rows, Kept, Standing, Whose},
    },
};

/// Most receipts, or sealed parts, in one call.
pub const MOST: usize = 100;

/// A receipt as it came.
struct Brought {
    locker: String,
    bytes: Vec<u8>,
}

/// A receipt that its locker signed.
struct Good {
    bytes: Vec<u8>,
    hash: String,
    read: Receipt,
    /// Whom it is about, as far as is known before anything is locked.
    whose: Whose,
}

/// Takes receipts in.
///
/// # Errors
/// `Malformed` where there are too many; what is wrong with a single receipt is in its result.
pub async fn ingest(hub: &Hub, tx: &mut Tx, uploaded: &[UploadedReceipt]) -> Result<Vec<ReceiptResult>> {
    if uploaded.len() > MOST {
        return Err(invalid("/receipts", "at most 100"));
    }
    let brought = uploaded
        .iter()
        .map(|one| Brought {
            locker: one.locker.clone(),
            bytes: random::decode(&one.receipt).unwrap_or_default(),
        })
        .collect();
    take_all(hub, tx, brought).await
}

/// Opens what a courier's device carried from a locker, and takes the receipts in.
///
/// # Errors
/// `Malformed` where there are too many parts.
pub async fn carried(hub: &Hub, tx: &mut Tx, carried: &Carried) -> Result<CarriedResults> {
    if carried.parts.len() > MOST {
        return Err(invalid("/parts", "at most 100"));
    }
    let id: LockerId = carried.locker.parse().map_err(|_| invalid("/locker", "16 lower-case hex digits"))?;
    let secret = hub.secrets.derive(CARRY);
    let mut results = CarriedResults::default();
    let mut brought = Vec::new();
    for part in &carried.parts {
        let opened = random::decode(part).and_then(|sealed| carry::open(&secret, id, &sealed).ok());
        match opened {
            Some(receipts) => {
                brought.extend(
                    receipts.into_iter().map(|bytes| Brought { locker: carried.locker.clone(), bytes }),
                );
            }
            None => results.invalid += 1,
        }
    }
    for result in take_all(hub, tx, brought).await? {
        match result {
            ReceiptResult::Accepted => results.accepted += 1,
            ReceiptResult::Known => results.known += 1,
            ReceiptResult::Invalid => results.invalid += 1,
            ReceiptResult::Fork => results.fork += 1,
        }
    }
    Ok(results)
}

const CARRY: &str = "carry key";

/// The key that lockers seal receipts to, which couriers carry: its public half, for their tokens.
#[must_use]
pub fn carry_key(hub: &Hub) -> [u8; 32] {
    carry::public(&hub.secrets.derive(CARRY))
}

/// Reservations are locked before lockers, each in the order of their ids, whatever the order of the receipts: two who bring
/// the same never hold what the other waits for.
async fn take_all(hub: &Hub, tx: &mut Tx, brought: Vec<Brought>) -> Result<Vec<ReceiptResult>> {
    let mut results = vec![ReceiptResult::Invalid; brought.len()];
    let mut keys = BTreeMap::new();
    let mut good = BTreeMap::new();
    for (place, one) in brought.into_iter().enumerate() {
        if let Some(read) = verify(tx, &mut keys, &one).await? {
            let hash = hex::encode(receipt::hash(&one.bytes));
            if let Some(known) = known(tx, &hash).await? {
                results[place] = known;
                continue;
            }
            let whose = whose(tx, &one.locker, &read).await?;
            let order = (one.locker, read.sequence, place);
            good.insert(order, Good { bytes: one.bytes, hash, read, whose });
        }
    }
    let concerned: BTreeSet<_> = good.values().filter_map(|one| one.whose.reservation.clone()).collect();
    let mut reservations = BTreeMap::new();
    for id in concerned {
        if let Some(reservation) = Reservation::lock(tx, &id).await? {
            reservations.insert(id, reservation);
        }
    }
    let lockers: BTreeSet<_> = good.keys().map(|(locker, ..)| locker.clone()).collect();
    let mut chains = BTreeMap::new();
    for locker in lockers {
        chains.insert(locker.clone(), Chain::lock(tx, &locker).await?);
    }
    let now = hub.clock.now();
    let mut touched = BTreeMap::new();
    for ((locker, sequence, place), one) in good {
        let (result, whose) = take_in(hub, tx, &locker, &one, &mut reservations, now).await?;
        if result == ReceiptResult::Accepted {
            let nobodys = touched.entry((locker.clone(), i64::from(one.read.door.0))).or_insert(false);
            *nobodys |= whose == Of::Nobody;
        }
        if let (ReceiptResult::Accepted, Some(chain)) = (result, chains.get_mut(&locker)) {
            chain.grows |= i64::from(sequence) == chain.row.to + 1;
            chain.row.heard = chain.row.heard.max(i64::from(one.read.news));
            chain.changed = true;
        }
        results[place] = result;
    }
    for ((locker, door), nobodys) in touched {
        look_at(tx, (&locker, door), nobodys, now).await?;
    }
    for (locker, chain) in chains.into_iter().filter(|(_, chain)| chain.changed) {
        chain.write(tx, &locker).await?;
        settle::doors_of(tx, &locker, now).await?;
    }
    Ok(results)
}

/// What of a receipt with this hash is known already.
async fn known(tx: &mut Tx, hash: &str) -> Result<Option<ReceiptResult>> {
    Ok(rows::standing(tx, hash).await?.map(|standing| match standing {
        Standing::Chained => ReceiptResult::Known,
        Standing::Fork => ReceiptResult::Fork,
    }))
}

async fn verify(
    tx: &mut Tx,
    keys: &mut BTreeMap<String, Option<[u8; 32]>>,
    brought: &Brought,
) -> Result<Option<Receipt>> {
    let key = match keys.get(&brought.locker) {
        Some(known) => *known,
        None => {
            let key = rows::key(tx, &brought.locker).await?;
            keys.insert(brought.locker.clone(), key);
            key
        }
    };
    let Some(key) = key else { return Ok(None) };
    let read = receipt::verify(&brought.bytes, &key).ok();
    Ok(read.filter(|read| read.locker.to_string() == brought.locker))
}

async fn take_in(
    hub: &Hub,
    tx: &mut Tx,
    locker: &str,
    one: &Good,
    reservations: &mut BTreeMap<String, Reservation>,
    now: i64,
) -> Result<(ReceiptResult, Of)> {
    let read = &one.read;
    // It may have come by another phone before the locker was locked.
    if let Some(known) = known(tx, &one.hash).await? {
        return Ok((known, Of::Somebody));
    }
    let fork = contradicts(tx, locker, one).await?;
    let whose = if fork { Whose::default() } else { one.whose.clone() };
    let kept = Kept {
        hash: &one.hash,
        locker,
        sequence: i64::from(read.sequence),
        previous: &hex::encode(read.previous),
        token: hex::encode(read.token.0),
        door: i64::from(read.door.0),
        operation: read.operation as i64,
        outcome: read.outcome as i64,
        happened_at: chain::happened_at(read.at.0, now),
        standing: if fork { Standing::Fork } else { Standing::Chained },
        bytes: &one.bytes,
        news: i64::from(read.news),
    };
    rows::keep(tx, kept, &whose, now).await?;
    if fork {
        let alarm = Alarm {
            kind: "fork",
            locker: Some(locker),
            door: Some(i64::from(read.door.0)),
            reason: "two receipts of this locker contradict each other: its receipt key or its journal was copied, or \
                     it was set back",
            ..Alarm::default()
        };
        alarms::raise(tx, alarm, now).await?;
        return Ok((ReceiptResult::Fork, Of::Somebody));
    }
    learn(tx, locker, one, now).await?;
    match whose.reservation.as_ref().and_then(|id| reservations.get_mut(id)) {
        Some(reservation) => {
            apply(hub, tx, reservation, one, now).await?;
            return Ok((ReceiptResult::Accepted, Of::Somebody));
        }
        // Of what was forgotten in the meantime nothing is left to be moved on.
        None if whose.known => {}
        None => {
            let alarm = Alarm {
                kind: "stray",
                locker: Some(locker),
                door: Some(i64::from(read.door.0)),
                reason: "the locker opened a door for a token or PIN that this hub knows nothing of",
                ..Alarm::default()
            };
            alarms::raise_once(tx, alarm, now).await?;
        }
    }
    Ok((ReceiptResult::Accepted, Of::Nobody))
}

/// Whose door a receipt is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A reservation's.
    Somebody,
    /// No reservation that is known.
    Nobody,
}

/// What all that has come of a door says of it: the last of it counts, for what was put in may have been taken out again.
async fn look_at(tx: &mut Tx, door: (&str, i64), nobodys: bool, now: i64) -> Result<()> {
    match crate::store::chain::last(tx, door.0, door.1).await? {
        Some((_, Outcome::ClosedAbsent)) => {
            assets::measured_gone(tx, door.0, door.1, now).await?;
            placing::let_go(tx, door, now).await
        }
        // Where nothing is measured, or the latch is said to have jammed at last, whoever opened it may have put something in.
        Some((sequence, _)) if nobodys => placing::hold(tx, door, sequence, None, now).await.map(drop),
        _ => Ok(()),
    }
}

async fn contradicts(tx: &mut Tx, locker: &str, one: &Good) -> Result<bool> {
    let sequence = i64::from(one.read.sequence);
    let beside = rows::beside(tx, locker, sequence).await?;
    let neighbour = |(sequence, hash, previous)| Neighbour { sequence, hash, previous };
    let beside: Vec<_> = beside.into_iter().map(neighbour).collect();
    let previous = hex::encode(one.read.previous);
    Ok(chain::contradicts(New { sequence, hash: &one.hash, previous: &previous }, &beside))
}

async fn whose(tx: &mut Tx, locker: &str, read: &Receipt) -> Result<Whose> {
    let found = match read.pin() {
        Some(pin) => {
            let at = (locker, i64::from(read.door.0));
            rows::of_pin(tx, at, i64::from(pin.epoch.0), i64::from(pin.slot)).await?
        }
        None => rows::of_token(tx, locker, &hex::encode(read.token.0)).await?,
    };
    Ok(found.unwrap_or_default())
}

/// What a receipt shows of what its locker has heard.
async fn learn(tx: &mut Tx, locker: &str, one: &Good, now: i64) -> Result<()> {
    if one.read.news > 0 && !rows::prove_news(tx, locker, i64::from(one.read.news)).await? {
        restored::suspect(tx, locker, now).await?;
    }
    if let Some(epoch) = one.whose.epoch {
        rows::prove_epoch(tx, locker, i64::from(one.read.door.0), epoch).await?;
    }
    Ok(())
}

/// Receipts that are passed at once.
const STRIDE: i64 = 500;

/// A locker's chain under way.
struct Chain {
    row: rows::Chain,
    /// The next link has come.
    grows: bool,
    changed: bool,
}

impl Chain {
    /// Whoever brings receipts of this locker in the same moment waits here: the chain grows one by one.
    async fn lock(tx: &mut Tx, locker: &str) -> Result<Self> {
        Ok(Self { row: rows::lock_chain(tx, locker).await?, grows: false, changed: false })
    }

    /// Moves on the place up to which the chain is complete.
    async fn write(mut self, tx: &mut Tx, locker: &str) -> Result<()> {
        let mut whole = Whole { to: self.row.to, news: self.row.news, at: self.row.at };
        while self.grows {
            let steps = rows::steps(tx, locker, whole.to + 1, STRIDE).await?;
            let step = |(sequence, news, at)| Step { sequence, news, at };
            let steps: Vec<_> = steps.into_iter().map(step).collect();
            self.grows = whole.grow(&steps) && steps.len() as i64 == STRIDE;
        }
        let row = rows::Chain { to: whole.to, news: whole.news, at: whole.at, heard: self.row.heard };
        rows::write_chain(tx, locker, row).await
    }
}

/// Moves the reservation on by what the receipt proves.
async fn apply(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation, one: &Good, now: i64) -> Result<()> {
    let read = &one.read;
    let at = chain::happened_at(read.at.0, now);
    let who = if one.whose.courier { Who::Courier } else { Who::Customer };
    let door = (read.locker.to_string(), i64::from(read.door.0));
    if read.outcome == Outcome::Jammed {
        reservation.note(at, postern_api::reservation::TimelineEvent::Jammed, None, true);
        let alarm = Alarm {
            kind: "jammed",
            locker: Some(&door.0),
            door: Some(door.1),
            reservation: Some(&reservation.id),
            reason: "the latch was driven twice, and the door's sensor did not see it come open",
            repaired: false,
        };
        alarms::raise(tx, alarm, now).await?;
        let last = crate::store::chain::jammed_last(tx, &door.0, door.1).await?;
        reservation.unproven |=
            last && booked::is_doubted_after_jam(who, reservation.kind, reservation.state);
        // Only where it is nobody's, and was not opened since.
        let since = i64::from(read.sequence);
        placing::hold(tx, (&door.0, door.1), since, Some(&reservation.id), now).await?;
        return reservation.save(tx, now).await;
    }
    let event = if read.outcome.is_closing() {
        Event::Closed
    } else {
        // That a door stood open already is the word of a sensor that may be wrong.
        Event::Opened { operation: read.operation, certain: read.outcome == Outcome::Opened }
    };
    if let (Event::Opened { certain, .. }, Who::Customer) = (event, who) {
        if certain {
            reservation.was_opened(at);
        }
        if let Some(share) = &one.whose.share {
            rows::use_share(tx, share).await?;
        }
    }
    let happened = placing::Happened { who, event, at, locker: &door.0, door: door.1 };
    placing::move_on(hub, tx, reservation, happened).await?;
    reservation.save(tx, now).await
}

/// Receipts that a locker keeps to be handed out again, as the protocol asks for.
const KEPT: i64 = 256;
/// So long the hub has known of what follows a gap before it is given up while the locker may still have it.
const PATIENCE: i64 = 7 * 86_400;

/// An operator gives up the first gap in a locker's chain: the locker has them no more, and nobody will bring them. From here on
/// the chain proves what it does again; of whoever had access before, it is not known any more whether they opened their door
/// meanwhile, so that somebody looks at it before the next is given it.
///
/// # Errors
/// `NotFound`; `WrongState` where it is not the first gap, or where the locker may still have them.
pub async fn give_up(tx: &mut Tx, locker: &str, (first, last): (i64, i64), now: i64) -> Result<()> {
    if rows::key(tx, locker).await?.is_none() {
        return Err(Code::NotFound.into());
    }
    let mut chain = Chain::lock(tx, locker).await?;
    let (to, places) = rows::beyond(tx.on(), locker).await?.ok_or(Code::NotFound)?;
    let (Some(next), Some(newest)) = (places.first().copied(), places.last().copied()) else {
        return Err(refuse(Code::WrongState, "no receipts are missing"));
    };
    if (first, last) != (to + 1, next - 1) || next == to + 1 {
        return Err(refuse(Code::WrongState, "that is not the first gap in the locker's chain"));
    }
    if newest - last < KEPT && rows::received_at(tx, locker, next).await? > now - PATIENCE {
        return Err(refuse(
            Code::WrongState,
            "the locker may still have these receipts: send a courier, or upload what its gateway holds",
        ));
    }
    rows::lose(tx, locker, chain.row.news).await?;
    chain.row.to = last;
    chain.grows = true;
    chain.write(tx, locker).await?;
    alarms::resolve_all(tx, "gap", locker, now).await?;
    settle::doors_of(tx, locker, now).await?;
    Ok(())
}

/// Sequence numbers that are missing in a locker's chain, as ranges from and to, both included.
///
/// # Errors
/// `NotFound` where there is no such locker.
pub async fn gaps(hub: &Hub, locker: &str) -> Result<Vec<(i64, i64)>> {
    let mut on = hub.store.read().acquire().await?;
    let (to, places) = rows::beyond(&mut on, locker).await?.ok_or(Code::NotFound)?;
    let mut expected = to + 1;
    let mut gaps = Vec::new();
    for place in places {
        if place > expected {
            gaps.push((expected, place - 1));
        }
        expected = place + 1;
    }
    Ok(gaps)
}
