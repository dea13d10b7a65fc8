//! What goes on when somebody leaves: an account, a guest. And who has an account of their own at all. On both databases by
//! `conformance`.

use std::time::{Duration, Instant};

use postern_hub::{domain::sweep, jobs, store::accounts};
use postern_protocol::Operation;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cabinet::{Hand, door},
    client::Device,
    gaps::sign_out,
    promises::{alarms, courier, errand, fetch, hand_in, later, path, report},
    reach::{announce_to, claim, guest, of_nobody},
    world::World,
};

const DAY: i64 = 86_400;

/// Whoever leaves gives back what is theirs.
async fn give_back(device: &Device) {
    for (title, action) in [("Winter jacket", "/cancel"), ("Flat 12 box", "/release")] {
        device.post(&path(&device.named(title).await, action), json!({})).await.ok();
    }
}

async fn leave(device: &Device) {
    assert_eq!(device.send(Method::DELETE, "/v1/me", json!({})).await.status, 204);
}

/// Called off while the courier was on the way, and then its recipient left: it is put in all the same, and is not lost.
pub(crate) async fn a_door_outlives_the_account_that_it_waits_for(world: World) {
    let mut cabinet = world.cabinet(true).await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let cart = courier(&world).await;
    let lamp = announce_to(&world, "HX1", &ada.number().await).await;
    let (grant, _) = errand(&cart, &cabinet, &lamp).await;
    ada.post(&path(&lamp, "/cancel"), json!({})).await.ok();
    give_back(&ada).await;
    leave(&ada).await;
    assert_eq!(report(&world, &cabinet, door(&grant)).await["settling"], true);

    // The courier has no network at the locker.
    let receipts = cabinet.visit(&cart, &grant, Operation::Deposit, &json!([]), Hand::Puts).receipts();
    hand_in(&cart, receipts).await;
    let shown = world.heron.get(&format!("/v1/carrier/parcels/{}", lamp["id"].as_str().unwrap())).await.ok();
    assert_eq!(shown["state"], "ready");
    assert_eq!(report(&world, &cabinet, door(&grant)).await["reservation"], lamp["id"]);
    assert!(alarms(&world).await.contains(&"called_off_deposit".to_owned()));
    let taken = claim(&ben, &lamp).await.ok();
    assert_eq!((&taken["role"], &taken["state"]), (&json!("owner"), &json!("ready")));
    let (mine, news) = fetch(&ben, &lamp).await;
    cabinet.visit(&ben, &mine, Operation::Collect, &news, Hand::Takes).receipts();
}

