//! Reservations: what a customer has at a locker.

use serde::{Deserialize, Serialize};

use crate::{growth::Word, report::OwnReport};

/// One thing that a customer collects, brings or keeps at a locker.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reservation {
    /// Reservation id.
    pub id: String,
    /// Rises with every change; also the ETag of the reservation.
    pub version: u64,
    /// Pickup, return or storage.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// What the customer calls it: the sender or the thing.
    pub title: String,
    /// Who carries or operates it.
    pub carrier: Carrier,
    /// The carrier's tracking number or booking reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The site where it is or will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteSummary>,
    /// The compartment, once one is assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compartment: Option<Compartment>,
    /// Owner, or guest by a share.
    pub role: Role,
    /// How it has to be kept, where its carrier said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub care: Option<Care>,
    /// Pickup window end, return deadline, or due time of a lent thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// When it was put in (pickup, delivery) or booked (return, storage).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// What a counter or scanner reads to identify a parcel. Opens nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identification: Option<Identification>,
    /// The state rests on somebody's word alone: no receipt of the locker proves it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub unproven: bool,
    /// Nobody opens its door before the operator has looked at the compartment: the hub came back from a backup.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub checking: bool,
    /// A thing that is lent: it is given back by laying it into the compartment, and not by emptying that.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub lent: bool,
    /// It is the flat's: whoever lives there has it as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flat: Option<String>,
    /// Place in the locker's chain of receipts of the customer's last opening that the hub knows of. An answer at the door
    /// ([`Inside`], [`Release`]) says which opening it is about; where the device has a receipt of a later one itself, that is
    /// it. For the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<u32>,
    /// What the hub would accept now, online.
    pub actions: Vec<Action>,
    /// Shares that the owner gave.
    #[serde(default)]
    pub shares: Vec<Share>,
    /// Chain of custody, oldest first.
    #[serde(default)]
    pub timeline: Vec<TimelineEntry>,
    /// What the customer reported about it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<OwnReport>,
}

/// How a parcel has to be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Care {
    /// Chilled: it lies in a compartment that is.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub chilled: bool,
    /// Frozen: it lies in a compartment that freezes.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub frozen: bool,
    /// It breaks easily.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub fragile: bool,
    /// Hours that it keeps in the compartment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeps_hours: Option<u32>,
    /// Until when it keeps, UNIX seconds, once it lies there. `until` is never later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeps_until: Option<i64>,
}

/// What kind of reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A parcel for the customer.
    Pickup,
    /// Something that the customer sends or gives back.
    Return,
    /// A compartment that the customer holds for a time.
    Storage,
}

/// States of all kinds; PROTOCOL-independent. Which follow which is the hub's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Pickup: a carrier told of it.
    Announced,
    /// Pickup: on its way.
    InTransit,
    /// Pickup, storage: lies in the compartment and can be opened.
    Ready,
    /// A receipt says that the door was opened; not yet known whether it was taken.
    Opened,
    /// Pickup: taken, by receipt and customer.
    Collected,
    /// Pickup: window over, still inside.
    Expired,
    /// Pickup: went back to the sender.
    Returned,
    /// Return: a compartment is reserved.
    Booked,
    /// Return: put in, by receipt.
    Deposited,
    /// Return: the carrier or shop accepted it.
    Accepted,
    /// Return: the carrier or shop refused it.
    Refused,
    /// Storage: held by the customer, may be opened as often as wanted.
    Held,
    /// Storage: given back.
    Released,
    /// Cancelled before it began.
    Cancelled,
}

/// Who carries or operates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Carrier {
    /// Carrier id.
    pub id: String,
    /// Name for display.
    pub name: String,
}

/// What a list needs of a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SiteSummary {
    /// Site id.
    pub id: String,
    /// Name for display.
    pub name: String,
    /// Street and town on one line.
    pub address: String,
    /// WGS 84 degrees.
    pub latitude: f64,
    /// WGS 84 degrees.
    pub longitude: f64,
}

