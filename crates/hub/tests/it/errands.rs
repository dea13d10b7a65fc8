//! A courier's errand and a customer's access at the same door, in whichever order the hub hears of them: the real hub over HTTP,
//! the real firmware at the door. On both databases by `conformance`; SECURITY.md names these tests.

use postern_protocol::Operation;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    cabinet::{Cabinet, Hand, door},
    client::Device,
    doors::deliver_plain,
    promises::{alarms, announce, courier, deliver, errand, fetch, hand_in, later, path, report},
    world::{Locker, World},
};

const DAY: i64 = 86_400;

/// Ada's jacket, dropped off by her word at a locker that measures nothing; and her access to its door.
async fn dropped_off(cabinet: &mut Cabinet, ada: &Device) -> (Value, Value) {
    let jacket = ada.named("Winter jacket").await;
    let (mine, news) = fetch(ada, &jacket).await;
    let receipts = cabinet.visit(ada, &mine, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(ada, receipts).await;
    assert_eq!(says_inside(ada, &jacket).await["state"], "deposited");
    (jacket, mine)
}

/// The same, which she opened once more after a courier was given a token for it, at a locker that had heard of no courier yet; and
/// that token.
async fn opened_once_more(cabinet: &mut Cabinet, ada: &Device, cart: &Device) -> (Value, Value, Value) {
    let (jacket, mine) = dropped_off(cabinet, ada).await;
    let (grant, _) = errand(cart, cabinet, &jacket).await;
    let again = cabinet.visit(ada, &mine, Operation::Reopen, &json!([]), Hand::Nothing).receipts();
    hand_in(ada, again).await;
    assert_eq!(ada.named("Winter jacket").await["state"], "booked", "nobody has said since");
    (jacket, mine, grant)
}

/// Ada says of what she has opened last that it lies inside.
async fn says_inside(ada: &Device, reservation: &Value) -> Value {
    let opening = ada.get(&path(reservation, "")).await.ok()["opening"].clone();
    ada.post(&path(reservation, "/inside"), json!({ "inside": true, "opening": opening })).await.ok()
}

/// What the courier says of the last opening.
async fn courier_says(cart: &Device, cabinet: &Cabinet, parcel: &Value, inside: bool) -> Value {
    let said = json!({ "inside": inside, "opening": cabinet.openings().last() });
    cart.post(&format!("/v1/courier/parcels/{}/inside", parcel["id"].as_str().unwrap()), said).await.ok()
}

async fn carrier(world: &World, parcel: &Value, word: &str) -> Value {
    world
        .heron
        .post(&format!("/v1/carrier/parcels/{}/{word}", parcel["id"].as_str().unwrap()), json!({}))
        .await
        .ok()
}

/// Whoever has the door, the access of the other ends: what a customer opens is never taken for what a courier fetched.
pub(crate) async fn a_customers_opening_is_no_couriers(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let (jacket, _, grant) = opened_once_more(&mut cabinet, &ada, &cart).await;
    let (mine, news) = fetch(&ada, &jacket).await;
    assert!(mine["occupancy"].as_u64() > grant["occupancy"].as_u64(), "{mine} {grant}");
    says_inside(&ada, &jacket).await;
    let opened = cabinet.visit(&ada, &mine, Operation::Deposit, &news, Hand::Nothing).receipts();
    cabinet.visit(&cart, &grant, Operation::Collect, &json!([]), Hand::Takes).refused();
    hand_in(&ada, opened[..1].to_vec()).await;
    // Its carrier says that it has it; no courier was there.
    assert_eq!(carrier(&world, &jacket, "accept").await["state"], "accepted");
    assert_eq!(report(&world, &cabinet, door(&mine)).await["settling"], true);
}

/// A courier takes what its customer has opened once more meanwhile: by the courier's word the carrier has it, the door settles, and
/// nobody is sent there again.
pub(crate) async fn what_a_courier_has_taken_is_no_errand_any_more(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let (jacket, mine, grant) = opened_once_more(&mut cabinet, &ada, &cart).await;
    let mut taken = cabinet.visit(&cart, &grant, Operation::Collect, &json!([]), Hand::Takes).receipts();
    let closing = taken.split_off(1);
    hand_in(&cart, taken).await;
    assert_eq!(courier_says(&cart, &cabinet, &jacket, false).await["state"], "deposited");
    hand_in(&cart, closing).await;
    let tasks = cart.get("/v1/courier/tasks").await.ok()["tasks"].clone();
    assert!(tasks.as_array().unwrap().iter().all(|task| task["parcel"]["id"] != jacket["id"]), "{tasks}");
    assert_eq!(report(&world, &cabinet, door(&mine)).await["settling"], true, "she had access as well");
    let shown = ada.named("Winter jacket").await;
    let left = shown["timeline"].as_array().unwrap().iter().filter(|entry| entry["event"] == "in_transit");
    assert_eq!(left.count(), 1, "{shown}");
    assert_eq!(carrier(&world, &jacket, "accept").await["state"], "accepted");
    assert_eq!(report(&world, &cabinet, door(&mine)).await["settling"], true);
}

/// A courier who finds such a return and leaves it where it is says so, and it is dropped off as before.
pub(crate) async fn what_a_courier_leaves_there_is_dropped_off(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let (jacket, mine, grant) = opened_once_more(&mut cabinet, &ada, &cart).await;
    let left = cabinet.visit(&cart, &grant, Operation::Collect, &json!([]), Hand::Nothing).receipts();
    hand_in(&cart, left).await;
    assert_eq!(courier_says(&cart, &cabinet, &jacket, true).await["state"], "deposited");
    let (grant, news) = errand(&cart, &cabinet, &jacket).await;
    let taken = cabinet.visit(&cart, &grant, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&cart, taken).await;
    assert_eq!(courier_says(&cart, &cabinet, &jacket, false).await["state"], "deposited");
    assert!(report(&world, &cabinet, door(&mine)).await.get("reservation").is_none());
}

/// A return that was dropped off and then opened once more is not called off because its time is over: it may lie there. Nor does
/// its customer's calling it off keep a courier from saying that it was taken.
pub(crate) async fn no_clock_calls_off_what_may_lie_there(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    let (jacket, mine) = dropped_off(&mut cabinet, &ada).await;
    later(&world, 4 * DAY, &mut [&mut ada, &mut cart]).await;
    assert!(cabinet.type_pin(&mine["pin"], Hand::Nothing).is_some());
    hand_in(&cart, cabinet.uplink().split_off(2)).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let shown = ada.named("Winter jacket").await;
    assert_eq!(shown["state"], "booked");
    assert!(shown["actions"].as_array().unwrap().contains(&json!("confirm_placed")), "{shown}");
    assert_eq!(says_inside(&ada, &jacket).await["state"], "deposited");

    let (grant, _) = errand(&cart, &cabinet, &jacket).await;
    assert!(cabinet.type_pin(&mine["pin"], Hand::Nothing).is_some());
    hand_in(&cart, cabinet.uplink().split_off(4)).await;
    assert_eq!(ada.post(&path(&jacket, "/cancel"), json!({})).await.ok()["state"], "cancelled");
    let taken = cabinet.visit(&cart, &grant, Operation::Collect, &json!([]), Hand::Takes).receipts();
    hand_in(&cart, taken).await;
    assert_eq!(courier_says(&cart, &cabinet, &jacket, false).await["state"], "deposited");
    assert_eq!(carrier(&world, &jacket, "accept").await["state"], "accepted");
}

/// A courier takes a parcel out and puts it back while the door's sensor sticks, and only says that it was taken out: the door is
/// nobody's until somebody has looked.
pub(crate) async fn a_jam_outlives_the_word_before_it(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    let salad = deliver_plain(&world, &mut cabinet, &cart, &ada, "Salad").await;
    later(&world, 4 * DAY, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let mut receipts = cabinet.visit(&cart, &grant, Operation::Collect, &news, Hand::Takes).receipts();
    let said = json!({ "inside": false, "opening": cabinet.openings().last() });
    let c2 = Locker::door("C2");
    cabinet.sensor_sticks(c2, true);
    receipts.extend(cabinet.visit(&cart, &grant, Operation::Reopen, &json!([]), Hand::Puts).receipts());
    cabinet.sensor_sticks(c2, false);
    hand_in(&cart, receipts).await;
    let inside = format!("/v1/courier/parcels/{}/inside", salad["id"].as_str().unwrap());
    assert_eq!(cart.post(&inside, said).await.ok()["state"], "returned");
    assert_eq!(report(&world, &cabinet, c2).await["settling"], true);
}

/// What either side did before the other's last opening says nothing of what lies there now, however late it is told.
pub(crate) async fn older_receipts_say_nothing_of_what_lies_there(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    // The carrier is faster than its courier's receipts.
    let salad = announce(&world, &ada, "Salad").await;
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let late = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    let deposit = json!({ "locker": cabinet.id, "door": door(&grant) });
    let reported = format!("/v1/carrier/parcels/{}/deposit", salad["id"].as_str().unwrap());
    world.heron.post(&reported, deposit).await.ok();
    let (mine, news) = fetch(&ada, &salad).await;
    let taken = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ada, taken).await;
    hand_in(&cart, late).await;
    let shown = ada.named("Salad").await;
    assert_eq!(shown["state"], "opened");
    assert!(!shown["actions"].as_array().unwrap().contains(&json!("extend")), "{shown}");
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    let collected = ada.named("Salad").await;
    assert_eq!((collected["state"].as_str(), collected["unproven"].as_bool()), (Some("collected"), None));
    assert!(!alarms(&world).await.contains(&"left_inside".to_owned()));

    // There was more time for it, and both were at the door.
    let soup = deliver(&world, &mut cabinet, &cart, &ada, "Soup").await;
    let (mine, _) = fetch(&ada, &soup).await;
    later(&world, 4 * DAY, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let (grant, _) = errand(&cart, &cabinet, &soup).await;
    let until = json!({ "until": world.clock.now() + DAY });
    assert_eq!(ada.post(&path(&soup, "/extend"), until).await.ok()["state"], "ready");
    let before = cabinet.uplink().len();
    assert!(cabinet.type_pin(&mine["pin"], Hand::Nothing).is_some());
    cabinet.visit(&cart, &grant, Operation::Collect, &json!([]), Hand::Takes).receipts();
    let [opened, left, fetched @ ..] = &cabinet.uplink()[before..] else { panic!("four receipts") };
    hand_in(&cart, vec![opened.clone()]).await;
    hand_in(&cart, fetched.to_vec()).await;
    hand_in(&cart, vec![left.clone()]).await;
    assert_eq!(ada.named("Soup").await["state"], "opened", "nothing is there to be collected");
    assert!(alarms(&world).await.contains(&"taken_after_extend".to_owned()));
}

/// Ada's parcel whose time is over; her access to it from before.
async fn expired(
    world: &World,
    cabinet: &mut Cabinet,
    ada: &mut Device,
    cart: &mut Device,
) -> (Value, Value) {
    let salad = deliver(world, cabinet, cart, ada, "Salad").await;
    let (mine, _) = fetch(ada, &salad).await;
    later(world, 4 * DAY, &mut [ada, cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    assert_eq!(ada.named("Salad").await["state"], "expired");
    (salad, mine)
}

/// Its customer took a parcel by PIN after its time, and the courier who came for it found nothing: it was collected, whichever
/// the hub heard of first.
pub(crate) async fn what_a_customer_took_was_not_fetched(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (mut ada, mut cart) = (world.customer("Ada").await, courier(&world).await);
    let (salad, mine) = expired(&world, &mut cabinet, &mut ada, &mut cart).await;
    let before = cabinet.uplink().len();
    assert!(cabinet.type_pin(&mine["pin"], Hand::Takes).is_some());
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let found = cabinet.visit(&cart, &grant, Operation::Collect, &news, Hand::Nothing).receipts();
    hand_in(&cart, found).await;
    assert_eq!(ada.named("Salad").await["state"], "returned", "as far as the hub can know");
    hand_in(&cart, cabinet.uplink()[before..before + 2].to_vec()).await;
    let shown = ada.named("Salad").await;
    assert_eq!((shown["state"].as_str(), shown["unproven"].as_bool()), (Some("collected"), None), "{shown}");
    assert!(alarms(&world).await.contains(&"taken_after_extend".to_owned()));
}

/// A courier took a parcel out before its customer, who had been given more time, came and found nothing: its carrier has it.
pub(crate) async fn what_a_courier_took_was_not_collected(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (mut ada, mut cart) = (world.customer("Ada").await, courier(&world).await);
    let (salad, _) = expired(&world, &mut cabinet, &mut ada, &mut cart).await;
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let late = cabinet.visit(&cart, &grant, Operation::Collect, &news, Hand::Takes).receipts();
    let until = json!({ "until": world.clock.now() + DAY });
    assert_eq!(ada.post(&path(&salad, "/extend"), until).await.ok()["state"], "ready");
    let (mine, news) = fetch(&ada, &salad).await;
    let looked = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
    hand_in(&ada, looked).await;
    ada.post(&path(&salad, "/taken"), json!({ "taken": false })).await.ok();
    assert_eq!(ada.named("Salad").await["state"], "opened");
    hand_in(&cart, late).await;
    let shown = ada.named("Salad").await;
    assert_eq!((shown["state"].as_str(), shown["unproven"].as_bool()), (Some("returned"), None), "{shown}");
    assert!(alarms(&world).await.contains(&"taken_after_extend".to_owned()));
}

/// What its customer opened, left inside and said nothing of is fetched like any other when its time is over.
pub(crate) async fn what_was_left_inside_is_fetched_when_its_time_is_over(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let (mut ada, mut cart) = (world.customer("Ada").await, courier(&world).await);
    for (what, by_carrier) in [("Salad", false), ("Lamp", true)] {
        let parcel = deliver_plain(&world, &mut cabinet, &cart, &ada, what).await;
        let (mine, news) = fetch(&ada, &parcel).await;
        let left = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
        hand_in(&ada, left).await;
        let asked = json!({ "parcel": parcel["id"], "locker": cabinet.id });
        assert_eq!(
            cart.post("/v1/courier/tokens", asked).await.code(),
            "wrong_state",
            "it is hers until then"
        );
        later(&world, 4 * DAY, &mut [&mut ada, &mut cart]).await;
        if by_carrier {
            assert_eq!(carrier(&world, &parcel, "returned").await["state"], "returned");
            continue;
        }
        let (grant, news) = errand(&cart, &cabinet, &parcel).await;
        let taken = cabinet.visit(&cart, &grant, Operation::Collect, &news, Hand::Takes).receipts();
        hand_in(&cart, taken).await;
        assert_eq!(courier_says(&cart, &cabinet, &parcel, false).await["state"], "returned");
    }
}

/// A courier who could not say whether the parcel lies inside opens the door once more, sees, and says so.
pub(crate) async fn a_courier_who_was_interrupted_opens_once_more(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let salad = announce(&world, &ada, "Salad").await;
    for said in [false, true] {
        let (grant, news) = errand(&cart, &cabinet, &salad).await;
        let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
        hand_in(&cart, receipts).await;
        if said {
            assert_eq!(courier_says(&cart, &cabinet, &salad, true).await["state"], "ready");
        }
    }
    let (mine, news) = fetch(&ada, &salad).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ada, receipts).await;
}

/// A courier whose door jams is given another; that one is nobody's until somebody has looked.
pub(crate) async fn nobody_is_sent_twice_to_a_door_that_jams(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let parcel = json!({ "reference": "HX 9", "recipient": ada.number().await, "title": "Salad", "site": "lindenhof",
                         "size": "s" });
    let salad = world.heron.post("/v1/carrier/parcels", parcel).await.ok();
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    cabinet.sensor_sticks(door(&grant), true);
    let jam = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Nothing).receipts();
    hand_in(&cart, jam).await;
    let (other, news) = errand(&cart, &cabinet, &salad).await;
    assert_ne!(door(&other), door(&grant));
    assert_eq!(report(&world, &cabinet, door(&grant)).await["settling"], true);
    let receipts = cabinet.visit(&cart, &other, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, receipts).await;
    assert_eq!(ada.named("Salad").await["state"], "ready");
    assert_eq!(report(&world, &cabinet, door(&grant)).await["settling"], true, "something may lie there");
}

async fn lend_drill(world: &World, cabinet: &Cabinet, at: u16) -> StatusCode {
    let drill = json!({ "id": "drill", "title": "Drill", "site": "lindenhof", "locker": cabinet.id, "door": at,
                        "loan_hours": 24 });
    world.operator.send(Method::PUT, "/v1/operator/assets/drill", drill).await.status
}

/// A lent thing that was taken by PIN and is said never to have been touched is missed as soon as the chain shows it, and not lent
/// again.
pub(crate) async fn a_loan_that_was_taken_is_missed(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    assert_eq!(lend_drill(&world, &cabinet, 16).await, 204);
    let lent = ada.post("/v1/assets/drill/borrow", json!({})).await.ok();
    let (mine, _) = fetch(&ada, &lent).await;
    assert!(cabinet.type_pin(&mine["pin"], Hand::Takes).is_some());
    assert_eq!(ada.post(&path(&lent, "/release"), json!({})).await.ok()["state"], "released");
    assert_eq!(report(&world, &cabinet, 16).await["settling"], true, "nobody has heard of that locker since");
    // Ben brings the news, and all that its locker has signed comes in.
    let books = ben.named("Two paperbacks").await;
    let (bens, news) = fetch(&ben, &books).await;
    cabinet.visit(&ben, &bens, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ben, cabinet.uplink()).await;
    assert_eq!(report(&world, &cabinet, 16).await["settling"], true);
    assert!(alarms(&world).await.contains(&"unproven".to_owned()));
    assert_eq!(ben.post("/v1/assets/drill/borrow", json!({})).await.code(), "no_compartment");
}

/// A lent thing comes back to the compartment that it was taken from.
pub(crate) async fn a_lent_thing_is_not_moved(world: World) {
    let cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    assert_eq!(lend_drill(&world, &cabinet, 16).await, 204);
    assert_eq!(lend_drill(&world, &cabinet, 15).await, 204, "nobody has it");
    let lent = ada.post("/v1/assets/drill/borrow", json!({})).await.ok();
    assert_eq!(lend_drill(&world, &cabinet, 16).await, 409);
    assert_eq!(lend_drill(&world, &cabinet, 15).await, 204, "its other settings may change");
    ada.post(&path(&lent, "/release"), json!({})).await.ok();
    assert_eq!(lend_drill(&world, &cabinet, 16).await, 204);
}

/// Whose door is said to stand open for ever gives the compartment back by saying at the door that it is empty; somebody looks
/// before it is anybody else's.
pub(crate) async fn what_is_kept_behind_a_sensor_that_sticks_is_given_back(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let flat = ada.named("Flat 12 box").await;
    let (mine, news) = fetch(&ada, &flat).await;
    let opened = cabinet.visit(&ada, &mine, Operation::Access, &news, Hand::Takes).receipts();
    // No receipt of the closing ever comes.
    hand_in(&ada, opened[..1].to_vec()).await;
    let release = path(&flat, "/release");
    assert_eq!(ada.post(&release, json!({})).await.code(), "wrong_state");
    let said = json!({ "empty": true, "opening": ada.named("Flat 12 box").await["opening"] });
    let back = ada.post(&release, said).await.ok();
    assert_eq!((back["state"].as_str(), back["unproven"].as_bool()), (Some("released"), Some(true)));
    assert_eq!(report(&world, &cabinet, door(&mine)).await["settling"], true);
    let books = ben.named("Two paperbacks").await;
    let (bens, news) = fetch(&ben, &books).await;
    let told = cabinet.visit(&ben, &bens, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ben, opened[1..].to_vec()).await;
    hand_in(&ben, told).await;
    assert_eq!(report(&world, &cabinet, door(&mine)).await["settling"], false, "its closing came after all");
}

/// While a courier's own token may still open it, what lies there is not the customer's.
pub(crate) async fn a_second_token_for_a_deposit_opens_no_customers_door(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let (cart, other) = (courier(&world).await, courier(&world).await);
    let salad = announce(&world, &ada, "Salad").await;
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, receipts).await;
    // A colleague is given nothing that opens what may lie there.
    let (colleagues, _) = errand(&other, &cabinet, &salad).await;
    assert_eq!(colleagues["occupancy"], grant["occupancy"]);
    cabinet.visit(&other, &colleagues, Operation::Deposit, &json!([]), Hand::Nothing).refused();
    // Nor the same courier, once it is said to lie there.
    let (again, _) = errand(&cart, &cabinet, &salad).await;
    let inside = format!("/v1/courier/parcels/{}/inside", salad["id"].as_str().unwrap());
    let said = json!({ "inside": true, "opening": cabinet.openings().last() });
    assert_eq!(cart.post(&inside, said).await.code(), "wrong_state", "it is to be opened again");
    let receipts = cabinet.visit(&cart, &again, Operation::Deposit, &json!([]), Hand::Nothing).receipts();
    hand_in(&cart, receipts).await;
    assert_eq!(courier_says(&cart, &cabinet, &salad, true).await["state"], "ready");
    cabinet.visit(&cart, &again, Operation::Deposit, &json!([]), Hand::Takes).refused();
}

/// A return that its customer opened and never spoke of is not theirs to open for ever.
pub(crate) async fn a_door_is_nobodys_storage_for_want_of_an_answer(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    let jacket = ada.named("Winter jacket").await;
    let (mine, news) = fetch(&ada, &jacket).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&ada, receipts).await;
    later(&world, 4 * DAY, &mut [&mut ada, &mut cart]).await;
    for _ in 0..2 {
        postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    }
    assert_eq!(ada.named("Winter jacket").await["state"], "booked", "it may lie there");
    // Whoever comes by brings the news.
    let salad = announce(&world, &ada, "Salad").await;
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    assert!(cabinet.type_pin(&mine["pin"], Hand::Takes).is_none());
    assert_eq!(says_inside(&ada, &jacket).await["state"], "deposited");
}

