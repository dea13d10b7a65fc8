//! What ends access before its time (PROTOCOL.md, bulletin): a device, a share, what was passed on in person. Each ends exactly
//! what it names, and nobody takes more than their share of what a bulletin can name.

use postern_protocol::bulletin::RevocationKind;
use postern_rules::revoked::{self, MOST_NAMED};
use sqlx::any::AnyRow;

use super::{
    device, doors,
    news::{broken, next},
    reservation::Reservation,
};
use crate::{
    error::Result,
    store::{RowExt, Tx},
};

/// The longest life of a token, whatever the operator's policy: what a device held has ended by then.
const LONGEST_LIFE: i64 = 86_400;

/// Ends a device's access everywhere: tokens that it holds, what was passed on to it in person, and its PINs.
///
/// # Errors
/// When the database fails.
pub async fn device(tx: &mut Tx, session: &str, now: i64) -> Result<()> {
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
        make_room(tx, &locker, None, now).await?;
    }
    Ok(())
}

/// Ends what a share gave: its tokens, and the PINs of the devices that used it. The caller saves the reservation.
///
/// # Errors
/// When the database fails.
pub async fn share(tx: &mut Tx, reservation: &mut Reservation, share: &str, now: i64) -> Result<()> {
    let tokens = sqlx::query(
        "SELECT g.token_id, g.locker_id, g.door, g.session_id, g.expires_at FROM grants g \
         JOIN doors d ON d.locker_id = g.locker_id AND d.door = g.door WHERE g.share_id = $1 AND g.expires_at > $2 \
         AND g.epoch >= d.revoked_epoch ORDER BY g.locker_id, g.token_id",
    )
    .bind(share)
    .bind(now)
    .fetch_all(tx.on())
    .await?;
    let tokens = tokens.iter().map(Held::read).collect::<Result<Vec<_>>>()?;
    end_tokens(tx, reservation, RevocationKind::Token, &tokens, now).await?;
    // A PIN outlives the token that it came with.
    let slots = sqlx::query(
        "SELECT p.locker_id, p.door, p.session_id FROM shares h JOIN sessions s ON s.account_id = h.account_id \
         JOIN pin_slots p ON p.session_id = s.id AND p.ended = 0 JOIN doors d ON d.locker_id = p.locker_id \
         AND d.door = p.door AND d.epoch = p.epoch AND d.reservation_id = h.reservation_id WHERE h.id = $1 \
         ORDER BY p.locker_id, p.session_id",
    )
    .bind(share)
    .fetch_all(tx.on())
    .await?;
    end_pins(tx, &slots, now).await
}

/// Ends what somebody has of a compartment that was their flat's: tokens, what they passed on of them in person, and PINs. The
/// others keep theirs. The caller saves the reservation.
///
/// # Errors
/// When the database fails.
pub async fn resident(tx: &mut Tx, reservation: &mut Reservation, account: &str, now: i64) -> Result<()> {
    let tokens = sqlx::query(
        "SELECT g.token_id, g.locker_id, g.door, g.session_id, g.expires_at FROM grants g \
         JOIN doors d ON d.locker_id = g.locker_id AND d.door = g.door WHERE g.reservation_id = $1 AND g.account_id = $2 \
         AND g.share_id IS NULL AND g.expires_at > $3 AND g.epoch >= d.revoked_epoch ORDER BY g.locker_id, g.token_id",
    )
    .bind(&reservation.id)
    .bind(account)
    .bind(now)
    .fetch_all(tx.on())
    .await?;
    let tokens = tokens.iter().map(Held::read).collect::<Result<Vec<_>>>()?;
    end_tokens(tx, reservation, RevocationKind::Token, &tokens, now).await?;
    let slots = sqlx::query(
        "SELECT p.locker_id, p.door, p.session_id FROM sessions s JOIN pin_slots p ON p.session_id = s.id AND p.ended = 0 \
         JOIN doors d ON d.locker_id = p.locker_id AND d.door = p.door AND d.epoch = p.epoch AND d.reservation_id = $1 \
         WHERE s.account_id = $2 ORDER BY p.locker_id, p.session_id",
    )
    .bind(&reservation.id)
    .bind(account)
    .fetch_all(tx.on())
    .await?;
    end_pins(tx, &slots, now).await
}

