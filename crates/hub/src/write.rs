//! Writes that can be repeated: `Idempotency-Key`.
//!
//! The key, the fingerprint of the request and the answer are kept in the very transaction that makes the change, so
//! that a repeated request gets the first one's answer whatever happened in between, and one that failed leaves
//! nothing behind.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, MatchedPath, OriginalUri, Request},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use postern_api::problem::Code;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{
    attempt,
    error::{Error, Result, invalid, refuse},
    hub::Hub,
    random,
    routes::contract::named,
    secrets::{Sealer, Secrets},
    store::{RowExt, Tx},
};

/// Answers may hold what was given away once (claim links), so they are kept sealed.
const PURPOSE: &str = "idempotent answer";

/// A request that changes something, with its body.
pub struct Write<T> {
    /// The body.
    pub body: T,
    /// What repeats it.
    pub repeat: Repeat,
}

/// How a request that changes something is recognised when it comes again.
pub struct Repeat {
    key: Option<String>,
    fingerprint: String,
}

/// No body. An empty one and `{}` are both taken.
#[derive(Default)]
pub struct Empty;

impl<'de> serde::Deserialize<'de> for Empty {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Hub>> for Write<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &Arc<Hub>) -> Result<Self> {
        let method = request.method().clone();
        let path = request
            .extensions()
            .get::<OriginalUri>()
            .map_or_else(|| request.uri().path().to_owned(), |uri| uri.path().to_owned());
        let headers = request.headers();
        let key = match headers.get("idempotency-key").map(HeaderValue::to_str) {
            None => None,
            Some(Ok(key)) if (8..=128).contains(&key.len()) => Some(key.to_owned()),
            Some(_) => return Err(refuse(Code::Malformed, "Idempotency-Key: 8 to 128 ASCII characters")),
        };
        let json =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|kind| {
                kind.split(';')
                    .next()
                    .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
            });
        let coded = headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let strict = route.filter(|route| named::is_strict(route)).map(str::to_owned);
        let bytes = attempt::body(request, state).await?;
        if !bytes.is_empty() && !json {
            return Err(refuse(Code::UnsupportedMediaType, "Content-Type must be application/json"));
        }
        if !bytes.is_empty() && coded {
            return Err(refuse(Code::UnsupportedMediaType, "no Content-Encoding is understood"));
        }
        if names_nul(&bytes) {
            return Err(refuse(Code::Malformed, "no NUL in text"));
        }
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        let malformed = |error: serde_json::Error| invalid("", error.to_string());
        if let Some(route) = strict {
            named::body(method.as_str(), &route, &serde_json::from_slice(text).map_err(malformed)?)?;
        }
        let body = serde_json::from_slice(text).map_err(malformed)?;
        let mut digest = Sha256::new();
        for part in [method.as_str().as_bytes(), path.as_bytes(), &bytes] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Ok(Self { body, repeat: Repeat { key, fingerprint: random::encode(digest.finalize()) } })
    }
}

/// Whether JSON has a NUL in a text, which PostgreSQL does not keep. JSON itself allows it as `\u0000` only.
fn names_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escape = &rest[at + 1..];
        if escape.starts_with(b"u0000") {
            return true;
        }
        // What is escaped is over: the second of two backslashes begins nothing.
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

/// What a write begins with.
pub enum Begun {
    /// Go on.
    Fresh(Change),
    /// It was done before: this was the answer.
    Before(Response),
}

/// A change that is being made in answer to a request.
pub struct Change {
    /// The transaction.
    pub tx: Tx,
    claimed: Option<(String, String, Secrets)>,
}

impl Repeat {
    /// Begins the change, or finds the answer that was given before.
    ///
    /// # Errors
    /// `IdempotencyMismatch` where the key was used for another request.
    pub async fn begin(self, hub: &Hub, principal: String) -> Result<Begun> {
        let mut tx = hub.store.begin().await?;
        let Some(key) = self.key else { return Ok(Begun::Fresh(Change { tx, claimed: None })) };
        let new = sqlx::query(
            "INSERT INTO idempotency (principal, idempotency_key, fingerprint, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&principal)
        .bind(&key)
        .bind(&self.fingerprint)
        .bind(hub.clock.now())
        .execute(tx.on())
        .await?
        .rows_affected();
        if new == 1 {
            return Ok(Begun::Fresh(Change { tx, claimed: Some((principal, key, hub.secrets.clone())) }));
        }
        let row = sqlx::query(
            "SELECT fingerprint, status, body FROM idempotency WHERE principal = $1 AND idempotency_key = $2",
        )
        .bind(&principal)
        .bind(&key)
        // One that vanished meanwhile, with its account, is looked for once more from the beginning.
        .fetch_one(tx.on())
        .await?;
        if row.text("fingerprint")? != self.fingerprint {
            return Err(Code::IdempotencyMismatch.into());
        }
        let status =
            u16::try_from(row.int("status")?).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let status =
            status.ok_or_else(|| Error::Internal("an idempotency row without an answer".to_owned()))?;
        let sealed = random::decode(&row.text("body")?).unwrap_or_default();
        let body = String::from_utf8_lossy(&hub.secrets.open(PURPOSE, &sealed)?).into_owned();
        Ok(Begun::Before(respond(status, body)))
    }
}

impl Change {
    /// Commits the change together with its answer.
    ///
    /// # Errors
    /// When the database could not keep it; then nothing happened.
    pub async fn finish(self, status: StatusCode, answer: &impl Serialize) -> Result<Response> {
        let body = serde_json::to_string(answer).map_err(|error| Error::Internal(error.to_string()))?;
        self.end(status, body).await
    }

    /// Commits a change that has nothing to say.
    ///
    /// # Errors
    /// As [`Change::finish`].
    pub async fn done(self) -> Result<Response> {
        self.end(StatusCode::NO_CONTENT, String::new()).await
    }

    async fn end(mut self, status: StatusCode, body: String) -> Result<Response> {
        if let Some((principal, key, secrets)) = self.claimed {
            sqlx::query(
                "UPDATE idempotency SET status = $1, body = $2 WHERE principal = $3 AND idempotency_key = $4",
            )
            .bind(i64::from(status.as_u16()))
            .bind(random::encode(secrets.seal(PURPOSE, body.as_bytes())?))
            .bind(principal)
            .bind(key)
            .execute(self.tx.on())
            .await?;
        }
        self.tx.commit().await?;
        Ok(respond(status, body))
    }
}

fn respond(status: StatusCode, body: String) -> Response {
    if body.is_empty() {
        return status.into_response();
    }
    let etag = serde_json::from_str::<serde_json::Value>(&body)
        .ok()
        .and_then(|value| value.get("version")?.as_u64());
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(etag) = etag.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::names_nul;

    #[test]
    fn a_nul_is_found_and_what_looks_like_one_is_not() {
        assert!(names_nul(br#"{"a":"x\u0000"}"#));
        assert!(names_nul(br#""\\\u0000""#));
        for fine in [&br#""\\u0000""#[..], br#""\u0001\n""#, b"", b"\\", br#""u0000""#] {
            assert!(!names_nul(fine), "{}", String::from_utf8_lossy(fine));
        }
    }
}
