//! Who keeps which door, and what a receipt or a word may change of that: the real hub over HTTP, the real firmware at the
//! door. On both databases by `conformance`; SECURITY.md names these tests.

use postern_protocol::{Operation, receipt::Outcome};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cabinet::{Hand, door},
    doors::deliver_plain,
    promises::{alarms, announce, courier, deliver, errand, fetch, hand_in, later, path, report},
    world::{Locker, World},
};

/// Another public site.
async fn yard(world: &World) {
    let site = json!({ "name": "Yard 5", "address": "Yard 5, Berlin", "latitude": 52.5, "longitude": 13.4, "hours": "24/7",
                       "always_open": true, "access": "public", "step_free": true });
    world.operator.send(Method::PUT, "/v1/operator/sites/yard", site).await.ok();
}

fn stuck() -> Value {
    json!({ "kind": "door_stuck" })
}

/// Whoever reports doors as unusable takes no more of a site than their share, and no door that is somebody else's by now.
pub(crate) async fn reports_take_no_more_than_a_share(world: World) {
    // What she had is Ben's by the time that Ada reports it.
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, _) = fetch(&ada, &salad).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &json!([]), Hand::Takes).receipts();
    hand_in(&ada, receipts).await;
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    let lamp = deliver(&world, &mut cabinet, &cart, &ben, "Lamp").await;
    ada.post(&path(&salad, "/problems"), stuck()).await.ok();
    let c2 = Locker::door("C2");
    assert_eq!(report(&world, &cabinet, c2).await["out_of_order"], false, "it is Ben's");
    ben.post(&path(&lamp, "/problems"), stuck()).await.ok();
    assert_eq!(report(&world, &cabinet, c2).await["out_of_order"], true);

    // A site of its own.
    yard(&world).await;
    let cabinet = world.cabinet_at("yard", true).await;
    let mallory = world.customer("Mallory").await;
    let mut refused = 0;
    for n in 0..20 {
        let wish = json!({ "code": format!("R-{n}"), "site": "yard", "size": "xs" });
        let answer = mallory.post("/v1/returns", wish).await;
        if answer.status != 201 {
            assert_eq!(answer.code(), "fair_share");
            refused += 1;
            continue;
        }
        let booked = answer.ok();
        mallory.post(&path(&booked, "/problems"), stuck()).await.ok();
        mallory.post(&path(&booked, "/cancel"), json!({})).await.ok();
    }
    assert_eq!(refused, 16, "a quarter of the site, reported or booked");
    let parcel = json!({ "reference": "HX 7", "recipient": ada.number().await, "title": "Salad", "site": "yard", "size": "s" });
    let parcel = world.heron.post("/v1/carrier/parcels", parcel).await.ok();
    errand(&cart, &cabinet, &parcel).await;
    // Once somebody has looked, it counts no more.
    let report_of = |door| report(&world, &cabinet, door);
    let mut out = Vec::new();
    for door in 1..=16 {
        if report_of(door).await["out_of_order"] == true {
            out.push(door);
        }
    }
    assert_eq!(out.len(), 4);
    let clear = format!("/v1/operator/lockers/{}/doors/{}/clear", cabinet.id, out[0]);
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    mallory.post("/v1/returns", json!({ "code": "R-x", "site": "yard", "size": "xs" })).await.ok();
}

/// What was called off, put in all the same and taken out again counts as before.
pub(crate) async fn putting_in_and_taking_out_again_dodges_no_share(world: World) {
    yard(&world).await;
    let mut cabinet = world.cabinet_at("yard", true).await;
    let mallory = world.customer("Mallory").await;
    let wish = |n: usize| json!({ "code": format!("R-{n}"), "site": "yard", "size": "s" });
    let booked = mallory.post("/v1/returns", wish(0)).await.ok();
    let (mine, news) = fetch(&mallory, &booked).await;
    mallory.post(&path(&booked, "/cancel"), json!({})).await.ok();
    for (operation, hand, state) in
        [(Operation::Deposit, Hand::Puts, "deposited"), (Operation::Reopen, Hand::Takes, "booked")]
    {
        let receipts = cabinet.visit(&mallory, &mine, operation, &news, hand).receipts();
        hand_in(&mallory, receipts).await;
        assert_eq!(mallory.get(&path(&booked, "")).await.ok()["state"], state);
    }
    for n in 1..4 {
        mallory.post("/v1/returns", wish(n)).await.ok();
    }
    assert_eq!(mallory.post("/v1/returns", wish(4)).await.code(), "fair_share");
}

