//! `POST /oauth/token` (RFC 6749 sections 4.1.3 and 6, RFC 7636, RFC 9449).

use std::sync::Arc;

use axum::{
    Form, Json,
    body::Body,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use postern_api::{
    account::{OAuthError, RevocationRequest, TokenRequest, TokenResponse},
    problem::Code,
};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{CLIENT, request::tidy_name};
use crate::{
    attempt::{self, Repeated},
    auth::{
        caller::Caller,
        customer::{proof_header, remember_everywhere},
        dpop::{self, Proof},
        session::AccessToken,
    },
    domain::{account, couriers, demo, device},
    error::{Error, OtherTries, Refusal, unavailable},
    hub::Hub,
    random,
    store::{Backend, RowExt, Tx},
};

/// Why no token is given, in the words of RFC 6749 section 5.2.
pub(super) struct Denied {
    status: StatusCode,
    error: &'static str,
    why: String,
    /// Seconds.
    retry_after: Option<u32>,
    other_tries: usize,
}

impl Denied {
    fn new(status: StatusCode, error: &'static str, why: impl Into<String>) -> Self {
        Self { status, error, why: why.into(), retry_after: None, other_tries: 0 }
    }

    fn request(why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", why)
    }

    fn grant(why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", why)
    }

    fn proof(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_dpop_proof", why)
    }
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        let Refusal { code, detail, status, retry_after, other_tries, .. } = error.into_refusal();
        let why = detail.map(std::borrow::Cow::into_owned).unwrap_or_default();
        let (usual, error) = match code {
            Code::BadProof => return Self::proof(why),
            Code::Malformed => return Self::request(&why),
            Code::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
            Code::Throttled => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
            Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        };
        Self { retry_after, other_tries, ..Self::new(status.unwrap_or(usual), error, why) }
    }
}

impl From<sqlx::Error> for Denied {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let description = Some(self.why).filter(|why| !why.is_empty());
        let body = OAuthError { error: self.error.to_owned(), error_description: description };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.other_tries > 0 {
            response.extensions_mut().insert(OtherTries(self.other_tries));
        }
        response
    }
}

/// A form of OAuth's.
pub(super) struct Asked<T>(T);

impl<T: DeserializeOwned> FromRequest<Arc<Hub>> for Asked<T> {
    type Rejection = Denied;

    async fn from_request(request: Request, hub: &Arc<Hub>) -> Result<Self, Denied> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE).cloned();
        let bytes = attempt::body(Request::from_parts(parts, body), hub).await?;
        let mut request = Request::post("/").body(Body::from(bytes)).map_err(|_| Denied::request(""))?;
        request.headers_mut().extend(kind.map(|kind| (header::CONTENT_TYPE, kind)));
        let Form(form) = Form::from_request(request, hub)
            .await
            .map_err(|_| Denied::request("the form is not understood"))?;
        Ok(Self(form))
    }
}

/// Tokens for a code, an enrolment code or a refresh token.
#[utoipa::path(post, path = "/oauth/token", tag = "sign-in",
    params(("DPoP" = String, Header, description = "Proof by the device key for this request (RFC 9449), without `ath`.")),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenResponse),
        (status = "default", body = OAuthError, description = "Refused (RFC 6749 section 5.2).")))]
pub(super) async fn token(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    Repeated(repeated): Repeated,
    headers: HeaderMap,
    Asked(request): Asked<TokenRequest>,
) -> Result<Response, Denied> {
    let now = hub.clock.now();
    let asking = Asking::check(&hub, &caller, &headers, "/oauth/token", repeated, now)?;
    let answer = match request {
        TokenRequest::AuthorizationCode { code, redirect_uri, client_id, code_verifier, device_name } => {
            check_client(&client_id)?;
            asking.counted_by_address().await?;
            let asked = Redeem { code, redirect_uri, code_verifier, device_name };
            redeem(&hub, asked, &asking.proof, now).await?
        }
        TokenRequest::Enrolment { code, client_id, device_name } => {
            check_client(&client_id)?;
            asking.counted_by_address().await?;
            enrol(&hub, &code, device_name.as_deref(), &asking.proof, now).await?
        }
        TokenRequest::RefreshToken { refresh_token, client_id } => {
            check_client(&client_id)?;
            refresh(&asking, &refresh_token).await?
        }
    };
    let mut response = Json(answer).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Who asks for or gives back tokens: a device with a proof for this very request.
struct Asking<'a> {
    hub: &'a Hub,
    proof: Proof,
    caller: &'a Caller,
    repeated: bool,
    now: i64,
}

