//! Whatever arrives, in whatever order: no panic, nothing opens that should not, memory stays bounded.

use std::panic::{AssertUnwindSafe, catch_unwind};

use postern_locker::{Connection, Geometry, Uptime, machine::PowerCut};
use postern_protocol::{Epoch, Operation, Reply, receipt::Outcome};
use proptest::{collection::vec, prelude::*};

use crate::site::{A1, Phone, Site};

/// What may happen to a locker, in any order.
#[derive(Clone, Debug)]
enum Act {
    Connect(usize),
    Subscribe(u8),
    Read(u8),
    Frame(u8, Vec<u8>),
    /// A frame that fits the connection's sequence: tag right, header as given.
    Sequenced(u8, u8, Vec<u8>),
    /// So many frames of an honest OPEN, from a given one on, one of them perhaps with a flipped bit.
    Fragments(u8, usize, usize, Option<(usize, u8)>),
    Disconnect(u8),
    Pass(u16),
    Jump(u32),
    Pin(String),
    Scan(String),
    Close,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (20_usize..520).prop_map(Act::Connect),
        (0_u8..8).prop_map(Act::Subscribe),
        (0_u8..8).prop_map(Act::Read),
        (0_u8..8, vec(any::<u8>(), 0..300)).prop_map(|(to, bytes)| Act::Frame(to, bytes)),
        (0_u8..8, any::<u8>(), vec(any::<u8>(), 0..300))
            .prop_map(|(to, header, bytes)| Act::Sequenced(to, header, bytes)),
        (0_u8..8, 0_usize..4, 0_usize..60, proptest::option::of((0_usize..400, 0_u8..8)))
            .prop_map(|(to, skip, take, flip)| Act::Fragments(to, skip, take, flip)),
        (0_u8..8).prop_map(Act::Disconnect),
        (0_u16..8000).prop_map(Act::Pass),
        (0_u32..200_000).prop_map(Act::Jump),
        "[0-9]{0,9}".prop_map(Act::Pin),
        ".{0,80}".prop_map(Act::Scan),
        Just(Act::Close),
    ]
}