/// What happens at a door that the parcel was to lie in, or lay in before, moves nothing of it where it lies now.
pub(crate) async fn a_receipt_of_another_door_moves_nothing(world: World) {
    let mut first = world.cabinet(true).await;
    let mut second = world.cabinet(true).await;
    let mut third = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    // Too small: nothing is put in, and the courier goes to the other cabinet before the network is back.
    let salad = announce(&world, &ada, "Salad").await;
    let (grant, news) = errand(&cart, &first, &salad).await;
    let late = first.visit(&cart, &grant, Operation::Deposit, &news, Hand::Nothing).receipts();
    let (grant, news) = errand(&cart, &second, &salad).await;
    let receipts = second.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, receipts).await;
    let before = ada.named("Salad").await;
    assert_eq!(
        (before["state"].as_str(), &before["compartment"]["locker"]),
        (Some("ready"), &json!(second.id))
    );
    let (mine, _) = fetch(&ada, &salad).await;
    hand_in(&cart, late).await;
    let after = ada.named("Salad").await;
    assert_eq!((&after["state"], &after["compartment"]), (&before["state"], &before["compartment"]));
    let kept = report(&world, &second, Locker::door("C2")).await;
    assert_eq!(kept["reservation"], salad["id"], "{kept}");

    // It is put over, and a phone without a network opens where it was.
    let taken = second.visit(&cart, &grant, Operation::Reopen, &json!([]), Hand::Takes).receipts();
    hand_in(&cart, taken).await;
    assert_eq!(ada.named("Salad").await["state"], "in_transit");
    let (grant, news) = errand(&cart, &third, &salad).await;
    let late = second.visit(&ada, &mine, Operation::Collect, &json!([]), Hand::Nothing).receipts();
    let receipts = third.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, receipts).await;
    let before = ada.named("Salad").await;
    assert_eq!(
        (before["state"].as_str(), &before["compartment"]["locker"]),
        (Some("ready"), &json!(third.id))
    );
    hand_in(&ada, late).await;
    let after = ada.named("Salad").await;
    assert_eq!((&after["state"], &after["compartment"]), (&before["state"], &before["compartment"]));
    let timeline = after["timeline"].as_array().unwrap();
    let opened = timeline.iter().filter(|one| one["event"] == "opened" && one.get("by").is_none()).count();
    assert_eq!(opened, 1, "it stands in the record");
    let (mine, news) = fetch(&ada, &salad).await;
    assert_eq!(mine["operations"][0], "collect");
    third.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    assert!(!alarms(&world).await.contains(&"taken_after_extend".to_owned()));
}

/// A door is settled by what those did whose it was then, and by nobody's before: the parcel was to lie there once, then
/// somebody else's did, and now it does.
pub(crate) async fn strangers_settle_no_door(world: World) {
    yard(&world).await;
    world.cabinet_at("yard", true).await;
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let c2 = Locker::door("C2");
    let salad = announce(&world, &ada, "Salad").await;
    errand(&cart, &cabinet, &salad).await;
    // She moves it elsewhere, and the door is free again once the locker has heard so.
    ada.post(&path(&salad, "/move"), json!({ "site": "yard" })).await.ok();
    let (mine, news) = fetch(&ada, &ada.named("Flat 12 box").await).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Access, &news, Hand::Nothing).receipts();
    hand_in(&ada, receipts).await;
    assert_eq!(report(&world, &cabinet, c2).await["settling"], false);
    // It is Ben's for a while.
    let lamp = deliver(&world, &mut cabinet, &cart, &ben, "Lamp").await;
    let (bens, news) = fetch(&ben, &lamp).await;
    let receipts = cabinet.visit(&ben, &bens, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ben, receipts).await;
    ben.post(&path(&lamp, "/taken"), json!({ "taken": true })).await.ok();
    // And hers after all.
    ada.post(&path(&salad, "/move"), json!({ "site": "lindenhof" })).await.ok();
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, receipts).await;
    assert_eq!(ada.named("Salad").await["state"], "ready");
    // By mistake she says that she has it. Nobody has opened that door since it was put in.
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    postern_hub::domain::sweep::reconcile(&world.hub).await.unwrap();
    let kept = report(&world, &cabinet, c2).await;
    assert_eq!(kept["settling"], true, "{kept}");
    let other = announce(&world, &ben, "Tea").await;
    let asked = json!({ "parcel": other["id"], "locker": cabinet.id });
    assert_eq!(cart.post("/v1/courier/tokens", asked).await.code(), "no_compartment");
}

