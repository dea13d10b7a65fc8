//! A reservation as one viewer sees it.

use postern_api::reservation::{
    Action, Carrier, Compartment, Identification, Kind, Reservation as Shown, Role, Share, ShareState,
    SiteSummary, State, TimelineEvent,
};
use postern_rules::access;
use sqlx::{AnyConnection, any::AnyRow};

use super::{code, doors, homes, placing, reports, reservation::Reservation, restored};
use crate::{config::Policy, error::Result, hub::Hub, store::RowExt};

/// Columns for [`from_row`], of a query that joins [`joins!`].
macro_rules! shown_columns {
    () => {
        concat!(
            crate::domain::reservation::columns!(),
            ", c.name AS carrier_name, s.name AS site_name, s.address, s.latitude, s.longitude, d.label, \
             d.reported_by, d.reservation_id AS door_of, l.reopen_minutes, w.unit AS flat"
        )
    };
}
/// What a shown reservation is put together from.
macro_rules! joins {
    () => {
        " LEFT JOIN carriers c ON c.id = r.carrier_id LEFT JOIN sites s ON s.id = r.site_id \
         LEFT JOIN doors d ON d.locker_id = r.locker_id AND d.door = r.door \
         LEFT JOIN lockers l ON l.id = r.locker_id LEFT JOIN flat_compartments w ON w.reservation_id = r.id "
    };
}
pub(crate) use joins;
pub(crate) use shown_columns;

/// Who looks.
#[derive(Clone, Copy, Debug)]
pub struct Viewer<'a> {
    /// Account id.
    pub account: &'a str,
    /// Has no account of their own.
    pub guest: bool,
}

/// The reservation for `viewer`, or none where there is none that they may know of.
///
/// # Errors
/// When the database fails.
pub async fn one(hub: &Hub, on: &mut AnyConnection, id: &str, viewer: Viewer<'_>) -> Result<Option<Shown>> {
    let row = sqlx::query(concat!(
        "SELECT ",
        shown_columns!(),
        " FROM reservations r ",
        joins!(),
        " WHERE r.id = $1 AND (r.account_id = $2 OR EXISTS (SELECT 1 FROM shares h WHERE h.reservation_id = r.id \
         AND h.account_id = $2 AND h.state IN ('accepted', 'used') AND h.until_at > $3) OR EXISTS (SELECT 1 FROM site_members m \
         WHERE m.site_id = w.site_id AND m.unit = w.unit AND m.account_id = $2))"
    ))
    .bind(id)
    .bind(viewer.account)
    .bind(hub.clock.now())
    .fetch_optional(&mut *on)
    .await?;
    match row {
        Some(row) => Ok(Some(from_row(hub, on, &row, viewer).await?)),
        None => Ok(None),
    }
}

/// Puts together what `viewer` sees of a row with [`shown_columns!`].
///
/// # Errors
/// When the database fails or holds what the contract does not know.
pub async fn from_row(hub: &Hub, on: &mut AnyConnection, row: &AnyRow, viewer: Viewer<'_>) -> Result<Shown> {
    let stored = Reservation::from_row(row)?;
    // Whoever lives there has what is the flat's, as its owner would.
    let flat = row.maybe_text("flat")?;
    let owner = stored.account.as_deref() == Some(viewer.account)
        || (flat.is_some() && homes::is_flatmate(on, &stored.id, viewer.account).await?);
    let now = hub.clock.now();
    let shares = if owner && stored.shares > 0 { shares_of(on, &stored.id, now).await? } else { Vec::new() };
    // Whether there is any report is told by the chain of custody, so that few of many rows need a second look.
    let reported = owner && stored.timeline.iter().any(|entry| entry.event == TimelineEvent::Reported);
    let reports =
        if reported { reports::of_customer(on, &stored.id, viewer.account).await? } else { Vec::new() };
    let site = match (stored.site.clone(), row.maybe_text("site_name")?) {
        (Some(id), Some(name)) => Some(SiteSummary {
            id,
            name,
            address: row.maybe_text("address")?.unwrap_or_default(),
            latitude: row.maybe_float("latitude")?.unwrap_or_default(),
            longitude: row.maybe_float("longitude")?.unwrap_or_default(),
        }),
        _ => None,
    };
    let compartment = match (&stored.locker, stored.door) {
        (Some(locker), Some(door)) => Some(Compartment {
            locker: locker.clone(),
            door: doors::number(door)?,
            label: row.maybe_text("label")?.unwrap_or_default(),
        }),
        _ => None,
    };
    let identification = match &stored.identification {
        Some((format, text)) if owner => {
            Some(Identification { format: code::parse(format)?, text: text.clone() })
        }
        _ => None,
    };
    let role = if owner { Role::Owner } else { Role::Guest };
    let reopen_minutes = row.maybe_int("reopen_minutes")?.unwrap_or(0);
    let checking = row.maybe_text("reported_by")?.as_deref() == Some(restored::MARK)
        && row.maybe_text("door_of")?.as_ref() == Some(&stored.id)
        && may_open(&stored, reopen_minutes, now);
    let mut actions = actions(&hub.config.policy, &stored, role, &shares, reopen_minutes, now);
    actions.retain(|action| !(checking && matches!(action, Action::Open | Action::Reopen)));
    let care = stored.care();
    Ok(Shown {
        version: u64::try_from(stored.version).unwrap_or_default(),
        kind: stored.kind,
        state: stored.state,
        carrier: Carrier {
            name: row.maybe_text("carrier_name")?.unwrap_or_else(|| stored.carrier.clone()),
            id: stored.carrier,
        },
        id: stored.id,
        title: stored.title,
        // A guest fetches a parcel; its number and its past are the owner's.
        reference: stored.reference.filter(|_| owner),
        site,
        compartment,
        role,
        care,
        until: stored.until,
        since: stored.since,
        identification,
        unproven: stored.unproven,
        checking,
        lent: stored.lent,
        flat: flat.filter(|_| owner),
        opening: stored.opening.filter(|_| owner).and_then(|opening| u32::try_from(opening).ok()),
        actions,
        shares,
        timeline: if owner { stored.timeline } else { Vec::new() },
        reports,
    })
}

