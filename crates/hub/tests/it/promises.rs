//! What must hold at a door, where hub and locker have to agree about it and no phone has passed by in between: the real hub
//! over HTTP, the real firmware at the door. On both databases by `conformance`; SECURITY.md names these tests.

use postern_protocol::Operation;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cabinet::{Cabinet, Hand, door},
    client::{Device, Key, Pending, page_post, register, token_request},
    passkey::Passkey,
    world::{Locker, World},
};

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

pub(crate) fn path(reservation: &Value, what: &str) -> String {
    format!("/v1/reservations/{}{what}", reservation["id"].as_str().unwrap())
}

/// Everything that a device is given for one reservation.
pub(crate) async fn fetch(device: &Device, reservation: &Value) -> (Value, Value) {
    let answer = device.post("/v1/tokens", json!({ "reservations": [reservation["id"]] })).await.ok();
    (answer["grants"][0].clone(), answer["bulletins"].clone())
}

pub(crate) async fn hand_in(device: &Device, receipts: Vec<Value>) {
    let results = device.post("/v1/receipts", json!({ "receipts": receipts })).await.ok();
    assert!(results["results"].as_array().unwrap().iter().all(|result| result == "accepted"), "{results}");
}

/// A courier of Heron Express, signed in.
pub(crate) async fn courier(world: &World) -> Device {
    let made = world.heron.post("/v1/carrier/couriers", json!({ "name": "Cart 7" })).await.ok();
    let form = [
        ("grant_type", "enrolment"),
        ("code", made["enrolment_code"].as_str().unwrap()),
        ("client_id", "postern-app"),
    ];
    let key = Key::ed25519();
    let answer = token_request(&world.base, &key, &form, world.clock.now()).await.ok();
    Device::from_answer(&world.base, key, &answer, &world.clock)
}

/// Another device of the same account.
pub(crate) async fn another_device(world: &World, passkey: &Passkey) -> Device {
    let pending = Pending::new();
    let request = pending.open_page(&world.base).await;
    let started =
        page_post(&world.base, "/authorize/sign-in/start", &json!({ "request": request })).await.ok();
    let body = json!({ "ceremony": started["ceremony"], "credential": passkey.get(&started["options"]) });
    let done = page_post(&world.base, "/authorize/sign-in/finish", &body).await.ok();
    Device::redeem(&world.base, &pending, done["redirect"].as_str().unwrap(), Key::p256(), &world.clock).await
}

pub(crate) async fn announce(world: &World, to: &Device, title: &str) -> Value {
    let recipient = to.number().await;
    let parcel = json!({ "reference": format!("HX {title}"), "recipient": recipient, "title": title,
                         "site": "lindenhof", "size": "s", "chilled": true });
    world.heron.post("/v1/carrier/parcels", parcel).await.ok()
}

/// The courier's token for a parcel at this cabinet, and the news.
pub(crate) async fn errand(cart: &Device, cabinet: &Cabinet, parcel: &Value) -> (Value, Value) {
    let asked = json!({ "parcel": parcel["id"], "locker": cabinet.id });
    let answer = cart.post("/v1/courier/tokens", asked).await.ok();
    (answer["grants"][0].clone(), answer["bulletins"].clone())
}

