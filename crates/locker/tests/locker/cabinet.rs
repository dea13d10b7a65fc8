//! The keypad and the scanner.

use postern_locker::{LocalAnswer, Reason};
use postern_protocol::{
    Door, Epoch, Operation, Timestamp, pin,
    qr::{self, OpeningCode},
    receipt::{self, Outcome, PinUse, Source},
};

use crate::site::{A1, A2, LOCKER, PIN_SECRET, Phone, Site, key, nonce, operations};

fn digits(door: Door, epoch: u32) -> String {
    slot_digits(door, epoch, 0)
}

fn slot_digits(door: Door, epoch: u32, slot: u8) -> String {
    pin::derive(&PIN_SECRET, LOCKER, door, Epoch(epoch), slot)
}

fn enter(site: &mut Site, digits: &str) -> Vec<LocalAnswer> {
    site.local.clear();
    let now = site.uptime();
    site.locker().pin_entered(digits, now);
    site.drain();
    site.pass(200);
    core::mem::take(&mut site.local)
}

fn scan(site: &mut Site, text: &str) -> Vec<LocalAnswer> {
    site.local.clear();
    let now = site.uptime();
    site.locker().scanned(text, now);
    site.drain();
    site.pass(200);
    core::mem::take(&mut site.local)
}

fn code(phone: &Phone, at: Timestamp, number: u64) -> String {
    let code = OpeningCode {
        token: phone.token.clone(),
        door: A1,
        operation: Operation::Collect,
        at,
        nonce: nonce(number),
    };
    let signature = phone.prove(&qr::signing_input(&code));
    qr::assemble(&code, signature)
}

/// The courier's deposit tells the locker the reservation's epoch.
fn deposit(site: &mut Site, epoch: u32) {
    let courier = site.phone_with(30, |claims| {
        claims.operations = operations(&[Operation::Deposit]);
        claims.doors = vec![(A1, Epoch(epoch))];
    });
    let reply = site.ask(&courier, &courier.request(Operation::Deposit, A1, 1));
    site.expect(reply, Outcome::Opened);
    site.shut(A1);
}

#[test]
fn a_pin_opens_its_door_and_is_receipted() {
    let mut site = Site::new();
    assert_eq!(enter(&mut site, &digits(A1, 0)), [LocalAnswer::Refused], "never of epoch 0");
    deposit(&mut site, 5);
    let answers = enter(&mut site, &digits(A1, 5));
    assert_eq!(answers, [LocalAnswer::Opening(A1), LocalAnswer::Done(A1, Outcome::Opened)]);
    let bytes = site.locker().receipts().last().unwrap();
    let receipt = receipt::verify(&bytes, &site.identity().receipt_key).unwrap();
    assert_eq!((receipt.source, receipt.door), (Source::Pin, A1));
    assert_eq!(receipt.pin(), Some(PinUse { epoch: Epoch(5), slot: 0 }));
    // As often as its holder wants, and not for the next occupancy.
    for _ in 0..9 {
        site.shut(A1);
        assert_eq!(enter(&mut site, &digits(A1, 5))[0], LocalAnswer::Opening(A1));
    }
    site.machine().close(A1);
    site.pass(1000);
    deposit(&mut site, 6);
    assert_eq!(enter(&mut site, &digits(A1, 5)), [LocalAnswer::Refused]);
    assert_eq!(enter(&mut site, &digits(A1, 6))[0], LocalAnswer::Opening(A1));
}

