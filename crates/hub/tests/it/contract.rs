//! The document as engineers of carriers meet it: linted by the tools that they use, and written against by the clients that
//! generators make of it. `tests/contract` has what these run; environments of their own are made in `target/contract`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use postern_hub::clock::Clock;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Device, Key, Partner, Pending, http, register},
    document::Document,
    served::{Served, run},
    world::World,
};

/// The files of these tests.
fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/contract").canonicalize().unwrap()
}

/// The document that engineers read.
fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json")
}

fn place() -> PathBuf {
    // target/debug/deps/it-… → target/contract
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("contract")
}

#[track_caller]
fn good(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}\n{error}");
    text
}

/// A folder in which `make` was done with this `wanted` file, as a copy of it under the name `stamp` says, which is written last:
/// what was interrupted is done again.
fn prepared(name: &str, wanted: &str, stamp: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let folder = place().join(name);
    let text = fs::read_to_string(files().join(wanted)).unwrap();
    let stamp = folder.join(stamp);
    // Another process may be at it: some runners give each test one of its own.
    fs::create_dir_all(place()).unwrap();
    let alone = fs::File::create(place().join(format!("{name}.lock"))).unwrap();
    alone.lock().unwrap();
    if fs::read_to_string(&stamp).unwrap_or_default() != text {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        make(&folder);
        fs::write(stamp, text).unwrap();
    }
    folder
}

/// The tools of npm, as the lock file has them.
fn npm() -> &'static Path {
    static NPM: OnceLock<PathBuf> = OnceLock::new();
    NPM.get_or_init(|| {
        prepared("npm", "package-lock.json", "installed.json", |folder| {
            for file in ["package.json", "package-lock.json"] {
                fs::copy(files().join(file), folder.join(file)).unwrap();
            }
            let quiet = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
            good(Command::new("npm").args(quiet).current_dir(folder));
        })
    })
}

/// One of them.
fn tool(name: &str) -> Command {
    let mut command = Command::new(npm().join("node_modules/.bin").join(name));
    command.env("REDOCLY_TELEMETRY", "off");
    command
}

/// A Python with the generator and what the client needs. `cargo xtask test` makes the same one before, with what Debian lacks.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = prepared("python", "requirements.txt", "requirements.txt", |folder| {
            good(Command::new("python3").args(["-m", "venv"]).arg(folder));
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
            good(Command::new(folder.join("bin/python")).args(pip).arg(files().join("requirements.txt")));
        });
        folder.join("bin")
    })
}

#[test]
fn redocly_and_spectral_find_nothing() {
    let files = files();
    let told = good(
        tool("redocly")
            .args(["lint", "--format=json", "--config"])
            .arg(files.join("redocly.yaml"))
            .arg(document())
            .current_dir(&files)
            .stderr(Stdio::null()),
    );
    let told: Value = serde_json::from_str(&told[told.find('{').unwrap()..]).unwrap();
    let totals = &told["totals"];
    assert_eq!((&totals["errors"], &totals["warnings"]), (&json!(0), &json!(0)), "{}", told["problems"]);
    // The ones passed over are these operations, which refuse nothing.
    assert_eq!(totals["ignored"], 4, "{told}");
    good(
        tool("spectral")
            .args(["lint", "--quiet", "--fail-severity=hint", "--ruleset"])
            .arg(files.join("spectral.yaml"))
            .arg(document()),
    );
}

/// A network that its operator has just begun with, by the commands of the guide, and a customer of it.
async fn network(folder: &Path) -> (Served, String, Device) {
    let (fine, key) = run(folder, &["keys", "operator", "contract test"]);
    assert!(fine, "{key}");
    let key = key.lines().find(|line| line.starts_with("pk_")).unwrap().to_owned();
    let hub = Served::start_plain(folder, "127.0.0.1:0");
    let pending = Pending::new();
    let (_, redirect) = register(&hub.base, &pending, "Ada").await;
    let ada = Device::redeem(&hub.base, &pending, &redirect, Key::ed25519(), &Clock::default()).await;
    (hub, key, ada)
}

