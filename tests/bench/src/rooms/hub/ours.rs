//! The hub itself, and its customers' phones.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use postern_hub::{
    auth::session::AccessToken,
    clock::Clock,
    hub::{Hub, Opening},
    random,
    secrets::Secrets,
    server,
};
use postern_protocol::{
    ClockState, Door, Operation, OperationNonce, Timestamp, TokenId,
    receipt::{self, Outcome, Receipt, Source},
};
use reqwest::{Method, Request};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{
    Database, What,
    load::{self, CLIENTS, Round},
    seed::{self, CUSTOMERS, RECEIPTS, TAKEN},
};

/// The one device key of all phones here.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn x() -> String {
    encode(key().verifying_key().to_bytes())
}

/// RFC 7638, as the hub makes it.
pub(crate) fn thumbprint() -> String {
    random::hash(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, x()))
}

/// Where a round takes its customers from: ours have the even cabinets, the bare server's the odd ones, so that neither
/// finds what the other changed.
pub(crate) struct Turn {
    cabinets: u64,
    odd: u64,
    next: u64,
}

impl Turn {
    pub(crate) fn new(on: &Database, odd: bool) -> Self {
        // Whole cabinets only.
        Self { cabinets: on.size / seed::EACH / CUSTOMERS / 2, odd: u64::from(odd), next: 0 }
    }

    /// A cabinet and one of its customers. A client keeps to cabinets of its own, so that each chain is written in order.
    pub(crate) fn take(&mut self, client: usize) -> (u64, u64) {
        let own = self.cabinets / CLIENTS as u64;
        let turn = self.next;
        self.next += 1;
        // Far apart, so that neighbours on a page are no neighbours in time.
        let at = (turn * 611_953) % own * CLIENTS as u64 + client as u64;
        let cabinet = 2 * at + self.odd;
        (cabinet, cabinet * CUSTOMERS + (turn / own) % CUSTOMERS)
    }
}

/// A hub with phones that ask it.
pub(crate) struct Ours {
    base: String,
    secrets: Secrets,
    client: reqwest::Client,
    clock: Clock,
    turn: Turn,
    /// What follows in each cabinet's chain.
    chains: std::collections::BTreeMap<u64, (u32, [u8; 16])>,
    hub: Option<Arc<Hub>>,
    hub_id: String,
    runtime: Runtime,
}

