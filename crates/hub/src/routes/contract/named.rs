//! What a partner's request holds that the document does not name.
//!
//! A carrier's program that writes `"sise"` for `"size"`, or asks for `?refrence=`, must hear of it on the first day: passed over in
//! silence, the parcel goes into another door, and the search finds all parcels. The same holds for a field that a newer hub
//! would know and this one does not, as `chilled` once was: a wish that is not understood is not fulfilled, so it is not said to
//! be. Whoever wrote against a newer contract is told which field it is, and decides: leave it out, or wait for the hub.
//!
//! Devices are another matter. Their app is updated by the store before the hub is, and nobody in front of a door can leave a
//! field out, so theirs are passed over as [`postern_api::growth`] says. Answers grow for everybody.

use std::{borrow::Cow, sync::OnceLock};

use postern_api::problem::Code;
use serde_json::Value;

use crate::error::{Error, Result, invalid, refuse};

/// Where partners ask.
const PARTNERS: [&str; 2] = ["/v1/carrier/", "/v1/operator/"];
/// Of a name that nobody knows, so much is repeated.
const LONGEST: usize = 64;

/// Whether a route is one of partners, who are held to the document.
pub fn is_strict(route: &str) -> bool {
    PARTNERS.iter().any(|prefix| route.starts_with(prefix))
}

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(super::super::document)
}

/// Looks through the body of a request at `route`, the path as the document writes it.
///
/// # Errors
/// `Malformed` with a pointer to the first field that the document does not name.
pub fn body(method: &str, route: &str, body: &Value) -> Result<()> {
    let document = document();
    let operation = &document["paths"][route][method.to_ascii_lowercase()];
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    match stray(document, schema, body, "") {
        None => Ok(()),
        Some(Stray { pointer, known }) => Err(invalid(pointer, told("field", &known))),
    }
}

/// Looks through what follows the question mark.
///
/// # Errors
/// `Malformed` with the name of the first parameter that the document does not name.
pub fn query(method: &str, route: &str, query: &str) -> Result<()> {
    let operation = &document()["paths"][route][method.to_ascii_lowercase()];
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let known: Vec<_> =
        parameters.filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str()).collect();
    let given = url::form_urlencoded::parse(query.as_bytes());
    match given.map(|(name, _)| name).find(|name| !known.contains(&name.as_ref())) {
        None => Ok(()),
        Some(name) => Err(parameter(&name, &known)),
    }
}

fn parameter(name: &str, known: &[&str]) -> Error {
    let name: String = name.chars().take(LONGEST).filter(|c| !c.is_control()).collect();
    refuse(Code::Malformed, format!("?{name}=: {}", told("parameter", known)))
}

fn told(what: &str, known: &[&str]) -> String {
    if known.is_empty() {
        format!("there is no {what} here")
    } else {
        format!("no such {what}: there are {}", known.join(", "))
    }
}

struct Stray<'a> {
    pointer: String,
    known: Vec<&'a str>,
}

/// The first field of `value` that `schema` does not name. Whether it is of the right type is for the type itself to say.
fn stray<'a>(document: &'a Value, schema: &'a Value, value: &Value, place: &str) -> Option<Stray<'a>> {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        return stray(document, named, value, place);
    }
    if let Some(choices) = ["oneOf", "anyOf"].iter().find_map(|word| schema[*word].as_array()) {
        let found: Vec<_> = choices
            .iter()
            .filter(|choice| choice["type"] != "null")
            .map(|choice| stray(document, choice, value, place))
            .collect();
        // What one of the shapes knows is known.
        return if found.iter().all(Option::is_some) { found.into_iter().flatten().next() } else { None };
    }
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            let here = format!("{place}/{}", segment(name));
            match schema["properties"].get(name) {
                Some(schema) => stray(document, schema, field, &here),
                None => {
                    let known = schema["properties"].as_object().into_iter().flatten();
                    Some(Stray { pointer: here, known: known.map(|(name, _)| name.as_str()).collect() })
                }
            }
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(at, item)| stray(document, &schema["items"], item, &format!("{place}/{at}"))),
        _ => None,
    }
}

/// As it stands in a JSON pointer (RFC 6901).
fn segment(name: &str) -> Cow<'_, str> {
    let short = name.char_indices().nth(LONGEST).map_or(name, |(end, _)| &name[..end]);
    if short.contains(['~', '/']) { short.replace('~', "~0").replace('/', "~1").into() } else { short.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn blamed(method: &str, route: &str, value: &Value) -> Option<String> {
        let refusal = body(method, route, value).err()?.into_refusal();
        assert_eq!(refusal.code, Code::Malformed);
        Some(refusal.pointer.unwrap().into_owned())
    }

    #[test]
    fn what_the_document_does_not_name_is_found_wherever_it_stands() {
        let announce = |value| blamed("POST", "/v1/carrier/parcels", &value);
        assert_eq!(announce(json!({ "sise": "m" })).as_deref(), Some("/sise"));
        assert_eq!(announce(json!({ "size": "m", "sender": null })), None);
        assert_eq!(announce(json!({ "a/b~c": 1 })).as_deref(), Some("/a~1b~0c"));
        let locker = json!({ "descriptor": { "doors": [{ "door": 1 }, { "door": 2, "lable": "A2" }] } });
        assert_eq!(
            blamed("POST", "/v1/operator/lockers", &locker).as_deref(),
            Some("/descriptor/doors/1/lable")
        );
        // Where no body is described, nothing is named.
        assert_eq!(
            blamed("POST", "/v1/carrier/parcels/{id}/dispatch", &json!({ "at": 5 })).as_deref(),
            Some("/at")
        );
        for nothing in [json!(null), json!({}), json!("text")] {
            assert_eq!(blamed("POST", "/v1/carrier/parcels/{id}/dispatch", &nothing), None);
        }
    }

    #[test]
    fn one_that_knows_of_several_shapes_takes_each() {
        let document = json!({});
        let schema = json!({ "oneOf": [{ "type": "null" }, { "properties": { "a": {} } }, { "properties": { "b": {} } }] });
        for (value, place) in
            [(json!({ "a": 1 }), None), (json!({ "b": 1 }), None), (json!({ "c": 1 }), Some("/c"))]
        {
            let found = stray(&document, &schema, &value, "").map(|stray| stray.pointer);
            assert_eq!(found.as_deref(), place);
        }
    }

    #[test]
    fn a_mistyped_parameter_is_named_and_a_long_one_is_not_repeated() {
        let refused = |text: &str| {
            let refusal = query("GET", "/v1/carrier/parcels", text).err()?.into_refusal();
            Some(refusal.detail.unwrap().into_owned())
        };
        assert_eq!(refused("reference=HX1&after=x"), None);
        assert_eq!(
            refused("refrence=HX1").as_deref(),
            Some("?refrence=: no such parameter: there are reference, state, site, after")
        );
        assert!(refused(&"x".repeat(5_000)).unwrap().len() < 200);
    }
}
