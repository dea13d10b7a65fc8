//! Clocks that are lost, wrong or believed, and news of the hub.

use postern_locker::{Notice, Reason};
use postern_protocol::{
    ClockState, Door, Epoch, KeyId, LockerId, Operation, Refusal, Reply, StatusReport, Timestamp,
    bulletin::{Bulletin, DoorNews},
    issue::Issuer,
    receipt::Outcome,
};

use crate::site::{A1, A2, LOCKER, Phone, Site};

fn bulletin(site: &Site) -> Bulletin {
    Bulletin {
        locker: LOCKER,
        issued_at: site.unix(),
        number: 0,
        epochs: Vec::new(),
        revoked: Vec::new(),
        add_keys: Vec::new(),
        remove_keys: Vec::new(),
        hello_nonce: None,
        key_id: KeyId(1),
    }
}

fn news_of(door: Door, epoch: u32) -> DoorNews {
    DoorNews { door, epoch: Epoch(epoch), ended_slots: 0 }
}

/// A phone with a token of its own brings a bulletin; the token need not be good for anything.
fn bring(site: &mut Site, bulletin: &Bulletin) -> Option<Reply> {
    let signed = site.issuer.sign_bulletin(bulletin);
    let carrier = site.phone(40);
    let mut request = carrier.request(Operation::Status, A1, 1);
    request.bulletin = Some(signed);
    site.ask(&carrier, &request)
}

#[test]
fn expiry_boundary() {
    // Valid from 100 s to 160 s from now.
    for (at, result) in [
        (99, Some(Reason::Early)),
        (100, None),
        (101, None),
        (159, None),
        (160, Some(Reason::Expired)),
        (161, Some(Reason::Expired)),
    ] {
        let mut site = Site::new();
        let phone = site.phone_with(1, |claims| {
            claims.not_before = claims.not_before.plus(100);
            claims.expires = claims.not_before.plus(60);
        });
        site.pass(at * 1000);
        match result {
            Some(reason) => site.expect_refused(&phone, &phone.collect(1), reason),
            None => {
                let reply = site.ask(&phone, &phone.collect(1));
                site.expect(reply, Outcome::Opened);
            }
        }
    }
    // The life of a token: a day to the second.
    for (life, result) in [(86_400, None), (86_401, Some(Reason::Lifetime))] {
        let mut site = Site::new();
        let phone = site.phone_with(1, |claims| claims.expires = claims.issued_at.plus(life));
        match result {
            Some(reason) => site.expect_refused(&phone, &phone.collect(1), reason),
            None => {
                let reply = site.ask(&phone, &phone.collect(1));
                site.expect(reply, Outcome::Opened);
            }
        }
    }
}

#[test]
fn clock_rollback() {
    let mut site = Site::new();
    let old = site.phone_with(1, |claims| claims.uses = 9);
    let reply = site.ask(&old, &old.collect(1));
    site.expect(reply, Outcome::Opened);
    site.machine().close(A1);
    // An hour later somebody opens with a token of that time: the floor has risen to it.
    site.pass(3_600_000);
    let later = site.phone_with(2, |claims| claims.doors = vec![(A2, Epoch(1))]);
    let reply = site.ask(&later, &later.request(Operation::Collect, A2, 1));
    site.expect(reply, Outcome::Opened);
    let floor = site.unix();
    // The power fails and the clock comes back an hour and more behind.
    for wall in [Some(Timestamp(0)), Some(Timestamp(1_900_000_000)), None] {
        let mut machine = site.take_machine();
        machine.restore_power();
        let mut again = site.unbooted();
        again.clock_runs = false;
        again.true_time = 1_900_000_000_000;
        again.boot(machine).map_err(|(error, _)| error).unwrap();
        again.machine().wall = wall;
        let connection = again.connect();
        let hello = *again.greeted(connection).hello();
        assert_eq!(hello.clock, ClockState::Unset);
        assert!(hello.floor >= floor);
        again.disconnect(connection);
        again.expect_refused(&old, &old.collect(9), Reason::Clock);
        // A phone that carries an old bulletin, even a genuine one, turns nothing back either.
        let mut stale = bulletin(&again);
        stale.issued_at = Timestamp(1_900_000_000);
        bring(&mut again, &stale);
        let connection = again.connect();
        assert!(again.greeted(connection).hello().floor >= floor);
        again.disconnect(connection);
        again.expect_refused(&old, &old.collect(10), Reason::Clock);
        let machine = again.take_machine();
        site.boot(machine).map_err(|(error, _)| error).unwrap();
    }
}

