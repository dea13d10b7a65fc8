//! What there is in the network, a page at a time, by id.

use std::collections::BTreeMap;

use postern_api::{
    carrier::{DeliveryLocker, DeliverySite, DeliverySites},
    growth::Word,
    locker::{Access, DoorInfo, LockerDescriptor},
    operator::{CarrierEntry, Carriers, KeyEntry, Keys, LockerEntry, Lockers, NetworkSites, SiteEntry},
};
use sqlx::any::AnyRow;

use super::code;
use crate::{
    error::{Error, Result},
    hub::Hub,
    store::RowExt,
};

/// Entries of a page.
const PAGE: i64 = 200;

/// The rows of a page after this id, one more than it has where there is another.
async fn rows(hub: &Hub, sql: &'static str, after: Option<&str>) -> Result<Vec<AnyRow>> {
    Ok(sqlx::query(sql).bind(after.unwrap_or_default()).bind(PAGE + 1).fetch_all(hub.store.read()).await?)
}

/// The entries of a page, and what its successor begins after.
fn page<T>(
    rows: &[AnyRow],
    entry: impl Fn(&AnyRow) -> Result<T>,
    id: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, Option<String>)> {
    let entries: Vec<T> = rows.iter().take(PAGE as usize).map(entry).collect::<Result<_>>()?;
    let more = rows.len() as i64 > PAGE;
    let next = entries.last().filter(|_| more).map(|last| id(last).to_owned());
    Ok((entries, next))
}

fn descriptor(row: &AnyRow) -> Result<LockerDescriptor> {
    serde_json::from_str(&row.text("descriptor")?).map_err(|error| Error::Internal(error.to_string()))
}

/// Sites with lockers to which a carrier can deliver.
///
/// # Errors
/// When the database fails.
pub async fn delivery_sites(hub: &Hub, after: Option<&str>) -> Result<DeliverySites> {
    let found = rows(
        hub,
        "SELECT s.id, s.name, s.address, s.latitude, s.longitude, s.access FROM sites s WHERE s.id > $1 AND s.gone_at IS NULL \
         AND EXISTS (SELECT 1 FROM lockers l WHERE l.site_id = s.id AND l.retired_at IS NULL) ORDER BY s.id LIMIT $2",
        after,
    )
    .await?;
    let entry = |row: &AnyRow| {
        Ok(DeliverySite {
            id: row.text("id")?,
            name: row.text("name")?,
            address: row.text("address")?,
            latitude: row.maybe_float("latitude")?.unwrap_or_default(),
            longitude: row.maybe_float("longitude")?.unwrap_or_default(),
            access: code::parse::<Access>(&row.text("access")?)?.into(),
            lockers: Vec::new(),
        })
    };
    let (mut sites, next) = page(&found, entry, |site| &site.id)?;
    let (Some(first), Some(last)) = (sites.first(), sites.last()) else {
        return Ok(DeliverySites { sites, next });
    };
    let lockers = sqlx::query(
        "SELECT id, site_id, descriptor FROM lockers WHERE site_id BETWEEN $1 AND $2 AND retired_at IS NULL ORDER BY id",
    )
    .bind(&first.id)
    .bind(&last.id)
    .fetch_all(hub.store.read())
    .await?;
    let mut by_site: BTreeMap<String, Vec<DeliveryLocker>> = BTreeMap::new();
    for row in &lockers {
        let told = descriptor(row)?;
        let sizes = |of: fn(&DoorInfo) -> bool| {
            let doors = told.doors.iter().filter(|door| of(door));
            let mut sizes: Vec<_> = doors.map(|door| door.size.clone()).collect();
            sizes.sort_by_key(Word::known);
            sizes.dedup();
            sizes
        };
        let locker = DeliveryLocker {
            id: row.text("id")?,
            sizes: sizes(|_| true),
            chilled: sizes(|door| door.chilled),
            frozen: sizes(|door| door.frozen),
            name: told.name,
        };
        by_site.entry(row.text("site_id")?).or_default().push(locker);
    }
    for site in &mut sites {
        site.lockers = by_site.remove(&site.id).unwrap_or_default();
    }
    Ok(DeliverySites { sites, next })
}

