//! Receipts from any phone: verified, chained, and what they prove.

use postern_api::{
    problem::Code,
    reservation::{Kind, State, TimelineEvent},
    sync::{ReceiptResult, UploadedReceipt},
};
use postern_protocol::{
    Operation,
    receipt::{self, Outcome, Receipt, Source},
};

use super::{
    alarms::{self, Alarm},
    doors, parcels,
    reservation::Reservation,
};
use crate::{
    error::{Error, Result, invalid},
    hub::Hub,
    random,
    store::{RowExt, Tx},
};

/// Most receipts in one call.
pub const MOST: usize = 100;

/// Takes receipts in, one by one.
///
/// # Errors
/// `Malformed` where there are too many; what is wrong with a single receipt is in its result.
pub async fn ingest(hub: &Hub, tx: &mut Tx, uploaded: &[UploadedReceipt]) -> Result<Vec<ReceiptResult>> {
    if uploaded.len() > MOST {
        return Err(invalid("/receipts", "at most 100"));
    }
    let mut results = Vec::with_capacity(uploaded.len());
    for one in uploaded {
        results.push(take_in(hub, tx, one).await?);
    }
    Ok(results)
}

async fn take_in(hub: &Hub, tx: &mut Tx, uploaded: &UploadedReceipt) -> Result<ReceiptResult> {
    let now = hub.clock.now();
    let row = sqlx::query("SELECT receipt_key FROM lockers WHERE id = $1")
        .bind(&uploaded.locker)
        .fetch_optional(tx.on())
        .await?;
    let Some(row) = row else { return Ok(ReceiptResult::Invalid) };
    let key: [u8; 32] = row
        .bytes("receipt_key")?
        .try_into()
        .map_err(|_| Error::Internal("a stored receipt key has a wrong length".to_owned()))?;
    let Some(bytes) = random::decode(&uploaded.receipt) else { return Ok(ReceiptResult::Invalid) };
    let Ok(read) = receipt::verify(&bytes, &key) else { return Ok(ReceiptResult::Invalid) };
    if read.locker.to_string() != uploaded.locker {
        return Ok(ReceiptResult::Invalid);
    }
    let hash = hex::encode(receipt::hash(&bytes));
    let claim = Claim { locker: &uploaded.locker, hash: &hash, read: &read };
    let known = sqlx::query("SELECT standing FROM receipts WHERE hash = $1")
        .bind(&hash)
        .fetch_optional(tx.on())
        .await?;
    if let Some(row) = known {
        return Ok(if row.text("standing")? == "fork" { ReceiptResult::Fork } else { ReceiptResult::Known });
    }
    let fork = contradicts(tx, &claim).await?;
    let (reservation, courier) = if fork { (None, false) } else { whose(tx, &claim).await? };
    let new = sqlx::query(
        "INSERT INTO receipts (hash, locker_id, sequence, previous, token_id, door, operation, outcome, happened_at, \
         reservation_id, standing, bytes, received_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (hash) DO NOTHING",
    )
    .bind(&hash)
    .bind(&uploaded.locker)
    .bind(i64::from(read.sequence))
    .bind(hex::encode(read.previous))
    .bind(hex::encode(read.token.0))
    .bind(i64::from(read.door.0))
    .bind(read.operation as i64)
    .bind(read.outcome as i64)
    .bind(happened_at(&read, now))
    .bind(reservation.clone())
    .bind(if fork { "fork" } else { "chained" })
    .bind(bytes)
    .bind(now)
    .execute(tx.on())
    .await?
    .rows_affected();
    if new == 0 {
        // The same receipt came by another phone in the same moment.
        return Ok(ReceiptResult::Known);
    }
    if fork {
        let alarm = Alarm {
            kind: "fork",
            locker: Some(&uploaded.locker),
            door: Some(i64::from(read.door.0)),
            reason: "two receipts of this locker contradict each other: its receipt key or its journal was copied, or \
                     it was set back",
            ..Alarm::default()
        };
        alarms::raise(tx, alarm, now).await?;
        return Ok(ReceiptResult::Fork);
    }
    let found = match &reservation {
        Some(id) => Reservation::lock(tx, id).await?,
        None => None,
    };
    match found {
        Some(mut reservation) => apply(hub, tx, &mut reservation, &read, courier).await?,
        None => {
            let alarm = Alarm {
                kind: "stray",
                locker: Some(&uploaded.locker),
                door: Some(i64::from(read.door.0)),
                reason: "the locker opened a door for a token or PIN that this hub knows nothing of",
                ..Alarm::default()
            };
            alarms::raise(tx, alarm, now).await?;
        }
    }
    Ok(ReceiptResult::Accepted)
}

