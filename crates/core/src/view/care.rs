//! How a parcel has to be kept.

use postern_api::reservation::Care;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How a parcel has to be kept, where its carrier said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct CareView {
    /// It lies in a chilled compartment.
    pub chilled: bool,
    /// It lies in a compartment that freezes.
    pub frozen: bool,
    /// It breaks easily.
    pub fragile: bool,
    /// Hours that it keeps in the compartment.
    pub keeps_hours: Option<u32>,
    /// Until when it keeps, UNIX seconds, once it lies there.
    pub keeps_until: Option<i64>,
}

impl From<Care> for CareView {
    fn from(care: Care) -> Self {
        let Care { chilled, frozen, fragile, keeps_hours, keeps_until } = care;
        Self { chilled, frozen, fragile, keeps_hours, keeps_until }
    }
}
