//! `POST /oauth/token` (RFC 6749 sections 4.1.3 and 6, RFC 7636, RFC 9449).

use std::sync::Arc;

use axum::{
    Form, Json,
    extract::{State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use postern_api::{
    account::{OAuthError, RevocationRequest, TokenRequest, TokenResponse},
    problem::Code,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{CLIENT, request::tidy_name};
use crate::{
    auth::{
        customer::{proof_header, remember_everywhere},
        dpop::{self, Proof},
        session::AccessToken,
    },
    domain::{account, couriers, demo, device},
    error::{Error, Refusal},
    hub::Hub,
    random,
    routes::Caller,
    store::{Backend, RowExt, Tx},
};

/// Why no token is given, in the words of RFC 6749 section 5.2.
pub(super) struct Denied(StatusCode, &'static str, String);

impl Denied {
    fn request(why: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, "invalid_request", why.to_owned())
    }

    fn grant(why: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, "invalid_grant", why.to_owned())
    }
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        let Refusal { code, detail, .. } = error.into_refusal();
        let why = detail.map(std::borrow::Cow::into_owned).unwrap_or_default();
        match code {
            Code::BadProof => Self(StatusCode::BAD_REQUEST, "invalid_dpop_proof", why),
            Code::Throttled => Self(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", why),
            Code::Unavailable => Self(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", why),
            _ => Self(StatusCode::INTERNAL_SERVER_ERROR, "server_error", why),
        }
    }
}

impl From<sqlx::Error> for Denied {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let description = Some(self.2).filter(|why| !why.is_empty());
        let body = OAuthError { error: self.1.to_owned(), error_description: description };
        let mut response = (self.0, Json(body)).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
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
    headers: HeaderMap,
    form: Result<Form<TokenRequest>, FormRejection>,
) -> Result<Response, Denied> {
    hub.sign_ins.take(&caller.0)?;
    let Form(request) = form.map_err(|_| Denied::request("the form is not understood"))?;
    let now = hub.clock.now();
    let proof = check_proof(&hub, &headers, "/oauth/token", now).await?;
    let answer = match request {
        TokenRequest::AuthorizationCode { code, redirect_uri, client_id, code_verifier, device_name } => {
            check_client(&client_id)?;
            let asked = Redeem { code, redirect_uri, code_verifier, device_name };
            redeem(&hub, asked, &proof, now).await?
        }
        TokenRequest::Enrolment { code, client_id, device_name } => {
            check_client(&client_id)?;
            enrol(&hub, &code, device_name.as_deref(), &proof, now).await?
        }
        TokenRequest::RefreshToken { refresh_token, client_id } => {
            check_client(&client_id)?;
            refresh(&hub, &refresh_token, &proof, now).await?
        }
    };
    let mut response = Json(answer).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The device's proof for this very request.
async fn check_proof(hub: &Hub, headers: &HeaderMap, path: &str, now: i64) -> Result<Proof, Error> {
    let url = format!("{}{path}", hub.public_url());
    let proof = dpop::verify(proof_header(headers)?, "POST", &url, None, now)?;
    if !hub.replays.fresh(&proof.id, now) {
        return Err(crate::error::refuse(Code::BadProof, "proof was used before"));
    }
    if hub.store.backend() == Backend::Postgres {
        remember_everywhere(hub, &proof.id, now).await?;
    }
    Ok(proof)
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
    headers: HeaderMap,
    form: Result<Form<RevocationRequest>, FormRejection>,
) -> Result<Response, Denied> {
    hub.sign_ins.take(&caller.0)?;
    let Form(request) = form.map_err(|_| Denied::request("the form is not understood"))?;
    check_client(&request.client_id)?;
    let now = hub.clock.now();
    let proof = check_proof(&hub, &headers, "/oauth/revoke", now).await?;
    let mut tx = hub.store.begin().await?;
    let row = sqlx::query(
        "SELECT s.id, s.thumbprint FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id \
         WHERE r.hash = $1 AND s.revoked_at IS NULL",
    )
    .bind(random::hash(&request.token))
    .fetch_optional(tx.on())
    .await?;
    if let Some(row) = row {
        if row.text("thumbprint")? != proof.thumbprint {
            let why = "bound to another key".to_owned();
            return Err(Denied(StatusCode::BAD_REQUEST, "invalid_dpop_proof", why));
        }
        device::revoke(&mut tx, &row.text("id")?, now).await?;
        tx.commit().await?;
    }
    Ok([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))].into_response())
}

fn check_client(client: &str) -> Result<(), Denied> {
    if client == CLIENT {
        Ok(())
    } else {
        Err(Denied(StatusCode::BAD_REQUEST, "invalid_client", String::new()))
    }
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
    if hub.demo && account::wants_demo(&mut tx, &account).await? {
        demo::give(hub, &mut tx, &account).await?;
    }
    tx.commit().await?;
    Ok(answer)
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

async fn refresh(hub: &Hub, token: &str, proof: &Proof, now: i64) -> Result<TokenResponse, Denied> {
    let mut tx = hub.store.begin().await?;
    let hash = random::hash(token);
    let row = sqlx::query(
        "SELECT r.session_id, r.used_at, r.expires_at, s.thumbprint, s.revoked_at FROM refresh_tokens r \
         JOIN sessions s ON s.id = r.session_id WHERE r.hash = $1",
    )
    .bind(&hash)
    .fetch_optional(tx.on())
    .await?
    .ok_or_else(|| Denied::grant("the refresh token is not valid"))?;
    // A thief without the device key learns nothing and changes nothing: reuse is only looked at for the right key.
    if row.text("thumbprint")? != proof.thumbprint {
        return Err(Denied(StatusCode::BAD_REQUEST, "invalid_dpop_proof", "bound to another key".to_owned()));
    }
    if row.maybe_int("revoked_at")?.is_some() {
        return Err(Denied::grant("device_revoked"));
    }
    if row.int("expires_at")? <= now {
        return Err(Denied::grant("the refresh token is over"));
    }
    let session = row.text("session_id")?;
    let taken = sqlx::query("UPDATE refresh_tokens SET used_at = $1 WHERE hash = $2 AND used_at IS NULL")
        .bind(now)
        .bind(&hash)
        .execute(tx.on())
        .await?
        .rows_affected();
    if taken == 0 && !lost_answer(&mut tx, &session, row.maybe_int("used_at")?, now).await? {
        // RFC 9700 section 4.14.2: reuse means that somebody has a copy; the whole session ends.
        tracing::warn!("a refresh token was used twice");
        device::revoke(&mut tx, &session, now).await?;
        tx.commit().await?;
        return Err(Denied::grant("the refresh token was used before"));
    }
    let answer = issue(hub, &mut tx, &session, now).await?;
    tx.commit().await?;
    Ok(answer)
}

/// An app whose connection broke before the answer came asks again with the token it still has. That is told from theft
/// by three facts together: the same device key signs, it is at most a minute later, and nobody has used a token that
/// came of the first answer.
async fn lost_answer(tx: &mut Tx, session: &str, used_at: Option<i64>, now: i64) -> Result<bool, Denied> {
    let Some(used_at) = used_at else { return Ok(false) };
    let later = sqlx::query(
        "SELECT COUNT(*) AS used FROM refresh_tokens WHERE session_id = $1 AND issued_at >= $2 AND used_at IS NOT NULL",
    )
    .bind(session)
    .bind(used_at)
    .fetch_one(tx.on())
    .await?
    .int("used")?;
    if now - used_at > 60 || later > 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM refresh_tokens WHERE session_id = $1 AND used_at IS NULL")
        .bind(session)
        .execute(tx.on())
        .await?;
    Ok(true)
}

pub(crate) async fn issue(hub: &Hub, tx: &mut Tx, session: &str, now: i64) -> Result<TokenResponse, Error> {
    let refresh_token = random::secret();
    sqlx::query(
        "INSERT INTO refresh_tokens (hash, session_id, issued_at, expires_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(random::hash(&refresh_token))
    .bind(session)
    .bind(now)
    .bind(now + hub.config.policy.session_days * 86_400)
    .execute(tx.on())
    .await?;
    let life = hub.config.policy.access_token_seconds;
    let access = AccessToken { session: session.to_owned(), expires: now + life };
    Ok(TokenResponse {
        access_token: access.seal(&hub.secrets),
        token_type: "DPoP".to_owned(),
        expires_in: u32::try_from(life).unwrap_or(600),
        refresh_token,
    })
}
