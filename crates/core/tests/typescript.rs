//! The ui's TypeScript types are generated from the core's, and may not drift.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, fs, path::Path};

use postern_api::report::{OwnReport, ReportAnswer};
use postern_core::{
    intent::Intent,
    view::{ReportView, View},
};
use ts_rs::{Config, TS};

/// Times and numbers of ours stay far below 2^53, and JSON has no other number.
fn config(out: &Path) -> Config {
    Config::new().with_large_int("number").with_out_dir(out)
}

fn read_all(dir: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(dir) else { return BTreeMap::new() };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn typescript_is_current() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/lib/generated");
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("typescript");
    let _ = fs::remove_dir_all(&fresh);
    View::export_all(&config(&fresh)).unwrap();
    Intent::export_all(&config(&fresh)).unwrap();
    let fresh = read_all(&fresh);
    assert!(fresh.contains_key("view.ts") && fresh.contains_key("intent.ts"));

    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(&committed).unwrap();
        for (name, text) in &fresh {
            fs::write(committed.join(name), text).unwrap();
        }
    }
    assert!(
        read_all(&committed) == fresh,
        "ui/src/lib/generated is not what the core says; run: UPDATE=1 cargo test -p postern-core --test typescript"
    );
}

/// The window gets the hub's own type here, under another name: nothing that it knows may be left out.
#[test]
fn a_report_has_every_field_that_the_window_knows() {
    let mut report = OwnReport {
        id: "p1".into(),
        at: 0,
        kind: "empty".into(),
        note: String::new(),
        photos: 0,
        state: "open".into(),
        answers: Vec::new(),
    };
    for _ in 0..2 {
        let shown = serde_json::to_value(&report).unwrap();
        let known: ReportView = serde_json::from_value(shown.clone()).unwrap();
        assert_eq!(serde_json::to_value(known).unwrap(), shown);
        report.answers.push(ReportAnswer { at: 0, by: String::new(), text: String::new() });
    }
}
