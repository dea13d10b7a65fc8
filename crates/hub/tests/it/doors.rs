//! What becomes of a door when its occupancy ends, and who may say so: the real hub over HTTP, the real firmware at the door. On
//! both databases by `conformance`.

use postern_protocol::Operation;
use reqwest::Method;
use serde_json::json;

use crate::{
    cabinet::{Hand, door},
    client::{Device, Key, Pending, register},
    promises::{alarms, announce, another_device, courier, errand, fetch, hand_in, later, path, report},
    world::{Locker, World},
};

const DAY: i64 = 86_400;

/// Whoever has more minted than a bulletin can name takes nobody else's place in it.
pub(crate) async fn a_hoarder_evicts_nobody(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let pending = Pending::new();
    let (passkey, redirect) = register(&world.base, &pending, "Ada").await;
    let ada = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    let pending = Pending::new();
    let (mallorys, redirect) = register(&world.base, &pending, "Mallory").await;
    let mallory = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    let ben = world.customer("Ben").await;
    let books = ada.named("Two paperbacks").await;
    let (mine, _) = fetch(&ada, &books).await;
    let (bens, _) = fetch(&ben, &ben.named("Flat 12 box").await).await;
    let lost = another_device(&world, &passkey).await;
    let (theirs, _) = fetch(&lost, &books).await;
    let id = lost.get("/v1/me").await.ok()["device_id"].as_str().unwrap().to_owned();
    assert_eq!(ada.send(Method::DELETE, &format!("/v1/devices/{id}"), json!({})).await.status, 204);

    // Tokens by the dozen, at once and one after the other, of everything that is hers.
    for what in ["Two paperbacks", "Flat 12 box"] {
        let hers = mallory.named(what).await;
        let in_person = path(&hers, "/shares/in-person");
        for _ in 0..20 {
            fetch(&mallory, &hers).await;
        }
        mallory.send(Method::DELETE, &in_person, json!({})).await.ok();
        for _ in 0..12 {
            fetch(&mallory, &hers).await;
            mallory.send(Method::DELETE, &in_person, json!({})).await.ok();
        }
    }
    // And devices.
    let hers = mallory.named("Two paperbacks").await;
    for _ in 0..14 {
        let device = another_device(&world, &mallorys).await;
        fetch(&device, &hers).await;
        let id = device.get("/v1/me").await.ok()["device_id"].as_str().unwrap().to_owned();
        assert_eq!(mallory.send(Method::DELETE, &format!("/v1/devices/{id}"), json!({})).await.status, 204);
    }

    let told = ben.post("/v1/bulletins", json!({ "lockers": [cabinet.id] })).await.ok()["bulletins"].clone();
    cabinet.visit(&ben, &bens, Operation::Access, &told, Hand::Nothing).receipts();
    cabinet.visit(&lost, &theirs, Operation::Collect, &json!([]), Hand::Takes).refused();
    assert_eq!(cabinet.type_pin(&theirs["pin"], Hand::Takes), None);
    cabinet.visit(&ada, &mine, Operation::Collect, &json!([]), Hand::Takes).receipts();
}

/// A compartment that was given back is the next one's when the chain shows that nobody opened it since.
pub(crate) async fn what_is_given_back_waits_for_the_chain(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, kim) = (world.customer("Ada").await, world.customer("Kim").await);
    let cart = courier(&world).await;
    let mut held = Vec::new();
    for device in [&ada, &kim] {
        let flat = device.named("Flat 12 box").await;
        let (mine, _) = fetch(device, &flat).await;
        let receipts = cabinet.visit(device, &mine, Operation::Access, &json!([]), Hand::Takes).receipts();
        hand_in(device, receipts).await;
        held.push((flat, mine));
    }
    // Somebody of Ada's comes after her with the PIN, and puts something in: nobody tells the hub.
    let at = door(&held[0].1);
    assert_eq!(cabinet.type_pin(&held[0].1["pin"], Hand::Puts), Some(at));

    for (device, (flat, grant)) in [(&ada, &held[0]), (&kim, &held[1])] {
        assert_eq!(device.post(&path(flat, "/release"), json!({})).await.ok()["state"], "released");
        let kept = report(&world, &cabinet, door(grant)).await;
        assert_eq!(kept["settling"], true, "{kept}");
    }
    // A courier brings the news and takes the chain along.
    let shoes = ada.named("Running shoes").await;
    let (grant, news) = errand(&cart, &cabinet, &shoes).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    let carried = cabinet.carry(&cart, &grant);
    hand_in(&cart, receipts).await;
    let results = cart.post("/v1/courier/carried", carried).await.ok();
    assert_eq!(results["invalid"], 0, "{results}");
    assert_eq!(report(&world, &cabinet, at).await["settling"], true, "something lies there");
    assert!(alarms(&world).await.contains(&"unproven".to_owned()));
    let kims = report(&world, &cabinet, door(&held[1].1)).await;
    assert_eq!(kims["settling"], false, "{kims}");
}

