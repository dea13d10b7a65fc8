//! Sessions from HELLO to the last reply, and what must break them.

use crate::common::{
    self, Device, bytes, claims, delegation, first, greeted, greeting, hello, issuer, issuers, locker,
    request,
};
use postern_protocol::{
    ClockState, Door, DoorEvent, DoorEventKind, Hello, LockerId, LockerKeys, Operation, OperationNonce,
    Refusal, Reply, Request, StatusReport, delegation as delegations,
    locker_side::{Greeting, LockerError},
    phone::{Greeted, PhoneError},
    receipt::{self, Outcome, Receipt, Source},
    token,
};

fn receipt_for(request: &Request, handshake: [u8; 16]) -> Receipt {
    Receipt {
        locker: locker().id,
        sequence: 0xffff_fff0,
        previous: first("previous receipt"),
        token: claims(Device::ed25519("device").public()).id,
        nonce: request.nonce,
        door: request.door,
        operation: request.operation,
        outcome: Outcome::Opened,
        at: common::NOW.plus(5),
        clock: ClockState::Set,
        handshake,
        source: Source::Radio,
        news: u32::MAX,
    }
}

#[test]
fn an_opening_goes_through_with_either_kind_of_device_key() {
    for device in Device::both("device") {
        let (greeting, message) = greeting();
        let greeted = greeted(&message);
        assert_eq!(greeted.hello(), &hello());
        assert_eq!(greeted.hello_nonce(), greeting.hello_nonce());

        let asked = request(device.public());
        let proof = device.sign(&greeted.challenge(&asked));
        let (open, mut phone) = greeted.open(&asked, proof, bytes("phone ephemeral")).expect("fits");

        let (mut locker_session, received) = greeting.accept(&open).expect("good OPEN");
        assert_eq!(received.request, asked);
        let claims = token::verify(&received.request.token, &issuers()).expect("good token");
        assert!(claims.key.verify(&received.challenge, &received.proof));
        assert_eq!(locker_session.handshake_hash(), phone.handshake_hash());

        let signed = receipt::sign(&receipt_for(&asked, locker_session.handshake_id()), &locker());
        let sealed = locker_session.seal(&Reply::Receipt(signed.clone())).expect("fits");
        assert_eq!(phone.receive(&sealed), Ok(Reply::Receipt(signed.clone())));
        let proven = receipt::verify(&signed, &locker().identity().receipt_key).expect("good receipt");
        assert_eq!(proven.handshake, phone.handshake_id());

        let event = Reply::Event(DoorEvent { door: Door(7), kind: DoorEventKind::Closed });
        let sealed = locker_session.seal(&event).expect("fits");
        assert_eq!(phone.receive(&sealed), Ok(event));

        let status = Request { operation: Operation::Status, ..asked };
        let challenge = phone.challenge(&status);
        let message = phone.request(&status, device.sign(&challenge)).expect("fits");
        let received = locker_session.receive(&message).expect("good request");
        assert_eq!((&received.request, &received.challenge), (&status, &challenge));
        assert!(device.public().verify(&received.challenge, &received.proof));
        let report = Reply::Status(StatusReport {
            door: Door(7),
            door_open: Some(false),
            receipt: Some(signed.clone()),
            clock: ClockState::Floor,
            at: common::NOW,
            closing: Some(signed),
        });
        let sealed = locker_session.seal(&report).expect("fits");
        assert_eq!(phone.receive(&sealed), Ok(report));
    }
}

