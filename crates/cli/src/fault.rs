//! Why a command did not do what it was asked, for people and for scripts.

use std::process::ExitCode;

use postern_courier::{CourierError, HubError, RadioError, Refusal};
use postern_runtime::{
    OptionsError, StartError,
    vault::VaultError,
    view::{ProblemCode, ProblemView},
};
use serde_json::json;

use crate::{
    text::{self, tell},
    words,
};

/// What the process ends with. Documented in `postern --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Fault = 1,
    Usage = 2,
    NotSignedIn = 3,
    Offline = 4,
    OutOfRange = 5,
    Refused = 6,
    MayBeOpen = 7,
    Keyring = 8,
    Bluetooth = 9,
    InUse = 10,
    Stopped = 11,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why, and what now.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) exit: Exit,
    /// A stable word for scripts.
    code: String,
    /// For people: what happened and what to do.
    message: String,
    may_have_opened: bool,
    retry: bool,
    /// It stands in the one JSON document of the command.
    in_document: bool,
}

impl Fault {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            message: message.into(),
            may_have_opened: exit == Exit::MayBeOpen,
            retry: false,
            in_document: false,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    pub(crate) fn keyring_absent() -> Self {
        let message = format!(
            "There is no keyring on this machine, and Postern keeps no secret anywhere else. On a desktop, start gnome-keyring or KWallet. \
             {} `postern doctor` says more.",
            words::NO_DESKTOP
        );
        Self::new(Exit::Keyring, "keyringAbsent", message)
    }

    pub(crate) fn keyring_locked() -> Self {
        let how = if without_display() { words::NO_DESKTOP } else { "" };
        let message = format!("The keyring is locked. Unlock it and try again. {how}");
        Self::new(Exit::Keyring, "keyringLocked", message.trim_end())
    }

    /// What a customer met.
    pub(crate) fn problem(problem: &ProblemView) -> Self {
        let exit = exit_of(problem.code);
        let code = serde_json::to_value(problem.code).ok().and_then(|v| v.as_str().map(str::to_owned));
        let mut message = words::problem(problem.code).to_owned();
        if let Some(seconds) = problem.wait_seconds {
            message.push_str(&format!(" Wait {seconds} s before the next try."));
        }
        Self { retry: problem.retry, ..Self::new(exit, &code.unwrap_or_default(), message) }
    }

    /// As it stands in a JSON document, under `error`.
    fn as_json(&self) -> serde_json::Value {
        json!({ "code": self.code, "message": self.message, "mayHaveOpened": self.may_have_opened, "retry": self.retry })
    }

    /// Puts it into the one document of a command that says what it found in any case.
    pub(crate) fn into_document(mut self, document: &mut serde_json::Value) -> Self {
        document["error"] = self.as_json();
        self.in_document = true;
        self
    }

    /// Words to stderr; with `--json` also an object to stdout.
    pub(crate) fn report(&self, json: bool) {
        tell!("postern: {}", self.message);
        if json && !self.in_document {
            let object = json!({ "error": self.as_json() });
            // What failed is said already; that this cannot be written either changes nothing.
            let _ = text::to_stdout(&format!("{object}\n"));
        }
    }
}

/// Whether nobody could be asked for the password of a keyring.
pub(crate) fn without_display() -> bool {
    cfg!(target_os = "linux")
        && ["DISPLAY", "WAYLAND_DISPLAY"].iter().all(|name| std::env::var_os(name).is_none())
}

fn exit_of(code: ProblemCode) -> Exit {
    match code {
        ProblemCode::BluetoothOff
        | ProblemCode::BluetoothAbsent
        | ProblemCode::BluetoothDenied
        | ProblemCode::LocationOff => Exit::Bluetooth,
        ProblemCode::OutOfRange | ProblemCode::LockerBusy | ProblemCode::LinkLost => Exit::OutOfRange,
        ProblemCode::HubUnreachable | ProblemCode::TokenExpired | ProblemCode::LockerClockUnset => {
            Exit::Offline
        }
        ProblemCode::SignInAbandoned => Exit::Stopped,
        _ => Exit::Refused,
    }
}

