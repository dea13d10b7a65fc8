//! `taken` and `share`.

use std::time::Duration;

use postern_runtime::{
    intent::Intent,
    view::{ActionView, StateView},
};
use serde_json::json;

use super::Output;
use crate::{
    app::App,
    fault::{Exit, Fault},
    qr::Code,
    text::safe,
    time::{self, NoEnd},
};

/// Longest wait for the hub to make a link.
const OFFER: Duration = Duration::from_secs(15);

pub(super) async fn taken(app: &mut App, id: &str, taken: bool, output: Output) -> Result<(), Fault> {
    app.refreshed().await?;
    let found = app.find(id)?;
    let sensible = found.actions.contains(&ActionView::ConfirmTaken)
        || matches!(found.state, StateView::Opened | StateView::MayBeOpen)
        // Said by mistake.
        || (!taken && found.state == StateView::Collected);
    if !sensible {
        return Err(Fault::usage(format!(
            "{} was not opened, so there is nothing to say. `postern show` says where it stands.",
            safe(&found.title)
        )));
    }
    app.send(Intent::ConfirmTaken { reservation: found.id.clone(), taken })?;
    app.next().await?;
    app.delivered().await?;
    let again = app.find(&found.id).is_ok_and(|now| now.state == StateView::Ready);
    output.print(&json!({ "reservation": found.id, "taken": taken }), || {
        if taken {
            let measured = if found.inside == Some(true) {
                " The locker measured that something is still inside: the operator will look. If it is yours, say \
                 `postern taken --not-there` and open it again."
            } else {
                ""
            };
            format!("{}: taken.{measured}\n", safe(&found.title))
        } else if again {
            format!("{}: to be collected, as before.\n", safe(&found.title))
        } else {
            format!("{}: said that it was not there. The operator will look into it.\n", safe(&found.title))
        }
    })
}

/// The answer at the closed door: it is inside, or not yet.
pub(super) async fn placed(app: &mut App, id: &str, inside: bool, output: Output) -> Result<(), Fault> {
    app.refreshed().await?;
    let found = app.find(id)?;
    if !found.actions.contains(&ActionView::ConfirmPlaced) {
        return Err(Fault::usage(format!(
            "Nothing is to be said about {} now. `postern show` says where it stands.",
            safe(&found.title)
        )));
    }
    app.send(Intent::ConfirmPlaced { reservation: found.id.clone(), inside })?;
    app.next().await?;
    app.delivered().await?;
    output.print(&json!({ "reservation": found.id, "inside": inside }), || {
        let words = if inside { "inside, as you say" } else { "not inside yet" };
        format!("{}: {words}.\n", safe(&found.title))
    })
}

/// An end that the customer names.
pub(super) fn ending(text: &str, now: i64) -> Result<i64, Fault> {
    time::parse_end(text, now).map_err(|why| {
        Fault::usage(match why {
            NoEnd::Unknown => format!("`{}` is no end. It can be {}.", safe(text), time::ENDS),
            NoEnd::Past => format!("`{}` is over already.", safe(text)),
        })
    })
}

pub(super) async fn share(
    app: &mut App,
    id: &str,
    name: String,
    until: Option<&str>,
    output: Output,
) -> Result<(), Fault> {
    app.refreshed().await?;
    let found = app.find(id)?;
    let now = app.view().now;
    let until = match until {
        Some(text) => ending(text, now)?,
        None => {
            found.until.ok_or_else(|| Fault::usage("It has no end of its own; name one with --until."))?
        }
    };
    if !found.actions.contains(&ActionView::Share) {
        return Err(Fault::new(
            Exit::Refused,
            "cannotShare",
            format!("{} cannot be shared now.", safe(&found.title)),
        ));
    }
    app.send(Intent::Share { reservation: found.id.clone(), name, until })?;
    let offer = app
        .until(OFFER, |view| {
            if let Some(offer) = view.share_offer.as_ref().filter(|offer| offer.reservation == found.id) {
                return Some(Ok(offer.clone()));
            }
            view.outbox
                .iter()
                .filter(|entry| {
                    entry.what == "share" && entry.reservation.as_deref() == Some(found.id.as_str())
                })
                .find_map(|entry| entry.problem.as_ref())
                .map(|problem| Err(Fault::problem(problem)))
        })
        .await?;
    let Some(offer) = offer else {
        return Err(Fault::new(
            Exit::Offline,
            "offline",
            "The hub cannot be reached. The link is made when there is a network again; look with `postern show`.",
        ));
    };
    let offer = offer?;
    let until = offer.until;
    let document =
        json!({ "reservation": offer.reservation, "name": offer.name, "link": offer.link, "until": until });
    output.print(&document, || {
        let code = Code::new(&offer.link).filter(|_| std::io::IsTerminal::is_terminal(&std::io::stdout()));
        let drawn = code.map(|code| code.terminal()).unwrap_or_default();
        format!(
            "{drawn}{}\nFor {}, until {}. Whoever has this link first can open the door.\n",
            safe(&offer.link),
            safe(&offer.name),
            time::day_and_time(until)
        )
    })
}