/// The proof of one request is of no use for another, in the same session or elsewhere.
#[test]
fn challenges_differ_in_every_part() {
    let device = Device::ed25519("device");
    let base = request(device.public());
    let (_, message) = greeting();
    let greeted = greeted(&message);
    let mut seen = vec![greeted.challenge(&base)];
    let guest = Device::p256("guest");
    let child = delegation(guest.public());
    for other in [
        Request { operation: Operation::Reopen, ..base.clone() },
        Request { door: Door(8), ..base.clone() },
        Request { nonce: OperationNonce([0; 8]), ..base.clone() },
        Request { token: issuer().sign_token(&claims(guest.public())), ..base.clone() },
        Request {
            delegation: Some(delegations::assemble(&child, device.sign(&delegations::signing_input(&child)))),
            ..base.clone()
        },
    ] {
        seen.push(greeted.challenge(&other));
    }
    let (_, second) = Greeting::start(&locker(), &hello(), bytes("another ephemeral"));
    seen.push(common::greeted(&second).challenge(&base));
    let (_, session) = greeted.open(&base, [0; 64], bytes("phone ephemeral")).expect("fits");
    seen.push(session.challenge(&base));
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

/// SECURITY.md: any flipped bit of HELLO fails OPEN.
#[test]
fn hello_tamper() {
    let device = Device::ed25519("device");
    let asked = request(device.public());
    let (_, message) = greeting();
    let mut accepted_by_phones = 0;
    for bit in 0..message.len() * 8 {
        let mut tampered = message.clone();
        tampered[bit / 8] ^= 1 << (bit % 8);
        let Ok(greeted) = Greeted::from_hello(&locker().identity(), &tampered) else { continue };
        let proof = device.sign(&greeted.challenge(&asked));
        let Ok((open, _)) = greeted.open(&asked, proof, bytes("phone ephemeral")) else { continue };
        assert_eq!(
            greeting().0.accept(&open).map(|_| ()),
            Err(LockerError::NotAuthentic),
            "bit {bit} of HELLO is not bound"
        );
        accepted_by_phones += 1;
    }
    // The ephemeral key and the random numbers at the least: a phone cannot tell that they are not the locker's.
    assert!(accepted_by_phones >= 256, "{accepted_by_phones} bits only");
}

/// SECURITY.md: older version, clear text or unknown message refused.
#[test]
fn downgrade() {
    let identity = locker().identity();
    for (version, oldest) in [(0, 0), (2, 2), (255, 2)] {
        let (_, message) =
            Greeting::start(&locker(), &Hello { version, oldest, ..hello() }, bytes("locker ephemeral"));
        assert_eq!(Greeted::from_hello(&identity, &message).unwrap_err(), PhoneError::Version(version));
    }
    // One that speaks a newer version too; and one that says nonsense.
    let newer = Hello { version: 3, oldest: 1, ..hello() };
    let (_, message) = Greeting::start(&locker(), &newer, bytes("locker ephemeral"));
    assert_eq!(Greeted::from_hello(&identity, &message).map(|greeted| *greeted.hello()).unwrap(), newer);
    let (_, message) =
        Greeting::start(&locker(), &Hello { version: 1, oldest: 2, ..hello() }, bytes("locker ephemeral"));
    assert_eq!(Greeted::from_hello(&identity, &message).unwrap_err(), PhoneError::Malformed);
    let device = Device::ed25519("device");
    let asked = request(device.public());
    let (_, message) = greeting();
    let greeted = greeted(&message);
    let proof = device.sign(&greeted.challenge(&asked));
    let (open, mut session) = greeted.open(&asked, proof, bytes("phone ephemeral")).expect("fits");
    for kind in (0..=255).filter(|kind| *kind != 2) {
        let mut other = open.clone();
        other[0] = kind;
        assert_eq!(greeting().0.accept(&other).unwrap_err(), LockerError::Malformed);
    }
    for kind in (0..=255).filter(|kind| *kind != 4) {
        assert_eq!(session.receive(&[kind; 40]).unwrap_err(), PhoneError::Malformed);
    }
    // A reply in clear text: [1, 0] is "refused".
    assert_eq!(session.receive(&[4, 0x82, 0x01, 0x00]).unwrap_err(), PhoneError::NotAuthentic);
    // A request in clear text, in place of OPEN.
    let clear = [&[2][..], &bytes("phone ephemeral"), &asked.token].concat();
    assert_eq!(greeting().0.accept(&clear).unwrap_err(), LockerError::NotAuthentic);
}

/// A captured OPEN is good for its own HELLO only, even where the locker's random numbers repeat after a restart.
#[test]
fn a_captured_open_is_refused_elsewhere() {
    let device = Device::ed25519("device");
    let asked = request(device.public());
    let (_, message) = greeting();
    let greeted = greeted(&message);
    let proof = device.sign(&greeted.challenge(&asked));
    let (open, _) = greeted.open(&asked, proof, bytes("phone ephemeral")).expect("fits");

    let again = Hello { boot: hello().boot + 1, ..hello() };
    let (rebooted, second) = Greeting::start(&locker(), &again, bytes("locker ephemeral"));
    assert_ne!(common::greeted(&second).hello_nonce(), common::greeted(&message).hello_nonce());
    assert_eq!(rebooted.accept(&open).unwrap_err(), LockerError::NotAuthentic);

    let (fresh, _) = Greeting::start(&locker(), &hello(), bytes("another ephemeral"));
    assert_eq!(fresh.accept(&open).unwrap_err(), LockerError::NotAuthentic);

    let other = LockerKeys::from_seed(LockerId([9; 8]), &bytes("locker seed"));
    let (elsewhere, _) = Greeting::start(&other, &hello(), bytes("locker ephemeral"));
    assert_eq!(elsewhere.accept(&open).unwrap_err(), LockerError::NotAuthentic);
}

/// SECURITY.md, fake_locker: an impostor that lacks the static key can read nothing of OPEN.
#[test]
fn an_impostor_cannot_read_open() {
    let device = Device::ed25519("device");
    let asked = request(device.public());
    let impostor = LockerKeys { static_secret: zeroize::Zeroizing::new(bytes("impostor")), ..locker() };
    let (greeting, message) = Greeting::start(&impostor, &hello(), bytes("locker ephemeral"));
    let greeted = greeted(&message);
    let proof = device.sign(&greeted.challenge(&asked));
    let (open, _) = greeted.open(&asked, proof, bytes("phone ephemeral")).expect("fits");
    assert!(!open.windows(16).any(|part| asked.token.windows(16).any(|known| known == part)));
    assert_eq!(greeting.accept(&open).unwrap_err(), LockerError::NotAuthentic);
}

/// Nor does one that offers a point of small order get a session.
#[test]
fn points_of_small_order_are_refused() {
    let device = Device::ed25519("device");
    let asked = request(device.public());
    let (_, mut message) = greeting();
    message[3..35].fill(0);
    let greeted = greeted(&message);
    assert_eq!(greeted.open(&asked, [0; 64], bytes("phone ephemeral")).unwrap_err(), PhoneError::Handshake);
    let zero = [&[2][..], &[0; 32], &[0; 200]].concat();
    assert_eq!(greeting().0.accept(&zero).unwrap_err(), LockerError::NotAuthentic);
}

#[test]
fn messages_of_a_session_come_once_and_in_order() {
    let device = Device::ed25519("device");
    let asked = request(device.public());
    let start = || {
        let (greeting, message) = greeting();
        let greeted = greeted(&message);
        let proof = device.sign(&greeted.challenge(&asked));
        let (open, phone) = greeted.open(&asked, proof, bytes("phone ephemeral")).expect("fits");
        (phone, greeting.accept(&open).expect("good OPEN").0)
    };
    let (mut phone, mut locker) = start();
    let one = locker.seal(&Reply::Refused(Refusal::Busy)).expect("fits");
    let two = locker.seal(&Reply::Refused(Refusal::Refused)).expect("fits");
    assert_eq!(phone.receive(&two), Err(PhoneError::NotAuthentic));
    assert_eq!(phone.receive(&one), Ok(Reply::Refused(Refusal::Busy)));
    assert_eq!(phone.receive(&one), Err(PhoneError::NotAuthentic));
    let (mut phone, mut locker) = start();
    let message = phone.request(&asked, [0; 64]).expect("fits");
    assert!(locker.receive(&message).is_ok());
    assert_eq!(locker.receive(&message).unwrap_err(), LockerError::NotAuthentic);
}

#[test]
fn requests_that_do_not_fit_are_refused_before_they_are_sent() {
    let device = Device::ed25519("device");
    let good = request(device.public());
    let (_, message) = greeting();
    for bad in [
        Request { token: vec![], ..good.clone() },
        Request { token: vec![0; 385], ..good.clone() },
        Request { delegation: Some(vec![]), ..good.clone() },
        Request { delegation: Some(vec![0; 209]), ..good.clone() },
        Request { bulletin: Some(vec![0; 601]), ..good.clone() },
        // Each part alone is short enough; together they are not.
        Request {
            token: vec![0; 384],
            delegation: Some(vec![0; 208]),
            bulletin: Some(vec![0; 600]),
            ..good.clone()
        },
    ] {
        let refused = greeted(&message).open(&bad, [0; 64], bytes("phone ephemeral")).map(|_| ());
        assert_eq!(refused, Err(PhoneError::TooLong));
    }
}

/// HELLO, OPEN with one token for one door, and RECEIPT: at most 560 bytes together. Every number in them is as large
/// as it gets in practice: door above 255, epoch above 65535, sequence and key id of four bytes.
#[test]
fn an_opening_takes_at_most_560_bytes() {
    let device = Device::ed25519("device");
    let mut claims = claims(device.public());
    claims.doors = vec![(Door(999), postern_protocol::Epoch(1_000_000))];
    claims.operations = postern_protocol::Operations::from_bits(31).expect("all that an opening can need");
    let asked = Request { door: Door(999), token: issuer().sign_token(&claims), ..request(device.public()) };
    let (greeting, message) = greeting();
    let greeted = greeted(&message);
    let proof = device.sign(&greeted.challenge(&asked));
    let (open, mut phone) = greeted.open(&asked, proof, bytes("phone ephemeral")).expect("fits");
    let (mut session, _) = greeting.accept(&open).expect("good OPEN");
    let signed = receipt::sign(&receipt_for(&asked, session.handshake_id()), &locker());
    let sealed = session.seal(&Reply::Receipt(signed)).expect("fits");
    assert!(phone.receive(&sealed).is_ok());
    let total = message.len() + open.len() + sealed.len();
    println!(
        "HELLO {} + OPEN {} (token {}) + RECEIPT {} = {total} bytes",
        message.len(),
        open.len(),
        asked.token.len(),
        sealed.len()
    );
    for (name, mtu) in [("23", 23), ("185", 185), ("247", 247), ("517", 517)] {
        let frames = |message: &[u8]| {
            postern_protocol::frame::fragments(message, postern_protocol::frame::Tag(1), mtu - 3).count()
        };
        println!("ATT MTU {name}: {} + {} + {} frames", frames(&message), frames(&open), frames(&sealed));
    }
    assert!(total <= 560, "{total} bytes");
}
