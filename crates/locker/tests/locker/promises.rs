//! What the hub shows, and what it ends, as far as the locker is concerned: PINs, deposits, revocations, shares, time.

use p256::ecdsa::signature::Signer as _;
use postern_locker::{LocalAnswer, Reason};
use postern_protocol::{
    Capabilities, DeviceKey, Door, Epoch, KeyId, Operation, OperationNonce, Refusal, Reply, StatusReport,
    bulletin::{Bulletin, DoorNews, Revocation, RevocationKind},
    carry, delegation, pin,
    qr::{self, OpeningCode},
    receipt::{self, Outcome, PinUse, Receipt, Source},
};
use zeroize::Zeroizing;

use crate::site::{A1, A2, LOCKER, PIN_SECRET, Phone, Site, device_key, key, nonce, operations};

pub(crate) fn bulletin(site: &Site, number: u32) -> Bulletin {
    Bulletin {
        locker: LOCKER,
        issued_at: site.unix(),
        number,
        epochs: Vec::new(),
        revoked: Vec::new(),
        add_keys: Vec::new(),
        remove_keys: Vec::new(),
        hello_nonce: None,
        key_id: KeyId(1),
    }
}

/// Any holder's visit, with this news.
pub(crate) fn bring(site: &mut Site, news: &Bulletin) {
    let carrier = site.phone_with(40, |claims| claims.doors = vec![(Door(3), Epoch(1))]);
    let mut request = carrier.request(Operation::Status, Door(3), 1);
    request.bulletin = Some(site.issuer.sign_bulletin(news));
    let answer = site.ask(&carrier, &request);
    assert!(matches!(answer, Some(Reply::Status(_))), "{answer:?}");
}

pub(crate) fn digits(door: Door, epoch: u32, slot: u8) -> String {
    pin::derive(&PIN_SECRET, LOCKER, door, Epoch(epoch), slot)
}

fn enter(site: &mut Site, digits: &str) -> LocalAnswer {
    site.local.clear();
    let now = site.uptime();
    site.locker().pin_entered(digits, now);
    site.drain();
    let answer = site.local[0];
    site.pass(1_000);
    for door in [A1, A2] {
        site.shut(door);
    }
    answer
}

pub(crate) fn status(site: &mut Site, phone: &Phone, door: Door) -> StatusReport {
    match site.ask(phone, &phone.request(Operation::Status, door, 7_777)) {
        Some(Reply::Status(report)) => report,
        other => panic!("{other:?}"),
    }
}

fn verified(site: &Site, bytes: &[u8]) -> Receipt {
    receipt::verify(bytes, &site.identity().receipt_key).unwrap()
}

/// The courier's token for a deposit: one use, the occupancy's epoch.
fn courier(site: &mut Site, door: Door, epoch: u32) -> Phone {
    site.phone_with(30, |claims| {
        claims.operations = operations(&[Operation::Deposit, Operation::Reopen]);
        claims.doors = vec![(door, Epoch(epoch))];
    })
}

pub(crate) fn deposit(site: &mut Site, door: Door, epoch: u32) -> Phone {
    let courier = courier(site, door, epoch);
    let reply = site.ask(&courier, &courier.request(Operation::Deposit, door, 1));
    site.expect(reply, Outcome::Opened);
    site.machine().compartment(door).sensors.content = Some(true);
    site.shut(door);
    courier
}

