//! What the hub's news set right: a time that is wrong and that nobody can push, revocations and issuer keys.

use postern_locker::{Notice, Reason, Uptime};
use postern_protocol::{
    ClockState, Door, Epoch, Operation, Refusal, Reply, Timestamp,
    bulletin::{DoorNews, Revocation, RevocationKind},
    receipt::Outcome,
};

use crate::{
    promises::{bring, bulletin},
    site::{A1, A2, Phone, Site},
};

/// A signed time far ahead of a running clock moves nothing: not the floor, not the epochs, not for others.
#[test]
fn signed_time_veto() {
    for clock_runs in [true, false] {
        let mut site = Site::new();
        if !clock_runs {
            site.clock_runs = false;
            site.reboot();
            tell_the_time(&mut site);
        }
        let honest = site.phone_with(1, |claims| claims.uses = 9);
        let ahead = |seconds| {
            move |claims: &mut postern_protocol::token::Claims| {
                claims.issued_at = claims.issued_at.plus(seconds);
                claims.expires = claims.expires.plus(seconds);
                claims.doors = vec![(A1, Epoch(7))];
            }
        };
        let pushed = site.phone_with(2, ahead(21_600));
        site.expect_refused(&pushed, &pushed.collect(1), Reason::Ahead);
        site.ask(&pushed, &pushed.request(Operation::Status, A1, 2));
        // Nor many small steps: each is measured at the clock itself.
        for step in 1..20 {
            let pushed = site.phone_with(2, ahead(step * 290));
            site.ask(&pushed, &pushed.request(Operation::Status, A1, 3));
        }
        // A bulletin is good for all but its time.
        let mut news = bulletin(&site, 4);
        news.issued_at = news.issued_at.plus(21_600);
        news.epochs = vec![DoorNews { door: A2, epoch: Epoch(5), ended_slots: 0 }];
        bring(&mut site, &news);
        let old = site.phone_with(3, |claims| claims.doors = vec![(A2, Epoch(4))]);
        site.expect_refused(&old, &old.request(Operation::Collect, A2, 4), Reason::Epoch);
        let connection = site.connect();
        let hello = *site.greeted(connection).hello();
        assert!(hello.floor <= site.unix().plus(301), "{:?} at {:?}", hello.floor, site.unix());
        assert_ne!(hello.clock, ClockState::Unset);
        site.disconnect(connection);
        if clock_runs {
            let reply = site.ask(&honest, &honest.collect(5));
            assert_eq!(
                reply,
                Some(Reply::Refused(Refusal::Refused)),
                "epoch 7 of the one step that was in time"
            );
            let fresh = site.phone_with(1, |claims| claims.doors = vec![(A1, Epoch(7))]);
            let reply = site.ask(&fresh, &fresh.collect(6));
            site.expect(reply, Outcome::Opened);
        }
    }
}

fn tell_the_time(site: &mut Site) {
    let connection = site.connect();
    let bound = site.greeted(connection).hello_nonce();
    let phone = site.phone_with(41, |claims| {
        claims.hello_nonce = Some(bound);
        claims.doors = vec![(Door(3), Epoch(1))];
    });
    let mut session = site.open_on(connection, &phone, &phone.request(Operation::Status, Door(3), 1));
    assert!(matches!(site.reply(connection, &mut session, 100), Some(Reply::Status(_))));
    site.disconnect(connection);
}

/// What is bound to a HELLO tells the time within 30 s of it, however long the session lasts; a lost clock is moved by
/// nothing else.
#[test]
fn a_greeting_tells_the_time_while_it_is_fresh() {
    for (wait, opens) in [(29, true), (31, false)] {
        let mut site = Site::new();
        site.pass(700_000);
        site.clock_runs = false;
        site.reboot();
        let floor = {
            let connection = site.connect();
            let floor = site.greeted(connection).hello().floor;
            site.disconnect(connection);
            floor
        };
        // Unbound things from far ahead move nothing while the clock is lost.
        let mut news = bulletin(&site, 1);
        news.issued_at = news.issued_at.plus(90_000);
        bring(&mut site, &news);
        let connection = site.connect();
        let greeted = site.greeted(connection);
        assert!(greeted.hello().floor <= floor.plus(5));
        let bound = site.phone_with(1, |claims| {
            claims.hello_nonce = Some(greeted.hello_nonce());
            claims.uses = 2;
        });
        let unbound = site.phone_with(1, |_| {});
        // A session that useless requests do not keep, and that lives while its door is open.
        let mut session = site.open_on(connection, &unbound, &unbound.request(Operation::Status, A1, 1));
        assert!(matches!(site.reply(connection, &mut session, 100), Some(Reply::Status(_))));
        site.pass(wait * 1_000 - 100);
        let message = bound.again(&mut session, &bound.collect(2));
        site.send(connection, &message);
        let reply = site.reply(connection, &mut session, 1_000);
        if opens {
            site.expect(reply, Outcome::Opened);
        } else {
            assert!(
                matches!(reply, Some(Reply::Refused(Refusal::ClockUnset)) | None),
                "too old, or the session is over: {reply:?}"
            );
            assert_eq!(site.openings(), 0);
        }
    }
}