impl<'a> Asking<'a> {
    fn check(
        hub: &'a Hub,
        caller: &'a Caller,
        headers: &HeaderMap,
        path: &str,
        repeated: bool,
        now: i64,
    ) -> Result<Self, Error> {
        let url = format!("{}{path}", hub.public_url());
        let proof = dpop::verify(proof_header(headers)?, "POST", &url, None, now)?;
        if !repeated && !hub.replays.fresh(&proof.id, now) {
            return Err(crate::error::refuse(Code::BadProof, "proof was used before"));
        }
        Ok(Self { hub, proof, caller, repeated, now })
    }

    /// Of somebody who has shown nothing that the hub gave them: all of one address have so many a minute.
    async fn counted_by_address(&self) -> Result<(), Error> {
        if !self.repeated {
            self.hub.sign_ins.take(&self.caller.0)?;
        }
        self.remembered().await
    }

    /// Of a session's own device.
    async fn counted_by_session(&self, session: &str) -> Result<(), Error> {
        if !self.repeated {
            self.hub.renewals.take(session)?;
        }
        self.remembered().await
    }

    async fn remembered(&self) -> Result<(), Error> {
        if self.hub.store.backend() == Backend::Postgres && !self.repeated {
            remember_everywhere(self.hub, &self.proof.id, self.now).await?;
        }
        Ok(())
    }

    /// The session that a refresh token is or was of, where the token is known and the session's key made the proof. Whoever
    /// knows no token or not its key is slowed by their address, and writes nothing.
    async fn session_of(&self, token: &str) -> Result<Option<Session>, Denied> {
        let row = sqlx::query(
            "SELECT s.id, s.thumbprint, s.revoked_at FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id WHERE r.hash = $1",
        )
        .bind(random::hash(token))
        .fetch_optional(self.hub.store.read())
        .await?;
        let Some(row) = row else {
            self.counted_by_address().await?;
            return Ok(None);
        };
        // A thief without the device key learns nothing and changes nothing: reuse is only looked at for the right key.
        if row.text("thumbprint")? != self.proof.thumbprint {
            self.counted_by_address().await?;
            return Err(Denied::proof("bound to another key"));
        }
        let session = Session { id: row.text("id")?, ended: row.maybe_int("revoked_at")?.is_some() };
        self.counted_by_session(&session.id).await?;
        Ok(Some(session))
    }
}

struct Session {
    id: String,
    ended: bool,
}

/// `POST /oauth/revoke` (RFC 7009): the device signs itself out. A refresh token that was used up does as well, for the
/// answer with the newer one may have been lost. Only the device's own key ends its session: a token alone, found
/// somewhere, cannot be used against its owner.
#[utoipa::path(post, path = "/oauth/revoke", tag = "sign-in",
    params(("DPoP" = String, Header, description = "Proof by the device key for this request (RFC 9449), without `ath`.")),
    request_body(content = RevocationRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The session is over, or the token was not good."),
        (status = "default", body = OAuthError, description = "Refused (RFC 6749 section 5.2).")))]
pub(super) async fn revoke(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    Repeated(repeated): Repeated,
    headers: HeaderMap,
    Asked(request): Asked<RevocationRequest>,
) -> Result<Response, Denied> {
    check_client(&request.client_id)?;
    let now = hub.clock.now();
    let asking = Asking::check(&hub, &caller, &headers, "/oauth/revoke", repeated, now)?;
    if let Some(session) = asking.session_of(&request.token).await?.filter(|session| !session.ended) {
        let mut tx = hub.store.begin().await?;
        device::revoke(&mut tx, &session.id, now).await?;
        tx.commit().await?;
    }
    Ok([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))].into_response())
}

