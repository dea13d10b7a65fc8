//! Doors open over real Bluetooth.
#![cfg(target_os = "linux")]

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use postern_lab_tests::{PATIENCE, PHONE, Rig, in_lab, lab};
use postern_protocol::{DoorEventKind, Reply, receipt};
use postern_radio::{AdapterState, Progress, Radio, RadioError};
use postern_sim::customer;

#[test]
fn a_door_opens_over_bluetooth() {
    in_lab("a_door_opens_over_bluetooth", || async {
        let mut rig = Rig::new().await;
        let request = rig.collect(0, 7);
        let locker = rig.locker();
        let stages = Mutex::new(Vec::new());
        let started = Instant::now();
        let record = |stage: Progress| stages.lock().unwrap().push((stage, started.elapsed()));
        let mut link = rig.radio.connect(locker.id, Instant::now() + PATIENCE, &record).await.unwrap();
        let (reply, mut session) =
            customer::ask(&mut *link, &mut rig.phone, &locker, &request).await.unwrap();
        eprintln!("{:?}, receipt after {:?}", stages.lock().unwrap(), started.elapsed());
        let Reply::Receipt(receipt) = reply else { panic!("{reply:?}") };
        let receipt = receipt::verify(&receipt, &locker.receipt_key).unwrap();
        assert_eq!((receipt.door.0, receipt.outcome), (7, receipt::Outcome::Opened));
        rig.world.with(0, |cabinet, now| {
            cabinet.hand(7, "close", now, |compartment, now| {
                compartment.open = false;
                compartment.moved = Some(now.up);
            })
        });
        loop {
            let Reply::Event(event) = session.receive(&link.receive().await.unwrap()).unwrap() else {
                continue;
            };
            if event.kind == DoorEventKind::Closed {
                break;
            }
        }
        link.close().await;
        rig.until(0, |cabinet| cabinet.links().count() == 0).await;
        rig.end().await;
    });
}

#[test]
fn a_lost_hello_is_read_over_bluetooth() {
    in_lab("a_lost_hello_is_read_over_bluetooth", || async {
        let mut rig = Rig::new().await;
        rig.fate(|fate| fate.air.lose_hellos = 1);
        let request = rig.collect(0, 3);
        let locker = rig.locker();
        let mut link = rig.connect(0).await;
        let (reply, _) = customer::ask(&mut *link, &mut rig.phone, &locker, &request).await.unwrap();
        assert!(matches!(reply, Reply::Receipt(_)), "{reply:?}");
        link.close().await;
        rig.end().await;
    });
}

#[test]
fn an_mtu_that_lies_still_opens_over_bluetooth() {
    in_lab("an_mtu_that_lies_still_opens_over_bluetooth", || async {
        let mut rig = Rig::new().await;
        rig.fate(|fate| fate.air.true_mtu = Some(23));
        let request = rig.collect(0, 3);
        let locker = rig.locker();
        // The first attempt may find out the hard way: BlueZ does not pass the refusal of a long write on.
        let mut opened = false;
        for _ in 0..3 {
            let mut link = rig.connect(0).await;
            let answer = customer::ask(&mut *link, &mut rig.phone, &locker, &request).await;
            link.close().await;
            if matches!(answer, Ok((Reply::Receipt(_), _))) {
                opened = true;
                break;
            }
        }
        assert!(opened);
        assert_eq!(rig.world.look(0, |cabinet| cabinet.compartment(3).unwrap().1.pulses), Some(1));
        rig.end().await;
    });
}

#[test]
fn an_adapter_that_is_not_there_is_absent() {
    in_lab("an_adapter_that_is_not_there_is_absent", || async {
        let radio = postern_radio::ble::BleRadio::new(Some("hci99"));
        let deadline = Instant::now() + Duration::from_secs(5);
        let result = radio.connect(postern_protocol::LockerId([1; 8]), deadline, &|_| {}).await;
        assert_eq!(result.err(), Some(RadioError::Unavailable(AdapterState::Absent)));
    });
}

#[test]
fn a_bus_that_refuses_is_denied_and_a_blocked_adapter_is_off() {
    in_lab("a_bus_that_refuses_is_denied_and_a_blocked_adapter_is_off", || async {
        let radio = postern_radio::ble::BleRadio::new(Some(PHONE));
        for (forbid, allow, state) in
            [("bus closed", "bus open", AdapterState::Denied), ("rfkill on", "rfkill off", AdapterState::Off)]
        {
            lab(forbid).await;
            let mut told = radio.adapter();
            tokio::time::timeout(PATIENCE, told.wait_for(|told| *told == state)).await.unwrap().unwrap();
            let asked = Instant::now();
            let link = radio.connect(postern_protocol::LockerId([1; 8]), asked + PATIENCE, &|_| {}).await;
            assert_eq!(link.err(), Some(RadioError::Unavailable(state)));
            assert_eq!(radio.sightings().await.err(), Some(RadioError::Unavailable(state)));
            assert!(asked.elapsed() < PATIENCE, "{state:?} is said at once");
            lab(allow).await;
        }
    });
}
