//! Taking back, signing out, another passkey, lockers that lost the time, new issuer keys; on both databases by
//! `conformance`.

use postern_hub::domain::keyring;
use postern_protocol::{
    IssuerKeys, KeyId, Operation,
    bulletin::{self, Bulletin, RevocationKind},
    receipt::Outcome,
    token,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Device, Key, Pending, encode, http, page_post, register, token_request},
    passkey::Passkey,
    world::World,
};

const HOUR: i64 = 3600;

fn bytes(text: &Value) -> Vec<u8> {
    postern_hub::random::decode(text.as_str().unwrap()).unwrap()
}

/// The issuer keys that a locker is given when it joins.
async fn keys_of_a_locker(world: &World, descriptor: &Value) -> IssuerKeys {
    let answer = world.operator.post("/v1/operator/lockers", json!({ "descriptor": descriptor })).await.ok();
    let mut keys = IssuerKeys::new();
    for key in answer["issuer_keys"].as_array().unwrap() {
        let id = KeyId(u32::try_from(key["id"].as_u64().unwrap()).unwrap());
        assert!(keys.insert(id, bytes(&key["key"]).try_into().unwrap()));
    }
    keys
}

/// As a locker does with a bulletin.
fn hear(keys: &mut IssuerKeys, text: &Value) -> Bulletin {
    let news = bulletin::verify(&bytes(text), keys).unwrap();
    for (id, key) in &news.add_keys {
        assert!(keys.insert(*id, *key));
    }
    for id in &news.remove_keys {
        keys.remove(*id);
    }
    news
}

async fn tokens(device: &Device, reservation: &Value) -> Value {
    device.post("/v1/tokens", json!({ "reservations": [reservation["id"]] })).await.ok()
}

fn epoch(grants: &Value, keys: &IssuerKeys) -> u32 {
    token::verify(&bytes(&grants["grants"][0]["token"]), keys).unwrap().doors[0].1.0
}

pub(crate) async fn what_was_passed_on_in_person_is_taken_back(world: World) {
    let locker = world.locker().await;
    let keys = keys_of_a_locker(&world, &locker.descriptor("lindenhof")).await;
    let ada = world.customer("Ada").await;
    let mallory = world.customer("Mallory").await;
    let books = ada.named("Two paperbacks").await;
    let path = format!("/v1/reservations/{}/shares/in-person", books["id"].as_str().unwrap());
    let delete = |device| {
        let path = path.clone();
        async move { Device::send(device, Method::DELETE, &path, json!({})).await }
    };

    // No token was minted, so nothing can have been passed on.
    let answer = delete(&ada).await.ok();
    assert_eq!(answer["timeline"], books["timeline"], "nothing changed");
    let before = tokens(&ada, &books).await;
    assert_eq!((before["grants"][0]["delegable"].as_bool(), &before["bulletins"]), (Some(true), &json!([])));
    assert_eq!(delete(&mallory).await.code(), "not_found");
    assert_eq!(epoch(&tokens(&ada, &books).await, &keys), epoch(&before, &keys));

    let cursor = ada.get("/v1/changes").await.ok()["cursor"].as_str().unwrap().to_owned();
    let answer = delete(&ada).await.ok();
    assert_eq!(answer["timeline"].as_array().unwrap().last().unwrap()["event"], "revoked");
    let changes = ada.get(&format!("/v1/changes?cursor={cursor}")).await.ok();
    assert_eq!(changes["reservations"][0]["id"], books["id"], "other devices of hers fetch new tokens");
    let again = delete(&ada).await.ok();
    assert_eq!(again["timeline"], answer["timeline"], "a second time changes nothing");
    let after = tokens(&ada, &books).await;
    assert_eq!(epoch(&after, &keys), epoch(&before, &keys), "her own access stands");
    let news = bulletin::verify(&bytes(&after["bulletins"][0]["bulletin"]), &keys).unwrap();
    let mine = |grants: &Value| token::verify(&bytes(&grants["grants"][0]["token"]), &keys).unwrap().id.0;
    let named = |news: &Bulletin, id| {
        news.revoked.iter().any(|one| one.kind == RevocationKind::Delegations && one.name == id)
    };
    assert!(named(&news, mine(&before)) && !named(&news, mine(&after)));
    assert!(news.epochs.is_empty());
    assert!(news.revoked.iter().all(|one| one.kind == RevocationKind::Delegations), "and no token itself");

    // Passed on anew, taken back anew.
    delete(&ada).await.ok();
    let news = tokens(&ada, &books).await["bulletins"][0]["bulletin"].clone();
    let news = bulletin::verify(&bytes(&news), &keys).unwrap();
    assert!(named(&news, mine(&before)) && named(&news, mine(&after)));
}

