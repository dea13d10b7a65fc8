//! Stories in TOML: what happens to a cabinet, in which order, and what must come of it. Played in virtual time, so that a
//! day takes a moment and the same seed gives the same run, to the byte.
//!
//! ```toml
//! name = "A torn write costs nobody a parcel"
//! seed = 7
//!
//! [[step]]
//! fate.machine.power_cut = { write = 2, bytes = 5, dark_ms = 2000 }
//!
//! [[step]]
//! collect = { door = "B3" }
//! expect = { answer = "opened", door = "B3", open = true, pulses = 1, chain_whole = true }
//! ```
//!
//! A step does one thing, then expects its facts, at once or `within` so many milliseconds.

mod play;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{config::CabinetConfig, fate::Fate};

pub use play::{Report, StepReport, play};

/// A story.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// Seed of everything that happens by chance.
    #[serde(default)]
    pub seed: u64,
    /// The cabinet; the usual one when absent.
    #[serde(default)]
    pub cabinet: Option<CabinetConfig>,
    /// What happens, in order.
    pub step: Vec<Step>,
}

/// One step: at most one action, and what is expected after it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Replaces the cabinet's fate. `fate = {}` is a good day.
    pub fate: Option<Fate>,
    /// Somebody's hand.
    pub hand: Option<Hand>,
    /// A customer's gesture, with the retries of a good phone.
    pub collect: Option<Collect>,
    /// Lets so many milliseconds pass.
    pub wait: Option<u64>,
    /// Pulls the plug for so many milliseconds.
    pub power_off: Option<u64>,
    /// So many phones connect and say nothing.
    pub idlers: Option<u32>,
    /// The address changes.
    pub rotate: bool,
    /// Types the PIN of this door and epoch, or these digits.
    pub pin: Option<Pin>,
    /// Shows an opening code for this door to the scanner.
    pub scan: Option<String>,
    /// Revokes: a bulletin with this epoch for the door, carried by the next gesture.
    pub revoke: Option<Revoke>,
    /// What must be so.
    pub expect: Option<Expect>,
    /// Milliseconds in which it must become so.
    pub within: u64,
}

/// See [`Step::hand`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hand {
    /// Label of the door.
    pub door: String,
    /// close, take or put.
    pub did: HandDid,
    /// What is put in.
    #[serde(default)]
    pub what: Option<String>,
}

/// What a hand does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandDid {
    /// Closes the door.
    Close,
    /// Takes out what is inside.
    Take,
    /// Puts something in.
    Put,
}

/// See [`Step::collect`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collect {
    /// Label of the door.
    pub door: String,
    /// Epoch of the reservation.
    #[serde(default = "one")]
    pub epoch: u32,
    /// How many links the phone tries.
    #[serde(default = "attempts")]
    pub attempts: u32,
    /// The same gesture again: the token and nonce of the one before.
    #[serde(default)]
    pub again: bool,
    /// The hub's clock is so many seconds away from the real one.
    #[serde(default)]
    pub hub_skew: i64,
    /// Bind the token to the HELLO, as for a locker that lost the time.
    #[serde(default)]
    pub bound: bool,
    /// So many customers one after the other, each with a token; the answer is the last one's.
    #[serde(default = "one")]
    pub customers: u32,
}

const fn one() -> u32 {
    1
}
const fn attempts() -> u32 {
    6
}

/// See [`Step::pin`].
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Pin {
    /// These digits.
    Digits(String),
    /// The right ones.
    Of {
        /// Label of the door.
        door: String,
        /// Epoch.
        epoch: u32,
    },
}

/// See [`Step::revoke`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// Label of the door.
    pub door: String,
    /// The new epoch.
    pub epoch: u32,
}

/// Facts. Those that are named must hold, all of them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// What the last gesture came to: `opened`, `jammed`, `already_open`, `unknown`, `refused`, `throttled`, `busy`, `full`,
    /// `clock_unset`, `out_of_order`, `lost` (no answer), `turned_away`.
    pub answer: Option<String>,
    /// The door that the facts below are of.
    pub door: Option<String>,
    /// It stands open.
    pub open: Option<bool>,
    /// Its latch was pulled so often.
    pub pulses: Option<u32>,
    /// What lies inside; empty for nothing.
    pub inside: Option<String>,
    /// Receipts so far.
    pub receipts: Option<usize>,
    /// The chain verifies.
    pub chain_whole: Option<bool>,
    /// The firmware runs.
    pub on: Option<bool>,
    /// It advertises that it takes connections.
    pub accepting: Option<bool>,
    /// It advertises that its battery is low.
    pub low_battery: Option<bool>,
    /// It advertises that it does not know the time.
    pub clock_unset: Option<bool>,
    /// Links that stand.
    pub links: Option<usize>,
    /// So many log entries of a kind (`accepted`, `refused`, `disconnected` …) since the scenario began.
    pub log: BTreeMap<String, usize>,
}

/// Why a scenario cannot be played, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// Not TOML, or not of this form.
    #[error(transparent)]
    Syntax(#[from] toml::de::Error),
    /// It names a door that is not there.
    #[error("step {step}: no door {label:?}")]
    Door {
        /// Step, from 1.
        step: usize,
        /// Label.
        label: String,
    },
    /// The cabinet cannot be set up.
    #[error(transparent)]
    Setup(#[from] crate::cabinet::SetupError),
}

impl Scenario {
    /// Reads one.
    ///
    /// # Errors
    /// When the text is not of this form.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        Ok(toml::from_str(text)?)
    }
}
