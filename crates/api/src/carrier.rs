//! What carriers and couriers call, with an API key (`Authorization: Bearer pk_…`) and an `Idempotency-Key`.

use serde::{Deserialize, Serialize};

use crate::locker::Size;

/// `POST /v1/carrier/parcels`: announce a parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewParcel {
    /// The carrier's tracking number.
    pub reference: String,
    /// Account id of the recipient, or their claim address; see the document.
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
}

/// `POST /v1/carrier/parcels/{id}/deposit`: a courier put it in. In the field this follows the locker's receipt of
/// the courier's own opening; a carrier whose couriers use other means reports it here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deposit {
    /// Locker id, 16 hex digits.
    pub locker: String,
    /// Door number; the hub picks a free one of the size when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<u16>,
    /// End of the pickup window; the operator's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// What a carrier sees of a parcel: no data of the recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}