pub(crate) async fn a_courier_opens_a_locker_that_lost_the_time(world: World) {
    let locker = world.locker().await;
    let keys = keys_of_a_locker(&world, &locker.descriptor("lindenhof")).await;
    let ada = world.customer("Ada").await;
    let cart = courier(&world).await;
    let shoes = ada.named("Running shoes").await;
    let nonce = [7u8; 16];
    let ask = |nonce: String| {
        let asked = json!({ "parcel": shoes["id"], "locker": locker.id, "hello_nonce": nonce });
        cart.post("/v1/courier/tokens", asked)
    };
    for wrong in [encode([7; 15]), encode([7; 17]), String::new(), "?".to_owned()] {
        let answer = ask(wrong).await;
        assert_eq!(
            (answer.code().as_str(), answer.body["pointer"].as_str()),
            ("malformed", Some("/hello_nonce"))
        );
    }
    let asked_at = world.clock.now().unsigned_abs();
    let grants = ask(encode(nonce)).await.ok();
    let claims = token::verify(&bytes(&grants["grants"][0]["token"]), &keys).unwrap();
    assert_eq!(claims.hello_nonce, Some(nonce));
    assert!(claims.operations.contains(Operation::Deposit));
    assert_eq!(claims.key, cart.key.public());
    let news = bulletin::verify(&bytes(&grants["bulletins"][0]["bulletin"]), &keys).unwrap();
    assert_eq!(news.hello_nonce, Some(nonce));
    assert!((asked_at..=world.clock.now().unsigned_abs()).contains(&news.issued_at.0));
    let plain = json!({ "parcel": shoes["id"], "locker": locker.id });
    let plain = cart.post("/v1/courier/tokens", plain).await.ok();
    let claims = token::verify(&bytes(&plain["grants"][0]["token"]), &keys).unwrap();
    assert_eq!(claims.hello_nonce, None);
    // Whoever asks again may have used the first: its locker is to hear that it is good no more.
    assert!(plain["grants"][0]["occupancy"].as_u64() > grants["grants"][0]["occupancy"].as_u64());
    assert!(
        bulletin::verify(&bytes(&plain["bulletins"][0]["bulletin"]), &keys).unwrap().hello_nonce.is_none()
    );
}

