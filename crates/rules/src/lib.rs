//! What the hub decides about doors, access and people, as pure functions: facts and policy in, a verdict or a refusal out. Who
//! calls them reads the facts from a database, or from memory in the simulated world, and writes down what follows.
#![forbid(unsafe_code)]

pub mod access;
pub mod booked;
pub mod care;
pub mod chain;
pub mod deletion;
pub mod email;
pub mod invitation;
pub mod number;
pub mod parcel;
pub mod placed;
pub mod recipient;
pub mod release;
pub mod revoked;
pub mod settling;
pub mod share;
pub mod taken;
