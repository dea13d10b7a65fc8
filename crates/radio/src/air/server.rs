//! The peripheral half of `air`, used by the simulator: it answers the transport and leaves every decision (who is in
//! range, which MTU, what to answer, what to break) to its user.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{interval, timeout},
};

use super::wire::{self, PREFACE, Record};
use crate::AdapterState;

/// Advertising interval.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long a client may take to say what it wants.
const PREFACE_TIME: Duration = Duration::from_secs(5);
/// Connections that nobody has taken yet.
const BACKLOG: usize = 64;

/// One locker in range, as it advertises itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Random device address; may change.
    pub address: [u8; 6],
    /// Strength in dBm, at which phones hear it.
    pub rssi: Option<i8>,
    /// Manufacturer data payload, at most 24 bytes.
    pub payload: Vec<u8>,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefuseReason {
    /// Nobody has this address (any more).
    Nobody,
    /// No connection is free.
    Busy,
    /// The radio is off.
    Off,
}

impl RefuseReason {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Nobody => 1,
            Self::Busy => 2,
            Self::Off => 3,
        }
    }
}

/// The listening endpoint. Dropping it closes the endpoint and every connection that is not yet a link.
pub struct AirServer {
    address: SocketAddr,
    beacons: watch::Sender<Vec<Beacon>>,
    adapter: watch::Sender<AdapterState>,
    accepting: JoinHandle<()>,
}

impl Drop for AirServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl AirServer {
    /// Listens; port 0 takes any. Calls for links come out of the receiver.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<(Self, mpsc::Receiver<Dial>)> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (beacons, heard) = watch::channel(Vec::new());
        let (adapter, state) = watch::channel(AdapterState::On);
        let (dials, incoming) = mpsc::channel(BACKLOG);
        let accepting = tokio::spawn(accept(listener, heard, state, dials));
        Ok((Self { address, beacons, adapter, accepting }, incoming))
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Replaces what is heard on the air. Listeners hear a change at once.
    pub fn advertise(&self, beacons: Vec<Beacon>) {
        self.beacons.send_if_modified(|old| {
            let changed = *old != beacons;
            *old = beacons;
            changed
        });
    }

    /// Tells every phone that its radio is in this state. With anything but `On` nothing is heard.
    pub fn set_adapter(&self, state: AdapterState) {
        self.adapter.send_replace(state);
    }

    /// What phones are told of their radio.
    #[must_use]
    pub fn adapter(&self) -> AdapterState {
        *self.adapter.borrow()
    }
}

