//! Who lives in which flat, and what is the flat's: whoever lives there has its compartments, and moving out ends that.

use postern_api::{
    problem::Code,
    reservation::{Kind, State, TimelineEvent},
    resident::Home,
};
use postern_rules::{
    placed::Inside,
    release::{self, Given},
    settling::Holds,
};
use sqlx::AnyConnection;

use super::{doors, ending, feed, reservation::Reservation, settle};
use crate::{
    error::{Result, refuse},
    store::{RowExt, Tx},
};

/// A flat of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flat<'a> {
    /// Site id.
    pub site: &'a str,
    /// Flat or department.
    pub unit: &'a str,
}

/// Who ends that somebody lives there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// They themselves: what they hold there they give back first.
    Resident,
    /// The operator, whom nothing hinders.
    Operator,
}

/// One change of a site's residents at a time: who moves in sees what who moves out leaves.
async fn hold_site(tx: &mut Tx, site: &str) -> Result<()> {
    let known = sqlx::query("UPDATE sites SET updated_at = updated_at WHERE id = $1")
        .bind(site)
        .execute(tx.on())
        .await?
        .rows_affected();
    if known == 0 { Err(refuse(Code::NotFound, "no such site")) } else { Ok(()) }
}

/// Where somebody lives at a site.
///
/// # Errors
/// When the database fails.
pub async fn unit_of(on: &mut AnyConnection, site: &str, account: &str) -> Result<Option<String>> {
    let row = sqlx::query("SELECT unit FROM site_members WHERE site_id = $1 AND account_id = $2")
        .bind(site)
        .bind(account)
        .fetch_optional(on)
        .await?;
    row.map(|row| row.text("unit")).transpose()
}

/// Who lives in a flat, whoever came first first.
///
/// # Errors
/// When the database fails.
pub async fn residents(on: &mut AnyConnection, flat: Flat<'_>) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT account_id FROM site_members WHERE site_id = $1 AND unit = $2 \
         ORDER BY COALESCE(since_at, 0), account_id",
    )
    .bind(flat.site)
    .bind(flat.unit)
    .fetch_all(on)
    .await?;
    rows.iter().map(|row| row.text("account_id")).collect()
}

/// Whose compartment a reservation is, where it is a flat's: site and unit.
///
/// # Errors
/// When the database fails.
pub async fn flat_of(on: &mut AnyConnection, reservation: &str) -> Result<Option<(String, String)>> {
    let row = sqlx::query("SELECT site_id, unit FROM flat_compartments WHERE reservation_id = $1")
        .bind(reservation)
        .fetch_optional(on)
        .await?;
    row.map(|row| Ok((row.text("site_id")?, row.text("unit")?))).transpose()
}

/// Whether somebody lives where the reservation is the flat's.
///
/// # Errors
/// When the database fails.
pub async fn is_flatmate(on: &mut AnyConnection, reservation: &str, account: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT f.unit FROM flat_compartments f JOIN site_members m ON m.site_id = f.site_id AND m.unit = f.unit \
         WHERE f.reservation_id = $1 AND m.account_id = $2",
    )
    .bind(reservation)
    .bind(account)
    .fetch_optional(on)
    .await?;
    Ok(row.is_some())
}

async fn compartments(on: &mut AnyConnection, flat: Flat<'_>) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT f.reservation_id FROM flat_compartments f JOIN reservations r ON r.id = f.reservation_id \
         WHERE f.site_id = $1 AND f.unit = $2 AND r.state IN ('held', 'ready', 'opened') ORDER BY f.reservation_id",
    )
    .bind(flat.site)
    .bind(flat.unit)
    .fetch_all(on)
    .await?;
    rows.iter().map(|row| row.text("reservation_id")).collect()
}

/// Makes a compartment a flat's: whoever lives there now has it. The caller saves the reservation.
///
/// # Errors
/// When the database fails.
pub async fn give_to_flat(tx: &mut Tx, reservation: &mut Reservation, flat: Flat<'_>) -> Result<()> {
    sqlx::query(
        "INSERT INTO flat_compartments (reservation_id, site_id, unit) VALUES ($1, $2, $3) \
         ON CONFLICT (reservation_id) DO UPDATE SET site_id = excluded.site_id, unit = excluded.unit",
    )
    .bind(&reservation.id)
    .bind(flat.site)
    .bind(flat.unit)
    .execute(tx.on())
    .await?;
    reservation.account = residents(tx.on(), flat).await?.into_iter().next();
    Ok(())
}

