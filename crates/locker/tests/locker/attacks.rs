//! Attacks over the air.

use postern_locker::{Connection, Notice, Reason};
use postern_protocol::{
    Door, Epoch, KeyId, LockerId, Operation, Operations, Refusal, Reply, StatusReport,
    issue::Issuer,
    phone::Greeted,
    receipt::Outcome,
    token::{self, Claims},
};

use crate::site::{A1, A2, Phone, Site, key, operations};

/// Sends a captured OPEN on a fresh session; true when anything but the end of the connection came of it.
fn replay(site: &mut Site, open: &[u8]) -> bool {
    let connection = site.connect();
    site.send(connection, open);
    let answered = !site.airs[&connection.0].messages.is_empty();
    site.disconnect(connection);
    answered
}

#[test]
fn replay_open() {
    let mut site = Site::new();
    let phone = site.phone_with(1, |claims| claims.uses = 255);
    let connection = site.connect();
    let (open, mut session) = phone.seal(site.greeted(connection), &phone.collect(1));
    site.send(connection, &open);
    let reply = site.reply(connection, &mut session, 1000);
    site.expect(reply, Outcome::Opened);
    site.disconnect(connection);
    site.shut(A1);
    for _ in 0..10_000 {
        assert!(!replay(&mut site, &open));
        site.notices.clear();
        site.airs.clear();
    }
    assert_eq!(site.openings(), 1);
    // And in the session that it was made for, a second time.
    let connection = site.connect();
    let (open, _) = phone.seal(site.greeted(connection), &phone.collect(2));
    site.send(connection, &open);
    site.send(connection, &open);
    assert_eq!(site.last_refusal(), Some(Reason::Handshake));
    site.pass(5000);
    assert_eq!(site.openings(), 2);
    assert!(!site.is_connected(connection));
}

#[test]
fn replay_after_reboot() {
    let mut site = Site::new();
    let phone = site.phone_with(1, |claims| claims.uses = 255);
    let mut captured: Vec<Vec<u8>> = Vec::new();
    let mut hellos = Vec::new();
    for round in 0..20 {
        site.machine().seed(4711);
        // Everything captured in the round before, on the connection with the same number.
        for open in core::mem::take(&mut captured) {
            let connection = site.connect();
            hellos.push(site.hello(connection)[3..35].to_vec());
            site.send(connection, &open);
            assert_eq!(site.last_refusal(), Some(Reason::Handshake));
            site.disconnect(connection);
        }
        for number in 0..5 {
            let connection = site.connect();
            hellos.push(site.hello(connection)[3..35].to_vec());
            let (open, _) = phone.seal(site.greeted(connection), &phone.collect(round * 10 + number));
            captured.push(open);
            site.disconnect(connection);
        }
        site.reboot();
    }
    assert_eq!(site.openings(), 0);
    let all = hellos.len();
    hellos.sort();
    hellos.dedup();
    assert_eq!(hellos.len(), all, "an ephemeral key came twice");
}

#[test]
fn delayed_open() {
    for (delay, opens) in [(0, true), (4_999, true), (5_000, true), (5_001, false), (20_000, false)] {
        let mut site = Site::new();
        let phone = site.phone(1);
        let connection = site.connect();
        let (open, _) = phone.seal(site.greeted(connection), &phone.collect(1));
        // Without ticks first: the check must not depend on the host's timer.
        site.now += delay;
        site.send(connection, &open);
        site.pass(2000);
        assert_eq!(site.openings(), u32::from(opens), "after {delay} ms");
        if !opens {
            assert_eq!(site.last_refusal(), Some(Reason::Late));
        }
        let mut site = Site::new();
        let phone = site.phone(1);
        let connection = site.connect();
        let (open, _) = phone.seal(site.greeted(connection), &phone.collect(1));
        site.pass(delay);
        site.send(connection, &open);
        site.pass(2000);
        assert_eq!(site.openings(), u32::from(opens), "after {delay} ms with ticks");
    }
}