/// Whether the hub gives tokens for its door now. `reopen_minutes` is the locker's.
#[must_use]
pub fn may_open(reservation: &Reservation, reopen_minutes: i64, now: i64) -> bool {
    access::may_open(standing(reservation), reopen_minutes * 60, now)
}

fn standing(reservation: &Reservation) -> access::Standing {
    access::Standing {
        kind: reservation.kind,
        state: reservation.state,
        last_opened: reservation.last_opened,
        inside: reservation.inside,
        until: reservation.until,
        has_door: reservation.locker.is_some(),
    }
}

async fn shares_of(on: &mut AnyConnection, reservation: &str, now: i64) -> Result<Vec<Share>> {
    let rows =
        sqlx::query("SELECT id, name, until_at, state FROM shares WHERE reservation_id = $1 ORDER BY id")
            .bind(reservation)
            .fetch_all(on)
            .await?;
    rows.iter()
        .map(|row| {
            let until = row.int("until_at")?;
            let state = code::parse(&row.text("state")?)?;
            let state = if until <= now { ShareState::Ended } else { state };
            Ok(Share { id: row.text("id")?, name: row.text("name")?, until, state: state.into() })
        })
        .collect()
}

/// What the hub would accept now.
fn actions(
    policy: &Policy,
    stored: &Reservation,
    role: Role,
    shares: &[Share],
    reopen_minutes: i64,
    now: i64,
) -> Vec<Action> {
    let mut actions = Vec::new();
    if may_open(stored, reopen_minutes, now) {
        let again =
            stored.state == State::Opened && access::reopens(standing(stored), reopen_minutes * 60, now);
        actions.push(if again { Action::Reopen } else { Action::Open });
    }
    if role == Role::Guest {
        return actions;
    }
    let standing = shares.iter().filter(|share| share.state != ShareState::Ended).count();
    // What keeps no longer than it is kept anyway cannot be kept for longer.
    let keeps = stored.keeps.until(stored.until.unwrap_or(now).max(now) + 1);
    let may_extend = keeps && stored.extensions < policy.extensions;
    let may_share = i64::try_from(standing).unwrap_or(i64::MAX) < policy.shares;
    match (stored.kind, stored.state) {
        (Kind::Pickup, State::Announced | State::InTransit) => {
            actions.push(Action::ChangeLocker);
            if keeps {
                actions.push(Action::Hold);
            }
            actions.push(Action::Cancel);
            if may_share {
                actions.push(Action::Share);
            }
        }
        (Kind::Pickup, State::Ready) => {
            if may_extend {
                actions.push(Action::Extend);
            }
            if keeps && stored.held_until.is_none() {
                actions.push(Action::Hold);
            }
            if may_share {
                actions.push(Action::Share);
            }
            // Opened by code or PIN, which nobody has told the hub of yet.
            actions.extend([Action::ConfirmTaken, Action::Report]);
        }
        (Kind::Pickup, State::Expired) => {
            if may_extend {
                actions.push(Action::Extend);
            }
            if stored.first_opened.is_some() {
                actions.push(Action::ConfirmTaken);
            }
            actions.push(Action::Report);
        }
        (Kind::Pickup, State::Opened) => {
            if may_extend && access::may_lie_there(stored.inside) {
                actions.push(Action::Extend);
            }
            actions.extend([Action::ConfirmTaken, Action::Report]);
        }
        (Kind::Pickup, State::Collected) | (Kind::Return, State::Deposited) => actions.push(Action::Report),
        (Kind::Return, State::Booked) => actions.extend([Action::Cancel, Action::Report]),
        (Kind::Storage, State::Held | State::Ready) => {
            if may_share {
                actions.push(Action::Share);
            }
            actions.extend([Action::Release, Action::Report]);
        }
        _ => {}
    }
    if placing::is_unsaid(stored) {
        actions.push(Action::ConfirmPlaced);
    }
    actions
}