/// All sites that have not gone.
///
/// # Errors
/// When the database fails.
pub async fn sites(hub: &Hub, after: Option<&str>) -> Result<NetworkSites> {
    let found = rows(
        hub,
        "SELECT s.id, s.name, s.address, s.access, s.source, (SELECT COUNT(*) FROM lockers l WHERE l.site_id = s.id \
         AND l.retired_at IS NULL) AS lockers, (SELECT COUNT(*) FROM site_members m WHERE m.site_id = s.id) AS members \
         FROM sites s WHERE s.id > $1 AND s.gone_at IS NULL ORDER BY s.id LIMIT $2",
        after,
    )
    .await?;
    let count = |row: &AnyRow, what: &str| Ok::<_, Error>(u32::try_from(row.int(what)?).unwrap_or(u32::MAX));
    let entry = |row: &AnyRow| {
        Ok(SiteEntry {
            id: row.text("id")?,
            name: row.text("name")?,
            address: row.text("address")?,
            access: code::parse::<Access>(&row.text("access")?)?.into(),
            imported: !row.text("source")?.is_empty(),
            lockers: count(row, "lockers")?,
            members: count(row, "members")?,
        })
    };
    let (sites, next) = page(&found, entry, |site| &site.id)?;
    Ok(NetworkSites { sites, next })
}

/// All lockers.
///
/// # Errors
/// When the database fails.
pub async fn lockers(hub: &Hub, after: Option<&str>) -> Result<Lockers> {
    let now = hub.clock.now();
    let found = rows(
        hub,
        "SELECT id, site_id, descriptor, online_until, retired_at FROM lockers WHERE id > $1 ORDER BY id LIMIT $2",
        after,
    )
    .await?;
    let entry = |row: &AnyRow| {
        let told = descriptor(row)?;
        Ok(LockerEntry {
            id: row.text("id")?,
            name: told.name,
            site: row.text("site_id")?,
            doors: u32::try_from(told.doors.len()).unwrap_or(u32::MAX),
            online: row.int("online_until")? > now,
            retired: row.maybe_int("retired_at")?.is_some(),
        })
    };
    let (lockers, next) = page(&found, entry, |locker| &locker.id)?;
    Ok(Lockers { lockers, next })
}

/// All carriers.
///
/// # Errors
/// When the database fails.
pub async fn carriers(hub: &Hub, after: Option<&str>) -> Result<Carriers> {
    let found =
        rows(hub, "SELECT id, name, pickup_hours FROM carriers WHERE id > $1 ORDER BY id LIMIT $2", after)
            .await?;
    let entry = |row: &AnyRow| {
        Ok(CarrierEntry {
            id: row.text("id")?,
            name: row.text("name")?,
            pickup_hours: u32::try_from(row.int("pickup_hours")?).unwrap_or(0),
        })
    };
    let (carriers, next) = page(&found, entry, |carrier| &carrier.id)?;
    Ok(Carriers { carriers, next })
}

/// All API keys, those that were taken back among them.
///
/// # Errors
/// When the database fails.
pub async fn keys(hub: &Hub, after: Option<&str>) -> Result<Keys> {
    let found = rows(
        hub,
        "SELECT id, carrier_id, name, scopes, created_at, revoked_at FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2",
        after,
    )
    .await?;
    let entry = |row: &AnyRow| {
        Ok(KeyEntry {
            id: row.text("id")?,
            carrier: row.maybe_text("carrier_id")?,
            name: row.text("name")?,
            scopes: row.text("scopes")?.split_whitespace().map(str::to_owned).collect(),
            created_at: row.int("created_at")?,
            revoked_at: row.maybe_int("revoked_at")?,
        })
    };
    let (keys, next) = page(&found, entry, |key| &key.id)?;
    Ok(Keys { keys, next })
}
