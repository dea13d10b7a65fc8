//! `open`, `reopen` and `resolve`.

use std::{io::IsTerminal, pin::pin, time::Duration};

use postern_runtime::{
    intent::Intent,
    view::{
        AccessView, ActionView, NetworkView, OpeningPhase, OpeningView, ReservationView, SessionView,
        StateView, View,
    },
};
use serde::Serialize;

use super::{Output, confirmed};
use crate::{
    app::App,
    fault::{Exit, Fault},
    text::{safe, tell},
    words,
};

/// Longest wait for a token that is being fetched.
const ACCESS: Duration = Duration::from_secs(6);
/// Longest wait for an opening to begin: the core begins it at once or not at all.
const START: Duration = Duration::from_secs(5);
/// Longest wait for one step of an opening to be over: a gesture ends after 30 s, a question to the locker sooner.
const STEP: Duration = Duration::from_secs(60);
/// Longest wait for a door to be closed.
const CLOSED: Duration = Duration::from_secs(170);

/// Longest wait for what a closed locker has measured.
const MEASURED: Duration = Duration::from_secs(3);

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    reservation: String,
    locker: String,
    door: u16,
    label: String,
    /// `opened` or `closed`.
    state: &'static str,
    /// Milliseconds from the gesture to the receipt.
    opened_after_ms: Option<u32>,
    /// It stood open before, as its sensor says.
    already_open: bool,
}

/// How an opening is to be done.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// The command was the gesture.
    pub(super) yes: bool,
    /// Stay until the last door is closed.
    pub(super) until_closed: bool,
    pub(super) output: Output,
}

pub(super) async fn open(app: &mut App, ids: &[String], how: How) -> Result<(), Fault> {
    let mut wanted = Vec::new();
    for id in ids {
        wanted.push(with_access(app, id, ActionView::Open).await?);
    }
    let lockers: Vec<_> = wanted.iter().map(|r| r.locker.as_deref()).collect();
    if lockers.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Fault::usage("These are at different lockers. Open them one locker at a time."));
    }
    if !how.yes && !confirmed(format!("You stand in front of it. Open {} now?", doors(&wanted))).await? {
        return Err(stopped());
    }
    app.send(Intent::Open { reservations: wanted.iter().map(|r| r.id.clone()).collect() })?;
    carry_through(app, how).await
}

pub(super) async fn reopen(app: &mut App, id: &str, how: How) -> Result<(), Fault> {
    let found = with_access(app, id, ActionView::Reopen).await?;
    let doors = doors(std::slice::from_ref(&found));
    if !how.yes && !confirmed(format!("You stand in front of it. Open {doors} again?")).await? {
        return Err(stopped());
    }
    app.send(Intent::Reopen { reservation: found.id })?;
    carry_through(app, how).await
}

pub(super) async fn resolve(app: &mut App, id: &str, output: Output) -> Result<(), Fault> {
    let found = app.find(id)?;
    if !found.actions.contains(&ActionView::Resolve) {
        return Err(Fault::usage(format!(
            "No opening of {} was cut off, so there is nothing to ask. `postern show` says where it stands.",
            safe(&found.title)
        )));
    }
    app.send(Intent::ResolveOpening { reservation: Some(found.id) })?;
    carry_through(app, How { yes: true, until_closed: false, output }).await
}

/// The reservation with which `action` can be done, with the access that is being fetched for it if that comes soon. What is
/// stored is used at once, and the hub is asked only where that does not do: nobody waits for it in front of a locker.
async fn with_access(app: &mut App, id: &str, action: ActionView) -> Result<ReservationView, Fault> {
    let can = |found: &ReservationView| found.actions.contains(&action);
    let found = match app.find(id) {
        Ok(found) if can(&found) => found,
        _ => {
            app.refreshed().await?;
            app.find(id)?
        }
    };
    if !can(&found) {
        return Err(cannot(&found));
    }
    if matches!(found.access, AccessView::Fetching | AccessView::NeedsNetwork) {
        app.until(ACCESS, |view| {
            let now = view.reservations.iter().find(|r| r.id == found.id)?;
            let here = matches!(now.access, AccessView::Ready { .. });
            let never = now.access == AccessView::NeedsNetwork && view.network != NetworkView::Unknown;
            (here || never).then_some(())
        })
        .await?;
    }
    Ok(found)
}

