//! Points of InPost.

use postern_api::locker::Closure;
use serde_json::Value;

use super::{Draft, Point, Remark, Source, hours::Hours, id, number, text, tidy};

/// What becomes of one item.
pub(super) fn point(item: &Value, place: usize) -> Point {
    let name = tidy(text(item, "name"));
    let called = if name.is_empty() { format!("item {place}") } else { name.clone() };
    let skipped = |reason: String| Point::Skipped(Remark { point: called.clone(), reason });
    if name.is_empty() {
        return skipped("has no name".to_owned());
    }
    let kinds: Vec<&str> = item["type"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !kinds.contains(&"parcel_locker") {
        return skipped(format!("is no parcel locker: {}", kinds.join(", ")));
    }
    let country = text(item, "country");
    match item["status"].as_str() {
        Some("Operating") => {}
        other => {
            let reason = format!("does not operate: {}", other.unwrap_or("no status"));
            return Point::Closed {
                id: id(Source::Inpost, country, &name),
                remark: Remark { point: called, reason },
            };
        }
    }
    let mut doubts = Vec::new();
    let draft = Draft {
        source: Source::Inpost,
        country,
        name: &name,
        description: &tidy(text(item, "location_description")),
        address: address(item),
        place: number(&item["location"]["latitude"]).zip(number(&item["location"]["longitude"])),
        hours: hours(item, &mut doubts),
        // `easy_access_zone` speaks of low compartments, is set for all, and says nothing of steps.
        step_free: false,
        payment: payment(item),
        closures: closures(item, &mut doubts),
    };
    match draft.site() {
        Ok(site) => Point::Site { site: Box::new(site), doubts },
        Err(reason) => skipped(reason),
    }
}

fn address(item: &Value) -> String {
    let lines = [text(&item["address"], "line1"), text(&item["address"], "line2")];
    let lines: Vec<String> = lines.iter().map(|line| tidy(line)).filter(|line| !line.is_empty()).collect();
    if !lines.is_empty() {
        return lines.join(", ");
    }
    let of = |name: &str| tidy(text(&item["address_details"], name));
    let street = tidy(&format!("{} {}", of("street"), of("building_number")));
    let town = tidy(&format!("{} {}", of("post_code"), of("city")));
    [street, town].into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

/// From the field that has them most precisely. That it is open at all hours is said in a field of its own.
fn hours(item: &Value, doubts: &mut Vec<String>) -> Hours {
    let written = tidy(text(item, "opening_hours"));
    let understood = Hours::of_text(&written);
    let by_minutes = Hours::of_minutes(&item["operating_hours_extended"]["customer"]);
    match (item["location_247"].as_bool(), by_minutes, understood) {
        (Some(true), _, text) => {
            if let Some(text) = text.filter(|text| !text.always) {
                doubts.push(format!("is open at all hours, but its hours are {:?}", text.text));
            }
            Hours::always()
        }
        (_, Some(minutes), _) => minutes,
        (said, None, Some(text)) => {
            if text.always && said == Some(false) {
                doubts
                    .push(format!("is not open at all hours, but its hours are {written:?}; taken as those"));
            }
            text
        }
        (_, None, None) => {
            if !written.is_empty() {
                doubts.push(format!("hours that nobody understands: {written:?}"));
            }
            Hours::comment(&written)
        }
    }
}

/// Everything that it says of paying.
fn payment(item: &Value) -> String {
    let mut said: Vec<String> = item["payment_type"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, way)| Some(tidy(way.as_str()?)))
        .collect();
    said.push(tidy(text(item, "payment_point_descr")));
    said.retain(|text| !text.is_empty());
    said.dedup();
    said.join("; ")
}

fn closures(item: &Value, doubts: &mut Vec<String>) -> Vec<Closure> {
    let mut closures = Vec::new();
    for period in item["unavailability_periods"].as_array().into_iter().flatten() {
        let moment = |names: &[&str], last: bool| names.iter().find_map(|name| moment(&period[*name], last));
        let from = moment(&["from", "start", "start_date", "date_from", "begin"], false);
        let until = moment(&["to", "until", "end", "end_date", "date_to"], true);
        match (from, until) {
            (Some(from), Some(until)) if from < until && closures.len() < 16 => {
                closures.push(Closure { from, until });
            }
            _ => doubts.push(format!("a closure that nobody understands: {period}")),
        }
    }
    closures
}

/// UNIX seconds of a moment (RFC 3339) or a day, of which the `last` is over when it ends. Days are taken in UTC: the file names
/// no zone.
fn moment(value: &Value, last: bool) -> Option<i64> {
    use chrono::{DateTime, NaiveDate, NaiveDateTime};
    if let Some(number) = value.as_i64() {
        // Milliseconds, where seconds would be after the year 5000.
        return Some(if number > 100_000_000_000 { number / 1000 } else { number });
    }
    let text = value.as_str()?.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.timestamp());
    }
    let written = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    if let Some(moment) = written.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()) {
        return Some(moment.and_utc().timestamp());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let day = if last { day.succ_opt()? } else { day };
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(change: impl FnOnce(&mut Value)) -> Point {
        let mut item = json!({
            "name": "ADA01M", "country": "PL", "type": ["parcel_locker"], "status": "Operating",
            "location": { "latitude": 51.7, "longitude": 22.2 }, "opening_hours": "24/7", "location_247": true,
            "address": { "line1": "Kościuszki  27", "line2": "21-412 Adamów" }, "easy_access_zone": true,
        });
        change(&mut item);
        point(&item, 0)
    }

    #[track_caller]
    fn site(change: impl FnOnce(&mut Value)) -> (postern_api::locker::Site, Vec<String>) {
        match one(change) {
            Point::Site { site, doubts } => (*site, doubts),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_sound_point_is_a_site_and_dirt_is_named() {
        let (sound, doubts) = site(|_| ());
        assert_eq!((&*sound.id, &*sound.address), ("inpost-pl-ada01m", "Kościuszki 27, 21-412 Adamów"));
        assert!(doubts.is_empty());
        for (change, reason) in [
            (("name", Value::Null), "name"),
            (("type", json!(["pok", "pop"])), "no parcel locker"),
            (("location", json!({ "latitude": 0.0, "longitude": 0.0 })), "impossible"),
            (("location", json!({ "latitude": null, "longitude": 1.0 })), "no position"),
            (("location", json!({ "latitude": "x", "longitude": 1.0 })), "no position"),
            (("location", json!({ "latitude": 22.2, "longitude": 51.7 })), "swapped"),
            (("address", Value::Null), "no address"),
        ] {
            match one(|item| item[change.0] = change.1.clone()) {
                Point::Skipped(remark) => assert!(remark.reason.contains(reason), "{remark:?}"),
                other => panic!("{change:?}: {other:?}"),
            }
        }
        for status in ["Disabled", "Created", "NonOperating"] {
            let closed = one(|item| item["status"] = json!(status));
            assert!(matches!(closed, Point::Closed { id, .. } if id == "inpost-pl-ada01m"), "{status}");
        }
        // What is odd and can be read is read.
        let (site, _) = site(|item| {
            item["location"] = json!({ "latitude": "51.7", "longitude": " 22,2" });
            item["address"] = Value::Null;
            item["address_details"] =
                json!({ "street": "Polna", "building_number": "3", "post_code": "21-412", "city": "Adamów" });
            item["location_description"] = json!("by the \u{202e}bell\u{7}");
        });
        assert_eq!((site.latitude, &*site.address), (51.7, "Polna 3, 21-412 Adamów"));
        assert_eq!(site.name, "ADA01M · by the bell");
    }

    #[test]
    fn hours_come_from_every_field_that_has_them() {
        let minutes = json!({ "customer": { "monday": [{ "start": 360, "end": 1320 }] } });
        for (always, text, extended, hours, open, doubtful) in [
            (json!(true), Value::Null, Value::Null, "24/7", true, 0),
            (json!(true), json!("24//7"), Value::Null, "24/7", true, 0),
            (json!(true), json!("PN-SB 06-22"), Value::Null, "24/7", true, 1),
            (json!(false), json!("24/7"), Value::Null, "24/7", true, 1),
            (json!(false), json!("PN-SB 06-22"), Value::Null, "Mo-Sa 06:00-22:00", false, 0),
            (json!(false), Value::Null, minutes.clone(), "Mo 06:00-22:00", false, 0),
            (Value::Null, json!("24/7"), Value::Null, "24/7", true, 0),
            (json!(false), json!("inside the shop"), Value::Null, "\"inside the shop\"", false, 1),
            (json!(false), Value::Null, Value::Null, "", false, 0),
        ] {
            let (site, doubts) = site(|item| {
                item["location_247"] = always.clone();
                item["opening_hours"] = text.clone();
                item["operating_hours_extended"] = extended.clone();
            });
            let shown = site.hours.split("; ").next().unwrap();
            assert_eq!((shown, site.always_open, doubts.len()), (hours, open, doubtful), "{always} {text}");
        }
    }

    #[test]
    fn no_claim_is_made_of_steps_and_payment_and_closures_are_kept() {
        let (site, doubts) = site(|item| {
            item["payment_type"] = json!({ "3": "Payment by cash and card" });
            item["payment_point_descr"] = json!("PayByLink");
            item["unavailability_periods"] = json!([
                { "start": "2026-12-24", "end": "2026-12-26" },
                { "from": "2027-01-01T08:00:00+01:00", "to": "2027-01-01T12:00:00+01:00" },
                { "from": "some day" },
            ]);
        });
        assert!(!site.step_free, "easy_access_zone says nothing of steps");
        assert_eq!(site.payment, "Payment by cash and card; PayByLink");
        assert_eq!(site.closures[0], Closure { from: 1_798_070_400, until: 1_798_329_600 });
        assert_eq!(site.closures[1].until - site.closures[1].from, 4 * 3600);
        assert_eq!((site.closures.len(), doubts.len()), (2, 1));
    }
}
