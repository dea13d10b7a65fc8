//! What the hub sends to the endpoints that carriers name: each event with its payload, and how to tell that it is the hub's.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::{examples, words::WEBHOOK};
/// `webhook-id` and `webhook-timestamp` of the message about a parcel that lies ready.
const MESSAGE: (&str, &str) = ("msg_01m8m6rf7x0v2nq4e7a9c1d3f5", "1796144402");
/// The event whose message is signed in the examples.
const SIGNED: &str = "ready";

/// A state, when it comes, and what is different in the parcel then.
type Event = (&'static str, &'static str, fn() -> Value);

const EVENTS: [Event; 12] = [
    (
        "announced",
        "The carrier announced the parcel.",
        || json!({ "version": 1, "locker": null, "door": null }),
    ),
    (
        "in_transit",
        "The carrier said that it is on its way.",
        || json!({ "version": 2, "locker": null, "door": null }),
    ),
    ("ready", "It lies in the door and waits to be collected.", || json!({})),
    (
        "opened",
        "The recipient opened the door. Whether it was taken is not known yet.",
        || json!({ "version": 4 }),
    ),
    ("collected", "The recipient has it: its end.", || json!({ "version": 5 })),
    ("expired", "Nobody came in time. It is an errand for a courier.", || json!({ "version": 4 })),
    ("returned", "A courier took it out again and it goes back: its end.", || json!({ "version": 5 })),
    (
        "cancelled",
        "It, or the return, was called off before it began: its end.",
        || json!({ "version": 2, "locker": null, "door": null }),
    ),
    ("booked", "A customer booked a door for a return to the carrier.", || returned(1)),
    ("deposited", "The return lies in the door. It is an errand for a courier.", || returned(2)),
    ("accepted", "The carrier took the return on: its end.", || returned(4)),
    ("refused", "The carrier did not take the return on: its end.", || returned(4)),
];

fn returned(version: u64) -> Value {
    let mut parcel = examples::body("POST /v1/carrier/parcels/{id}/accept 200").clone();
    parcel["version"] = json!(version);
    parcel
}

/// As [`crate::domain::webhooks`] signs.
fn signature(secret: &str, body: &str) -> String {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).expect("the example's secret is base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(format!("{}.{}.{body}", MESSAGE.0, MESSAGE.1).as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// The `webhooks` of the document.
pub(super) fn webhooks(schemas: &Value) -> Value {
    let messages: Map<String, Value> = EVENTS
        .iter()
        .map(|(state, when, patch)| {
            let mut data = patch();
            data["state"] = json!(state);
            let kind = format!("parcel.{state}");
            let value = examples::of(schemas, "WebhookMessage", &json!({ "type": kind, "data": data }));
            (kind, json!({ "summary": when, "value": value }))
        })
        .collect();
    let signed = messages[&format!("parcel.{SIGNED}")]["value"].to_string();
    // As `POST /v1/carrier/webhooks` gave it.
    let secret = examples::field("secret").as_str().unwrap_or_default();
    let signature = signature(secret, &signed);
    let header = |name: &str, example: &str, about: &str| {
        json!({ "name": name, "in": "header", "required": true, "description": about, "example": example,
                "schema": { "type": "string" } })
    };
    json!({ "parcelChanged": { "post": {
        "operationId": "webhooks_parcel_changed",
        "tags": ["webhooks"],
        "summary": "The state of a parcel or return of the carrier's changed.",
        "description": format!("{WEBHOOK}\n\nTo try a verification with: under the secret `{secret}`, with the headers of the examples, the body \
                                `{signed}` has the signature of the example."),
        "security": [],
        "parameters": [
            header("webhook-id", MESSAGE.0, "Id of the message: the same one each time it is sent, so that a receiver can tell what it has seen."),
            header("webhook-timestamp", MESSAGE.1, "When it was sent, UNIX seconds. Refuse what is older than five minutes."),
            header("webhook-signature", &signature,
                "`v1,` and the HMAC-SHA256, base64, of `webhook-id.webhook-timestamp.body` under the endpoint's secret (Standard Webhooks)."),
        ],
        "requestBody": { "required": true, "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/WebhookMessage" }, "examples": messages } } },
        "responses": {
            "2XX": { "description": "Taken. The body is not looked at." },
            "4XX": { "description": "Refused: sent again, up to nine times within two days, then a dead letter." },
            "default": { "description": "Sent again, as any answer that is not a success." },
        },
    } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever tries a verification with what the document gives finds that it holds.
    #[test]
    fn the_signed_message_is_signed() {
        let document = super::super::super::document();
        let operation = &document["webhooks"]["parcelChanged"]["post"];
        let told = operation["description"].as_str().unwrap();
        let between =
            |before: &str, after: &str| told.split_once(before).unwrap().1.split_once(after).unwrap().0;
        let (secret, body) = (between("under the secret `", "`"), between("the body `", "` has"));
        let messages = &operation["requestBody"]["content"]["application/json"]["examples"];
        let message: Value = serde_json::from_str(body).unwrap();
        assert_eq!(message, messages["parcel.ready"]["value"]);
        let header = |at: usize| operation["parameters"][at]["example"].as_str().unwrap();
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.{body}", header(0), header(1)).as_bytes());
        let signature = STANDARD.decode(header(2).strip_prefix("v1,").unwrap()).unwrap();
        mac.verify_slice(&signature).unwrap();
    }

    /// Each state of a parcel or return has its event, and no other.
    #[test]
    fn each_state_of_a_parcel_has_its_event() {
        let document = super::super::super::document();
        let states = document["components"]["schemas"]["State"]["enum"].as_array().unwrap();
        let of_storage = ["held", "released"];
        let mut wanted: Vec<_> =
            states.iter().filter_map(Value::as_str).filter(|one| !of_storage.contains(one)).collect();
        let mut told: Vec<_> = EVENTS.iter().map(|(state, ..)| *state).collect();
        wanted.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, wanted);
    }
}
