//! A device of a customer, and a partner, over HTTP.

use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::Signer;
use p256::ecdsa::{Signature, SigningKey};
use postern_protocol::DeviceKey;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::passkey::Passkey;

/// One client for all tests.
pub(crate) fn http() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            // An answer that never comes fails the test instead of keeping it for ever; streams here are short.
            .timeout(std::time::Duration::from_secs(60))
            .build()
            .unwrap()
    })
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self.body
    }

    /// The code of a refusal, which must be a problem document.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        assert!(!self.status.is_success(), "{} {}", self.status, self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        assert_eq!(self.body["status"], self.status.as_u16());
        self.body["code"].as_str().unwrap().to_owned()
    }
}

/// A device key.
pub(crate) enum Key {
    Ed25519(ed25519_dalek::SigningKey),
    P256(SigningKey),
}

impl Key {
    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&postern_hub::random::bytes()))
    }

    pub(crate) fn p256() -> Self {
        Self::P256(SigningKey::from_slice(&postern_hub::random::bytes::<32>()).unwrap())
    }

    pub(crate) fn public(&self) -> DeviceKey {
        match self {
            Self::Ed25519(key) => DeviceKey::Ed25519(key.verifying_key().to_bytes()),
            Self::P256(key) => {
                DeviceKey::P256(key.verifying_key().to_sec1_point(true).as_bytes().try_into().unwrap())
            }
        }
    }

    fn jwk(&self) -> (&'static str, Value) {
        match self {
            Self::Ed25519(key) => (
                "EdDSA",
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(key.verifying_key().to_bytes()) }),
            ),
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let (x, y) = (encode(&point.as_bytes()[1..33]), encode(&point.as_bytes()[33..]));
                ("ES256", json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }))
            }
        }
    }

    /// RFC 7638: the members in lexicographic order.
    pub(crate) fn thumbprint(&self) -> String {
        let jwk = self.jwk().1;
        let members: Vec<String> = ["crv", "kty", "x", "y"]
            .into_iter()
            .filter_map(|name| Some(format!("\"{name}\":{}", jwk.get(name)?)))
            .collect();
        encode(Sha256::digest(format!("{{{}}}", members.join(","))))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        match self {
            Self::Ed25519(key) => key.sign(message).to_bytes(),
            Self::P256(key) => {
                let signature: Signature = Signer::sign(key, message);
                signature.to_bytes().into()
            }
        }
    }

    /// A DPoP proof with whatever header and claims a test wants.
    pub(crate) fn proof_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }

    pub(crate) fn header(&self) -> Value {
        let (alg, jwk) = self.jwk();
        json!({ "typ": "dpop+jwt", "alg": alg, "jwk": jwk })
    }

    /// A right DPoP proof.
    pub(crate) fn proof(&self, method: &str, url: &str, access_token: Option<&str>, now: i64) -> String {
        let mut claims = json!({ "jti": encode(postern_hub::random::bytes::<16>()), "htm": method, "htu": url, "iat": now });
        if let Some(token) = access_token {
            claims["ath"] = json!(encode(Sha256::digest(token)));
        }
        self.proof_with(&self.header(), &claims)
    }
}

/// A signed-in device.
pub(crate) struct Device {
    pub(crate) base: String,
    pub(crate) key: Key,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) clock: postern_hub::clock::Clock,
}

/// What the app keeps between opening the browser and its redirect.
pub(crate) struct Pending {
    pub(crate) verifier: String,
    pub(crate) state: String,
    pub(crate) redirect_uri: String,
}

impl Pending {
    pub(crate) fn new() -> Self {
        Self {
            verifier: postern_hub::random::secret(),
            state: postern_hub::random::secret(),
            redirect_uri: "http://127.0.0.1:49999/signed-in".to_owned(),
        }
    }

    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        vec![
            ("response_type", "code".to_owned()),
            ("client_id", "postern-app".to_owned()),
            ("redirect_uri", self.redirect_uri.clone()),
            ("state", self.state.clone()),
            ("code_challenge", encode(Sha256::digest(&self.verifier))),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }

    /// The sealed request that the page carries.
    pub(crate) async fn open_page(&self, base: &str) -> String {
        self.open_page_with(base, &[]).await
    }

