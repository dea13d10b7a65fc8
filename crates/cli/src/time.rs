//! Times in and out.

use std::sync::OnceLock;

use jiff::{
    SignedDuration, Timestamp, ZonedDateTime,
    civil::{Date, DateTime},
    fmt::temporal::Pieces,
    tz::TimeZone,
};

/// The time zone of this machine: `TZ`, or what the system is set to. An unknown one where neither says, or says a name
/// that no database here has.
pub(crate) fn zone() -> &'static TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(TimeZone::system)
}

/// `Thu 26 Nov, 18:00 CET`, in the time of this machine; with the year where it is another one.
pub(crate) fn day_and_time(unix: i64) -> String {
    written(unix, Timestamp::now(), zone())
}

/// In no zone that is known it is UTC, and says so: a deadline must not be hours off without a word.
fn written(unix: i64, now: Timestamp, zone: &TimeZone) -> String {
    let Ok(at) = Timestamp::from_second(unix) else { return "?".into() };
    let this_year = now.to_zoned_datetime(zone.clone()).year();
    let at = at.to_zoned_datetime(zone.clone());
    let format = if at.year() == this_year { "%a %-d %b, %H:%M" } else { "%a %-d %b %Y, %H:%M" };
    let zone = if zone.is_unknown() { "UTC".to_owned() } else { at.strftime("%Z").to_string() };
    format!("{} {zone}", at.strftime(format))
}

/// A moment and how far away it is: `Thu 26 Nov, 18:00 CET (in 3 hours)`.
pub(crate) fn with_distance(unix: i64, now: i64) -> String {
    format!("{} ({})", day_and_time(unix), relative(unix, now))
}

/// `in 3 days`, `in 2 days 6 hours`, `in 20 minutes`, `2 hours ago`.
pub(crate) fn relative(unix: i64, now: i64) -> String {
    let away = unix.saturating_sub(now);
    let amount = away.unsigned_abs();
    let many = |count: u64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    let (days, hours) = (amount / 86_400, amount % 86_400 / 3_600);
    let said = match amount {
        0..60 => return "now".into(),
        60..3_600 => many(amount / 60, "minute"),
        3_600..172_800 => many(amount / 3_600, "hour"),
        // Almost three days are not two.
        172_800..604_800 if hours > 0 => format!("{} {}", many(days, "day"), many(hours, "hour")),
        _ => many(days, "day"),
    };
    if away > 0 { format!("in {said}") } else { format!("{said} ago") }
}

/// How an end may be written.
pub(crate) const ENDS: &str =
    "`90m`, `2h`, `3d`, `2026-12-24` (its end), `2026-12-24T18:00` or `2026-12-24T18:00+01:00`";

/// Why a text names no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEnd {
    /// It is none of [`ENDS`].
    Unknown,
    /// That was before now.
    Past,
}

/// An end: `90m`, `2h`, `3d` from now, or a moment. A date alone ends with that day; a date with a time is in the zone of
/// this machine, unless the text names an offset or a zone (RFC 3339, RFC 9557). UNIX seconds.
pub(crate) fn parse_end(text: &str, now: i64) -> Result<i64, NoEnd> {
    end(text.trim(), now, zone())
}

fn end(text: &str, now: i64, zone: &TimeZone) -> Result<i64, NoEnd> {
    let at = from_now(text, now).or_else(|| moment(text, zone)).ok_or(NoEnd::Unknown)?;
    if at > now { Ok(at) } else { Err(NoEnd::Past) }
}