fn perform(site: &mut Site, phone: &Phone, act: &Act) {
    let now = site.uptime();
    let known = |site: &Site, number: u8| {
        let numbers: Vec<u16> =
            site.airs.iter().filter(|(_, air)| air.connected).map(|(number, _)| *number).collect();
        (!numbers.is_empty()).then(|| Connection(numbers[usize::from(number) % numbers.len()]))
    };
    match act {
        Act::Connect(max_frame) => drop(site.connect_with(*max_frame)),
        Act::Subscribe(to) => known(site, *to).into_iter().for_each(|to| site.subscribe(to)),
        Act::Read(to) => {
            if let Some(to) = known(site, *to) {
                assert!(site.locker().read_hello(to, now).len() <= 512);
            }
        }
        // Also to connections that are not there.
        Act::Frame(to, bytes) => site.locker().received(Connection(u16::from(*to)), bytes, now),
        Act::Sequenced(to, header, bytes) => {
            if let Some(to) = known(site, *to) {
                // Tags are given out in the order of connecting.
                let frame: Vec<u8> = [&[*header, to.0 as u8], &bytes[..]].concat();
                site.locker().received(to, &frame, now);
            }
        }
        Act::Fragments(to, skip, take, flip) => {
            if let Some(to) = known(site, *to)
                && site.airs[&to.0].hello.is_some()
            {
                let (open, _) = phone.seal(site.greeted(to), &phone.collect(u64::from(to.0)));
                let mut frames = site.frames(to, &open);
                if let Some((at, bit)) = flip {
                    let which = at % frames.len();
                    let byte = at % frames[which].len();
                    frames[which][byte] ^= 1 << bit;
                }
                for frame in frames.into_iter().skip(*skip).take(*take) {
                    site.locker().received(to, &frame, now);
                }
            }
        }
        Act::Disconnect(to) => known(site, *to).into_iter().for_each(|to| site.disconnect(to)),
        Act::Pass(time) => site.pass(u64::from(*time)),
        Act::Jump(time) => {
            // A host that slept.
            site.now += u64::from(*time);
            site.true_time += u64::from(*time);
            site.set_wall();
            let now = site.uptime();
            site.locker().tick(now);
        }
        Act::Pin(digits) => site.locker().pin_entered(digits, now),
        Act::Scan(text) => site.locker().scanned(text, now),
        Act::Close => site.machine().close(A1),
    }
    site.drain();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fragment_fuzz(acts in vec(act(), 1..60)) {
        let mut site = Site::new();
        let phone = site.phone_with(1, |claims| {
            claims.uses = 2;
            claims.operations = [Operation::Collect].into_iter().collect();
        });
        for act in &acts {
            perform(&mut site, &phone, act);
            prop_assert!(site.openings() <= 2);
            let connected = site.airs.values().filter(|air| air.connected).count();
            prop_assert!(connected <= site.config.connections);
            site.airs.retain(|_, air| air.connected);
        }
        // It still serves.
        let ids: Vec<u16> = site.airs.keys().copied().collect();
        for id in ids {
            site.disconnect(Connection(id));
        }
        // A latch at work is left to finish first.
        site.pass(5_000);
        site.shut(A1);
        let fresh = site.phone(1);
        let reply = site.ask(&fresh, &fresh.collect(77));
        prop_assert_eq!(site.receipt(reply).outcome, Outcome::Opened);
    }

    /// Memory and flash never disagree: after any life a start finds what was known.
    #[test]
    fn a_restart_changes_nothing(
        lives in vec((1_u8..4, 1_u32..6, any::<bool>(), any::<bool>()), 1..25),
        write_size in prop_oneof![Just(1_u32), Just(4), Just(8), Just(32)],
    ) {
        let config = Site::new().config;
        let mut site = Site::with(config, Geometry { page_size: 1024, pages: 48, write_size });
        let mut phones: Vec<(Phone, u8, u32)> = Vec::new();
        let mut highest = 0;
        for (number, (uses, epoch, restart, close)) in lives.into_iter().enumerate() {
            let phone = site.phone_with(1, |claims| {
                claims.uses = uses;
                claims.doors = vec![(A1, Epoch(epoch))];
            });
            let reply = site.ask(&phone, &phone.collect(number as u64));
            let opened = matches!(reply, Some(Reply::Receipt(_)));
            prop_assert_eq!(opened, epoch >= highest, "epochs only rise");
            highest = highest.max(epoch);
            phones.push((phone, uses, epoch));
            if close {
                site.machine().close(A1);
                site.pass(1000);
            }
            if restart {
                let before: Vec<_> = site.locker().receipts().collect();
                site.reboot();
                let after: Vec<_> = site.locker().receipts().collect();
                prop_assert_eq!(before, after);
            }
        }
        site.shut(A1);
        for (phone, _, epoch) in &phones {
            let reply = site.ask(phone, &phone.collect(10_000));
            if *epoch < highest {
                prop_assert!(matches!(reply, Some(Reply::Refused(_))));
            }
            site.shut(A1);
        }
    }

    /// Random lives with random power cuts: receipts form one chain, uses hold.
    #[test]
    fn random_power_cuts(cuts in vec((0_usize..12, 0_usize..300, any::<bool>(), any::<bool>()), 1..12)) {
        let mut site = Site::new();
        let phone = site.phone_with(1, |claims| {
            claims.uses = 4;
            claims.operations = [Operation::Collect].into_iter().collect();
            claims.expires = claims.issued_at.plus(80_000);
        });
        for (number, (step, bytes, ragged, close)) in cuts.into_iter().enumerate() {
            site.machine().restore_power();
            site.machine().cut_power(PowerCut { step, bytes, ragged });
            let request = phone.collect(number as u64);
            let (connection, mut session) = site.open(&phone, &request);
            let _ = site.reply(connection, &mut session, 3_000);
            if close {
                site.machine().close(A1);
            }
            site.reboot();
            prop_assert!(site.openings() <= 4);
        }
    }
}

/// Random bytes in the flash, instead of a journal: an error, never a panic.
#[test]
fn random_flash_is_no_journal() {
    let mut state = 7_u64;
    for round in 0..200 {
        let mut site = Site::new();
        let mut machine = site.take_machine();
        let length = machine.flash().len();
        for _ in 0..(1 + round * 20) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 33) as usize % length.min(4096);
            machine.flash()[at] = (state >> 20) as u8;
        }
        let mut again = site.unbooted();
        let result = catch_unwind(AssertUnwindSafe(|| again.boot(machine).is_ok()));
        assert!(result.is_ok(), "round {round}");
    }
    assert_eq!(Uptime(5).since(Uptime(7)), 0);
}