/// Power fails as the customer's door is to open, and the door stays shut: an hour later it is theirs to open as before.
pub(crate) async fn power_failed_at_the_latch_locks_nobody_out(world: World) {
    let mut locker = world.locker().await;
    let mut ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    let (mine, _) = fetch(&ada, &books).await;
    let receipt = locker.receipt(&mine, Operation::Collect, Outcome::Unknown, world.clock.now());
    hand_in(&ada, vec![receipt]).await;
    later(&world, 3600, &mut [&mut ada]).await;
    let lies = ada.named("Two paperbacks").await;
    assert_eq!((lies["state"].as_str(), &lies["actions"][0]), (Some("ready"), &json!("open")));
    let (again, _) = fetch(&ada, &books).await;
    assert_eq!(again["operations"][0], "collect");
    let opened = lies["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!((opened["event"].as_str(), opened["proven"].as_bool()), (Some("opened"), Some(false)));
    // That she has it, on such a receipt alone, gives the door to nobody.
    let said = ada.post(&path(&books, "/taken"), json!({ "taken": true })).await.ok();
    assert_eq!(said["unproven"], true);
    postern_hub::domain::sweep::reconcile(&world.hub).await.unwrap();
    let seen = world.operator.get(&format!("/v1/operator/lockers/{}", locker.id)).await.ok();
    assert_eq!(seen["doors"][usize::from(Locker::door("A2")) - 1]["settling"], true);
    // It was a mistake; with the new key it comes open.
    ada.post(&path(&books, "/taken"), json!({ "taken": false })).await.ok();
    let (again, _) = fetch(&ada, &books).await;
    let receipt = locker.receipt(&again, Operation::Collect, Outcome::Opened, world.clock.now());
    hand_in(&ada, vec![receipt]).await;
    assert_eq!(ada.named("Two paperbacks").await["state"], "opened");
}

/// A courier who put nothing in, at a door that cannot measure, may come back with the parcel; or another one.
pub(crate) async fn a_courier_may_come_back_with_the_parcel(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let (cart, other) = (courier(&world).await, courier(&world).await);
    let salad = announce(&world, &ada, "Salad").await;
    let inside = format!("/v1/courier/parcels/{}/inside", salad["id"].as_str().unwrap());
    for (device, hand, state) in [
        (&cart, Hand::Nothing, "announced"),
        (&cart, Hand::Nothing, "announced"),
        (&other, Hand::Nothing, "announced"),
        (&other, Hand::Puts, "ready"),
    ] {
        let (grant, news) = errand(device, &cabinet, &salad).await;
        let receipts = cabinet.visit(device, &grant, Operation::Deposit, &news, hand).receipts();
        hand_in(device, receipts).await;
        let said = json!({ "inside": hand == Hand::Puts, "opening": cabinet.openings().last() });
        device.post(&inside, said).await.ok();
        assert_eq!(ada.named("Salad").await["state"], state);
    }
    let (mine, news) = fetch(&ada, &salad).await;
    cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
}

/// A courier who said that it lies inside, and notices the mistake, says so: nobody is sent to an empty door.
pub(crate) async fn a_courier_takes_a_word_back(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let salad = announce(&world, &ada, "Salad").await;
    let inside = format!("/v1/courier/parcels/{}/inside", salad["id"].as_str().unwrap());
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Nothing).receipts();
    hand_in(&cart, receipts).await;
    for (said, state) in [(true, "ready"), (false, "in_transit")] {
        world.clock.advance(30);
        let said = json!({ "inside": said, "opening": cabinet.openings().last() });
        cart.post(&inside, said).await.ok();
        assert_eq!(ada.named("Salad").await["state"], state);
    }
    assert!(alarms(&world).await.contains(&"taken_back_out".to_owned()));
}

/// What a courier's device did before its carrier put a parcel in by other means takes nothing back, however late it is told.
pub(crate) async fn a_late_receipt_says_nothing_of_what_was_reported_since(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let salad = announce(&world, &ada, "Salad").await;
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let mut late = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    late.extend(cabinet.visit(&cart, &grant, Operation::Reopen, &news, Hand::Takes).receipts());
    world.clock.advance(60);
    let deposit = json!({ "locker": cabinet.id, "door": door(&grant) });
    let reported = format!("/v1/carrier/parcels/{}/deposit", salad["id"].as_str().unwrap());
    world.heron.post(&reported, deposit).await.ok();
    hand_in(&cart, late).await;
    let shown = ada.named("Salad").await;
    assert_eq!((shown["state"].as_str(), shown["unproven"].as_bool()), (Some("ready"), Some(true)));
    // Only the locker's clock says which was first, and the locker measured an empty compartment.
    assert!(alarms(&world).await.contains(&"empty_before_report".to_owned()));
}

/// Who says that something was left behind after all opens its door again, although it was said before that it was taken.
pub(crate) async fn what_was_left_inside_is_fetched_after_all(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, news) = fetch(&ada, &salad).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
    hand_in(&ada, receipts).await;
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    let again = ada.post(&path(&salad, "/taken"), json!({ "taken": false })).await.ok();
    assert_eq!(again["state"], "ready");
    let (mine, news) = fetch(&ada, &salad).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ada, receipts).await;
}

