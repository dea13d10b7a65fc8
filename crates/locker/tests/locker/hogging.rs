//! Connections and receipts that are taken up for nothing.

use postern_locker::{Connection, LocalAnswer, Reason, machine::Mechanics};
use postern_protocol::{
    Door, Epoch, Operation, OperationNonce, Reply, Request, carry, phone, receipt::Outcome,
};

use crate::{
    promises::{deposit, digits, status},
    site::{A1, A2, LOCKER, Site, operations},
};

/// Two idle centrals, against customers who come every few seconds. The attackers connect again the moment they are
/// sent away. The radio holds one connection more than the firmware keeps.
#[test]
fn connection_hog() {
    for (subscribes, places) in [(false, 3), (true, 3), (false, 2), (true, 2)] {
        let mut site = Site::new();
        site.config.connections = places;
        let machine = site.take_machine();
        site.boot(machine).map_err(|(error, _)| error).unwrap();
        let mut attackers = Vec::new();
        let mut waits = Vec::new();
        let mut random = 1_u64;
        for customer in 0..120 {
            // Some time in which the attackers have it all to themselves.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            for _ in 0..(random >> 57) {
                hog(&mut site, &mut attackers, subscribes);
                site.pass(25);
            }
            let start = site.now;
            let phone = site.phone(1);
            // A phone tries again 250 ms after it was sent away.
            loop {
                assert!(site.now - start < 60_000, "never served");
                let now = site.uptime();
                if site.locker().advertisement(now).accepting {
                    let connection = site.connect_with(244);
                    // The attackers are as quick as they can be, at every moment of it.
                    hog(&mut site, &mut attackers, subscribes);
                    if site.is_connected(connection) {
                        site.pass(100);
                        hog(&mut site, &mut attackers, subscribes);
                        site.subscribe(connection);
                        let mut session = site.open_on(connection, &phone, &phone.collect(customer));
                        let reply = site.reply(connection, &mut session, 2000);
                        site.expect(reply, Outcome::Opened);
                        site.disconnect(connection);
                        break;
                    }
                }
                for _ in 0..10 {
                    hog(&mut site, &mut attackers, subscribes);
                    site.pass(25);
                }
            }
            waits.push(site.now - start);
            site.machine().close(A1);
            site.true_time += 120_000;
            site.pass(1000);
            site.airs.retain(|_, air| air.connected);
        }
        waits.sort_unstable();
        let p95 = waits[waits.len() * 95 / 100];
        assert!(p95 <= 12_000, "p95 {p95} ms with {places} places");
    }
}

/// Two attackers are connected again, if anything lets them.
fn hog(site: &mut Site, attackers: &mut Vec<Connection>, subscribes: bool) {
    attackers.retain(|attacker| site.airs.get(&attacker.0).is_some_and(|air| air.connected));
    while attackers.len() < 2 {
        let now = site.uptime();
        if !site.locker().advertisement(now).accepting {
            return;
        }
        let attacker = site.connect_with(20);
        if !site.is_connected(attacker) {
            return;
        }
        if subscribes {
            site.subscribe(attacker);
        }
        attackers.push(attacker);
    }
}

/// Where the radio itself takes more than the locker, whoever idles makes room at once.
#[test]
fn an_idle_connection_makes_room() {
    let mut site = Site::new();
    let places = site.config.connections;
    let idle: Vec<_> = (0..places).map(|_| site.connect()).collect();
    // Too early: everybody has a second.
    let early = site.connect_with(244);
    assert!(!site.is_connected(early));
    site.pass(1000);
    let phone = site.phone(1);
    let (connection, mut session) = site.open(&phone, &phone.collect(1));
    let reply = site.reply(connection, &mut session, 1000);
    site.expect(reply, Outcome::Opened);
    assert!(!site.is_connected(idle[0]), "the oldest made room");
    assert!(site.is_connected(idle[1]));
}

/// Whoever waits for a latch that moves slowly has its receipt coming, and makes no room for those who connect meanwhile.
#[test]
fn nobody_makes_room_while_a_latch_moves() {
    let mut site = Site::new();
    let phone = site.phone(1);
    site.machine().compartment(A1).mechanics = Mechanics::Jammed;
    let request = phone.collect(1);
    let (connection, mut session) = site.open(&phone, &request);
    // A newcomer in every other place, each younger than what gives way.
    site.pass(500);
    let others: Vec<_> = (1..site.config.connections).map(|_| site.connect_with(244)).collect();
    assert!(others.iter().all(|other| site.is_connected(*other)));
    site.pass(600);
    let late = site.connect_with(244);
    assert!(!site.is_connected(late) && site.is_connected(connection));
    let reply = site.reply(connection, &mut session, 5_000);
    assert!(matches!(reply, Some(Reply::Receipt(_))), "{reply:?}");
}