/// Somebody lives there from now on, with what is the flat's. They may have lived in another flat of the site before, if the
/// operator says so.
///
/// # Errors
/// `WrongState` where a resident lives in another flat of the site.
pub async fn join(tx: &mut Tx, flat: Flat<'_>, account: &str, by: By, now: i64) -> Result<()> {
    hold_site(tx, flat.site).await?;
    match unit_of(tx.on(), flat.site, account).await? {
        Some(unit) if unit == flat.unit => return Ok(()),
        Some(_) if by == By::Resident => {
            return Err(refuse(Code::WrongState, "you live in another flat of this site: leave it first"));
        }
        Some(_) => leave(tx, flat.site, account, by, now).await?,
        None => {}
    }
    sqlx::query("INSERT INTO site_members (site_id, account_id, unit, since_at) VALUES ($1, $2, $3, $4)")
        .bind(flat.site)
        .bind(account)
        .bind(flat.unit)
        .bind(now)
        .execute(tx.on())
        .await?;
    for id in compartments(tx.on(), flat).await? {
        let Some(mut compartment) = Reservation::lock(tx, &id).await? else { continue };
        compartment.account.get_or_insert_with(|| account.to_owned());
        compartment.save(tx, now).await?;
    }
    Ok(())
}

fn is_empty(compartment: &Reservation) -> bool {
    let given = Given { lent: compartment.lent, inside: compartment.inside, as_it_should_be: None };
    release::give_back(given).is_ok()
}

/// Reservations that somebody gives back before they leave a site: what they booked there, and what the flat holds and nobody
/// else of it would have.
///
/// # Errors
/// When the database fails.
pub async fn hindering(on: &mut AnyConnection, flat: Flat<'_>, account: &str) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT r.id FROM reservations r WHERE r.account_id = $1 AND r.site_id = $2 AND ((r.kind = 'storage' \
         AND r.state IN ('held', 'ready', 'opened')) OR (r.kind = 'return' AND r.state = 'booked')) \
         AND NOT EXISTS (SELECT 1 FROM flat_compartments f WHERE f.reservation_id = r.id) ORDER BY r.id",
    )
    .bind(account)
    .bind(flat.site)
    .fetch_all(&mut *on)
    .await?;
    let mut hindering = rows.iter().map(|row| row.text("id")).collect::<Result<Vec<_>>>()?;
    if residents(on, flat).await?.iter().all(|one| one == account) {
        for id in compartments(on, flat).await? {
            if let Some(compartment) = Reservation::read(on, &id).await?
                && !is_empty(&compartment)
            {
                hindering.push(id);
            }
        }
    }
    Ok(hindering)
}

/// Somebody lives there no more: their tokens and PINs for the flat's compartments end, and so does what they shared of them.
/// The others keep theirs. What nobody has any more is the next resident's where it is empty; else somebody looks first.
///
/// # Errors
/// `NotFound` where they do not live there; `WrongState` where something stands in a resident's way.
pub async fn leave(tx: &mut Tx, site: &str, account: &str, by: By, now: i64) -> Result<()> {
    hold_site(tx, site).await?;
    let unit = unit_of(tx.on(), site, account).await?.ok_or(Code::NotFound)?;
    let flat = Flat { site, unit: &unit };
    if by == By::Resident && !hindering(tx.on(), flat, account).await?.is_empty() {
        return Err(refuse(Code::WrongState, "give your compartments there back first"));
    }
    sqlx::query("DELETE FROM site_members WHERE site_id = $1 AND account_id = $2")
        .bind(site)
        .bind(account)
        .execute(tx.on())
        .await?;
    let next = residents(tx.on(), flat).await?.into_iter().next();
    for id in compartments(tx.on(), flat).await? {
        let Some(mut compartment) = Reservation::lock(tx, &id).await? else { continue };
        let held = compartment.account.as_deref() == Some(account);
        shares_of(tx, &mut compartment, (account, held), now).await?;
        feed::remove(tx, account, &id, now).await?;
        if held {
            compartment.account.clone_from(&next);
        }
        if compartment.account.is_some() {
            ending::resident(tx, &mut compartment, account, now).await?;
            compartment.save(tx, now).await?;
        } else {
            vacate(tx, &mut compartment, now).await?;
        }
    }
    Ok(())
}