/// Why it is not opened now, and what can be done.
fn cannot(found: &ReservationView) -> Fault {
    let title = safe(&found.title);
    let has = |action| found.actions.contains(&action);
    let why = match found.state {
        StateView::Announced | StateView::InTransit => {
            format!("{title} is not there yet: it is {}.", words::state(found.state))
        }
        _ if has(ActionView::Resolve) => {
            format!("An opening of {title} was cut off. `postern resolve` asks the locker what became of it.")
        }
        _ if has(ActionView::Reopen) => {
            format!("{title} was opened already. `postern reopen` opens it once more.")
        }
        _ if has(ActionView::Open) => format!("{title} was not opened yet. `postern open` does that."),
        state => format!("{title} cannot be opened now: {}.", words::state(state)),
    };
    Fault::new(Exit::Refused, "cannotOpen", format!("{why} `postern show` says where it stands."))
}

fn doors(wanted: &[ReservationView]) -> String {
    let labels: Vec<_> = wanted.iter().map(|r| safe(r.label.as_deref().unwrap_or("?"))).collect();
    let site = wanted.first().and_then(|r| r.site.as_ref()).map(|site| format!(" at {}", safe(&site.name)));
    let noun = if labels.len() == 1 { "door" } else { "doors" };
    format!("{noun} {}{}", labels.join(", "), site.unwrap_or_default())
}

fn stopped() -> Fault {
    Fault::new(Exit::Stopped, "stopped", "Stopped; nothing moved.")
}

async fn carry_through(app: &mut App, how: How) -> Result<(), Fault> {
    let outcome = follow(app, how.yes, how.until_closed).await;
    if let Ok(done) = &outcome {
        for door in done.iter().filter(|door| door.state == "closed") {
            after_closing(app, door, how.yes).await?;
        }
    }
    let delivered = app.delivered().await;
    let done = outcome?;
    delivered?;
    how.output.print(&done, || {
        done.iter()
            .map(|door| {
                let took =
                    door.opened_after_ms.map(|ms| format!(" after {}.{} s", ms / 1000, ms % 1000 / 100));
                let closing =
                    if door.state == "closed" { "It is closed again." } else { "Close it afterwards." };
                let label = safe(&door.label);
                if door.already_open {
                    return format!(
                        "Door {label} stands open already, as its sensor says. {closing} If it is shut, the sensor is wrong: \
                         `postern reopen` (where you keep something, `postern open`) drives the latch once more.\n"
                    );
                }
                format!("Door {label} opened{}. {closing}\n", took.unwrap_or_default())
            })
            .collect()
    })
}

/// What became of one step.
enum Outcome {
    Opened(Done),
    Next,
    Failed(Fault),
    /// The opening is there no more: everything on this device was wiped.
    Gone,
}

async fn follow(app: &mut App, yes: bool, until_closed: bool) -> Result<Vec<Done>, Fault> {
    let mut done: Vec<Done> = Vec::new();
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut asked_to_stop = false;
    let mut told = None;
    let mut asked = false;
    if app.until(START, |view| view.opening.as_ref().map(|_| ())).await?.is_none() {
        return Err(Fault::new(
            Exit::Refused,
            "cannotOpen",
            "It cannot be opened now. `postern show` says where it stands.",
        ));
    }
    loop {
        let step = app.until(STEP, |view| {
            let Some(opening) = view.opening.as_ref() else { return Some(Outcome::Gone) };
            asked = !matches!(opening.phase, OpeningPhase::Searching | OpeningPhase::Connecting);
            if let Some(phase) = words::phase(&opening.phase)
                && told != Some(phase)
            {
                told = Some(phase);
                tell!("{phase}");
            }
            settled(opening, until_closed, &done)
        });
        let outcome = tokio::select! {
            outcome = step => outcome?,
            _ = &mut interrupted, if !asked_to_stop => {
                asked_to_stop = true;
                tell!("Stopping…");
                app.send(Intent::CancelOpening)?;
                continue;
            }
        };
        match outcome {
            Some(Outcome::Opened(door)) => {
                let total = app.view().opening.as_ref().map_or(1, |opening| opening.total);
                let view = app.view();
                let found = view.reservations.iter().find(|one| one.id == door.reservation);
                let care = found.and_then(|one| one.care).and_then(words::care);
                let care = care.map(|care| format!(" Inside: {care}.")).unwrap_or_default();
                tell!("Door {} is open.{care}", safe(&door.label));
                done.push(door);
                if done.len() >= usize::from(total) {
                    if until_closed {
                        wait_closed(app, &mut done).await?;
                    }
                    return Ok(done);
                }
            }
            Some(Outcome::Next) => {
                let view = app.view();
                let label = view.opening.as_ref().map(|o| safe(&o.label)).unwrap_or_default();
                if !yes && !confirmed(format!("Next is door {label}. Open it now?")).await? {
                    app.send(Intent::CancelOpening)?;
                    return Ok(done);
                }
                told = None;
                app.send(Intent::ContinueOpening)?;
                app.until(STEP, |view| {
                    let opening = view.opening.as_ref()?;
                    (opening.phase != OpeningPhase::NextDoor).then_some(())
                })
                .await?;
            }
            Some(Outcome::Failed(fault)) => return Err(fault),
            Some(Outcome::Gone) => return Err(gone(&app.view().session, asked)),
            None => {
                return Err(Fault::new(
                    Exit::OutOfRange,
                    "noAnswer",
                    "The locker does not answer. Try again.",
                ));
            }
        }
    }
}