/// One person's devices keep all places by asking for the status on each, every 100 ms, and connect again the moment that
/// they are sent away; another customer opens all the same. One device with one token, or with a token that is spent, or one
/// token with a delegation to a device of its own for every place: they have one place between them. Four devices with
/// a token each look like four customers: two minutes.
#[test]
fn useful_requests_keep_nobody_out() {
    for (case, patience) in
        [("one token", 1_500), ("spent", 1_500), ("delegations", 1_500), ("devices", 121_000)]
    {
        let mut site = Site::new();
        let places = u8::try_from(site.config.connections).unwrap();
        let owner = site.phone_with(1, |claims| claims.delegable = true);
        if case == "spent" {
            let reply = site.ask(&owner, &owner.collect(1));
            site.expect(reply, Outcome::Opened);
            site.shut(A1);
        }
        let phones: Vec<_> = (0..places)
            .map(|place| match case {
                "delegations" => owner.delegate(50 + place, |_| {}),
                "devices" => site.phone(50 + place),
                _ => owner.clone(),
            })
            .collect();
        let mut held: Vec<Option<(Connection, phone::Session)>> = phones.iter().map(|_| None).collect();
        let mut hog = |site: &mut Site| {
            for (place, phone) in held.iter_mut().zip(&phones) {
                let request = phone.request(Operation::Status, A1, 7);
                match place {
                    Some((connection, session)) if site.is_connected(*connection) => {
                        let message = phone.again(session, &request);
                        site.send(*connection, &message);
                    }
                    _ => {
                        let connection = site.connect_with(244);
                        *place = site.is_connected(connection).then(|| {
                            site.subscribe(connection);
                            (connection, site.open_on(connection, phone, &request))
                        });
                    }
                }
            }
            site.pass(100);
        };
        for _ in 0..20 {
            hog(&mut site);
        }
        let start = site.now;
        let customer = site.phone_with(2, |claims| claims.doors = vec![(A2, Epoch(1))]);
        let receipt = loop {
            assert!(site.now - start <= patience, "{case}: nobody is let in for {} ms", site.now - start);
            let connection = site.connect_with(244);
            if site.is_connected(connection) {
                // The others are at it meanwhile.
                hog(&mut site);
                site.subscribe(connection);
                let request = customer.request(Operation::Collect, A2, 1);
                let mut session = site.open_on(connection, &customer, &request);
                hog(&mut site);
                break site.reply(connection, &mut session, 2_000);
            }
            hog(&mut site);
        };
        site.expect(receipt, Outcome::Opened);
    }
}

#[test]
fn connections_that_do_nothing_end() {
    let mut site = Site::new();
    let silent = site.connect_with(244);
    let greeted = site.connect();
    site.pass(5_000);
    assert!(site.is_connected(silent) && site.is_connected(greeted));
    site.pass(1);
    assert!(!site.is_connected(silent) && !site.is_connected(greeted));
    // Half a message: a gap of a second ends it.
    let phone = site.phone(1);
    let connection = site.connect();
    let (open, _) = phone.seal(site.greeted(connection), &phone.collect(1));
    let frames = site.frames(connection, &open);
    let now = site.uptime();
    site.locker().received(connection, &frames[0], now);
    site.pass(1000);
    assert!(site.is_connected(connection));
    site.pass(1);
    assert!(!site.is_connected(connection));
    // Without a tick in between it is noticed all the same.
    let connection = site.connect();
    let (open, _) = phone.seal(site.greeted(connection), &phone.collect(1));
    for frame in site.frames(connection, &open) {
        let now = site.uptime();
        site.locker().received(connection, &frame, now);
        site.now += 1_001;
    }
    site.drain();
    assert!(!site.is_connected(connection));
    assert_eq!(site.last_refusal(), Some(Reason::Message));
}

#[test]
fn a_session_lasts_while_its_door_is_open() {
    let mut site = Site::new();
    let phone = site.phone(1);
    let (connection, mut session) = site.open(&phone, &phone.collect(1));
    let reply = site.reply(connection, &mut session, 1000);
    site.expect(reply, Outcome::Opened);
    site.pass(100_000);
    assert!(site.is_connected(connection));
    site.machine().close(A1);
    site.pass(1000);
    assert!(!site.is_connected(connection));
    // With nothing open, thirty seconds.
    let (connection, mut session) = site.open(&phone, &phone.request(Operation::Status, A1, 2));
    assert!(matches!(site.reply(connection, &mut session, 10), Some(Reply::Status(_))));
    site.pass(29_000);
    assert!(site.is_connected(connection));
    site.pass(2_000);
    assert!(!site.is_connected(connection));
}