#[test]
fn pin_guesses_are_limited_over_power_cuts() {
    let mut site = Site::new();
    deposit(&mut site, 5);
    let wrong = if digits(A1, 5) == "00000000" { "00000001" } else { "00000000" };
    for _ in 0..4 {
        assert_eq!(enter(&mut site, wrong), [LocalAnswer::Refused]);
    }
    // A slip or four, and the right one still opens.
    assert_eq!(enter(&mut site, &digits(A1, 5))[0], LocalAnswer::Opening(A1));
    site.machine().close(A1);
    assert_eq!(enter(&mut site, wrong), [LocalAnswer::Refused]);
    assert!(matches!(enter(&mut site, &digits(A1, 5))[..], [LocalAnswer::Locked { seconds: 59..=60 }]));
    // The keypad pauses for all; a phone does not wait for it.
    let phone = site.phone_with(1, |claims| claims.doors = vec![(A1, Epoch(5))]);
    let reply = site.ask(&phone, &phone.collect(1));
    site.expect(reply, Outcome::Opened);
    site.machine().close(A1);
    // Pulling the plug does not help: the pause begins anew.
    site.pass(50_000);
    site.reboot();
    assert!(matches!(enter(&mut site, &digits(A1, 5))[..], [LocalAnswer::Locked { seconds: 59..=60 }]));
    site.pass(60_000);
    assert_eq!(enter(&mut site, wrong), [LocalAnswer::Refused]);
    assert!(matches!(enter(&mut site, wrong)[..], [LocalAnswer::Locked { seconds: 119..=120 }]));
    // A day of guessing: never more than 24 and the first few.
    let mut guesses = 0;
    let day = site.now + 86_400_000;
    while site.now < day {
        if enter(&mut site, wrong) == [LocalAnswer::Refused] {
            guesses += 1;
        }
        site.pass(30_000);
    }
    assert!((20..=32).contains(&guesses), "{guesses} guesses in a day");
    site.pass(3_600_000);
    assert_eq!(enter(&mut site, &digits(A1, 5))[0], LocalAnswer::Opening(A1));
    assert_eq!(enter(&mut site, "1234"), [LocalAnswer::Refused], "not eight digits: no guess");
}