/// However long ago it ended: what a door waits for is not forgotten until somebody has looked.
pub(crate) async fn what_a_door_waits_for_is_kept(world: World) {
    let cabinet = world.cabinet(true).await;
    let mut ada = world.customer("Ada").await;
    let flat = ada.named("Flat 12 box").await;
    let (mine, _) = fetch(&ada, &flat).await;
    give_back(&ada).await;
    let titles = async |device: &Device| {
        let all = device.reservations().await;
        all.iter().map(|one| one["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for _ in 0..4 {
        later(&world, 50 * DAY, &mut [&mut ada]).await;
    }
    sweep::retention(&world.hub).await.unwrap();
    let kept = titles(&ada).await;
    assert!(kept.contains(&"Flat 12 box".to_owned()), "{kept:?}");
    assert!(!kept.contains(&"Winter jacket".to_owned()), "nobody had access to its door: {kept:?}");
    assert_eq!(report(&world, &cabinet, door(&mine)).await["settling"], true);
    let clear = format!("/v1/operator/lockers/{}/doors/{}/clear", cabinet.id, door(&mine));
    world.operator.post(&clear, json!({})).await.ok();
    sweep::retention(&world.hub).await.unwrap();
    let kept = titles(&ada).await;
    assert!(!kept.contains(&"Flat 12 box".to_owned()), "{kept:?}");
}

/// Who collects by a link and leaves has not lost the parcel for everybody.
pub(crate) async fn a_guest_who_leaves_gives_the_link_back(world: World) {
    let locker = world.locker().await;
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let (mine, nobodys) = (ada.number().await, of_nobody(&ada.number().await));
    for way in ["deletes", "removes the device", "signs out"] {
        let parcel = announce_to(&world, way, &nobodys).await;
        let kim = guest(&world, &parcel).await;
        let deposit = format!("/v1/carrier/parcels/{}/deposit", parcel["id"].as_str().unwrap());
        world.heron.post(&deposit, json!({ "locker": locker.id })).await.ok();
        fetch(&kim, &parcel).await;
        assert_eq!(claim(&ben, &parcel).await.code(), "claim_ended", "{way}: Kim has it");
        match way {
            "deletes" => leave(&kim).await,
            "signs out" => {
                sign_out(&world, &kim.key, &kim.refresh, "postern-app").await.ok();
            }
            _ => {
                let device = kim.get("/v1/me").await.ok()["device_id"].as_str().unwrap().to_owned();
                let gone = kim.send(Method::DELETE, &format!("/v1/devices/{device}"), json!({})).await;
                assert_eq!(gone.status, 204);
            }
        }
        assert!(!kim.get("/v1/me").await.status.is_success(), "{way}");
        // By the same link: as a guest who comes back, or for good.
        if way == "signs out" {
            let back = guest(&world, &parcel).await;
            assert_eq!(back.named(way).await["state"], "ready");
            leave(&back).await;
        }
        let taken = claim(&ben, &parcel).await.ok();
        assert_eq!((&taken["role"], &taken["state"]), (&json!("owner"), &json!("ready")), "{way}");
        assert!(fetch(&ben, &parcel).await.0["token"].is_string(), "{way}");
    }
    // What is in somebody's list is theirs to give again.
    let parcel = announce_to(&world, "HX-mine", &mine).await;
    leave(&guest(&world, &parcel).await).await;
    assert_eq!(claim(&ben, &parcel).await.code(), "claim_ended");
    assert_eq!(ada.named("HX-mine").await["shares"][0]["state"], "ended");
}

/// Announced long before it comes, or kept for long: who has nothing but the link has it as long as the parcel is under way.
pub(crate) async fn a_guest_waits_for_as_long_as_the_parcel_does(world: World) {
    let locker = world.locker().await;
    let nobodys = of_nobody(&world.customer("Ada").await.number().await);
    let parcel = announce_to(&world, "HX-late", &nobodys).await;
    let mut kim = guest(&world, &parcel).await;
    for _ in 0..4 {
        later(&world, 50 * DAY, &mut [&mut kim]).await;
        sweep::windows(&world.hub).await.unwrap();
        sweep::retention(&world.hub).await.unwrap();
    }
    let deposit = format!("/v1/carrier/parcels/{}/deposit", parcel["id"].as_str().unwrap());
    world.heron.post(&deposit, json!({ "locker": locker.id })).await.ok();
    assert_eq!(kim.named("HX-late").await["state"], "ready");
    assert!(fetch(&kim, &parcel).await.0["token"].is_string());
}

/// Whom somebody let in is not told to whoever has the parcel after them.
pub(crate) async fn nobody_reads_whom_a_former_owner_let_in(world: World) {
    let _locker = world.locker().await;
    let (ada, ben, kim) =
        (world.customer("Ada").await, world.customer("Ben").await, world.customer("Kim").await);
    let lamp = announce_to(&world, "HX1", &ada.number().await).await;
    let until = world.clock.now() + DAY;
    let offer =
        ada.post(&path(&lamp, "/shares"), json!({ "name": "Grandma Ilse", "until": until })).await.ok();
    let link = json!({ "claim": offer["link"].as_str().unwrap().rsplit('/').next().unwrap() });
    kim.post("/v1/claims", link).await.ok();
    assert_eq!(ada.named("HX1").await["shares"][0]["name"], "Grandma Ilse");
    give_back(&ada).await;
    leave(&ada).await;

    claim(&ben, &lamp).await.ok();
    let shown = ben.named("HX1").await;
    assert!(!shown.to_string().contains("Ilse"), "{shown}");
    let export = ben.get("/v1/me/export").await.ok();
    assert!(!export.to_string().contains("Ilse"), "{export}");
    // That somebody else may collect it is seen, and can be ended.
    assert_eq!(
        (shown["shares"].as_array().unwrap().len(), &shown["shares"][0]["state"]),
        (1, &json!("accepted"))
    );
    let share = path(&lamp, &format!("/shares/{}", shown["shares"][0]["id"].as_str().unwrap()));
    ben.send(Method::DELETE, &share, json!({})).await.ok();
    assert_eq!(kim.get(&path(&lamp, "")).await.code(), "not_found");
}

/// A courier's device works for its carrier: it takes up nothing, books nothing, is reached by nobody, and makes no other way in.
pub(crate) async fn couriers_have_no_account_of_their_own(world: World) {
    let _locker = world.locker().await;
    let ben = world.customer("Ben").await;
    let cart = courier(&world).await;
    let parcel = announce_to(&world, "HX1", &of_nobody(&ben.number().await)).await;
    assert_eq!(claim(&cart, &parcel).await.code(), "forbidden");
    let until = world.clock.now() + DAY;
    let wishes = [
        ("/v1/me/email", json!({ "email": "cart@example.org" })),
        ("/v1/me/email/confirm", json!({ "code": "12345678" })),
        ("/v1/recovery-codes", json!({})),
        ("/v1/returns", json!({ "code": "R1", "site": "lindenhof", "size": "s" })),
        ("/v1/storage", json!({ "title": "Mine", "site": "lindenhof", "size": "s", "until": until })),
    ];
    for (wish, body) in wishes {
        assert_eq!(cart.post(wish, body).await.code(), "forbidden", "{wish}");
    }
    assert_eq!(cart.get("/v1/passkeys").await.code(), "forbidden");
    // Whose openings are a courier's is told by its account.
    assert_eq!(cart.send(Method::DELETE, "/v1/me", json!({})).await.code(), "forbidden");
    cart.get("/v1/courier/tasks").await.ok();
    assert_eq!(ben.get("/v1/courier/tasks").await.code(), "forbidden");
    assert_eq!(claim(&ben, &parcel).await.ok()["role"], "owner", "the link is as good as before");
}

/// Whoever signed up at an instance of the version before has a number soon, and instances do not get in each other's way.
pub(crate) async fn customers_without_a_number_are_given_one(world: World) {
    let (ada, ben) = (world.customer("Ada").await, world.customer("Ben").await);
    let number = async |device: &Device| device.get("/v1/me").await.ok()["number"].clone();
    let mut tx = world.hub.store.begin().await.unwrap();
    sqlx::query("UPDATE accounts SET number = NULL").execute(tx.on()).await.unwrap();
    tx.commit().await.unwrap();
    // Another instance is at it.
    let mut tx = world.hub.store.begin().await.unwrap();
    accounts::give_numbers(tx.on()).await.unwrap();
    let (here, ()) = tokio::join!(sweep::numbers(&world.hub), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        tx.commit().await.unwrap();
    });
    here.unwrap();
    assert_ne!(number(&ada).await, number(&ben).await);

    let mut tx = world.hub.store.begin().await.unwrap();
    sqlx::query("UPDATE accounts SET number = NULL").execute(tx.on()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((number(&ada).await, number(&ben).await), (Value::Null, Value::Null));
    // Among what the hub looks after all the time, and when it begins.
    jobs::start(&world.hub).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while number(&ada).await.is_null() || number(&ben).await.is_null() {
        assert!(Instant::now() < deadline, "still without a number");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_ne!(number(&ada).await, number(&ben).await);
}

/// What is booked while the account is being deleted is either seen by that, or not booked.
pub(crate) async fn nothing_is_booked_for_an_account_that_ends(world: World) {
    let _locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let books = ada.named("Two paperbacks").await;
    ada.post(&path(&books, "/problems"), json!({ "kind": "other", "note": "It creaks." })).await.ok();
    give_back(&ada).await;
    // Somebody looks at her report just now: the deletion waits for that, halfway.
    let mut tx = world.hub.store.begin().await.unwrap();
    sqlx::query("UPDATE problems SET note = note").execute(tx.on()).await.unwrap();
    let wish =
        json!({ "title": "Skis", "site": "lindenhof", "size": "xl", "until": world.clock.now() + DAY });
    let (deleted, booked, ()) = tokio::join!(
        ada.send(Method::DELETE, "/v1/me", json!({})),
        async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            ada.post("/v1/storage", wish).await
        },
        async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            drop(tx);
        },
    );
    let (ended, has) = (deleted.status == 204, booked.status == 201);
    assert_ne!(ended, has, "{} {} and {} {}", deleted.status, deleted.body, booked.status, booked.body);
    if ended {
        assert_eq!(booked.code(), "unauthenticated");
    } else {
        assert_eq!(deleted.code(), "wrong_state");
        ada.named("Skis").await;
    }
}
