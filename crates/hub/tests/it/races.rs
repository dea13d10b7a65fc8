//! What several do at once, told on both databases by `conformance`: nothing of it reaches a client as the hub's fault.

use futures::future::join_all;
use postern_protocol::{Operation, receipt::Outcome};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Device, Key, encode, http, token_request},
    world::{Locker, World},
};

/// At once, and in this process: the requests do not wait for each other.
const MANY: usize = 20;

fn renewal(token: &str) -> [(&'static str, String); 3] {
    [
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", token.to_owned()),
        ("client_id", "postern-app".to_owned()),
    ]
}

async fn renew(world: &World, key: &Key, token: &str) -> Answer {
    let form = renewal(token);
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    token_request(&world.base, key, &form, world.clock.now()).await
}

/// Two processes of one profile, a proxy that repeats, an answer that was lost: the session lives, however soon.
pub(crate) async fn refresh_race(world: World) {
    for at_once in [2, 6] {
        let mut ada = world.customer("Ada").await;
        // Within the second in which the token was made, as an app does that is restarted.
        let answers = join_all((0..at_once).map(|_| renew(&world, &ada.key, &ada.refresh))).await;
        let tokens: Vec<_> = answers.into_iter().map(|answer| answer.ok()["refresh_token"].clone()).collect();
        assert!(tokens.iter().all(|token| *token == tokens[0]), "one successor, whoever asked");
        ada.get("/v1/me").await.ok();

        // The answer is lost, and asked for again after an hour: a keyring was locked, a phone was off.
        let kept = tokens[0].as_str().unwrap().to_owned();
        let lost = renew(&world, &ada.key, &kept).await.ok();
        world.clock.advance(3600);
        let again = renew(&world, &ada.key, &kept).await.ok();
        assert_eq!(lost["refresh_token"], again["refresh_token"]);
        assert_ne!(again["refresh_token"], json!(kept));
        ada.access = again["access_token"].as_str().unwrap().to_owned();
        ada.get("/v1/me").await.ok();
    }
}

/// A copy shows when it comes after the one that followed was used; then everything of the session ends.
pub(crate) async fn a_copied_session_ends_when_it_shows(world: World) {
    let mut ada = world.customer("Ada").await;
    let copied = ada.refresh.clone();
    ada.refresh().await.ok();
    let stranger = Key::ed25519();
    for _ in 0..3 {
        assert_eq!(renew(&world, &stranger, &ada.refresh).await.body["error"], "invalid_dpop_proof");
    }
    ada.refresh().await.ok();
    ada.get("/v1/me").await.ok();
    assert_eq!(renew(&world, &ada.key, &copied).await.body["error"], "invalid_grant");
    assert_eq!(ada.get("/v1/me").await.code(), "device_revoked");
    assert_eq!(ada.refresh().await.body["error"], "invalid_grant");
}

/// A household, an office, a carrier's gateway: one address, many devices. Each has renewals of its own.
pub(crate) async fn renewals_are_counted_by_session(world: World) {
    let mut ada = world.customer("Ada").await;
    let mut kim = world.customer("Kim").await;
    let mut throttled = None;
    for _ in 0..40 {
        let answer = ada.refresh().await;
        if answer.status == 429 {
            throttled = Some(answer);
            break;
        }
        answer.ok();
    }
    let throttled = throttled.expect("40 renewals in a moment are too many of one session");
    assert_eq!(throttled.body["error"], "temporarily_unavailable");
    assert!(throttled.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    kim.refresh().await.ok();
    // What is no session's is counted by address, and that keeps nobody's session from being renewed.
    let mut refused = 0;
    for _ in 0..100 {
        let answer = renew(&world, &kim.key, &postern_hub::random::secret()).await;
        if answer.status == 429 {
            assert!(answer.headers.contains_key("retry-after"));
            refused += 1;
        } else {
            assert_eq!(answer.body["error"], "invalid_grant");
        }
    }
    assert!(refused > 0);
    kim.refresh().await.ok();
}

/// Parcels of Ada's in doors of the locker, and a chain of receipts of their openings.
async fn opened(world: &World, locker: &mut Locker, ada: &Device, count: u16) -> (Vec<Value>, Vec<Value>) {
    let account = ada.number().await;
    let (mut parcels, mut receipts) = (Vec::new(), Vec::new());
    for door in 1..=count {
        let size = ["s", "m", "l", "xl"][usize::from(door - 1) / 4];
        let parcel = json!({ "reference": format!("R{door}"), "recipient": account, "title": format!("Box {door}"),
                             "site": "hafen", "size": size });
        let parcel = world.heron.post("/v1/carrier/parcels", parcel).await.ok();
        let deposit = format!("/v1/carrier/parcels/{}/deposit", parcel["id"].as_str().unwrap());
        world.heron.post(&deposit, json!({ "locker": locker.id, "door": door })).await.ok();
        let grants = ada.post("/v1/tokens", json!({ "reservations": [parcel["id"]] })).await.ok();
        receipts.push(locker.receipt(
            &grants["grants"][0],
            Operation::Collect,
            Outcome::Opened,
            world.clock.now(),
        ));
        parcels.push(parcel);
    }
    (parcels, receipts)
}

/// Many phones hand in the same receipts, each in an order of its own, while the customer reports problems with what was opened
/// and looks at the account.
pub(crate) async fn crossed_changes_come_through(world: World) {
    let mut locker = world.locker_elsewhere().await;
    let ada = world.customer("Ada").await;
    let phones = join_all((0..8).map(|_| world.customer("Kim"))).await;
    let (parcels, receipts) = opened(&world, &mut locker, &ada, 12).await;
    let uploads = phones.iter().enumerate().map(|(turn, phone)| {
        let mut receipts = receipts.clone();
        receipts.rotate_left(turn * 5 % 12);
        if turn % 2 == 1 {
            receipts.reverse();
        }
        async move { phone.post("/v1/receipts", json!({ "receipts": receipts })).await }
    });
    let reports = parcels.iter().map(|parcel| {
        let path = format!("/v1/reservations/{}/problems", parcel["id"].as_str().unwrap());
        let ada = &ada;
        async move { ada.post(&path, json!({ "kind": "other", "note": "It creaks." })).await }
    });
    let (uploads, reports) = tokio::join!(join_all(uploads), join_all(reports));
    for answer in uploads.into_iter().chain(reports) {
        answer.ok();
    }
}

/// Whoever deletes their account while their devices are at work is told what holds now, by each answer.
pub(crate) async fn an_account_is_deleted_under_its_own_requests(world: World) {
    let _locker = world.locker().await;
    for round in 0..3 {
        let ada = &world.customer("Ada").await;
        ada.post(
            &format!("/v1/reservations/{}/release", ada.named("Flat 12 box").await["id"].as_str().unwrap()),
            json!({}),
        )
        .await
        .ok();
        ada.post(
            &format!("/v1/reservations/{}/cancel", ada.named("Winter jacket").await["id"].as_str().unwrap()),
            json!({}),
        )
        .await
        .ok();
        let others = (0..MANY).map(|turn| async move {
            match turn % 5 {
                0 => ada.get("/v1/me").await,
                1 => ada.post("/v1/recovery-codes", json!({})).await,
                2 => ada.send(Method::PATCH, "/v1/me", json!({ "name": "Ada B" })).await,
                3 => ada.post("/v1/tokens", json!({ "reservations": [] })).await,
                _ => ada.get("/v1/changes").await,
            }
        });
        let (others, deleted, more) = tokio::join!(
            join_all(others),
            ada.send(Method::DELETE, "/v1/me", json!({})),
            ada.get("/v1/me/export"),
        );
        for answer in others.into_iter().chain([deleted, more]) {
            let known = answer.status.is_success()
                || ["unauthenticated", "device_revoked", "not_found"].contains(&answer.code().as_str());
            assert!(known, "round {round}: {} {}", answer.status, answer.body);
        }
        assert_eq!(ada.get("/v1/me").await.code(), "unauthenticated");
    }
}

/// Anybody may look at a claim link, and is kept from it by nobody who writes.
pub(crate) async fn looking_at_a_claim_link_waits_for_nobody(world: World) {
    let mut tx = world.hub.store.begin().await.unwrap();
    sqlx::query("UPDATE meta SET value = 'x' WHERE name = 'nothing'").execute(tx.on()).await.unwrap();
    let look = http().get(format!("{}/claim/{}", world.base, encode([7; 32])));
    let looked = tokio::time::timeout(std::time::Duration::from_secs(5), Answer::of(look)).await;
    assert_eq!(looked.unwrap().status, 410);
    drop(tx);
}
