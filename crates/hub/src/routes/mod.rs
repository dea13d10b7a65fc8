//! HTTP: each route takes a request apart, calls the domain, and puts the answer together.

mod account;
mod apps;
mod begin;
mod carrier;
pub mod contract;
mod devices;
mod directory;
mod events;
mod finder;
mod meta;
mod operator;
mod parts;
mod reports;
mod reservations;
mod residents;
mod sync;
mod tokens;
mod webhooks;

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{hub::Hub, signin};

/// Bodies are at most so large, except where a route says otherwise.
const LONGEST_BODY: usize = 256 * 1024;
/// A report with photos.
const LONGEST_REPORT: usize = 12 * 1024 * 1024;

/// Everything that the hub answers to.
pub fn router(hub: Arc<Hub>, web_app: Router<Arc<Hub>>) -> Router {
    let (api, document) = documented().split_for_parts();
    meta::with_document(api, document).merge(apps::router()).merge(web_app).with_state(hub)
}

/// The OpenAPI document of the interface.
#[must_use]
pub fn document() -> serde_json::Value {
    let (_, document) = documented().split_for_parts();
    meta::completed(document)
}

/// The routes that the OpenAPI document describes.
fn documented() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::with_openapi(meta::document())
        .routes(routes!(meta::well_known))
        .routes(routes!(meta::authorization_server))
        .routes(routes!(meta::health))
        .routes(routes!(meta::ready))
        .routes(routes!(meta::metrics))
        .routes(routes!(account::me, account::change_me, devices::delete))
        .routes(routes!(account::new_email, account::forget_email))
        .routes(routes!(account::confirm_email))
        .routes(routes!(account::deletion))
        .routes(routes!(devices::export))
        .routes(routes!(devices::rename, devices::remove))
        .routes(routes!(devices::passkeys))
        .routes(routes!(devices::remove_passkey))
        .routes(routes!(devices::recovery_codes))
        .routes(routes!(sync::changes))
        .routes(routes!(sync::receipts))
        .routes(routes!(events::events))
        .routes(routes!(tokens::tokens))
        .routes(routes!(tokens::bulletins))
        .routes(routes!(finder::sites))
        .routes(routes!(finder::assets))
        .routes(routes!(reservations::borrow))
        .routes(routes!(reservations::show))
        .routes(routes!(reservations::taken))
        .routes(routes!(reservations::inside))
        .routes(routes!(reservations::extend))
        .routes(routes!(reservations::hold))
        .routes(routes!(reservations::cancel))
        .routes(routes!(reservations::change_locker))
        .routes(routes!(reservations::release))
        .routes(routes!(reservations::hand_over))
        .routes(routes!(reservations::share))
        .routes(routes!(reservations::revoke_share))
        .routes(routes!(reservations::claim))
        .routes(routes!(residents::look))
        .routes(routes!(residents::join))
        .routes(routes!(residents::leave))
        .routes(routes!(reservations::book_return))
        .routes(routes!(reservations::book_storage))
        .routes(routes!(carrier::announce, carrier::list))
        .routes(routes!(carrier::show))
        .routes(routes!(carrier::cancel))
        .routes(routes!(carrier::dispatch))
        .routes(routes!(carrier::deposit))
        .routes(routes!(carrier::returned))
        .routes(routes!(carrier::accept))
        .routes(routes!(carrier::refuse))
        .routes(routes!(carrier::new_courier))
        .routes(routes!(carrier::dismiss_courier))
        .routes(routes!(carrier::tasks))
        .routes(routes!(carrier::courier_token))
        .routes(routes!(carrier::carried))
        .routes(routes!(carrier::inside))
        .routes(routes!(reports::carriers_list))
        .routes(routes!(reports::carriers_one))
        .routes(routes!(reports::carriers_photo))
        .routes(routes!(reports::carriers_answer))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::remove))
        .routes(routes!(webhooks::dead_letters))
        .routes(routes!(webhooks::retry))
        .routes(routes!(directory::lockers, operator::provision))
        .routes(routes!(operator::locker, operator::decommission))
        .routes(routes!(operator::heartbeat))
        .routes(routes!(operator::receipts))
        .routes(routes!(operator::bulletin))
        .routes(routes!(operator::lost))
        .routes(routes!(operator::door))
        .routes(routes!(operator::clear))
        .routes(routes!(directory::sites))
        .routes(routes!(operator::put_site))
        .routes(routes!(residents::members))
        .routes(routes!(residents::put_member, residents::remove_member))
        .routes(routes!(residents::hold))
        .routes(routes!(residents::list_invitations, residents::invite))
        .routes(routes!(residents::invite_list))
        .routes(routes!(residents::withdraw))
        .routes(routes!(operator::put_asset, operator::remove_asset))
        .routes(routes!(directory::carriers))
        .routes(routes!(operator::put_carrier))
        .routes(routes!(directory::keys, operator::new_key))
        .routes(routes!(operator::revoke_key))
        .routes(routes!(reports::operators_list))
        .routes(routes!(reports::operators_one))
        .routes(routes!(reports::operators_photo))
        .routes(routes!(reports::operators_answer))
        .routes(routes!(operator::alarms))
        .routes(routes!(directory::delivery_sites))
        .routes(routes!(operator::resolve))
        .routes(routes!(operator::insight))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .merge(signin::router())
        // Four photos in base64url.
        .merge(
            OpenApiRouter::new()
                .routes(routes!(reservations::report))
                .layer(DefaultBodyLimit::max(LONGEST_REPORT)),
        )
}
