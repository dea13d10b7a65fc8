//! News of a locker: epochs and PIN slots that end, what is revoked before its time, issuer keys (PROTOCOL.md, bulletin). They
//! are counted for each locker, and everybody who holds a token there is told of them at once, so that whoever comes next
//! brings them.

use std::collections::BTreeSet;

use postern_api::{
    sync::LockerNews,
    token::{BulletinFor, Bulletins, WantedBulletins},
};
use postern_protocol::{
    Door, Epoch, KeyId, Timestamp,
    bulletin::{Bulletin, DoorNews, Revocation, RevocationKind},
};
use postern_rules::revoked::{self, Numbered};
use sqlx::AnyConnection;

use super::{
    alarms::{self, Alarm},
    doors,
};
use crate::{
    auth::customer::Customer,
    error::{Error, Result, invalid},
    hub::Hub,
    random,
    store::{Tx, news as rows},
};

/// Most lockers in one call.
const MOST: usize = 200;
/// News of doors that are read for one bulletin, which holds fewer.
const MOST_DOORS: i64 = 64;
/// A locker that is further off than this has a clock that runs wrong (PROTOCOL.md, time).
const CLOCK_OFF: i64 = 300;

pub(super) fn broken(what: &str) -> Error {
    Error::Internal(format!("a stored {what} does not fit the protocol"))
}

fn small(number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| broken("number of news"))
}

/// Counts another piece of news for the locker, whose row it locks, and wakes everybody who holds a living token there.
///
/// # Errors
/// When the database fails.
pub async fn next(tx: &mut Tx, locker: &str, now: i64) -> Result<i64> {
    let number = rows::count(tx, locker).await?;
    for holder in rows::holders(tx, locker, now).await? {
        tx.wake(&holder);
    }
    Ok(number)
}

/// Lockers where the account holds a living token, with news that no receipt has acknowledged.
///
/// # Errors
/// When the database fails.
pub async fn of_account(on: &mut AnyConnection, account: &str, now: i64) -> Result<Vec<LockerNews>> {
    let unheard = rows::unheard(on, account, now).await?;
    unheard.into_iter().map(|(locker, number)| Ok(LockerNews { locker, number: small(number)? })).collect()
}

/// The newest bulletins for lockers where the customer, guest or courier has access.
///
/// # Errors
/// `Malformed` where there are too many.
pub async fn wanted(
    hub: &Hub,
    tx: &mut Tx,
    customer: &Customer,
    wanted: &WantedBulletins,
) -> Result<Bulletins> {
    if wanted.lockers.len() > MOST {
        return Err(invalid("/lockers", "at most 200"));
    }
    let now = hub.clock.now();
    let mut bulletins = Vec::new();
    for locker in wanted.lockers.iter().collect::<BTreeSet<_>>() {
        if rows::holds_token(tx, &customer.account, locker, now).await? {
            bulletins.extend(bulletin(hub, tx, locker, None, now).await?);
        }
    }
    Ok(Bulletins { bulletins })
}

/// The newest bulletin for a locker: epochs that it may not have heard of, everything that is revoked and lives, issuer keys
/// that it may not know, and the time where it lost it. None where there is no news.
///
/// # Errors
/// When something stored does not fit the protocol, or the database fails.
pub async fn bulletin(
    hub: &Hub,
    tx: &mut Tx,
    locker: &str,
    nonce: Option<[u8; 16]>,
    now: i64,
) -> Result<Option<BulletinFor>> {
    let Some(row) = rows::locker(tx, locker).await? else { return Ok(None) };
    let rows::Locker { newest, known, joined } = row;
    let seconds = |at: i64| u64::try_from(at).map(Timestamp).map_err(|_| broken("time"));
    let keys = hub.keyring.all();
    let add_keys: Vec<_> = keys
        .iter()
        .filter(|key| key.created_at > joined && key.retired_at.is_none_or(|at| now < at))
        .map(|key| (KeyId(key.id), key.public))
        .collect();
    let retired = keys.iter().filter(|key| key.retired_at.is_some_and(|at| joined < at && at <= now));
    let remove_keys = revoked::dropped(retired.map(|key| KeyId(key.id)).collect());
    if newest <= known && add_keys.is_empty() && remove_keys.is_empty() && nonce.is_none() {
        return Ok(None);
    }
    let told = rows::doors(tx, locker, known, MOST_DOORS).await?;
    let mut of_doors = Vec::new();
    for door in &told {
        let news = DoorNews {
            door: Door(doors::number(door.door)?),
            epoch: Epoch(u32::try_from(door.epoch).map_err(|_| broken("epoch"))?),
            ended_slots: u8::try_from(door.ended_slots).map_err(|_| broken("PIN slot"))?,
        };
        of_doors.push(Numbered { news, number: small(door.number)? });
    }
    // Beyond those that were read there may be more, which no bulletin up to here holds.
    let all = (told.len() as i64) < MOST_DOORS;
    let complete_to = if all { small(newest)? } else { of_doors.last().map_or(0, |last| last.number) };
    let mut living = Vec::new();
    for one in rows::revoked(tx, locker, now).await? {
        let kind = u8::try_from(one.kind).ok().and_then(|kind| RevocationKind::try_from(kind).ok());
        let name = hex::decode(one.name).ok().and_then(|name| name.try_into().ok());
        living.push(Revocation {
            kind: kind.ok_or_else(|| broken("revocation"))?,
            name: name.ok_or_else(|| broken("revocation"))?,
            at: seconds(one.at)?,
        });
    }
    let mut bulletin = Bulletin {
        locker: locker.parse().map_err(|_| broken("locker id"))?,
        issued_at: seconds(now)?,
        number: 0,
        epochs: Vec::new(),
        revoked: living,
        add_keys,
        remove_keys,
        hello_nonce: nonce,
        key_id: KeyId(0),
    };
    let signed = hub.keyring.with_oldest(now, |issuer| {
        bulletin.key_id = issuer.key_id;
        revoked::fit(&mut bulletin, of_doors, complete_to).then(|| issuer.sign_bulletin(&bulletin))
    })?;
    if signed.is_none() {
        let alarm = Alarm {
            kind: "bulletin",
            locker: Some(locker),
            reason: "the news of this locker do not fit a bulletin: it hears of nothing that was ended or revoked",
            ..Alarm::default()
        };
        alarms::raise_once(tx, alarm, now).await?;
    }
    let number = bulletin.number;
    Ok(signed.map(|bytes| BulletinFor { locker: locker.to_owned(), bulletin: random::encode(bytes), number }))
}

/// Where a phone says that a locker's clock is off, the operator is told; a bulletin bound to that HELLO sets it right.
///
/// # Errors
/// When the database fails.
pub async fn hear_clock(tx: &mut Tx, locker: &str, locker_time: i64, now: i64) -> Result<()> {
    let off = locker_time.saturating_sub(now);
    if off.abs() <= CLOCK_OFF {
        return Ok(());
    }
    let reason = format!(
        "a device at this locker says that its clock is {} s {}; it was given a bulletin that sets it right",
        off.unsigned_abs(),
        if off > 0 { "ahead" } else { "behind" }
    );
    let alarm =
        Alarm { kind: "clock", locker: Some(locker), reason: &reason, repaired: true, ..Alarm::default() };
    alarms::raise_once(tx, alarm, now).await
}
