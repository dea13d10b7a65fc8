//! Examples of bodies, made from the schemas themselves: they fit whatever the schemas become, and say of a field what fields
//! of that name hold.

use serde_json::{Map, Value, json};

/// Text by the name of its field.
const TEXTS: [(&str, &str); 82] = [
    ("access_token", "v2.Yk3u…"),
    ("access", "public"),
    ("email", "ada@example.org"),
    ("pending", "ada@example.org"),
    ("hindered_by", "01m8m6rf7x4c0q3e9j5t2w8z1a"),
    ("parcels", "01m8m6rf7x4c0q3e9j5t2w8z1a"),
    ("language", "en"),
    ("media_type", "image/jpeg"),
    ("bytes", "_9j_4AAQ…"),
    ("account", "01m8m6rf7x4c0q3e9j5t2w8z1a"),
    ("claim_link", "https://hub.example/claim/yUs_M_NZhSmmyDMzwtTJA7rN6DHV3p8yTVYu1_tbW4I"),
    ("number", "482 915 0636"),
    ("address", "Lindenhof 1, 3011 Bern"),
    ("authorization_endpoint", "https://hub.example/authorize"),
    ("bulletin", "hEOhASegWC…"),
    ("by", "Heron Express"),
    ("carrier", "heron"),
    ("claim", "8N2cVhJb0m4"),
    ("client_id", "postern-app"),
    ("code", "HX-RET-4711"),
    ("cursor", "hub-1842"),
    ("detail", "no such site"),
    ("device_id", "01m8m6rf7xdev1ce0000000001"),
    ("device_name", "Ada's phone"),
    ("display_name", "Ada Lovelace"),
    ("enrolment_code", "7QK2-M9XD-4T8P"),
    ("error", "answered 500"),
    ("event", "deposited"),
    ("grant_type", "authorization_code"),
    ("group", "08"),
    ("hello_nonce", "kU0c2Wc1n7o"),
    ("hours", "Mo-Fr 06:00-22:00; Sa 08:00-20:00"),
    ("hub", "01m8m6rf7xhub0000000000001"),
    ("id", "01m8m6rf7x4c0q3e9j5t2w8z1a"),
    ("issuer", "https://hub.example"),
    ("key", "q2Y8…base64url, 32 bytes…"),
    ("kind", "jammed"),
    ("label", "A2"),
    ("link", "https://hub.example/claim/8N2cVhJb0m4"),
    ("locker", "a102030405060708"),
    ("locker_name", "Lindenhof 1"),
    ("name", "Lindenhof"),
    ("note", "The latch clicked, the door stayed shut."),
    ("parcel", "01m8m6rf7x4c0q3e9j5t2w8z1a"),
    ("photos", "_9j_4AAQSkZJRg…"),
    ("payment", "cards"),
    ("pin", "40718265"),
    ("pin_secret", "c2VjcmV0…"),
    ("pointer", "/site"),
    ("receipt", "g1gk…"),
    ("receipt_key", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
    ("recipient", "482 915 0636"),
    ("redirect_uri", "http://127.0.0.1:49152/callback"),
    ("reference", "HX8123456789"),
    ("refresh_token", "rt_01m8…"),
    ("reservation", "01m8m6rf7x4c0q3e9j5t2w8z1a"),
    ("reservations", "01m8m6rf7x4c0q3e9j5t2w8z1a"),
    ("revocation_endpoint", "https://hub.example/oauth/revoke"),
    ("scopes", "parcels"),
    ("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("sender", "Shoes & Sons"),
    ("service_documentation", "https://hub.example/docs"),
    ("site", "lindenhof"),
    ("site_name", "Lindenhof"),
    ("size", "m"),
    ("state", "ready"),
    ("static_key", "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"),
    ("status", "accepted"),
    ("text", "https://id.gs1.org/00/340400000000000017"),
    ("title", "Running shoes"),
    ("token", "hEOhASegWE…"),
    ("token_endpoint", "https://hub.example/oauth/token"),
    ("token_id", "8f14e45fceea167a5a36dedd4bea2543"),
    ("token_type", "DPoP"),
    ("type", "parcel.ready"),
    ("unit", "Flat 12"),
    ("url", "https://carrier.example/hooks/postern"),
    ("webhook", "01m8m6rf7xhook000000000001"),
    ("code_verifier", "dBjftJeZ4CVP-mBq0ZlfvOz1jv4sCkMmQ1Qh0w9z5uE"),
    ("dpop_jkt", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
    ("format", "gs1_digital_link"),
    ("outcome", "opened"),
];

/// Numbers by the name of their field.
const NUMBERS: [(&str, f64); 18] = [
    ("latitude", 46.94809),
    ("longitude", 7.44744),
    ("door", 3.0),
    ("doors", 3.0),
    ("column", 1.0),
    ("row", 2.0),
    ("height", 1.0),
    ("expires_in", 600.0),
    ("uses", 1.0),
    ("count", 42.0),
    ("free", 4.0),
    ("total", 12.0),
    ("distance", 350.0),
    ("reopen_minutes", 5.0),
    ("loan_hours", 48.0),
    ("pickup_hours", 72.0),
    ("api", 1.0),
    ("api_min", 1.0),
];

/// 2026-12-02 17:00 in UTC.
const MOMENT: i64 = 1_796_230_800;

/// Adds an example to each body that is JSON or a form.
pub(super) fn add(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    for of in ["paths", "webhooks"] {
        let mut items = document[of].take();
        for operation in items.as_object_mut().into_iter().flatten().flat_map(|(_, item)| operations(item)) {
            if let Some(body) = operation.get_mut("requestBody") {
                contents(body, &schemas);
            }
            for (_, response) in operation["responses"].as_object_mut().into_iter().flatten() {
                contents(response, &schemas);
            }
        }
        document[of] = items;
    }
}

fn operations(item: &mut Value) -> impl Iterator<Item = &mut Value> {
    item.as_object_mut().into_iter().flatten().map(|(_, operation)| operation)
}

fn contents(body: &mut Value, schemas: &Value) {
    for (kind, content) in body.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
        let made_of_schema = kind.contains("json") || kind.contains("form");
        if made_of_schema && content.get("examples").is_none() {
            let value = example(&content["schema"], "", schemas, 0);
            content["examples"] = json!({ "usual": { "value": value } });
        }
    }
}

fn example(schema: &Value, name: &str, schemas: &Value, depth: usize) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let of = reference.rsplit('/').next().unwrap_or_default();
        return example(&schemas[of], name, schemas, depth + 1);
    }
    let choices = ["oneOf", "anyOf", "allOf"].iter().filter_map(|word| schema[*word].as_array()).flatten();
    if let Some(choice) = choices.into_iter().find(|choice| choice["type"] != "null") {
        return example(choice, name, schemas, depth + 1);
    }
    if let Some(values) = schema["enum"].as_array() {
        let usual = TEXTS.iter().find(|(field, _)| *field == name).map(|(_, text)| json!(text));
        return usual.filter(|usual| values.contains(usual)).unwrap_or_else(|| values[0].clone());
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
        }
        kind => kind.as_str().unwrap_or("object"),
    };
    match kind {
        "string" => text(schema, name),
        "integer" | "number" => number(schema, name, kind),
        "boolean" => {
            json!(matches!(name, "proven" | "taken" | "available" | "scanner" | "keypad" | "step_free"))
        }
        "array" if depth < 8 => {
            let least = schema["minItems"].as_u64().unwrap_or(1).max(1);
            (0..least).map(|_| example(&schema["items"], name, schemas, depth + 1)).collect()
        }
        "array" => json!([]),
        "object" => {
            let fields: Map<String, Value> = schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, field)| (name.clone(), example(field, name, schemas, depth + 1)))
                .collect();
            Value::Object(fields)
        }
        _ => Value::Null,
    }
}

fn text(schema: &Value, name: &str) -> Value {
    let text = TEXTS.iter().find(|(field, _)| *field == name).map_or("…", |(_, text)| text);
    // The id of a locker is of another form than all others.
    if schema["pattern"].as_str().is_some_and(|pattern| pattern.contains("{16}")) {
        return json!("a102030405060708");
    }
    json!(text)
}

fn number(schema: &Value, name: &str, kind: &str) -> Value {
    let known = NUMBERS.iter().find(|(field, _)| *field == name).map(|(_, number)| *number);
    let is_time = || {
        let told = schema["description"].as_str().unwrap_or_default();
        schema["format"] == "int64" && !told.contains("Hours") || name.ends_with("_at") || name == "until"
    };
    match known {
        Some(number) if kind == "integer" => json!(number as i64),
        Some(number) => json!(number),
        None if is_time() => json!(MOMENT),
        None => json!(schema["minimum"].as_i64().unwrap_or(0).max(1)),
    }
}