/// A carrier's word that it took something out frees no door; its courier's opening does.
pub(crate) async fn a_carriers_word_waits_for_its_courier(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    let c2 = Locker::door("C2");
    let salad = deliver_plain(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let jacket = ada.named("Winter jacket").await;
    let (mine, news) = fetch(&ada, &jacket).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&ada, receipts).await;
    let opening = ada.named("Winter jacket").await["opening"].clone();
    ada.post(&path(&jacket, "/inside"), json!({ "inside": true, "opening": opening })).await.ok();
    later(&world, 4 * DAY, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    assert_eq!(ada.named("Salad").await["state"], "expired");

    for (parcel, word, at) in [(&salad, "returned", c2), (&jacket, "accept", door(&mine))] {
        let (grant, news) = errand(&cart, &cabinet, parcel).await;
        let receipts = cabinet.visit(&cart, &grant, Operation::Collect, &news, Hand::Takes).receipts();
        // The carrier is faster than its courier's receipts.
        let said = format!("/v1/carrier/parcels/{}/{word}", parcel["id"].as_str().unwrap());
        assert_eq!(world.heron.post(&said, json!({})).await.ok()["state"], word_of(word));
        let kept = report(&world, &cabinet, at).await;
        assert_eq!(kept["settling"], true, "{word}: {kept}");
        hand_in(&cart, receipts).await;
        let free = report(&world, &cabinet, at).await;
        assert!(free["settling"] == false && free.get("reservation").is_none(), "{word}: {free}");
    }
}

fn word_of(word: &str) -> &str {
    if word == "accept" { "accepted" } else { word }
}

/// A delivery where nothing is measured.
pub(crate) async fn deliver_plain(
    world: &World,
    cabinet: &mut crate::cabinet::Cabinet,
    cart: &Device,
    to: &Device,
    title: &str,
) -> serde_json::Value {
    let parcel = announce(world, to, title).await;
    let (grant, news) = errand(cart, cabinet, &parcel).await;
    let receipts = cabinet.visit(cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(cart, receipts).await;
    let inside = format!("/v1/courier/parcels/{}/inside", parcel["id"].as_str().unwrap());
    let opening = cabinet.openings().last();
    cart.post(&inside, json!({ "inside": true, "opening": opening })).await.ok();
    to.named(title).await
}

/// What is said at a door is said of one opening, however late it arrives.
pub(crate) async fn an_answer_is_of_one_opening(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let jacket = ada.named("Winter jacket").await;
    let inside = path(&jacket, "/inside");
    let mut said = Vec::new();
    for _ in 0..2 {
        let (mine, _) = fetch(&ada, &jacket).await;
        let receipts = cabinet.visit(&ada, &mine, Operation::Deposit, &json!([]), Hand::Nothing).receipts();
        hand_in(&ada, receipts).await;
        said.push(ada.named("Winter jacket").await["opening"].clone());
    }
    assert_eq!(said, [json!(0), json!(2)]);
    // The phone was off when it was said of the first; it was taken out again since.
    let late = ada.post(&inside, json!({ "inside": true, "opening": said[0] })).await;
    assert_eq!(late.code(), "wrong_state");
    assert_eq!(ada.named("Winter jacket").await["state"], "booked");
    let closing = ada.post(&inside, json!({ "inside": true, "opening": 3 })).await;
    assert_eq!(closing.code(), "wrong_state", "of an opening, and of nothing else");
    assert_eq!(
        ada.post(&inside, json!({ "inside": true })).await.code(),
        "malformed",
        "which opening is said with it"
    );
    let answer = ada.post(&inside, json!({ "inside": true, "opening": said[1] })).await.ok();
    assert_eq!(answer["state"], "deposited");

    let flat = ada.named("Flat 12 box").await;
    let mut openings = Vec::new();
    for _ in 0..2 {
        let (mine, _) = fetch(&ada, &flat).await;
        let receipts = cabinet.visit(&ada, &mine, Operation::Access, &json!([]), Hand::Nothing).receipts();
        hand_in(&ada, receipts).await;
        openings.push(ada.named("Flat 12 box").await["opening"].clone());
    }
    let release = path(&flat, "/release");
    for stale in [json!({ "empty": true }), json!({ "empty": true, "opening": openings[0] })] {
        assert_eq!(ada.post(&release, stale).await.code(), "something_inside");
    }
    ada.post(&release, json!({ "empty": true, "opening": openings[1] })).await.ok();
}

/// A thing that is lent is given back with an answer at the door, where nothing is measured, and not without one.
pub(crate) async fn a_loan_is_given_back_with_an_answer(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let drill = json!({ "id": "drill", "title": "Drill", "site": "lindenhof", "locker": cabinet.id, "door": 16,
                        "loan_hours": 24 });
    let put = world.operator.send(Method::PUT, "/v1/operator/assets/drill", drill).await;
    assert_eq!(put.status, 204, "{}", put.body);
    let lent = ada.post("/v1/assets/drill/borrow", json!({})).await.ok();
    let release = path(&lent, "/release");
    let (mine, _) = fetch(&ada, &lent).await;
    for hand in [Hand::Takes, Hand::Puts] {
        let receipts = cabinet.visit(&ada, &mine, Operation::Access, &json!([]), hand).receipts();
        hand_in(&ada, receipts).await;
    }
    let shown = ada.named("Drill").await;
    assert!(shown["actions"].as_array().unwrap().contains(&json!("confirm_placed")), "{shown}");
    assert_eq!(shown["opening"], 2);
    assert_eq!(ada.post(&release, json!({})).await.code(), "something_inside", "nobody has said");
    let first = json!({ "empty": true, "opening": 0 });
    assert_eq!(ada.post(&release, first).await.code(), "something_inside", "of another opening");
    let back = ada.post(&release, json!({ "empty": true, "opening": 2 })).await.ok();
    assert_eq!((back["state"].as_str(), back["unproven"].as_bool()), (Some("released"), Some(true)));
    // The next one need not wait.
    ada.post("/v1/assets/drill/borrow", json!({})).await.ok();
    // With what was given for the first loan it is opened once more, and that becomes known.
    let receipts = cabinet.visit(&ada, &mine, Operation::Access, &json!([]), Hand::Takes).receipts();
    hand_in(&ada, receipts).await;
    assert!(alarms(&world).await.contains(&"opened_after_back".to_owned()));
}

/// Somebody is to collect it, before it has arrived: they are told when it lies there, and the key comes then.
pub(crate) async fn a_parcel_is_shared_before_it_arrives(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben, kim) =
        (world.customer("Ada").await, world.customer("Ben").await, world.customer("Kim").await);
    let cart = courier(&world).await;
    let recipient = ada.number().await;
    let lamp = json!({ "reference": "HX 1", "recipient": recipient, "title": "Lamp", "site": "lindenhof", "size": "m" });
    let lamp = world.heron.post("/v1/carrier/parcels", lamp).await.ok();
    let shown = ada.named("Lamp").await;
    assert!(shown["actions"].as_array().unwrap().contains(&json!("share")), "{shown}");
    let until = world.clock.now() + 30 * DAY;
    for guest in [&ben, &kim] {
        let offer = ada.post(&path(&lamp, "/shares"), json!({ "name": "B", "until": until })).await.ok();
        let claim = offer["link"].as_str().unwrap().rsplit('/').next().unwrap();
        guest.post("/v1/claims", json!({ "claim": claim })).await.ok();
        assert_eq!(guest.named("Lamp").await["actions"], json!([]), "nothing to open yet");
        let asked = json!({ "reservations": [lamp["id"]] });
        assert_eq!(guest.post("/v1/tokens", asked).await.code(), "wrong_state");
    }
    let kims = ada.get(&path(&lamp, "")).await.ok()["shares"][1]["id"].as_str().unwrap().to_owned();
    ada.send(Method::DELETE, &path(&lamp, &format!("/shares/{kims}")), json!({})).await.ok();
    assert_eq!(kim.get(&path(&lamp, "")).await.code(), "not_found");

    let (grant, news) = errand(&cart, &cabinet, &lamp).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    let cursor = ben.get("/v1/changes").await.ok()["cursor"].as_str().unwrap().to_owned();
    hand_in(&cart, receipts).await;
    let told = ben.get(&format!("/v1/changes?cursor={cursor}")).await.ok();
    assert_eq!(told["reservations"][0]["state"], "ready");
    let (mine, news) = fetch(&ben, &lamp).await;
    let receipts = cabinet.visit(&ben, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ben, receipts).await;
    assert_eq!(ada.named("Lamp").await["state"], "opened");
    assert_eq!(ada.named("Lamp").await["shares"][0]["state"], "used");
}

/// A locker that is connected: its gateway hands in what it signed, and fetches its news.
pub(crate) async fn a_gateway_brings_receipts_and_news(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    let (mine, _) = fetch(&ada, &books).await;
    let at = format!("/v1/operator/lockers/{}", cabinet.id);
    assert_eq!(world.operator.get(&format!("{at}/bulletin")).await.status, 204, "nothing is new");
    // By PIN, which no device hands in.
    assert_eq!(cabinet.type_pin(&mine["pin"], Hand::Takes), Some(door(&mine)));
    let cursor = ada.get("/v1/changes").await.ok()["cursor"].as_str().unwrap().to_owned();
    let signed = json!({ "receipts": cabinet.uplink() });
    let elsewhere = format!("/v1/operator/lockers/{}/receipts", "0".repeat(16));
    assert_eq!(world.operator.post(&elsewhere, signed.clone()).await.code(), "malformed");
    let results = world.operator.post(&format!("{at}/receipts"), signed).await.ok();
    assert_eq!(results["results"], json!(["accepted", "accepted"]));
    let told = ada.get(&format!("/v1/changes?cursor={cursor}")).await.ok();
    assert_eq!(told["reservations"][0]["state"], "opened", "her phone is told at once");
    ada.post(&path(&books, "/taken"), json!({ "taken": true })).await.ok();

    // Called off after access was given: settling until the gateway has brought the news, and the answer.
    let jacket = ada.named("Winter jacket").await;
    let (mine, _) = fetch(&ada, &jacket).await;
    ada.post(&path(&jacket, "/cancel"), json!({})).await.ok();
    assert_eq!(report(&world, &cabinet, door(&mine)).await["settling"], true);
    let news = world.operator.get(&format!("{at}/bulletin")).await.ok();
    assert!(cabinet.downlink(&news));
    assert_eq!(cabinet.type_pin(&mine["pin"], Hand::Puts), None);
    let flat = ada.named("Flat 12 box").await;
    let (hers, _) = fetch(&ada, &flat).await;
    cabinet.visit(&ada, &hers, Operation::Access, &json!([]), Hand::Nothing).receipts();
    let signed = json!({ "receipts": cabinet.uplink() });
    world.operator.post(&format!("{at}/receipts"), signed).await.ok();
    let free = report(&world, &cabinet, door(&mine)).await;
    assert!(free["settling"] == false && free.get("reservation").is_none(), "{free}");
    assert_eq!(world.operator.get(&format!("{at}/bulletin")).await.status, 204, "it has heard");
}

/// A locker whose clock runs days ahead takes no token; the first device that is online sets it right, and the operator is told.
pub(crate) async fn a_wrong_clock_is_set_right(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    let (mine, _) = fetch(&ada, &books).await;
    cabinet.ahead = 3 * DAY;
    cabinet.visit(&ada, &mine, Operation::Collect, &json!([]), Hand::Takes).refused();
    assert!(!alarms(&world).await.contains(&"clock".to_owned()));
    let receipts = cabinet.visit_bound(&ada, &books, Operation::Collect, Hand::Takes).await.receipts();
    hand_in(&ada, receipts).await;
    assert!(alarms(&world).await.contains(&"clock".to_owned()));
    // From then on for everybody, with what they have.
    let (flat, _) = fetch(&ada, &ada.named("Flat 12 box").await).await;
    cabinet.visit(&ada, &flat, Operation::Access, &json!([]), Hand::Nothing).receipts();
}