/// Every PIN that a hub may show opens, with no message in between: after a deposit, after a booking of which the locker
/// has not heard, and after one that was called off in between; from every device's slot.
#[test]
fn pin_shown_opens() {
    let mut site = Site::new();
    // Old ones are tried in between: a keypad that has run for a day forgives them.
    site.pass(86_400_000);
    deposit(&mut site, A1, 1);
    for slot in 0..pin::SLOTS {
        assert_eq!(enter(&mut site, &digits(A1, 1, slot)), LocalAnswer::Opening(A1));
    }
    // Booked anew, or called off and booked anew: one and two occupancies on, and the locker knows by then.
    assert_eq!(enter(&mut site, &digits(A1, 2, 1)), LocalAnswer::Opening(A1));
    assert_eq!(enter(&mut site, &digits(A1, 1, 0)), LocalAnswer::Refused, "the occupancy before is over");
    assert_eq!(enter(&mut site, &digits(A1, 4, 3)), LocalAnswer::Opening(A1));
    for old in 1..4 {
        assert_eq!(enter(&mut site, &digits(A1, old, 0)), LocalAnswer::Refused);
    }
    // Three on is beyond what is tried: no hub shows it.
    assert_eq!(enter(&mut site, &digits(A1, 7, 0)), LocalAnswer::Refused);
    // A door of which the locker has never heard.
    assert_eq!(enter(&mut site, &digits(A2, 1, 0)), LocalAnswer::Opening(A2));
    // It all holds after a restart, and a token of the epoch that a PIN made known goes on opening.
    site.reboot();
    assert_eq!(enter(&mut site, &digits(A1, 4, 0)), LocalAnswer::Opening(A1));
    let phone = site.phone_with(1, |claims| claims.doors = vec![(A1, Epoch(4))]);
    let reply = site.ask(&phone, &phone.collect(1));
    site.expect(reply, Outcome::Opened);
    let before = site.phone_with(1, |claims| claims.doors = vec![(A1, Epoch(3))]);
    site.expect_refused(&before, &before.collect(2), Reason::Epoch);
}

/// A deposit ends whatever opened the door before: tokens with uses left, PINs, codes, delegations.
#[test]
fn previous_customer_ends() {
    let mut site = Site::new();
    deposit(&mut site, A1, 1);
    let owner = site.phone_with(1, |claims| {
        claims.uses = 9;
        claims.delegable = true;
    });
    let second = site.phone_with(1, |claims| claims.uses = 9);
    let guest = owner.delegate(2, |part| part.uses = 5);
    for (number, phone) in [&owner, &guest].into_iter().enumerate() {
        let reply = site.ask(phone, &phone.collect(number as u64));
        site.expect(reply, Outcome::Opened);
        site.shut(A1);
    }
    deposit(&mut site, A1, 2);
    let before = site.openings();
    for phone in [&owner, &second, &guest] {
        site.expect_refused(phone, &phone.collect(90), Reason::Epoch);
        site.expect_refused(phone, &phone.reopen(91), Reason::Epoch);
    }
    for slot in 0..pin::SLOTS {
        assert_eq!(enter(&mut site, &digits(A1, 1, slot)), LocalAnswer::Refused);
    }
    let code = OpeningCode {
        token: second.token.clone(),
        door: A1,
        operation: Operation::Collect,
        at: site.unix(),
        nonce: nonce(92),
    };
    let text = qr::assemble(&code, second.prove(&qr::signing_input(&code)));
    let now = site.uptime();
    site.locker().scanned(&text, now);
    site.drain();
    assert_eq!(site.last_refusal(), Some(Reason::Epoch));
    assert_eq!(site.openings(), before);
}

/// A courier's token opens nothing once the customer was there, and neither reopens the other's opening.
#[test]
fn a_left_over_deposit_opens_nothing_after_the_customer() {
    let mut site = Site::new();
    let used = deposit(&mut site, A1, 1);
    let spare = courier(&mut site, A1, 1);
    let customer = site.phone_with(1, |claims| claims.uses = 2);
    let reply = site.ask(&customer, &customer.collect(3));
    site.expect(reply, Outcome::Opened);
    site.shut(A1);
    let third = courier(&mut site, A1, 1);
    site.expect_refused(&third, &third.request(Operation::Deposit, A1, 4), Reason::Order);
    for courier in [&used, &spare, &third] {
        site.expect_refused(courier, &courier.reopen(5), Reason::Order);
    }
    let reply = site.ask(&customer, &customer.reopen(6));
    site.expect(reply, Outcome::Opened);
    // By PIN it is the same.
    deposit(&mut site, A2, 1);
    assert_eq!(enter(&mut site, &digits(A2, 1, 0)), LocalAnswer::Opening(A2));
    let late = courier(&mut site, A2, 1);
    site.expect_refused(&late, &late.request(Operation::Deposit, A2, 7), Reason::Order);
    site.expect_refused(&late, &late.request(Operation::Reopen, A2, 8), Reason::Order);
}

