//! What an operator sets, as clients and other machines see it.

use std::sync::Arc;

use postern_hub::{
    clock::Clock,
    config::{AndroidApp, AppleApp, Apps, Config},
    hub::{Hub, Opening},
    wrapping::Wrapping,
};
use serde_json::{Value, json};

use crate::{
    client::{Answer, http},
    world::World,
};

async fn get(world: &World, path: &str) -> Answer {
    Answer::of(http().get(format!("{}{path}", world.base))).await
}

#[tokio::test]
async fn the_host_vouches_for_the_apps_that_the_operator_named() {
    let world = World::start().await;
    for path in ["/.well-known/assetlinks.json", "/.well-known/apple-app-site-association"] {
        assert_eq!(get(&world, path).await.code(), "not_found");
    }
    let apps = Apps {
        android: vec![AndroidApp { package: "app.postern".to_owned(), certificates: vec!["ab".repeat(32)] }],
        apple: vec![AppleApp { team: "ABCDE12345".to_owned(), bundle: "app.postern".to_owned() }],
        get: Some("https://apps.example/postern".to_owned()),
    };
    let world = World::with(Config { apps, ..Config::default() }).await;
    let links = get(&world, "/.well-known/assetlinks.json").await;
    let fingerprint = ["AB"; 32].join(":");
    // Neither system follows a redirect or takes another type.
    assert_eq!(links.headers["content-type"], "application/json");
    assert_eq!(
        links.ok(),
        json!([{ "relation": ["delegate_permission/common.handle_all_urls"],
                 "target": { "namespace": "android_app", "package_name": "app.postern",
                             "sha256_cert_fingerprints": [fingerprint] } }])
    );
    let association = get(&world, "/.well-known/apple-app-site-association").await;
    assert_eq!(association.headers["content-type"], "application/json");
    assert_eq!(
        association.ok(),
        json!({ "applinks": { "details": [{ "appIDs": ["ABCDE12345.app.postern"],
                                            "components": [{ "/": "/claim/*" }] }] },
                "webcredentials": { "apps": ["ABCDE12345.app.postern"] } })
    );
}

#[tokio::test]
async fn what_the_hub_says_of_sign_in_is_where_it_is() {
    let world = World::start().await;
    let told = get(&world, "/.well-known/oauth-authorization-server").await.ok();
    assert_eq!(told["issuer"], world.base, "RFC 8414 section 3.3");
    let document = get(&world, "/openapi.json").await.ok();
    let info = get(&world, "/.well-known/postern").await.ok();
    for name in ["authorization_endpoint", "token_endpoint", "revocation_endpoint"] {
        let path = told[name].as_str().unwrap().strip_prefix(&world.base).unwrap();
        assert!(document["paths"][path].is_object(), "{path} is in no document");
        assert!(info[name].is_null() || info[name] == told[name]);
    }
}

#[tokio::test]
async fn a_hub_takes_its_key_into_the_wrapping_and_needs_no_file_from_then_on() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let plain = World::in_folder(Config::default(), Arc::clone(&folder)).await;
    let ada = plain.customer("Ada").await;
    plain.hub.stopping.cancel();
    plain.hub.store.close().await;

    let elsewhere = tempfile::tempdir().unwrap();
    let key_wrapping = Some(Wrapping::File { file: elsewhere.path().join("wrapping.key") });
    let open = |key_wrapping: Option<Wrapping>| {
        let config = Config { key_wrapping, ..Config::default() };
        let (folder, base, clock) = (Arc::clone(&folder), plain.base.clone(), Clock::default());
        async move {
            let data = folder.path();
            Hub::open(Opening { data, config, public_url: &base, demo: true, clock }).await
        }
    };
    open(key_wrapping.clone()).await.unwrap().store.close().await;
    std::fs::remove_file(folder.path().join("master.key")).unwrap();
    let wrapped = World::in_folder(Config { key_wrapping, ..Config::default() }, Arc::clone(&folder)).await;
    // It is the same key: a token of before is still good, under the new address.
    let url = format!("{}/v1/me", wrapped.base);
    let proof = ada.key.proof("GET", &url, Some(&ada.access), wrapped.clock.now());
    let request =
        http().get(&url).header("authorization", format!("DPoP {}", ada.access)).header("DPoP", proof);
    let me: Value = Answer::of(request).await.ok();
    assert_eq!(me["display_name"], "Ada");
    assert!(!folder.path().join("master.key").exists());

    // Without who wraps, or with somebody else, nothing opens.
    assert!(open(None).await.is_err());
    let stranger = Wrapping::File { file: elsewhere.path().join("another.key") };
    assert!(open(Some(stranger)).await.is_err());
}
