//! After a backup was put back and `postern-hub restored` has run; on both databases by `conformance`. SECURITY.md names these tests.

use postern_hub::{clock::Clock, domain::restored};
use postern_protocol::{Operation, receipt::Outcome};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cabinet::{Hand, door},
    client::{Device, Key, Partner, Pending, register},
    doors::deliver_plain,
    promises::{alarms, announce, courier, deliver, errand, fetch, hand_in, path, report},
    reach::{announce_to, guest},
    served::{Served, demo_data, run},
    world::{Locker, World},
};

/// After a backup was put back the hub does not know whose parcels lie where: nobody is given access to what may be another's, and
/// no PIN is given twice.
pub(crate) async fn a_backup_gives_nobody_what_is_anothers(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (before, _) = fetch(&ada, &salad).await;
    let c2 = door(&before);
    let lamp = json!({ "reference": "HX 9", "recipient": ben.number().await, "title": "Lamp", "site": "lindenhof", "size": "s" });
    let lamp = world.heron.post("/v1/carrier/parcels", lamp).await.ok();
    // What the hub says it has: as with the database of a backup.
    let marked = restored::mark(&world.hub.store, true, world.clock.now()).await.unwrap();
    assert!(marked.doors >= 16 && marked.keys >= 3, "{marked:?}");
    assert!(alarms(&world).await.contains(&"restored".to_owned()));
    let shown = ada.named("Salad").await;
    assert_eq!(shown["checking"], true);
    assert!(!shown["actions"].as_array().unwrap().contains(&json!("open")), "{shown}");
    let errands = json!({ "parcel": lamp["id"], "locker": cabinet.id });
    assert_eq!(cart.post("/v1/courier/tokens", errands).await.code(), "no_compartment");
    let asked = json!({ "reservations": [salad["id"]] });
    assert_eq!(ada.post("/v1/tokens", asked).await.code(), "wrong_state", "another's may lie there by now");
    let serve = format!("/v1/operator/lockers/{}/doors/{c2}", cabinet.id);
    let cursor = ada.get("/v1/changes").await.ok()["cursor"].as_str().unwrap().to_owned();
    // Whoever finds that it is out of order says nothing of what lies there.
    for (out, status) in [(true, "wrong_state"), (false, "")] {
        let put = json!({ "out_of_order": out });
        assert_eq!(world.operator.send(Method::PUT, &serve, put).await.status, 204);
        let answer = ada.post("/v1/tokens", json!({ "reservations": [salad["id"]] })).await;
        assert_eq!(answer.body["code"].as_str().unwrap_or_default(), status);
    }
    // What she sees is told as a change, and has another version.
    let told = ada.get(&format!("/v1/changes?cursor={cursor}")).await.ok()["reservations"].clone();
    let told =
        told.as_array().unwrap().iter().find(|one| one["id"] == salad["id"]).expect("a change").clone();
    assert!(
        told.get("checking").is_none() && told["actions"].as_array().unwrap().contains(&json!("open")),
        "{told}"
    );
    assert!(told["version"].as_u64() > shown["version"].as_u64());
    let clear = format!("/v1/operator/lockers/{}/doors/16/clear", cabinet.id);
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    let word = json!({ "locker": cabinet.id, "door": 16 });
    let deposit = format!("/v1/carrier/parcels/{}/deposit", lamp["id"].as_str().unwrap());
    assert_eq!(world.heron.post(&deposit, word).await.code(), "locker_not_told", "an old PIN may open it");
    let (mine, news) = fetch(&ada, &salad).await;
    assert_ne!(mine["pin"], before["pin"]);
    assert!(mine["occupancy"].as_u64() > before["occupancy"].as_u64());
    let took = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    assert!(cabinet.type_pin(&before["pin"], Hand::Nothing).is_none());
    // With what it has signed, the locker is known again.
    hand_in(&ada, took).await;
    // No receipt tells of what was put in on a carrier's word: door 1 is nobody's until somebody has looked.
    let doors =
        world.operator.get(&format!("/v1/operator/lockers/{}", cabinet.id)).await.ok()["doors"].clone();
    let nobodys =
        doors.as_array().unwrap().iter().find(|one| one.get("reservation").is_none() && one["door"] != 16);
    let nobodys = nobodys.unwrap()["door"].as_u64().unwrap() as u16;
    let one = report(&world, &cabinet, nobodys).await;
    assert_eq!((&one["settling"], &one["out_of_order"]), (&json!(true), &json!(true)));
    let serve = format!("/v1/operator/lockers/{}/doors/{nobodys}", cabinet.id);
    assert_eq!(world.operator.send(Method::PUT, &serve, json!({ "out_of_order": false })).await.status, 204);
    assert_eq!(report(&world, &cabinet, nobodys).await["settling"], false);
    let (grant, news) = errand(&cart, &cabinet, &lamp).await;
    let put_in = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, put_in).await;
    assert_eq!(ben.named("Lamp").await["state"], "ready");
}

