//! Sites of real networks, from the files that they or others give away. Dirty input in, a clear report out. Files are read in
//! a stream and written in small transactions, so that a whole network fits into little memory and nobody waits.

mod gls;
mod hours;
mod inpost;
mod osm;
mod read;
mod write;

use std::path::PathBuf;

use postern_api::locker::{Access, Closure, Site};
use serde_json::Value;

pub(super) use self::write::closures_text;
pub use self::{
    read::{Pages, read},
    write::{Leaving, Written, leaving, write},
};
use super::network;
use crate::error::Error;

/// Where sites come from. Its name begins the ids of its sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The points API of InPost: `items`.
    Inpost,
    /// The delivery points of GLS: `items` with `contact`, or a list of them.
    Gls,
    /// OpenStreetMap: `elements` of the Overpass API, or the features of GeoJSON.
    Osm,
}

impl Source {
    /// As it is kept.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inpost => "inpost",
            Self::Gls => "gls",
            Self::Osm => "osm",
        }
    }
}

/// Something about one point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Its name, or its place in the file.
    pub point: String,
    /// What.
    pub reason: String,
}

/// What became of one point of a file.
#[derive(Debug)]
pub enum Point {
    /// A site.
    Site {
        /// It.
        site: Box<Site>,
        /// Taken, with something odd about it.
        doubts: Vec<String>,
    },
    /// There, and closed for good or not opened yet: it is no site (any more).
    Closed {
        /// Which site it would be.
        id: String,
        /// Why.
        remark: Remark,
    },
    /// Left out.
    Skipped(Remark),
}

/// Why a file is not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read, or is none of the formats.
    #[error("{file}: {why}")]
    File {
        /// Which.
        file: String,
        /// In words that help.
        why: String,
    },
    /// Pages are missing, so nobody can say what left the network.
    #[error(
        "these are {have} of {all} pages ({points} points in all). Give all pages in one command, or say --partial: then what \
         is in them is taken over, and nothing leaves"
    )]
    Partial {
        /// Pages that are there.
        have: usize,
        /// Pages that there are.
        all: u64,
        /// Points that there are.
        points: u64,
    },
    /// So much would leave that the file is more likely wrong.
    #[error(
        "{leaving} of {known} sites that were imported before are not in these files and would leave. If that is right, say \
         --allow-leaving"
    )]
    TooManyLeave {
        /// How many would.
        leaving: usize,
        /// Of how many.
        known: usize,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] Error),
}

/// Files to read, of which each has one page or the whole.
pub type Files = Vec<PathBuf>;

/// A site made of what sources say in different words.
struct Draft<'a> {
    source: Source,
    /// Two letters, or empty.
    country: &'a str,
    /// The source's name or number of it.
    name: &'a str,
    /// Where to find it there.
    description: &'a str,
    address: String,
    place: Option<(f64, f64)>,
    hours: hours::Hours,
    step_free: bool,
    payment: String,
    closures: Vec<Closure>,
}

impl Draft<'_> {
    fn id(&self) -> String {
        id(self.source, self.country, self.name)
    }

    /// The site, or why it cannot be one.
    fn site(self) -> Result<Site, String> {
        let id = self.id();
        let (latitude, longitude) = self.place.ok_or("has no position")?;
        let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        if !on_earth || (latitude.abs() < 0.01 && longitude.abs() < 0.01) {
            return Err(format!("has an impossible position: {latitude}, {longitude}"));
        }
        if is_swapped(self.country, latitude, longitude) {
            return Err(format!("latitude and longitude look swapped: {latitude}, {longitude}"));
        }
        if self.address.is_empty() {
            return Err("has no address".to_owned());
        }
        let shown = match (self.name.is_empty(), self.description.is_empty()) {
            (_, true) => self.name.to_owned(),
            (true, false) => self.description.to_owned(),
            (false, false) => format!("{} · {}", self.name, self.description),
        };
        let site = Site {
            id,
            name: clipped(&shown, 120),
            address: clipped(&self.address, 240),
            latitude,
            longitude,
            always_open: self.hours.always,
            hours: clipped(&self.hours.text, 500),
            access: Access::Public.into(),
            step_free: self.step_free,
            payment: clipped(&self.payment, 240),
            closures: self.closures,
            fill: Vec::new(),
            distance: None,
        };
        network::check_site(&site).map_err(|error| format!("cannot be kept: {error}"))?;
        Ok(site)
    }
}

