//! Deleted means gone, from the files as well.

use std::time::{Duration, Instant};

use postern_protocol::{Operation, receipt::Outcome};
use reqwest::Method;
use serde_json::json;

use crate::{client::encode, world::World};

/// A picture that is found again byte by byte.
fn photo() -> (Vec<u8>, Vec<u8>) {
    let pixels: Vec<u8> = (0..6000_u32).map(|n| (n * 31 % 251) as u8).collect();
    let jpeg = [&[0xff, 0xd8, 0xff, 0xda, 0, 3, 1][..], &pixels, &[0xff, 0xd9]].concat();
    (jpeg, pixels[3000..3064].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_is_gone() {
    let world = World::start().await;
    let mut locker = world.locker().await;
    let (ada, kim) = (world.customer("Adelheid Wolkenstein").await, world.customer("Kim").await);
    let account = ada.get("/v1/me").await.ok()["id"].as_str().unwrap().to_owned();
    let session = ada.get("/v1/me").await.ok()["device_id"].as_str().unwrap().to_owned();
    let passkey = ada.get("/v1/passkeys").await.ok()["passkeys"][0]["id"].as_str().unwrap().to_owned();
    let rename = json!({ "name": "Adelheids Telefon" });
    ada.send(Method::PATCH, &format!("/v1/devices/{session}"), rename).await.ok();
    let path = |of: &serde_json::Value, what: &str| {
        format!("/v1/reservations/{}/{what}", of["id"].as_str().unwrap())
    };
    let books = ada.named("Two paperbacks").await;
    let grants = ada.post("/v1/tokens", json!({ "reservations": [books["id"]] })).await.ok();
    let receipt =
        locker.receipt(&grants["grants"][0], Operation::Collect, Outcome::Opened, world.clock.now());
    ada.post("/v1/receipts", json!({ "receipts": [receipt] })).await.ok();
    let until = world.clock.now() + 86_400;
    // A door that waits for receipts when its owner leaves, of what was called so by her.
    let dress = json!({ "title": "Brautkleid Wolke", "site": "lindenhof", "size": "s", "until": until });
    let dress = ada.post("/v1/storage", dress).await.ok();
    ada.post("/v1/tokens", json!({ "reservations": [dress["id"]] })).await.ok();
    ada.post(&path(&dress, "shares"), json!({ "name": "Tante Hildegund", "until": until })).await.ok();
    ada.post(&path(&dress, "release"), json!({})).await.ok();
    let shoes = ada.named("Running shoes").await;
    ada.post(&path(&shoes, "shares"), json!({ "name": "Onkel Ottokar", "until": until })).await.ok();
    let (jpeg, pixels) = photo();
    let report = json!({ "kind": "damaged", "note": "Rufen Sie 030 7712345 an, adelheid@wolkenstein.example.",
                         "photos": [encode(jpeg)] });
    ada.post(&path(&books, "problems"), report).await.ok();
    // Others are at work all the while: pages fill, move and split.
    for turn in 0..20 {
        let name = json!({ "name": format!("Kim {turn}") });
        kim.send(Method::PATCH, "/v1/me", name).await.ok();
        kim.post("/v1/recovery-codes", json!({})).await.ok();
        ada.post("/v1/recovery-codes", json!({})).await.ok();
    }
    ada.post(&path(&ada.named("Flat 12 box").await, "release"), json!({})).await.ok();
    ada.post(&path(&ada.named("Winter jacket").await, "cancel"), json!({})).await.ok();

    let needles: Vec<(&str, Vec<u8>)> = vec![
        ("name", b"Adelheid Wolkenstein".to_vec()),
        ("device", b"Adelheids Telefon".to_vec()),
        ("note", b"030 7712345".to_vec()),
        ("address in the note", b"adelheid@wolkenstein.example".to_vec()),
        ("photo", pixels),
        ("title", b"Brautkleid Wolke".to_vec()),
        ("guest", b"Tante Hildegund".to_vec()),
        ("guest of a parcel", b"Onkel Ottokar".to_vec()),
        ("account", account.into_bytes()),
        ("session", session.into_bytes()),
        ("passkey", passkey.into_bytes()),
    ];
    let folder = world.folder();
    let found = || {
        let bytes =
            ["hub.db", "hub.db-wal"].map(|name| std::fs::read(folder.path().join(name)).unwrap_or_default());
        needles
            .iter()
            .filter(|(_, needle)| bytes.iter().any(|all| all.windows(needle.len()).any(|at| at == needle)))
            .map(|(what, _)| *what)
            .collect::<Vec<_>>()
    };
    assert_eq!(found().len(), needles.len(), "all of it is there before: {:?}", found());
    assert_eq!(ada.send(Method::DELETE, "/v1/me", json!({})).await.status, 204);
    let began = Instant::now();
    while !found().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "still there: {:?}", found());
        tokio::task::yield_now().await;
    }
    kim.get("/v1/me").await.ok();
}
