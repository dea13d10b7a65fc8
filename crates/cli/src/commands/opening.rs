//! `open`, `reopen` and `resolve`.

use std::{pin::pin, time::Duration};

use postern_runtime::{
    intent::Intent,
    view::{AccessView, ActionView, OpeningPhase, OpeningView, ReservationView},
};
use serde::Serialize;

use super::{Output, confirmed};
use crate::{
    app::App,
    fault::{Exit, Fault},
    text::safe,
    words,
};

/// Longest wait for a token that is being fetched.
const ACCESS: Duration = Duration::from_secs(6);
/// Longest wait for one step of an opening to be over: a gesture ends after 30 s, a question to the locker sooner.
const STEP: Duration = Duration::from_secs(60);
/// Longest wait for a door to be closed.
const CLOSED: Duration = Duration::from_secs(170);

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
        wanted.push(with_access(app, id).await?);
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
    let found = with_access(app, id).await?;
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

/// The reservation, with the access that is being fetched for it if that comes soon. Without a network what is stored
/// is used at once: nobody waits for the hub in front of a locker.
async fn with_access(app: &mut App, id: &str) -> Result<ReservationView, Fault> {
    if app.view().reservations.is_empty() {
        app.refreshed().await?;
    }
    let found = match app.find(id) {
        Ok(found) => found,
        Err(_) => {
            app.refreshed().await?;
            app.find(id)?
        }
    };
    if matches!(found.access, AccessView::Fetching | AccessView::NeedsNetwork) {
        app.until(ACCESS, |view| {
            let now = view.reservations.iter().find(|r| r.id == found.id)?;
            matches!(now.access, AccessView::Ready { .. }).then_some(())
        })
        .await?;
    }
    Ok(found)
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
                format!("Door {} opened{}. {closing}\n", safe(&door.label), took.unwrap_or_default())
            })
            .collect()
    })
}

/// What became of one step.
enum Outcome {
    Opened(Done),
    Next,
    Failed(Fault),
}

async fn follow(app: &mut App, yes: bool, until_closed: bool) -> Result<Vec<Done>, Fault> {
    let mut done: Vec<Done> = Vec::new();
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut asked_to_stop = false;
    let mut told = None;
    loop {
        // An opening that the core does not even begin is an ID that cannot be opened now.
        let step = app.until(STEP, |view| {
            let opening = view.opening.as_ref()?;
            if let Some(phase) = words::phase(&opening.phase)
                && told != Some(phase)
            {
                told = Some(phase);
                eprintln!("{phase}");
            }
            settled(opening, until_closed, &done)
        });
        let outcome = tokio::select! {
            outcome = step => outcome?,
            _ = &mut interrupted, if !asked_to_stop => {
                asked_to_stop = true;
                eprintln!("Stopping…");
                app.send(Intent::CancelOpening)?;
                continue;
            }
        };
        match outcome {
            Some(Outcome::Opened(door)) => {
                let total = app.view().opening.as_ref().map_or(1, |opening| opening.total);
                eprintln!("Door {} is open.", safe(&door.label));
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
            None => {
                return Err(match &app.view().opening {
                    // It was asked for, and the app has put the opening away since.
                    None if told.is_some() => may_be_open("the door"),
                    None => Fault::new(
                        Exit::Refused,
                        "cannotOpen",
                        "It cannot be opened now. `postern show` says where it stands.",
                    ),
                    Some(_) => {
                        Fault::new(Exit::OutOfRange, "noAnswer", "The locker does not answer. Try again.")
                    }
                });
            }
        }
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

/// Until the last door is closed; a door that stays open is not a failure of the opening.
async fn wait_closed(app: &mut App, done: &mut [Done]) -> Result<(), Fault> {
    let closed = app
        .until(CLOSED, |view| {
            let opening = view.opening.as_ref()?;
            matches!(opening.phase, OpeningPhase::Closed { .. }).then_some(())
        })
        .await?;
    if closed.is_some() {
        for door in done.iter_mut() {
            door.state = "closed";
        }
    } else {
        eprintln!("postern: The door is still open. Please close it.");
    }
    Ok(())
}
