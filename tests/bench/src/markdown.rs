//! `BENCHMARKS.md`: the report as a page of the repository. One full run fills it (`cargo xtask bench --publish`).

use std::{collections::BTreeSet, fmt::Write};

use crate::{
    report::{Bound, Curve, Measurement, Report, Unit},
    terminal::spread,
};

/// The whole page.
pub(crate) fn write(report: &Report) -> String {
    let machine = &report.machine;
    let mut page = String::from("# What it costs\n\n");
    let _ = write!(
        page,
        "{} `cargo xtask bench{}` at commit `{}`, {} UTC, {:.0} s. {}, {} cores, {:.0} GB, {}, {}; load {:.1} when it began, \
         {:.1} when it ended. Every number beside its floor or peer was measured by turns with it, in the same run; how is \
         in [tests/bench](tests/bench/README.md). `cargo xtask bench --publish` writes this page, and nobody else does.\n\n",
        if report.quick { "A quick run of" } else { "One full run of" },
        if report.quick { " --quick" } else { "" },
        report.commit,
        moment(report.began),
        report.took,
        machine.processor,
        machine.cores,
        machine.memory as f64 / 1e9,
        machine.system,
        machine.rustc,
        machine.load[0],
        machine.load[1],
    );
    let missed = report.missed();
    let bound = report.measurements.iter().filter(|m| m.held.is_some()).count()
        + report.curves.iter().filter(|c| c.held.is_some()).count();
    let _ = writeln!(page, "**{} of {bound} bounds held.**", bound - missed.len());
    if !missed.is_empty() {
        let _ = writeln!(
            page,
            "Missed: `{}`. [tests/bench](tests/bench/README.md#what-is-missed-and-why) says why.",
            missed.join("`, `")
        );
    }
    for (room, why) in &report.failures {
        let _ = writeln!(page, "\n`{room}` could not be measured: {why}");
    }
    let mut seen = BTreeSet::new();
    let names = report.measurements.iter().map(|m| &m.name).chain(report.curves.iter().map(|c| &c.name));
    let rooms: Vec<&str> = names.map(|name| room(name)).filter(|room| seen.insert(*room)).collect();
    for name in rooms {
        let _ = writeln!(page, "\n## {name}");
        let numbers: Vec<_> = report.measurements.iter().filter(|m| room(&m.name) == name).collect();
        table(&mut page, &numbers);
        for curve in report.curves.iter().filter(|c| room(&c.name) == name) {
            growth(&mut page, curve);
        }
    }
    page
}

fn table(page: &mut String, numbers: &[&Measurement]) {
    if numbers.is_empty() {
        return;
    }
    page.push_str(
        "\n| number | ours | spread | beside it | ratio | aim | `--only` |\n|---|---|---|---|---|---|---|\n",
    );
    for m in numbers {
        let beside = m.beside.as_ref();
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | `{}` |",
            m.title,
            m.unit.show(m.value.median),
            spread(m.unit, m.value.low, m.value.high, m.value.runs),
            beside.map_or_else(String::new, |it| format!("{}: {}", it.title, m.unit.show(it.value.median))),
            beside.map_or_else(String::new, |it| format!("{:.2}×", it.ratio.median)),
            verdict(m.bound, m.held, m.unit),
            m.name,
        );
    }
    for m in numbers {
        if let Some(note) = &m.note {
            let _ = writeln!(page, "\n`{}`: {note}", m.name);
        }
    }
}

fn growth(page: &mut String, curve: &Curve) {
    let _ = write!(page, "\n**{}** (`{}`)\n\n| {} |", curve.title, curve.name, curve.along);
    let at: Vec<f64> = curve.lines.iter().flat_map(|line| line.points.iter().map(|point| point.at)).collect();
    let mut sizes = at;
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    for size in &sizes {
        let _ = write!(page, " {} |", Unit::Count.show(*size));
    }
    page.push_str(" growth |\n|---|");
    page.push_str(&"---|".repeat(sizes.len() + 1));
    page.push('\n');
    for line in &curve.lines {
        let _ = write!(page, "| {} |", line.title);
        for size in &sizes {
            let point = line.points.iter().find(|point| point.at == *size);
            let shown = point.map_or_else(String::new, |point| curve.unit.show(point.value.median));
            let _ = write!(page, " {shown} |");
        }
        let _ = writeln!(page, " {:.2}× |", line.growth());
    }
    let verdict = verdict(curve.bound, curve.held, curve.unit);
    if !verdict.is_empty() {
        let _ = writeln!(page, "\nThe first line: {verdict}.");
    }
    if let Some(note) = &curve.note {
        let _ = writeln!(page, "\n{note}");
    }
}

fn verdict(bound: Option<Bound>, held: Option<bool>, unit: Unit) -> String {
    match (bound, held) {
        (Some(bound), Some(true)) => format!("{} held", bound.show(unit)),
        (Some(bound), Some(false)) => format!("{} **missed**", bound.show(unit)),
        _ => String::new(),
    }
}

fn room(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// `2026-11-25 08:15` of UNIX seconds, by the proleptic Gregorian calendar (Hinnant, days from civil, the other way).
fn moment(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}", rest / 3600, rest % 3600 / 60)
}

#[cfg(test)]
mod tests {
    use super::{moment, write};
    use crate::{
        report::{Curve, Line, Machine, Measurement, Report, Unit},
        stat::Samples,
    };

    #[test]
    fn a_moment_is_a_date() {
        assert_eq!(moment(0), "1970-01-01 00:00");
        assert_eq!(moment(1_709_208_000), "2024-02-29 12:00");
        assert_eq!(moment(1_795_392_000), "2026-11-23 00:00");
    }

    #[test]
    fn the_page_says_what_is_missed_and_how_each_line_grows() {
        let points = |last: f64| [(1.0, Samples(vec![1.0])), (10.0, Samples(vec![last]))];
        let lines = vec![Line::new("ours", &points(1.5)), Line::new("theirs", &points(4.0))];
        let machine = Machine {
            processor: "P".into(),
            cores: 2,
            memory: 1,
            system: "S".into(),
            rustc: "R".into(),
            load: [0.0, 0.0],
        };
        let report = Report {
            commit: "c".into(),
            began: 0,
            took: 1.0,
            quick: false,
            machine,
            measurements: vec![
                Measurement::new("a.b", "Number", Unit::Count, &Samples(vec![3.0])).at_most(2.0).note("Why."),
            ],
            curves: vec![Curve::new("a.c", "Curve", "things", Unit::Seconds, lines)],
            failures: Vec::new(),
        };
        let page = write(&report);
        assert!(page.contains("**0 of 1 bounds held.**\nMissed: `a.b`."));
        assert!(
            page.contains("| Number | 3 |")
                && page.contains("≤ 2 **missed**")
                && page.contains("`a.b`: Why.")
        );
        assert!(page.contains("| ours | 1.00 s | 1.50 s | 1.50× |"));
        assert!(page.contains("| theirs | 1.00 s | 4.00 s | 4.00× |"));
    }
}
