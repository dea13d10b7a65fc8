//! Every target, briefly: all seeds, and a second of mutations with a fixed seed.

use std::time::{Duration, Instant};

use postern_fuzz::{
    TARGETS,
    mutate::{Dice, mutate, shrink},
    target,
};

fn brief(name: &str) {
    let target = target(name).expect("a target of that name");
    let corpus = (target.seeds)();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|seed| (target.run)(seed));
    (target.run)(&[]);
    let mut dice = Dice::new(1);
    let end = Instant::now() + Duration::from_secs(1);
    let mut tried = 0;
    while Instant::now() < end || tried < 50 {
        let input = mutate(&corpus, &mut dice);
        let shown = input.clone();
        std::panic::catch_unwind(|| (target.run)(&input))
            .unwrap_or_else(|_| panic!("{name} fails on input {tried} of seed 1: {shown:02x?}"));
        tried += 1;
    }
    println!("{name}: {tried} inputs");
}

#[test]
fn fragment() {
    brief("fragment");
}

#[test]
fn message() {
    brief("message");
}

#[test]
fn plaintext() {
    brief("plaintext");
}

#[test]
fn token() {
    brief("token");
}

#[test]
fn bulletin() {
    brief("bulletin");
}

#[test]
fn delegation() {
    brief("delegation");
}

#[test]
fn receipt() {
    brief("receipt");
}

#[test]
fn carried() {
    brief("carried");
}

#[test]
fn qr() {
    brief("qr");
}

#[test]
fn journal() {
    brief("journal");
}

#[test]
fn every_target_has_its_test() {
    let source = include_str!("brief.rs");
    for target in TARGETS {
        assert!(source.contains(&format!("brief(\"{}\")", target.name)), "{}", target.name);
    }
}

/// The net has no hole: mutants of good tokens do reach the code behind the signature, and a shrunk input still fails.
#[test]
fn the_runner_finds_what_is_there() {
    let corpus = vec![b"a rather long input with a needle in it".to_vec()];
    let fails = |bytes: &[u8]| bytes.windows(3).any(|part| part == b"eee");
    let mut dice = Dice::new(7);
    let found = (0..200_000).map(|_| mutate(&corpus, &mut dice)).find(|bytes| fails(bytes)).expect("found");
    assert_eq!(shrink(found, fails), b"eee");
}
