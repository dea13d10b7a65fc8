//! Schema versions. A migration that was released is never edited; a new one follows it.

use super::{Backend, Store, accounts};
use crate::{
    error::{Error, Result},
    store::RowExt,
};

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "0001_start", include_str!("migrations/0001_start.sql")),
    (2, "0002_services", include_str!("migrations/0002_services.sql")),
    (3, "0003_token_epochs", include_str!("migrations/0003_token_epochs.sql")),
    (4, "0004_chilled", include_str!("migrations/0004_chilled.sql")),
    (5, "0005_retention", include_str!("migrations/0005_retention.sql")),
    (6, "0006_fewer_pages", include_str!("migrations/0006_fewer_pages.sql")),
    (7, "0007_occupancies", include_str!("migrations/0007_occupancies.sql")),
    (8, "0008_site_imports", include_str!("migrations/0008_site_imports.sql")),
    (9, "0009_answers", include_str!("migrations/0009_answers.sql")),
    (NUMBERS, "0010_customer_numbers", include_str!("migrations/0010_customer_numbers.sql")),
    (11, "0011_mail", include_str!("migrations/0011_mail.sql")),
    (12, "0012_whose_doors", include_str!("migrations/0012_whose_doors.sql")),
];

/// After which every account is given its customer number: a check digit is nothing for SQL.
const NUMBERS: i64 = 10;

/// Names of the migrations that were run now.
pub(super) async fn run(store: &Store) -> Result<Vec<&'static str>> {
    let mut tx = store.begin().await?;
    if store.backend() == Backend::Postgres {
        // Instances that start together: the first migrates, the others wait here, for as long as it takes.
        sqlx::raw_sql("SET LOCAL lock_timeout = 0; SET LOCAL client_min_messages = warning")
            .execute(tx.on())
            .await?;
        sqlx::query("SELECT pg_advisory_xact_lock(7304118)").execute(tx.on()).await?;
    }
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, name TEXT NOT NULL)",
    )
    .execute(tx.on())
    .await?;
    let newest = sqlx::query("SELECT COALESCE(MAX(version), 0) AS newest FROM schema_versions")
        .fetch_one(tx.on())
        .await?
        .int("newest")?;
    let last = MIGRATIONS.last().map_or(0, |last| last.0);
    if newest > last {
        return Err(Error::Internal("the database was written by a newer version of the hub".to_owned()));
    }
    // What a column of bytes is called; what keeps rows in the order of their key, as one tree instead of two.
    let (bytes, by_key) = match store.backend() {
        Backend::Sqlite => ("BLOB", " WITHOUT ROWID"),
        Backend::Postgres => ("BYTEA", ""),
    };
    let mut done = Vec::new();
    if newest > 0 && newest < last {
        tracing::warn!(
            from = newest,
            to = last,
            "the schema is brought up to date; with much in it this takes a while"
        );
    }
    for (version, name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version > newest) {
        let sql = sql.replace("{{BYTES}}", bytes).replace("{{BY_KEY}}", by_key);
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(tx.on()).await?;
        if *version == NUMBERS {
            accounts::give_numbers(tx.on()).await?;
        }
        sqlx::query("INSERT INTO schema_versions (version, name) VALUES ($1, $2)")
            .bind(*version)
            .bind(*name)
            .execute(tx.on())
            .await?;
        done.push(*name);
    }
    tx.commit().await?;
    Ok(done)
}