/// The assigned compartment. Geometry is in the locker's descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Compartment {
    /// Locker id, 16 hex digits.
    pub locker: String,
    /// Door number in the locker.
    pub door: u16,
    /// What is painted on the door, such as `B3`.
    pub label: String,
}

/// What the caller is to the reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It is theirs.
    Owner,
    /// They were invited.
    Guest,
}

/// An identification code (never an opening code).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Identification {
    /// How the text is meant.
    #[cfg_attr(feature = "openapi", schema(value_type = IdentificationFormat))]
    pub format: Word<IdentificationFormat>,
    /// The text to draw as QR code.
    pub text: String,
}

/// Formats of identification codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum IdentificationFormat {
    /// GS1 Digital Link URI with the SSCC, application identifier 00.
    Gs1DigitalLink,
    /// Whatever the carrier's scanners read.
    Carrier,
}

/// Things a customer may ask the hub for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Open the door (by token).
    Open,
    /// Open again within the operator's minutes.
    Reopen,
    /// A later deadline.
    Extend,
    /// Keep it while away.
    Hold,
    /// Cancel.
    Cancel,
    /// Another locker while in transit.
    ChangeLocker,
    /// Give access to somebody.
    Share,
    /// Report a problem.
    Report,
    /// Say that it was taken, or was not.
    ConfirmTaken,
    /// Say whether it lies inside: the door was opened to put something in, and nobody has said or measured what is
    /// in the compartment.
    ConfirmPlaced,
    /// Give a held compartment back.
    Release,
    /// An action newer than this client.
    #[serde(other)]
    Unknown,
}

/// The share id that stands for all access passed on in person, of which the hub keeps no list: to take it back
/// (`DELETE /v1/reservations/{id}/shares/in-person`) ends all of it at once, and none of the owner's own access.
pub const IN_PERSON: &str = "in-person";

/// A share that the owner gave over the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Share {
    /// Share id.
    pub id: String,
    /// The name that the owner gave the guest.
    pub name: String,
    /// End of access.
    pub until: i64,
    /// Where it stands.
    #[cfg_attr(feature = "openapi", schema(value_type = ShareState))]
    pub state: Word<ShareState>,
}

/// Where a share stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShareState {
    /// The link was made and nobody took it up.
    Offered,
    /// A guest took it up.
    Accepted,
    /// The guest used it.
    Used,
    /// The owner took it back, or it ended.
    Ended,
}

/// One entry of the chain of custody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimelineEntry {
    /// When.
    pub at: i64,
    /// What.
    pub event: TimelineEvent,
    /// By whom, as a role for display: carrier name, `you`, guest name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whether a receipt signed by the locker proves it.
    pub proven: bool,
}

/// Events of the chain of custody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimelineEvent {
    /// See [`State::Announced`].
    Announced,
    /// See [`State::InTransit`].
    InTransit,
    /// A courier or customer put it in.
    Deposited,
    /// A door was opened.
    Opened,
    /// A latch did not move.
    Jammed,
    /// The customer says it was taken.
    Collected,
    /// The customer says that it was not there.
    Disputed,
    /// The deadline moved.
    Extended,
    /// Held while away.
    Held,
    /// Access given.
    Shared,
    /// Access taken back.
    Revoked,
    /// Another locker.
    Moved,
    /// A problem was reported.
    Reported,
    /// A report was answered.
    Answered,
    /// The window ended.
    Expired,
    /// Went back.
    Returned,
    /// Accepted by carrier or shop.
    Accepted,
    /// Refused by carrier or shop.
    Refused,
    /// Cancelled or released.
    Ended,
    /// An event newer than this client.
    #[serde(other)]
    Unknown,
}

impl core::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Reservation")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("kind", &self.kind)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// `POST /v1/reservations/{id}/extend`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Extend {
    /// The deadline wanted; the hub answers with what it granted.
    pub until: i64,
}

/// `POST /v1/reservations/{id}/taken`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Taken {
    /// True: everything was there and is taken. False: it was not.
    pub taken: bool,
    /// In the customer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `POST /v1/reservations/{id}/inside` and `POST /v1/courier/parcels/{id}/inside`: the answer at the door to "Is it
