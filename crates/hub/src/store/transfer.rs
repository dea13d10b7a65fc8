//! Out of one machine: everything of an embedded database, copied into a PostgreSQL database.
//!
//! Both have the same schema by the same migrations, so a table is copied as it is, column by column. A table is in the copy, and
//! compared, before the next one is begun; what was interrupted goes on where it was. Until all is there the copy says that it is
//! unfinished, and no hub serves from it.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::{AnyPool, Row, any::AnyRow};

use super::{Backend, RowExt, Store};
use crate::error::{Error, Result};

/// Name in `meta` of the hub whose data are on their way in.
const UNFINISHED: &str = "transfer";
/// Rows in one statement, and the most values that PostgreSQL takes in one.
const ROWS: usize = 500;
const VALUES: usize = 30_000;
/// Photos are large: no more is held at once than this and one row.
const BYTES: usize = 4 * 1024 * 1024;
/// Of these the copy has its own.
const NOT_COPIED: [&str; 1] = ["schema_versions"];

/// What was copied of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its name.
    pub table: String,
    /// Rows that are in both now.
    pub rows: u64,
    /// It was there already.
    pub before: bool,
}

/// Whether data are on their way into this database: nobody is to serve from it.
///
/// # Errors
/// When the database fails.
pub async fn is_unfinished(store: &Store) -> Result<bool> {
    let row = sqlx::query("SELECT value FROM meta WHERE name = $1").bind(UNFINISHED);
    Ok(row.fetch_optional(store.read()).await?.is_some())
}

/// Copies everything of `from` into `to`, and compares. `from` must not be served meanwhile. `told` hears of each table.
///
/// # Errors
/// Where `from` is not SQLite or `to` not PostgreSQL, where `to` holds something else, where a copy differs, or when a database
/// fails.
pub async fn copy(from: &Store, to: &Store, mut told: impl FnMut(&Copied)) -> Result<()> {
    let refused = |why: &str| Err(Error::Internal(why.to_owned()));
    if from.backend() != Backend::Sqlite || to.backend() != Backend::Postgres {
        return refused("data are copied from the embedded database to PostgreSQL");
    }
    if from.version().await? != to.version().await? {
        return refused("the two databases have different schemas");
    }
    begin(from, to).await?;
    for table in tables(from).await? {
        let ours = sum(from.read(), &table).await?;
        let theirs = sum(to.read(), &table).await?;
        let before = ours == theirs;
        if !before {
            write(from, to, &table).await?;
            if sum(to.read(), &table).await? != ours {
                return Err(Error::Internal(format!(
                    "the copy of {} differs from it: begin anew",
                    table.name
                )));
            }
        }
        told(&Copied { table: table.name, rows: ours.0, before });
    }
    let mut tx = to.begin().await?;
    sqlx::query("DELETE FROM meta WHERE name = $1").bind(UNFINISHED).execute(tx.on()).await?;
    tx.commit().await
}

/// Marks the copy, where it is empty or of the same hub.
async fn begin(from: &Store, to: &Store) -> Result<()> {
    let hub = "SELECT value FROM meta WHERE name = 'hub'";
    let id = sqlx::query(hub).fetch_one(from.read()).await?.text("value")?;
    let marked = sqlx::query("SELECT value FROM meta WHERE name = $1")
        .bind(UNFINISHED)
        .fetch_optional(to.read())
        .await?
        .map(|row| row.text("value"))
        .transpose()?;
    if marked.as_ref() == Some(&id) {
        return Ok(());
    }
    let served = sqlx::query(hub).fetch_optional(to.read()).await?.is_some();
    if served || marked.is_some() {
        return Err(Error::Internal(
            "the database holds a hub already: data are copied into an empty one".to_owned(),
        ));
    }
    let mut tx = to.begin().await?;
    sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2)")
        .bind(UNFINISHED)
        .bind(id)
        .execute(tx.on())
        .await?;
    tx.commit().await
}

struct Table {
    name: String,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    kind: Kind,
    in_key: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Int,
    Text,
    Bytes,
    Float,
}

enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Float(Option<f64>),
}

impl Value {
    fn of(row: &AnyRow, at: usize, kind: Kind) -> Result<Self> {
        Ok(match kind {
            Kind::Int => Self::Int(row.try_get(at)?),
            Kind::Text => Self::Text(row.try_get(at)?),
            Kind::Bytes => Self::Bytes(row.try_get(at)?),
            Kind::Float => Self::Float(row.try_get(at)?),
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Int(_) | Self::Float(_) => 8,
            Self::Text(value) => value.as_ref().map_or(0, String::len),
            Self::Bytes(value) => value.as_ref().map_or(0, Vec::len),
        }
    }

    fn digest(&self, digest: &mut Sha256) {
        let mut add = |bytes: Option<&[u8]>| {
            digest.update(bytes.map_or(u64::MAX, |bytes| bytes.len() as u64).to_be_bytes());
            digest.update(bytes.unwrap_or_default());
        };
        match self {
            Self::Int(value) => add(value.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice)),
            Self::Text(value) => add(value.as_deref().map(str::as_bytes)),
            Self::Bytes(value) => add(value.as_deref()),
            Self::Float(value) => add(value.map(f64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice)),
        }
    }
}

impl Table {
    fn select(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        // The mark belongs to the copy, and when a hub last wrote is no data of its own.
        let own = if self.name == "meta" { " WHERE name NOT IN ('transfer', 'last try')" } else { "" };
        format!("SELECT {} FROM {}{own}", columns.join(", "), self.name)
    }

