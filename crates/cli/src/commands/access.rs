//! Access from one customer to another: a link taken up, and in person with no network.

use std::{collections::BTreeSet, io::Read as _, time::Duration};

use postern_runtime::{
    intent::Intent,
    view::{ActionView, NoticeCode, ProblemCode, ReservationView, SessionView},
};
use serde_json::json;

use super::{Output, changing::with, session, telling::ending};
use crate::{
    app::App,
    arguments::InPerson,
    fault::{Exit, Fault},
    qr::Code,
    text::safe,
    time, words,
};

/// Longest wait for the hub's word, or for the device key to sign.
const ANSWER: Duration = Duration::from_secs(20);
/// Longest text that is read: a claim link or a code.
const LONGEST: u64 = 4096;

/// What was given as an argument, or what stands on the standard input for `-`.
pub(super) fn given(text: &str) -> Result<String, Fault> {
    if text != "-" {
        return Ok(text.trim().to_owned());
    }
    let mut read = String::new();
    std::io::stdin().take(LONGEST).read_to_string(&mut read)?;
    Ok(read.trim().to_owned())
}

pub(super) async fn claim(app: &mut App, link: &str, output: Output) -> Result<(), Fault> {
    let url = given(link)?;
    let signed_in = matches!(app.view().session, SessionView::SignedIn { .. });
    if signed_in {
        app.refreshed().await?;
    }
    let before = ids(app);
    let told = notice(app);
    app.send(Intent::FollowLink { url })?;
    if !signed_in {
        // The hub takes the link with the sign-in, and makes a guest of who has no account.
        let begun = app
            .until(ANSWER, |view| {
                let refused =
                    view.notices.iter().any(|n| Some(n.id) > told && n.code == NoticeCode::InvitationInvalid);
                let idle =
                    matches!(view.session, SessionView::SignedOut { problem: None } | SessionView::Revoked);
                if refused { Some(false) } else { (!idle).then_some(true) }
            })
            .await?;
        if begun != Some(true) {
            return Err(not_ours(app));
        }
        session::follow(app).await?;
        return taken(app, &before, None, output).await;
    }
    let outcome = app.until(ANSWER, |view| view.notices.iter().find(|n| Some(n.id) > told).cloned()).await?;
    let of = outcome.as_ref().and_then(|notice| notice.reservation.clone());
    match outcome.map(|notice| notice.code) {
        // Also where the link was followed before: then it is there already.
        Some(NoticeCode::AccessTaken) => taken(app, &before, of.as_deref(), output).await,
        Some(NoticeCode::InvitationInvalid) => Err(not_ours(app)),
        _ => Err(Fault::new(
            Exit::Offline,
            "offline",
            "The hub cannot be reached. Try again when there is a network: the link is good until somebody takes it.",
        )),
    }
}

fn not_ours(app: &App) -> Fault {
    let hub = safe(&app.view().hub);
    Fault::new(
        Exit::Refused,
        "claimEnded",
        format!(
            "That is no link of {hub}, or it was used, taken back, or has ended. Ask for a new one; a link of another hub needs \
             --hub."
        ),
    )
}

fn ids(app: &App) -> BTreeSet<String> {
    app.view().reservations.iter().map(|r| r.id.clone()).collect()
}

/// The newest notice that there is.
pub(super) fn notice(app: &App) -> Option<u64> {
    app.view().notices.iter().map(|notice| notice.id).max()
}

/// Says what there is now: the one that was named, or that was not there before.
async fn taken(
    app: &mut App,
    before: &BTreeSet<String>,
    named: Option<&str>,
    output: Output,
) -> Result<(), Fault> {
    let is_it = |id: &str| named.map_or_else(|| !before.contains(id), |named| named == id);
    let new = app.until(ANSWER, |view| view.reservations.iter().find(|r| is_it(&r.id)).cloned()).await?;
    let Some(new) = new else {
        return Err(Fault::new(
            Exit::Offline,
            "offline",
            "Access was given; `postern list` shows it in a moment.",
        ));
    };
    output.print(&new, || told(&new))
}

