//! Telling carriers, signed as Standard Webhooks (standardwebhooks.com, version 1): at least once, in no promised order.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use postern_api::{
    carrier::{Webhook, WebhookMessage},
    problem::Code,
    reservation::Kind,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sha2::Sha256;
use tokio::sync::Notify;
use url::{Host, Url};

use super::{code, network::OPERATOR, parcels, reservation::Reservation};
use crate::{
    error::{Error, Result, invalid, refuse},
    hub::Hub,
    random,
    secrets::Sealer,
    store::{RowExt, Tx},
};

/// Seconds to wait after the first, second, ... failure; after the last the message is a dead letter.
const PATIENCE: [i64; 9] = [5, 30, 120, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600];
/// Seconds that a receiver has for its answer.
const ANSWER: u64 = 10;
/// Messages under way to one endpoint: one that answers slowly holds up its own messages and no others.
const AT_ONCE: i64 = 16;
/// Most endpoints of one carrier.
const MOST: i64 = 10;

/// Queues a message about the reservation's new state for its carrier, in the change's own transaction.
///
/// # Errors
/// When the database fails.
pub async fn tell(tx: &mut Tx, reservation: &Reservation, now: i64) -> Result<()> {
    queue(tx, reservation, &code::of(&reservation.state), None, now).await
}

/// Queues a message about a report for the carrier of what it is about, in the report's own transaction.
///
/// # Errors
/// When the database fails.
pub async fn tell_of_report(tx: &mut Tx, reservation: &Reservation, report: &str, now: i64) -> Result<()> {
    queue(tx, reservation, "reported", Some(report), now).await
}

async fn queue(
    tx: &mut Tx,
    reservation: &Reservation,
    event: &str,
    report: Option<&str>,
    now: i64,
) -> Result<()> {
    if reservation.carrier == OPERATOR || reservation.kind == Kind::Storage {
        return Ok(());
    }
    let hooks = sqlx::query("SELECT id FROM webhooks WHERE carrier_id = $1")
        .bind(&reservation.carrier)
        .fetch_all(tx.on())
        .await?;
    if hooks.is_empty() {
        return Ok(());
    }
    let message = WebhookMessage {
        kind: format!("parcel.{event}"),
        timestamp: now,
        data: parcels::shown(reservation)?,
        report: report.map(str::to_owned),
    };
    let text = serde_json::to_string(&message).map_err(|error| Error::Internal(error.to_string()))?;
    for hook in hooks {
        sqlx::query(
            "INSERT INTO deliveries (id, webhook_id, message, state, next_at, created_at) \
             VALUES ($1, $2, $3, 'due', $4, $4)",
        )
        .bind(format!("msg_{}", random::id()))
        .bind(hook.text("id")?)
        .bind(&text)
        .bind(now)
        .execute(tx.on())
        .await?;
    }
    Ok(())
}

/// A new endpoint, with its secret.
///
/// # Errors
/// `Malformed` where the address is not allowed, `LimitReached`.
pub async fn create(hub: &Hub, tx: &mut Tx, carrier: &str, url: &str) -> Result<Webhook> {
    check_url(url, hub.config.webhooks_anywhere)?;
    let count = sqlx::query("SELECT COUNT(*) AS hooks FROM webhooks WHERE carrier_id = $1")
        .bind(carrier)
        .fetch_one(tx.on())
        .await?
        .int("hooks")?;
    if count >= MOST {
        return Err(Code::LimitReached.into());
    }
    let id = random::id();
    let key = random::bytes::<32>();
    sqlx::query(
        "INSERT INTO webhooks (id, carrier_id, url, sealed_secret, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&id)
    .bind(carrier)
    .bind(url)
    .bind(hub.secrets.seal(&purpose(&id), &key)?)
    .bind(hub.clock.now())
    .execute(tx.on())
    .await?;
    Ok(Webhook { id, url: url.to_owned(), secret: Some(format!("whsec_{}", STANDARD.encode(key))) })
}

fn purpose(id: &str) -> String {
    format!("webhook {id}")
}

fn check_url(text: &str, anywhere: bool) -> Result<()> {
    let wrong = |why| invalid("/url", why);
    let url = Url::parse(text).map_err(|_| wrong("not a URL"))?;
    if text.len() > 512 || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("at most 512 characters, no user name or password"));
    }
    if anywhere {
        return if matches!(url.scheme(), "http" | "https") { Ok(()) } else { Err(wrong("http or https")) };
    }
    if url.scheme() != "https" {
        return Err(wrong("https only"));
    }
    match url.host() {
        Some(Host::Domain(_)) => Ok(()),
        Some(Host::Ipv4(address)) if is_public(address.into()) => Ok(()),
        Some(Host::Ipv6(address)) if is_public(address.into()) => Ok(()),
        _ => Err(wrong("no address of a private network")),
    }
}

