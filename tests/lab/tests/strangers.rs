//! The radio and peripherals that are not BlueZ: of any ATT MTU, slow to be discovered, changed since the last time.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use bluer::{AdapterEvent, Address, DeviceEvent, DeviceProperty, Session};
use futures::StreamExt;
use postern_lab_tests::{
    PATIENCE, PHONE,
    chip::{Chip, Layout, Status},
    fresh, in_lab,
};
use postern_protocol::{LockerId, gatt::SERVICE_UUID};
use postern_radio::{
    AdapterState, Progress, Radio, RadioError,
    ble::BleRadio,
    conformance::{self, Bench},
};
use uuid::Uuid;

struct Stranger {
    radio: BleRadio,
    chip: Chip,
}

impl Stranger {
    async fn new() -> Self {
        let id = std::process::id().to_be_bytes();
        fresh(&Session::new().await.unwrap(), PHONE).await.unwrap();
        let chip = Chip::start(LockerId([id[3], id[2], id[1], id[0], 5, 0, 0, 0])).await;
        Self { radio: BleRadio::new(Some(PHONE)), chip }
    }

    /// Waits for a fact about the chip.
    async fn until(&self, fact: impl FnMut(&Status) -> bool) {
        let mut status = self.chip.status();
        tokio::time::timeout(PATIENCE, status.wait_for(fact)).await.expect("in time").expect("a chip");
    }
}

#[async_trait::async_trait]
impl Bench for Stranger {
    fn radio(&self) -> &dyn Radio {
        &self.radio
    }

    fn lockers(&self) -> Vec<LockerId> {
        vec![self.chip.locker()]
    }

    fn mtus(&self) -> Vec<u16> {
        vec![23, 185, 247]
    }

    async fn offer(&self, mtu: u16) {
        self.chip.offer(mtu);
    }

    async fn lose_hello(&self) {
        self.chip.lose_hello();
    }

    async fn advertise(&self, accepting: bool, low_battery: bool) {
        self.chip.show(accepting, low_battery);
    }

    async fn cut(&self) {
        self.chip.cut().await;
    }

    async fn let_go(&self) {
        self.until(|status| !status.connected).await;
    }

