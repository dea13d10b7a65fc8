//! `index.html`: the report as a page of its own, in light and dark, without a script.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use anyhow::Result;

use crate::{
    plot::{self, escape},
    report::{Bound, Curve, Measurement, Report, Unit},
    terminal::spread,
};

const STYLE: &str = include_str!("page.css");

/// Writes the page, and its curves as files of their own.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<()> {
    fs::write(folder.join("index.html"), page(report))?;
    for curve in &report.curves {
        let svg = plot::curve(curve).replacen('>', &format!("><style>{STYLE}</style>"), 1);
        fs::write(folder.join(format!("{}.svg", curve.name)), svg)?;
    }
    Ok(())
}

fn page(report: &Report) -> String {
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Postern: what it costs</title><style>{STYLE}</style><main><h1>What it costs</h1>"
    );
    let machine = &report.machine;
    let _ = write!(
        html,
        "<p class=where>{} · {} cores · {:.0} GB · {} · {} · load {:.1} to {:.1} · commit {} · {:.0} s{}</p>",
        escape(&machine.processor),
        machine.cores,
        machine.memory as f64 / 1e9,
        escape(&machine.system),
        escape(&machine.rustc),
        machine.load[0],
        machine.load[1],
        escape(&report.commit),
        report.took,
        if report.quick { " · quick" } else { "" },
    );
    summary(&mut html, report);
    let rooms: Vec<&str> = {
        let mut seen = BTreeSet::new();
        let names = report.measurements.iter().map(|m| &m.name).chain(report.curves.iter().map(|c| &c.name));
        names.map(|name| room(name)).filter(|room| seen.insert(*room)).collect()
    };
    for name in rooms {
        let of_room: Vec<&Measurement> =
            report.measurements.iter().filter(|m| room(&m.name) == name).collect();
        let _ = write!(html, "<section><h2>{}</h2>", escape(name));
        if of_room.iter().any(|m| m.beside.is_some()) {
            html.push_str("<figure>");
            html.push_str(&plot::ratios(&of_room));
            html.push_str(
                "<figcaption>Ours over what is beside it, measured by turns. Thin line: the middle half. \
                           Upright mark: the bound.</figcaption></figure>",
            );
        }
        for curve in report.curves.iter().filter(|curve| room(&curve.name) == name) {
            figure(&mut html, curve);
        }
        if !of_room.is_empty() {
            table(&mut html, &of_room);
        }
        html.push_str("</section>");
    }
    html.push_str("</main></html>");
    html
}

fn summary(html: &mut String, report: &Report) {
    let bound = report.measurements.iter().filter(|m| m.held.is_some()).count()
        + report.curves.iter().filter(|c| c.held.is_some()).count();
    let missed = report.missed();
    let _ = write!(html, "<p class=sum><b>{}</b> of <b>{bound}</b> bounds held", bound - missed.len());
    if !missed.is_empty() {
        let _ = write!(html, "; missed: {}", escape(&missed.join(", ")));
    }
    html.push_str("</p>");
    for (room, why) in &report.failures {
        let _ = write!(html, "<p class=bad>{} could not be measured: {}</p>", escape(room), escape(why));
    }
}

fn figure(html: &mut String, curve: &Curve) {
    let _ = write!(html, "<figure><h3>{}</h3><p class=key>", escape(&curve.title));
    for (number, line) in curve.lines.iter().enumerate() {
        let _ = write!(
            html,
            "<span><i class=\"c{}\"></i>{} ({:.2}×)</span>",
            number % 6,
            escape(&line.title),
            line.growth()
        );
    }
    let _ = write!(
        html,
        "</p>{}<figcaption>{} {}</figcaption></figure>",
        plot::curve(curve),
        verdict(curve.bound, curve.held, curve.unit),
        escape(curve.note.as_deref().unwrap_or_default()),
    );
}

fn table(html: &mut String, measurements: &[&Measurement]) {
    html.push_str(
        "<div class=wide><table><thead><tr><th>number<th class=n>ours<th class=n>spread<th class=n>beside it<th>\
         <th class=n>ratio<th>bound</thead><tbody>",
    );
    for m in measurements {
        let _ = write!(
            html,
            "<tr><td>{}<small>{}</small><td class=n><b>{}</b><td class=n>{}",
            escape(&m.title),
            escape(&m.name),
            m.unit.show(m.value.median),
            spread(m.unit, m.value.low, m.value.high, m.value.runs),
        );
        if let Some(beside) = &m.beside {
            let _ = write!(
                html,
                "<td class=n>{}<td>{}<td class=n>{:.2}×<small>{:.2} … {:.2}</small>",
                m.unit.show(beside.value.median),
                escape(&beside.title),
                beside.ratio.median,
                beside.ratio.low,
                beside.ratio.high,
            );
        } else {
            html.push_str("<td><td><td>");
        }
        let _ = write!(html, "<td>{}", verdict(m.bound, m.held, m.unit));
        if let Some(note) = &m.note {
            let _ = write!(html, "<tr class=note><td colspan=7>{}", escape(note));
        }
    }
    html.push_str("</tbody></table></div>");
}

fn verdict(bound: Option<Bound>, held: Option<bool>, unit: Unit) -> String {
    match (bound, held) {
        (Some(bound), Some(true)) => format!("<span class=good>{} held</span>", escape(&bound.show(unit))),
        (Some(bound), Some(false)) => format!("<span class=bad>{} missed</span>", escape(&bound.show(unit))),
        _ => String::new(),
    }
}

fn room(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
