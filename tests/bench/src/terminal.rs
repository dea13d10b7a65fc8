//! What a run says while it runs.

use crate::report::{Curve, Measurement, Report, Unit};

/// One line for each number, as it comes.
pub(crate) fn line(m: &Measurement) {
    let spread = spread(m.unit, m.value.low, m.value.high, m.value.runs);
    print!("  {:34} {:>11} {spread:23}", m.name, m.unit.show(m.value.median));
    if let Some(beside) = &m.beside {
        let ratio = format!("{:.2}×", beside.ratio.median);
        print!(" {:>11} {:26} {ratio:>8}", m.unit.show(beside.value.median), beside.title);
    } else {
        print!(" {:11} {:26} {:8}", "", "", "");
    }
    println!("{}", verdict(m.bound.map(|bound| bound.show(m.unit)), m.held));
}

/// One block for each curve.
pub(crate) fn curve(curve: &Curve) {
    println!("  {} ({})", curve.name, curve.title);
    for line in &curve.lines {
        let points: Vec<String> = line
            .points
            .iter()
            .map(|point| format!("{}: {}", Unit::Count.show(point.at), curve.unit.show(point.value.median)))
            .collect();
        println!("    {:32} {}   growth {:.2}×", line.title, points.join("   "), line.growth());
    }
    let bound = verdict(curve.bound.map(|bound| bound.show(curve.unit)), curve.held);
    if !bound.is_empty() {
        println!("    {:32} {:.2}×{bound}", "growth of the first", curve.growth);
    }
}

/// The end.
pub(crate) fn end(report: &Report) {
    for (room, why) in &report.failures {
        println!("  {room} could not be measured: {why}");
    }
    let missed = report.missed();
    println!(
        "\n{} numbers and {} curves in {:.0} s; bounds missed: {}",
        report.measurements.len(),
        report.curves.len(),
        report.took,
        if missed.is_empty() { "none".to_owned() } else { missed.join(", ") }
    );
}

fn verdict(bound: Option<String>, held: Option<bool>) -> String {
    match (bound, held) {
        (Some(bound), Some(true)) => format!("  {bound:>12}  held"),
        (Some(bound), Some(false)) => format!("  {bound:>12}  MISSED"),
        _ => String::new(),
    }
}

/// The middle half of the samples.
pub(crate) fn spread(unit: Unit, low: f64, high: f64, runs: usize) -> String {
    if runs < 2 { String::new() } else { format!("{} … {}", unit.show(low), unit.show(high)) }
}
