//! What a newer hub told that this version cannot read: kept as it came, shown by its title, and read again by the version that
//! knows it.

use postern_api::{growth::Item, reservation::Reservation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Arrivals, MAX_RESERVATIONS, Wallet};
use crate::text;

/// Bytes of JSON kept of one.
const MAX_BYTES: usize = 32 * 1024;

/// A reservation of a newer contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Newer {
    /// Untrusted text, bounded; empty where it has none.
    pub(crate) title: String,
    version: u64,
    /// As it came; JSON.
    raw: String,
}

/// The id of a reservation that cannot be read; none where it has none that may be used.
pub(crate) fn id_of(raw: &Value) -> Option<&str> {
    raw.get("id")?.as_str().filter(|id| text::is_id(id))
}

impl Wallet {
    /// Reservations that this version cannot read, by id.
    pub(crate) fn newer(&self) -> impl Iterator<Item = (&str, &Newer)> {
        self.newer.iter().map(|(id, newer)| (id.as_str(), newer))
    }

    /// Whether a reservation is there that this version cannot read.
    pub(crate) fn is_newer(&self, id: &str) -> bool {
        self.newer.contains_key(id)
    }

    pub(super) fn put_newer(&mut self, raw: &Value, arrivals: &mut Arrivals) {
        let Some(id) = id_of(raw) else { return };
        let version = raw.get("version").and_then(Value::as_u64).unwrap_or(0);
        let known = self.reservations.get(id).map(|known| known.version);
        let before = self.newer.get(id).map(|newer| newer.version);
        let old = known.into_iter().chain(before).any(|known| known > version);
        if old || (before.is_none() && self.newer.len() >= MAX_RESERVATIONS) {
            return;
        }
        let title = raw.get("title").and_then(Value::as_str).unwrap_or_default();
        let raw_text = raw.to_string();
        let newer = Newer {
            title: text::clipped(title.to_owned(), text::NAME),
            version,
            raw: if raw_text.len() <= MAX_BYTES { raw_text } else { String::new() },
        };
        if self.newer.get(id) == Some(&newer) {
            return;
        }
        arrivals.changed = true;
        // What was known of it before is not true any more.
        self.reservations.remove(id);
        self.grants.remove(id);
        self.newer.insert(id.to_owned(), newer);
    }

    /// After a start: what an older version of this app could not read.
    pub(crate) fn read_newer(&mut self) {
        let read = |newer: &Newer| serde_json::from_str::<Item<Reservation>>(&newer.raw).ok()?.known();
        let known: Vec<Reservation> = self.newer.values().filter_map(read).collect();
        let mut arrivals = Arrivals::default();
        for reservation in known {
            self.put_known(reservation, &mut arrivals);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parcel(state: &str) -> Value {
        json!({
            "id": "r1", "version": 4, "kind": "pickup", "state": state, "title": "Lamp",
            "carrier": { "id": "c", "name": "Carrier" }, "role": "owner", "actions": []
        })
    }

    #[test]
    fn a_version_that_knows_it_reads_it_after_the_update() {
        // As an older version kept it, to whom "ready" was a new word.
        let mut wallet = Wallet::default();
        wallet.put_newer(&parcel("ready"), &mut Arrivals::default());
        assert!(wallet.is_newer("r1") && wallet.reservation("r1").is_none());
        wallet.read_newer();
        assert!(!wallet.is_newer("r1"));
        assert_eq!(wallet.reservation("r1").map(|known| &*known.title), Some("Lamp"));
        // What nobody knows yet stays as it is.
        let mut later = parcel("customs_hold");
        later["version"] = 5.into();
        wallet.put_newer(&later, &mut Arrivals::default());
        wallet.read_newer();
        assert!(wallet.is_newer("r1"));
        // An answer that was overtaken changes nothing.
        wallet.put_newer(&parcel("ready"), &mut Arrivals::default());
        assert_eq!(wallet.newer().map(|(_, newer)| newer.version).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn hostile_pages_are_bounded() {
        let mut wallet = Wallet::default();
        let mut huge = parcel("customs_hold");
        huge["title"] = "x".repeat(100_000).into();
        wallet.put_newer(&huge, &mut Arrivals::default());
        let (_, newer) = wallet.newer().next().expect("it is kept");
        assert!(newer.title.chars().count() <= text::NAME && newer.raw.len() <= MAX_BYTES);
        for raw in [
            json!(null),
            json!([1]),
            json!({ "id": 7 }),
            json!({ "id": "../x" }),
            json!({ "title": "no id" }),
        ] {
            wallet.put_newer(&raw, &mut Arrivals::default());
        }
        assert_eq!(wallet.newer().count(), 1);
    }
}