struct Claim<'a> {
    locker: &'a str,
    hash: &'a str,
    read: &'a Receipt,
}

/// Whether it cannot be true together with what is there: another receipt at its place, or a neighbour that names
/// another hash.
async fn contradicts(tx: &mut Tx, claim: &Claim<'_>) -> Result<bool> {
    let sequence = i64::from(claim.read.sequence);
    let previous = hex::encode(claim.read.previous);
    if claim.read.sequence == 0 && claim.read.previous != [0; 16] {
        return Ok(true);
    }
    let neighbours = sqlx::query(
        "SELECT sequence, hash, previous FROM receipts WHERE locker_id = $1 AND sequence BETWEEN $2 AND $3 \
         AND standing = 'chained'",
    )
    .bind(claim.locker)
    .bind(sequence - 1)
    .bind(sequence + 1)
    .fetch_all(tx.on())
    .await?;
    for row in neighbours {
        let at = row.int("sequence")?;
        let fits = if at == sequence {
            row.text("hash")? == claim.hash
        } else if at < sequence {
            row.text("hash")? == previous
        } else {
            row.text("previous")? == claim.hash
        };
        if !fits {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The reservation that it is about, and whether a courier opened: by the token, or for a PIN by who had the door.
async fn whose(tx: &mut Tx, claim: &Claim<'_>) -> Result<(Option<String>, bool)> {
    if claim.read.source == Source::Pin {
        let row = sqlx::query("SELECT reservation_id FROM doors WHERE locker_id = $1 AND door = $2")
            .bind(claim.locker)
            .bind(i64::from(claim.read.door.0))
            .fetch_optional(tx.on())
            .await?;
        return row.map_or(Ok((None, false)), |row| Ok((row.maybe_text("reservation_id")?, false)));
    }
    let row = sqlx::query(
        "SELECT g.reservation_id, a.courier_of FROM grants g LEFT JOIN accounts a ON a.id = g.account_id \
         WHERE g.token_id = $1 AND g.locker_id = $2",
    )
    .bind(hex::encode(claim.read.token.0))
    .bind(claim.locker)
    .fetch_optional(tx.on())
    .await?;
    row.map_or(Ok((None, false)), |row| {
        Ok((Some(row.text("reservation_id")?), row.maybe_text("courier_of")?.is_some()))
    })
}

/// What the locker says, but never after now: a locker whose clock is ahead cannot write the future.
fn happened_at(read: &Receipt, now: i64) -> i64 {
    i64::try_from(read.at.0).unwrap_or(now).min(now)
}

/// Moves the reservation on by what the receipt proves.
async fn apply(
    hub: &Hub,
    tx: &mut Tx,
    reservation: &mut Reservation,
    read: &Receipt,
    courier: bool,
) -> Result<()> {
    let now = hub.clock.now();
    let at = happened_at(read, now);
    match read.outcome {
        Outcome::Jammed => {
            reservation.note(at, TimelineEvent::Jammed, None, true);
            let alarm = Alarm {
                kind: "jammed",
                locker: reservation.locker.as_deref(),
                door: Some(i64::from(read.door.0)),
                reservation: Some(&reservation.id),
                reason: "the latch was driven twice and the door did not come open",
                repaired: false,
            };
            alarms::raise(tx, alarm, now).await?;
        }
        // Nothing moved, yet the door stood open for whoever asked: for the customer that is an opening.
        Outcome::Opened | Outcome::AlreadyOpen | Outcome::Unknown if courier => {
            opened_by_courier(hub, tx, reservation, read, at).await?;
        }
        Outcome::Opened | Outcome::AlreadyOpen | Outcome::Unknown => {
            opened(tx, reservation, read, at).await?;
        }
    }
    reservation.save(tx, now).await
}

/// A courier opened, by the same protocol as everybody.
async fn opened_by_courier(
    hub: &Hub,
    tx: &mut Tx,
    reservation: &mut Reservation,
    read: &Receipt,
    at: i64,
) -> Result<()> {
    let certain = read.outcome != Outcome::Unknown;
    match (reservation.kind, reservation.state, read.operation) {
        (Kind::Pickup, State::Announced | State::InTransit, Operation::Deposit) => {
            // Taking the door raises its epoch: what is left of the courier's token ends here.
            if kept_door(tx, reservation, read).await? {
                parcels::lies_inside(hub, tx, reservation, None, certain).await?;
            }
        }
        (Kind::Pickup, State::Expired, Operation::Collect) => {
            parcels::went_back(tx, reservation, at, certain).await?;
        }
        (Kind::Return, State::Deposited, Operation::Collect) => {
            let name = parcels::carrier_name(tx, &reservation.carrier).await?;
            reservation.note(at, TimelineEvent::InTransit, Some(&name), certain);
            doors::free(tx, &reservation.id).await?;
        }
        _ => reservation.note(at, TimelineEvent::Opened, None, certain),
    }
    Ok(())
}

async fn opened(tx: &mut Tx, reservation: &mut Reservation, read: &Receipt, at: i64) -> Result<()> {
    let certain = read.outcome != Outcome::Unknown;
    match (reservation.kind, reservation.state, read.operation) {
        // A return that was put in while the hub thought it had been called off lies there all the same.
        (Kind::Return, State::Booked | State::Cancelled, Operation::Deposit) => {
            reservation.state = State::Deposited;
            reservation.note(at, TimelineEvent::Deposited, Some("you"), certain);
        }
        (
            Kind::Pickup,
            State::Ready | State::Expired,
            Operation::Collect | Operation::Access | Operation::Reopen,
        ) => {
            reservation.state = State::Opened;
            reservation.note(at, TimelineEvent::Opened, None, certain);
        }
        _ => reservation.note(at, TimelineEvent::Opened, None, certain),
    }
    reservation.first_opened = Some(reservation.first_opened.map_or(at, |first| first.min(at)));
    reservation.last_opened = Some(reservation.last_opened.map_or(at, |last| last.max(at)));
    if reservation.shares > 0 {
        sqlx::query(
            "UPDATE shares SET state = 'used' WHERE state = 'accepted' AND id = \
             (SELECT share_id FROM grants WHERE token_id = $1)",
        )
        .bind(hex::encode(read.token.0))
        .execute(tx.on())
        .await?;
    }
    Ok(())
}

async fn kept_door(tx: &mut Tx, reservation: &mut Reservation, read: &Receipt) -> Result<bool> {
    let door = i64::from(read.door.0);
    let Some((locker, kept)) = doors::kept_for(tx, &reservation.id).await? else { return Ok(false) };
    if kept != door || locker != read.locker.to_string() {
        return Ok(false);
    }
    doors::take(tx, reservation, &locker, door).await
}

/// Sequence numbers that are missing in a locker's chain, as ranges from and to, both included.
///
/// # Errors
/// `NotFound` where there is no such locker.
pub async fn gaps(hub: &Hub, locker: &str) -> Result<Vec<(i64, i64)>> {
    let known = sqlx::query("SELECT id FROM lockers WHERE id = $1")
        .bind(locker)
        .fetch_optional(hub.store.read())
        .await?;
    if known.is_none() {
        return Err(Code::NotFound.into());
    }
    let rows = sqlx::query(
        "SELECT sequence FROM receipts WHERE locker_id = $1 AND standing = 'chained' ORDER BY sequence",
    )
    .bind(locker)
    .fetch_all(hub.store.read())
    .await?;
    let mut gaps = Vec::new();
    let mut expected = 0;
    for row in rows {
        let sequence = row.int("sequence")?;
        if sequence > expected {
            gaps.push((expected, sequence - 1));
        }
        expected = sequence + 1;
    }
    Ok(gaps)
}
