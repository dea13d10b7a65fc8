//! What is to be seen of an opening, and everything that can go wrong.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// An opening under way or just ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct OpeningView {
    /// The reservation whose door it is.
    pub reservation: String,
    /// Locker id.
    pub locker: String,
    /// Door number.
    pub door: u16,
    /// Untrusted text.
    pub label: String,
    /// Where this one stands among several: 1-based.
    pub index: u16,
    /// How many doors in all.
    pub total: u16,
    /// All doors of this opening, in order.
    pub doors: Vec<OpeningDoorView>,
    /// How far it is.
    pub phase: OpeningPhase,
    /// Cancelling would still keep the door shut.
    pub can_cancel: bool,
    /// UNIX milliseconds of the gesture.
    pub started_at_ms: i64,
    /// Milliseconds from the gesture to the receipt, once there is one.
    pub opened_after_ms: Option<u32>,
    /// The door stood open before, as its sensor says: where it is shut, the sensor is wrong.
    pub already_open: bool,
}

/// One of the doors of an opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct OpeningDoorView {
    /// The reservation whose door it is.
    pub reservation: String,
    /// Door number.
    pub door: u16,
    /// Untrusted text.
    pub label: String,
    /// What is known of it.
    pub state: OpeningDoorState,
}

/// A door that this device opened and that is not closed, as far as is known. It stays in sight on every screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct OpenDoorView {
    /// The reservation whose door it is.
    pub reservation: String,
    /// Locker id.
    pub locker: String,
    /// Door number.
    pub door: u16,
    /// Untrusted text.
    pub label: String,
    /// When its receipt came, UNIX seconds.
    pub since: i64,
    /// It has been open for too long.
    pub left_open: bool,
}

/// What is known of a door in an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum OpeningDoorState {
    /// Its turn has not come.
    Waiting,
    /// Under way.
    Current,
    /// A receipt says that it opened.
    Opened,
    /// It opened and was closed.
    Closed,
    /// It may be open.
    MayBeOpen,
    /// It did not open.
    Failed,
}

/// How far an opening is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum OpeningPhase {
    /// Looking for the locker.
    Searching,
    /// Heard it, connecting.
    Connecting,
    /// Checking that it is the right locker, and proving ourselves.
    Proving,
    /// OPEN has left: the door may move any moment.
    Asked,
    /// A receipt says that it opened.
    Opened {
        /// Seconds left in which it can be opened again.
        reopen_seconds: Option<u32>,
        /// It has been open for too long.
        left_open: bool,
    },
    /// The door closed again.
    Closed {
        /// Seconds left in which it can be opened again.
        reopen_seconds: Option<u32>,
    },
    /// The link broke after OPEN had left: the door may be open.
    MayBeOpen {
        /// Being found out now.
        asking: bool,
    },
    /// It did not open, and will not.
    Failed {
        /// Why and what now.
        problem: ProblemView,
    },
    /// The next of several doors waits for a fresh gesture (`continueOpening`).
    NextDoor,
    /// Stopped by the customer, nothing moved.
    Cancelled,
}

/// What went wrong, and what decides what comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ProblemView {
    /// The code that the words are chosen by.
    pub code: ProblemCode,
    /// Another try makes sense.
    pub retry: bool,
    /// Seconds to wait before it.
    pub wait_seconds: Option<u32>,
}

/// Everything that a customer can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum ProblemCode {
    /// Bluetooth is off.
    BluetoothOff,
    /// This machine has no Bluetooth.
    BluetoothAbsent,
    /// The app may not use Bluetooth.
    BluetoothDenied,
    /// A search needs the location, which is switched off.
    LocationOff,
    /// Not heard.
    OutOfRange,
    /// All its connections are taken.
    LockerBusy,
    /// The link broke before anything was asked.
    LinkLost,
    /// Something with the locker's name is not the locker.
    NotTheLocker,
    /// The locker refused. It says no more than that.
    Refused,
    /// The latch did not move, tried twice.
    Jammed,
    /// The locker asks to wait.
    Throttled,
    /// The locker has no room to remember this access, until other access to the door ends.
    LockerFull,
    /// Token ended and no network.
    TokenExpired,
    /// The locker has lost its clock and needs a fresh token, and there is no network.
    LockerClockUnset,
    /// The gesture is too old.
    GestureTooOld,
    /// The device key refused to sign.
    KeyRefused,
    /// The hub cannot be reached.
    HubUnreachable,
    /// Not a Postern hub.
    WrongHub,
    /// The clocks differ too much.
    ClockSkew,
    /// The browser was closed or nothing came back.
    SignInAbandoned,
    /// Something that is not our sign-in came back.
    SignInMismatch,
    /// The hub refused.
    SignInRefused,
    /// The system browser could not be opened.
    BrowserFailed,
    /// The hub says no.
    HubRefused,
    /// The hub has a fault.
    HubFault,
    /// The locker or the app needs an update.
    VersionMismatch,
    /// It changed in the meantime, so that this can no longer be done.
    ChangedMeanwhile,
    /// The limit that the operator set is reached.
    LimitReached,
    /// The account, or all customers together, have their share of the place's compartments already.
    FairShare,
    /// Something may still lie in the compartment.
    SomethingInside,
    /// No compartment of that size is free there.
    NoCompartment,
    /// No compartment there keeps the parcel as it has to be kept.
    NoClimate,
    /// The parcel does not keep for so long.
    KeepsNoLonger,
    /// The link was used, taken back, or has ended.
    ClaimEnded,
    /// What was scanned is no invitation or no access of this network, or is not for this device.
    InvitationInvalid,
    /// The operator does not let this be passed on in person.
    NotDelegable,
    /// Not an e-mail address.
    NotAnAddress,
    /// Not the code that was mailed.
    WrongCode,
    /// The code that was mailed was used, is over, or was guessed at too often.
    CodeEnded,
    /// The passkey is the last way into the account.
    LastWayIn,
    /// Compartments are to be given back, and returns cancelled, before the account can be deleted.
    GiveBackFirst,
    /// The invitation was used, withdrawn or is over, or there is none with this code.
    HomeEnded,
    /// The code of an invitation is mistyped.
    HomeMistyped,
    /// The customer lives in another flat of the same place.
    HomeOther,
    /// Compartments there are to be given back before the customer can leave.
    HomeHolds,
}
