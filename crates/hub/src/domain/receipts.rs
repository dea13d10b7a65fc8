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

use super::{
    alarms::{self, Alarm},
    placing,
    reservation::Reservation,
    rules::booked::{Event, Who},
    settle,
};
use crate::{
    error::{Error, Result, invalid},
    hub::Hub,
    random,
    store::{RowExt, Tx},
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

/// Whom a receipt is about.
#[derive(Clone, Default)]
struct Whose {
    /// The token is one of this hub's, or the PIN's occupancy is known.
    known: bool,
    reservation: Option<String>,
    epoch: Option<i64>,
    courier: bool,
    share: Option<String>,
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
    for ((locker, sequence, place), one) in good {
        let result = take_in(hub, tx, &locker, &one, &mut reservations, now).await?;
        if let (ReceiptResult::Accepted, Some(chain)) = (result, chains.get_mut(&locker)) {
            chain.grows |= i64::from(sequence) == chain.to + 1;
            chain.heard = chain.heard.max(i64::from(one.read.news));
            chain.changed = true;
        }
        results[place] = result;
    }
    for (locker, chain) in chains.into_iter().filter(|(_, chain)| chain.changed) {
        chain.write(tx, &locker).await?;
        settle::doors_of(tx, &locker, now).await?;
    }
    Ok(results)
}

/// What of a receipt with this hash is known already.
async fn known(tx: &mut Tx, hash: &str) -> Result<Option<ReceiptResult>> {
    let row = sqlx::query("SELECT standing FROM receipts WHERE hash = $1")
        .bind(hash)
        .fetch_optional(tx.on())
        .await?;
    row.map(|row| {
        Ok(if row.text("standing")? == "fork" { ReceiptResult::Fork } else { ReceiptResult::Known })
    })
    .transpose()
}

async fn verify(
    tx: &mut Tx,
    keys: &mut BTreeMap<String, Option<[u8; 32]>>,
    brought: &Brought,
) -> Result<Option<Receipt>> {
    let key = match keys.get(&brought.locker) {
        Some(known) => *known,
        None => {
            let row = sqlx::query("SELECT receipt_key FROM lockers WHERE id = $1")
                .bind(&brought.locker)
                .fetch_optional(tx.on())
                .await?;
            let wrong = |_| Error::Internal("a stored receipt key has a wrong length".to_owned());
            let key = row.map(|row| row.bytes("receipt_key")?.try_into().map_err(wrong)).transpose()?;
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
) -> Result<ReceiptResult> {
    let read = &one.read;
    // It may have come by another phone before the locker was locked.
    if let Some(known) = known(tx, &one.hash).await? {
        return Ok(known);
    }
    let fork = contradicts(tx, locker, one).await?;
    let whose = if fork { Whose::default() } else { one.whose.clone() };
    sqlx::query(
        "INSERT INTO receipts (hash, locker_id, sequence, previous, token_id, door, operation, outcome, happened_at, \
         reservation_id, standing, bytes, received_at, news, epoch, courier) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(&one.hash)
    .bind(locker)
    .bind(i64::from(read.sequence))
    .bind(hex::encode(read.previous))
    .bind(hex::encode(read.token.0))
    .bind(i64::from(read.door.0))
    .bind(read.operation as i64)
    .bind(read.outcome as i64)
    .bind(happened_at(read, now))
    .bind(whose.reservation.clone())
    .bind(if fork { "fork" } else { "chained" })
    .bind(one.bytes.clone())
    .bind(now)
    .bind(i64::from(read.news))
    .bind(whose.epoch)
    .bind(i64::from(whose.courier))
    .execute(tx.on())
    .await?;
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
        return Ok(ReceiptResult::Fork);
    }
    learn(tx, locker, one).await?;
    match whose.reservation.as_ref().and_then(|id| reservations.get_mut(id)) {
        Some(reservation) => apply(hub, tx, reservation, one, now).await?,
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
            alarms::raise(tx, alarm, now).await?;
        }
    }
    Ok(ReceiptResult::Accepted)
}

/// Whether it cannot be true together with what is there: another receipt at its place, or a neighbour that names
/// another hash.
async fn contradicts(tx: &mut Tx, locker: &str, one: &Good) -> Result<bool> {
    let sequence = i64::from(one.read.sequence);
    let previous = hex::encode(one.read.previous);
    if one.read.sequence == 0 && one.read.previous != [0; 16] {
        return Ok(true);
    }
    let neighbours = sqlx::query(
        "SELECT sequence, hash, previous FROM receipts WHERE locker_id = $1 AND sequence BETWEEN $2 AND $3 \
         AND standing = 'chained'",
    )
    .bind(locker)
    .bind(sequence - 1)
    .bind(sequence + 1)
    .fetch_all(tx.on())
    .await?;
    for row in neighbours {
        let at = row.int("sequence")?;
        let fits = if at == sequence {
            row.text("hash")? == one.hash
        } else if at < sequence {
            row.text("hash")? == previous
        } else {
            row.text("previous")? == one.hash
        };
        if !fits {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn whose(tx: &mut Tx, locker: &str, read: &Receipt) -> Result<Whose> {
    let door = i64::from(read.door.0);
    if let Some(pin) = read.pin() {
        let row = sqlx::query(
            "SELECT o.reservation_id, s.share_id FROM occupancies o LEFT JOIN pin_slots p \
             ON p.locker_id = o.locker_id AND p.door = o.door AND p.epoch = o.epoch AND p.slot = $4 \
             LEFT JOIN sessions s ON s.id = p.session_id WHERE o.locker_id = $1 AND o.door = $2 AND o.epoch = $3",
        )
        .bind(locker)
        .bind(door)
        .bind(i64::from(pin.epoch.0))
        .bind(i64::from(pin.slot))
        .fetch_optional(tx.on())
        .await?;
        return row.map_or(Ok(Whose::default()), |row| {
            Ok(Whose {
                known: true,
                reservation: row.maybe_text("reservation_id")?,
                epoch: Some(i64::from(pin.epoch.0)),
                courier: false,
                share: row.maybe_text("share_id")?,
            })
        });
    }
    let row = sqlx::query(
        "SELECT g.reservation_id, g.epoch, g.share_id, a.courier_of FROM grants g \
         LEFT JOIN accounts a ON a.id = g.account_id WHERE g.token_id = $1 AND g.locker_id = $2",
    )
    .bind(hex::encode(read.token.0))
    .bind(locker)
    .fetch_optional(tx.on())
    .await?;
    row.map_or(Ok(Whose::default()), |row| {
        Ok(Whose {
            known: true,
            reservation: Some(row.text("reservation_id")?),
            epoch: Some(row.int("epoch")?),
            courier: row.maybe_text("courier_of")?.is_some(),
            share: row.maybe_text("share_id")?,
        })
    })
}

/// What the locker says, but never after now: a locker whose clock is ahead cannot write the future.
fn happened_at(read: &Receipt, now: i64) -> i64 {
    i64::try_from(read.at.0).unwrap_or(now).min(now)
}

/// What a receipt shows of what its locker has heard.
async fn learn(tx: &mut Tx, locker: &str, one: &Good) -> Result<()> {
    if one.read.news > 0 {
        sqlx::query(
            "UPDATE doors SET proven_epoch = revoked_epoch WHERE locker_id = $1 AND news_number BETWEEN 1 AND $2 \
             AND proven_epoch < revoked_epoch",
        )
        .bind(locker)
        .bind(i64::from(one.read.news))
        .execute(tx.on())
        .await?;
    }
    if let Some(epoch) = one.whose.epoch {
        sqlx::query(
            "UPDATE doors SET proven_epoch = $1 WHERE locker_id = $2 AND door = $3 AND proven_epoch < $1",
        )
        .bind(epoch)
        .bind(locker)
        .bind(i64::from(one.read.door.0))
        .execute(tx.on())
        .await?;
    }
    Ok(())
}

/// A locker's chain, as far as it is complete, and what that proves.
struct Chain {
    to: i64,
    news: i64,
    at: i64,
    /// The newest news that any receipt acknowledges.
    heard: i64,
    /// The next link has come.
    grows: bool,
    changed: bool,
}

impl Chain {
    /// Whoever brings receipts of this locker in the same moment waits here: the chain grows one by one.
    async fn lock(tx: &mut Tx, locker: &str) -> Result<Self> {
        let row = sqlx::query(
            "UPDATE lockers SET whole_to = whole_to WHERE id = $1 RETURNING whole_to, whole_news, whole_at, news_known",
        )
        .bind(locker)
        .fetch_one(tx.on())
        .await?;
        Ok(Self {
            to: row.int("whole_to")?,
            news: row.int("whole_news")?,
            at: row.int("whole_at")?,
            heard: row.int("news_known")?,
            grows: false,
            changed: false,
        })
    }

    /// Moves on the place up to which the chain is complete.
    async fn write(mut self, tx: &mut Tx, locker: &str) -> Result<()> {
        while self.grows {
            let links = sqlx::query(
                "SELECT sequence, news, happened_at FROM receipts WHERE locker_id = $1 \
                 AND sequence BETWEEN $2 AND $3 AND standing = 'chained' ORDER BY sequence",
            )
            .bind(locker)
            .bind(self.to + 1)
            .bind(self.to + 500)
            .fetch_all(tx.on())
            .await?;
            let before = self.to;
            for link in links {
                if link.int("sequence")? != self.to + 1 {
                    break;
                }
                self.to += 1;
                self.news = self.news.max(link.int("news")?);
                self.at = self.at.max(link.int("happened_at")?);
            }
            self.grows = self.to == before + 500;
        }
        sqlx::query(
            "UPDATE lockers SET whole_to = $1, whole_news = $2, whole_at = $3, news_known = $4 WHERE id = $5",
        )
        .bind(self.to)
        .bind(self.news)
        .bind(self.at)
        .bind(self.heard)
        .bind(locker)
        .execute(tx.on())
        .await?;
        Ok(())
    }
}

/// Moves the reservation on by what the receipt proves.
async fn apply(hub: &Hub, tx: &mut Tx, reservation: &mut Reservation, one: &Good, now: i64) -> Result<()> {
    let read = &one.read;
    let at = happened_at(read, now);
    let who = if one.whose.courier { Who::Courier } else { Who::Customer };
    let door = (read.locker.to_string(), i64::from(read.door.0));
    if read.outcome == Outcome::Jammed {
        reservation.note(at, postern_api::reservation::TimelineEvent::Jammed, None, true);
        let alarm = Alarm {
            kind: "jammed",
            locker: Some(&door.0),
            door: Some(door.1),
            reservation: Some(&reservation.id),
            reason: "the latch was driven twice and the door did not come open",
            repaired: false,
        };
        alarms::raise(tx, alarm, now).await?;
        return reservation.save(tx, now).await;
    }
    let event = if read.outcome.is_closing() {
        Event::Closed
    } else {
        // Nothing moved, yet the door stood open for whoever asked: for the customer that is an opening.
        Event::Opened { operation: read.operation, certain: read.outcome != Outcome::Unknown }
    };
    if let (Event::Opened { .. }, Who::Customer) = (event, who) {
        reservation.first_opened = Some(reservation.first_opened.map_or(at, |first| first.min(at)));
        reservation.last_opened = Some(reservation.last_opened.map_or(at, |last| last.max(at)));
        if let Some(share) = &one.whose.share {
            sqlx::query("UPDATE shares SET state = 'used' WHERE state = 'accepted' AND id = $1")
                .bind(share)
                .execute(tx.on())
                .await?;
        }
    }
    let happened = placing::Happened { who, event, at, locker: &door.0, door: door.1 };
    placing::move_on(hub, tx, reservation, happened).await?;
    reservation.save(tx, now).await
}

/// Sequence numbers that are missing in a locker's chain, as ranges from and to, both included.
///
/// # Errors
/// `NotFound` where there is no such locker.
pub async fn gaps(hub: &Hub, locker: &str) -> Result<Vec<(i64, i64)>> {
    let row = sqlx::query("SELECT whole_to FROM lockers WHERE id = $1")
        .bind(locker)
        .fetch_optional(hub.store.read())
        .await?
        .ok_or(Code::NotFound)?;
    let mut expected = row.int("whole_to")? + 1;
    let rows = sqlx::query(
        "SELECT sequence FROM receipts WHERE locker_id = $1 AND sequence >= $2 AND standing = 'chained' \
         ORDER BY sequence",
    )
    .bind(locker)
    .bind(expected)
    .fetch_all(hub.store.read())
    .await?;
    let mut gaps = Vec::new();
    for row in rows {
        let sequence = row.int("sequence")?;
        if sequence > expected {
            gaps.push((expected, sequence - 1));
        }
        expected = sequence + 1;
    }
    Ok(gaps)
}
