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
use sqlx::AnyConnection;

use super::{
    alarms::{self, Alarm},
    doors,
    rules::revoked::{self, Numbered},
};
use crate::{
    auth::customer::Customer,
    error::{Error, Result, invalid},
    hub::Hub,
    random,
    store::{RowExt, Tx},
};

/// Most lockers in one call.
const MOST: usize = 200;
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
    let number = sqlx::query("UPDATE lockers SET news = news + 1 WHERE id = $1 RETURNING news")
        .bind(locker)
        .fetch_one(tx.on())
        .await?
        .int("news")?;
    let holders =
        sqlx::query("SELECT DISTINCT account_id FROM grants WHERE locker_id = $1 AND expires_at > $2 AND account_id <> ''")
            .bind(locker)
            .bind(now)
            .fetch_all(tx.on())
            .await?;
    for holder in holders {
        tx.wake(&holder.text("account_id")?);
    }
    Ok(number)
}

/// Lockers where the account holds a living token, with news that no receipt has acknowledged.
///
/// # Errors
/// When the database fails.
pub async fn of_account(on: &mut AnyConnection, account: &str, now: i64) -> Result<Vec<LockerNews>> {
    let rows = sqlx::query(
        "SELECT l.id, l.news FROM lockers l WHERE l.news > l.news_known AND l.id IN (SELECT g.locker_id FROM grants g \
         WHERE g.account_id = $1 AND g.expires_at > $2) ORDER BY l.id LIMIT 500",
    )
    .bind(account)
    .bind(now)
    .fetch_all(on)
    .await?;
    rows.iter()
        .map(|row| Ok(LockerNews { locker: row.text("id")?, number: small(row.int("news")?)? }))
        .collect()
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
        let holds = sqlx::query(
            "SELECT token_id FROM grants WHERE account_id = $1 AND locker_id = $2 AND expires_at > $3 LIMIT 1",
        )
        .bind(&customer.account)
        .bind(locker)
        .bind(now)
        .fetch_optional(tx.on())
        .await?;
        if holds.is_some() {
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
    let row = sqlx::query("SELECT news, news_known, created_at FROM lockers WHERE id = $1")
        .bind(locker)
        .fetch_optional(tx.on())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (newest, known, joined) = (row.int("news")?, row.int("news_known")?, row.int("created_at")?);
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
    let rows = sqlx::query(
        "SELECT door, revoked_epoch, ended_slots, news_number FROM doors WHERE locker_id = $1 AND news_number > $2 \
         AND (revoked_epoch > proven_epoch OR ended_slots > 0) ORDER BY news_number LIMIT 64",
    )
    .bind(locker)
    .bind(known)
    .fetch_all(tx.on())
    .await?;
    let mut of_doors = Vec::new();
    for row in &rows {
        let news = DoorNews {
            door: Door(doors::number(row.int("door")?)?),
            epoch: Epoch(u32::try_from(row.int("revoked_epoch")?).map_err(|_| broken("epoch"))?),
            ended_slots: u8::try_from(row.int("ended_slots")?).map_err(|_| broken("PIN slot"))?,
        };
        of_doors.push(Numbered { news, number: small(row.int("news_number")?)? });
    }
    // Beyond those that were read there may be more, which no bulletin up to here holds.
    let complete_to =
        if rows.len() == 64 { of_doors.last().map_or(0, |last| last.number) } else { small(newest)? };
    let rows = sqlx::query(
        "SELECT kind, name, at FROM revocations WHERE locker_id = $1 AND drop_at > $2 ORDER BY kind, name",
    )
    .bind(locker)
    .bind(now)
    .fetch_all(tx.on())
    .await?;
    let mut living = Vec::new();
    for row in &rows {
        let kind = u8::try_from(row.int("kind")?).ok().and_then(|kind| RevocationKind::try_from(kind).ok());
        let name = hex::decode(row.text("name")?).ok().and_then(|name| name.try_into().ok());
        living.push(Revocation {
            kind: kind.ok_or_else(|| broken("revocation"))?,
            name: name.ok_or_else(|| broken("revocation"))?,
            at: seconds(row.int("at")?)?,
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