/// Where nothing is measured, a door that was opened with access from before somebody had looked is nobody's until somebody looks
/// again; and no locker leaves the network while something may lie in it.
pub(crate) async fn a_door_that_was_opened_after_all_is_looked_at_again(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let flat = ada.named("Flat 12 box").await;
    let (mine, _) = fetch(&ada, &flat).await;
    let at = door(&mine);
    let wrong = ada.post(&path(&flat, "/release"), json!({ "empty": false, "opening": 0 })).await;
    assert_eq!(wrong.code(), "something_inside");
    let clear = format!("/v1/operator/lockers/{}/doors/{at}/clear", cabinet.id);
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    // The locker has not heard of it.
    assert!(cabinet.type_pin(&mine["pin"], Hand::Puts).is_some());
    hand_in(&ada, cabinet.uplink()).await;
    assert_eq!(report(&world, &cabinet, at).await["out_of_order"], true);
    assert!(alarms(&world).await.contains(&"opened_after_back".to_owned()));
    let leaves = format!("/v1/operator/lockers/{}", cabinet.id);
    assert_eq!(world.operator.send(Method::DELETE, &leaves, json!({})).await.code(), "wrong_state");
}

/// A courier whose phone died as the door opened is given another token: the locker may have taken the one before.
pub(crate) async fn a_courier_whose_phone_died_opens_once_more(world: World) {
    for sensors in [true, false] {
        let mut cabinet = world.cabinet(sensors).await;
        let ada = world.customer("Ada").await;
        let cart = courier(&world).await;
        let title = if sensors { "Salad" } else { "Soup" };
        let salad = announce(&world, &ada, title).await;
        let (grant, news) = errand(&cart, &cabinet, &salad).await;
        // Nobody has the receipts of this.
        cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
        let (again, news) = errand(&cart, &cabinet, &salad).await;
        assert_eq!(door(&again), door(&grant));
        let receipts = cabinet.visit(&cart, &again, Operation::Deposit, &news, Hand::Nothing).receipts();
        hand_in(&cart, receipts).await;
        if !sensors {
            assert_eq!(courier_says(&cart, &cabinet, &salad, true).await["state"], "ready");
        }
        let lies = ada.named(title).await;
        assert_eq!(lies["state"], "ready");
        let (mine, news) = fetch(&ada, &lies).await;
        cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    }
}

