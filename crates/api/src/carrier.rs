//! What carriers and couriers call, with an API key (`Authorization: Bearer pk_…`) and an `Idempotency-Key`.

use serde::{Deserialize, Serialize};

use crate::{
    growth::Word,
    locker::{Access, Size},
    reservation::Care,
};

/// `POST /v1/carrier/parcels`: announce a parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewParcel {
    /// The carrier's tracking number.
    pub reference: String,
    /// Who gets it, as they said: their customer number in any grouping (`482 915 0636`), or an e-mail address. Nothing in the
    /// answer tells whether the network knows them.
    pub recipient: String,
    /// What the customer will see as the thing.
    pub title: String,
    /// Who sends it, for the chain of custody; the carrier when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Where to.
    pub site: String,
    /// How large.
    pub size: Size,
    /// Must lie in a chilled compartment. Refused with `no_climate` where the site has none that is large enough.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chilled: bool,
    /// Must lie in a compartment that freezes; not together with `chilled`. Refused as that is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// Breaks easily: courier and customer are told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fragile: bool,
    /// Hours that it keeps in the compartment, counted from when it is put in. It is to be collected by then: no window
    /// of the carrier's, and no wish of the customer's, ends later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeps_hours: Option<u32>,
}

/// `POST /v1/carrier/parcels/{id}/deposit`: a courier put it in. In the field this follows the locker's receipt of
/// the courier's own opening; a carrier whose couriers use other means reports it here. It is refused with
/// `locker_not_told` where earlier access to the door might still work, since no opening told the locker otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deposit {
    /// Locker id, 16 hex digits.
    pub locker: String,
    /// Door number; the hub picks a free one of the size when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<u16>,
    /// End of the pickup window; the operator's default when absent. Where the parcel keeps for less, it ends with that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// What a carrier sees of a parcel: no data of the recipient.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Parcel {
    /// Reservation id.
    pub id: String,
    /// The carrier's tracking number.
    pub reference: String,
    /// Where it stands.
    pub state: crate::reservation::State,
    /// Locker id, once assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locker: Option<String>,
    /// Door number, once assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<u16>,
    /// Rises with every change: of two messages about a parcel the one with the higher version is the newer.
    #[serde(default)]
    pub version: u64,
    /// The state rests on somebody's word alone: no receipt of the locker proves it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
    /// How it has to be kept, where the announcement said so. For the courier too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub care: Option<Care>,
    /// What became of the letter with the claim link, where the parcel was announced to an e-mail address and the network sends
    /// mail; only where one parcel is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<crate::account::Delivery>,
    /// By this link the recipient has the parcel in the app, with an account or without; made for this parcel, good once, for
    /// as long as it is under way. Only in the answer that announced it, and always there, whoever the recipient is. Pass it on
    /// to them and to nobody else. Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_link: Option<String>,
}

impl core::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Parcel")
            .field("id", &self.id)
            .field("reference", &self.reference)
            .field("state", &self.state)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// `GET /v1/carrier/parcels`: the carrier's parcels, newest first, a page at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Parcels {
    /// This page.
    pub parcels: Vec<Parcel>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `GET /v1/carrier/sites`: where parcels can be delivered, a page at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliverySites {
    /// This page.
    pub sites: Vec<DeliverySite>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A place with lockers. Its id is the `site` of an announcement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliverySite {
    /// Site id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Postal address.
    pub address: String,
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// Who may collect there.
    #[cfg_attr(feature = "openapi", schema(value_type = Access))]
    pub access: Word<Access>,
    /// The lockers there.
    pub lockers: Vec<DeliveryLocker>,
}

/// A locker that couriers put parcels into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryLocker {
    /// Locker id: the `locker` of a deposit, or of a courier's token.
    pub id: String,
    /// Name, as on its front.
    pub name: String,
    /// Sizes of its compartments.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Size>))]
    pub sizes: Vec<Word<Size>>,
    /// Sizes of those that are chilled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Size>))]
    pub chilled: Vec<Word<Size>>,
    /// Sizes of those that freeze.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Size>))]
    pub frozen: Vec<Word<Size>>,
}

