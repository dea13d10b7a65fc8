//! Parcels that have to be kept chilled or frozen, break easily, or keep for some hours only: carriers, operators and customers by
//! the documented interface, the real firmware at the door. On both databases by `conformance`; SECURITY.md names these tests.

use postern_protocol::Operation;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cabinet::{Hand, door},
    client::{Answer, Device},
    promises::{courier, errand, hand_in, later, path},
    world::{Locker, World},
};

const HOUR: i64 = 3600;

/// A cabinet at a site of its own, with these doors chilled, and these freezing. Columns A to D are of sizes s, m, l and xl.
async fn kitchen(world: &World, site: &str, chilled: &[&str], frozen: &[&str]) -> Locker {
    let place = json!({ "name": site, "address": "Market 2, Berlin", "latitude": 52.5, "longitude": 13.4, "hours": "24/7",
                        "always_open": true, "access": "public", "step_free": true });
    world.operator.send(Method::PUT, &format!("/v1/operator/sites/{site}"), place).await.ok();
    let locker = Locker::new();
    let descriptor = described(&locker, site, chilled, frozen);
    world.operator.post("/v1/operator/lockers", json!({ "descriptor": descriptor })).await.ok();
    locker
}

fn described(locker: &Locker, site: &str, chilled: &[&str], frozen: &[&str]) -> Value {
    let mut descriptor = locker.descriptor(site);
    for (labels, what) in [(chilled, "chilled"), (frozen, "frozen")] {
        for label in labels {
            descriptor["doors"][usize::from(Locker::door(label)) - 1][what] = json!(true);
        }
    }
    descriptor
}

async fn announce(
    world: &World,
    to: &Device,
    (reference, site, size): (&str, &str, &str),
    care: Value,
) -> Answer {
    let mut parcel = json!({ "reference": reference, "recipient": to.number().await, "title": reference, "site": site,
                             "size": size });
    for (name, value) in care.as_object().unwrap() {
        parcel[name] = value.clone();
    }
    world.heron.post("/v1/carrier/parcels", parcel).await
}

async fn deposit(world: &World, parcel: &Value, body: Value) -> Answer {
    world.heron.post(&format!("/v1/carrier/parcels/{}/deposit", parcel["id"].as_str().unwrap()), body).await
}

/// Behind which door a parcel lies.
fn lies_at(deposited: &Value) -> u64 {
    deposited["door"].as_u64().unwrap_or_else(|| panic!("no door: {deposited}"))
}

pub(crate) async fn a_parcel_is_announced_where_a_door_keeps_it(world: World) {
    let ada = world.customer("Ada").await;
    kitchen(&world, "plain", &[], &[]).await;
    kitchen(&world, "cold", &["A1", "B2"], &[]).await;
    let chilled = json!({ "chilled": true });
    let refused = announce(&world, &ada, ("F1", "plain", "s"), chilled.clone()).await;
    assert_eq!((refused.status.as_u16(), &*refused.code()), (409, "no_climate"), "{}", refused.body);
    assert_eq!(refused.body["detail"], "no compartment there that is large enough is chilled");
    let frozen = announce(&world, &ada, ("F1", "cold", "s"), json!({ "frozen": true })).await;
    assert_eq!(frozen.code(), "no_climate", "a chilled door freezes nothing");
    let large = announce(&world, &ada, ("F1", "cold", "l"), chilled.clone()).await;
    assert_eq!(large.code(), "no_climate", "the chilled doors there are smaller");
    assert!(ada.reservations().await.iter().all(|one| one["title"] != "F1"), "nothing was announced");
    for (care, pointer) in [
        (json!({ "chilled": true, "frozen": true }), "/frozen"),
        (json!({ "keeps_hours": 0 }), "/keeps_hours"),
        (json!({ "keeps_hours": 721 }), "/keeps_hours"),
    ] {
        let refused = announce(&world, &ada, ("F1", "cold", "s"), care).await;
        assert_eq!((&*refused.code(), &refused.body["pointer"]), ("malformed", &json!(pointer)));
    }
    // A door that somebody has is such a door still: the parcel comes tomorrow.
    let first = announce(&world, &ada, ("F1", "cold", "m"), chilled.clone()).await.ok();
    assert_eq!(first["care"], chilled);
    announce(&world, &ada, ("F2", "cold", "m"), chilled).await.ok();
    // Which sites have one, a carrier is told before.
    let sites = world.heron.get("/v1/carrier/sites").await.ok();
    let at = |id: &str| {
        let site = sites["sites"].as_array().unwrap().iter().find(|site| site["id"] == id).unwrap().clone();
        site["lockers"][0].clone()
    };
    assert_eq!(at("cold")["chilled"], json!(["s", "m"]));
    assert!(at("cold")["frozen"].is_null() && at("plain")["chilled"].is_null());
    // A door is one thing or the other.
    let both = described(&Locker::new(), "cold", &["A1"], &["A1"]);
    assert_eq!(
        world.operator.post("/v1/operator/lockers", json!({ "descriptor": both })).await.code(),
        "malformed"
    );
}