#[tokio::test]
async fn generated_clients_run_the_carriers_way() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, operator, ada) = network(folder.path()).await;
    let recipient = ada.number().await;

    // Python: the generator reads what the hub itself gives.
    let client = folder.path().join("client");
    let config = folder.path().join("generator.yaml");
    fs::write(&config, "project_name_override: postern-hub-client\npost_hooks: []\n").unwrap();
    let told = good(
        Command::new(python().join("openapi-python-client"))
            .args(["generate", "--fail-on-warning", "--meta", "none", "--url"])
            .arg(format!("{}/openapi.json", hub.base))
            .arg("--config")
            .arg(&config)
            .arg("--output-path")
            .arg(client.join("postern_hub_client")),
    );
    assert!(!told.contains("Warning"), "{told}");
    let done = good(
        Command::new(python().join("python"))
            .arg(files().join("carrier.py"))
            .args([&hub.base, &operator, &recipient])
            .env("PYTHONPATH", &client)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
    let done: Value = serde_json::from_str(done.trim()).unwrap();
    let text = |name: &str| done[name].as_str().unwrap();
    let lamp = ada.named("A lamp").await;
    assert_eq!((&lamp["id"], &lamp["state"]), (&done["parcel"], &"ready".into()));

    // TypeScript: types, a compiler that holds the carrier to them, and a client that sends what they say.
    let sources = npm().join("carrier");
    fs::create_dir_all(&sources).unwrap();
    for file in ["carrier.ts", "tsconfig.json"] {
        fs::copy(files().join(file), sources.join(file)).unwrap();
    }
    good(
        tool("openapi-typescript")
            .arg(format!("{}/openapi.json", hub.base))
            .arg("--output")
            .arg(sources.join("hub.d.ts")),
    );
    good(tool("tsc").arg("--project").arg(&sources));
    let arguments = [&hub.base, text("key"), &recipient, text("site"), text("locker")];
    let done = good(Command::new("node").arg(sources.join("carrier.js")).args(arguments));
    let done: Value = serde_json::from_str(done.trim()).unwrap();
    let kettle = ada.named("A kettle").await;
    assert_eq!((&kettle["id"], &kettle["state"]), (&done["parcel"], &"ready".into()));
}

/// The collection that integrators import, from top to bottom.
#[tokio::test]
async fn the_collection_brings_a_parcel() {
    let world = World::start().await;
    let locker = world.locker().await;
    let ada = world.customer("Ada").await;
    let text = Answer::of(http().get(format!("{}/collection.json", world.base))).await.ok();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("collection.json");
    fs::write(&file, text.to_string()).unwrap();
    let mut command = Command::new("node");
    command.arg(files().join("collection.mjs")).arg(file);
    command.args([&world.base, &world.heron.key, &ada.number().await]);
    let done = tokio::task::spawn_blocking(move || good(&mut command)).await.unwrap();
    let done: Value = serde_json::from_str(done.trim()).unwrap();
    assert_eq!(done["locker"], json!(locker.id));
    let parcel = ada.reservations().await.into_iter().find(|one| one["id"] == done["parcel"]).unwrap();
    assert_eq!((&parcel["state"], &parcel["title"]), (&json!("ready"), &json!("Running shoes")));
}

/// Whoever asks `partner` with the right scope may be refused for anything but that.
#[tokio::test]
async fn keys_need_the_scopes_that_the_document_names() {
    let world = World::start().await;
    let document = Document::of(&world.base).await;
    let all = ["parcels", "webhooks", "network", "watch", "keys"];
    let mut keys = Vec::new();
    for scope in all {
        let carrier = matches!(scope, "parcels" | "webhooks").then_some("heron");
        let new = json!({ "carrier": carrier, "name": scope, "scopes": [scope] });
        let key =
            world.operator.post("/v1/operator/keys", new).await.ok()["key"].as_str().unwrap().to_owned();
        keys.push((scope, Partner { base: world.base.clone(), key }));
    }
    let mut asked = 0;
    for operation in document.operations.iter().filter(|operation| operation.needs == "key") {
        let path = operation
            .path
            .replace("{id}", "nobody")
            .replace("{door}", "1")
            .replace("{number}", "482 915 0636");
        let named =
            &document.text["paths"][&operation.path][operation.method.as_str().to_lowercase()]["security"];
        // A body that is well-formed: who may not ask is told so before it is looked at, or after.
        let body = document.text["paths"][&operation.path][operation.method.as_str().to_lowercase()]
            .pointer("/requestBody/content/application~1json/examples/usual/value")
            .cloned()
            .unwrap_or_else(|| json!({}));
        for (scope, partner) in &keys {
            let right = named[0]["key"][0] == *scope;
            let answer = Answer::of(partner.request(operation.method.clone(), &path).json(&body)).await;
            let refused = answer.status == 403;
            assert_eq!(
                refused,
                !right,
                "{} with {scope}: {} {}",
                operation.name(),
                answer.status,
                answer.body
            );
            asked += 1;
        }
    }
    assert!(asked > 100, "{asked}");
}

