//! A hub's database after a while: of each customer's ten reservations eight were collected and two wait. Sixteen customers
//! share a cabinet of 64 doors, half of them free.

use anyhow::{Context, Result};
use postern_hub::{
    clock::Clock,
    config::{Config, Policy},
    domain::pins,
    hub::{Hub, Opening},
    secrets::Sealer,
    store::{Backend, Tx},
};
use postern_protocol::{LockerId, LockerKeys};
use serde_json::json;

use super::{Database, ours};

/// Reservations of one customer.
pub(crate) const EACH: u64 = 10;
/// Customers of one cabinet.
pub(crate) const CUSTOMERS: u64 = 16;
/// Doors that hold something, from 1.
pub(crate) const TAKEN: u64 = 2 * CUSTOMERS;
const DOORS: u64 = 2 * TAKEN;
/// Receipts in the chain of one cabinet.
pub(crate) const RECEIPTS: u64 = 8 * CUSTOMERS;

/// So that ids are equally long.
const WIDE: u64 = 1_000_000_000_000;

pub(crate) fn account(at: u64) -> String {
    format!("a{}", WIDE + at)
}

pub(crate) fn session(account: u64) -> String {
    format!("s{}000000000000", WIDE + account)
}

pub(crate) fn locker(at: u64) -> String {
    format!("000{}", WIDE + at)
}

pub(crate) fn site(locker: u64) -> String {
    format!("site{}", WIDE + locker)
}

/// Token that lies with a phone for what waits behind the door that is `at` in all cabinets' taken doors.
pub(crate) fn token(at: u64) -> String {
    format!("1111111111111{}", 1_000_000_000_000_000_000 + at)
}

/// Hash of the receipt that is `at` in all chains.
pub(crate) fn hash(at: u64) -> String {
    format!("2222222222222{}", 1_000_000_000_000_000_000 + at)
}

/// The settings of a hub that is measured: nobody is slowed down, nobody has booked too much.
pub(crate) fn config(on: &Database) -> Config {
    let policy = Policy {
        requests_per_minute: u32::MAX,
        storages: i64::MAX,
        offline_token_hours: 24,
        ..Policy::default()
    };
    Config { database: on.url.clone(), policy, ..Config::default() }
}

/// Keys of a cabinet.
pub(crate) fn keys(at: u64) -> Result<LockerKeys> {
    let id: LockerId = locker(at).parse().map_err(|_| anyhow::anyhow!("a locker id"))?;
    Ok(LockerKeys::from_seed(id, &[3; 32]))
}

/// Fills a fresh database.
pub(crate) fn fill(on: &Database) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let clock = Clock::default();
        let now = clock.now();
        let opening = Opening {
            data: &on.folder,
            config: config(on),
            public_url: "http://localhost:1",
            demo: false,
            clock,
        };
        let hub = Hub::open(opening).await?;
        let mut tx = hub.store.begin().await?;
        let customers = on.size / EACH;
        cabinets(&hub, &mut tx, customers.div_ceil(CUSTOMERS), now).await?;
        for statement in statements(customers, now) {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(tx.on()).await?;
        }
        tx.commit().await?;
        if hub.store.backend() == Backend::Postgres {
            // Its own housekeeping does that within a minute.
            sqlx::query("VACUUM ANALYZE").execute(hub.store.read()).await?;
        }
        hub.store.close().await;
        Ok(())
    })
}

async fn cabinets(hub: &Hub, tx: &mut Tx, count: u64, now: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO carriers (id, name, pickup_hours, created_at) VALUES ('heron', 'Heron Express', 72, $1)",
    )
    .bind(now)
    .execute(tx.on())
    .await?;
    for at in 0..count {
        let (id, site) = (locker(at), site(at));
        let identity = keys(at)?.identity();
        sqlx::query(
            "INSERT INTO sites (id, name, address, latitude, longitude, hours, always_open, access, step_free, updated_at) \
             VALUES ($1, 'Lindenhof', 'Lindenhof 4', $2, 13.4, '24/7', 1, 'public', 1, $3)",
        )
        .bind(&site)
        .bind(48.0 + at as f64 / 10_000.0)
        .bind(now)
        .execute(tx.on())
        .await?;
        let doors: Vec<_> = (0..DOORS)
            .map(|door| {
                json!({ "door": door + 1, "label": format!("{}{}", char::from(b'A' + (door / 8) as u8), door % 8 + 1),
                        "column": door / 8, "row": door % 8, "height": 1, "size": "m", "reach": "easy", "chilled": false })
            })
            .collect();
        let descriptor = json!({ "id": id, "name": "Lindenhof 1", "site": site,
                                 "static_key": ours::encode(identity.static_key),
                                 "receipt_key": ours::encode(identity.receipt_key), "scanner": true, "keypad": true,
                                 "reopen_minutes": 10, "doors": doors });
        sqlx::query(
            "INSERT INTO lockers (id, site_id, descriptor, receipt_key, sealed_pin_secret, keypad, reopen_minutes, \
             created_at) VALUES ($1, $2, $3, $4, $5, 1, 10, $6)",
        )
        .bind(&id)
        .bind(&site)
        .bind(descriptor.to_string())
        .bind(identity.receipt_key.to_vec())
        .bind(hub.secrets.seal(&pins::purpose(&id), &[5; 32]).context("seal")?)
        .bind(now - 86_400)
        .execute(tx.on())
        .await?;
    }
    Ok(())
}