impl From<OptionsError> for Fault {
    fn from(error: OptionsError) -> Self {
        Self::usage(format!("{error}."))
    }
}

impl From<StartError> for Fault {
    fn from(error: StartError) -> Self {
        match error {
            StartError::InUse => Self::new(
                Exit::InUse,
                "inUse",
                "Postern is running already with this profile. Use its window or close it, or name another profile in POSTERN_PROFILE.",
            ),
            StartError::Keyring(error) => {
                Self::new(Exit::Keyring, "keyring", format!("The keyring cannot be used: {error}."))
            }
            other => Self::new(Exit::Fault, "start", format!("Postern cannot start: {other}.")),
        }
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Absent(_) => Self::keyring_absent(),
            VaultError::Locked => Self::keyring_locked(),
            other => Self::new(Exit::Keyring, "keyring", format!("The keyring cannot be used: {other}.")),
        }
    }
}

/// What a courier met.
impl From<CourierError> for Fault {
    fn from(error: CourierError) -> Self {
        let met = |code| {
            let exit = exit_of(code);
            let name = serde_json::to_value(code).ok().and_then(|v| v.as_str().map(str::to_owned));
            Self::new(exit, &name.unwrap_or_default(), words::problem(code))
        };
        match error {
            CourierError::NotSignedIn => Self::new(
                Exit::NotSignedIn,
                "notSignedIn",
                "No courier is signed in on this device. Ask the carrier for a code and run `postern courier sign-in`.",
            ),
            CourierError::SessionEnded => Self::new(
                Exit::NotSignedIn,
                "sessionEnded",
                "The hub ended this courier's session. Ask the carrier for a new code and run `postern courier sign-in`; what the hub \
                 has not got yet is kept until then.",
            ),
            CourierError::Hub(HubError::Unreachable(_)) => met(ProblemCode::HubUnreachable),
            CourierError::Hub(HubError::Refused { code, detail, .. }) => {
                let code = code.and_then(|code| serde_json::to_value(code).ok());
                let code = code.as_ref().and_then(|code| code.as_str()).unwrap_or("hubRefused").to_owned();
                Self::new(Exit::Refused, &code, format!("The hub said no: {}.", text::safe(&detail)))
            }
            CourierError::Radio(RadioError::Unavailable(state)) => met(match state {
                postern_courier::AdapterState::Denied => ProblemCode::BluetoothDenied,
                postern_courier::AdapterState::Absent => ProblemCode::BluetoothAbsent,
                postern_courier::AdapterState::LocationOff => ProblemCode::LocationOff,
                _ => ProblemCode::BluetoothOff,
            }),
            CourierError::Radio(RadioError::NotFound) => met(ProblemCode::OutOfRange),
            CourierError::Radio(RadioError::Busy) | CourierError::Refused(Refusal::Busy) => {
                met(ProblemCode::LockerBusy)
            }
            CourierError::Radio(_) => met(ProblemCode::LinkLost),
            CourierError::Refused(Refusal::Throttled { seconds }) => {
                let mut fault = met(ProblemCode::Throttled);
                fault.message.push_str(&format!(" Wait {seconds} s before the next try."));
                fault
            }
            CourierError::Refused(_) => {
                let words = "The locker refused. If a door stands open for this parcel from a try before, close it and try \
                             again; else ask the operator.";
                Self::new(Exit::Refused, "refused", words)
            }
            CourierError::Closed(_) => met(ProblemCode::Jammed),
            CourierError::MayBeOpen => Self::new(
                Exit::MayBeOpen,
                "mayBeOpen",
                "The connection broke at the wrong moment: the door may be open. Look at it, then run the command again.",
            ),
            CourierError::Protocol(_) => met(ProblemCode::NotTheLocker),
            CourierError::Vault(error) => error.into(),
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::new(Exit::Fault, "io", error.to_string())
    }
}

impl From<postern_runtime::Ended> for Fault {
    fn from(_: postern_runtime::Ended) -> Self {
        Self::new(Exit::Fault, "ended", "Postern ended unexpectedly. POSTERN_LOG=info says more.")
    }
}