/// Ends the PINs of guests whose shares end before the reservation, at a locker that would not hear in time that they are over:
/// they were given when both were to end together, and there is more time for the reservation now.
///
/// # Errors
/// When the database fails.
pub async fn pins_that_outlive_shares(tx: &mut Tx, reservation: &Reservation, now: i64) -> Result<()> {
    let slots = sqlx::query(
        "SELECT p.locker_id, p.door, p.session_id FROM shares h JOIN sessions s ON s.account_id = h.account_id \
         JOIN pin_slots p ON p.session_id = s.id AND p.ended = 0 JOIN doors d ON d.locker_id = p.locker_id \
         AND d.door = p.door AND d.epoch = p.epoch AND d.reservation_id = h.reservation_id \
         JOIN lockers l ON l.id = p.locker_id WHERE h.reservation_id = $1 AND h.state IN ('accepted', 'used') \
         AND h.until_at < $2 AND l.online_until <= $3 ORDER BY p.locker_id, p.session_id",
    )
    .bind(&reservation.id)
    .bind(reservation.until.unwrap_or(i64::MAX))
    .bind(now)
    .fetch_all(tx.on())
    .await?;
    end_pins(tx, &slots, now).await
}

/// Ends what the devices of whoever has it may have passed on in person of a reservation. False where there is nothing that has not
/// been ended already. The caller saves the reservation.
///
/// # Errors
/// When the database fails.
pub async fn in_person(tx: &mut Tx, reservation: &mut Reservation, now: i64) -> Result<bool> {
    // Of a device that was removed, what it passed on has ended with it.
    let tokens = sqlx::query(
        "SELECT g.token_id, g.locker_id, g.door, g.session_id, g.expires_at FROM grants g \
         JOIN doors d ON d.locker_id = g.locker_id AND d.door = g.door \
         JOIN sessions s ON s.id = g.session_id AND s.revoked_at IS NULL \
         WHERE g.reservation_id = $1 AND g.share_id IS NULL AND g.delegable = 1 AND g.expires_at > $2 AND g.epoch >= d.revoked_epoch AND NOT EXISTS (SELECT 1 FROM revocations v \
         WHERE v.locker_id = g.locker_id AND v.kind = 1 AND v.name = g.token_id) ORDER BY g.locker_id, g.token_id",
    )
    .bind(&reservation.id)
    .bind(now)
    .fetch_all(tx.on())
    .await?;
    let tokens = tokens.iter().map(Held::read).collect::<Result<Vec<_>>>()?;
    end_tokens(tx, reservation, RevocationKind::Delegations, &tokens, now).await?;
    Ok(!tokens.is_empty())
}

/// A living token that somebody holds.
struct Held {
    name: [u8; 16],
    locker: String,
    door: i64,
    session: String,
    until: i64,
}

impl Held {
    fn read(row: &AnyRow) -> Result<Self> {
        let name = hex::decode(row.text("token_id")?).ok().and_then(|name| name.try_into().ok());
        Ok(Self {
            name: name.ok_or_else(|| broken("token id"))?,
            locker: row.text("locker_id")?,
            door: row.int("door")?,
            session: row.text("session_id")?,
            until: row.int("expires_at")?,
        })
    }
}

/// Ends tokens of a reservation, or what was passed on of them: by name, or where more of them would be named than one
/// reservation may have, by a higher epoch of its door.
async fn end_tokens(
    tx: &mut Tx,
    reservation: &mut Reservation,
    kind: RevocationKind,
    tokens: &[Held],
    now: i64,
) -> Result<()> {
    let kept = doors::kept_for(tx, &reservation.id).await?;
    let mut rest: Vec<&Held> = tokens.iter().collect();
    if let Some((locker, door)) = kept {
        let named = sqlx::query(
            "SELECT COUNT(*) AS named FROM revocations v JOIN grants g ON g.token_id = v.name \
             WHERE v.locker_id = $1 AND v.kind < 2 AND v.drop_at > $2 AND g.reservation_id = $3",
        )
        .bind(&locker)
        .bind(now)
        .bind(&reservation.id)
        .fetch_one(tx.on())
        .await?
        .int("named")?;
        let here = |held: &&Held| (held.locker.as_str(), held.door) == (locker.as_str(), door);
        let more = rest.iter().filter(|held| here(held)).count();
        if more > 0 && usize::try_from(named).unwrap_or(usize::MAX).saturating_add(more) > MOST_NAMED {
            doors::revoke(tx, reservation, now).await?;
            forget_named(tx, &reservation.id, &locker, door).await?;
            rest.retain(|held| !here(held));
        }
    }
    let mut told: Option<(&str, i64)> = None;
    for held in rest {
        let number = match told {
            Some((known, number)) if known == held.locker => number,
            _ => next(tx, &held.locker, now).await?,
        };
        told = Some((&held.locker, number));
        let ended = Ended { kind, name: held.name, at: held.until, drop_at: held.until };
        name_one(tx, &held.locker, &ended, number, Some(&held.session)).await?;
        make_room(tx, &held.locker, Some(&mut *reservation), now).await?;
    }
    Ok(())
}