/// A clock that runs wrong is corrected by a bulletin bound to its HELLO, forwards and backwards, within bounds; the
/// correction of the wall clock lasts over restarts, and the operator hears of it.
#[test]
fn a_wrong_clock_is_corrected_both_ways() {
    for wrong in [-40_000_i64, 40_000] {
        let mut site = Site::new();
        site.config.provisioned_at = Timestamp(1_890_000_000);
        let machine = site.take_machine();
        // Its own clock runs, and is off.
        let set = |site: &mut Site| {
            let wall = Timestamp(site.unix().0.saturating_add_signed(wrong));
            site.machine().wall = Some(wall);
        };
        site.clock_runs = false;
        site.boot(machine).map_err(|(error, _)| error).unwrap();
        set(&mut site);
        if wrong > 0 {
            // It has pushed the floor already.
            let now = Uptime(site.now + 700);
            site.now += 700;
            site.locker().tick(now);
            site.drain();
        }
        let bring = |site: &mut Site, at: Timestamp| {
            set(site);
            let connection = site.connect();
            let hello = site.greeted(connection).hello_nonce();
            let mut news = bulletin(site, 0);
            (news.issued_at, news.hello_nonce) = (at, Some(hello));
            let phone = site.phone_with(40, |claims| claims.doors = vec![(Door(3), Epoch(1))]);
            let mut request = phone.request(Operation::Status, Door(3), 1);
            request.bulletin = Some(site.issuer.sign_bulletin(&news));
            let mut session = site.open_on(connection, &phone, &request);
            assert!(matches!(site.reply(connection, &mut session, 0), Some(Reply::Status(_))));
            site.disconnect(connection);
        };
        let at = |site: &mut Site| {
            set(site);
            let connection = site.connect();
            let hello = *site.greeted(connection).hello();
            site.disconnect(connection);
            (hello.floor.0.abs_diff(site.unix().0), hello.clock)
        };
        assert!(at(&mut site).0 > 30_000 || at(&mut site).1 == ClockState::Unset);
        // Beyond the bounds nothing moves.
        for absurd in [Timestamp(1_880_000_000), Timestamp(site.unix().0 + 500 * 86_400)] {
            if wrong < 0 && absurd.0 > site.unix().0 {
                // That locker has no running clock to bound it by.
                continue;
            }
            bring(&mut site, absurd);
            assert!(at(&mut site).0 < 60_000);
        }
        let truth = site.unix();
        bring(&mut site, truth);
        let (off, state) = at(&mut site);
        assert!(off <= 2 && state == ClockState::Set, "{off} s off, {state:?}");
        let corrected = site.notices.iter().find_map(|notice| match notice {
            Notice::Corrected { seconds } => Some(*seconds),
            _ => None,
        });
        assert!(corrected.is_some_and(|seconds| seconds.abs() >= 39_000), "{corrected:?}");
        // Whoever has a token of now opens, and so it stays.
        for round in 0..2 {
            let phone = site.phone(1);
            set(&mut site);
            let connection = site.connect();
            let mut session = site.open_on(connection, &phone, &phone.collect(round));
            let mut reply = None;
            for _ in 0..200 {
                reply = reply.or_else(|| site.reply(connection, &mut session, 0));
                site.now += 10;
                let now = site.uptime();
                site.locker().tick(now);
                site.drain();
            }
            let receipt = site.expect(reply, Outcome::Opened);
            assert!(receipt.at.0.abs_diff(site.unix().0) <= 5);
            site.machine().close(A1);
            let mut machine = site.take_machine();
            machine.restore_power();
            site.true_time += 20_000;
            site.boot(machine).map_err(|(error, _)| error).unwrap();
            // What lies behind the door that was closed in the dark is measured.
            set(&mut site);
            site.now += 200;
            let now = site.uptime();
            site.locker().tick(now);
            site.drain();
            assert_eq!(at(&mut site), (at(&mut site).0.min(2), ClockState::Set));
        }
    }
}

