//! Reports: what customers say is wrong, and what is answered.

use serde::{Deserialize, Serialize};

use crate::reservation::ProblemKind;

/// A report as its customer sees it. Its words are read as they come: a newer one is shown as what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnReport {
    /// Report id.
    pub id: String,
    /// When it came in.
    pub at: i64,
    /// What is wrong.
    #[cfg_attr(feature = "openapi", schema(value_type = ProblemKind))]
    pub kind: String,
    /// In the customer's words.
    #[serde(default)]
    pub note: String,
    /// How many photos came with it.
    #[serde(default)]
    pub photos: u32,
    /// Where it stands.
    #[cfg_attr(feature = "openapi", schema(value_type = ReportState))]
    pub state: String,
    /// What was answered, oldest first.
    #[serde(default)]
    pub answers: Vec<ReportAnswer>,
}

/// Where a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// Nobody has answered yet.
    Open,
    /// Somebody has answered, and is still at it.
    Answered,
    /// It is done with.
    Solved,
}

/// An answer to a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportAnswer {
    /// When.
    pub at: i64,
    /// Name of the carrier or operator, for display.
    pub by: String,
    /// Plain text.
    pub text: String,
}

/// `GET /v1/operator/reports` and `GET /v1/carrier/reports`: reports of customers, newest first. Who sent them is not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reports {
    /// At most 100.
    pub reports: Vec<Report>,
    /// Ask with `after` of this for the next page; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A report as the operator reads it, and the carrier whose parcel it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Report {
    /// Report id.
    pub id: String,
    /// When it came in.
    pub at: i64,
    /// What is wrong.
    pub kind: ProblemKind,
    /// In the customer's words; untrusted text.
    pub note: String,
    /// Photos, without position and other metadata.
    pub photos: Vec<ReportPhoto>,
    /// Reservation id of what it is about.
    pub reservation: String,
    /// Its carrier's id.
    pub carrier: String,
    /// Its tracking number or booking reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Where it is or was, site id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Locker id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locker: Option<String>,
    /// Door number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<u16>,
    /// Where it stands.
    pub state: ReportState,
    /// What was answered, oldest first.
    pub answers: Vec<ReportAnswer>,
}

/// A photo of a report, to be had from `/reports/{id}/photos/{photo}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportPhoto {
    /// Photo id.
    pub id: String,
    /// `image/jpeg` or `image/png`.
    pub media_type: String,
    /// Bytes.
    pub size: u32,
}

/// `POST /v1/operator/reports/{id}/answers` and `POST /v1/carrier/reports/{id}/answers`: the customer reads it in the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewReportAnswer {
    /// 1 to 2,000 characters of plain text. Empty only where the report is solved without a word.
    #[serde(default)]
    pub text: String,
    /// It is done with.
    #[serde(default)]
    pub solved: bool,
}
