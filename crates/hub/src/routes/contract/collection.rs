//! The document as a collection of requests, in Postman's format 2.1, which Postman, Bruno, Insomnia and Hoppscotch read: a
//! parcel's way to be sent from top to bottom, then all else that carriers and operators may ask.
//!
//! `crates/hub/collection.json` is this; `cargo run -p postern-hub -- openapi --collection > crates/hub/collection.json` writes it
//! anew. What devices ask is left out: their proofs are made by a key that no such program has.

use serde_json::{Map, Value, json};

use super::METHODS;

const SCHEMA: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";
const ABOUT: &str = "\
Set `carrier_key` (and `operator_key` for the operator's part) and `base` in the collection's variables. Then send what is in \
\"A parcel's way\" from top to bottom: it finds a site, announces a parcel, brings it and follows it. `cargo xtask sandbox` gives a hub \
to try it with, whose couriers and lockers do their part by themselves within seconds: leave the deposit out there.\n\nMade of the hub's OpenAPI document, which says more of each field: \
`/docs` and `/openapi.json` of the hub.";

/// What is filled in, and what it begins with.
const VARIABLES: [(&str, &str, &str); 12] = [
    ("base", "http://localhost:8460", "Where the hub is."),
    ("carrier_key", "", "A carrier's API key, `pk_…`, with the scopes `parcels` and `webhooks`."),
    ("operator_key", "", "The operator's API key."),
    ("recipient", "somebody@example.org", "Customer number or e-mail address of whoever gets the parcel."),
    ("site", "lindenhof", "Filled in by the first request of \"A parcel's way\"."),
    ("locker", "a102030405060708", "As `site`."),
    ("size", "m", "As `site`."),
    ("carrier", "heron", "Carrier id, for the operator."),
    ("parcel", "", "Filled in by the announcement."),
    ("webhook", "", "Filled in where one is made."),
    ("courier", "", "Filled in where one is made."),
    ("id", "", "Of what else is meant: a message, an alarm, a key, a thing."),
];

/// The steps of a parcel's way: operation, what it does there, its body where that is not the document's example, and what is
/// kept of the answer.
type Step = (&'static str, &'static str, Option<fn() -> Value>, &'static str);

const WAY: [Step; 8] = [
    (
        "GET /v1/carrier/sites",
        "Where can it go?",
        None,
        "const site = pm.response.json().sites.find((one) => one.lockers.some((locker) => locker.sizes.length));\n\
         const locker = site.lockers.find((one) => one.sizes.length);\n\
         pm.collectionVariables.set(\"site\", site.id);\n\
         pm.collectionVariables.set(\"locker\", locker.id);\n\
         pm.collectionVariables.set(\"size\", locker.sizes[0]);",
    ),
    (
        "POST /v1/carrier/parcels",
        "Announce it",
        Some(|| {
            json!({ "reference": "HX{{$timestamp}}", "recipient": "{{recipient}}", "title": "Running shoes", "site": "{{site}}",
                    "size": "{{size}}" })
        }),
        "pm.collectionVariables.set(\"parcel\", pm.response.json().id);",
    ),
    ("POST /v1/carrier/parcels/{id}/dispatch", "It is on its way", None, ""),
    (
        "POST /v1/carrier/parcels/{id}/deposit",
        "It lies in a door (not in the sandbox: there a courier puts it in)",
        Some(|| json!({ "locker": "{{locker}}" })),
        "",
    ),
    ("GET /v1/carrier/parcels/{id}", "Where does it stand?", None, ""),
    ("GET /v1/carrier/parcels", "All parcels", None, ""),
    (
        "POST /v1/carrier/webhooks",
        "Be told of changes",
        None,
        "pm.collectionVariables.set(\"webhook\", pm.response.json().id);",
    ),
    ("DELETE /v1/carrier/webhooks/{id}", "Be told no longer", None, ""),
];

/// What stands for the name in braces in a path.
fn filled(path: &str, name: &str) -> String {
    let by_place = [
        ("/v1/carrier/parcels/", "parcel"),
        ("/v1/carrier/couriers/", "courier"),
        ("/v1/carrier/webhooks/", "webhook"),
        ("/v1/operator/lockers/", "locker"),
        ("/v1/operator/sites/", "site"),
        ("/v1/operator/carriers/", "carrier"),
    ];
    let of_place = by_place.iter().find(|(place, _)| path.starts_with(place)).map_or("id", |(_, name)| name);
    match name {
        "door" => "3".to_owned(),
        "number" => "{{recipient}}".to_owned(),
        _ => format!("{{{{{of_place}}}}}"),
    }
}

/// The collection of a document.
#[must_use]
pub fn collection(document: &Value) -> Value {
    let way: Vec<Value> = WAY
        .iter()
        .zip(1..)
        .map(|((name, does, body, keeps), at)| {
            let (method, path) = name.split_once(' ').expect("method and path");
            let method = method.to_ascii_lowercase();
            let operation = &document["paths"][path][&method];
            let success = operation["responses"].as_object().into_iter().flatten().map(|(status, _)| status);
            let status = success.filter(|status| status.starts_with('2')).min().map_or("200", String::as_str);
            let mut item = request(path, &method, operation, body.map(|body| body()));
            item["name"] = json!(format!("{at}. {does}"));
            let test = format!(
                "pm.test(\"answers {status}\", () => {{ pm.response.to.have.status({status}); }});\n{keeps}"
            );
            let lines: Vec<&str> = test.trim_end().lines().collect();
            item["event"] =
                json!([{ "listen": "test", "script": { "type": "text/javascript", "exec": lines } }]);
            item
        })
        .collect();
    let mut folders: Map<String, Value> = Map::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let operation = &item[method];
            if let (Some(tag), true) =
                (operation["tags"][0].as_str(), operation["security"][0]["key"].is_array())
            {
                let folder = folders.entry(tag).or_insert_with(|| json!([]));
                folder.as_array_mut().expect("made so").push(request(path, method, operation, None));
            }
        }
    }
    let described = |tag: &str| {
        document["tags"]
            .as_array()?
            .iter()
            .find(|one| one["name"] == tag)
            .map(|one| one["description"].clone())
    };
    let mut items = vec![
        json!({ "name": "A parcel's way", "description": "From top to bottom.", "item": way, "auth": bearer("carrier_key") }),
    ];
    for (tag, requests) in folders {
        let key =
            if matches!(tag.as_str(), "carriers" | "webhooks") { "carrier_key" } else { "operator_key" };
        items.push(
            json!({ "name": tag, "description": described(&tag), "item": requests, "auth": bearer(key) }),
        );
    }
    let variables =
        VARIABLES.map(|(key, value, about)| json!({ "key": key, "value": value, "description": about }));
    json!({
        "info": { "name": "Postern hub", "description": ABOUT, "schema": SCHEMA },
        "item": items,
        "variable": variables,
    })
}