/// What a courier has put in is the customer's: no other courier's token of the same occupancy opens the door any more, while it
/// stands open, after it was closed, where there is no sensor, and over a restart. Where the sensor says behind the closed door
/// that nothing lies inside, another may: the parcel did not fit, or came out again.
#[test]
fn a_deposit_ends_other_couriers_tokens() {
    for measures in [true, false] {
        let mut site = Site::new();
        if !measures {
            site.machine().compartment(A1).sensors.content = None;
        }
        let inside = |site: &mut Site, present| {
            site.machine().compartment(A1).sensors.content = measures.then_some(present);
        };
        let first = courier(&mut site, A1, 1);
        let spare = courier(&mut site, A1, 1);
        let colleague = site.phone_with(31, |claims| claims.operations = operations(&[Operation::Deposit]));
        let reply = site.ask(&first, &first.request(Operation::Deposit, A1, 1));
        site.expect(reply, Outcome::Opened);
        let refused = |site: &mut Site| {
            for other in [&spare, &colleague] {
                let request = other.request(Operation::Deposit, A1, 2);
                site.expect_refused(other, &request, Reason::Order);
            }
            site.expect_refused(&spare, &spare.reopen(3), Reason::Order);
        };
        refused(&mut site);
        inside(&mut site, true);
        site.shut(A1);
        refused(&mut site);
        site.reboot();
        refused(&mut site);
        // The courier's own opening goes on: the parcel comes out again.
        let reply = site.ask(&first, &first.reopen(4));
        site.expect(reply, Outcome::Opened);
        refused(&mut site);
        inside(&mut site, false);
        site.shut(A1);
        site.reboot();
        if measures {
            let reply = site.ask(&spare, &spare.request(Operation::Deposit, A1, 5));
            site.expect(reply, Outcome::Opened);
            inside(&mut site, true);
            site.shut(A1);
            let request = colleague.request(Operation::Deposit, A1, 6);
            site.expect_refused(&colleague, &request, Reason::Order);
        } else {
            refused(&mut site);
        }
    }
}

/// Who books a door for a return may deposit anew with any token of it: the thing was forgotten at home, or the door was opened by
/// PIN. What a courier's token may not is about couriers.
#[test]
fn a_return_is_put_in_at_another_try() {
    for measures in [true, false] {
        let mut site = Site::new();
        if !measures {
            site.machine().compartment(A1).sensors.content = None;
        }
        let booked = |site: &mut Site, seed| {
            let allowed = [Operation::Deposit, Operation::Access, Operation::Reopen];
            site.phone_with(seed, |claims| claims.operations = operations(&allowed))
        };
        let (first, second) = (booked(&mut site, 1), booked(&mut site, 2));
        for (phone, nonce) in [(&first, 1), (&second, 2)] {
            let reply = site.ask(phone, &phone.request(Operation::Deposit, A1, nonce));
            site.expect(reply, Outcome::Opened);
            site.shut(A1);
        }
        assert_eq!(enter(&mut site, &digits(A1, 1, 0)), LocalAnswer::Opening(A1));
        site.shut(A1);
        let third = booked(&mut site, 3);
        let reply = site.ask(&third, &third.request(Operation::Deposit, A1, 3));
        site.expect(reply, Outcome::Opened);
        site.shut(A1);
        if !measures {
            let courier = courier(&mut site, A1, 1);
            let late = courier.request(Operation::Deposit, A1, 4);
            site.expect_refused(&courier, &late, Reason::Order);
        }
    }
}