fn told(new: &ReservationView) -> String {
    let door = new.label.as_deref().map(|label| format!("door {}", safe(label)));
    let site = new.site.as_ref().map(|site| safe(&site.name));
    let until = new.until.map(|until| format!("until {}", time::day_and_time(until)));
    let parts: Vec<String> = [door, site, until].into_iter().flatten().collect();
    format!("You can open {}: {}.\n", safe(&new.title), parts.join(", "))
}

pub(super) async fn in_person(app: &mut App, step: InPerson, output: Output) -> Result<(), Fault> {
    match step {
        InPerson::Invite => invite(app, output).await,
        InPerson::Give { id, invitation, name, until } => {
            give(app, &id, &invitation, name, until.as_deref(), output).await
        }
        InPerson::Take { access } => take(app, &access, output).await,
    }
}

async fn invite(app: &mut App, output: Output) -> Result<(), Fault> {
    app.send(Intent::ShowMyInvitation)?;
    let shown = app.until(ANSWER, |view| view.invitation.as_ref().map(|code| code.text.clone())).await?;
    app.send(Intent::HideMyInvitation)?;
    let text = shown.ok_or_else(|| Fault::new(Exit::Fault, "noInvitation", "No invitation can be made."))?;
    output.print(&json!({ "invitation": text }), || {
        format!(
            "{}{text}\nThe owner runs `postern in-person give` with it. It is good for this device alone.\n",
            drawn(&text)
        )
    })
}

async fn give(
    app: &mut App,
    id: &str,
    invitation: &str,
    name: String,
    until: Option<&str>,
    output: Output,
) -> Result<(), Fault> {
    let invitation = given(invitation)?;
    let found = with(app, id, ActionView::Open, "passed on").await?;
    let until = match until {
        Some(until) => ending(until, app.view().now)?,
        None => {
            found.until.ok_or_else(|| Fault::usage("It has no end of its own; name one with --until."))?
        }
    };
    app.send(Intent::AcceptInvitation { reservation: found.id.clone(), invitation, name, until })?;
    let outcome = app
        .until(ANSWER, |view| match (&view.share_offer, &view.share_problem) {
            (Some(offer), _) if offer.reservation == found.id => Some(Ok(offer.clone())),
            (_, Some(problem)) => Some(Err(problem.clone())),
            _ => None,
        })
        .await?;
    app.send(Intent::DismissShareOffer)?;
    let offer = match outcome {
        Some(Ok(offer)) => offer,
        Some(Err(problem)) => return Err(Fault::problem(&problem)),
        None => return Err(Fault::new(Exit::Refused, "keyRefused", words::problem(ProblemCode::KeyRefused))),
    };
    // It ends with the access on this device at the latest.
    let view = app.view();
    let share = view
        .reservations
        .iter()
        .find(|r| r.id == found.id)
        .and_then(|r| r.shares.iter().rfind(|share| share.name == offer.name));
    let ends = share.map_or(until, |share| share.until);
    let document =
        json!({ "reservation": found.id, "name": offer.name, "access": offer.link, "until": ends });
    output.print(&document, || {
        format!(
            "{}{}\nFor {}, until {}. The guest runs `postern in-person take` with it; it opens nothing on any other device.\n",
            drawn(&offer.link),
            safe(&offer.link),
            safe(&offer.name),
            time::day_and_time(ends)
        )
    })
}

async fn take(app: &mut App, access: &str, output: Output) -> Result<(), Fault> {
    let text = given(access)?;
    let before = ids(app);
    let newest = notice(app);
    app.send(Intent::TakeDelegation { text })?;
    let outcome =
        app.until(ANSWER, |view| view.notices.iter().find(|n| Some(n.id) > newest).map(|n| n.code)).await?;
    match outcome {
        Some(NoticeCode::AccessTaken) => taken(app, &before, None, output).await,
        _ => Err(Fault::new(
            Exit::Refused,
            "invitationInvalid",
            "That is no access for this device, or it has ended. Show the owner your invitation and ask again.",
        )),
    }
}

/// A code, where somebody looks.
fn drawn(text: &str) -> String {
    let code = Code::new(text).filter(|_| std::io::IsTerminal::is_terminal(&std::io::stdout()));
    code.map(|code| code.terminal()).unwrap_or_default()
}