    /// The same, with more in the request.
    pub(crate) async fn open_page_with(&self, base: &str, more: &[(&str, &str)]) -> String {
        let request = http().get(format!("{base}/authorize")).query(&self.query()).query(more);
        let answer = Answer::of(request).await;
        let html = answer.ok().as_str().unwrap().to_owned();
        html.split("data-request=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }

    /// The code in a redirect, whose state must be ours.
    pub(crate) fn code(&self, redirect: &str) -> String {
        let url = url::Url::parse(redirect).unwrap();
        assert!(redirect.starts_with(&self.redirect_uri), "{redirect}");
        let get = |name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!(get("state"), self.state);
        get("code")
    }
}

/// Posts JSON as the hub's own page does.
pub(crate) async fn page_post(base: &str, path: &str, body: &Value) -> Answer {
    Answer::of(http().post(format!("{base}{path}")).header("origin", base).json(body)).await
}

/// Makes an account with a passkey; the redirect that the browser follows.
pub(crate) async fn register(base: &str, pending: &Pending, name: &str) -> (Passkey, String) {
    let request = pending.open_page(base).await;
    let started =
        page_post(base, "/authorize/register/start", &json!({ "request": request, "name": name })).await.ok();
    let (passkey, credential) = Passkey::create(&started["options"], base);
    let body = json!({ "ceremony": started["ceremony"], "credential": credential });
    let done = page_post(base, "/authorize/register/finish", &body).await.ok();
    (passkey, done["redirect"].as_str().unwrap().to_owned())
}

/// Posts to the token endpoint.
pub(crate) async fn token_request(base: &str, key: &Key, form: &[(&str, &str)], now: i64) -> Answer {
    let url = format!("{base}/oauth/token");
    let proof = key.proof("POST", &url, None, now);
    Answer::of(http().post(url).header("DPoP", proof).form(form)).await
}

impl Device {
    /// Takes the code of `redirect` to the token endpoint.
    pub(crate) async fn redeem(
        base: &str,
        pending: &Pending,
        redirect: &str,
        key: Key,
        clock: &postern_hub::clock::Clock,
    ) -> Self {
        let code = pending.code(redirect);
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &pending.redirect_uri),
            ("client_id", "postern-app"),
            ("code_verifier", &pending.verifier),
            ("device_name", "Test phone"),
        ];
        let answer = token_request(base, &key, &form, clock.now()).await.ok();
        assert_eq!(answer["token_type"], "DPoP");
        Self::from_answer(base, key, &answer, clock)
    }

    /// With the tokens of this answer.
    pub(crate) fn from_answer(
        base: &str,
        key: Key,
        answer: &Value,
        clock: &postern_hub::clock::Clock,
    ) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let (access, refresh) = (text("access_token"), text("refresh_token"));
        Self { base: base.to_owned(), key, access, refresh, clock: clock.clone() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.base);
        let plain = url.split('?').next().unwrap();
        let proof = self.key.proof(method.as_str(), plain, Some(&self.access), self.clock.now());
        http()
            .request(method, &url)
            .header("authorization", format!("DPoP {}", self.access))
            .header("DPoP", proof)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        Answer::of(self.request(method, path).json(&body)).await
    }

    /// Gets a new access token by the refresh token.
    pub(crate) async fn refresh(&mut self) -> Answer {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", self.refresh.as_str()),
            ("client_id", "postern-app"),
        ];
        let answer = token_request(&self.base, &self.key, &form, self.clock.now()).await;
        if answer.status.is_success() {
            self.access = answer.body["access_token"].as_str().unwrap().to_owned();
            self.refresh = answer.body["refresh_token"].as_str().unwrap().to_owned();
        }
        answer
    }

    /// The customer number, as the app shows it.
    pub(crate) async fn number(&self) -> String {
        self.get("/v1/me").await.ok()["number"].as_str().expect("a customer number").to_owned()
    }

    /// All reservations.
    pub(crate) async fn reservations(&self) -> Vec<Value> {
        self.get("/v1/changes").await.ok()["reservations"].as_array().unwrap().clone()
    }

    /// The reservation that is called so.
    pub(crate) async fn named(&self, title: &str) -> Value {
        let all = self.reservations().await;
        all.iter()
            .find(|one| one["title"] == title)
            .unwrap_or_else(|| panic!("{title} not in {all:?}"))
            .clone()
    }
}

/// A carrier or operator.
pub(crate) struct Partner {
    pub(crate) base: String,
    pub(crate) key: String,
}

impl Partner {
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        http().request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        Answer::of(self.request(method, path).json(&body)).await
    }
}