/// A courier puts a parcel into the chilled compartment, by the protocol.
pub(crate) async fn deliver(
    world: &World,
    cabinet: &mut Cabinet,
    cart: &Device,
    to: &Device,
    title: &str,
) -> Value {
    let parcel = announce(world, to, title).await;
    let (grant, news) = errand(cart, cabinet, &parcel).await;
    assert_eq!(door(&grant), Locker::door("C2"));
    let receipts = cabinet.visit(cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(cart, receipts).await;
    let lies = to.named(title).await;
    assert_eq!(lies["state"], "ready", "{lies}");
    lies
}

pub(crate) async fn alarms(world: &World) -> Vec<String> {
    let alarms = world.operator.get("/v1/operator/alarms").await.ok()["alarms"].clone();
    alarms.as_array().unwrap().iter().map(|alarm| alarm["kind"].as_str().unwrap().to_owned()).collect()
}

/// How the operator sees a door.
pub(crate) async fn report(world: &World, cabinet: &Cabinet, door: u16) -> Value {
    let report = world.operator.get(&format!("/v1/operator/lockers/{}", cabinet.id)).await.ok();
    report["doors"].as_array().unwrap().iter().find(|one| one["door"] == door).unwrap().clone()
}

pub(crate) async fn later(world: &World, seconds: i64, devices: &mut [&mut Device]) {
    world.clock.advance(seconds);
    for device in devices {
        device.refresh().await.ok();
    }
}

pub(crate) async fn pin_shown_opens(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let mut ada = world.customer("Ada").await;
    let mut cart = courier(&world).await;

    // A pickup, a booked return and a compartment of one's own: no phone has been there.
    let shown = ada.post("/v1/tokens", json!({})).await.ok()["grants"].as_array().unwrap().clone();
    assert_eq!(shown.len(), 3);
    for grant in &shown {
        assert_eq!(cabinet.type_pin(&grant["pin"], Hand::Nothing), Some(door(grant)), "{grant}");
    }
    // A parcel that a courier put in by the protocol.
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, _) = fetch(&ada, &salad).await;
    assert_eq!(cabinet.type_pin(&mine["pin"], Hand::Nothing), Some(Locker::door("C2")));
    assert_eq!(fetch(&ada, &salad).await.0["pin"], mine["pin"], "the same for as long as it is hers");

    // A guest has one of their own, and it opens as well.
    let until = world.clock.now() + 30 * DAY;
    let offer = ada.post(&path(&salad, "/shares"), json!({ "name": "Ben", "until": until })).await.ok();
    let ben = world.customer("Ben").await;
    let claim = offer["link"].as_str().unwrap().rsplit('/').next().unwrap();
    ben.post("/v1/claims", json!({ "claim": claim })).await.ok();
    let (bens, _) = fetch(&ben, &salad).await;
    assert_ne!(bens["pin"], mine["pin"]);
    assert_eq!(cabinet.type_pin(&bens["pin"], Hand::Nothing), Some(Locker::door("C2")));
    // Not one that would open for longer than the guest may: this locker does not hear when the hour is over.
    let until = world.clock.now() + HOUR;
    let offer = ada.post(&path(&salad, "/shares"), json!({ "name": "Cleo", "until": until })).await.ok();
    let cleo = world.customer("Cleo").await;
    let claim = offer["link"].as_str().unwrap().rsplit('/').next().unwrap();
    cleo.post("/v1/claims", json!({ "claim": claim })).await.ok();
    let (cleos, _) = fetch(&cleo, &salad).await;
    assert_eq!((cleos.get("pin"), cleos["no_pin"].as_str()), (None, Some("keypad_behind")));

    // A locker that is too far behind: nothing is shown, and the reason is. The phone brings it up to date.
    let books = ada.named("Two paperbacks").await;
    let fresh = world.cabinet(true).await;
    let lamp = announce(&world, &ada, "Lamp").await;
    let told = json!({ "locker": fresh.id, "door": Locker::door("C2") });
    let deposit = format!("/v1/carrier/parcels/{}/deposit", lamp["id"].as_str().unwrap());
    world.heron.post(&deposit, told).await.ok();
    later(&world, 4 * DAY, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    assert_eq!(ada.named("Lamp").await["state"], "expired");
    // The guest's time is over as well, and the locker hears of it from whoever comes.
    let (flat, news) = fetch(&ada, &ada.named("Flat 12 box").await).await;
    cabinet.visit(&ada, &flat, Operation::Access, &news, Hand::Nothing).receipts();
    assert_eq!(cabinet.type_pin(&bens["pin"], Hand::Nothing), None);
    assert_eq!(cabinet.type_pin(&mine["pin"], Hand::Nothing), Some(Locker::door("C2")));
    errand(&cart, &fresh, &lamp).await;
    let extended = ada.post(&path(&lamp, "/extend"), json!({ "until": world.clock.now() + DAY })).await.ok();
    let (mine, _) = fetch(&ada, &extended).await;
    assert_eq!((mine.get("pin"), mine["no_pin"].as_str()), (None, Some("keypad_behind")));
    let mut fresh = fresh;
    let receipts = fresh.visit(&ada, &mine, Operation::Collect, &json!([]), Hand::Nothing).receipts();
    hand_in(&ada, receipts).await;
    let (again, _) = fetch(&ada, &extended).await;
    assert_eq!(fresh.type_pin(&again["pin"], Hand::Nothing), Some(Locker::door("C2")));
    let _ = books;
}

pub(crate) async fn previous_customer_ends(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (first, _) = fetch(&ada, &salad).await;
    let (second, _) = fetch(&ada, &salad).await;
    let receipts = cabinet.visit(&ada, &first, Operation::Collect, &json!([]), Hand::Takes).receipts();
    hand_in(&ada, receipts).await;
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();

    // A word to the hub tells the locker nothing: what Ada still holds would open it.
    let lamp = announce(&world, &ben, "Lamp").await;
    let deposit = format!("/v1/carrier/parcels/{}/deposit", lamp["id"].as_str().unwrap());
    for told in [json!({ "locker": cabinet.id, "door": Locker::door("C2") }), json!({ "locker": cabinet.id })]
    {
        assert_eq!(world.heron.post(&deposit, told).await.code(), "locker_not_told");
    }
    assert_ne!(ben.named("Lamp").await["state"], "ready");

    // The courier's deposit tells it.
    let (grant, news) = errand(&cart, &cabinet, &lamp).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, receipts).await;
    cabinet.visit(&ada, &second, Operation::Collect, &json!([]), Hand::Takes).refused();
    assert_eq!(cabinet.type_pin(&first["pin"], Hand::Takes), None);
    let (bens, _) = fetch(&ben, &ben.named("Lamp").await).await;
    assert_eq!(cabinet.type_pin(&bens["pin"], Hand::Takes), Some(Locker::door("C2")));
}

