//! The real window under WebDriver, with a real hub, real firmware and a real keyring around it.

mod account;
mod bad_days;
mod borrowing;
mod codes;
mod common;
mod journeys;
mod networks;
mod no_network;
mod presence;
mod sharing;
mod story;