/// What one of several gave away of a compartment.
async fn shares_of(
    tx: &mut Tx,
    compartment: &mut Reservation,
    (account, held): (&str, bool),
    now: i64,
) -> Result<()> {
    let shares = sqlx::query(
        "UPDATE shares SET state = 'ended' WHERE reservation_id = $1 AND state <> 'ended' \
         AND (given_by = $2 OR (given_by IS NULL AND $3 = 1)) RETURNING id, account_id",
    )
    .bind(&compartment.id)
    .bind(account)
    .bind(i64::from(held))
    .fetch_all(tx.on())
    .await?;
    for share in shares {
        if let Some(guest) = share.maybe_text("account_id")? {
            ending::share(tx, compartment, &share.text("id")?, now).await?;
            feed::remove(tx, &guest, &compartment.id, now).await?;
        }
    }
    Ok(())
}

/// Whether a compartment is empty without anybody's word: measured so, or nobody was ever given access to it.
async fn is_proven_empty(tx: &mut Tx, compartment: &Reservation) -> Result<bool> {
    if doors::jammed_last(tx, compartment).await? {
        return Ok(false);
    }
    if compartment.inside.is_some() {
        return Ok(compartment.inside == Some(Inside::Absent));
    }
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM grants g WHERE g.reservation_id = $1) AS tokens, \
         (SELECT COUNT(*) FROM pin_slots p JOIN occupancies o ON o.locker_id = p.locker_id AND o.door = p.door \
         AND o.epoch = p.epoch WHERE o.reservation_id = $1) AS pins",
    )
    .bind(&compartment.id)
    .fetch_one(tx.on())
    .await?;
    Ok(row.int("tokens")? + row.int("pins")? == 0)
}

/// Nobody lives there any more. A compartment that is proven to be empty waits for the next resident; one that may hold something
/// is nobody's until the locker's chain shows that it is empty, or somebody has looked.
async fn vacate(tx: &mut Tx, compartment: &mut Reservation, now: i64) -> Result<()> {
    // What the last one did with it is not for the next to read.
    compartment.timeline.clear();
    sqlx::query("UPDATE shares SET name = '–' WHERE reservation_id = $1")
        .bind(&compartment.id)
        .execute(tx.on())
        .await?;
    if is_proven_empty(tx, compartment).await? {
        doors::revoke(tx, compartment, now).await?;
        return compartment.save(tx, now).await;
    }
    sqlx::query("DELETE FROM flat_compartments WHERE reservation_id = $1")
        .bind(&compartment.id)
        .execute(tx.on())
        .await?;
    compartment.state = State::Released;
    compartment.unproven = true;
    compartment.note(now, TimelineEvent::Ended, None, false);
    settle::end(tx, compartment, Holds::Nothing, now).await
}

/// Whether somebody keeps a compartment in the way of deleting their account, though it is their flat's.
///
/// # Errors
/// When the database fails.
pub async fn stays_with_others(on: &mut AnyConnection, reservation: &str, account: &str) -> Result<bool> {
    let Some((site, unit)) = flat_of(on, reservation).await? else { return Ok(false) };
    let flat = Flat { site: &site, unit: &unit };
    Ok(!hindering(on, flat, account).await?.iter().any(|id| id == reservation))
}

/// Sites where somebody lives or works.
async fn sites_of(on: &mut AnyConnection, account: &str) -> Result<Vec<(String, String)>> {
    let rows = sqlx::query(
        "SELECT site_id, unit FROM site_members WHERE account_id = $1 ORDER BY site_id LIMIT 100",
    )
    .bind(account)
    .fetch_all(on)
    .await?;
    rows.iter().map(|row| Ok((row.text("site_id")?, row.text("unit")?))).collect()
}

/// Leaves every site.
///
/// # Errors
/// As [`leave`], by the resident.
pub async fn leave_all(tx: &mut Tx, account: &str, now: i64) -> Result<()> {
    for (site, _) in sites_of(tx.on(), account).await? {
        leave(tx, &site, account, By::Resident, now).await?;
    }
    Ok(())
}

/// Where somebody lives or works, and what stands in the way of leaving.
///
/// # Errors
/// When the database fails.
pub async fn of(on: &mut AnyConnection, account: &str) -> Result<Vec<Home>> {
    let mut homes = Vec::new();
    for (site, unit) in sites_of(on, account).await? {
        let row = sqlx::query("SELECT name, address FROM sites WHERE id = $1")
            .bind(&site)
            .fetch_one(&mut *on)
            .await?;
        let hindered_by = hindering(on, Flat { site: &site, unit: &unit }, account).await?;
        homes.push(Home { name: row.text("name")?, address: row.text("address")?, site, unit, hindered_by });
    }
    Ok(homes)
}

/// Whether it is something that a flat can have.
#[must_use]
pub fn fits(reservation: &Reservation) -> bool {
    reservation.kind == Kind::Storage && !reservation.lent
}
