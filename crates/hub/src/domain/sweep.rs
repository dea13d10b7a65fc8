//! What time does: windows end, things become late, what need not be kept is deleted, belief is held against evidence.

use postern_api::reservation::{Kind, State, TimelineEvent};

use super::{
    alarms::{self, Alarm},
    doors, feed,
    reservation::{Reservation, columns},
};
use crate::{
    error::Result,
    hub::Hub,
    store::{RowExt, Tx},
};

const DAY: i64 = 86_400;

/// Ends windows that are over. How many reservations changed.
///
/// # Errors
/// When the database fails.
pub async fn windows(hub: &Hub) -> Result<usize> {
    let now = hub.clock.now();
    let due = sqlx::query(
        "SELECT id FROM reservations WHERE until_at <= $1 AND state IN ('ready', 'booked', 'held') \
         AND (state <> 'held' OR extensions = 0) ORDER BY until_at LIMIT 500",
    )
    .bind(now)
    .fetch_all(hub.store.read())
    .await?;
    let mut changed = 0;
    for row in due {
        // One at a time: nobody waits for a long list.
        let mut tx = hub.store.begin().await?;
        let Some(mut reservation) = Reservation::lock(&mut tx, &row.text("id")?).await? else { continue };
        if reservation.until.is_none_or(|until| until > now) {
            continue;
        }
        match (reservation.kind, reservation.state) {
            (Kind::Pickup, State::Ready) => {
                reservation.state = State::Expired;
                reservation.note(now, TimelineEvent::Expired, None, false);
            }
            (Kind::Return, State::Booked) => {
                reservation.state = State::Cancelled;
                reservation.note(now, TimelineEvent::Expired, None, false);
                doors::free_when_proven(&mut tx, &reservation, now).await?;
            }
            (Kind::Storage, State::Held) => {
                // Late, and said once; it stays the customer's until it is given back.
                reservation.extensions = 1;
                reservation.note(now, TimelineEvent::Expired, None, false);
                let alarm = Alarm {
                    kind: "late",
                    locker: reservation.locker.as_deref(),
                    door: reservation.door,
                    reservation: Some(&reservation.id),
                    reason: "a compartment or a lent thing was not given back in time",
                    repaired: false,
                };
                alarms::raise(&mut tx, alarm, now).await?;
            }
            _ => continue,
        }
        reservation.save(&mut tx, now).await?;
        tx.commit().await?;
        changed += 1;
    }
    Ok(changed)
}

/// Holds what the hub believes of doors against what lockers say; repairs what is safe and flags the rest. How many
/// doors were freed.
///
/// # Errors
/// When the database fails.
pub async fn reconcile(hub: &Hub) -> Result<usize> {
    let now = hub.clock.now();
    let rows = sqlx::query(concat!(
        "SELECT r.updated_at, ",
        columns!(),
        " FROM doors d JOIN reservations r ON r.id = d.reservation_id WHERE r.state IN \
         ('collected', 'returned', 'released', 'cancelled', 'accepted', 'refused', 'opened') LIMIT 5000"
    ))
    .fetch_all(hub.store.read())
    .await?;
    let mut freed = 0;
    for row in rows {
        let believed = Reservation::from_row(&row)?;
        let since = row.int("updated_at")?;
        let mut tx = hub.store.begin().await?;
        let Some(reservation) = Reservation::lock(&mut tx, &believed.id).await? else { continue };
        if reservation.state == State::Opened {
            if now - reservation.last_opened.unwrap_or(now) > 3 * DAY {
                let reason = "opened by receipt three days ago, and the customer has not said whether it was taken: \
                              look at the compartment";
                flag_once(&mut tx, "unconfirmed", &reservation, reason, now).await?;
                tx.commit().await?;
            }
            continue;
        }
        if doors::free_when_proven(&mut tx, &reservation, since).await? {
            let alarm = Alarm {
                kind: "stale door",
                locker: reservation.locker.as_deref(),
                door: reservation.door,
                reservation: Some(&reservation.id),
                reason: "the door was still kept for a reservation that ended; the locker's chain shows no opening since",
                repaired: true,
            };
            alarms::raise(&mut tx, alarm, now).await?;
            freed += 1;
        } else if now - since > 3 * DAY {
            let reason = "ended, but the locker's chain does not show yet that nothing was put in: upload its receipts \
                          or look at the compartment";
            flag_once(&mut tx, "unproven", &reservation, reason, now).await?;
        }
        tx.commit().await?;
    }
    gaps(hub, now).await?;
    Ok(freed)
}