fn from_now(text: &str, now: i64) -> Option<i64> {
    let unit = match text.chars().last()? {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let count = text[..text.len() - 1].parse::<i64>().ok().filter(|count| *count > 0)?;
    let span = SignedDuration::from_secs(count.checked_mul(unit)?);
    now.checked_add(span.as_secs())
}

fn moment(text: &str, zone: &TimeZone) -> Option<i64> {
    let pieces = Pieces::parse(text).ok()?;
    let named = pieces.to_time_zone().ok()?;
    // An annotation that contradicts the offset beside it is refused by the parser of the whole.
    if pieces.time().is_some() && pieces.time_zone_annotation().is_some() {
        return Some(text.parse::<ZonedDateTime>().ok()?.timestamp().as_second());
    }
    let zone =
        named.or_else(|| pieces.to_numeric_offset().map(TimeZone::fixed)).unwrap_or_else(|| zone.clone());
    match pieces.time() {
        Some(time) => second(DateTime::from_parts(pieces.date(), time), zone),
        None => end_of(pieces.date(), zone),
    }
}

fn second(at: DateTime, zone: TimeZone) -> Option<i64> {
    Some(at.to_zoned_datetime(zone).ok()?.timestamp().as_second())
}

/// The last second of a day.
fn end_of(day: Date, zone: TimeZone) -> Option<i64> {
    Some(second(day.tomorrow().ok()?.to_datetime(jiff::civil::Time::midnight()), zone)? - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn ends_are_understood_or_refused() {
        let utc = TimeZone::UTC;
        assert_eq!(end("90m", 1_000, &utc), Ok(6_400));
        assert_eq!(end("2h", 0, &utc), Ok(7_200));
        assert_eq!(end("3d", 0, &utc), Ok(259_200));
        assert_eq!(end("2w", 0, &utc), Ok(1_209_600));
        let now = 1_700_000_000;
        for bad in ["", "h", "0h", "-1h", "soon", "9223372036854775807d", "ü", "2026-13-01", "18:00"] {
            assert_eq!(end(bad, now, &utc), Err(NoEnd::Unknown), "{bad}");
        }
        for past in ["1999-01-01T00:00", "1999-01-01", "1999-01-01T00:00+01:00"] {
            assert_eq!(end(past, now, &utc), Err(NoEnd::Past), "{past}");
        }
    }

    #[test]
    fn an_end_is_where_its_text_says() {
        let now = at("2026-11-01T00:00Z");
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, moment) in [
            ("2026-12-01T18:00", "2026-12-01T17:00Z"),
            ("2026-12-01 18:00", "2026-12-01T17:00Z"),
            ("2026-12-01T18:00+09:00", "2026-12-01T09:00Z"),
            ("2026-11-29T23:00-10:00", "2026-11-30T09:00Z"),
            ("2026-12-01T18:00Z", "2026-12-01T18:00Z"),
            ("2026-12-01T18:00[Asia/Tokyo]", "2026-12-01T09:00Z"),
            ("2026-12-01T18:00+09:00[Asia/Tokyo]", "2026-12-01T09:00Z"),
            // A guest who is let in on a day is let in until it ends.
            ("2026-12-01", "2026-12-01T22:59:59Z"),
            ("2026-12-01[Asia/Tokyo]", "2026-12-01T14:59:59Z"),
            // Summer time.
            ("2027-07-01T18:00", "2027-07-01T16:00Z"),
        ] {
            assert_eq!(end(text, now, &berlin), Ok(at(moment)), "{text}");
        }
        for contradiction in ["2026-12-01T18:00+01:00[Asia/Tokyo]", "2026-12-01T18:00[Nowhere/Land]"] {
            assert_eq!(end(contradiction, now, &berlin), Err(NoEnd::Unknown), "{contradiction}");
        }
    }

    #[test]
    fn a_time_is_shown_where_the_customer_is_or_says_that_it_is_not() {
        let now = "2026-11-29T12:00Z".parse().unwrap();
        let unix = at("2026-12-02T17:48Z");
        for (zone, shown) in [
            (TimeZone::get("Europe/Berlin").unwrap(), "Wed 2 Dec, 18:48 CET"),
            (TimeZone::get("America/New_York").unwrap(), "Wed 2 Dec, 12:48 EST"),
            // Where people have no name for it.
            (TimeZone::get("America/Sao_Paulo").unwrap(), "Wed 2 Dec, 14:48 -03"),
            (TimeZone::UTC, "Wed 2 Dec, 17:48 UTC"),
            (TimeZone::unknown(), "Wed 2 Dec, 17:48 UTC"),
        ] {
            assert_eq!(written(unix, now, &zone), shown);
        }
        assert_eq!(written(at("2027-01-02T00:00Z"), now, &TimeZone::UTC), "Sat 2 Jan 2027, 00:00 UTC");
    }

    #[test]
    fn distances_in_time_are_said_in_the_unit_that_fits() {
        assert_eq!(relative(100, 100), "now");
        assert_eq!(relative(160, 100), "in 1 minute");
        assert_eq!(relative(100 + 3 * 86_400, 100), "in 3 days");
        assert_eq!(relative(3 * 86_400, 1), "in 2 days 23 hours");
        assert_eq!(relative(9 * 86_400 + 7_200, 0), "in 9 days");
        assert_eq!(relative(0, 7_200), "2 hours ago");
    }
}
