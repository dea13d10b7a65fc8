//! Reports of customers, for the operator and for the carrier of what they are about.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use postern_api::{
    account::ExportedPhoto,
    report::{NewReportAnswer, Report, ReportState, Reports},
};
use serde::Deserialize;

use super::begin::begin;
use super::parts::{Path, Query};
use crate::{
    auth::api_key::{Partner, Scope},
    domain::reports::{self, Desk},
    error::Result,
    hub::Hub,
    write::{Repeat, Write},
};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Only those that stand so.
    state: Option<ReportState>,
    /// Only about this reservation.
    reservation: Option<String>,
    /// Only about doors of this locker.
    locker: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
}

impl From<Search> for reports::Search {
    fn from(Search { state, reservation, locker, after }: Search) -> Self {
        Self { state, reservation, locker, after }
    }
}

/// What customers reported, newest first, a page at a time.
#[utoipa::path(get, path = "/v1/operator/reports", tag = "operators", security(("key" = [])), params(Search),
    responses((status = 200, body = Reports)))]
pub(super) async fn operators_list(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Query(search): Query<Search>,
) -> Result<Json<Reports>> {
    partner.operator(Scope::Network)?;
    Ok(Json(reports::list(&hub, Desk::Operator, &search.into()).await?))
}

/// One report.
#[utoipa::path(get, path = "/v1/operator/reports/{id}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Report)))]
pub(super) async fn operators_one(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
) -> Result<Json<Report>> {
    partner.operator(Scope::Network)?;
    let mut on = hub.store.snapshot().await?;
    Ok(Json(reports::find(&mut on, Desk::Operator, &id).await?))
}

/// A photo of a report.
#[utoipa::path(get, path = "/v1/operator/reports/{id}/photos/{photo}", tag = "operators", security(("key" = [])),
    params(("id" = String, Path), ("photo" = String, Path)),
    responses((status = 200, body = ExportedPhoto)))]
pub(super) async fn operators_photo(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path((id, photo)): Path<(String, String)>,
) -> Result<Json<ExportedPhoto>> {
    partner.operator(Scope::Network)?;
    Ok(Json(reports::photo(&hub, Desk::Operator, &id, &photo).await?))
}

/// Answers a report.
#[utoipa::path(post, path = "/v1/operator/reports/{id}/answers", tag = "operators", security(("key" = [])),
    params(("id" = String, Path)), request_body = NewReportAnswer, responses((status = 200, body = Report)))]
pub(super) async fn operators_answer(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { body, repeat }: Write<NewReportAnswer>,
) -> Result<Response> {
    partner.operator(Scope::Network)?;
    answer(hub, &partner, repeat, Desk::Operator, &id, &body).await
}

/// What customers reported about the carrier's parcels and returns, newest first, a page at a time.
#[utoipa::path(get, path = "/v1/carrier/reports", tag = "carriers", security(("key" = [])), params(Search),
    responses((status = 200, body = Reports)))]
pub(super) async fn carriers_list(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Query(search): Query<Search>,
) -> Result<Json<Reports>> {
    let carrier = partner.carrier(Scope::Parcels)?;
    Ok(Json(reports::list(&hub, Desk::Carrier(carrier), &search.into()).await?))
}

/// One report about the carrier's own.
#[utoipa::path(get, path = "/v1/carrier/reports/{id}", tag = "carriers", security(("key" = [])),
    params(("id" = String, Path)), responses((status = 200, body = Report)))]
pub(super) async fn carriers_one(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
) -> Result<Json<Report>> {
    let carrier = partner.carrier(Scope::Parcels)?;
    let mut on = hub.store.snapshot().await?;
    Ok(Json(reports::find(&mut on, Desk::Carrier(carrier), &id).await?))
}

/// A photo of a report about the carrier's own.
#[utoipa::path(get, path = "/v1/carrier/reports/{id}/photos/{photo}", tag = "carriers", security(("key" = [])),
    params(("id" = String, Path), ("photo" = String, Path)),
    responses((status = 200, body = ExportedPhoto)))]
pub(super) async fn carriers_photo(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path((id, photo)): Path<(String, String)>,
) -> Result<Json<ExportedPhoto>> {
    let carrier = partner.carrier(Scope::Parcels)?;
    Ok(Json(reports::photo(&hub, Desk::Carrier(carrier), &id, &photo).await?))
}

/// Answers a report about the carrier's own.
#[utoipa::path(post, path = "/v1/carrier/reports/{id}/answers", tag = "carriers", security(("key" = [])),
    params(("id" = String, Path)), request_body = NewReportAnswer, responses((status = 200, body = Report)))]
pub(super) async fn carriers_answer(
    State(hub): State<Arc<Hub>>,
    partner: Partner,
    Path(id): Path<String>,
    Write { body, repeat }: Write<NewReportAnswer>,
) -> Result<Response> {
    let carrier = partner.carrier(Scope::Parcels)?;
    answer(hub, &partner, repeat, Desk::Carrier(carrier), &id, &body).await
}

async fn answer(
    hub: Arc<Hub>,
    partner: &Partner,
    repeat: Repeat,
    desk: Desk<'_>,
    id: &str,
    new: &NewReportAnswer,
) -> Result<Response> {
    let mut change = begin!(hub, partner, repeat);
    let report = reports::answer(&hub, &mut change.tx, desk, id, new).await?;
    change.finish(StatusCode::OK, &report).await
}