fn check_client(client: &str) -> Result<(), Denied> {
    if client == CLIENT { Ok(()) } else { Err(Denied::new(StatusCode::BAD_REQUEST, "invalid_client", "")) }
}

struct Redeem {
    code: String,
    redirect_uri: String,
    code_verifier: String,
    device_name: Option<String>,
}

async fn redeem(hub: &Hub, asked: Redeem, proof: &Proof, now: i64) -> Result<TokenResponse, Denied> {
    let refused = || Denied::grant("the code is not valid");
    let mut tx = hub.store.begin().await?;
    let hash = random::hash(&asked.code);
    // Taken and looked at in one step: of two requests with one code, the second finds it used.
    let fresh = sqlx::query(
        "UPDATE auth_codes SET used_at = $1 WHERE hash = $2 AND used_at IS NULL \
         RETURNING account_id, redirect_uri, challenge, thumbprint, device_name, expires_at",
    )
    .bind(now)
    .bind(&hash)
    .fetch_optional(tx.on())
    .await?;
    let Some(row) = fresh else {
        // RFC 6749 section 4.1.2: a code that comes twice was stolen; what it gave is taken back.
        let used = sqlx::query("SELECT session_id FROM auth_codes WHERE hash = $1")
            .bind(&hash)
            .fetch_optional(tx.on())
            .await?;
        if let Some(session) = used.and_then(|row| row.maybe_text("session_id").ok().flatten()) {
            tracing::warn!("an authorization code was used twice");
            device::revoke(&mut tx, &session, now).await?;
            tx.commit().await?;
        }
        return Err(refused());
    };
    let challenge = random::encode(Sha256::digest(asked.code_verifier.as_bytes()));
    let right = row.int("expires_at")? > now
        && row.text("redirect_uri")? == asked.redirect_uri
        && (43..=128).contains(&asked.code_verifier.len())
        && bool::from(challenge.as_bytes().ct_eq(row.text("challenge")?.as_bytes()))
        && row.maybe_text("thumbprint")?.is_none_or(|bound| bound == proof.thumbprint);
    if !right {
        // The code is used up all the same: nobody may try verifiers on it.
        tx.commit().await?;
        return Err(refused());
    }
    let account = row.text("account_id")?;
    let name =
        asked.device_name.as_deref().and_then(tidy_name).map_or_else(|| row.text("device_name"), Ok)?;
    let share = account::share_of_guest(&mut tx, &account).await?;
    let session = device::sign_in(&mut tx, &account, &name, proof, share.as_deref(), now).await?;
    sqlx::query("UPDATE auth_codes SET session_id = $1 WHERE hash = $2")
        .bind(&session)
        .bind(&hash)
        .execute(tx.on())
        .await?;
    let answer = issue(hub, &mut tx, &session, now).await?;
    tx.commit().await?;
    if hub.demo
        && let Err(error) = give_demo(hub, &account).await
    {
        // The next locker brings it; signing in does not fail for it.
        tracing::info!(%error, "the demo's content was not given");
    }
    Ok(answer)
}

