//! WebAuthn ceremonies. Their state stays in the database, is used up by the end, and names the request it is for.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
};
use postern_api::problem::Code;
use serde::{Deserialize, Serialize};
use webauthn_rs::prelude::{
    CreationChallengeResponse, CredentialID, DiscoverableAuthentication, Passkey, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, RequestChallengeResponse, Uuid,
};
use webauthn_rs_proto::ResidentKeyRequirement;

use super::{AuthorizationRequest, code, request::tidy_name};
use crate::{
    auth::caller::Caller,
    domain::{account, shares},
    error::{Error, Result, invalid, refuse},
    hub::Hub,
    random,
    store::{RowExt, Tx},
    write::Write,
};

/// Seconds between start and finish.
const LIFE: i64 = 300;

#[derive(Deserialize)]
pub(super) struct RegisterStart {
    request: String,
    name: String,
}

#[derive(Deserialize)]
pub(super) struct SignInStart {
    request: String,
}

#[derive(Deserialize)]
pub(super) struct RecoverStart {
    request: String,
    code: String,
}

#[derive(Serialize)]
pub(super) struct Started<T> {
    ceremony: String,
    options: T,
}

#[derive(Deserialize)]
pub(super) struct Finish<T> {
    ceremony: String,
    credential: T,
}

#[derive(Serialize)]
pub(super) struct Finished {
    redirect: String,
}

/// What a sign-in leads to.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum SignedIn {
    Done(Finished),
    /// The customer wants another passkey: they have shown one, now they make one.
    Add(Box<Started<CreationChallengeResponse>>),
}

/// What a ceremony is for.
#[derive(Serialize, Deserialize)]
enum Ceremony {
    Register { request: AuthorizationRequest, handle: Uuid, name: String, state: PasskeyRegistration },
    SignIn { request: AuthorizationRequest, state: DiscoverableAuthentication },
    Recover { request: AuthorizationRequest, account: String, code: String, state: PasskeyRegistration },
    Add { request: AuthorizationRequest, account: String, state: PasskeyRegistration },
}

/// Only the hub's own page may start or finish a ceremony, not one elsewhere that the same browser shows.
fn from_own_page(hub: &Hub, headers: &HeaderMap) -> Result<()> {
    match headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) {
        Some(origin) if origin == hub.public_url() => Ok(()),
        _ => Err(refuse(Code::Forbidden, "from another origin")),
    }
}

fn open_request(hub: &Hub, text: &str) -> Result<AuthorizationRequest> {
    AuthorizationRequest::open(text, hub).ok_or_else(|| invalid("/request", "over, or not of this hub"))
}

pub(super) async fn register_start(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    headers: HeaderMap,
    Write { body, .. }: Write<RegisterStart>,
) -> Result<Json<Started<CreationChallengeResponse>>> {
    from_own_page(&hub, &headers)?;
    hub.sign_ins.take(&caller.0)?;
    let request = open_request(&hub, &body.request)?;
    let name = tidy_name(&body.name).ok_or_else(|| invalid("/name", "1 to 64 characters"))?;
    let handle = Uuid::new_v4();
    let (options, state) = begin_registration(&hub, handle, &name, None)?;
    let ceremony = keep(&hub, &Ceremony::Register { request, handle, name, state }).await?;
    Ok(Json(Started { ceremony, options }))
}

fn begin_registration(
    hub: &Hub,
    handle: Uuid,
    name: &str,
    known: Option<Vec<CredentialID>>,
) -> Result<(CreationChallengeResponse, PasskeyRegistration)> {
    let (mut options, state) = hub
        .webauthn
        .start_passkey_registration(handle, name, name, known)
        .map_err(|error| Error::Internal(format!("passkey registration: {error}")))?;
    // Signing in asks for no name, so the authenticator must be able to find the passkey by itself.
    if let Some(selection) = &mut options.public_key.authenticator_selection {
        selection.resident_key = Some(ResidentKeyRequirement::Required);
        selection.require_resident_key = true;
    }
    Ok((options, state))
}

pub(super) async fn register_finish(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    headers: HeaderMap,
    Write { body, .. }: Write<Finish<RegisterPublicKeyCredential>>,
) -> Result<Json<Finished>> {
    from_own_page(&hub, &headers)?;
    hub.sign_ins.take(&caller.0)?;
    let now = hub.clock.now();
    let mut tx = hub.store.begin().await?;
    let ceremony = take(&mut tx, &body.ceremony, now).await?;
    let state = match &ceremony {
        Ceremony::Register { state, .. } | Ceremony::Recover { state, .. } | Ceremony::Add { state, .. } => {
            state
        }
        Ceremony::SignIn { .. } => return Err(used_up(tx, over()).await),
    };
    let passkey = match finish_registration(&hub, &body.credential, state) {
        Ok(passkey) => passkey,
        Err(refused) => return Err(used_up(tx, refused).await),
    };
    let (request, account) = match ceremony {
        Ceremony::Register { request, handle, name, .. } => {
            let account = account::create(&mut tx, handle, &name, now).await?;
            account::add_passkey(&mut tx, &account, &passkey, "Passkey", now).await?;
            (request, account)
        }
        Ceremony::Recover { request, account, code, .. } => {
            account::use_recovery_code(&mut tx, &code).await?;
            account::add_passkey(&mut tx, &account, &passkey, "Passkey after recovery", now).await?;
            (request, account)
        }
        Ceremony::Add { request, account, .. } => {
            account::add_passkey(&mut tx, &account, &passkey, "Another passkey", now).await?;
            (request, account)
        }
        Ceremony::SignIn { .. } => return Err(over()),
    };
    finish(&hub, tx, &request, (&account, false), &headers).await
}