/// The id of a site: readable, and another one for each name, also where names differ in letters that ids do not have.
fn id(source: Source, country: &str, name: &str) -> String {
    use sha2::{Digest, Sha256};
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let country = if country.is_empty() { String::new() } else { format!("{}-", country.to_lowercase()) };
    let lower = name.to_lowercase();
    let readable: String = lower.chars().map(|c| if plain(c) { c } else { '-' }).collect();
    let lossless = lower.chars().all(|c| plain(c) || c == '-' || c == ' ');
    let full = format!("{}-{country}{readable}", source.name());
    if lossless && full.len() <= 64 {
        return full;
    }
    let digest = Sha256::digest(name.as_bytes());
    let short: String = full.chars().take(51).collect();
    format!("{short}-{}", hex::encode(&digest[..6]))
}

/// Text of a source, on one line and without what would turn a line around or cannot be seen.
fn tidy(text: &str) -> String {
    let seen = |c: &char| {
        !matches!(c, '\u{00AD}' | '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
            && (!c.is_control() || c.is_whitespace())
    };
    let text: String = text.chars().filter(seen).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn clipped(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// A number, also where the source wrote it as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().replace(',', ".").parse().ok()).filter(|n| n.is_finite())
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// Countries and the degrees between which they lie: south, north, west, east. Islands far away are left out.
const COUNTRIES: [(&str, [f64; 4]); 14] = [
    ("AT", [46.3, 49.1, 9.4, 17.3]),
    ("BE", [49.4, 51.6, 2.5, 6.5]),
    ("CH", [45.7, 47.9, 5.9, 10.6]),
    ("CZ", [48.5, 51.1, 12.0, 18.9]),
    ("DE", [47.2, 55.1, 5.8, 15.1]),
    ("ES", [35.9, 43.9, -9.4, 4.4]),
    ("FR", [41.3, 51.2, -5.3, 9.7]),
    ("GB", [49.8, 60.9, -8.7, 1.8]),
    ("HU", [45.7, 48.6, 16.1, 22.9]),
    ("IT", [35.4, 47.2, 6.6, 18.6]),
    ("LU", [49.4, 50.2, 5.7, 6.6]),
    ("NL", [50.7, 53.6, 3.3, 7.3]),
    ("PL", [49.0, 54.9, 14.1, 24.2]),
    ("PT", [36.9, 42.2, -9.6, -6.1]),
];

fn is_swapped(country: &str, latitude: f64, longitude: f64) -> bool {
    let Some((_, [south, north, west, east])) =
        COUNTRIES.iter().find(|(code, _)| code.eq_ignore_ascii_case(country))
    else {
        return false;
    };
    let inside = |lat: f64, lon: f64| (south..=north).contains(&&lat) && (west..=east).contains(&&lon);
    !inside(latitude, longitude) && inside(longitude, latitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_have_ids_that_differ() {
        let of = |name: &str| id(Source::Inpost, "PL", name);
        assert_eq!(of("ADA01M"), "inpost-pl-ada01m");
        let names = ["Ł01", "Ó01", "L01", &"x".repeat(80), &format!("{}y", "x".repeat(79)), "a.b", "a-b"];
        let ids: std::collections::BTreeSet<String> = names.iter().map(|name| of(name)).collect();
        assert_eq!(ids.len(), names.len());
        assert!(ids.iter().all(|id| network::check_id(id, "/id").is_ok()), "{ids:?}");
        assert_eq!(of("Ł01"), of("Ł01"));
    }

    #[test]
    fn text_is_one_line_that_reads_as_it_looks() {
        assert_eq!(tidy("  Kościuszki \n 27\u{202e}\u{7}"), "Kościuszki 27");
        assert_eq!(number(&serde_json::json!("52,5")), Some(52.5));
        assert_eq!(number(&serde_json::json!("north")), None);
        assert!(
            is_swapped("PL", 21.0, 52.2) && !is_swapped("PL", 52.2, 21.0) && !is_swapped("XX", 21.0, 52.2)
        );
        // Tenerife is of Spain and far away; the other way round it is nowhere in Spain either.
        assert!(!is_swapped("ES", 28.4, -16.5));
    }
}
