//! The OpenAPI document as carriers write against it: what the routes say of themselves, and what holds for all of them.
//! Descriptions, scopes, refusals, limits and examples are added here, so that a route states only what is its own.
//!
//! `crates/hub/openapi.json` is this document; `cargo run -p postern-hub -- openapi > crates/hub/openapi.json` writes it anew.

pub mod changes;
pub mod collection;
mod examples;
mod limits;
pub mod named;
mod webhooks;
mod words;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use self::{
    webhooks::webhooks,
    words::{CONFLICTS, DETAILS, PARAMETERS, SCOPES, TAGS},
};

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];
/// Content type of OAuth's requests.
const FORM: &str = "application/x-www-form-urlencoded";
const PROBLEM: &str = "application/problem+json";

/// A status by which the hub says no: its description, the header that comes with it, and the codes that it may carry.
struct Refusal {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    codes: &'static [&'static str],
}

/// What everything may answer.
const FAULT: &str = "Fault";
const FAULTS: [&str; 3] = ["method_not_allowed", "unavailable", "internal"];

const REFUSALS: [Refusal; 11] = [
    Refusal {
        status: "400",
        name: "Malformed",
        description: "Not of the form that this document describes. `pointer` names the field at fault, also one that the document \
                      does not know.",
        codes: &["malformed"],
    },
    Refusal {
        status: "401",
        name: "Unauthenticated",
        description: "No valid credentials, a proof that does not hold, or a device that was removed.",
        codes: &["unauthenticated", "bad_proof", "device_revoked"],
    },
    Refusal {
        status: "403",
        name: "Forbidden",
        description: "Known, but not allowed to do this.",
        codes: &["forbidden"],
    },
    Refusal {
        status: "404",
        name: "NotFound",
        description: "No such thing, or none that the caller may know of.",
        codes: &["not_found"],
    },
    Refusal {
        status: "409",
        name: "Conflict",
        description: "It does not fit the state that the thing is in, or a limit of the operator.",
        codes: &[
            "wrong_state",
            "no_compartment",
            "no_climate",
            "keeps_no_longer",
            "limit_reached",
            "wrong_code",
        ],
    },
    Refusal {
        status: "410",
        name: "Gone",
        description: "It ended: a claim link that was used or taken back, or a cursor that is too old.",
        codes: &["claim_ended", "cursor_too_old", "code_ended"],
    },
    Refusal {
        status: "412",
        name: "Stale",
        description: "It changed since the version that `If-Match` names. Fetch it and try again.",
        codes: &["stale"],
    },
    Refusal { status: "413", name: "TooLarge", description: "The body is too large.", codes: &["too_large"] },
    Refusal {
        status: "415",
        name: "NotJson",
        description: "The body is of another media type than `Accept` names, or coded (gzip).",
        codes: &["unsupported_media_type"],
    },
    Refusal {
        status: "422",
        name: "Unprocessable",
        description: "The idempotency key was used with another request.",
        codes: &["idempotency_mismatch"],
    },
    Refusal {
        status: "429",
        name: "Throttled",
        description: "Too many requests. Come back after `Retry-After` seconds.",
        codes: &["throttled"],
    },
];

/// The whole document.
#[must_use]
pub fn complete(document: &OpenApi) -> Value {
    let mut document = serde_json::to_value(document).expect("the document is JSON");
    head(&mut document);
    let mut paths = document["paths"].take();
    for (path, item) in paths.as_object_mut().into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                complete_operation(method, path, operation);
            }
        }
    }
    document["paths"] = paths;
    limits::apply(&mut document);
    hold_partners_to_it(&mut document);
    document["webhooks"] = webhooks(&document["components"]["schemas"]);
    document["components"]["headers"] = json!({ "RateLimit": {
        "description": "What is left of the caller's requests (`r`), and after how many seconds all of them are there again (`t`); \
                        `RateLimit-Policy` says how many there are (`q`) in a window of seconds (`w`). On each answer to a \
                        caller who is known (draft-ietf-httpapi-ratelimit-headers-10).",
        "schema": { "type": "string", "example": "\"requests\";r=598;t=1" } }, "Retry-After": {
        "description": "Seconds after which another try makes sense (RFC 9110 section 10.2.3).",
        "schema": { "type": "integer", "minimum": 0, "example": 30 } } });
    document["components"]["examples"] = problem_examples();
    document["components"]["responses"] = refusals();
    examples::add(&mut document);
    unlink(&mut document);
    document
}

