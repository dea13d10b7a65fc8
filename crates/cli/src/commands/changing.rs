//! What a customer wishes of the hub for something that they have: more time, another place, an end of it, a report.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use postern_runtime::{
    intent::Intent,
    view::{ActionView, ProblemCode, ReleaseView, ReservationView, SessionView, StateView},
};
use serde_json::json;

use super::{Output, booking, confirmed, telling::ending};
use crate::{
    app::App,
    arguments::Trouble,
    fault::{Exit, Fault},
    text::safe,
    time, words,
};

/// Largest photo of a report, in bytes, and most of them (the hub's contract).
const PHOTO: usize = 2 << 20;
const PHOTOS: usize = 4;
/// Longest note, in characters (the hub's contract).
const NOTE: usize = 2_000;

/// The reservation that is meant, if `action` can be done with it now.
pub(super) async fn with(
    app: &mut App,
    id: &str,
    action: ActionView,
    what: &str,
) -> Result<ReservationView, Fault> {
    app.refreshed().await?;
    let found = app.find(id)?;
    if found.actions.contains(&action) {
        return Ok(found);
    }
    let title = safe(&found.title);
    if matches!(action, ActionView::Extend | ActionView::Hold)
        && let Some(care) = found.care.filter(|care| care.keeps_until.is_some() || care.keeps_hours.is_some())
    {
        let care = words::care(care).unwrap_or_default();
        return Err(Fault::new(
            Exit::Refused,
            "keepsNoLonger",
            format!("{title} cannot be {what}: {care}. Collect it before then, or have somebody collect it."),
        ));
    }
    Err(Fault::new(
        Exit::Refused,
        "cannot",
        format!("{title} cannot be {what} now: {}.", words::state(found.state)),
    ))
}

pub(super) async fn extend(app: &mut App, id: &str, until: &str, output: Output) -> Result<(), Fault> {
    let found = with(app, id, ActionView::Extend, "extended").await?;
    let wanted = ending(until, app.view().now)?;
    let intent = Intent::Extend { reservation: found.id.clone(), until: wanted };
    app.wish(intent, "extend", Some(&found.id)).await?;
    let now = app.after(&found.id, |r| r.until != found.until).await?;
    output.print(&now, || match now.until {
        Some(until) => {
            let less = if until < wanted { ", which is what the hub grants" } else { "" };
            format!("{}: until {}{less}.\n", safe(&now.title), time::day_and_time(until))
        }
        None => format!("{}: asked for more time.\n", safe(&now.title)),
    })
}

pub(super) async fn hold(app: &mut App, id: &str, until: &str, output: Output) -> Result<(), Fault> {
    let found = with(app, id, ActionView::Hold, "held").await?;
    let until = ending(until, app.view().now)?;
    let intent = Intent::Hold { reservation: found.id.clone(), until };
    app.wish(intent, "hold", Some(&found.id)).await?;
    let now = app.after(&found.id, |r| r.timeline.len() != found.timeline.len()).await?;
    output.print(&now, || {
        format!("{}: kept until you are back, {}.\n", safe(&now.title), time::day_and_time(until))
    })
}

pub(super) async fn hold_all(app: &mut App, until: &str, output: Output) -> Result<(), Fault> {
    app.refreshed().await?;
    let view = app.view();
    let until = ending(until, view.now)?;
    let mut kept = Vec::new();
    for found in view.reservations.iter().filter(|one| one.actions.contains(&ActionView::Hold)) {
        let intent = Intent::Hold { reservation: found.id.clone(), until };
        app.wish(intent, "hold", Some(&found.id)).await?;
        kept.push(app.after(&found.id, |r| r.timeline.len() != found.timeline.len()).await?);
    }
    output.print(&kept, || {
        let when = time::day_and_time(until);
        kept.iter().map(|one| format!("{}: kept until you are back, {when}.\n", safe(&one.title))).collect()
    })
}

pub(super) async fn change_locker(app: &mut App, id: &str, site: &str, output: Output) -> Result<(), Fault> {
    let found = with(app, id, ActionView::ChangeLocker, "sent elsewhere").await?;
    let site = booking::site(app, site, None).await?;
    let intent = Intent::ChangeLocker { reservation: found.id.clone(), site: site.id };
    app.wish(intent, "changeLocker", Some(&found.id)).await?;
    let now = app.after(&found.id, |r| r.site != found.site).await?;
    output.print(&now, || format!("{}: on its way to {}.\n", safe(&now.title), safe(&site.site.name)))
}

