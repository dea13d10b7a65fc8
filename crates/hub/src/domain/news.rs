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
    device, doors,
    reservation::Reservation,
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
/// The longest life of a token, whatever the operator's policy: what a device held has ended by then.
const LONGEST_LIFE: i64 = 86_400;
/// A locker that is further off than this has a clock that runs wrong (PROTOCOL.md, time).
const CLOCK_OFF: i64 = 300;

fn broken(what: &str) -> Error {
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

/// Ends a device's access everywhere: tokens that it holds, what was passed on to it in person, and its PINs.
///
/// # Errors
/// When the database fails.
pub async fn end_device(tx: &mut Tx, session: &str, now: i64) -> Result<()> {
    let key = sqlx::query("SELECT device_key FROM sessions WHERE id = $1")
        .bind(session)
        .fetch_optional(tx.on())
        .await?;
    let Some(key) = key else { return Ok(()) };
    let name = device::decode_key(&key.bytes("device_key")?)?.name();
    let lockers = sqlx::query(
        "SELECT locker_id FROM grants WHERE session_id = $1 AND expires_at > $2 UNION SELECT p.locker_id FROM pin_slots p \
         JOIN doors d ON d.locker_id = p.locker_id AND d.door = p.door AND d.epoch = p.epoch \
         WHERE p.session_id = $1 AND p.ended = 0 ORDER BY 1",
    )
    .bind(session)
    .bind(now)
    .fetch_all(tx.on())
    .await?;
    for row in lockers {
        let locker = row.text("locker_id")?;
        let number = next(tx, &locker, now).await?;
        // Tokens of this very second too.
        let ended =
            Ended { kind: RevocationKind::Device, name, at: now + 1, drop_at: now + 1 + LONGEST_LIFE };
        name_one(tx, &locker, &ended, number, Some(session)).await?;
        end_slots(tx, &locker, session, None, now).await?;
        make_room(tx, &locker, now).await?;
    }
    Ok(())
}

/// Ends what a share gave: its tokens, and the PINs of the devices that used it.
///
/// # Errors
/// When the database fails.
pub async fn end_share(tx: &mut Tx, share: &str, now: i64) -> Result<()> {
    let tokens = sqlx::query(
        "SELECT token_id, locker_id, door, session_id, expires_at FROM grants WHERE share_id = $1 \
         ORDER BY locker_id, token_id",
    )
    .bind(share)
    .fetch_all(tx.on())
    .await?;
    let mut told: Option<(String, i64)> = None;
    for row in &tokens {
        let (locker, until) = (row.text("locker_id")?, row.int("expires_at")?);
        let (session, door) = (row.text("session_id")?, row.int("door")?);
        let slot = sqlx::query(
            "SELECT p.slot FROM pin_slots p JOIN doors d ON d.locker_id = p.locker_id AND d.door = p.door \
             AND d.epoch = p.epoch WHERE p.session_id = $1 AND p.locker_id = $2 AND p.door = $3 AND p.ended = 0",
        )
        .bind(&session)
        .bind(&locker)
        .bind(door)
        .fetch_optional(tx.on())
        .await?;
        if until <= now && slot.is_none() {
            continue;
        }
        let number = match &told {
            Some((known, number)) if *known == locker => *number,
            _ => next(tx, &locker, now).await?,
        };
        told = Some((locker.clone(), number));
        if until > now {
            let ended = Ended { kind: RevocationKind::Token, name: token(row)?, at: until, drop_at: until };
            name_one(tx, &locker, &ended, number, Some(&session)).await?;
        }
        if slot.is_some() {
            end_slots(tx, &locker, &session, Some(door), now).await?;
        }
        make_room(tx, &locker, now).await?;
    }
    Ok(())
}

/// Ends what the account's devices may have passed on in person of a reservation. False where there is nothing that has not
/// been ended already.
///
/// # Errors
/// When the database fails.
pub async fn end_in_person(tx: &mut Tx, reservation: &Reservation, now: i64) -> Result<bool> {
    let tokens = sqlx::query(
        "SELECT g.token_id, g.locker_id, g.session_id, g.expires_at FROM grants g WHERE g.reservation_id = $1 \
         AND g.account_id = $2 AND g.share_id IS NULL AND g.delegable = 1 AND g.expires_at > $3 \
         AND NOT EXISTS (SELECT 1 FROM revocations v WHERE v.locker_id = g.locker_id AND v.kind = 1 \
         AND v.name = g.token_id) ORDER BY g.locker_id, g.token_id",
    )
    .bind(&reservation.id)
    .bind(reservation.account.clone())
    .bind(now)
    .fetch_all(tx.on())
    .await?;
    let mut told: Option<(String, i64)> = None;
    for row in &tokens {
        let (locker, until) = (row.text("locker_id")?, row.int("expires_at")?);
        let number = match &told {
            Some((known, number)) if *known == locker => *number,
            _ => next(tx, &locker, now).await?,
        };
        told = Some((locker.clone(), number));
        let ended = Ended { kind: RevocationKind::Delegations, name: token(row)?, at: until, drop_at: until };
        name_one(tx, &locker, &ended, number, Some(&row.text("session_id")?)).await?;
        make_room(tx, &locker, now).await?;
    }
    Ok(!tokens.is_empty())
}

fn token(row: &sqlx::any::AnyRow) -> Result<[u8; 16]> {
    let name = hex::decode(row.text("token_id")?).ok().and_then(|name| name.try_into().ok());
    name.ok_or_else(|| broken("token id"))
}

struct Ended {
    kind: RevocationKind,
    name: [u8; 16],
    at: i64,
    drop_at: i64,
}

async fn name_one(
    tx: &mut Tx,
    locker: &str,
    ended: &Ended,
    number: i64,
    session: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO revocations (locker_id, kind, name, at, drop_at, number, session_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (locker_id, kind, name) DO UPDATE SET at = excluded.at, \
         drop_at = excluded.drop_at, number = excluded.number, session_id = excluded.session_id",
    )
    .bind(locker)
    .bind(ended.kind as i64)
    .bind(hex::encode(ended.name))
    .bind(ended.at)
    .bind(ended.drop_at)
    .bind(number)
    .bind(session.map(str::to_owned))
    .execute(tx.on())
    .await?;
    Ok(())
}

/// Ends the PINs of a device at a locker, at one door or at all. Each door's news have a number of their own: of doors that
/// shared one, those that a bulletin has no room for would never be acknowledged, and so never make room.
async fn end_slots(tx: &mut Tx, locker: &str, session: &str, door: Option<i64>, now: i64) -> Result<()> {
    let slots = sqlx::query(
        "UPDATE pin_slots SET ended = 1 WHERE session_id = $1 AND locker_id = $2 AND ended = 0 AND ($3 < 0 OR door = $3) \
         RETURNING door, epoch, slot",
    )
    .bind(session)
    .bind(locker)
    .bind(door.unwrap_or(-1))
    .fetch_all(tx.on())
    .await?;
    for row in slots {
        let number = next(tx, locker, now).await?;
        // A slot of an epoch that is over has ended with it.
        sqlx::query(
            "UPDATE doors SET ended_slots = CASE WHEN revoked_epoch = $1 THEN ended_slots | $2 ELSE $2 END, \
             revoked_epoch = $1, news_number = $3 WHERE locker_id = $4 AND door = $5 AND epoch = $1",
        )
        .bind(row.int("epoch")?)
        .bind(1_i64 << row.int("slot")?.clamp(0, 3))
        .bind(number)
        .bind(locker)
        .bind(row.int("door")?)
        .execute(tx.on())
        .await?;
    }
    Ok(())
}

/// A bulletin holds every revocation that lives. Where there are more than fit, the oldest become a higher epoch of the doors
/// concerned, which ends everybody's tokens there: the owner's devices fetch new ones.
async fn make_room(tx: &mut Tx, locker: &str, now: i64) -> Result<()> {
    let living = sqlx::query(
        "SELECT kind, name, session_id FROM revocations WHERE locker_id = $1 AND drop_at > $2 ORDER BY number, kind, name",
    )
    .bind(locker)
    .bind(now)
    .fetch_all(tx.on())
    .await?;
    for row in living.iter().take(revoked::too_many(living.len())) {
        let (kind, name) = (row.int("kind")?, row.text("name")?);
        let doors = sqlx::query(
            "SELECT DISTINCT d.reservation_id FROM grants g JOIN doors d ON d.locker_id = g.locker_id AND d.door = g.door \
             AND d.reservation_id = g.reservation_id WHERE g.locker_id = $1 AND g.expires_at > $2 AND g.epoch = d.epoch \
             AND ((($3 = 2) AND g.session_id = $4) OR (($3 < 2) AND g.token_id = $5)) ORDER BY 1",
        )
        .bind(locker)
        .bind(now)
        .bind(kind)
        .bind(row.maybe_text("session_id")?.unwrap_or_default())
        .bind(&name)
        .fetch_all(tx.on())
        .await?;
        for door in doors {
            if let Some(mut reservation) = Reservation::lock(tx, &door.text("reservation_id")?).await? {
                doors::revoke(tx, &mut reservation, now).await?;
                reservation.save(tx, now).await?;
            }
        }
        sqlx::query("DELETE FROM revocations WHERE locker_id = $1 AND kind = $2 AND name = $3")
            .bind(locker)
            .bind(kind)
            .bind(&name)
            .execute(tx.on())
            .await?;
    }
    Ok(())
}
