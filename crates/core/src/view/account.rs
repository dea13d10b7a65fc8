//! Who is signed in, and what the account holds.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::ProblemView;

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum SessionView {
    /// Nobody.
    SignedOut {
        /// Why the last attempt failed, if one did.
        problem: Option<ProblemView>,
    },
    /// The browser is open.
    InBrowser {
        /// The authorization URL, so that the customer can open it by hand.
        url: String,
        /// Something came back that was not this sign-in; it was refused, and we still wait.
        problem: Option<ProblemView>,
    },
    /// Talking to the hub.
    Finishing,
    /// Signed in.
    SignedIn {
        /// For display, untrusted text.
        name: String,
        /// By claim link.
        guest: bool,
        /// Devices of the account.
        devices: Vec<DeviceView>,
        /// Host of the hub.
        hub: String,
    },
    /// This device was removed from the account; everything was wiped.
    Revoked,
}

/// The account as its owner sees it. Lists are empty until the account was looked at (`showAccount`).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct AccountView {
    /// The customer number as it is printed; none from a hub that gives none.
    pub number: Option<String>,
    /// The site that the customer has things sent to, for the address to give to shops.
    pub site: Option<AddressSite>,
    /// The e-mail address; none where the network sends no mail.
    pub email: Option<EmailView>,
    /// Where the customer lives or works.
    #[serde(default)]
    pub homes: Vec<HomeView>,
    /// How many wishes about the account have come to an end since the app began, well or not.
    pub finished: u32,
    /// What is being done: `name`, `email`, `confirmEmail`, `forgetEmail`, `removePasskey`, `recoveryCodes`, `export`, `delete`.
    pub doing: Option<String>,
    /// What went wrong last.
    pub problem: Option<AccountProblemView>,
    /// Ways in.
    pub passkeys: Vec<PasskeyView>,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: Option<u32>,
    /// Recovery codes that were just made, to be written down. Secret; shown once.
    pub recovery_codes: Vec<String>,
    /// It has come what deleting the account means: the next two, and `homes`, are as the hub has them.
    pub deletion_known: bool,
    /// Reservations that are to be given back or cancelled before the account can be deleted.
    pub hindered_by: Vec<String>,
    /// Parcels that would lose their recipient with it.
    pub parcels: Vec<String>,
    /// Everything that the hub keeps of the account (JSON), to be kept as a file.
    pub export: Option<String>,
}

/// Codes and export are the customer's alone.
impl core::fmt::Debug for AccountView {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AccountView")
            .field("doing", &self.doing)
            .field("problem", &self.problem)
            .field("recovery_codes_left", &self.recovery_codes_left)
            .finish_non_exhaustive()
    }
}

/// Where the customer lives or works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct HomeView {
    /// Site id.
    pub site: String,
    /// Untrusted text.
    pub name: String,
    /// Untrusted text.
    pub address: String,
    /// Flat or department, untrusted text.
    pub unit: String,
    /// Reservations that are to be given back before the customer can leave.
    pub hindered_by: Vec<String>,
}

/// An invitation to a flat, until the customer says yes or no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct HomeOfferView {
    /// The site's name, untrusted text; empty until the hub has said what the invitation is to.
    pub name: String,
    /// Untrusted text.
    pub address: String,
    /// Flat or department, untrusted text.
    pub unit: String,
    /// The customer lives there.
    pub joined: bool,
    /// The hub is being asked.
    pub doing: bool,
    /// Why it cannot be followed.
    pub problem: Option<ProblemView>,
}

/// What went wrong with the account, and with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct AccountProblemView {
    /// As `AccountView::doing`, or `account`, `passkeys` or `deletion`.
    pub of: String,
    /// Why and what now.
    pub problem: ProblemView,
}

/// A way into the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct PasskeyView {
    /// Passkey id.
    pub id: String,
    /// Untrusted text.
    pub name: String,
    /// UNIX seconds.
    pub created_at: i64,
    /// UNIX seconds.
    pub last_used_at: i64,
}

/// The account's e-mail address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct EmailView {
    /// Confirmed.
    pub address: Option<String>,
    /// Waits for its code.
    pub pending: Option<String>,
    /// What became of the letter with the code: `queued`, `delayed`, `sent`, `refused`, `given_up`.
    pub delivery: Option<String>,
}

/// A site that the customer has things sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct AddressSite {
    /// Site id.
    pub id: String,
    /// Untrusted text.
    pub name: String,
    /// Untrusted text.
    pub address: String,
}

/// A device of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct DeviceView {
    /// Device id.
    pub id: String,
    /// Untrusted text.
    pub name: String,
    /// The one in hand.
    pub this: bool,
    /// UNIX seconds.
    pub last_seen_at: i64,
    /// Being removed, waiting for a network.
    pub removing: bool,
}
