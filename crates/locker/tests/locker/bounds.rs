//! What it costs in memory, stated and held.

use postern_locker::{Config, Geometry, Locker, machine::Machine};
use postern_protocol::{Door, Epoch, Refusal, Reply, receipt::Outcome};

use crate::site::{A1, A2, GEOMETRY, Site};

/// The stated bound for a cabinet of 100 doors that remembers 10,000 tokens and hands out 256 receipts again: within
/// reach of a microcontroller with 256 KB.
#[test]
fn memory_of_a_hundred_doors_and_ten_thousand_tokens() {
    const BYTES: usize = Locker::<Machine>::table_memory(100, 10_000, 256);
    const { assert!(BYTES <= 192 * 1024) };
    println!("100 doors, 10,000 tokens, 256 receipts: {BYTES} bytes");
}

/// The journal of such a cabinet: what fits is taken, what does not is refused at the start, not found out later.
#[test]
fn flash_of_a_hundred_doors_and_ten_thousand_tokens() {
    let config = Config::new((1..=100).map(Door).collect());
    let site = Site::new();
    let start = |pages| {
        let machine =
            Machine::new(config.doors.iter().copied(), Geometry { page_size: 4096, pages, write_size: 8 });
        let mut site = site.unbooted();
        site.config = config.clone();
        site.boot(machine).map(|()| site)
    };
    assert!(start(256).is_ok(), "a megabyte is enough");
    assert!(start(64).is_err(), "a quarter is not");
}

/// When every place of a door is taken by a living token an unknown one for this door has to wait; it is never an old one
/// that is forgotten, and no other door is short of places.
#[test]
fn a_full_token_table_forgets_nobody() {
    let mut site = Site::new();
    let mut phones = Vec::new();
    for number in 0..17_u64 {
        let phone = site.phone(1);
        phones.push(phone.clone());
        let reply = site.ask(&phone, &phone.collect(number));
        if number < 16 {
            site.expect(reply, Outcome::Opened);
            site.shut(A1);
        } else {
            assert_eq!(reply, Some(Reply::Refused(Refusal::Full)));
        }
    }
    let elsewhere = site.phone_with(2, |claims| claims.doors = vec![(A2, Epoch(1))]);
    let reply = site.ask(&elsewhere, &elsewhere.request(postern_protocol::Operation::Collect, A2, 1));
    site.expect(reply, Outcome::Opened);
    // A remembered one is never refused for want of room: it is told that its use is spent, or opens again.
    let (first, ninth) = (&phones[0], &phones[8]);
    let reply = site.ask(first, &first.collect(999));
    assert_eq!(reply, Some(Reply::Refused(Refusal::Refused)));
    site.reboot();
    let reply = site.ask(first, &first.collect(998));
    assert_eq!(reply, Some(Reply::Refused(Refusal::Refused)));
    let reply = site.ask(ninth, &ninth.collect(8));
    site.expect(reply, Outcome::Opened);
    // The next occupancy needs nobody to end first.
    let fresh = site.phone_with(3, |claims| claims.doors = vec![(A1, Epoch(2))]);
    let reply = site.ask(&fresh, &fresh.collect(1));
    site.expect(reply, Outcome::Opened);
    // Nor does the same one, once they have ended.
    let mut site = Site::new();
    for number in 0..16_u64 {
        let phone = site.phone(1);
        let reply = site.ask(&phone, &phone.collect(number));
        site.expect(reply, Outcome::Opened);
        site.shut(A1);
    }
    site.pass(1_000_000);
    let next = site.phone(1);
    let reply = site.ask(&next, &next.collect(1000));
    site.expect(reply, Outcome::Opened);
}

/// Thousands of openings in a journal of forty kilobytes: it stays where it is, and every start finds it whole.
#[test]
fn the_journal_is_bounded() {
    let mut site = Site::new();
    for number in 0..600 {
        let phone = site.phone_with(1, |claims| claims.doors = vec![(A1, Epoch(number / 4 + 1))]);
        let reply = site.ask(&phone, &phone.collect(u64::from(number)));
        site.expect(reply, Outcome::Opened);
        site.shut(A1);
        site.true_time += 120_000;
        if number % 50 == 0 {
            site.reboot();
        }
    }
    assert_eq!(site.machine().flash().len() as u32, GEOMETRY.page_size * GEOMETRY.pages);
}
