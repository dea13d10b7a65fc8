//! The one picture of everything that a window or a terminal draws. Facts and codes, never words: languages live
//! outside. TypeScript types are generated from these.

mod account;
mod care;
mod opening;

use std::{borrow::Cow, fmt};

use postern_api::report::OwnReport;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use self::{
    account::{
        AccountProblemView, AccountView, AddressSite, DeviceView, EmailView, HomeOfferView, HomeView,
        PasskeyView, SessionView,
    },
    care::CareView,
    opening::{
        OpenDoorView, OpeningDoorState, OpeningDoorView, OpeningPhase, OpeningView, ProblemCode, ProblemView,
    },
};

/// Everything that is to be seen now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct View {
    /// Who is signed in.
    pub session: SessionView,
    /// Base URL of the hub that a sign-in would use.
    pub hub: String,
    /// It is a network for trying things out: its lockers and doors are simulated.
    pub test_network: bool,
    /// Whether the hub can be reached.
    pub network: NetworkView,
    /// Whether Bluetooth can be used.
    pub bluetooth: BluetoothView,
    /// Secrets on this device.
    pub vault: VaultView,
    /// False until the first answer of the hub or the first cached state is there.
    pub loaded: bool,
    /// All reservations, in the order in which a list shows them: what can be done now first, then by deadline.
    pub reservations: Vec<ReservationView>,
    /// Lockers of these reservations.
    pub lockers: Vec<LockerView>,
    /// A locker in range with something for the customer.
    pub nearby: Option<NearbyView>,
    /// The opening that is under way or just ended.
    pub opening: Option<OpeningView>,
    /// Reservations that only a newer version of this app can show.
    pub newer: Vec<NewerView>,
    /// Doors that this device opened and that are not closed, as far as is known; the one that was opened first comes
    /// first.
    pub open_doors: Vec<OpenDoorView>,
    /// The opening code that is being shown.
    pub opening_code: Option<OpeningCodeView>,
    /// A share that was just made, to hand over.
    pub share_offer: Option<ShareOfferView>,
    /// Why access could not be passed on in person.
    pub share_problem: Option<ProblemView>,
    /// This device's invitation, while it is shown.
    pub invitation: Option<QrView>,
    /// Sites that were looked for.
    pub sites: Option<SitesView>,
    /// Shared things that were looked for.
    pub lending: Option<LendingView>,
    /// What was learnt on this device about when the customer usually collects.
    pub habits: Vec<HabitView>,
    /// Receipts, newest first.
    pub receipts: Vec<ReceiptView>,
    /// What waits for a network.
    pub outbox: Vec<OutboxView>,
    /// Settings kept by the core.
    pub settings: SettingsView,
    /// Things to tell once.
    pub notices: Vec<NoticeView>,
    /// The account, for its owner; none for guests and while nobody is signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub account: Option<AccountView>,
    /// An invitation to a flat that waits for the customer's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub home_offer: Option<HomeOfferView>,
    /// UNIX seconds for which this view holds.
    pub now: i64,
}

/// The name that the hub's contract gives to a value of an enum.
pub(crate) struct Name<'a, T>(pub(crate) &'a T);

impl<T: Serialize> fmt::Display for Name<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.serialize(f)
    }
}

impl View {
    /// What is to be seen before anything is known.
    pub fn empty(now: i64) -> Self {
        Self {
            session: SessionView::SignedOut { problem: None },
            hub: String::new(),
            test_network: false,
            network: NetworkView::Unknown,
            bluetooth: BluetoothView::Unknown,
            vault: VaultView::Opening,
            loaded: false,
            reservations: Vec::new(),
            newer: Vec::new(),
            lockers: Vec::new(),
            nearby: None,
            opening: None,
            open_doors: Vec::new(),
            opening_code: None,
            share_offer: None,
            share_problem: None,
            invitation: None,
            sites: None,
            lending: None,
            habits: Vec::new(),
            receipts: Vec::new(),
            outbox: Vec::new(),
            settings: SettingsView::default(),
            notices: Vec::new(),
            account: None,
            home_offer: None,
            now,
        }
    }
}

