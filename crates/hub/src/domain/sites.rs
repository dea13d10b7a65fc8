//! Sites: who may use them, and how full they are.

use std::collections::HashMap;

use postern_api::{
    locker::{Access, Fill, Site, Size},
    problem::Code,
};
use postern_rules::care::Climate;
use sqlx::{AnyConnection, any::AnyRow};

use super::{
    care, code,
    reservation::{Reservation, columns},
};
use crate::{
    error::{Error, Result, invalid, refuse},
    store::{RowExt, Tx},
};

/// Most sites of one answer.
const MOST: usize = 200;

/// What the finder asks for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Degrees.
    pub near: Option<(f64, f64)>,
    /// Only with a free door of the size or larger.
    pub size: Option<Size>,
    /// Part of name or address.
    pub text: Option<String>,
    /// Only doors behind which a parcel may lie that has to be kept so, and that are large enough.
    pub keeps: Option<Climate>,
}

/// What is looked for to move the customer's parcel to.
///
/// # Errors
/// `Malformed` where it is none of theirs: what is somebody else's is as good as not there.
pub async fn for_parcel(on: &mut AnyConnection, account: &str, parcel: &str) -> Result<(Size, Climate)> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM reservations r WHERE r.id = $1 AND r.account_id = $2"
    ))
    .bind(parcel)
    .bind(account)
    .fetch_optional(on)
    .await?;
    let row = row.ok_or_else(|| refuse(Code::Malformed, "parcel: no such parcel"))?;
    let parcel = Reservation::from_row(&row)?;
    Ok((parcel.size.as_deref().map_or(Ok(Size::M), code::parse)?, parcel.climate()))
}

/// Goes on where `account` may use the site: it is public, or they live or work there.
///
/// # Errors
/// `Malformed` at `/site`: what one may not use is as good as not there.
pub async fn check_access(tx: &mut Tx, site: &str, account: &str) -> Result<()> {
    let row = sqlx::query(
        "SELECT id FROM sites s WHERE s.id = $1 AND (s.access = 'public' OR EXISTS \
         (SELECT 1 FROM site_members m WHERE m.site_id = s.id AND m.account_id = $2))",
    )
    .bind(site)
    .bind(account)
    .fetch_optional(tx.on())
    .await?;
    if row.is_some() { Ok(()) } else { Err(invalid("/site", "no such site")) }
}

fn fits(fill: &[Fill], size: Size) -> bool {
    fill.iter().any(|one| one.size.known() >= Some(size) && one.free > 0)
}

/// Sites that `account` may use, nearest first where a point was given, else by name.
///
/// # Errors
/// When the database fails.
pub async fn search(on: &mut AnyConnection, account: &str, search: &Search) -> Result<Vec<Site>> {
    let mut found = Vec::new();
    // Wider and wider around the point, so that a million sites are not read for the nearest few.
    for radius in [0.05, 0.5, 5.0, 360.0] {
        let radius = if search.near.is_some() { radius } else { 360.0 };
        found = candidates(on, account, search, radius).await?;
        if search.near.is_none() || found.len() >= 20 {
            break;
        }
    }
    if let Some(near) = search.near {
        for site in &mut found {
            site.distance = Some(metres(near, (site.latitude, site.longitude)));
        }
        found.sort_by_key(|site| site.distance);
    } else {
        found.sort_by(|a, b| a.name.cmp(&b.name));
    }
    found.truncate(MOST);
    Ok(found)
}

async fn candidates(
    on: &mut AnyConnection,
    account: &str,
    search: &Search,
    radius: f64,
) -> Result<Vec<Site>> {
    let (latitude, longitude) = search.near.unwrap_or((0.0, 0.0));
    // A degree of longitude shrinks towards the poles.
    let wide = radius / latitude.to_radians().cos().abs().max(0.01);
    let like =
        format!("%{}%", search.text.as_deref().unwrap_or_default().to_lowercase().replace(['%', '_'], ""));
    let rows = sqlx::query(
        "SELECT s.id, s.name, s.address, s.latitude, s.longitude, s.hours, s.always_open, s.access, s.step_free, \
         s.payment, s.closures FROM sites s WHERE s.gone_at IS NULL AND s.latitude BETWEEN $1 AND $2 AND s.longitude BETWEEN $3 AND $4 \
         AND (s.access = 'public' OR EXISTS (SELECT 1 FROM site_members m WHERE m.site_id = s.id AND m.account_id = $5)) \
         AND (LOWER(s.name) LIKE $6 OR LOWER(s.address) LIKE $6) ORDER BY s.name, s.id LIMIT 2000",
    )
    .bind(latitude - radius)
    .bind(latitude + radius)
    .bind(longitude - wide)
    .bind(longitude + wide)
    .bind(account)
    .bind(like)
    .fetch_all(&mut *on)
    .await?;
    let mut sites = rows.iter().map(from_row).collect::<Result<Vec<_>>>()?;
    let ids: Vec<_> = sites.iter().map(|site| site.id.clone()).collect();
    let mut fills = HashMap::new();
    for some in ids.chunks(200) {
        fills.extend(fill(on, some, search.keeps).await?);
    }
    for site in &mut sites {
        site.fill = fills.remove(&site.id).unwrap_or_default();
    }
    if let Some(size) = search.size {
        if search.keeps.is_some() {
            sites.iter_mut().for_each(|site| site.fill.retain(|one| one.size.known() >= Some(size)));
        }
        sites.retain(|site| fits(&site.fill, size));
    }
    Ok(sites)
}

