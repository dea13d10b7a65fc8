//! The hub as its clients see it: over HTTP, on SQLite and on a real PostgreSQL.
// A test that cannot go on may panic; the lint's own exception knows functions with #[test] only.
#![allow(clippy::unwrap_used)]

mod backups;
mod browser;
mod cabinet;
mod care;
mod client;
mod conformance;
mod contract;
mod crowd;
mod document;
mod doors;
mod errands;
mod faults;
mod forgetting;
mod gaps;
mod guests;
mod imports;
mod instances;
mod keeping;
mod kill;
mod leaving;
mod leftovers;
mod mail;
mod matrix;
mod operating;
mod passkey;
mod people;
mod postgres;
mod promises;
mod properties;
mod races;
mod reach;
mod redirect_abuse;
mod reporting;
mod residents;
mod served;
mod services;
mod settings;
mod sign_in;
mod to_the_letter;
mod transfer;
mod webhooks;
mod world;
