//! What the customer did and the hub does not know yet: kept in order over restarts, sent with an idempotency key each,
//! shown as waiting, and explained where the hub says no.

use postern_api::{
    account::Changes,
    locker::Size,
    reservation::{
        ChangeLocker, Extend, Handover, Hold, Inside, NewProblem, NewReturn, NewShare, NewStorage,
        ProblemKind, Release, Taken,
    },
    sync::{ReceiptUpload, UploadedReceipt},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    cx::Cx,
    effect::Method,
    event::Payload,
    line::{Call, Miss, Purpose},
    receipts::Receipts,
    sync::backoff,
    view::{OutboxView, ProblemView},
};

/// More than this many entries wait for nobody; the oldest refused ones go first.
const MAX_ENTRIES: usize = 1_000;
/// Receipts in one upload (the contract allows 100).
const BATCH: usize = 100;

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum What {
    /// A receipt, by its id on this device.
    Receipt { receipt: String },
    /// Whether it was there and is taken.
    Taken { taken: bool },
    /// Whether it was put in, after which opening.
    Placed { inside: bool, opening: u32 },
    /// A later deadline.
    Extend { until: i64 },
    /// Access by a link.
    Share { name: String, until: i64 },
    /// Access taken back.
    RevokeShare { share: String },
    /// A problem.
    Report { kind: ProblemKind, note: String, photos: Vec<String> },
    /// A device removed.
    RemoveDevice { device: String },
    /// Kept while away.
    Hold { until: i64 },
    /// Cancelled.
    Cancel,
    /// Another site.
    ChangeLocker { site: String },
    /// Given back; what the customer says of the compartment.
    Release {
        #[serde(default)]
        empty: Option<bool>,
        #[serde(default)]
        opening: Option<u32>,
    },
    /// A compartment for a return.
    BookReturn { code: String, site: String, size: Size },
    /// A compartment to keep something in.
    BookStorage { title: String, site: String, size: Size, until: i64 },
    /// A shared thing.
    Borrow { thing: String },
    /// What lies in a held compartment goes to a neighbour.
    HandOver { unit: String },
    /// Doors that the customer can reach.
    PreferLowDoors { on: bool },
}

impl What {
    fn name(&self) -> &'static str {
        match self {
            Self::Receipt { .. } => "receipt",
            Self::Taken { .. } => "confirmTaken",
            Self::Placed { .. } => "confirmPlaced",
            Self::Extend { .. } => "extend",
            Self::Share { .. } => "share",
            Self::RevokeShare { .. } => "revokeShare",
            Self::Report { .. } => "report",
            Self::RemoveDevice { .. } => "removeDevice",
            Self::Hold { .. } => "hold",
            Self::Cancel => "cancel",
            Self::ChangeLocker { .. } => "changeLocker",
            Self::Release { .. } => "release",
            Self::BookReturn { .. } => "bookReturn",
            Self::BookStorage { .. } => "bookStorage",
            Self::Borrow { .. } => "borrow",
            Self::HandOver { .. } => "handOver",
            Self::PreferLowDoors { .. } => "preferLowDoors",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    key: String,
    pub(crate) reservation: Option<String>,
    #[serde(flatten)]
    pub(crate) what: What,
    /// Why the hub refused it. Such an entry is not sent again.
    #[serde(default)]
    pub(crate) refused: Option<ProblemView>,
}

/// The machine; all but what is under way is stored.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Outbox {
    entries: Vec<Entry>,
    last_id: u64,
    #[serde(skip)]
    under_way: Vec<u64>,
    #[serde(skip)]
    not_before: u64,
    #[serde(skip)]
    failures: u32,
}

/// What became of what was under way.
pub(crate) enum Settled {
    /// The hub took these; the body of its answer.
    Taken(Vec<Entry>, Payload),
    /// The hub refused this one.
    Refused(Entry),
    /// They wait on.
    Waiting,
}

impl Outbox {
    /// Entries, oldest first.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Puts something in. It goes out as soon as it can.
    pub(crate) fn put(&mut self, reservation: Option<String>, what: What, cx: &mut Cx<'_>) {
        if self.entries.len() >= MAX_ENTRIES
            && let Some(index) = self.entries.iter().position(|entry| entry.refused.is_some())
        {
            self.entries.remove(index);
        }
        self.last_id += 1;
        self.entries.push(Entry {
            id: self.last_id,
            key: hex::encode(cx.random::<16>()),
            reservation,
            what,
            refused: None,
        });
        self.not_before = self.not_before.min(cx.now.monotonic_ms);
        cx.out.save_now();
    }

    /// Takes an entry out that the customer no longer wants. Receipts stay, and what is under way.
    pub(crate) fn dismiss(&mut self, id: u64, cx: &mut Cx<'_>) {
        let before = self.entries.len();
        let under_way = &self.under_way;
        self.entries.retain(|entry| {
            entry.id != id
                || under_way.contains(&id)
                || (matches!(entry.what, What::Receipt { .. }) && entry.refused.is_none())
        });
        if self.entries.len() != before {
            cx.out.save_soon();
        }
    }

    /// The network came back: now.
    pub(crate) fn wake(&mut self) {
        self.not_before = 0;
        self.failures = 0;
    }

    fn is_ready(&self) -> bool {
        self.under_way.is_empty() && self.entries.iter().any(|entry| entry.refused.is_none())
    }

