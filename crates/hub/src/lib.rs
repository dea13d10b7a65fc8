//! The reference hub: accounts with passkeys, reservations, carriers, tokens, receipts.
//!
//! `routes` speaks HTTP, `domain` knows the rules, `store` keeps things, `auth` says who asks, `signin` lets people in.
#![forbid(unsafe_code)]

pub mod attempt;
pub mod auth;
pub mod clock;
pub mod config;
pub mod domain;
pub mod error;
pub mod hub;
pub mod jobs;
pub mod mail;
pub mod metrics;
pub mod pages;
pub mod push;
pub mod random;
pub mod routes;
pub mod secrets;
pub mod server;
pub mod signin;
pub mod store;
pub mod wrapping;
pub mod write;
