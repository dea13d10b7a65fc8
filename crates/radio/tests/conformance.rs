//! The conformance suite against `air`, with a peripheral that speaks frames and nothing else.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering},
    },
    time::Duration,
};

use postern_protocol::{
    LockerId,
    frame::{Reassembler, Tag, fragments},
    gatt::Advertisement,
};
use postern_radio::{
    AdapterState, Radio,
    air::{AirRadio, AirServer, Beacon, Central, CentralRequest, Dial},
    conformance::{self, Bench},
};
use tokio::sync::{broadcast, mpsc, watch};

const LOCKERS: [LockerId; 2] = [LockerId([1; 8]), LockerId([2; 8])];

struct Shared {
    mtu: AtomicU16,
    lose: AtomicBool,
    tags: AtomicU8,
    links: watch::Sender<usize>,
    cut: broadcast::Sender<()>,
}

struct AirBench {
    radio: AirRadio,
    server: Arc<AirServer>,
    shared: Arc<Shared>,
    state: Mutex<(bool, bool)>,
}

impl AirBench {
    async fn new() -> Self {
        let (server, dials) = AirServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let server = Arc::new(server);
        let shared = Arc::new(Shared {
            mtu: AtomicU16::new(247),
            lose: AtomicBool::new(false),
            tags: AtomicU8::new(0),
            links: watch::channel(0).0,
            cut: broadcast::channel(4).0,
        });
        tokio::spawn(answer(dials, shared.clone()));
        let radio = AirRadio::new(server.local_addr().to_string());
        let bench = Self { radio, server, shared, state: Mutex::new((true, false)) };
        bench.publish();
        bench
    }

    fn publish(&self) {
        let (accepting, low_battery) = *self.state.lock().unwrap();
        let beacon = |locker: &LockerId| Beacon {
            address: [locker.0[0]; 6],
            rssi: Some(-50),
            payload: Advertisement {
                version: 1,
                accepting,
                low_battery,
                clock_unset: false,
                short_id: locker.short(),
            }
            .encode()
            .to_vec(),
        };
        self.server.advertise(LOCKERS.iter().map(beacon).collect());
    }
}

async fn answer(mut dials: mpsc::Receiver<Dial>, shared: Arc<Shared>) {
    while let Some(dial) = dials.recv().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let mtu = shared.mtu.load(Ordering::SeqCst).min(dial.mtu());
            let Ok(central) = dial.accept(mtu).await else { return };
            shared.links.send_modify(|links| *links += 1);
            let mut cut = shared.cut.subscribe();
            tokio::select! {
                () = carry(central, mtu, &shared) => {}
                _ = cut.recv() => {}
            }
            shared.links.send_modify(|links| *links -= 1);
        });
    }
}

async fn carry(mut central: Central, mtu: u16, shared: &Shared) {
    let number = shared.tags.fetch_add(1, Ordering::SeqCst);
    let tag = Tag(number);
    let answers = central.sender();
    let mut hello = vec![1, number];
    hello.extend([9; 60]);
    let mut frames = Reassembler::with_tag(tag);
    let max_frame = usize::from(mtu) - 3;
    while let Some(request) = central.request().await {
        match request {
            CentralRequest::Subscribe => {
                answers.subscribed().await;
                if !shared.lose.swap(false, Ordering::SeqCst) {
                    for frame in fragments(&hello, tag, max_frame) {
                        answers.notify(frame).await;
                    }
                }
            }
            CentralRequest::Read => answers.value(fragments(&hello, tag, 512).next().unwrap()).await,
            CentralRequest::Write(frame) => {
                assert!(frame.len() <= max_frame, "a frame of {} at MTU {mtu}", frame.len());
                let message = frames.push(&frame).expect("the phone keeps the rules");
                answers.written(0).await;
                for frame in message.iter().flat_map(|message| fragments(message, tag, max_frame)) {
                    answers.notify(frame).await;
                }
            }
        }
    }
}

#[async_trait::async_trait]
impl Bench for AirBench {
    fn radio(&self) -> &dyn Radio {
        &self.radio
    }

    fn lockers(&self) -> Vec<LockerId> {
        LOCKERS.to_vec()
    }

    fn mtus(&self) -> Vec<u16> {
        vec![23, 24, 100, 185, 247, 517]
    }

    async fn offer(&self, mtu: u16) {
        self.shared.mtu.store(mtu, Ordering::SeqCst);
    }

    async fn lose_hello(&self) {
        self.shared.lose.store(true, Ordering::SeqCst);
    }

    async fn advertise(&self, accepting: bool, low_battery: bool) {
        *self.state.lock().unwrap() = (accepting, low_battery);
        self.publish();
    }

    async fn cut(&self) {
        let _ = self.shared.cut.send(());
        self.let_go().await;
    }

    async fn let_go(&self) {
        let _ = self.shared.links.subscribe().wait_for(|links| *links == 0).await;
    }

    async fn adapter(&self, state: AdapterState) -> bool {
        self.server.set_adapter(state);
        true
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }
}

#[tokio::test]
async fn air_conforms() {
    conformance::all(&AirBench::new().await).await;
}

#[tokio::test]
async fn an_endpoint_that_comes_later_is_an_empty_room_until_then() {
    let (server, _dials) = AirServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let endpoint = server.local_addr();
    drop(server);
    let radio = AirRadio::new(endpoint.to_string());
    let deadline = std::time::Instant::now() + Duration::from_millis(400);
    let result = radio.connect(LOCKERS[0], deadline, &|_| {}).await;
    assert_eq!(result.err(), Some(postern_radio::RadioError::NotFound));
}

#[test]
fn radios_go_by_name() {
    assert!(postern_radio::open("air:127.0.0.1:4000").is_ok());
    assert!(postern_radio::open("ble").is_ok());
    assert!(postern_radio::open("ble:hci0").is_ok());
    for bad in ["", "air", "air:", "air:host", "air:host:port", "ble:", "zigbee"] {
        assert!(postern_radio::open(bad).is_err(), "{bad}");
    }
}
