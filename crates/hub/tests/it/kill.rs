//! hub_kill: SIGKILL under load; every acknowledged write is there afterwards. And the command line.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    client::{Answer, Device, Key, Partner, Pending, http, register},
    postgres::Postgres,
    served::{HUB, Served, demo_data, run},
    world::Locker,
};

#[tokio::test(flavor = "multi_thread")]
async fn hub_kill() {
    killed_under_load("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hub_kill_on_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    killed_under_load(&format!("database = {:?}\n", postgres.database())).await;
}

async fn killed_under_load(settings: &str) {
    let folder = tempfile::tempdir().unwrap();
    // The load is more than the hub would take from one carrier.
    let settings = format!("{settings}[policy]\npartner_requests_per_minute = 10000000\n");
    std::fs::write(folder.path().join("postern.toml"), settings).unwrap();
    let data = demo_data(folder.path());
    let mut served = Served::start(folder.path(), "127.0.0.1:0");
    let listen = format!("127.0.0.1:{}", served.base.rsplit(':').next().unwrap());
    let base = served.base.clone();
    let partner = |key: &Value| Partner { base: base.clone(), key: key.as_str().unwrap().to_owned() };
    let operator = partner(&data["operator_key"]);
    let locker = Locker::new();
    operator.post("/v1/operator/lockers", json!({ "descriptor": locker.descriptor("lindenhof") })).await.ok();
    let pending = Pending::new();
    let (_, redirect) = register(&base, &pending, "Ada").await;
    let clock = postern_hub::clock::Clock::default();
    let ada = Device::redeem(&base, &pending, &redirect, Key::ed25519(), &clock).await;
    let account = ada.number().await;

    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let load: Vec<_> = (0..8)
            .map(|worker| {
                let (tell, account, base) = (tell.clone(), account.clone(), base.clone());
                let key = data["carriers"][0]["key"].as_str().unwrap().to_owned();
                tokio::spawn(async move {
                    for n in 0..2000 {
                        let reference = format!("K{round}-{worker}-{n}");
                        let parcel = json!({ "reference": reference, "recipient": account, "title": "Box",
                                             "site": "lindenhof", "size": "m" });
                        let request =
                            http().post(format!("{base}/v1/carrier/parcels")).bearer_auth(&key).json(&parcel);
                        let Ok(answer) = request.send().await else { return };
                        let Ok(body) = answer.json::<Value>().await else { return };
                        let _ = tell.send((body["id"].as_str().unwrap().to_owned(), reference));
                    }
                })
            })
            .collect();
        drop(tell);
        while acknowledged.len() < 40 * (round + 1) {
            acknowledged.push(told.recv().await.unwrap());
        }
        // In the middle of it.
        served.process.kill().unwrap();
        served.process.wait().unwrap();
        for worker in load {
            worker.await.unwrap();
        }
        while let Some(one) = told.recv().await {
            acknowledged.push(one);
        }
        served = Served::start(folder.path(), &listen);
    }
    eprintln!("{} acknowledged writes over three kills", acknowledged.len());
    for (id, reference) in &acknowledged {
        let heron = Partner {
            base: served.base.clone(),
            key: data["carriers"][0]["key"].as_str().unwrap().to_owned(),
        };
        let answer = heron.get(&format!("/v1/carrier/parcels/{id}")).await;
        assert_eq!(answer.ok()["reference"], json!(reference));
    }
    // The customer's session and feed survived as well.
    assert_eq!(ada.number().await, account);
}