/// The opening was taken away from under us. Where the locker may have been asked by then, nobody here knows whether the
/// door moved.
fn gone(session: &SessionView, asked: bool) -> Fault {
    let mut message = match session {
        SessionView::Revoked => {
            "This device was removed from your account meanwhile, and everything on it was wiped.".to_owned()
        }
        _ => "The opening ended before the locker's answer was here.".to_owned(),
    };
    if asked {
        message.push_str(" The door may be open: look at it.");
        return Fault::new(Exit::MayBeOpen, "mayBeOpen", message);
    }
    message.push_str(" Nothing moved.");
    match session {
        SessionView::Revoked => Fault::new(Exit::NotSignedIn, "revoked", message),
        _ => Fault::new(Exit::Refused, "ended", message),
    }
}

/// What the view says of the step under way, once it is over.
fn settled(opening: &OpeningView, until_closed: bool, done: &[Done]) -> Option<Outcome> {
    let known = done.iter().any(|door| door.reservation == opening.reservation && door.door == opening.door);
    let last = opening.index >= opening.total;
    match &opening.phase {
        OpeningPhase::Opened { .. } | OpeningPhase::Closed { .. } if !known => Some(Outcome::Opened(Done {
            reservation: opening.reservation.clone(),
            locker: opening.locker.clone(),
            door: opening.door,
            label: opening.label.clone(),
            state: if matches!(opening.phase, OpeningPhase::Closed { .. }) && until_closed {
                "closed"
            } else {
                "opened"
            },
            opened_after_ms: opening.opened_after_ms,
            already_open: opening.already_open,
        })),
        OpeningPhase::NextDoor => Some(Outcome::Next),
        OpeningPhase::MayBeOpen { asking: false } => {
            Some(Outcome::Failed(may_be_open(&safe(&opening.label))))
        }
        OpeningPhase::Failed { problem } => Some(Outcome::Failed(Fault::problem(problem))),
        OpeningPhase::Cancelled if last || done.is_empty() => Some(Outcome::Failed(stopped())),
        _ => None,
    }
}

fn may_be_open(door: &str) -> Fault {
    Fault::new(
        Exit::MayBeOpen,
        "mayBeOpen",
        format!(
            "The connection broke at the wrong moment: the door may be open. Look at {door}. `postern resolve` asks the locker."
        ),
    )
}

/// What lies behind the closed door, where something was to be put in: what the locker measured, or else the answer of
/// whoever stands there.
async fn after_closing(app: &mut App, door: &Done, yes: bool) -> Result<(), Fault> {
    let is_asked = |view: &View| {
        let found = view.reservations.iter().find(|found| found.id == door.reservation)?;
        Some(found.inside.is_none() && found.actions.contains(&ActionView::ConfirmPlaced))
    };
    if is_asked(&app.view()) != Some(true) {
        return Ok(());
    }
    // What was measured comes right behind the closing.
    let measured = app.until(MEASURED, |view| (is_asked(view) != Some(true)).then_some(())).await?;
    if measured.is_some() {
        return Ok(());
    }
    if yes || !std::io::stdin().is_terminal() {
        tell!("Is it inside? The locker cannot tell: say so with `postern placed {}`.", safe(&door.label));
        return Ok(());
    }
    let inside = confirmed(format!("Is it inside {}?", safe(&door.label))).await?;
    app.send(Intent::ConfirmPlaced { reservation: door.reservation.clone(), inside })?;
    app.next().await?;
    Ok(())
}

/// Until the last door is closed; a door that stays open is not a failure of the opening.
async fn wait_closed(app: &mut App, done: &mut [Done]) -> Result<(), Fault> {
    let closed = app
        .until(CLOSED, |view| {
            let Some(opening) = view.opening.as_ref() else { return Some(false) };
            matches!(opening.phase, OpeningPhase::Closed { .. }).then_some(true)
        })
        .await?;
    if closed == Some(false) {
        tell!("postern: The locker cannot be heard any more. Please look whether the door is closed.");
    } else if closed.is_some() {
        for door in done.iter_mut() {
            door.state = "closed";
        }
    } else {
        tell!("postern: The door is still open. Please close it.");
    }
    Ok(())
}
