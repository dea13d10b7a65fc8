//! The OpenAPI document as carriers write against it: what the routes say of themselves, and what holds for all of them.
//! Descriptions, scopes, refusals, limits and examples are added here, so that a route states only what is its own.
//!
//! `crates/hub/openapi.json` is this document; `cargo run -p postern-hub -- openapi > crates/hub/openapi.json` writes it anew.

pub mod changes;
mod examples;
mod limits;
mod words;

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use self::words::{CONFLICTS, DETAILS, PARAMETERS, SCOPES, TAGS};

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

const REFUSALS: [Refusal; 10] = [
    Refusal {
        status: "400",
        name: "Malformed",
        description: "Not of the form that this document describes. `pointer` names the field at fault.",
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
        codes: &["wrong_state", "no_compartment", "limit_reached", "wrong_code"],
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
    document["webhooks"] = webhooks();
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
    document
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
        "413" | "422" => write,
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
        &["unavailable", "internal"],
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
    let codes = REFUSALS.iter().flat_map(|refusal| refusal.codes).copied().chain(["unavailable", "internal"]);
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

/// What the hub sends to the endpoints that carriers name.
fn webhooks() -> Value {
    let header = |name: &str, about: &str| json!({ "name": name, "in": "header", "required": true, "description": about, "schema": { "type": "string" } });
    json!({ "parcelChanged": { "post": {
        "operationId": "webhooks_parcel_changed",
        "tags": ["webhooks"],
        "summary": "A parcel of the carrier's changed.",
        "description": words::WEBHOOK,
        "security": [],
        "parameters": [
            header("webhook-id", "Id of the message: the same one each time it is sent. Ids sort by the time at which the change was made."),
            header("webhook-timestamp", "When it was sent, UNIX seconds. Refuse what is older than five minutes."),
            header("webhook-signature", "`v1,` and the HMAC-SHA256, base64, of `webhook-id.webhook-timestamp.body` under the endpoint's secret (Standard Webhooks)."),
        ],
        "requestBody": { "required": true, "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/WebhookMessage" } } } },
        "responses": {
            "2XX": { "description": "Taken. The body is not looked at." },
            "4XX": { "description": "Refused: sent again, up to nine times within two days, then a dead letter." },
            "default": { "description": "Sent again, as any answer that is not a success." },
        },
    } } })
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
