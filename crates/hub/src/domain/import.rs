//! Sites of a real network: InPost's points payload. Dirty input in, a clear report out; all that is sound is written in
//! one transaction, or nothing.

use std::collections::BTreeSet;

use postern_api::locker::{Access, Site};
use serde::Deserialize;
use serde_json::Value;

use super::network;
use crate::{
    error::{Error, Result},
    store::Tx,
};

/// What was read.
#[derive(Debug, Default)]
pub struct Import {
    /// Sound.
    pub sites: Vec<Site>,
    /// Left out.
    pub skipped: Vec<Remark>,
    /// Taken, with something odd about them.
    pub doubts: Vec<Remark>,
}

/// Something about one point.
#[derive(Debug, PartialEq, Eq)]
pub struct Remark {
    /// Its name, or its place in the file.
    pub point: String,
    /// What.
    pub reason: String,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    count: Option<u64>,
    total_pages: Option<u64>,
}

#[derive(Deserialize)]
struct Point {
    name: Option<String>,
    country: Option<String>,
    #[serde(rename = "type")]
    kinds: Option<Vec<String>>,
    status: Option<String>,
    location: Option<Place>,
    location_description: Option<String>,
    opening_hours: Option<String>,
    address: Option<Address>,
    location_247: Option<bool>,
    easy_access_zone: Option<bool>,
}

