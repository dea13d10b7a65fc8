//! The central half of `air`.

use std::{
    sync::{Arc, Mutex as StdMutex},
    time::{Duration, Instant},
};

use futures::stream::BoxStream;
use postern_protocol::{LockerId, gatt::Advertisement};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::{Mutex, mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;

use super::wire::{self, Address, PREFACE, Record};
use crate::{
    AdapterState, Link, Progress, Radio, RadioError, Sighting,
    link::{self, Gatt, WriteError},
    memory::Memory,
};

/// Pause before an endpoint that is not there is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// The largest ATT MTU there is use for: 512 octets of value and the header.
const MTU: u16 = 517;
/// Notifications that may wait for the link's task; more, and TCP holds the sender back.
const QUEUE: usize = 64;
/// ATT: invalid attribute value length.
const TOO_LONG: u8 = 0x0D;

/// A radio that reaches lockers through the endpoint of a simulator.
///
/// An endpoint that is not there, or not yet, is an empty room: nothing is heard until it comes.
pub struct AirRadio {
    endpoint: Arc<str>,
    adapter: watch::Sender<AdapterState>,
    monitor: StdMutex<Option<JoinHandle<()>>>,
    memory: Arc<Memory<Address>>,
}

impl Drop for AirRadio {
    fn drop(&mut self) {
        if let Some(monitor) = self.monitor.get_mut().ok().and_then(Option::take) {
            monitor.abort();
        }
    }
}

impl AirRadio {
    /// A radio on the endpoint `host:port`. Connects when it is first used.
    #[must_use]
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into().into(),
            adapter: watch::channel(AdapterState::On).0,
            monitor: StdMutex::new(None),
            memory: Arc::default(),
        }
    }

    /// Follows what the endpoint says of the radio, from the first use on (there may be no runtime before).
    fn watch_adapter(&self) {
        let (Ok(mut monitor), Ok(runtime)) = (self.monitor.lock(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        monitor.get_or_insert_with(|| {
            runtime.spawn(monitor_adapter(self.endpoint.clone(), self.adapter.clone()))
        });
    }

    fn available(&self) -> Result<(), RadioError> {
        self.watch_adapter();
        match *self.adapter.borrow() {
            AdapterState::On | AdapterState::Unknown => Ok(()),
            state => Err(RadioError::Unavailable(state)),
        }
    }
}

#[async_trait::async_trait]
impl Radio for AirRadio {
    fn adapter(&self) -> watch::Receiver<AdapterState> {
        self.watch_adapter();
        self.adapter.subscribe()
    }

    async fn sightings(&self) -> Result<BoxStream<'static, Sighting>, RadioError> {
        self.available()?;
        let (heard, sightings) = mpsc::channel(QUEUE);
        let endpoint = self.endpoint.clone();
        let mut adapter = self.adapter.subscribe();
        tokio::spawn(async move {
            let forward = async {
                let mut ear = Ear::new(endpoint);
                loop {
                    let (_, sighting) = ear.next().await;
                    if heard.send(sighting).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = forward => {}
                () = heard.closed() => {}
                () = switched_off(&mut adapter) => {}
            }
        });
        Ok(Box::pin(ReceiverStream::new(sightings)))
    }

    async fn connect(
        &self,
        locker: LockerId,
        deadline: Instant,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Box<dyn Link>, RadioError> {
        self.available()?;
        progress(Progress::Searching);
        let (handle, worker) = link::link();
        let (steps, mut step) = mpsc::channel(4);
        let dial = Dial {
            endpoint: self.endpoint.clone(),
            short_id: locker.short(),
            deadline: deadline.into(),
            memory: self.memory.clone(),
            steps,
        };
        let mut adapter = self.adapter.subscribe();
        tokio::spawn(async move {
            let memory = dial.memory.clone();
            let short_id = dial.short_id;
            let connected = tokio::select! {
                connected = dial.run() => connected,
                () = worker.abandoned() => return,
            };
            let Some((address, gatt, notifications)) = connected else { return };
            let small = memory.careful(short_id);
            let run = worker.run(&gatt, notifications, small);
            tokio::pin!(run);
            let summary = tokio::select! {
                summary = &mut run => summary,
                () = switched_off(&mut adapter) => {
                    gatt.hang_up();
                    run.await
                }
            };
            memory.ended(short_id, address, summary);
        });
        loop {
            match step.recv().await {
                Some(Step::Progress(stage)) => progress(stage),
                Some(Step::Failed(error)) => return Err(error),
                Some(Step::Ready) => return Ok(Box::new(handle)),
                None => return Err(RadioError::Lost("hung up".into())),
            }
        }
    }
}

/// Resolves when the adapter is anything but on.
async fn switched_off(adapter: &mut watch::Receiver<AdapterState>) {
    let off = |state: &AdapterState| !matches!(state, AdapterState::On | AdapterState::Unknown);
    if adapter.wait_for(off).await.is_err() {
        // The radio itself is gone; its links live on.
        std::future::pending::<()>().await;
    }
}

async fn monitor_adapter(endpoint: Arc<str>, adapter: watch::Sender<AdapterState>) {
    loop {
        if let Ok(mut stream) = open(&endpoint, &Record::Monitor).await {
            while let Ok(Record::Adapter(state)) = wire::read(&mut stream).await {
                adapter.send_if_modified(|old| std::mem::replace(old, state) != state);
            }
        }
        sleep(RETRY).await;
    }
}

async fn open(endpoint: &str, first: &Record) -> Result<TcpStream, wire::WireError> {
    let mut stream = TcpStream::connect(endpoint).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&PREFACE).await?;
    wire::write(&mut stream, first).await?;
    Ok(stream)
}

/// Listens to advertisements, for as long as it takes.
struct Ear {
    endpoint: Arc<str>,
    stream: Option<TcpStream>,
}

impl Ear {
    fn new(endpoint: Arc<str>) -> Self {
        Self { endpoint, stream: None }
    }

    /// The next advertisement of a locker. Not cancel-safe.
    async fn next(&mut self) -> (Address, Sighting) {
        loop {
            let Some(stream) = &mut self.stream else {
                match open(&self.endpoint, &Record::Watch).await {
                    Ok(stream) => self.stream = Some(stream),
                    Err(_) => sleep(RETRY).await,
                }
                continue;
            };
            match wire::read(stream).await {
                Ok(Record::Sighting { address, rssi, payload }) => {
                    if let Some(advertisement) = Advertisement::decode(&payload) {
                        return (address, Sighting { advertisement, rssi: rssi.map(Into::into) });
                    }
                }
                Ok(_) | Err(_) => {
                    self.stream = None;
                    sleep(RETRY).await;
                }
            }
        }
    }
}

enum Step {
    Progress(Progress),
    Failed(RadioError),
    Ready,
}

/// One attempt to reach one locker.
struct Dial {
    endpoint: Arc<str>,
    short_id: [u8; 4],
    deadline: tokio::time::Instant,
    memory: Arc<Memory<Address>>,
    steps: mpsc::Sender<Step>,
}

type Connected = (Address, AirGatt, link::Notifications);

impl Dial {
    async fn run(self) -> Option<Connected> {
        // What to say when the time is up.
        let mut why = RadioError::NotFound;
        let result = timeout_at(self.deadline, self.search(&mut why)).await;
        let (step, connected) = match result {
            Ok(Ok(connected)) => (Step::Ready, Some(connected)),
            Ok(Err(error)) => (Step::Failed(error), None),
            Err(_) => (Step::Failed(why), None),
        };
        self.steps.send(step).await.ok()?;
        connected
    }

    async fn search(&self, why: &mut RadioError) -> Result<Connected, RadioError> {
        let mut ear = Ear::new(self.endpoint.clone());
        let mut choice = self.memory.choice(self.short_id);
        let mut sighted = false;
        loop {
            let (address, sighting) = ear.next().await;
            if sighting.advertisement.short_id != self.short_id {
                continue;
            }
            if !std::mem::replace(&mut sighted, true) {
                self.report(Progress::Sighted).await;
            }
            if !sighting.advertisement.accepting {
                *why = RadioError::Busy;
                continue;
            }
            if !choice.take(&address) {
                continue;
            }
            match self.call(address).await {
                Ok(connected) => return Ok(connected),
                // Busy, or a new address since: the next advertisement says more.
                Err(RadioError::NotFound) => {}
                Err(RadioError::Busy) => *why = RadioError::Busy,
                Err(error) => return Err(error),
            }
        }
    }

    async fn report(&self, stage: Progress) {
        let _ = self.steps.send(Step::Progress(stage)).await;
    }

    async fn call(&self, address: Address) -> Result<Connected, RadioError> {
        let lost = |error: wire::WireError| RadioError::Lost(error.to_string());
        let mut stream = open(&self.endpoint, &Record::Connect { address, mtu: MTU }).await.map_err(lost)?;
        let mtu = match wire::read(&mut stream).await.map_err(lost)? {
            Record::Connected { mtu } if (23..=MTU).contains(&mtu) => mtu,
            Record::Refused(1) => return Err(RadioError::NotFound),
            Record::Refused(2) => return Err(RadioError::Busy),
            Record::Refused(3) => return Err(RadioError::Unavailable(AdapterState::Off)),
            _ => return Err(RadioError::Frame("not an answer to a call".into())),
        };
        self.report(Progress::Connected).await;
        let (reader, writer) = stream.into_split();
        let (gatt, notifications) = AirGatt::start(mtu, reader, writer);
        gatt.subscribe().await?;
        self.report(Progress::Subscribed).await;
        Ok((address, gatt, notifications))
    }
}

/// The GATT client of one link.
struct AirGatt {
    mtu: u16,
    requests: Mutex<Requests>,
    reading: JoinHandle<()>,
    gone: watch::Sender<bool>,
}

struct Requests {
    writer: OwnedWriteHalf,
    answers: mpsc::Receiver<Record>,
    /// A request was given up by its asker: its answer is still to come, and not ours.
    owed: u32,
}

impl Drop for AirGatt {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl AirGatt {
    fn start(mtu: u16, mut reader: OwnedReadHalf, writer: OwnedWriteHalf) -> (Self, link::Notifications) {
        let (answer, answers) = mpsc::channel(4);
        let (notify, notifications) = mpsc::channel(QUEUE);
        let (gone, mut hung_up) = watch::channel(false);
        let reading = tokio::spawn(async move {
            let read = async {
                loop {
                    let sent = match wire::read(&mut reader).await {
                        Ok(Record::Notify(frame)) => notify.send(Ok(frame)).await.is_ok(),
                        Ok(record @ (Record::Subscribed | Record::Value(_) | Record::Written(_))) => {
                            answer.send(record).await.is_ok()
                        }
                        Ok(_) => {
                            let error = RadioError::Frame("record out of place".into());
                            let _ = notify.send(Err(error)).await;
                            false
                        }
                        Err(error) => {
                            let _ = notify.send(Err(RadioError::Lost(error.to_string()))).await;
                            false
                        }
                    };
                    if !sent {
                        return;
                    }
                }
            };
            tokio::select! {
                () = read => {}
                _ = hung_up.wait_for(|gone| *gone) => {}
            }
        });
        let requests = Mutex::new(Requests { writer, answers, owed: 0 });
        (Self { mtu, requests, reading, gone }, notifications)
    }

    /// Ends the connection from this side, as switching the adapter off does.
    fn hang_up(&self) {
        self.gone.send_replace(true);
    }

    async fn ask(&self, request: &Record) -> Result<Record, RadioError> {
        let lost = || RadioError::Lost("disconnected".into());
        let mut requests = self.requests.lock().await;
        while requests.owed > 0 {
            requests.answers.recv().await.ok_or_else(lost)?;
            requests.owed -= 1;
        }
        let bytes = request.encode().ok_or_else(|| RadioError::Frame("frame too long".into()))?;
        // From the first octet on somebody owes us an answer, also where the asker does not wait for it. A write that is
        // itself dropped half-way leaves the stream unusable, but links are only dropped half-way when they end.
        requests.owed += 1;
        requests.writer.write_all(&bytes).await.map_err(|error| RadioError::Lost(error.to_string()))?;
        let answer = requests.answers.recv().await.ok_or_else(lost)?;
        requests.owed -= 1;
        Ok(answer)
    }

    async fn subscribe(&self) -> Result<(), RadioError> {
        match self.ask(&Record::Subscribe).await? {
            Record::Subscribed => Ok(()),
            _ => Err(RadioError::Frame("not an answer to a subscription".into())),
        }
    }
}

#[async_trait::async_trait]
impl Gatt for AirGatt {
    fn mtu(&self) -> u16 {
        self.mtu
    }

    async fn write(&self, frame: &[u8]) -> Result<(), WriteError> {
        match self.ask(&Record::Write(frame.to_vec())).await {
            Ok(Record::Written(0)) => Ok(()),
            Ok(Record::Written(TOO_LONG)) => Err(WriteError::TooLong),
            Ok(Record::Written(status)) => Err(WriteError::Lost(format!("ATT error {status:#04x}"))),
            Ok(_) => Err(WriteError::Lost("not an answer to a write".into())),
            Err(error) => Err(WriteError::Lost(error.to_string())),
        }
    }

    async fn read(&self) -> Result<Vec<u8>, RadioError> {
        match self.ask(&Record::Read).await? {
            Record::Value(bytes) => Ok(bytes),
            _ => Err(RadioError::Frame("not an answer to a read".into())),
        }
    }

    async fn disconnect(&self) {
        self.hang_up();
        let mut requests = self.requests.lock().await;
        let _ = requests.writer.shutdown().await;
    }
}
