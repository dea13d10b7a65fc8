//! Proofs of possession (RFC 9449) with the device key: Ed25519 (`EdDSA`) or P-256 (`ES256`).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use postern_api::problem::Code;
use postern_protocol::DeviceKey;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    error::{Result, refuse},
    random,
};

/// How far a proof's `iat` may be from the hub's clock, seconds. Phones are off; the answer's `Date` sets them right.
pub const WINDOW: i64 = 120;

/// Longest proof that is looked at, characters.
const LONGEST: usize = 2048;

/// A proof that verified.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The key that made it.
    pub key: DeviceKey,
    /// RFC 7638 thumbprint of that key, base64url.
    pub thumbprint: String,
    /// What makes it unique.
    pub id: String,
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Jwk,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: Option<String>,
    // Tolerated, without meaning here; a private part (`d`) is refused like everything unknown.
    #[serde(rename = "kid")]
    _kid: Option<String>,
    #[serde(rename = "use")]
    _use: Option<String>,
    #[serde(rename = "alg")]
    _alg: Option<String>,
    #[serde(rename = "key_ops")]
    _key_ops: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    ath: Option<String>,
}

/// Verifies `proof` for a request with `method` to `url` (without query) at `now`, and for `access_token` where one was
/// sent. Replay is the caller's to check, with [`Replays`].
///
/// # Errors
/// [`Code::BadProof`] with the reason.
pub fn verify(proof: &str, method: &str, url: &str, access_token: Option<&str>, now: i64) -> Result<Proof> {
    let bad = |why: &'static str| refuse(Code::BadProof, why);
    if proof.len() > LONGEST {
        return Err(bad("too long"));
    }
    let (signed, signature) = proof.rsplit_once('.').ok_or_else(|| bad("not a JWT"))?;
    let (header, claims) = signed.split_once('.').ok_or_else(|| bad("not a JWT"))?;
    let part = |text: &str| random::decode(text).ok_or_else(|| bad("not base64url"));
    let header: Header = serde_json::from_slice(&part(header)?).map_err(|_| bad("header not understood"))?;
    if header.typ != "dpop+jwt" {
        return Err(bad("typ is not dpop+jwt"));
    }
    let (key, thumbprint) =
        read_key(&header.alg, &header.jwk).ok_or_else(|| bad("key or alg not accepted"))?;
    let signature: [u8; 64] = part(signature)?.try_into().map_err(|_| bad("signature length"))?;
    if !key.verify(signed.as_bytes(), &signature) {
        return Err(bad("signature does not verify"));
    }
    let claims: Claims = serde_json::from_slice(&part(claims)?).map_err(|_| bad("claims not understood"))?;
    if claims.jti.len() < 8 || claims.jti.len() > 128 {
        return Err(bad("jti length"));
    }
    if claims.htm != method {
        return Err(bad("htm is another method"));
    }
    if !same_url(&claims.htu, url) {
        return Err(bad("htu is another address"));
    }
    if claims.iat.checked_sub(now).is_none_or(|off| off.abs() > WINDOW) {
        return Err(bad("iat is too far from the hub's clock"));
    }
    let wanted = access_token.map(random::hash);
    if wanted != claims.ath {
        return Err(bad("ath does not match the access token"));
    }
    let id = random::hash(&format!("{thumbprint}.{}", claims.jti));
    Ok(Proof { key, thumbprint, id })
}

/// Compares as RFC 9449 section 4.3 asks: query and fragment do not count, scheme and host without case, default ports
/// are the same as none.
fn same_url(claimed: &str, wanted: &str) -> bool {
    if claimed == wanted {
        return true;
    }
    let plain = |text: &str| {
        let mut url = url::Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    match (plain(claimed), plain(wanted)) {
        (Some(claimed), Some(wanted)) => claimed == wanted,
        _ => false,
    }
}

fn read_key(alg: &str, jwk: &Jwk) -> Option<(DeviceKey, String)> {
    let coordinate = |text: &str| -> Option<[u8; 32]> { random::decode(text)?.try_into().ok() };
    match (alg, jwk.kty.as_str(), jwk.crv.as_str(), &jwk.y) {
        ("EdDSA" | "Ed25519", "OKP", "Ed25519", None) => {
            let key = DeviceKey::Ed25519(coordinate(&jwk.x)?);
            // RFC 7638 section 3.2 and RFC 8037: required members only, in the order of their names.
            let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, jwk.x);
            key.is_valid().then(|| (key, thumbprint(&canonical)))
        }
        ("ES256", "EC", "P-256", Some(y)) => {
            let (x, y_bytes) = (coordinate(&jwk.x)?, coordinate(y)?);
            let mut compressed = [0; 33];
            compressed[0] = 2 | (y_bytes[31] & 1);
            compressed[1..].copy_from_slice(&x);
            let key = DeviceKey::P256(compressed);
            let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{y}"}}"#, jwk.x);
            (key.is_valid() && on_curve(&x, &y_bytes)).then(|| (key, thumbprint(&canonical)))
        }
        _ => None,
    }
}

/// The thumbprint covers both coordinates, the token only one and a sign: they must describe the same point.
fn on_curve(x: &[u8; 32], y: &[u8; 32]) -> bool {
    let mut point = [4; 65];
    point[1..33].copy_from_slice(x);
    point[33..].copy_from_slice(y);
    p256::PublicKey::from_sec1_bytes(&point).is_ok()
}

fn thumbprint(canonical: &str) -> String {
    random::encode(Sha256::digest(canonical.as_bytes()))
}

/// Proofs seen within the window, by this process.
#[derive(Default)]
pub struct Replays {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    newer: HashMap<String, ()>,
    older: HashMap<String, ()>,
    turned_at: i64,
}

impl Replays {
    /// Forgets everything, as a process does that starts anew.
    pub fn forget_all(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
    }

    /// Remembers `id`; false where it was seen before within at least twice [`WINDOW`] (a proof lives that long).
    pub fn fresh(&self, id: &str, now: i64) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Two generations: each lives for a whole validity span, so nothing is forgotten too early and nothing is kept
        // for long, without a timer or a sorted index.
        let age = now.saturating_sub(seen.turned_at);
        if !(0..=2 * WINDOW).contains(&age) {
            let kept = std::mem::take(&mut seen.newer);
            seen.older = if age > 4 * WINDOW { HashMap::new() } else { kept };
            seen.turned_at = now;
        }
        if seen.older.contains_key(id) {
            return false;
        }
        seen.newer.insert(id.to_owned(), ()).is_none()
    }
}