pub(crate) async fn removed_device_ends(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let pending = Pending::new();
    let (passkey, redirect) = register(&world.base, &pending, "Ada").await;
    let ada = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    let lost = another_device(&world, &passkey).await;
    let mut stolen = another_device(&world, &passkey).await;
    let ben = world.customer("Ben").await;
    let cleo = world.customer("Cleo").await;
    let books = ada.named("Two paperbacks").await;
    let flat = ada.named("Flat 12 box").await;
    let (lost_books, _) = fetch(&lost, &books).await;
    let (stolen_flat, _) = fetch(&stolen, &flat).await;
    let (hers, _) = fetch(&ada, &flat).await;
    assert_eq!(lost_books["pin"].as_str().map(str::len), Some(8));

    // A guest with things of their own in the same locker.
    let until = world.clock.now() + 30 * DAY;
    let offer = ada.post(&path(&books, "/shares"), json!({ "name": "Cleo", "until": until })).await.ok();
    let claim = offer["link"].as_str().unwrap().rsplit('/').next().unwrap();
    cleo.post("/v1/claims", json!({ "claim": claim })).await.ok();
    let (guests, _) = fetch(&cleo, &books).await;
    let cleos_own = cleo.named("Flat 12 box").await;
    let (cleos, _) = fetch(&cleo, &cleos_own).await;

    // All of them end: removed, shown to be stolen, taken back.
    let (bens, _) = fetch(&ben, &ben.named("Flat 12 box").await).await;
    let id = lost.get("/v1/me").await.ok()["device_id"].as_str().unwrap().to_owned();
    assert_eq!(ada.send(Method::DELETE, &format!("/v1/devices/{id}"), json!({})).await.status, 204);
    let copied = stolen.refresh.clone();
    stolen.refresh().await.ok();
    stolen.refresh().await.ok();
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*copied), ("client_id", "postern-app")];
    let thief = token_request(&world.base, &stolen.key, &form, world.clock.now()).await;
    assert_eq!(thief.body["error"], "invalid_grant");
    let share = ada.get(&path(&books, "")).await.ok()["shares"][0]["id"].as_str().unwrap().to_owned();
    ada.send(Method::DELETE, &path(&books, &format!("/shares/{share}")), json!({})).await.ok();

    // A stranger's phone that was online since comes to the locker.
    let news = ben.get("/v1/changes").await.ok()["news"].clone();
    assert_eq!(news[0]["locker"], json!(cabinet.id), "everybody with access there is told");
    let told = ben.post("/v1/bulletins", json!({ "lockers": [cabinet.id] })).await.ok()["bulletins"].clone();
    assert_eq!(told[0]["number"], news[0]["number"]);
    let receipts = cabinet.visit(&ben, &bens, Operation::Access, &told, Hand::Nothing).receipts();
    hand_in(&ben, receipts).await;
    assert!(ben.get("/v1/changes").await.ok().get("news").is_none(), "the locker has heard");

    cabinet.visit(&lost, &lost_books, Operation::Collect, &json!([]), Hand::Takes).refused();
    cabinet.visit(&stolen, &stolen_flat, Operation::Access, &json!([]), Hand::Takes).refused();
    cabinet.visit(&cleo, &guests, Operation::Collect, &json!([]), Hand::Takes).refused();
    for pin in [&lost_books["pin"], &stolen_flat["pin"], &guests["pin"]] {
        assert_eq!(cabinet.type_pin(pin, Hand::Takes), None);
    }
    // And nobody else's: with what they fetched before, at a locker without a network.
    cabinet.visit(&cleo, &cleos, Operation::Access, &json!([]), Hand::Nothing).receipts();
    cabinet.visit(&ada, &hers, Operation::Access, &json!([]), Hand::Nothing).receipts();
    assert_eq!(cabinet.type_pin(&cleos["pin"], Hand::Nothing), Some(door(&cleos)));
}