fn bearer(key: &str) -> Value {
    json!({ "type": "bearer", "bearer": [{ "key": "token", "value": format!("{{{{{key}}}}}"), "type": "string" }] })
}

fn request(path: &str, method: &str, operation: &Value, body: Option<Value>) -> Value {
    let mut headers = Vec::new();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let about = &parameter["description"];
        match parameter["in"].as_str() {
            Some("query") => {
                query.push(json!({ "key": name, "value": "", "description": about, "disabled": true }));
            }
            Some("header") if name == "Idempotency-Key" => {
                headers.push(json!({ "key": name, "value": "{{$guid}}", "description": about }));
            }
            _ => {}
        }
    }
    let segments: Vec<String> = path
        .split('/')
        .skip(1)
        .map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => filled(path, name),
            None => segment.to_owned(),
        })
        .collect();
    let mut url = json!({ "raw": format!("{{{{base}}}}/{}", segments.join("/")), "host": ["{{base}}"], "path": segments });
    if !query.is_empty() {
        url["query"] = json!(query);
    }
    let example = &operation["requestBody"]["content"]["application/json"]["examples"]["usual"]["value"];
    let body = body.or_else(|| Some(example.clone()).filter(|example| !example.is_null()));
    let mut request =
        json!({ "method": method.to_ascii_uppercase(), "url": url, "description": operation["description"] });
    if let Some(body) = body {
        headers.push(json!({ "key": "Content-Type", "value": "application/json" }));
        let text = serde_json::to_string_pretty(&body).unwrap_or_default();
        request["body"] = json!({ "mode": "raw", "raw": text, "options": { "raw": { "language": "json" } } });
    }
    request["header"] = json!(headers);
    let name = operation["summary"].as_str().unwrap_or_default().trim_end_matches('.');
    json!({ "name": name, "request": request })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_collection_is_that_of_the_document() {
        let written: Value =
            serde_json::from_str(include_str!("../../../collection.json")).unwrap_or_default();
        assert!(
            written == collection(&super::super::super::document()),
            "crates/hub/collection.json is not that of the document. Write it anew:\n  \
             cargo run -p postern-hub -- openapi --collection > crates/hub/collection.json"
        );
    }

    #[test]
    fn it_has_all_that_a_key_may_ask_and_every_variable_is_explained() {
        let document = super::super::super::document();
        let collection = collection(&document);
        let with_keys = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values());
        let with_keys = with_keys.filter(|operation| operation["security"][0]["key"].is_array()).count();
        let folders = collection["item"].as_array().unwrap();
        let requests: usize =
            folders.iter().skip(1).map(|folder| folder["item"].as_array().unwrap().len()).sum();
        assert_eq!(requests, with_keys);
        let text = collection["item"].to_string();
        for used in text.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0) {
            let known = used.starts_with('$') || VARIABLES.iter().any(|(name, ..)| *name == used);
            assert!(known, "{used}");
        }
        for (name, ..) in VARIABLES {
            assert!(text.contains(&format!("{{{{{name}}}}}")), "{name} is used by nothing");
        }
    }
}