/// What a courier says at a door is of their own opening of it, and of no colleague's at another locker whose chain has one at the
/// same place.
pub(crate) async fn an_answer_is_of_the_courier_who_was_there(world: World) {
    let (mut here, mut there) = (world.cabinet(false).await, world.cabinet(false).await);
    let ada = world.customer("Ada").await;
    let (cart, other) = (courier(&world).await, courier(&world).await);
    let salad = announce(&world, &ada, "Salad").await;
    let (grant, news) = errand(&cart, &here, &salad).await;
    let opened = here.visit(&cart, &grant, Operation::Deposit, &news, Hand::Nothing).receipts();
    let (grant, news) = errand(&other, &there, &salad).await;
    let put_in = there.visit(&other, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    assert_eq!(here.openings(), there.openings(), "each counts by itself");
    hand_in(&other, put_in).await;
    assert_eq!(courier_says(&other, &there, &salad, true).await["state"], "ready");
    hand_in(&cart, opened).await;
    let inside = format!("/v1/courier/parcels/{}/inside", salad["id"].as_str().unwrap());
    for locker in [json!(null), json!(here.id), json!(there.id)] {
        let said = json!({ "inside": false, "opening": here.openings().last(), "locker": locker });
        cart.post(&inside, said).await;
        let lies = ada.named("Salad").await;
        assert_eq!(
            (lies["state"].as_str(), &lies["compartment"]["locker"]),
            (Some("ready"), &json!(there.id))
        );
    }
    let (mine, news) = fetch(&ada, &ada.named("Salad").await).await;
    there.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
}

/// A courier took a return before its customer came back and found nothing: by the courier's word it is on its way, and somebody
/// looks.
pub(crate) async fn what_a_courier_took_before_is_accepted(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let (jacket, mine, grant) = opened_once_more(&mut cabinet, &ada, &cart).await;
    let (later, _) = fetch(&ada, &jacket).await;
    let taken = cabinet.visit(&cart, &grant, Operation::Collect, &json!([]), Hand::Takes).receipts();
    let couriers = cabinet.openings().last().copied();
    let found = cabinet.visit(&ada, &later, Operation::Deposit, &json!([]), Hand::Nothing).receipts();
    hand_in(&ada, found).await;
    let opening = ada.get(&path(&jacket, "")).await.ok()["opening"].clone();
    let gone = json!({ "inside": false, "opening": opening });
    assert_eq!(ada.post(&path(&jacket, "/inside"), gone).await.ok()["state"], "booked");
    hand_in(&cart, taken).await;
    let inside = format!("/v1/courier/parcels/{}/inside", jacket["id"].as_str().unwrap());
    let said = |inside: bool| json!({ "inside": inside, "opening": couriers });
    assert_eq!(cart.post(&inside, said(true)).await.code(), "wrong_state", "she was there since");
    assert_eq!(cart.post(&inside, said(false)).await.ok()["state"], "deposited");
    assert!(alarms(&world).await.contains(&"taken_after_extend".to_owned()));
    assert_eq!(ada.named("Winter jacket").await["unproven"], true);
    assert_eq!(carrier(&world, &jacket, "accept").await["state"], "accepted");
    assert_eq!(
        report(&world, &cabinet, door(&mine)).await.get("reservation"),
        Some(&jacket["id"]),
        "it settles after her"
    );
}

/// Nobody's door in which something was put and taken out again, as its locker measured, is anybody's.
pub(crate) async fn what_was_emptied_again_is_held_no_longer(world: World) {
    let (mut cabinet, mut known) = (world.cabinet(true).await, 0);
    for at_once in [true, false] {
        let ada = world.customer("Ada").await;
        let flat = ada.named("Flat 12 box").await;
        let (mine, _) = fetch(&ada, &flat).await;
        let at = door(&mine);
        let clear = format!("/v1/operator/lockers/{}/doors/{at}/clear", cabinet.id);
        assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
        // The locker has not heard of it.
        assert!(cabinet.type_pin(&mine["pin"], Hand::Puts).is_some());
        if !at_once {
            hand_in(&ada, cabinet.uplink().split_off(known)).await;
            known = cabinet.uplink().len();
            assert_eq!(report(&world, &cabinet, at).await["out_of_order"], true);
        }
        assert!(cabinet.type_pin(&mine["pin"], Hand::Takes).is_some());
        hand_in(&ada, cabinet.uplink().split_off(known)).await;
        known = cabinet.uplink().len();
        assert_eq!(report(&world, &cabinet, at).await["out_of_order"], false);
        assert!(!alarms(&world).await.contains(&"left_inside".to_owned()));
    }
}

/// At a locker that measures, behind a door whose sensor says for ever that it stands open, the answer at the door counts.
pub(crate) async fn an_answer_counts_behind_a_sensor_that_says_open(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let jacket = ada.named("Winter jacket").await;
    let (mine, news) = fetch(&ada, &jacket).await;
    cabinet.claims_open(door(&mine));
    let opened = cabinet.visit(&ada, &mine, Operation::Deposit, &news, Hand::Puts).receipts();
    // No closing ever comes.
    hand_in(&ada, opened[..1].to_vec()).await;
    let shown = ada.named("Winter jacket").await;
    assert!(shown["actions"].as_array().unwrap().contains(&json!("confirm_placed")), "{shown}");
    let dropped = says_inside(&ada, &jacket).await;
    assert_eq!((dropped["state"].as_str(), dropped["unproven"].as_bool()), (Some("deposited"), Some(true)));
    assert!(!dropped["actions"].as_array().unwrap().contains(&json!("confirm_placed")));
    let cart = courier(&world).await;
    let (grant, news) = errand(&cart, &cabinet, &jacket).await;
    cabinet.visit(&cart, &grant, Operation::Collect, &news, Hand::Takes).receipts();
}

/// A door that jams is tried once more where the courier has no other.
pub(crate) async fn a_door_that_jams_is_tried_again_for_want_of_another(world: World) {
    let mut cabinet = world.cabinet(true).await;
    world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    // The only chilled door here; there is another one at the other cabinet.
    let salad = announce(&world, &ada, "Salad").await;
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    cabinet.sensor_sticks(door(&grant), true);
    let jammed = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Nothing).receipts();
    hand_in(&cart, jammed).await;
    cabinet.sensor_sticks(door(&grant), false);
    let (again, news) = errand(&cart, &cabinet, &salad).await;
    assert_eq!(door(&again), door(&grant));
    let put_in = cabinet.visit(&cart, &again, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, put_in).await;
    assert_eq!(ada.named("Salad").await["state"], "ready");
}

