//! Everything that outlives the process, but for the session's secrets: a versioned document and the changes since it
//! was written, sealed by the vault.

use std::io;

use postern_api::account::Account;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    effect::{Effect, Sealed},
    habits::Habits,
    outbox::Outbox,
    receipts::Receipts,
    reminders::Reminders,
    sharing::GivenInPerson,
    unlock::Openings,
    view::SettingsView,
    wallet::{self, Wallet},
};

/// The layout of this document. It rises where an older app could misread a newer document.
const VERSION: u32 = 1;

/// Changes of so many bytes are never worth a new document.
const FEW: usize = 64 << 10;
/// What a change takes in the file besides what it says, about.
const ENTRY: usize = 64;

/// The document.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    version: u32,
    /// Id of the hub that it is of.
    #[serde(default)]
    pub(crate) hub: Option<String>,
    /// Whose it is.
    #[serde(default)]
    pub(crate) account: Option<Account>,
    /// When the hub was last heard, UNIX seconds.
    #[serde(default)]
    pub(crate) last_contact: Option<i64>,
    /// How far this device's clock was ahead of the hub's then, seconds.
    #[serde(default)]
    pub(crate) skew: i64,
    /// Where the change feed stands.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    /// A claim link that was followed and is not taken up yet.
    #[serde(default)]
    pub(crate) claim: Option<Claim>,
    /// When the end of the account was asked for, UNIX seconds, until the hub's answer is known.
    #[serde(default)]
    pub(crate) deleting: Option<i64>,
    #[serde(default)]
    pub(crate) wallet: Wallet,
    /// Operations of unknown outcome, and doors that are open.
    #[serde(default)]
    pub(crate) openings: Openings,
    #[serde(default)]
    pub(crate) outbox: Outbox,
    #[serde(default)]
    pub(crate) receipts: Receipts,
    pub(crate) settings: SettingsView,
    #[serde(default)]
    pub(crate) given: GivenInPerson,
    #[serde(default)]
    pub(crate) habits: Habits,
    #[serde(default)]
    pub(crate) reminders: Reminders,
    #[serde(skip)]
    written: Written,
}

/// What is on the disk, as far as that decides what is to be written next.
#[derive(Default)]
struct Written {
    /// Bytes of the document; none where it is to be written whole.
    document: Option<usize>,
    /// Bytes of the changes since.
    changes: usize,
    /// Bytes that a document took last.
    last_len: usize,
    parts: Parts,
}

/// Digests of the parts that are written as a whole where anything in them changed.
#[derive(Default)]
struct Parts {
    head: Digested,
    openings: Digested,
    outbox: Digested,
    receipts: Digested,
    settings: Digested,
    given: Digested,
    habits: Digested,
    reminders: Digested,
}

/// The small fields that often change together.
#[derive(Clone, Serialize, Deserialize)]
struct Head {
    hub: Option<String>,
    account: Option<Account>,
    last_contact: Option<i64>,
    #[serde(default)]
    skew: i64,
    cursor: Option<String>,
    #[serde(default)]
    claim: Option<Claim>,
    #[serde(default)]
    deleting: Option<i64>,
}

/// A claim link, for the next process.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// Base URL of the hub that it is of.
    pub(crate) hub: String,
    pub(crate) code: String,
}

/// What changed since the document, or the change before this one.
#[derive(Serialize, Deserialize)]
struct Change {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<Head>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    openings: Option<Openings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outbox: Option<Outbox>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    receipts: Option<Receipts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<SettingsView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given: Option<GivenInPerson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    habits: Option<Habits>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reminders: Option<Reminders>,
    wallet: wallet::Changes,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            version: VERSION,
            hub: None,
            account: None,
            last_contact: None,
            skew: 0,
            cursor: None,
            claim: None,
            deleting: None,
            wallet: Wallet::default(),
            openings: Openings::default(),
            outbox: Outbox::default(),
            receipts: Receipts::default(),
            settings: SettingsView::default(),
            given: GivenInPerson::default(),
            habits: Habits::default(),
            reminders: Reminders::default(),
            written: Written::default(),
        }
    }
}

impl Kept {
    /// Reads a document and the changes since; none where any of it is damaged or of a newer layout, or where there is
    /// no document.
    pub(crate) fn read(entries: &[Sealed]) -> Option<Self> {
        let (document, changes) = entries.split_first()?;
        let mut kept =
            serde_json::from_slice::<Self>(document).ok().filter(|kept| kept.version == VERSION)?;
        for change in changes {
            kept.apply(serde_json::from_slice(change).ok()?);
        }
        let sizes = changes.iter().map(|change| change.len() + ENTRY);
        kept.wallet.read_newer();
        kept.written = Written {
            document: Some(document.len()),
            changes: sizes.sum(),
            last_len: document.len(),
            parts: Parts::default(),
        };
        // What was read is what is written.
        kept.change();
        Some(kept)
    }

