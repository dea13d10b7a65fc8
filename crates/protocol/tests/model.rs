//! The symbolic model in `model/`: every promise holds, and every deliberate defect or leak shows.
//!
//! Needs ProVerif 2.05 on the path, or its path in `PROVERIF`; without it this says so and checks nothing but that the
//! variants still fit the files. It takes minutes, so that the full run is for `cargo test -p postern-protocol --test
//! model -- --ignored`.
#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

#[derive(Deserialize)]
struct Variant {
    name: String,
    file: String,
    replace: Vec<(String, String)>,
    expect: Vec<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("model")
}

fn variants() -> Vec<Variant> {
    serde_json::from_str(&fs::read_to_string(folder().join("variants.json")).unwrap()).unwrap()
}

/// The file with the variant's replacements, each of which fits exactly once.
fn changed(variant: &Variant) -> String {
    let mut text = fs::read_to_string(folder().join(&variant.file)).unwrap();
    for (from, to) in &variant.replace {
        assert_eq!(text.matches(from.as_str()).count(), 1, "{}: {from}", variant.name);
        text = text.replacen(from, to, 1);
    }
    text
}

/// The verdicts, in the order of the queries; none without ProVerif.
fn verdicts(text: &str) -> Option<Vec<String>> {
    let program = env::var_os("PROVERIF").unwrap_or_else(|| "proverif".into());
    let file = env::temp_dir().join(format!("postern-model-{}.pv", std::process::id()));
    fs::write(&file, text).unwrap();
    let output =
        Command::new(program).arg("-lib").arg(folder().join("postern.pvl")).arg(&file).output().ok()?;
    fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let verdict = |line: &str| match line {
        line if line.ends_with("is true.") => "true",
        line if line.ends_with("is false.") => "false",
        _ => "cannot be proved",
    };
    // A line in brackets adds something about the query before it.
    let is_verdict = |line: &&str| line.starts_with("RESULT") && !line.starts_with("RESULT (");
    Some(text.lines().filter(is_verdict).map(|line| verdict(line).to_owned()).collect())
}

#[test]
fn every_variant_fits_its_file() {
    for variant in variants() {
        assert_ne!(
            changed(&variant),
            fs::read_to_string(folder().join(&variant.file)).unwrap(),
            "{}",
            variant.name
        );
        assert!(
            variant.expect.iter().all(|verdict| ["true", "broken", "false"].contains(&verdict.as_str())),
            "{}",
            variant.name
        );
    }
}

/// Promises come first in each file and are true; the good runs behind them exist, so that their denials are false.
#[test]
#[ignore = "takes minutes, and ProVerif"]
fn every_promise_holds() {
    for (file, promises, runs) in [
        ("open.pv", 5, 3),
        ("malicious.pv", 2, 1),
        ("session.pv", 3, 2),
        ("epochs.pv", 2, 1),
        ("code.pv", 2, 1),
        ("rights.pv", 5, 2),
        ("ended.pv", 5, 4),
        ("later.pv", 2, 2),
    ] {
        let Some(verdicts) = verdicts(&fs::read_to_string(folder().join(file)).unwrap()) else {
            println!("skipped: no ProVerif here");
            return;
        };
        let expected: Vec<_> =
            std::iter::repeat_n("true", promises).chain(std::iter::repeat_n("false", runs)).collect();
        assert_eq!(verdicts, expected, "{file}");
    }
}

#[test]
#[ignore = "takes minutes, and ProVerif"]
fn every_defect_and_leak_shows() {
    for variant in variants() {
        let Some(verdicts) = verdicts(&changed(&variant)) else {
            println!("skipped: no ProVerif here");
            return;
        };
        // "broken": refuted, or no longer provable. A good run has to be there, and its denial is false.
        let fits = |(verdict, expected): (&String, &String)| match expected.as_str() {
            "broken" => verdict != "true",
            _ => verdict == expected,
        };
        let fit = verdicts.len() == variant.expect.len() && verdicts.iter().zip(&variant.expect).all(fits);
        assert!(fit, "{}: {verdicts:?}, not {:?}", variant.name, variant.expect);
    }
}