pub(crate) async fn each_parcel_lies_behind_a_door_that_keeps_it(world: World) {
    let ada = world.customer("Ada").await;
    // All small doors are chilled or freeze; larger ones are plain.
    let locker = kitchen(&world, "cold", &["A1", "A2"], &["A3", "A4"]).await;
    let other = Locker::new();
    world.operator.post("/v1/operator/lockers", json!({ "descriptor": other.descriptor("cold") })).await.ok();
    let here = json!({ "locker": locker.id });
    let mut put = Vec::new();
    for (reference, care) in
        [("Salad", json!({ "chilled": true })), ("Ice", json!({ "frozen": true })), ("Book", json!({}))]
    {
        let parcel = announce(&world, &ada, (reference, "cold", "s"), care).await.ok();
        put.push(lies_at(&deposit(&world, &parcel, here.clone()).await.ok()));
    }
    let number = |label: &str| u64::from(Locker::door(label));
    assert!((number("A1")..=number("A2")).contains(&put[0]), "{put:?}");
    assert!((number("A3")..=number("A4")).contains(&put[1]), "{put:?}");
    assert!(
        (number("B1")..=number("B4")).contains(&put[2]),
        "a larger plain one before a chilled one: {put:?}"
    );

    // By the door's number no more than otherwise.
    let salad = announce(&world, &ada, ("Salad 2", "cold", "s"), json!({ "chilled": true })).await.ok();
    for label in ["B3", "A4"] {
        let named = json!({ "locker": locker.id, "door": Locker::door(label) });
        assert_eq!(deposit(&world, &salad, named).await.code(), "no_climate", "{label}");
    }
    let elsewhere = deposit(&world, &salad, json!({ "locker": other.id })).await;
    assert_eq!(elsewhere.code(), "no_climate", "the locker beside it has none");
    let book = announce(&world, &ada, ("Book 2", "cold", "s"), json!({})).await.ok();
    let refused = deposit(&world, &book, json!({ "locker": locker.id, "door": Locker::door("A4") })).await;
    assert_eq!(refused.body["detail"], "that compartment freezes what lies in it");
    // Where the chilled ones are taken it waits, and is put behind no other.
    deposit(&world, &salad, here.clone()).await.ok();
    let third = announce(&world, &ada, ("Salad 3", "cold", "s"), json!({ "chilled": true })).await.ok();
    assert_eq!(deposit(&world, &third, here.clone()).await.code(), "no_compartment");

    // What needs nothing lies behind a chilled door once no plain one is left, and behind none that freezes.
    let last = kitchen(&world, "last", &["D1"], &["D2", "D3", "D4"]).await;
    let there = json!({ "locker": last.id });
    let box_ = announce(&world, &ada, ("Box", "last", "xl"), json!({})).await.ok();
    assert_eq!(lies_at(&deposit(&world, &box_, there.clone()).await.ok()), number("D1"));
    let box_ = announce(&world, &ada, ("Box 2", "last", "xl"), json!({})).await.ok();
    assert_eq!(deposit(&world, &box_, there).await.code(), "no_compartment");
}