impl Ours {
    /// Serves `on` in this process.
    pub(crate) fn start(on: &Database) -> Result<Self> {
        let runtime = runtime()?;
        let clock = Clock::default();
        let (hub, base) = runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            let base = format!("http://localhost:{}", listener.local_addr()?.port());
            let config = seed::config(on);
            let opening =
                Opening { data: &on.folder, config, public_url: &base, demo: false, clock: clock.clone() };
            let hub = Hub::open(opening).await?;
            tokio::spawn(server::serve(Arc::clone(&hub), listener));
            anyhow::Ok((hub, base))
        })?;
        let (secrets, hub_id) = (hub.secrets.clone(), hub.id.clone());
        Ok(Self {
            base,
            secrets,
            client: load::client()?,
            clock,
            turn: Turn::new(on, false),
            chains: std::collections::BTreeMap::new(),
            hub: Some(hub),
            hub_id,
            runtime,
        })
    }

    /// Phones of a hub that serves `on` elsewhere.
    pub(crate) fn reach(on: &Database, base: &str) -> Result<Self> {
        let runtime = runtime()?;
        let client = load::client()?;
        let info: Value = runtime.block_on(async {
            client.get(format!("{base}/.well-known/postern")).send().await?.json().await
        })?;
        Ok(Self {
            base: base.to_owned(),
            secrets: Secrets::load_or_create(&on.folder.join("master.key"))?,
            client,
            clock: Clock::default(),
            turn: Turn::new(on, false),
            chains: std::collections::BTreeMap::new(),
            hub: None,
            hub_id: info["hub"].as_str().context("a hub without id")?.to_owned(),
            runtime,
        })
    }

    /// One round of requests, signed beforehand: that is the phone's time, not the hub's.
    pub(crate) fn round(&mut self, what: What) -> Result<Round> {
        if let (What::Book, Some(hub)) = (what, &self.hub) {
            free(&self.runtime, &hub.store)?;
        }
        let (runtime, client) = (self.runtime.handle().clone(), self.client.clone());
        load::round(&runtime, &client, |at| self.request(what, at))
    }

    fn request(&mut self, what: What, client: usize) -> Result<Request> {
        let (cabinet, customer) = self.turn.take(client);
        match what {
            What::Sync => {
                let cursor = format!("{}.5", self.hub_id);
                self.signed(customer, Method::GET, "/v1/changes", Some(&cursor), None)
            }
            What::Token => self.signed(customer, Method::POST, "/v1/tokens", None, Some(json!({}))),
            What::Book => {
                let wish = json!({ "title": "Skis", "site": seed::site(cabinet), "size": "m",
                                   "until": self.clock.now() + 86_400 });
                self.signed(customer, Method::POST, "/v1/storage", None, Some(wish))
            }
            What::Receipt => {
                let receipt = self.receipt(cabinet, customer)?;
                let upload = json!({ "receipts": [{ "locker": seed::locker(cabinet), "receipt": receipt }] });
                self.signed(customer, Method::POST, "/v1/receipts", None, Some(upload))
            }
        }
    }

    fn signed(
        &self,
        customer: u64,
        method: Method,
        path: &str,
        cursor: Option<&str>,
        body: Option<Value>,
    ) -> Result<Request> {
        let now = self.clock.now();
        let token = AccessToken { session: seed::session(customer), expires: now + 3600 }.seal(&self.secrets);
        let url = format!("{}{path}", self.base);
        let header =
            json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": { "kty": "OKP", "crv": "Ed25519", "x": x() } });
        let claims = json!({ "jti": encode(random::bytes::<16>()), "htm": method.as_str(), "htu": url, "iat": now,
                             "ath": random::hash(&token) });
        let text = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let proof = format!("{text}.{}", encode(key().sign(text.as_bytes()).to_bytes()));
        let url = cursor.map_or_else(|| url.clone(), |cursor| format!("{url}?cursor={cursor}"));
        let request = self.client.request(method, url);
        let request = request.header("authorization", format!("DPoP {token}")).header("DPoP", proof);
        Ok(match body {
            Some(body) => request.json(&body),
            None => request,
        }
        .build()?)
    }

    /// The next of the cabinet's chain: the customer opened one of the two doors.
    fn receipt(&mut self, cabinet: u64, customer: u64) -> Result<String> {
        let last = || -> Result<[u8; 16]> {
            let bytes = hex::decode(seed::hash((cabinet + 1) * RECEIPTS - 1))?;
            bytes.try_into().map_err(|_| anyhow!("a hash of 16 bytes"))
        };
        let (sequence, previous) = match self.chains.get(&cabinet) {
            Some(chain) => *chain,
            None => (RECEIPTS as u32, last()?),
        };
        let at = customer * 2 + u64::from(sequence % 2);
        let token: [u8; 16] =
            hex::decode(seed::token(at))?.try_into().map_err(|_| anyhow!("a token id of 16 bytes"))?;
        let keys = seed::keys(cabinet)?;
        let receipt = Receipt {
            locker: keys.id,
            sequence,
            previous,
            token: TokenId(token),
            nonce: OperationNonce(random::bytes()),
            door: Door((at % TAKEN) as u16 + 1),
            operation: Operation::Collect,
            outcome: Outcome::Opened,
            at: Timestamp(self.clock.now().unsigned_abs()),
            clock: ClockState::Set,
            handshake: [7; 16],
            source: Source::Radio,
            news: 0,
        };
        let bytes = receipt::sign(&receipt, &keys);
        self.chains.insert(cabinet, (sequence + 1, receipt::hash(&bytes)));
        Ok(encode(bytes))
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.take() {
            hub.stopping.cancel();
            self.runtime.block_on(hub.store.close());
        }
    }
}

/// Gives booked doors back, so that each round finds the cabinets as the first did.
pub(crate) fn free(runtime: &Runtime, store: &postern_hub::store::Store) -> Result<()> {
    runtime.block_on(async {
        let mut tx = store.begin().await?;
        sqlx::query("UPDATE doors SET reservation_id = NULL WHERE door > 32 AND reservation_id IS NOT NULL")
            .execute(tx.on())
            .await?;
        Ok(tx.commit().await?)
    })
}

/// As many threads as the machine has cores, for each server.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