    /// What is to be saved: what changed, or everything where that is not much more. None where nothing changed.
    pub(crate) fn save(&mut self) -> Option<Effect> {
        let fits = |document: usize| self.written.changes <= document.max(FEW);
        if self.written.document.is_some_and(fits) {
            let change = write(&self.change()?);
            self.written.changes += change.len() + ENTRY;
            return Some(Effect::Append(change));
        }
        // Noted as written.
        self.change();
        let document = self.document();
        self.written.document = Some(document.len());
        self.written.changes = 0;
        Some(Effect::Save(document))
    }

    /// What was to be saved is not on the disk: the next time everything is.
    pub(crate) fn not_saved(&mut self) {
        self.written.document = None;
    }

    fn document(&mut self) -> Sealed {
        // A buffer that has to grow leaves pieces of itself behind, which nobody wipes.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.written.last_len * 5 / 4 + 16 * 1024));
        serde_json::to_writer(&mut *bytes, self).expect("maps here have text keys, and numbers are finite");
        self.written.last_len = bytes.len();
        bytes
    }

    fn head(&self) -> Head {
        Head {
            hub: self.hub.clone(),
            account: self.account.clone(),
            last_contact: self.last_contact,
            skew: self.skew,
            cursor: self.cursor.clone(),
            claim: self.claim.clone(),
            deleting: self.deleting,
        }
    }

    /// What changed since this was asked last; none where nothing did.
    fn change(&mut self) -> Option<Change> {
        let head = self.head();
        let parts = &mut self.written.parts;
        let change = Change {
            head: parts.head.changed(&head),
            openings: parts.openings.changed(&self.openings),
            outbox: parts.outbox.changed(&self.outbox),
            receipts: parts.receipts.changed(&self.receipts),
            settings: parts.settings.changed(&self.settings),
            given: parts.given.changed(&self.given),
            habits: parts.habits.changed(&self.habits),
            reminders: parts.reminders.changed(&self.reminders),
            wallet: self.wallet.changes(),
        };
        self.wallet.written();
        change.is_any().then_some(change)
    }

    fn apply(&mut self, change: Change) {
        if let Some(Head { hub, account, last_contact, skew, cursor, claim, deleting }) = change.head {
            (self.hub, self.account, self.cursor) = (hub, account, cursor);
            (self.last_contact, self.skew) = (last_contact, skew);
            (self.claim, self.deleting) = (claim, deleting);
        }
        put(&mut self.openings, change.openings);
        put(&mut self.outbox, change.outbox);
        put(&mut self.receipts, change.receipts);
        put(&mut self.settings, change.settings);
        put(&mut self.given, change.given);
        put(&mut self.habits, change.habits);
        put(&mut self.reminders, change.reminders);
        self.wallet.apply_changes(change.wallet);
    }
}

impl Change {
    fn is_any(&self) -> bool {
        self.head.is_some()
            || self.openings.is_some()
            || self.outbox.is_some()
            || self.receipts.is_some()
            || self.settings.is_some()
            || self.given.is_some()
            || self.habits.is_some()
            || self.reminders.is_some()
            || !self.wallet.is_empty()
    }
}

fn put<T>(place: &mut T, changed: Option<T>) {
    if let Some(changed) = changed {
        *place = changed;
    }
}

fn write(change: &Change) -> Sealed {
    // Measured first, for the same reason as a document's buffer.
    let mut length = Length(0);
    let written = "maps here have text keys, and numbers are finite";
    serde_json::to_writer(&mut length, change).expect(written);
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *bytes, change).expect(written);
    bytes
}

/// Counts bytes.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a part was when it was last written.
#[derive(Default)]
struct Digested(Option<[u8; 32]>);

impl Digested {
    /// The part, where it is another than the last time.
    fn changed<T: Serialize + Clone>(&mut self, part: &T) -> Option<T> {
        let mut digest = Sha256::new();
        serde_json::to_writer(&mut Digesting(&mut digest), part).expect("parts have text keys");
        let now = Some(<[u8; 32]>::from(digest.finalize()));
        let before = std::mem::replace(&mut self.0, now);
        (before != now).then(|| part.clone())
    }
}

struct Digesting<'a>(&'a mut Sha256);

impl io::Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