/// inside?", after an opening to put something in, or a courier's to take it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inside {
    /// True: it lies in the closed compartment. False: nothing was put in, or it was taken out.
    pub inside: bool,
    /// Which opening it is said of: the place of its receipt in the locker's chain. Of a door that was opened again since it
    /// says nothing, and is refused (`wrong_state`).
    pub opening: u32,
    /// Id of that locker, 16 hex digits: each counts its receipts by itself. Where it is left out, the one whose door is kept for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locker: Option<String>,
}

/// `POST /v1/reservations/{id}/release`; the body may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Release {
    /// The customer says at the door that the compartment is empty (a lent thing: that it lies inside). Needed where
    /// the locker cannot measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty: Option<bool>,
    /// Which opening `empty` is said of: the place of its receipt in the locker's chain. Needed with `empty` wherever the hub
    /// knows of an opening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<u32>,
}

/// `POST /v1/reservations/{id}/shares`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewShare {
    /// The name that the owner gives the guest.
    pub name: String,
    /// End of access; at most the reservation's own.
    pub until: i64,
}

/// The answer to [`NewShare`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShareOffer {
    /// The share.
    pub share: Share,
    /// The claim link to hand over; it is used up by the first who claims.
    pub link: String,
}

/// `POST /v1/claims`: a signed-in customer takes up a claim link; the answer is the reservation. Without an account the
/// app signs in with `claim` in the authorization request, and the hub makes a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewClaim {
    /// The last segment of the claim link's path.
    pub claim: String,
}

/// `POST /v1/returns`: book a compartment for a return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewReturn {
    /// The order's reference or the carrier's return code.
    pub code: String,
    /// Where to.
    pub site: String,
    /// How large.
    pub size: crate::locker::Size,
}

/// `POST /v1/storage`: book a compartment to keep something in, at a site that is open to the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewStorage {
    /// What the customer calls it, 1 to 120 characters.
    pub title: String,
    /// Where.
    pub site: String,
    /// How large.
    pub size: crate::locker::Size,
    /// Until when; at most the operator's limit.
    pub until: i64,
}

/// `POST /v1/reservations/{id}/handover`: what lies in a held compartment goes to a neighbour of the same site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Handover {
    /// The neighbour's flat or department.
    pub unit: String,
}

/// `GET /v1/assets`: things that the customer's sites lend, and `PUT /v1/operator/assets/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Asset {
    /// Asset id.
    pub id: String,
    /// What it is.
    pub title: String,
    /// Where it lies, site id.
    pub site: String,
    /// The site's name. Told by the hub; what the operator sends is not looked at.
    #[serde(default)]
    pub site_name: String,
    /// Locker id.
    pub locker: String,
    /// Door number; kept for it.
    pub door: u16,
    /// For how long it is lent, hours.
    pub loan_hours: u32,
    /// It lies there now. Borrow it by `POST /v1/assets/{id}/borrow`; give it back by `release`.
    #[serde(default)]
    pub available: bool,
}

/// The answer of `GET /v1/assets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Assets {
    /// All that may be borrowed.
    pub assets: Vec<Asset>,
}

/// `POST /v1/reservations/{id}/hold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hold {
    /// When the customer is back.
    pub until: i64,
}

/// `POST /v1/reservations/{id}/move`: another site while in transit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeLocker {
    /// Site id.
    pub site: String,
}

/// `POST /v1/reservations/{id}/problems`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewProblem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// In the customer's words, at most 2,000 characters.
    #[serde(default)]
    pub note: String,
    /// JPEG or PNG, base64url, at most four of 2 MiB; the hub strips position and other metadata.
    #[serde(default)]
    pub photos: Vec<String>,
}

/// Kinds of problem that a customer can report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The door did not open.
    DoorStuck,
    /// The compartment was empty.
    Empty,
    /// Something of somebody else lay inside.
    WrongContents,
    /// Damaged.
    Damaged,
    /// The compartment is dirty or unusable.
    Unusable,
    /// Something else.
    Other,
}
