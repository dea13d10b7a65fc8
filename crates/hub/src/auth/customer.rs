//! The customer behind a request: `Authorization: DPoP …` and a proof by the session's device key.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::{HeaderMap, header, request::Parts},
};
use postern_api::problem::Code;
use postern_protocol::DeviceKey;
use sqlx::any::AnyRow;

use super::{dpop, seen, session::AccessToken};
use crate::{
    attempt::Attempt,
    domain::view::Viewer,
    error::{Error, Result, refuse},
    hub::Hub,
    store::{Backend, RowExt},
};

/// A signed-in device of an account.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Account id.
    pub account: String,
    /// Session id, which is the device id.
    pub session: String,
    /// The device key, which tokens are bound to.
    pub key: DeviceKey,
    /// The share that a guest came by, who has no account of their own.
    pub guest_of: Option<String>,
    /// The carrier that a courier's device works for.
    pub courier_of: Option<String>,
    /// When the access token ends.
    pub expires: i64,
}

impl Customer {
    /// Whose idempotency keys these are.
    #[must_use]
    pub fn principal(&self) -> String {
        format!("session {}", self.session)
    }

    /// As whom reservations are shown.
    #[must_use]
    pub fn viewer(&self) -> Viewer<'_> {
        Viewer { account: &self.account, guest: self.guest_of.is_some() }
    }

    /// Only for those with an account of their own.
    ///
    /// # Errors
    /// `Forbidden` for guests and couriers.
    pub fn has_own_account(&self) -> Result<()> {
        if self.guest_of.is_some() {
            return Err(refuse(Code::Forbidden, "not for guests"));
        }
        self.is_no_courier()
    }

    /// Not for couriers, whose accounts are their carrier's.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn is_no_courier(&self) -> Result<()> {
        match self.courier_of {
            None => Ok(()),
            Some(_) => Err(refuse(Code::Forbidden, "not for couriers")),
        }
    }

    /// The carrier that a courier works for.
    ///
    /// # Errors
    /// `Forbidden` for everybody else.
    pub fn carrier(&self) -> Result<String> {
        self.courier_of.clone().ok_or_else(|| refuse(Code::Forbidden, "for couriers"))
    }
}

impl FromRequestParts<Arc<Hub>> for Customer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self> {
        let token = credential(&parts.headers, "DPoP").ok_or(Code::Unauthenticated)?;
        let now = hub.clock.now();
        let access = AccessToken::open(token, &hub.secrets, now).ok_or(Code::Unauthenticated)?;
        if access.expires <= hub.signed_in_since + hub.config.policy.access_token_seconds {
            return Err(Code::Unauthenticated.into());
        }
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        let url = format!("{}{}", hub.public_url(), uri.path());
        let proof =
            dpop::verify(proof_header(&parts.headers)?, parts.method.as_str(), &url, Some(token), now)?;
        let repeated = Attempt::is_repeated(parts);
        if !repeated && !hub.replays.fresh(&proof.id, now) {
            return Err(refuse(Code::BadProof, "proof was used before"));
        }
        let remembered = hub.store.backend() == Backend::Postgres && !parts.method.is_safe();
        let session = if remembered {
            session_and_proof(hub, &access.session, &proof, now).await?
        } else {
            sqlx::query(SESSION).bind(&access.session).fetch_optional(hub.store.read()).await?
        }
        .ok_or(Code::Unauthenticated)?;
        if session.maybe_int("revoked_at")?.is_some() {
            return Err(Code::DeviceRevoked.into());
        }
        if session.text("thumbprint")? != proof.thumbprint {
            return Err(refuse(Code::BadProof, "not the key that the session is bound to"));
        }
        if remembered && !repeated && session.int("fresh")? == 0 {
            return Err(refuse(Code::BadProof, "proof was used before"));
        }
        // Charged to nobody before it is theirs: an access token alone uses up nothing of its owner's.
        if !repeated {
            hub.requests.take_of_request(&access.session, &parts.extensions)?;
        }
        let hour = seen::hour(now);
        if session.int("last_seen_at")? < hour {
            hub.seen.note(&access.session, hour);
        }
        Ok(Self {
            account: session.text("account_id")?,
            session: access.session,
            key: proof.key,
            guest_of: session.maybe_text("share_id")?,
            courier_of: session.maybe_text("courier_of")?,
            expires: access.expires,
        })
    }
}

/// The one `DPoP` header.
///
/// # Errors
/// `BadProof` where there is none or more than one.
pub fn proof_header(headers: &HeaderMap) -> Result<&str> {
    let mut all = headers.get_all("dpop").iter();
    match (all.next().and_then(|value| value.to_str().ok()), all.next()) {
        (Some(proof), None) => Ok(proof),
        _ => Err(refuse(Code::BadProof, "exactly one DPoP header is needed")),
    }
}

/// What follows `scheme` in the `Authorization` header.
#[must_use]
pub fn credential<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (named, credential) = value.split_once(' ')?;
    named.eq_ignore_ascii_case(scheme).then_some(credential.trim())
}

/// Of the session and its account.
macro_rules! session {
    () => {
        "SELECT s.account_id, s.thumbprint, s.share_id, s.last_seen_at, s.revoked_at, a.courier_of FROM sessions s \
         JOIN accounts a ON a.id = s.account_id WHERE s.id = $1"
    };
}

const SESSION: &str = session!();

/// The session, and in the same breath what [`remember_everywhere`] does, where the proof is of the session's key. `fresh`
/// is 1 where nobody has seen it.
async fn session_and_proof(
    hub: &Hub,
    session: &str,
    proof: &dpop::Proof,
    now: i64,
) -> Result<Option<AnyRow>> {
    let found = sqlx::query(concat!(
        "WITH session AS (",
        session!(),
        "), seen AS (INSERT INTO proofs_seen (id, expires_at) SELECT $2, CAST($3 AS BIGINT) FROM session \
         WHERE revoked_at IS NULL AND thumbprint = $4 ON CONFLICT DO NOTHING RETURNING id) \
         SELECT session.*, (SELECT COUNT(*) FROM seen) AS fresh FROM session"
    ))
    .bind(session)
    .bind(&proof.id)
    .bind(now + 2 * dpop::WINDOW)
    .bind(&proof.thumbprint)
    .fetch_optional(hub.store.passing())
    .await?;
    Ok(found)
}

/// Several instances: what changes something must not be replayed at another one. As with one instance, which remembers in
/// memory, a machine that loses power may forget what it saw last.
///
/// # Errors
/// `BadProof` when another instance has seen it.
pub async fn remember_everywhere(hub: &Hub, proof: &str, now: i64) -> Result<()> {
    let new = sqlx::query("INSERT INTO proofs_seen (id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(proof)
        .bind(now + 2 * dpop::WINDOW)
        .execute(hub.store.passing())
        .await?
        .rows_affected();
    if new == 1 { Ok(()) } else { Err(refuse(Code::BadProof, "proof was used before")) }
}
