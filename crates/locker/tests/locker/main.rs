//! The firmware as a whole, against every attack and fault in the tables of SECURITY.md that concerns it. Virtual time, an in-memory
//! machine, phones made of the protocol's own phone side.
#![allow(clippy::unwrap_used)]

mod attacks;
mod bounds;
mod cabinet;
mod correction;
mod doors;
mod earlier;
mod fuzz;
mod hogging;
mod power;
mod promises;
mod sharing;
mod site;
mod time;
