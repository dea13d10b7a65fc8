//! Lockers and sites as customers see them.

use serde::{Deserialize, Serialize};

use crate::growth::{Item, Word};

/// Everything that a phone needs to find, trust and draw a locker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LockerDescriptor {
    /// Locker id, 16 hex digits.
    pub id: String,
    /// Name for display.
    pub name: String,
    /// The site it stands at.
    pub site: String,
    /// X25519 public key, base64url, 32 bytes (PROTOCOL.md, handshake).
    pub static_key: String,
    /// Ed25519 public key that signs receipts, base64url, 32 bytes.
    pub receipt_key: String,
    /// Has a QR scanner.
    pub scanner: bool,
    /// Has a keypad.
    pub keypad: bool,
    /// Its compartments measure whether something lies inside, and its receipts say so. False where unknown.
    #[serde(default)]
    pub content_sensors: bool,
    /// Minutes during which an opened door may be opened again.
    pub reopen_minutes: u16,
    /// All doors.
    pub doors: Vec<DoorInfo>,
}

/// One door, with its place on the cabinet front for drawing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DoorInfo {
    /// Door number.
    pub door: u16,
    /// What is painted on it.
    pub label: String,
    /// Column from the left, 0-based.
    pub column: u16,
    /// Row from the top of its column, 0-based.
    pub row: u16,
    /// Height in cabinet units (a small door is 1).
    pub height: u16,
    /// Size class.
    #[cfg_attr(feature = "openapi", schema(value_type = Size))]
    pub size: Word<Size>,
    /// How high it is.
    #[cfg_attr(feature = "openapi", schema(value_type = Reach))]
    pub reach: Word<Reach>,
    /// Cooled. Not together with `frozen`.
    pub chilled: bool,
    /// Keeps what lies inside frozen.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub frozen: bool,
}

/// Size classes, as networks use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// Letter box size.
    Xs,
    /// Small.
    S,
    /// Medium.
    M,
    /// Large.
    L,
    /// Extra large.
    Xl,
}

impl Size {
    /// As it is written in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xs => "xs",
            Self::S => "s",
            Self::M => "m",
            Self::L => "l",
            Self::Xl => "xl",
        }
    }
}

/// Height classes: who can reach a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Below 40 cm.
    Floor,
    /// 40 to 120 cm: reachable seated.
    Easy,
    /// Above.
    High,
}

impl Word<Size> {
    /// As it is written in JSON.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(size) => size.name(),
            Self::Newer(text) => text,
        }
    }
}

impl Word<Reach> {
    /// As it is written in JSON.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(reach) => reach.name(),
            Self::Newer(text) => text,
        }
    }
}

impl Reach {
    /// As it is written in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Easy => "easy",
            Self::High => "high",
        }
    }
}

/// A place with lockers, for the finder: `GET /v1/sites`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Site {
    /// Site id. In `PUT /v1/operator/sites/{id}` it may be left to the path.
    #[serde(default)]
    pub id: String,
    /// Name for display.
    pub name: String,
    /// Street and town on one line.
    pub address: String,
    /// WGS 84 degrees.
    pub latitude: f64,
    /// WGS 84 degrees.
    pub longitude: f64,
    /// Opening hours in OpenStreetMap `opening_hours` form, or free text from the source.
    pub hours: String,
    /// Always open.
    pub always_open: bool,
    /// Who may use it.
    #[cfg_attr(feature = "openapi", schema(value_type = Access))]
    pub access: Word<Access>,
    /// Reachable without steps, as far as somebody said so.
    pub step_free: bool,
    /// How one can pay there, in the source's words; empty where nothing is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub payment: String,
    /// Times at which it is closed beside its hours, as far as they are planned; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closures: Vec<Closure>,
    /// Free and all doors by size. The hub's own: what an operator sends is not looked at.
    #[serde(default)]
    pub fill: Vec<Fill>,
    /// Metres from the point asked for, when one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<u32>,
}

/// A planned closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Closure {
    /// UNIX seconds.
    pub from: i64,
    /// UNIX seconds.
    pub until: i64,
}

/// The answer of `GET /v1/sites?near=LAT,LON&size=SIZE`: at most 200, nearest first where a point was given. With a
/// size only those with a free door of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sites {
    /// What was found.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Site>))]
    pub sites: Vec<Item<Site>>,
}

/// Who may use a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Everybody.
    Public,
    /// The residents of a building.
    Residents,
    /// The people of a workplace.
    Workplace,
}

/// Fill level of one size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fill {
    /// Size class.
    #[cfg_attr(feature = "openapi", schema(value_type = Size))]
    pub size: Word<Size>,
    /// Doors that can be booked now.
    pub free: u32,
    /// Doors in working order.
    pub total: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_contract() {
        for size in [Size::Xs, Size::S, Size::M, Size::L, Size::Xl] {
            assert_eq!(serde_json::to_value(size).expect("serialises"), size.name());
        }
        for reach in [Reach::Floor, Reach::Easy, Reach::High] {
            assert_eq!(serde_json::to_value(reach).expect("serialises"), reach.name());
        }
    }
}
