//! The floor: axum and the same driver, making the statements that the hub makes for the same request, in the same order
//! and in the same transaction. No proof is verified, no rule applied, no answer put together from more than its rows.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use postern_hub::{
    push::Push,
    random,
    store::{RowExt, Store},
};
use sqlx::{Row, any::AnyRow};
use tokio::runtime::Runtime;

use super::{
    Database, What,
    load::{self, Round},
    ours::{self, Turn},
    seed,
};

const RESERVATION: &str = "r.id, r.account_id, r.version, r.kind, r.state, r.title, r.carrier_id, r.reference, \
                           r.site_id, r.size, r.chilled, r.locker_id, r.door, r.epoch, r.until_at, r.since_at, \
                           r.held_until, r.extensions, r.first_opened_at, r.last_opened_at, r.identification_format, \
                           r.identification_text, r.shares, r.timeline";
const SHOWN: &str = "c.name AS carrier_name, s.name AS site_name, s.address, s.latitude, s.longitude, d.label, l.keypad, \
                     l.reopen_minutes, l.sealed_pin_secret";
const JOINS: &str = "LEFT JOIN carriers c ON c.id = r.carrier_id LEFT JOIN sites s ON s.id = r.site_id \
                     LEFT JOIN doors d ON d.locker_id = r.locker_id AND d.door = r.door \
                     LEFT JOIN lockers l ON l.id = r.locker_id";

/// What went wrong is the round's end: it is shown there.
struct Failed(String);

impl<E: std::fmt::Display> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0).into_response()
    }
}

type Answer = Result<String, Failed>;

/// The text columns of rows, so that they are read as the hub reads them.
fn read(rows: &[AnyRow]) -> String {
    let mut out = String::new();
    for row in rows {
        for column in 0..row.len() {
            if let Ok(Some(text)) = row.try_get::<Option<String>, _>(column) {
                out.push_str(&text);
            }
        }
    }
    out
}

/// A session is looked up for every request.
async fn session(store: &Store, customer: u64) -> Result<(), Failed> {
    sqlx::query(
        "SELECT account_id, thumbprint, device_key, share_id, last_seen_at, revoked_at FROM sessions WHERE id = $1",
    )
    .bind(seed::session(customer))
    .fetch_one(store.read())
    .await?;
    Ok(())
}

async fn sync(State(store): State<Arc<Store>>, Path(customer): Path<u64>) -> Answer {
    session(&store, customer).await?;
    let mut on = store.snapshot().await?;
    sqlx::query("SELECT feed, feed_floor FROM accounts WHERE id = $1")
        .bind(seed::account(customer))
        .fetch_one(&mut *on)
        .await?;
    let changes = format!(
        "SELECT f.reservation_id, f.seq, f.removed, {RESERVATION}, {SHOWN} FROM feed f \
         LEFT JOIN reservations r ON r.id = f.reservation_id {JOINS} \
         WHERE f.account_id = $1 AND f.seq > $2 ORDER BY f.seq LIMIT $3"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(changes))
        .bind(seed::account(customer))
        .bind(5_i64)
        .bind(101_i64)
        .fetch_all(&mut *on)
        .await?;
    let locker = sqlx::query("SELECT descriptor FROM lockers WHERE id = $1")
        .bind(seed::locker(customer / seed::CUSTOMERS))
        .fetch_all(&mut *on)
        .await?;
    Ok(read(&rows) + &read(&locker))
}

