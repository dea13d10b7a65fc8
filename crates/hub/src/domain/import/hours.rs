//! Opening hours as OpenStreetMap writes them, from what sources write.

use serde_json::Value;

/// Opening hours of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hours {
    /// In OpenStreetMap's form; empty where nothing is known.
    pub(super) text: String,
    /// Open at all hours.
    pub(super) always: bool,
}

const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
/// Days as sources write them in their own languages, Monday first: Polish, Italian, English.
const WORDS: [[&str; 7]; 4] = [
    ["PN", "WT", "SR", "CZ", "PT", "SB", "ND"],
    ["PON", "WTO", "SRO", "CZW", "PIA", "SOB", "NIE"],
    ["LUN", "MAR", "MER", "GIO", "VEN", "SAB", "DOM"],
    ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"],
];
/// A day in minutes.
const DAY: u64 = 24 * 60;

impl Hours {
    pub(super) fn always() -> Self {
        Self { text: "24/7".to_owned(), always: true }
    }

    /// What OpenStreetMap's own parser makes of it, in its shortest form.
    pub(super) fn osm(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let parsed = opening_hours_syntax::parse(text).ok()?.normalize().to_string();
        Some(if parsed == "24/7" { Self::always() } else { Self { text: parsed, always: false } })
    }

    /// What nothing here understands is kept as a comment, which is what OpenStreetMap has for it.
    pub(super) fn comment(text: &str) -> Self {
        let text = text.replace('"', "'");
        Self { text: if text.is_empty() { text } else { format!("\"{text}\"") }, always: false }
    }

    /// Of a text in whatever form a source writes; none where it cannot be understood.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let text = text.trim().replace("//", "/");
        if text.eq_ignore_ascii_case("24/7") || text.eq_ignore_ascii_case("24h") {
            return Some(Self::always());
        }
        Self::osm(&text).or_else(|| by_bars(&text)).or_else(|| by_words(&text))
    }

    /// Of minutes after midnight by day: `{"monday": [{"start": 360, "end": 1320}], …}`.
    pub(super) fn of_minutes(days: &Value) -> Option<Self> {
        const NAMES: [&str; 7] =
            ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        let days = days.as_object()?;
        let mut spans: [Vec<(u64, u64)>; 7] = Default::default();
        let mut known = false;
        for (day, name) in NAMES.iter().enumerate() {
            for span in days.get(*name).and_then(Value::as_array).into_iter().flatten() {
                let (start, end) = (span["start"].as_u64()?, span["end"].as_u64()?);
                if start >= DAY || end > 2 * DAY || end == start {
                    return None;
                }
                known = true;
                spans[day].push((start, end));
            }
        }
        if known { Self::of_days(&spans) } else { None }
    }

    /// Of spans of minutes by day. A span that ends before it begins ends on the next day.
    pub(super) fn of_days(spans: &[Vec<(u64, u64)>; 7]) -> Option<Self> {
        let clock = |minutes: u64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let rules: Vec<String> = DAYS
            .iter()
            .zip(spans)
            .map(|(day, spans)| {
                let times: Vec<String> =
                    spans.iter().map(|(start, end)| format!("{}-{}", clock(*start), clock(*end))).collect();
                if times.is_empty() { format!("{day} off") } else { format!("{day} {}", times.join(",")) }
            })
            .collect();
        Self::osm(&rules.join("; "))
    }
}

/// `MON|09:00-19:00|-;TUE|…`: day, first and second span.
fn by_bars(text: &str) -> Option<Hours> {
    let mut spans: [Vec<(u64, u64)>; 7] = Default::default();
    let mut any = false;
    for part in text.split(';').filter(|part| !part.trim().is_empty()) {
        let mut fields = part.split('|');
        let day = day(fields.next()?.trim())?;
        for field in fields.map(str::trim).filter(|field| !field.is_empty() && *field != "-") {
            let (start, end) = span(field)?;
            // A minute before midnight is how it is said that a day has no end.
            spans[day].push((start, if end == DAY - 1 { DAY } else { end }));
            any = true;
        }
    }
    if any { Hours::of_days(&spans) } else { None }
}