/// To have a door of one's own buys no guesses at those of others: four wrong PINs, then the own, for days. The keypad forgets
/// one an hour, and a right PIN forgives four a day; pulling the plug forgives nothing.
#[test]
fn a_pin_of_ones_own_buys_no_guesses() {
    const DAY: u64 = 86_400_000;
    for unplugs in [false, true] {
        let mut site = Site::new();
        deposit(&mut site, 5);
        let own = digits(A1, 5);
        let mut tries = 0;
        for day in 0..3 {
            let (mut guesses, mut since_own) = (0, 0);
            // The day begins anew with every start.
            let (mut over, mut before) = (0, site.now);
            while over + site.now - before < DAY {
                if since_own < 4 {
                    // None that opens: slot and epoch of nobody's.
                    let wrong = format!("{:08}", 12_345 + tries);
                    tries += 1;
                    let answer = enter(&mut site, &wrong);
                    match answer[..] {
                        [LocalAnswer::Refused] => (guesses, since_own) = (guesses + 1, since_own + 1),
                        [LocalAnswer::Locked { seconds }] => site.pass(u64::from(seconds) * 1_000),
                        _ => panic!("{answer:?}"),
                    }
                } else {
                    let answer = enter(&mut site, &own);
                    match answer[0] {
                        LocalAnswer::Locked { seconds } => site.pass(u64::from(seconds) * 1_000),
                        LocalAnswer::Opening(A1) | LocalAnswer::Done(A1, _) => {
                            since_own = 0;
                            site.shut(A1);
                            if unplugs {
                                over += site.now - before;
                                site.reboot();
                                before = site.now;
                            }
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            let most = if day == 0 { 24 + 11 } else { 24 + 4 + 1 };
            assert!(guesses <= most, "{guesses} guesses on day {day}, unplugs: {unplugs}");
            assert!(unplugs || guesses >= 20, "{guesses} guesses on day {day}: who would wait as long?");
        }
    }
}

/// The slips of honest people are forgiven one after the other, and after a day in which somebody played with the keypad
/// nobody waits for days.
#[test]
fn slips_are_forgiven() {
    let mut site = Site::new();
    deposit(&mut site, 1);
    site.pass(86_400_000);
    let doors = [(A1, 1), (A2, 1), (Door(3), 2)];
    for (door, epoch) in doors {
        for slip in 0..4 {
            assert_eq!(enter(&mut site, &format!("{:08}", 999 + slip)), [LocalAnswer::Refused]);
        }
        assert_eq!(enter(&mut site, &digits(door, epoch))[0], LocalAnswer::Opening(door));
        site.shut(door);
    }
    // Somebody plays for a day.
    for number in 0..2_000 {
        enter(&mut site, &format!("{:08}", 5_000 + number));
        site.pass(43_000);
    }
    site.pass(3_600_000);
    assert_eq!(enter(&mut site, &digits(A1, 1))[0], LocalAnswer::Opening(A1));
    site.shut(A1);
    // From then on a slip costs minutes, and half a day later nothing.
    enter(&mut site, "00000000");
    site.pass(43_200_000);
    for slip in 0..4 {
        assert_eq!(enter(&mut site, &format!("{:08}", 999 + slip)), [LocalAnswer::Refused]);
    }
    assert_eq!(enter(&mut site, &digits(A2, 1))[0], LocalAnswer::Opening(A2));
}

#[test]
fn an_opening_code_opens_once() {
    let mut site = Site::new();
    let phone = site.phone_with(1, |claims| claims.uses = 5);
    let text = code(&phone, site.unix(), 1);
    assert_eq!(scan(&mut site, &text), [LocalAnswer::Opening(A1), LocalAnswer::Done(A1, Outcome::Opened)]);
    let bytes = site.locker().receipts().last().unwrap();
    let receipt = receipt::verify(&bytes, &site.identity().receipt_key).unwrap();
    assert_eq!((receipt.source, receipt.token), (Source::Scanner, phone.claims.id));
}

#[test]
fn qr_screenshot() {
    let mut site = Site::new();
    let phone = site.phone_with(1, |claims| claims.uses = 5);
    let first = code(&phone, site.unix(), 1);
    // Renewed after fifteen seconds: the same gesture.
    let renewed = code(&phone, site.unix().plus(15), 1);
    assert_eq!(scan(&mut site, &first)[0], LocalAnswer::Opening(A1));
    site.machine().close(A1);
    site.pass(1000);
    // The screenshot, after use.
    for text in [&first, &renewed] {
        assert_eq!(scan(&mut site, text), [LocalAnswer::Refused]);
        assert_eq!(site.last_refusal(), Some(Reason::Repeated));
    }
    site.reboot();
    assert_eq!(scan(&mut site, &renewed), [LocalAnswer::Refused]);
    assert_eq!(site.last_refusal(), Some(Reason::Repeated));
    // An unused one, too old or too new by the locker's clock.
    for (offset, opens) in [(-31_i64, false), (-30, true), (30, true), (31, false)] {
        site.shut(A1);
        let number = u64::try_from(offset + 1000).unwrap();
        let text = code(&phone, Timestamp(site.unix().0.checked_add_signed(offset).unwrap()), number);
        site.local.clear();
        let uptime = site.uptime();
        site.locker().scanned(&text, uptime);
        site.drain();
        assert_eq!(matches!(site.local[..], [LocalAnswer::Opening(_)]), opens, "{offset} s");
        site.pass(1_000);
    }
}

#[test]
fn a_forged_or_foreign_code_opens_nothing() {
    let mut site = Site::new();
    let phone = site.phone(1);
    let thief = Phone { key: key(66), ..phone.clone() };
    let text = code(&thief, site.unix(), 1);
    assert_eq!(scan(&mut site, &text), [LocalAnswer::Refused]);
    assert_eq!(site.last_refusal(), Some(Reason::Proof));
    site.pass(5000);
    assert_eq!(scan(&mut site, "https://id.gs1.org/00/340123450000000018"), [LocalAnswer::Refused]);
    site.pass(5000);
    let other_door = site.phone_with(1, |claims| claims.doors = vec![(A2, Epoch(1))]);
    let text = code(&other_door, site.unix(), 1);
    assert_eq!(scan(&mut site, &text), [LocalAnswer::Refused]);
    assert_eq!(site.last_refusal(), Some(Reason::Door));
    // Without the time there is no telling how old a code is.
    site.clock_runs = false;
    site.reboot();
    let text = code(&phone, site.unix(), 9);
    assert_eq!(scan(&mut site, &text), [LocalAnswer::Refused]);
    assert_eq!(site.last_refusal(), Some(Reason::Clock));
    assert_eq!(site.openings(), 0);
}