/// Whoever closes the door with the parcel still inside, as the locker measures, collects it later, for as long as it lies there.
/// A word against that measurement counts as a word.
pub(crate) async fn what_is_measured_inside_is_still_to_be_collected(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let mut ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    for _ in 0..2 {
        let (mine, news) = fetch(&ada, &salad).await;
        let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
        hand_in(&ada, receipts).await;
        let shown = ada.named("Salad").await;
        assert_eq!(shown["state"], "ready", "{shown}");
        assert!(shown["actions"].as_array().unwrap().contains(&json!("extend")), "{shown}");
        // Past the minutes in which a door is opened again.
        later(&world, 3600, &mut [&mut ada]).await;
    }
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    let said = ada.named("Salad").await;
    assert_eq!(
        (said["state"].as_str(), said["unproven"].as_bool()),
        (Some("collected"), Some(true)),
        "{said}"
    );
    assert!(alarms(&world).await.contains(&"left_inside".to_owned()));
    let again = ada.post(&path(&salad, "/taken"), json!({ "taken": false })).await.ok();
    assert_eq!((again["state"].as_str(), again["unproven"].as_bool()), (Some("ready"), None), "{again}");
    let (mine, news) = fetch(&ada, &salad).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ada, receipts).await;
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    let taken = ada.named("Salad").await;
    assert_eq!((taken["state"].as_str(), taken["unproven"].as_bool()), (Some("collected"), None), "{taken}");
}

/// Whoever books and gives back again and again, without ever being given access, takes no door out of its keypad's reach.
pub(crate) async fn booking_and_giving_back_costs_nobody_the_pin(world: World) {
    let _cabinet = world.cabinet(true).await;
    let (ada, mallory) = (world.customer("Ada").await, world.customer("Mallory").await);
    let until = world.clock.now() + 7200;
    let wish = |title: &str| json!({ "site": "lindenhof", "size": "s", "title": title, "until": until });
    for n in 0..8 {
        let booked = mallory.post("/v1/storage", wish(&format!("Box {n}"))).await.ok();
        mallory.post(&path(&booked, "/release"), json!({})).await.ok();
    }
    let booked = ada.post("/v1/storage", wish("Suitcase")).await.ok();
    let (mine, _) = fetch(&ada, &booked).await;
    assert!(mine["pin"].is_string(), "{mine}");
}

/// Where nothing measures what lies inside, whoever closed the door without taking it out opens it again, for as long as nobody
/// has said that it is taken.
pub(crate) async fn what_may_have_been_left_is_still_to_be_collected(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let (mut ada, mut cart) = (world.customer("Ada").await, courier(&world).await);
    let salad = deliver_plain(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, news) = fetch(&ada, &salad).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
    hand_in(&ada, receipts).await;
    assert!(ada.named("Salad").await["actions"].as_array().unwrap().contains(&json!("reopen")));
    later(&world, 3600, &mut [&mut ada, &mut cart]).await;
    let shown = ada.named("Salad").await;
    assert_eq!(shown["state"], "opened");
    assert!(shown["actions"].as_array().unwrap().contains(&json!("open")), "{shown}");
    // Its time is over: more of it is to be had, as for what was never opened.
    later(&world, 4 * 86_400, &mut [&mut ada, &mut cart]).await;
    let until = world.clock.now() + 86_400;
    ada.post(&path(&salad, "/extend"), json!({ "until": until })).await.ok();
    let (mine, news) = fetch(&ada, &salad).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ada, receipts).await;
    assert_eq!(ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok()["state"], "collected");
    let refused = ada.post("/v1/tokens", json!({ "reservations": [salad["id"]] })).await;
    assert_ne!(refused.status, 200);
}

/// A return that its customer opens again, at a locker that measures nothing, counts as dropped off when that is said again: what
/// was said before says nothing of what lies there now.
pub(crate) async fn a_return_that_was_opened_again_is_asked_about_again(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let jacket = ada.named("Winter jacket").await;
    let (mine, news) = fetch(&ada, &jacket).await;
    let word = |inside: bool, opening: Value| json!({ "inside": inside, "opening": opening });
    for (operation, hand, inside) in [
        (Operation::Deposit, Hand::Puts, true),
        (Operation::Reopen, Hand::Takes, false),
        (Operation::Reopen, Hand::Puts, true),
    ] {
        let receipts = cabinet.visit(&ada, &mine, operation, &news, hand).receipts();
        hand_in(&ada, receipts).await;
        let shown = ada.named("Winter jacket").await;
        assert_eq!(shown["state"], "booked", "nobody has said yet");
        assert!(shown["actions"].as_array().unwrap().contains(&json!("confirm_placed")), "{shown}");
        let said = ada.post(&path(&jacket, "/inside"), word(inside, shown["opening"].clone())).await.ok();
        assert_eq!(said["state"], if inside { "deposited" } else { "booked" });
    }
}

