//! The one spelling of states and kinds: the database holds them exactly as the HTTP contract writes them.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

/// As the contract writes it.
///
/// # Panics
/// Never for the enums of the contract, which all serialise to strings.
pub fn of<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => unreachable!("the contract's enums serialise to strings"),
    }
}

/// What the database holds.
///
/// # Errors
/// When it is no word of the contract.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| Error::Internal("a stored word is not of the contract".to_owned()))
}
