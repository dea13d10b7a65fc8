//! One encoding, one algorithm: everything else is refused, even with a good signature.

use postern_protocol::{
    Door, Epoch, KeyId, Operation, OperationNonce, Timestamp,
    bulletin::{self, Bulletin, BulletinError, DoorNews, Revocation, RevocationKind},
    carry::{self, CarryError},
    delegation::{self, DelegationError},
    qr::{self, OpeningCode},
    receipt::{self, Outcome, Receipt, ReceiptError, Source},
    token::{self, TokenError},
};

use crate::{
    cbor::Item,
    common::{self, Device, NOW, bytes, claims, first, issuer, issuers, locker, sign1},
};

/// Protected header of a token: `{1: -8, 4: h'00000001'}`.
const HEADER: &[u8] = &[0xa2, 0x01, 0x27, 0x04, 0x44, 0, 0, 0, 1];
const EMPTY: &[u8] = &[0xa0];

/// The payload inside a COSE_Sign1.
fn payload(message: &[u8]) -> Vec<u8> {
    match Item::parse(message) {
        Item::Array(parts) => match &parts[2] {
            Item::Bytes(payload) => payload.clone(),
            _ => panic!("payload"),
        },
        _ => panic!("COSE_Sign1"),
    }
}

pub(crate) fn bulletin() -> Bulletin {
    Bulletin {
        locker: locker().id,
        issued_at: NOW,
        number: 9,
        epochs: vec![
            DoorNews { door: Door(7), epoch: Epoch(42), ended_slots: 0b0010 },
            DoorNews { door: Door(300), epoch: Epoch(70_000), ended_slots: 0 },
        ],
        revoked: vec![
            Revocation { kind: RevocationKind::Token, name: first("cti"), at: NOW.plus(900) },
            Revocation { kind: RevocationKind::Delegations, name: first("another cti"), at: NOW.plus(900) },
            Revocation {
                kind: RevocationKind::Device,
                name: Device::ed25519("guest").public().name(),
                at: NOW,
            },
        ],
        add_keys: vec![(KeyId(2), Device::ed25519("next issuer").public_ed25519())],
        remove_keys: vec![KeyId(1)],
        hello_nonce: Some(first("hello nonce")),
        key_id: KeyId(1),
    }
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        locker: locker().id,
        sequence: 77,
        previous: first("previous receipt"),
        token: postern_protocol::TokenId(first("cti")),
        nonce: OperationNonce(first("operation nonce")),
        door: Door(7),
        operation: Operation::Collect,
        outcome: Outcome::Opened,
        at: NOW.plus(5),
        clock: postern_protocol::ClockState::Set,
        handshake: first("handshake"),
        source: Source::Radio,
        news: 9,
    }
}

fn opening_code() -> OpeningCode {
    OpeningCode {
        token: common::token(Device::ed25519("device").public()),
        door: Door(7),
        operation: Operation::Collect,
        at: NOW,
        nonce: OperationNonce(first("operation nonce")),
    }
}

#[test]
fn the_tests_own_cose_agrees() {
    let token = common::token(Device::ed25519("device").public());
    assert_eq!(token, sign1("postern/1 token", HEADER, EMPTY, &payload(&token), &bytes("issuer")));
    let signed = issuer().sign_bulletin(&bulletin());
    assert_eq!(signed, sign1("postern/1 bulletin", HEADER, EMPTY, &payload(&signed), &bytes("issuer")));
    assert_eq!(bulletin::verify(&signed, &issuers()), Ok(bulletin()));
    let signed = receipt::sign(&receipt(), &locker());
    let again =
        sign1("postern/1 receipt", &[0xa1, 1, 0x27], EMPTY, &payload(&signed), &locker().receipt_secret);
    assert_eq!(signed, again);
}