pub(crate) async fn honest_device_keeps_access(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let pending = Pending::new();
    let (passkey, redirect) = register(&world.base, &pending, "Ada").await;
    let ada = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    let ben = world.customer("Ben").await;
    let books = ada.named("Two paperbacks").await;
    let (mine, _) = fetch(&ada, &books).await;
    let (bens, _) = fetch(&ben, &ben.named("Flat 12 box").await).await;
    // More devices are removed than a bulletin can name.
    for round in 0..6 {
        let lost = another_device(&world, &passkey).await;
        let (theirs, _) = fetch(&lost, &books).await;
        assert_eq!(theirs["no_pin"].as_str(), (round >= 3).then_some("too_many_devices"), "{round}");
        let id = lost.get("/v1/me").await.ok()["device_id"].as_str().unwrap().to_owned();
        assert_eq!(ada.send(Method::DELETE, &format!("/v1/devices/{id}"), json!({})).await.status, 204);
        // What was passed on in person, too: it names no token of hers.
        ada.send(Method::DELETE, &path(&books, "/shares/in-person"), json!({})).await.ok();
    }
    let told = ben.post("/v1/bulletins", json!({ "lockers": [cabinet.id] })).await.ok()["bulletins"].clone();
    cabinet.visit(&ben, &bens, Operation::Access, &told, Hand::Nothing).receipts();
    assert_eq!(cabinet.type_pin(&mine["pin"], Hand::Nothing), Some(door(&mine)));
    cabinet.visit(&ada, &mine, Operation::Collect, &json!([]), Hand::Takes).receipts();
}

