//! The document, taken at its word: its examples can be sent, and what it does not name is refused where partners ask. On both
//! databases by `conformance`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Partner, http},
    world::World,
};

/// The example of what an operation asks for, or answers with this status.
fn example(document: &Value, operation: &str, of: &str) -> Value {
    let (method, path) = operation.split_once(' ').unwrap();
    let operation = &document["paths"][path][method.to_lowercase()];
    let body = if of == "asks" { &operation["requestBody"] } else { &operation["responses"][of] };
    body["content"]["application/json"]["examples"]["usual"]["value"].clone()
}

/// A carrier's way, with nothing but what the document shows.
pub(crate) async fn the_examples_can_be_sent(world: World) {
    let document = Answer::of(http().get(format!("{}/openapi.json", world.base))).await.ok();
    let send = async |who: &Partner, operation: &str, id: &str| {
        let (method, path) = operation.split_once(' ').unwrap();
        let mut body = example(&document, operation, "asks");
        if body.is_null() {
            body = json!({});
        }
        if operation.ends_with("/deposit") {
            // The only moment that must lie ahead.
            body["until"] = json!(world.clock.now() + 3 * 86_400);
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = who.send(method, &path.replace("{id}", id), body).await;
        let status = answer.status.as_u16().to_string();
        assert!(answer.status.is_success(), "{operation}: {} {}", answer.status, answer.body);
        // What it answers is what the example says, but for what is another each time.
        let mut shown = example(&document, operation, &status);
        for name in
            ["id", "claim_link", "key", "secret", "issuer_keys", "pin_secret", "now", "enrolment_code"]
        {
            assert_eq!(shown.get(name).is_some(), answer.body.get(name).is_some(), "{operation}: {name}");
            if let Some(value) = shown.get_mut(name) {
                *value = answer.body[name].clone();
            }
        }
        assert_eq!(shown.is_null(), answer.body == json!(""), "{operation}");
        if !shown.is_null() {
            assert_eq!(shown, answer.body, "{operation}");
        }
        answer.body
    };
    let operator = &world.operator;
    send(operator, "PUT /v1/operator/sites/{id}", "lindenhof").await;
    send(operator, "PUT /v1/operator/carriers/{id}", "heron").await;
    send(operator, "POST /v1/operator/lockers", "").await;
    let key = send(operator, "POST /v1/operator/keys", "").await;
    let carrier = Partner { base: world.base.clone(), key: key["key"].as_str().unwrap().to_owned() };
    let parcel = send(&carrier, "POST /v1/carrier/parcels", "").await;
    let id = parcel["id"].as_str().unwrap();
    send(&carrier, "POST /v1/carrier/parcels/{id}/dispatch", id).await;
    send(&carrier, "POST /v1/carrier/parcels/{id}/deposit", id).await;
    let stands = carrier.get(&format!("/v1/carrier/parcels/{id}")).await.ok();
    assert_eq!((&stands["state"], &stands["door"]), (&json!("ready"), &json!(3)));
    send(&carrier, "POST /v1/carrier/couriers", "").await;
    send(&world.heron, "POST /v1/carrier/webhooks", "").await;
}

/// A typing error is heard of at once, and nothing was done. Apps, which may be newer than the hub, are not held to it.
pub(crate) async fn what_partners_mistype_is_named(world: World) {
    let refused = |answer: Answer, pointer: &str, told: &str| {
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "malformed"), "{}", answer.body);
        assert_eq!(answer.body["pointer"], pointer, "{}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains(told), "{}", answer.body);
    };
    let heron = &world.heron;
    let sound = json!({ "reference": "TYPO-1", "recipient": "somebody@example.org", "title": "A lamp", "site": "lindenhof",
                        "size": "m" });
    for (name, value) in [("sise", json!("m")), ("chiled", json!(true)), ("Title", json!(null))] {
        let mut typed = sound.clone();
        typed[name] = value;
        let answer = heron.post("/v1/carrier/parcels", typed).await;
        refused(
            answer,
            &format!("/{name}"),
            "chilled, fragile, frozen, keeps_hours, recipient, reference, sender, site, size, title",
        );
    }
    let list = heron.get("/v1/carrier/parcels?reference=TYPO-1").await.ok();
    assert_eq!(list["parcels"], json!([]), "nothing was announced");
    let parcel = heron.post("/v1/carrier/parcels", sound).await.ok();
    let dispatch = format!("/v1/carrier/parcels/{}/dispatch", parcel["id"].as_str().unwrap());
    refused(heron.post(&dispatch, json!({ "at": 5 })).await, "/at", "there is no field here");
    assert_eq!(heron.post(&dispatch, json!({})).await.ok()["state"], "in_transit");

    let mut locker = json!({ "descriptor": crate::world::Locker::new().descriptor("lindenhof") });
    locker["descriptor"]["doors"][1]["lable"] = json!("A2");
    refused(world.operator.post("/v1/operator/lockers", locker).await, "/descriptor/doors/1/lable", "label");

    // Passed over, it would find every parcel.
    let answer = heron.get("/v1/carrier/parcels?refrence=TYPO-1").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "malformed"));
    assert!(answer.body["detail"].as_str().unwrap().starts_with("?refrence=: no such parameter"));
    // Who has no key is told that, and nothing of the document.
    let nobody = Partner { base: world.base.clone(), key: "pk_nobody_x".to_owned() };
    assert_eq!(nobody.get("/v1/carrier/parcels?refrence=TYPO-1").await.code(), "unauthenticated");

    let ada = world.customer("Ada").await;
    let newer = json!({ "prefers_low_doors": true, "colour_of_the_door": "red" });
    let me = ada.send(Method::PATCH, "/v1/me", newer).await.ok();
    assert_eq!(me["prefers_low_doors"], true);
}