/// A site as it is kept, without how full it is.
///
/// # Errors
/// When a column is missing or cannot be read.
pub fn from_row(row: &AnyRow) -> Result<Site> {
    let degrees =
        |name| row.maybe_float(name)?.ok_or_else(|| Error::Internal("a site without a place".to_owned()));
    Ok(Site {
        id: row.text("id")?,
        name: row.text("name")?,
        address: row.text("address")?,
        latitude: degrees("latitude")?,
        longitude: degrees("longitude")?,
        hours: row.text("hours")?,
        always_open: row.int("always_open")? == 1,
        access: code::parse::<Access>(&row.text("access")?)?.into(),
        step_free: row.int("step_free")? == 1,
        payment: row.text("payment")?,
        closures: serde_json::from_str(&row.text("closures")?)
            .map_err(|_| Error::Internal("stored closures cannot be read".to_owned()))?,
        fill: Vec::new(),
        distance: None,
    })
}

/// Free doors and doors in order, by site and size; those that keep things so, where it is said how.
async fn fill(
    on: &mut AnyConnection,
    sites: &[String],
    keeps: Option<Climate>,
) -> Result<HashMap<String, Vec<Fill>>> {
    if sites.is_empty() {
        return Ok(HashMap::new());
    }
    let places: Vec<_> = (3..sites.len() + 3).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT d.site_id, d.size, COUNT(*) AS total, \
         COUNT(CASE WHEN d.reservation_id IS NULL AND d.settling_epoch IS NULL AND a.id IS NULL THEN 1 END) AS free FROM doors d \
         JOIN lockers l ON l.id = d.locker_id AND l.retired_at IS NULL \
         LEFT JOIN assets a ON a.locker_id = d.locker_id AND a.door = d.door \
         WHERE d.out_of_order = 0 AND d.chilled >= $1 AND ($2 < 0 OR d.frozen = $2) AND d.site_id IN ({}) GROUP BY d.site_id, d.size",
        places.join(", ")
    );
    // Only numbered places are put together here; the ids are bound.
    let (chilled, frozen) = keeps.map_or((0, -1), care::columns);
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(chilled).bind(frozen);
    for site in sites {
        query = query.bind(site.clone());
    }
    let mut fills: HashMap<String, Vec<Fill>> = HashMap::new();
    for row in query.fetch_all(on).await? {
        let count = |name| row.int(name).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let fill = Fill {
            size: code::parse::<Size>(&row.text("size")?)?.into(),
            free: count("free")?,
            total: count("total")?,
        };
        fills.entry(row.text("site_id")?).or_default().push(fill);
    }
    for fill in fills.values_mut() {
        fill.sort_by_key(|one| one.size.known());
    }
    Ok(fills)
}

/// Great-circle distance on the mean sphere; half a percent off at most.
fn metres((a_lat, a_lon): (f64, f64), (b_lat, b_lon): (f64, f64)) -> u32 {
    let (p, q) = (a_lat.to_radians(), b_lat.to_radians());
    let h = ((q - p) / 2.0).sin().powi(2)
        + p.cos() * q.cos() * ((b_lon - a_lon).to_radians() / 2.0).sin().powi(2);
    (2.0 * 6_371_008.8 * h.sqrt().min(1.0).asin()).round() as u32
}

/// A point as the finder takes it: `LAT,LON`.
///
/// # Errors
/// `Malformed`.
pub fn parse_point(text: &str) -> Result<(f64, f64)> {
    let point = text
        .split_once(',')
        .and_then(|(lat, lon)| Some((lat.trim().parse().ok()?, lon.trim().parse().ok()?)));
    point
        .filter(|(lat, lon)| (-90.0..=90.0).contains(lat) && (-180.0..=180.0).contains(lon))
        .ok_or_else(|| refuse(Code::Malformed, "near: LAT,LON in degrees"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_right_to_half_a_percent() {
        let berlin = (52.5200, 13.4050);
        let warsaw = (52.2297, 21.0122);
        let distance = metres(berlin, warsaw);
        assert!((515_000..=520_000).contains(&distance), "{distance}");
        assert_eq!(metres(berlin, berlin), 0);
    }
}
