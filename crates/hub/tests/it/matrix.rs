//! Who may do what to whose: every operation of the OpenAPI document, tried by everybody, with requests made from the
//! document's own schemas.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Device, Key, http, token_request},
    world::World,
};

/// The smallest value that a schema of the document allows.
fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return sample(document, document.pointer(reference.trim_start_matches('#')).unwrap());
    }
    if let Some(first) = schema["oneOf"].as_array().and_then(|all| all.first()) {
        return sample(document, first);
    }
    if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
        return first.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("object");
    match kind {
        "string" => json!("sample"),
        "integer" | "number" => json!(1),
        "boolean" => json!(true),
        "array" => json!([]),
        _ => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields = required.iter().map(|name| {
                let name = name.as_str().unwrap();
                (name.to_owned(), sample(document, &schema["properties"][name]))
            });
            Value::Object(fields.collect())
        }
    }
}

/// What anybody may ask: what a hub says of itself, and sign-in, which has its own tests.
const OPEN: [&str; 9] = [
    "/.well-known/postern",
    "/.well-known/oauth-authorization-server",
    "/health",
    "/ready",
    "/authorize",
    "/claim/{secret}",
    "/home/{code}",
    "/oauth/token",
    "/oauth/revoke",
];
/// What is for operators; all else that takes a key is for carriers.
const OPERATORS: [&str; 2] = ["/v1/operator/", "/metrics"];

struct Operation {
    method: Method,
    path: String,
    needs: String,
    body: Option<Value>,
}

/// Things of Ada's and of Nordpost's, by where they are found.
struct Theirs(Vec<(&'static str, String)>);

impl Theirs {
    /// The path with the id of the thing that it is about; of a reservation of Ada's where there is no such thing.
    fn name(&self, path: &str) -> String {
        let thing = self.0.iter().find(|(prefix, _)| path.starts_with(prefix)).unwrap_or(&self.0[0]);
        path.replace("{id}", &thing.1)
    }

    /// Whether the path is about one of them.
    fn has(&self, path: &str) -> bool {
        self.0.iter().any(|(prefix, id)| path.starts_with(prefix) && path.contains(id))
    }
}

fn operations(document: &Value, theirs: &Theirs) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            let needs = operation["security"][0].as_object().map_or("", |one| one.keys().next().unwrap());
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let body = (!schema.is_null()).then(|| sample(document, schema));
            let path = path.replace("{share}", "s").replace("{door}", "1").replace("{account}", "a");
            let path = theirs.name(&path);
            all.push(Operation { method, path, needs: needs.to_owned(), body });
        }
    }
    all
}

