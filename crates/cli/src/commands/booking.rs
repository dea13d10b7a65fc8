//! Finding sites and things, and booking there.

use std::{collections::BTreeSet, time::Duration};

use postern_runtime::{
    intent::Intent,
    view::{FoundSiteView, KindView, ReservationView, ThingView},
};

use super::{Output, telling::ending};
use crate::{
    app::App,
    arguments::{DoorSize, Where},
    fault::{Exit, Fault},
    text::{columns, distinct, safe, short, tell},
    time,
};

/// Longest wait for what was looked for.
const ANSWER: Duration = Duration::from_secs(15);
/// The hub answers with at most so many sites.
const MOST: usize = 200;

pub(super) async fn find(
    app: &mut App,
    text: Option<&str>,
    near: Option<&str>,
    size: Option<DoorSize>,
    output: Output,
) -> Result<(), Fault> {
    let near = near.map(point).transpose()?;
    let found = look(app, near, size).await?;
    let all = found.len();
    let sites: Vec<FoundSiteView> =
        found.into_iter().filter(|site| text.is_none_or(|text| is_about(site, text))).collect();
    if all >= MOST && (text.is_some() || near.is_none()) {
        tell!(
            "postern: There are more sites than the hub tells at once. --near LAT,LON shows those around a place."
        );
    }
    output.print(&sites, || {
        if sites.is_empty() {
            return "No site with lockers fits.\n".into();
        }
        let rows: Vec<Vec<String>> = sites.iter().map(row).collect();
        columns(&rows)
    })
}

fn point(text: &str) -> Result<(f64, f64), Fault> {
    let parsed = text
        .split_once(',')
        .and_then(|(latitude, longitude)| {
            Some((latitude.trim().parse().ok()?, longitude.trim().parse().ok()?))
        })
        .filter(|(latitude, longitude)| {
            (-90.0..=90.0).contains(latitude) && (-180.0..=180.0).contains(longitude)
        });
    parsed.ok_or_else(|| Fault::usage(format!("`{}` is no place: LAT,LON in degrees.", safe(text))))
}

fn is_about(site: &FoundSiteView, text: &str) -> bool {
    let text = text.to_lowercase();
    site.id == text
        || site.site.name.to_lowercase().contains(&text)
        || site.site.address.to_lowercase().contains(&text)
}

fn row(site: &FoundSiteView) -> Vec<String> {
    let hours = match (site.always_open, site.hours.is_empty()) {
        (true, _) => "open at all hours".into(),
        (false, true) => "hours unknown".into(),
        (false, false) => safe(&site.hours),
    };
    let free: Vec<String> = site
        .fill
        .iter()
        .filter(|fill| fill.free > 0)
        .map(|fill| format!("{} {}", fill.free, safe(&fill.size)))
        .collect();
    let free = if free.is_empty() { "no door free".into() } else { format!("free: {}", free.join(", ")) };
    let far = site.distance.map_or_else(String::new, |metres| match metres {
        0..1_000 => format!("{metres} m"),
        _ => format!("{}.{} km", metres / 1_000, metres % 1_000 / 100),
    });
    let mut notes = Vec::new();
    if site.access != "public" {
        notes.push(format!("for {}", safe(&site.access)));
    }
    if site.step_free {
        notes.push("step-free".into());
    }
    vec![safe(&site.id), safe(&site.site.name), safe(&site.site.address), far, hours, free, notes.join(", ")]
}

async fn look(
    app: &mut App,
    near: Option<(f64, f64)>,
    size: Option<DoorSize>,
) -> Result<Vec<FoundSiteView>, Fault> {
    let (latitude, longitude) = near.unzip();
    app.send(Intent::FindSites {
        latitude,
        longitude,
        size: size.map(|size| size.name().to_owned()),
        parcel: None,
    })?;
    let found = app.until(ANSWER, |view| view.sites.clone().filter(|sites| !sites.loading)).await?;
    app.send(Intent::CloseSites)?;
    let found = found.ok_or_else(offline)?;
    match &found.problem {
        Some(problem) => Err(Fault::problem(problem)),
        None => Ok(found.sites),
    }
}

fn offline() -> Fault {
    Fault::new(Exit::Offline, "offline", "The hub cannot be reached, and only it knows.")
}

/// The one site that is meant: by its ID, its whole name, or a part of name or address.
pub(super) async fn site(
    app: &mut App,
    wanted: &str,
    size: Option<DoorSize>,
) -> Result<FoundSiteView, Fault> {
    let sites = look(app, None, size).await?;
    let lower = wanted.to_lowercase();
    let ways: [&dyn Fn(&&FoundSiteView) -> bool; 3] =
        [&|site| site.id == wanted, &|site| site.site.name.to_lowercase() == lower, &|site| {
            is_about(site, wanted)
        }];
    for way in ways {
        match sites.iter().filter(way).collect::<Vec<_>>()[..] {
            [] => {}
            [site] => return Ok(site.clone()),
            ref several => {
                let names: Vec<_> = several
                    .iter()
                    .take(5)
                    .map(|site| format!("{} ({})", safe(&site.id), safe(&site.site.name)))
                    .collect();
                return Err(Fault::usage(format!(
                    "`{}` fits several sites: {}.",
                    safe(wanted),
                    names.join(", ")
                )));
            }
        }
    }
    let free = if size.is_some() { " with such a door free" } else { "" };
    Err(Fault::usage(format!("No site{free} is called `{}`. `postern find` lists them.", safe(wanted))))
}