/// Whether a URL leads to this very machine.
fn is_here(url: &str) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether an address is one of the open internet: a carrier must not have the hub knock at doors inside its own network.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4() {
            Some(v4) => is_public_v4(v4),
            // 2000::/3 is what is given out; inside it, 6to4, Teredo and documentation lead elsewhere.
            None => {
                let [first, second, ..] = v6.segments();
                first & 0xe000 == 0x2000
                    && first != 0x2002
                    && !(first == 0x2001 && matches!(second, 0 | 0x0db8))
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19)))
}

/// Resolves names, and leaves out addresses that are not public, at the moment of connecting: a name that led elsewhere
/// when it was registered does not help.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Sends what is due.
#[derive(Clone)]
pub struct Courier {
    client: reqwest::Client,
    /// For receivers on this very machine, which no proxy is told of.
    here: reqwest::Client,
    /// Told when a message was delivered or not: its endpoint may have the next.
    settled: Arc<Notify>,
}

impl Courier {
    /// A sender by the hub's rules.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(anywhere: bool) -> Result<Self> {
        // One process, one provider: where somebody else was first that is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            let builder = reqwest::Client::builder()
                .timeout(Duration::from_secs(ANSWER))
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("postern-hub/", env!("CARGO_PKG_VERSION")));
            if anywhere { builder } else { builder.https_only(true).dns_resolver(PublicOnly) }
        };
        let failed = |error| Error::Internal(format!("webhooks: {error}"));
        Ok(Self {
            client: builder().build().map_err(failed)?,
            here: builder().no_proxy().build().map_err(failed)?,
            settled: Arc::default(),
        })
    }

    /// Waits until messages that were sent have been settled since the last time.
    pub async fn settled(&self) {
        self.settled.notified().await;
    }

    /// Begins to send up to 64 messages that are due; how many there were. None waits for another.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn round(&self, hub: &Arc<Hub>) -> Result<usize> {
        let now = hub.clock.now();
        let mut tx = hub.store.begin().await?;
        // Taken for a minute: if this process dies, another sends again, which is what "at least once" means.
        let due = sqlx::query(
            "UPDATE deliveries SET state = 'sending', next_at = $1, attempts = attempts + 1 \
             WHERE state IN ('due', 'sending') AND next_at <= $2 AND id IN (SELECT id FROM (SELECT id, next_at, \
             ROW_NUMBER() OVER (PARTITION BY webhook_id ORDER BY next_at) + (SELECT COUNT(*) FROM deliveries o \
             WHERE o.webhook_id = d.webhook_id AND o.state = 'sending' AND o.next_at > $2) AS place \
             FROM deliveries d WHERE state IN ('due', 'sending') AND next_at <= $2) waiting \
             WHERE place <= $3 ORDER BY next_at LIMIT 64) \
             RETURNING id, webhook_id, message, attempts",
        )
        .bind(now + 60)
        .bind(now)
        .bind(AT_ONCE)
        .fetch_all(tx.on())
        .await?;
        let mut letters = Vec::new();
        for row in &due {
            let webhook = row.text("webhook_id")?;
            let hook = sqlx::query("SELECT url, sealed_secret FROM webhooks WHERE id = $1")
                .bind(&webhook)
                .fetch_one(tx.on())
                .await?;
            letters.push(Letter {
                id: row.text("id")?,
                url: hook.text("url")?,
                key: hub.secrets.open(&purpose(&webhook), &hook.bytes("sealed_secret")?)?.to_vec(),
                body: row.text("message")?,
                attempts: row.int("attempts")?,
            });
        }
        tx.commit().await?;
        let count = letters.len();
        for letter in letters {
            let (courier, hub) = (self.clone(), Arc::clone(hub));
            tokio::spawn(async move {
                tokio::select! {
                    // Another instance, or this one after its start, sends it again.
                    () = hub.stopping.cancelled() => {}
                    () = courier.deliver(&hub, &letter, now) => {}
                }
            });
        }
        Ok(count)
    }

    async fn deliver(&self, hub: &Hub, letter: &Letter, now: i64) {
        let outcome = self.send(letter, now).await;
        if let Err(error) = settle(hub, letter, outcome).await {
            tracing::error!(%error, "webhooks");
        }
        self.settled.notify_one();
    }

    async fn send(&self, letter: &Letter, now: i64) -> Result<(), String> {
        let timestamp = now.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(&letter.key).map_err(|error| error.to_string())?;
        mac.update(format!("{}.{timestamp}.{}", letter.id, letter.body).as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let client = if is_here(&letter.url) { &self.here } else { &self.client };
        let answer = client
            .post(&letter.url)
            .header("content-type", "application/json")
            .header("webhook-id", &letter.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(letter.body.clone())
            .send()
            .await
            // Without the address: it may hold a secret of the receiver's.
            .map_err(|error| error.without_url().to_string())?;
        // The status is all that counts; what a receiver says besides is not read.
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(format!("answered {}", answer.status().as_u16()))
        }
    }
}