async fn give_demo(hub: &Hub, account: &str) -> Result<(), Error> {
    let mut tx = hub.store.begin().await?;
    if account::wants_demo(&mut tx, account).await? {
        demo::give(hub, &mut tx, account).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// A courier's device: no browser, no passkey; whoever made the code is answerable for it.
async fn enrol(
    hub: &Hub,
    code: &str,
    name: Option<&str>,
    proof: &Proof,
    now: i64,
) -> Result<TokenResponse, Denied> {
    let mut tx = hub.store.begin().await?;
    let courier =
        couriers::enrol(&mut tx, code, now).await?.ok_or_else(|| Denied::grant("the code is not valid"))?;
    let name = name.and_then(tidy_name).unwrap_or_else(|| "Courier's device".to_owned());
    let session = device::sign_in(&mut tx, &courier, &name, proof, None, now).await?;
    let answer = issue(hub, &mut tx, &session, now).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Purpose of the key that [`successor`] is made with.
const SUCCESSOR: &str = "refresh token's successor";

/// The refresh token that follows `token`: always the same one. Two requests at once, or one whose answer was lost, are given
/// the same, so that there is one newest token of a session at any time, and only a copy can bring one before it.
fn successor(hub: &Hub, token: &str) -> String {
    random::encode(hub.secrets.mac(SUCCESSOR, token.as_bytes()))
}

async fn refresh(asking: &Asking<'_>, token: &str) -> Result<TokenResponse, Denied> {
    let Asking { hub, now, .. } = *asking;
    let unknown = || Denied::grant("the refresh token is not valid");
    let Session { id: session, .. } = asking.session_of(token).await?.ok_or_else(unknown)?;
    let mut tx = hub.store.begin().await?;
    let hash = random::hash(token);
    // Of two at once, the second waits here and then sees what the first has done.
    let fresh = sqlx::query("UPDATE refresh_tokens SET used_at = $1 WHERE hash = $2 AND used_at IS NULL")
        .bind(now)
        .bind(&hash)
        .execute(tx.on())
        .await?
        .rows_affected()
        == 1;
    let row = sqlx::query(
        "SELECT r.used_at, r.expires_at, s.revoked_at FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id \
         WHERE r.hash = $1",
    )
    .bind(&hash)
    .fetch_optional(tx.on())
    .await?
    .ok_or_else(unknown)?;
    if row.maybe_int("revoked_at")?.is_some() {
        return Err(Denied::grant("device_revoked"));
    }
    if row.int("expires_at")? <= now {
        if !hub.belief.is_sure(&hub.clock) {
            // What a wrong clock says does not sign anybody out.
            return Err(unavailable(60, "the hub's clock is in doubt").into());
        }
        return Err(Denied::grant("the refresh token is over"));
    }
    let next = successor(hub, token);
    let followed = sqlx::query("SELECT used_at FROM refresh_tokens WHERE hash = $1")
        .bind(random::hash(&next))
        .fetch_optional(tx.on())
        .await?;
    let stolen = match &followed {
        Some(next) => next.maybe_int("used_at")?.is_some(),
        None if fresh => false,
        // A hub of before gave it another successor: was any later token used?
        None => {
            let later = "SELECT hash FROM refresh_tokens WHERE session_id = $1 AND hash <> $2 AND issued_at >= $3 \
                         AND used_at IS NOT NULL LIMIT 1";
            let later = sqlx::query(later).bind(&session).bind(&hash).bind(row.int("used_at")?);
            later.fetch_optional(tx.on()).await?.is_some()
        }
    };
    if stolen {
        // RFC 9700 section 4.14.2: reuse means that somebody has a copy; the whole session ends.
        tracing::warn!("a refresh token was used after the one that follows it");
        device::revoke(&mut tx, &session, now).await?;
        tx.commit().await?;
        return Err(Denied::grant("the refresh token was used before"));
    }
    if followed.is_none() {
        keep(hub, &mut tx, &session, &next, now).await?;
    }
    tx.commit().await?;
    Ok(answer(hub, &session, next, now))
}

/// The first tokens of a session.
pub(crate) async fn issue(hub: &Hub, tx: &mut Tx, session: &str, now: i64) -> Result<TokenResponse, Error> {
    let refresh_token = random::secret();
    keep(hub, tx, session, &refresh_token, now).await?;
    Ok(answer(hub, session, refresh_token, now))
}

async fn keep(hub: &Hub, tx: &mut Tx, session: &str, refresh_token: &str, now: i64) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO refresh_tokens (hash, session_id, issued_at, expires_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(random::hash(refresh_token))
    .bind(session)
    .bind(now)
    .bind(now + hub.config.policy.session_days * 86_400)
    .execute(tx.on())
    .await?;
    Ok(())
}

fn answer(hub: &Hub, session: &str, refresh_token: String, now: i64) -> TokenResponse {
    let life = hub.config.policy.access_token_seconds;
    let access = AccessToken { session: session.to_owned(), expires: now + life };
    TokenResponse {
        access_token: access.seal(&hub.secrets),
        token_type: "DPoP".to_owned(),
        expires_in: u32::try_from(life).unwrap_or(600),
        refresh_token,
    }
}