    fn insert(&self, rows: usize) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let width = names.len();
        let row = |at: usize| {
            let places: Vec<String> = (1..=width).map(|column| format!("${}", at * width + column)).collect();
            format!("({})", places.join(", "))
        };
        let values: Vec<String> = (0..rows).map(row).collect();
        let key: Vec<&str> =
            self.columns.iter().filter(|column| column.in_key).map(|column| column.name.as_str()).collect();
        let set: Vec<String> = self
            .columns
            .iter()
            .filter(|column| !column.in_key)
            .map(|column| format!("{0} = excluded.{0}", column.name))
            .collect();
        let again = match (key.is_empty(), set.is_empty()) {
            (true, _) => String::new(),
            (_, true) => format!(" ON CONFLICT ({}) DO NOTHING", key.join(", ")),
            _ => format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), set.join(", ")),
        };
        format!("INSERT INTO {} ({}) VALUES {}{again}", self.name, names.join(", "), values.join(", "))
    }

    fn values(&self, row: &AnyRow) -> Result<Vec<Value>> {
        self.columns.iter().enumerate().map(|(at, column)| Value::of(row, at, column.kind)).collect()
    }
}

/// All tables, those that others point at first.
async fn tables(from: &Store) -> Result<Vec<Table>> {
    let names = sqlx::query(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
    )
    .fetch_all(from.read())
    .await?;
    let names: Vec<String> = names.iter().map(|row| row.text("name")).collect::<Result<_>>()?;
    let mut waiting = Vec::new();
    for name in names.into_iter().filter(|name| !NOT_COPIED.contains(&name.as_str())) {
        let targets = sqlx::query("SELECT \"table\" AS target FROM pragma_foreign_key_list($1)")
            .bind(&name)
            .fetch_all(from.read())
            .await?;
        let targets: BTreeSet<String> =
            targets.iter().map(|row| row.text("target")).collect::<Result<_>>()?;
        waiting.push((read_table(from, name).await?, targets));
    }
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let done: BTreeSet<&str> = ordered.iter().map(|table| table.name.as_str()).collect();
        let free = |(table, targets): &(Table, BTreeSet<String>)| {
            targets.iter().all(|target| *target == table.name || done.contains(target.as_str()))
        };
        let next = waiting.iter().position(free);
        let next = next.ok_or_else(|| Error::Internal("tables point at each other".to_owned()))?;
        ordered.push(waiting.swap_remove(next).0);
    }
    Ok(ordered)
}

async fn read_table(from: &Store, name: String) -> Result<Table> {
    let columns = sqlx::query(
        "SELECT name, type AS kind, CAST(pk AS BIGINT) AS pk FROM pragma_table_info($1) ORDER BY cid",
    )
    .bind(&name)
    .fetch_all(from.read())
    .await?;
    let columns = columns.iter().map(|row| {
        let kind = match row.text("kind")?.to_ascii_uppercase().as_str() {
            "BIGINT" | "INTEGER" => Kind::Int,
            "TEXT" => Kind::Text,
            "BLOB" => Kind::Bytes,
            "DOUBLE PRECISION" => Kind::Float,
            other => return Err(Error::Internal(format!("{name} has a column of type {other}"))),
        };
        Ok(Column { name: row.text("name")?, kind, in_key: row.int("pk")? > 0 })
    });
    Ok(Table { columns: columns.collect::<Result<_>>()?, name: name.clone() })
}

/// How many rows there are, and the sum of their digests, whatever order the database gives them in.
async fn sum(pool: &AnyPool, table: &Table) -> Result<(u64, [u64; 4])> {
    let select = table.select();
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(select)).fetch(pool);
    let mut total = (0, [0; 4]);
    while let Some(row) = rows.try_next().await? {
        let mut digest = Sha256::new();
        for value in table.values(&row)? {
            value.digest(&mut digest);
        }
        let digest: [u8; 32] = digest.finalize().into();
        for (sum, part) in total.1.iter_mut().zip(digest.as_chunks::<8>().0) {
            *sum = u64::wrapping_add(*sum, u64::from_be_bytes(*part));
        }
        total.0 += 1;
    }
    Ok(total)
}

async fn write(from: &Store, to: &Store, table: &Table) -> Result<()> {
    let most = ROWS.min(VALUES / table.columns.len().max(1)).max(1);
    let select = table.select();
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(select)).fetch(from.read());
    let (mut page, mut bytes) = (Vec::new(), 0);
    loop {
        let row = rows.try_next().await?;
        let last = row.is_none();
        if let Some(row) = row {
            let values = table.values(&row)?;
            bytes += values.iter().map(Value::len).sum::<usize>();
            page.push(values);
        }
        if page.len() == most || bytes > BYTES || (last && !page.is_empty()) {
            put(to, table, std::mem::take(&mut page)).await?;
            bytes = 0;
        }
        if last {
            return Ok(());
        }
    }
}

async fn put(to: &Store, table: &Table, page: Vec<Vec<Value>>) -> Result<()> {
    let mut tx = to.begin().await?;
    let mut query = sqlx::query(sqlx::AssertSqlSafe(table.insert(page.len())));
    for value in page.into_iter().flatten() {
        query = match value {
            Value::Int(value) => query.bind(value),
            Value::Text(value) => query.bind(value),
            Value::Bytes(value) => query.bind(value),
            Value::Float(value) => query.bind(value),
        };
    }
    query.execute(tx.on()).await?;
    tx.commit().await
}