/// The epochs of a token whose holder proved possession are noted for all of its doors, whatever becomes of the request.
#[test]
fn a_refused_token_tells_its_epochs() {
    for (refused, change) in
        [(Reason::Early, 0), (Reason::Expired, 1), (Reason::Lifetime, 2), (Reason::Order, 3)]
    {
        let mut site = Site::new();
        let older = site.phone_with(1, |claims| claims.doors = vec![(A1, Epoch(1)), (A2, Epoch(1))]);
        let newer = site.phone_with(2, |claims| {
            claims.doors = vec![(A1, Epoch(2)), (A2, Epoch(2))];
            match change {
                0 => claims.not_before = claims.not_before.plus(100),
                1 => {
                    claims.not_before.0 -= 100;
                    claims.expires.0 = claims.issued_at.0 - 50;
                }
                2 => claims.expires = claims.issued_at.plus(90_000),
                _ => {}
            }
        });
        let request = if change == 3 { newer.reopen(1) } else { newer.collect(1) };
        site.expect_refused(&newer, &request, refused);
        for door in [A1, A2] {
            site.expect_refused(&older, &older.request(Operation::Collect, door, 2), Reason::Epoch);
        }
        site.reboot();
        site.expect_refused(&older, &older.collect(3), Reason::Epoch);
    }
}

/// What a bulletin names opens nothing after the first visit of anybody who brings it: a device with all its tokens and as
/// a guest, a token with its delegations, the delegations alone, a PIN slot.
#[test]
fn removed_device_ends() {
    let mut site = Site::new();
    deposit(&mut site, A1, 1);
    let removed = site.phone_with(1, |claims| claims.uses = 9);
    let host = site.phone_with(3, |claims| {
        claims.uses = 9;
        claims.delegable = true;
    });
    let as_guest = host.delegate(1, |part| part.uses = 5);
    let shared = site.phone_with(4, |claims| {
        claims.uses = 9;
        claims.delegable = true;
    });
    let its_guest = shared.delegate(5, |part| part.uses = 5);
    let ended = site.phone_with(6, |claims| {
        claims.uses = 9;
        claims.delegable = true;
    });
    let with_it = ended.delegate(7, |part| part.uses = 5);
    site.pass(2_000);
    let mut news = bulletin(&site, 1);
    news.epochs = vec![DoorNews { door: A1, epoch: Epoch(1), ended_slots: 0b0010 }];
    news.revoked = vec![
        Revocation { kind: RevocationKind::Token, name: ended.claims.id.0, at: ended.claims.expires },
        Revocation { kind: RevocationKind::Delegations, name: shared.claims.id.0, at: shared.claims.expires },
        Revocation { kind: RevocationKind::Device, name: device_key(&key(1)).name(), at: site.unix() },
    ];
    bring(&mut site, &news);
    for restarted in [false, true] {
        for phone in [&removed, &as_guest, &its_guest, &ended, &with_it] {
            site.expect_refused(phone, &phone.collect(1), Reason::Revoked);
            let asked = site.ask(phone, &phone.request(Operation::Status, A1, 2));
            assert_eq!(asked, Some(Reply::Refused(Refusal::Refused)), "nor do they hear anything");
        }
        assert_eq!(enter(&mut site, &digits(A1, 1, 1)), LocalAnswer::Refused);
        if !restarted {
            site.reboot();
        }
    }
    // The device is paired anew: tokens from after its end are good.
    let anew = site.phone(1);
    let reply = site.ask(&anew, &anew.collect(3));
    site.expect(reply, Outcome::Opened);
    // The next occupancy has all of its slots.
    site.shut(A1);
    deposit(&mut site, A1, 2);
    assert_eq!(enter(&mut site, &digits(A1, 2, 1)), LocalAnswer::Opening(A1));
}