/// Types tell of themselves as Rust's documentation has it: [`Name`](crate::path::Name). Here a name is a name.
fn unlink(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, one) in fields {
                match one {
                    Value::String(text) if name == "description" && text.contains("[`") => {
                        *text = unlinked(text);
                    }
                    one => unlink(one),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(unlink),
        _ => {}
    }
}

fn unlinked(text: &str) -> String {
    let mut pieces = text.split("[`");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("`]").unwrap_or((piece, ""));
        let rest = rest
            .strip_prefix("(crate::")
            .and_then(|link| link.split_once(')'))
            .map_or(rest, |(_, rest)| rest);
        out.push_str(&format!("`{name}`{rest}"));
    }
    out
}

fn head(document: &mut Value) {
    document["info"]["contact"] = json!({ "name": "Postern", "url": env!("CARGO_PKG_REPOSITORY") });
    document["info"]["license"] = json!({ "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" });
    document["info"]["description"] = json!(words::INTRODUCTION);
    document["servers"] = json!([{ "url": "/", "description": "The hub that gives this document." }]);
    document["tags"] = TAGS.iter().map(|(name, text)| json!({ "name": name, "description": text })).collect();
}

fn complete_operation(method: &str, path: &str, operation: &mut Value) {
    let name = format!("{} {path}", method.to_uppercase());
    let scheme = operation["security"][0].as_object().and_then(|one| one.keys().next()).cloned();
    let writes = method != "get";
    let form = operation["requestBody"]["content"].get(FORM).is_some();
    // The handler's name alone comes twice: devices and webhooks are both removed.
    if let (Some(id), Some(tag)) = (operation["operationId"].as_str(), operation["tags"][0].as_str()) {
        operation["operationId"] = json!(format!("{tag}_{id}").replace('-', "_"));
    }
    operation["description"] = json!(description(&name, operation, scheme.as_deref()));
    match scheme.as_deref() {
        // For schemes without scopes of their own, OpenAPI 3.1 takes the roles that are needed.
        Some("key") => operation["security"] = json!([{ "key": scope(&name).as_slice() }]),
        Some(_) => {}
        None => operation["security"] = json!([]),
    }
    let stated = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in stated.into_iter().flatten() {
        let key = parameter["name"].as_str().unwrap_or_default().to_owned();
        let about = PARAMETERS.iter().find(|(at, parameter, _)| path.contains(at) && *parameter == key);
        if let Some((.., about)) = about.filter(|_| parameter.get("description").is_none()) {
            parameter["description"] = json!(about);
        }
    }
    let mut more = Vec::new();
    if scheme.as_deref() == Some("dpop") {
        more.push(json!({ "name": "DPoP", "in": "header", "required": true, "schema": { "type": "string" },
            "description": format!("Proof by the device key (RFC 9449): a JWT of the type `dpop+jwt` with `jti` (8 to 128 characters), `htm`, \
                            `htu` (query and fragment do not count), `iat` within {} seconds of the hub's clock, and `ath`, the SHA-256 \
                            of the access token in base64url. Each is good once.", crate::auth::dpop::WINDOW) }));
    }
    if writes && !form {
        more.push(json!({ "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "The same request again, with the same key, gets the first answer again.",
            "schema": { "type": "string", "minLength": 8, "maxLength": 128 } }));
    }
    let conditional = writes && path.starts_with("/v1/reservations/{id}/");
    if conditional {
        more.push(json!({ "name": "If-Match", "in": "header", "required": false,
            "description": "Only if the reservation is still of this version: its `ETag`, or `*`.",
            "schema": { "type": "string" } }));
    }
    if !more.is_empty() {
        let mut parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        parameters.extend(more);
        operation["parameters"] = json!(parameters);
    }
    answers(&name, path, operation, scheme.is_some(), writes && !form, conditional);
}

