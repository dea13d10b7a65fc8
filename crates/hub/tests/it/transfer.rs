//! Out of one machine: from the embedded database to PostgreSQL, with everything.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use postern_hub::config::Config;
use serde_json::{Value, json};

use crate::{
    postgres::Postgres,
    served::{HUB, run},
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_grows_out_of_one_machine_with_everything() {
    let Some(postgres) = Postgres::start() else { return };
    let world = World::start().await;
    let mut kim = world.customer("Kim \u{1F511} Müller").await;
    world.locker().await;
    let seen = |answer: Value| {
        let mut export = answer;
        export["at"] = Value::Null;
        export
    };
    let before = seen(kim.get("/v1/me/export").await.ok());
    assert!(!before["reservations"].as_array().unwrap().is_empty(), "the demo gives her something");
    let alarms = world.operator.get("/v1/operator/alarms").await.ok();
    let folder = world.folder();
    drop(world);

    let url = postgres.database();
    // Killed on the way: nobody serves from half of it, and the next one goes on.
    let mut cut = Command::new(HUB)
        .args(["transfer", &url, "--data"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(cut.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(" rows"), "{line}");
    cut.kill().unwrap();
    let ended = cut.wait().unwrap();
    if !ended.success() {
        let (fine, said) = run(folder.path(), &["keys", "list", "--database", &url]);
        assert!(!fine && said.contains("transfer"), "{said}");
    }
    let (fine, said) = run(folder.path(), &["transfer", &url]);
    assert!(fine && said.contains("and the same"), "{said}");
    if !ended.success() {
        assert!(said.contains("there already"), "{said}");
    }
    // What is full is not written over.
    let (fine, said) = run(folder.path(), &["transfer", &url]);
    assert!(!fine && said.contains("holds a hub already"), "{said}");

    let grown = World::in_folder(Config { database: Some(url), ..Config::default() }, folder).await;
    kim.base.clone_from(&grown.base);
    assert_eq!(seen(kim.get("/v1/me/export").await.ok()), before);
    assert_eq!(grown.operator.get("/v1/operator/alarms").await.ok(), alarms);
    // Signed in as before, and what she changes is kept.
    kim.send(reqwest::Method::PATCH, "/v1/me", json!({ "name": "Kim" })).await.ok();
}

#[tokio::test]
async fn a_transfer_needs_the_embedded_database_and_an_empty_other() {
    let folder = tempfile::tempdir().unwrap();
    let (fine, said) = run(folder.path(), &["transfer", "postgres://localhost/x"]);
    assert!(!fine && said.contains("there is no hub in"), "{said}");
    let (fine, said) = run(folder.path(), &["migrate"]);
    assert!(fine, "{said}");
    let other = format!("sqlite:{}", folder.path().join("other.db").display());
    let (fine, said) = run(folder.path(), &["transfer", &other]);
    assert!(!fine && said.contains("to PostgreSQL"), "{said}");
}
