//! Access tokens for lockers (PROTOCOL.md, token). The token itself is opaque to clients.

use serde::{Deserialize, Serialize};

/// `POST /v1/tokens`: tokens for this device, for some or all reservations that can be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenBatch {
    /// Which; empty means all.
    #[serde(default)]
    pub reservations: Vec<String>,
    /// For a locker whose clock is unset: the nonce of its HELLO, base64url (PROTOCOL.md, clock).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello_nonce: Option<String>,
    /// What that HELLO said the time is, UNIX seconds; only together with `hello_nonce`. Where it is more than 300
    /// seconds off the hub's clock, the bulletin corrects the locker's clock and the operator is alarmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locker_time: Option<i64>,
}

/// The answer to [`TokenBatch`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grants {
    /// One for each reservation that may be opened.
    pub grants: Vec<Grant>,
    /// Bulletins to carry to the lockers concerned.
    pub bulletins: Vec<BulletinFor>,
}

/// A token and what the hub says of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grant {
    /// Reservation id.
    pub reservation: String,
    /// Locker id, 16 hex digits.
    pub locker: String,
    /// Door numbers.
    pub doors: Vec<u16>,
    /// What it is good for.
    pub operations: Vec<Operation>,
    /// Start.
    pub not_before: i64,
    /// End.
    pub expires: i64,
    /// How many openings.
    pub uses: u8,
    /// May be passed on in person.
    pub delegable: bool,
    /// The token's id (`cti`), 32 hex digits: what a delegation names, since clients do not open the token.
    pub token_id: String,
    /// The CWT, base64url. Useless without the device's key, yet not for logs.
    pub token: String,
    /// Number of the occupancy of the door, which is the epoch that the token names. While it stays the same, `pin`
    /// stays good, also after the token has ended.
    #[serde(default)]
    pub occupancy: u32,
    /// Eight digits for the keypad that open the door now and until the occupancy ends: this device's own. Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Why there is no `pin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_pin: Option<NoPin>,
    /// For couriers: sequence number of the first receipt of this locker that the hub lacks. The courier's device asks
    /// the locker for everything from there on (operation `carry`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts_from: Option<u32>,
}

/// Why a grant comes without a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoPin {
    /// The locker has no keypad.
    NoKeypad,
    /// The keypad would not take it yet: the locker is too far behind the hub. Opening by phone brings it up to date.
    KeypadBehind,
    /// As many devices as a door has PINs for hold one already.
    TooManyDevices,
    /// A reason newer than this client.
    #[serde(other)]
    Unknown,
}

/// Operations at a locker. PROTOCOL.md has their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Take something out.
    Collect,
    /// Open again soon after.
    Reopen,
    /// Put something in.
    Deposit,
    /// Open one's own compartment.
    Access,
    /// Ask only.
    Status,
    /// Carry sealed receipts to the hub (couriers).
    Carry,
    /// An operation newer than this client.
    #[serde(other)]
    Unknown,
}

/// A signed bulletin for one locker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BulletinFor {
    /// Locker id, 16 hex digits.
    pub locker: String,
    /// The COSE_Sign1, base64url.
    pub bulletin: String,
    /// Number of the newest news in it: 0 where there has been none. A client keeps the bulletin with the highest.
    #[serde(default)]
    pub number: u32,
}

/// `POST /v1/bulletins`: the newest bulletins for lockers where the caller has access. Others are left out of the
/// answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WantedBulletins {
    /// Locker ids, 16 hex digits; at most 200.
    pub lockers: Vec<String>,
}

/// The answer to [`WantedBulletins`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bulletins {
    /// One for each locker that there is something to tell.
    pub bulletins: Vec<BulletinFor>,
}

impl core::fmt::Debug for Grant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Grant")
            .field("reservation", &self.reservation)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_word_spoils_no_grant_and_an_older_grant_is_read() {
        let older = serde_json::json!({
            "reservation": "r", "locker": "0011223344556677", "doors": [3], "operations": ["collect", "levitate"],
            "not_before": 1, "expires": 2, "uses": 1, "delegable": false, "token_id": "00", "token": "AA"
        });
        let read: Grant = serde_json::from_value(older.clone()).expect("an older grant");
        assert_eq!(read.operations, [Operation::Collect, Operation::Unknown]);
        assert_eq!((read.occupancy, read.pin, read.no_pin), (0, None, None));
        let mut newer = older;
        newer["no_pin"] = "keypad_asleep".into();
        let read: Grant = serde_json::from_value(newer).expect("a newer grant");
        assert_eq!(read.no_pin, Some(NoPin::Unknown));
    }

    #[test]
    fn a_pin_is_not_in_what_is_logged() {
        let grant = Grant {
            reservation: "r".to_owned(),
            locker: "0011223344556677".to_owned(),
            doors: vec![3],
            operations: vec![Operation::Collect],
            not_before: 1,
            expires: 2,
            uses: 1,
            delegable: false,
            token_id: "00".to_owned(),
            token: "secret-token".to_owned(),
            occupancy: 4,
            pin: Some("13572468".to_owned()),
            no_pin: None,
            receipts_from: None,
        };
        let logged = format!("{grant:?}");
        assert!(!logged.contains("13572468") && !logged.contains("secret-token"), "{logged}");
    }
}
