//! What of this machine the app depends on, and whether it is there: facts for a support desk, with no secret and
//! nothing of what the customer has.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use postern_api::account::HubInfo;
use postern_core::{
    effect::{Auth, HttpRequest, Method},
    event::HttpFailure,
};
use postern_radio::AdapterState;
use postern_vault::{ProfileLock, Secrets, VaultError, keyring::KeyringSecrets};
use serde::Serialize;

use crate::{
    clock,
    http::Http,
    options::{Options, SecretsChoice},
};

/// How long to listen for lockers.
const LISTEN: Duration = Duration::from_secs(3);
/// Longest wait for a radio to say in what state it is.
const ADAPTER: Duration = Duration::from_secs(2);
/// Clocks that differ by more than this make trouble: short-lived tokens seem to have ended, or not to have begun.
const SKEW: i64 = 120;
/// What is written to and read from the keyring to see that it works.
const PROBE: &str = "doctor";

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Can secrets be kept?
    pub keyring: Keyring,
    /// Can the profile's folder be written?
    pub profile: Profile,
    /// Does the hub answer?
    pub hub: Hub,
    /// Can lockers be heard?
    pub radio: Radio,
    /// Is the clock right?
    pub clock: Clock,
}

/// Can secrets be kept?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Keyring {
    /// Yes: one was written, read and forgotten in so many milliseconds.
    Ok {
        /// Milliseconds.
        took_ms: u64,
    },
    /// None is there.
    Absent {
        /// In the platform's words.
        reason: String,
    },
    /// Locked.
    Locked,
    /// It is there and fails.
    Failed {
        /// In the platform's words.
        reason: String,
    },
}

/// Can the profile's folder be written?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Profile {
    /// Yes.
    Ok,
    /// Another process has it open, which is well.
    InUse,
    /// No.
    Failed {
        /// In the platform's words.
        reason: String,
    },
}

/// Does the hub answer?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Hub {
    /// Yes.
    Ok {
        /// The operator's name; untrusted text.
        name: String,
        /// Milliseconds to the answer.
        took_ms: u64,
    },
    /// Nobody answers.
    Unreachable,
    /// Who answers cannot prove to be it.
    Untrusted,
    /// What answers is no Postern hub.
    NotPostern,
    /// It speaks another version of the contract.
    OtherVersion {
        /// Which.
        api: u32,
    },
}

/// Can lockers be heard?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Radio {
    /// Yes, and so many were heard in three seconds.
    On {
        /// Lockers heard.
        lockers: usize,
    },
    /// The platform did not say.
    Unknown,
    /// Switched off.
    Off,
    /// None.
    Absent,
    /// The app may not use it.
    Denied,
    /// A search needs the location, which is switched off.
    LocationOff,
}

/// Is the clock right?
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Clock {
    /// Yes.
    Ok,
    /// No.
    Skewed {
        /// Seconds that this machine is ahead of the hub.
        seconds: i64,
    },
    /// Without a hub nobody can say.
    Unknown,
}

/// Looks at everything, at the same time. Needs no session and changes nothing.
pub async fn diagnose(options: &Options) -> Diagnosis {
    let (keyring, profile, (hub, clock), radio) =
        tokio::join!(keyring(options), profile(options), hub(options), radio(options));
    Diagnosis { keyring, profile, hub, radio, clock }
}

async fn keyring(options: &Options) -> Keyring {
    let started = Instant::now();
    let probed = match &options.secrets {
        SecretsChoice::Given(secrets) => probe(secrets.as_ref()).await,
        SecretsChoice::Keyring => match KeyringSecrets::new(options.account.clone()) {
            Ok(secrets) => probe(&secrets).await,
            Err(error) => Err(error),
        },
    };
    match probed {
        Ok(()) => Keyring::Ok { took_ms: since(started) },
        Err(VaultError::Locked) => Keyring::Locked,
        Err(VaultError::Absent(reason)) => Keyring::Absent { reason },
        Err(error) => Keyring::Failed { reason: error.to_string() },
    }
}

async fn probe(secrets: &dyn Secrets) -> Result<(), VaultError> {
    let value = clock::unix_ms().to_be_bytes();
    secrets.set(PROBE, &value).await?;
    let read = secrets.get(PROBE).await?;
    secrets.delete(PROBE).await?;
    if read.is_some_and(|read| read.as_slice() == value) {
        Ok(())
    } else {
        Err(VaultError::Keyring("what was written is not what was read".into()))
    }
}

async fn profile(options: &Options) -> Profile {
    let folder = options.folder.clone();
    match tokio::task::spawn_blocking(move || ProfileLock::acquire(&folder)).await {
        Ok(Ok(Some(_))) => Profile::Ok,
        Ok(Ok(None)) => Profile::InUse,
        Ok(Err(error)) => Profile::Failed { reason: error.to_string() },
        Err(error) => Profile::Failed { reason: error.to_string() },
    }
}

async fn hub(options: &Options) -> (Hub, Clock) {
    let http = Http::new(options.roots.clone());
    let started = Instant::now();
    let request = HttpRequest {
        method: Method::Get,
        url: format!("{}/.well-known/postern", options.hub.trim_end_matches('/')),
        body: None,
        auth: Auth::None,
        idempotency_key: None,
    };
    let response = match http.send(&request, None).await {
        Ok(response) => response,
        Err(HttpFailure::Tls) => return (Hub::Untrusted, Clock::Unknown),
        Err(HttpFailure::Unreachable | HttpFailure::TimedOut) => return (Hub::Unreachable, Clock::Unknown),
    };
    let Some(info) = response.body.read::<HubInfo>() else {
        return (Hub::NotPostern, Clock::Unknown);
    };
    let seconds = clock::unix_ms().div_euclid(1000).saturating_sub(info.now);
    let clock = if seconds.abs() > SKEW { Clock::Skewed { seconds } } else { Clock::Ok };
    let hub = if info.speaks(postern_api::VERSION) {
        Hub::Ok { name: info.name, took_ms: since(started) }
    } else {
        Hub::OtherVersion { api: info.api }
    };
    (hub, clock)
}

async fn radio(options: &Options) -> Radio {
    let mut states = options.radio.adapter();
    let known = states.wait_for(|state| *state != AdapterState::Unknown);
    let state = match tokio::time::timeout(ADAPTER, known).await {
        Ok(Ok(state)) => *state,
        _ => AdapterState::Unknown,
    };
    match state {
        AdapterState::Off => return Radio::Off,
        AdapterState::Absent => return Radio::Absent,
        AdapterState::Denied => return Radio::Denied,
        AdapterState::LocationOff => return Radio::LocationOff,
        AdapterState::On | AdapterState::Unknown => {}
    }
    let Ok(mut sightings) = options.radio.sightings().await else { return Radio::Unknown };
    let mut heard = HashSet::new();
    let listen = async {
        while let Some(sighting) = sightings.next().await {
            heard.insert(sighting.advertisement.short_id);
        }
    };
    let _ = tokio::time::timeout(LISTEN, listen).await;
    Radio::On { lockers: heard.len() }
}

fn since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
