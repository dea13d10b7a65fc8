//! One reservation: to look at, and what a customer may do with it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use postern_api::{
    problem::Code,
    reservation::{
        ChangeLocker, Extend, Handover, Hold, Inside, NewClaim, NewProblem, NewReturn, NewShare, NewStorage,
        Release, Reservation as Shown, ShareOffer, Taken,
    },
};

use super::begin::begin;
use super::parts::Path;
use crate::{
    auth::customer::Customer,
    domain::{
        customer as wishes, homes, network::check_text, placing, problems, reservation::Reservation, shares,
        taken as confirmation, view,
    },
    error::Result,
    hub::Hub,
    store::Tx,
    write::{Change, Empty, Write},
};

/// One reservation. With `If-None-Match`, 304 where it is unchanged.
#[utoipa::path(get, path = "/v1/reservations/{id}", tag = "reservations", security(("dpop" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Shown), (status = 304)))]
pub(super) async fn show(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let mut on = hub.store.snapshot().await?;
    let shown = view::one(&hub, &mut on, &id, customer.viewer()).await?.ok_or(Code::NotFound)?;
    let etag = format!("\"{}\"", shown.version);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known.is_some_and(|known| known.split(',').any(|one| one.trim() == etag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(shown).into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// Says that it was taken, or that it was not there.
#[utoipa::path(post, path = "/v1/reservations/{id}/taken", tag = "reservations", security(("dpop" = [])),
    params(("id" = String, Path)), request_body = Taken, responses((status = 200, body = Shown)))]
pub(super) async fn taken(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    headers: HeaderMap,
    Write { body, repeat }: Write<Taken>,
) -> Result<Response> {
    check_text(body.note.as_deref().unwrap_or_default(), 2000, "/note")?;
    let mut change = begin!(hub, customer, repeat);
    let mut reservation = lock(&mut change.tx, &customer, &id, Whose::OwnOrShared, &headers).await?;
    confirmation::say(&hub, &mut change.tx, &mut reservation, &customer.account, &body).await?;
    finish(&hub, change, &customer, &id).await
}

/// The answer at the door: whether it lies inside.
#[utoipa::path(post, path = "/v1/reservations/{id}/inside", tag = "reservations", security(("dpop" = [])),
    params(("id" = String, Path)), request_body = Inside, responses((status = 200, body = Shown)))]
pub(super) async fn inside(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    headers: HeaderMap,
    Write { body, repeat }: Write<Inside>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    let mut reservation = lock(&mut change.tx, &customer, &id, Whose::Own, &headers).await?;
    placing::say(&hub, &mut change.tx, &mut reservation, None, &body).await?;
    reservation.save(&mut change.tx, hub.clock.now()).await?;
    finish(&hub, change, &customer, &id).await
}

/// Who may do something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The owner alone, or whoever lives in the flat that has it.
    Own,
    /// A guest with a standing share as well.
    OwnOrShared,
}

/// Locks a reservation for a change by the customer, if they may make it. With `If-Match`, only the version named.
pub(super) async fn lock(
    tx: &mut Tx,
    customer: &Customer,
    id: &str,
    whose: Whose,
    headers: &HeaderMap,
) -> Result<Reservation> {
    let reservation = Reservation::lock(tx, id).await?.ok_or(Code::NotFound)?;
    let theirs = reservation.account.as_deref() == Some(&customer.account)
        || (homes::fits(&reservation) && homes::is_flatmate(tx.on(), id, &customer.account).await?);
    if !theirs {
        let shared = sqlx::query(
            "SELECT id FROM shares WHERE reservation_id = $1 AND account_id = $2 AND state IN ('accepted', 'used')",
        )
        .bind(id)
        .bind(&customer.account)
        .fetch_optional(tx.on())
        .await?;
        return match (shared, whose) {
            (Some(_), Whose::OwnOrShared) => Ok(reservation),
            (Some(_), Whose::Own) => Err(Code::Forbidden.into()),
            // Of somebody else's things not even the existence is known.
            (None, _) => Err(Code::NotFound.into()),
        };
    }
    if let Some(wanted) = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok()) {
        // The lock has raised the version by one.
        let seen = format!("\"{}\"", reservation.version - 1);
        if wanted != "*" && !wanted.split(',').any(|one| one.trim() == seen) {
            return Err(Code::Stale.into());
        }
    }
    Ok(reservation)
}