async fn token(State(store): State<Arc<Store>>, Path(customer): Path<u64>) -> Answer {
    session(&store, customer).await?;
    let now = postern_hub::clock::Clock::default().now();
    let account = seed::account(customer);
    let locker = seed::locker(customer / seed::CUSTOMERS);
    let mut tx = store.begin().await?;
    let openable = format!(
        "SELECT {RESERVATION}, l.online_until, l.reopen_minutes, h.id AS share_id, h.until_at AS share_until \
         FROM reservations r JOIN lockers l ON l.id = r.locker_id \
         LEFT JOIN shares h ON h.reservation_id = r.id AND h.account_id = $1 AND h.state IN ('accepted', 'used') \
         AND h.until_at > $2 \
         WHERE r.id IN (SELECT o.id FROM reservations o WHERE o.account_id = $1 \
         AND o.state IN ('ready', 'opened', 'booked', 'held') \
         UNION SELECT g.reservation_id FROM shares g JOIN reservations q ON q.id = g.reservation_id \
         WHERE g.account_id = $1 AND g.state IN ('accepted', 'used') AND g.until_at > $2 \
         AND q.state IN ('ready', 'opened', 'booked', 'held')) ORDER BY r.until_at LIMIT 1000"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(openable)).bind(&account).bind(now).fetch_all(tx.on()).await?;
    for row in &rows {
        sqlx::query(
            "INSERT INTO grants (token_id, reservation_id, account_id, session_id, share_id, locker_id, issued_at, \
             expires_at, epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(hex::encode(random::bytes::<16>()))
        .bind(row.text("id")?)
        .bind(&account)
        .bind(seed::session(customer))
        .bind(None::<String>)
        .bind(&locker)
        .bind(now)
        .bind(now + 86_400)
        .bind(1_i64)
        .execute(tx.on())
        .await?;
    }
    sqlx::query(
        "SELECT door, revoked_epoch FROM doors WHERE locker_id = $1 AND revoked_at > $2 ORDER BY revoked_at DESC LIMIT 48",
    )
    .bind(&locker)
    .bind(now - 86_400)
    .fetch_all(tx.on())
    .await?;
    sqlx::query("SELECT created_at FROM lockers WHERE id = $1").bind(&locker).fetch_one(tx.on()).await?;
    tx.commit().await?;
    Ok(read(&rows))
}

/// What every change of a reservation ends with.
async fn save(
    tx: &mut postern_hub::store::Tx,
    id: &str,
    account: &str,
    row: &Saved<'_>,
) -> Result<(), Failed> {
    sqlx::query(
        "UPDATE reservations SET account_id = $2, state = $3, title = $4, reference = $5, site_id = $6, size = $7, \
         locker_id = $8, door = $9, epoch = $10, until_at = $11, since_at = $12, held_until = $13, extensions = $14, \
         first_opened_at = $15, last_opened_at = $16, identification_format = $17, identification_text = $18, \
         shares = $19, timeline = $20, updated_at = $21, chilled = $22 WHERE id = $1",
    )
    .bind(id)
    .bind(account)
    .bind(row.state)
    .bind("Skis")
    .bind(None::<String>)
    .bind(row.site.clone())
    .bind("m")
    .bind(row.locker.clone())
    .bind(row.door)
    .bind(1_i64)
    .bind(row.now + 86_400)
    .bind(row.now)
    .bind(None::<i64>)
    .bind(0_i64)
    .bind(None::<i64>)
    .bind(None::<i64>)
    .bind(None::<String>)
    .bind(None::<String>)
    .bind(0_i64)
    .bind(row.timeline)
    .bind(row.now)
    .bind(0_i64)
    .execute(tx.on())
    .await?;
    // Its commit moves the feed on and tells clients, as the hub's does.
    tx.tell(account, id, false, row.now);
    Ok(())
}

struct Saved<'a> {
    state: &'a str,
    site: String,
    locker: String,
    door: i64,
    timeline: &'a str,
    now: i64,
}

