//! The frozen vectors: what this code says must be in the files, and what is in the files must be read by this code.
//!
//! A file is never edited once a version of the protocol is out: a test that fails here has found an incompatible
//! change. `cargo test -p postern-protocol write_vectors -- --ignored` writes files that are missing, and only those;
//! before version 1 is out, `rm crates/protocol/vectors/*.json` goes before it.

use std::{fs, path::PathBuf};

use postern_protocol::{
    ClockState, DeviceKey, Door, DoorEvent, DoorEventKind, Epoch, KeyId, Operation, OperationNonce,
    Operations, Refusal, Reply, Request, StatusReport, base45,
    bulletin::{self, Bulletin},
    carry,
    delegation::{self, Delegation},
    frame::{Reassembler, Tag, fragments},
    gatt::Advertisement,
    in_person::{self, Access},
    locker_side::Greeting,
    phone::Greeted,
    pin,
    qr::{self, OpeningCode},
    receipt::{self, Outcome, Receipt, Source},
    token::{self, Claims},
};
use serde_json::{Value, json};

use crate::{
    cbor::Item,
    common::{self, Device, NOW, bytes, claims, first, issuer, issuers, locker, request},
    strict,
};

fn h(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(bytes)
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a hex string")).expect("hex")
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn key(key: &DeviceKey) -> Value {
    match key {
        DeviceKey::Ed25519(bytes) => json!({ "ed25519": h(bytes) }),
        DeviceKey::P256(bytes) => json!({ "p256": h(bytes) }),
    }
}

fn operation_numbers(set: Operations) -> Vec<u8> {
    set.iter().map(|operation| operation as u8).collect()
}

fn doors(doors: &[(Door, Epoch)]) -> Vec<[u32; 2]> {
    doors.iter().map(|(door, epoch)| [u32::from(door.0), epoch.0]).collect()
}

fn says_claims(claims: &Claims) -> Value {
    json!({
        "key_id": claims.key_id.0, "locker": claims.locker.to_string(), "doors": doors(&claims.doors),
        "operations": operation_numbers(claims.operations), "not_before": claims.not_before.0,
        "expires": claims.expires.0, "issued_at": claims.issued_at.0, "id": h(claims.id.0), "key": key(&claims.key),
        "uses": claims.uses, "delegable": claims.delegable, "hello_nonce": claims.hello_nonce.map(h),
        "carry_key": claims.carry_key.map(h),
    })
}

fn says_delegation(part: &Delegation) -> Value {
    json!({
        "token": h(part.token.0), "to": key(&part.to), "doors": part.doors.iter().map(|door| door.0).collect::<Vec<_>>(),
        "operations": operation_numbers(part.operations), "not_before": part.not_before.0, "expires": part.expires.0,
        "uses": part.uses,
    })
}

fn says_bulletin(news: &Bulletin) -> Value {
    json!({
        "key_id": news.key_id.0, "locker": news.locker.to_string(), "issued_at": news.issued_at.0,
        "number": news.number,
        "epochs": news.epochs.iter().map(|news| json!([news.door.0, news.epoch.0, news.ended_slots])).collect::<Vec<_>>(),
        "revoked": news.revoked.iter().map(|part| json!([part.kind as u8, h(part.name), part.at.0])).collect::<Vec<_>>(),
        "add_keys": news.add_keys.iter().map(|(id, key)| json!([id.0, h(key)])).collect::<Vec<_>>(),
        "remove_keys": news.remove_keys.iter().map(|id| id.0).collect::<Vec<_>>(),
        "hello_nonce": news.hello_nonce.map(h),
    })
}

fn says_receipt(receipt: &Receipt) -> Value {
    json!({
        "locker": receipt.locker.to_string(), "sequence": receipt.sequence, "previous": h(receipt.previous),
        "token": h(receipt.token.0), "nonce": h(receipt.nonce.0), "door": receipt.door.0,
        "operation": receipt.operation as u8, "outcome": receipt.outcome as u8, "at": receipt.at.0,
        "clock": receipt.clock as u8, "handshake": h(receipt.handshake), "source": receipt.source as u8,
        "news": receipt.news,
    })
}

fn says_code(code: &OpeningCode) -> Value {
    json!({
        "token": h(&code.token), "door": code.door.0, "operation": code.operation as u8, "at": code.at.0,
        "nonce": h(code.nonce.0),
    })
}

fn keys() -> Value {
    let identity = locker().identity();
    json!({
        "rule": "a secret is SHA-256(\"postern test \" + name); shorter values are its first bytes",
        "locker": {
            "id": { "name": "locker id", "value": identity.id.to_string() },
            "seed": { "name": "locker seed", "value": h(bytes("locker seed")) },
            "static_secret": h(*locker().static_secret), "static_key": h(identity.static_key),
            "receipt_secret": h(*locker().receipt_secret), "receipt_key": h(identity.receipt_key),
        },
        "issuer": { "key_id": 1, "name": "issuer", "secret": h(bytes("issuer")), "public": h(issuer().public()) },
        "device_ed25519": { "name": "device", "secret": h(bytes("device")), "public": h(Device::ed25519("device").public_ed25519()), "name_in_bulletins": h(Device::ed25519("device").public().name()) },
        "device_p256": { "name": "device", "secret": h(bytes("device")), "public": key(&Device::p256("device").public())["p256"], "name_in_bulletins": h(Device::p256("device").public().name()) },
        "guest_ed25519": { "name": "guest", "secret": h(bytes("guest")), "public": h(Device::ed25519("guest").public_ed25519()) },
        "guest_p256": { "name": "guest", "secret": h(bytes("guest")), "public": key(&Device::p256("guest").public())["p256"] },
        "hub_carry": { "name": "hub carry", "secret": h(bytes("hub carry")), "public": h(common::carry_key()) },
        "pin_secret": { "name": "pin secret", "value": h(bytes("pin secret")) },
    })
}

fn advertisements() -> Value {
    (0_u8..8)
        .map(|state| {
            let advertisement = Advertisement {
                version: 1,
                accepting: state & 1 != 0,
                low_battery: state & 2 != 0,
                clock_unset: state & 4 != 0,
                short_id: locker().id.short(),
            };
            let bytes = advertisement.encode();
            assert_eq!(Advertisement::decode(&bytes), Some(advertisement));
            json!({
                "accepting": advertisement.accepting, "low_battery": advertisement.low_battery,
                "clock_unset": advertisement.clock_unset, "short_id": h(advertisement.short_id), "bytes": h(bytes),
            })
        })
        .collect()
}

fn frames() -> Value {
    let (_, hello) = common::greeting();
    let long: Vec<u8> = (0..1024_u32).map(|n| n as u8).collect();
    [(1_u8, 20_usize, &hello), (1, 244, &hello), (200, 182, &long), (255, 20, &long)]
        .into_iter()
        .map(|(tag, max_frame, message)| {
            let frames: Vec<_> = fragments(message, Tag(tag), max_frame).map(h).collect();
            json!({ "tag": tag, "max_frame": max_frame, "message": h(message), "frames": frames })
        })
        .collect()
}

fn all_claims() -> Vec<(&'static str, Claims)> {
    let base = claims(Device::ed25519("device").public());
    vec![
        ("one door, Ed25519", base.clone()),
        ("one door, P-256", claims(Device::p256("device").public())),
        ("bound to a HELLO", Claims { hello_nonce: Some(first("hello nonce")), ..base.clone() }),
        (
            "a courier's: deposit, reopen, status, carry",
            Claims {
                operations: [Operation::Deposit, Operation::Reopen, Operation::Status, Operation::Carry]
                    .into_iter()
                    .collect(),
                delegable: false,
                carry_key: Some(common::carry_key()),
                ..base.clone()
            },
        ),
        (
            "bound to a HELLO, with a carry key",
            Claims {
                operations: base.operations.with(Operation::Carry),
                hello_nonce: Some(first("hello nonce")),
                carry_key: Some(common::carry_key()),
                ..base.clone()
            },
        ),
        (
            "three doors, all that moves, status, carry, 255 uses, not delegable",
            Claims {
                doors: vec![(Door(0), Epoch(0)), (Door(300), Epoch(70_000)), (Door(65_535), Epoch(u32::MAX))],
                operations: Operation::ALL.into_iter().collect(),
                uses: 255,
                delegable: false,
                carry_key: Some(common::carry_key()),
                ..base
            },
        ),
    ]
}

fn tokens() -> Value {
    all_claims()
        .into_iter()
        .map(|(name, claims)| {
            let token = issuer().sign_token(&claims);
            json!({ "name": name, "claims": says_claims(&claims), "hash": h(token::hash(&token)), "bytes": h(token) })
        })
        .collect()
}

fn delegations() -> Value {
    let mut all = vec![];
    for (owner_kind, owner) in ["ed25519", "p256"].into_iter().zip(Device::both("device")) {
        for guest in Device::both("guest") {
            let part = common::delegation(guest.public());
            let input = delegation::signing_input(&part);
            let signed = delegation::assemble(&part, owner.sign(&input));
            all.push(json!({
                "owner": owner_kind, "owner_key": key(&owner.public()), "delegation": says_delegation(&part),
                "signing_input": h(input), "name": h(part.name()), "hash": h(delegation::hash(&signed)), "bytes": h(signed),
            }));
        }
    }
    all.into()
}

fn bulletins() -> Value {
    let full = strict::bulletin();
    let plain = Bulletin { add_keys: vec![], remove_keys: vec![], hello_nonce: None, ..full.clone() };
    let epochs = Bulletin { revoked: vec![], ..plain.clone() };
    let revoked = Bulletin { epochs: vec![], ..plain.clone() };
    let time_only = Bulletin { epochs: vec![], ..epochs.clone() };
    [("everything", full), ("epochs", epochs), ("revocations", revoked), ("time only", time_only)]
        .into_iter()
        .map(|(name, news)| {
            json!({ "name": name, "bulletin": says_bulletin(&news), "bytes": h(issuer().sign_bulletin(&news)) })
        })
        .collect()
}

fn receipts() -> Value {
    // A chain: an opening over the air and its closing, one by PIN, one by scanner.
    let mut previous = [0; 16];
    let by_pin = Receipt {
        token: postern_protocol::TokenId::of_pin(Epoch(41), 1),
        nonce: OperationNonce([0; 8]),
        handshake: [0; 16],
        source: Source::Pin,
        ..strict::receipt()
    };
    let scanned = Receipt {
        handshake: [0; 16],
        source: Source::Scanner,
        outcome: Outcome::Jammed,
        ..strict::receipt()
    };
    let closed = Receipt { outcome: Outcome::ClosedAbsent, at: NOW.plus(20), ..strict::receipt() };
    [
        ("over the air", strict::receipt()),
        ("closed, content absent", closed),
        ("by PIN", by_pin),
        ("by scanner, jammed", scanned),
    ]
    .into_iter()
    .enumerate()
    .map(|(sequence, (name, receipt))| {
        let receipt = Receipt { sequence: sequence as u32, previous, ..receipt };
        let signed = receipt::sign(&receipt, &locker());
        previous = receipt::hash(&signed);
        json!({ "name": name, "receipt": says_receipt(&receipt), "hash": h(previous), "bytes": h(signed) })
    })
    .collect()
}

fn opening_codes() -> Value {
    ["ed25519", "p256"]
        .into_iter()
        .zip(Device::both("device"))
        .map(|(kind, device)| {
            let code = OpeningCode {
                token: common::token(device.public()),
                door: Door(7),
                operation: Operation::Collect,
                at: NOW.plus(60),
                nonce: OperationNonce(first("operation nonce")),
            };
            let input = qr::signing_input(&code);
            let signature = device.sign(&input);
            json!({
                "key": kind, "code": says_code(&code), "signing_input": h(input), "signature": h(signature),
                "text": qr::assemble(&code, signature),
            })
        })
        .collect()
}

fn pins() -> Value {
    [(7, 41, 0), (7, 41, 1), (7, 42, 0), (8, 41, 0), (0, 1, 3), (65_535, u32::MAX, 2)]
        .into_iter()
        .map(|(door, epoch, slot)| {
            let pin = pin::derive(&bytes("pin secret"), locker().id, Door(door), Epoch(epoch), slot);
            json!({ "locker": locker().id.to_string(), "door": door, "epoch": epoch, "slot": slot, "pin": pin })
        })
        .collect()
}

/// Parts of a receipt chain, sealed for the hub.
fn carried() -> Value {
    let chain: Vec<_> =
        receipts().as_array().expect("a list").iter().map(|receipt| unhex(&receipt["bytes"])).collect();
    let part = |name: &str, receipts: &[Vec<u8>], next: u32| {
        let sealed = carry::seal(&common::carry_key(), locker().id, receipts, &bytes("carry ephemeral"))
            .expect("fits");
        json!({
            "name": name, "locker": locker().id.to_string(), "ephemeral": h(bytes("carry ephemeral")),
            "receipts": receipts.iter().map(h).collect::<Vec<_>>(), "next": next, "head": chain.len(),
            "sealed": h(sealed),
        })
    };
    let fit = carry::fitting(chain.iter().map(Vec::as_slice));
    json!([part("the chain", &chain[..fit], fit as u32), part("nothing new", &[], chain.len() as u32)])
}

/// Everything that crosses the air in one session, and everything that goes into it.
fn session(device: &Device, guest: Option<&Device>) -> Value {
    let (greeting, hello) = common::greeting();
    let greeted = common::greeted(&hello);
    let hello_nonce = greeted.hello_nonce();
    let mut asked = request(device.public());
    if let Some(guest) = guest {
        let part = common::delegation(guest.public());
        asked.delegation = Some(delegation::assemble(&part, device.sign(&delegation::signing_input(&part))));
    }
    let signer = guest.unwrap_or(device);
    let challenge = greeted.challenge(&asked);
    let proof = signer.sign(&challenge);
    let (open, mut phone) = greeted.open(&asked, proof, bytes("phone ephemeral")).expect("fits");
    let (mut locker_session, received) = greeting.accept(&open).expect("good");
    assert_eq!(
        (received.request, received.proof, received.challenge),
        (asked.clone(), proof, challenge.clone())
    );

    let receipt = Receipt {
        sequence: 0,
        previous: [0; 16],
        handshake: locker_session.handshake_id(),
        ..strict::receipt()
    };
    let signed = receipt::sign(&receipt, &locker());
    let mut replies = vec![];
    let mut say = |session: &mut postern_protocol::locker_side::Session, what: &str, reply: Reply| {
        let message = session.seal(&reply).expect("fits");
        assert_eq!(phone.receive(&message), Ok(reply));
        replies.push(json!({ "what": what, "message": h(message) }));
    };
    say(&mut locker_session, "receipt", Reply::Receipt(signed.clone()));
    for (what, kind) in [("closed", DoorEventKind::Closed), ("content absent", DoorEventKind::ContentAbsent)]
    {
        say(&mut locker_session, what, Reply::Event(DoorEvent { door: Door(7), kind }));
    }
    let closing = Receipt {
        sequence: 1,
        previous: receipt::hash(&signed),
        outcome: Outcome::ClosedAbsent,
        at: NOW.plus(20),
        ..receipt
    };
    let closing = receipt::sign(&closing, &locker());
    say(&mut locker_session, "closing receipt", Reply::Closing(closing.clone()));
    say(
        &mut locker_session,
        "refused: throttled for 30 s",
        Reply::Refused(Refusal::Throttled { seconds: 30 }),
    );
    say(&mut locker_session, "refused: busy", Reply::Refused(Refusal::Busy));
    let status = Request { operation: Operation::Status, ..asked.clone() };
    let status_challenge = phone.challenge(&status);
    let status_proof = signer.sign(&status_challenge);
    let status_message = phone.request(&status, status_proof).expect("fits");
    let received = locker_session.receive(&status_message).expect("good");
    assert_eq!((received.request, received.challenge), (status, status_challenge.clone()));
    let report = Reply::Status(StatusReport {
        door: Door(7),
        door_open: Some(false),
        receipt: Some(signed.clone()),
        clock: ClockState::Set,
        at: NOW.plus(29),
        closing: Some(closing.clone()),
    });
    let report_message = locker_session.seal(&report).expect("fits");
    assert_eq!(phone.receive(&report_message), Ok(report));

    json!({
        "device": key(&device.public()), "guest": guest.map(|guest| key(&guest.public())),
        "locker_ephemeral": h(bytes("locker ephemeral")), "phone_ephemeral": h(bytes("phone ephemeral")),
        "hello": {
            "boot": 3, "clock": 0, "floor": NOW.0, "capabilities": 3, "message": h(hello), "hello_nonce": h(hello_nonce),
        },
        "open": {
            "operation": 0, "door": 7, "nonce": h(asked.nonce.0), "token": h(&asked.token),
            "delegation": asked.delegation.map(h), "challenge": h(challenge), "proof": h(proof), "message": h(open),
        },
        "handshake_hash": h(locker_session.handshake_hash()),
        "receipt": h(signed),
        "closing": h(closing),
        "replies": replies,
        "status": {
            "challenge": h(status_challenge), "proof": h(status_proof), "request": h(status_message),
            "reply": h(report_message),
        },
    })
}

fn sessions() -> Value {
    let [ed25519, p256] = Device::both("device");
    let [guest, hardware_guest] = Device::both("guest");
    json!([
        session(&ed25519, None),
        session(&p256, None),
        session(&ed25519, Some(&hardware_guest)),
        session(&p256, Some(&guest)),
    ])
}

/// Sharing in person: invitations of both kinds of key, access for each, and texts that are neither.
fn shared_in_person() -> Value {
    let invitations: Vec<_> = Device::both("guest")
        .iter()
        .map(|guest| json!({ "key": key(&guest.public()), "text": in_person::invitation(&guest.public()) }))
        .collect();
    let owner = Device::ed25519("device");
    let given = |guest: &Device, label: &str, title: &str, locker_name: &str| {
        let part = common::delegation(guest.public());
        Access {
            token: common::token(owner.public()),
            delegation: delegation::assemble(&part, owner.sign(&delegation::signing_input(&part))),
            locker: locker().identity(),
            label: label.into(),
            title: title.into(),
            locker_name: locker_name.into(),
            reopen_minutes: 10,
        }
    };
    let [guest, hardware_guest] = Device::both("guest");
    let usual = given(&guest, "A7", "Shoes", "Main station");
    let longest =
        given(&hardware_guest, "7", &"ж".repeat(in_person::MAX_NAME), &"駅".repeat(in_person::MAX_NAME));
    let access: Vec<_> = [&usual, &longest]
        .into_iter()
        .map(|access| {
            json!({
                "token": h(&access.token), "delegation": h(&access.delegation), "locker": access.locker.id.to_string(),
                "static_key": h(access.locker.static_key), "receipt_key": h(access.locker.receipt_key),
                "label": access.label, "title": access.title, "locker_name": access.locker_name,
                "reopen_minutes": access.reopen_minutes, "text": access.text(),
            })
        })
        .collect();

    let mut refused = vec![];
    let mut add = |why: &str, text: String| {
        assert!(in_person::read_invitation(&text).is_none() && Access::read(&text).is_none(), "{why}");
        refused.push(json!({ "why": why, "text": text }));
    };
    let invitation = in_person::invitation(&guest.public());
    add("an invitation in lower case", format!("PI1:{}", invitation[4..].to_lowercase()));
    add("one digit misread", format!("PI1:E7{}", &invitation[6..]));
    add("the wrong letter for the key", invitation.replacen('E', "P", 1));
    add("the letter of no key", invitation.replacen('E', "X", 1));
    add("an invitation cut short", invitation[..invitation.len() - 2].into());
    add("an invitation with a digit more", format!("{invitation}0"));
    // Of small order, with the right check.
    add("a key that is none", in_person::invitation(&DeviceKey::Ed25519([0; 32])));
    add("an opening code", opening_codes()[0]["text"].as_str().expect("a text").into());
    let text = usual.text();
    add("access in lower case", text.to_lowercase());
    add("access cut short", text[..text.len() - 3].into());
    add("a title of 41 characters", given(&guest, "A7", &"x".repeat(41), "").text());
    add("a locker's name of 41 characters", given(&guest, "A7", "", &"x".repeat(41)).text());
    add("more than 2048 characters", given(&guest, &"x".repeat(1_000), "", "").text());
    let bytes = base45::decode(&text[4..]).expect("base45");
    for (fault, bytes) in Item::parse(&bytes).faulty() {
        add(&fault, format!("PA1:{}", base45::encode(&bytes)));
    }
    json!({ "invitations": invitations, "access": access, "refused": refused })
}

/// What every implementation must refuse although the signature is good.
fn refused() -> Value {
    let header = [0xa2, 0x01, 0x27, 0x04, 0x44, 0, 0, 0, 1];
    let good = common::token(Device::ed25519("device").public());
    let Item::Array(parts) = Item::parse(&good) else { panic!("COSE_Sign1") };
    let Item::Bytes(payload) = &parts[2] else { panic!("payload") };
    let sign = |header: &[u8], unprotected: &[u8], payload: &[u8]| {
        common::sign1("postern/1 token", header, unprotected, payload, &bytes("issuer"))
    };
    let mut all = vec![];
    let mut add = |why: String, token: Vec<u8>| {
        assert!(token::verify(&token, &issuers()).is_err(), "{why}");
        all.push(json!({ "why": why, "token": h(token) }));
    };
    for (why, alg) in [("ES256", &[0x26][..]), ("Ed25519 of RFC 9864", &[0x32]), ("HMAC", &[0x05])] {
        add(format!("alg is {why}"), sign(&[&[0xa2, 0x01], alg, &header[3..]].concat(), &[0xa0], payload));
    }
    let bare = [&[0xa1][..], &header[3..]].concat();
    add("alg is absent".into(), sign(&bare, &[0xa0], payload));
    add("alg is unprotected".into(), sign(&bare, &[0xa1, 0x01, 0x27], payload));
    add("tagged".into(), [&[0xd2], &good[..]].concat());
    add(
        "purpose is a bulletin".into(),
        common::sign1("postern/1 bulletin", &header, &[0xa0], payload, &bytes("issuer")),
    );
    for (fault, payload) in Item::parse(payload).faulty() {
        add(format!("payload: {fault}"), sign(&header, &[0xa0], &payload));
    }
    for (fault, token) in Item::parse(&good).faulty() {
        add(format!("envelope: {fault}"), token);
    }
    all.into()
}

/// File name and content of each.
fn all() -> [(&'static str, Value); 13] {
    [
        ("keys", keys()),
        ("advertisement", advertisements()),
        ("frames", frames()),
        ("token", tokens()),
        ("delegation", delegations()),
        ("bulletin", bulletins()),
        ("receipt", receipts()),
        ("opening_code", opening_codes()),
        ("pin", pins()),
        ("carried", carried()),
        ("in_person", shared_in_person()),
        ("session", sessions()),
        ("refused", refused()),
    ]
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("{name}.json"))
}

pub(crate) fn load(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(path(name)).expect("the file is there")).expect("JSON")
}

