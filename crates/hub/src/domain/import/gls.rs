//! Delivery points of GLS: lockers and shops, by country.

use serde_json::Value;

use super::{Draft, Point, Remark, Source, hours::Hours, number, text, tidy};

/// Whether an item is one of these.
pub(super) fn is(item: &Value) -> bool {
    item["contact"].is_object() && item["location"].is_array()
}

/// What becomes of one item.
pub(super) fn point(item: &Value, place: usize) -> Point {
    let number_of = tidy(text(item, "id"));
    let called = if number_of.is_empty() { format!("item {place}") } else { number_of.clone() };
    let skipped = |reason: String| Point::Skipped(Remark { point: called.clone(), reason });
    if number_of.is_empty() {
        return skipped("has no id".to_owned());
    }
    let kind = text(item, "type");
    if kind != "parcel-locker" {
        return skipped(format!("is no parcel locker: {kind}"));
    }
    let contact = &item["contact"];
    let of = |name: &str| tidy(text(contact, name));
    let town = tidy(&format!("{} {}", of("postalCode"), of("city")));
    let address: Vec<String> = [of("address"), town].into_iter().filter(|line| !line.is_empty()).collect();
    let mut doubts = Vec::new();
    let hours = hours(&item["hours"], &mut doubts);
    let draft = Draft {
        source: Source::Gls,
        country: text(contact, "countryCode"),
        name: &number_of,
        description: &tidy(text(item, "name")),
        address: address.join(", "),
        place: number(&item["location"][0]).zip(number(&item["location"][1])),
        hours,
        step_free: item["hasWheelchairAccess"] == true,
        payment: String::new(),
        closures: Vec::new(),
    };
    match draft.site() {
        Ok(site) => Point::Site { site: Box::new(site), doubts },
        Err(reason) => skipped(reason),
    }
}

/// `[weekday, from, to]`, Monday is 1; with a break `[weekday, from, to, break from, break to]`. A day without times is closed.
fn hours(days: &Value, doubts: &mut Vec<String>) -> Hours {
    let minutes = |value: &Value| {
        let (hours, minutes) = value.as_str()?.split_once(':')?;
        let minutes = hours.parse::<u64>().ok()? * 60 + minutes.get(..2)?.parse::<u64>().ok()?;
        // A minute before midnight is how it is said that a day has no end.
        (minutes <= 1440).then_some(if minutes == 1439 { 1440 } else { minutes })
    };
    let mut spans: [Vec<(u64, u64)>; 7] = Default::default();
    for day in days.as_array().into_iter().flatten() {
        let Some(weekday) = day[0].as_u64().filter(|day| (1..=7).contains(day)) else {
            doubts.push(format!("hours of no day: {day}"));
            continue;
        };
        let spans = &mut spans[weekday as usize - 1];
        match (minutes(&day[1]), minutes(&day[2]), minutes(&day[3]), minutes(&day[4])) {
            (Some(from), Some(to), Some(pause), Some(again))
                if from < pause && pause < again && again < to =>
            {
                spans.extend([(from, pause), (again, to)]);
            }
            (Some(from), Some(to), ..) if from < to => spans.push((from, to)),
            (None, None, ..) => {}
            _ => doubts.push(format!("hours that nobody understands: {day}")),
        }
    }
    if spans.iter().all(Vec::is_empty) {
        return Hours::default();
    }
    Hours::of_days(&spans).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lockers_are_sites_with_their_hours_and_shops_are_not() {
        let mut item = json!({
            "id": "HU1016-PARCELLOCK01", "name": "GLS locker, Lidl Attila út", "type": "parcel-locker",
            "contact": { "countryCode": "hu", "postalCode": "1016", "city": "Budapest", "address": "Attila út 1" },
            "location": [47.49, 19.03], "hasWheelchairAccess": true,
            "hours": [[1, "00:00", "23:59"], [2, "08:00", "18:00", "12:00", "13:00"], [7, null, null]],
        });
        assert!(is(&item));
        let Point::Site { site, doubts } = point(&item, 0) else { panic!("no site") };
        assert_eq!(site.id, "gls-hu-hu1016-parcellock01");
        assert_eq!(site.address, "Attila út 1, 1016 Budapest");
        assert!(site.step_free && !site.always_open && doubts.is_empty());
        assert_eq!(site.hours, "Mo; Tu 08:00-12:00,13:00-18:00", "open all of Monday");
        item["hours"] = (1..=7).map(|day| json!([day, "00:00", "23:59"])).collect();
        item["hasWheelchairAccess"] = Value::Null;
        let Point::Site { site, .. } = point(&item, 0) else { panic!("no site") };
        assert!(site.always_open && site.hours == "24/7" && !site.step_free);
        item["hours"] = json!([[9, "08:00", "18:00"], [1, "18:00", "08:00"]]);
        let Point::Site { site, doubts } = point(&item, 0) else { panic!("no site") };
        assert_eq!((&*site.hours, doubts.len()), ("", 2));
        item["type"] = json!("parcel-shop");
        assert!(matches!(point(&item, 0), Point::Skipped(remark) if remark.reason.contains("parcel-shop")));
    }
}