pub(crate) async fn called_off_deposit(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (mut ada, mut ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let mut cart = courier(&world).await;
    let site = json!({ "id": "yard", "name": "Yard 5", "address": "Yard 5, Berlin", "latitude": 52.5, "longitude": 13.4,
                       "hours": "24/7", "always_open": true, "access": "public", "step_free": true });
    world.operator.send(Method::PUT, "/v1/operator/sites/yard", site).await;
    world.cabinet_at("yard", true).await;
    let c2 = Locker::door("C2");

    for how in ["/cancel", "/move"] {
        let parcel = announce(&world, &ada, how).await;
        let (grant, _) = errand(&cart, &cabinet, &parcel).await;
        let body = if how == "/move" { json!({ "site": "yard" }) } else { json!({}) };
        ada.post(&path(&parcel, how), body).await.ok();
        assert_eq!(report(&world, &cabinet, c2).await["settling"], true, "{how}");
        // Nobody else is given that door.
        let other = announce(&world, &ben, &format!("Other {how}")).await;
        let asked = json!({ "parcel": other["id"], "locker": cabinet.id });
        assert_eq!(cart.post("/v1/courier/tokens", asked).await.code(), "no_compartment");
        // The courier has no network either, and puts it in.
        let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &json!([]), Hand::Puts).receipts();
        hand_in(&cart, receipts).await;
        let lies = ada.named(how).await;
        assert_eq!(
            (lies["state"].as_str(), lies["compartment"]["door"].as_u64()),
            (Some("ready"), Some(c2.into()))
        );
        assert!(alarms(&world).await.contains(&"called_off_deposit".to_owned()));
        let seen =
            world.heron.get(&format!("/v1/carrier/parcels/{}", parcel["id"].as_str().unwrap())).await.ok();
        assert_eq!(seen["state"], "ready");
        // It is hers to take.
        let (mine, news) = fetch(&ada, &lies).await;
        assert_eq!(cabinet.type_pin(&mine["pin"], Hand::Nothing), Some(c2));
        let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &news, Hand::Takes).receipts();
        let status = ada.post("/v1/receipts", json!({ "receipts": receipts })).await;
        assert!(status.status.is_success());
        ada.post(&path(&lies, "/taken"), json!({ "taken": true })).await.ok();
        assert!(report(&world, &cabinet, c2).await.get("reservation").is_none());
        ben.post(&path(&other, "/cancel"), json!({})).await.ok();
    }

    // More time for what a courier is on the way to take out.
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    later(&world, 4 * DAY, &mut [&mut ada, &mut ben, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let (grant, _) = errand(&cart, &cabinet, &salad).await;
    ada.post(&path(&salad, "/extend"), json!({ "until": world.clock.now() + DAY })).await.ok();
    let receipts = cabinet.visit(&cart, &grant, Operation::Collect, &json!([]), Hand::Takes).receipts();
    hand_in(&cart, receipts).await;
    assert_eq!(ada.named("Salad").await["state"], "returned", "the app is told what is true");
    assert!(alarms(&world).await.contains(&"taken_after_extend".to_owned()));

    // What is called off and never put in is free again as soon as the locker has heard of it.
    let tea = announce(&world, &ada, "Tea").await;
    errand(&cart, &cabinet, &tea).await;
    ada.post(&path(&tea, "/cancel"), json!({})).await.ok();
    assert_eq!(report(&world, &cabinet, c2).await["settling"], true);
    let (mine, news) = fetch(&ada, &ada.named("Flat 12 box").await).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Access, &news, Hand::Nothing).receipts();
    ada.post("/v1/receipts", json!({ "receipts": receipts })).await.ok();
    // The chain has a gap: the PIN's receipts went with nobody.
    assert_eq!(report(&world, &cabinet, c2).await["settling"], true);
    let milk = announce(&world, &ben, "Milk").await;
    let refused =
        cart.post("/v1/courier/tokens", json!({ "parcel": milk["id"], "locker": cabinet.id })).await;
    assert_eq!(refused.code(), "no_compartment");
    let other = json!({ "reference": "HX plain", "recipient": ben.number().await, "title": "Plain",
                        "site": "lindenhof", "size": "s" });
    let other = world.heron.post("/v1/carrier/parcels", other).await.ok();
    let (grant, news) = errand(&cart, &cabinet, &other).await;
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    let carried = cabinet.carry(&cart, &grant);
    hand_in(&cart, receipts).await;
    let results = cart.post("/v1/courier/carried", carried).await.ok();
    assert_eq!((results["invalid"].as_u64(), results["fork"].as_u64()), (Some(0), Some(0)));
    let free = report(&world, &cabinet, c2).await;
    assert_eq!(free["settling"], false, "{free}");
    errand(&cart, &cabinet, &milk).await;
}

