//! What customers report, and what comes back; on both databases by `conformance`.

use serde_json::{Value, json};

use crate::{
    client::{Partner, encode, http},
    world::World,
};

const DAY: i64 = 86_400;
/// A JPEG with a position, and what is left of it.
const PHOTO: &[u8] = b"\xff\xd8\xff\xe1\x00\x08GPS 52\xff\xda\x00\x03\x01\x07\x07\xff\xd9";
const STRIPPED: &[u8] = b"\xff\xd8\xff\xda\x00\x03\x01\x07\x07\xff\xd9";

fn path(of: &Value, what: &str) -> String {
    format!("/v1/reservations/{}{what}", of["id"].as_str().unwrap())
}

async fn only(partner: &Partner, path: &str) -> Value {
    let found = partner.get(path).await.ok()["reports"].clone();
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    found[0].clone()
}

pub(crate) async fn a_report_comes_back_answered(world: World) {
    let locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    assert!(books.get("reports").is_none());
    let report = json!({ "kind": "damaged", "note": "The box is crushed.\nOne corner is wet.", "photos": [encode(PHOTO)] });
    let reported = ada.post(&path(&books, "/problems"), report).await.ok()["reports"][0].clone();
    assert_eq!(
        (&reported["state"], &reported["photos"], &reported["answers"]),
        (&json!("open"), &json!(1), &json!([]))
    );

    // Its carrier and the operator read it, with the photo, and nobody else. Who sent it is not in it.
    let (carriers, operators) = ("/v1/carrier/reports", "/v1/operator/reports");
    let seen = only(&world.nordpost, carriers).await;
    assert_eq!(seen, only(&world.operator, operators).await);
    assert_eq!(seen["note"], "The box is crushed.\nOne corner is wet.");
    assert_eq!((&seen["locker"], &seen["reservation"]), (&json!(locker.id), &books["id"]));
    let me = ada.get("/v1/me").await.ok()["id"].as_str().unwrap().to_owned();
    assert!(!seen.to_string().contains("Ada") && !seen.to_string().contains(&me));
    let id = seen["id"].as_str().unwrap();
    let photo = seen["photos"][0]["id"].as_str().unwrap();
    assert_eq!(seen["photos"][0]["size"], STRIPPED.len());
    for (partner, desk) in [(&world.nordpost, carriers), (&world.operator, operators)] {
        let got = partner.get(&format!("{desk}/{id}/photos/{photo}")).await.ok();
        assert_eq!(got, json!({ "media_type": "image/jpeg", "bytes": encode(STRIPPED) }));
        assert_eq!(partner.get(&format!("{desk}/{id}")).await.ok(), seen);
        assert_eq!(partner.get(&format!("{desk}/{id}/photos/none")).await.code(), "not_found");
    }
    assert_eq!(world.heron.get(carriers).await.ok()["reports"], json!([]));
    assert_eq!(world.heron.get(&format!("{carriers}/{id}")).await.code(), "not_found");
    assert_eq!(world.heron.get(&format!("{carriers}/{id}/photos/{photo}")).await.code(), "not_found");
    let answer = json!({ "text": "It was us." });
    assert_eq!(
        world.heron.post(&format!("{carriers}/{id}/answers"), answer.clone()).await.code(),
        "not_found"
    );
    assert_eq!(world.nordpost.get(&format!("{operators}/{id}")).await.code(), "forbidden");

    // Each answers, and the customer has it with the next changes.
    let cursor = ada.get("/v1/changes").await.ok()["cursor"].as_str().unwrap().to_owned();
    for (wrong, desk) in [
        (json!({}), operators),
        (json!({ "text": " \n" }), operators),
        (json!({ "text": "x".repeat(2001) }), operators),
    ] {
        let refused = world.operator.post(&format!("{desk}/{id}/answers"), wrong).await;
        assert_eq!((refused.code(), &refused.body["pointer"]), ("malformed".to_owned(), &json!("/text")));
    }
    let looked = json!({ "text": "We looked: the door is fine.\nThe carrier will write to you here." });
    let answered = world.operator.post(&format!("{operators}/{id}/answers"), looked).await.ok();
    assert_eq!(answered["state"], "answered");
    let paid = json!({ "text": "Sorry! We send a new one.", "solved": true });
    assert_eq!(world.nordpost.post(&format!("{carriers}/{id}/answers"), paid).await.ok()["state"], "solved");
    let changes = ada.get(&format!("/v1/changes?cursor={cursor}")).await.ok();
    let own = changes["reservations"][0]["reports"][0].clone();
    assert_eq!(own["state"], "solved");
    assert_eq!(
        own["answers"][0]["text"],
        "We looked: the door is fine.\nThe carrier will write to you here."
    );
    assert_eq!(own["answers"][0]["by"], json!(world.hub.config.name));
    assert_eq!(own["answers"][1]["by"], books["carrier"]["name"]);
    let events: Vec<_> = changes["reservations"][0]["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["event"].clone())
        .collect();
    assert_eq!(events[events.len() - 3..], [json!("reported"), json!("answered"), json!("answered")]);
    assert_eq!(
        ada.get("/v1/me/export").await.ok()["reservations"].to_string().matches("We send a new one").count(),
        1
    );
    for (state, found) in [("open", 0), ("answered", 0), ("solved", 1)] {
        let list = world.operator.get(&format!("{operators}?state={state}&locker={}", locker.id)).await.ok();
        assert_eq!(list["reports"].as_array().unwrap().len(), found, "{state}");
    }

    // A guest is told nothing of it.
    let until = world.clock.now() + 3600;
    let offer = ada.post(&path(&books, "/shares"), json!({ "name": "Ben", "until": until })).await.ok();
    let ben = world.customer("Ben").await;
    let claim = json!({ "claim": offer["link"].as_str().unwrap().rsplit('/').next().unwrap() });
    assert!(ben.post("/v1/claims", claim).await.ok().get("reports").is_none());

    // The carrier's word leaves the operator's alarm; the operator's own resolves it, and a second report keeps it.
    let alarms = || async { world.operator.get("/v1/operator/alarms").await.ok()["alarms"].to_string() };
    assert!(alarms().await.contains("problem"));
    ada.post(&path(&books, "/problems"), json!({ "kind": "other" })).await.ok();
    let solved = json!({ "solved": true });
    world.operator.post(&format!("{operators}/{id}/answers"), solved.clone()).await.ok();
    assert!(alarms().await.contains("problem"), "of the second");
    let second = only(&world.operator, &format!("{operators}?state=open")).await;
    assert_eq!(second["kind"], "other");
    world
        .operator
        .post(&format!("{operators}/{}/answers", second["id"].as_str().unwrap()), solved)
        .await
        .ok();
    assert!(!alarms().await.contains("problem"));
    assert_eq!(ada.named("Two paperbacks").await["reports"][1]["state"], "solved");
    let page = world.operator.get(operators).await.ok();
    assert_eq!(
        (&page["reports"][0]["id"], &page["reports"][1]["id"]),
        (&second["id"], &seen["id"]),
        "newest first"
    );

    // What is solved stays so, and there is an end of it.
    let more = json!({ "text": "One word more." });
    for _ in 0..18 {
        assert_eq!(
            world.nordpost.post(&format!("{carriers}/{id}/answers"), more.clone()).await.ok()["state"],
            "solved"
        );
    }
    assert_eq!(world.nordpost.post(&format!("{carriers}/{id}/answers"), more).await.code(), "limit_reached");
}

pub(crate) async fn photos_go_when_a_report_is_done_with(world: World) {
    world.locker().await;
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    for _ in 0..2 {
        let report = json!({ "kind": "damaged", "note": "Crushed.", "photos": [encode(PHOTO)] });
        ada.post(&path(&books, "/problems"), report).await.ok();
    }
    let reports = world.operator.get("/v1/operator/reports").await.ok()["reports"].clone();
    let [newer, older] =
        [0, 1].map(|at| format!("/v1/operator/reports/{}", reports[at]["id"].as_str().unwrap()));
    world.operator.post(&format!("{older}/answers"), json!({ "solved": true })).await.ok();
    for (days, kept) in [(29, 1), (2, 0)] {
        world.clock.advance(days * DAY);
        postern_hub::domain::sweep::retention(&world.hub).await.unwrap();
        let seen = world.operator.get(&older).await.ok();
        assert_eq!(seen["photos"].as_array().unwrap().len(), kept);
        assert_eq!(seen["note"], "Crushed.");
    }
    assert_eq!(
        world.operator.get(&newer).await.ok()["photos"].as_array().unwrap().len(),
        1,
        "nobody has dealt with it"
    );
    let photo = format!("{older}/photos/{}", reports[1]["photos"][0]["id"].as_str().unwrap());
    assert_eq!(world.operator.get(&photo).await.code(), "not_found");
    // Whoever has no key sees no picture.
    let photo = format!("{newer}/photos/{}", reports[0]["photos"][0]["id"].as_str().unwrap());
    assert_eq!(http().get(format!("{}{photo}", world.base)).send().await.unwrap().status(), 401);
}
