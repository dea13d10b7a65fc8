//! The account and its devices.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use postern_api::{
    account::{Account, Changes, Deletion, Device, Email, EmailCode, NewEmail},
    problem::Code,
};
use postern_rules::{
    email::{self, NoProof},
    recipient::Email as ReadEmail,
};
use sqlx::AnyConnection;
use subtle::ConstantTimeEq;

use super::begin::begin;
use crate::{
    auth::customer::Customer,
    domain::{account as accounts_of, homes},
    error::{Result, invalid, refuse},
    hub::Hub,
    mail::{self, Letter},
    random,
    signin::tidy_name,
    store::{
        RowExt, accounts, emails,
        letters::{self, About},
    },
    write::{Empty, Write},
};

/// Who is signed in, and on which devices.
#[utoipa::path(get, path = "/v1/me", tag = "account", security(("dpop" = [])), responses((status = 200, body = Account)))]
pub(super) async fn me(State(hub): State<Arc<Hub>>, customer: Customer) -> Result<Json<Account>> {
    let mut on = hub.store.snapshot().await?;
    Ok(Json(read(&hub, &mut on, &customer).await?))
}

/// Changes the account's own settings.
#[utoipa::path(patch, path = "/v1/me", tag = "account", security(("dpop" = [])), request_body = Changes,
    responses((status = 200, body = Account)))]
pub(super) async fn change_me(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<Changes>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    if let Some(name) = &body.name {
        let name = tidy_name(name).ok_or_else(|| invalid("/name", "1 to 64 characters"))?;
        sqlx::query("UPDATE accounts SET display_name = $1 WHERE id = $2")
            .bind(name)
            .bind(&customer.account)
            .execute(change.tx.on())
            .await?;
    }
    if let Some(low) = body.prefers_low_doors {
        sqlx::query("UPDATE accounts SET prefers_low_doors = $1 WHERE id = $2")
            .bind(i64::from(low))
            .bind(&customer.account)
            .execute(change.tx.on())
            .await?;
    }
    let account = read(&hub, change.tx.on(), &customer).await?;
    change.finish(StatusCode::OK, &account).await
}

async fn email_of(on: &mut AnyConnection, account: &str) -> Result<Email> {
    let kept = emails::of(on, account).await?;
    let delivery = match &kept.pending {
        Some(_) => letters::standing(on, About::Account(account)).await?.as_ref().map(mail::delivery),
        None => None,
    };
    Ok(Email { address: kept.address, pending: kept.pending, delivery })
}

/// Sends a code to an address that the customer says is theirs.
#[utoipa::path(post, path = "/v1/me/email", tag = "account", security(("dpop" = [])), request_body = NewEmail,
    responses((status = 200, body = Account)))]
pub(super) async fn new_email(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<NewEmail>,
) -> Result<Response> {
    customer.has_own_account()?;
    let mail =
        hub.config.mail.as_ref().ok_or_else(|| refuse(Code::WrongState, "this network sends no mail"))?;
    let address = ReadEmail::read(&body.email).map_err(|why| invalid("/email", why))?;
    let language = body.language.as_deref();
    let known = mail::languages().find(|known| Some(*known) == language);
    let language = known.unwrap_or(mail.language.as_str());
    let mut change = begin!(hub, customer, repeat);
    // Nobody is written to more often than that, whoever asks for it.
    hub.letters.take(&customer.account)?;
    hub.letters.take(&format!("code {}", address.key()))?;
    let code = one_time_code();
    let now = hub.clock.now();
    let kept = kept_of(&hub, &customer.account, &code);
    let until = now + email::CODE_LIFE;
    emails::await_code(change.tx.on(), &customer.account, &address, language, (&kept, until)).await?;
    let about = About::Account(&customer.account);
    mail::queue(&hub, &mut change.tx, (&address, language), about, Letter::Code(&code)).await?;
    let account = read(&hub, change.tx.on(), &customer).await?;
    change.finish(StatusCode::OK, &account).await
}

/// Eight digits, each as likely as any other.
fn one_time_code() -> String {
    let most = 10_u64.pow(email::CODE_DIGITS as u32);
    format!("{:0width$}", u64::from_be_bytes(random::bytes()) % most, width = email::CODE_DIGITS)
}

/// What is kept of a code: too short a secret for a hash that anybody could try.
fn kept_of(hub: &Hub, account: &str, code: &str) -> String {
    random::encode(hub.secrets.mac("e-mail code", format!("{account} {code}").as_bytes()))
}