/// Nobody else loses anything by it, and a bulletin with a lower number changes nothing about revocations.
#[test]
fn honest_device_keeps_access() {
    let mut site = Site::new();
    deposit(&mut site, A1, 1);
    let honest = site.phone_with(2, |claims| {
        claims.uses = 9;
        claims.delegable = true;
    });
    let guest = honest.delegate(3, |part| part.uses = 5);
    let removed = site.phone_with(1, |claims| claims.uses = 9);
    let mut first = bulletin(&site, 1);
    first.revoked =
        vec![Revocation { kind: RevocationKind::Token, name: honest.claims.id.0, at: honest.claims.expires }];
    let mut second = bulletin(&site, 2);
    second.epochs = vec![DoorNews { door: A1, epoch: Epoch(1), ended_slots: 0b0001 }];
    second.revoked = vec![Revocation {
        kind: RevocationKind::Token,
        name: removed.claims.id.0,
        at: removed.claims.expires,
    }];
    bring(&mut site, &second);
    bring(&mut site, &first);
    site.expect_refused(&removed, &removed.collect(1), Reason::Revoked);
    for (number, phone) in [(2, &honest), (3, &guest)] {
        let reply = site.ask(phone, &phone.collect(number));
        let receipt = site.expect(reply, Outcome::Opened);
        assert_eq!(receipt.news, 2, "every receipt says which news are known");
        site.shut(A1);
    }
    assert_eq!(
        enter(&mut site, &digits(A1, 1, 1)),
        LocalAnswer::Opening(A1),
        "only the slot that ended has ended"
    );
    // What is no longer in the newest bulletin is in force no longer.
    let third = bulletin(&site, 3);
    bring(&mut site, &third);
    let reply = site.ask(&removed, &removed.collect(4));
    site.expect(reply, Outcome::Opened);
}

/// An opening by PIN or code reaches the owner's phone with the next status, with its closing; a courier's deposit does
/// not, and a guest hears nothing.
#[test]
fn code_opening_known() {
    let mut site = Site::new();
    deposit(&mut site, A1, 1);
    let owner = site.phone_with(1, |claims| {
        claims.uses = 5;
        claims.delegable = true;
    });
    let guest = owner.delegate(2, |_| {});
    assert_eq!(status(&mut site, &owner, A1).receipt, None, "a deposit is the courier's");
    // By PIN of another device of the customer.
    let now = site.uptime();
    site.locker().pin_entered(&digits(A1, 1, 2), now);
    site.pass(1_000);
    let report = status(&mut site, &owner, A1);
    let by_pin = verified(&site, report.receipt.as_deref().unwrap());
    assert_eq!((by_pin.source, by_pin.pin()), (Source::Pin, Some(PinUse { epoch: Epoch(1), slot: 2 })));
    assert_eq!(report.closing, None, "it is still open");
    site.machine().compartment(A1).sensors.content = Some(false);
    site.shut(A1);
    let report = status(&mut site, &owner, A1);
    let closing = verified(&site, report.closing.as_deref().unwrap());
    assert_eq!((closing.outcome, closing.token), (Outcome::ClosedAbsent, by_pin.token));
    assert_eq!(status(&mut site, &guest, A1).receipt, None);
    // By code of another token of the customer; over a restart.
    let other = site.phone(4);
    let code = OpeningCode {
        token: other.token.clone(),
        door: A1,
        operation: Operation::Collect,
        at: site.unix(),
        nonce: nonce(9),
    };
    let text = qr::assemble(&code, other.prove(&qr::signing_input(&code)));
    let now = site.uptime();
    site.locker().scanned(&text, now);
    site.pass(1_000);
    site.reboot();
    let report = status(&mut site, &owner, A1);
    let scanned = verified(&site, report.receipt.as_deref().unwrap());
    assert_eq!((scanned.source, scanned.token), (Source::Scanner, other.claims.id));
    // The next occupancy's holder hears of nothing that was before.
    site.shut(A1);
    let next = site.phone_with(5, |claims| claims.doors = vec![(A1, Epoch(2))]);
    assert_eq!(status(&mut site, &next, A1).receipt, None);
}

