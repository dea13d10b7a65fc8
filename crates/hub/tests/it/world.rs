//! A hub that serves, with the demo's network and a locker in it.

use std::sync::Arc;

use postern_hub::{
    clock::Clock,
    config::Config,
    domain::demo,
    hub::{Hub, Opening},
    jobs, server,
};
use postern_protocol::{
    ClockState, Door, LockerId, LockerKeys, Operation, OperationNonce, Timestamp, TokenId,
    receipt::{self, Outcome, Receipt, Source},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::client::{Device, Key, Partner, Pending, encode, register};

/// A hub for one test.
pub(crate) struct World {
    pub(crate) hub: Arc<Hub>,
    pub(crate) base: String,
    pub(crate) clock: Clock,
    pub(crate) operator: Partner,
    pub(crate) heron: Partner,
    pub(crate) nordpost: Partner,
    folder: Arc<tempfile::TempDir>,
}

impl World {
    /// On SQLite.
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    /// With these settings.
    pub(crate) async fn with(config: Config) -> Self {
        Self::in_folder(config, Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// With these settings and the master key in this folder: a second instance beside the first.
    pub(crate) async fn in_folder(config: Config, folder: Arc<tempfile::TempDir>) -> Self {
        let filter = tracing_subscriber::EnvFilter::try_from_default_env();
        let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let clock = Clock::default();
        let opening =
            Opening { data: folder.path(), config, public_url: &base, demo: true, clock: clock.clone() };
        let hub = Hub::open(opening).await.unwrap();
        let data = demo::prepare(&hub.store, &hub.secrets, hub.clock.now()).await.unwrap();
        let data = serde_json::to_value(data).unwrap();
        jobs::start(&hub).unwrap();
        tokio::spawn(server::serve(Arc::clone(&hub), listener));
        let partner = |key: &Value| Partner { base: base.clone(), key: key.as_str().unwrap().to_owned() };
        Self {
            operator: partner(&data["operator_key"]),
            heron: partner(&data["carriers"][0]["key"]),
            nordpost: partner(&data["carriers"][1]["key"]),
            hub,
            base,
            clock,
            folder,
        }
    }

    /// The folder with master key and database.
    pub(crate) fn folder(&self) -> Arc<tempfile::TempDir> {
        Arc::clone(&self.folder)
    }

    /// A customer with a new account.
    pub(crate) async fn customer(&self, name: &str) -> Device {
        let pending = Pending::new();
        let (_, redirect) = register(&self.base, &pending, name).await;
        Device::redeem(&self.base, &pending, &redirect, Key::ed25519(), &self.clock).await
    }

    /// A cabinet with columns A to D of four doors joins the network.
    pub(crate) async fn locker(&self) -> Locker {
        self.locker_at("lindenhof").await
    }

    /// The same at a site of its own, which the demo gives nothing at.
    pub(crate) async fn locker_elsewhere(&self) -> Locker {
        let site = json!({ "name": "Hafen", "address": "Kai 1", "latitude": 53.5, "longitude": 9.9, "hours": "24/7",
                           "always_open": true, "access": "public", "step_free": true });
        self.operator.send(reqwest::Method::PUT, "/v1/operator/sites/hafen", site).await.ok();
        self.locker_at("hafen").await
    }

    async fn locker_at(&self, site: &str) -> Locker {
        let locker = Locker::new();
        self.operator
            .post("/v1/operator/lockers", json!({ "descriptor": locker.descriptor(site) }))
            .await
            .ok();
        locker
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.hub.stopping.cancel();
    }
}

/// A locker's keys and chain of receipts.
pub(crate) struct Locker {
    pub(crate) id: String,
    pub(crate) keys: LockerKeys,
    pub(crate) sequence: u32,
    pub(crate) previous: [u8; 16],
    /// Number of the newest bulletin that it has taken in.
    pub(crate) news: u32,
    /// It measures what lies inside.
    pub(crate) sensors: bool,
    /// What it opened last, to be closed.
    pub(crate) opened: Option<Receipt>,
}

impl Locker {
    pub(crate) fn new() -> Self {
        let id = LockerId(postern_hub::random::bytes());
        let keys = LockerKeys::from_seed(id, &postern_hub::random::bytes());
        let (id, previous) = (id.to_string(), [0; 16]);
        Self { id, keys, sequence: 0, previous, news: 0, sensors: true, opened: None }
    }

    /// As its installer tells the hub.
    pub(crate) fn descriptor(&self, site: &str) -> Value {
        let identity = self.keys.identity();
        let doors: Vec<_> = (0..16)
            .map(|n: u16| {
                let (column, row) = (n / 4, n % 4);
                let label = format!("{}{}", char::from(b'A' + column as u8), row + 1);
                let reach = if row == 3 { "floor" } else if row == 0 { "high" } else { "easy" };
                let size = ["s", "m", "l", "xl"][usize::from(column)];
                json!({ "door": n + 1, "label": label, "column": column, "row": row, "height": 1, "size": size,
                        "reach": reach, "chilled": false })
            })
            .collect();
        json!({ "id": self.id, "name": "Lindenhof 1", "site": site, "static_key": encode(identity.static_key),
                "receipt_key": encode(identity.receipt_key), "scanner": true, "keypad": true, "reopen_minutes": 10,
                "content_sensors": self.sensors, "doors": doors })
    }

    /// Number of the door that is labelled so.
    pub(crate) fn door(label: &str) -> u16 {
        let label = label.as_bytes();
        u16::from(label[0] - b'A') * 4 + u16::from(label[1] - b'0')
    }

    /// The next receipt of its chain, as a phone uploads it.
    pub(crate) fn receipt(
        &mut self,
        grant: &Value,
        operation: Operation,
        outcome: Outcome,
        at: i64,
    ) -> Value {
        let token = hex::decode(grant["token_id"].as_str().unwrap()).unwrap();
        let receipt = Receipt {
            locker: self.keys.id,
            sequence: self.sequence,
            previous: self.previous,
            token: TokenId(token.try_into().unwrap()),
            nonce: OperationNonce(postern_hub::random::bytes()),
            door: Door(grant["doors"][0].as_u64().unwrap() as u16),
            operation,
            outcome,
            at: Timestamp(at as u64),
            clock: ClockState::Set,
            handshake: [7; 16],
            source: Source::Radio,
            news: self.news,
        };
        self.sign(receipt)
    }

    /// The closing of what it opened last, and what it measured then.
    pub(crate) fn closed(&mut self, outcome: Outcome, at: i64) -> Value {
        let mut receipt = self.opened.clone().expect("something was opened");
        (receipt.sequence, receipt.previous) = (self.sequence, self.previous);
        (receipt.outcome, receipt.at, receipt.news) = (outcome, Timestamp(at as u64), self.news);
        self.sign(receipt)
    }

    fn sign(&mut self, receipt: Receipt) -> Value {
        let bytes = receipt::sign(&receipt, &self.keys);
        self.sequence += 1;
        self.previous = receipt::hash(&bytes);
        if receipt.outcome.may_be_open() {
            self.opened = Some(receipt);
        }
        json!({ "locker": self.id, "receipt": encode(bytes) })
    }

    /// Takes in the news that somebody brings, of an answer with `bulletins`.
    pub(crate) fn hear(&mut self, answer: &Value) {
        for bulletin in answer["bulletins"].as_array().unwrap() {
            if bulletin["locker"] == json!(self.id) {
                self.news = self.news.max(bulletin["number"].as_u64().unwrap() as u32);
            }
        }
    }
}