#[test]
fn a_read_of_hello_does_not_extend_its_life() {
    let mut site = Site::new();
    let phone = site.phone(1);
    let connection = site.connect();
    let (open, _) = phone.seal(site.greeted(connection), &phone.collect(1));
    for _ in 0..6 {
        site.pass(1000);
        let now = site.uptime();
        site.locker().read_hello(connection, now);
        site.subscribe(connection);
    }
    site.send(connection, &open);
    site.pass(1000);
    assert_eq!(site.openings(), 0);
}

#[test]
fn stolen_token() {
    let mut site = Site::new();
    let owner = site.phone(1);
    let thief = Phone { key: key(66), ..owner.clone() };
    site.expect_refused(&thief, &thief.collect(1), Reason::Proof);
    // A proof for another request, and for another session.
    for confuse in 0..4 {
        let connection = site.connect();
        let greeted = site.greeted(connection);
        let honest = owner.request(Operation::Collect, A1, 1);
        let mut other = honest.clone();
        match confuse {
            0 => other.nonce.0[0] ^= 1,
            1 => other.operation = Operation::Reopen,
            2 => other.door = A2,
            _ => {}
        }
        let challenge = if confuse == 3 {
            let elsewhere = site.connect();
            site.greeted(elsewhere).challenge(&honest)
        } else {
            greeted.challenge(&other)
        };
        let (open, _) = greeted.open(&honest, owner.prove(&challenge), [confuse; 32]).unwrap();
        site.send(connection, &open);
        assert_eq!(site.last_refusal(), Some(Reason::Proof));
        site.pass(10_000);
    }
    // Signed by somebody whom the locker does not trust.
    let stranger = Issuer::new(KeyId(1), [8; 32]);
    let forged = Phone { token: stranger.sign_token(&owner.claims), ..owner.clone() };
    site.expect_refused(&forged, &forged.collect(1), Reason::Token);
    assert_eq!(site.openings(), 0);
}

#[test]
fn wrong_target() {
    let mut site = Site::new();
    let elsewhere = site.phone_with(1, |claims| claims.locker = LockerId(*b"elsewher"));
    site.expect_refused(&elsewhere, &elsewhere.collect(1), Reason::Locker);
    let phone = site.phone(1);
    site.expect_refused(&phone, &phone.request(Operation::Collect, A2, 1), Reason::Door);
    site.expect_refused(&phone, &phone.request(Operation::Deposit, A1, 2), Reason::Operation);
    site.expect_refused(&phone, &phone.request(Operation::Access, A1, 3), Reason::Operation);
    let nowhere = site.phone_with(1, |claims| claims.doors = vec![(Door(77), Epoch(1))]);
    site.expect_refused(&nowhere, &nowhere.request(Operation::Collect, Door(77), 4), Reason::Door);
    // Another locker's session cannot even be continued here: the identity is in the handshake.
    let connection = site.connect();
    let mut impostor = site.identity();
    impostor.id = LockerId(*b"elsewher");
    let phone = site.phone(1);
    if let Ok(greeted) = Greeted::from_hello(&impostor, &site.hello(connection)) {
        let (open, _) = phone.seal(greeted, &phone.collect(1));
        site.send(connection, &open);
        assert_eq!(site.last_refusal(), Some(Reason::Handshake));
    }
    assert_eq!(site.openings(), 0);
}

