//! The conformance suite against `air`, with a peripheral that speaks frames and nothing else.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
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
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::timeout,
};

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

/// Drops a future when it has been polled so often; what it came to if that was before.
async fn polled<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(future);
    let mut left = times;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if left == 0 && polled.is_pending() {
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

/// Connecting, receiving and sending, each dropped after one poll, after two, and so on until it is done: no link stays
/// behind, and the next one works. Over Bluetooth this is sampled by time (`conformance::cancelling_leaks_nothing`): each
/// try takes seconds there.
#[tokio::test]
async fn dropped_after_any_poll_nothing_leaks() {
    let bench = AirBench::new().await;
    bench.offer(23).await;
    let patience = Duration::from_secs(20);
    let deadline = || Instant::now() + patience;
    let connect = || bench.radio.connect(LOCKERS[0], deadline(), &|_| {});
    let mut polls = 0;
    while polled(polls, connect()).await.is_none() {
        timeout(patience, bench.let_go()).await.expect("a connection that nobody has");
        polls += 1;
    }
    assert!(polls > 3, "there is something to wait for");
    timeout(patience, bench.let_go()).await.expect("a connection that nobody has");

    for step in [Step::Receive, Step::Send] {
        let mut polls = 0;
        loop {
            let mut link = connect().await.unwrap();
            let done = match step {
                Step::Receive => polled(polls, link.receive()).await.is_some(),
                Step::Send => {
                    link.receive().await.unwrap();
                    polled(polls, link.send(&[2; 100])).await.is_some()
                }
            };
            // The link itself is none the worse for it: what was dropped happens whole or not at all.
            if step == Step::Receive && !done {
                assert_eq!(link.receive().await.unwrap().first(), Some(&1));
            }
            link.send(&[2, 7]).await.unwrap();
            let mut back = link.receive().await.unwrap();
            if back == [2; 100] {
                back = link.receive().await.unwrap();
            }
            assert_eq!(back, [2, 7], "{step:?} dropped after {polls} polls");
            drop(link);
            timeout(patience, bench.let_go()).await.expect("a connection that nobody has");
            if done {
                break;
            }
            polls += 1;
        }
        assert!(polls > 0, "{step:?} waits for something");
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Receive,
    Send,
}

#[tokio::test]
async fn an_endpoint_that_comes_later_is_an_empty_room_until_then() {
    let (server, _dials) = AirServer::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let endpoint = server.local_addr();
    drop(server);
    let radio = AirRadio::new(endpoint.to_string());
    let deadline = Instant::now() + Duration::from_millis(400);
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