/// Sends the customer back to the app with a code, after taking up the claim link that brought them.
async fn finish(
    hub: &Hub,
    mut tx: Tx,
    request: &AuthorizationRequest,
    (account, guest): (&str, bool),
    headers: &HeaderMap,
) -> Result<Json<Finished>> {
    if let Some(claim) = &request.claim {
        shares::claim(hub, &mut tx, account, guest, claim).await?;
    }
    let device = device_name(request, headers);
    let code = code::issue(&mut tx, request, account, &device, hub.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(Finished { redirect: request.success(hub, &code) }))
}

/// Someone with a claim link and no account collects as a guest, who sees that one reservation.
pub(super) async fn guest(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    headers: HeaderMap,
    Write { body, .. }: Write<SignInStart>,
) -> Result<Json<Finished>> {
    from_own_page(&hub, &headers)?;
    hub.sign_ins.take(&caller.0)?;
    let request = open_request(&hub, &body.request)?;
    let Some(claim) = &request.claim else {
        return Err(refuse(Code::Forbidden, "no claim link"));
    };
    let mut tx = hub.store.begin().await?;
    let account = match shares::guest_again(&hub, &mut tx, claim, request.thumbprint.as_deref()).await? {
        Some(account) => account,
        None => account::create_guest(&mut tx, hub.clock.now()).await?,
    };
    finish(&hub, tx, &request, (&account, true), &headers).await
}

fn finish_registration(
    hub: &Hub,
    credential: &RegisterPublicKeyCredential,
    state: &PasskeyRegistration,
) -> Result<Passkey> {
    hub.webauthn.finish_passkey_registration(credential, state).map_err(|error| {
        tracing::info!(%error, "a passkey was not accepted");
        refuse(Code::Unauthenticated, "the passkey was not accepted")
    })
}

pub(super) async fn sign_in_start(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    headers: HeaderMap,
    Write { body, .. }: Write<SignInStart>,
) -> Result<Json<Started<RequestChallengeResponse>>> {
    from_own_page(&hub, &headers)?;
    hub.sign_ins.take(&caller.0)?;
    let request = open_request(&hub, &body.request)?;
    let (options, state) = hub
        .webauthn
        .start_discoverable_authentication()
        .map_err(|error| Error::Internal(format!("passkey sign-in: {error}")))?;
    let ceremony = keep(&hub, &Ceremony::SignIn { request, state }).await?;
    Ok(Json(Started { ceremony, options }))
}

pub(super) async fn sign_in_finish(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    headers: HeaderMap,
    Write { body, .. }: Write<Finish<PublicKeyCredential>>,
) -> Result<Json<SignedIn>> {
    from_own_page(&hub, &headers)?;
    hub.sign_ins.take(&caller.0)?;
    let now = hub.clock.now();
    let unknown = || refuse(Code::Unauthenticated, "the passkey was not accepted");
    let mut tx = hub.store.begin().await?;
    let Ceremony::SignIn { request, state } = take(&mut tx, &body.ceremony, now).await? else {
        return Err(used_up(tx, over()).await);
    };
    let Ok((handle, credential_id)) = hub.webauthn.identify_discoverable_authentication(&body.credential)
    else {
        return Err(used_up(tx, unknown()).await);
    };
    let row = sqlx::query(
        "SELECT p.id, p.account_id, p.credential FROM passkeys p JOIN accounts a ON a.id = p.account_id \
         WHERE p.credential_id = $1 AND a.handle = $2",
    )
    .bind(random::encode(credential_id))
    .bind(handle.to_string())
    .fetch_optional(tx.on())
    .await?;
    let Some(row) = row else { return Err(used_up(tx, unknown()).await) };
    let mut passkey: Passkey = serde_json::from_str(&row.text("credential")?)
        .map_err(|_| Error::Internal("a stored passkey cannot be read".to_owned()))?;
    let result = match hub.webauthn.finish_discoverable_authentication_v2(&body.credential, state, &passkey) {
        Ok(result) => result,
        Err(error) => {
            tracing::info!(%error, "a passkey was not accepted");
            return Err(used_up(tx, unknown()).await);
        }
    };
    passkey.update_credential(&result);
    let credential = serde_json::to_string(&passkey).map_err(|error| Error::Internal(error.to_string()))?;
    sqlx::query("UPDATE passkeys SET credential = $1, last_used_at = $2 WHERE id = $3")
        .bind(credential)
        .bind(now)
        .bind(row.text("id")?)
        .execute(tx.on())
        .await?;
    let account = row.text("account_id")?;
    if request.add_passkey {
        tx.commit().await?;
        return Ok(Json(SignedIn::Add(Box::new(begin_addition(&hub, request, account, handle).await?))));
    }
    let Json(finished) = finish(&hub, tx, &request, (&account, false), &headers).await?;
    Ok(Json(SignedIn::Done(finished)))
}

