//! Live push (server-sent events).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderName,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::stream;
use postern_api::sync::Poke;
use tokio::time::Instant;

use crate::{auth::customer::Customer, domain::feed::Cursor, error::Result, hub::Hub, store::RowExt};

/// A poke whenever something changed for the caller, and one at the start. The stream ends with the access token, when
/// the device is removed, and when the hub stops; the client comes back with a fresh one.
#[utoipa::path(get, path = "/v1/events", tag = "sync", security(("dpop" = [])),
    responses((status = 200, content_type = "text/event-stream", body = Poke)))]
pub(super) async fn events(State(hub): State<Arc<Hub>>, customer: Customer) -> Result<Response> {
    // Subscribed before the position is read: a change in between pokes twice rather than never.
    let mut changes = hub.push.subscribe(&customer.account);
    changes.mark_unchanged();
    let ends =
        Instant::now() + Duration::from_secs(u64::try_from(customer.expires - hub.clock.now()).unwrap_or(0));
    let start = Waiting { hub: Arc::clone(&hub), customer, changes, ends, first: true };
    let pokes = stream::unfold(start, |mut waiting| async move {
        let event = waiting.next().await?;
        Some((Ok::<_, Infallible>(event), waiting))
    });
    let stream = Sse::new(pokes).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)));
    // What nginx buffers arrives too late.
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], stream).into_response())
}

struct Waiting {
    hub: Arc<Hub>,
    customer: Customer,
    changes: tokio::sync::watch::Receiver<i64>,
    ends: Instant,
    first: bool,
}

impl Waiting {
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::take(&mut self.first) {
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.ends) => return None,
                () = self.hub.stopping.cancelled() => return None,
            }
        }
        let row = sqlx::query(
            "SELECT a.feed, s.revoked_at FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.id = $1",
        )
        .bind(&self.customer.session)
        .fetch_optional(self.hub.store.read())
        .await
        .ok()??;
        if row.maybe_int("revoked_at").ok()?.is_some() {
            return None;
        }
        let poke = Poke { cursor: Cursor(row.int("feed").ok()?).write(&self.hub.id) };
        Event::default().json_data(poke).ok()
    }
}