async fn accept(
    listener: TcpListener,
    beacons: watch::Receiver<Vec<Beacon>>,
    adapter: watch::Receiver<AdapterState>,
    dials: mpsc::Sender<Dial>,
) {
    // The set ends its tasks when this one is aborted.
    let mut serving = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    serving.spawn(serve(stream, beacons.clone(), adapter.clone(), dials.clone()));
                }
                Err(error) => {
                    // Out of descriptors, most likely: leave the others time to end.
                    tracing::warn!(%error, "air: cannot accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = serving.join_next() => {}
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    beacons: watch::Receiver<Vec<Beacon>>,
    adapter: watch::Receiver<AdapterState>,
    dials: mpsc::Sender<Dial>,
) {
    let _ = stream.set_nodelay(true);
    let first = timeout(PREFACE_TIME, async {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await?;
        if preface != PREFACE {
            return Err(wire::WireError::Malformed);
        }
        wire::read(&mut stream).await
    });
    let Ok(Ok(first)) = first.await else { return };
    let (reader, writer) = stream.into_split();
    match first {
        Record::Watch => listen(reader, writer, beacons, adapter).await,
        Record::Monitor => monitor(reader, writer, adapter).await,
        Record::Connect { address, mtu } if (23..=517).contains(&mtu) => {
            let _ = dials.send(Dial { address, mtu, reader, writer }).await;
        }
        _ => {}
    }
}

/// Resolves when the client closes (or breaks the rules by sending).
async fn closed(mut reader: OwnedReadHalf) {
    let mut byte = [0; 1];
    let _ = reader.read(&mut byte).await;
}

async fn listen(
    reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    mut beacons: watch::Receiver<Vec<Beacon>>,
    adapter: watch::Receiver<AdapterState>,
) {
    let advertise = async {
        let mut tick = interval(INTERVAL);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                changed = beacons.changed() => if changed.is_err() { return },
            }
            let heard = beacons.borrow_and_update().clone();
            if *adapter.borrow() != AdapterState::On {
                continue;
            }
            for Beacon { address, rssi, payload } in heard {
                if wire::write(&mut writer, &Record::Sighting { address, rssi, payload }).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = advertise => {}
        () = closed(reader) => {}
    }
}

async fn monitor(
    reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    mut adapter: watch::Receiver<AdapterState>,
) {
    let report = async {
        loop {
            let state = *adapter.borrow_and_update();
            if wire::write(&mut writer, &Record::Adapter(state)).await.is_err()
                || adapter.changed().await.is_err()
            {
                return;
            }
        }
    };
    tokio::select! {
        () = report => {}
        () = closed(reader) => {}
    }
}

/// A phone that wants a link.
pub struct Dial {
    address: [u8; 6],
    mtu: u16,
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
}

impl Dial {
    /// Whom it calls.
    #[must_use]
    pub fn address(&self) -> [u8; 6] {
        self.address
    }

    /// The phone's largest ATT MTU, 23 to 517.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Turns the call down.
    pub async fn refuse(mut self, reason: RefuseReason) {
        let _ = wire::write(&mut self.writer, &Record::Refused(reason.code())).await;
    }

    /// Takes the call with this ATT MTU.
    ///
    /// # Errors
    /// When the phone has gone.
    pub async fn accept(mut self, mtu: u16) -> io::Result<Central> {
        wire::write(&mut self.writer, &Record::Connected { mtu })
            .await
            .map_err(|error| io::Error::new(io::ErrorKind::ConnectionAborted, error.to_string()))?;
        let (requests_in, requests) = mpsc::channel(1);
        let (records, mut outgoing) = mpsc::channel::<Record>(BACKLOG);
        let Self { mut reader, mut writer, .. } = self;
        let reading = tokio::spawn(async move {
            while let Ok(record) = wire::read(&mut reader).await {
                let request = match record {
                    Record::Subscribe => CentralRequest::Subscribe,
                    Record::Read => CentralRequest::Read,
                    Record::Write(frame) => CentralRequest::Write(frame),
                    _ => return,
                };
                if requests_in.send(request).await.is_err() {
                    return;
                }
            }
        });
        // Ends, and with it the TCP connection, when every sender is gone.
        tokio::spawn(async move {
            while let Some(record) = outgoing.recv().await {
                if wire::write(&mut writer, &record).await.is_err() {
                    return;
                }
            }
        });
        Ok(Central { requests, sender: CentralSender { records }, reading })
    }
}

/// What a phone asks for on its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CentralRequest {
    /// Subscribe to `tx`: answer with [`CentralSender::subscribed`].
    Subscribe,
    /// Read `tx`: answer with [`CentralSender::value`].
    Read,
    /// Write one frame to `rx`: answer with [`CentralSender::written`].
    Write(Vec<u8>),
}

/// The peripheral's end of a link. Dropping it, and every sender of it, hangs up.
pub struct Central {
    requests: mpsc::Receiver<CentralRequest>,
    sender: CentralSender,
    reading: JoinHandle<()>,
}

impl Drop for Central {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Central {
    /// The phone's next request; none when it has gone. Cancel-safe.
    pub async fn request(&mut self) -> Option<CentralRequest> {
        self.requests.recv().await
    }

    /// The way back. It keeps the connection open as long as it lives.
    #[must_use]
    pub fn sender(&self) -> CentralSender {
        self.sender.clone()
    }
}

/// Answers and notifications to a phone. All are lost silently when it has gone.
#[derive(Clone)]
pub struct CentralSender {
    records: mpsc::Sender<Record>,
}

impl CentralSender {
    /// Confirms a subscription.
    pub async fn subscribed(&self) {
        let _ = self.records.send(Record::Subscribed).await;
    }

    /// Answers a read, at most 512 bytes.
    pub async fn value(&self, bytes: Vec<u8>) {
        let _ = self.records.send(Record::Value(bytes)).await;
    }

    /// Answers a write: 0, or an ATT error code.
    pub async fn written(&self, status: u8) {
        let _ = self.records.send(Record::Written(status)).await;
    }

    /// Notifies `tx`.
    pub async fn notify(&self, frame: Vec<u8>) {
        let _ = self.records.send(Record::Notify(frame)).await;
    }
}
