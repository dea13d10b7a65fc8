//! The rules of the network. Functions take a transaction and say what happened; HTTP is elsewhere.

pub mod account;
pub mod alarms;
pub mod code;
pub mod demo;
pub mod device;
pub mod doors;
pub mod feed;
pub mod grants;
pub mod keyring;
pub mod network;
pub mod parcels;
pub mod receipts;
pub mod reservation;
pub mod returns;
pub mod storage;
pub mod taken;
pub mod view;
