//! Operators' mistakes are caught, and HTTP is as the field expects.

use std::{
    path::Path,
    process::{Command, Output},
};

use postern_hub::config::Config;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, http},
    kill::certificate,
    served::{HUB, Served, run},
    world::World,
};

fn hub(arguments: &[&str], data: &Path) -> (bool, String) {
    let Output { status, stderr, .. } =
        Command::new(HUB).args(arguments).arg("--data").arg(data).output().unwrap();
    (status.success(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_mistyped_folder_becomes_no_hub() {
    let folder = tempfile::tempdir().unwrap();
    let mistyped = folder.path().join("postren");
    for command in
        [&["serve"][..], &["migrate"], &["keys", "operator", "me"], &["backup", "copy.db"], &["compact"]]
    {
        let (fine, said) = hub(command, &mistyped);
        assert!(!fine && said.contains(mistyped.to_str().unwrap()), "{command:?}: {said}");
        assert!(!mistyped.exists(), "{command:?}");
    }
    // Too short a path leads to where folders of others are.
    std::fs::create_dir(folder.path().join("somebody's")).unwrap();
    let (fine, said) = hub(&["migrate"], folder.path());
    assert!(!fine && said.contains("somebody's"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // The guide's way: a folder that is there, with settings in it.
    std::fs::create_dir(&mistyped).unwrap();
    std::fs::write(mistyped.join("postern.toml"), "name = \"Lindenhof\"").unwrap();
    let (fine, said) = hub(&["migrate"], &mistyped);
    assert!(fine && said.contains("a new hub is made here"), "{said}");
    let (fine, said) = hub(&["migrate"], &mistyped);
    assert!(fine && !said.contains("a new hub"), "{said}");
}

/// The guide's first command, in a folder that holds nothing yet.
#[test]
fn the_demo_makes_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/hub");
    let mut serve = Command::new(HUB);
    serve.args(["serve", "--demo", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let ready = folder.path().join("ready");
    let mut served = Served::run(serve.arg("--ready-file").arg(&ready), &ready);
    served.process.kill().unwrap();
    served.process.wait().unwrap();
    assert!(data.join("hub.db").exists());
}

#[test]
fn a_start_without_the_master_key_leaves_no_other() {
    let folder = tempfile::tempdir().unwrap();
    assert!(hub(&["migrate"], folder.path()).0);
    let (key, away) = (folder.path().join("master.key"), folder.path().join("away"));
    std::fs::rename(&key, &away).unwrap();
    for _ in 0..2 {
        let (fine, said) = hub(&["migrate"], folder.path());
        assert!(!fine && said.contains("master.key"), "{said}");
        assert!(!key.exists());
    }
    std::fs::rename(&away, &key).unwrap();
    assert!(hub(&["migrate"], folder.path()).0);
}

#[tokio::test]
async fn one_hub_serves_from_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let first = Served::start(folder.path(), "127.0.0.1:0");
    let (fine, said) = hub(&["serve", "--demo", "--listen", "127.0.0.1:0"], folder.path());
    assert!(!fine && said.contains("another hub serves"), "{said}");
    assert_eq!(Answer::of(http().get(format!("{}/ready", first.base))).await.status, 200);
    // What is done beside a hub that serves goes on.
    assert!(hub(&["keys", "operator", "me"], folder.path()).0);
    let output = Command::new(HUB).args(["backup", "-", "--data"]).arg(folder.path()).output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"SQLite format 3\0"));
    assert!(!Path::new("-").exists());
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_str().unwrap().contains("backup")), "{names:?}");
    // The copy is a whole hub, with its key.
    let restored = tempfile::tempdir().unwrap();
    std::fs::write(restored.path().join("hub.db"), output.stdout).unwrap();
    std::fs::copy(folder.path().join("master.key"), restored.path().join("master.key")).unwrap();
    assert_eq!(run(restored.path(), &["keys", "list"]).1, run(folder.path(), &["keys", "list"]).1);
    // A killed hub keeps nobody out.
    drop(first);
    Served::start(folder.path(), "127.0.0.1:0");
}

#[test]
fn a_database_that_cannot_be_reached_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "database = \"postgres://postern:hush@127.0.0.1:1/lockers\"\n";
    std::fs::write(folder.path().join("postern.toml"), settings).unwrap();
    let began = std::time::Instant::now();
    let (fine, said) = hub(&["serve"], folder.path());
    assert!(
        !fine && said.contains("127.0.0.1:1") && said.contains("lockers") && said.contains("refused"),
        "{said}"
    );
    assert!(!said.contains("hush"), "{said}");
    assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
    assert!(!folder.path().join("master.key").exists());
}

