//! Writing: in transactions so short that nobody waits for them, and without losing what an operator corrected.

use std::{
    collections::{BTreeSet, HashSet},
    time::{Duration, Instant},
};

use postern_api::locker::Site;
use serde_json::{Map, Value};

use super::{ImportError, Source};
use crate::{
    domain::{network, sites},
    error::{Error, Result},
    store::{RowExt, Store, Tx},
};

/// A transaction ends when it has lasted so long, before the next site.
const HOLD: Duration = Duration::from_millis(20);
/// Between two transactions others come first: another process looks again for SQLite's lock after some milliseconds.
const PAUSE: Duration = Duration::from_millis(20);
/// The part of the sites known before that may leave without being asked for.
const MOST_LEAVE: usize = 5;
/// Of fewer than these it is no sign of a wrong file.
const FEW: usize = 20;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// New, or back again.
    pub added: usize,
    /// Different from what the source said before.
    pub changed: usize,
    /// As before.
    pub unchanged: usize,
    /// Of these some fields stay as the operator corrected them.
    pub corrected: usize,
    /// Sites of the operator's own with the same id, left alone.
    pub foreign: usize,
    /// Left the finder.
    pub left: usize,
    /// The longest time that others had to wait for one transaction.
    pub longest: Duration,
}

impl Written {
    /// Together.
    pub fn add(&mut self, other: Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.corrected += other.corrected;
        self.foreign += other.foreign;
        self.left += other.left;
        self.longest = self.longest.max(other.longest);
    }
}

/// Fields that a source tells. What stands together is corrected together.
const FIELDS: [&[&str]; 8] = [
    &["name"],
    &["address"],
    &["latitude", "longitude"],
    &["hours", "always_open"],
    &["access"],
    &["step_free"],
    &["payment"],
    &["closures"],
];

