//! The companion simulator: cabinets of the real firmware (`postern-locker`, unchanged) on simulated machines, on the air
//! over TCP or as a Bluetooth peripheral, with a live panel and a fate that can be chosen.
#![forbid(unsafe_code)]

pub mod air;
#[cfg(target_os = "linux")]
pub mod ble;
pub mod board;
pub mod cabinet;
pub mod chain;
pub mod config;
pub mod courier;
pub mod customer;
pub mod fate;
pub mod gateway;
pub mod hub;
pub mod link;
pub mod log;
pub mod machine;
pub mod panel;
pub mod scanner;
pub mod scenario;
pub mod store;
pub mod unattended;
pub mod words;
pub mod world;