#[test]
fn ready_is_said_when_the_certificate_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[tls]\ncertificate = \"absent.pem\"\nkey = \"absent.pem\"\n";
    std::fs::write(folder.path().join("postern.toml"), settings).unwrap();
    let ready = folder.path().join("ready.json");
    let arguments = ["serve", "--demo", "--listen", "127.0.0.1:0", "--ready-file", ready.to_str().unwrap()];
    let (fine, said) = hub(&arguments, folder.path());
    assert!(!fine && said.contains("absent.pem"), "{said}");
    assert!(!ready.exists() && !said.contains("\"ready\""), "{said}");
}

#[tokio::test]
async fn a_hub_with_a_certificate_is_to_be_reached_by_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (key, chain) = (folder.path().join("key.pem"), folder.path().join("chain.pem"));
    if !certificate(&key, &chain) {
        return;
    }
    let settings = format!(
        "public_url = \"https://lockers.example\"\nlisten = \"127.0.0.1:0\"\n[tls]\ncertificate = {chain:?}\nkey = {key:?}\n"
    );
    std::fs::write(folder.path().join("postern.toml"), settings).unwrap();
    // `listen` of the settings takes any port, which only the log tells.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _served = Served::start(folder.path(), &format!("127.0.0.1:{port}"));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = reqwest::Certificate::from_pem(&std::fs::read(&chain).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    let answer = client.get(format!("https://localhost:{port}/health")).send().await.unwrap();
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
}

#[tokio::test]
async fn refusals_are_as_http_has_them() {
    let world = World::start().await;
    let ask = |method: Method, path: &str, credential: Option<&str>| {
        let mut request = http().request(method, format!("{}{path}", world.base));
        if let Some(credential) = credential {
            request = request.header("authorization", credential);
        }
        Answer::of(request)
    };
    // RFC 9110 section 15.5.6; RFC 9457 section 3.1.2.
    let answer = ask(Method::DELETE, "/v1/me/export", None).await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (405, &json!(405)));
    assert_eq!(answer.body["title"], "Method Not Allowed");
    assert!(answer.headers["allow"].to_str().unwrap().contains("GET"));
    let answer = ask(Method::GET, "/nowhere", None).await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (404, &json!(404)));

    for path in ["/metrics", "/v1/carrier/parcels/x", "/v1/operator/alarms"] {
        let none = ask(Method::GET, path, None).await;
        assert_eq!(none.code(), "unauthenticated");
        assert_eq!(none.headers["www-authenticate"], "Bearer realm=\"postern\"", "{path}");
        let wrong = ask(Method::GET, path, Some(&format!("Bearer pk_x_{}", "y".repeat(40)))).await;
        let said = wrong.headers["www-authenticate"].to_str().unwrap();
        assert!(said.starts_with("Bearer ") && said.contains("invalid_token"), "{path}: {said}");
    }
    let customer = ask(Method::GET, "/v1/me", None).await;
    assert!(customer.headers["www-authenticate"].to_str().unwrap().starts_with("DPoP "));
    assert!(!customer.headers.contains_key("strict-transport-security"), "plain http");
    let body: Value = ask(Method::GET, "/ready", None).await.ok();
    assert_eq!(body, json!("ready\n"));
}

#[tokio::test]
async fn an_answer_says_what_is_left_and_is_kept_by_nobody() {
    let mut config = Config::default();
    config.policy.partner_requests_per_minute = 3;
    let world = World::with(config).await;
    let mut left = Vec::new();
    for _ in 0..4 {
        let answer = world.operator.get("/v1/operator/alarms").await;
        assert_eq!(answer.headers["ratelimit-policy"], "\"requests\";q=3;w=60");
        assert_eq!(answer.headers["cache-control"], "no-store");
        left.push((answer.status.as_u16(), answer.headers["ratelimit"].to_str().unwrap()[..14].to_owned()));
    }
    // What the world itself asked for when it was set up is counted too.
    assert_eq!(left.last().unwrap(), &(429, "\"requests\";r=0".to_owned()));
    let stranger = Answer::of(http().get(format!("{}/v1/operator/alarms", world.base))).await;
    assert!(!stranger.headers.contains_key("ratelimit"), "nobody's requests were counted");
}

