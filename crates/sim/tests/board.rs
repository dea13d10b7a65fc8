//! The firmware on a Cortex-M4 in QEMU, reached over `air` like any other locker.
//!
//! Runs where `POSTERN_BOARD_IMAGE` names the image (`cargo xtask platforms --only cortex-m4` builds it and sets this);
//! `POSTERN_QEMU_ARM` names QEMU if it is not `qemu-system-arm` on the path.
#![allow(clippy::unwrap_used)]

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use postern_protocol::{
    Door, LockerId, LockerIdentity, Operation, Reply, Request, Timestamp,
    receipt::{self, Outcome, Receipt},
};
use postern_radio::{
    AdapterState, Radio,
    air::{AirRadio, AirServer},
    conformance::{self, Bench},
};
use postern_sim::{
    board::{Board, BoardConfig},
    customer::{self, Grant, Network, Phone},
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an intent in the journal: with so many it is whole, what follows is filling.
const INTENT: u32 = 91;

struct Rig {
    board: Board,
    server: Arc<AirServer>,
    radio: AirRadio,
    locker: LockerIdentity,
    network: Network,
    phone: Phone,
    serving: tokio::task::JoinHandle<()>,
}

impl Rig {
    async fn new(doors: u16, remembered_tokens: u16, mtu: u16) -> Self {
        Self::with_flash(doors, remembered_tokens, mtu, None).await
    }

    async fn with_flash(doors: u16, remembered_tokens: u16, mtu: u16, flash: Option<PathBuf>) -> Self {
        let image = std::env::var_os("POSTERN_BOARD_IMAGE").expect("POSTERN_BOARD_IMAGE");
        let qemu = std::env::var_os("POSTERN_QEMU_ARM").unwrap_or_else(|| "qemu-system-arm".into());
        let mut network = Network::new(1);
        let keys = network.locker();
        let locker = keys.locker.identity();
        let board = Board::start(BoardConfig {
            qemu: qemu.into(),
            image: image.into(),
            keys,
            doors: (1..=doors).map(Door).collect(),
            fittings: postern_locker::Fittings::default(),
            provisioned_at: 0,
            connections: 4,
            remembered_tokens,
            mtu,
            closes_after: None,
            seed: [if flash.as_ref().is_some_and(|flash| flash.exists()) { 9 } else { 8 }; 32],
            flash,
        })
        .await
        .unwrap();
        let (server, dials) = AirServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let radio = AirRadio::new(server.local_addr().to_string());
        let server = Arc::new(server);
        let serving = tokio::spawn(board.clone().serve(server.clone(), dials));
        Self { board, server, radio, locker, network, phone: Phone::new(4), serving }
    }

    /// Switches it off.
    async fn end(self) {
        self.serving.abort();
        assert!(self.serving.await.unwrap_err().is_cancelled());
    }

    fn request(&mut self, door: u16) -> Request {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let token =
            self.network.token(&Grant::collect(self.locker.id, door), &self.phone.key(), Timestamp(now));
        self.phone.request(Operation::Collect, door, token)
    }

    /// The same gesture on one link after the other, until there is a receipt.
    async fn insist(&mut self, request: &Request) -> Receipt {
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "no receipt");
            let Ok(mut link) = self.radio.connect(self.locker.id, end, &|_| {}).await else { continue };
            match customer::ask(&mut *link, &mut self.phone, &self.locker, request).await {
                Ok((Reply::Receipt(bytes), _)) => {
                    return receipt::verify(&bytes, &self.locker.receipt_key).unwrap();
                }
                Ok((other, _)) => panic!("{other:?}"),
                // Power failed: the board starts again.
                Err(_) => {}
            }
        }
    }

    fn opened(&self, door: u16) -> u32 {
        self.board.opened().borrow().get(&Door(door)).copied().unwrap_or_default()
    }
}

/// The board as the radio's conformance suite wants it. Firmware has no echo; all else is asked of it.
#[async_trait::async_trait]
impl Bench for Rig {
    fn radio(&self) -> &dyn Radio {
        &self.radio
    }

    fn lockers(&self) -> Vec<LockerId> {
        vec![self.locker.id]
    }

    fn mtus(&self) -> Vec<u16> {
        vec![23, 24, 100, 185, 247, 517]
    }

    async fn offer(&self, mtu: u16) {
        self.board.offer(mtu).unwrap();
    }

    async fn lose_hello(&self) {
        self.board.lose_next_notification().unwrap();
    }

    async fn advertise(&self, accepting: bool, low_battery: bool) {
        assert!(accepting, "a board with a connection to spare accepts");
        self.board.battery(low_battery).unwrap();
    }

    async fn cut(&self) {
        self.board.cut_links().unwrap();
    }

    async fn let_go(&self) {
        self.board.links().wait_for(|links| *links == 0).await.unwrap();
    }

