//! The firmware on a Cortex-M4 in QEMU, reached over `air` like any other locker.
//!
//! Runs where `POSTERN_BOARD_IMAGE` names the image (`cargo xtask platforms --only cortex-m4` builds it and sets this);
//! `POSTERN_QEMU_ARM` names QEMU if it is not `qemu-system-arm` on the path.
#![allow(clippy::unwrap_used)]

use std::{
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
}

impl Rig {
    async fn new(doors: u16, remembered_tokens: u16, mtu: u16) -> Self {
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
            capabilities: 0,
            connections: 4,
            remembered_tokens,
            mtu,
            closes_after: None,
            seed: [8; 32],
        })
        .await
        .unwrap();
        let (server, dials) = AirServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let radio = AirRadio::new(server.local_addr().to_string());
        let server = Arc::new(server);
        tokio::spawn(board.clone().serve(server.clone(), dials));
        Self { board, server, radio, locker, network, phone: Phone::new(4) }
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

    async fn switch(&self, on: bool) -> bool {
        self.server.set_adapter(if on { AdapterState::On } else { AdapterState::Off });
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