fn cases(name: &str) -> Vec<Value> {
    load(name).as_array().expect("a list").clone()
}

#[test]
#[ignore = "writes files that are missing; run it once for a new version of the protocol"]
fn write_vectors() {
    for (name, content) in all() {
        let path = path(name);
        if !path.exists() {
            fs::write(path, serde_json::to_string_pretty(&content).unwrap() + "\n").unwrap();
        }
    }
}

/// From here to there: what this code makes is what the files hold.
#[test]
fn the_code_makes_the_frozen_bytes() {
    for (name, content) in all() {
        assert_eq!(
            content,
            load(name),
            "vectors/{name}.json; before version 1 is out: rm crates/protocol/vectors/*.json, then \
             cargo test -p postern-protocol write_vectors -- --ignored"
        );
    }
}

/// And back: what the files hold is read, and says what the files say it says.
#[test]
fn the_code_reads_the_frozen_bytes() {
    for case in cases("advertisement") {
        let advertisement = Advertisement::decode(&unhex(&case["bytes"])).unwrap();
        assert_eq!(advertisement.clock_unset, case["clock_unset"]);
        assert_eq!(h(advertisement.short_id), case["short_id"]);
    }
    for case in cases("frames") {
        let mut reassembler = Reassembler::with_tag(Tag(case["tag"].as_u64().unwrap() as u8));
        let mut whole = None;
        for frame in case["frames"].as_array().unwrap() {
            assert_eq!(whole, None);
            whole = reassembler.push(&unhex(frame)).unwrap();
        }
        assert_eq!(whole, Some(unhex(&case["message"])));
    }
    for case in cases("token") {
        let claims = token::verify(&unhex(&case["bytes"]), &issuers()).unwrap();
        assert_eq!(says_claims(&claims), case["claims"]);
    }
    for case in cases("delegation") {
        let owner = if case["owner"] == "p256" { Device::p256("device") } else { Device::ed25519("device") };
        let part = delegation::verify(&unhex(&case["bytes"]), &owner.public()).unwrap();
        assert_eq!(says_delegation(&part), case["delegation"]);
    }
    for case in cases("bulletin") {
        let news = bulletin::verify(&unhex(&case["bytes"]), &issuers()).unwrap();
        assert_eq!(says_bulletin(&news), case["bulletin"]);
    }
    let mut previous = [0; 16];
    for case in cases("receipt") {
        let receipt = receipt::verify(&unhex(&case["bytes"]), &locker().identity().receipt_key).unwrap();
        assert_eq!(says_receipt(&receipt), case["receipt"]);
        assert_eq!(receipt.previous, previous);
        previous = receipt::hash(&unhex(&case["bytes"]));
    }
    for case in cases("opening_code") {
        let (code, signature) = qr::parse(case["text"].as_str().unwrap()).unwrap();
        assert_eq!(
            (says_code(&code), h(signature)),
            (case["code"].clone(), case["signature"].as_str().unwrap().into())
        );
        let claims = token::verify(&code.token, &issuers()).unwrap();
        assert!(claims.key.verify(&qr::signing_input(&code), &signature));
    }
    for case in cases("carried") {
        let receipts = carry::open(&bytes("hub carry"), locker().id, &unhex(&case["sealed"])).unwrap();
        assert_eq!(json!(receipts.iter().map(h).collect::<Vec<_>>()), case["receipts"]);
    }
    let shared = load("in_person");
    let list = |name: &str| shared[name].as_array().unwrap().clone();
    for case in list("invitations") {
        let text = case["text"].as_str().unwrap();
        assert_eq!(key(&in_person::read_invitation(text).unwrap()), case["key"]);
    }
    for case in list("access") {
        let access = Access::read(case["text"].as_str().unwrap()).unwrap();
        assert_eq!(access.text(), case["text"].as_str().unwrap());
        assert_eq!(
            (h(&access.token), h(&access.delegation)),
            (text_of(&case["token"]), text_of(&case["delegation"]))
        );
        assert_eq!(access.locker, locker().identity());
        assert_eq!(
            (access.title, access.locker_name),
            (text_of(&case["title"]), text_of(&case["locker_name"]))
        );
    }
    for case in list("refused") {
        let text = case["text"].as_str().unwrap();
        assert!(
            in_person::read_invitation(text).is_none() && Access::read(text).is_none(),
            "{}",
            case["why"]
        );
    }
    for case in cases("refused") {
        assert!(token::verify(&unhex(&case["token"]), &issuers()).is_err(), "{}", case["why"]);
    }
}