/// A reservation of which this version can tell no more than its title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct NewerView {
    /// Reservation id.
    pub id: String,
    /// Untrusted text; empty where it has none.
    pub title: String,
}

/// Whether the hub can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum NetworkView {
    /// Not known yet.
    Unknown,
    /// Yes.
    Online,
    /// No; everything fetched works.
    Offline {
        /// UNIX seconds of the last contact, if there was one.
        since: Option<i64>,
    },
    /// Something answers there that is not a Postern hub.
    WrongHub,
    /// This device's clock differs from the hub's by this many seconds (positive: ahead).
    ClockSkew {
        /// Seconds.
        seconds: i64,
    },
    /// The hub ended this session: everything fetched works, a new sign-in brings the rest back.
    SignInAgain,
}

/// Whether Bluetooth can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum BluetoothView {
    /// Not known yet.
    Unknown,
    /// Yes.
    On,
    /// Off.
    Off,
    /// None.
    Absent,
    /// Permission missing.
    Denied,
    /// A search needs the location, which is switched off (Android up to 11).
    LocationOff,
}

/// Secrets on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum VaultView {
    /// Being opened.
    Opening,
    /// In the keyring.
    Keyring,
    /// Nothing outlives this process; the customer accepted it.
    MemoryOnly,
    /// No keyring: ask the customer.
    Absent,
    /// Locked.
    Locked,
}

/// A reservation as the customer sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ReservationView {
    /// Reservation id.
    pub id: String,
    /// Which list it belongs to.
    pub kind: KindView,
    /// Where it stands, moved on by receipts that this device has seen.
    pub state: StateView,
    /// Untrusted text.
    pub title: String,
    /// Untrusted text.
    pub carrier: String,
    /// Tracking number; untrusted text.
    pub reference: Option<String>,
    /// Where.
    pub site: Option<SiteView>,
    /// Locker id.
    pub locker: Option<String>,
    /// Door number.
    pub door: Option<u16>,
    /// Door label; untrusted text.
    pub label: Option<String>,
    /// How it has to be kept.
    pub care: Option<CareView>,
    /// UNIX seconds.
    pub until: Option<i64>,
    /// UNIX seconds.
    pub since: Option<i64>,
    /// It is the flat's, untrusted text: whoever lives there has it as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub flat: Option<String>,
    /// By a share.
    pub guest: bool,
    /// Access was given in person, and opens so often at most; the hub knows nothing of it.
    pub in_person: Option<u8>,
    /// The keypad PIN of this device. It opens the door now, also without a network and after the access has ended.
    pub pin: Option<String>,
    /// Why there is none, where a door might be opened.
    pub no_pin: Option<NoPinView>,
    /// An opening code for the scanner can be shown now (`showOpeningCode`), and would open.
    pub code: bool,
    /// Something pretended to be its locker a moment ago: nothing secret is to be typed or shown there.
    pub suspected: bool,
    /// Its state rests on somebody's word alone.
    pub unproven: bool,
    /// It is not opened before the operator has looked at the compartment.
    pub checking: bool,
    /// What the locker measured as the door was closed last, and signed: something inside, or nothing. None where it
    /// was not closed since it was opened, or cannot measure.
    pub inside: Option<bool>,
    /// What has to be said with [`Intent::Release`](crate::intent::Intent::Release), where it is offered.
    pub release: Option<ReleaseView>,
    /// The identification code, drawn.
    pub identification: Option<QrView>,
    /// UNIX seconds until which it can be opened again.
    pub reopen_until: Option<i64>,
    /// What can be done now, here, in the present network state. The first is the one action that makes sense.
    pub actions: Vec<ActionView>,
    /// Whether this device holds a token that is good now.
    pub access: AccessView,
    /// Shares given.
    pub shares: Vec<ShareView>,
    /// Chain of custody, oldest first.
    pub timeline: Vec<TimelineView>,
    /// What the customer reported about it, oldest first.
    #[ts(as = "Vec<ReportView>")]
    pub reports: Vec<OwnReport>,
    /// The locker is in range.
    pub nearby: bool,
    /// Something of the customer's about this waits for a network.
    pub waiting: bool,
}

