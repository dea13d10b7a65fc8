//! What this device knows of openings: by receipts that it verified, and by what the customer said.

use postern_api::reservation::{Action, State};
use postern_protocol::receipt::Receipt;
use serde::{Deserialize, Serialize};

use super::Wallet;
use crate::time::Now;

/// What this device knows of an opening by a receipt that it verified, or by the customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trace {
    /// When the receipt came, UNIX seconds of this device.
    pub(crate) opened_at: Option<i64>,
    /// Its place in the locker's chain: what is said of the compartment is said of this opening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) opening: Option<u32>,
    /// The token that opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<[u8; 16]>,
    /// What the customer said about it.
    pub(crate) taken: Option<bool>,
    /// The door was closed since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) closed: bool,
    /// What the locker measured inside as it was closed, and signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<bool>,
    /// What the customer said of what is inside, at the closed door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inside: Option<bool>,
    /// The hub was told of that on the strength of a receipt that it has from somebody else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) told: bool,
    /// The door stood open before, as its sensor says, which may be wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) uncertain: bool,
    /// The hub has taken what is known here of what is inside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) heard: bool,
}

impl Trace {
    /// What is inside, as far as this device knows: what the locker measured and signed comes before what anybody says.
    pub(crate) fn lies_inside(&self) -> Option<bool> {
        self.content.or(self.inside)
    }
}

impl Wallet {
    /// What this device knows of the last opening.
    pub(crate) fn trace(&self, id: &str) -> Trace {
        let trace = self.traces.get(id).copied().unwrap_or_default();
        let hub = self.reservations.get(id).and_then(|reservation| reservation.opening);
        if hub > trace.opening {
            // Opened again since, by PIN, code or another device: what was measured or said is of before.
            Trace { opening: hub, content: None, inside: None, ..trace }
        } else {
            trace
        }
    }

    /// A verified receipt says that the door opened.
    pub(crate) fn opened(&mut self, id: &str, receipt: &Receipt, now: Now) {
        // Others open by a PIN, or with tokens of their own: that spends none of this device's.
        let own = self.grants.get(id).is_some_and(|grant| grant.token_id == hex::encode(receipt.token.0));
        let token = if own { Some(receipt.token.0) } else { self.trace(id).token };
        let trace =
            Trace { opened_at: Some(now.unix()), opening: Some(receipt.sequence), token, ..Trace::default() };
        self.traces.insert(id.to_owned(), trace);
        self.refused.remove(id);
    }

    /// A verified receipt says that the door stood open before. That is certain only where this device has opened it, and the
    /// locker has measured nothing inside since.
    pub(crate) fn stood_open(&mut self, id: &str, receipt: &Receipt, now: Now) {
        let before = self.trace(id);
        let certain = before.opened_at.is_some() && !before.uncertain && before.content != Some(true);
        self.opened(id, receipt, now);
        self.traces.insert(id.to_owned(), Trace { uncertain: !certain, ..self.trace(id) });
    }

    /// The last opening of a door that is known, by this device or by the hub.
    pub(crate) fn last_opening(&self, id: &str) -> Option<u32> {
        self.trace(id).opening
    }

    /// The door was closed; what the locker measured inside, where its receipt said so.
    pub(crate) fn closed(&mut self, id: &str, content: Option<bool>) {
        let before = self.trace(id);
        let heard = before.heard && content.is_none();
        let content = content.or(before.content);
        self.traces.insert(id.to_owned(), Trace { closed: true, content, heard, ..before });
    }

    /// The customer says whether it is inside.
    pub(crate) fn placed(&mut self, id: &str, inside: bool) {
        self.traces.insert(id.to_owned(), Trace { inside: Some(inside), heard: false, ..self.trace(id) });
    }

    /// The hub took in what this device knew of what is inside. From its next version on its word is the newer one.
    pub(crate) fn heard(&mut self, id: &str) {
        if self.trace(id).lies_inside().is_some() {
            self.traces.insert(id.to_owned(), Trace { heard: true, ..self.trace(id) });
        }
    }

    /// The customer says whether it was there and is taken.
    pub(crate) fn confirmed(&mut self, id: &str, taken: bool) {
        let before = self.trace(id);
        let told = before.told && before.taken == Some(taken);
        self.traces.insert(id.to_owned(), Trace { taken: Some(taken), told, ..before });
    }

    /// What the customer said of an opening without a receipt, which its receipt makes good.
    pub(crate) fn word_without_receipt(&self, id: &str) -> Option<bool> {
        let trace = self.trace(id);
        trace.taken.filter(|_| trace.opened_at.is_none())
    }

    /// What the customer said without a receipt of this device, and the hub takes: of reservations that it counts as opened
    /// by now, because it has a receipt from a PIN or from another phone, and that something was taken where it may be said
    /// without an opening. Each is given until it is marked as [told](Self::told).
    pub(crate) fn words_to_tell(&self) -> Vec<(String, bool)> {
        let word = |id: &String| {
            let taken = self.word_without_receipt(id)?;
            let reservation = self.reservations.get(id)?;
            let without_opening = taken && reservation.actions.contains(&Action::ConfirmTaken);
            let takes = reservation.state == State::Opened || without_opening;
            (takes && !self.is_delegated(id) && !self.trace(id).told).then(|| (id.clone(), taken))
        };
        self.traces.keys().filter_map(word).collect()
    }

    /// The hub is being told what the customer said.
    pub(crate) fn told(&mut self, id: &str) {
        self.traces.insert(id.to_owned(), Trace { told: true, ..self.trace(id) });
    }

    /// The hub did not take what the customer said of what is inside.
    pub(crate) fn not_placed(&mut self, id: &str) {
        self.traces.insert(id.to_owned(), Trace { inside: None, ..self.trace(id) });
    }

    /// The hub did not take the word that it was taken, or was not there.
    pub(crate) fn not_taken(&mut self, id: &str) {
        self.unsay(id);
        if self.traces.get(id).is_some_and(|trace| trace.taken.is_some()) {
            self.said_no_more(id);
        }
    }

    /// What was said of whether it was taken is said no more.
    pub(super) fn said_no_more(&mut self, id: &str) {
        self.traces.insert(id.to_owned(), Trace { taken: None, told: false, ..self.trace(id) });
    }

    /// The customer opens again, or the hub did not take the word: what was said without a receipt is said no more.
    pub(crate) fn unsay(&mut self, id: &str) {
        if self.word_without_receipt(id).is_some() {
            self.traces.remove(id);
        }
    }
}
