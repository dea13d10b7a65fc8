//! What the hub says to a phone.

use postern_api::{
    account::{Account, HubInfo, TokenResponse},
    problem::Problem,
    reservation::Reservation,
    sync::{Changes, ReceiptResults},
    token::{Bulletins, Grants},
};
use postern_core::event::Payload;
use serde::Serialize;

/// What the hub says, as a type of the contract.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
#[allow(missing_docs, reason = "the types say it")]
pub enum Said {
    Info(HubInfo),
    Tokens(TokenResponse),
    Account(Account),
    Changes(Changes),
    Grants(Grants),
    Bulletins(Bulletins),
    Results(ReceiptResults),
    Reservation(Box<Reservation>),
    Problem(Problem),
}

impl Said {
    /// As it reaches a phone: as JSON, or as the type that it is.
    pub fn payload(self, as_json: bool) -> Payload {
        if as_json {
            return serde_json::to_vec(&self).expect("the contract serialises").into();
        }
        Payload::Ready(match self {
            Self::Info(it) => Box::new(it),
            Self::Tokens(it) => Box::new(it),
            Self::Account(it) => Box::new(it),
            Self::Changes(it) => Box::new(it),
            Self::Grants(it) => Box::new(it),
            Self::Bulletins(it) => Box::new(it),
            Self::Results(it) => Box::new(it),
            Self::Reservation(it) => it,
            Self::Problem(it) => Box::new(it),
        })
    }
}