/// What the database makes by itself, in the SQL that both understand.
fn statements(customers: u64, now: i64) -> Vec<String> {
    let series = |count: u64| {
        format!(
            "WITH RECURSIVE n (i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count}) "
        )
    };
    // Each of the functions above, of a number.
    let account = |i: &str| format!("'a' || ({WIDE} + {i})");
    let session = |i: &str| format!("'s' || ({WIDE} + {i}) || '000000000000'");
    let locker = |i: &str| format!("'000' || ({WIDE} + {i})");
    let site = |i: &str| format!("'site' || ({WIDE} + {i})");
    let reservation = |i: &str| format!("'r' || ({WIDE} + {i})");
    let long = |prefix: &str, i: &str| format!("'{prefix}' || (1000000000000000000 + {i})");
    let timeline = json!([{ "at": now - 9000, "event": "announced", "by": "Marlow Sports", "proven": false },
                          { "at": now - 8000, "event": "in_transit", "by": "Heron Express", "proven": false },
                          { "at": now - 7000, "event": "deposited", "by": "Heron Express", "proven": true }]);
    let (thumbprint, reservations, doors) =
        (ours::thumbprint(), customers * EACH, customers.div_ceil(CUSTOMERS) * DOORS);
    // Of the customer's reservations the last two wait; the door of one that waits.
    let (customer, cabinet) = ("(i / 10)", "(i / 160)");
    let door = "(2 * ((i / 10) % 16) + i % 10 - 8 + 1)";
    // Once an hour the hub writes down that it heard of a device. That is not to fall on the sizes with more devices alone.
    let heard = now + 86_400;
    vec![
        format!(
            "{}INSERT INTO accounts (id, handle, display_name, feed, demo_given, created_at) \
             SELECT {account}, 'handle ' || i, 'Ada', 10, 1, {now} FROM n",
            series(customers),
            account = account("i")
        ),
        format!(
            "{}INSERT INTO sessions (id, account_id, name, thumbprint, device_key, created_at, last_seen_at) \
             SELECT {session}, {account}, 'Phone', '{thumbprint}', (SELECT receipt_key FROM lockers LIMIT 1), {now}, \
             {heard} FROM n",
            series(customers),
            session = session("i"),
            account = account("i")
        ),
        format!(
            "{}INSERT INTO reservations (id, account_id, version, kind, state, title, carrier_id, reference, site_id, \
             size, locker_id, door, epoch, until_at, since_at, timeline, created_at, updated_at) \
             SELECT {id}, {account}, 3, 'pickup', CASE WHEN i % 10 < 8 THEN 'collected' ELSE 'ready' END, 'Running shoes', \
             'heron', 'HX' || i, {site}, 'm', {locker}, CASE WHEN i % 10 < 8 THEN 1 + i % 32 ELSE {door} END, 1, \
             CASE WHEN i % 10 < 8 THEN {past} ELSE {until} END, {past}, '{timeline}', {past}, {past} FROM n",
            series(reservations),
            id = reservation("i"),
            account = account(customer),
            site = site(cabinet),
            locker = locker(cabinet),
            past = now - 7000,
            until = now + 20 * 86_400,
        ),
        format!(
            "{}INSERT INTO feed (account_id, reservation_id, seq, removed, changed_at) \
             SELECT {account}, {id}, i % 10 + 1, 0, {now} FROM n",
            series(reservations),
            id = reservation("i"),
            account = account(customer)
        ),
        format!(
            "{}INSERT INTO doors (locker_id, door, site_id, label, size, reach, chilled, epoch, reservation_id) \
             SELECT {locker}, i % 64 + 1, {site}, 'A' || (i % 64 + 1), 'm', 'easy', 0, 1, \
             CASE WHEN i % 64 < 32 AND i / 64 * 16 + (i % 64) / 2 < {customers} \
             THEN {id} ELSE NULL END FROM n",
            series(doors),
            locker = locker("(i / 64)"),
            site = site("(i / 64)"),
            id = reservation("((i / 64 * 16 + (i % 64) / 2) * 10 + 8 + i % 2)")
        ),
        format!(
            "{}INSERT INTO grants (token_id, reservation_id, account_id, session_id, locker_id, issued_at, expires_at, \
             epoch) SELECT {token}, {id}, {account}, {session}, {locker}, {now}, {now} + 86400, 1 FROM n",
            series(customers * 2),
            token = long("1111111111111", "i"),
            id = reservation("(i / 2 * 10 + 8 + i % 2)"),
            account = account("(i / 2)"),
            session = session("(i / 2)"),
            locker = locker("(i / 32)"),
        ),
        format!(
            "{}INSERT INTO receipts (hash, locker_id, sequence, previous, token_id, door, operation, outcome, happened_at, \
             reservation_id, standing, bytes, received_at) \
             SELECT {hash}, {locker}, i % 128, CASE WHEN i % 128 = 0 THEN '{none}' ELSE {previous} END, 'past', 1, 1, 0, \
             {now}, {id}, 'chained', (SELECT descriptor_key FROM (SELECT receipt_key AS descriptor_key FROM lockers \
             LIMIT 1) one), {now} FROM n",
            series(customers * 8),
            hash = long("2222222222222", "i"),
            locker = locker("(i / 128)"),
            previous = long("2222222222222", "(i - 1)"),
            none = "0".repeat(32),
            id = reservation("(i / 8 * 10 + i % 8)"),
        ),
    ]
}
