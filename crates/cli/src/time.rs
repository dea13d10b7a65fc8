//! Times in and out.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

/// `Thu 26 Nov, 18:00`, in the time of this machine; with the year where it is another one.
pub(crate) fn day_and_time(unix: i64) -> String {
    let Ok(at) = Timestamp::from_second(unix) else { return "?".into() };
    let zone = TimeZone::system();
    let this_year = Timestamp::now().to_zoned(zone.clone()).year();
    let at = at.to_zoned(zone);
    let format = if at.year() == this_year { "%a %-d %b, %H:%M" } else { "%a %-d %b %Y, %H:%M" };
    at.strftime(format).to_string()
}

/// `in 3 days`, `in 20 minutes`, `2 hours ago`.
pub(crate) fn relative(unix: i64, now: i64) -> String {
    let away = unix.saturating_sub(now);
    let amount = away.unsigned_abs();
    let (count, unit) = match amount {
        0..60 => return "now".into(),
        60..3_600 => (amount / 60, "minute"),
        3_600..172_800 => (amount / 3_600, "hour"),
        _ => (amount / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if away > 0 { format!("in {count} {unit}{plural}") } else { format!("{count} {unit}{plural} ago") }
}

/// An end: `90m`, `2h`, `3d` from now, or a date with a time. UNIX seconds.
pub(crate) fn parse_end(text: &str, now: i64) -> Option<i64> {
    let unit = match text.chars().last()? {
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    if let Some(unit) = unit
        && let Ok(count) = text[..text.len() - 1].parse::<i64>()
    {
        let span = SignedDuration::from_secs(count.checked_mul(unit)?);
        return (count > 0).then(|| now.checked_add(span.as_secs())).flatten();
    }
    let at = text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok()?.timestamp().as_second();
    (at > now).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_understood_or_refused() {
        assert_eq!(parse_end("90m", 1_000), Some(6_400));
        assert_eq!(parse_end("2h", 0), Some(7_200));
        assert_eq!(parse_end("3d", 0), Some(259_200));
        for bad in ["", "h", "0h", "-1h", "soon", "1999-01-01T00:00", "9223372036854775807d", "ü"] {
            assert_eq!(parse_end(bad, 1_700_000_000), None, "{bad}");
        }
    }

    #[test]
    fn distances_in_time_are_said_in_the_unit_that_fits() {
        assert_eq!(relative(100, 100), "now");
        assert_eq!(relative(160, 100), "in 1 minute");
        assert_eq!(relative(100 + 3 * 86_400, 100), "in 3 days");
        assert_eq!(relative(0, 7_200), "2 hours ago");
    }
}
