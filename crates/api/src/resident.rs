//! Flats of a site: inviting people to them, living there, moving out.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{account::Delivery, growth::Word};

/// `POST /v1/operator/sites/{site}/invitations`: invites people to flats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewInvitations {
    /// One for each flat, at most 500.
    pub flats: Vec<NewInvitation>,
    /// The language of letters: `en`, `de`, `pl`, `uk`; the operator's where it is absent or another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// An invitation to one flat.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewInvitation {
    /// Flat or department, 1 to 64 characters.
    pub unit: String,
    /// Where the hub mails the link; nothing is mailed when absent, or where the network sends no mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// How many people may follow it, 1 to 20; one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<u32>,
    /// Until when, UNIX seconds, at most a year; 30 days when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// `POST /v1/operator/sites/{site}/invitations/list`: invites the flats of a list. All of them, or none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationList {
    /// CSV (RFC 4180) with a line of names first: `flat`, and where wanted `email`, `people` and `until` (`2027-01-31`), in any
    /// order. Between fields a comma, semicolon or tab. At most 500 flats.
    pub csv: String,
    /// Only says what would come of it: nobody is invited, and nothing is mailed.
    #[serde(default)]
    pub dry_run: bool,
    /// As for [`NewInvitations`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// Invitations that were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationsMade {
    /// In the order of the request; of a dry run none.
    pub invitations: Vec<InvitationMade>,
    /// How many flats were read.
    pub flats: u32,
    /// The same as a list for a spreadsheet or a mail merge: `flat,people,until,code,link`. Secret.
    pub csv: String,
    /// Of a dry run: what stands in the way. Where there is anything, the list is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<ListFault>,
}

/// An invitation with what is secret of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationMade {
    /// Invitation id.
    pub id: String,
    /// The flat.
    pub unit: String,
    /// How many people may follow it.
    pub people: u32,
    /// UNIX seconds.
    pub until: i64,
    /// To be typed into the app: `7QFM-3K9T-XWB4`. Shown once. Secret.
    pub code: String,
    /// The same as a link. Secret.
    pub link: String,
    /// A letter with the link was queued.
    pub mailed: bool,
}

/// Something in a list that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListFault {
    /// From 1, the line of names included.
    pub line: u32,
    /// From 1; 0 where it is of the whole line.
    pub column: u32,
    /// In English.
    pub reason: String,
}

/// `GET /v1/operator/sites/{site}/invitations`: a page of them, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invitations {
    /// This page.
    pub invitations: Vec<InvitationEntry>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An invitation without what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitationEntry {
    /// Invitation id.
    pub id: String,
    /// The flat.
    pub unit: String,
    /// How many people may follow it.
    pub people: u32,
    /// How many did.
    pub joined: u32,
    /// UNIX seconds.
    pub until: i64,
    /// Where it stands.
    #[cfg_attr(feature = "openapi", schema(value_type = InvitationState))]
    pub state: Word<InvitationState>,
    /// What became of the letter, where one was queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<Delivery>,
    /// UNIX seconds.
    pub created_at: i64,
}

/// Where an invitation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InvitationState {
    /// It can be followed.
    Open,
    /// By as many as it was for.
    Used,
    /// The operator took it back.
    Withdrawn,
    /// Its time is over.
    Ended,
}

/// `GET /v1/operator/sites/{site}/members`: a page of those who live or work at a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Residents {
    /// This page, by customer number.
    pub residents: Vec<Resident>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Somebody who lives or works at a site.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resident {
    /// Customer number.
    pub number: String,
    /// The name that they chose; untrusted text.
    pub name: String,
    /// Flat or department.
    pub unit: String,
    /// Since when, UNIX seconds, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
}

/// `POST /v1/homes/invitation` and `POST /v1/homes`: the code of an invitation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HomeCode {
    /// As it stands in the link, or as it was typed: case, spaces and dashes do not count. Secret.
    pub code: String,
}

/// What an invitation is to, before anybody follows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HomeInvitation {
    /// Site id.
    pub site: String,
    /// The site's name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// The flat.
    pub unit: String,
    /// UNIX seconds.
    pub until: i64,
    /// The customer lives there already.
    #[serde(default)]
    pub joined: bool,
}

/// Where the customer lives or works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Home {
    /// Site id.
    pub site: String,
    /// The site's name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// The flat.
    pub unit: String,
    /// Reservations that stand in the way of leaving: compartments to give back first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hindered_by: Vec<String>,
}

impl fmt::Debug for NewInvitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewInvitation").field("unit", &self.unit).finish_non_exhaustive()
    }
}

impl fmt::Debug for InvitationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvitationList").field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

impl fmt::Debug for InvitationMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvitationMade").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resident").field("unit", &self.unit).finish_non_exhaustive()
    }
}

impl fmt::Debug for HomeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HomeCode").finish_non_exhaustive()
    }
}