/// `PN-CZ 06-21 PT-SB 06-22`: days and hours by turns.
fn by_words(text: &str) -> Option<Hours> {
    let mut spans: [Vec<(u64, u64)>; 7] = Default::default();
    let mut days: Vec<usize> = Vec::new();
    let mut complete = true;
    let text = text.replace([',', ';'], " ");
    for word in text.split_whitespace() {
        if let Some(time) = span(word) {
            if days.is_empty() {
                return None;
            }
            days.iter().for_each(|day| spans[*day].push(time));
            complete = true;
            continue;
        }
        if complete {
            days.clear();
            complete = false;
        }
        match word.split_once('-') {
            Some((first, last)) => {
                let (first, last) = (day(first)?, day(last)?);
                let count = (last + 7 - first) % 7;
                days.extend((0..=count).map(|n| (first + n) % 7));
            }
            None => days.push(day(word)?),
        }
    }
    if complete && spans.iter().any(|day| !day.is_empty()) { Hours::of_days(&spans) } else { None }
}

fn day(word: &str) -> Option<usize> {
    let word = word.to_uppercase().replace('Ś', "S").replace('Ą', "A");
    let word = word.trim_end_matches('.');
    WORDS.iter().find_map(|words| words.iter().position(|day| *day == word))
}

/// `06-22`, `6:30-22`: minutes.
fn span(text: &str) -> Option<(u64, u64)> {
    let minutes = |text: &str| {
        let (hours, minutes) = text.trim().split_once([':', '.']).unwrap_or((text.trim(), "0"));
        let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
        (hours <= 24 && minutes < 60 && hours * 60 + minutes <= DAY).then_some(hours * 60 + minutes)
    };
    let (start, end) = text.split_once('-')?;
    let (start, end) = (minutes(start)?, minutes(end)?);
    (start != end && start < DAY).then_some((start, if end < start { end + DAY } else { end }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hours_are_understood_in_the_forms_that_networks_write() {
        for (written, osm) in [
            ("24/7", "24/7"),
            ("24//7", "24/7"),
            ("Mo-Sa 06:00-22:00", "Mo-Sa 06:00-22:00"),
            ("PN-SB 06-22", "Mo-Sa 06:00-22:00"),
            ("PN-ND 06-22", "06:00-22:00"),
            ("PN-CZ 10-23 PT-SB 10-23:30", "Mo-Th 10:00-23:00; Fr-Sa 10:00-23:30"),
            ("PN-PT 07-20 SB 07-16", "Mo-Fr 07:00-20:00; Sa 07:00-16:00"),
            ("ŚR 8:30-12", "We 08:30-12:00"),
            ("LUN-VEN 8.00-20.00", "Mo-Fr 08:00-20:00"),
            (
                "MON|07:00-23:59|-;TUE|07:00-12:00|13:00-23:00;SUN|-|-;",
                "Mo 07:00-24:00; Tu 07:00-12:00,13:00-23:00",
            ),
        ] {
            let hours = Hours::of_text(written).unwrap_or_else(|| panic!("{written}"));
            let read = opening_hours_syntax::parse(osm).unwrap().normalize().to_string();
            assert_eq!(hours.text.replace("; closed", ""), read, "{written}");
            assert_eq!(hours.always, osm == "24/7", "{written}");
        }
        for strange in ["", "ask inside", "PN", "06-22", "MON|-|-;TUE|-|-;", "PN-XX 06-22", "PN 25-26"] {
            assert_eq!(Hours::of_text(strange), None, "{strange}");
        }
        assert_eq!(Hours::comment("ask \"inside\"").text, "\"ask 'inside'\"");
        assert!(opening_hours_syntax::parse(&Hours::comment("ask inside").text).is_ok());
    }

    #[test]
    fn minutes_of_the_week_are_hours() {
        let all = |start: u64, end: u64| json!([{ "start": start, "end": end }]);
        let week = json!({ "monday": all(360, 1320), "tuesday": all(360, 1320), "wednesday": all(360, 1320),
            "thursday": all(360, 1320), "friday": all(360, 1320), "saturday": all(480, 840), "sunday": [] });
        let hours = Hours::of_minutes(&week).unwrap();
        assert_eq!(hours.text, Hours::osm("Mo-Fr 06:00-22:00; Sa 08:00-14:00; Su off").unwrap().text);
        assert!(!hours.always);
        let day = all(0, 1440);
        let week = json!({ "monday": day, "tuesday": day, "wednesday": day, "thursday": day, "friday": day,
            "saturday": day, "sunday": day });
        assert_eq!(Hours::of_minutes(&week), Some(Hours::always()));
        assert_eq!(Hours::of_minutes(&json!({})), None);
        assert_eq!(Hours::of_minutes(&json!({ "monday": [{ "start": -1, "end": 5 }] })), None);
    }
}