/// A courier of Heron Express, signed in.
async fn courier(world: &World) -> Device {
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

pub(crate) async fn sign_out(world: &World, key: &Key, token: &str, client: &str) -> Answer {
    let url = format!("{}/oauth/revoke", world.base);
    let proof = key.proof("POST", &url, None, world.clock.now());
    let form = [("token", token), ("token_type_hint", "refresh_token"), ("client_id", client)];
    Answer::of(http().post(url).header("DPoP", proof).form(&form)).await
}

pub(crate) async fn a_device_signs_itself_out(world: World) {
    world.locker().await;
    let pending = Pending::new();
    let (passkey, redirect) = register(&world.base, &pending, "Ada").await;
    let mut ada = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    let other = {
        let pending = Pending::new();
        let request = pending.open_page(&world.base).await;
        let redirect = sign_in(&world, &passkey, &request).await["redirect"].as_str().unwrap().to_owned();
        Device::redeem(&world.base, &pending, &redirect, Key::p256(), &world.clock).await
    };
    let books = ada.named("Two paperbacks").await;
    tokens(&ada, &books).await;
    let used = ada.refresh.clone();
    ada.refresh().await.ok();

    // Nobody else can: not without the key, not as another client, not without a proof.
    assert_eq!(
        sign_out(&world, &other.key, &ada.refresh, "postern-app").await.body["error"],
        "invalid_dpop_proof"
    );
    assert_eq!(sign_out(&world, &ada.key, &ada.refresh, "other").await.body["error"], "invalid_client");
    let form = [("token", ada.refresh.as_str()), ("client_id", "postern-app")];
    let bare = Answer::of(http().post(format!("{}/oauth/revoke", world.base)).form(&form)).await;
    assert_eq!((bare.status.as_u16(), bare.body["error"].as_str()), (400, Some("invalid_dpop_proof")));
    let nothing = Answer::of(http().post(format!("{}/oauth/revoke", world.base)).form(&[("a", "b")])).await;
    assert_eq!(nothing.body["error"], "invalid_request");
    ada.get("/v1/me").await.ok();
    assert_eq!(
        sign_out(&world, &ada.key, "unknown", "postern-app").await.status,
        200,
        "RFC 7009 section 2.2"
    );
    ada.get("/v1/me").await.ok();

    // The token before the last will do: the answer with the last may have been lost.
    assert_eq!(sign_out(&world, &ada.key, &used, "postern-app").await.status, 200);
    assert_eq!(ada.get("/v1/me").await.code(), "device_revoked");
    assert_eq!(ada.refresh().await.body["error"], "invalid_grant");
    assert_eq!(sign_out(&world, &ada.key, &used, "postern-app").await.status, 200, "again");
    let me = other.get("/v1/me").await.ok();
    assert_eq!(me["devices"].as_array().unwrap().len(), 1);
    assert_eq!(
        tokens(&other, &books).await["bulletins"].as_array().unwrap().len(),
        1,
        "what it could open ends"
    );

    // By its access token, as any device of the account.
    let mine = format!("/v1/devices/{}", me["device_id"].as_str().unwrap());
    assert_eq!(other.send(Method::DELETE, &mine, json!({})).await.status, 204);
    assert_eq!(other.get("/v1/me").await.code(), "device_revoked");
}

async fn sign_in(world: &World, passkey: &Passkey, request: &str) -> Value {
    let started =
        page_post(&world.base, "/authorize/sign-in/start", &json!({ "request": request })).await.ok();
    let body = json!({ "ceremony": started["ceremony"], "credential": passkey.get(&started["options"]) });
    page_post(&world.base, "/authorize/sign-in/finish", &body).await.ok()
}

pub(crate) async fn another_passkey_is_added(world: World) {
    let pending = Pending::new();
    let (first, redirect) = register(&world.base, &pending, "Ada").await;
    let ada = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    let me = ada.get("/v1/me").await.ok();

    let pending = Pending::new();
    let request = pending.open_page_with(&world.base, &[("add_passkey", "true")]).await;
    let answer = sign_in(&world, &first, &request).await;
    assert!(answer.get("redirect").is_none(), "first the other passkey");
    let known = answer["options"]["publicKey"]["excludeCredentials"].as_array().unwrap();
    assert_eq!(known.len(), 1, "not a second one on the same authenticator");
    assert_eq!(answer["options"]["publicKey"]["user"]["name"], "Ada");
    let (second, credential) = Passkey::create(&answer["options"], &world.base);
    let body = json!({ "ceremony": answer["ceremony"], "credential": credential });
    let done = page_post(&world.base, "/authorize/register/finish", &body).await.ok();
    let repeated = page_post(&world.base, "/authorize/register/finish", &body).await;
    assert_eq!(repeated.code(), "stale", "once");
    // The same device keeps its place.
    let redirect = done["redirect"].as_str().unwrap();
    let ada = Device::redeem(&world.base, &pending, redirect, ada.key, &world.clock).await;
    assert_eq!(ada.get("/v1/me").await.ok()["device_id"], me["device_id"]);
    let list = ada.get("/v1/passkeys").await.ok()["passkeys"].as_array().unwrap().clone();
    assert_eq!(list.len(), 2);

    // Either opens the account, and the first can go.
    let gone = list.iter().find(|one| one["name"] == "Passkey").unwrap()["id"].as_str().unwrap();
    assert_eq!(ada.send(Method::DELETE, &format!("/v1/passkeys/{gone}"), json!({})).await.status, 204);
    let pending = Pending::new();
    let request = pending.open_page(&world.base).await;
    let redirect = sign_in(&world, &second, &request).await["redirect"].as_str().unwrap().to_owned();
    let device = Device::redeem(&world.base, &pending, &redirect, Key::p256(), &world.clock).await;
    assert_eq!(device.get("/v1/me").await.ok()["id"], me["id"]);

    // Asked for wrongly, the app hears of it.
    for more in [[("add_passkey", "1")], [("add_passkey", "")]] {
        let url = format!("{}/authorize", world.base);
        let answer = Answer::of(http().get(url).query(&Pending::new().query()).query(&more)).await;
        let location = answer.headers["location"].to_str().unwrap();
        assert!(answer.status == 303 && location.contains("error=invalid_request"), "{location}");
    }
}

pub(crate) async fn issuer_keys_change_while_lockers_are_offline(world: World) {
    let mut locker = world.locker().await;
    let mut keys = keys_of_a_locker(&world, &locker.descriptor("lindenhof")).await;
    let mut ada = world.customer("Ada").await;
    let flat = ada.named("Flat 12 box").await;
    world.clock.advance(1);
    let old = tokens(&ada, &flat).await;
    let old_token = bytes(&old["grants"][0]["token"]);
    assert_eq!(token::verify(&old_token, &keys).unwrap().key_id, KeyId(1));
    let mut receipts =
        vec![locker.receipt(&old["grants"][0], Operation::Access, Outcome::Opened, world.clock.now())];

    let mut tx = world.hub.store.begin().await.unwrap();
    let second = keyring::rotate(&mut tx, &world.hub.secrets, world.clock.now(), 48 * HOUR).await.unwrap();
    tx.commit().await.unwrap();
    world.hub.keyring.reload(&world.hub.store, &world.hub.secrets).await.unwrap();
    assert_eq!(second, 2);

    // The old key still signs; the news of the new one goes with every token.
    let during = tokens(&ada, &flat).await;
    let claims = token::verify(&bytes(&during["grants"][0]["token"]), &keys).unwrap();
    assert_eq!(claims.key_id, KeyId(1));
    let mut told = keys.clone();
    assert_eq!(hear(&mut told, &during["bulletins"][0]["bulletin"]).add_keys[0].0, KeyId(2));
    receipts.push(locker.receipt(
        &during["grants"][0],
        Operation::Access,
        Outcome::Opened,
        world.clock.now(),
    ));

    // The new key signs tokens. A locker that nobody came to in the meantime takes the news from the same phone.
    world.clock.advance(49 * HOUR);
    ada.refresh().await.ok();
    let after = tokens(&ada, &flat).await;
    let token = bytes(&after["grants"][0]["token"]);
    assert!(token::verify(&token, &keys).is_err(), "by a key that it does not know");
    assert_eq!(token::verify(&token, &told).unwrap().key_id, KeyId(2));
    hear(&mut keys, &after["bulletins"][0]["bulletin"]);
    assert_eq!(token::verify(&token, &keys).unwrap().key_id, KeyId(2));
    receipts.push(locker.receipt(&after["grants"][0], Operation::Access, Outcome::Opened, world.clock.now()));
    let results = ada.post("/v1/receipts", json!({ "receipts": receipts })).await.ok();
    assert_eq!(results["results"], json!(["accepted", "accepted", "accepted"]), "one chain over both keys");
    assert!(postern_hub::domain::receipts::gaps(&world.hub, &locker.id).await.unwrap().is_empty());

    // The old key ends: what it signed opens nothing any more.
    world.clock.advance(48 * HOUR);
    ada.refresh().await.ok();
    let end = tokens(&ada, &flat).await;
    assert_eq!(hear(&mut keys, &end["bulletins"][0]["bulletin"]).remove_keys, [KeyId(1)]);
    assert!(token::verify(&old_token, &keys).is_err());
    token::verify(&bytes(&end["grants"][0]["token"]), &keys).unwrap();
    // Who joins now never hears of it.
    let fresh = keys_of_a_locker(&world, &crate::world::Locker::new().descriptor("lindenhof")).await;
    assert_eq!(fresh.iter().map(|(id, _)| id).collect::<Vec<_>>(), [KeyId(2)]);
}

pub(crate) async fn tokens_and_provisioning_are_answered_once(world: World) {
    let locker = crate::world::Locker::new();
    let descriptor = json!({ "descriptor": locker.descriptor("lindenhof") });
    let provision = |key: &'static str, body: Value| {
        let request = world.operator.request(Method::POST, "/v1/operator/lockers");
        Answer::of(request.header("idempotency-key", key).json(&body))
    };
    let first = provision("provision-1", descriptor.clone()).await.ok();
    assert_eq!(provision("provision-1", descriptor).await.ok(), first);
    let other = json!({ "descriptor": crate::world::Locker::new().descriptor("lindenhof") });
    assert_eq!(provision("provision-1", other).await.code(), "idempotency_mismatch");

    let ada = world.customer("Ada").await;
    let shoes = ada.named("Running shoes").await;
    let cart = courier(&world).await;
    let errand = json!({ "parcel": shoes["id"], "locker": locker.id });
    for (device, path, body) in [(&ada, "/v1/tokens", json!({})), (&cart, "/v1/courier/tokens", errand)] {
        let send = |key: &'static str| {
            Answer::of(device.request(Method::POST, path).header("idempotency-key", key).json(&body))
        };
        let first = send("tokens-0001").await.ok();
        assert_eq!(send("tokens-0001").await.ok(), first, "{path}");
        assert_ne!(send("tokens-0002").await.ok(), first, "{path}");
    }
}
