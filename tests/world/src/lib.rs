//! Many phones (`postern-core`), lockers (`postern-locker`) and a hub in one deterministic, single-threaded, seeded
//! simulation with virtual time, held against a reference that decides independently what may happen.
//!
//! A [`plan::Plan`] is everything that befalls a world; it is made from a seed, and can be shrunk, written down and
//! played again. After every happening the invariants are checked (see [`reference`] and [`check`]).
#![forbid(unsafe_code)]

pub mod agent;
pub mod air;
mod attacks;
mod check;
pub mod copy;
mod couriers;
pub mod dice;
pub mod hub;
pub mod machine;
pub mod mutants;
mod news;
mod people;
pub mod phone;
pub mod plan;
mod radio;
pub mod reference;
pub mod said;
pub mod shrink;
pub mod world;
