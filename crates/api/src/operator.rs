//! What the operator of a network calls: provisioning of lockers.

use serde::{Deserialize, Serialize};

use crate::{
    growth::Word,
    locker::{Access, LockerDescriptor},
};

/// `POST /v1/operator/lockers`: a locker joins the network. Sent by whoever installs it, with the operator's API key.
/// Private keys never leave the locker. Repeating it with the same keys is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Provision {
    /// Its public side.
    pub descriptor: LockerDescriptor,
}

/// What the locker is given.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Provisioned {
    /// Issuer keys to trust.
    pub issuer_keys: Vec<IssuerKey>,
    /// Shared secret for PINs, base64url, 32 bytes. Secret.
    pub pin_secret: String,
    /// The hub's clock, UNIX seconds.
    pub now: i64,
}

/// A key that signs tokens and bulletins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IssuerKey {
    /// Key id, a number that fits one to four bytes.
    pub id: u32,
    /// Ed25519 public key, base64url, 32 bytes.
    pub key: String,
}

impl core::fmt::Debug for Provisioned {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Provisioned").field("issuer_keys", &self.issuer_keys).finish_non_exhaustive()
    }
}

/// `PUT /v1/operator/carriers/{id}`: a carrier joins the network, or is renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CarrierSettings {
    /// Name for display.
    pub name: String,
    /// Pickup window in hours where a deposit names none; the operator's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_hours: Option<u32>,
}

/// `POST /v1/operator/keys`: an API key for a carrier, or for the operator's own programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewKey {
    /// Carrier id; absent for the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// What it is for.
    pub name: String,
    /// `parcels`, `webhooks` for carriers; `network`, `watch`, `keys` for operators.
    pub scopes: Vec<String>,
}

/// An API key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKey {
    /// Key id.
    pub id: String,
    /// The key itself, shown once. Secret.
    pub key: String,
}

/// `PUT /v1/operator/lockers/{id}/doors/{door}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DoorService {
    /// Not to be booked.
    pub out_of_order: bool,
}

/// `PUT /v1/operator/sites/{site}/members/{number}`: who lives or works at a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// Flat or department, 1 to 64 characters.
    pub unit: String,
}

/// `POST /v1/operator/holdings`: a compartment for a resident, or for whoever lives in a flat, to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewHolding {
    /// The resident's customer number, in any grouping. Either this or `unit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The flat at the locker's site: whoever lives there, now or later, holds it together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What the resident calls it.
    pub title: String,
    /// Locker id.
    pub locker: String,
    /// Door number.
    pub door: u16,
    /// Until when; without end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// A compartment that is held now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Holding {
    /// Reservation id.
    pub id: String,
}

/// `GET /v1/operator/alarms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Alarms {
    /// Those not resolved, oldest first, at most 500.
    pub alarms: Vec<Alarm>,
}

/// Something that an operator must look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Alarm {
    /// Alarm id.
    pub id: String,
    /// `fork`, `gap`, `jammed`, `disputed`, `problem`, `stray`, `late`, `unproven`, `called_off_deposit`,
    /// `taken_after_extend`, `taken_back_out`, `empty_before_report`, `opened_after_back`, `left_inside`, `clock`, `restored`, ...
    pub kind: String,
    /// Locker id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locker: Option<String>,
    /// Door number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<u16>,
    /// Reservation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
    /// What is known, in English.
    pub reason: String,
    /// The hub set right what it could by itself.
    pub repaired: bool,
    /// When.
    pub at: i64,
}

/// `GET /v1/operator/lockers/{id}`: the state of one locker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockerReport {
    /// As it was provisioned.
    pub descriptor: LockerDescriptor,
    /// It was decommissioned.
    pub retired: bool,
    /// Known to be online until then; 0 where it is not.
    pub online_until: i64,
    /// Its doors.
    pub doors: Vec<DoorReport>,
    /// Newest receipt, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_receipt: Option<u32>,
    /// Receipts that are missing in its chain.
    pub gaps: Vec<Gap>,
    /// Receipts that contradict the chain.
    pub forks: u32,
    /// Number of the newest news for it.
    #[serde(default)]
    pub news: u32,
    /// Number of the newest news that its receipts acknowledge.
    #[serde(default)]
    pub news_known: u32,
}

/// Receipts that are missing in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Gap {
    /// Number of the first in the locker's chain.
    pub first: u32,
    /// Number of the last.
    pub last: u32,
}

/// The state of one door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DoorReport {
    /// Door number.
    pub door: u16,
    /// Not to be booked.
    pub out_of_order: bool,
    /// Reservation id of who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
    /// Its epoch at the hub.
    pub epoch: u32,
    /// The highest epoch that a receipt proves the locker to know.
    #[serde(default)]
    pub proven_epoch: u32,
    /// The reservation has ended, and the door is kept until receipts prove that nothing was put in since.
    #[serde(default)]
    pub settling: bool,
}

/// `GET /v1/operator/insight`: aggregates that cannot single anyone out; a group of fewer than ten is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Insight {
    /// Deposits by hour of the day (UTC).
    pub deposits_by_hour: Vec<Bucket>,
    /// Parcels collected, by hours from deposit to collection: up to 1, 4, 12, 24, 48, more.
    pub hours_to_collect: Vec<Bucket>,
    /// Doors taken, by size.
    pub taken_by_size: Vec<Bucket>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bucket {
    /// Which.
    pub group: String,
    /// How many; at least ten.
    pub count: u32,
}

impl core::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// `GET /v1/operator/sites`: the sites of the network, a page at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkSites {
    /// This page.
    pub sites: Vec<SiteEntry>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A site, as an operator sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SiteEntry {
    /// Site id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Postal address.
    pub address: String,
    /// Who may use it.
    #[cfg_attr(feature = "openapi", schema(value_type = Access))]
    pub access: Word<Access>,
    /// It came with an import.
    pub imported: bool,
    /// Lockers that stand there.
    pub lockers: u32,
    /// People who live or work there.
    pub members: u32,
}

/// `GET /v1/operator/lockers`: the lockers of the network, a page at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lockers {
    /// This page.
    pub lockers: Vec<LockerEntry>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A locker, as an operator sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockerEntry {
    /// Locker id, 16 hex digits.
    pub id: String,
    /// Name, as on its front.
    pub name: String,
    /// Site id.
    pub site: String,
    /// Compartments.
    pub doors: u32,
    /// Its gateway has been heard within the last minutes.
    pub online: bool,
    /// It has left the network.
    pub retired: bool,
}

/// `GET /v1/operator/carriers`: the carriers of the network, a page at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Carriers {
    /// This page.
    pub carriers: Vec<CarrierEntry>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A carrier, as an operator sees it in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CarrierEntry {
    /// Carrier id.
    pub id: String,
    /// Name for display.
    pub name: String,
    /// Pickup window in hours where a deposit names none.
    pub pickup_hours: u32,
}

/// `GET /v1/operator/keys`: API keys that were given out, a page at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Keys {
    /// This page.
    pub keys: Vec<KeyEntry>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An API key without what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyEntry {
    /// Key id.
    pub id: String,
    /// Whose; absent for the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// UNIX seconds.
    pub created_at: i64,
    /// When it was taken back, UNIX seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<i64>,
}
