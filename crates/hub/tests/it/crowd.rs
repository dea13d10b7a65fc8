//! Rules that count hold under fifty at once, on both databases alike.

use futures::future::join_all;
use postern_protocol::{Operation, receipt::Outcome};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Device},
    world::{Locker, World},
};

fn accepted(answers: &[Answer], refused: &[&str]) -> usize {
    for answer in answers.iter().filter(|answer| !answer.status.is_success()) {
        assert!(refused.contains(&&*answer.code()), "{} {}", answer.status, answer.body);
    }
    answers.iter().filter(|answer| answer.status.is_success()).count()
}

pub(crate) async fn same_on_both_databases(world: World) {
    let mut locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let ben = world.customer("Ben").await;
    let until = world.clock.now() + 3600;
    for one in ["Winter jacket"] {
        let id = ada.named(one).await["id"].as_str().unwrap().to_owned();
        ada.post(&format!("/v1/reservations/{id}/cancel"), json!({})).await.ok();
    }

    let wish = json!({ "title": "Skis", "site": "lindenhof", "size": "s", "until": until });
    let answers = join_all((0..50).map(|_| ada.post("/v1/storage", wish.clone()))).await;
    assert_eq!(
        accepted(&answers, &["limit_reached", "fair_share"]),
        3,
        "three compartments to keep something in"
    );

    let recipient = ben.number().await;
    let parcel = json!({ "reference": "ONE", "recipient": recipient, "title": "Lamp", "site": "lindenhof", "size": "s" });
    let answers = join_all((0..50).map(|_| world.heron.post("/v1/carrier/parcels", parcel.clone()))).await;
    assert_eq!(accepted(&answers, &["wrong_state"]), 1, "one parcel under way for each tracking number");
    let lamp =
        answers.iter().find(|answer| answer.status == 201).unwrap().body["id"].as_str().unwrap().to_owned();
    // Over, the number is free again; and then for one.
    world.heron.post(&format!("/v1/carrier/parcels/{lamp}/cancel"), json!({})).await.ok();
    let answers = join_all((0..50).map(|_| world.heron.post("/v1/carrier/parcels", parcel.clone()))).await;
    assert_eq!(accepted(&answers, &["wrong_state"]), 1);

    // A copied receipt key is noticed whoever is first.
    let flat = ada.named("Flat 12 box").await;
    let mine =
        ada.post("/v1/tokens", json!({ "reservations": [flat["id"]] })).await.ok()["grants"][0].clone();
    let now = world.clock.now();
    for round in 0..5 {
        let place = (locker.sequence, locker.previous);
        let mut rivals = Vec::new();
        for _ in 0..10 {
            (locker.sequence, locker.previous) = place;
            rivals.push(locker.receipt(&mine, Operation::Access, Outcome::Opened, now));
        }
        let answers =
            join_all(rivals.iter().map(|one| ada.post("/v1/receipts", json!({ "receipts": [one] })))).await;
        let results: Vec<_> = answers.into_iter().map(|answer| answer.ok()["results"][0].clone()).collect();
        let count = |word: &str| results.iter().filter(|result| **result == word).count();
        assert_eq!((count("accepted"), count("fork")), (1, 9), "{round}");
        let right = results.iter().position(|result| result == "accepted").unwrap();
        let bytes = postern_hub::random::decode(rivals[right]["receipt"].as_str().unwrap()).unwrap();
        locker.previous = postern_protocol::receipt::hash(&bytes);
    }

    // The same receipts from many phones, in different orders.
    let chain: Vec<_> =
        (0..12).map(|_| locker.receipt(&mine, Operation::Access, Outcome::Opened, now)).collect();
    let uploads = (0..12).map(|turn| {
        let mut mixed: Vec<Value> = chain.clone();
        mixed.rotate_left(turn);
        ada.post("/v1/receipts", json!({ "receipts": mixed }))
    });
    let answers = join_all(uploads).await;
    let mut fresh = 0;
    for answer in answers {
        let results = answer.ok()["results"].as_array().unwrap().clone();
        assert!(results.iter().all(|result| result == "accepted" || result == "known"), "{results:?}");
        fresh += results.iter().filter(|result| **result == "accepted").count();
    }
    assert_eq!(fresh, chain.len());
    let report = world.operator.get(&format!("/v1/operator/lockers/{}", locker.id)).await.ok();
    assert_eq!((&report["gaps"], report["newest_receipt"].as_u64()), (&json!([]), Some(16)));

    // One device that asks many times at once has one PIN.
    let asked = json!({ "reservations": [ben.named("Two paperbacks").await["id"]] });
    let answers = join_all((0..20).map(|_| ben.post("/v1/tokens", asked.clone()))).await;
    let mut pins: Vec<_> =
        answers.into_iter().map(|answer| answer.ok()["grants"][0]["pin"].to_string()).collect();
    pins.dedup();
    assert!(pins.len() == 1 && pins[0].len() == 10, "eight digits");

    the_last_door(&world, &ben).await;
    a_locker_leaves(&world, &ben).await;
}

async fn small_site(world: &World, id: &str) -> Locker {
    let site = json!({ "id": id, "name": id, "address": id, "latitude": 52.5, "longitude": 13.4, "hours": "24/7",
                       "always_open": true, "access": "public", "step_free": true });
    let put = world.operator.send(Method::PUT, &format!("/v1/operator/sites/{id}"), site).await;
    assert_eq!(put.status, 204);
    let locker = Locker::new();
    let mut descriptor = locker.descriptor(id);
    descriptor["doors"].as_array_mut().unwrap().truncate(1);
    world.operator.post("/v1/operator/lockers", json!({ "descriptor": descriptor })).await.ok();
    locker
}

async fn the_last_door(world: &World, to: &Device) {
    let locker = small_site(world, "last").await;
    let recipient = to.number().await;
    let mut parcels = Vec::new();
    for n in 0..30 {
        let parcel = json!({ "reference": format!("L{n}"), "recipient": recipient, "title": "Box", "site": "last",
                             "size": "s" });
        parcels.push(world.heron.post("/v1/carrier/parcels", parcel).await.ok());
    }
    let deposits = parcels.iter().map(|parcel| {
        let path = format!("/v1/carrier/parcels/{}/deposit", parcel["id"].as_str().unwrap());
        let (heron, body) = (&world.heron, json!({ "locker": locker.id }));
        async move { heron.post(&path, body).await }
    });
    let mut answers = join_all(deposits).await;
    let wish = json!({ "code": "R", "site": "last", "size": "s" });
    answers.extend(join_all((0..20).map(|_| to.post("/v1/returns", wish.clone()))).await);
    assert_eq!(accepted(&answers, &["no_compartment", "fair_share"]), 1);
}

/// No customer holds a door of a locker that is gone.
async fn a_locker_leaves(world: &World, by: &Device) {
    for round in 0..8 {
        let id = format!("gone{round}");
        let locker = small_site(world, &id).await;
        let wish = json!({ "code": "R", "site": id, "size": "s" });
        let leave = format!("/v1/operator/lockers/{}", locker.id);
        let (booked, left) = tokio::join!(
            by.post("/v1/returns", wish),
            world.operator.send(Method::DELETE, &leave, json!({}))
        );
        assert!(booked.status.is_success() != left.status.is_success(), "{} {}", booked.body, left.body);
        if booked.status.is_success() {
            assert_eq!(left.code(), "wrong_state");
            let cancel = format!("/v1/reservations/{}/cancel", booked.body["id"].as_str().unwrap());
            by.post(&cancel, json!({})).await.ok();
        } else {
            assert_eq!(booked.code(), "no_compartment");
        }
    }
}