pub(crate) async fn code_opening_known(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, _) = fetch(&ada, &salad).await;
    assert_eq!(cabinet.type_pin(&mine["pin"], Hand::Takes), Some(Locker::door("C2")));

    // Nobody has told the hub. Ada says so, and it stands there as her word; the door is nobody's yet.
    assert!(ada.named("Salad").await["actions"].as_array().unwrap().contains(&json!("confirm_taken")));
    let taken = path(&salad, "/taken");
    ada.post(&taken, json!({ "taken": true })).await.ok();
    // By mistake, and taken back; and then it is true.
    let back = ada.post(&taken, json!({ "taken": false })).await.ok();
    assert_eq!((back["state"].as_str(), back.get("unproven")), (Some("ready"), None));
    assert_eq!(
        cabinet.type_pin(&fetch(&ada, &salad).await.0["pin"], Hand::Nothing),
        Some(Locker::door("C2"))
    );
    let said = ada.post(&taken, json!({ "taken": true })).await.ok();
    assert_eq!((said["state"].as_str(), said["unproven"].as_bool()), (Some("collected"), Some(true)));
    assert_eq!(report(&world, &cabinet, Locker::door("C2")).await["settling"], true);

    // The next courier carries the chain, and cannot read it.
    let shoes = ada.named("Running shoes").await;
    let (grant, _) = errand(&cart, &cabinet, &shoes).await;
    assert_eq!(grant["receipts_from"], 2, "the hub has the deposit and its closing");
    let carried = cabinet.carry(&cart, &grant);
    assert_eq!(ada.post("/v1/courier/carried", carried.clone()).await.code(), "forbidden");
    let mut bent = carried.clone();
    bent["parts"][0] = json!(carried["parts"][0].as_str().unwrap().replace(['A', 'b'], "c"));
    assert_eq!(cart.post("/v1/courier/carried", bent).await.ok()["accepted"], 0);
    let results = cart.post("/v1/courier/carried", carried.clone()).await.ok();
    assert_eq!((results["accepted"].as_u64(), results["invalid"].as_u64()), (Some(4), Some(0)), "{results}");
    assert_eq!(cart.post("/v1/courier/carried", carried).await.ok()["known"], 4);
    let known = ada.named("Salad").await;
    assert!(known.get("unproven").is_none(), "{known}");
    assert!(
        known["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["event"] == "opened" && one["proven"] == true)
    );
    let free = report(&world, &cabinet, Locker::door("C2")).await;
    assert!(free["settling"] == false && free.get("reservation").is_none(), "{free}");
    let gaps = world.operator.get(&format!("/v1/operator/lockers/{}", cabinet.id)).await.ok()["gaps"].clone();
    assert_eq!(gaps, json!([]));
}

pub(crate) async fn late_receipt(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let salad = deliver(&world, &mut cabinet, &cart, &ada, "Salad").await;
    let (mine, _) = fetch(&ada, &salad).await;
    assert!(cabinet.type_pin(&mine["pin"], Hand::Nothing).is_some());
    let receipts = cabinet.visit(&ada, &mine, Operation::Collect, &json!([]), Hand::Takes).receipts();
    hand_in(&ada, receipts).await;
    ada.post(&path(&salad, "/taken"), json!({ "taken": true })).await.ok();

    // The same door is Ben's by the time that the PIN's receipt arrives.
    let lamp = deliver(&world, &mut cabinet, &cart, &ben, "Lamp").await;
    let before = ben.named("Lamp").await;
    let hers = ada.named("Salad").await["timeline"].as_array().unwrap().len();
    let (grant, _) = errand(&cart, &cabinet, &ada.named("Running shoes").await).await;
    assert_eq!(grant["receipts_from"], 2);
    let carried = cabinet.carry(&cart, &grant);
    let results = cart.post("/v1/courier/carried", carried).await.ok();
    assert_eq!(results["accepted"], 2, "{results}");
    assert_eq!(ben.named("Lamp").await, before, "nothing of Ben's changes");
    let after = ada.named("Salad").await;
    assert_eq!(
        (after["state"].as_str(), after["timeline"].as_array().unwrap().len()),
        (Some("collected"), hers + 1)
    );
    let (bens, _) = fetch(&ben, &lamp).await;
    let receipts = cabinet.visit(&ben, &bens, Operation::Collect, &json!([]), Hand::Takes).receipts();
    hand_in(&ben, receipts).await;
    assert_eq!(ben.named("Lamp").await["state"], "opened");
    assert!(!alarms(&world).await.contains(&"stray".to_owned()));
}