/// Where a door's sensor sticks, every opening looks like a latch that jammed. What was put in behind it keeps its door, whatever
/// became of the reservation, until somebody has looked.
pub(crate) async fn a_latch_that_is_said_to_jam_frees_no_door(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let jacket = ada.named("Winter jacket").await;
    let flat = ada.named("Flat 12 box").await;
    let lamp = deliver(&world, &mut cabinet, &cart, &ben, "Lamp").await;
    for (what, operation, end, bens) in [
        (&jacket, Operation::Deposit, "/cancel", Operation::Collect),
        (&flat, Operation::Access, "/release", Operation::Reopen),
    ] {
        let (mine, news) = fetch(&ada, what).await;
        cabinet.sensor_sticks(door(&mine), true);
        let receipts = cabinet.visit(&ada, &mine, operation, &news, Hand::Puts).receipts();
        cabinet.sensor_sticks(door(&mine), false);
        hand_in(&ada, receipts).await;
        assert!(alarms(&world).await.contains(&"jammed".to_owned()));
        ada.post(&path(what, end), json!({})).await.ok();
        // Somebody brings the news there, and a receipt that shows it.
        let (grant, news) = fetch(&ben, &lamp).await;
        hand_in(&ben, cabinet.visit(&ben, &grant, bens, &news, Hand::Nothing).receipts()).await;
        let kept = report(&world, &cabinet, door(&mine)).await;
        assert_eq!(kept["settling"], true, "{kept}");
        assert!(alarms(&world).await.contains(&"unproven".to_owned()));
        let clear = format!("/v1/operator/lockers/{}/doors/{}/clear", cabinet.id, door(&mine));
        assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
        assert_eq!(report(&world, &cabinet, door(&mine)).await["settling"], false);
    }
}