/// What of a reservation was named until its door's epoch rose has ended with the epoch.
async fn forget_named(tx: &mut Tx, reservation: &str, locker: &str, door: i64) -> Result<()> {
    sqlx::query(
        "DELETE FROM revocations WHERE locker_id = $1 AND kind < 2 AND name IN (SELECT g.token_id FROM grants g \
         JOIN doors d ON d.locker_id = g.locker_id AND d.door = g.door \
         WHERE g.reservation_id = $2 AND g.locker_id = $1 AND g.door = $3 AND g.epoch < d.epoch)",
    )
    .bind(locker)
    .bind(reservation)
    .bind(door)
    .execute(tx.on())
    .await?;
    Ok(())
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

/// Ends the PINs of these rows: locker, door and session of each.
async fn end_pins(tx: &mut Tx, slots: &[AnyRow], now: i64) -> Result<()> {
    for row in slots {
        let (locker, session) = (row.text("locker_id")?, row.text("session_id")?);
        end_slots(tx, &locker, &session, Some(row.int("door")?), now).await?;
    }
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

/// Whose place in a bulletin a revocation takes, oldest first: of a token it is the owner of its reservation. Of a device it is
/// its own account where that has something there, else the owner of what the device was given, and of a courier the carrier.
const WHOSE: &str = "SELECT v.kind, v.name, v.session_id, COALESCE((SELECT r.account_id FROM grants g \
     JOIN reservations r ON r.id = g.reservation_id WHERE v.kind < 2 AND g.token_id = v.name), a.courier_of, \
     (SELECT MIN(r.account_id) FROM grants g JOIN reservations r ON r.id = g.reservation_id WHERE v.kind = 2 \
     AND g.session_id = v.session_id AND g.locker_id = v.locker_id AND r.account_id = a.id), \
     (SELECT MIN(r.account_id) FROM grants g JOIN reservations r ON r.id = g.reservation_id WHERE v.kind = 2 \
     AND g.session_id = v.session_id AND g.locker_id = v.locker_id), a.id, '') AS whose \
     FROM revocations v LEFT JOIN sessions s ON s.id = v.session_id LEFT JOIN accounts a ON a.id = s.account_id \
     WHERE v.locker_id = $1 AND v.drop_at > $2 ORDER BY v.number, v.kind, v.name";

/// A bulletin holds every revocation that lives. Where there are more than fit, some of whoever has most become a higher epoch
/// of the doors concerned, which ends everybody's tokens there: the owner's devices fetch new ones. `held` is a reservation that
/// the caller has locked and saves.
async fn make_room(tx: &mut Tx, locker: &str, mut held: Option<&mut Reservation>, now: i64) -> Result<()> {
    let living = sqlx::query(WHOSE).bind(locker).bind(now).fetch_all(tx.on()).await?;
    let whose = living.iter().map(|row| row.text("whose")).collect::<Result<Vec<_>>>()?;
    for place in revoked::make_room(&whose) {
        let (kind, name) = (living[place].int("kind")?, living[place].text("name")?);
        let doors = sqlx::query(
            "SELECT DISTINCT d.reservation_id FROM grants g JOIN doors d ON d.locker_id = g.locker_id AND d.door = g.door \
             AND d.reservation_id = g.reservation_id WHERE g.locker_id = $1 AND g.expires_at > $2 AND g.epoch = d.epoch \
             AND ((($3 = 2) AND g.session_id = $4) OR (($3 < 2) AND g.token_id = $5)) ORDER BY 1",
        )
        .bind(locker)
        .bind(now)
        .bind(kind)
        .bind(living[place].maybe_text("session_id")?.unwrap_or_default())
        .bind(&name)
        .fetch_all(tx.on())
        .await?;
        for door in doors {
            let id = door.text("reservation_id")?;
            match &mut held {
                // A copy of its own would be overwritten when the caller saves.
                Some(reservation) if reservation.id == id => doors::revoke(tx, reservation, now).await?,
                _ => {
                    if let Some(mut reservation) = Reservation::lock(tx, &id).await? {
                        doors::revoke(tx, &mut reservation, now).await?;
                        reservation.save(tx, now).await?;
                    }
                }
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
