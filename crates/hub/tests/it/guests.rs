//! What somebody may do with what another has shared, and what a late word or receipt may change: the real hub over HTTP, the
//! real firmware at the door. On both databases by `conformance`; SECURITY.md names these tests.

use postern_protocol::Operation;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cabinet::{Hand, door},
    client::Device,
    doors::deliver_plain,
    promises::{alarms, announce, courier, deliver, errand, fetch, hand_in, later, path, report},
    world::World,
};

/// The owner shares it until then, and the guest follows the link.
async fn share(owner: &Device, guest: &Device, reservation: &Value, until: i64) {
    let asked = json!({ "name": "Uncle Ben", "until": until });
    let offer = owner.post(&path(reservation, "/shares"), asked).await.ok();
    let claim = offer["link"].as_str().unwrap().rsplit('/').next().unwrap();
    guest.post("/v1/claims", json!({ "claim": claim })).await.ok();
}

/// What a guest says is the guest's word, by name, and stands against no measurement: the owner still collects what the guest has
/// left inside.
pub(crate) async fn a_guests_word_is_the_guests(world: World) {
    for (measures, what) in [(true, "Salad"), (false, "Soup")] {
        let mut cabinet = world.cabinet(measures).await;
        let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
        let cart = courier(&world).await;
        let salad = if measures {
            deliver(&world, &mut cabinet, &cart, &ada, what).await
        } else {
            deliver_plain(&world, &mut cabinet, &cart, &ada, what).await
        };
        share(&ada, &ben, &salad, world.clock.now() + 86_400).await;
        let taken = json!({ "taken": true });
        let early = ben.post(&path(&salad, "/taken"), taken.clone()).await.code();
        assert_eq!(early, if measures { "something_inside" } else { "wrong_state" });
        let (mine, news) = fetch(&ben, &salad).await;
        let receipts = cabinet.visit(&ben, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
        hand_in(&ben, receipts).await;
        let said = ben.post(&path(&salad, "/taken"), taken).await;
        if measures {
            assert_eq!(said.code(), "something_inside");
            let (mine, news) = fetch(&ada, &salad).await;
            let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
            hand_in(&ada, receipts).await;
            assert_eq!(ada.named(what).await["state"], "opened");
        } else {
            said.ok();
            let shown = ada.named(what).await;
            assert_eq!(
                (shown["state"].as_str(), shown["unproven"].as_bool()),
                (Some("collected"), Some(true))
            );
            let last = shown["timeline"].as_array().unwrap().last().unwrap();
            assert_eq!((last["event"].as_str(), last["by"].as_str()), (Some("collected"), Some("Uncle Ben")));
        }
    }
}

/// What its customer did at the door before a courier fetched it, and what became known only afterwards, says nothing of what was
/// fetched: the carrier goes on with it.
pub(crate) async fn a_late_opening_takes_no_fetched_return_back(world: World) {
    let mut plain = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let jacket = ada.named("Winter jacket").await;
    let (mine, news) = fetch(&ada, &jacket).await;
    let receipts = plain.visit(&ada, &mine, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&ada, receipts).await;
    let opening = ada.named("Winter jacket").await["opening"].clone();
    let said = json!({ "inside": true, "opening": opening });
    assert_eq!(ada.post(&path(&jacket, "/inside"), said).await.ok()["state"], "deposited");
    // Once more by PIN, of which nobody hears; then the courier, whose device hands in its own receipts first.
    assert!(plain.type_pin(&mine["pin"], Hand::Nothing).is_some());
    let before = plain.uplink().len();
    let (grant, news) = errand(&cart, &plain, &jacket).await;
    let receipts = plain.visit(&cart, &grant, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&cart, receipts).await;
    hand_in(&cart, plain.uplink()[2..before].to_vec()).await;
    let shown = ada.named("Winter jacket").await;
    assert_eq!(shown["state"], "deposited");
    assert!(!shown["actions"].as_array().unwrap().contains(&json!("confirm_placed")), "{shown}");
    let said = json!({ "inside": false, "opening": plain.openings().last() });
    let id = jacket["id"].as_str().unwrap();
    assert_eq!(cart.post(&format!("/v1/courier/parcels/{id}/inside"), said).await.ok()["state"], "deposited");
    let accepted = world.heron.post(&format!("/v1/carrier/parcels/{id}/accept"), json!({})).await.ok();
    assert_eq!(accepted["state"], "accepted");
}

/// "Taken" by mistake, where it lies there still and the door is nobody's by now: nobody is given it before somebody has looked.
pub(crate) async fn taken_by_mistake_gives_the_door_to_nobody(world: World) {
    let mut plain = world.cabinet(false).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let salad = deliver_plain(&world, &mut plain, &cart, &ada, "Salad").await;
    let (mine, news) = fetch(&ada, &salad).await;
    let receipts = plain.visit(&ada, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
    hand_in(&ada, receipts).await;
    for taken in [true, false] {
        ada.post(&path(&salad, "/taken"), json!({ "taken": taken })).await.ok();
    }
    let lamp = announce(&world, &ben, "Lamp").await;
    let asked = json!({ "parcel": lamp["id"], "locker": plain.id });
    assert_eq!(cart.post("/v1/courier/tokens", asked.clone()).await.code(), "no_compartment");
    assert!(alarms(&world).await.contains(&"disputed".to_owned()));
    // Whoever has looked is not sent again by the same word.
    let word = |taken: bool| json!({ "taken": taken });
    let clear = format!("/v1/operator/lockers/{}/doors/{}/clear", plain.id, door(&mine));
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    ada.post(&path(&salad, "/taken"), word(false)).await.ok();
    let (grant, news) = errand(&cart, &plain, &lamp).await;

    // Nor by one of an opening before. After another it is said of what lies there then, however often it was said before.
    let put_in = plain.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, put_in).await;
    let said = json!({ "inside": true, "opening": plain.openings().last() });
    cart.post(&format!("/v1/courier/parcels/{}/inside", lamp["id"].as_str().unwrap()), said).await.ok();
    let c2 = door(&mine);
    let serve = format!("/v1/operator/lockers/{}/doors/{c2}", plain.id);
    let (bens, news) = fetch(&ben, &lamp).await;
    for operation in [Operation::Collect, Operation::Reopen] {
        let looked = plain.visit(&ben, &bens, operation, &news, Hand::Nothing).receipts();
        hand_in(&ben, looked).await;
        if operation == Operation::Reopen {
            ben.post(&path(&lamp, "/taken"), word(true)).await.ok();
        }
        ben.post(&path(&lamp, "/taken"), word(false)).await.ok();
        let out = report(&world, &plain, c2).await;
        assert_eq!(out["out_of_order"], true, "{operation:?}: {out}");
        let put = json!({ "out_of_order": false });
        assert_eq!(world.operator.send(Method::PUT, &serve, put).await.status, 204);
    }
}

/// Whatever a guest asks for, the locker's memory of that door has room for what the owner holds.
pub(crate) async fn a_guest_leaves_room_for_the_owner(world: World) {
    let _cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let books = ada.named("Two paperbacks").await;
    share(&ada, &ben, &books, world.clock.now() + 86_400).await;
    let asked = json!({ "reservations": [books["id"]] });
    let mut given = 0;
    while ben.post("/v1/tokens", asked.clone()).await.status == 200 {
        given += 1;
        assert!(given < 16, "no more than a locker remembers of one door");
    }
    assert!(given >= 5, "enough for a day of trying: {given}");
    assert_eq!(
        ada.post("/v1/tokens", asked.clone()).await.status,
        200,
        "the owner's are counted by themselves"
    );
    // One guest leaves the others theirs, and all together the owner's.
    for name in ["Kim", "Lee", "Max", "Noa"] {
        let guest = world.customer(name).await;
        share(&ada, &guest, &books, world.clock.now() + 86_400).await;
        let before = given;
        while guest.post("/v1/tokens", asked.clone()).await.status == 200 {
            given += 1;
            assert!(given <= 13, "all of them have used up the owner's room");
        }
        assert_eq!(given - before, 2, "{name}");
    }
    assert_eq!(ada.post("/v1/tokens", asked).await.status, 200);
}

/// A guest's PIN is given where it ends together with the share. Where the owner then has more time, it is taken back: the next
/// who was online brings that to the locker.
pub(crate) async fn a_guests_pin_ends_when_there_is_more_time(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (mut ada, mut ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let mut cart = courier(&world).await;
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let until = ada.named("Salad").await["until"].as_i64().unwrap();
    share(&ada, &ben, &salad, until).await;
    let (bens, _) = fetch(&ben, &salad).await;
    assert!(bens["pin"].as_str().is_some(), "{bens}");
    ada.post(&path(&salad, "/extend"), json!({ "until": until + 86_400 })).await.ok();
    let (again, _) = fetch(&ben, &salad).await;
    assert_eq!(again["no_pin"], "keypad_behind");
    // Somebody who was online since comes by.
    let (_, news) = fetch(&ada, &salad).await;
    assert!(cabinet.downlink(&news[0]));
    assert_eq!(cabinet.type_pin(&bens["pin"], Hand::Nothing), None);
    later(&world, until - world.clock.now() + 60, &mut [&mut ada, &mut ben, &mut cart]).await;
    let (mine, _) = fetch(&ada, &salad).await;
    assert!(cabinet.type_pin(&mine["pin"], Hand::Takes).is_some(), "the owner's opens");
}

/// A guest who has not opened the door cannot know that it is empty, whoever else has.
pub(crate) async fn a_guest_who_was_not_there_says_nothing(world: World) {
    let mut plain = world.cabinet(false).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let salad = deliver_plain(&world, &mut plain, &cart, &ada, "Salad").await;
    share(&ada, &ben, &salad, world.clock.now() + 86_400).await;
    let (mine, news) = fetch(&ada, &salad).await;
    let looked = plain.visit(&ada, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
    hand_in(&ada, looked).await;
    let taken = json!({ "taken": true });
    assert_eq!(ben.post(&path(&salad, "/taken"), taken.clone()).await.code(), "wrong_state");
    let (bens, news) = fetch(&ben, &salad).await;
    let took = plain.visit(&ben, &bens, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ben, took).await;
    ben.post(&path(&salad, "/taken"), taken).await.ok();
    assert_eq!(ada.named("Salad").await["state"], "collected");
}