/// Without a clock: only what the hub signed for this very HELLO opens, and from then on the time is known again.
#[test]
fn a_lost_clock_is_told_the_time_by_a_token_for_its_hello() {
    let mut site = Site::new();
    site.pass(700_000);
    site.clock_runs = false;
    site.reboot();
    let unbound = site.phone(1);
    site.expect_refused(&unbound, &unbound.collect(1), Reason::Clock);
    // Bound to the HELLO of another session.
    let elsewhere = site.connect();
    let other = site.greeted(elsewhere).hello_nonce();
    let bound = site.phone_with(1, |claims| claims.hello_nonce = Some(other));
    site.expect_refused(&bound, &bound.collect(2), Reason::Clock);
    // Bound to this one, but signed before the floor.
    let connection = site.connect();
    let nonce = site.greeted(connection).hello_nonce();
    let stale = site.phone_with(1, |claims| {
        claims.hello_nonce = Some(nonce);
        claims.issued_at.0 -= 1000;
        claims.not_before = claims.issued_at;
    });
    let mut session = site.open_on(connection, &stale, &stale.collect(3));
    let reply = site.reply(connection, &mut session, 1000);
    assert_eq!(reply, Some(Reply::Refused(Refusal::ClockUnset)));
    // The same session, a fresh token for it.
    let fresh = site.phone_with(1, |claims| {
        claims.hello_nonce = Some(nonce);
        claims.uses = 2;
    });
    let message = fresh.again(&mut session, &fresh.collect(4));
    site.send(connection, &message);
    let reply = site.reply(connection, &mut session, 1000);
    let receipt = site.expect(reply, Outcome::Opened);
    assert_eq!(receipt.clock, ClockState::Floor);
    assert_eq!(receipt.at, site.unix());
    site.disconnect(connection);
    site.machine().close(A1);
    site.pass(1000);
    // It is bound to that session for ever.
    site.expect_refused(&fresh, &fresh.collect(5), Reason::Clock);
    let reply = site.ask(&unbound, &unbound.collect(6));
    site.expect(reply, Outcome::Opened);
    assert_eq!(site.openings(), 2);
}

/// A clock that ran ahead has raised the floor above the truth; without it the floor goes on with the uptime, and the
/// hub's true time stays below for ever. So a token for this HELLO is believed within the tolerance.
#[test]
fn a_clock_that_ran_ahead_before_it_was_lost_keeps_nobody_out() {
    let mut site = Site::new();
    site.pass(700_000);
    site.clock_runs = false;
    site.reboot();
    for (behind, known) in [(301, false), (299, true)] {
        let connection = site.connect();
        let nonce = site.greeted(connection).hello_nonce();
        let floor = site.greeted(connection).hello().floor;
        let phone = site.phone_with(1, |claims| {
            claims.hello_nonce = Some(nonce);
            claims.issued_at.0 = floor.0 - behind;
            claims.not_before = claims.issued_at;
        });
        let mut session = site.open_on(connection, &phone, &phone.collect(3));
        let reply = site.reply(connection, &mut session, 1000);
        if known {
            let receipt = site.expect(reply, Outcome::Opened);
            assert_eq!(receipt.clock, ClockState::Floor);
            assert!(receipt.at >= floor, "the floor never goes back");
        } else {
            assert_eq!(reply, Some(Reply::Refused(Refusal::ClockUnset)));
        }
        site.disconnect(connection);
    }
}

#[test]
fn a_bulletin_for_this_hello_sets_the_clock() {
    let mut site = Site::new();
    site.clock_runs = false;
    site.reboot();
    let phone = site.phone(1);
    let connection = site.connect();
    let greeted = site.greeted(connection);
    let mut news = bulletin(&site);
    news.hello_nonce = Some(greeted.hello_nonce());
    let mut request = phone.collect(1);
    request.bulletin = Some(site.issuer.sign_bulletin(&news));
    let mut session = site.open_on(connection, &phone, &request);
    let reply = site.reply(connection, &mut session, 1000);
    let receipt = site.expect(reply, Outcome::Opened);
    assert_eq!(receipt.clock, ClockState::Floor);
}