pub(super) async fn cancel(app: &mut App, id: &str, yes: bool, output: Output) -> Result<(), Fault> {
    let found = with(app, id, ActionView::Cancel, "cancelled").await?;
    sure(yes, format!("Cancel {}?", safe(&found.title))).await?;
    app.wish(Intent::Cancel { reservation: found.id.clone() }, "cancel", Some(&found.id)).await?;
    let now = app.after(&found.id, |r| r.state == StateView::Cancelled).await?;
    output.print(&now, || format!("{}: cancelled.\n", safe(&now.title)))
}

pub(super) async fn release(app: &mut App, id: &str, yes: bool, output: Output) -> Result<(), Fault> {
    let found = with(app, id, ActionView::Release, "given back").await?;
    let title = safe(&found.title);
    let (question, confirmed) = match found.release {
        Some(ReleaseView::AskEmpty) => (format!("Give {title} back: is the compartment empty?"), Some(true)),
        Some(ReleaseView::AskInside) => {
            (format!("Give {title} back: does it lie inside, and is the door closed?"), Some(true))
        }
        Some(ReleaseView::SomethingInside) => {
            let words = words::problem(ProblemCode::SomethingInside);
            return Err(Fault::new(Exit::Refused, "somethingInside", words));
        }
        Some(ReleaseView::NothingInside) => {
            let words =
                "The locker has measured that it is not inside. Put it in, close the door and try again.";
            return Err(Fault::new(Exit::Refused, "nothingInside", words));
        }
        Some(ReleaseView::Measured) | None => (format!("Give {title} back?"), None),
    };
    sure(yes, question).await?;
    let intent = Intent::Release { reservation: found.id.clone(), confirmed };
    app.wish(intent, "release", Some(&found.id)).await?;
    let now = app.after(&found.id, |r| r.state == StateView::Released).await?;
    output.print(&now, || format!("{}: given back.\n", safe(&now.title)))
}

pub(super) async fn hand_over(
    app: &mut App,
    id: &str,
    unit: &str,
    yes: bool,
    output: Output,
) -> Result<(), Fault> {
    let found = with(app, id, ActionView::Release, "handed over").await?;
    sure(yes, format!("Hand {} over to {}?", safe(&found.title), safe(unit))).await?;
    let intent = Intent::HandOver { reservation: found.id.clone(), unit: unit.to_owned() };
    app.wish(intent, "handOver", Some(&found.id)).await?;
    output.print(&json!({ "reservation": found.id, "unit": unit }), || {
        format!("{}: it is for {} now.\n", safe(&found.title), safe(unit))
    })
}

pub(super) async fn report(
    app: &mut App,
    id: &str,
    kind: Trouble,
    note: String,
    photos: &[PathBuf],
    output: Output,
) -> Result<(), Fault> {
    if note.chars().count() > NOTE {
        return Err(Fault::usage(format!("The note has more than {NOTE} characters.")));
    }
    if photos.len() > PHOTOS {
        return Err(Fault::usage(format!("At most {PHOTOS} photos.")));
    }
    let mut pictures = Vec::new();
    for photo in photos {
        let bytes = tokio::fs::read(photo)
            .await
            .map_err(|error| Fault::usage(format!("{}: {error}.", photo.display())))?;
        let known = bytes.starts_with(&[0xFF, 0xD8, 0xFF]) || bytes.starts_with(b"\x89PNG\r\n\x1a\n");
        if !known || bytes.len() > PHOTO {
            let why = if known { "is larger than 2 MiB" } else { "is neither JPEG nor PNG" };
            return Err(Fault::usage(format!("{} {why}.", photo.display())));
        }
        pictures.push(URL_SAFE_NO_PAD.encode(bytes));
    }
    let found = with(app, id, ActionView::Report, "reported").await?;
    let count = pictures.len();
    let intent = Intent::Report {
        reservation: found.id.clone(),
        kind: kind.name().to_owned(),
        note,
        photos: pictures,
    };
    app.wish(intent, "report", Some(&found.id)).await?;
    output.print(&json!({ "reservation": found.id, "kind": kind.name(), "photos": count }), || {
        format!("{}: reported. The operator will look into it.\n", safe(&found.title))
    })
}

