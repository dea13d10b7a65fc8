//! What changed between two versions of the document, and what of it breaks clients that were written against the older.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Who sends a value: a client in requests, the hub in answers and messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum From {
    Client,
    Hub,
}

#[derive(Default)]
struct Found {
    breaking: Vec<String>,
    other: Vec<String>,
}

impl Found {
    fn tell(&mut self, breaks: bool, what: String) {
        if breaks { self.breaking.push(what) } else { self.other.push(what) }
    }
}

/// Changes that break clients, and all others, in words.
#[must_use]
pub fn between(old: &Value, new: &Value) -> (Vec<String>, Vec<String>) {
    let mut found = Found::default();
    let (before, after) = (operations(old), operations(new));
    for (name, operation) in &before {
        match after.get(name) {
            None => found.tell(true, format!("{name} is gone")),
            Some(now) => one_operation(name, operation, now, &mut found),
        }
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        found.tell(false, format!("{name} is new"));
    }
    let (used_before, used) = (used(old), used(new));
    for (name, schema) in members(&old["components"]["schemas"]) {
        let now = &new["components"]["schemas"][name];
        if now.is_null() {
            found.tell(used.contains_key(name), format!("{name} is gone"));
            continue;
        }
        for from in used_before.get(name).into_iter().flatten() {
            one_schema(name, schema, now, *from, &mut found);
        }
    }
    for (name, _) in members(&new["components"]["schemas"]) {
        if old["components"]["schemas"].get(name).is_none() {
            found.tell(false, format!("{name} is new"));
        }
    }
    let Found { mut breaking, mut other } = found;
    for list in [&mut breaking, &mut other] {
        list.sort();
        list.dedup();
    }
    if breaking.is_empty() && other.is_empty() && old != new {
        other.push("words, examples or refusals".to_owned());
    }
    (breaking, other)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// By method and path; messages of the hub by their name.
fn operations(document: &Value) -> BTreeMap<String, &Value> {
    let named = |of: &'static str| {
        members(&document[of]).flat_map(move |(path, item)| {
            members(item).map(move |(method, operation)| {
                let method = if of == "webhooks" { "webhook".to_owned() } else { method.to_uppercase() };
                (format!("{method} {path}"), operation)
            })
        })
    };
    named("paths").chain(named("webhooks")).collect()
}

fn one_operation(name: &str, old: &Value, new: &Value, found: &mut Found) {
    if old["security"] != new["security"] {
        found.tell(true, format!("{name}: other credentials: {} → {}", old["security"], new["security"]));
    }
    if old["operationId"] != new["operationId"] {
        found.tell(true, format!("{name}: generated clients call it {} now", new["operationId"]));
    }
    let key = |one: &Value| (one["in"].clone(), one["name"].clone());
    for parameter in items(&new["parameters"]) {
        let called = format!("{name}: parameter {}", parameter["name"]);
        match items(&old["parameters"]).find(|one| key(one) == key(parameter)) {
            None => found.tell(parameter["required"] == true, format!("{called} is new")),
            Some(before) => {
                if before["required"] != true && parameter["required"] == true {
                    found.tell(true, format!("{called} is required"));
                }
                one_schema(&called, &before["schema"], &parameter["schema"], From::Client, found);
            }
        }
    }
    for parameter in items(&old["parameters"]) {
        if !items(&new["parameters"]).any(|one| key(one) == key(parameter)) {
            found.tell(true, format!("{name}: parameter {} is gone", parameter["name"]));
        }
    }
    let sender = if name.starts_with("webhook ") { From::Hub } else { From::Client };
    if old["requestBody"].is_null() && new["requestBody"]["required"] == true {
        found.tell(true, format!("{name}: needs a body"));
    }
    contents(&format!("{name}: body"), &old["requestBody"], &new["requestBody"], sender, found);
    for (status, answer) in members(&old["responses"]).filter(|(status, _)| status.starts_with('2')) {
        match new["responses"].get(status) {
            None => found.tell(true, format!("{name}: never answers {status} any more")),
            Some(now) => contents(&format!("{name}: answer {status}"), answer, now, From::Hub, found),
        }
    }
    for (status, _) in members(&new["responses"]) {
        if old["responses"].get(status).is_none() {
            found.tell(status.starts_with('2'), format!("{name}: may answer {status}"));
        }
    }
}

fn contents(place: &str, old: &Value, new: &Value, from: From, found: &mut Found) {
    for (kind, content) in members(&old["content"]) {
        match new["content"].get(kind) {
            None => found.tell(true, format!("{place}: no {kind} any more")),
            Some(now) => one_schema(place, &content["schema"], &now["schema"], from, found),
        }
    }
}