/// What an operation's own words do not say: who may ask.
fn description(name: &str, operation: &Value, scheme: Option<&str>) -> String {
    let told = DETAILS.iter().find(|(which, _)| *which == name).map(|(_, text)| *text);
    let own = operation["description"].as_str().unwrap_or_default();
    let who = match scheme {
        Some("key") => {
            let scope = scope(name).unwrap_or("?");
            let whose = if matches!(scope, "parcels" | "webhooks") { "a carrier" } else { "the operator" };
            format!("For an API key of {whose} with the scope `{scope}`.")
        }
        Some(_) if operation["tags"][0] == "couriers" => {
            "For a courier's device that is signed in.".to_owned()
        }
        Some(_) => "For a customer's device that is signed in.".to_owned(),
        None => "For everybody, without credentials.".to_owned(),
    };
    [own, told.unwrap_or_default(), &who]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn scope(name: &str) -> Option<&'static str> {
    SCOPES.iter().find(|(operations, _)| operations.contains(&name)).map(|(_, scope)| *scope)
}

fn answers(name: &str, path: &str, operation: &mut Value, known: bool, write: bool, conditional: bool) {
    let has_query = operation["parameters"].as_array().into_iter().flatten().any(|one| one["in"] == "query");
    let has_body = operation.get("requestBody").is_some();
    let gone = matches!(name, "POST /v1/claims" | "GET /v1/changes" | "POST /v1/me/email/confirm");
    let applies = |status: &str| match status {
        "400" => known && (write || has_query || path.contains('{')),
        "401" | "403" | "429" => known,
        // Ids stand in paths and in bodies, and once in a query.
        "404" => known && (path.contains('{') || has_body || name == "GET /v1/courier/tasks"),
        "409" => CONFLICTS.contains(&name),
        "410" => gone,
        "412" => conditional,
        "413" | "415" | "422" => write,
        _ => false,
    };
    let mut responses = operation["responses"].as_object().cloned().unwrap_or_default();
    for response in responses.values_mut() {
        // OpenAPI wants a description; the operation's own says it all.
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = json!("Done.");
        }
    }
    let named = |name: &str| json!({ "$ref": format!("#/components/responses/{name}") });
    for refusal in REFUSALS.iter().filter(|refusal| applies(refusal.status)) {
        responses.entry(refusal.status).or_insert_with(|| named(refusal.name));
    }
    // OAuth has errors of its own form.
    if path.starts_with("/oauth/")
        && let Some(error) = responses.get("default").cloned()
    {
        for status in ["400", "429"] {
            responses.entry(status).or_insert_with(|| error.clone());
        }
    }
    responses.entry("default").or_insert_with(|| named(FAULT));
    operation["responses"] = Value::Object(responses);
}

/// Each refusal once, by name.
fn refusals() -> Value {
    let mut all: Map<String, Value> = REFUSALS
        .iter()
        .map(|refusal| {
            let mut response = problem(refusal.description, refusal.codes);
            if refusal.status == "429" {
                response["headers"] = json!({ "Retry-After": { "$ref": "#/components/headers/Retry-After" },
                        "RateLimit": { "$ref": "#/components/headers/RateLimit" } });
            }
            (refusal.name.to_owned(), response)
        })
        .collect();
    let fault = problem(
        "A fault, or a refusal newer than this document: a problem document with a stable code (RFC 9457).",
        &FAULTS,
    );
    all.insert(FAULT.to_owned(), fault);
    Value::Object(all)
}

fn problem(description: &str, codes: &[&str]) -> Value {
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| ((*code).to_owned(), json!({ "$ref": format!("#/components/examples/{code}") })))
        .collect();
    json!({ "description": description, "content": { PROBLEM: {
        "schema": { "$ref": "#/components/schemas/Problem" }, "examples": examples } } })
}