/// A thing is lent from no door that somebody else's access may still open.
pub(crate) async fn a_thing_is_lent_from_no_door_that_others_open(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, news) = fetch(&ada, &salad).await;
    let at = door(&mine);
    let took = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ada, took).await;
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    assert!(report(&world, &cabinet, at).await.get("reservation").is_none());
    assert_eq!(lend_drill(&world, &cabinet, at).await, 409, "her PIN opens it");
    let clear = format!("/v1/operator/lockers/{}/doors/{at}/clear", cabinet.id);
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    assert_eq!(lend_drill(&world, &cabinet, at).await, 409, "the locker has not heard of that");
    let books = ben.named("Two paperbacks").await;
    let (bens, news) = fetch(&ben, &books).await;
    let told = cabinet.visit(&ben, &bens, Operation::Collect, &news, Hand::Takes).receipts();
    hand_in(&ben, told).await;
    assert_eq!(lend_drill(&world, &cabinet, at).await, 204);
    assert!(cabinet.type_pin(&mine["pin"], Hand::Takes).is_none());
}

/// A thing that is not in its compartment is lent to nobody, a locker that lends does not leave the network, and a door that
/// somebody has does not vanish.
pub(crate) async fn what_is_kept_for_somebody_does_not_vanish(world: World) {
    let cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    assert_eq!(lend_drill(&world, &cabinet, 16).await, 204);
    let available = || async {
        let things = ada.get("/v1/assets").await.ok()["assets"].clone();
        things.as_array().unwrap().first().map(|thing| thing["available"].clone())
    };
    assert_eq!(available().await, Some(json!(true)));
    let clear = format!("/v1/operator/lockers/{}/doors/16/clear", cabinet.id);
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    assert_eq!(available().await, Some(json!(false)), "it was not there");
    assert_eq!(ada.post("/v1/assets/drill/borrow", json!({})).await.code(), "wrong_state");
    assert_eq!(lend_drill(&world, &cabinet, 16).await, 204);
    let lent = ada.post("/v1/assets/drill/borrow", json!({})).await.ok();
    // It may lie there still: only after somebody has looked is it gone for good.
    let remove = || world.operator.send(Method::DELETE, "/v1/operator/assets/drill", json!({}));
    assert_eq!(remove().await.code(), "wrong_state");
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    assert_eq!(ada.get(&path(&lent, "")).await.ok()["state"], "held");
    let removed = world.operator.send(Method::DELETE, "/v1/operator/assets/drill", json!({})).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT, "{}", removed.body);
    assert_eq!(ada.get(&path(&lent, "")).await.ok()["state"], "released");
    assert!(report(&world, &cabinet, 16).await.get("reservation").is_none());

    // Its locker says that it has fewer doors.
    let yard = Locker::new();
    let mut small = yard.descriptor("lindenhof");
    let provision =
        |descriptor: Value| world.operator.post("/v1/operator/lockers", json!({ "descriptor": descriptor }));
    provision(small.clone()).await.ok();
    let kept = json!({ "number": ada.number().await, "title": "Cellar", "locker": yard.id, "door": 16 });
    world.operator.post("/v1/operator/holdings", kept).await.ok();
    small["doors"].as_array_mut().unwrap().truncate(15);
    assert_eq!(provision(small.clone()).await.code(), "wrong_state", "Ada has something there");
    small["doors"].as_array_mut().unwrap().push(yard.descriptor("lindenhof")["doors"][15].clone());
    small["doors"].as_array_mut().unwrap().remove(0);
    provision(small).await.ok();
    let doors = world.operator.get(&format!("/v1/operator/lockers/{}", yard.id)).await.ok()["doors"].clone();
    assert_eq!(doors.as_array().unwrap().len(), 15);
    let serve = format!("/v1/operator/lockers/{}/doors/1", yard.id);
    let put = world.operator.send(Method::PUT, &serve, json!({ "out_of_order": false })).await;
    assert_eq!(put.code(), "not_found", "there is no such door");
    provision(yard.descriptor("lindenhof")).await.ok();
    let doors = world.operator.get(&format!("/v1/operator/lockers/{}", yard.id)).await.ok()["doors"].clone();
    assert_eq!((doors[0]["door"].as_u64(), doors[0]["out_of_order"].as_bool()), (Some(1), Some(true)));
    let put = world.operator.send(Method::PUT, &serve, json!({ "out_of_order": false })).await;
    assert_eq!(put.status, StatusCode::NO_CONTENT, "it is back");

    // A locker from which something is lent stays.
    let elsewhere = Locker::new();
    provision(elsewhere.descriptor("lindenhof")).await.ok();
    let ladder = json!({ "id": "ladder", "title": "Ladder", "site": "lindenhof", "locker": elsewhere.id, "door": 2, "loan_hours": 4 });
    let put = world.operator.send(Method::PUT, "/v1/operator/assets/ladder", ladder).await;
    assert_eq!(put.status, StatusCode::NO_CONTENT, "{}", put.body);
    let leaves = format!("/v1/operator/lockers/{}", elsewhere.id);
    assert_eq!(world.operator.send(Method::DELETE, &leaves, json!({})).await.code(), "wrong_state");
    let remove = world.operator.send(Method::DELETE, "/v1/operator/assets/ladder", json!({})).await;
    assert_eq!(remove.status, StatusCode::NO_CONTENT, "{}", remove.body);
    let leaves = world.operator.send(Method::DELETE, &leaves, json!({})).await;
    assert_eq!(leaves.status, StatusCode::NO_CONTENT, "{}", leaves.body);
}