#[test]
fn lost_revocation() {
    let mut site = Site::new();
    // Revoked at the hub a second after it was issued; the locker has not heard.
    let revoked = site.phone_with(1, |claims| claims.uses = 255);
    let reply = site.ask(&revoked, &revoked.collect(1));
    site.expect(reply, Outcome::Opened);
    site.machine().close(A1);
    site.pass(890_000);
    let reply = site.ask(&revoked, &revoked.collect(2));
    site.expect(reply, Outcome::Opened);
    site.machine().close(A1);
    // At the longest until the token's own end.
    site.pass(10_000);
    site.expect_refused(&revoked, &revoked.collect(3), Reason::Expired);

    // Any phone's bulletin ends it at once, and for good.
    let mut site = Site::new();
    let revoked = site.phone_with(1, |claims| claims.uses = 255);
    let mut news = bulletin(&site);
    news.epochs = vec![news_of(A1, 2)];
    assert!(matches!(bring(&mut site, &news), Some(Reply::Status(_))));
    assert!(site.notices.contains(&Notice::Bulletin));
    site.expect_refused(&revoked, &revoked.collect(1), Reason::Epoch);
    site.reboot();
    site.expect_refused(&revoked, &revoked.collect(2), Reason::Epoch);
    // An older bulletin does not bring it back.
    news.epochs = vec![news_of(A1, 1)];
    news.issued_at.0 -= 100;
    bring(&mut site, &news);
    site.expect_refused(&revoked, &revoked.collect(3), Reason::Epoch);
    // One for another locker, or of another issuer, says nothing here.
    for round in 0..2 {
        let mut foreign = bulletin(&site);
        foreign.epochs = vec![news_of(A1, 9)];
        if round == 0 {
            foreign.locker = LockerId(*b"elsewher");
            bring(&mut site, &foreign);
        } else {
            let genuine = core::mem::replace(&mut site.issuer, Issuer::new(KeyId(1), [66; 32]));
            bring(&mut site, &foreign);
            site.issuer = genuine;
        }
        site.pass(60_000);
    }
    let valid = site.phone_with(1, |claims| claims.doors = vec![(A1, Epoch(2))]);
    let reply = site.ask(&valid, &valid.collect(4));
    site.expect(reply, Outcome::Opened);
}

/// The flash takes nothing any more when a revocation comes: it is heeded at once, and whoever brings it hears of no
/// receipt and no status, which would say that it is known. After the next start it can be brought again.
#[test]
fn news_that_cannot_be_kept_is_heeded_and_not_acknowledged() {
    let mut site = Site::new();
    let revoked = site.phone_with(1, |claims| claims.uses = 255);
    let reply = site.ask(&revoked, &revoked.collect(1));
    site.expect(reply, Outcome::Opened);
    site.machine().close(A1);
    site.pass(1000);
    let status = revoked.request(Operation::Status, A1, 2);
    let door_open = |reply| match reply {
        Some(Reply::Status(StatusReport { door_open, .. })) => door_open,
        other => panic!("{other:?}"),
    };
    assert_eq!(door_open(site.ask(&revoked, &status)), Some(false));

    let mut news = bulletin(&site);
    news.epochs = vec![news_of(A1, 2)];
    site.machine().flash_broken = true;
    let out_of_order = Some(Reply::Refused(Refusal::OutOfOrder));
    assert_eq!(bring(&mut site, &news), out_of_order);
    assert_eq!(bring(&mut site, &news), out_of_order, "nor when it is no news any more");
    let mut again = revoked.collect(1);
    again.bulletin = Some(site.issuer.sign_bulletin(&news));
    assert_eq!(site.ask(&revoked, &again), out_of_order, "nor by the receipt of an opening that is over");
    assert_eq!(door_open(site.ask(&revoked, &status)), None, "heeded: the revoked hear of the door no more");
    site.expect_refused(&revoked, &revoked.collect(3), Reason::Epoch);
    assert_eq!(site.openings(), 1);

    site.machine().flash_broken = false;
    site.reboot();
    assert!(matches!(bring(&mut site, &news), Some(Reply::Status(_))));
    site.expect_refused(&revoked, &revoked.collect(4), Reason::Epoch);
    site.reboot();
    site.expect_refused(&revoked, &revoked.collect(5), Reason::Epoch);
    assert_eq!(site.openings(), 1);
}

/// A token for several doors raises the epochs of all, and the next customer's ends the one before, offline.
#[test]
fn a_later_token_revokes_an_earlier_one() {
    let mut site = Site::new();
    let earlier = site.phone_with(1, |claims| {
        claims.doors = vec![(A1, Epoch(3)), (A2, Epoch(3))];
        claims.uses = 9;
    });
    let reply = site.ask(&earlier, &earlier.collect(1));
    site.expect(reply, Outcome::Opened);
    site.shut(A1);
    let later = site.phone_with(2, |claims| claims.doors = vec![(A1, Epoch(3)), (A2, Epoch(4))]);
    let reply = site.ask(&later, &later.collect(2));
    site.expect(reply, Outcome::Opened);
    site.expect_refused(&earlier, &earlier.request(Operation::Collect, A2, 3), Reason::Epoch);
    let status = site.ask(&earlier, &earlier.request(Operation::Status, A2, 4));
    let Some(Reply::Status(StatusReport { door_open, .. })) = status else { panic!("{status:?}") };
    assert_eq!(door_open, None, "the door is somebody else's now");
}

