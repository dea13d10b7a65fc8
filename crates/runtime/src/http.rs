//! Requests to the hub.

use std::{
    collections::HashMap,
    error::Error as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use postern_core::{
    effect::{Auth, Body, HttpRequest, Method},
    event::{HttpFailure, HttpResponse},
};
use postern_vault::dpop::Prover;
use reqwest::{
    RequestBuilder, Response, StatusCode,
    header::{self, HeaderMap, HeaderValue},
};
use tokio::sync::OnceCell;
use url::{Host, Url};

use crate::{clock, roots::Roots};

/// For one whole exchange.
const TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// The largest body that the core is given.
const BODY_LIMIT: usize = 16 << 20;
/// A clock difference below this is not worth acting on: it is the time that an answer takes.
const SKEW_SECONDS: i64 = 5;

/// The connection to whichever hub the core names.
pub(crate) struct Http {
    roots: Roots,
    /// To hubs elsewhere. Made at the first use: reading the platform's certificates takes longer than drawing the first
    /// list.
    far: OnceCell<reqwest::Client>,
    /// To a hub on this machine: never by way of a proxy, whatever the environment says. Plain http is allowed there only
    /// because it does not leave the machine.
    near: OnceCell<reqwest::Client>,
    /// Newest `DPoP-Nonce` of each origin (RFC 9449 §8).
    nonces: Mutex<HashMap<String, String>>,
    /// The hub's clock minus ours, seconds. A proof is dated by the hub's clock, so that a phone with a wrong clock
    /// can still sign in; that its clock is wrong the core sees and says.
    skew: AtomicI64,
}

impl Http {
    /// Believes what these roots vouch for.
    pub(crate) fn new(roots: Roots) -> Self {
        let (far, near) = (OnceCell::new(), OnceCell::new());
        Self { roots, far, near, nonces: Mutex::default(), skew: AtomicI64::new(0) }
    }

    async fn client(&self, url: &Url) -> Result<&reqwest::Client, HttpFailure> {
        let near = is_this_machine(url);
        let make = || async {
            let roots = self.roots.clone();
            match tokio::task::spawn_blocking(move || client(&roots, near)).await {
                Ok(Ok(client)) => Ok(client),
                Ok(Err(error)) => {
                    tracing::error!(code = "no_http", %error, "HTTP cannot be set up");
                    Err(HttpFailure::Unreachable)
                }
                Err(_) => Err(HttpFailure::Unreachable),
            }
        };
        let client = if near { &self.near } else { &self.far };
        client.get_or_try_init(make).await
    }

    /// One exchange. A request that needs a proof and has no key to make it with fails as unreachable.
    pub(crate) async fn send(
        &self,
        request: &HttpRequest,
        prover: Option<&Prover>,
    ) -> Result<HttpResponse, HttpFailure> {
        let exchange = async {
            let response = self.exchange(request, prover, None).await?;
            read(response).await
        };
        tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or(Err(HttpFailure::TimedOut))
    }

    /// Sends and returns once the head of the answer is there. Repeats once where the hub asks for its nonce.
    pub(crate) async fn exchange(
        &self,
        request: &HttpRequest,
        prover: Option<&Prover>,
        accept: Option<&'static str>,
    ) -> Result<Response, HttpFailure> {
        let url = allowed(&request.url).ok_or(HttpFailure::Unreachable)?;
        let origin = url.origin().ascii_serialization();
        let mut repeated = false;
        loop {
            let nonce = self.nonce(&origin);
            let built = self.build(request, &url, prover, nonce.as_deref(), accept).await?;
            let response = built.send().await.map_err(|error| failure(&error))?;
            self.learn_time(response.headers());
            let offered = self.learn_nonce(&origin, response.headers());
            let asked = wants_nonce(&response) && offered && !repeated && request.auth.wants_proof();
            if !asked {
                return Ok(response);
            }
            repeated = true;
        }
    }

    async fn build(
        &self,
        request: &HttpRequest,
        url: &Url,
        prover: Option<&Prover>,
        nonce: Option<&str>,
        accept: Option<&'static str>,
    ) -> Result<RequestBuilder, HttpFailure> {
        let method = method(request.method);
        let mut builder = self.client(url).await?.request(method.clone(), url.clone());
        builder = builder.header(header::ACCEPT, accept.unwrap_or("application/json"));
        if let Some(key) = &request.idempotency_key {
            builder = builder.header("idempotency-key", key);
        }
        builder = match &request.body {
            None => builder,
            Some(Body::Json(bytes)) => {
                builder.header(header::CONTENT_TYPE, "application/json").body(bytes.to_vec())
            }
            Some(Body::Form(bytes)) => {
                builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(bytes.to_vec())
            }
        };
        let access_token = match &request.auth {
            Auth::None => return Ok(builder),
            Auth::Proof => None,
            Auth::Token(token) => Some(token.as_str()),
        };
        let prover = prover.ok_or(HttpFailure::Unreachable)?;
        let mut uri = url.clone();
        uri.set_query(None);
        uri.set_fragment(None);
        let issued_at = clock::unix_ms().div_euclid(1000) + self.skew();
        let proof = prover
            .prove(method.as_str(), uri.as_str(), access_token, nonce, issued_at)
            .await
            .map_err(|error| {
                tracing::warn!(code = "no_proof", %error, "the device key made no proof");
                HttpFailure::Unreachable
            })?;
        if let Some(token) = access_token {
            let mut value =
                HeaderValue::try_from(format!("DPoP {token}")).map_err(|_| HttpFailure::Unreachable)?;
            value.set_sensitive(true);
            builder = builder.header(header::AUTHORIZATION, value);
        }
        Ok(builder.header("dpop", proof))
    }

    fn skew(&self) -> i64 {
        let skew = self.skew.load(Ordering::Relaxed);
        if skew.abs() > SKEW_SECONDS { skew } else { 0 }
    }

    fn learn_time(&self, headers: &HeaderMap) {
        if let Some(date) = date(headers) {
            self.skew.store(date - clock::unix_ms().div_euclid(1000), Ordering::Relaxed);
        }
    }

    fn nonce(&self, origin: &str) -> Option<String> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner).get(origin).cloned()
    }

    /// True where the hub named one.
    fn learn_nonce(&self, origin: &str, headers: &HeaderMap) -> bool {
        let nonce = headers.get("dpop-nonce").and_then(|v| v.to_str().ok()).filter(|n| n.len() <= 256);
        let Some(nonce) = nonce else { return false };
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.insert(origin.to_owned(), nonce.to_owned());
        true
    }
}

