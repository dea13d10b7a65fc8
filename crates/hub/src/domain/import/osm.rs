//! Parcel lockers of OpenStreetMap (`amenity=parcel_locker`): elements of the Overpass API, or features of GeoJSON. The data is
//! under the Open Database License: whoever shows it names OpenStreetMap.

use serde_json::Value;

use super::{Draft, Point, Remark, Source, hours::Hours, number, text, tidy};

/// What becomes of an element (`"type": "node"`, `"tags": {…}`) or a feature (`"properties": {…}`).
pub(super) fn point(item: &Value, place: usize) -> Point {
    let feature = item["properties"].is_object();
    let tags = if feature { &item["properties"] } else { &item["tags"] };
    // `node/4711` in all forms that exporters write.
    let called = match (&item["type"], &item["id"]) {
        (Value::String(kind), Value::Number(id)) => format!("{kind}/{id}"),
        (_, Value::String(id)) => id.clone(),
        _ => text(tags, "@id").to_owned(),
    };
    let called = if called.is_empty() { format!("item {place}") } else { called };
    let skipped = |reason: String| Point::Skipped(Remark { point: called.clone(), reason });
    if text(tags, "amenity") != "parcel_locker" {
        return skipped("is no parcel locker".to_owned());
    }
    if called.starts_with("item ") {
        return skipped("has no id".to_owned());
    }
    if matches!(text(tags, "access"), "private" | "no") {
        return skipped(format!("is not for everybody: access={}", text(tags, "access")));
    }
    let of = |name: &str| tidy(text(tags, name));
    let first =
        |names: &[&str]| names.iter().map(|name| of(name)).find(|text| !text.is_empty()).unwrap_or_default();
    let mut doubts = Vec::new();
    let hours = match of("opening_hours") {
        written if written.is_empty() => Hours::default(),
        written => Hours::of_text(&written).unwrap_or_else(|| {
            doubts.push(format!("hours that nobody understands: {written:?}"));
            Hours::comment(&written)
        }),
    };
    let operator = first(&["brand", "operator", "name"]);
    let reference = first(&["ref", "name"]);
    let description = if reference == operator { operator } else { tidy(&format!("{operator} {reference}")) };
    let name = if description.is_empty() { "Parcel locker".to_owned() } else { description };
    let street = tidy(&format!("{} {}", first(&["addr:street", "addr:place"]), of("addr:housenumber")));
    let town = tidy(&format!("{} {}", of("addr:postcode"), first(&["addr:city", "addr:suburb"])));
    let mut address: Vec<String> = [street, town].into_iter().filter(|line| !line.is_empty()).collect();
    if address.is_empty() {
        // Most mappers leave the address to the map.
        address.extend(
            [first(&["description", "located_in", "addr:full"])].into_iter().filter(|text| !text.is_empty()),
        );
    }
    let place = place_of(item);
    if let (true, Some((latitude, longitude))) = (address.is_empty(), place) {
        address.push(format!("{latitude:.5}, {longitude:.5}"));
    }
    let draft = Draft {
        source: Source::Osm,
        country: "",
        name: &called.replace('/', "-"),
        description: "",
        address: address.join(", "),
        place,
        hours,
        step_free: text(tags, "wheelchair") == "yes",
        payment: payment(tags),
        closures: Vec::new(),
    };
    match draft.site() {
        Ok(mut site) => {
            site.name = super::clipped(&name, 120);
            Point::Site { site: Box::new(site), doubts }
        }
        Err(reason) => skipped(reason),
    }
}

/// Of a node itself, of the middle of a way, or of a feature's point.
fn place_of(item: &Value) -> Option<(f64, f64)> {
    let pair = |latitude: &Value, longitude: &Value| number(latitude).zip(number(longitude));
    let coordinates = &item["geometry"]["coordinates"];
    pair(&item["lat"], &item["lon"])
        .or_else(|| pair(&item["center"]["lat"], &item["center"]["lon"]))
        .or_else(|| pair(&coordinates[1], &coordinates[0]))
}

/// `payment:*=yes`, in words.
fn payment(tags: &Value) -> String {
    let ways = tags.as_object().into_iter().flatten().filter_map(|(key, value)| {
        let way = key.strip_prefix("payment:")?;
        (value == "yes").then(|| way.replace('_', " "))
    });
    ways.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_and_features_are_the_same_sites() {
        let tags = json!({ "amenity": "parcel_locker", "brand": "DHL Packstation", "ref": "145", "wheelchair": "yes",
            "opening_hours": "Mo-Sa 06:00-22:00", "addr:street": "Hauptstraße", "addr:housenumber": "3",
            "addr:postcode": "10827", "addr:city": "Berlin", "payment:cards": "yes", "payment:cash": "no" });
        let node = json!({ "type": "node", "id": 4711, "lat": 52.48, "lon": 13.35, "tags": tags });
        let way = json!({ "type": "way", "id": 9, "center": { "lat": 52.48, "lon": 13.35 }, "tags": tags });
        let feature = json!({ "type": "Feature", "id": "node/4711", "properties": tags,
            "geometry": { "type": "Point", "coordinates": [13.35, 52.48] } });
        let of = |item: &Value| match point(item, 0) {
            Point::Site { site, doubts } if doubts.is_empty() => *site,
            other => panic!("{other:?}"),
        };
        let site = of(&node);
        assert_eq!((&*site.id, &*site.name), ("osm-node-4711", "DHL Packstation 145"));
        assert_eq!(site.address, "Hauptstraße 3, 10827 Berlin");
        assert_eq!((&*site.hours, site.always_open, site.step_free), ("Mo-Sa 06:00-22:00", false, true));
        assert_eq!(site.payment, "cards");
        assert_eq!(of(&feature), site);
        assert_eq!(of(&way).id, "osm-way-9");
        // What a mapper leaves out is no reason to leave the locker out.
        let bare = json!({ "type": "node", "id": 1, "lat": 52.5, "lon": 13.4, "tags": { "amenity": "parcel_locker" } });
        let site = of(&bare);
        assert_eq!((&*site.name, &*site.address, &*site.hours), ("Parcel locker", "52.50000, 13.40000", ""));
        assert!(!site.step_free, "nobody said so");
        for (change, reason) in
            [(("amenity", "bench"), "no parcel locker"), (("access", "private"), "everybody")]
        {
            let mut item = node.clone();
            item["tags"][change.0] = json!(change.1);
            assert!(matches!(point(&item, 0), Point::Skipped(remark) if remark.reason.contains(reason)));
        }
    }
}