#[test]
fn issuer_keys_are_rotated_by_bulletin() {
    let mut site = Site::new();
    let next = Issuer::new(KeyId(2), [77; 32]);
    let by_next = |site: &mut Site, phone: Phone| {
        let mut claims = phone.claims.clone();
        claims.id = site.fresh_id();
        Phone { token: next.sign_token(&claims), claims, ..phone }
    };
    let phone = site.phone(1);
    let early = by_next(&mut site, phone.clone());
    site.expect_refused(&early, &early.collect(1), Reason::Token);
    site.pass(60_000);
    // In the same OPEN: the bulletin of the old key, the token of the new.
    let mut news = bulletin(&site);
    news.add_keys = vec![(KeyId(2), next.public())];
    let mut request = early.collect(2);
    request.bulletin = Some(site.issuer.sign_bulletin(&news));
    let reply = site.ask(&early, &request);
    site.expect(reply, Outcome::Opened);
    site.machine().close(A1);
    site.pass(2_000);
    // The new one takes the old one's trust away; over a restart.
    let mut farewell = bulletin(&site);
    farewell.remove_keys = vec![KeyId(1)];
    let carrier = by_next(&mut site, phone.clone());
    let mut request = carrier.request(Operation::Status, A1, 3);
    request.bulletin = Some(next.sign_bulletin(&farewell));
    assert!(matches!(site.ask(&carrier, &request), Some(Reply::Status(_))));
    site.reboot();
    site.expect_refused(&phone, &phone.collect(4), Reason::Token);
    site.pass(60_000);
    // The first bulletin again does not bring the old key back, nor may the last key go.
    let mut request = carrier.request(Operation::Status, A1, 5);
    request.bulletin = Some(next.sign_bulletin(&news));
    assert!(matches!(site.ask(&carrier, &request), Some(Reply::Status(_))));
    let mut suicide = bulletin(&site);
    suicide.remove_keys = vec![KeyId(2)];
    request.bulletin = Some(next.sign_bulletin(&suicide));
    assert!(matches!(site.ask(&carrier, &request), Some(Reply::Status(_))));
    let fresh = site.phone(1);
    let fresh = by_next(&mut site, fresh);
    let reply = site.ask(&fresh, &fresh.collect(6));
    site.expect(reply, Outcome::Opened);
}

/// Issuer keys follow the newest bulletin that names any, also where that one changed nothing: a key that was taken away
/// before it ever came here is not brought by an older bulletin, not after a restart either. A later one may bring it.
#[test]
fn a_removed_issuer_comes_by_no_older_bulletin() {
    let mut site = Site::new();
    let third = Issuer::new(KeyId(3), [78; 32]);
    let mut adds = bulletin(&site);
    adds.add_keys = vec![(KeyId(3), third.public())];
    site.pass(5_000);
    let mut removes = bulletin(&site);
    removes.remove_keys = vec![KeyId(3)];
    site.pass(5_000);
    let by_third = |site: &mut Site| {
        let phone = site.phone(1);
        let token = third.sign_token(&phone.claims);
        Phone { token, ..phone }
    };
    bring(&mut site, &removes);
    for restarted in [false, true] {
        bring(&mut site, &adds);
        let phone = by_third(&mut site);
        site.expect_refused(&phone, &phone.collect(1), Reason::Token);
        site.pass(60_000);
        if !restarted {
            // Until the journal has moved to its other bank.
            for _ in 0..1_300 {
                let machine = site.take_machine();
                site.boot(machine).map_err(|(error, _)| error).unwrap();
            }
        }
    }
    // One that would leave no key at all is not followed, and what was signed before it is old all the same.
    let mut between = bulletin(&site);
    between.add_keys.clone_from(&adds.add_keys);
    site.pass(5_000);
    let mut impossible = bulletin(&site);
    impossible.remove_keys = vec![KeyId(1), KeyId(3)];
    bring(&mut site, &impossible);
    bring(&mut site, &between);
    let phone = by_third(&mut site);
    site.expect_refused(&phone, &phone.collect(2), Reason::Token);
    site.pass(60_000);
    let mut later = bulletin(&site);
    later.add_keys = adds.add_keys;
    bring(&mut site, &later);
    let phone = by_third(&mut site);
    let reply = site.ask(&phone, &phone.collect(3));
    site.expect(reply, Outcome::Opened);
}
