//! What the core asks the world to do. Carried out by `postern-runtime`; the seeded world has its own.

use zeroize::Zeroizing;

use crate::event::Ticket;

/// What is to be sealed: a whole state, or a change of one.
pub type Sealed = Zeroizing<Vec<u8>>;

/// One thing to do. Effects come out in the order in which they are to begin; `Save`, `Append`, `SaveSession` and `Wipe`
/// are complete before the next one begins.
pub enum Effect {
    /// An HTTP request to the hub.
    Http {
        /// For the answer.
        ticket: Ticket,
        /// What to send.
        request: HttpRequest,
    },
    /// Open (with this access token) or close the push connection.
    Push(Option<PushTarget>),
    /// Listen on the loopback interface for the sign-in redirect, until `StopListening`: a request that is not ours
    /// does not end the wait.
    ListenForRedirect,
    /// Stop listening.
    StopListening,
    /// Open the system browser.
    OpenBrowser {
        /// An https or loopback http URL that the core composed.
        url: String,
    },
    /// Sign with the device key.
    Sign {
        /// For the answer.
        ticket: Ticket,
        /// The bytes.
        message: Vec<u8>,
    },
    /// Something for the radio.
    Radio(RadioCommand),
    /// Replace the sealed state on disk. It must be there before any later effect begins: an opening is written down
    /// before OPEN leaves, so that after a crash the app still knows that a door may be open. Where it cannot be
    /// written, `Event::NotSaved` says so.
    Save(Sealed),
    /// Add this to the sealed state on disk, after everything that is there; otherwise as `Save`.
    Append(Sealed),
    /// Replace the session secret in the keyring; an empty one is forgotten.
    SaveSession(Zeroizing<Vec<u8>>),
    /// Wipe session, state and device key; make a new key; answer with a new `Event::Vault`.
    Wipe,
    /// Open the vault again (`memory_only` where the customer accepted that).
    OpenVault {
        /// Without a keyring.
        memory_only: bool,
    },
    /// Show a notification of the platform.
    Notify(Notification),
    /// These are the reminders to come, instead of those that were said before. A platform that stops the app in the
    /// background shows them at their time, and does without the `Notify` that would say the same; one that does not may
    /// pass over this.
    Remind(Vec<Reminder>),
}

/// An HTTP request to the hub.
#[derive(Clone)]
pub struct HttpRequest {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: String,
    /// Body, if any.
    pub body: Option<Body>,
    /// How it is authorised.
    pub auth: Auth,
    /// `Idempotency-Key`, for writes.
    pub idempotency_key: Option<String>,
}

/// Methods used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

/// Bodies used.
#[derive(Clone)]
pub enum Body {
    /// `application/json`.
    Json(Zeroizing<Vec<u8>>),
    /// `application/x-www-form-urlencoded`.
    Form(Zeroizing<Vec<u8>>),
}

/// How a request is authorised (RFC 9449).
#[derive(Clone)]
pub enum Auth {
    /// Not at all.
    None,
    /// A DPoP proof only (token endpoint).
    Proof,
    /// A DPoP proof and this access token.
    Token(Zeroizing<String>),
}

/// Where the push connection goes.
#[derive(Clone)]
pub struct PushTarget {
    /// Absolute URL.
    pub url: String,
    /// The access token.
    pub access_token: Zeroizing<String>,
}

/// Commands to the radio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RadioCommand {
    /// Reach lockers over TCP at this endpoint (`host:port`) from now on, as in a network for trying things out; with none, by
    /// the device's own radio. What was under way ends. Comes before every other command: no radio is touched until then.
    Use(Option<String>),
    /// Report sightings, or stop.
    Watch(bool),
    /// Find, connect, subscribe; then messages flow. Only one attempt stands at a time.
    Dial {
        /// A number of the core's choosing.
        attempt: u64,
        /// Locker id.
        locker: [u8; 8],
        /// Give up after this many milliseconds.
        timeout_ms: u64,
    },
    /// Send one message on it.
    Send {
        /// Which.
        attempt: u64,
        /// The message.
        bytes: Vec<u8>,
    },
    /// End it.
    HangUp {
        /// Which.
        attempt: u64,
    },
}

/// A notification, as a code and values; the platform layer has the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What it says.
    pub kind: NotificationKind,
    /// The reservation it concerns.
    pub reservation: Option<String>,
    /// The title of the reservation, untrusted text.
    pub title: Option<String>,
    /// The door's label.
    pub door: Option<String>,
    /// How it has to be kept, where somebody may have to hurry or be careful for it.
    pub care: Option<CareNote>,
}

/// How a parcel has to be kept, in a notification. A platform may show that without knowing the time zone, so it is told how long and
/// not until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CareNote {
    /// It is kept chilled.
    pub chilled: bool,
    /// It is kept frozen.
    pub frozen: bool,
    /// It breaks easily.
    pub fragile: bool,
    /// Minutes that it keeps from when the notification is shown.
    pub keeps_minutes: Option<u32>,
}

/// A reminder to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// The same for the same reminder, whenever it is said again; above zero.
    pub id: i32,
    /// When, UNIX seconds.
    pub at: i64,
    /// What it says.
    pub notification: Notification,
}

impl NotificationKind {
    /// Known ahead, and among the [`Effect::Remind`] of before.
    #[must_use]
    pub fn is_reminder(self) -> bool {
        matches!(self, Self::Deadline | Self::Habit | Self::Overdue)
    }
}

/// Kinds of notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationKind {
    /// A parcel is ready.
    Ready,
    /// A deadline comes near.
    Deadline,
    /// A usual moment to collect.
    Habit,
    /// A door was left open.
    DoorLeftOpen,
    /// A lent thing is late.
    Overdue,
    /// This device was removed.
    Revoked,
    /// A report was answered.
    ReportAnswered,
}