fn one_schema(place: &str, old: &Value, new: &Value, from: From, found: &mut Found) {
    for word in ["$ref", "type", "format", "pattern"] {
        if old[word] != new[word] {
            found.tell(true, format!("{place}: {word} {} → {}", old[word], new[word]));
        }
    }
    // What a client sends must not be narrowed, what the hub sends not be widened.
    for (word, lower) in [
        ("minimum", true),
        ("minLength", true),
        ("minItems", true),
        ("maximum", false),
        ("maxLength", false),
        ("maxItems", false),
    ] {
        if old[word] == new[word] {
            continue;
        }
        let narrower = match (old[word].as_f64(), new[word].as_f64()) {
            (None, _) => true,
            (_, None) => false,
            (Some(old), Some(new)) => (new > old) == lower,
        };
        let breaks = narrower == (from == From::Client);
        found.tell(breaks, format!("{place}: {word} {} → {}", old[word], new[word]));
    }
    for value in items(&old["enum"]).filter(|value| !items(&new["enum"]).any(|one| one == *value)) {
        found.tell(true, format!("{place}: {value} is gone"));
    }
    // The document asks clients to pass over values that they do not know.
    for value in items(&new["enum"]).filter(|value| !items(&old["enum"]).any(|one| one == *value)) {
        found.tell(false, format!("{place}: {value} is new"));
    }
    let required = |schema: &Value, name: &str| items(&schema["required"]).any(|one| one == name);
    for (name, field) in members(&old["properties"]) {
        let called = format!("{place}.{name}");
        match new["properties"].get(name) {
            None => found.tell(true, format!("{called} is gone")),
            Some(now) => {
                let (before, after) = (required(old, name), required(new, name));
                if before != after {
                    let breaks = after == (from == From::Client);
                    found
                        .tell(breaks, format!("{called} is {}", if after { "required" } else { "optional" }));
                }
                one_schema(&called, field, now, from, found);
            }
        }
    }
    for (name, _) in members(&new["properties"]) {
        if old["properties"].get(name).is_none() {
            let breaks = from == From::Client && required(new, name);
            found.tell(breaks, format!("{place}.{name} is new"));
        }
    }
    if !old["items"].is_null() || !new["items"].is_null() {
        one_schema(&format!("{place}[]"), &old["items"], &new["items"], from, found);
    }
    for word in ["oneOf", "anyOf", "allOf", "prefixItems"] {
        let (before, after) = (items(&old[word]).count(), items(&new[word]).count());
        if before != after {
            found.tell(true, format!("{place}: {word} of {before} → {after}"));
        }
        for (old, new) in items(&old[word]).zip(items(&new[word])) {
            one_schema(place, old, new, from, found);
        }
    }
}

/// Who sends values of each schema.
fn used(document: &Value) -> BTreeMap<String, BTreeSet<From>> {
    let mut used: BTreeMap<String, BTreeSet<From>> = BTreeMap::new();
    for (name, operation) in operations(document) {
        let sender = if name.starts_with("webhook ") { From::Hub } else { From::Client };
        follow(document, &operation["requestBody"], sender, &mut used);
        follow(document, &operation["parameters"], From::Client, &mut used);
        follow(document, &operation["responses"], From::Hub, &mut used);
    }
    used
}

fn follow(document: &Value, value: &Value, from: From, used: &mut BTreeMap<String, BTreeSet<From>>) {
    match value {
        Value::Object(all) => {
            for (name, one) in all {
                let schema = (name == "$ref").then(|| one.as_str()?.strip_prefix("#/components/schemas/"));
                if let Some(schema) = schema.flatten() {
                    if used.entry(schema.to_owned()).or_default().insert(from) {
                        follow(document, &document["components"]["schemas"][schema], from, used);
                    }
                } else {
                    follow(document, one, from, used);
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|one| follow(document, one, from, used)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "paths": { "/parcels": { "post": {
                "operationId": "announce", "security": [{ "key": ["parcels"] }],
                "parameters": [{ "name": "Idempotency-Key", "in": "header", "required": false, "schema": { "type": "string" } }],
                "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/New" } } } },
                "responses": { "201": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Parcel" } } } } },
            } } },
            "components": { "schemas": {
                "New": { "type": "object", "required": ["title"], "properties": {
                    "title": { "type": "string", "maxLength": 120 }, "size": { "$ref": "#/components/schemas/Size" } } },
                "Parcel": { "type": "object", "required": ["id"], "properties": {
                    "id": { "type": "string" }, "size": { "$ref": "#/components/schemas/Size" } } },
                "Size": { "type": "string", "enum": ["s", "m"] },
            } },
        })
    }

    fn after(pointer: &str, change: Value) -> (Vec<String>, Vec<String>) {
        let mut new = document();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = new.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        let name = name.replace("~1", "/");
        if change.is_null() {
            parent.remove(&name);
        } else {
            parent.insert(name, change);
        }
        between(&document(), &new)
    }

    #[test]
    fn what_breaks_a_client_is_told_from_what_does_not() {
        assert_eq!(between(&document(), &document()), (vec![], vec![]));
        let post = "/paths/~1parcels/post";
        let of = |schema: &str| format!("/components/schemas/{schema}");
        for (pointer, change) in [
            ("/paths/~1parcels".to_owned(), Value::Null),
            (format!("{post}/security"), json!([{ "dpop": [] }])),
            (format!("{post}/operationId"), json!("tell")),
            (format!("{post}/responses"), json!({ "200": {} })),
            (format!("{post}/parameters"), json!([])),
            (of("New/required"), json!(["title", "size"])),
            (of("New/properties/title/maxLength"), json!(60)),
            (of("New/properties/title/type"), json!("integer")),
            (of("New/properties/title"), Value::Null),
            (of("Parcel/properties/id"), Value::Null),
            (of("Parcel/required"), json!([])),
            (of("Size/enum"), json!(["s"])),
        ] {
            let (breaking, _) = after(&pointer, change);
            assert!(!breaking.is_empty(), "{pointer}");
        }
        for (pointer, change) in [
            ("/paths/~1sites".to_owned(), json!({ "get": { "responses": {} } })),
            (of("New/properties/title/maxLength"), json!(240)),
            (of("New/properties/sender"), json!({ "type": "string" })),
            (of("Parcel/properties/door"), json!({ "type": "integer" })),
            (of("Parcel/required"), json!(["id", "size"])),
            (of("Size/enum"), json!(["s", "m", "l"])),
            (format!("{post}/summary"), json!("Announces.")),
        ] {
            let (breaking, other) = after(&pointer, change);
            assert!(breaking.is_empty() && !other.is_empty(), "{pointer}: {breaking:?}");
        }
        let (breaking, _) = after(&of("Parcel/properties/id"), Value::Null);
        assert_eq!(breaking, ["Parcel.id is gone"]);
    }
}