fn problem_examples() -> Value {
    let codes = REFUSALS.iter().flat_map(|refusal| refusal.codes).copied().chain(FAULTS);
    let examples: Map<String, Value> = codes
        .map(|name| {
            let code = serde_json::from_value(json!(name)).expect("a code of the contract");
            let (status, title) = crate::error::status_of(code);
            let mut value = json!({ "type": format!("urn:postern:problem:{name}"), "title": title,
                                    "status": status.as_u16(), "code": name });
            match name {
                "malformed" => {
                    value["detail"] = json!("no such site");
                    value["pointer"] = json!("/site");
                }
                "throttled" => value["retry_after"] = json!(30),
                _ => {}
            }
            (name.to_owned(), json!({ "summary": title, "value": value }))
        })
        .collect();
    Value::Object(examples)
}

/// Says of what only partners send that nothing else may be in it, as [`named`] holds them to. What the hub sends as well grows.
fn hold_partners_to_it(document: &mut Value) {
    let (mut asked, mut told) = (BTreeSet::new(), BTreeSet::new());
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for operation in item.as_object().into_iter().flatten().map(|(_, operation)| operation) {
            let body = &operation["requestBody"];
            collect(document, body, if named::is_strict(path) { &mut asked } else { &mut told });
            collect(document, &operation["responses"], &mut told);
        }
    }
    for name in asked.difference(&told) {
        let schema = &mut document["components"]["schemas"][name];
        if schema["properties"].is_object() {
            schema["additionalProperties"] = json!(false);
        }
    }
}

