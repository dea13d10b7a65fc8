//! The real window with real parts around it: a stage (display, bus, keyring, browser), the hub, a simulated cabinet,
//! the app under WebDriver, and the story of one parcel told on it.
#![forbid(unsafe_code)]

pub mod app;
pub mod browser;
pub mod child;
pub mod desk;
pub mod parts;
pub mod polkit;
pub mod qr;
pub mod radio;
pub mod stage;
pub mod story;
pub mod transcript;
pub mod webdriver;
pub mod world;
