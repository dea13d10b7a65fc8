//! Everything that outlives the process, but for the session's secrets: one versioned document, sealed by the vault.

use std::collections::BTreeMap;

use postern_api::account::Account;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    habits::Habits, outbox::Outbox, receipts::Receipts, reminders::Reminders, sharing::GivenInPerson,
    unlock::Pending, view::SettingsView, wallet::Wallet,
};

/// The layout of this document. It rises where an older app could misread a newer document.
const VERSION: u32 = 1;

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
    /// Where the change feed stands.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    #[serde(default)]
    pub(crate) wallet: Wallet,
    /// Operations of unknown outcome.
    #[serde(default)]
    pub(crate) pendings: BTreeMap<String, Pending>,
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
    /// Bytes that the document took last.
    #[serde(skip)]
    last_len: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            version: VERSION,
            hub: None,
            account: None,
            last_contact: None,
            cursor: None,
            wallet: Wallet::default(),
            pendings: BTreeMap::new(),
            outbox: Outbox::default(),
            receipts: Receipts::default(),
            settings: SettingsView::default(),
            given: GivenInPerson::default(),
            habits: Habits::default(),
            reminders: Reminders::default(),
            last_len: 0,
        }
    }
}

impl Kept {
    /// Reads a document; none where it is damaged or of a newer layout.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut kept = serde_json::from_slice::<Self>(bytes).ok().filter(|kept| kept.version == VERSION)?;
        kept.last_len = bytes.len();
        Some(kept)
    }

    /// Writes it.
    pub(crate) fn write(&mut self) -> Zeroizing<Vec<u8>> {
        // A buffer that has to grow leaves pieces of itself behind, which nobody wipes.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.last_len * 5 / 4 + 16 * 1024));
        serde_json::to_writer(&mut *bytes, self).expect("maps here have text keys, and numbers are finite");
        self.last_len = bytes.len();
        bytes
    }
}
