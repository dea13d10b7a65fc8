//! The hub's HTTP contract: request and response types and stable error codes. No logic.
//!
//! Times are UNIX seconds (`i64`); binary values are base64url without padding (RFC 4648 §5); ids are opaque
//! ASCII strings of at most 64 characters. A client ignores fields it does not know. The OpenAPI 3.1 document that the hub serves at
//! `/openapi.json` is generated from these types (feature `openapi`).
#![forbid(unsafe_code)]

pub mod account;
pub mod carrier;
pub mod locker;
pub mod operator;
pub mod problem;
pub mod reservation;
pub mod sync;
pub mod token;

/// The version prefix of every path of this contract.
pub const PREFIX: &str = "/v1";