/// Gives the code of the letter: the address is the customer's from now on, and nobody else's.
#[utoipa::path(post, path = "/v1/me/email/confirm", tag = "account", security(("dpop" = [])),
    request_body = EmailCode, responses((status = 200, body = Account)))]
pub(super) async fn confirm_email(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<EmailCode>,
) -> Result<Response> {
    customer.has_own_account()?;
    let typed: String = body.code.chars().filter(char::is_ascii_digit).take(64).collect();
    let typed = kept_of(&hub, &customer.account, &typed);
    let now = hub.clock.now();
    // Kept whatever comes of it, before it is looked at: guesses at once are counted one after the other.
    let mut tx = hub.store.begin().await?;
    emails::count_guess(tx.on(), &customer.account).await?;
    let kept = emails::of(tx.on(), &customer.account).await?;
    tx.commit().await?;
    let before = |pending: email::Pending| email::Pending { tries: pending.tries - 1, ..pending };
    let is_right = |kept: &emails::Kept| {
        kept.code.as_ref().is_some_and(|code| bool::from(code.as_bytes().ct_eq(typed.as_bytes())))
    };
    let verdict = email::proves(kept.standing.map(before), is_right(&kept), now);
    let mut change = begin!(hub, customer, repeat);
    verdict.map_err(|why| match why {
        NoProof::Wrong => Code::WrongCode,
        NoProof::Over | NoProof::Worn => Code::CodeEnded,
    })?;
    let kept = emails::of(change.tx.on(), &customer.account).await?;
    let address = kept.pending.as_deref().filter(|_| is_right(&kept)).map(ReadEmail::read);
    let Some(Ok(address)) = address else { return Err(Code::CodeEnded.into()) };
    if !emails::prove(change.tx.on(), &customer.account, &address, &typed, now).await? {
        return Err(Code::CodeEnded.into());
    }
    let account = read(&hub, change.tx.on(), &customer).await?;
    change.finish(StatusCode::OK, &account).await
}

/// Forgets the account's e-mail addresses.
#[utoipa::path(delete, path = "/v1/me/email", tag = "account", security(("dpop" = [])),
    responses((status = 200, body = Account)))]
pub(super) async fn forget_email(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    customer.has_own_account()?;
    let mut change = begin!(hub, customer, repeat);
    emails::forget(change.tx.on(), &customer.account).await?;
    let account = read(&hub, change.tx.on(), &customer).await?;
    change.finish(StatusCode::OK, &account).await
}

/// What deleting the account would mean now.
#[utoipa::path(get, path = "/v1/me/deletion", tag = "account", security(("dpop" = [])),
    responses((status = 200, body = Deletion)))]
pub(super) async fn deletion(State(hub): State<Arc<Hub>>, customer: Customer) -> Result<Json<Deletion>> {
    let mut on = hub.store.snapshot().await?;
    Ok(Json(accounts_of::deletion(&mut on, &customer.account).await?))
}

pub(super) async fn read(hub: &Hub, on: &mut AnyConnection, customer: &Customer) -> Result<Account> {
    let account =
        sqlx::query("SELECT id, display_name, guest, prefers_low_doors FROM accounts WHERE id = $1")
            .bind(&customer.account)
            .fetch_one(&mut *on)
            .await?;
    let number = accounts::number_of(on, &customer.account).await?;
    let email = match number {
        Some(_) if hub.config.mail.is_some() => Some(email_of(on, &customer.account).await?),
        _ => None,
    };
    let rows = sqlx::query(
        "SELECT id, name, created_at, last_seen_at FROM sessions WHERE account_id = $1 AND revoked_at IS NULL \
         ORDER BY created_at, id",
    )
    .bind(&customer.account)
    .fetch_all(&mut *on)
    .await?;
    let homes = homes::of(on, &customer.account).await?;
    let device = |row: &sqlx::any::AnyRow| {
        let id = row.text("id")?;
        let written = row.int("last_seen_at")?;
        Ok(Device {
            name: row.text("name")?,
            created_at: row.int("created_at")?,
            last_seen_at: hub.seen.of(&id).map_or(written, |noted| noted.max(written)),
            id,
        })
    };
    Ok(Account {
        id: account.text("id")?,
        display_name: account.text("display_name")?,
        guest: account.int("guest")? == 1,
        device_id: customer.session.clone(),
        devices: rows.iter().map(device).collect::<Result<_>>()?,
        prefers_low_doors: account.int("prefers_low_doors")? == 1,
        number: number.map(|number| number.to_string()),
        email,
        homes,
    })
}