async fn try_as_partner(world: &World, key: &str, operation: &Operation) -> Answer {
    let request = http().request(operation.method.clone(), format!("{}{}", world.base, operation.path));
    let request = if key.is_empty() { request } else { request.bearer_auth(key) };
    Answer::of(match &operation.body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

async fn try_as_device(device: &Device, operation: &Operation) -> StatusCode {
    let request = device.request(operation.method.clone(), &operation.path);
    let request = match &operation.body {
        Some(body) => request.json(body),
        None => request,
    };
    // Not the body: a stream of events would not end.
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn nobody_may_do_what_is_not_theirs_to_do() {
    let world = World::start().await;
    world.locker().await;
    let ada = world.customer("Ada").await;
    let mallory = world.customer("Mallory").await;
    let removed = world.customer("Removed").await;
    let id = removed.get("/v1/me").await.ok()["device_id"].as_str().unwrap().to_owned();
    removed.send(Method::DELETE, &format!("/v1/devices/{id}"), json!({})).await;
    let made = world.heron.post("/v1/carrier/couriers", json!({ "name": "Cart" })).await.ok();
    let form = [
        ("grant_type", "enrolment"),
        ("code", made["enrolment_code"].as_str().unwrap()),
        ("client_id", "postern-app"),
    ];
    let key = Key::ed25519();
    let answer = token_request(&world.base, &key, &form, world.clock.now()).await.ok();
    let cart = Device::from_answer(&world.base, key, &answer, &world.clock);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let books = text(&ada.named("Two paperbacks").await["id"]);
    let (me, passkeys) = (ada.get("/v1/me").await.ok(), ada.get("/v1/passkeys").await.ok());
    let hook = json!({ "url": "https://nordpost.example/hook" });
    let hook = text(&world.nordpost.post("/v1/carrier/webhooks", hook).await.ok()["id"]);
    let robot =
        text(&world.nordpost.post("/v1/carrier/couriers", json!({ "name": "Robot" })).await.ok()["id"]);
    // A dead letter of Nordpost's, as if its receiver had been away for days.
    let mut tx = world.hub.store.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO deliveries (id, webhook_id, message, state, next_at, created_at) VALUES ('msg_1', $1, $2, 'dead', 0, 0)",
    )
    .bind(&hook)
    .bind(json!({ "type": "parcel.ready", "timestamp": 0, "data": { "id": books, "reference": "N", "state": "ready" } }).to_string())
    .execute(tx.on())
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let theirs = Theirs(vec![
        ("/v1/reservations/", books.clone()),
        ("/v1/devices/", text(&me["device_id"])),
        ("/v1/passkeys/", text(&passkeys["passkeys"][0]["id"])),
        ("/v1/carrier/parcels/", books.clone()),
        ("/v1/carrier/webhooks/", hook.clone()),
        ("/v1/carrier/couriers/", robot),
        ("/v1/carrier/dead-letters/", "msg_1".to_owned()),
    ]);

    let document = Answer::of(http().get(format!("{}/openapi.json", world.base))).await.ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let all = operations(&document, &theirs);
    assert!(all.len() > 50, "{}", all.len());
    for operation in &all {
        let what = format!("{} {}", operation.method, operation.path);
        match operation.needs.as_str() {
            "" => assert!(OPEN.contains(&&*operation.path), "{what}: everything else needs somebody"),
            "dpop" => {
                for key in [
                    "",
                    world.heron.key.as_str(),
                    world.operator.key.as_str(),
                    "pk_made_up00000000000000000000000000000000000",
                ] {
                    assert_eq!(
                        try_as_partner(&world, key, operation).await.code(),
                        "unauthenticated",
                        "{what}"
                    );
                }
                assert_eq!(try_as_device(&removed, operation).await, 401, "{what}");
                if theirs.has(&operation.path) {
                    for stranger in [&mallory, &cart] {
                        let status = try_as_device(stranger, operation).await;
                        assert!(status == 404 || status == 403, "{what}: {status}");
                    }
                }
                if operation.path.starts_with("/v1/courier/") {
                    assert_eq!(try_as_device(&ada, operation).await, 403, "{what}");
                }
            }
            "key" => {
                assert_eq!(try_as_partner(&world, "", operation).await.code(), "unauthenticated", "{what}");
                let status = try_as_device(&ada, operation).await;
                assert_eq!(status, 401, "{what}");
                let (wrong, right): (_, &[_]) = if OPERATORS.iter().any(|one| operation.path.starts_with(one))
                {
                    (&world.heron, &[&world.operator])
                } else {
                    (&world.operator, &[&world.heron, &world.nordpost])
                };
                assert_eq!(try_as_partner(&world, &wrong.key, operation).await.code(), "forbidden", "{what}");
                if theirs.has(&operation.path) {
                    let answer = try_as_partner(&world, &world.heron.key, operation).await;
                    assert_eq!(answer.code(), "not_found", "{what} of another carrier");
                    continue;
                }
                for partner in right {
                    let answer = try_as_partner(&world, &partner.key, operation).await;
                    let may = answer.status != 401 && answer.status != 403;
                    assert!(may, "{what}: {} {}", answer.status, answer.body);
                    assert!(answer.status.as_u16() < 500, "{what}: {}", answer.body);
                }
            }
            other => panic!("{what} needs {other}"),
        }
    }
    // Nothing of what they tried did anything to what is Ada's or Nordpost's.
    assert_eq!(ada.named("Two paperbacks").await["state"], "ready");
    assert_eq!(ada.get("/v1/me").await.ok()["devices"], me["devices"]);
    assert_eq!(ada.get("/v1/passkeys").await.ok()["passkeys"], passkeys["passkeys"]);
    assert_eq!(world.nordpost.get("/v1/carrier/dead-letters").await.ok()["letters"][0]["id"], "msg_1");
    // And who may, can.
    for operation in all.iter().filter(|operation| operation.needs == "key" && theirs.has(&operation.path)) {
        let answer = try_as_partner(&world, &world.nordpost.key, operation).await;
        let fine = answer.status.is_success() || matches!(answer.status.as_u16(), 400 | 409);
        assert!(fine, "{} {}: {} {}", operation.method, operation.path, answer.status, answer.body);
    }
}
