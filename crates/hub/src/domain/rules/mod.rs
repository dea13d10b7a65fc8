//! Rules of doors and access, as pure functions: facts and policy in, a verdict or a refusal out. Who calls them reads the
//! facts from the database and writes down what follows; nothing is decided there.

pub mod access;
pub mod booked;
pub mod chain;
pub mod parcel;
pub mod placed;
pub mod release;
pub mod revoked;
pub mod settling;
pub mod share;