/// The one place that makes a client, so that no other is made without its roots (`one_place_makes_clients`).
fn client(roots: &Roots, near: bool) -> Result<reqwest::Client, ClientError> {
    let builder = roots.trusted_by(reqwest::Client::builder())?;
    let builder = if near { builder.no_proxy() } else { builder };
    let client = builder
        .user_agent(concat!("postern/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry credentials to where the customer did not sign in.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        // The kernel finds a dead push connection without waking us.
        .tcp_keepalive(Duration::from_secs(60))
        .tcp_keepalive_interval(Duration::from_secs(20))
        .tcp_keepalive_retries(3)
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(2)
        .build()?;
    Ok(client)
}

/// Why there is no HTTP.
#[derive(Debug, thiserror::Error)]
enum ClientError {
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// What of [`Auth`] the transport must know.
trait Proven {
    fn wants_proof(&self) -> bool;
}

impl Proven for Auth {
    fn wants_proof(&self) -> bool {
        !matches!(self, Auth::None)
    }
}

/// The URL, if credentials may go there: https, or http to this very machine.
pub(crate) fn allowed(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    match url.scheme() {
        "https" if url.has_host() => Some(url),
        "http" if is_this_machine(&url) => Some(url),
        _ => None,
    }
}

/// What is sent there does not leave this machine.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// The hub refused a proof because it carried no nonce, or an old one: said in the header by a resource, and by the
/// status alone by a token endpoint, whose body we leave to the core.
fn wants_nonce(response: &Response) -> bool {
    match response.status() {
        StatusCode::UNAUTHORIZED => response
            .headers()
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .any(|v| v.to_str().is_ok_and(|v| v.contains("use_dpop_nonce"))),
        StatusCode::BAD_REQUEST => response.headers().contains_key("dpop-nonce"),
        _ => false,
    }
}

/// `Date`, UNIX seconds.
fn date(headers: &HeaderMap) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

async fn read(mut response: Response) -> Result<HttpResponse, HttpFailure> {
    let status = response.status().as_u16();
    let date = date(response.headers());
    let etag = response.headers().get(header::ETAG).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + chunk.len() > BODY_LIMIT {
            tracing::warn!(code = "answer_too_large", status, "an answer of the hub was cut off");
            return Err(HttpFailure::TimedOut);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse { status, date, etag, body: body.into() })
}

/// What a failure means to the customer. Only a request that never left is `Unreachable`; one that left and was not
/// answered may have been carried out.
fn failure(error: &reqwest::Error) -> HttpFailure {
    if is_tls(error) {
        HttpFailure::Tls
    } else if error.is_connect() || error.is_builder() {
        HttpFailure::Unreachable
    } else {
        HttpFailure::TimedOut
    }
}

fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if is_of_tls(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Of rustls itself, or wrapped for the sake of `io`: such an error hides what it wraps from `source`, and may be wrapped
/// again.
fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || wrapped.is_some_and(|wrapped| is_of_tls(wrapped))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::*;

    /// On Android a client that asks the platform whom to believe panics at its first use (`roots`).
    #[test]
    fn one_place_makes_clients() {
        fn look(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    look(&path, found);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                    for _ in code.matches("reqwest::Client::").chain(code.matches("ClientBuilder::new")) {
                        found.push(path.clone());
                    }
                }
            }
        }
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut found = Vec::new();
        // What phones carry.
        for room in ["api", "core", "protocol", "radio", "runtime", "vault"] {
            look(&crates.join(room).join("src"), &mut found);
        }
        look(&crates.join("../src-tauri/src"), &mut found);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with("runtime/src/http.rs"), "{found:?}");
    }

    #[test]
    fn credentials_go_to_https_or_to_this_machine_only() {
        for good in
            ["https://hub.example/v1", "http://localhost:8080/", "http://127.0.0.1:1/x", "http://[::1]:9/"]
        {
            assert!(allowed(good).is_some(), "{good}");
        }
        for bad in [
            "http://hub.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "ftp://localhost/",
            "https://user:pass@hub.example/",
            "file:///etc/passwd",
            "not a url",
        ] {
            assert!(allowed(bad).is_none(), "{bad}");
        }
    }
}