/// One delegation is one delegation, however its signature is written.
#[test]
fn malleable_uses() {
    let mut site = Site::new();
    let owner = p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap();
    let point: [u8; 33] = owner.verifying_key().to_sec1_point(true).as_bytes().try_into().unwrap();
    let token = site.phone_with(1, |claims| {
        claims.key = DeviceKey::P256(point);
        claims.delegable = true;
        claims.uses = 9;
    });
    let part = delegation::Delegation {
        token: token.claims.id,
        to: device_key(&key(2)),
        doors: vec![A1],
        operations: operations(&[Operation::Collect]),
        not_before: token.claims.not_before,
        expires: token.claims.expires,
        uses: 1,
    };
    let signature: p256::ecdsa::Signature = owner.sign(&delegation::signing_input(&part));
    let (r, s) = signature.split_scalars();
    let bent = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    let [guest, again] = [signature, bent].map(|signature| Phone {
        key: key(2),
        delegation: Some(delegation::assemble(&part, signature.to_bytes().into())),
        ..token.clone()
    });
    assert_ne!(guest.delegation, again.delegation);
    let reply = site.ask(&guest, &guest.collect(1));
    site.expect(reply, Outcome::Opened);
    site.shut(A1);
    site.expect_refused(&again, &again.collect(2), Reason::Uses);
    site.expect_refused(&guest, &guest.collect(3), Reason::Uses);
    site.reboot();
    site.expect_refused(&again, &again.collect(4), Reason::Uses);
}

