//! What an operator does to lockers and doors, and what they are shown.

use postern_api::{
    operator::{Alarm, Bucket, DoorReport, Gap, Insight, LockerReport},
    problem::Code,
    reservation::{Kind, State, TimelineEvent},
};
use postern_rules::{placed::Inside, settling::Holds};
use sqlx::AnyConnection;

use super::{alarms, assets, doors, network, receipts, reservation::Reservation, restored};
use crate::{
    error::{Result, refuse},
    hub::Hub,
    store::{RowExt, Tx},
};

/// A group of fewer could single somebody out.
const SMALLEST_GROUP: i64 = 10;

fn small<T: TryFrom<i64>>(number: i64) -> Result<T> {
    T::try_from(number).map_err(|_| crate::error::Error::Internal("a stored number does not fit".to_owned()))
}

/// The state of one locker.
///
/// # Errors
/// `NotFound`.
pub async fn report(hub: &Hub, locker: &str) -> Result<LockerReport> {
    let gaps = receipts::gaps(hub, locker).await?;
    let mut on = hub.store.snapshot().await?;
    let descriptor = network::descriptor(&mut on, locker).await?.ok_or(Code::NotFound)?;
    let row = sqlx::query("SELECT retired_at, online_until, news, news_known FROM lockers WHERE id = $1")
        .bind(locker)
        .fetch_one(&mut *on)
        .await?;
    let chain = sqlx::query(
        "SELECT MAX(CASE WHEN standing = 'chained' THEN sequence END) AS newest, \
         COUNT(CASE WHEN standing = 'fork' THEN 1 END) AS forks FROM receipts WHERE locker_id = $1",
    )
    .bind(locker)
    .fetch_one(&mut *on)
    .await?;
    let rows = sqlx::query(
        "SELECT d.door, d.out_of_order, d.settling_epoch, d.epoch, d.proven_epoch, \
         COALESCE(d.reservation_id, o.reservation_id) AS reservation_id FROM doors d LEFT JOIN occupancies o \
         ON o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = d.settling_epoch \
         WHERE d.locker_id = $1 AND COALESCE(d.reported_by, '') <> 'gone' ORDER BY d.door",
    )
    .bind(locker)
    .fetch_all(&mut *on)
    .await?;
    let door = |row: &sqlx::any::AnyRow| {
        Ok(DoorReport {
            door: doors::number(row.int("door")?)?,
            out_of_order: row.int("out_of_order")? == 1,
            reservation: row.maybe_text("reservation_id")?,
            epoch: small(row.int("epoch")?)?,
            proven_epoch: small(row.int("proven_epoch")?)?,
            settling: row.maybe_int("settling_epoch")?.is_some(),
        })
    };
    Ok(LockerReport {
        descriptor,
        retired: row.maybe_int("retired_at")?.is_some(),
        online_until: row.int("online_until")?,
        doors: rows.iter().map(door).collect::<Result<_>>()?,
        newest_receipt: chain.maybe_int("newest")?.map(small).transpose()?,
        gaps: gaps
            .into_iter()
            .map(|(first, last)| Ok(Gap { first: small(first)?, last: small(last)? }))
            .collect::<Result<_>>()?,
        forks: small(chain.int("forks")?)?,
        news: small(row.int("news")?)?,
        news_known: small(row.int("news_known")?)?,
    })
}

/// A locker leaves the network.
///
/// # Errors
/// `NotFound`; `WrongState` while something lies in it or is booked there.
pub async fn decommission(tx: &mut Tx, locker: &str, now: i64) -> Result<()> {
    let held = sqlx::query(
        "SELECT d.door FROM doors d JOIN lockers l ON l.id = d.locker_id AND l.retired_at IS NULL \
         WHERE d.locker_id = $1 AND d.out_of_order = 1 AND (d.reported_by = 'restored' OR EXISTS (SELECT 1 FROM alarms a \
         WHERE a.locker_id = d.locker_id AND a.door = d.door AND a.resolved_at IS NULL \
         AND a.kind IN ('left_inside', 'opened_after_back', 'disputed'))) LIMIT 1",
    )
    .bind(locker)
    .fetch_optional(tx.on())
    .await?;
    if held.is_some() {
        return Err(refuse(Code::WrongState, "something may lie in a compartment: look at it, and clear it"));
    }
    let lends = sqlx::query("SELECT id FROM assets WHERE locker_id = $1 LIMIT 1")
        .bind(locker)
        .fetch_optional(tx.on())
        .await?;
    if lends.is_some() {
        return Err(refuse(
            Code::WrongState,
            "a thing is lent from here: take it out, and remove or move it",
        ));
    }
    // Nobody can book a door of it from here on; who was faster is seen by what follows.
    sqlx::query("UPDATE doors SET out_of_order = 1 WHERE locker_id = $1")
        .bind(locker)
        .execute(tx.on())
        .await?;
    let taken = sqlx::query(
        "SELECT door FROM doors WHERE locker_id = $1 AND (reservation_id IS NOT NULL OR settling_epoch IS NOT NULL) LIMIT 1",
    )
    .bind(locker)
    .fetch_optional(tx.on())
    .await?;
    if taken.is_some() {
        return Err(refuse(Code::WrongState, "a compartment is still taken"));
    }
    let gone = sqlx::query("UPDATE lockers SET retired_at = COALESCE(retired_at, $1) WHERE id = $2")
        .bind(now)
        .bind(locker)
        .execute(tx.on())
        .await?
        .rows_affected();
    if gone == 1 { Ok(()) } else { Err(Code::NotFound.into()) }
}