    async fn adapter(&self, _state: AdapterState) -> bool {
        false
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

#[test]
fn messages_of_every_length_pass_at_every_mtu() {
    in_lab("messages_of_every_length_pass_at_every_mtu", || async {
        let bench = Stranger::new().await;
        conformance::messages_of_every_length_at_every_mtu(&bench).await;
        assert_eq!(bench.chip.status().borrow().mtus, bench.mtus());
    });
}

#[test]
fn services_that_are_resolved_late_are_waited_for_and_cost_no_connection() {
    in_lab("services_that_are_resolved_late_are_waited_for_and_cost_no_connection", || async {
        let bench = Stranger::new().await;
        bench.chip.answer_discovery(false);
        let locker = bench.chip.locker();
        let given_up = bench.radio.connect(locker, Instant::now() + PATIENCE, &|_| {});
        tokio::select! {
            _ = given_up => panic!("nothing was discovered"),
            () = bench.until(|status| status.asked) => {}
        }
        bench.let_go().await;
        // BlueZ has lost its services by now: it is found by what it advertises.
        let stages = Mutex::new(Vec::new());
        let record = |stage| stages.lock().unwrap().push(stage);
        let link = bench.radio.connect(locker, Instant::now() + PATIENCE, &record);
        tokio::pin!(link);
        tokio::select! {
            _ = &mut link => panic!("nothing was discovered"),
            () = bench.until(|status| status.connections == 2 && status.asked) => {}
        }
        assert!(!stages.lock().unwrap().contains(&Progress::Subscribed));
        bench.chip.answer_discovery(true);
        let mut link = link.await.unwrap();
        assert_eq!(link.receive().await.unwrap().first(), Some(&1));
        assert_eq!(bench.chip.status().borrow().connections, 2, "no attempt beside the second");
        link.close().await;
        bench.let_go().await;
    });
}

#[test]
fn attributes_that_moved_since_the_last_link_are_found() {
    in_lab("attributes_that_moved_since_the_last_link_are_found", || async {
        let bench = Stranger::new().await;
        conformance::the_first_message_is_the_hello(&bench).await;
        bench.chip.arrange(Layout::TxFirst);
        // The subscription goes to what is `rx` now, which takes it for a frame; nothing on that link can tell.
        let mut link =
            bench.radio.connect(bench.chip.locker(), Instant::now() + PATIENCE, &|_| {}).await.unwrap();
        assert!(matches!(link.receive().await, Err(RadioError::Lost(_))));
        drop(link);
        bench.let_go().await;
        conformance::the_first_message_is_the_hello(&bench).await;
        bench.chip.arrange(Layout::Apart);
        // Refused this time, so that the same attempt finds out.
        conformance::the_first_message_is_the_hello(&bench).await;
    });
}

/// Another program on the same machine, a browser say, was connected while the locker was starting: BlueZ goes on telling of the
/// services that it found then, and knows better only after the next link.
#[test]
fn what_another_program_found_at_its_link_hides_no_locker() {
    in_lab("what_another_program_found_at_its_link_hides_no_locker", || async {
        let bench = Stranger::new().await;
        bench.chip.arrange(Layout::Starting);
        let session = Session::new().await.unwrap();
        let adapter = session.adapter(PHONE).unwrap();
        let id = bench.chip.locker().0;
        let address = Address::new([id[5] | 0xC0, id[4], id[3], id[2], id[1], id[0]]);
        {
            let mut found = Box::pin(adapter.discover_devices().await.unwrap());
            while !matches!(found.next().await, Some(AdapterEvent::DeviceAdded(one)) if one == address) {}
        }
        let device = adapter.device(address).unwrap();
        let mut events = Box::pin(device.events().await.unwrap());
        device.connect().await.unwrap();
        let resolved = |event| {
            matches!(event, Some(DeviceEvent::PropertyChanged(DeviceProperty::ServicesResolved(true))))
        };
        while !device.is_services_resolved().await.unwrap() && !resolved(events.next().await) {}
        let known = device.uuids().await.unwrap().unwrap_or_default();
        assert!(!known.is_empty() && !known.contains(&Uuid::from_u128(SERVICE_UUID)), "{known:?}");
        device.disconnect().await.unwrap();
        bench.let_go().await;

        bench.chip.arrange(Layout::RxFirst);
        conformance::the_first_message_is_the_hello(&bench).await;
    });
}

#[test]
fn a_link_that_ends_is_unsubscribed_and_not_taken_for_the_next_one() {
    in_lab("a_link_that_ends_is_unsubscribed_and_not_taken_for_the_next_one", || async {
        let bench = Stranger::new().await;
        bench.chip.stay_on_air(true);
        let locker = bench.chip.locker();
        let mut link = bench.radio.connect(locker, Instant::now() + PATIENCE, &|_| {}).await.unwrap();
        link.receive().await.unwrap();
        let left = Instant::now();
        drop(link);
        let stages = Mutex::new(Vec::new());
        let record = |stage| stages.lock().unwrap().push((stage, left.elapsed()));
        let mut link = bench.radio.connect(locker, left + PATIENCE, &record).await.unwrap();
        link.receive().await.unwrap();
        let stages = stages.into_inner().unwrap();
        eprintln!("{stages:?}, HELLO after {:?}", left.elapsed());
        let connected = stages.iter().filter(|(stage, _)| *stage == Progress::Connected).count();
        let status = bench.chip.status().borrow().clone();
        assert_eq!((connected, status.connections), (1, 2));
        // Else BlueZ subscribes by itself at the next link, and its HELLO may go by before anybody listens.
        assert_eq!(status.unsubscribed, 1);
        link.close().await;
        bench.let_go().await;
    });
}