/// One holder, with the own door open, as many tokens as a hub gives and as many delegations as one likes: nobody else at
/// the locker is refused, now or after a restart. And nobody keeps all connections.
#[test]
fn table_fair_share() {
    let mut site = Site::new();
    let honest = site.phone_with(9, |claims| claims.doors = vec![(A2, Epoch(1))]);
    let before = site.phone_with(8, |claims| claims.uses = 2);
    let reply = site.ask(&before, &before.collect(1));
    site.expect(reply, Outcome::Opened);
    let mut full = false;
    for token in 0..30 {
        let owner = site.phone_with(1, |claims| {
            claims.uses = 255;
            claims.delegable = true;
        });
        for number in 0..20 {
            let guest = owner.delegate(2, |part| part.uses = number + 1);
            let reply = site.ask(&guest, &guest.collect(token * 100 + u64::from(number)));
            match reply {
                Some(Reply::Receipt(_)) => assert!(number < 8, "the ninth delegation of one token"),
                Some(Reply::Refused(Refusal::Full)) => full = true,
                Some(Reply::Refused(_)) => assert!(number >= 8),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(full);
    for restarted in [false, true] {
        // Another door, a token that is remembered, and the next occupancy of the door itself.
        let mut other = site.fork();
        let reply = other.ask(&honest, &honest.request(Operation::Collect, A2, 1));
        other.expect(reply, Outcome::Opened);
        other.shut(A1);
        let reply = other.ask(&before, &before.collect(2));
        other.expect(reply, Outcome::Opened);
        other.shut(A1);
        deposit(&mut other, A1, 2);
        if !restarted {
            site.reboot();
        }
    }
}

/// The tokens of the customer before leave the next one room at the same door, also those that name several doors.
#[test]
fn the_next_customer_finds_room() {
    let mut site = Site::new();
    let mut taken = 0;
    for number in 0..40 {
        let phone = site.phone_with(1, |claims| claims.doors = vec![(A1, Epoch(1)), (A2, Epoch(1))]);
        if let Some(Reply::Receipt(_)) = site.ask(&phone, &phone.collect(number)) {
            taken += 1;
            site.shut(A1);
        }
    }
    assert_eq!(taken, 8, "half of a door's room");
    deposit(&mut site, A1, 2);
    for number in 0..7 {
        let phone = site.phone_with(2, |claims| claims.doors = vec![(A1, Epoch(2))]);
        let reply = site.ask(&phone, &phone.collect(number));
        site.expect(reply, Outcome::Opened);
        site.shut(A1);
    }
}

/// Holders whose tokens are over, and one holder with many connections, make room for whoever comes.
#[test]
fn nobody_keeps_the_connections() {
    for current in [false, true] {
        let mut site = Site::new();
        let hog = site.phone(1);
        if !current {
            site.pass(1_000_000);
        }
        let places = site.config.connections;
        let mut waits = Vec::new();
        let mut held: Vec<_> = Vec::new();
        for customer in 0..20 {
            // The hog keeps all places with a status in each, as often as it likes.
            for round in 0..20 {
                held.retain(|(connection, _)| site.is_connected(*connection));
                if held.len() < places {
                    let connection = site.connect_with(244);
                    if site.is_connected(connection) {
                        site.subscribe(connection);
                        let request = hog.request(Operation::Status, A1, round);
                        let session = site.open_on(connection, &hog, &request);
                        held.push((connection, session));
                    }
                }
                for (connection, session) in &mut held {
                    let message = hog.again(session, &hog.request(Operation::Status, A1, round));
                    site.send(*connection, &message);
                }
                site.pass(100);
            }
            let start = site.now;
            let phone = site.phone_with(2, |claims| claims.doors = vec![(A2, Epoch(customer + 1))]);
            loop {
                assert!(site.now - start < 20_000, "turned away for 20 s");
                let connection = site.connect();
                if site.is_connected(connection) {
                    let request = phone.request(Operation::Collect, A2, u64::from(customer));
                    let mut session = site.open_on(connection, &phone, &request);
                    let reply = site.reply(connection, &mut session, 2_000);
                    site.expect(reply, Outcome::Opened);
                    site.disconnect(connection);
                    break;
                }
                site.pass(250);
            }
            waits.push(site.now - start);
            site.shut(A2);
        }
        waits.sort_unstable();
        assert!(waits[18] < 2_000, "{waits:?}");
    }
}

/// A session in which nothing useful is asked ends, however often something is asked.
#[test]
fn a_session_of_no_use_ends() {
    let mut site = Site::new();
    let over = site.phone(1);
    site.pass(1_000_000);
    let (connection, mut session) = site.open(&over, &over.request(Operation::Status, A1, 1));
    let mut lasted = 0;
    while site.is_connected(connection) && lasted < 100 {
        site.pass(1_000);
        if site.is_connected(connection) {
            let message = over.again(&mut session, &over.request(Operation::Status, A1, 2));
            site.send(connection, &message);
        }
        lasted += 1;
    }
    assert!((30..=31).contains(&lasted), "{lasted} s");
}

/// The courier takes the whole chain to the hub, sealed, in parts; from wherever the hub wants it, and over restarts.
#[test]
fn a_courier_carries_the_chain() {
    let secret = [0x77; 32];
    let mut site = Site::new();
    let mut chain = Vec::new();
    for number in 0..7 {
        let phone = site.phone(1);
        let reply = site.ask(&phone, &phone.collect(number));
        site.expect(reply, Outcome::Opened);
        site.shut(A1);
        chain.extend(site.written());
    }
    assert_eq!(chain.len(), 14);
    site.reboot();
    let courier = site.phone_with(30, |claims| {
        claims.operations = operations(&[Operation::Deposit, Operation::Carry]);
        claims.doors = vec![(A2, Epoch(1))];
        claims.carry_key = Some(carry::public(&secret));
    });
    for (wanted, expected) in [(0, &chain[..]), (9, &chain[9..]), (14, &[][..]), (400, &[][..])] {
        let ask = |first: u32| postern_protocol::Request {
            nonce: OperationNonce::from_sequence(first),
            ..courier.request(Operation::Carry, A2, 0)
        };
        let (connection, mut session) = site.open(&courier, &ask(wanted));
        let mut got = Vec::new();
        let mut parts = 0;
        loop {
            let Some(Reply::Carried(part)) = site.reply(connection, &mut session, 10) else { panic!() };
            got.extend(carry::open(&secret, LOCKER, &part.sealed).unwrap());
            parts += 1;
            assert_eq!(part.head, 14);
            if part.next == part.head {
                break;
            }
            let message = courier.again(&mut session, &ask(part.next));
            site.send(connection, &message);
        }
        assert_eq!(got, expected);
        assert!(parts <= 4, "{parts} parts");
        site.disconnect(connection);
    }
    // Nobody else, and not for a token that is over.
    let customer = site.phone_with(1, |claims| claims.doors = vec![(A2, Epoch(1))]);
    site.expect_refused(&customer, &customer.request(Operation::Carry, A2, 0), Reason::Operation);
    site.pass(1_000_000);
    site.expect_refused(&courier, &courier.request(Operation::Carry, A2, 0), Reason::Expired);
    assert_eq!(site.openings(), 7);
}

/// HELLO says what the cabinet has, and nothing else.
#[test]
fn capabilities_are_those_of_the_cabinet() {
    let mut site = Site::new();
    let capabilities = |site: &mut Site| {
        let connection = site.connect();
        let hello = *site.greeted(connection).hello();
        site.disconnect(connection);
        hello.capabilities
    };
    let all = Capabilities::CONTENT_SENSOR | Capabilities::KEYPAD | Capabilities::SCANNER;
    assert_eq!(capabilities(&mut site), all);
    site.machine().compartment(A2).sensors.content = None;
    assert_eq!(capabilities(&mut site), all & !Capabilities::CONTENT_SENSOR, "one door without a sensor");
    site.machine().uplink = true;
    site.machine().scanner = false;
    assert_eq!(capabilities(&mut site), Capabilities::KEYPAD | Capabilities::ONLINE);
    site.keys.pin_secret = None;
    site.reboot();
    assert_eq!(capabilities(&mut site), Capabilities::ONLINE, "a keypad without a secret opens nothing");
    site.keys.pin_secret = Some(Zeroizing::new(PIN_SECRET));
    site.reboot();
    site.machine().keypad = false;
    assert_eq!(capabilities(&mut site), Capabilities::ONLINE);
}

/// Without a content sensor a closing says that, and nothing more; a door that is opened anew while it stands open has one
/// closing, for the last.
#[test]
fn closings_say_what_was_measured() {
    let mut site = Site::new();
    let phone = site.phone_with(1, |claims| claims.uses = 9);
    site.machine().compartment(A1).sensors.content = None;
    let reply = site.ask(&phone, &phone.collect(1));
    site.expect(reply, Outcome::Opened);
    let reply = site.ask(&phone, &phone.collect(2));
    site.expect(reply, Outcome::AlreadyOpen);
    site.shut(A1);
    // Opened by hand, from within or with a key: no receipt of an opening, and so none of its closing.
    site.machine().compartment(A1).sensors.open = Some(true);
    site.pass(1_000);
    site.shut(A1);
    let kept: Vec<_> = site.kept().iter().map(|receipt| (receipt.nonce, receipt.outcome)).collect();
    assert_eq!(
        kept,
        [(nonce(1), Outcome::Opened), (nonce(2), Outcome::AlreadyOpen), (nonce(2), Outcome::Closed)]
    );
    // Closed while the latch is driven at a sensor that was not believed: the closing is not lost.
    site.machine().compartment(A1).sensors.open = Some(true);
    site.pass(1_000);
    let (connection, mut session) = site.open(&phone, &phone.reopen(3));
    site.machine().close(A1);
    let reply = site.reply(connection, &mut session, 2_000);
    site.expect(reply, Outcome::AlreadyOpen);
    site.disconnect(connection);
    site.pass(200);
    assert_eq!(
        site.kept().last().map(|receipt| (receipt.nonce, receipt.outcome)),
        Some((nonce(3), Outcome::Closed))
    );
    // The retry brings the opening, not its closing.
    let reply = site.ask(&phone, &phone.collect(2));
    site.expect(reply, Outcome::AlreadyOpen);
    let report = match site.ask(&phone, &phone.request(Operation::Status, A1, 2)) {
        Some(Reply::Status(report)) => report,
        other => panic!("{other:?}"),
    };
    assert_eq!(verified(&site, &report.closing.unwrap()).outcome, Outcome::Closed);
}
