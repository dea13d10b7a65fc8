//! The hub's HTTP contract: request and response types and stable error codes. No logic.
//!
//! Times are UNIX seconds (`i64`); binary values are base64url without padding (RFC 4648 §5); ids are opaque
//! ASCII strings of at most 64 characters. A client ignores fields it does not know, and [`growth`] says how it meets words. The OpenAPI 3.1 document that the hub serves at
//! `/openapi.json` is generated from these types (feature `openapi`).
#![forbid(unsafe_code)]

pub mod account;
pub mod carrier;
pub mod growth;
pub mod locker;
pub mod operator;
pub mod problem;
pub mod report;
pub mod reservation;
pub mod resident;
pub mod sync;
pub mod token;

/// The version of this contract. It rises with what breaks older clients; what they can pass over ([`growth`]) does not raise
/// it.
pub const VERSION: u32 = 1;

/// The version prefix of every path of this contract.
pub const PREFIX: &str = "/v1";