pub(crate) async fn empty_return(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let ada = world.customer("Ada").await;
    let jacket = ada.named("Winter jacket").await;
    let (mine, _) = fetch(&ada, &jacket).await;
    let said =
        |inside: bool| ada.post("/v1/reservations/x/inside", json!({ "inside": inside, "opening": 0 }));
    assert_eq!(said(true).await.code(), "not_found");
    let inside = path(&jacket, "/inside");
    let word = |inside: bool, opening: &Value| json!({ "inside": inside, "opening": opening });
    assert_eq!(ada.post(&inside, word(true, &json!(0))).await.code(), "wrong_state", "from the sofa");
    let receipts = cabinet.visit(&ada, &mine, Operation::Deposit, &json!([]), Hand::Nothing).receipts();
    hand_in(&ada, receipts).await;
    let opened = ada.named("Winter jacket").await;
    assert_eq!((opened["state"].as_str(), opened["opening"].as_u64()), (Some("booked"), Some(0)));
    assert_eq!(
        ada.post(&inside, word(true, &opened["opening"])).await.code(),
        "wrong_state",
        "a client that claims so"
    );
    assert_eq!(ada.named("Winter jacket").await["state"], "booked");
    let (mine, _) = fetch(&ada, &jacket).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Deposit, &json!([]), Hand::Puts).receipts();
    hand_in(&ada, receipts).await;
    let proven = ada.named("Winter jacket").await;
    assert_eq!((proven["state"].as_str(), proven.get("unproven")), (Some("deposited"), None));

    // A compartment with something in it is not given back, whatever is said.
    let flat = ada.named("Flat 12 box").await;
    let release = path(&flat, "/release");
    let (mine, _) = fetch(&ada, &flat).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Access, &json!([]), Hand::Puts).receipts();
    hand_in(&ada, receipts).await;
    let opening = ada.named("Flat 12 box").await["opening"].clone();
    for body in [json!({}), json!({ "empty": true, "opening": opening })] {
        assert_eq!(ada.post(&release, body).await.code(), "something_inside");
    }
    let receipts = cabinet.visit(&ada, &mine, Operation::Access, &json!([]), Hand::Takes).receipts();
    hand_in(&ada, receipts).await;
    let released = ada.post(&release, json!({})).await.ok();
    assert_eq!((released["state"].as_str(), released.get("unproven")), (Some("released"), None));

    // Where nothing is measured, who stood there is asked, and what they say is shown as what it is.
    let world = World::start().await;
    let mut plain = world.cabinet(false).await;
    let ada = world.customer("Ada").await;
    let jacket = ada.named("Winter jacket").await;
    let (mine, _) = fetch(&ada, &jacket).await;
    let receipts = plain.visit(&ada, &mine, Operation::Deposit, &json!([]), Hand::Puts).receipts();
    hand_in(&ada, receipts).await;
    let asked = ada.named("Winter jacket").await;
    assert_eq!(asked["state"], "booked");
    assert!(asked["actions"].as_array().unwrap().contains(&json!("confirm_placed")), "{asked}");
    let answer = ada.post(&path(&jacket, "/inside"), word(false, &asked["opening"])).await.ok();
    assert_eq!(answer["state"], "booked");
    assert!(!answer["actions"].as_array().unwrap().contains(&json!("confirm_placed")));
    let answer = ada.post(&path(&jacket, "/inside"), word(true, &asked["opening"])).await.ok();
    assert_eq!((answer["state"].as_str(), answer["unproven"].as_bool()), (Some("deposited"), Some(true)));
    assert_eq!(answer["timeline"].as_array().unwrap().last().unwrap()["proven"], false);

    let flat = ada.named("Flat 12 box").await;
    let (mine, _) = fetch(&ada, &flat).await;
    let receipts = plain.visit(&ada, &mine, Operation::Access, &json!([]), Hand::Nothing).receipts();
    hand_in(&ada, receipts).await;
    assert_eq!(
        ada.post(&path(&flat, "/release"), json!({})).await.code(),
        "something_inside",
        "nobody has said"
    );
    let opening = ada.named("Flat 12 box").await["opening"].clone();
    let said = json!({ "empty": true, "opening": opening });
    let released = ada.post(&path(&flat, "/release"), said).await.ok();
    assert_eq!((released["state"].as_str(), released["unproven"].as_bool()), (Some("released"), Some(true)));

    // A courier's deposit likewise.
    let cart = courier(&world).await;
    let shoes = ada.named("Running shoes").await;
    let (grant, news) = errand(&cart, &plain, &shoes).await;
    let receipts = plain.visit(&cart, &grant, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&cart, receipts).await;
    assert_eq!(ada.named("Running shoes").await["state"], "in_transit");
    let inside = format!("/v1/courier/parcels/{}/inside", shoes["id"].as_str().unwrap());
    let opening = json!(plain.openings().last());
    assert_eq!(ada.post(&inside, word(true, &opening)).await.code(), "forbidden");
    assert_eq!(cart.post(&inside, word(true, &opening)).await.ok()["state"], "ready");
    assert_eq!(ada.named("Running shoes").await["unproven"], true);
}

