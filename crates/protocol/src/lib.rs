//! Everything that both ends of the air must agree on. PROTOCOL.md beside this crate is the normative text; this is its
//! code, and the tests bind the two to each other.
//!
//! No clock, no random numbers and no input or output of its own: times and random bytes are arguments, and signatures
//! of the device key are asked for as bytes, so that a key in hardware can answer later.
//!
//! | module | PROTOCOL.md |
//! |---|---|
//! | [`gatt`] | Finding a locker |
//! | [`frame`], [`inbox`] | Frames |
//! | [`message`], [`phone`], [`locker_side`] | Session |
//! | [`token`], [`delegation`] | Token, Delegation |
//! | [`receipt`], [`bulletin`] | Receipt, Bulletin |
//! | [`qr`], [`pin`] | Opening code, PIN |
//! | [`carry`] | Carrying receipts |
//! | [`in_person`] | Sharing in person |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod base45;
pub mod bulletin;
pub mod carry;
mod cbor;
mod cose;
pub mod delegation;
pub mod frame;
pub mod gatt;
mod ids;
pub mod in_person;
pub mod inbox;
#[cfg(feature = "issue")]
pub mod issue;
mod keys;
pub mod locker_side;
pub mod message;
mod noise;
pub mod phone;
pub mod pin;
pub mod qr;
pub mod receipt;
mod session;
pub mod token;

pub use ids::{BadLockerId, Door, Epoch, KeyId, LockerId, OperationNonce, Timestamp, TokenId};
pub use keys::{Algorithm, DeviceKey, IssuerKeys, LockerIdentity, LockerKeys};
pub use message::{
    Capabilities, Carried, ClockState, DoorEvent, DoorEventKind, Hello, Operation, Operations, Refusal,
    Reply, Request, StatusReport,
};

/// The version of this protocol.
pub const VERSION: u8 = 1;

/// The first 16 of 32 bytes.
fn first_half(bytes: &[u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    half
}
