//! What goes wrong around the hub, done to the real program: it says so truly, and is itself again when it has passed.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::{
    client::{Answer, Device, Key, Partner, Pending, http, register},
    postgres::Postgres,
    served::{HUB, Served, demo_data},
    world::World,
};

const SOON: Duration = Duration::from_secs(20);

async fn status(base: &str, path: &str) -> StatusCode {
    let asked = http().get(format!("{base}{path}")).timeout(Duration::from_secs(5)).send().await;
    asked.map_or(StatusCode::GATEWAY_TIMEOUT, |answer| answer.status())
}

/// Waits for the fact.
async fn until(what: &str, mut fact: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !fact().await {
        assert!(began.elapsed() < SOON, "{what}");
    }
}

fn announced(account: &str, reference: &str) -> Value {
    json!({ "reference": reference, "recipient": account, "title": "x".repeat(120), "site": "lindenhof", "size": "m" })
}

async fn ada(base: &str) -> Device {
    let pending = Pending::new();
    let (_, redirect) = register(base, &pending, "Ada").await;
    Device::redeem(base, &pending, &redirect, Key::ed25519(), &postern_hub::clock::Clock::default()).await
}

/// A refusal for what is not the client's fault, which says when to come back.
#[track_caller]
fn passing(answer: &Answer) {
    assert!(matches!(answer.status.as_u16(), 503 | 507), "{} {}", answer.status, answer.body);
    assert_eq!(answer.code(), "unavailable");
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_full_recovers() {
    let (disk, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let script = "mount -t tmpfs -o size=6m none \"$1\" && mkdir \"$1/hub\" \
                  && \"$2\" demo-data --data \"$1/hub\" > \"$3/keys.json\" \
                  && exec \"$2\" serve --demo --listen 127.0.0.1:0 --data \"$1/hub\" --ready-file \"$3/ready.json\"";
    let own = ["--map-root-user", "--mount", "sh", "-c"];
    let may =
        Command::new("unshare").args(own).arg("mount -t tmpfs none /mnt").stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this machine lets nobody mount a small disk of their own");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(own).arg(script).arg("sh").arg(disk.path()).arg(HUB).arg(beside.path());
    let served = Served::run(&mut command, &beside.path().join("ready.json"));
    let keys: Value =
        serde_json::from_slice(&std::fs::read(beside.path().join("keys.json")).unwrap()).unwrap();
    let heron =
        Partner { base: served.base.clone(), key: keys["carriers"][0]["key"].as_str().unwrap().to_owned() };
    let device = ada(&served.base).await;
    let account = device.number().await;
    assert_eq!(status(&served.base, "/ready").await, 200);

    // The disk as the process sees it.
    let inside = format!("/proc/{}/root{}", served.process.id(), disk.path().display());
    for round in 0..2 {
        let filler = Path::new(&inside).join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while file.write_all(&[7; 512]).is_ok() {}
        drop(file);
        let (mut kept, mut in_a_row) = (Vec::new(), 0);
        for turn in 0.. {
            let reference = format!("full{round}-{turn}");
            let answer = heron.post("/v1/carrier/parcels", announced(&account, &reference)).await;
            if answer.status.is_success() {
                // What is carried from the log into the file makes room for some.
                kept.push(answer.body["id"].as_str().unwrap().to_owned());
                in_a_row = 0;
            } else {
                passing(&answer);
                in_a_row += 1;
            }
            if in_a_row == 8 {
                assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE);
                break;
            }
            assert!(turn < 10_000, "the disk is not full");
        }
        until("/ready says 200 with a full disk", async || status(&served.base, "/ready").await == 503).await;
        assert_eq!(status(&served.base, "/health").await, 200);
        device.get("/v1/changes").await.ok();

        std::fs::remove_file(&filler).unwrap();
        let after =
            heron.post("/v1/carrier/parcels", announced(&account, &format!("after{round}"))).await.ok();
        kept.push(after["id"].as_str().unwrap().to_owned());
        until("/ready does not notice that there is room", async || {
            status(&served.base, "/ready").await == 200
        })
        .await;
        for id in &kept {
            heron.get(&format!("/v1/carrier/parcels/{id}")).await.ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_crashes_under_load_and_comes_back() {
    let Some(mut postgres) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings =
        format!("database = {:?}\n[policy]\npartner_requests_per_minute = 10000000\n", postgres.database());
    std::fs::write(folder.path().join("postern.toml"), settings).unwrap();
    let keys = demo_data(folder.path());
    let served = Served::start(folder.path(), "127.0.0.1:0");
    let account = ada(&served.base).await.number().await;
    let key = keys["carriers"][0]["key"].as_str().unwrap().to_owned();
    let stop = tokio_util::sync::CancellationToken::new();
    let load: Vec<_> = (0..8)
        .map(|worker| {
            let heron = Partner { base: served.base.clone(), key: key.clone() };
            let (account, stop) = (account.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut kept, mut refused) = (Vec::new(), 0);
                for turn in 0.. {
                    if stop.is_cancelled() {
                        break;
                    }
                    let parcel = announced(&account, &format!("P{worker}-{turn}"));
                    let answer = heron.post("/v1/carrier/parcels", parcel).await;
                    if answer.status.is_success() {
                        kept.push(answer.body["id"].as_str().unwrap().to_owned());
                    } else {
                        passing(&answer);
                        refused += 1;
                    }
                }
                (kept, refused)
            })
        })
        .collect();
    for _ in 0..2 {
        postgres.crash();
        until("/ready says 200 without a database", async || status(&served.base, "/ready").await == 503)
            .await;
        postgres.start_again();
        until("the hub does not come back", async || status(&served.base, "/ready").await == 200).await;
    }
    stop.cancel();
    let (mut kept, mut refused) = (Vec::new(), 0);
    for worker in load {
        let (its, without) = worker.await.unwrap();
        kept.extend(its);
        refused += without;
    }
    eprintln!("{} kept and {refused} refused over two crashes", kept.len());
    assert!(!kept.is_empty() && refused > 0);
    let heron = Partner { base: served.base.clone(), key };
    for id in &kept {
        heron.get(&format!("/v1/carrier/parcels/{id}")).await.ok();
    }
}

/// Of another address of this machine than everybody else.
async fn stranger(to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0))).unwrap();
    let stream = socket.connect(to).await.ok()?.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    Some(stream)
}