/// SECURITY.md: wrong, absent or unprotected `alg` refused.
#[test]
fn alg_confusion() {
    let good = common::token(Device::ed25519("device").public());
    let body = payload(&good);
    let secret = bytes("issuer");
    let key_id = [0x04, 0x44, 0, 0, 0, 1];
    let header = |alg: &[u8]| [&[0xa2, 0x01][..], alg, &key_id].concat();
    let cases: [(&str, Vec<u8>, &[u8]); 9] = [
        ("ES256", header(&[0x26]), EMPTY),
        ("EdDSA on Ed448, fully specified (RFC 9864)", header(&[0x38, 0x34]), EMPTY),
        ("Ed25519, fully specified (RFC 9864): not the one spelling", header(&[0x32]), EMPTY),
        ("HMAC 256/256", header(&[0x05]), EMPTY),
        ("none, as in JOSE", header(&[0x00]), EMPTY),
        ("text", [&[0xa2, 0x01, 0x65][..], b"EdDSA", &key_id].concat(), EMPTY),
        ("absent", [&[0xa1][..], &key_id].concat(), EMPTY),
        ("absent, header empty", vec![], EMPTY),
        ("unprotected only", [&[0xa1][..], &key_id].concat(), &[0xa1, 0x01, 0x27]),
    ];
    for (name, protected, unprotected) in cases {
        let token = sign1("postern/1 token", &protected, unprotected, &body, &secret);
        let refused = token::verify(&token, &issuers()).expect_err(name);
        let expected = if unprotected == EMPTY { TokenError::Algorithm } else { TokenError::Malformed };
        assert_eq!(refused, expected, "{name}");
        let signed = sign1("postern/1 receipt", &protected, unprotected, &body, &locker().receipt_secret);
        assert!(receipt::verify(&signed, &locker().identity().receipt_key).is_err(), "{name}");
        let signed = sign1("postern/1 bulletin", &protected, unprotected, &body, &secret);
        assert!(bulletin::verify(&signed, &issuers()).is_err(), "{name}");
    }
    // Protected and unprotected at once.
    let both = sign1("postern/1 token", HEADER, &[0xa1, 0x01, 0x27], &body, &secret);
    assert_eq!(token::verify(&both, &issuers()), Err(TokenError::Malformed));
    // A P-256 signature under the right header.
    let es256 = Device::p256("issuer").sign(&body);
    let mut wrong = good.clone();
    let at = wrong.len() - 64;
    wrong[at..].copy_from_slice(&es256);
    assert_eq!(token::verify(&wrong, &issuers()), Err(TokenError::Signature));
}

/// What an issuer signs as one thing is not taken for another.
#[test]
fn purposes_are_apart() {
    let secret = bytes("issuer");
    let body = payload(&common::token(Device::ed25519("device").public()));
    for label in ["postern/1 bulletin", "postern/1 receipt", ""] {
        let token = sign1(label, HEADER, EMPTY, &body, &secret);
        assert_eq!(token::verify(&token, &issuers()), Err(TokenError::Signature), "{label}");
    }
    let body = payload(&issuer().sign_bulletin(&bulletin()));
    let signed = sign1("postern/1 token", HEADER, EMPTY, &body, &secret);
    assert_eq!(bulletin::verify(&signed, &issuers()), Err(BulletinError::Signature));
    // A receipt has no `kid`, a token has one.
    let signed = sign1("postern/1 receipt", HEADER, EMPTY, &body, &locker().receipt_secret);
    assert_eq!(receipt::verify(&signed, &locker().identity().receipt_key), Err(ReceiptError::Malformed));
    let token = sign1("postern/1 token", &[0xa1, 1, 0x27], EMPTY, &body, &secret);
    assert_eq!(token::verify(&token, &issuers()), Err(TokenError::Malformed));
}

