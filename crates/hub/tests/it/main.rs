//! The hub as its clients see it: over HTTP, on SQLite and on a real PostgreSQL.

mod browser;
mod client;
mod conformance;
mod instances;
mod kill;
mod matrix;
mod passkey;
mod postgres;
mod redirect_abuse;
mod services;
mod sign_in;
mod webhooks;
mod world;