/// With as few descriptors as a service has by default, and no more to be had.
fn limited(data: &Path, tls: bool) -> Option<Served> {
    if tls {
        let (key, chain) = (data.join("key.pem"), data.join("chain.pem"));
        if !crate::kill::certificate(&key, &chain) {
            return None;
        }
        std::fs::write(data.join("postern.toml"), format!("[tls]\ncertificate = {chain:?}\nkey = {key:?}\n"))
            .unwrap();
    }
    let ready = data.join("ready.json");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -n 1024; exec \"$@\"",
        "sh",
        HUB,
        "serve",
        "--demo",
        "--listen",
        "127.0.0.1:0",
    ]);
    command.arg("--data").arg(data).arg("--ready-file").arg(&ready);
    Some(Served::run(&mut command, &ready))
}

/// A stranger with more half requests than there are descriptors stops nobody, and is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn half_requests() {
    let _ = postern_hub::server::raise_limit();
    let folder = tempfile::tempdir().unwrap();
    let served = limited(folder.path(), false).unwrap();
    let port: u16 = served.base.rsplit(':').next().unwrap().parse().unwrap();
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut held = Vec::new();
    for turn in 0..1_100 {
        let Some(mut stream) = stranger(to).await else { continue };
        let half: &[u8] = match turn % 3 {
            0 => b"",
            1 => b"GET /health HTTP/1.1\r\nHost: loc",
            _ => b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ngrant",
        };
        let _ = stream.write_all(half);
        held.push(stream);
    }
    let began = Instant::now();
    assert_eq!(status(&served.base, "/health").await, 200);
    assert_eq!(status(&served.base, "/ready").await, 200);
    ada(&served.base).await.get("/v1/me").await.ok();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for mut stream in held {
        let mut answer = Vec::new();
        while let Err(error) = stream.read_to_end(&mut answer) {
            let waits = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
            if !waits {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "a half request is waited for");
        }
    }
}

