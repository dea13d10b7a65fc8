//! What customers, carriers, couriers and operators do beyond the story; on both databases by `conformance`.

use postern_protocol::{Operation, receipt::Outcome};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Device, Key, Pending, http, page_post, token_request},
    world::{Locker, World},
};

const DAY: i64 = 86_400;

fn path(reservation: &Value, what: &str) -> String {
    format!("/v1/reservations/{}{what}", reservation["id"].as_str().unwrap())
}

async fn account_id(device: &Device) -> String {
    device.get("/v1/me").await.ok()["id"].as_str().unwrap().to_owned()
}

/// A device whose access token ran out while the clock was moved.
async fn later(world: &World, seconds: i64, devices: &mut [&mut Device]) {
    world.clock.advance(seconds);
    for device in devices {
        device.refresh().await.ok();
    }
}

pub(crate) async fn deadlines_move_as_far_as_the_operator_allows(world: World) {
    world.locker().await;
    let mut ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    let until = books["until"].as_i64().unwrap();
    let extend = path(&books, "/extend");
    assert_eq!(ada.post(&extend, json!({ "until": until - 1 })).await.code(), "malformed");
    let granted = ada.post(&extend, json!({ "until": until + 30 * DAY })).await.ok();
    assert_eq!(granted["until"], until + 2 * DAY, "the hub grants what the operator allows");
    ada.post(&extend, json!({ "until": until + 3 * DAY })).await.ok();
    assert_eq!(ada.post(&extend, json!({ "until": until + 4 * DAY })).await.code(), "limit_reached");
    let held = ada.post(&path(&books, "/hold"), json!({ "until": until + 8 * DAY })).await.ok();
    assert_eq!(held["until"], until + 8 * DAY);
    assert_eq!(
        ada.post(&path(&books, "/hold"), json!({ "until": until + 9 * DAY })).await.code(),
        "limit_reached"
    );

    // Over: expired, and its door stays taken until the carrier's courier has it.
    later(&world, 12 * DAY, &mut [&mut ada]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let books = ada.named("Two paperbacks").await;
    assert_eq!(books["state"], "expired");
    let refused = ada.post("/v1/tokens", json!({ "reservations": [books["id"]] })).await;
    assert_eq!(refused.code(), "wrong_state");
    let back = format!("/v1/carrier/parcels/{}/returned", books["id"].as_str().unwrap());
    assert_eq!(world.heron.post(&back, json!({})).await.code(), "not_found");
    assert_eq!(world.nordpost.post(&back, json!({})).await.ok()["state"], "returned");
    let shoes = ada.named("Running shoes").await;
    assert_eq!(ada.post(&path(&shoes, "/extend"), json!({ "until": 1 })).await.code(), "wrong_state");
}

pub(crate) async fn what_has_not_begun_is_called_off_and_what_is_held_is_given_back(world: World) {
    world.locker().await;
    let ada = world.customer("Ada").await;
    let cancelled = ada.post(&path(&ada.named("Running shoes").await, "/cancel"), json!({})).await.ok();
    assert_eq!(cancelled["state"], "cancelled");
    let books = ada.named("Two paperbacks").await;
    assert_eq!(ada.post(&path(&books, "/cancel"), json!({})).await.code(), "wrong_state");
    let flat = ada.named("Flat 12 box").await;
    assert_eq!(ada.post(&path(&flat, "/release"), json!({})).await.ok()["state"], "released");
    assert_eq!(ada.post(&path(&flat, "/release"), json!({})).await.code(), "wrong_state");

    let until = world.clock.now() + DAY;
    let wish = json!({ "title": "Skis", "site": "lindenhof", "size": "xl", "until": until });
    let skis = ada.post("/v1/storage", wish.clone()).await.ok();
    assert_eq!(skis["kind"], "storage");
    for _ in 0..2 {
        ada.post("/v1/storage", wish.clone()).await.ok();
    }
    assert_eq!(ada.post("/v1/storage", wish.clone()).await.code(), "limit_reached");
    // What is called off, and nobody was given access to, is free again.
    ada.post(&path(&ada.named("Winter jacket").await, "/cancel"), json!({})).await.ok();
    let ret = ada.post("/v1/returns", json!({ "code": "R-77", "site": "lindenhof", "size": "s" })).await.ok();
    assert_eq!((ret["kind"].as_str(), ret["state"].as_str()), (Some("return"), Some("booked")));
    for (wish, pointer) in [
        (json!({ "code": "", "site": "lindenhof", "size": "s" }), "/code"),
        (json!({ "code": "R", "site": "nowhere", "size": "s" }), "/site"),
        (json!({ "code": "R", "site": "lindenhof", "size": "giant" }), ""),
    ] {
        let answer = ada.post("/v1/returns", wish).await;
        assert_eq!((answer.code().as_str(), answer.body["pointer"].as_str()), ("malformed", Some(pointer)));
    }
}

pub(crate) async fn sharing_gives_and_takes_back(world: World) {
    let mut locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    let until = world.clock.now() + 3600;
    let offer = ada.post(&path(&books, "/shares"), json!({ "name": "Ben", "until": until })).await.ok();
    let secret = offer["link"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let page = Answer::of(http().get(offer["link"].as_str().unwrap())).await;
    assert!(page.status == 200 && page.body.as_str().unwrap().contains("postern://claim?"));

    let ben = world.customer("Ben").await;
    let claimed = ben.post("/v1/claims", json!({ "claim": secret })).await.ok();
    assert_eq!((claimed["role"].as_str(), claimed["id"].as_str()), (Some("guest"), books["id"].as_str()));
    assert!(claimed.get("reference").is_none() && claimed["timeline"] == json!([]));
    let again = ben.post("/v1/claims", json!({ "claim": secret })).await.ok();
    assert_eq!(again["id"], claimed["id"], "whoever has it may follow the link again");
    let cleo = world.customer("Cleo").await;
    let code = cleo.post("/v1/claims", json!({ "claim": secret })).await;
    assert_eq!(code.code(), "claim_ended", "one link, one guest");
    assert_eq!(ada.post("/v1/claims", json!({ "claim": secret })).await.code(), "claim_ended");
    // A guest opens and nothing else.
    for what in ["/cancel", "/release"] {
        assert_eq!(ben.post(&path(&books, what), json!({})).await.code(), "forbidden");
    }
    let again = ben.post(&path(&books, "/shares"), json!({ "name": "x", "until": until })).await;
    assert_eq!(again.code(), "forbidden");
    let mine =
        ben.post("/v1/tokens", json!({ "reservations": [books["id"]] })).await.ok()["grants"][0].clone();
    assert_eq!((mine["delegable"].as_bool(), mine["expires"].as_i64()), (Some(false), Some(until)));

    // A guest without an account.
    let offer = ada.post(&path(&books, "/shares"), json!({ "name": "Cleo", "until": until })).await.ok();
    let secret = offer["link"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let pending = Pending::new();
    let mut query = pending.query();
    query.push(("claim", secret.clone()));
    let html = Answer::of(http().get(format!("{}/authorize", world.base)).query(&query)).await.ok();
    let html = html.as_str().unwrap();
    assert!(html.contains("id=\"guest\""));
    let request = html.split("data-request=\"").nth(1).unwrap().split('"').next().unwrap();
    let done = page_post(&world.base, "/authorize/guest", &json!({ "request": request })).await.ok();
    let redirect = done["redirect"].as_str().unwrap();
    let cleo = Device::redeem(&world.base, &pending, redirect, Key::p256(), &world.clock).await;
    assert_eq!(cleo.get("/v1/me").await.ok()["guest"], true);
    assert_eq!(cleo.reservations().await.len(), 1);
    let wish = json!({ "code": "R", "site": "lindenhof", "size": "s" });
    assert_eq!(cleo.post("/v1/returns", wish).await.code(), "forbidden");
    let used = page_post(&world.base, "/authorize/guest", &json!({ "request": request })).await;
    assert_eq!(used.code(), "claim_ended");
    let shares = ada.get(&path(&books, "")).await.ok()["shares"].clone();
    assert_eq!(shares.as_array().unwrap().len(), 2);
    assert!(shares.as_array().unwrap().iter().all(|share| share["state"] == "accepted"));

    // Taken back: gone for the guest, and the news goes with the owner's next tokens.
    let before = ada.post("/v1/tokens", json!({})).await.ok();
    assert_eq!(before["bulletins"], json!([]));
    let cursor = ben.get("/v1/changes").await.ok()["cursor"].as_str().unwrap().to_owned();
    let share = shares[0]["id"].as_str().unwrap();
    let answer = ada.send(Method::DELETE, &path(&books, &format!("/shares/{share}")), json!({})).await.ok();
    assert_eq!(answer["shares"][0]["state"], "ended");
    let changes = ben.get(&format!("/v1/changes?cursor={cursor}")).await.ok();
    assert_eq!(changes["removed"], json!([books["id"]]));
    assert_eq!(ben.get(&path(&books, "")).await.code(), "not_found");
    assert_eq!(ben.post("/v1/tokens", json!({ "reservations": [books["id"]] })).await.code(), "not_found");
    let after = ada.post("/v1/tokens", json!({})).await.ok();
    assert_eq!(after["bulletins"][0]["locker"], json!(locker.id));
    assert!(cleo.post("/v1/tokens", json!({})).await.ok()["grants"][0]["token"].is_string());

    // What the guest opened shows as such.
    let mine = cleo.post("/v1/tokens", json!({})).await.ok()["grants"][0].clone();
    let receipt = locker.receipt(&mine, Operation::Collect, Outcome::Opened, world.clock.now());
    cleo.post("/v1/receipts", json!({ "receipts": [receipt] })).await.ok();
    let seen = ada.get(&path(&books, "")).await.ok();
    assert_eq!((seen["state"].as_str(), seen["shares"][1]["state"].as_str()), (Some("opened"), Some("used")));
}

pub(crate) async fn devices_are_named_and_removed_and_codes_recover(world: World) {
    world.locker().await;
    let pending = Pending::new();
    let (passkey, redirect) = crate::client::register(&world.base, &pending, "Ada").await;
    let ada = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    let codes = ada.post("/v1/recovery-codes", json!({})).await.ok()["codes"].as_array().unwrap().clone();
    assert_eq!(codes.len(), 8);
    let list = ada.get("/v1/passkeys").await.ok();
    assert_eq!(
        (list["passkeys"].as_array().unwrap().len(), list["recovery_codes_left"].as_u64()),
        (1, Some(8))
    );

    // The passkey is lost; a code makes another, once.
    drop(passkey);
    let recover = |code: String| {
        let world = &world;
        async move {
            let pending = Pending::new();
            let request = pending.open_page(&world.base).await;
            let body = json!({ "request": request, "code": code });
            let started = page_post(&world.base, "/authorize/recover/start", &body).await;
            if !started.status.is_success() {
                return Err(started.code());
            }
            let (_, credential) = crate::passkey::Passkey::create(&started.body["options"], &world.base);
            let body = json!({ "ceremony": started.body["ceremony"], "credential": credential });
            let done = page_post(&world.base, "/authorize/register/finish", &body).await.ok();
            let redirect = done["redirect"].as_str().unwrap();
            Ok(Device::redeem(&world.base, &pending, redirect, Key::p256(), &world.clock).await)
        }
    };
    let code = codes[0].as_str().unwrap();
    let mut second = recover(code.to_uppercase().replace('-', " ")).await.ok().unwrap();
    assert_eq!(recover(code.to_owned()).await.err().unwrap(), "unauthenticated", "used up");
    assert_eq!(recover("0000-0000-0000-0000".to_owned()).await.err().unwrap(), "unauthenticated");
    assert_eq!(account_id(&second).await, account_id(&ada).await);

    let me = ada.get("/v1/me").await.ok();
    let (mine, other) = (me["device_id"].as_str().unwrap(), account_device(&second).await);
    ada.send(Method::PATCH, &format!("/v1/devices/{mine}"), json!({ "name": "Old phone" })).await.ok();
    let stranger = world.customer("Mallory").await;
    let attack = stranger.send(Method::DELETE, &format!("/v1/devices/{mine}"), json!({})).await;
    assert_eq!(attack.code(), "not_found");
    let attack = stranger.send(Method::PATCH, &format!("/v1/devices/{mine}"), json!({ "name": "x" })).await;
    assert_eq!(attack.code(), "not_found");

    // The other phone is lost: signed out everywhere at once, its push stream too, and what it could open is told.
    second.post("/v1/tokens", json!({})).await.ok();
    let stream = second.request(Method::GET, "/v1/events").send().await.unwrap();
    let removed = ada.send(Method::DELETE, &format!("/v1/devices/{other}"), json!({})).await;
    assert_eq!(removed.status, 204);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), stream.bytes()).await;
    assert!(ended.is_ok(), "the stream of a removed device ends");
    assert_eq!(second.get("/v1/me").await.code(), "device_revoked");
    let refused = second.refresh().await;
    assert_ne!(refused.status, 200);
    let bulletins = ada.post("/v1/tokens", json!({})).await.ok()["bulletins"].clone();
    assert_eq!(bulletins.as_array().unwrap().len(), 1);
    assert_eq!(ada.get("/v1/me").await.ok()["devices"][0]["name"], "Old phone");
}

/// Reading waits for no write: what was noted shows at once, and is in the database after the next regular work.
pub(crate) async fn the_list_of_devices_tells_the_hour_of_the_last_request(world: World) {
    let mut ada = world.customer("Ada").await;
    let session = account_device(&ada).await;
    world.hub.seen.write(&world.hub.store).await.unwrap();
    later(&world, 2 * 3600, &mut [&mut ada]).await;
    let hour = world.clock.now() - world.clock.now() % 3600;
    let seen = async || ada.get("/v1/me").await.ok()["devices"][0]["last_seen_at"].as_i64();
    assert_eq!(seen().await, Some(hour));
    world.hub.seen.write(&world.hub.store).await.unwrap();
    assert_eq!(world.hub.seen.of(&session), None);
    assert_eq!(seen().await, Some(hour));
    assert_eq!(world.hub.seen.of(&session), None, "what is written is not noted again within the hour");
}

async fn account_device(device: &Device) -> String {
    device.get("/v1/me").await.ok()["device_id"].as_str().unwrap().to_owned()
}

pub(crate) async fn a_courier_deposits_and_collects_by_the_lockers_protocol(world: World) {
    let mut locker = world.locker().await;
    let mut ada = world.customer("Ada").await;
    let made = world.nordpost.post("/v1/carrier/couriers", json!({ "name": "Cart 7" })).await.ok();
    let code = made["enrolment_code"].as_str().unwrap();
    let form =
        [("grant_type", "enrolment"), ("code", code), ("client_id", "postern-app"), ("device_name", "Cart")];
    let key = Key::p256();
    let answer = token_request(&world.base, &key, &form, world.clock.now()).await.ok();
    let again = token_request(&world.base, &Key::p256(), &form, world.clock.now()).await;
    assert_eq!(again.body["error"], "invalid_grant");
    let mut cart = Device::from_answer(&world.base, key, &answer, &world.clock);
    assert_eq!(ada.get("/v1/courier/tasks").await.code(), "forbidden");

    let parcel = json!({ "reference": "NP9", "recipient": ada.number().await, "title": "Lamp",
                         "site": "lindenhof", "size": "l" });
    let parcel = world.nordpost.post("/v1/carrier/parcels", parcel).await.ok();
    let tasks = cart.get("/v1/courier/tasks").await.ok();
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(
        (tasks["tasks"][0]["operation"].as_str(), tasks["lockers"][0]["id"].as_str()),
        (Some("deposit"), Some(locker.id.as_str()))
    );
    assert!(
        !tasks.to_string().contains("Ada") && !tasks.to_string().contains("Lamp"),
        "nothing of the recipient"
    );
    let shoes = ada.named("Running shoes").await;
    let foreign = cart.post("/v1/courier/tokens", json!({ "parcel": shoes["id"] })).await;
    assert_eq!(foreign.code(), "not_found", "another carrier's");
    let asked = json!({ "parcel": parcel["id"], "locker": locker.id });
    let grant = cart.post("/v1/courier/tokens", asked.clone()).await.ok()["grants"][0].clone();
    let same = cart.post("/v1/courier/tokens", asked).await.ok()["grants"][0].clone();
    assert_eq!(grant["doors"], same["doors"], "one door is kept");
    let opened = locker.receipt(&grant, Operation::Deposit, Outcome::Opened, world.clock.now());
    let closed = locker.closed(Outcome::ClosedPresent, world.clock.now());
    // Any phone may bring the evidence; here the customer's own.
    ada.post("/v1/receipts", json!({ "receipts": [opened, closed] })).await.ok();
    let lamp = ada.named("Lamp").await;
    assert_eq!(
        (lamp["state"].as_str(), lamp["compartment"]["door"].as_u64()),
        (Some("ready"), grant["doors"][0].as_u64())
    );
    assert_eq!(lamp["timeline"].as_array().unwrap().last().unwrap()["proven"], true);
    assert_eq!(
        cart.post("/v1/courier/tokens", json!({ "parcel": parcel["id"] })).await.code(),
        "wrong_state"
    );

    later(&world, 4 * DAY, &mut [&mut ada, &mut cart]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let grant =
        cart.post("/v1/courier/tokens", json!({ "parcel": parcel["id"] })).await.ok()["grants"][0].clone();
    let opened = locker.receipt(&grant, Operation::Collect, Outcome::Opened, world.clock.now());
    let closed = locker.closed(Outcome::ClosedAbsent, world.clock.now());
    cart.post("/v1/receipts", json!({ "receipts": [opened, closed] })).await.ok();
    assert_eq!(ada.named("Lamp").await["state"], "returned");
    let seen = world.operator.get(&format!("/v1/operator/lockers/{}", locker.id)).await.ok();
    let door =
        seen["doors"].as_array().unwrap().iter().find(|door| door["door"] == grant["doors"][0]).unwrap();
    assert!(door.get("reservation").is_none(), "{door}");

    let id = made["id"].as_str().unwrap();
    let foreign = world.heron.send(Method::DELETE, &format!("/v1/carrier/couriers/{id}"), json!({})).await;
    assert_eq!(foreign.code(), "not_found");
    assert_eq!(
        world.nordpost.send(Method::DELETE, &format!("/v1/carrier/couriers/{id}"), json!({})).await.status,
        204
    );
    assert_eq!(cart.get("/v1/courier/tasks").await.code(), "device_revoked");
}

pub(crate) async fn a_reported_problem_takes_the_door_out_of_service(world: World) {
    let locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    let jpeg =
        [&[0xff, 0xd8, 0xff, 0xe1, 0, 8][..], b"GPS 52", &[0xff, 0xda, 0, 3, 1, 7, 7, 0xff, 0xd9]].concat();
    let report =
        json!({ "kind": "door_stuck", "note": "It clicks.", "photos": [crate::client::encode(&jpeg)] });
    ada.post(&path(&books, "/problems"), report).await.ok();
    let kept: Vec<u8> =
        sqlx::query_scalar("SELECT bytes FROM photos").fetch_one(world.hub.store.read()).await.unwrap();
    assert_eq!(kept, [0xff, 0xd8, 0xff, 0xda, 0, 3, 1, 7, 7, 0xff, 0xd9], "without the position");
    for (report, code) in [
        (json!({ "kind": "other", "photos": [crate::client::encode("GIF89a")] }), "malformed"),
        (json!({ "kind": "other", "note": "x".repeat(2001) }), "malformed"),
        (json!({ "kind": "other", "photos": vec!["_9j_2Q"; 5] }), "malformed"),
        (json!({ "kind": "nonsense" }), "malformed"),
    ] {
        assert_eq!(ada.post(&path(&books, "/problems"), report).await.code(), code);
    }
    let alarms = world.operator.get("/v1/operator/alarms").await.ok()["alarms"].clone();
    assert_eq!(alarms[0]["kind"], "problem");
    let seen = world.operator.get(&format!("/v1/operator/lockers/{}", locker.id)).await.ok();
    let door = |seen: &Value| seen["doors"][usize::from(Locker::door("A2")) - 1].clone();
    assert_eq!(door(&seen)["out_of_order"], true);
    let clear = format!("/v1/operator/lockers/{}/doors/{}/clear", locker.id, Locker::door("A2"));
    assert_eq!(world.operator.post(&clear, json!({})).await.status, 204);
    let seen = world.operator.get(&format!("/v1/operator/lockers/{}", locker.id)).await.ok();
    assert!(door(&seen)["out_of_order"] == false && door(&seen).get("reservation").is_none());
    assert_eq!(ada.named("Two paperbacks").await["state"], "cancelled");
    let resolve = format!("/v1/operator/alarms/{}/resolve", alarms[0]["id"].as_str().unwrap());
    assert_eq!(world.operator.post(&resolve, json!({})).await.status, 204);
    assert_eq!(world.operator.get("/v1/operator/alarms").await.ok()["alarms"], json!([]));
}

pub(crate) async fn neighbours_hand_over_and_borrow(world: World) {
    let locker = world.locker().await;
    let mut ada = world.customer("Ada").await;
    let mut ben = world.customer("Ben").await;
    let site = json!({ "id": "yard", "name": "Yard 5", "address": "Yard 5, Berlin", "latitude": 52.5, "longitude": 13.4,
                       "hours": "24/7", "always_open": true, "access": "residents", "step_free": true, "fill": [] });
    assert_eq!(world.operator.send(Method::PUT, "/v1/operator/sites/yard", site).await.status, 204);
    let mut yard = Locker::new();
    world.operator.post("/v1/operator/lockers", json!({ "descriptor": yard.descriptor("yard") })).await.ok();
    let wish = json!({ "title": "Skis", "site": "yard", "size": "m", "until": world.clock.now() + DAY });
    assert_eq!(ada.post("/v1/storage", wish.clone()).await.body["pointer"], "/site", "not a resident");
    assert!(!ada.get("/v1/sites").await.ok().to_string().contains("Yard 5"));
    for (device, unit) in [(&ada, "Flat 12"), (&ben, "Flat 14")] {
        let member = format!("/v1/operator/sites/yard/members/{}", device.number().await.replace(' ', "-"));
        assert_eq!(world.operator.send(Method::PUT, &member, json!({ "unit": unit })).await.status, 204);
    }
    let near = ada.get("/v1/sites?near=52.5,13.4&size=xl").await.ok();
    assert_eq!(near["sites"][0]["id"], "yard");
    assert_eq!(near["sites"][0]["distance"], 0);
    let free = near["sites"][0]["fill"]
        .as_array()
        .unwrap()
        .iter()
        .find(|fill| fill["size"] == "xl")
        .unwrap()
        .clone();
    assert_eq!((free["free"].as_u64(), free["total"].as_u64()), (Some(4), Some(4)));
    assert_eq!(ada.get("/v1/sites?near=123,4").await.code(), "malformed");

    let skis = ada.post("/v1/storage", wish).await.ok();
    let cursor = ada.get("/v1/changes").await.ok()["cursor"].as_str().unwrap().to_owned();
    assert_eq!(ada.post(&path(&skis, "/handover"), json!({ "unit": "Flat 99" })).await.code(), "not_found");
    assert_eq!(ada.post(&path(&skis, "/handover"), json!({ "unit": "Flat 14" })).await.status, 204);
    assert_eq!(ada.get(&format!("/v1/changes?cursor={cursor}")).await.ok()["removed"], json!([skis["id"]]));
    assert_eq!(ada.get(&path(&skis, "")).await.code(), "not_found");
    let mine = ben.named("Skis").await;
    assert_eq!(mine["timeline"][0]["by"], "Flat 12");
    assert_eq!(
        ben.post("/v1/tokens", json!({ "reservations": [skis["id"]] })).await.ok()["grants"][0]["operations"]
            [0],
        "access"
    );

    // A drill that is lent, its door kept for it.
    let drill = json!({ "id": "drill", "title": "Drill", "site": "yard", "locker": yard.id, "door": 16, "loan_hours": 24 });
    assert_eq!(
        world.operator.send(Method::PUT, "/v1/operator/assets/drill", drill.clone()).await.status,
        204
    );
    let behind_the_same_door = world.operator.send(Method::PUT, "/v1/operator/assets/ladder", drill).await;
    assert_eq!(behind_the_same_door.code(), "no_compartment");
    assert_eq!(ada.get("/v1/assets").await.ok()["assets"][0]["available"], true);
    assert_eq!(
        world.customer("Mallory").await.post("/v1/assets/drill/borrow", json!({})).await.code(),
        "not_found"
    );
    let lent = ada.post("/v1/assets/drill/borrow", json!({})).await.ok();
    assert_eq!(lent["compartment"]["door"], 16);
    assert_eq!(ben.post("/v1/assets/drill/borrow", json!({})).await.code(), "wrong_state");
    later(&world, DAY + 60, &mut [&mut ada, &mut ben]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    let late = ada.named("Drill").await;
    assert_eq!(late["timeline"].as_array().unwrap().last().unwrap()["event"], "expired");
    let mine =
        ada.post("/v1/tokens", json!({ "reservations": [lent["id"]] })).await.ok()["grants"][0].clone();
    // Taken, and brought back: not by a word from the sofa.
    let now = world.clock.now();
    let taken = [
        yard.receipt(&mine, Operation::Access, Outcome::Opened, now),
        yard.closed(Outcome::ClosedAbsent, now),
    ];
    ada.post("/v1/receipts", json!({ "receipts": taken })).await.ok();
    assert_eq!(ada.post(&path(&lent, "/release"), json!({ "empty": true })).await.code(), "wrong_state");
    let back = [
        yard.receipt(&mine, Operation::Access, Outcome::Opened, now),
        yard.closed(Outcome::ClosedPresent, now),
    ];
    ada.post("/v1/receipts", json!({ "receipts": back })).await.ok();
    ada.post(&path(&lent, "/release"), json!({})).await.ok();
    ben.post("/v1/assets/drill/borrow", json!({})).await.ok();
    let _ = locker;
}

pub(crate) async fn an_account_is_exported_and_deleted(world: World) {
    let mut locker = world.locker().await;
    let ada = world.customer("Ada Lovelace").await;
    let books = ada.named("Two paperbacks").await;
    let grant =
        ada.post("/v1/tokens", json!({ "reservations": [books["id"]] })).await.ok()["grants"][0].clone();
    let receipt = locker.receipt(&grant, Operation::Collect, Outcome::Opened, world.clock.now());
    ada.post("/v1/receipts", json!({ "receipts": [receipt.clone()] })).await.ok();
    ada.post(&path(&books, "/problems"), json!({ "kind": "damaged", "note": "Wet." })).await.ok();
    let export = ada.get("/v1/me/export").await.ok();
    assert_eq!(export["account"]["display_name"], "Ada Lovelace");
    assert_eq!(export["reservations"].as_array().unwrap().len(), 4);
    assert_eq!(export["receipts"], json!([receipt]));
    assert_eq!(export["problems"][0]["note"], "Wet.");

    assert_eq!(
        ada.send(Method::DELETE, "/v1/me", json!({})).await.code(),
        "wrong_state",
        "compartments first"
    );
    ada.post(&path(&ada.named("Flat 12 box").await, "/release"), json!({})).await.ok();
    ada.post(&path(&ada.named("Winter jacket").await, "/cancel"), json!({})).await.ok();
    assert_eq!(ada.send(Method::DELETE, "/v1/me", json!({})).await.status, 204);
    assert_eq!(ada.get("/v1/me").await.code(), "unauthenticated");
    for table in ["accounts", "passkeys", "sessions", "feed", "problems"] {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let left: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(world.hub.store.read()).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    let whose: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM reservations WHERE account_id IS NOT NULL")
        .fetch_one(world.hub.store.read())
        .await
        .unwrap();
    assert_eq!(whose, 0);
}

pub(crate) async fn belief_is_held_against_evidence(world: World) {
    let mut locker = world.locker().await;
    let mut ada = world.customer("Ada").await;
    let jacket = ada.named("Winter jacket").await;
    let grant =
        ada.post("/v1/tokens", json!({ "reservations": [jacket["id"]] })).await.ok()["grants"][0].clone();
    later(&world, 3 * DAY, &mut [&mut ada]).await;
    postern_hub::domain::sweep::windows(&world.hub).await.unwrap();
    assert_eq!(ada.named("Winter jacket").await["state"], "cancelled");
    let taken = |world: &World| {
        let store = world.hub.store.clone();
        async move {
            let sql = "SELECT COUNT(*) FROM doors WHERE label = 'C1' \
                       AND (reservation_id IS NOT NULL OR settling_epoch IS NOT NULL)";
            sqlx::query_scalar::<_, i64>(sql).fetch_one(store.read()).await.unwrap()
        }
    };
    assert_eq!(
        taken(&world).await,
        1,
        "a token was given out: somebody may have put it in without a network"
    );
    postern_hub::domain::sweep::reconcile(&world.hub).await.unwrap();
    assert_eq!(taken(&world).await, 1);

    // Whoever comes next brings the news, and the receipt of that proves that nothing came of the token.
    let flat = ada.named("Flat 12 box").await;
    let answer = ada.post("/v1/tokens", json!({ "reservations": [flat["id"]] })).await.ok();
    let mine = answer["grants"][0].clone();
    later(&world, 60, &mut [&mut ada]).await;
    let deaf = locker.receipt(&mine, Operation::Access, Outcome::Opened, world.clock.now());
    ada.post("/v1/receipts", json!({ "receipts": [deaf] })).await.ok();
    assert_eq!(taken(&world).await, 1, "it has not heard of the end");
    locker.hear(&answer);
    let told = locker.receipt(&mine, Operation::Access, Outcome::Opened, world.clock.now());
    ada.post("/v1/receipts", json!({ "receipts": [told] })).await.ok();
    assert_eq!(taken(&world).await, 0, "the chain proves that it is empty");
    let _ = grant;

    // An opening for a token that the hub never minted.
    let mut stray = mine.clone();
    stray["token_id"] = json!("00".repeat(16));
    let receipt = locker.receipt(&stray, Operation::Access, Outcome::Opened, world.clock.now());
    ada.post("/v1/receipts", json!({ "receipts": [receipt] })).await.ok();
    let alarms = world.operator.get("/v1/operator/alarms").await.ok()["alarms"].clone();
    assert!(alarms.as_array().unwrap().iter().any(|alarm| alarm["kind"] == "stray"));

    // What is old is forgotten, and the customer's app is told.
    let cursor = ada.get("/v1/changes").await.ok()["cursor"].as_str().unwrap().to_owned();
    world.clock.advance(40 * DAY);
    ada.refresh().await.ok();
    world.clock.advance(80 * DAY);
    ada.refresh().await.ok();
    world.clock.advance(80 * DAY);
    ada.refresh().await.ok();
    postern_hub::domain::sweep::retention(&world.hub).await.unwrap();
    let removed = ada.get(&format!("/v1/changes?cursor={cursor}")).await.ok()["removed"].clone();
    assert!(removed.as_array().unwrap().contains(&jacket["id"]), "{removed}");
}

pub(crate) async fn a_door_is_never_given_twice(world: World) {
    world.locker().await;
    let ada = world.customer("Ada").await;
    let account = ada.number().await;
    let mut parcels = Vec::new();
    for n in 0..24 {
        let parcel = json!({ "reference": format!("C{n}"), "recipient": account, "title": "Box", "site": "lindenhof",
                             "size": "xs" });
        parcels.push(world.heron.post("/v1/carrier/parcels", parcel).await.ok());
    }
    let locker: String =
        sqlx::query_scalar("SELECT id FROM lockers").fetch_one(world.hub.store.read()).await.unwrap();
    let all = parcels.iter().map(|parcel| {
        let path = format!("/v1/carrier/parcels/{}/deposit", parcel["id"].as_str().unwrap());
        let body = json!({ "locker": locker });
        let heron = &world.heron;
        async move { heron.post(&path, body).await }
    });
    let answers = futures::future::join_all(all).await;
    let mut doors: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status.is_success())
        .map(|answer| answer.body["door"].as_u64().unwrap())
        .collect();
    // Sixteen doors, four of them the demo's.
    assert_eq!(doors.len(), 12);
    doors.sort_unstable();
    doors.dedup();
    assert_eq!(doors.len(), 12);
    for answer in answers.iter().filter(|answer| !answer.status.is_success()) {
        assert_eq!(answer.code(), "no_compartment");
    }
}

pub(crate) async fn what_must_be_chilled_lies_in_a_chilled_compartment(world: World) {
    let locker = Locker::new();
    let mut descriptor = locker.descriptor("lindenhof");
    // Door C2 alone; smaller doors would do for the size.
    descriptor["doors"][usize::from(Locker::door("C2")) - 1]["chilled"] = json!(true);
    world.operator.post("/v1/operator/lockers", json!({ "descriptor": descriptor })).await.ok();
    let ada = world.customer("Ada").await;
    let account = ada.number().await;
    let announce = |reference: &'static str, chilled: bool| {
        let parcel = json!({ "reference": reference, "recipient": account, "title": "Salad", "site": "lindenhof",
                             "size": "xs", "chilled": chilled });
        world.heron.post("/v1/carrier/parcels", parcel)
    };
    let deposit = |parcel: Value| {
        let path = format!("/v1/carrier/parcels/{}/deposit", parcel["id"].as_str().unwrap());
        let (heron, body) = (&world.heron, json!({ "locker": locker.id }));
        async move { heron.post(&path, body).await }
    };
    let plain = deposit(announce("F1", false).await.ok()).await.ok();
    assert_ne!(plain["door"], Locker::door("C2"), "what needs no chill leaves it free");
    let salad = deposit(announce("F2", true).await.ok()).await.ok();
    assert_eq!(salad["door"], Locker::door("C2"));
    assert_eq!(deposit(announce("F3", true).await.ok()).await.code(), "no_compartment");
}
