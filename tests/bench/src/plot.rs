//! Plots as SVG, drawn in the colours of the page around them.

use std::fmt::Write;

use crate::report::{Curve, Line, Measurement, Unit};

const WIDTH: f64 = 720.0;
/// Height of one bar with its gap.
const ROW: f64 = 34.0;
/// Where names end and bars begin.
const LEFT: f64 = 250.0;
/// Room for the number behind a bar.
const RIGHT: f64 = 90.0;

/// Bars of all ratios of a room, on one scale, with what is beside ours at 1 and each one's bound.
pub(crate) fn ratios(measurements: &[&Measurement]) -> String {
    let rows: Vec<_> = measurements.iter().filter_map(|m| Some((*m, m.beside.as_ref()?.ratio))).collect();
    let limit = |m: &Measurement| {
        m.bound.filter(|bound| bound.of == crate::report::Of::Ratio).map(|bound| bound.limit)
    };
    let top =
        rows.iter().map(|(m, ratio)| ratio.high.max(limit(m).unwrap_or(1.0))).fold(1.0, f64::max) * 1.05;
    // Ratios far apart (a peer a hundred times slower) are read on a logarithmic scale only.
    let bottom = rows.iter().map(|(_, ratio)| ratio.low).fold(1.0, f64::min);
    let logarithmic = top / bottom > 8.0;
    let across = move |value: f64| {
        let share = if logarithmic {
            let from = (bottom * 0.8).ln();
            (value.max(bottom * 0.8).ln() - from) / (top.ln() - from)
        } else {
            value / top
        };
        LEFT + share * (WIDTH - LEFT - RIGHT)
    };
    let height = rows.len() as f64 * ROW + 34.0;
    let mut svg = open(height);
    let one = across(1.0);
    let foot = height - 26.0;
    line(&mut svg, "axis", one, 4.0, one, foot);
    text(&mut svg, "tick", one, height - 8.0, "middle", "1× (beside it)");
    for (row, (m, ratio)) in rows.iter().enumerate() {
        let y = row as f64 * ROW + 8.0;
        let class = if m.held == Some(false) { "bar missed" } else { "bar" };
        let from = across(if logarithmic { bottom * 0.8 } else { 0.0 });
        text(&mut svg, "label", LEFT - 12.0, y + 14.0, "end", short(&m.name));
        let _ = write!(
            svg,
            r#"<rect class="{class}" x="{from:.1}" y="{y:.1}" width="{:.1}" height="20" rx="3"><title>{}</title></rect>"#,
            (across(ratio.median) - from).max(1.0),
            escape(&format!("{}: {:.3}× ({:.3} to {:.3})", m.title, ratio.median, ratio.low, ratio.high)),
        );
        line(&mut svg, "spread", across(ratio.low), y + 10.0, across(ratio.high), y + 10.0);
        if let Some(limit) = limit(m) {
            line(&mut svg, "bound", across(limit), y - 4.0, across(limit), y + 24.0);
        }
        let end = across(ratio.high.max(ratio.median).max(limit(m).unwrap_or(0.0))) + 8.0;
        text(&mut svg, "value", end, y + 14.0, "start", &format!("{:.2}×", ratio.median));
    }
    svg.push_str("</svg>");
    svg
}

/// Lines over a logarithmic axis of size; the band is the middle half of the samples.
pub(crate) fn curve(curve: &Curve) -> String {
    const HEIGHT: f64 = 300.0;
    const FOOT: f64 = HEIGHT - 44.0;
    const FROM: f64 = 78.0;
    let points = || curve.lines.iter().flat_map(|line| &line.points);
    let (left, right) = range(points().map(|point| point.at));
    let (low, high) = range(points().flat_map(|point| [point.value.low, point.value.high]));
    // From zero, unless the lines are so far apart that the lower ones would lie on the ground.
    let logarithmic = low > 0.0 && high / low > 20.0;
    let x = |at: f64| FROM + (at / left).ln() / (right / left).ln().max(1e-9) * (WIDTH - FROM - 24.0);
    let y = |value: f64| {
        let share = if logarithmic {
            (value / low).ln() / (high / low).ln()
        } else {
            value / high.max(f64::MIN_POSITIVE)
        };
        FOOT - share * (FOOT - 16.0)
    };
    let mut svg = open(HEIGHT);
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let value = if logarithmic { low * (high / low).powf(share) } else { high * share };
        line(&mut svg, "grid", FROM, y(value), WIDTH - 24.0, y(value));
        text(&mut svg, "tick", FROM - 8.0, y(value) + 4.0, "end", &curve.unit.show(value));
    }
    let mut ticks: Vec<f64> = points().map(|point| point.at).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    for at in ticks {
        text(&mut svg, "tick", x(at), FOOT + 18.0, "middle", &Unit::Count.show(at));
    }
    text(&mut svg, "tick", WIDTH / 2.0, HEIGHT - 6.0, "middle", &curve.along);
    for (number, one) in curve.lines.iter().enumerate() {
        draw(&mut svg, one, number, curve.unit, &x, &y);
    }
    svg.push_str("</svg>");
    svg
}

fn draw(
    svg: &mut String,
    line: &Line,
    number: usize,
    unit: Unit,
    x: &impl Fn(f64) -> f64,
    y: &impl Fn(f64) -> f64,
) {
    let mut band = String::new();
    for point in &line.points {
        let _ = write!(band, "{:.1},{:.1} ", x(point.at), y(point.value.high));
    }
    for point in line.points.iter().rev() {
        let _ = write!(band, "{:.1},{:.1} ", x(point.at), y(point.value.low));
    }
    let mut path = String::new();
    for point in &line.points {
        let _ = write!(path, "{:.1},{:.1} ", x(point.at), y(point.value.median));
    }
    let class = number % 6;
    let _ = write!(svg, r#"<polygon class="band c{class}" points="{band}"/>"#);
    let _ = write!(svg, r#"<polyline class="curve c{class}" points="{path}"/>"#);
    for point in &line.points {
        let _ = write!(
            svg,
            r#"<circle class="dot c{class}" cx="{:.1}" cy="{:.1}" r="3.5"><title>{}</title></circle>"#,
            x(point.at),
            y(point.value.median),
            escape(&format!(
                "{}: {} at {}",
                line.title,
                unit.show(point.value.median),
                Unit::Count.show(point.at)
            )),
        );
    }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
}

fn open(height: f64) -> String {
    format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">"#)
}

fn line(svg: &mut String, class: &str, x1: f64, y1: f64, x2: f64, y2: f64) {
    let _ = write!(svg, r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#);
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = write!(
        svg,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
        escape(text)
    );
}

/// Without the room, which is the heading.
fn short(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, rest)| rest)
}

/// For text and attributes of XML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