/// Answers with the reservation as the customer now sees it.
pub(super) async fn finish(hub: &Hub, mut change: Change, customer: &Customer, id: &str) -> Result<Response> {
    let shown = view::one(hub, change.tx.on(), id, customer.viewer()).await?.ok_or(Code::NotFound)?;
    change.finish(StatusCode::OK, &shown).await
}

macro_rules! action {
    ($(#[doc = $doc:literal] $name:ident $path:literal $body:ty => |$hub:ident, $tx:ident, $customer:ident, $reservation:ident, $said:ident| $do:expr;)*) => {
        $(
            #[doc = $doc]
            #[utoipa::path(post, path = $path, tag = "reservations", security(("dpop" = [])),
                params(("id" = String, Path)), request_body = $body, responses((status = 200, body = Shown)))]
            pub(super) async fn $name(
                State(hub): State<Arc<Hub>>,
                customer: Customer,
                Path(id): Path<String>,
                headers: HeaderMap,
                Write { body, repeat }: Write<$body>,
            ) -> Result<Response> {
                let mut change = begin!(hub, customer, repeat);
                let mut reservation = lock(&mut change.tx, &customer, &id, Whose::Own, &headers).await?;
                {
                    let ($hub, $tx, $customer, $reservation, $said) =
                        (&*hub, &mut change.tx, &customer, &mut reservation, &body);
                    let _ = $customer;
                    $do.await?;
                }
                finish(&hub, change, &customer, &id).await
            }
        )*
    };
}

action! {
    /// A later deadline, as far as the operator allows.
    extend "/v1/reservations/{id}/extend" Extend =>
        |hub, tx, customer, reservation, said| wishes::extend(hub, tx, reservation, said.until);
    /// Keeps it while the customer is away.
    hold "/v1/reservations/{id}/hold" Hold =>
        |hub, tx, customer, reservation, said| wishes::hold(hub, tx, reservation, said.until);
    /// Another site while it is on its way.
    change_locker "/v1/reservations/{id}/move" ChangeLocker =>
        |hub, tx, customer, reservation, said| wishes::change_site(hub, tx, reservation, &said.site);
    /// Reports a problem.
    report "/v1/reservations/{id}/problems" NewProblem =>
        |hub, tx, customer, reservation, said| problems::report(hub, tx, &customer.account, reservation, said);
}

/// Calls it off before it began.
#[utoipa::path(post, path = "/v1/reservations/{id}/cancel", tag = "reservations", security(("dpop" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Shown)))]
pub(super) async fn cancel(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    headers: HeaderMap,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    let mut reservation = lock(&mut change.tx, &customer, &id, Whose::Own, &headers).await?;
    wishes::cancel(&hub, &mut change.tx, &mut reservation).await?;
    finish(&hub, change, &customer, &id).await
}

/// Gives a held compartment or a lent thing back, once the door is closed and it is known what lies inside.
#[utoipa::path(post, path = "/v1/reservations/{id}/release", tag = "reservations", security(("dpop" = [])),
    params(("id" = String, Path)), request_body = Option<Release>, responses((status = 200, body = Shown)))]
pub(super) async fn release(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    headers: HeaderMap,
    Write { body, repeat }: Write<Option<Release>>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    let mut reservation = lock(&mut change.tx, &customer, &id, Whose::Own, &headers).await?;
    wishes::release(&hub, &mut change.tx, &mut reservation, body.unwrap_or_default()).await?;
    finish(&hub, change, &customer, &id).await
}

/// What lies in a held compartment goes to a neighbour.
#[utoipa::path(post, path = "/v1/reservations/{id}/handover", tag = "reservations", security(("dpop" = [])),
    params(("id" = String, Path)), request_body = Handover, responses((status = 204)))]