/// What was said to be taken when the backup was made says nothing of what lies there now.
pub(crate) async fn a_backup_forgets_what_was_said_of_a_door(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let salad = deliver_plain(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, _) = fetch(&ada, &salad).await;
    let at = door(&mine);
    let before = cabinet.uplink().len();
    assert!(cabinet.type_pin(&mine["pin"], Hand::Takes).is_some());
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    assert_eq!(report(&world, &cabinet, at).await["settling"], true);
    restored::mark(&world.hub.store, true, world.clock.now()).await.unwrap();
    // The older receipts come in alone; what came after them nobody has brought yet.
    hand_in(&ada, cabinet.uplink().split_off(before)).await;
    assert_eq!(report(&world, &cabinet, at).await["settling"], true);
    let lamp = announce(&world, &ben, "Lamp").await;
    let asked = json!({ "parcel": lamp["id"], "locker": cabinet.id });
    assert_eq!(cart.post("/v1/courier/tokens", asked).await.code(), "no_compartment");
}

/// Nor does a door that waits for its locker lose what somebody puts in meanwhile, with a PIN from before anybody had looked.
pub(crate) async fn a_backup_holds_what_is_put_in_by_an_older_pin(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let flat = ada.named("Flat 12 box").await;
    let (mine, _) = fetch(&ada, &flat).await;
    let at = door(&mine);
    let clear = format!("/v1/operator/lockers/{}/doors/{at}/clear", cabinet.id);
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    restored::mark(&world.hub.store, true, world.clock.now()).await.unwrap();
    assert!(cabinet.type_pin(&mine["pin"], Hand::Puts).is_some());
    // Ben's door is right, and he brings the news.
    let books = ben.named("Two paperbacks").await;
    let serve = format!("/v1/operator/lockers/{}/doors/{}", cabinet.id, books["compartment"]["door"]);
    let put = json!({ "out_of_order": false });
    assert_eq!(world.operator.send(Method::PUT, &serve, put).await.status, 204);
    let (grant, news) = fetch(&ben, &books).await;
    cabinet.visit(&ben, &grant, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ben, cabinet.uplink()).await;
    assert_eq!(report(&world, &cabinet, at).await["out_of_order"], true);
}

