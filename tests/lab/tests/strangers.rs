//! The radio and peripherals that are not BlueZ: of any ATT MTU, slow to be discovered, changed since the last time.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use bluer::Session;
use postern_lab_tests::{
    PATIENCE, PHONE,
    chip::{Chip, Layout, Status},
    fresh, in_lab,
};
use postern_protocol::LockerId;
use postern_radio::{
    AdapterState, Progress, Radio, RadioError,
    ble::BleRadio,
    conformance::{self, Bench},
};

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
        vec![23, 48, 185, 247, 517]
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
fn a_lost_hello_of_a_stranger_is_read() {
    in_lab("a_lost_hello_of_a_stranger_is_read", || async {
        let bench = Stranger::new().await;
        bench.offer(23).await;
        conformance::a_lost_hello_is_read(&bench).await;
    });
}

#[test]
fn services_that_are_resolved_late_are_waited_for() {
    in_lab("services_that_are_resolved_late_are_waited_for", || async {
        let bench = Stranger::new().await;
        bench.chip.answer_discovery(false);
        let stages = Mutex::new(Vec::new());
        let record = |stage| stages.lock().unwrap().push(stage);
        let link = bench.radio.connect(bench.chip.locker(), Instant::now() + PATIENCE, &record);
        tokio::pin!(link);
        tokio::select! {
            _ = &mut link => panic!("nothing was discovered"),
            () = bench.until(|status| status.asked) => {}
        }
        assert!(!stages.lock().unwrap().contains(&Progress::Subscribed));
        bench.chip.answer_discovery(true);
        let mut link = link.await.unwrap();
        assert_eq!(link.receive().await.unwrap().first(), Some(&1));
        assert_eq!(bench.chip.status().borrow().connections, 1, "no second attempt beside the first");
        link.close().await;
        bench.let_go().await;
    });
}

#[test]
fn services_that_are_never_resolved_leave_no_connection() {
    in_lab("services_that_are_never_resolved_leave_no_connection", || async {
        let bench = Stranger::new().await;
        bench.chip.answer_discovery(false);
        let locker = bench.chip.locker();
        {
            let link = bench.radio.connect(locker, Instant::now() + PATIENCE, &|_| {});
            tokio::select! {
                _ = link => panic!("nothing was discovered"),
                () = bench.until(|status| status.asked) => {}
            }
        }
        bench.let_go().await;
        let patience = Duration::from_secs(5);
        let began = Instant::now();
        let result = bench.radio.connect(locker, began + patience, &|_| {}).await;
        assert!(matches!(result.err(), Some(RadioError::NotFound | RadioError::Lost(_))));
        eprintln!("{:?}", began.elapsed());
        bench.let_go().await;
        bench.chip.answer_discovery(true);
        conformance::the_first_message_is_the_hello(&bench).await;
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
