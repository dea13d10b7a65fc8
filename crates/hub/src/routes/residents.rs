//! Who lives or works at a site: what its operator calls, and what residents do themselves.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use postern_api::{
    operator::{Holding, Member, NewHolding},
    problem::Code,
    resident::{
        HomeCode, HomeInvitation, InvitationList, Invitations, InvitationsMade, NewInvitations, Resident,
        Residents,
    },
};
use postern_rules::number::Number;
use serde::Deserialize;

use super::begin::begin;
use super::parts::{Path, Query};
use crate::{
    auth::{
        api_key::{Partner, Scope},
        customer::Customer,
    },
    domain::{
        flat_list,
        homes::{self, By, Flat},
        invitations::{self, MOST, Sound},
        network, storage,
    },
    error::{Result, invalid, refuse},
    hub::Hub,
    signin::tidy_name,
    store::{RowExt, Tx, accounts},
    write::{Empty, Write},
};

/// Entries of a page.
const PAGE: i64 = 200;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// `next` of the page before.
    after: Option<String>,
}

/// The account of a resident, by the number that they gave their landlord.
async fn resident(tx: &mut Tx, number: &str, pointer: &'static str) -> Result<String> {
    let number = Number::read(number).map_err(|fault| invalid(pointer, fault.words()))?;
    let account = accounts::with_number(tx.on(), number).await?;
    account.ok_or_else(|| refuse(Code::NotFound, "nobody has this customer number"))
}

/// Who lives or works at a site.
#[utoipa::path(get, path = "/v1/operator/sites/{id}/members", tag = "operators", security(("key" = [])),
    params(("id" = String, Path), Page), responses((status = 200, body = Residents)))]
pub(super) async fn members(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Residents>> {
    partner.operator(Scope::Network)?;
    let rows = sqlx::query(
        "SELECT a.number, a.display_name, m.unit, m.since_at FROM site_members m JOIN accounts a ON a.id = m.account_id \
         WHERE m.site_id = $1 AND a.number > $2 ORDER BY a.number LIMIT $3",
    )
    .bind(&id)
    .bind(page.after.unwrap_or_default().replace(' ', ""))
    .bind(PAGE + 1)
    .fetch_all(hub.store.read())
    .await?;
    let mut residents = Vec::new();
    for row in rows.iter().take(PAGE as usize) {
        let stored = row.text("number")?;
        let number = Number::read(&stored).map_or(stored, |number| number.to_string());
        let (name, unit) = (row.text("display_name")?, row.text("unit")?);
        residents.push(Resident { number, name, unit, since: row.maybe_int("since_at")? });
    }
    let more = rows.len() as i64 > PAGE;
    let next = residents.last().filter(|_| more).map(|last| last.number.clone());
    Ok(Json(Residents { residents, next }))
}

/// Somebody lives or works at a site.
#[utoipa::path(put, path = "/v1/operator/sites/{id}/members/{number}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path), ("number" = String, Path)), request_body = Member, responses((status = 204)))]
pub(super) async fn put_member(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path((id, number)): Path<(String, String)>,
    Write { body, repeat }: Write<Member>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let unit = tidy_name(&body.unit).ok_or_else(|| invalid("/unit", "1 to 64 characters"))?;
    let mut change = begin!(hub, partner, repeat);
    let account = resident(&mut change.tx, &number, "/number").await?;
    let flat = Flat { site: &id, unit: &unit };
    homes::join(&mut change.tx, flat, &account, By::Operator, hub.clock.now()).await?;
    change.done().await
}

/// They moved out.
#[utoipa::path(delete, path = "/v1/operator/sites/{id}/members/{number}", tag = "operators",
    security(("key" = [])), params(("id" = String, Path), ("number" = String, Path)), responses((status = 204)))]
pub(super) async fn remove_member(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path((id, number)): Path<(String, String)>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    let account = resident(&mut change.tx, &number, "/number").await?;
    if homes::unit_of(change.tx.on(), &id, &account).await?.is_some() {
        homes::leave(&mut change.tx, &id, &account, By::Operator, hub.clock.now()).await?;
    }
    change.done().await
}

/// A compartment for a resident to hold, or for whoever lives in a flat.
#[utoipa::path(post, path = "/v1/operator/holdings", tag = "operators", security(("key" = [])),
    request_body = NewHolding, responses((status = 201, body = Holding)))]
pub(super) async fn hold(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Write { body, repeat }: Write<NewHolding>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    network::check_name(&body.title, 120, "/title")?;
    let mut change = begin!(hub, partner, repeat);
    let account = match &body.number {
        Some(number) => Some(resident(&mut change.tx, number, "/number").await?),
        None => None,
    };
    let unit = body
        .unit
        .as_deref()
        .map(|unit| tidy_name(unit).ok_or_else(|| invalid("/unit", "1 to 64 characters")));
    let unit = unit.transpose()?;
    let of = match (&account, &unit) {
        (Some(account), None) => storage::Of::Customer(account),
        (None, Some(unit)) => storage::Of::Flat(unit),
        _ => return Err(invalid("/number", "either a resident's number or a flat")),
    };
    let holding = storage::Holding {
        of,
        title: &body.title,
        locker: &body.locker,
        door: i64::from(body.door),
        until: body.until,
    };
    let held = storage::hold(&hub, &mut change.tx, holding).await?;
    change.finish(StatusCode::CREATED, &Holding { id: held.id }).await
}

