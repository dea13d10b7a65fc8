//! Sites, and things that are lent.

use std::sync::Arc;

use axum::{Json, extract::State};
use postern_api::{
    locker::{Sites, Size},
    reservation::{Asset, Assets},
};
use serde::Deserialize;

use super::parts::Query;
use crate::{
    auth::customer::Customer,
    domain::{
        doors,
        sites::{self, Search},
    },
    error::Result,
    hub::Hub,
    store::RowExt,
};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// `LAT,LON` in degrees.
    near: Option<String>,
    /// Only sites with a free door of this size or larger.
    size: Option<Size>,
    /// Part of a name or address.
    text: Option<String>,
    /// Id of a parcel of the customer's that is on its way: only sites with a free door that is large enough for it and keeps it as
    /// it has to be kept. Takes the place of `size`.
    parcel: Option<String>,
}

/// Sites that the customer may use.
#[utoipa::path(get, path = "/v1/sites", tag = "sites", security(("dpop" = [])), params(Asked),
    responses((status = 200, body = Sites)))]
pub(super) async fn sites(
    State(hub): State<Arc<Hub>>,
    customer: Customer,
    Query(asked): Query<Asked>,
) -> Result<Json<Sites>> {
    let near = asked.near.as_deref().map(sites::parse_point).transpose()?;
    let mut on = hub.store.snapshot().await?;
    let (size, keeps) = match &asked.parcel {
        Some(parcel) => sites::for_parcel(&mut on, &customer.account, parcel)
            .await
            .map(|(size, keeps)| (Some(size), Some(keeps)))?,
        None => (asked.size, None),
    };
    let search = Search { near, size, text: asked.text, keeps };
    let sites = sites::search(&mut on, &customer.account, &search).await?;
    Ok(Json(Sites { sites: sites.into_iter().map(Into::into).collect() }))
}

/// Things that the customer may borrow.
#[utoipa::path(get, path = "/v1/assets", tag = "sites", security(("dpop" = [])),
    responses((status = 200, body = Assets)))]
pub(super) async fn assets(State(hub): State<Arc<Hub>>, customer: Customer) -> Result<Json<Assets>> {
    let rows = sqlx::query(
        "SELECT a.id, a.title, a.site_id, s.name, a.locker_id, a.door, a.loan_hours, a.reservation_id, a.missing_at, d.settling_epoch, \
         d.out_of_order FROM assets a JOIN sites s ON s.id = a.site_id \
         JOIN doors d ON d.locker_id = a.locker_id AND d.door = a.door WHERE s.access = 'public' OR EXISTS \
         (SELECT 1 FROM site_members m WHERE m.site_id = s.id AND m.account_id = $1) ORDER BY a.title, a.id LIMIT 500",
    )
    .bind(&customer.account)
    .fetch_all(hub.store.read())
    .await?;
    let asset = |row: &sqlx::any::AnyRow| {
        Ok(Asset {
            id: row.text("id")?,
            title: row.text("title")?,
            site: row.text("site_id")?,
            site_name: row.text("name")?,
            locker: row.text("locker_id")?,
            door: doors::number(row.int("door")?)?,
            loan_hours: u32::try_from(row.int("loan_hours")?).unwrap_or(0),
            // What the one before had access to waits until that is known to be over, or somebody has looked.
            available: row.maybe_text("reservation_id")?.is_none()
                && row.maybe_int("missing_at")?.is_none()
                && row.maybe_int("settling_epoch")?.is_none()
                && row.int("out_of_order")? == 0,
        })
    };
    Ok(Json(Assets { assets: rows.iter().map(asset).collect::<Result<_>>()? }))
}