#[tokio::test]
async fn alerts_and_dashboard_name_metrics_that_the_hub_tells() {
    let world = World::start().await;
    world.operator.get("/v1/operator/alarms").await.ok();
    let told = world.operator.get("/metrics").await.ok();
    let told = told.as_str().unwrap();
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../linux/hub/monitoring");
    let mut named = 0;
    for file in ["alerts.yml", "dashboard.json"] {
        let text = std::fs::read_to_string(files.join(file)).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for name in words.filter(|word| word.starts_with("postern_") || word.starts_with("process_")) {
            named += 1;
            assert!(told.lines().any(|line| line.split(['{', ' ']).next() == Some(name)), "{file}: {name}");
        }
    }
    assert!(named > 20, "{named}");
}

/// Who is new to a network finds out what there is: a carrier where it can deliver, an operator what it runs and whose keys it gave out.
#[tokio::test]
async fn what_there_is_can_be_listed() {
    let world = World::start().await;
    let cabinet = world.cabinet(true).await;
    let sites = world.heron.get("/v1/carrier/sites").await.ok();
    let site = sites["sites"].as_array().unwrap().iter().find(|one| one["id"] == "lindenhof").unwrap();
    let locker =
        site["lockers"].as_array().unwrap().iter().find(|one| one["id"] == json!(cabinet.id)).unwrap();
    assert!(locker["sizes"].as_array().unwrap().contains(&json!("m")), "{locker}");
    // With that a parcel is announced and brought.
    let wish = json!({ "reference": "HX 1", "recipient": "ada@example.org", "title": "Salad", "site": site["id"], "size": "m" });
    world.heron.post("/v1/carrier/parcels", wish).await.ok();

    let mine = world.operator.get("/v1/operator/lockers").await.ok();
    let entry =
        mine["lockers"].as_array().unwrap().iter().find(|one| one["id"] == json!(cabinet.id)).unwrap();
    assert_eq!(
        (&entry["site"], &entry["online"], &entry["retired"]),
        (&site["id"], &json!(false), &json!(false))
    );
    assert_eq!(world.operator.get(&format!("/v1/operator/lockers/{}", cabinet.id)).await.status, 200);
    let sites = world.operator.get("/v1/operator/sites").await.ok();
    assert!(
        sites["sites"].as_array().unwrap().iter().any(|one| one["id"] == site["id"] && one["lockers"] != 0)
    );
    let carriers = world.operator.get("/v1/operator/carriers").await.ok();
    assert!(carriers["carriers"].as_array().unwrap().iter().any(|one| one["id"] == "heron"));

    let new = json!({ "name": "Sorting", "carrier": "heron", "scopes": ["parcels"] });
    let key = world.operator.post("/v1/operator/keys", new).await.ok();
    let listed = async || {
        let keys = world.operator.get("/v1/operator/keys").await.ok();
        let secret = key["key"].as_str().unwrap().rsplit('_').next().unwrap();
        assert!(!keys.to_string().contains(secret), "shown once");
        keys["keys"].as_array().unwrap().iter().find(|one| one["id"] == key["id"]).cloned().unwrap()
    };
    let entry = listed().await;
    assert_eq!((&entry["carrier"], &entry["scopes"]), (&json!("heron"), &json!(["parcels"])));
    assert!(entry.get("revoked_at").is_none());
    let path = format!("/v1/operator/keys/{}", key["id"].as_str().unwrap());
    world.operator.send(Method::DELETE, &path, json!({})).await.ok();
    assert!(listed().await["revoked_at"].is_i64());

    // Page after page, each thing once.
    for n in 0..205 {
        let site = json!({ "name": format!("Yard {n}"), "address": "Yard, Berlin", "latitude": 52.5, "longitude": 13.4, "hours": "24/7",
                           "always_open": true, "access": "public", "step_free": true });
        world.operator.send(Method::PUT, &format!("/v1/operator/sites/yard-{n:03}"), site).await.ok();
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = world.operator.get(&format!("/v1/operator/sites{after}")).await.ok();
        seen.extend(
            page["sites"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        after = format!("?after={next}");
    }
    let mut once = seen.clone();
    once.sort_unstable();
    once.dedup();
    assert!(seen.len() > 205 && once == seen, "{}", seen.len());
}
