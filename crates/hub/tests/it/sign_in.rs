//! Sign-in and sessions.

use reqwest::Method;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    client::{Answer, Device, Key, Pending, encode, http, page_post, register, token_request},
    world::World,
};

#[tokio::test]
async fn a_new_account_signs_in_and_signs_in_again_with_its_passkey() {
    let world = World::start().await;
    let pending = Pending::new();
    let (passkey, redirect) = register(&world.base, &pending, "  Ada   Lovelace ").await;
    let first = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    let me = first.get("/v1/me").await.ok();
    assert_eq!(me["display_name"], "Ada Lovelace");
    assert_eq!(me["devices"][0]["name"], "Test phone");

    let pending = Pending::new();
    let request = pending.open_page(&world.base).await;
    let started =
        page_post(&world.base, "/authorize/sign-in/start", &json!({ "request": request })).await.ok();
    let body = json!({ "ceremony": started["ceremony"], "credential": passkey.get(&started["options"]) });
    let done = page_post(&world.base, "/authorize/sign-in/finish", &body).await.ok();
    let again = page_post(&world.base, "/authorize/sign-in/finish", &body).await;
    assert_eq!(again.code(), "stale");
    let redirect = done["redirect"].as_str().unwrap();
    let second = Device::redeem(&world.base, &pending, redirect, Key::p256(), &world.clock).await;
    let me = second.get("/v1/me").await.ok();
    assert_eq!(me["display_name"], "Ada Lovelace");
    assert_eq!(me["devices"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_passkey_used_on_another_page_does_not_sign_in() {
    let world = World::start().await;
    let pending = Pending::new();
    let (passkey, _) = register(&world.base, &pending, "Ada").await;
    let request = pending.open_page(&world.base).await;
    let started =
        page_post(&world.base, "/authorize/sign-in/start", &json!({ "request": request })).await.ok();
    let elsewhere = passkey.get_from(&started["options"], "https://postern.example");
    let body = json!({ "ceremony": started["ceremony"], "credential": elsewhere });
    assert_eq!(page_post(&world.base, "/authorize/sign-in/finish", &body).await.code(), "unauthenticated");

    let foreign = Answer::of(
        http()
            .post(format!("{}/authorize/sign-in/start", world.base))
            .header("origin", "https://postern.example")
            .json(&json!({ "request": request })),
    )
    .await;
    assert_eq!(foreign.code(), "forbidden");
}

#[tokio::test]
async fn a_code_is_good_once_for_its_verifier_redirect_and_minute() {
    let world = &World::start().await;
    let base = &world.base;
    let form = |code: &str, pending: &Pending| {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", pending.redirect_uri.clone()),
            ("client_id", "postern-app".to_owned()),
            ("code_verifier", pending.verifier.clone()),
        ]
    };
    let send = |form: Vec<(&'static str, String)>| async move {
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        token_request(base, &Key::ed25519(), &form, world.clock.now()).await
    };

    for (field, wrong) in [
        ("code_verifier", "x".repeat(43)),
        ("redirect_uri", "http://127.0.0.1:49998/signed-in".to_owned()),
        ("code", postern_hub::random::secret()),
    ] {
        let pending = Pending::new();
        let (_, redirect) = register(base, &pending, "Ada").await;
        let code = pending.code(&redirect);
        let mut bent = form(&code, &pending);
        bent.iter_mut().find(|(name, _)| *name == field).unwrap().1 = wrong;
        let answer = send(bent).await;
        assert_eq!(answer.body["error"], "invalid_grant", "{field}");
        if field != "code" {
            let after = send(form(&code, &pending)).await;
            assert_eq!(after.body["error"], "invalid_grant", "a wrong {field} uses the code up");
        }
    }

    let pending = Pending::new();
    let (_, redirect) = register(base, &pending, "Ada").await;
    world.clock.advance(60);
    assert_eq!(
        send(form(&pending.code(&redirect), &pending)).await.body["error"],
        "invalid_grant",
        "too late"
    );

    let mut bent = form("x", &pending);
    bent[3].1 = "somebody-else".to_owned();
    assert_eq!(send(bent).await.body["error"], "invalid_client");
}

#[tokio::test]
async fn a_code_that_comes_twice_ends_the_session_it_gave() {
    let world = World::start().await;
    let pending = Pending::new();
    let (_, redirect) = register(&world.base, &pending, "Ada").await;
    let device = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    device.get("/v1/me").await.ok();
    let code = pending.code(&redirect);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", pending.redirect_uri.as_str()),
        ("client_id", "postern-app"),
        ("code_verifier", pending.verifier.as_str()),
    ];
    let thief = token_request(&world.base, &Key::ed25519(), &form, world.clock.now()).await;
    assert_eq!(thief.body["error"], "invalid_grant");
    assert_eq!(device.get("/v1/me").await.code(), "device_revoked");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_reuse_ends_the_session() {
    let world = World::start().await;
    let mut device = world.customer("Ada").await;
    let stolen = device.refresh.clone();
    world.clock.advance(601);
    assert_eq!(device.get("/v1/me").await.code(), "unauthenticated");
    device.refresh().await.ok();
    device.get("/v1/me").await.ok();

    // Without the device key a stolen refresh token is worth nothing, and does not end the owner's session either.
    let form = [("grant_type", "refresh_token"), ("refresh_token", &stolen), ("client_id", "postern-app")];
    let thief = token_request(&world.base, &Key::ed25519(), &form, world.clock.now()).await;
    assert_eq!(thief.body["error"], "invalid_dpop_proof");
    device.get("/v1/me").await.ok();

    // With the device key too (a copied phone), it is noticed as soon as the device itself has gone on.
    device.refresh().await.ok();
    let copy = token_request(&world.base, &device.key, &form, world.clock.now()).await;
    assert_eq!(copy.body["error"], "invalid_grant");
    assert_eq!(device.get("/v1/me").await.code(), "device_revoked");
    let after = device.refresh().await;
    assert_eq!(after.body["error"], "invalid_grant");
}

#[tokio::test]
async fn an_answer_that_was_lost_can_be_asked_for_again_with_the_same_refresh_token() {
    let world = World::start().await;
    let mut device = world.customer("Ada").await;
    world.clock.advance(5);
    let kept = device.refresh.clone();
    device.refresh().await.ok();
    let lost = device.refresh.clone();
    device.refresh = kept;
    device.refresh().await.ok();
    device.get("/v1/me").await.ok();
    assert_eq!(device.refresh, lost, "there is one newest token");
    device.refresh().await.ok();
}

#[tokio::test]
async fn proofs_are_for_one_request_by_one_key_at_one_time() {
    let world = &World::start().await;
    let device = world.customer("Ada").await;
    let url = format!("{}/v1/me", world.base);
    let now = world.clock.now();
    let ath = encode(Sha256::digest(&device.access));
    let right = json!({ "jti": "0123456789abcdef", "htm": "GET", "htu": url, "iat": now, "ath": ath });
    let send = |token: String, proof: String| async move {
        let url = format!("{}/v1/me", world.base);
        Answer::of(http().get(url).header("authorization", format!("DPoP {token}")).header("DPoP", proof))
            .await
    };
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = right.clone();
        claims["jti"] = json!(postern_hub::random::id());
        claims[name] = value;
        device.key.proof_with(&device.key.header(), &claims)
    };

    let proof = device.key.proof_with(&device.key.header(), &right);
    send(device.access.clone(), proof.clone()).await.ok();
    assert_eq!(send(device.access.clone(), proof).await.code(), "bad_proof", "replayed");
    for (what, bent) in [
        ("other method", with("htm", json!("POST"))),
        ("other path", with("htu", json!(format!("{}/v1/changes", world.base)))),
        ("other hub", with("htu", json!("http://localhost:1/v1/me"))),
        ("too old", with("iat", json!(now - 130))),
        ("too new", with("iat", json!(now + 130))),
        ("far", with("iat", json!(i64::MIN))),
        ("other token", with("ath", json!(encode([0; 32])))),
        ("no token", with("ath", serde_json::Value::Null)),
        ("short id", with("jti", json!("x"))),
        ("other key", Key::ed25519().proof("GET", &url, Some(&device.access), now)),
        ("other kind of key", Key::p256().proof("GET", &url, Some(&device.access), now)),
    ] {
        assert_eq!(send(device.access.clone(), bent).await.code(), "bad_proof", "{what}");
    }
    let mut header = device.key.header();
    header["alg"] = json!("none");
    assert_eq!(
        send(device.access.clone(), device.key.proof_with(&header, &right)).await.code(),
        "bad_proof",
        "alg none"
    );
    let mut header = device.key.header();
    header["typ"] = json!("JWT");
    assert_eq!(
        send(device.access.clone(), device.key.proof_with(&header, &right)).await.code(),
        "bad_proof",
        "typ"
    );
    let mut header = device.key.header();
    header["jwk"]["d"] = json!(encode([1; 32]));
    assert_eq!(
        send(device.access.clone(), device.key.proof_with(&header, &right)).await.code(),
        "bad_proof",
        "private key in the header"
    );
    assert_eq!(send("nonsense".to_owned(), with("jti", json!("0123456789"))).await.code(), "unauthenticated");
    let none = Answer::of(http().get(&url)).await;
    assert_eq!(none.code(), "unauthenticated");
    let twice = device.request(Method::GET, "/v1/me").header("DPoP", "x.y.z");
    assert_eq!(Answer::of(twice).await.code(), "bad_proof", "two proofs");
    let bearer = Answer::of(http().get(&url).bearer_auth(&device.access)).await;
    assert_eq!(bearer.code(), "unauthenticated", "a sender-constrained token is no bearer token");
}