async fn book(State(store): State<Arc<Store>>, Path(customer): Path<u64>) -> Answer {
    session(&store, customer).await?;
    let now = postern_hub::clock::Clock::default().now();
    let account = seed::account(customer);
    let site = seed::site(customer / seed::CUSTOMERS);
    let mut tx = store.begin().await?;
    sqlx::query(
        "SELECT id FROM sites s WHERE s.id = $1 AND (s.access = 'public' OR EXISTS \
         (SELECT 1 FROM site_members m WHERE m.site_id = s.id AND m.account_id = $2))",
    )
    .bind(&site)
    .bind(&account)
    .fetch_one(tx.on())
    .await?;
    sqlx::query(
        "SELECT COUNT(*) AS held FROM reservations WHERE account_id = $1 AND kind = 'storage' AND state = 'held' \
         AND until_at IS NOT NULL",
    )
    .bind(&account)
    .fetch_one(tx.on())
    .await?;
    sqlx::query("SELECT prefers_low_doors FROM accounts WHERE id = $1")
        .bind(&account)
        .fetch_one(tx.on())
        .await?;
    let id = random::id();
    let (locker, door) = loop {
        let free = sqlx::query(
            "SELECT d.locker_id, d.door FROM doors d JOIN lockers l ON l.id = d.locker_id \
             WHERE d.site_id = $1 AND d.size = $2 AND d.out_of_order = 0 AND d.reservation_id IS NULL \
             AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.locker_id = d.locker_id AND a.door = d.door) \
             AND l.retired_at IS NULL AND ($3 = '' OR d.locker_id = $3) AND d.chilled >= $4 \
             ORDER BY CASE WHEN $5 = 0 OR d.reach = 'easy' THEN 0 WHEN d.reach = 'floor' THEN 1 ELSE 2 END, \
             d.chilled, d.locker_id, d.door LIMIT 1",
        )
        .bind(&site)
        .bind("m")
        .bind("")
        .bind(0_i64)
        .bind(0_i64)
        .fetch_one(tx.on())
        .await?;
        let (locker, door) = (free.text("locker_id")?, free.int("door")?);
        sqlx::query("SELECT id FROM assets WHERE locker_id = $1 AND door = $2")
            .bind(&locker)
            .bind(door)
            .fetch_optional(tx.on())
            .await?;
        let taken = sqlx::query(
            "UPDATE doors SET reservation_id = $1, epoch = epoch + 1 WHERE locker_id = $2 AND door = $3 \
             AND out_of_order = 0 AND (reservation_id IS NULL OR reservation_id = $1) RETURNING epoch, site_id",
        )
        .bind(&id)
        .bind(&locker)
        .bind(door)
        .fetch_optional(tx.on())
        .await?;
        if taken.is_some() {
            break (locker, door);
        }
    };
    sqlx::query(
        "INSERT INTO reservations (id, account_id, version, kind, state, title, carrier_id, timeline, created_at, \
         updated_at) VALUES ($1, $2, 1, $3, $4, $5, $6, '[]', $7, $7)",
    )
    .bind(&id)
    .bind(&account)
    .bind("storage")
    .bind("held")
    .bind("Skis")
    .bind("operator")
    .bind(now)
    .execute(tx.on())
    .await?;
    let timeline = format!(r#"[{{"at":{now},"event":"held","by":"you","proven":false}}]"#);
    let saved = Saved { state: "held", site, locker, door, timeline: &timeline, now };
    save(&mut tx, &id, &account, &saved).await?;
    let shown = format!(
        "SELECT {RESERVATION}, {SHOWN} FROM reservations r {JOINS} WHERE r.id = $1 AND (r.account_id = $2 OR EXISTS \
         (SELECT 1 FROM shares h WHERE h.reservation_id = r.id AND h.account_id = $2 \
         AND h.state IN ('accepted', 'used') AND h.until_at > $3))"
    );
    let rows =
        sqlx::query(sqlx::AssertSqlSafe(shown)).bind(&id).bind(&account).bind(now).fetch_all(tx.on()).await?;
    tx.commit().await?;
    Ok(read(&rows))
}

/// Sequence numbers given out, by cabinet.
type Chains = Arc<Mutex<BTreeMap<u64, i64>>>;

async fn receipt(State((store, chains)): State<(Arc<Store>, Chains)>, Path(customer): Path<u64>) -> Answer {
    session(&store, customer).await?;
    let now = postern_hub::clock::Clock::default().now();
    let cabinet = customer / seed::CUSTOMERS;
    let locker = seed::locker(cabinet);
    let sequence = {
        let mut chains = chains.lock().unwrap_or_else(PoisonError::into_inner);
        let next = chains.entry(cabinet).or_insert(seed::RECEIPTS as i64);
        *next += 1;
        *next - 1
    };
    let at = customer * 2 + (sequence % 2).unsigned_abs();
    let door = (at % seed::TAKEN) as i64 + 1;
    let (hash, token) = (hex::encode(random::bytes::<16>()), seed::token(at));
    let mut tx = store.begin().await?;
    let key =
        sqlx::query("SELECT receipt_key FROM lockers WHERE id = $1").bind(&locker).fetch_one(tx.on()).await?;
    sqlx::query("SELECT standing FROM receipts WHERE hash = $1").bind(&hash).fetch_optional(tx.on()).await?;
    sqlx::query(
        "SELECT sequence, hash, previous FROM receipts WHERE locker_id = $1 AND sequence BETWEEN $2 AND $3 \
         AND standing = 'chained'",
    )
    .bind(&locker)
    .bind(sequence - 1)
    .bind(sequence + 1)
    .fetch_all(tx.on())
    .await?;
    let grant = sqlx::query(
        "SELECT g.reservation_id, a.courier_of FROM grants g LEFT JOIN accounts a ON a.id = g.account_id \
         WHERE g.token_id = $1 AND g.locker_id = $2",
    )
    .bind(&token)
    .bind(&locker)
    .fetch_one(tx.on())
    .await?;
    let id = grant.text("reservation_id")?;
    sqlx::query(
        "INSERT INTO receipts (hash, locker_id, sequence, previous, token_id, door, operation, outcome, happened_at, \
         reservation_id, standing, bytes, received_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (hash) DO NOTHING",
    )
    .bind(&hash)
    .bind(&locker)
    .bind(sequence)
    .bind(hex::encode(random::bytes::<16>()))
    .bind(&token)
    .bind(door)
    .bind(1_i64)
    .bind(0_i64)
    .bind(now)
    .bind(&id)
    .bind("chained")
    .bind(key.bytes("receipt_key")?)
    .bind(now)
    .execute(tx.on())
    .await?;
    let lock = format!(
        "UPDATE reservations SET version = version + 1 WHERE id = $1 RETURNING {}",
        RESERVATION.replace("r.", "")
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(lock)).bind(&id).fetch_one(tx.on()).await?;
    let timeline = row.text("timeline")?;
    let saved = Saved { state: "opened", site: seed::site(cabinet), locker, door, timeline: &timeline, now };
    save(&mut tx, &id, &seed::account(customer), &saved).await?;
    if row.text("state")? != "opened" {
        sqlx::query("SELECT id FROM webhooks WHERE carrier_id = $1").bind("heron").fetch_all(tx.on()).await?;
    }
    tx.commit().await?;
    Ok(id)
}

/// The bare server with its clients.
pub(crate) struct Bare {
    base: String,
    client: reqwest::Client,
    turn: Mutex<Turn>,
    store: Arc<Store>,
    runtime: Runtime,
}

impl Bare {
    /// Serves `on`, which a hub opened before.
    pub(crate) fn start(on: &Database) -> Result<Self> {
        let runtime = ours::runtime()?;
        let config = seed::config(on);
        let (store, base) = runtime.block_on(async {
            let store =
                Store::open(&config.database_url(&on.folder), config.connections, Push::default()).await?;
            let store = Arc::new(store);
            let receipts = Router::new()
                .route("/receipt/{customer}", post(receipt))
                .with_state((Arc::clone(&store), Chains::default()));
            let app = Router::new()
                .route("/sync/{customer}", get(sync))
                .route("/token/{customer}", post(token))
                .route("/book/{customer}", post(book))
                .with_state(Arc::clone(&store))
                .merge(receipts);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            let base = format!("http://localhost:{}", listener.local_addr()?.port());
            let listener = axum::serve::ListenerExt::tap_io(listener, |connection| {
                let _ = connection.set_nodelay(true);
            });
            tokio::spawn(async move { axum::serve(listener, app).await });
            anyhow::Ok((store, base))
        })?;
        Ok(Self { base, client: load::client()?, turn: Mutex::new(Turn::new(on, true)), store, runtime })
    }

    /// One round of requests.
    pub(crate) fn round(&self, what: What) -> Result<Round> {
        if what == What::Book {
            ours::free(&self.runtime, &self.store)?;
        }
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        load::round(self.runtime.handle(), &self.client, |client| {
            let (_, customer) = turn.take(client);
            let url = format!("{}/{}/{customer}", self.base, what.name());
            let request = if what == What::Sync { self.client.get(url) } else { self.client.post(url) };
            Ok(request.build()?)
        })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.runtime.block_on(self.store.close());
    }
}