/// Writes sites of a source.
///
/// # Errors
/// When the database fails; what was written before stays, and to do it again goes on.
pub async fn write(store: &Store, source: Source, sites: &[Site], now: i64) -> Result<Written> {
    let mut done = Written::default();
    let mut rest = sites.iter();
    while rest.len() > 0 {
        let mut tx = store.begin().await?;
        let began = Instant::now();
        for site in rest.by_ref() {
            put(&mut tx, source, site, now, &mut done).await?;
            if began.elapsed() >= HOLD {
                break;
            }
        }
        tx.commit().await?;
        done.longest = done.longest.max(began.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    Ok(done)
}

async fn put(tx: &mut Tx, source: Source, site: &Site, now: i64, done: &mut Written) -> Result<()> {
    let told = fields_of(site)?;
    let row = sqlx::query(
        "SELECT id, name, address, latitude, longitude, hours, always_open, access, step_free, payment, closures, \
         source, imported, gone_at FROM sites WHERE id = $1",
    )
    .bind(&site.id)
    .fetch_optional(tx.on())
    .await?;
    let Some(row) = row else {
        network::put_site(tx, site, source.name(), now).await?;
        remember(tx, &site.id, &told).await?;
        done.added += 1;
        return Ok(());
    };
    if row.text("source")? != source.name() {
        done.foreign += 1;
        return Ok(());
    }
    let back = row.maybe_int("gone_at")?.is_some();
    let standing = fields_of(&sites::from_row(&row)?)?;
    // Imported by an older version, which remembered nothing: all that stands there was the source's.
    let before = match row.maybe_text("imported")? {
        Some(text) => serde_json::from_str(&text)
            .map_err(|_| Error::Internal("a stored import cannot be read".to_owned()))?,
        None => standing.clone(),
    };
    let mut merged = told.clone();
    let mut kept = false;
    for field in FIELDS.iter().filter(|field| field.iter().any(|name| standing[*name] != before[*name])) {
        kept = true;
        field.iter().for_each(|name| merged[*name] = standing[*name].clone());
    }
    done.corrected += usize::from(kept);
    if !back && merged == standing && told == before && row.maybe_text("imported")?.is_some() {
        done.unchanged += 1;
        return Ok(());
    }
    let mut site = site.clone();
    take(&mut site, &merged)?;
    network::put_site(tx, &site, source.name(), now).await?;
    remember(tx, &site.id, &told).await?;
    match (back, merged == standing) {
        (true, _) => done.added += 1,
        (false, true) => done.unchanged += 1,
        (false, false) => done.changed += 1,
    }
    Ok(())
}

/// What a source tells of a site.
fn fields_of(site: &Site) -> Result<Map<String, Value>> {
    let told = |error: serde_json::Error| Error::Internal(error.to_string());
    let Value::Object(all) = serde_json::to_value(site).map_err(told)? else { return Ok(Map::new()) };
    let missing = |name: &str| if name == "closures" { Value::Array(Vec::new()) } else { Value::from("") };
    Ok(FIELDS
        .iter()
        .flat_map(|field| field.iter())
        .map(|name| ((*name).to_owned(), all.get(*name).cloned().unwrap_or_else(|| missing(name))))
        .collect())
}

fn take(site: &mut Site, fields: &Map<String, Value>) -> Result<()> {
    let told = |error: serde_json::Error| Error::Internal(error.to_string());
    let mut all = serde_json::to_value(&*site).map_err(told)?;
    for (name, value) in fields {
        all[name] = value.clone();
    }
    *site = serde_json::from_value(all).map_err(told)?;
    Ok(())
}

async fn remember(tx: &mut Tx, site: &str, told: &Map<String, Value>) -> Result<()> {
    let text = serde_json::to_string(told).map_err(|error| Error::Internal(error.to_string()))?;
    sqlx::query("UPDATE sites SET imported = $1 WHERE id = $2")
        .bind(text)
        .bind(site)
        .execute(tx.on())
        .await?;
    Ok(())
}

/// Sites that leave the finder.
#[derive(Debug, Default)]
pub struct Leaving {
    ids: Vec<String>,
    /// Would leave, and stay because the operator has lockers there.
    pub kept: Vec<String>,
}

impl Leaving {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// None.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Takes them out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn carry_out(&self, store: &Store, now: i64) -> Result<Written> {
        let mut done = Written::default();
        let mut rest = self.ids.iter();
        while rest.len() > 0 {
            let mut tx = store.begin().await?;
            let began = Instant::now();
            for id in rest.by_ref() {
                sqlx::query("UPDATE sites SET gone_at = $1 WHERE id = $2 AND gone_at IS NULL")
                    .bind(now)
                    .bind(id)
                    .execute(tx.on())
                    .await?;
                done.left += 1;
                if began.elapsed() >= HOLD {
                    break;
                }
            }
            tx.commit().await?;
            done.longest = done.longest.max(began.elapsed());
            tokio::time::sleep(PAUSE).await;
        }
        Ok(done)
    }
}

/// Which of the sites that are here leave: those that the source says are closed, and, where the files are `whole`, those that
/// are not in them though they are of the same countries (`prefixes` of ids).
///
/// # Errors
/// [`ImportError::TooManyLeave`], unless that is `allowed`; when the database fails.
pub async fn leaving(
    store: &Store,
    seen: &HashSet<String>,
    closed: &HashSet<String>,
    prefixes: &BTreeSet<(Source, String)>,
    whole: bool,
    allowed: bool,
) -> std::result::Result<Leaving, ImportError> {
    let mut leaving = Leaving::default();
    let mut known = 0;
    for (source, prefix) in prefixes {
        let mut after = String::new();
        loop {
            let rows = sqlx::query(
                "SELECT s.id, CASE WHEN EXISTS (SELECT 1 FROM lockers l WHERE l.site_id = s.id AND l.retired_at IS NULL) \
                 THEN 1 ELSE 0 END AS used FROM sites s WHERE s.source = $1 AND s.id > $2 AND s.gone_at IS NULL \
                 ORDER BY s.id LIMIT 1000",
            )
            .bind(source.name())
            .bind(&after)
            .fetch_all(store.read())
            .await
            .map_err(Error::from)?;
            let Some(last) = rows.last() else { break };
            after = last.text("id")?;
            for row in &rows {
                let id = row.text("id")?;
                if !id.starts_with(prefix.as_str()) {
                    continue;
                }
                known += 1;
                let leaves = closed.contains(&id) || (whole && !seen.contains(&id));
                match (leaves, row.int("used")? == 1) {
                    (false, _) => {}
                    (true, true) => leaving.kept.push(id),
                    (true, false) => leaving.ids.push(id),
                }
            }
        }
    }
    if leaving.len() >= FEW && leaving.len() * MOST_LEAVE > known && !allowed {
        return Err(ImportError::TooManyLeave { leaving: leaving.len(), known });
    }
    Ok(leaving)
}

/// Closures as they are kept.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn closures_text(site: &Site) -> Result<String> {
    serde_json::to_string(&site.closures).map_err(|error| Error::Internal(error.to_string()))
}
