//! Rules of doors, access and people, as pure functions: facts and policy in, a verdict or a refusal out. Who calls them reads the
//! facts from the database and writes down what follows; nothing is decided there.

pub mod access;
pub mod booked;
pub mod chain;
pub mod deletion;
pub mod email;
pub mod number;
pub mod parcel;
pub mod placed;
pub mod recipient;
pub mod release;
pub mod revoked;
pub mod settling;
pub mod share;
