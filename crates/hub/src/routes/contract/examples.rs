//! Examples of bodies, made from the schemas themselves, so that they fit whatever the schemas become. What the fields hold is in
//! `examples.json`: one parcel at one door of one locker, from its announcement to its end.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::METHODS;

/// What fields hold, and what is different in certain bodies.
fn written() -> &'static Value {
    static WRITTEN: OnceLock<Value> = OnceLock::new();
    WRITTEN
        .get_or_init(|| serde_json::from_str(include_str!("examples.json")).expect("examples.json is JSON"))
}

/// What fields of this name hold.
pub(super) fn field(name: &str) -> &'static Value {
    &written()["fields"][name]
}

/// What is different in this body.
pub(super) fn body(place: &str) -> &'static Value {
    &written()["bodies"][place]
}

/// Adds an example to each body that is JSON or a form.
pub(super) fn add(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let mut items = document["paths"].take();
    for (path, item) in items.as_object_mut().into_iter().flatten() {
        for method in METHODS {
            let Some(operation) = item.get_mut(method) else { continue };
            let name = format!("{} {path}", method.to_uppercase());
            if let Some(body) = operation.get_mut("requestBody") {
                contents(&name, body, &schemas);
            }
            for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
                contents(&format!("{name} {status}"), response, &schemas);
            }
        }
    }
    document["paths"] = items;
}

fn contents(place: &str, whole: &mut Value, schemas: &Value) {
    for (kind, content) in whole.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
        let made_of_schema = kind.contains("json") || kind.contains("form");
        if made_of_schema && content.get("examples").is_none() {
            let mut value = example(&content["schema"], "", "", schemas);
            merge(&mut value, body(place));
            content["examples"] = json!({ "usual": { "value": value } });
        }
    }
}

/// The example of a schema that has a name, with `patch` merged into it.
pub(super) fn of(schemas: &Value, name: &str, patch: &Value) -> Value {
    let mut value = example(&schemas[name], name, "", schemas);
    merge(&mut value, patch);
    value
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else { return };
    for (name, change) in changes {
        match change {
            Value::Null => {
                target.as_object_mut().map(|fields| fields.remove(name));
            }
            Value::Object(_) if target[name].is_object() => merge(&mut target[name], change),
            _ => target[name] = change.clone(),
        }
    }
}

/// What is written of a field: of this schema's, or of all that are called so.
fn told(owner: &str, name: &str) -> Option<&'static Value> {
    let fields = &written()["fields"];
    fields.get(format!("{owner}.{name}")).or_else(|| fields.get(name))
}

/// An example of `schema`, which is the field `name` of the schema `owner`.
fn example(schema: &Value, owner: &str, name: &str, schemas: &Value) -> Value {
    let (of, plain) = plain(schema, schemas);
    let kind = kind(plain);
    // What is a thing of its own is made of its own fields.
    let fits =
        |value: &&Value| value.is_null() || (kind != "object" && value.is_array() == (kind == "array"));
    if let Some(value) = told(owner, name).filter(fits) {
        return value.clone();
    }
    let owner = of.unwrap_or(owner);
    match kind {
        "array" => json!([example(&plain["items"], owner, name, schemas)]),
        "object" => {
            let mut fields = Map::new();
            for (name, field) in plain["properties"].as_object().into_iter().flatten() {
                let value = example(field, owner, name, schemas);
                if !value.is_null() {
                    fields.insert(name.clone(), value);
                }
            }
            Value::Object(fields)
        }
        // A test finds it: `examples.json` says nothing of this field.
        kind => json!(format!("no example of {owner}.{name}, {kind}")),
    }
}

/// A schema itself, where it is named or one of several that may be: the first that is not `null`, and the name that it had.
fn plain<'a>(schema: &'a Value, schemas: &'a Value) -> (Option<&'a str>, &'a Value) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let (inner, plain) = plain(&schemas[name], schemas);
        return (inner.or(Some(name)), plain);
    }
    let choices = ["oneOf", "anyOf"].iter().filter_map(|word| schema[*word].as_array()).flatten();
    match choices.into_iter().find(|choice| choice["type"] != "null") {
        Some(choice) => plain(choice, schemas),
        None => (None, schema),
    }
}

/// The type of a schema, without `null`.
fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
        }
        kind => kind.as_str().unwrap_or_default(),
    }
}
