//! What an errand leaves behind at a door: tokens that were never used, parcels that nobody spoke of, words that nothing bears out.
//! The real hub over HTTP, the real firmware at the door. On both databases by `conformance`; SECURITY.md names these tests.

use postern_protocol::Operation;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    cabinet::{Cabinet, Hand, door},
    client::Device,
    doors::deliver_plain,
    promises::{alarms, announce, courier, errand, fetch, hand_in, later, path, report},
    world::World,
};

const DAY: i64 = 86_400;

/// A parcel that fits many doors.
async fn kettle(world: &World, to: &Device) -> Value {
    let wish = json!({ "reference": "HX 7", "recipient": to.number().await, "title": "Kettle", "site": "lindenhof",
                       "size": "s" });
    world.heron.post("/v1/carrier/parcels", wish).await.ok()
}

async fn says(cart: &Device, cabinet: &Cabinet, parcel: &Value, inside: bool) -> Value {
    let said = json!({ "inside": inside, "opening": cabinet.openings().last() });
    cart.post(&format!("/v1/courier/parcels/{}/inside", parcel["id"].as_str().unwrap()), said).await.ok()
}

/// Somebody else opens another door of the cabinet, and so brings it its news and the hub its receipts.
async fn comes_by(world: &World, cabinet: &mut Cabinet) {
    let ben = world.customer("Ben").await;
    let books = ben.named("Two paperbacks").await;
    let (mine, news) = fetch(&ben, &books).await;
    cabinet.visit(&ben, &mine, Operation::Collect, &news, Hand::Takes).receipts();
    let all = cabinet.uplink();
    ben.post("/v1/receipts", json!({ "receipts": all })).await.ok();
}

/// A carrier whose couriers open by tokens says that it has a parcel for which none was given: it lies there, for all that is known.
pub(crate) async fn a_carriers_word_alone_gives_no_door_away(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let (mut ada, mut cart) = (world.customer("Ada").await, courier(&world).await);
    let salad = deliver_plain(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, _) = fetch(&ada, &salad).await;
    later(&world, 4 * DAY, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let returned = format!("/v1/carrier/parcels/{}/returned", salad["id"].as_str().unwrap());
    assert_eq!(world.heron.post(&returned, json!({})).await.ok()["state"], "returned");
    comes_by(&world, &mut cabinet).await;
    assert_eq!(report(&world, &cabinet, door(&mine)).await["settling"], true);
    assert!(alarms(&world).await.contains(&"unproven".to_owned()));
}

/// Once the carrier has said that a parcel lies there, none of its couriers who were given a token for the door gets at it.
pub(crate) async fn a_word_for_a_deposit_ends_the_couriers_tokens(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let (cart, other) = (courier(&world).await, courier(&world).await);
    let kettle = kettle(&world, &ada).await;
    let (one, _) = errand(&cart, &cabinet, &kettle).await;
    let (another, _) = errand(&other, &cabinet, &kettle).await;
    assert_eq!(door(&one), door(&another));
    let word = json!({ "locker": cabinet.id, "door": door(&one) });
    let deposit = format!("/v1/carrier/parcels/{}/deposit", kettle["id"].as_str().unwrap());
    assert_eq!(world.heron.post(&deposit, word).await.ok()["state"], "ready");
    // It is enough that anybody brings the locker its news; and until then what she is shown opens.
    comes_by(&world, &mut cabinet).await;
    for (courier, grant) in [(&cart, &one), (&other, &another)] {
        cabinet.visit(courier, grant, Operation::Deposit, &json!([]), Hand::Takes).refused();
    }
    let (mine, _) = fetch(&ada, &ada.named("Kettle").await).await;
    assert_eq!(door(&mine), door(&one));
    assert!(cabinet.type_pin(&mine["pin"], Hand::Takes).is_some());
}

/// Where there is one fitting door alone, a courier is given it although a colleague may have been there.
pub(crate) async fn a_sites_only_door_is_given_again(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let (cart, other) = (courier(&world).await, courier(&world).await);
    let salad = announce(&world, &ada, "Salad").await;
    errand(&cart, &cabinet, &salad).await;
    let (second, _) = errand(&cart, &cabinet, &salad).await;
    let (colleagues, news) = errand(&other, &cabinet, &salad).await;
    assert_eq!(door(&colleagues), door(&second), "there is no other");
    assert!(colleagues["occupancy"].as_u64() > second["occupancy"].as_u64());
    let put_in = cabinet.visit(&other, &colleagues, Operation::Deposit, &news, Hand::Puts).receipts();
    cabinet.visit(&cart, &second, Operation::Deposit, &json!([]), Hand::Takes).refused();
    hand_in(&other, put_in).await;
    assert_eq!(says(&other, &cabinet, &salad, true).await["state"], "ready");
}

/// A courier whom a door refuses, since a colleague's unheard-of opening was the last, is not sent there again and again.
pub(crate) async fn a_refused_courier_is_sent_elsewhere(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let (cart, other) = (courier(&world).await, courier(&world).await);
    let kettle = kettle(&world, &ada).await;
    let (grant, news) = errand(&cart, &cabinet, &kettle).await;
    let looked = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Nothing).receipts();
    hand_in(&cart, looked).await;
    says(&cart, &cabinet, &kettle, false).await;
    let (again, news) = errand(&cart, &cabinet, &kettle).await;
    cabinet.visit(&cart, &again, Operation::Deposit, &news, Hand::Nothing).receipts();
    let (same, news) = errand(&other, &cabinet, &kettle).await;
    assert_eq!((door(&same), &same["occupancy"]), (door(&again), &again["occupancy"]));
    cabinet.visit(&other, &same, Operation::Deposit, &news, Hand::Nothing).refused();
    let (next, news) = errand(&other, &cabinet, &kettle).await;
    assert_ne!(door(&next), door(&same));
    cabinet.visit(&other, &next, Operation::Deposit, &news, Hand::Puts).receipts();
}

