//! The journal of the firmware before.

use postern_locker::{LocalAnswer, Reason};
use postern_protocol::{
    Door, Epoch, Operation, TokenId,
    bulletin::{DoorNews, Revocation, RevocationKind},
    receipt::{self, Outcome, Source},
};

use crate::{
    promises::{bring, bulletin, digits},
    site::{A1, A2, GEOMETRY, Site},
};

/// The flash of a cabinet that ran the firmware before (of November 2026), from page 6 on; the others are erased. Door 2 had
/// a deposit and was opened by PIN; door 1 was opened sixteen times, by tokens with one use. Then the journal moved to its
/// other bank. A bulletin with number 6 ended a slot of door 2 and a token; three wrong PINs were typed; power failed between
/// latch and sensor of door 3.
const PAGES: &[u8] = include_bytes!("../data/journal-0.bin");
const FIRST_PAGE: usize = 6;
/// When power failed, in UNIX milliseconds.
const FAILED_AT: u64 = 1_900_000_024_680;
/// The token that bulletin 6 ended, and when that was signed.
const ENDED: TokenId = TokenId(*b"\x1f\xe6\x8f\x0a\xf3\x3c\xb9\x7a\0\0\0\0\0\0\0\x12");
const SIGNED_AT: u64 = 1_900_000_019;

/// An hour later this firmware runs on it.
fn taken_over() -> Site {
    let mut site = Site::new();
    let mut machine = site.take_machine();
    let first = FIRST_PAGE * GEOMETRY.page_size as usize;
    machine.flash().fill(0xFF);
    machine.flash()[first..first + PAGES.len()].copy_from_slice(PAGES);
    // None of its tokens is issued again.
    (0..100).for_each(|_| _ = site.fresh_id());
    site.true_time = FAILED_AT + 3_600_000;
    site.boot(machine).map_err(|(error, _)| error).unwrap();
    site
}

/// All that it knew is known: receipts and their chain, epochs, uses, slots, revocations, wrong PINs, and the opening that was
/// cut off.
#[test]
fn what_the_firmware_before_wrote_is_read() {
    let mut site = taken_over();
    site.pass(2_000);
    let kept = site.kept();
    assert_eq!(kept.len(), 32);
    let signed: Vec<_> = site.locker().receipts().collect();
    for (pair, signed) in kept.windows(2).zip(&signed) {
        assert!(pair[1].sequence != pair[0].sequence + 1 || pair[1].previous == receipt::hash(signed));
    }
    // The cabinet's last opening: nobody knows; its door is closed. Whoever it was reopens, from this start on.
    let [cut, closing] = &kept[kept.len() - 2..] else { panic!("two at least") };
    assert_eq!((cut.door, cut.outcome, closing.outcome), (Door(3), Outcome::Unknown, Outcome::ClosedAbsent));
    assert_eq!((cut.source, cut.news), (Source::Radio, 6));
    let anew = site.phone_with(8, |claims| claims.doors = vec![(Door(3), Epoch(2))]);
    let reply = site.ask(&anew, &anew.request(Operation::Reopen, Door(3), 1));
    site.expect(reply, Outcome::Opened);
    site.shut(Door(3));
    // What was ended stays so, and what was known of epochs and slots.
    let ended = site.phone_with(7, |claims| {
        claims.id = ENDED;
        claims.uses = 9;
    });
    site.expect_refused(&ended, &ended.collect(2), Reason::Revoked);
    let before = site.phone_with(9, |claims| claims.doors = vec![(Door(3), Epoch(1))]);
    site.expect_refused(&before, &before.request(Operation::Collect, Door(3), 3), Reason::Epoch);
    let mut enter = |digits: &str| {
        site.local.clear();
        let now = site.uptime();
        site.locker().pin_entered(digits, now);
        site.drain();
        site.local[0]
    };
    assert_eq!(enter(&digits(A2, 1, 1)), LocalAnswer::Refused, "the fourth wrong one");
    assert_eq!(enter(&digits(A2, 1, 0)), LocalAnswer::Opening(A2));
    site.pass(1_000);
    site.shut(A2);
    // Its receipts are handed out again after a compaction by this firmware, too.
    for _ in 0..1_300 {
        let machine = site.take_machine();
        site.boot(machine).map_err(|(error, _)| error).unwrap();
    }
    site.expect_refused(&ended, &ended.collect(4), Reason::Revoked);
    assert!(site.kept().iter().any(|receipt| receipt == cut));
}

/// It wrote down no time of its bulletins. The same one, or one that says the same, gives it; until then none of that number
/// is believed to be later.
#[test]
fn a_bulletin_of_the_firmware_before_is_dated_by_the_next_visit() {
    let mut site = taken_over();
    let removed = site.phone_with(1, |claims| claims.uses = 9);
    let known = Revocation {
        kind: RevocationKind::Token,
        name: ENDED.0,
        at: postern_protocol::Timestamp(SIGNED_AT + 86_400),
    };
    let mut same = bulletin(&site, 6);
    same.issued_at.0 = SIGNED_AT;
    same.epochs = vec![DoorNews { door: A2, epoch: Epoch(1), ended_slots: 0b0010 }];
    same.revoked = vec![known];
    let mut later = same.clone();
    later.issued_at = site.unix();
    later.revoked.push(Revocation {
        kind: RevocationKind::Token,
        name: removed.claims.id.0,
        at: removed.claims.expires,
    });
    later.revoked.sort_unstable_by_key(|part| part.name);
    bring(&mut site, &same);
    bring(&mut site, &later);
    site.expect_refused(&removed, &removed.collect(1), Reason::Revoked);
    site.reboot();
    bring(&mut site, &same);
    site.expect_refused(&removed, &removed.collect(2), Reason::Revoked);
    assert_eq!(site.openings(), 0);
    let honest = site.phone_with(2, |claims| claims.doors = vec![(A1, Epoch(2))]);
    let reply = site.ask(&honest, &honest.collect(3));
    site.expect(reply, Outcome::Opened);
}