    /// When something must happen.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.is_ready().then_some(self.not_before)
    }

    /// Sends the head, one at a time so that the order holds; receipts at the head go together.
    pub(crate) fn drive(&mut self, receipts: &Receipts, cx: &mut Cx<'_>) {
        if !self.is_ready() || cx.now.monotonic_ms < self.not_before {
            return;
        }
        // A receipt that is no longer here cannot be sent, and must not hold up the rest.
        self.entries.retain(|entry| match &entry.what {
            What::Receipt { receipt } => receipts.upload(receipt).is_some(),
            _ => true,
        });
        let mut waiting = self.entries.iter().filter(|entry| entry.refused.is_none());
        let Some(head) = waiting.next() else { return };
        if let What::Receipt { .. } = head.what {
            let batch: Vec<(u64, UploadedReceipt)> = std::iter::once(head)
                .chain(waiting)
                .map_while(|entry| match &entry.what {
                    What::Receipt { receipt } => Some((entry.id, receipts.upload(receipt)?)),
                    _ => None,
                })
                .take(BATCH)
                .collect();
            let key = head.key.clone();
            self.under_way = batch.iter().map(|(id, _)| *id).collect();
            let upload = ReceiptUpload { receipts: batch.into_iter().map(|(_, receipt)| receipt).collect() };
            // The batch may differ when it is sent again, so the key says what is in it.
            let key = format!("{key}-{}", self.under_way.len());
            let call = Call::post(Purpose::Outbox, "/v1/receipts".into(), &upload);
            cx.out.call(Call { key: Some(key), ..call });
        } else {
            let call = call(head);
            self.under_way = vec![head.id];
            cx.out.call(call);
        }
    }

    /// The hub answered, or did not.
    pub(crate) fn on_answer(&mut self, answer: Result<Payload, Miss>, cx: &mut Cx<'_>) -> Settled {
        let under_way = std::mem::take(&mut self.under_way);
        let now = cx.now.monotonic_ms;
        match answer {
            Ok(body) => {
                self.failures = 0;
                let (done, rest) =
                    self.entries.drain(..).partition(|entry: &Entry| under_way.contains(&entry.id));
                self.entries = rest;
                cx.out.save_now();
                Settled::Taken(done, body)
            }
            Err(miss) if miss.passes() => {
                let asked = match miss {
                    Miss::Refused { wait: Some(wait), .. } => 1000 * u64::from(wait.min(3600)),
                    _ => 0,
                };
                self.not_before = now + backoff(self.failures + 1, cx).max(asked);
                self.failures = self.failures.saturating_add(1);
                Settled::Waiting
            }
            Err(miss) => {
                self.failures = 0;
                let mut refused = None;
                for entry in self.entries.iter_mut().filter(|entry| under_way.contains(&entry.id)) {
                    entry.refused = Some(miss.problem());
                    refused = Some(entry.clone());
                }
                cx.out.save_now();
                refused.map_or(Settled::Waiting, Settled::Refused)
            }
        }
    }

    /// For the window.
    pub(crate) fn view(&self) -> Vec<OutboxView> {
        let view = |entry: &Entry| OutboxView {
            id: entry.id,
            what: entry.what.name().to_owned(),
            reservation: entry.reservation.clone(),
            problem: entry.refused.clone(),
        };
        self.entries.iter().map(view).collect()
    }
}

/// How the hub is told. Ids were checked when they came in, so they fit a path.
fn call(entry: &Entry) -> Call {
    let reservation = entry.reservation.as_deref().unwrap_or_default();
    let post = |what: &str, body: Option<Vec<u8>>| {
        (Method::Post, format!("/v1/reservations/{reservation}/{what}"), body)
    };
    fn json(body: &impl Serialize) -> Option<Vec<u8>> {
        Some(serde_json::to_vec(body).expect("types of the contract serialise"))
    }
    let (method, path, body) = match &entry.what {
        What::Receipt { .. } => (Method::Post, "/v1/receipts".to_owned(), None),
        What::Taken { taken } => post("taken", json(&Taken { taken: *taken, note: None })),
        What::Placed { inside, opening } => {
            post("inside", json(&Inside { inside: *inside, opening: *opening, locker: None }))
        }
        What::Extend { until } => post("extend", json(&Extend { until: *until })),
        What::Share { name, until } => post("shares", json(&NewShare { name: name.clone(), until: *until })),
        What::RevokeShare { share } => {
            (Method::Delete, format!("/v1/reservations/{reservation}/shares/{share}"), None)
        }
        What::Report { kind, note, photos } => {
            post("problems", json(&NewProblem { kind: *kind, note: note.clone(), photos: photos.clone() }))
        }
        What::RemoveDevice { device } => (Method::Delete, format!("/v1/devices/{device}"), None),
        What::Hold { until } => post("hold", json(&Hold { until: *until })),
        What::Cancel => post("cancel", None),
        What::ChangeLocker { site } => post("move", json(&ChangeLocker { site: site.clone() })),
        What::Release { empty, opening } => {
            post("release", json(&Release { empty: *empty, opening: *opening }))
        }
        What::BookReturn { code, site, size } => (
            Method::Post,
            "/v1/returns".to_owned(),
            json(&NewReturn { code: code.clone(), site: site.clone(), size: *size }),
        ),
        What::BookStorage { title, site, size, until } => (
            Method::Post,
            "/v1/storage".to_owned(),
            json(&NewStorage { title: title.clone(), site: site.clone(), size: *size, until: *until }),
        ),
        What::Borrow { thing } => (Method::Post, format!("/v1/assets/{thing}/borrow"), None),
        What::HandOver { unit } => post("handover", json(&Handover { unit: unit.clone() })),
        What::PreferLowDoors { on } => {
            let changes = Changes { name: None, prefers_low_doors: Some(*on) };
            (Method::Patch, "/v1/me".to_owned(), json(&changes))
        }
    };
    Call {
        purpose: Purpose::Outbox,
        method,
        path,
        body: body.map(Zeroizing::new),
        key: Some(entry.key.clone()),
        renewed: false,
    }
}
