//! The hub as its clients see it: over HTTP, on SQLite and on a real PostgreSQL.
// A test that cannot go on may panic; the lint's own exception knows functions with #[test] only.
#![allow(clippy::unwrap_used)]

mod browser;
mod client;
mod conformance;
mod contract;
mod document;
mod gaps;
mod imports;
mod instances;
mod kill;
mod matrix;
mod passkey;
mod people;
mod postgres;
mod properties;
mod redirect_abuse;
mod served;
mod services;
mod settings;
mod sign_in;
mod webhooks;
mod world;