/// Whoever was signed in signs in anew, for a device that was removed since would be back; what was shared ends as well. Where the
/// operator knows that nobody was removed, everybody stays.
pub(crate) async fn a_backup_brings_nobody_back(world: World) {
    world.locker().await;
    let (mut ada, mut ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let books = ada.named("Two paperbacks").await;
    let wish = json!({ "name": "Ben", "until": world.clock.now() + 3600 });
    let offer = ada.post(&path(&books, "/shares"), wish).await.ok();
    let secret = offer["link"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    restored::mark(&world.hub.store, true, world.clock.now()).await.unwrap();
    ada.refresh().await.ok();
    assert_eq!(ada.named("Two paperbacks").await["shares"][0]["state"], "offered");
    // Dora has taken such a link up; Emil collects a parcel by a carrier's link, without an account.
    let wish = json!({ "name": "Dora", "until": world.clock.now() + 3600 });
    let taken = ada.post(&path(&books, "/shares"), wish).await.ok();
    let taken = taken["link"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let dora = world.customer("Dora").await;
    dora.post("/v1/claims", json!({ "claim": taken })).await.ok();
    let parcel = announce_to(&world, "HX Emil", "emil@example.org").await;
    let emil = guest(&world, &parcel).await;
    assert_eq!(emil.reservations().await.len(), 1);
    let marked = world.clock.now();
    restored::mark(&world.hub.store, false, marked).await.unwrap();
    for device in [&mut ada, &mut ben] {
        let refused = device.refresh().await;
        assert_eq!((refused.status.as_u16(), &refused.body["error"]), (400, &json!("invalid_grant")));
        // A device that was removed forgets everything; this one only signs in anew.
        assert_ne!(refused.body["error_description"], "device_revoked");
    }
    let cleo = world.customer("Cleo").await;
    assert_eq!(cleo.post("/v1/claims", json!({ "claim": secret })).await.code(), "claim_ended");
    // What Dora was given is not hers to see any more; the link that Emil had leads to his parcel again.
    let seen = dora.get("/v1/changes").await.ok()["reservations"].to_string();
    assert!(!seen.contains(books["id"].as_str().unwrap()), "{seen}");
    let emil = guest(&world, &parcel).await;
    assert_eq!(emil.reservations().await[0]["id"], parcel["id"]);
    // Access tokens of before are good for nothing once the hub has started again.
    let since = restored::signed_in_since(&world.hub.store).await.unwrap();
    assert!((marked..=world.clock.now()).contains(&since));
}

/// Clients take nothing of before the restore for what is: they fetch everything anew, and believe it.
pub(crate) async fn a_backup_is_newer_than_what_clients_have(world: World) {
    world.locker().await;
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    let cursor = ada.get("/v1/changes").await.ok()["cursor"].as_str().unwrap().to_owned();
    let seen = format!("\"{}\"", books["version"]);
    restored::mark(&world.hub.store, true, world.clock.now()).await.unwrap();
    // Ten changes later the feed is as long as the client knew it.
    for n in 0..10 {
        let hold = json!({ "kind": "other", "note": format!("{n}") });
        ada.post(&path(&books, "/problems"), hold).await.ok();
    }
    assert_eq!(ada.get(&format!("/v1/changes?cursor={cursor}")).await.code(), "cursor_too_old");
    let mut pages = ada.get("/v1/changes").await.ok();
    assert_eq!(
        ada.get(&format!("/v1/changes?cursor={}", pages["cursor"].as_str().unwrap())).await.ok()["more"],
        false
    );
    let now =
        pages["reservations"].as_array_mut().unwrap().iter().find(|one| one["id"] == books["id"]).unwrap();
    assert!(now["version"].as_u64() > books["version"].as_u64());
    let request = ada.request(Method::GET, &path(&books, "")).header("if-none-match", seen);
    assert_eq!(request.send().await.unwrap().status(), 200, "that is another version");
}

/// All news of a large locker arrive, a bulletin at a time: no door is left out for ever.
pub(crate) async fn a_backup_is_heard_of_by_large_lockers(world: World) {
    let mut locker = Locker::new();
    let mut large = locker.descriptor("lindenhof");
    let some = large["doors"][0].clone();
    for door in 17..=60 {
        let mut one = some.clone();
        (one["door"], one["label"]) = (json!(door), json!(format!("Z{door}")));
        large["doors"].as_array_mut().unwrap().push(one);
    }
    world.operator.post("/v1/operator/lockers", json!({ "descriptor": large })).await.ok();
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    let (mine, _) = fetch(&ada, &books).await;
    restored::mark(&world.hub.store, true, world.clock.now()).await.unwrap();
    let mut before = 0;
    loop {
        let told = world.operator.get(&format!("/v1/operator/lockers/{}/bulletin", locker.id)).await;
        if told.status == 204 {
            break;
        }
        let number = told.ok()["number"].as_u64().unwrap();
        assert!(number > before, "it goes on");
        before = number;
        locker.news = u32::try_from(number).unwrap();
        let receipt = locker.receipt(&mine, Operation::Collect, Outcome::Jammed, world.clock.now());
        let brought = json!({ "receipts": [receipt] });
        world.operator.post(&format!("/v1/operator/lockers/{}/receipts", locker.id), brought).await.ok();
    }
    let report = world.operator.get(&format!("/v1/operator/lockers/{}", locker.id)).await.ok();
    assert_eq!(report["news"], report["news_known"]);
    assert_eq!(report["news"].as_u64(), Some(before));
}

/// A locker that the backup does not know may have been in the network since: somebody looks at it before anybody is given a door.
pub(crate) async fn a_locker_that_a_backup_forgot_is_looked_at(world: World) {
    restored::mark(&world.hub.store, true, world.clock.now()).await.unwrap();
    let cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    for door in [1, 16] {
        assert_eq!(report(&world, &cabinet, door).await["out_of_order"], true);
    }
    let wish =
        json!({ "title": "Skis", "site": "lindenhof", "size": "s", "until": world.clock.now() + 3600 });
    assert!(!ada.post("/v1/storage", wish.clone()).await.status.is_success());
    assert!(alarms(&world).await.contains(&"restored".to_owned()));
    for door in 1..=16 {
        let serve = format!("/v1/operator/lockers/{}/doors/{door}", cabinet.id);
        assert_eq!(
            world.operator.send(Method::PUT, &serve, json!({ "out_of_order": false })).await.status,
            204
        );
    }
    assert!(!alarms(&world).await.contains(&"restored".to_owned()), "all was looked at");
    ada.post("/v1/storage", wish).await.ok();
    // A month later a new one is new.
    world.clock.advance(31 * 86_400);
    let cabinet = world.cabinet(true).await;
    assert_eq!(report(&world, &cabinet, 1).await["out_of_order"], false);
}

/// The way that the guide describes, by the programs: back up, go on, put the copy back, say so, start.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_put_back_as_the_guide_says() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let keys = demo_data(data);
    let served = Served::start(data, "127.0.0.1:0");
    let listen = format!("127.0.0.1:{}", served.base.rsplit(':').next().unwrap());
    let base = served.base.clone();
    let operator = Partner { base: base.clone(), key: keys["operator_key"].as_str().unwrap().to_owned() };
    let locker = Locker::new();
    operator.post("/v1/operator/lockers", json!({ "descriptor": locker.descriptor("lindenhof") })).await.ok();
    let pending = Pending::new();
    let (_, redirect) = register(&base, &pending, "Ada").await;
    let mut ada = Device::redeem(&base, &pending, &redirect, Key::ed25519(), &Clock::default()).await;
    let books = ada.named("Two paperbacks").await;
    let copy = data.join("copy.db");
    assert!(run(data, &["backup", copy.to_str().unwrap()]).0);
    // Ada's phone is stolen, and she removes it. Then the disk breaks.
    let me = ada.get("/v1/me").await.ok()["device_id"].as_str().unwrap().to_owned();
    let removed = ada.send(Method::DELETE, &format!("/v1/devices/{me}"), json!({})).await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    assert_eq!(ada.get("/v1/me").await.code(), "device_revoked");
    let (done, said) = run(data, &["restored"]);
    assert!(!done && said.contains("stop the hub first"), "{said}");
    drop(served);
    for name in ["hub.db", "hub.db-wal", "hub.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    std::fs::rename(&copy, data.join("hub.db")).unwrap();
    let (done, said) = run(data, &["restored"]);
    assert!(done, "{said}");
    for words in ["16 doors wait", "everybody signs in anew", "API keys are good"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let served = Served::start(data, &listen);
    assert_eq!(ada.get("/v1/me").await.code(), "unauthenticated", "the stolen phone is not back");
    assert_eq!(ada.refresh().await.body["error"], "invalid_grant");
    let seen = operator.get(&format!("/v1/operator/lockers/{}", locker.id)).await.ok();
    let out =
        |doors: &Value| doors.as_array().unwrap().iter().filter(|one| one["out_of_order"] == true).count();
    assert_eq!(out(&seen["doors"]), 16);
    let at = books["compartment"]["door"].as_u64().unwrap();
    let serve = format!("/v1/operator/lockers/{}/doors/{at}", locker.id);
    assert_eq!(operator.send(Method::PUT, &serve, json!({ "out_of_order": false })).await.status, 204);
    let seen = operator.get(&format!("/v1/operator/lockers/{}", locker.id)).await.ok();
    assert_eq!(out(&seen["doors"]), 15);
    drop(served);
}