/// Lockers with receipts missing for longer than a phone may be without a network.
async fn gaps(hub: &Hub, now: i64) -> Result<()> {
    let rows = sqlx::query(
        "SELECT locker_id FROM receipts WHERE standing = 'chained' AND received_at < $1 GROUP BY locker_id \
         HAVING COUNT(*) < MAX(sequence) + 1",
    )
    .bind(now - 7 * DAY)
    .fetch_all(hub.store.read())
    .await?;
    for row in rows {
        let locker = row.text("locker_id")?;
        let mut tx = hub.store.begin().await?;
        let known = sqlx::query(
            "SELECT id FROM alarms WHERE kind = 'gap' AND locker_id = $1 AND resolved_at IS NULL",
        )
        .bind(&locker)
        .fetch_optional(tx.on())
        .await?;
        if known.is_none() {
            let alarm = Alarm {
                kind: "gap",
                locker: Some(&locker),
                reason: "receipts have been missing in this locker's chain for a week",
                ..Alarm::default()
            };
            alarms::raise(&mut tx, alarm, now).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

async fn flag_once(tx: &mut Tx, kind: &str, reservation: &Reservation, reason: &str, now: i64) -> Result<()> {
    let known =
        sqlx::query("SELECT id FROM alarms WHERE kind = $1 AND reservation_id = $2 AND resolved_at IS NULL")
            .bind(kind)
            .bind(&reservation.id)
            .fetch_optional(tx.on())
            .await?;
    if known.is_some() {
        return Ok(());
    }
    let alarm = Alarm {
        kind,
        locker: reservation.locker.as_deref(),
        door: reservation.door,
        reservation: Some(&reservation.id),
        reason,
        repaired: false,
    };
    alarms::raise(tx, alarm, now).await
}

/// Deletes what need not be kept.
///
/// # Errors
/// When the database fails.
pub async fn retention(hub: &Hub) -> Result<()> {
    let now = hub.clock.now();
    let policy = &hub.config.policy;
    let old = now - policy.retention_days * DAY;
    loop {
        let mut tx = hub.store.begin().await?;
        let ended = sqlx::query(
            // As the index `reservations_ended` says it: said with IN, SQLite reads all that ended.
            "SELECT id, account_id FROM reservations WHERE updated_at < $1 AND state NOT IN \
             ('announced', 'in_transit', 'ready', 'opened', 'expired', 'booked', 'deposited', 'held') LIMIT 200",
        )
        .bind(old)
        .fetch_all(tx.on())
        .await?;
        if ended.is_empty() {
            break;
        }
        for row in ended {
            let id = row.text("id")?;
            if let Some(account) = row.maybe_text("account_id")? {
                feed::remove(&mut tx, &account, &id, now).await?;
            }
            forget(&mut tx, &id).await?;
        }
        tx.commit().await?;
    }
    let mut tx = hub.store.begin().await?;
    // Where a client comes back from before this, it starts anew and so forgets what vanished.
    let gone = now - policy.feed_days * DAY;
    sqlx::query(
        "UPDATE accounts SET feed_floor = (SELECT MAX(f.seq) FROM feed f WHERE f.account_id = accounts.id \
         AND f.removed = 1 AND f.changed_at < $1) WHERE id IN (SELECT f.account_id FROM feed f WHERE f.removed = 1 \
         AND f.changed_at < $1)",
    )
    .bind(gone)
    .execute(tx.on())
    .await?;
    for (sql, before) in [
        ("DELETE FROM feed WHERE removed = 1 AND changed_at < $1", gone),
        ("DELETE FROM grants WHERE expires_at < $1", old),
        ("DELETE FROM idempotency WHERE created_at < $1", now - 7 * DAY),
        ("DELETE FROM ceremonies WHERE expires_at < $1", now),
        ("DELETE FROM auth_codes WHERE expires_at < $1", now - DAY),
        ("DELETE FROM enrolments WHERE expires_at < $1", now),
        ("DELETE FROM proofs_seen WHERE expires_at < $1", now),
        ("DELETE FROM refresh_tokens WHERE expires_at < $1", now),
        ("DELETE FROM sessions WHERE revoked_at < $1", now - 30 * DAY),
        ("DELETE FROM deliveries WHERE state = 'done' AND next_at < $1", now - 7 * DAY),
        ("DELETE FROM deliveries WHERE state = 'dead' AND next_at < $1", now - 30 * DAY),
        ("DELETE FROM alarms WHERE resolved_at < $1", old),
        // A guest is forgotten with the share that brought them.
        (
            "DELETE FROM accounts WHERE guest = 1 AND NOT EXISTS (SELECT 1 FROM shares s \
             WHERE s.account_id = accounts.id AND s.until_at > $1)",
            now - 7 * DAY,
        ),
    ] {
        sqlx::query(sql).bind(before).execute(tx.on()).await?;
    }
    tx.forget_for_good();
    tx.commit().await
}

/// Forgets a reservation. Its receipts stay in the locker's chain, which names nobody.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut Tx, id: &str) -> Result<()> {
    for sql in [
        "DELETE FROM photos WHERE problem_id IN (SELECT id FROM problems WHERE reservation_id = $1)",
        "DELETE FROM problems WHERE reservation_id = $1",
        "DELETE FROM shares WHERE reservation_id = $1",
        "DELETE FROM grants WHERE reservation_id = $1",
        "UPDATE receipts SET reservation_id = NULL WHERE reservation_id = $1",
        "UPDATE alarms SET reservation_id = NULL WHERE reservation_id = $1",
        "UPDATE doors SET reservation_id = NULL WHERE reservation_id = $1",
        "DELETE FROM reservations WHERE id = $1",
    ] {
        sqlx::query(sql).bind(id).execute(tx.on()).await?;
    }
    Ok(())
}