/// More time was asked for while a courier was on the way, and the customer opened by PIN: nobody measures who of the two took it
/// out. The courier's answer is heard, the operator told, and nobody is sent to an empty compartment.
pub(crate) async fn a_couriers_answer_is_heard_after_the_customer_opened(world: World) {
    let mut plain = world.cabinet(false).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    let salad = deliver_plain(&world, &mut plain, &cart, &ada, "Salad").await;
    let (mine, _) = fetch(&ada, &salad).await;
    later(&world, 4 * 86_400, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let (grant, _) = errand(&cart, &plain, &salad).await;
    ada.post(&path(&salad, "/extend"), json!({ "until": world.clock.now() + 86_400 })).await.ok();
    assert!(plain.type_pin(&mine["pin"], Hand::Nothing).is_some(), "the locker has heard of nothing");
    plain.visit(&cart, &grant, Operation::Collect, &json!([]), Hand::Takes).receipts();
    // All that the hub has not had from the courier before.
    hand_in(&cart, plain.uplink().split_off(2)).await;
    assert_eq!(ada.named("Salad").await["state"], "opened");
    let said = json!({ "inside": false, "opening": plain.openings().last() });
    cart.post(&format!("/v1/courier/parcels/{}/inside", salad["id"].as_str().unwrap()), said).await.ok();
    let shown = ada.named("Salad").await;
    assert_eq!(shown["state"], "opened", "who has it is for the customer to say");
    assert!(alarms(&world).await.contains(&"taken_after_extend".to_owned()));
    later(&world, 3600, &mut [&mut ada, &mut cart]).await;
    let asked = json!({ "reservations": [salad["id"]] });
    assert_eq!(ada.post("/v1/tokens", asked).await.code(), "wrong_state", "nothing lies there");
}

/// Phones hear that a door is opened anew, and no longer again, when the minutes for that are over; and one parcel that cannot be
/// opened keeps back the access to no other.
pub(crate) async fn what_can_be_opened_anew_is_told(world: World) {
    let mut plain = world.cabinet(false).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    let salad = deliver_plain(&world, &mut plain, &cart, &ada, "Salad").await;
    let (mine, news) = fetch(&ada, &salad).await;
    let receipts = plain.visit(&ada, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
    hand_in(&ada, receipts).await;
    let before = ada.get("/v1/changes").await.ok();
    later(&world, 3600, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let news = ada.get(&format!("/v1/changes?cursor={}", before["cursor"].as_str().unwrap())).await.ok();
    let told = news["reservations"].as_array().unwrap().iter().find(|one| one["id"] == salad["id"]);
    let told = told.expect("what has changed is told")["actions"].as_array().unwrap();
    assert!(told.contains(&json!("open")) && !told.contains(&json!("reopen")), "{told:?}");
    // Once.
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let again = ada.get(&format!("/v1/changes?cursor={}", news["cursor"].as_str().unwrap())).await.ok();
    assert_eq!(again["reservations"], json!([]));

    let jacket = ada.named("Winter jacket").await;
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    let both = json!({ "reservations": [salad["id"], jacket["id"]] });
    let grants = ada.post("/v1/tokens", both).await.ok();
    let grants = grants["grants"].as_array().unwrap();
    assert!(grants.len() == 1 && grants[0]["reservation"] == jacket["id"], "{grants:?}");
    let alone = ada.post("/v1/tokens", json!({ "reservations": [salad["id"]] })).await;
    assert_eq!(alone.code(), "wrong_state");
}

/// A courier's errand at a door of which the sensor says that it stands open is an errand all the same: what is said after it
/// counts.
pub(crate) async fn a_courier_fetches_from_a_door_that_is_said_to_stand_open(world: World) {
    let mut plain = world.cabinet(false).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    let salad = deliver_plain(&world, &mut plain, &cart, &ada, "Salad").await;
    later(&world, 4 * 86_400, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    assert_eq!(ada.named("Salad").await["state"], "expired");
    let door = Locker::door("C2");
    plain.claims_open(door);
    let (grant, news) = errand(&cart, &plain, &salad).await;
    let receipts = plain.visit(&cart, &grant, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&cart, receipts).await;
    let said = json!({ "inside": false, "opening": plain.openings().last() });
    let inside = format!("/v1/courier/parcels/{}/inside", salad["id"].as_str().unwrap());
    assert_eq!(cart.post(&inside, said).await.ok()["state"], "returned");
    let free = report(&world, &plain, door).await;
    assert!(free["settling"] == false && free.get("reservation").is_none(), "{free}");
}

/// A sensor that says of a shut door that it stands open proves no opening: the parcel is still to be collected, and what is only
/// said frees no door.
pub(crate) async fn a_sensor_that_says_open_proves_nothing(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let (mut ada, mut ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let mut cart = courier(&world).await;
    let salad = deliver_plain(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, news) = fetch(&ada, &salad).await;
    cabinet.claims_open(door(&mine));
    let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
    hand_in(&ada, receipts).await;
    let shown = ada.named("Salad").await;
    assert_eq!(shown["state"], "ready", "{shown}");
    let opened = shown["timeline"].as_array().unwrap().iter().rfind(|one| one["event"] == "opened").unwrap();
    assert_ne!(opened["proven"], true, "{opened}");
    later(&world, 3600, &mut [&mut ada, &mut ben, &mut cart]).await;
    fetch(&ada, &salad).await;
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    assert_eq!(ada.named("Salad").await["unproven"], true);
    assert_eq!(report(&world, &cabinet, door(&mine)).await["settling"], true);
    let lamp = announce(&world, &ben, "Lamp").await;
    let asked = json!({ "parcel": lamp["id"], "locker": cabinet.id });
    assert_eq!(cart.post("/v1/courier/tokens", asked).await.code(), "no_compartment");
}

/// A courier's opening takes nothing out by itself: where nothing is measured, the courier is asked, or the carrier answers for
/// it, and what they say is shown as said.
pub(crate) async fn a_couriers_opening_takes_nothing_out(world: World) {
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
    later(&world, 4 * 86_400, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();

    let of = |parcel: &Value| format!("/v1/carrier/parcels/{}", parcel["id"].as_str().unwrap());
    for (parcel, at, before, after) in
        [(&salad, c2, "expired", "returned"), (&jacket, door(&mine), "deposited", "deposited")]
    {
        let inside = format!("/v1/courier/parcels/{}/inside", parcel["id"].as_str().unwrap());
        for out in [false, true] {
            let (grant, news) = errand(&cart, &cabinet, parcel).await;
            let hand = if out { Hand::Takes } else { Hand::Nothing };
            let receipts = cabinet.visit(&cart, &grant, Operation::Collect, &news, hand).receipts();
            hand_in(&cart, receipts).await;
            assert_eq!(world.heron.get(&of(parcel)).await.ok()["state"], before, "nobody has said");
            let asked = ada.get(&path(parcel, "")).await.ok()["actions"].clone();
            assert!(
                !asked.as_array().unwrap().contains(&json!("confirm_placed")),
                "the customer was not there"
            );
            assert_eq!(report(&world, &cabinet, at).await["reservation"], parcel["id"]);
            let said = json!({ "inside": !out, "opening": cabinet.openings().last() });
            let answer = cart.post(&inside, said).await.ok();
            assert_eq!(answer["state"], if out { after } else { before });
        }
        let free = report(&world, &cabinet, at).await;
        assert!(free["settling"] == false && free.get("reservation").is_none(), "{free}");
    }
    let hers = json!({ "inside": true, "opening": opening });
    assert_eq!(ada.post(&path(&jacket, "/inside"), hers).await.code(), "wrong_state", "it was opened since");
    let back = ada.named("Salad").await;
    assert_eq!(back["unproven"], true);
    let last = back["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!((last["event"].as_str(), last["proven"].as_bool()), (Some("returned"), Some(false)));
    let said = json!({ "inside": true, "opening": cabinet.openings().last() });
    let late = format!("/v1/courier/parcels/{}/inside", salad["id"].as_str().unwrap());
    assert_eq!(cart.post(&late, said).await.code(), "wrong_state");
    let again = json!({ "inside": false, "opening": cabinet.openings().last() });
    assert_eq!(cart.post(&late, again).await.ok()["state"], "returned");

    // Where nobody answers, the operator hears of it, and the carrier may say so later: no door is kept for good.
    let lamp = deliver_plain(&world, &mut cabinet, &cart, &ada, "Lamp").await;
    later(&world, 4 * 86_400, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let (grant, news) = errand(&cart, &cabinet, &lamp).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&cart, receipts).await;
    later(&world, 2 * 3600, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::reconcile(&world.hub).await.unwrap();
    assert!(alarms(&world).await.contains(&"unconfirmed".to_owned()));
    let said = world.heron.post(&format!("{}/returned", of(&lamp)), json!({})).await.ok();
    assert_eq!((said["state"].as_str(), said["unproven"].as_bool()), (Some("returned"), Some(true)));
    let free = report(&world, &cabinet, c2).await;
    assert!(free["settling"] == false && free.get("reservation").is_none(), "{free}");
}

/// A door that is free is given to nobody once the locker has measured that something lies in it.
pub(crate) async fn a_free_door_that_was_measured_full_is_held(world: World) {
    yard(&world).await;
    let mut cabinet = world.cabinet_at("yard", true).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let parcel = json!({ "reference": "HX 7", "recipient": ada.number().await, "title": "Salad", "site": "yard", "size": "s",
                         "chilled": true });
    let parcel = world.heron.post("/v1/carrier/parcels", parcel).await.ok();
    let (grant, news) = errand(&cart, &cabinet, &parcel).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, receipts).await;
    let (mine, news) = fetch(&ada, &parcel).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ada, receipts).await;
    ada.post(&path(&parcel, "/taken"), json!({ "taken": true })).await.ok();
    let c2 = Locker::door("C2");
    assert!(report(&world, &cabinet, c2).await.get("reservation").is_none());
    // Within the minutes of her own opening she puts the wrapping back in.
    let late = cabinet.visit(&ada, &mine, Operation::Reopen, &json!([]), Hand::Puts).receipts();
    hand_in(&ada, late).await;
    assert!(alarms(&world).await.contains(&"left_inside".to_owned()));
    let held = report(&world, &cabinet, c2).await;
    assert_eq!(held["out_of_order"], true, "{held}");
    let again = json!({ "reference": "HX 8", "recipient": ada.number().await, "title": "Tea", "site": "yard", "size": "s",
                        "chilled": true });
    let again = world.heron.post("/v1/carrier/parcels", again).await.ok();
    let asked = json!({ "parcel": again["id"], "locker": cabinet.id });
    assert_eq!(cart.post("/v1/courier/tokens", asked.clone()).await.code(), "no_compartment");
    // Somebody has looked.
    let clear = format!("/v1/operator/lockers/{}/doors/{c2}/clear", cabinet.id);
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    cart.post("/v1/courier/tokens", asked).await.ok();
}

/// A door whose courier has opened it, and whose closing has not come in, stays kept though its customer is gone.
pub(crate) async fn a_forgotten_reservation_keeps_its_door(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    let c2 = Locker::door("C2");
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    for (title, action) in [("Winter jacket", "/cancel"), ("Flat 12 box", "/release")] {
        ada.post(&path(&ada.named(title).await, action), json!({})).await.ok();
    }
    later(&world, 4 * 86_400, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let mut receipts = cabinet.visit(&cart, &grant, Operation::Collect, &news, Hand::Nothing).receipts();
    let closing = receipts.split_off(1);
    hand_in(&cart, receipts).await;
    assert_eq!(ada.send(Method::DELETE, "/v1/me", json!({})).await.status, 204);
    postern_hub::domain::sweep::retention(&world.hub).await.unwrap();
    let ben = world.customer("Ben").await;
    let tea = announce(&world, &ben, "Tea").await;
    let asked = json!({ "parcel": tea["id"], "locker": cabinet.id });
    assert_eq!(cart.post("/v1/courier/tokens", asked.clone()).await.code(), "no_compartment");
    // It lies there still, says the closing; the next errand takes it out.
    hand_in(&cart, closing).await;
    assert!(alarms(&world).await.contains(&"left_inside".to_owned()));
    assert_eq!(cart.post("/v1/courier/tokens", asked.clone()).await.code(), "no_compartment");
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&cart, receipts).await;
    let free = report(&world, &cabinet, c2).await;
    assert!(free["settling"] == false && free.get("reservation").is_none(), "{free}");
    cart.post("/v1/courier/tokens", asked).await.ok();
}

/// Whoever delivered a parcel does not open its compartment again behind the customer's back.
pub(crate) async fn a_courier_at_a_ready_parcel_is_noted(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    let salad = announce(&world, &ada, "Salad").await;
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, receipts).await;
    let inside = format!("/v1/courier/parcels/{}/inside", salad["id"].as_str().unwrap());
    let said = |inside: bool, cabinet: &crate::cabinet::Cabinet| json!({ "inside": inside, "opening": cabinet.openings().last() });
    cart.post(&inside, said(true, &cabinet)).await.ok();
    let ready = ada.named("Salad").await;
    assert_eq!(ready["state"], "ready");
    let receipts = cabinet.visit(&cart, &grant, Operation::Reopen, &json!([]), Hand::Takes).receipts();
    hand_in(&cart, receipts).await;
    let opened = ada.named("Salad").await;
    let last = opened["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (last["event"].as_str(), last["by"].as_str()),
        (Some("opened"), Some("Heron Express")),
        "{opened}"
    );
    // Nobody says what became of it.
    later(&world, 2 * 3600, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::reconcile(&world.hub).await.unwrap();
    assert!(alarms(&world).await.contains(&"unconfirmed".to_owned()));
    let answer = cart.post(&inside, said(false, &cabinet)).await.ok();
    assert_eq!(answer["state"], "in_transit");
    assert!(alarms(&world).await.contains(&"taken_back_out".to_owned()));
}

/// Receipts that are lost for good hold no door up for good: who had access before has their door looked at, and what begins
/// later settles as ever.
pub(crate) async fn a_gap_that_is_lost_is_passed(world: World) {
    let mut locker = world.locker().await;
    let (mut ada, mut ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let at = format!("/v1/operator/lockers/{}", locker.id);
    let state = async |of: &Value| {
        let seen = world.operator.get(&at).await.ok();
        seen["doors"][usize::from(door(of)) - 1].clone()
    };
    let flat = ada.named("Flat 12 box").await;
    let (hers, _) = fetch(&ada, &flat).await;
    let visit = |locker: &mut Locker, grant: &Value| {
        let now = world.clock.now();
        let opened = locker.receipt(grant, Operation::Access, Outcome::Opened, now);
        vec![opened, locker.closed(Outcome::ClosedAbsent, now)]
    };
    hand_in(&ada, visit(&mut locker, &hers)).await;
    // A phone that never comes back.
    visit(&mut locker, &hers);
    ada.post(&path(&flat, "/release"), json!({})).await.ok();
    let bens = ben.named("Flat 12 box").await;
    let (his, news) = fetch(&ben, &bens).await;
    locker.hear(&json!({ "bulletins": news }));
    let told = ben.post("/v1/bulletins", json!({ "lockers": [locker.id] })).await.ok();
    locker.hear(&told);
    hand_in(&ben, visit(&mut locker, &his)).await;
    let gap = json!({ "first": 2, "last": 3 });
    assert_eq!(world.operator.get(&at).await.ok()["gaps"], json!([gap]));
    assert_eq!(state(&hers).await["settling"], true);

    let lost = format!("{at}/lost");
    assert_eq!(
        world.operator.post(&lost, gap.clone()).await.code(),
        "wrong_state",
        "a courier may bring them"
    );
    later(&world, 8 * 86_400, &mut [&mut ada, &mut ben]).await;
    for wrong in
        [json!({ "first": 2, "last": 2 }), json!({ "first": 3, "last": 3 }), json!({ "first": 0, "last": 3 })]
    {
        assert_eq!(world.operator.post(&lost, wrong).await.code(), "wrong_state");
    }
    let nowhere = world.operator.post("/v1/operator/lockers/0000000000000000/lost", gap.clone()).await;
    assert_eq!(nowhere.code(), "not_found");
    assert_eq!(world.operator.post(&lost, gap).await.status, 204);
    assert_eq!(world.operator.get(&at).await.ok()["gaps"], json!([]));
    postern_hub::domain::sweep::reconcile(&world.hub).await.unwrap();
    assert_eq!(state(&hers).await["settling"], true, "somebody may have put something in");
    assert!(alarms(&world).await.contains(&"unproven".to_owned()));
    assert_eq!(
        world.operator.post(&format!("{at}/doors/{}/clear", door(&hers)), json!({})).await.status,
        204
    );
    assert_eq!(state(&hers).await["settling"], false);

    // What begins from here on.
    let wish = json!({ "code": "R-1", "site": "lindenhof", "size": "s" });
    let booked = ben.post("/v1/returns", wish).await.ok();
    let (new, _) = fetch(&ben, &booked).await;
    ben.post(&path(&booked, "/cancel"), json!({})).await.ok();
    assert_eq!(state(&new).await["settling"], true);
    let (his, news) = fetch(&ben, &bens).await;
    locker.hear(&json!({ "bulletins": news }));
    hand_in(&ben, visit(&mut locker, &his)).await;
    assert_eq!(state(&new).await["settling"], false);
}
