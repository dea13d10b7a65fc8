//! `list`, `show` and `receipts`.

use postern_api::report::OwnReport;
use postern_runtime::view::{AccessView, KindView, NetworkView, ReservationView, StateView, View};

use super::Output;
use crate::{
    app::App,
    fault::Fault,
    text::{columns, distinct, safe, short},
    time, words,
};

pub(super) async fn list(app: &mut App, cached: bool, all: bool, output: Output) -> Result<(), Fault> {
    if !cached {
        app.refreshed().await?;
    }
    let view = app.view();
    let shown: Vec<&ReservationView> = view.reservations.iter().filter(|r| all || !is_over(r)).collect();
    output.print(&shown, || listing(&view, &shown))
}

fn listing(view: &View, shown: &[&ReservationView]) -> String {
    if shown.is_empty() && view.newer.is_empty() {
        return "Nothing to collect, to return or to keep.\n".into();
    }
    // Of all that there is: what is shown here is typed into a command that looks at all.
    let length = distinct(view.reservations.iter().map(|r| &*r.id));
    let mut text = String::new();
    for kind in [KindView::Pickup, KindView::Return, KindView::Storage] {
        let rows: Vec<Vec<String>> =
            shown.iter().filter(|r| r.kind == kind).map(|r| row(view, r, length)).collect();
        if rows.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(words::kind(kind));
        text.push('\n');
        for line in columns(&rows).lines() {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
    }
    if !view.newer.is_empty() {
        text.push_str(if text.is_empty() {
            "Needs a newer version of this program\n"
        } else {
            "\nNeeds a newer version of this program\n"
        });
        for newer in &view.newer {
            text.push_str("  ");
            text.push_str(&safe(&newer.title));
            text.push('\n');
        }
    }
    text
}

fn row(view: &View, r: &ReservationView, length: usize) -> Vec<String> {
    let door = r.label.as_deref().map_or_else(|| "–".into(), safe);
    let cabinet = view.lockers.iter().find(|locker| Some(&locker.id) == r.locker.as_ref());
    let place = place(cabinet.map(|locker| &*locker.name), r.site.as_ref().map(|site| &*site.name));
    let mut state = words::state(r.state).to_owned();
    if view.open_doors.iter().any(|door| door.reservation == r.id) {
        state.push_str(", door open");
    }
    if r.waiting {
        state.push_str(", waiting for the network");
    }
    let until = r
        .until
        .filter(|_| !is_over(r))
        .map(|until| format!("until {}", time::with_distance(until, view.now)));
    let care = r.care.filter(|_| !is_over(r)).and_then(words::care).unwrap_or_default();
    vec![short(&r.id, length), safe(&r.title), door, place, state, until.unwrap_or_default(), care]
}

/// The cabinet, and its site where its name does not say that.
fn place(cabinet: Option<&str>, site: Option<&str>) -> String {
    match (cabinet, site) {
        (Some(cabinet), Some(site)) if !cabinet.contains(site) => {
            format!("{}, {}", safe(cabinet), safe(site))
        }
        (Some(place), _) | (None, Some(place)) => safe(place),
        (None, None) => "–".into(),
    }
}

fn is_over(r: &ReservationView) -> bool {
    matches!(
        r.state,
        StateView::Collected
            | StateView::Returned
            | StateView::Deposited
            | StateView::Accepted
            | StateView::Refused
            | StateView::Released
            | StateView::Cancelled
    )
}

pub(super) async fn show(app: &mut App, id: &str, output: Output) -> Result<(), Fault> {
    app.refreshed().await?;
    let found = app.find(id)?;
    let view = app.view();
    output.print(&found, || detail(&view, &found))
}

fn detail(view: &View, r: &ReservationView) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    let whose_word = match (r.unproven, r.state) {
        (false, _) => String::new(),
        // By whoever was last at the door, customer or guest.
        (true, StateView::Collected | StateView::Deposited | StateView::Released) => {
            ", as reported".to_owned()
        }
        (true, _) => format!(", reported by {}", safe(&r.carrier)),
    };
    row("State", format!("{}{whose_word}", words::state(r.state)));
    if let Some(door) = view.open_doors.iter().find(|door| door.reservation == r.id) {
        row(
            "Open",
            format!("door {} since {}: please close it", safe(&door.label), time::day_and_time(door.since)),
        );
    }
    row("Carrier", safe(&r.carrier));
    if let Some(reference) = &r.reference {
        row("Reference", safe(reference));
    }
    if let Some(site) = &r.site {
        row("Where", format!("{}, {}", safe(&site.name), safe(&site.address)));
    }
    if let Some(label) = &r.label {
        let locker = view.lockers.iter().find(|l| Some(&l.id) == r.locker.as_ref());
        let name = locker.map(|l| format!(" of {}", safe(&l.name))).unwrap_or_default();
        row("Door", format!("{}{name}", safe(label)));
    }
    if let Some(until) = r.until {
        row("Until", time::with_distance(until, view.now));
    }
    if let Some(care) = r.care.and_then(words::care) {
        row("Care", care);
    }
    if let Some(pin) = &r.pin {
        row("PIN", safe(pin));
    } else if let Some(reason) = r.no_pin {
        row("PIN", words::no_pin(reason).into());
    }
    if let Some(inside) = r.inside {
        let measured = if inside { "something" } else { "nothing" };
        row("Inside", format!("{measured}, as the locker measured"));
    }
    if r.checking {
        row("Access", "the operator is looking at the compartment first".into());
    }
    if let Some(access) = access(r.access, view) {
        row("Access", access);
    }
    for share in &r.shares {
        row(
            "Shared",
            format!(
                "with {}, {}, until {}",
                safe(&share.name),
                safe(&share.state),
                time::with_distance(share.until, view.now)
            ),
        );
    }
    row("ID", safe(&r.id));
    let mut text = format!("{}\n{}", safe(&r.title), columns(&rows));
    if !r.timeline.is_empty() {
        let rows: Vec<Vec<String>> = r
            .timeline
            .iter()
            .map(|entry| {
                let how = words::whom(&entry.event);
                let by = entry.by.as_deref().map(|by| format!("{how} {}", safe(by))).unwrap_or_default();
                let proven = if entry.proven { "signed by the locker" } else { "" };
                vec![
                    format!("  {}", time::day_and_time(entry.at)),
                    words::event(&entry.event),
                    by,
                    proven.to_owned(),
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&columns(&rows));
    }
    for report in &r.reports {
        text.push_str(&reported(report));
    }
    text
}

/// What the customer reported, and what came back.
fn reported(report: &OwnReport) -> String {
    let mut rows = vec![vec![
        format!("  {}", time::day_and_time(report.at)),
        "you".to_owned(),
        safe(&report.kind.replace('_', " ")),
    ]];
    let mut line = |at: Option<i64>, by: &str, words: &str| {
        for (number, words) in words.lines().enumerate() {
            let at = at.filter(|_| number == 0).map(time::day_and_time).unwrap_or_default();
            let by = if number == 0 { safe(by) } else { String::new() };
            rows.push(vec![format!("  {at}"), by, safe(words)]);
        }
    };
    line(None, "", &report.note);
    for answer in &report.answers {
        line(Some(answer.at), &answer.by, &answer.text);
    }
    format!("\nReport, {}\n{}", words::report_state(&report.state), columns(&rows))
}

/// Whether the door could be opened from here.
fn access(access: AccessView, view: &View) -> Option<String> {
    let online = matches!(view.network, NetworkView::Online | NetworkView::ClockSkew { .. });
    match access {
        AccessView::None => None,
        AccessView::Ready { until } => {
            Some(format!("on this device until {}", time::with_distance(until, view.now)))
        }
        AccessView::Fetching if online => Some("being fetched".into()),
        AccessView::Fetching | AccessView::NeedsNetwork => {
            Some("not on this device; it is fetched when the hub can be reached".into())
        }
    }
}

pub(super) async fn receipts(app: &mut App, output: Output) -> Result<(), Fault> {
    app.refreshed().await?;
    app.delivered().await?;
    let view = app.view();
    output.print(&view.receipts, || {
        if view.receipts.is_empty() {
            return "No receipts yet.\n".into();
        }
        let rows: Vec<Vec<String>> = view
            .receipts
            .iter()
            .map(|receipt| {
                let mut time = time::day_and_time(receipt.at);
                if !receipt.time_certain {
                    time.push_str(" (the locker's clock is not certain)");
                }
                let verified = if receipt.verified { "signature verified" } else { "signature NOT verified" };
                let delivered = if receipt.delivered { "the hub has it" } else { "waits for the network" };
                vec![
                    time,
                    safe(&receipt.title),
                    format!("{} · {}", safe(&receipt.label), safe(&receipt.locker)),
                    words::event(&receipt.outcome),
                    format!("no. {}", receipt.sequence),
                    verified.to_owned(),
                    delivered.to_owned(),
                ]
            })
            .collect();
        columns(&rows)
    })
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_is_named_once() {
        assert_eq!(place(Some("Lindenhof 1"), Some("Lindenhof")), "Lindenhof 1");
        assert_eq!(place(Some("By the stairs"), Some("Lindenhof")), "By the stairs, Lindenhof");
        assert_eq!((place(None, Some("Lindenhof")), place(None, None)), ("Lindenhof".into(), "–".into()));
    }
}
