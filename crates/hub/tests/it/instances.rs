//! Two instances on one PostgreSQL act as one.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use postern_hub::{clock::Clock, config::Config};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Device, Key, Partner, Pending, register},
    postgres::Postgres,
    served::{Served, demo_data},
    world::{Locker, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_act_as_one() {
    let Some(postgres) = Postgres::start() else { return };
    let config = Config { database: Some(postgres.database()), ..Config::default() };
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let one = World::in_folder(config.clone(), Arc::clone(&folder)).await;
    let two = World::in_folder(config, folder).await;
    assert_eq!(one.hub.id, two.hub.id);
    assert_eq!(one.folder().path(), two.folder().path());
    let locker = one.locker().await;
    let ada = one.customer("Ada").await;
    let shoes = ada.named("Running shoes").await;

    // The same session at the other instance: its proofs name that one's address.
    let other = Device { base: two.base.clone(), ..ada };
    other.get("/v1/me").await.ok();
    let mut stream = other.request(Method::GET, "/v1/events").send().await.unwrap().bytes_stream();
    stream.next().await.unwrap().unwrap();
    let deposit = format!("/v1/carrier/parcels/{}/deposit", shoes["id"].as_str().unwrap());
    one.heron.post(&deposit, json!({ "locker": locker.id, "door": Locker::door("B3") })).await.ok();
    let poke = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
    assert!(poke.is_ok(), "push reaches clients of every instance");
    assert_eq!(other.named("Running shoes").await["state"], "ready");

    // A proof that one instance took is not taken by another.
    let url = format!("{}/v1/recovery-codes", other.base);
    let proof = other.key.proof("POST", &url, Some(&other.access), two.clock.now());
    let send = || {
        let request =
            crate::client::http().post(&url).header("authorization", format!("DPoP {}", other.access));
        crate::client::Answer::of(request.header("DPoP", &proof))
    };
    send().await.ok();
    two.hub.replays.forget_all();
    assert_eq!(send().await.code(), "bad_proof");
    drop(stream);
    one.hub.stopping.cancel();
    two.hub.stopping.cancel();
    one.hub.store.close().await;
    two.hub.store.close().await;
}

/// Two processes on one database, as an operator runs them: what is done at one is heard at the other, and when one is
/// killed the other goes on.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_act_as_one_and_one_survives_the_other() {
    let Some(postgres) = Postgres::start() else { return };
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = format!("database = {:?}\n", postgres.database());
    for folder in [&first, &second] {
        std::fs::write(folder.path().join("postern.toml"), &settings).unwrap();
    }
    let keys = demo_data(first.path());
    std::fs::copy(first.path().join("master.key"), second.path().join("master.key")).unwrap();
    let mut one = Served::start(first.path(), "127.0.0.1:0");
    let two = Served::start(second.path(), "127.0.0.1:0");
    let partner = |key: &Value| Partner { base: one.base.clone(), key: key.as_str().unwrap().to_owned() };
    let (operator, heron) = (partner(&keys["operator_key"]), partner(&keys["carriers"][0]["key"]));
    let locker = Locker::new();
    operator.post("/v1/operator/lockers", json!({ "descriptor": locker.descriptor("lindenhof") })).await.ok();
    let pending = Pending::new();
    let (_, redirect) = register(&one.base, &pending, "Ada").await;
    let ada = Device::redeem(&one.base, &pending, &redirect, Key::ed25519(), &Clock::default()).await;
    let shoes = ada.named("Running shoes").await;

    let ada = Device { base: two.base.clone(), ..ada };
    let mut stream = ada.request(Method::GET, "/v1/events").send().await.unwrap().bytes_stream();
    stream.next().await.unwrap().unwrap();
    let deposit = format!("/v1/carrier/parcels/{}/deposit", shoes["id"].as_str().unwrap());
    heron.post(&deposit, json!({ "locker": locker.id, "door": Locker::door("B3") })).await.ok();
    let poke = tokio::time::timeout(Duration::from_secs(30), stream.next()).await;
    assert!(poke.is_ok(), "push reaches clients of the other process");
    assert_eq!(ada.named("Running shoes").await["state"], "ready");

    one.process.kill().unwrap();
    one.process.wait().unwrap();
    let grants = ada.post("/v1/tokens", json!({ "reservations": [shoes["id"]] })).await.ok();
    assert_eq!(grants["grants"].as_array().unwrap().len(), 1);
    let heron = Partner { base: two.base.clone(), ..heron };
    let parcel = json!({ "reference": "P1", "recipient": ada.number().await, "title": "Box",
                         "site": "lindenhof", "size": "m" });
    heron.post("/v1/carrier/parcels", parcel).await.ok();
    let poke = tokio::time::timeout(Duration::from_secs(30), stream.next()).await;
    assert!(poke.is_ok(), "its streams go on");
    ada.named("Box").await;
}
