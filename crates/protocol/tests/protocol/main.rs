//! The protocol against its own text, its frozen vectors, published vectors, and whoever breaks its rules.
//! One binary: linking is what these tests would wait for otherwise.
#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

mod cbor;
mod common;
mod frames;
mod grants;
mod properties;
mod session;
mod strict;
mod text;
mod vectors;
mod wycheproof;