/// Invites people to flats of a site.
#[utoipa::path(post, path = "/v1/operator/sites/{id}/invitations", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), request_body = NewInvitations, responses((status = 201, body = InvitationsMade)))]
pub(super) async fn invite(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { body, repeat }: Write<NewInvitations>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    if body.flats.is_empty() || body.flats.len() > MOST {
        return Err(invalid("/flats", "1 to 500"));
    }
    let now = hub.clock.now();
    let mut wanted = Vec::new();
    for (place, flat) in body.flats.iter().enumerate() {
        let sound = Sound::read(flat, now);
        wanted.push(sound.map_err(|(field, why)| invalid(format!("/flats/{place}/{field}"), why))?);
    }
    let mut change = begin!(hub, partner, repeat);
    let made = invitations::make(&hub, &mut change.tx, &id, &wanted, body.language.as_deref()).await?;
    change.finish(StatusCode::CREATED, &answer(made, wanted.len())).await
}

fn answer(invitations: Vec<postern_api::resident::InvitationMade>, flats: usize) -> InvitationsMade {
    let csv = flat_list::write(&invitations);
    InvitationsMade { invitations, flats: u32::try_from(flats).unwrap_or(u32::MAX), csv, faults: Vec::new() }
}

/// Invites the flats of a list: all of them, or where anything is wrong none.
#[utoipa::path(post, path = "/v1/operator/sites/{id}/invitations/list", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), request_body = InvitationList, responses((status = 201, body = InvitationsMade)))]
pub(super) async fn invite_list(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { body, repeat }: Write<InvitationList>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let wanted = match (flat_list::read(&body.csv, hub.clock.now()), body.dry_run) {
        (Ok(wanted), _) => wanted,
        (Err(faults), false) => {
            let told: Vec<_> = faults
                .iter()
                .take(20)
                .map(|fault| format!("line {}, column {}: {}", fault.line, fault.column, fault.reason))
                .collect();
            return Err(invalid("/csv", told.join("; ")));
        }
        (Err(faults), true) => {
            let change = begin!(hub, partner, repeat);
            return change
                .finish(StatusCode::CREATED, &InvitationsMade { faults, ..answer(Vec::new(), 0) })
                .await;
        }
    };
    let mut change = begin!(hub, partner, repeat);
    if body.dry_run {
        return change.finish(StatusCode::CREATED, &answer(Vec::new(), wanted.len())).await;
    }
    let made = invitations::make(&hub, &mut change.tx, &id, &wanted, body.language.as_deref()).await?;
    change.finish(StatusCode::CREATED, &answer(made, wanted.len())).await
}

/// The invitations of a site.
#[utoipa::path(get, path = "/v1/operator/sites/{id}/invitations", tag = "operators", security(("key" = [])),
    params(("id" = String, Path), Page), responses((status = 200, body = Invitations)))]
pub(super) async fn list_invitations(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Invitations>> {
    partner.operator(Scope::Network)?;
    Ok(Json(invitations::list(&hub, &id, page.after.as_deref()).await?))
}

/// Takes an invitation back.
#[utoipa::path(delete, path = "/v1/operator/sites/{id}/invitations/{invitation}", tag = "operators",
    security(("key" = [])), params(("id" = String, Path), ("invitation" = String, Path)), responses((status = 204)))]
pub(super) async fn withdraw(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path((id, invitation)): Path<(String, String)>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    let mut change = begin!(hub, partner, repeat);
    invitations::withdraw(&mut change.tx, &id, &invitation, hub.clock.now()).await?;
    change.done().await
}

/// What an invitation is to, before the customer says yes. Uses nothing up.
#[utoipa::path(post, path = "/v1/homes/invitation", tag = "homes", security(("dpop" = [])), request_body = HomeCode,
    responses((status = 200, body = HomeInvitation)))]
pub(super) async fn look(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, .. }: Write<HomeCode>,
) -> Result<Json<HomeInvitation>> {
    customer.has_own_account()?;
    hub.sign_ins.take(&format!("invitation {}", customer.account))?;
    Ok(Json(invitations::look_as(&hub, &customer.account, &body.code).await?))
}

/// The customer lives or works there from now on.
#[utoipa::path(post, path = "/v1/homes", tag = "homes", security(("dpop" = [])), request_body = HomeCode,
    responses((status = 200, body = HomeInvitation)))]
pub(super) async fn join(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<HomeCode>,
) -> Result<Response> {
    customer.has_own_account()?;
    hub.sign_ins.take(&format!("invitation {}", customer.account))?;
    let mut change = begin!(hub, customer, repeat);
    let joined = invitations::follow(&hub, &mut change.tx, &customer.account, &body.code).await?;
    change.finish(StatusCode::OK, &joined).await
}

/// The customer lives or works there no more.
#[utoipa::path(delete, path = "/v1/homes/{site}", tag = "homes", security(("dpop" = [])),
    params(("site" = String, Path)), responses((status = 204)))]
pub(super) async fn leave(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(site): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    if homes::unit_of(change.tx.on(), &site, &customer.account).await?.is_none() {
        return Err(Code::NotFound.into());
    }
    homes::leave(&mut change.tx, &site, &customer.account, By::Resident, hub.clock.now()).await?;
    change.done().await
}