/// A door that a stranger's token opened is nobody's until somebody has looked, whatever comes of it in whichever order.
pub(crate) async fn what_a_stranger_opened_is_looked_at(world: World) {
    use postern_protocol::receipt::Outcome::{AlreadyOpen, Closed, ClosedAbsent, Jammed, Opened};
    for (at, batches, out) in [
        (5, &[&[Opened][..]][..], true),
        (6, &[&[AlreadyOpen][..]][..], true),
        (7, &[&[Opened, Closed, Jammed][..]][..], true),
        (8, &[&[Opened][..], &[Closed][..]][..], true),
        (9, &[&[Opened, ClosedAbsent][..]][..], false),
        (10, &[&[Opened, Closed][..], &[Opened, ClosedAbsent][..]][..], false),
    ] {
        let mut locker = world.locker_elsewhere().await;
        let stranger = json!({ "token_id": hex::encode(postern_hub::random::bytes::<16>()), "doors": [at], "reservation": "nobody's" });
        for batch in batches {
            let receipts: Vec<_> = batch
                .iter()
                .map(|outcome| locker.receipt(&stranger, Operation::Deposit, *outcome, world.clock.now()))
                .collect();
            let path = format!("/v1/operator/lockers/{}/receipts", locker.id);
            world.operator.post(&path, json!({ "receipts": receipts })).await.ok();
        }
        let seen = world.operator.get(&format!("/v1/operator/lockers/{}", locker.id)).await.ok();
        assert_eq!(seen["doors"][usize::from(at as u16) - 1]["out_of_order"], out, "{batches:?}");
    }
}