pub(crate) fn type_pin(site: &mut Site, digits: &str) -> Vec<LocalAnswer> {
    site.local.clear();
    let now = site.uptime();
    site.locker().pin_entered(digits, now);
    site.drain();
    site.pass(1_000);
    core::mem::take(&mut site.local)
}

/// What a courier brings to the hub.
fn carried(site: &mut Site) -> Vec<Vec<u8>> {
    const SECRET: [u8; 32] = [0x77; 32];
    let courier = site.phone_with(30, |claims| {
        claims.operations = operations(&[Operation::Deposit, Operation::Carry]);
        claims.doors = vec![(Door(3), Epoch(1))];
        claims.carry_key = Some(carry::public(&SECRET));
    });
    let mut first = 0;
    let mut receipts = Vec::new();
    loop {
        let nonce = OperationNonce::from_sequence(first);
        let request = Request { nonce, ..courier.request(Operation::Carry, Door(3), 0) };
        let Some(Reply::Carried(part)) = site.ask(&courier, &request) else { panic!("nothing carried") };
        receipts.extend(carry::open(&SECRET, LOCKER, &part.sealed).unwrap());
        if part.next == part.head {
            return receipts;
        }
        first = part.next;
    }
}

/// A PIN opens as often as its holder wants. Whoever stands at their open door and types it without end, or opens and closes
/// it without end, pushes nobody else's receipts out: not from what a courier takes to the hub, not from what the other
/// customer's phone is told, not over restarts and compactions.
#[test]
fn receipts_fair_share() {
    let mut site = Site::new();
    deposit(&mut site, A2, 1);
    assert_eq!(
        type_pin(&mut site, &digits(A2, 1, 0)),
        [LocalAnswer::Opening(A2), LocalAnswer::Done(A2, Outcome::Opened)]
    );
    site.shut(A2);
    let others = site.written();
    assert_eq!(others.len(), 4, "deposit, collection, and both closings");
    let owner = site.phone_with(2, |claims| {
        claims.doors = vec![(A2, Epoch(1))];
        claims.expires = claims.issued_at.plus(86_400);
    });
    deposit(&mut site, A1, 1);
    let own = digits(A1, 1, 0);
    assert_eq!(type_pin(&mut site, &own), [LocalAnswer::Opening(A1), LocalAnswer::Done(A1, Outcome::Opened)]);
    site.written();
    let said = LocalAnswer::Done(A1, Outcome::AlreadyOpen);
    assert_eq!(type_pin(&mut site, &own), [said]);
    assert_eq!(site.written(), Vec::<Vec<u8>>::new(), "the opening's receipt says it all");
    // Typed again it says that the sensor is wrong, and the latch moves; that has receipts.
    for _ in 0..150 {
        assert_eq!(type_pin(&mut site, &own), [LocalAnswer::Opening(A1), said]);
        assert_eq!(type_pin(&mut site, &own), [said]);
    }
    assert_eq!(site.written().len(), 150);
    site.shut(A1);
    for round in 0..120 {
        assert_eq!(type_pin(&mut site, &own)[0], LocalAnswer::Opening(A1));
        site.shut(A1);
        if round % 50 == 0 {
            site.reboot();
        }
    }
    for restarted in [false, true] {
        let kept = carried(&mut site);
        assert_eq!(kept.len(), 32, "no place is left empty");
        assert!(others.iter().all(|receipt| kept.contains(receipt)), "restarted: {restarted}");
        let report = status(&mut site, &owner, A2);
        assert_eq!((report.receipt.as_ref(), report.closing.as_ref()), (Some(&others[2]), Some(&others[3])));
        site.reboot();
    }
    // The newest of the hoarder's own are kept as well.
    let written = site.written();
    assert!(written.ends_with(&carried(&mut site)[4..]));
}

/// By radio it is the same, with as many uses as a token can have.
#[test]
fn a_token_with_many_uses_pushes_nobody_out() {
    let mut site = Site::new();
    deposit(&mut site, A2, 1);
    let others = site.written();
    let hoarder = site.phone_with(1, |claims| claims.uses = 255);
    for number in 0..200 {
        let reply = site.ask(&hoarder, &hoarder.collect(number));
        site.expect(reply, if number == 0 { Outcome::Opened } else { Outcome::AlreadyOpen });
    }
    let kept = carried(&mut site);
    assert!(others.len() == 2 && others.iter().all(|receipt| kept.contains(receipt)));
}