struct Letter {
    id: String,
    url: String,
    key: Vec<u8>,
    body: String,
    attempts: i64,
}

async fn settle(hub: &Hub, letter: &Letter, outcome: Result<(), String>) -> Result<()> {
    let now = hub.clock.now();
    let mut tx = hub.store.begin().await?;
    let (state, next, error) = match outcome {
        Ok(()) => ("done", now, String::new()),
        Err(error) => {
            let tried = usize::try_from(letter.attempts - 1).unwrap_or(usize::MAX);
            match PATIENCE.get(tried) {
                // Up to a tenth later, so that what failed together does not come back together.
                Some(wait) => ("due", now + wait + i64::from(random::bytes::<1>()[0]) * wait / 2560, error),
                None => ("dead", now, error),
            }
        }
    };
    sqlx::query("UPDATE deliveries SET state = $1, next_at = $2, error = $3 WHERE id = $4")
        .bind(state)
        .bind(next)
        .bind(error)
        .bind(&letter.id)
        .execute(tx.on())
        .await?;
    tx.commit().await
}

/// Sends a dead letter again.
///
/// # Errors
/// `NotFound` where the carrier has no such dead letter.
pub async fn retry(tx: &mut Tx, carrier: &str, id: &str, now: i64) -> Result<()> {
    let changed = sqlx::query(
        "UPDATE deliveries SET state = 'due', attempts = 0, next_at = $1 WHERE id = $2 AND state = 'dead' \
         AND webhook_id IN (SELECT id FROM webhooks WHERE carrier_id = $3)",
    )
    .bind(now)
    .bind(id)
    .bind(carrier)
    .execute(tx.on())
    .await?
    .rows_affected();
    if changed == 1 { Ok(()) } else { Err(refuse(Code::NotFound, "no such dead letter")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_does_not_knock_at_doors_inside() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "2002:7f00:1::",
            "2001:db8::1",
            "224.0.0.1",
            "255.255.255.255",
            "64:ff9b::7f00:1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
        for bad in [
            "http://shop.example/hook",
            "https://127.0.0.1/hook",
            "https://[::1]/",
            "https://user@shop.example/",
            "ftp://shop.example/",
            "shop.example",
        ] {
            assert!(check_url(bad, false).is_err(), "{bad}");
        }
        check_url("https://shop.example/hook?x=1", false).unwrap();
    }
}