/// A phone that has nothing but the frozen messages of the locker, and a locker that has nothing but the phone's.
#[test]
fn the_frozen_sessions_can_be_held() {
    for case in cases("session") {
        let ephemeral = |name: &str| -> [u8; 32] { unhex(&case[name]).try_into().unwrap() };
        let greeted = Greeted::from_hello(&locker().identity(), &unhex(&case["hello"]["message"])).unwrap();
        assert_eq!(h(greeted.hello_nonce()), case["hello"]["hello_nonce"]);
        let (greeting, hello) = Greeting::start(&locker(), greeted.hello(), ephemeral("locker_ephemeral"));
        assert_eq!(h(hello), case["hello"]["message"]);
        let (mut locker_session, received) = greeting.accept(&unhex(&case["open"]["message"])).unwrap();
        assert_eq!(h(&received.challenge), case["open"]["challenge"]);
        let claims = token::verify(&received.request.token, &issuers()).unwrap();
        let key = match &received.request.delegation {
            Some(bytes) => delegation::verify(bytes, &claims.key).unwrap().to,
            None => claims.key,
        };
        assert!(key.verify(&received.challenge, &received.proof));
        let (open, mut phone) =
            greeted.open(&received.request, received.proof, ephemeral("phone_ephemeral")).unwrap();
        assert_eq!(h(open), case["open"]["message"]);
        for reply in case["replies"].as_array().unwrap() {
            let known = phone.receive(&unhex(&reply["message"])).unwrap();
            assert_eq!(h(locker_session.seal(&known).unwrap()), reply["message"]);
        }
        let received = locker_session.receive(&unhex(&case["status"]["request"])).unwrap();
        assert!(key.verify(&received.challenge, &received.proof));
        assert_eq!(h(phone.request(&received.request, received.proof).unwrap()), case["status"]["request"]);
        assert!(matches!(phone.receive(&unhex(&case["status"]["reply"])).unwrap(), Reply::Status(_)));
        assert_eq!(KeyId(1), claims.key_id);
    }
}