/// Every limit, against a phone that checks nothing itself.
#[test]
fn patched_client() {
    let mut site = Site::new();
    let phone = site.phone_with(1, |claims| {
        claims.uses = 2;
        claims.operations = operations(&[Operation::Collect]);
    });
    for number in 0..2 {
        let reply = site.ask(&phone, &phone.collect(number));
        site.expect(reply, Outcome::Opened);
        site.shut(A1);
    }
    for number in 2..40 {
        site.expect_refused(&phone, &phone.collect(number), Reason::Uses);
        site.expect_refused(&phone, &phone.reopen(number), Reason::Operation);
    }
    // In one session, and over a restart.
    site.reboot();
    let (connection, mut session) = site.open(&phone, &phone.collect(100));
    let mut throttled = false;
    for number in 0..10 {
        match site.reply(connection, &mut session, 1000) {
            Some(Reply::Refused(Refusal::Refused)) => assert!(!throttled),
            Some(Reply::Refused(Refusal::Throttled { seconds })) => {
                throttled = true;
                assert!((1..=30).contains(&seconds));
            }
            other => panic!("{other:?}"),
        }
        let again = phone.again(&mut session, &phone.collect(200 + number));
        site.send(connection, &again);
    }
    assert!(throttled);
    // A token of a week, for a locker that takes a day.
    let long = site.phone_with(1, |claims| claims.expires = claims.issued_at.plus(7 * 86_400));
    site.expect_refused(&long, &long.collect(300), Reason::Lifetime);
    assert_eq!(site.openings(), 2);
}

/// The same gesture twice gets the same receipt and no second movement: at once, later, elsewhere, after a restart.
#[test]
fn lost_receipt() {
    let mut site = Site::new();
    let phone = site.phone_with(1, |claims| claims.uses = 3);
    let request = phone.collect(1);
    // The link dies while the latch works; the phone is back before the door has answered.
    let (first, _) = site.open(&phone, &request);
    site.disconnect(first);
    let (second, mut session) = site.open(&phone, &request);
    let Some(Reply::Receipt(bytes)) = site.reply(second, &mut session, 2000) else { panic!() };
    site.disconnect(second);
    let again = site.ask(&phone, &request);
    assert_eq!(again, Some(Reply::Receipt(bytes.clone())));
    site.reboot();
    let again = site.ask(&phone, &request);
    assert_eq!(again, Some(Reply::Receipt(bytes.clone())));
    // Even when the token is over: it is the truth about the past.
    site.pass(1_000_000);
    let again = site.ask(&phone, &request);
    assert_eq!(again, Some(Reply::Receipt(bytes.clone())));
    let status = site.ask(&phone, &phone.request(Operation::Status, A1, 1));
    let Some(Reply::Status(StatusReport { receipt, door_open, .. })) = status else { panic!("{status:?}") };
    assert_eq!((receipt, door_open), (Some(bytes), None));
    assert_eq!(site.machine().compartment(A1).pulses, 1);
    assert_eq!(site.openings(), 1);
}

#[test]
fn lost_hello() {
    let mut site = Site::new();
    let phone = site.phone(1);
    let connection = site.connect_with(244);
    // The notification never comes; the phone reads instead.
    let now = site.uptime();
    let frame = site.locker().read_hello(connection, now);
    let mut reassembler = postern_protocol::frame::Reassembler::new();
    let hello = reassembler.push(&frame).unwrap().unwrap();
    site.subscribe(connection);
    assert_eq!(site.hello(connection), hello, "read and notification say the same");
    let greeted = Greeted::from_hello(&site.identity(), &hello).unwrap();
    let (open, mut session) = phone.seal(greeted, &phone.collect(1));
    site.send(connection, &open);
    let reply = site.reply(connection, &mut session, 2000);
    site.expect(reply, Outcome::Opened);
}