pub(super) async fn hand_over(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    headers: HeaderMap,
    Write { body, repeat }: Write<Handover>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    let mut reservation = lock(&mut change.tx, &customer, &id, Whose::Own, &headers).await?;
    wishes::hand_over(&hub, &mut change.tx, (&mut reservation, &customer.account), &body).await?;
    change.done().await
}

/// Makes a claim link.
#[utoipa::path(post, path = "/v1/reservations/{id}/shares", tag = "sharing", security(("dpop" = [])),
    params(("id" = String, Path)), request_body = NewShare, responses((status = 201, body = ShareOffer)))]
pub(super) async fn share(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    headers: HeaderMap,
    Write { body, repeat }: Write<NewShare>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    let mut reservation = lock(&mut change.tx, &customer, &id, Whose::Own, &headers).await?;
    let offer = shares::offer(&hub, &mut change.tx, (&mut reservation, &customer.account), &body).await?;
    change.finish(StatusCode::CREATED, &offer).await
}

/// Takes a share back.
#[utoipa::path(delete, path = "/v1/reservations/{id}/shares/{share}", tag = "sharing", security(("dpop" = [])),
    params(("id" = String, Path), ("share" = String, Path)), responses((status = 200, body = Shown)))]
pub(super) async fn revoke_share(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path((id, share)): Path<(String, String)>,
    headers: HeaderMap,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    let mut reservation = lock(&mut change.tx, &customer, &id, Whose::Own, &headers).await?;
    shares::revoke(&hub, &mut change.tx, &mut reservation, &share).await?;
    finish(&hub, change, &customer, &id).await
}

/// Takes up a claim link.
#[utoipa::path(post, path = "/v1/claims", tag = "sharing", security(("dpop" = [])), request_body = NewClaim,
    responses((status = 200, body = Shown)))]
pub(super) async fn claim(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<NewClaim>,
) -> Result<Response> {
    let mut change = begin!(hub, customer, repeat);
    // A guest has the one link, and may follow it again.
    if shares::held(&mut change.tx, &customer.account, &body.claim).await?.is_none() {
        customer.has_own_account()?;
    }
    let id = shares::claim(&hub, &mut change.tx, &customer.account, false, &body.claim).await?;
    finish(&hub, change, &customer, &id).await
}

/// Books a compartment for a return.
#[utoipa::path(post, path = "/v1/returns", tag = "reservations", security(("dpop" = [])), request_body = NewReturn,
    responses((status = 201, body = Shown)))]
pub(super) async fn book_return(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<NewReturn>,
) -> Result<Response> {
    customer.has_own_account()?;
    let mut change = begin!(hub, customer, repeat);
    let made = wishes::book_return(&hub, &mut change.tx, &customer.account, &body).await?;
    created(&hub, change, &customer, &made.id).await
}

/// Books a compartment to keep something in.
#[utoipa::path(post, path = "/v1/storage", tag = "reservations", security(("dpop" = [])), request_body = NewStorage,
    responses((status = 201, body = Shown)))]
pub(super) async fn book_storage(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Write { body, repeat }: Write<NewStorage>,
) -> Result<Response> {
    customer.has_own_account()?;
    let mut change = begin!(hub, customer, repeat);
    let made = wishes::book_storage(&hub, &mut change.tx, &customer.account, &body).await?;
    created(&hub, change, &customer, &made.id).await
}

/// Borrows a thing.
#[utoipa::path(post, path = "/v1/assets/{id}/borrow", tag = "reservations", security(("dpop" = [])),
    params(("id" = String, Path)), responses((status = 201, body = Shown)))]
pub(super) async fn borrow(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Path(id): Path<String>,
    Write { repeat, .. }: Write<Empty>,
) -> Result<Response> {
    customer.has_own_account()?;
    let mut change = begin!(hub, customer, repeat);
    let made = wishes::borrow(&hub, &mut change.tx, &customer.account, &id).await?;
    created(&hub, change, &customer, &made.id).await
}

async fn created(hub: &Hub, mut change: Change, customer: &Customer, id: &str) -> Result<Response> {
    let shown = view::one(hub, change.tx.on(), id, customer.viewer()).await?.ok_or(Code::NotFound)?;
    change.finish(StatusCode::CREATED, &shown).await
}