/// The names of all schemas that `value` leads to.
fn collect(document: &Value, value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(|one| one.as_str()?.strip_prefix("#/components/schemas/"));
            if let Some(name) = name.filter(|name| names.insert((*name).to_owned())) {
                collect(document, &document["components"]["schemas"][name], names);
            }
            fields.values().for_each(|one| collect(document, one, names));
        }
        Value::Array(all) => all.iter().for_each(|one| collect(document, one, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{super::document, *};

    /// The file is what engineers read, generators take and reviewers see change.
    #[test]
    fn the_checked_in_document_is_what_the_hub_says() {
        let written: Value = serde_json::from_str(include_str!("../../../openapi.json")).unwrap_or_default();
        let now = document();
        let (breaking, other) = changes::between(&written, &now);
        assert!(
            written == now,
            "crates/hub/openapi.json is not what the hub says. Write it anew:\n  \
             cargo run -p postern-hub -- openapi > crates/hub/openapi.json\n\
             {} changes break clients:\n  {}\n{} do not:\n  {}",
            breaking.len(),
            breaking.join("\n  "),
            other.len(),
            other.join("\n  ")
        );
    }

    #[test]
    fn names_of_types_are_names_and_no_links() {
        let text = "As [`Token::number`](crate::token::Token::number) or [`Inside`], see [RFC](https://x).";
        assert_eq!(unlinked(text), "As `Token::number` or `Inside`, see [RFC](https://x).");
        let document = document().to_string();
        assert!(!document.contains("[`") && !document.contains("crate::"));
    }

    /// As strictly as the document reads: a validator takes fields that no schema names, an engineer does not understand them.
    fn check(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            return check(document, document.pointer(&reference[1..]).unwrap(), value, place);
        }
        let wrong = |why: &str| Err(format!("{place}: {why}: {value} is not {schema}"));
        if let Some(choices) = ["oneOf", "anyOf"].iter().find_map(|word| schema[*word].as_array()) {
            let fits = choices.iter().any(|choice| check(document, choice, value, place).is_ok());
            return if fits { Ok(()) } else { wrong("none of several") };
        }
        if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
            return wrong("none of the values");
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        if !kinds.iter().any(|one| one == kind || (one == "number" && kind == "integer") || one.is_null()) {
            return wrong("another type");
        }
        let (least, most, size) = match value {
            Value::String(text) if text.contains('…') || text.contains("no example of") => {
                return wrong("examples.json says nothing of it");
            }
            Value::String(text) => ("minLength", "maxLength", text.chars().count() as f64),
            Value::Array(items) => ("minItems", "maxItems", items.len() as f64),
            value => ("minimum", "maximum", value.as_f64().unwrap_or_default()),
        };
        let bound = |word: &str| schema[word].as_f64();
        if bound(least).is_some_and(|least| size < least) || bound(most).is_some_and(|most| size > most) {
            return wrong("out of bounds");
        }
        for (at, item) in value.as_array().into_iter().flatten().enumerate() {
            check(document, &schema["items"], item, &format!("{place}/{at}"))?;
        }
        let Some(fields) = value.as_object() else { return Ok(()) };
        let required = schema["required"].as_array().into_iter().flatten();
        if let Some(missing) = required.filter_map(Value::as_str).find(|name| !fields.contains_key(*name)) {
            return wrong(&format!("no {missing}"));
        }
        fields.iter().try_for_each(|(name, field)| match schema["properties"].get(name) {
            Some(schema) => check(document, schema, field, &format!("{place}/{name}")),
            None => wrong(&format!("{name} is not described")),
        })
    }

    /// Each example of a body, with its schema and where it stands.
    fn examples(document: &Value) -> Vec<(String, Value, Value)> {
        let mut all = Vec::new();
        for of in ["paths", "webhooks"] {
            for (path, item) in document[of].as_object().unwrap() {
                for (method, operation) in item.as_object().unwrap() {
                    let bodies = operation["responses"].as_object().unwrap().iter();
                    let bodies = bodies.map(|(status, body)| (status.as_str(), body));
                    for (status, body) in bodies.chain([("asks", &operation["requestBody"])]) {
                        for (_, content) in body["content"].as_object().into_iter().flatten() {
                            for (name, example) in content["examples"].as_object().into_iter().flatten() {
                                let place = format!("{method} {path} {status} {name}");
                                all.push((place, content["schema"].clone(), example["value"].clone()));
                            }
                        }
                    }
                }
            }
        }
        for (name, example) in document["components"]["examples"].as_object().unwrap() {
            let problem = json!({ "$ref": "#/components/schemas/Problem" });
            all.push((format!("problem {name}"), problem, example["value"].clone()));
        }
        all
    }

    #[test]
    fn every_example_is_what_its_schema_asks_for() {
        let document = document();
        let all = examples(&document);
        assert!(all.len() > 120, "{}", all.len());
        let wrong =
            all.iter().filter_map(|(place, schema, example)| check(&document, schema, example, place).err());
        let wrong: Vec<_> = wrong.collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// One world: who follows an id from one example to the next finds the same thing.
    #[test]
    fn the_examples_are_about_the_same_things() {
        fn walk(place: &str, value: &Value, seen: &mut Vec<(String, String, Value)>) {
            if let Some(fields) = value.as_object() {
                for (name, field) in fields {
                    if field.is_object() || field.is_array() {
                        walk(&format!("{place}/{name}"), field, seen);
                    } else {
                        seen.push((place.to_owned(), name.clone(), field.clone()));
                    }
                }
            }
            for item in value.as_array().into_iter().flatten() {
                walk(place, item, seen);
            }
        }
        let document = document();
        let mut seen = Vec::new();
        for (place, _, example) in examples(&document) {
            walk(&place, &example, &mut seen);
        }
        // What is named by `site`, `locker` and so on is what has that id where it is told of.
        for (field, told_of, id) in [
            ("site", "sites", "lindenhof"),
            ("locker", "lockers", "a102030405060708"),
            ("locker", "descriptor", "a102030405060708"),
            ("carrier", "carriers", "heron"),
            ("webhook", "webhooks", "01m8"),
            ("reservation", "reservations", "01m8m6rf7x4c0q3e9j5t2w8z1a"),
            ("parcel", "parcels", "01m8m6rf7x4c0q3e9j5t2w8z1a"),
        ] {
            let named = seen.iter().filter(|(_, name, value)| name == field && value.is_string());
            let ids = seen
                .iter()
                .filter(|(place, name, _)| name == "id" && place.ends_with(&format!("/{told_of}")));
            let all: BTreeSet<_> = named.chain(ids).map(|(.., value)| value.as_str().unwrap()).collect();
            assert!(all.len() == 1 && all.iter().all(|one| one.starts_with(id)), "{field}: {all:?}");
        }
        let one = |field: &str| -> BTreeSet<String> {
            seen.iter().filter(|(_, name, _)| name == field).map(|(.., value)| value.to_string()).collect()
        };
        for field in ["site_name", "recipient", "door", "label", "issuer", "client_id", "secret", "url"] {
            assert_eq!(one(field).len(), 1, "{field}: {:?}", one(field));
        }
        // A link and the secret in it; a claim link only where a parcel is announced.
        let links = seen.iter().filter(|(_, name, _)| name == "claim_link");
        let links: Vec<_> = links.map(|(place, _, link)| (place.as_str(), link.as_str().unwrap())).collect();
        assert!(matches!(links[..], [("post /v1/carrier/parcels 201 usual", _)]), "{links:?}");
        assert!(one("claim").iter().all(|claim| links[0].1.ends_with(claim.trim_matches('"'))));
        // What happens later is said to be later.
        for (place, name, until) in &seen {
            let begun =
                seen.iter().find(|(of, field, _)| of == place && (field == "since" || field == "from"));
            if let (true, Some((.., begun))) = (name == "until", begun) {
                assert!(until.as_i64() > begun.as_i64(), "{place}");
            }
        }
    }

    #[test]
    fn what_only_partners_send_is_closed_and_what_the_hub_sends_is_not() {
        let document = document();
        let closed = |name: &str| document["components"]["schemas"][name]["additionalProperties"] == false;
        assert!(["NewParcel", "Deposit", "NewWebhook", "NewKey", "Provision"].into_iter().all(closed));
        assert!(
            !["Parcel", "LockerDescriptor", "Site", "NewReturn", "WebhookMessage"].into_iter().any(closed)
        );
    }

    #[test]
    fn every_operation_says_what_it_does_and_how_it_refuses() {
        let document = document();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let what = format!("{method} {path}");
                assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 8), "{what}");
                assert!(operation["description"].as_str().is_some_and(|text| text.len() > 20), "{what}");
                let known = operation["security"].as_array().is_some_and(|some| !some.is_empty());
                // OAuth's errors are of another form.
                for status in ["401", "403", "429"].into_iter().filter(|_| !path.starts_with("/oauth/")) {
                    assert_eq!(operation["responses"].get(status).is_some(), known, "{what}: {status}");
                }
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let told = parameter["description"].is_string();
                    assert!(told, "{what}: {} is not described: contract/words.rs", parameter["name"]);
                }
                if let Some(scopes) = operation["security"][0]["key"].as_array() {
                    assert_eq!(scopes.len(), 1, "{what}: no scope is named in contract/words.rs");
                }
                let body = operation["requestBody"]["content"].as_object();
                for (kind, content) in body.into_iter().flatten() {
                    assert!(content["examples"].is_object(), "{what}: {kind} has no example");
                }
            }
        }
        for (operations, _) in SCOPES {
            for operation in operations {
                let (method, path) = operation.split_once(' ').unwrap();
                let found = &document["paths"][path][method.to_lowercase()];
                assert!(found.is_object(), "{operation} is there no more: contract/words.rs");
            }
        }
        for name in DETAILS.iter().map(|(name, _)| name).chain(&CONFLICTS) {
            let (method, path) = name.split_once(' ').unwrap();
            let found = &document["paths"][path][method.to_lowercase()];
            assert!(found.is_object(), "{name} is there no more: contract/words.rs");
        }
    }
}