/// Which list a reservation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum KindView {
    /// To collect.
    Pickup,
    /// To return.
    Return,
    /// My lockers.
    Storage,
}

/// Why there is no PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum NoPinView {
    /// The locker has no keypad.
    NoKeypad,
    /// The keypad does not know of this reservation yet. To open by phone or code brings it up to date.
    KeypadBehind,
    /// As many devices as a door has PINs for hold one already.
    TooManyDevices,
    /// Something pretended to be the locker.
    Suspected,
    /// It was not fetched yet, or the hub gave none.
    NotHere,
}

/// What has to be said when a compartment or a borrowed thing is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum ReleaseView {
    /// Nothing: the locker measures it.
    Measured,
    /// Whether the compartment is empty.
    AskEmpty,
    /// Whether the borrowed thing lies inside.
    AskInside,
    /// It cannot be given back now: something lies in the compartment, as the locker measured.
    SomethingInside,
    /// It cannot be given back now: the borrowed thing does not lie inside, as the locker measured.
    NothingInside,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
#[allow(missing_docs, reason = "the same as postern_api::reservation::State, plus MayBeOpen")]
pub enum StateView {
    Announced,
    InTransit,
    Ready,
    /// The link broke at the wrong moment: the door may be open.
    MayBeOpen,
    /// A receipt proves that the door opened; the customer has not said that it was taken.
    Opened,
    Collected,
    Expired,
    Returned,
    Booked,
    Deposited,
    Accepted,
    Refused,
    Held,
    Released,
    Cancelled,
}

/// Whether this device could open the door now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum AccessView {
    /// Nothing to open.
    None,
    /// A token is on this device.
    Ready {
        /// UNIX seconds at which it ends.
        until: i64,
    },
    /// Being fetched.
    Fetching,
    /// The token ended or never came, and there is no network to get another.
    NeedsNetwork,
}

/// What can be done with a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
#[allow(missing_docs, reason = "named as in postern_api::reservation::Action")]
pub enum ActionView {
    Open,
    Reopen,
    Resolve,
    ConfirmTaken,
    ConfirmPlaced,
    Extend,
    Hold,
    Cancel,
    ChangeLocker,
    Share,
    Report,
    Release,
}

/// Where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct SiteView {
    /// Untrusted text.
    pub name: String,
    /// Untrusted text.
    pub address: String,
    /// WGS 84.
    pub latitude: f64,
    /// WGS 84.
    pub longitude: f64,
}

/// A share given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ShareView {
    /// Share id.
    pub id: String,
    /// Untrusted text.
    pub name: String,
    /// UNIX seconds.
    pub until: i64,
    /// `offered`, `accepted`, `used`, `ended`.
    pub state: String,
    /// Being taken back, waiting for a network.
    pub revoking: bool,
}

/// A report of the customer's, with what was answered, as the window knows an [`OwnReport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ReportView {
    /// Report id.
    pub id: String,
    /// UNIX seconds.
    pub at: i64,
    /// `door_stuck`, `empty`, ..., as in the hub's contract.
    pub kind: String,
    /// The customer's words.
    pub note: String,
    /// How many photos went with it.
    pub photos: u32,
    /// `open`, `answered` or `solved`.
    pub state: String,
    /// Oldest first.
    pub answers: Vec<ReportAnswerView>,
}

/// An answer to a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ReportAnswerView {
    /// UNIX seconds.
    pub at: i64,
    /// Carrier or operator; untrusted text.
    pub by: String,
    /// Untrusted text of several lines.
    pub text: String,
}