/// A parcel that its customer opened and said nothing of is an errand when its time is over, without anybody asking for it by name.
pub(crate) async fn what_nobody_spoke_of_becomes_an_errand(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let (mut ada, mut cart) = (world.customer("Ada").await, courier(&world).await);
    let salad = deliver_plain(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, news) = fetch(&ada, &salad).await;
    let left = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Nothing).receipts();
    hand_in(&ada, left).await;
    later(&world, 4 * DAY, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    assert_eq!(ada.named("Salad").await["state"], "expired");
    let tasks = cart.get("/v1/courier/tasks").await.ok()["tasks"].clone();
    let theirs = tasks.as_array().unwrap().iter().find(|task| task["parcel"]["id"] == salad["id"]);
    assert_eq!(theirs.unwrap()["operation"], "collect");
    // What its customer took after all, they may still say.
    let taken = ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();
    assert_eq!(taken["state"], "collected", "{taken}");
}

/// A door is not taken for untouched because what was given for it is older than what is kept.
pub(crate) async fn nothing_is_forgotten_of_a_door_that_is_still_kept(world: World) {
    let mut cabinet = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let kettle = kettle(&world, &ada).await;
    let (grant, news) = errand(&cart, &cabinet, &kettle).await;
    // Its phone is lost.
    cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    later(&world, 400 * DAY, &mut []).await;
    postern_hub::domain::sweep::retention(&world.hub).await.unwrap();
    let off = format!("/v1/carrier/parcels/{}/cancel", kettle["id"].as_str().unwrap());
    assert_eq!(world.heron.post(&off, json!({})).await.ok()["state"], "cancelled");
    assert_eq!(report(&world, &cabinet, door(&grant)).await["settling"], true);
}

/// What an operator changes of a thing that is on loan does not bring it back.
pub(crate) async fn a_lost_loan_can_be_ended(world: World) {
    let cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let lend = |title: &str| {
        let drill = json!({ "id": "drill", "title": title, "site": "lindenhof", "locker": cabinet.id, "door": 16,
                            "loan_hours": 24 });
        world.operator.send(Method::PUT, "/v1/operator/assets/drill", drill)
    };
    assert_eq!(lend("Drill").await.status, StatusCode::NO_CONTENT);
    let lent = ada.post("/v1/assets/drill/borrow", json!({})).await.ok();
    let clear = format!("/v1/operator/lockers/{}/doors/16/clear", cabinet.id);
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    assert!(alarms(&world).await.contains(&"missing".to_owned()));
    assert_eq!(lend("Hammer drill").await.status, StatusCode::NO_CONTENT);
    assert!(alarms(&world).await.contains(&"missing".to_owned()), "nobody has said that it is back");
    let ended = world.operator.send(Method::DELETE, "/v1/operator/assets/drill", json!({})).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT, "{}", ended.body);
    assert_eq!(ada.get(&path(&lent, "")).await.ok()["state"], "released");
}