pub(super) async fn return_something(
    app: &mut App,
    code: String,
    at: &Where,
    output: Output,
) -> Result<(), Fault> {
    app.refreshed().await?;
    let site = site(app, &at.site, Some(at.size)).await?;
    let intent = Intent::BookReturn { code, site: site.id, size: at.size.name().to_owned() };
    booked(app, intent, "bookReturn", KindView::Return, output).await
}

pub(super) async fn storage(
    app: &mut App,
    title: String,
    at: &Where,
    until: &str,
    output: Output,
) -> Result<(), Fault> {
    app.refreshed().await?;
    let until = ending(until, app.view().now)?;
    let site = site(app, &at.site, Some(at.size)).await?;
    let intent = Intent::BookStorage { title, site: site.id, size: at.size.name().to_owned(), until };
    booked(app, intent, "bookStorage", KindView::Storage, output).await
}

async fn look_for_things(app: &mut App) -> Result<Vec<ThingView>, Fault> {
    app.send(Intent::FindThings)?;
    let found = app.until(ANSWER, |view| view.lending.clone().filter(|things| !things.loading)).await?;
    app.send(Intent::CloseThings)?;
    let found = found.ok_or_else(offline)?;
    match &found.problem {
        Some(problem) => Err(Fault::problem(problem)),
        None => Ok(found.things),
    }
}

pub(super) async fn things(app: &mut App, output: Output) -> Result<(), Fault> {
    let things = look_for_things(app).await?;
    let length = distinct(things.iter().map(|thing| &*thing.id));
    output.print(&things, || {
        if things.is_empty() {
            return "Your sites lend nothing.\n".into();
        }
        let rows: Vec<Vec<String>> = things
            .iter()
            .map(|thing| {
                let lent = if thing.available { "there" } else { "lent out" };
                let (id, hours) = (short(&thing.id, length), thing.hours);
                vec![id, safe(&thing.title), safe(&thing.site), format!("for {hours} hours"), lent.to_owned()]
            })
            .collect();
        columns(&rows)
    })
}

pub(super) async fn borrow(app: &mut App, wanted: &str, output: Output) -> Result<(), Fault> {
    app.refreshed().await?;
    let things = look_for_things(app).await?;
    let lower = wanted.to_lowercase();
    let by_id: Vec<_> = things.iter().filter(|thing| thing.id == wanted).collect();
    let fitting = if by_id.is_empty() {
        things
            .iter()
            .filter(|thing| thing.title.to_lowercase().contains(&lower) || thing.id.starts_with(wanted))
            .collect()
    } else {
        by_id
    };
    let thing = match fitting[..] {
        [thing] => thing.clone(),
        [] => {
            return Err(Fault::usage(format!(
                "Nothing called `{}` is lent. `postern things` lists all.",
                safe(wanted)
            )));
        }
        _ => return Err(Fault::usage(format!("`{}` fits several things. Use the ID.", safe(wanted)))),
    };
    if !thing.available {
        return Err(Fault::new(Exit::Refused, "lentOut", format!("{} is lent out now.", safe(&thing.title))));
    }
    booked(app, Intent::Borrow { thing: thing.id }, "borrow", KindView::Storage, output).await
}

/// Books, and says what came of it: the reservation that was not there before.
async fn booked(
    app: &mut App,
    intent: Intent,
    what: &str,
    kind: KindView,
    output: Output,
) -> Result<(), Fault> {
    let before: BTreeSet<String> = app.view().reservations.iter().map(|r| r.id.clone()).collect();
    app.wish(intent, what, None).await?;
    let new = app
        .until(ANSWER, |view| {
            view.reservations.iter().find(|r| !before.contains(&r.id) && r.kind == kind).cloned()
        })
        .await?
        .ok_or_else(|| {
            Fault::new(
                Exit::Offline,
                "offline",
                "The hub took it, and has not told yet which door it is. `postern list` shows it.",
            )
        })?;
    output.print(&new, || text_of(&new))
}

fn text_of(new: &ReservationView) -> String {
    let door = new.label.as_deref().map(|label| format!("door {}", safe(label)));
    let site = new.site.as_ref().map(|site| safe(&site.name));
    let until = new.until.map(|until| format!("until {}", time::day_and_time(until)));
    let told: Vec<String> = [door, site, until].into_iter().flatten().collect();
    format!("{}: {}.\n", safe(&new.title), told.join(", "))
}
