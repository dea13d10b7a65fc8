//! Schema versions. A migration that was released is never edited; a new one follows it.

use super::{Backend, Store, Tx, accounts};
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
    (13, "0013_reopenings", include_str!("migrations/0013_reopenings.sql")),
    (14, "0014_reports", include_str!("migrations/0014_reports.sql")),
    (15, "0015_missing_things", include_str!("migrations/0015_missing_things.sql")),
    (16, "0016_residents", include_str!("migrations/0016_residents.sql")),
    (17, "0017_care", include_str!("migrations/0017_care.sql")),
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
    let mut done = Vec::new();
    if newest > 0 && newest < last {
        tracing::warn!(
            from = newest,
            to = last,
            "the schema is brought up to date; with much in it this takes a while"
        );
    }
    for (version, name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version > newest) {
        step(&mut tx, store.backend(), *version, name, sql).await?;
        done.push(*name);
    }
    tx.commit().await?;
    Ok(done)
}

async fn step(tx: &mut Tx, backend: Backend, version: i64, name: &str, sql: &str) -> Result<()> {
    // What a column of bytes is called; what keeps rows in the order of their key, as one tree instead of two.
    let (bytes, by_key) = match backend {
        Backend::Sqlite => ("BLOB", " WITHOUT ROWID"),
        Backend::Postgres => ("BYTEA", ""),
    };
    let sql = sql.replace("{{BYTES}}", bytes).replace("{{BY_KEY}}", by_key);
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(tx.on()).await?;
    if version == NUMBERS {
        accounts::give_numbers(tx.on()).await?;
    }
    sqlx::query("INSERT INTO schema_versions (version, name) VALUES ($1, $2)")
        .bind(version)
        .bind(name)
        .execute(tx.on())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        push::Push,
        store::{chain, news},
    };

    #[tokio::test]
    async fn what_a_locker_had_not_heard_before_news_were_counted_it_is_told_still() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("hub.db").display());
        let store = Store::open(&url, 2, Push::default()).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let versions = "CREATE TABLE schema_versions (version BIGINT PRIMARY KEY, name TEXT NOT NULL)";
        sqlx::query(versions).execute(tx.on()).await.unwrap();
        for (version, name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version < 7) {
            step(&mut tx, store.backend(), *version, name, sql).await.unwrap();
        }
        // Door 1: an epoch that ended somebody's access. Door 2: still kept for what was called off. Door 3: nothing.
        for sql in [
            "INSERT INTO sites (id, name, address, latitude, longitude, hours, always_open, access, step_free, updated_at) \
             VALUES ('s', 'S', 'S', 0, 0, '24/7', 1, 'public', 1, 0)",
            "INSERT INTO carriers (id, name, created_at) VALUES ('c', 'C', 0)",
            "INSERT INTO lockers (id, site_id, descriptor, receipt_key, sealed_pin_secret, keypad, reopen_minutes, created_at) \
             VALUES ('l', 's', '{}', x'00', x'00', 1, 10, 0)",
            "INSERT INTO doors (locker_id, door, site_id, label, size, reach, chilled, epoch, revoked_epoch) \
             VALUES ('l', 1, 's', 'A1', 's', 'easy', 0, 3, 3)",
            "INSERT INTO doors (locker_id, door, site_id, label, size, reach, chilled, epoch, reservation_id) \
             VALUES ('l', 2, 's', 'A2', 's', 'easy', 0, 5, 'r')",
            "INSERT INTO doors (locker_id, door, site_id, label, size, reach, chilled) \
             VALUES ('l', 3, 's', 'A3', 's', 'easy', 0)",
            "INSERT INTO reservations (id, kind, state, title, carrier_id, site_id, locker_id, door, epoch, timeline, \
             created_at, updated_at) VALUES ('r', 'return', 'cancelled', 'R', 'c', 's', 'l', 2, 5, '[]', 10, 10)",
            "INSERT INTO grants (token_id, reservation_id, account_id, session_id, locker_id, issued_at, expires_at, epoch) \
             VALUES ('t', 'r', 'a', 'd', 'l', 10, 900, 5)",
        ] {
            sqlx::query(sql).execute(tx.on()).await.unwrap();
        }
        tx.commit().await.unwrap();
        run(&store).await.unwrap();

        let mut tx = store.begin().await.unwrap();
        let told = news::doors(&mut tx, "l", 0, 64).await.unwrap();
        let told: Vec<_> = told.iter().map(|door| (door.door, door.epoch, door.number)).collect();
        assert_eq!(told, [(1, 3, 1), (2, 6, 1)]);
        assert_eq!(news::locker(&mut tx, "l").await.unwrap().unwrap().newest, 1);
        let [settling] = &*chain::settling(&mut tx, "l").await.unwrap() else { panic!("one door settles") };
        assert_eq!((settling.door, settling.epoch, settling.ended_news), (2, 5, 1));
        assert_eq!((settling.pin, settling.tokens_until), (true, Some(900)), "access was given");
        drop(tx);
        store.close().await;
    }
}