/// SECURITY.md: long integers, indefinite lengths, duplicate keys, trailing bytes refused. Every fault in every place, with
/// a signature that is good for the faulty bytes.
#[test]
fn noncanonical_cbor() {
    let secret = bytes("issuer");
    let mut tried = 0;
    for device in Device::both("device") {
        let mut claims = claims(device.public());
        claims.hello_nonce = Some(first("hello nonce"));
        claims.operations = claims.operations.with(Operation::Carry);
        claims.carry_key = Some(common::carry_key());
        let token = issuer().sign_token(&claims);
        assert_eq!(token::verify(&token, &issuers()), Ok(claims));
        for (fault, bad) in Item::parse(&payload(&token)).faulty() {
            let token = sign1("postern/1 token", HEADER, EMPTY, &bad, &secret);
            assert_eq!(token::verify(&token, &issuers()), Err(TokenError::Malformed), "payload: {fault}");
            tried += 1;
        }
        for (fault, bad) in Item::parse(HEADER).faulty() {
            let token = sign1("postern/1 token", &bad, EMPTY, &payload(&token), &secret);
            assert!(token::verify(&token, &issuers()).is_err(), "header: {fault}");
            tried += 1;
        }
        for (fault, bad) in Item::parse(&token).faulty() {
            assert_eq!(token::verify(&bad, &issuers()), Err(TokenError::Malformed), "envelope: {fault}");
            tried += 1;
        }
        // With the tag of COSE_Sign1: legal COSE, not the one encoding here.
        assert_eq!(token::verify(&[&[0xd2], &token[..]].concat(), &issuers()), Err(TokenError::Malformed));

        let child = common::delegation(Device::p256("guest").public());
        let input = delegation::signing_input(&child);
        let owner = device.public();
        let good = delegation::assemble(&child, device.sign(&input));
        assert_eq!(delegation::verify(&good, &owner), Ok(child));
        let label = b"postern/1 delegation\0";
        let Item::Array(parts) = Item::parse(&good) else { panic!("delegation") };
        let Item::Bytes(inner) = &parts[0] else { panic!("payload") };
        for (fault, bad) in Item::parse(inner).faulty() {
            let signature = device.sign(&[label, &bad[..]].concat());
            let bad = Item::Array(vec![Item::Bytes(bad), Item::Bytes(signature.to_vec())]).encode();
            assert_eq!(
                delegation::verify(&bad, &owner),
                Err(DelegationError::Malformed),
                "delegation: {fault}"
            );
            tried += 1;
        }
        for (fault, bad) in Item::parse(&good).faulty() {
            assert_eq!(
                delegation::verify(&bad, &owner),
                Err(DelegationError::Malformed),
                "delegation: {fault}"
            );
            tried += 1;
        }
    }
    for (fault, bad) in Item::parse(&payload(&issuer().sign_bulletin(&bulletin()))).faulty() {
        let signed = sign1("postern/1 bulletin", HEADER, EMPTY, &bad, &secret);
        assert_eq!(bulletin::verify(&signed, &issuers()), Err(BulletinError::Malformed), "bulletin: {fault}");
        tried += 1;
    }
    let key = locker().identity().receipt_key;
    for (fault, bad) in Item::parse(&payload(&receipt::sign(&receipt(), &locker()))).faulty() {
        let signed = sign1("postern/1 receipt", &[0xa1, 1, 0x27], EMPTY, &bad, &locker().receipt_secret);
        assert_eq!(receipt::verify(&signed, &key), Err(ReceiptError::Malformed), "receipt: {fault}");
        tried += 1;
    }
    println!("{tried} encodings refused");
    assert!(tried > 250, "{tried}");
}

/// Values out of range are refused like wrong encodings.
#[test]
fn claims_out_of_range_are_refused() {
    let good = claims(Device::ed25519("device").public());
    let mut many = good.clone();
    many.doors = (0..17).map(|door| (Door(door), Epoch(0))).collect();
    let mut unsorted = good.clone();
    unsorted.doors = vec![(Door(8), Epoch(0)), (Door(7), Epoch(0))];
    let mut twice = good.clone();
    twice.doors = vec![(Door(7), Epoch(0)), (Door(7), Epoch(1))];
    let mut weak = good.clone();
    weak.key = postern_protocol::DeviceKey::Ed25519([0; 32]);
    let mut off_curve = good.clone();
    off_curve.key = postern_protocol::DeviceKey::P256([2; 33]);
    off_curve.key = match off_curve.key {
        postern_protocol::DeviceKey::P256(mut point) => {
            // x = 2^256 − 1 is no field element.
            point[1..].fill(0xff);
            postern_protocol::DeviceKey::P256(point)
        }
        key @ postern_protocol::DeviceKey::Ed25519(_) => key,
    };
    for (name, bad) in [
        ("no door", token::Claims { doors: vec![], ..good.clone() }),
        ("17 doors", many),
        ("doors not ascending", unsorted),
        ("a door twice", twice),
        ("no operation", token::Claims { operations: postern_protocol::Operations::NONE, ..good.clone() }),
        ("no uses", token::Claims { uses: 0, ..good.clone() }),
        ("ends as it starts", token::Claims { expires: good.not_before, ..good.clone() }),
        ("after the end of time", token::Claims { expires: Timestamp(1 << 40), ..good.clone() }),
        ("a carry key for nothing", token::Claims { carry_key: Some([7; 32]), ..good.clone() }),
        (
            "carry without a key",
            token::Claims { operations: good.operations.with(Operation::Carry), ..good.clone() },
        ),
        ("key of small order", weak),
        ("key off the curve", off_curve),
    ] {
        assert!(!postern_protocol::issue::is_issuable(&bad), "{name}");
        let token = issuer().sign_token(&bad);
        assert_eq!(token::verify(&token, &issuers()), Err(TokenError::Malformed), "{name}");
    }
    assert!(postern_protocol::issue::is_issuable(&good));
}

