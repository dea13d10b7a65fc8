//! The radio and peripherals that are not BlueZ: of any ATT MTU, slow to be discovered, changed since the last time.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    sync::{Arc, Mutex},
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