/// What somebody has seen to who looked at a compartment, and emptied it.
const SEEN_TO: [&str; 9] = [
    "left_inside",
    "unproven",
    "unconfirmed",
    "jammed",
    "disputed",
    "opened_after_back",
    "called_off_deposit",
    "taken_after_extend",
    "empty_before_report",
];

/// Takes a door out of service, or puts it back: what the hub says lies there does, and of a door that is nobody's, nothing or the
/// thing that is lent from there.
///
/// # Errors
/// `NotFound` where there is no such door.
pub async fn set_out_of_order(tx: &mut Tx, locker: &str, door: i64, out: bool, now: i64) -> Result<()> {
    let looked_at = !out && restored::is_unseen(tx, locker, door).await?;
    let mut kept = None;
    if looked_at {
        let row = sqlx::query(
            "SELECT d.reservation_id, o.reservation_id AS settling FROM doors d LEFT JOIN occupancies o \
             ON o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = d.settling_epoch \
             WHERE d.locker_id = $1 AND d.door = $2",
        )
        .bind(locker)
        .bind(door)
        .fetch_one(tx.on())
        .await?;
        if row.maybe_text("settling")?.is_some() {
            return Err(refuse(
                Code::WrongState,
                "what the hub knows of has ended: take out what lies there, if anything does, and clear the compartment",
            ));
        }
        if let Some(id) = row.maybe_text("reservation_id")? {
            kept = Reservation::lock(tx, &id).await?;
        }
    }
    doors::set_out_of_order(tx, locker, door, out).await?;
    if let Some(reservation) = &mut kept {
        // Whoever has it may open it from now on, and is told.
        reservation.save(tx, now).await?;
    }
    if looked_at {
        alarms::resolve_of_door(tx, &["unproven"], (locker, door), now).await?;
        let nobodys = sqlx::query(
            "SELECT d.door FROM doors d LEFT JOIN occupancies o ON o.locker_id = d.locker_id AND o.door = d.door \
             AND o.epoch = d.settling_epoch WHERE d.locker_id = $1 AND d.door = $2 AND d.reservation_id IS NULL \
             AND o.reservation_id IS NULL",
        )
        .bind(locker)
        .bind(door)
        .fetch_optional(tx.on())
        .await?;
        if nobodys.is_some() {
            doors::clear(tx, locker, door, now).await?;
        }
        restored::looked_at(tx, locker, now).await?;
    }
    Ok(())
}