/// A clock that is set back makes no token good again whose use was forgotten.
#[test]
fn what_was_forgotten_stays_used() {
    let mut site = Site::new();
    let used = site.phone(1);
    let reply = site.ask(&used, &used.collect(1));
    site.expect(reply, Outcome::Opened);
    site.shut(A1);
    // The wall clock runs ahead; the door's room fills, and what has ended by that clock goes.
    site.true_time += 5_000_000;
    site.set_wall();
    for number in 0..16 {
        let phone = site.phone(2);
        let reply = site.ask(&phone, &phone.collect(number));
        site.expect(reply, Outcome::Opened);
        site.shut(A1);
    }
    site.true_time -= 5_040_000;
    site.set_wall();
    let connection = site.connect();
    let mut news = bulletin(&site, 0);
    news.hello_nonce = Some(site.greeted(connection).hello_nonce());
    let mut request = used.collect(2);
    request.bulletin = Some(site.issuer.sign_bulletin(&news));
    let mut session = site.open_on(connection, &used, &request);
    let reply = site.reply(connection, &mut session, 1_000);
    assert_eq!(reply, Some(Reply::Refused(Refusal::Refused)));
    assert_eq!(site.last_refusal(), Some(Reason::Expired));
    assert!(site.unix() < used.claims.expires, "by the true time it has not ended");
    // One that ends later cannot be a forgotten one.
    let fresh = site.phone_with(3, |claims| {
        claims.doors = vec![(A2, Epoch(1))];
        claims.expires = claims.issued_at.plus(2_000);
    });
    let reply = site.ask(&fresh, &fresh.request(Operation::Collect, A2, 3));
    assert!(matches!(reply, Some(Reply::Receipt(_))), "{:?}", site.last_refusal());
}

/// Of bulletins with one number the latest counts: a hub with more news of doors than fit gives what is revoked after them
/// the number before the first that it left out. Whoever keeps an earlier one can't take a revocation back with it, not
/// after a restart and not after a compaction either.
#[test]
fn the_latest_of_one_number_counts() {
    for number in [0, 6] {
        let mut site = Site::new();
        let [ended, removed, honest] = [1, 2, 3].map(|seed| site.phone_with(seed, |claims| claims.uses = 9));
        let revoked = |phone: &Phone| Revocation {
            kind: RevocationKind::Token,
            name: phone.claims.id.0,
            at: phone.claims.expires,
        };
        let mut first = bulletin(&site, number);
        first.revoked = vec![revoked(&ended)];
        bring(&mut site, &first);
        site.expect_refused(&ended, &ended.collect(1), Reason::Revoked);
        site.pass(5_000);
        // Nothing has been uploaded in between: the hub knows of no visit, and says so by the same number.
        let mut second = bulletin(&site, number);
        second.revoked = vec![revoked(&ended), revoked(&removed)];
        second.revoked.sort_unstable_by_key(|part| part.name);
        bring(&mut site, &second);
        for _ in 0..3 {
            for phone in [&ended, &removed] {
                site.expect_refused(phone, &phone.collect(2), Reason::Revoked);
            }
            bring(&mut site, &first);
            site.expect_refused(&removed, &removed.collect(3), Reason::Revoked);
            site.reboot();
            bring(&mut site, &first);
            // Until the journal has moved to its other bank.
            for _ in 0..1_300 {
                let machine = site.take_machine();
                site.boot(machine).map_err(|(error, _)| error).unwrap();
            }
        }
        let reply = site.ask(&honest, &honest.collect(4));
        assert_eq!(site.expect(reply, Outcome::Opened).news, number);
        // The same once more says only that it is still so: what was signed in between is old as well.
        site.shut(A1);
        let mut third = second.clone();
        third.issued_at = third.issued_at.plus(20);
        bring(&mut site, &third);
        let mut between = first.clone();
        between.issued_at = second.issued_at.plus(10);
        bring(&mut site, &between);
        site.expect_refused(&removed, &removed.collect(5), Reason::Revoked);
        // What has ended is missing from a later one, and in force no longer.
        let mut last = third.clone();
        (last.issued_at, last.revoked) = (third.issued_at.plus(20), vec![revoked(&removed)]);
        bring(&mut site, &last);
        let reply = site.ask(&ended, &ended.collect(6));
        site.expect(reply, Outcome::Opened);
    }
}