/// One entry of the chain of custody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct TimelineView {
    /// UNIX seconds.
    pub at: i64,
    /// Event code, snake case, as in the hub's contract.
    pub event: String,
    /// Untrusted text, or `you`.
    pub by: Option<String>,
    /// A receipt proves it.
    pub proven: bool,
}

/// A QR code, drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct QrView {
    /// Modules a side, without quiet zone.
    pub size: u16,
    /// An SVG path in module units (`M0 0h7v1…`): dark modules.
    pub path: String,
    /// What it encodes.
    pub text: String,
}

/// A locker, for the drawing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct LockerView {
    /// Locker id.
    pub id: String,
    /// Untrusted text.
    pub name: String,
    /// Has a QR scanner.
    pub scanner: bool,
    /// Has a keypad.
    pub keypad: bool,
    /// Doors.
    pub doors: Vec<DoorView>,
}

/// A door, for the drawing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct DoorView {
    /// Door number.
    pub door: u16,
    /// Untrusted text.
    pub label: String,
    /// From the left, 0-based.
    pub column: u16,
    /// From the top, 0-based.
    pub row: u16,
    /// Height in units.
    pub height: u16,
    /// Size class as in the hub's contract: `xs`, `s`, `m`, `l`, `xl`.
    pub size: Cow<'static, str>,
    /// `floor`, `easy` or `high`.
    pub reach: Cow<'static, str>,
    /// Cooled.
    pub chilled: bool,
    /// It freezes what lies inside.
    pub frozen: bool,
}

/// Sites that were looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct SitesView {
    /// The hub has not answered yet.
    pub loading: bool,
    /// Why there is no answer.
    pub problem: Option<ProblemView>,
    /// Nearest first where a point was given.
    pub sites: Vec<FoundSiteView>,
}

/// Shared things that were looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct LendingView {
    /// The hub has not answered yet.
    pub loading: bool,
    /// Why there is no answer.
    pub problem: Option<ProblemView>,
    /// By title.
    pub things: Vec<ThingView>,
}

/// A shared thing: a tool, a book.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ThingView {
    /// Thing id.
    pub id: String,
    /// What it is.
    pub title: String,
    /// Name of the site where it lies.
    pub site: String,
    /// For how long it is lent, hours.
    pub hours: u32,
    /// It lies there now.
    pub available: bool,
}

/// A site that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct FoundSiteView {
    /// Site id.
    pub id: String,
    /// Where.
    pub site: SiteView,
    /// Opening hours, OpenStreetMap form or free text; untrusted text.
    pub hours: String,
    /// Always open.
    pub always_open: bool,
    /// `public`, `residents` or `workplace`.
    pub access: String,
    /// Reachable without steps.
    pub step_free: bool,
    /// By size.
    pub fill: Vec<FillView>,
    /// Metres from the point asked for.
    pub distance: Option<u32>,
}

/// Fill level of one size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct FillView {
    /// Size class.
    pub size: String,
    /// Doors that can be booked now.
    pub free: u32,
    /// Doors in working order.
    pub total: u32,
}

/// A time of the week at which the customer usually collects, and why the app thinks so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct HabitView {
    /// 0 is Monday, in UTC.
    pub weekday: u8,
    /// Hour of the day, 0 to 23, in UTC.
    pub hour: u8,
    /// How many collections of the last weeks it is learnt from.
    pub times: u32,
}

/// A locker in range with something for the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct NearbyView {
    /// Locker id.
    pub locker: String,
    /// Untrusted text.
    pub name: String,
    /// What can be collected there now. One gesture opens these and nothing else.
    pub collect: Vec<String>,
    /// What can be put in there now, by a gesture of its own.
    pub drop_off: Vec<String>,
    /// Compartments of one's own there, which are opened one by one.
    pub own: Vec<String>,
}