/// `POST /v1/carrier/webhooks`: the hub posts changes of the carrier's parcels there, signed as Standard Webhooks
/// (`webhook-id`, `webhook-timestamp`, `webhook-signature`): each at least once, in no certain order; `data.version`
/// tells which of two is the newer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewWebhook {
    /// Https only; no address of a private network.
    pub url: String,
}

/// A webhook endpoint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    /// Webhook id.
    pub id: String,
    /// Where to.
    pub url: String,
    /// `whsec_` and the key in base64; only in the answer that made it. Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// `GET /v1/carrier/webhooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhooks {
    /// All endpoints.
    pub webhooks: Vec<Webhook>,
}

/// The body of a webhook message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookMessage {
    /// `parcel.` and the state; `parcel.reported` where its customer reported a problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// UNIX seconds of the change.
    pub timestamp: i64,
    /// The parcel as it was then.
    pub data: Parcel,
    /// With `parcel.reported`: the report's id, to be read from `GET /v1/carrier/reports/{id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// `GET /v1/carrier/dead-letters`: messages that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeadLetters {
    /// At most 100, oldest first; each is tried again by `POST /v1/carrier/dead-letters/{id}/retry`.
    pub letters: Vec<DeadLetter>,
}

/// A message that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeadLetter {
    /// Message id, the `webhook-id`.
    pub id: String,
    /// The webhook that it was for.
    pub webhook: String,
    /// What was to be said.
    pub message: WebhookMessage,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last.
    pub error: String,
}

/// `POST /v1/carrier/couriers`: a courier, a person or a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewCourier {
    /// For the carrier's eyes, 1 to 64 characters.
    pub name: String,
}

/// The answer to [`NewCourier`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Courier {
    /// Courier id.
    pub id: String,
    /// As given.
    pub name: String,
    /// The courier's device takes this to the token endpoint (`grant_type=enrolment`) within an hour, once. Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment_code: Option<String>,
}

/// `GET /v1/courier/tasks`: what lies before a courier, without any data of recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tasks {
    /// Parcels to put in, and expired parcels and returns to take out; at most 200 a page.
    pub tasks: Vec<Task>,
    /// Lockers of these tasks.
    pub lockers: Vec<crate::locker::LockerDescriptor>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One errand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Task {
    /// The parcel.
    pub parcel: Parcel,
    /// Site id.
    pub site: String,
    /// Size class.
    pub size: Size,
    /// `deposit` or `collect`.
    pub operation: crate::token::Operation,
}

/// `POST /v1/courier/tokens`: a token for one errand; for a deposit the hub picks and keeps a free door of the locker.
/// The locker's receipt then makes the parcel ready, or takes it out of the locker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CourierTokenRequest {
    /// Reservation id.
    pub parcel: String,
    /// Locker id, for a deposit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locker: Option<String>,
    /// For a locker whose clock is unset: the nonce of its HELLO, base64url (PROTOCOL.md, clock).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello_nonce: Option<String>,
    /// As in [`TokenBatch::locker_time`](crate::token::TokenBatch::locker_time).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locker_time: Option<i64>,
}

/// `POST /v1/courier/carried`: receipts that a courier's device carries from a locker, sealed for the hub
/// (PROTOCOL.md, carry).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Carried {
    /// Locker id, 16 hex digits.
    pub locker: String,
    /// Sealed parts as the locker gave them, base64url; at most 100.
    pub parts: Vec<String>,
}

/// What became of the receipts in [`Carried`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CarriedResults {
    /// Verified and new.
    pub accepted: u32,
    /// Verified and known before.
    pub known: u32,
    /// Receipts that do not verify, and parts that cannot be opened.
    pub invalid: u32,
    /// They contradict the chain: the operator is alarmed.
    pub fork: u32,
}

impl core::fmt::Debug for Carried {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Carried").field("locker", &self.locker).field("parts", &self.parts.len()).finish()
    }
}

impl core::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Webhook").field("id", &self.id).field("url", &self.url).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Courier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Courier").field("id", &self.id).finish_non_exhaustive()
    }
}