pub(crate) async fn a_parcel_moves_only_to_where_it_is_kept_so(world: World) {
    let ada = world.customer("Ada").await;
    kitchen(&world, "cold", &["C1"], &[]).await;
    kitchen(&world, "plain", &[], &[]).await;
    kitchen(&world, "small", &["A1"], &[]).await;
    let full = kitchen(&world, "full", &["C1"], &[]).await;
    let chilled = json!({ "chilled": true });
    let taken = announce(&world, &ada, ("Cake", "full", "m"), chilled.clone()).await.ok();
    deposit(&world, &taken, json!({ "locker": full.id })).await.ok();
    let salad = announce(&world, &ada, ("Salad", "full", "m"), chilled).await.ok();
    let id = salad["id"].as_str().unwrap();
    let offered = |parcel: String| {
        let ada = &ada;
        async move {
            let found = ada.get(&format!("/v1/sites?parcel={parcel}")).await.ok();
            found["sites"].as_array().unwrap().clone()
        }
    };
    let sites = offered(id.to_owned()).await;
    let ids: Vec<_> = sites.iter().map(|site| site["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["cold"]);
    assert_eq!(sites[0]["fill"], json!([{ "size": "l", "free": 1, "total": 1 }]), "how many are free for it");
    for (site, why) in [("plain", "no_climate"), ("small", "no_climate"), ("full", "no_compartment")] {
        let refused = ada.post(&path(&salad, "/move"), json!({ "site": site })).await;
        assert_eq!(refused.code(), why, "{site}");
    }
    let moved = ada.post(&path(&salad, "/move"), json!({ "site": "cold" })).await.ok();
    assert_eq!((&moved["site"]["id"], &moved["care"]["chilled"]), (&json!("cold"), &json!(true)));
    // A book goes anywhere; whose parcel it is not is told nothing.
    let book = announce(&world, &ada, ("Book", "full", "xl"), json!({})).await.ok();
    assert!(offered(book["id"].as_str().unwrap().to_owned()).await.len() >= 4);
    let ben = world.customer("Ben").await;
    assert_eq!(ben.get(&format!("/v1/sites?parcel={id}")).await.code(), "malformed");
}

pub(crate) async fn a_parcel_is_to_be_collected_while_it_keeps(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;
    let care = json!({ "chilled": true, "fragile": true, "keeps_hours": 8 });
    let salad = announce(&world, &ada, ("Salad", "lindenhof", "s"), care.clone()).await.ok();
    let coming = ada.named("Salad").await;
    assert_eq!(coming["care"], care, "told ahead");
    let offers = |shown: &Value, action: &str| shown["actions"].as_array().unwrap().contains(&json!(action));
    assert!(!offers(&coming, "hold") && offers(&coming, "change_locker"));
    let until = world.clock.now() + 2 * HOUR;
    let held = ada.post(&path(&coming, "/hold"), json!({ "until": until })).await;
    assert_eq!((held.status.as_u16(), &*held.code()), (409, "keeps_no_longer"));

    // The courier sees it with the errand.
    let tasks = cart.get(&format!("/v1/courier/tasks?locker={}", cabinet.id)).await.ok();
    let task =
        tasks["tasks"].as_array().unwrap().iter().find(|one| one["parcel"]["id"] == salad["id"]).unwrap();
    assert_eq!(task["parcel"]["care"], care);
    let (grant, news) = errand(&cart, &cabinet, &salad).await;
    assert_eq!(door(&grant), Locker::door("C2"));
    let put_in = world.clock.now();
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    // The courier's phone is offline for two hours: it keeps from when it was put in, not from when the hub hears of it.
    later(&world, 2 * HOUR, &mut [&mut ada, &mut cart]).await;
    hand_in(&cart, receipts).await;
    let lies = ada.named("Salad").await;
    let keeps_until = lies["care"]["keeps_until"].as_i64().unwrap();
    assert!((put_in + 8 * HOUR - 60..=put_in + 8 * HOUR + 60).contains(&keeps_until), "{lies}");
    assert_eq!(lies["until"], json!(keeps_until), "the window is no longer than that");
    assert!(!offers(&lies, "extend") && !offers(&lies, "hold") && offers(&lies, "open"), "{lies}");
    let more = ada.post(&path(&lies, "/extend"), json!({ "until": keeps_until + HOUR })).await;
    assert_eq!(more.code(), "keeps_no_longer");
    let held = ada.post(&path(&lies, "/hold"), json!({ "until": keeps_until + HOUR })).await;
    assert_eq!(held.code(), "keeps_no_longer");
    assert_eq!(ada.named("Salad").await["until"], json!(keeps_until));
    // Then its time is over, and the courier comes for it.
    later(&world, 6 * HOUR + 120, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let over = ada.named("Salad").await;
    assert_eq!(over["state"], "expired");
    assert!(!offers(&over, "extend"));
    errand(&cart, &cabinet, &salad).await;
}

pub(crate) async fn a_shorter_window_may_grow_to_what_it_keeps(world: World) {
    let ada = world.customer("Ada").await;
    let locker = kitchen(&world, "cold", &["A1", "A2"], &[]).await;
    let care = json!({ "chilled": true, "keeps_hours": 48 });
    let now = world.clock.now();
    let cheese = announce(&world, &ada, ("Cheese", "cold", "s"), care.clone()).await.ok();
    deposit(&world, &cheese, json!({ "locker": locker.id, "until": now + 12 * HOUR })).await.ok();
    let lies = ada.named("Cheese").await;
    let keeps_until = lies["care"]["keeps_until"].as_i64().unwrap();
    assert_eq!(lies["until"], json!(now + 12 * HOUR));
    assert!(lies["actions"].as_array().unwrap().contains(&json!("extend")));
    let beyond = ada.post(&path(&lies, "/extend"), json!({ "until": keeps_until + 1 })).await;
    assert_eq!(beyond.code(), "keeps_no_longer");
    let granted = ada.post(&path(&lies, "/extend"), json!({ "until": keeps_until })).await.ok();
    assert!(granted["until"].as_i64().unwrap() > now + 12 * HOUR, "{granted}");
    assert!(granted["until"].as_i64().unwrap() <= keeps_until, "{granted}");
    // What a carrier asks for ends with what it keeps.
    let milk = announce(&world, &ada, ("Milk", "cold", "s"), care).await.ok();
    deposit(&world, &milk, json!({ "locker": locker.id, "until": now + 20 * 24 * HOUR })).await.ok();
    let lies = ada.named("Milk").await;
    assert_eq!(lies["until"], lies["care"]["keeps_until"]);
}