/// A key that is not trusted, or trusted no more, signs nothing; nor does a flipped bit pass.
#[test]
fn only_trusted_issuers_sign() {
    let token = common::token(Device::ed25519("device").public());
    let mut keys = issuers();
    keys.remove(KeyId(1));
    assert_eq!(token::verify(&token, &keys), Err(TokenError::UnknownKey));
    assert!(keys.insert(KeyId(1), Device::ed25519("someone else").public_ed25519()));
    assert_eq!(token::verify(&token, &keys), Err(TokenError::Signature));
    for bit in 0..token.len() * 8 {
        let mut flipped = token.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(token::verify(&flipped, &issuers()).is_err(), "bit {bit}");
    }
}

#[test]
fn issuer_keys_are_bounded() {
    let mut keys = postern_protocol::IssuerKeys::new();
    for id in (0..8).rev() {
        assert!(keys.insert(KeyId(id), Device::ed25519(&format!("issuer {id}")).public_ed25519()));
    }
    assert!(!keys.insert(KeyId(8), Device::ed25519("one too many").public_ed25519()));
    assert!(
        !keys.insert(KeyId(3), Device::ed25519("another").public_ed25519()),
        "an id names one key for ever"
    );
    assert!(keys.insert(KeyId(3), Device::ed25519("issuer 3").public_ed25519()));
    assert!(keys.remove(KeyId(0)) && !keys.remove(KeyId(0)));
    assert!(!keys.insert(KeyId(9), [0; 32]), "a key of small order");
    assert_eq!(keys.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
}

/// The largest of each kind is within its bound, and the bounds are no larger than needed.
#[test]
fn bounds_hold_the_largest_of_each() {
    use postern_protocol::message::{MAX_DELEGATION, MAX_RECEIPT, MAX_TOKEN};
    let late = Timestamp((1 << 40) - 1);
    let mut claims = claims(Device::p256("device").public());
    claims.doors = (0..16).map(|n| (Door(u16::MAX - 15 + n), Epoch(u32::MAX))).collect();
    claims.operations = postern_protocol::Operations::from_bits(31).unwrap();
    (claims.not_before, claims.expires, claims.issued_at) = (Timestamp(late.0 - 1), late, late);
    claims.uses = 255;
    claims.hello_nonce = Some(first("hello nonce"));
    let token = issuer().sign_token(&claims);
    assert_eq!(token::verify(&token, &issuers()), Ok(claims.clone()));
    assert!(postern_protocol::issue::is_issuable(&claims));

    let device = Device::ed25519("device");
    let mut child = common::delegation(Device::p256("guest").public());
    child.doors = claims.doors.iter().map(|(door, _)| *door).collect();
    child.operations = claims.operations;
    (child.not_before, child.expires, child.uses) = (Timestamp(late.0 - 1), late, 255);
    let delegated = delegation::assemble(&child, device.sign(&delegation::signing_input(&child)));
    assert_eq!(delegation::verify(&delegated, &device.public()), Ok(child));

    let receipt = Receipt {
        sequence: u32::MAX,
        door: Door(u16::MAX),
        at: late,
        source: Source::Scanner,
        news: u32::MAX,
        ..receipt()
    };
    let signed = receipt::sign(&receipt, &locker());
    assert_eq!(receipt::verify(&signed, &locker().identity().receipt_key), Ok(receipt));
    println!("token {} delegation {} receipt {}", token.len(), delegated.len(), signed.len());
    assert!(token.len() <= MAX_TOKEN && token.len() + 32 > MAX_TOKEN, "{}", token.len());
    assert!(
        delegated.len() <= MAX_DELEGATION && delegated.len() + 32 > MAX_DELEGATION,
        "{}",
        delegated.len()
    );
    assert!(signed.len() <= MAX_RECEIPT && signed.len() + 32 > MAX_RECEIPT, "{}", signed.len());

    // A courier's token has a key more, and fewer doors.
    claims.carry_key = Some(common::carry_key());
    claims.operations = claims.operations.with(Operation::Carry);
    claims.doors.truncate(10);
    assert!(postern_protocol::issue::is_issuable(&claims));
    let full = Bulletin {
        epochs: (0..8)
            .map(|n| DoorNews { door: Door(u16::MAX - 8 + n), epoch: Epoch(u32::MAX), ended_slots: 15 })
            .collect(),
        revoked: (0..bulletin::MAX_REVOKED as u8)
            .map(|n| Revocation { kind: RevocationKind::Device, name: [n; 16], at: NOW })
            .collect(),
        add_keys: vec![],
        remove_keys: vec![],
        ..bulletin()
    };
    assert!(postern_protocol::issue::is_publishable(&full), "all revocations, and eight doors beside them");
    let doors = Bulletin {
        epochs: (0..bulletin::MAX_EPOCHS as u16)
            .map(|n| DoorNews { door: Door(1000 + n), epoch: Epoch(60_000), ended_slots: 15 })
            .collect(),
        revoked: vec![],
        ..full
    };
    assert!(postern_protocol::issue::is_publishable(&doors), "all doors of a large cabinet");
}

/// What a bulletin must not say.
#[test]
fn bulletins_out_of_range_are_refused() {
    let good = bulletin();
    let mut slots = good.clone();
    slots.epochs[0].ended_slots = 16;
    let mut doors = good.clone();
    doors.epochs.swap(0, 1);
    let mut order = good.clone();
    order.revoked.swap(0, 1);
    let mut twice = good.clone();
    twice.revoked[1] = Revocation { at: NOW, ..twice.revoked[0] };
    let mut many = good.clone();
    many.revoked =
        (0..17).map(|n| Revocation { kind: RevocationKind::Token, name: [n; 16], at: NOW }).collect();
    let mut late = good.clone();
    late.revoked[0].at = Timestamp(1 << 40);
    for (name, bad) in [
        ("a fifth slot", slots),
        ("doors not ascending", doors),
        ("revocations not ascending", order),
        ("one name twice", twice),
        ("17 revocations", many),
        ("after the end of time", late),
    ] {
        assert!(!postern_protocol::issue::is_publishable(&bad), "{name}");
        let signed = issuer().sign_bulletin(&bad);
        assert_eq!(bulletin::verify(&signed, &issuers()), Err(BulletinError::Malformed), "{name}");
    }
    assert!(postern_protocol::issue::is_publishable(&good));
}

/// Receipts on their way to the hub are read by the hub alone, and only as receipts of that locker.
#[test]
fn carried_receipts_are_sealed() {
    let receipts: Vec<_> = (0..6)
        .map(|sequence| {
            receipt::sign(
                &Receipt {
                    sequence: u32::MAX - sequence,
                    door: Door(u16::MAX),
                    at: Timestamp((1 << 40) - 1),
                    news: u32::MAX,
                    ..receipt()
                },
                &locker(),
            )
        })
        .collect();
    let fit = carry::fitting(receipts.iter().map(Vec::as_slice));
    assert_eq!(fit, 4, "four receipts of the longest in a part");
    let ephemeral = bytes("carry ephemeral");
    let seal = |receipts: &[Vec<u8>]| carry::seal(&common::carry_key(), locker().id, receipts, &ephemeral);
    let sealed = seal(&receipts[..fit]).unwrap();
    assert!(sealed.len() <= postern_protocol::message::MAX_CARRIED);
    let secret = bytes("hub carry");
    assert_eq!(carry::open(&secret, locker().id, &sealed).unwrap(), receipts[..fit]);
    assert_eq!(carry::open(&secret, locker().id, &seal(&[]).unwrap()), Ok(vec![]));
    assert_eq!(seal(&receipts), Err(CarryError), "too many");
    assert_eq!(carry::seal(&[0; 32], locker().id, &[], &ephemeral), Err(CarryError), "a key of small order");
    assert!(
        receipts
            .iter()
            .all(|receipt| !sealed.windows(16).any(|part| receipt.windows(16).any(|known| known == part)))
    );
    assert_eq!(carry::open(&bytes("a courier"), locker().id, &sealed), Err(CarryError));
    assert_eq!(carry::open(&secret, postern_protocol::LockerId([0; 8]), &sealed), Err(CarryError));
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // The top bit of an X25519 key has no meaning in the agreement, yet it is bound by the handshake hash.
        assert_eq!(carry::open(&secret, locker().id, &flipped), Err(CarryError), "bit {bit}");
    }
    // A second opinion: snow's own primitives, and what Noise says the prologue is.
    let prologue = [b"postern/1 carry\0".as_slice(), &locker().id.0].concat();
    let builder = snow::Builder::new("Noise_N_25519_ChaChaPoly_BLAKE2s".parse().unwrap());
    let mut theirs = builder
        .local_private_key(&secret)
        .and_then(|builder| builder.prologue(&prologue))
        .and_then(snow::Builder::build_responder)
        .unwrap();
    let mut payload = vec![0; sealed.len()];
    let length = theirs.read_message(&sealed, &mut payload).unwrap();
    let expected: Vec<_> = receipts[..fit].iter().map(|receipt| Item::Bytes(receipt.clone())).collect();
    assert_eq!(Item::parse(&payload[..length]), Item::Array(expected));
}

