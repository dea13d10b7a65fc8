//! Two instances on one PostgreSQL act as one.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use postern_hub::config::Config;
use reqwest::Method;
use serde_json::json;

use crate::{
    client::Device,
    postgres::Postgres,
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
