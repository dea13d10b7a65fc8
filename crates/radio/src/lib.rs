//! The port to the air: who is near, and a link to one of them that carries whole protocol messages.
//!
//! Two implementations: `ble` (btleplug) and `air` (the same service over TCP, for machines without Bluetooth). One
//! conformance suite (`conformance`) runs against both. Fragmentation (PROTOCOL.md, frames) happens in here.
#![cfg_attr(not(any(target_os = "macos", target_os = "ios")), forbid(unsafe_code))]
#![deny(unsafe_code)]

pub mod air;
#[cfg(feature = "ble")]
pub mod ble;
#[cfg(feature = "conformance")]
pub mod conformance;
mod link;
mod memory;
pub mod phone;

use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use postern_protocol::{LockerId, gatt::Advertisement};
use tokio::sync::watch;

/// Whether the radio can be used, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterState {
    /// Not known yet.
    Unknown,
    /// Ready.
    On,
    /// There, but switched off.
    Off,
    /// This machine has none.
    Absent,
    /// The app may not use it.
    Denied,
    /// The platform counts a search as use of the location, whose switch is off (Android up to 11).
    LocationOff,
}

impl AdapterState {
    /// Nothing that is known speaks against trying.
    #[must_use]
    pub fn may_work(self) -> bool {
        matches!(self, Self::On | Self::Unknown)
    }
}

/// One advertisement heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// What the locker says of itself; the short id is not proof, the handshake is.
    pub advertisement: Advertisement,
    /// Signal strength in dBm, if the platform knows.
    pub rssi: Option<i16>,
}

/// How far a connection attempt is, for honest progress on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Looking for the locker.
    Searching,
    /// Heard it.
    Sighted,
    /// Connected.
    Connected,
    /// Subscribed: the HELLO is next.
    Subscribed,
}

/// What can go wrong between phone and locker, below the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RadioError {
    /// The adapter is off, absent or denied.
    #[error("radio unavailable: {0:?}")]
    Unavailable(AdapterState),
    /// The locker was not heard before the deadline.
    #[error("locker not in range")]
    NotFound,
    /// The locker was heard and takes no connection now.
    #[error("locker busy")]
    Busy,
    /// The link ended.
    #[error("link lost: {0}")]
    Lost(String),
    /// The other side breaks the framing rules.
    #[error("frame error: {0}")]
    Frame(String),
}

/// The port. Cancelling any future of it (by dropping it) leaks neither a scan nor a connection.
#[async_trait::async_trait]
pub trait Radio: Send + Sync {
    /// The adapter's state, now and as it changes.
    fn adapter(&self) -> watch::Receiver<AdapterState>;

    /// Asks the customer whether the radio may be used, where the platform wants that and nobody has asked them, and waits
    /// for what they say: for as long as they take. Says nothing of the answer; [`Radio::adapter`] does.
    async fn ready(&self) {}

    /// Lockers in range, until the stream is dropped.
    async fn sightings(&self) -> Result<BoxStream<'static, Sighting>, RadioError>;

    /// Finds the locker by service and short id, connects and subscribes.
    async fn connect(
        &self,
        locker: LockerId,
        deadline: Instant,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Box<dyn Link>, RadioError>;
}

/// A live connection. Dropping it disconnects.
#[async_trait::async_trait]
pub trait Link: Send {
    /// The next whole message from the locker; the first is its HELLO. Cancel-safe.
    async fn receive(&mut self) -> Result<Vec<u8>, RadioError>;
    /// Sends one whole message (at most `postern_protocol::frame::MAX_MESSAGE` bytes).
    async fn send(&mut self, message: &[u8]) -> Result<(), RadioError>;
    /// Ends the connection and waits until the platform has let go of it.
    async fn close(self: Box<Self>);
}

/// How long a link may be silent in the middle of a message before it counts as lost (PROTOCOL.md, frames).
pub const FRAGMENT_GAP: Duration = Duration::from_secs(1);

/// A radio by name: `ble`, `ble:hci0` (that adapter), or `air:HOST:PORT`.
///
/// # Errors
/// With what the name should have been.
pub fn open(name: &str) -> Result<std::sync::Arc<dyn Radio>, BadRadioName> {
    let bad = || BadRadioName(name.to_owned());
    match name.split_once(':').map_or((name, None), |(kind, rest)| (kind, Some(rest))) {
        #[cfg(feature = "ble")]
        ("ble", adapter) if adapter != Some("") => Ok(std::sync::Arc::new(ble::BleRadio::new(adapter))),
        ("air", Some(endpoint))
            if endpoint.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) =>
        {
            Ok(std::sync::Arc::new(air::AirRadio::new(endpoint)))
        }
        _ => Err(bad()),
    }
}

/// Not the name of a radio.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no radio: ble, ble:ADAPTER or air:HOST:PORT")]
pub struct BadRadioName(String);