/// Somebody looked: the compartment is empty and in order. Whatever the hub believed to be in it ends, and so do its alarms. A thing
/// that is lent from there is missing.
///
/// # Errors
/// `NotFound` where there is no such door.
pub async fn clear(tx: &mut Tx, locker: &str, door: i64, now: i64) -> Result<()> {
    doors::set_out_of_order(tx, locker, door, false).await?;
    alarms::resolve_of_door(tx, &SEEN_TO, (locker, door), now).await?;
    restored::looked_at(tx, locker, now).await?;
    assets::missing(tx, locker, door, now).await?;
    let row =
        sqlx::query("SELECT reservation_id, settling_epoch FROM doors WHERE locker_id = $1 AND door = $2")
            .bind(locker)
            .bind(door)
            .fetch_one(tx.on())
            .await?;
    let kept = row.maybe_text("reservation_id")?;
    let Some(id) = kept else {
        // Who had it before may have access to it still.
        if row.maybe_int("settling_epoch")?.is_some()
            || !doors::is_safe_by_word(tx, "", (locker, door), now).await?
        {
            doors::clear(tx, locker, door, now).await?;
        }
        return Ok(());
    };
    if let Some(mut reservation) = Reservation::lock(tx, &id).await? {
        if reservation.lent {
            // Where it is away, that the compartment is empty is as it should be.
            if reservation.inside.and_then(Inside::counts) != Some(false) {
                assets::lent_missing(tx, &id, now).await?;
            }
            return reservation.save(tx, now).await;
        }
        if matches!(reservation.state, State::Announced | State::InTransit) {
            // A courier may be on the way to it.
            doors::end(tx, &reservation, Holds::Nothing, now).await?;
            return reservation.save(tx, now).await;
        }
        let ends = match (reservation.kind, reservation.state) {
            (Kind::Pickup, State::Opened) => Some(State::Collected),
            (Kind::Pickup, State::Expired) => Some(State::Returned),
            (Kind::Pickup, State::Ready) | (Kind::Return, State::Booked) => Some(State::Cancelled),
            (Kind::Storage, State::Held | State::Ready | State::Opened) => Some(State::Released),
            _ => None,
        };
        doors::clear(tx, locker, door, now).await?;
        if let Some(state) = ends {
            reservation.state = state;
            reservation.note(now, TimelineEvent::Ended, Some("operator"), false);
        }
        reservation.save(tx, now).await?;
    }
    Ok(())
}

/// Alarms that are not resolved.
///
/// # Errors
/// When the database fails.
pub async fn alarms(on: &mut AnyConnection) -> Result<Vec<Alarm>> {
    let rows = sqlx::query(
        "SELECT id, kind, locker_id, door, reservation_id, reason, repaired, created_at FROM alarms \
         WHERE resolved_at IS NULL ORDER BY created_at, id LIMIT 500",
    )
    .fetch_all(on)
    .await?;
    let alarm = |row: &sqlx::any::AnyRow| {
        Ok(Alarm {
            id: row.text("id")?,
            kind: row.text("kind")?,
            locker: row.maybe_text("locker_id")?,
            door: row.maybe_int("door")?.map(doors::number).transpose()?,
            reservation: row.maybe_text("reservation_id")?,
            reason: row.text("reason")?,
            repaired: row.int("repaired")? == 1,
            at: row.int("created_at")?,
        })
    };
    rows.iter().map(alarm).collect()
}

/// Aggregates that cannot single anyone out.
///
/// # Errors
/// When the database fails.
pub async fn insight(on: &mut AnyConnection) -> Result<Insight> {
    let hours = "SELECT CAST(((since_at / 3600) - (since_at / 86400) * 24) AS TEXT) AS grp, COUNT(*) AS n FROM reservations \
                 WHERE kind = 'pickup' AND since_at IS NOT NULL GROUP BY 1 HAVING COUNT(*) >= $1 ORDER BY 1";
    let collect = "SELECT CASE WHEN first_opened_at - since_at <= 3600 THEN '1' \
                   WHEN first_opened_at - since_at <= 14400 THEN '4' WHEN first_opened_at - since_at <= 43200 THEN '12' \
                   WHEN first_opened_at - since_at <= 86400 THEN '24' WHEN first_opened_at - since_at <= 172800 THEN '48' \
                   ELSE 'more' END AS grp, COUNT(*) AS n FROM reservations WHERE kind = 'pickup' \
                   AND first_opened_at IS NOT NULL AND since_at IS NOT NULL GROUP BY 1 HAVING COUNT(*) >= $1 ORDER BY 1";
    let sizes = "SELECT size AS grp, COUNT(*) AS n FROM doors WHERE reservation_id IS NOT NULL \
                 OR settling_epoch IS NOT NULL GROUP BY 1 \
                 HAVING COUNT(*) >= $1 ORDER BY 1";
    Ok(Insight {
        deposits_by_hour: buckets(on, hours).await?,
        hours_to_collect: buckets(on, collect).await?,
        taken_by_size: buckets(on, sizes).await?,
    })
}

async fn buckets(on: &mut AnyConnection, sql: &'static str) -> Result<Vec<Bucket>> {
    let rows = sqlx::query(sql).bind(SMALLEST_GROUP).fetch_all(on).await?;
    rows.iter().map(|row| Ok(Bucket { group: row.text("grp")?, count: small(row.int("n")?)? })).collect()
}