pub(super) async fn revoke(
    app: &mut App,
    id: &str,
    guest: Option<&str>,
    yes: bool,
    output: Output,
) -> Result<(), Fault> {
    app.refreshed().await?;
    let found = app.find(id)?;
    let standing = || found.shares.iter().filter(|share| share.state != "ended" && !share.revoking);
    let fits = |name: &str| {
        let lower = name.to_lowercase();
        let named = move |share: &&postern_runtime::view::ShareView| {
            share.id.starts_with(&lower) || share.name.to_lowercase() == lower
        };
        standing().filter(named).collect::<Vec<_>>()
    };
    let meant = match guest {
        Some(guest) => fits(guest),
        None => standing().collect(),
    };
    let share = match meant[..] {
        [share] => share.clone(),
        [] => {
            return Err(Fault::usage(format!("Nobody else has access to {} like that.", safe(&found.title))));
        }
        ref several => {
            let names: Vec<_> = several.iter().map(|share| safe(&share.name)).collect();
            return Err(Fault::usage(format!("Several have access; name one: {}.", names.join(", "))));
        }
    };
    sure(yes, format!("Take the access of {} to {} back?", safe(&share.name), safe(&found.title))).await?;
    let intent = Intent::RevokeShare { reservation: found.id.clone(), share: share.id.clone() };
    app.wish(intent, "revokeShare", Some(&found.id)).await?;
    output.print(&json!({ "reservation": found.id, "share": share.id, "name": share.name }), || {
        format!(
            "{} no longer has access to {}. A locker that is offline learns it from the next phone or courier that comes by.\n",
            safe(&share.name),
            safe(&found.title)
        )
    })
}

pub(super) async fn devices(app: &mut App, output: Output) -> Result<(), Fault> {
    app.refreshed().await?;
    let view = app.view();
    let SessionView::SignedIn { devices, .. } = &view.session else { return Ok(()) };
    let length = crate::text::distinct(devices.iter().map(|device| &*device.id));
    output.print(devices, || {
        let rows: Vec<Vec<String>> = devices
            .iter()
            .map(|device| {
                let here = match (device.this, device.removing) {
                    (true, _) => "this one",
                    (_, true) => "being removed",
                    _ => "",
                };
                let seen = format!("last seen {}", time::day_and_time(device.last_seen_at));
                vec![crate::text::short(&device.id, length), safe(&device.name), seen, here.to_owned()]
            })
            .collect();
        crate::text::columns(&rows)
    })
}

pub(super) async fn remove_device(
    app: &mut App,
    wanted: &str,
    yes: bool,
    output: Output,
) -> Result<(), Fault> {
    app.refreshed().await?;
    let view = app.view();
    let SessionView::SignedIn { devices, .. } = &view.session else { return Ok(()) };
    let lower = wanted.to_lowercase();
    let named: Vec<_> = devices.iter().filter(|device| device.name.to_lowercase() == lower).collect();
    let fitting = if named.is_empty() {
        devices.iter().filter(|device| device.id.starts_with(&lower)).collect()
    } else {
        named
    };
    let device = match fitting[..] {
        [device] => device.clone(),
        [] => return Err(Fault::usage(format!("No device is called `{}`.", safe(wanted)))),
        _ => return Err(Fault::usage(format!("`{}` fits several devices. Use the ID.", safe(wanted)))),
    };
    if device.this {
        return Err(Fault::usage("That is this device. `postern sign-out` forgets everything on it."));
    }
    sure(yes, format!("Remove {}? It is signed out and wipes itself.", safe(&device.name))).await?;
    app.wish(Intent::RemoveDevice { device: device.id.clone() }, "removeDevice", None).await?;
    output.print(&json!({ "removed": device.id, "name": device.name }), || {
        format!(
            "{} is removed. A locker without the internet hears of it with the next news.\n",
            safe(&device.name)
        )
    })
}

/// Asks, unless that was done.
async fn sure(yes: bool, question: String) -> Result<(), Fault> {
    if yes || confirmed(question).await? {
        Ok(())
    } else {
        Err(Fault::new(Exit::Stopped, "stopped", "Nothing was changed."))
    }
}