/// The link is cut after every single frame, both ways, at the smallest MTU: at most one opening, and the retry with
/// the same nonce converges.
#[test]
fn disconnect_everywhere() {
    for max_frame in [20, 97, 244] {
        let mut cut = 0;
        loop {
            let mut site = Site::new();
            let phone = site.phone_with(1, |claims| claims.uses = 5);
            let request = phone.collect(1);
            let connection = site.connect_with(max_frame);
            site.subscribe(connection);
            let (open, mut session) = phone.seal(site.greeted(connection), &request);
            let frames = site.frames(connection, &open);
            let there = frames.len();
            for frame in frames.into_iter().take(cut) {
                let now = site.uptime();
                site.locker().received(connection, &frame, now);
            }
            // Behind the last frame of OPEN: one movement after the other of the answer, in time.
            if cut >= there {
                for _ in there..cut {
                    site.pass(10);
                }
            }
            site.drain();
            let answered = site.reply(connection, &mut session, 0);
            site.disconnect(connection);
            let reply = site.ask(&phone, &request);
            let receipt = site.expect(reply, Outcome::Opened);
            assert_eq!(site.openings(), 1, "cut after {cut} frames of {max_frame}");
            assert_eq!(receipt.nonce, request.nonce);
            if answered.is_some() && cut > there + 5 {
                break;
            }
            cut += 1;
        }
        assert!(cut > 5);
    }
}

/// Guesses are slowed down; the customer between them is not.
#[test]
fn brute_force() {
    let mut site = Site::new();
    let mut guesses = 0;
    let mut attacker: Option<Connection> = None;
    let end = site.now + 600_000;
    let mut served = 0;
    while site.now < end {
        let gone = attacker.is_none_or(|connection| !site.is_connected(connection));
        if gone {
            let connection = site.connect();
            let thief = Phone { key: key(66), ..site.phone(1) };
            let (open, _) = thief.seal(site.greeted(connection), &thief.collect(guesses));
            site.send(connection, &open);
            guesses += 1;
            attacker = Some(connection);
        }
        site.pass(100);
        if site.now >= 20_000 * (served + 1) {
            let start = site.now;
            // One customer after the other.
            let phone = site.phone_with(1, |claims| claims.doors = vec![(A1, Epoch(served as u32 + 1))]);
            let reply = site.ask(&phone, &phone.collect(start));
            site.expect(reply, Outcome::Opened);
            assert!(site.now - start < 200, "an honest customer waited {} ms", site.now - start);
            site.machine().close(A1);
            served += 1;
        }
        site.airs.retain(|_, air| air.connected);
        site.notices.clear();
        if attacker.is_some_and(|connection| !site.airs.contains_key(&connection.0)) {
            attacker = None;
        }
    }
    assert!(served >= 25);
    // One every four seconds, after the first few.
    assert!((100..=170).contains(&guesses), "{guesses} guesses in ten minutes");
}

/// What a refusal says does not depend on anything that the asker has not proven to be entitled to.
#[test]
fn refusals_tell_a_guesser_nothing() {
    let mut site = Site::new();
    site.clock_runs = false;
    site.reboot();
    let owner = site.phone(1);
    let thief = |change: &dyn Fn(&mut Claims), site: &mut Site| {
        let phone = site.phone_with(1, |claims| change(claims));
        Phone { key: key(66), ..phone }
    };
    let times = [
        thief(&|_| {}, &mut site),
        thief(&|claims| claims.expires = claims.issued_at.plus(1), &mut site),
        thief(&|claims| claims.doors = vec![(A2, Epoch(9))], &mut site),
        thief(&|claims| claims.locker = LockerId(*b"elsewher"), &mut site),
        Phone { token: vec![0; 200], ..owner.clone() },
    ];
    for phone in times {
        // The clock is lost, and yet a thief hears the same word as ever.
        let reply = site.ask(&phone, &phone.collect(1));
        assert_eq!(reply, Some(Reply::Refused(Refusal::Refused)));
        site.pass(60_000);
    }
    let reply = site.ask(&owner, &owner.collect(1));
    assert_eq!(reply, Some(Reply::Refused(Refusal::ClockUnset)));
    assert!(!site.notices.iter().any(|notice| matches!(notice, Notice::Accepted { .. })));
    assert_ne!(Operations::NONE, owner.claims.operations);
    assert_ne!(token::hash(&owner.token), [0; 32]);
}