    async fn adapter(&self, state: AdapterState) -> bool {
        self.server.set_adapter(state);
        true
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn echoes(&self) -> bool {
        false
    }
}

#[tokio::test]
#[ignore = "needs the board's image and QEMU; cargo xtask platforms runs it"]
async fn the_radio_conforms_on_a_board() {
    conformance::all(&Rig::new(16, 512, 247).await).await;
}

#[tokio::test]
#[ignore = "needs the board's image and QEMU; cargo xtask platforms runs it"]
async fn a_board_opens_by_the_rules() {
    for mtu in [23, 185, 247, 517] {
        let mut rig = Rig::new(100, 10_000, mtu).await;
        let request = rig.request(17);
        let receipt = rig.insist(&request).await;
        assert_eq!((receipt.outcome, receipt.door), (Outcome::Opened, Door(17)), "MTU {mtu}");
        assert_eq!(rig.opened(17), 1);
        // The same gesture once more: the same receipt, no movement.
        assert_eq!(rig.insist(&request).await, receipt);
        assert_eq!(rig.opened(17), 1);
        let measures = rig.board.measure().await.unwrap();
        println!("MTU {mtu}: {measures:?}");
        assert!(measures.heap_peak < 212 * 1024 && measures.stack_peak < 40 * 1024);
    }
}

/// Power fails at every flash step of an opening, at several bytes of each; the processor is reset in the middle of it.
#[tokio::test]
#[ignore = "needs the board's image and QEMU; cargo xtask platforms runs it"]
async fn power_cut_everywhere_on_a_board() {
    let mut rig = Rig::new(40, 512, 247).await;
    let mut door = 0;
    for (step, bytes) in [(0, 0), (0, 1), (0, 50), (0, 90), (0, 91), (1, 0), (1, 9), (1, 200), (1, 1000)] {
        door += 1;
        let starts = *rig.board.starts().borrow();
        rig.board.cut_power(step, bytes).unwrap();
        let request = rig.request(door);
        let receipt = rig.insist(&request).await;
        assert_eq!(*rig.board.starts().borrow(), starts + 1, "power did not fail at step {step}");
        assert_eq!(receipt.nonce, request.nonce);
        // The whole intent is written and the latch has not moved: nobody can know, and the customer opens again.
        let before_latch = step == 0 && bytes >= INTENT;
        assert_eq!(receipt.outcome, if before_latch { Outcome::Unknown } else { Outcome::Opened });
        if before_latch {
            assert_eq!(rig.opened(door), 0);
            let again = rig.phone.request(Operation::Reopen, door, request.token.clone());
            assert_eq!(rig.insist(&again).await.outcome, Outcome::Opened);
        }
        assert_eq!(rig.opened(door), 1, "step {step}, byte {bytes}");
        assert_eq!(rig.insist(&request).await, receipt);
    }
}

/// Switched off altogether, and on again another day: the same gesture is answered from the journal.
#[tokio::test]
#[ignore = "needs the board's image and QEMU; cargo xtask platforms runs it"]
async fn a_board_keeps_its_flash_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let flash = folder.path().join("flash, of a board.bin");
    let mut rig = Rig::with_flash(16, 512, 247, Some(flash.clone())).await;
    let request = rig.request(5);
    let receipt = rig.insist(&request).await;
    let starts = *rig.board.starts().borrow();
    rig.end().await;
    let mut rig = Rig::with_flash(16, 512, 247, Some(flash)).await;
    assert_eq!(*rig.board.starts().borrow(), starts + 1);
    assert_eq!(rig.insist(&request).await, receipt);
    assert_eq!(rig.opened(5), 0, "nothing moves twice");
}

/// A simulator that is killed has no time to end its board.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "needs the board's image and QEMU; cargo xtask platforms runs it"]
async fn a_killed_simulator_leaves_no_board_behind() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let mut simulator = std::process::Command::new(env!("CARGO_BIN_EXE_postern-sim"))
        .args(["serve", "--air", "127.0.0.1:0", "--board", "qemu", "--data"])
        .arg(folder.path())
        .arg("--ready-file")
        .arg(&ready)
        .env(
            "POSTERN_QEMU_ARM",
            std::env::var_os("POSTERN_QEMU_ARM").unwrap_or_else(|| "qemu-system-arm".into()),
        )
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + PATIENCE;
    while !ready.exists() {
        assert!(Instant::now() < end && simulator.try_wait().unwrap().is_none(), "it is not ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Found by the file that only this board has.
    let flash = folder.path().display().to_string();
    let boards = || {
        let processes =
            std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
        let of_board = processes.filter(|line| {
            let line = std::fs::read(line).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            line.contains("mps2-an386") && line.contains(&flash)
        });
        of_board.count()
    };
    assert_eq!(boards(), 1);
    simulator.kill().unwrap();
    simulator.wait().unwrap();
    while boards() > 0 {
        assert!(Instant::now() < end, "the board is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