/// The same inside of the hub's own TLS.
#[tokio::test(flavor = "multi_thread")]
async fn half_requests_in_tls() {
    let _ = postern_hub::server::raise_limit();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let Some(served) = limited(folder.path(), true) else { return };
    let root =
        reqwest::Certificate::from_pem(&std::fs::read(folder.path().join("chain.pem")).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([root.clone()]).build().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(folder.path().join("chain.pem")).unwrap();
    let der =
        <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_slice(&pem);
    roots.add(der.unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let config = Arc::new(config);
    let port: u16 = served.base.rsplit(':').next().unwrap().parse().unwrap();
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut held = Vec::new();
    for turn in 0..1_100 {
        let Some(mut stream) = stranger(to).await else { continue };
        let name = "localhost".try_into().unwrap();
        let mut session = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
        // The first do all but their request; the others say nothing at all.
        if turn < 100 && session.complete_io(&mut stream).is_ok() {
            let _ = session.writer().write_all(b"GET /health HTTP/1.1\r\nHost: loc");
            let _ = session.write_tls(&mut stream);
        }
        held.push(stream);
    }
    let began = Instant::now();
    let health = client.get(format!("{}/health", served.base)).send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for mut stream in held {
        let mut said = [0; 4096];
        loop {
            match stream.read(&mut said) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    let waits =
                        matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
                    if !waits {
                        break;
                    }
                    assert!(began.elapsed() < Duration::from_secs(60), "a half request is waited for");
                }
            }
        }
    }
}

/// More than can be served is told to come back, at once, and what is served goes on.
#[tokio::test(flavor = "multi_thread")]
async fn overload_sheds() {
    let config = postern_hub::config::Config { requests_under_way: 4, ..Default::default() };
    let world = World::with(config).await;
    let account = world.customer("Ada").await.number().await;
    // The database is somebody else's for a while: whatever writes has to wait.
    let tx = world.hub.store.begin().await.unwrap();
    let mut load: Vec<_> = (0..60)
        .map(|turn| {
            let heron = Partner { base: world.base.clone(), key: world.heron.key.clone() };
            let account = account.clone();
            tokio::spawn(async move {
                let began = Instant::now();
                let parcel = announced(&account, &format!("O{turn}"));
                let answer = heron.post("/v1/carrier/parcels", parcel).await;
                (answer, began.elapsed())
            })
        })
        .collect();
    let mut shed = 0;
    // Those with a place are still waiting when all others have their answer.
    while load.len() > 4 {
        let (ended, _, rest) = futures::future::select_all(load).await;
        load = rest;
        let (answer, took) = ended.unwrap();
        passing(&answer);
        assert_eq!(answer.status, 503);
        assert!(took < Duration::from_secs(5), "{took:?}");
        shed += 1;
    }
    assert_eq!(shed, 56);
    assert_eq!(status(&world.base, "/health").await, 200);
    drop(tx);
    for one in load {
        one.await.unwrap().0.ok();
    }
    let metrics = world.operator.get("/metrics").await.ok();
    assert!(metrics.as_str().unwrap().contains("postern_requests_shed_total 56"), "{metrics}");
}

/// The clock jumps by five days: nobody's parcel goes back for that, and the operator hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ends_nothing() {
    let world = World::start().await;
    let _locker = world.locker().await;
    let ada = world.customer("Ada").await;
    assert_eq!(ada.named("Two paperbacks").await["state"], "ready");
    let told = async || {
        let alarms = world.operator.get("/v1/operator/alarms").await.ok()["alarms"].clone();
        alarms.as_array().unwrap().iter().filter(|alarm| alarm["kind"] == "clock").count()
    };
    world.clock.jump(5 * 86_400);
    until("no alarm", async || told().await == 1).await;
    world.clock.jump(-5 * 86_400);
    assert_eq!(ada.named("Two paperbacks").await["state"], "ready");
    until("the hub does not trust its clock again", async || world.hub.belief.is_sure(&world.clock)).await;

    // Behind the time at which the key that signs was made: what is asked for is answered.
    world.clock.jump(-400 * 86_400);
    let url = format!("{}/v1/tokens", world.base);
    let books = ada.named("Two paperbacks").await;
    let answer = ada.post("/v1/tokens", json!({ "reservations": [books["id"]] })).await;
    assert!(answer.status.as_u16() < 500, "{url}: {} {}", answer.status, answer.body);
}
