//! The ordinary day: openings, receipts, events, mechanics that fail.

use postern_locker::{LocalAnswer, Output, Reason, machine::Mechanics};
use postern_protocol::{
    ClockState, DoorEvent, DoorEventKind, Epoch, Operation, Refusal, Reply, Timestamp,
    receipt::{self, Outcome, Source},
};

use crate::{
    hogging::type_pin,
    promises::{deposit, digits},
    site::{A1, A2, LOCKER, Site, nonce, operations},
};

#[test]
fn a_door_opens_and_the_receipt_proves_it() {
    let mut site = Site::new();
    let phone = site.phone(1);
    let (connection, mut session) = site.open(&phone, &phone.collect(1));
    let reply = site.reply(connection, &mut session, 1000);
    let receipt = site.expect(reply, Outcome::Opened);
    assert_eq!(site.openings(), 1);
    assert_eq!((receipt.locker, receipt.door, receipt.token), (LOCKER, A1, phone.claims.id));
    assert_eq!(
        (receipt.operation, receipt.source, receipt.clock),
        (Operation::Collect, Source::Radio, ClockState::Set)
    );
    assert_eq!(receipt.handshake, session.handshake_id());
    assert!(receipt.at >= phone.claims.issued_at && receipt.at <= site.unix());
    // The customer closes the door and the session hears of it.
    site.pass(500);
    assert!(!site.machine().compartment(A1).energised);
    site.machine().close(A1);
    for kind in [DoorEventKind::Closed, DoorEventKind::ContentAbsent] {
        let event = site.reply(connection, &mut session, 1000);
        assert_eq!(event, Some(Reply::Event(DoorEvent { door: A1, kind })));
    }
    // And what it measured, signed.
    let closing = site.reply(connection, &mut session, 1000);
    let closing = site.closing(closing, Outcome::ClosedAbsent);
    let opening = receipt;
    assert_eq!(
        (closing.token, closing.nonce, closing.door, closing.operation, closing.source, closing.handshake),
        (opening.token, opening.nonce, A1, opening.operation, opening.source, opening.handshake)
    );
    assert_eq!(closing.sequence, opening.sequence + 1);
}