/// Where a courier was given two tokens, of which the first may have put the parcel in, a colleague is given another door.
pub(crate) async fn a_colleague_is_given_another_door(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let (cart, other) = (courier(&world).await, courier(&world).await);
    let wish = json!({ "reference": "HX 7", "recipient": ada.number().await, "title": "Kettle", "site": "lindenhof", "size": "s" });
    let kettle = world.heron.post("/v1/carrier/parcels", wish).await.ok();
    let (first, _) = errand(&cart, &cabinet, &kettle).await;
    let (second, _) = errand(&cart, &cabinet, &kettle).await;
    assert!(second["occupancy"].as_u64() > first["occupancy"].as_u64());
    let (colleagues, _) = errand(&other, &cabinet, &kettle).await;
    assert_ne!(door(&colleagues), door(&first));
    // The courier's answer counts at the door that was given up, whose newest token was used; the colleague's is anybody's again.
    let put_in = cabinet.visit(&cart, &second, Operation::Deposit, &json!([]), Hand::Puts).receipts();
    hand_in(&cart, put_in).await;
    assert_eq!(courier_says(&cart, &cabinet, &kettle, true).await["state"], "ready");
    assert_eq!(report(&world, &cabinet, door(&first)).await["reservation"], kettle["id"]);
    let lies = ada.named("Kettle").await;
    let (mine, news) = fetch(&ada, &lies).await;
    assert_eq!(door(&mine), door(&first));
    cabinet.visit(&other, &colleagues, Operation::Deposit, &json!([]), Hand::Nothing).receipts();
    cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
}