#[derive(Deserialize)]
struct Place {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

#[derive(Deserialize)]
struct Address {
    line1: Option<String>,
    line2: Option<String>,
}

/// Reads a payload.
///
/// # Errors
/// When it is no points payload at all; what is wrong with a single point is a remark.
pub fn read(text: &str) -> Result<Import> {
    let page: Page = serde_json::from_str(text)
        .map_err(|error| Error::Internal(format!("not a points payload: {error}")))?;
    let mut import = Import::default();
    let mut seen = BTreeSet::new();
    for (place, item) in page.items.into_iter().enumerate() {
        let nameless = format!("item {place}");
        let point: Point = match serde_json::from_value(item) {
            Ok(point) => point,
            Err(error) => {
                import.skipped.push(Remark { point: nameless, reason: error.to_string() });
                continue;
            }
        };
        let name = point.name.clone().unwrap_or(nameless);
        match convert(point, &name, &mut import.doubts) {
            Ok(site) if seen.insert(site.id.clone()) => import.sites.push(site),
            Ok(_) => import.skipped.push(Remark { point: name, reason: "comes twice".to_owned() }),
            Err(reason) => import.skipped.push(Remark { point: name, reason }),
        }
    }
    if page.total_pages.is_some_and(|pages| pages > 1) {
        let reason = format!(
            "one page of {} with {} points in all",
            page.total_pages.unwrap_or(0),
            page.count.unwrap_or(0)
        );
        import.doubts.push(Remark { point: "the file".to_owned(), reason });
    }
    Ok(import)
}

fn convert(point: Point, name: &str, doubts: &mut Vec<Remark>) -> Result<Site, String> {
    let mut doubt = |reason: String| doubts.push(Remark { point: name.to_owned(), reason });
    if point.name.as_deref().is_none_or(|name| name.trim().is_empty()) {
        return Err("has no name".to_owned());
    }
    if !point.kinds.iter().flatten().any(|kind| kind == "parcel_locker") {
        return Err(format!("is no parcel locker: {}", point.kinds.unwrap_or_default().join(", ")));
    }
    match point.status.as_deref() {
        Some("Operating") => {}
        other => return Err(format!("does not operate: {}", other.unwrap_or("no status"))),
    }
    let place = point.location.and_then(|place| place.latitude.zip(place.longitude));
    let (latitude, longitude) = place.ok_or("has no position")?;
    let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    if !on_earth || (latitude.abs() < 0.01 && longitude.abs() < 0.01) {
        return Err(format!("has an impossible position: {latitude}, {longitude}"));
    }
    let tidy = |text: &Option<String>| {
        text.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let (line1, line2) =
        point.address.as_ref().map_or_else(Default::default, |a| (tidy(&a.line1), tidy(&a.line2)));
    let address = [line1, line2].into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ");
    if address.is_empty() {
        return Err("has no address".to_owned());
    }
    let written = tidy(&point.opening_hours);
    let always = point.location_247.unwrap_or(false);
    let around_the_clock = written.replace("//", "/") == "24/7";
    if always != around_the_clock {
        doubt(format!("says 24/7: {always}, but its hours are {written:?}"));
    } else if around_the_clock && written != "24/7" {
        doubt(format!("hours {written:?} taken as 24/7"));
    }
    let country = point.country.unwrap_or_default().to_lowercase();
    let id: String = format!("inpost-{country}-{name}").to_lowercase();
    let id: String = id
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(64)
        .collect();
    let description = tidy(&point.location_description);
    let shown = if description.is_empty() { name.to_owned() } else { format!("{name} · {description}") };
    let site = Site {
        id,
        name: shown.chars().take(120).collect(),
        address: address.chars().take(240).collect(),
        latitude,
        longitude,
        hours: if around_the_clock { "24/7".to_owned() } else { written.chars().take(500).collect() },
        always_open: always && around_the_clock,
        access: Access::Public,
        step_free: point.easy_access_zone.unwrap_or(false),
        fill: Vec::new(),
        distance: None,
    };
    network::check_site(&site).map_err(|error| format!("cannot be kept: {error}"))?;
    Ok(site)
}

/// Writes all of them, in the caller's transaction.
///
/// # Errors
/// When one does not fit after all, or the database fails: then none is written.
pub async fn write(tx: &mut Tx, import: &Import, now: i64) -> Result<()> {
    for site in &import.sites {
        network::put_site(tx, site, "inpost", now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(change: impl FnOnce(&mut Value)) -> Import {
        let mut item = serde_json::json!({
            "name": "ADA01M", "country": "PL", "type": ["parcel_locker"], "status": "Operating",
            "location": { "latitude": 51.7, "longitude": 22.2 }, "opening_hours": "24/7", "location_247": true,
            "address": { "line1": "Kościuszki  27", "line2": "21-412 Adamów" }, "easy_access_zone": true,
        });
        change(&mut item);
        read(&serde_json::json!({ "items": [item] }).to_string()).unwrap()
    }

    #[test]
    fn a_sound_point_is_a_site_and_dirt_is_named() {
        let sound = one(|_| ());
        assert_eq!(sound.sites[0].id, "inpost-pl-ada01m");
        assert_eq!(sound.sites[0].address, "Kościuszki 27, 21-412 Adamów");
        assert!(sound.skipped.is_empty() && sound.doubts.is_empty());
        for (change, reason) in [
            (("name", Value::Null), "name"),
            (("type", serde_json::json!(["pok", "pop"])), "no parcel locker"),
            (("status", serde_json::json!("Disabled")), "does not operate"),
            (("location", serde_json::json!({ "latitude": 0.0, "longitude": 0.0 })), "impossible"),
            (("location", serde_json::json!({ "latitude": null, "longitude": 1.0 })), "no position"),
            (("location", serde_json::json!({ "latitude": "x", "longitude": 1.0 })), "invalid type"),
            (("address", Value::Null), "no address"),
            (("location_description", serde_json::json!("bell\u{7}")), "control characters"),
        ] {
            let import = one(|item| item[change.0] = change.1.clone());
            assert!(import.sites.is_empty(), "{change:?}");
            assert!(import.skipped[0].reason.contains(reason), "{:?}", import.skipped);
        }
        let doubtful = one(|item| item["opening_hours"] = serde_json::json!("PN-SB 06-22"));
        assert!(!doubtful.sites[0].always_open && doubtful.doubts.len() == 1);
        let typo = one(|item| item["opening_hours"] = serde_json::json!("24//7"));
        assert!(typo.sites[0].always_open && typo.doubts.len() == 1);
        assert!(read("{}").is_err());
        assert!(read("[1,2").is_err());
    }
}