/// The customer has just shown a passkey and makes another, on something that holds none of theirs yet.
async fn begin_addition(
    hub: &Hub,
    request: AuthorizationRequest,
    account: String,
    handle: Uuid,
) -> Result<Started<CreationChallengeResponse>> {
    let rows = sqlx::query(
        "SELECT p.credential, a.display_name FROM passkeys p JOIN accounts a ON a.id = p.account_id \
         WHERE a.id = $1",
    )
    .bind(&account)
    .fetch_all(hub.store.read())
    .await?;
    if rows.len() >= account::MOST_PASSKEYS {
        return Err(Code::LimitReached.into());
    }
    let mut known = Vec::new();
    for row in &rows {
        let passkey: Passkey = serde_json::from_str(&row.text("credential")?)
            .map_err(|_| Error::Internal("a stored passkey cannot be read".to_owned()))?;
        known.push(passkey.cred_id().clone());
    }
    let name = rows.first().ok_or_else(over)?.text("display_name")?;
    let (options, state) = begin_registration(hub, handle, &name, Some(known))?;
    let ceremony = keep(hub, &Ceremony::Add { request, account, state }).await?;
    Ok(Started { ceremony, options })
}

/// Someone who lost every passkey: a recovery code lets them make a new one. The code is used up only when the new
/// passkey is there.
pub(super) async fn recover_start(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    headers: HeaderMap,
    Write { body, .. }: Write<RecoverStart>,
) -> Result<Json<Started<CreationChallengeResponse>>> {
    from_own_page(&hub, &headers)?;
    hub.sign_ins.take(&caller.0)?;
    let request = open_request(&hub, &body.request)?;
    let code = account::tidy_recovery_code(&body.code);
    let row = sqlx::query(
        "SELECT a.id, a.handle, a.display_name FROM recovery_codes r JOIN accounts a ON a.id = r.account_id \
         WHERE r.hash = $1",
    )
    .bind(random::hash(&code))
    .fetch_optional(hub.store.read())
    .await?
    .ok_or_else(|| refuse(Code::Unauthenticated, "no such recovery code"))?;
    let handle = Uuid::parse_str(&row.text("handle")?)
        .map_err(|_| Error::Internal("a stored account handle cannot be read".to_owned()))?;
    let (options, state) = begin_registration(&hub, handle, &row.text("display_name")?, None)?;
    let ceremony = Ceremony::Recover { request, account: row.text("id")?, code: random::hash(&code), state };
    let ceremony = keep(&hub, &ceremony).await?;
    Ok(Json(Started { ceremony, options }))
}

fn over() -> Error {
    refuse(Code::Stale, "the sign-in took too long or was finished before; start again")
}

async fn keep(hub: &Hub, ceremony: &Ceremony) -> Result<String> {
    let id = random::secret();
    let state = serde_json::to_string(ceremony).map_err(|error| Error::Internal(error.to_string()))?;
    let now = hub.clock.now();
    let mut tx = hub.store.begin().await?;
    sqlx::query("DELETE FROM ceremonies WHERE expires_at < $1").bind(now).execute(tx.on()).await?;
    sqlx::query("INSERT INTO ceremonies (id, state, expires_at) VALUES ($1, $2, $3)")
        .bind(random::hash(&id))
        .bind(state)
        .bind(now + LIFE)
        .execute(tx.on())
        .await?;
    tx.commit().await?;
    Ok(id)
}

/// Ends a ceremony, together with what comes of it.
async fn take(tx: &mut Tx, id: &str, now: i64) -> Result<Ceremony> {
    let row = sqlx::query("DELETE FROM ceremonies WHERE id = $1 AND expires_at >= $2 RETURNING state")
        .bind(random::hash(id))
        .bind(now)
        .fetch_optional(tx.on())
        .await?
        .ok_or_else(over)?;
    serde_json::from_str(&row.text("state")?)
        .map_err(|_| Error::Internal("a stored ceremony cannot be read".to_owned()))
}

/// A ceremony that came to nothing is not tried a second time.
async fn used_up(tx: Tx, refused: Error) -> Error {
    tx.commit().await.err().unwrap_or(refused)
}

/// What the app calls its device, or the system that the browser runs on.
fn device_name(request: &AuthorizationRequest, headers: &HeaderMap) -> String {
    if let Some(name) = &request.device_name {
        return name.clone();
    }
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"]
        .into_iter()
        .find(|name| agent.contains(name));
    system.unwrap_or("New device").to_owned()
}
