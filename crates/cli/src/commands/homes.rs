//! `home`: flats that the customer was invited to, and leaving them.

use std::time::Duration;

use postern_runtime::{
    intent::Intent,
    view::{HomeOfferView, HomeView, View},
};
use serde_json::json;

use super::{Output, access, account};
use crate::{
    app::App,
    arguments::HomeChange,
    fault::{Exit, Fault},
    text::{self, safe},
};

/// Longest wait for an answer of the hub.
const ANSWER: Duration = Duration::from_secs(20);

pub(super) async fn change(app: &mut App, change: Option<HomeChange>, output: Output) -> Result<(), Fault> {
    match change {
        None => list(app, output).await,
        Some(HomeChange::Join { invitation, yes }) => join(app, &invitation, yes, output).await,
        Some(HomeChange::Leave { site, yes }) => leave(app, &site, yes, output).await,
    }
}

async fn homes(app: &mut App) -> Result<Vec<HomeView>, Fault> {
    Ok(account::looked(app).await?.homes)
}

async fn list(app: &mut App, output: Output) -> Result<(), Fault> {
    let homes = homes(app).await?;
    output.print(&json!(homes), || {
        let row =
            |home: &HomeView| vec![safe(&home.site), safe(&home.name), safe(&home.unit), safe(&home.address)];
        text::columns(&homes.iter().map(row).collect::<Vec<_>>())
    })
}

/// The offer once the hub has said something of it that `settled` waits for, or why there is none.
async fn told(app: &mut App, settled: fn(&HomeOfferView) -> bool) -> Result<HomeOfferView, Fault> {
    let seen = |view: &View| {
        let offer = view.home_offer.clone()?;
        (!offer.doing && (settled(&offer) || offer.problem.is_some())).then_some(offer)
    };
    let offer = app.until(ANSWER, seen).await?.ok_or_else(account::offline)?;
    match &offer.problem {
        Some(problem) => {
            let fault = Fault::problem(problem);
            app.send(Intent::DismissHome)?;
            Err(fault)
        }
        None => Ok(offer),
    }
}

async fn join(app: &mut App, invitation: &str, yes: bool, output: Output) -> Result<(), Fault> {
    let url = access::given(invitation)?;
    let before = access::notice(app);
    app.send(Intent::FollowLink { url })?;
    let ours = app
        .until(ANSWER, |view| {
            let refused = view.notices.iter().any(|notice| Some(notice.id) > before);
            view.home_offer.is_some().then_some(true).or(refused.then_some(false))
        })
        .await?;
    if ours != Some(true) {
        return Err(Fault::usage(
            "That is neither an invitation of this network nor a code of twelve characters.",
        ));
    }
    let offer = told(app, |offer| !offer.name.is_empty()).await?;
    let (name, address, unit) = (safe(&offer.name), safe(&offer.address), safe(&offer.unit));
    let question = format!(
        "You are invited to {name}, {unit} ({address}). Everyone who lives there can open what belongs to the flat, and the \
         operator sees your customer number and your name. Join?"
    );
    if !offer.joined {
        if let Err(stopped) = account::sure(yes, question).await {
            app.send(Intent::DismissHome)?;
            return Err(stopped);
        }
        app.send(Intent::JoinHome)?;
        told(app, |offer| offer.joined).await?;
    }
    app.send(Intent::DismissHome)?;
    output.print(&json!({ "name": offer.name, "address": offer.address, "unit": offer.unit }), || {
        format!("You belong to {name}, {unit} now.\n")
    })
}

async fn leave(app: &mut App, wanted: &str, yes: bool, output: Output) -> Result<(), Fault> {
    let homes = homes(app).await?;
    let Some(home) = homes.into_iter().find(|home| home.site == wanted) else {
        return Err(Fault::usage(format!(
            "You do not live at `{}`; `postern home` lists where you do.",
            safe(wanted)
        )));
    };
    if !home.hindered_by.is_empty() {
        let view = app.view();
        let title = |id: &String| {
            let found = view.reservations.iter().find(|reservation| reservation.id == *id);
            found.map_or_else(|| safe(id), |reservation| safe(&reservation.title))
        };
        let titles: Vec<_> = home.hindered_by.iter().map(title).collect();
        let message = format!("Give these back first: {}.", titles.join(", "));
        return Err(Fault::new(Exit::Refused, "homeHolds", message));
    }
    let (name, unit) = (safe(&home.name), safe(&home.unit));
    let question = format!(
        "Leave {name}, {unit}? You, and whom you let in, can no longer open what belongs to the flat."
    );
    account::sure(yes, question).await?;
    account::done(app, Intent::LeaveHome { site: home.site.clone() }).await?;
    output.print(&json!({ "left": home.site }), || format!("You have left {name}, {unit}.\n"))
}