pub(crate) async fn site_fair_share(world: World) {
    let site = json!({ "id": "yard", "name": "Yard 5", "address": "Yard 5, Berlin", "latitude": 52.5, "longitude": 13.4,
                       "hours": "24/7", "always_open": true, "access": "public", "step_free": true });
    world.operator.send(Method::PUT, "/v1/operator/sites/yard", site).await;
    let mut cabinet = world.cabinet_at("yard", true).await;
    let ada = world.customer("Ada").await;
    let mallory = world.customer("Mallory").await;
    let book = |device: &Device, n: usize| {
        let wish = json!({ "code": format!("R-{n}"), "site": "yard", "size": "s" });
        crate::client::Answer::of(device.request(Method::POST, "/v1/returns").json(&wish))
    };
    // Fifty at once: a quarter of the site, and no more.
    let answers = futures::future::join_all((0..50).map(|n| book(&mallory, n))).await;
    let booked: Vec<_> =
        answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.body.clone()).collect();
    assert_eq!(booked.len(), 4);
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(refused.code(), "fair_share");
    }
    // What nobody was given access to is free as soon as it is called off, and may be booked again.
    for one in &booked {
        mallory.post(&path(one, "/cancel"), json!({})).await.ok();
    }
    let again = book(&mallory, 60).await.ok();
    // With access it counts until the locker shows that it was not used.
    fetch(&mallory, &again).await;
    mallory.post(&path(&again, "/cancel"), json!({})).await.ok();
    for n in 0..3 {
        book(&mallory, 70 + n).await.ok();
    }
    assert_eq!(book(&mallory, 79).await.code(), "fair_share");
    let hers = book(&ada, 80).await.ok();
    let (mine, news) = fetch(&ada, &hers).await;
    let receipts = cabinet.visit(&ada, &mine, Operation::Deposit, &news, Hand::Puts).receipts();
    hand_in(&ada, receipts).await;
    book(&mallory, 81).await.ok();
    assert_eq!(book(&mallory, 82).await.code(), "fair_share");

    // All customers together leave room for parcels: half of sixteen doors.
    let trent = world.customer("Trent").await;
    for n in 0..3 {
        book(&trent, 90 + n).await.ok();
    }
    assert_eq!(book(&trent, 93).await.code(), "fair_share");
    let recipient = ada.number().await;
    let parcel = json!({ "reference": "HX Salad", "recipient": recipient, "title": "Salad", "site": "yard", "size": "xl" });
    let parcel = world.heron.post("/v1/carrier/parcels", parcel).await.ok();
    errand(&courier(&world).await, &cabinet, &parcel).await;
}
