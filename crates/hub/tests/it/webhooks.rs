//! Webhooks: to a receiver that listens, that fails, that is slow, that lies.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use postern_hub::config::Config;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{io::AsyncReadExt, sync::Notify};

use crate::{
    postgres::Postgres,
    world::{Locker, World},
};

/// For a fact that will come, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone)]
struct Receiver {
    status: Arc<AtomicU16>,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    heard: Arc<Notify>,
}

impl Receiver {
    async fn start() -> (Self, String) {
        let this = Self { status: Arc::new(AtomicU16::new(200)), got: Arc::default(), heard: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let app = Router::new().route("/hook", post(receive)).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (this, url)
    }

    /// Ids of the messages about `parcel` being in `state`, each as often as it came.
    fn heard(&self, parcel: &str, state: &str) -> Vec<String> {
        let got = self.got.lock().unwrap();
        let about = got.iter().filter(|(_, body)| {
            let message: Value = serde_json::from_slice(body).unwrap();
            message["data"]["id"] == parcel && message["type"] == format!("parcel.{state}")
        });
        about.map(|(headers, _)| headers["webhook-id"].to_str().unwrap().to_owned()).collect()
    }

    /// Waits until `count` messages fit, and no longer than [`PATIENCE`].
    async fn wait_for(&self, count: usize, fitting: impl Fn(&Self) -> usize) {
        let all = async {
            while fitting(self) < count {
                self.heard.notified().await;
            }
        };
        let heard = tokio::time::timeout(PATIENCE, all).await;
        assert!(heard.is_ok(), "{} of {count}", fitting(self));
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap) {
    // Before the test hears of it: it may set another status at once, for the next.
    let status = StatusCode::from_u16(receiver.status.load(Ordering::SeqCst)).unwrap();
    receiver.got.lock().unwrap().push((headers, body));
    receiver.heard.notify_one();
    let mut headers = HeaderMap::new();
    // A receiver that lies would have the hub go elsewhere.
    headers.insert("location", "http://127.0.0.1:1/elsewhere".parse().unwrap());
    (status, headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_signed_repeated_and_given_up() {
    delivered(Config::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_signed_repeated_and_given_up_on_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    delivered(Config { database: Some(postgres.database()), ..Config::default() }).await;
}

async fn delivered(config: Config) {
    let world = World::with(Config { webhooks_anywhere: true, ..config }).await;
    let locker = world.locker().await;
    let (receiver, url) = Receiver::start().await;
    let made = world.heron.post("/v1/carrier/webhooks", json!({ "url": url })).await.ok();
    let list = world.heron.get("/v1/carrier/webhooks").await.ok();
    assert_eq!(list["webhooks"][0]["url"], json!(url));
    assert!(list["webhooks"][0].get("secret").is_none(), "shown once");
    let ada = world.customer("Ada").await;
    let shoes = ada.named("Running shoes").await["id"].as_str().unwrap().to_owned();
    receiver.wait_for(1, |receiver| receiver.heard(&shoes, "announced").len()).await;

    let (headers, body) = receiver.got.lock().unwrap()[0].clone();
    let key = STANDARD.decode(made["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    mac.update(format!("{}.{}.", text("webhook-id"), text("webhook-timestamp")).as_bytes());
    mac.update(&body);
    assert_eq!(text("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    let message: Value = serde_json::from_slice(&body).unwrap();
    assert!(message["type"].as_str().unwrap().starts_with("parcel."));
    assert!(!String::from_utf8_lossy(&body).contains("Ada"), "nothing of the recipient");

    // What its customer reports is told at once, by its id: note and photos are asked for.
    let problems = format!("/v1/reservations/{shoes}/problems");
    ada.post(&problems, json!({ "kind": "other", "note": "It never moves." })).await.ok();
    receiver.wait_for(1, |receiver| receiver.heard(&shoes, "reported").len()).await;
    let message: Value = serde_json::from_slice(&receiver.got.lock().unwrap().last().unwrap().1).unwrap();
    let report = format!("/v1/carrier/reports/{}", message["report"].as_str().unwrap());
    assert_eq!(world.heron.get(&report).await.ok()["note"], "It never moves.");
    assert!(!message.to_string().contains("never"));

    // It redirects, then fails, for good: tried ten times in all, then a dead letter that can be sent again. Days go by
    // meanwhile, in which other things of the demo end and are told of: only this one message counts.
    receiver.status.store(302, Ordering::SeqCst);
    let deposit = format!("/v1/carrier/parcels/{shoes}/deposit");
    world.heron.post(&deposit, json!({ "locker": locker.id, "door": Locker::door("B3") })).await.ok();
    let ready = |receiver: &Receiver| receiver.heard(&shoes, "ready").len();
    receiver.wait_for(1, ready).await;
    receiver.status.store(500, Ordering::SeqCst);
    let id = receiver.heard(&shoes, "ready").remove(0);
    for n in 2..=10 {
        // Settled before time goes on.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let row: (String, i64) = sqlx::query_as("SELECT state, next_at FROM deliveries WHERE id = $1")
                .bind(&id)
                .fetch_one(world.hub.store.read())
                .await
                .unwrap();
            if row.0 == "due" && row.1 > world.clock.now() {
                world.clock.advance(row.1 - world.clock.now());
                break;
            }
            assert!(Instant::now() < deadline, "{row:?}");
        }
        receiver.wait_for(n, ready).await;
    }
    let deadline = Instant::now() + PATIENCE;
    let dead = loop {
        let dead = world.heron.get("/v1/carrier/dead-letters").await.ok()["letters"].clone();
        if let Some(letter) = dead.as_array().unwrap().iter().find(|letter| letter["id"] == id) {
            break letter.clone();
        }
        assert!(Instant::now() < deadline, "{dead}");
    };
    assert_eq!((dead["attempts"].as_u64(), dead["error"].as_str()), (Some(10), Some("answered 500")));
    assert_eq!(dead["message"]["type"], "parcel.ready");
    let ids = receiver.heard(&shoes, "ready");
    assert_eq!(ids, vec![id.clone(); 10], "the same message each time, so that the receiver can tell");
    assert_eq!(world.nordpost.get("/v1/carrier/dead-letters").await.ok()["letters"], json!([]));
    let retry = format!("/v1/carrier/dead-letters/{id}/retry");
    assert_eq!(world.nordpost.post(&retry, json!({})).await.code(), "not_found");
    receiver.status.store(204, Ordering::SeqCst);
    assert_eq!(world.heron.post(&retry, json!({})).await.status, 204);
    receiver.wait_for(11, ready).await;

    world.hub.stopping.cancel();
    world.hub.store.close().await;

    let strict = World::start().await;
    for bad in ["http://shop.example/", "https://10.0.0.1/", "https://[::1]/", "x"] {
        let answer = strict.heron.post("/v1/carrier/webhooks", json!({ "url": bad })).await;
        assert_eq!(
            (answer.code().as_str(), answer.body["pointer"].as_str()),
            ("malformed", Some("/url")),
            "{bad}"
        );
    }
}

/// One receiver takes the connection and the message, and never answers; the other hears everything meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_stalls_holds_up_nobody_else() {
    let world = World::with(Config { webhooks_anywhere: true, ..Config::default() }).await;
    world.locker().await;
    let stalled = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", stalled.local_addr().unwrap());
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = stalled.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut some = [0; 64];
                connection.read_exact(&mut some).await.unwrap();
                tell.send(()).unwrap();
                // Until the hub gives up.
                while connection.read(&mut some).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    let slow = world.heron.post("/v1/carrier/webhooks", json!({ "url": url })).await.ok();
    let slow = slow["id"].as_str().unwrap();
    let (receiver, url) = Receiver::start().await;
    world.heron.post("/v1/carrier/webhooks", json!({ "url": url })).await.ok();
    let ada = world.customer("Ada").await;
    told.recv().await.unwrap();
    let account = ada.number().await;
    let mut announced = Vec::new();
    for n in 0..40 {
        let parcel = json!({ "reference": format!("W{n}"), "recipient": account, "title": "Box",
                             "site": "lindenhof", "size": "m" });
        let parcel = world.heron.post("/v1/carrier/parcels", parcel).await.ok();
        announced.push(parcel["id"].as_str().unwrap().to_owned());
    }
    for parcel in &announced {
        receiver.wait_for(1, |receiver| receiver.heard(parcel, "announced").len()).await;
    }
    // At most so many wait for the one that stalls, and those that it let run out come again later.
    let (store, now) = (&world.hub.store, world.clock.now());
    let count = |state: &'static str| async move {
        let sql = "SELECT COUNT(*) FROM deliveries WHERE state = $1 AND next_at > $2 AND webhook_id = $3";
        let query = sqlx::query_scalar::<_, i64>(sql).bind(state).bind(now).bind(slow);
        query.fetch_one(store.read()).await.unwrap()
    };
    assert!(count("sending").await <= 16);
    let deadline = Instant::now() + PATIENCE;
    while count("due").await == 0 {
        assert!(Instant::now() < deadline, "the hub waits for ever");
    }
}

/// Answers every request and says how many came.
fn listener(status: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = vec![0; 8192];
            let length = stream.read(&mut request).unwrap_or(0);
            let _ = send.send(String::from_utf8_lossy(&request[..length]).into_owned());
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (url, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_on_this_machine_is_told_through_no_proxy() {
    use crate::{
        client::{Device, Key, Partner, Pending, register},
        served::{Served, demo_data},
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("postern.toml"), "webhooks_anywhere = true\n").unwrap();
    let data = demo_data(folder.path());
    let (proxy, asked) = listener("502 Bad Gateway");
    let (receiver, heard) = listener("204 No Content");
    let proxied = [("http_proxy", &*proxy), ("HTTP_PROXY", &proxy), ("ALL_PROXY", &proxy)];
    let hub = Served::in_environment(folder.path(), "127.0.0.1:0", &proxied);
    let key = data["carriers"][0]["key"].as_str().unwrap().to_owned();
    let carrier = Partner { base: hub.base.clone(), key };
    carrier.post("/v1/carrier/webhooks", json!({ "url": format!("{receiver}/hook") })).await.ok();
    let pending = Pending::new();
    let (_, redirect) = register(&hub.base, &pending, "Ada").await;
    let clock = postern_hub::clock::Clock::default();
    let ada = Device::redeem(&hub.base, &pending, &redirect, Key::ed25519(), &clock).await;
    let recipient = ada.number().await;
    let parcel = json!({ "reference": "HX1", "recipient": recipient, "title": "Shoes", "site": "lindenhof", "size": "s" });
    carrier.post("/v1/carrier/parcels", parcel).await.ok();
    let message = tokio::task::spawn_blocking(move || heard.recv_timeout(Duration::from_secs(30)));
    let message = message.await.unwrap().unwrap();
    assert!(message.starts_with("POST /hook "), "{message}");
    assert!(asked.try_recv().is_err(), "the proxy was told of what is for this machine");
}