/// Methods, media types and sizes are refused in HTTP's own words.
pub(crate) async fn other_methods_types_and_sizes_are_told_apart(world: World) {
    let heron = &world.heron;
    let answer = Answer::of(heron.request(Method::DELETE, "/v1/carrier/parcels")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (405, "method_not_allowed"));
    let allowed: Vec<_> = answer.headers["allow"].to_str().unwrap().split(',').map(str::trim).collect();
    assert!(
        allowed.contains(&"GET") && allowed.contains(&"POST") && !allowed.contains(&"DELETE"),
        "{allowed:?}"
    );
    let answer = Answer::of(http().request(Method::OPTIONS, format!("{}/v1/returns", world.base))).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["allow"]), (405, &"POST".parse().unwrap()));

    let new = json!({ "reference": "T-415", "recipient": "somebody@example.org", "title": "A lamp", "site": "lindenhof",
                      "size": "m" });
    let announce = || heron.request(Method::POST, "/v1/carrier/parcels");
    for (header, value) in
        [("content-type", "application/xml"), ("content-type", "text/plain"), ("content-encoding", "gzip")]
    {
        let request = announce().header("content-type", "application/json").body(new.to_string());
        let (client, request) = request.build_split();
        let mut request = request.unwrap();
        request.headers_mut().insert(header, value.parse().unwrap());
        let answer = Answer::of(reqwest::RequestBuilder::from_parts(client, request)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (415, "unsupported_media_type"),
            "{value}"
        );
        assert_eq!(answer.headers["accept"], "application/json");
    }
    let answer = Answer::of(announce().body(new.to_string())).await;
    assert_eq!(answer.status, 415, "no type at all");

    // More than a route takes.
    let large = json!({ "title": "x".repeat(300 * 1024) });
    let answer = Answer::of(announce().json(&large)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "too_large"));

    // JSON is what there is: whoever wishes for something else gets it all the same (RFC 9110, section 12.4.1).
    let request = announce()
        .header("accept", "application/xml")
        .header("content-type", "Application/JSON; charset=utf-8");
    let answer = Answer::of(request.body(new.to_string())).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (201, &"application/json".parse().unwrap())
    );
}