/// What oversteps a limit of the document is refused, and what just keeps it is not refused for that.
#[tokio::test]
async fn limits_are_those_that_the_hub_enforces() {
    let world = World::start().await;
    world.locker().await;
    let ada = world.customer("Ada").await;
    let document = Document::of(&world.base).await;
    let mut tried = 0;
    for operation in
        document.operations.iter().filter(|operation| operation.body.is_some() && !operation.form)
    {
        let method = operation.method.as_str().to_lowercase();
        let body = document.text["paths"][&operation.path][&method]
            .pointer("/requestBody/content/application~1json/examples/usual/value")
            .unwrap();
        let schema = crate::document::resolve(&document.text, operation.body.as_ref().unwrap());
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            for (right, value) in at_and_beyond(field) {
                let mut body = body.clone();
                body[name] = value;
                let path = operation
                    .path
                    .replace("/sites/{id}", &format!("/sites/{}", body["id"].as_str().unwrap_or("x")))
                    .replace("{id}", "nobody")
                    .replace("{door}", "1")
                    .replace("{number}", "482 915 0636");
                let carrier = operation.path.starts_with("/v1/carrier/");
                let answer = match operation.needs.as_str() {
                    "key" if carrier => world.heron.send(operation.method.clone(), &path, body).await,
                    "key" => world.operator.send(operation.method.clone(), &path, body).await,
                    "dpop" => ada.send(operation.method.clone(), &path, body).await,
                    _ => continue,
                };
                let pointer = answer.body["pointer"].as_str().unwrap_or_default();
                let blamed = answer.status == 400 && (pointer.ends_with(&format!("/{name}")));
                // What is refused for another reason first (no such reservation) says nothing of the limit.
                let other = !answer.status.is_success() && !blamed && answer.status != 400;
                assert!(!(right && blamed), "{} {name} at its limit: {}", operation.name(), answer.body);
                let passed = !right && answer.status.is_success();
                assert!(!passed, "{} {name} beyond its limit was taken", operation.name());
                tried += u32::from(!other);
            }
        }
    }
    assert!(tried > 40, "{tried}");
}

/// Values of a field that just keep its limits, and values that do not.
fn at_and_beyond(field: &Value) -> Vec<(bool, Value)> {
    let mut values = Vec::new();
    if field["pattern"].is_string() {
        return values;
    }
    if let Some(most) = field["maxLength"].as_u64() {
        // An address is more than its length.
        if field["format"] != "uri" {
            values.push((true, json!("x".repeat(most as usize))));
        }
        values.push((false, json!("x".repeat(most as usize + 1))));
    }
    if field["minLength"].as_u64().is_some_and(|least| least > 0) {
        values.push((false, json!("")));
    }
    if let (Some(least), Some(most)) = (field["minimum"].as_i64(), field["maximum"].as_i64()) {
        values.extend([(true, json!(least)), (true, json!(most)), (false, json!(most + 1))]);
        if least > 0 || field["type"] == "number" {
            values.push((false, json!(least - 1)));
        }
    }
    if let Some(most) = field["maxItems"].as_u64().filter(|_| field["items"]["type"] == "string") {
        values.push((false, json!(vec!["eA"; most as usize + 1])));
    }
    values
}