/// SECURITY.md, qr: one text, alphanumeric, and nothing else is an opening code.
#[test]
fn opening_codes_have_one_text() {
    let device = Device::ed25519("device");
    let code = opening_code();
    let signature = device.sign(&qr::signing_input(&code));
    let text = qr::assemble(&code, signature);
    assert_eq!(qr::parse(&text), Ok((code.clone(), signature)));
    assert!(text.bytes().all(|c| b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:".contains(&c)));
    println!("opening code: {} characters", text.len());
    assert!(text.len() < 500, "version 15 of a QR code, quality M, holds 600");
    for bad in [
        text[4..].to_owned(),
        text.to_lowercase(),
        format!("{text}0"),
        format!("{text}000"),
        format!(" {text}"),
        text.replacen("PO1:", "PO2:", 1),
        text[..text.len() - 3].to_owned(),
        String::new(),
        "PO1:".to_owned(),
        format!("PO1:{}", "0".repeat(5000)),
        "https://id.gs1.org/00/340123450000000012".to_owned(),
    ] {
        assert!(qr::parse(&bad).is_err(), "{bad}");
    }
    // What it says is signed, all of it.
    let input = qr::signing_input(&code);
    for other in [
        OpeningCode { token: common::token(Device::p256("device").public()), ..code.clone() },
        OpeningCode { door: Door(8), ..code.clone() },
        OpeningCode { operation: Operation::Deposit, ..code.clone() },
        OpeningCode { at: NOW.plus(1), ..code.clone() },
        OpeningCode { nonce: OperationNonce([0; 8]), ..code.clone() },
    ] {
        assert_ne!(qr::signing_input(&other), input);
    }
}

#[test]
fn nothing_secret_is_shown_by_debug() {
    let device = Device::ed25519("device");
    let code = opening_code();
    let request = common::request(device.public());
    let token = format!("{:?}", request.token);
    for shown in [
        format!("{:?}", locker()),
        format!("{:?}", issuer()),
        format!("{code:?}"),
        format!("{request:?}"),
        format!("{:?}", common::greeting().0),
    ] {
        assert!(!shown.contains(&token) && !shown.contains("secret: ["), "{shown}");
        for secret in [&bytes("issuer"), &*locker().static_secret, &*locker().receipt_secret] {
            assert!(!shown.contains(&format!("{secret:?}")), "{shown}");
        }
    }
}
