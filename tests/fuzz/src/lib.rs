//! Fuzz targets as plain functions. Each takes any bytes, and panics only when something is wrong: a decoder that
//! panics, a second encoding of the same thing, memory that grows, a latch that moves.
//!
//! Two ways to run them: libFuzzer, which follows coverage and keeps what it finds in a corpus
//! (`cargo xtask fuzz --minutes 10`, on stable Rust); and the runner of this crate (`cargo run -p postern-fuzz`), which
//! needs no build of its own, mutates the seed corpus and shrinks what fails. The test command runs the latter, briefly.
#![forbid(unsafe_code)]

pub mod fixture;
pub mod mutate;
pub mod targets;

/// A target: its name, what it does with bytes, and what it starts from.
#[derive(Clone, Copy)]
pub struct Target {
    /// As given to `--target`.
    pub name: &'static str,
    /// Panics when something is wrong.
    pub run: fn(&[u8]),
    /// Good inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 10] = [
    Target { name: "fragment", run: targets::fragment, seeds: targets::fragment_seeds },
    Target { name: "message", run: targets::message, seeds: targets::message_seeds },
    Target { name: "plaintext", run: targets::plaintext, seeds: targets::plaintext_seeds },
    Target { name: "token", run: targets::token, seeds: targets::token_seeds },
    Target { name: "bulletin", run: targets::bulletin, seeds: targets::bulletin_seeds },
    Target { name: "delegation", run: targets::delegation, seeds: targets::delegation_seeds },
    Target { name: "receipt", run: targets::receipt, seeds: targets::receipt_seeds },
    Target { name: "carried", run: targets::carried, seeds: targets::carried_seeds },
    Target { name: "qr", run: targets::qr, seeds: targets::qr_seeds },
    Target { name: "journal", run: targets::journal, seeds: targets::journal_seeds },
];

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