/// The opening code that is being shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct OpeningCodeView {
    /// Of which reservation.
    pub reservation: String,
    /// None while it is being signed or cannot be made.
    pub qr: Option<QrView>,
    /// UNIX milliseconds at which it is renewed.
    pub renews_at_ms: i64,
    /// Why there is none.
    pub problem: Option<ProblemView>,
}

/// A share that was just made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ShareOfferView {
    /// Of which reservation.
    pub reservation: String,
    /// Which of its shares.
    pub share: String,
    /// Untrusted text.
    pub name: String,
    /// The link to hand over; or, in person, what the guest's device reads.
    pub link: String,
    /// The same as a QR code.
    pub qr: QrView,
    /// It is for the device alone whose invitation was read, with no network.
    pub in_person: bool,
    /// When the access really ends, UNIX seconds.
    pub until: i64,
    /// How often it opens; none: as often as the guest wants.
    pub uses: Option<u8>,
    /// It can be taken back before it ends; at a locker without a network from the next visit of a phone with news on.
    pub revocable: bool,
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ReceiptView {
    /// Unique on this device.
    pub id: String,
    /// Of which reservation.
    pub reservation: String,
    /// Untrusted text.
    pub title: String,
    /// Untrusted text.
    pub locker: String,
    /// Untrusted text.
    pub label: String,
    /// `opened`, `jammed`, `already_open`, `unknown`; of a closing `closed`, `closed_present`, `closed_absent`.
    pub outcome: String,
    /// The locker's time, UNIX seconds.
    pub at: i64,
    /// The locker's clock could be trusted.
    pub time_certain: bool,
    /// Number in the locker's chain.
    pub sequence: u32,
    /// How it was asked for: `radio`, `pin`, `scanner`.
    pub source: String,
    /// The locker's signature verified on this device.
    pub verified: bool,
    /// The hub has it.
    pub delivered: bool,
}

/// Something that waits for a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct OutboxView {
    /// Unique on this device.
    pub id: u64,
    /// `receipt`, `extend`, `share`, `revokeShare`, `report`, `confirmTaken`, `confirmPlaced`, `removeDevice`, `hold`, `cancel`,
    /// `changeLocker`, `release`, `bookReturn`, `bookStorage`, `borrow`, `handOver`, `preferLowDoors`.
    pub what: String,
    /// Of which reservation.
    pub reservation: Option<String>,
    /// Why the hub refused it, if it did.
    pub problem: Option<ProblemView>,
}

/// Settings kept by the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export_to = "view.ts")]
pub struct SettingsView {
    /// Reminders before a deadline.
    pub reminders: bool,
    /// Learn pickup habits on this device.
    pub habits: bool,
    /// Ask before opening.
    pub confirm_opening: bool,
    /// Reachable doors.
    pub prefer_low_doors: bool,
    /// Lockers in range are listened for while the home screen is seen.
    pub nearby: bool,
    /// Where the customer has things sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub address_site: Option<AddressSite>,
}

impl Default for SettingsView {
    fn default() -> Self {
        Self {
            reminders: true,
            habits: true,
            confirm_opening: false,
            prefer_low_doors: false,
            nearby: false,
            address_site: None,
        }
    }
}

/// Something to tell once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct NoticeView {
    /// For dismissing.
    pub id: u64,
    /// The code that the words are chosen by.
    pub code: NoticeCode,
    /// Of which reservation.
    pub reservation: Option<String>,
}

/// Codes of notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum NoticeCode {
    /// The store on disk was damaged, put aside, and is being rebuilt from the hub.
    StoreHealed,
    /// The hub did not accept something that was done offline.
    Conflict,
    /// A new parcel lies ready.
    NewReady,
    /// What the customer reported was answered.
    ReportAnswered,
    /// All receipts reached the hub.
    Delivered,
    /// Somebody gave this device access in person.
    AccessTaken,
    /// What was scanned or followed could not be used.
    InvitationInvalid,
}
