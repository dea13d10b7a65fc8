//! What reaches the core: intents, and facts about the world.

use std::any::Any;

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::intent::Intent;

/// Correlates an answer with its effect.
pub type Ticket = u64;

/// Everything that can happen.
#[derive(Debug)]
pub enum Event {
    /// The customer wants something.
    Intent(Intent),
    /// Time passed; see `poll_timeout`.
    Tick,
    /// Answer to an HTTP effect.
    Http {
        /// Of which effect.
        ticket: Ticket,
        /// What came.
        result: Result<HttpResponse, HttpFailure>,
    },
    /// The push connection.
    Push(PushEvent),
    /// The redirect listener is ready.
    RedirectReady {
        /// The redirect URI to name in the authorization request.
        redirect_uri: String,
    },
    /// The browser came back (loopback or deep link): the full redirect URL.
    Redirected {
        /// As received; everything in it is checked.
        url: String,
    },
    /// The browser could not be opened.
    BrowserFailed,
    /// Answer to a signing effect.
    Signed {
        /// Of which effect.
        ticket: Ticket,
        /// 64 bytes, or none where the key refused (locked, biometrics declined).
        signature: Option<[u8; 64]>,
    },
    /// The radio.
    Radio(RadioEvent),
    /// The state of secrets on this device.
    Vault(VaultState),
    /// What was to be saved is not on the disk.
    NotSaved,
    /// The app came to the foreground or left it.
    Foreground(bool),
    /// A deep link (`postern://…` or a claim link) reached the app.
    DeepLink {
        /// As received; everything in it is checked.
        url: String,
    },
}

/// An HTTP answer with any status.
#[derive(Debug)]
pub struct HttpResponse {
    /// Status.
    pub status: u16,
    /// `Date` of the response as UNIX seconds, if it had one.
    pub date: Option<i64>,
    /// `ETag`, if it had one.
    pub etag: Option<String>,
    /// Body, at most 16 MiB.
    pub body: Payload,
}

/// The body of an answer: the bytes that came, or what a hub in the same process says, which is never written as JSON.
pub enum Payload {
    /// JSON.
    Bytes(Vec<u8>),
    /// A type of the contract.
    Ready(Box<dyn Any + Send + Sync>),
}

impl Payload {
    /// What it says, if it is of this type.
    pub fn read<T: DeserializeOwned + 'static>(self) -> Option<T> {
        match self {
            Self::Bytes(bytes) => serde_json::from_slice(&bytes).ok(),
            Self::Ready(ready) => ready.downcast().ok().map(|ready| *ready),
        }
    }

    /// The same, where others will want to read it too.
    pub fn peek<T: DeserializeOwned + Clone + 'static>(&self) -> Option<T> {
        match self {
            Self::Bytes(bytes) => serde_json::from_slice(bytes).ok(),
            Self::Ready(ready) => ready.downcast_ref().cloned(),
        }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// Bodies hold tokens: only their size is shown.
impl core::fmt::Debug for Payload {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Ready(_) => f.write_str("Ready(..)"),
        }
    }
}

/// No answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpFailure {
    /// No network, name, route or listener.
    Unreachable,
    /// No answer in time. The request may have been carried out.
    TimedOut,
    /// The certificate is not good.
    Tls,
}

/// The push connection (server-sent events).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushEvent {
    /// It stands.
    Connected,
    /// Something changed.
    Poke,
    /// It ended; the core decides when to try again.
    Lost,
    /// The hub refused the credentials.
    Unauthenticated,
}

/// Facts from the radio. `attempt` is the number that the core gave the dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RadioEvent {
    /// The adapter changed.
    Adapter(Adapter),
    /// A locker was heard: its short id (first four bytes) and strength.
    Sighted {
        /// Short id.
        short_id: [u8; 4],
        /// dBm, if known.
        rssi: Option<i16>,
    },
    /// Progress of a dial.
    Progress {
        /// Which dial.
        attempt: u64,
        /// How far.
        stage: DialStage,
    },
    /// A whole message from the locker; the first is its HELLO.
    Message {
        /// Which dial.
        attempt: u64,
        /// The message.
        bytes: Vec<u8>,
    },
    /// The dial failed or the link ended.
    Ended {
        /// Which dial.
        attempt: u64,
        /// Why.
        reason: EndReason,
    },
}

/// State of the adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// Not known yet.
    Unknown,
    /// Ready.
    On,
    /// Off.
    Off,
    /// None on this machine.
    Absent,
    /// The app may not use it.
    Denied,
    /// A search counts as use of the location, which is switched off (Android up to 11).
    LocationOff,
}

/// How far a dial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialStage {
    /// The system asks the customer whether the app may use the radio: nothing is searched for before they have answered.
    Asking,
    /// They have answered, and the search begins.
    Searching,
    /// Heard.
    Sighted,
    /// Connected.
    Connected,
    /// Subscribed.
    Subscribed,
}

/// Why a dial or link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Not heard before the deadline.
    NotFound,
    /// It takes no connection now.
    Busy,
    /// The link broke.
    Lost,
    /// Framing rules broken.
    Frame,
    /// The adapter went away.
    Adapter(Adapter),
    /// We hung up.
    HungUp,
}

/// Secrets on this device.
#[derive(Clone)]
pub enum VaultState {
    /// Open.
    Open(Opened),
    /// No keyring on this machine.
    Absent,
    /// The keyring is locked.
    Locked,
    /// The sealed store was damaged and put aside; what is given is empty.
    Damaged(Opened),
}

/// What an opened vault holds.
#[derive(Clone)]
pub struct Opened {
    /// True where nothing outlives the process.
    pub memory_only: bool,
    /// RFC 7638 thumbprint of the device key, base64url.
    pub device_thumbprint: String,
    /// Public key and algorithm of the device key.
    pub device_key: DeviceKey,
    /// What `Effect::Save` last stored, and what each `Effect::Append` added since; empty if nothing ever was.
    pub state: Vec<Zeroizing<Vec<u8>>>,
    /// What `Effect::SaveSession` last stored.
    pub session: Option<Zeroizing<Vec<u8>>>,
}

/// A public device key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceKey {
    /// Ed25519.
    Ed25519([u8; 32]),
    /// P-256, compressed SEC1.
    P256([u8; 33]),
}

impl core::fmt::Debug for VaultState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Open(_) => "Open(..)",
            Self::Absent => "Absent",
            Self::Locked => "Locked",
            Self::Damaged(_) => "Damaged(..)",
        })
    }
}
