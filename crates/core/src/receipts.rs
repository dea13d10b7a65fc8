//! Receipts that this device verified, for the customer to see and for the hub to get.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use postern_api::sync::UploadedReceipt;
use postern_protocol::{
    ClockState,
    receipt::{Outcome, Receipt, Source},
};
use serde::{Deserialize, Serialize};

use crate::{unlock::At, view::ReceiptView, wallet::Wallet};

/// Delivered receipts beyond this many are forgotten, oldest first. The hub has them.
const KEPT: usize = 500;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    id: String,
    reservation: String,
    title: String,
    locker: String,
    locker_name: String,
    label: String,
    outcome: String,
    #[serde(default = "radio")]
    source: String,
    at: i64,
    time_certain: bool,
    sequence: u32,
    receipt: String,
    delivered: bool,
    #[serde(default)]
    rejected: bool,
}

/// All of them, oldest first.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Receipts(Vec<Stored>);

impl Receipts {
    /// Keeps one that was verified. Gives its id, or none where it is known already.
    pub(crate) fn keep(
        &mut self,
        at: &At,
        receipt: &Receipt,
        bytes: &[u8],
        wallet: &Wallet,
    ) -> Option<String> {
        let id = format!("{}-{}", receipt.locker, receipt.sequence);
        if self.0.iter().any(|stored| stored.id == id) {
            return None;
        }
        let reservation = wallet.reservation(&at.reservation);
        let locker = wallet.locker(&at.locker);
        let label = locker.and_then(|locker| locker.doors.iter().find(|door| door.door == at.door));
        self.0.push(Stored {
            id: id.clone(),
            reservation: at.reservation.clone(),
            title: reservation.map(|reservation| reservation.title.clone()).unwrap_or_default(),
            locker: at.locker.clone(),
            locker_name: locker.map(|locker| locker.name.clone()).unwrap_or_default(),
            label: label.map_or_else(|| at.door.to_string(), |door| door.label.clone()),
            outcome: outcome(receipt.outcome).to_owned(),
            source: source(receipt.source).to_owned(),
            at: i64::try_from(receipt.at.0).unwrap_or(i64::MAX),
            time_certain: receipt.clock == ClockState::Set,
            sequence: receipt.sequence,
            receipt: BASE64_URL_SAFE_NO_PAD.encode(bytes),
            delivered: false,
            rejected: false,
        });
        let surplus = self.0.len().saturating_sub(KEPT);
        let mut dropped = 0;
        self.0.retain(|stored| {
            let drop = dropped < surplus && stored.delivered;
            dropped += usize::from(drop);
            !drop
        });
        Some(id)
    }

    /// For the hub.
    pub(crate) fn upload(&self, id: &str) -> Option<UploadedReceipt> {
        let stored = self.0.iter().find(|stored| stored.id == id)?;
        Some(UploadedReceipt { locker: stored.locker.clone(), receipt: stored.receipt.clone() })
    }

    /// The hub has it, or does not want it.
    pub(crate) fn settled(&mut self, id: &str, accepted: bool) {
        if let Some(stored) = self.0.iter_mut().find(|stored| stored.id == id) {
            stored.delivered = accepted;
            stored.rejected = !accepted;
        }
    }

    /// The hub may have forgotten them: receipts and reservations of those that are to be offered again.
    pub(crate) fn offer_again(&mut self) -> Vec<(String, String)> {
        let delivered = self.0.iter_mut().filter(|stored| stored.delivered);
        delivered
            .map(|stored| {
                stored.delivered = false;
                (stored.id.clone(), stored.reservation.clone())
            })
            .collect()
    }

    /// The hub has all that it can have.
    pub(crate) fn all_delivered(&self) -> bool {
        self.0.iter().all(|stored| stored.delivered || stored.rejected)
    }

    /// The hub has all of a reservation.
    pub(crate) fn has_delivered_all_of(&self, reservation: &str) -> bool {
        self.0.iter().filter(|stored| stored.reservation == reservation).all(|stored| stored.delivered)
    }

    /// For the window, newest first.
    pub(crate) fn view(&self) -> Vec<ReceiptView> {
        let view = |stored: &Stored| ReceiptView {
            id: stored.id.clone(),
            reservation: stored.reservation.clone(),
            title: stored.title.clone(),
            locker: stored.locker_name.clone(),
            label: stored.label.clone(),
            outcome: stored.outcome.clone(),
            source: stored.source.clone(),
            at: stored.at,
            time_certain: stored.time_certain,
            sequence: stored.sequence,
            // Only verified ones are ever kept.
            verified: true,
            delivered: stored.delivered,
        };
        self.0.iter().rev().map(view).collect()
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Opened => "opened",
        Outcome::Jammed => "jammed",
        Outcome::AlreadyOpen => "already_open",
        Outcome::Unknown => "unknown",
        Outcome::Closed => "closed",
        Outcome::ClosedPresent => "closed_present",
        Outcome::ClosedAbsent => "closed_absent",
    }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Radio => "radio",
        Source::Pin => "pin",
        Source::Scanner => "scanner",
    }
}

fn radio() -> String {
    source(Source::Radio).to_owned()
}