#[tokio::test]
async fn the_command_line_keeps_its_word() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let first = run(data, &["demo-data"]);
    assert!(first.0, "{}", first.1);
    assert_eq!(first.1, run(data, &["demo-data"]).1, "the same keys on a second run");
    assert!(run(data, &["migrate"]).1.contains("the schema is at version "));
    assert!(run(data, &["keys", "list"]).1.contains("\"id\":1"));
    assert!(run(data, &["keys", "rotate"]).1.contains("key 2"));
    let listed = run(data, &["keys", "list"]).1;
    assert!(listed.contains("\"id\":2") && listed.lines().count() == 2);
    assert!(!listed.contains("secret"));

    let copy = data.join("copy.db");
    let copied = run(data, &["backup", copy.to_str().unwrap()]);
    assert!(copied.0 && copy.exists(), "{}", copied.1);
    assert!(!run(data, &["backup", copy.to_str().unwrap()]).0, "nothing is overwritten");

    // Neither database nor copy nor key is anybody else's on this machine.
    for file in ["hub.db", "copy.db", "master.key"] {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(data.join(file)).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }

    // Another master key is noticed, before anything is written with it.
    let wrong = Command::new(HUB)
        .args(["migrate", "--data"])
        .arg(data)
        .env("POSTERN_HUB_MASTER_KEY", "11".repeat(32))
        .output()
        .unwrap();
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("master key is not the one"));
    // A key management service keeps it, and is asked for it.
    let elsewhere = tempfile::tempdir().unwrap();
    let asked = format!("master_key_command = [\"cat\", {:?}]\n", data.join("master.key"));
    std::fs::write(elsewhere.path().join("postern.toml"), &asked).unwrap();
    std::fs::copy(&copy, elsewhere.path().join("hub.db")).unwrap();
    let restored = run(elsewhere.path(), &["keys", "list"]);
    assert!(restored.0 && restored.1 == listed, "{}", restored.1);
    assert!(!elsewhere.path().join("master.key").exists());

    // What is at rest is sealed: neither seed nor PIN secret nor API key is in the file.
    let key = serde_json::from_str::<Value>(&first.1).unwrap()["operator_key"].as_str().unwrap().to_owned();
    let bytes = std::fs::read(data.join("hub.db")).unwrap();
    // `pk_<id>_<secret>`; the secret may have underscores of its own.
    let secret = key.splitn(3, '_').nth(2).unwrap();
    assert!(secret.len() >= 32, "{} characters", secret.len());
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));

    // SIGTERM ends it in peace, streams included.
    let mut served = Served::start(data, "127.0.0.1:0");
    Answer::of(http().get(format!("{}/health", served.base))).await.ok();
    Answer::of(http().get(format!("{}/ready", served.base))).await.ok();
    let page = Answer::of(http().get(format!("{}/docs", served.base))).await.ok();
    assert!(page.as_str().unwrap().contains("/v1/changes"));
    let front = Answer::of(http().get(format!("{}/", served.base))).await.ok();
    assert!(front.as_str().unwrap().contains("<h1>Parcel lockers</h1>"));
    assert_eq!(Answer::of(http().get(format!("{}/metrics", served.base))).await.code(), "unauthenticated");
    let metrics = Answer::of(http().get(format!("{}/metrics", served.base)).bearer_auth(&key)).await.ok();
    assert!(
        metrics
            .as_str()
            .unwrap()
            .contains("postern_requests_total{method=\"GET\",route=\"/ready\",status=\"200\"} 1")
    );
    assert!(Command::new("kill").arg(served.process.id().to_string()).status().unwrap().success());
    assert!(served.process.wait().unwrap().success());
}

/// A certificate for this machine, by nobody else; false, with a message, where there is no openssl.
pub(crate) fn certificate(key: &Path, chain: &Path) -> bool {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(chain)
        .stderr(Stdio::null())
        .status();
    let made = made.is_ok_and(|status| status.success());
    if !made {
        eprintln!("SKIPPED: no openssl to make a certificate with (Debian package: openssl)");
    }
    made
}

#[tokio::test]
async fn the_hub_serves_tls_with_its_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (key, chain) = (folder.path().join("key.pem"), folder.path().join("chain.pem"));
    if !certificate(&key, &chain) {
        return;
    }
    let text = format!("[tls]\ncertificate = {chain:?}\nkey = {key:?}\n");
    std::fs::write(folder.path().join("postern.toml"), text).unwrap();
    let mut served = Served::start(folder.path(), "127.0.0.1:0");
    assert!(served.base.starts_with("https://localhost:"));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = reqwest::Certificate::from_pem(&std::fs::read(&chain).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    let info = Answer::of(client.get(format!("{}/.well-known/postern", served.base))).await.ok();
    assert_eq!(info["issuer"], json!(served.base));
    // Its connection is open still, and would be waited for.
    drop(client);
    assert!(Command::new("kill").arg(served.process.id().to_string()).status().unwrap().success());
    assert!(served.process.wait().unwrap().success());
}
