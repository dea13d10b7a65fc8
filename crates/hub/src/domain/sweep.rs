//! What time does: windows end, things become late, what need not be kept is deleted, belief is held against evidence.

use postern_api::reservation::{Kind, State, TimelineEvent};
use postern_rules::settling::Holds;

use super::{
    alarms::{self, Alarm},
    doors, ending, feed, parcels,
    reservation::{Reservation, columns},
    settle,
};
use crate::{
    error::Result,
    hub::Hub,
    store::{RowExt, Tx, accounts, chain, receipts},
};

const DAY: i64 = 86_400;
/// So long a customer who has opened a parcel's door has to say what became of it before its time is over, seconds.
const UNSAID: i64 = 3600;

/// Ends windows and shares that are over. How many reservations changed.
///
/// # Errors
/// When the database fails.
pub async fn windows(hub: &Hub) -> Result<usize> {
    let now = hub.clock.now();
    let due = sqlx::query(
        "SELECT id FROM reservations WHERE until_at <= $1 AND state IN ('ready', 'booked', 'held') \
         AND (state <> 'held' OR extensions = 0) \
         AND (state <> 'booked' OR extensions = 0 OR inside IS NULL OR inside IN ('absent', 'said_out')) \
         ORDER BY until_at LIMIT 500",
    )
    .bind(now)
    .fetch_all(hub.store.read())
    .await?;
    let unsaid = sqlx::query(
        "SELECT id FROM reservations WHERE state = 'opened' AND last_opened_at < $2 AND until_at <= $1 \
         AND (inside IS NULL OR inside NOT IN ('absent', 'said_out')) ORDER BY until_at LIMIT 500",
    )
    .bind(now)
    .bind(now - UNSAID)
    .fetch_all(hub.store.read())
    .await?;
    let mut changed = 0;
    for row in due.iter().chain(&unsaid) {
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
            // It may lie there still, and then somebody has to fetch it.
            (Kind::Pickup, State::Opened) => {
                parcels::expire_unsaid(&mut reservation, now);
                if reservation.state == State::Opened {
                    continue;
                }
            }
            // What may lie inside is not called off by a clock: its customer is asked, who cannot open it any more, and the
            // operator told.
            (Kind::Return, State::Booked) if may_hold_something(&reservation) => {
                reservation.extensions = 1;
                reservation.note(now, TimelineEvent::Expired, None, false);
                doors::revoke(&mut tx, &mut reservation, now).await?;
            }
            (Kind::Return, State::Booked) => {
                reservation.state = State::Cancelled;
                reservation.note(now, TimelineEvent::Expired, None, false);
                doors::end(&mut tx, &reservation, Holds::Nothing, now).await?;
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
    shares(hub, now).await?;
    reopenings(hub, now).await?;
    Ok(changed)
}

/// Whether somebody opened the door to put something in, and it is not known to be empty.
fn may_hold_something(reservation: &Reservation) -> bool {
    reservation.inside.is_some_and(|inside| inside.counts() != Some(false))
}

/// Tells phones of pickups whose minutes for opening again are over: what may lie there still is opened anew from then on.
async fn reopenings(hub: &Hub, now: i64) -> Result<()> {
    let due = sqlx::query(
        "SELECT r.id FROM reservations r JOIN lockers l ON l.id = r.locker_id WHERE r.state = 'opened' \
         AND r.last_opened_at > $1 AND r.last_opened_at + 60 * l.reopen_minutes <= $2 \
         AND r.updated_at < r.last_opened_at + 60 * l.reopen_minutes LIMIT 500",
    )
    .bind(now - DAY)
    .bind(now)
    .fetch_all(hub.store.read())
    .await?;
    for row in due {
        let mut tx = hub.store.begin().await?;
        let Some(mut reservation) = Reservation::lock(&mut tx, &row.text("id")?).await? else { continue };
        reservation.save(&mut tx, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Ends shares whose time is over: a PIN knows no time, and opens until the locker hears that it has ended.
async fn shares(hub: &Hub, now: i64) -> Result<()> {
    let due = sqlx::query(
        "SELECT id, reservation_id FROM shares WHERE state IN ('accepted', 'used') AND until_at <= $1 \
         ORDER BY until_at LIMIT 500",
    )
    .bind(now)
    .fetch_all(hub.store.read())
    .await?;
    for row in due {
        let mut tx = hub.store.begin().await?;
        let Some(mut reservation) = Reservation::lock(&mut tx, &row.text("reservation_id")?).await? else {
            continue;
        };
        let share = row.text("id")?;
        // Somebody may have taken it back in the meantime.
        let ended = sqlx::query(
            "UPDATE shares SET state = 'ended' WHERE id = $1 AND state IN ('accepted', 'used') AND until_at <= $2 \
             RETURNING account_id",
        )
        .bind(&share)
        .bind(now)
        .fetch_optional(tx.on())
        .await?;
        let Some(ended) = ended else { continue };
        ending::share(&mut tx, &mut reservation, &share, now).await?;
        if let Some(guest) = ended.maybe_text("account_id")? {
            feed::remove(&mut tx, &guest, &reservation.id, now).await?;
        }
        reservation.save(&mut tx, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Holds what the hub believes of doors against what lockers say: frees doors of what has ended once nobody can have used them,
/// and flags what somebody has to look at. How many doors were freed.
///
/// # Errors
/// When the database fails.
pub async fn reconcile(hub: &Hub) -> Result<usize> {
    let now = hub.clock.now();
    let mut freed = 0;
    let mut on = hub.store.snapshot().await?;
    let lockers = chain::unsettled(&mut on).await?;
    drop(on);
    for locker in lockers {
        let mut tx = hub.store.begin().await?;
        receipts::lock_chain(&mut tx, &locker).await?;
        freed += settle::doors_of(&mut tx, &locker, now).await?;
        tx.commit().await?;
    }
    settling_for_days(hub, now).await?;
    unconfirmed(hub, now).await?;
    gaps(hub, now).await?;
    Ok(freed)
}

/// Doors that have been nobody's for days, for want of receipts.
async fn settling_for_days(hub: &Hub, now: i64) -> Result<()> {
    let rows = sqlx::query(
        "SELECT d.locker_id, d.door, o.reservation_id FROM doors d JOIN occupancies o ON o.locker_id = d.locker_id \
         AND o.door = d.door AND o.epoch = d.settling_epoch LEFT JOIN reservations r ON r.id = o.reservation_id \
         WHERE d.settling_epoch IS NOT NULL AND COALESCE(d.reported_by, '') <> 'restored' \
         AND COALESCE(r.updated_at, o.began_at) < $1 LIMIT 500",
    )
    .bind(now - 3 * DAY)
    .fetch_all(hub.store.read())
    .await?;
    for row in rows {
        let (locker, reservation) = (row.text("locker_id")?, row.maybe_text("reservation_id")?);
        let alarm = Alarm {
            kind: "unproven",
            locker: Some(&locker),
            door: Some(row.int("door")?),
            reservation: reservation.as_deref(),
            reason: "ended, but the locker's chain does not show yet that nothing was put in: send a courier, upload its \
                     receipts, or look at the compartment",
            repaired: false,
        };
        let mut tx = hub.store.begin().await?;
        alarms::raise_once(&mut tx, alarm, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// What was opened, and nobody has said since whether it was taken or put in.
async fn unconfirmed(hub: &Hub, now: i64) -> Result<()> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM doors d JOIN reservations r ON r.id = d.reservation_id WHERE (r.state = 'opened' AND r.last_opened_at < $1) \
         OR (r.state IN ('announced', 'in_transit', 'booked', 'ready', 'expired', 'deposited') AND r.inside IN ('open', 'unknown') AND r.updated_at < $2) \
         LIMIT 500"
    ))
    .bind(now - 3 * DAY)
    .bind(now - 3600)
    .fetch_all(hub.store.read())
    .await?;
    for row in rows {
        let reservation = Reservation::from_row(&row)?;
        let mut tx = hub.store.begin().await?;
        let place = doors::kept_for(&mut tx, &reservation.id).await?;
        let reason = match reservation.state {
            State::Opened => {
                "opened by receipt three days ago, and the customer has not said whether it was taken: look at the \
                 compartment"
            }
            State::Ready | State::Expired | State::Deposited => {
                "opened where something lies, and nobody has said or measured whether it was taken out: look at the \
                 compartment"
            }
            _ => {
                "opened to put something in, and nobody has said or measured whether it lies inside: look at the compartment"
            }
        };
        let alarm = Alarm {
            kind: "unconfirmed",
            locker: place.as_ref().map(|(locker, _)| locker.as_str()),
            door: place.as_ref().map(|(_, door)| *door),
            reservation: Some(&reservation.id),
            reason,
            repaired: false,
        };
        alarms::raise_once(&mut tx, alarm, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Lockers with receipts missing for longer than a phone may be without a network.
async fn gaps(hub: &Hub, now: i64) -> Result<()> {
    let rows = sqlx::query(
        "SELECT l.id FROM lockers l WHERE l.retired_at IS NULL AND EXISTS (SELECT 1 FROM receipts r \
         WHERE r.locker_id = l.id AND r.sequence > l.whole_to AND r.standing = 'chained' AND r.received_at < $1) \
         ORDER BY l.id LIMIT 5000",
    )
    .bind(now - 7 * DAY)
    .fetch_all(hub.store.read())
    .await?;
    for row in rows {
        let locker = row.text("id")?;
        let mut tx = hub.store.begin().await?;
        let alarm = Alarm {
            kind: "gap",
            locker: Some(&locker),
            reason: "receipts have been missing in this locker's chain for a week",
            ..Alarm::default()
        };
        alarms::raise_once(&mut tx, alarm, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Gives a number to customers who have none: an instance of the version before may have signed them up.
///
/// # Errors
/// When the database fails.
pub async fn numbers(hub: &Hub) -> Result<()> {
    let mut tx = hub.store.begin().await?;
    accounts::give_numbers(tx.on()).await?;
    tx.commit().await
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
            // As the index `reservations_ended` says it: said with IN, SQLite reads all that ended. What a door still waits for
            // is kept until somebody has looked.
            "SELECT id, account_id FROM reservations WHERE updated_at < $1 AND state NOT IN \
             ('announced', 'in_transit', 'ready', 'opened', 'expired', 'booked', 'deposited', 'held') \
             AND id NOT IN (SELECT o.reservation_id FROM doors d JOIN occupancies o ON o.locker_id = d.locker_id \
             AND o.door = d.door AND o.epoch = d.settling_epoch WHERE o.reservation_id IS NOT NULL) LIMIT 200",
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
            forget(&mut tx, &id, now).await?;
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
        // What was given for a door that is not somebody else's yet says that it may have been used.
        (
            "DELETE FROM grants WHERE expires_at < $1 AND NOT EXISTS (SELECT 1 FROM doors d LEFT JOIN occupancies o \
             ON o.locker_id = d.locker_id AND o.door = d.door AND o.epoch = d.settling_epoch \
             WHERE d.locker_id = grants.locker_id AND d.door = grants.door \
             AND COALESCE(d.reservation_id, o.reservation_id) = grants.reservation_id)",
            old,
        ),
        ("DELETE FROM revocations WHERE drop_at < $1", now),
        // Whose an epoch was is asked for as long as a receipt of it may come.
        (
            "DELETE FROM occupancies WHERE began_at < $1 AND NOT EXISTS (SELECT 1 FROM occupancies n JOIN doors k \
             ON k.locker_id = n.locker_id AND k.door = n.door AND n.epoch = COALESCE(k.settling_epoch, k.epoch) \
             WHERE n.locker_id = occupancies.locker_id AND n.door = occupancies.door \
             AND occupancies.epoch >= n.first_epoch) AND EXISTS (SELECT 1 FROM doors d \
             WHERE d.locker_id = occupancies.locker_id AND d.door = occupancies.door \
             AND COALESCE(d.settling_epoch, d.epoch) > occupancies.epoch AND d.proven_epoch > occupancies.epoch)",
            old,
        ),
        ("DELETE FROM idempotency WHERE created_at < $1", now - 7 * DAY),
        ("DELETE FROM ceremonies WHERE expires_at < $1", now),
        ("DELETE FROM auth_codes WHERE expires_at < $1", now - DAY),
        ("DELETE FROM enrolments WHERE expires_at < $1", now),
        ("DELETE FROM proofs_seen WHERE expires_at < $1", now),
        ("DELETE FROM refresh_tokens WHERE expires_at < $1", now),
        ("DELETE FROM sessions WHERE revoked_at < $1", now - 30 * DAY),
        ("DELETE FROM deliveries WHERE state = 'done' AND next_at < $1", now - 7 * DAY),
        ("DELETE FROM deliveries WHERE state = 'dead' AND next_at < $1", now - 30 * DAY),
        ("DELETE FROM letters WHERE state NOT IN ('due', 'sending') AND next_at < $1", now - 30 * DAY),
        // Mail was switched off.
        ("DELETE FROM letters WHERE until_at < $1", now - DAY),
        (
            "UPDATE emails SET pending = NULL, code = NULL WHERE code IS NOT NULL AND code_until < $1",
            now - DAY,
        ),
        ("DELETE FROM alarms WHERE resolved_at < $1", old),
        ("DELETE FROM invitations WHERE until_at < $1", now - 30 * DAY),
        // Nobody looks at the photos of what is done with.
        (
            "DELETE FROM photos WHERE problem_id IN (SELECT id FROM problems WHERE solved_at < $1)",
            now - 30 * DAY,
        ),
        // A guest is forgotten with the share that brought them.
        (
            "DELETE FROM accounts WHERE guest = 1 AND NOT EXISTS (SELECT 1 FROM shares s \
             WHERE s.account_id = accounts.id AND s.until_at > $1)",
            now - 7 * DAY,
        ),
    ] {
        sqlx::query(sql).bind(before).execute(tx.on()).await?;
    }
    // PINs of epochs that the locker knows to be over open nothing.
    sqlx::query(
        "DELETE FROM pin_slots WHERE EXISTS (SELECT 1 FROM doors d WHERE d.locker_id = pin_slots.locker_id \
         AND d.door = pin_slots.door AND d.proven_epoch > pin_slots.epoch)",
    )
    .execute(tx.on())
    .await?;
    tx.forget_for_good();
    tx.commit().await
}

/// Forgets a reservation. Its receipts stay in the locker's chain, which names nobody, and so does what was given out for its
/// door: it may still open. A door that is kept for it settles.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &mut Tx, id: &str, now: i64) -> Result<()> {
    if let Some(reservation) = Reservation::lock(tx, id).await? {
        doors::end(tx, &reservation, Holds::Nothing, now).await?;
    }
    for sql in [
        "DELETE FROM photos WHERE problem_id IN (SELECT id FROM problems WHERE reservation_id = $1)",
        "DELETE FROM problems WHERE reservation_id = $1",
        "DELETE FROM shares WHERE reservation_id = $1",
        "UPDATE grants SET account_id = '', session_id = '', share_id = NULL WHERE reservation_id = $1",
        "UPDATE occupancies SET reservation_id = NULL, booked_by = NULL WHERE reservation_id = $1",
        "DELETE FROM parcel_references WHERE reservation_id = $1",
        "UPDATE receipts SET reservation_id = NULL WHERE reservation_id = $1",
        "UPDATE alarms SET reservation_id = NULL WHERE reservation_id = $1",
        "DELETE FROM reservations WHERE id = $1",
    ] {
        sqlx::query(sql).bind(id).execute(tx.on()).await?;
    }
    Ok(())
}