#[test]
fn one_door_after_the_other_in_one_session() {
    let mut site = Site::new();
    let phone = site.phone_with(1, |claims| {
        claims.doors = vec![(A1, Epoch(1)), (A2, Epoch(1))];
        claims.uses = 2;
    });
    let (connection, mut session) = site.open(&phone, &phone.collect(1));
    let first = site.reply(connection, &mut session, 1000);
    let first = match first {
        Some(Reply::Receipt(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    let second = phone.again(&mut session, &phone.request(Operation::Collect, A2, 2));
    site.send(connection, &second);
    let reply = site.reply(connection, &mut session, 1000);
    let second = site.expect(reply, Outcome::Opened);
    assert_eq!(second.previous, receipt::hash(&first));
    assert_eq!(second.sequence, 1);
    assert_eq!(site.openings(), 2);
}

#[test]
fn a_jammed_latch_is_tried_twice_told_honestly_and_not_charged() {
    let mut site = Site::new();
    let phone = site.phone(1);
    site.machine().compartment(A1).mechanics = Mechanics::Jammed;
    let reply = site.ask(&phone, &phone.collect(1));
    site.expect(reply, Outcome::Jammed);
    assert_eq!(site.machine().compartment(A1).pulses, 2);
    site.machine().compartment(A1).mechanics = Mechanics::Sticks(1);
    let reply = site.ask(&phone, &phone.collect(2));
    site.expect(reply, Outcome::Opened);
    assert_eq!(site.machine().compartment(A1).pulses, 4);
    site.shut(A1);
    site.expect_refused(&phone, &phone.collect(3), Reason::Uses);
}

/// Whoever holds the sensor down does not open for ever.
#[test]
fn jams_are_free_only_a_few_times() {
    let mut site = Site::new();
    let phone = site.phone(1);
    site.machine().compartment(A1).mechanics = Mechanics::SensorStuck;
    for number in 0..4 {
        let reply = site.ask(&phone, &phone.collect(number));
        site.expect(reply, Outcome::Jammed);
    }
    site.expect_refused(&phone, &phone.collect(9), Reason::Uses);
}

#[test]
fn a_door_that_stands_open_is_not_moved_and_not_charged() {
    let mut site = Site::new();
    let (phone, other) = (site.phone(1), site.phone(2));
    let reply = site.ask(&other, &other.collect(1));
    site.expect(reply, Outcome::Opened);
    let reply = site.ask(&phone, &phone.collect(1));
    site.expect(reply, Outcome::AlreadyOpen);
    assert_eq!(site.machine().compartment(A1).pulses, 1);
    site.shut(A1);
    let reply = site.ask(&phone, &phone.collect(2));
    site.expect(reply, Outcome::Opened);
}

/// Nobody is shut out by a sensor that says of a shut door that it stands open: the latch is driven where nobody is known to have
/// opened it, and where somebody asks once more, by phone and at the keypad.
#[test]
fn a_sensor_that_says_open_keeps_nobody_out() {
    for by_pin in [false, true] {
        let mut site = Site::new();
        let phone = site.phone(1);
        site.machine().compartment(A1).sensors.open = Some(true);
        site.pass(100);
        let pulses = |site: &mut Site| site.machine().compartment(A1).pulses;
        let pin = digits(A1, 1, 0);
        let said = LocalAnswer::Done(A1, Outcome::AlreadyOpen);
        if by_pin {
            assert_eq!(type_pin(&mut site, &pin), [LocalAnswer::Opening(A1), said]);
            assert_eq!(pulses(&mut site), 1);
            assert_eq!(type_pin(&mut site, &pin), [said]);
            assert_eq!(pulses(&mut site), 1);
            assert_eq!(type_pin(&mut site, &pin), [LocalAnswer::Opening(A1), said]);
        } else {
            let reply = site.ask(&phone, &phone.collect(1));
            site.expect(reply, Outcome::AlreadyOpen);
            assert_eq!(pulses(&mut site), 1);
            let reply = site.ask(&phone, &phone.reopen(2));
            site.expect(reply, Outcome::AlreadyOpen);
        }
        assert_eq!(pulses(&mut site), 2);
        // The next occupancy: what was opened before, and never seen closed, keeps its courier and its customer out no more.
        let courier = site.phone_with(9, |claims| {
            claims.doors = vec![(A1, Epoch(2))];
            claims.operations = operations(&[Operation::Deposit]);
        });
        let reply = site.ask(&courier, &courier.request(Operation::Deposit, A1, 1));
        site.expect(reply, Outcome::AlreadyOpen);
        assert_eq!(pulses(&mut site), 3);
    }
}

/// Nor is one who keeps something there, who has nothing to open the door with but access.
#[test]
fn access_is_given_at_a_door_that_is_said_to_stand_open() {
    let mut site = Site::new();
    let phone = site.phone_with(3, |claims| {
        claims.operations = operations(&[Operation::Access]);
        claims.uses = 9;
    });
    site.machine().compartment(A1).sensors.open = Some(true);
    site.pass(100);
    for number in 1..=3_u32 {
        let reply = site.ask(&phone, &phone.request(Operation::Access, A1, number.into()));
        site.expect(reply, Outcome::AlreadyOpen);
        assert_eq!(site.machine().compartment(A1).pulses, number);
    }
}

/// What was measured inside behind the door is the customer's, whatever is left of the courier's token: that the sensor said
/// before that it stood open gives the use back, and no second deposit.
#[test]
fn what_a_courier_put_in_is_not_opened_again_with_what_is_left_of_the_token() {
    let mut site = Site::new();
    site.machine().compartment(A1).sensors.open = Some(true);
    site.pass(100);
    let courier = site.phone_with(9, |claims| claims.operations = operations(&[Operation::Deposit]));
    let reply = site.ask(&courier, &courier.request(Operation::Deposit, A1, 1));
    site.expect(reply, Outcome::AlreadyOpen);
    // Nothing inside yet, as far as anybody measured: once more.
    let reply = site.ask(&courier, &courier.request(Operation::Deposit, A1, 2));
    site.expect(reply, Outcome::AlreadyOpen);
    let sensors = &mut site.machine().compartment(A1).sensors;
    (sensors.open, sensors.content) = (Some(false), Some(true));
    site.pass(2_000);
    site.expect_refused(&courier, &courier.request(Operation::Deposit, A1, 3), Reason::Order);
}

#[test]
fn reopening_follows_ones_own_opening_for_ten_minutes_three_times() {
    let mut site = Site::new();
    let phone = site.phone(1);
    site.expect_refused(&phone, &phone.reopen(1), Reason::Order);
    let reply = site.ask(&phone, &phone.collect(2));
    site.expect(reply, Outcome::Opened);
    for number in 3..6 {
        site.machine().close(A1);
        site.pass(1000);
        let reply = site.ask(&phone, &phone.reopen(number));
        site.expect(reply, Outcome::Opened);
    }
    site.machine().close(A1);
    site.pass(1000);
    site.expect_refused(&phone, &phone.reopen(6), Reason::Order);

    let mut site = Site::new();
    let phone = site.phone(1);
    let reply = site.ask(&phone, &phone.collect(1));
    site.expect(reply, Outcome::Opened);
    site.machine().close(A1);
    site.pass(602_000);
    site.expect_refused(&phone, &phone.reopen(2), Reason::Order);
}

#[test]
fn a_deposit_ends_the_customer_before_and_is_not_the_next_ones_opening() {
    let mut site = Site::new();
    let before = site.phone_with(1, |claims| claims.uses = 9);
    let reply = site.ask(&before, &before.collect(1));
    site.expect(reply, Outcome::Opened);
    site.machine().close(A1);
    site.pass(1000);
    let courier = site.phone_with(2, |claims| {
        claims.operations = operations(&[Operation::Deposit, Operation::Reopen]);
        claims.doors = vec![(A1, Epoch(2))];
    });
    let reply = site.ask(&courier, &courier.request(Operation::Deposit, A1, 2));
    site.expect(reply, Outcome::Opened);
    site.machine().compartment(A1).sensors.content = Some(true);
    site.machine().close(A1);
    site.pass(1000);
    site.expect_refused(&before, &before.collect(3), Reason::Epoch);
    site.expect_refused(&before, &before.reopen(4), Reason::Epoch);
    let next = site.phone_with(3, |claims| claims.doors = vec![(A1, Epoch(2))]);
    // The courier's opening is not the customer's own, so it is the courier who may reopen.
    site.expect_refused(&next, &next.reopen(5), Reason::Order);
    let reply = site.ask(&courier, &courier.reopen(6));
    site.expect(reply, Outcome::Opened);
    site.machine().close(A1);
    site.pass(1000);
    let reply = site.ask(&next, &next.collect(7));
    site.expect(reply, Outcome::Opened);
}

#[test]
fn a_session_hears_of_its_own_door_alone() {
    let mut site = Site::new();
    site.config.held_open = 5_000;
    let machine = site.take_machine();
    site.boot(machine).map_err(|(error, _)| error).unwrap();
    let phone = site.phone(1);
    let (connection, mut session) = site.open(&phone, &phone.collect(1));
    let reply = site.reply(connection, &mut session, 1000);
    site.expect(reply, Outcome::Opened);
    let other = site.phone_with(2, |claims| claims.doors = vec![(A2, Epoch(1))]);
    let (elsewhere, mut their_session) = site.open(&other, &other.request(Operation::Status, A2, 1));
    let reply = site.reply(elsewhere, &mut their_session, 1000);
    assert!(matches!(reply, Some(Reply::Status(_))));
    site.machine().compartment(A1).sensors.obstructed = true;
    let mut kinds = Vec::new();
    for step in 0..8 {
        if step == 6 {
            site.machine().compartment(A1).sensors.content = Some(true);
            site.machine().close(A1);
        }
        while let Some(reply) = site.reply(connection, &mut session, 10) {
            match reply {
                Reply::Event(event) => kinds.push(event.kind),
                closing => drop(site.closing(Some(closing), Outcome::ClosedPresent)),
            }
        }
        site.pass(1000);
    }
    assert_eq!(
        kinds,
        [
            DoorEventKind::Obstructed,
            DoorEventKind::HeldOpen,
            DoorEventKind::Closed,
            DoorEventKind::ContentPresent
        ]
    );
    assert_eq!(site.reply(elsewhere, &mut their_session, 10), None);
}

#[test]
fn it_advertises_whether_it_takes_anybody() {
    let mut site = Site::new();
    let now = site.uptime();
    assert!(site.locker().advertisement(now).accepting);
    let connections: Vec<_> = (0..site.config.connections).map(|_| site.connect()).collect();
    let now = site.uptime();
    assert!(!site.locker().advertisement(now).accepting);
    site.machine().battery_low = true;
    let now = site.uptime();
    site.locker().disconnected(connections[0], now);
    let mut last = None;
    while let Some(output) = site.locker().poll_output() {
        if let Output::Advertise(advertisement) = output {
            last = Some(advertisement);
        }
    }
    let last = last.unwrap();
    assert!(last.accepting && last.low_battery && !last.clock_unset);
    assert_eq!(last.short_id, LOCKER.short());
}

/// The flash fails between the latch and the outcome. "Out of order" says that nothing moved, and here something did: the
/// link ends without a word. Who asks again learns no more, until the next start settles it.
#[test]
fn what_moved_and_cannot_be_written_is_not_denied() {
    let mut site = Site::new();
    let phone = site.phone(1);
    let (connection, mut session) = site.open(&phone, &phone.collect(1));
    assert_eq!(site.openings(), 1);
    site.machine().flash_broken = true;
    assert_eq!(site.reply(connection, &mut session, 2000), None);
    assert!(!site.is_connected(connection));
    for request in [phone.collect(1), phone.request(Operation::Status, A1, 1)] {
        let reply = site.ask(&phone, &request);
        assert_eq!(reply, Some(Reply::Refused(Refusal::OutOfOrder)));
    }
    site.machine().flash_broken = false;
    site.reboot();
    let reply = site.ask(&phone, &phone.collect(1));
    site.expect(reply, Outcome::Opened);
    assert_eq!(site.openings(), 1);
}

#[test]
fn a_broken_flash_opens_nothing() {
    let mut site = Site::new();
    let phone = site.phone(1);
    site.machine().flash_broken = true;
    let reply = site.ask(&phone, &phone.collect(1));
    assert_eq!(reply, Some(Reply::Refused(Refusal::OutOfOrder)));
    site.machine().flash_broken = false;
    let reply = site.ask(&phone, &phone.collect(2));
    assert_eq!(reply, Some(Reply::Refused(Refusal::OutOfOrder)));
    assert_eq!(site.openings(), 0);
    site.reboot();
    let reply = site.ask(&phone, &phone.collect(3));
    site.expect(reply, Outcome::Opened);
}

#[test]
fn the_receipt_chain_has_no_gap_over_restarts_and_compactions() {
    let mut site = Site::new();
    let mut chain: Vec<Vec<u8>> = Vec::new();
    for number in 0..150 {
        let phone = site.phone(1);
        let reply = site.ask(&phone, &phone.collect(number));
        assert!(matches!(reply, Some(Reply::Receipt(_))));
        site.machine().close(A1);
        site.pass(2000);
        chain.extend(site.written());
        // Expired tokens make room.
        site.true_time += 120_000;
        if number % 7 == 0 {
            site.reboot();
        }
    }
    let mut previous = [0; 16];
    assert_eq!(chain.len(), 300, "each opening, and each closing");
    for (sequence, bytes) in (0..).zip(&chain) {
        let receipt = receipt::verify(bytes, &site.identity().receipt_key).unwrap();
        assert_eq!((receipt.sequence, receipt.previous), (sequence, previous));
        previous = receipt::hash(bytes);
    }
    let kept: Vec<_> = site.locker().receipts().collect();
    assert_eq!(kept, chain[chain.len() - 32..]);
    assert!(site.unix() > Timestamp(1_900_000_000 + 150 * 120));
}

/// What a closing receipt signs is measured once the door is closed, however soon somebody opens anew, by whatever means, and
/// also where the door closes while the latch is still driven or the power is off: who hands the parcel in and out in the last
/// moment has the sensor's word for nothing.
#[test]
fn a_closing_is_measured_before_the_door_opens_anew() {
    for by_pin in [false, true] {
        for (wait, changes_at) in [(5, 0), (40, 0), (40, 20), (100, 60), (120, 80)] {
            let mut site = Site::new();
            deposit(&mut site, A1, 1);
            let phone = site.phone(1);
            let reply = site.ask(&phone, &phone.collect(1));
            site.expect(reply, Outcome::Opened);
            site.machine().compartment(A1).sensors.content = Some(true);
            site.pass(5_000);
            // Taken out at the last moment, and the door is closed.
            site.machine().close(A1);
            site.pass(changes_at);
            site.machine().compartment(A1).sensors.content = Some(false);
            site.pass(wait - changes_at);
            let mut tries = 0;
            loop {
                tries += 1;
                assert!(tries < 10, "never opened");
                if by_pin {
                    site.local.clear();
                    let now = site.uptime();
                    site.locker().pin_entered(&digits(A1, 1, 0), now);
                    site.drain();
                    if site.local[0] == LocalAnswer::Opening(A1) {
                        break;
                    }
                    assert_eq!(site.local[0], LocalAnswer::Busy);
                } else {
                    match site.ask(&phone, &phone.reopen(2)) {
                        Some(Reply::Refused(Refusal::Busy)) => {}
                        reply => {
                            site.expect(reply, Outcome::Opened);
                            break;
                        }
                    }
                }
                site.pass(250);
            }
            let kept = site.kept();
            let closings: Vec<_> = kept[2..].iter().filter(|receipt| receipt.outcome.is_closing()).collect();
            assert_eq!(closings.len(), 1, "by PIN: {by_pin}, {wait} ms");
            assert_eq!((closings[0].outcome, closings[0].nonce), (Outcome::ClosedAbsent, nonce(1)));
            assert!(tries > 1, "there was no time to measure");
        }
    }
    // A latch driven at a sensor that claims the door open, which closes meanwhile: the same.
    let mut site = Site::new();
    let phone = site.phone(1);
    let reply = site.ask(&phone, &phone.collect(1));
    site.expect(reply, Outcome::Opened);
    site.machine().compartment(A1).sensors.content = Some(true);
    site.pass(5_000);
    let (connection, mut session) = site.open(&phone, &phone.reopen(2));
    site.pass(300);
    site.machine().close(A1);
    site.pass(80);
    site.machine().compartment(A1).sensors.content = Some(false);
    let reply = site.reply(connection, &mut session, 1_000);
    site.expect(reply, Outcome::AlreadyOpen);
    site.pass(500);
    let last = site.kept().pop().unwrap();
    assert_eq!((last.outcome, last.nonce), (Outcome::ClosedAbsent, nonce(2)));
    // In the dark: the sensor wakes with the power, and is asked when it has settled.
    let reply = site.ask(&phone, &phone.reopen(3));
    site.expect(reply, Outcome::Opened);
    site.machine().close(A1);
    site.machine().compartment(A1).sensors.content = Some(true);
    site.reboot();
    site.pass(10);
    site.machine().compartment(A1).sensors.content = Some(false);
    site.pass(500);
    let last = site.kept().pop().unwrap();
    assert_eq!((last.outcome, last.nonce), (Outcome::ClosedAbsent, nonce(3)));
}