/// So it is when the first one's token has ended: it may have put the parcel in while it lived, and nobody has the receipt.
pub(crate) async fn a_token_that_ended_may_have_been_used(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let (cart, mut other) = (courier(&world).await, courier(&world).await);
    let wish = json!({ "reference": "HX 8", "recipient": ada.number().await, "title": "Pan", "site": "lindenhof", "size": "s" });
    let pan = world.heron.post("/v1/carrier/parcels", wish).await.ok();
    let (first, _) = errand(&cart, &cabinet, &pan).await;
    cabinet.visit(&cart, &first, Operation::Deposit, &json!([]), Hand::Puts).receipts();
    later(&world, 13 * 3600, &mut [&mut other]).await;
    let (same, news) = errand(&other, &cabinet, &pan).await;
    assert_eq!((door(&same), &same["occupancy"]), (door(&first), &first["occupancy"]));
    cabinet.visit(&other, &same, Operation::Deposit, &news, Hand::Nothing).refused();
    let (another, _) = errand(&other, &cabinet, &pan).await;
    assert_ne!(door(&another), door(&first));
}

/// A compartment that is cleared while a courier may be on the way to it is given to nobody before that is ruled out.
pub(crate) async fn a_cleared_door_waits_for_a_courier_on_the_way(world: World) {
    let cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let salad = announce(&world, &ada, "Salad").await;
    let (grant, _) = errand(&cart, &cabinet, &salad).await;
    let clear = format!("/v1/operator/lockers/{}/doors/{}/clear", cabinet.id, door(&grant));
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    assert_eq!(report(&world, &cabinet, door(&grant)).await["settling"], true);
    assert_eq!(ada.named("Salad").await["state"], "announced");
}

/// A thing that was given back and taken once more, as its locker measured, is lent to nobody.
pub(crate) async fn a_thing_that_was_taken_once_more_is_missing(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    assert_eq!(lend_drill(&world, &cabinet, 16).await, 204);
    let lent = ada.post("/v1/assets/drill/borrow", json!({})).await.ok();
    let (mine, news) = fetch(&ada, &lent).await;
    for hand in [Hand::Takes, Hand::Puts] {
        let opened = cabinet.visit(&ada, &mine, Operation::Access, &news, hand).receipts();
        hand_in(&ada, opened).await;
    }
    assert_eq!(ada.post(&path(&lent, "/release"), json!({})).await.ok()["state"], "released");
    let again = cabinet.visit(&ada, &mine, Operation::Access, &json!([]), Hand::Takes).receipts();
    hand_in(&ada, again).await;
    assert!(alarms(&world).await.contains(&"missing".to_owned()));
    let things = ben.get("/v1/assets").await.ok()["assets"].clone();
    assert_eq!(things[0]["available"], false, "{things}");
    assert_eq!(ben.post("/v1/assets/drill/borrow", json!({})).await.code(), "wrong_state");
}
