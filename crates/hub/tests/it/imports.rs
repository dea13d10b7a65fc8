//! Sites of real networks, as an operator imports them and a customer finds them.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use postern_hub::clock::Clock;
use serde_json::{Value, json};

use crate::{
    client::{Device, Key, Partner, Pending, register},
    postgres::Postgres,
    served::{HUB, Served, run},
};

/// A network of an operator that has begun just now, and a customer of it.
struct Network {
    folder: tempfile::TempDir,
    hub: Served,
    operator: Partner,
    ada: Device,
}

impl Network {
    async fn start(database: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(database) = database {
            std::fs::write(folder.path().join("postern.toml"), format!("database = {database:?}\n")).unwrap();
        }
        let (fine, told) = run(folder.path(), &["keys", "operator", "imports"]);
        assert!(fine, "{told}");
        let key = told.lines().find(|line| line.starts_with("pk_")).unwrap().to_owned();
        let hub = Served::start_plain(folder.path(), "127.0.0.1:0");
        let pending = Pending::new();
        let (_, redirect) = register(&hub.base, &pending, "Ada").await;
        let ada = Device::redeem(&hub.base, &pending, &redirect, Key::ed25519(), &Clock::default()).await;
        let operator = Partner { base: hub.base.clone(), key };
        Self { folder, hub, operator, ada }
    }

    fn import(&self, points: &Value, more: &[&str]) -> (bool, String) {
        let file = self.folder.path().join("points.json");
        std::fs::write(&file, points.to_string()).unwrap();
        let arguments = [&["import", file.to_str().unwrap()], more].concat();
        run(self.folder.path(), &arguments)
    }

    #[track_caller]
    fn imported(&self, points: &Value, more: &[&str]) -> String {
        let (fine, report) = self.import(points, more);
        assert!(fine, "{report}");
        report
    }

    async fn found(&self, text: &str) -> Vec<Value> {
        let sites = self.ada.get(&format!("/v1/sites?text={text}")).await.ok();
        sites["sites"].as_array().unwrap().clone()
    }

    async fn one(&self, text: &str) -> Value {
        let found = self.found(text).await;
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found[0].clone()
    }
}

fn point(name: &str) -> Value {
    json!({ "name": name, "country": "PL", "type": ["parcel_locker"], "status": "Operating",
            "location": { "latitude": 51.7, "longitude": 22.2 }, "opening_hours": "24/7", "location_247": true,
            "location_description": "by the shop", "address": { "line1": "Lipowa 1", "line2": "21-412 Adamów" } })
}

async fn comes_and_goes(network: Network) {
    // Nothing is written for a look, and a page is no network.
    let points = |all: &[Value]| json!({ "items": all });
    let first = points(&[point("AAA"), point("BBB"), point("CCC")]);
    let report = network.imported(&first, &["--dry-run"]);
    assert!(report.contains("3 sites, 0 closed or not open yet, 0 skipped, 0 doubtful"), "{report}");
    assert!(network.found("AAA").await.is_empty());
    let page = json!({ "page": 1, "total_pages": 154, "count": 76_905, "items": [point("AAA")] });
    let (fine, report) = network.import(&page, &[]);
    assert!(!fine && report.contains("1 of 154 pages") && report.contains("--partial"), "{report}");
    assert!(network.found("AAA").await.is_empty());

    let report = network.imported(&first, &[]);
    assert!(report.contains("3 added, 0 changed, 0 as before, 0 left"), "{report}");
    let site = network.one("AAA").await;
    assert_eq!((&site["hours"], &site["always_open"]), (&json!("24/7"), &json!(true)));
    assert_eq!(site["step_free"], false, "nobody said so");
    assert!(network.imported(&first, &[]).contains("0 added, 0 changed, 3 as before, 0 left"));

    // The operator knows better, of one thing; the source of others.
    let mut corrected = site.clone();
    corrected["hours"] = json!("Mo-Fr 06:00-20:00");
    corrected["always_open"] = json!(false);
    corrected["access"] = json!("residents");
    let put =
        network.operator.send(reqwest::Method::PUT, "/v1/operator/sites/inpost-pl-aaa", corrected).await;
    assert!(put.status.is_success(), "{}", put.body);
    let mut moved = point("AAA");
    moved["address"]["line1"] = json!("Polna 9");
    moved["opening_hours"] = json!("24/7");
    let mut closed = point("BBB");
    closed["status"] = json!("NonOperating");
    let report = network.imported(&points(&[moved.clone(), closed, point("DDD")]), &[]);
    assert!(report.contains("1 added, 1 changed, 0 as before, 2 left"), "{report}");
    assert!(report.contains("1 keep what the operator corrected"), "{report}");
    assert!(network.found("AAA").await.is_empty(), "it is for residents, of which Ada is none");
    let mut public = site.clone();
    public["address"] = json!("Polna 9, 21-412 Adamów");
    public["hours"] = json!("Mo-Fr 06:00-20:00");
    public["always_open"] = json!(false);
    let put = network.operator.send(reqwest::Method::PUT, "/v1/operator/sites/inpost-pl-aaa", public).await;
    assert!(put.status.is_success(), "{}", put.body);
    network.imported(&points(&[moved.clone(), point("DDD")]), &[]);
    let site = network.one("AAA").await;
    assert_eq!(site["address"], "Polna 9, 21-412 Adamów", "moved by the source");
    assert_eq!((&site["hours"], &site["always_open"]), (&json!("Mo-Fr 06:00-20:00"), &json!(false)));
    assert!(network.found("BBB").await.is_empty(), "it closed");
    assert!(network.found("CCC").await.is_empty(), "it vanished");
    network.one("DDD").await;

    // A page takes over what is in it and lets nothing leave; what was closed comes back.
    let page = json!({ "page": 2, "total_pages": 154, "count": 9, "items": [point("BBB")] });
    assert!(network.imported(&page, &["--partial"]).contains("1 added, 0 changed, 0 as before, 0 left"));
    network.one("BBB").await;
    network.one("DDD").await;
    // Another country's file says nothing of this one.
    let mut abroad = point("EEE");
    abroad["country"] = json!("IT");
    abroad["location"] = json!({ "latitude": 45.4, "longitude": 9.2 });
    assert!(network.imported(&points(&[abroad]), &[]).contains("1 added, 0 changed, 0 as before, 0 left"));
    network.one("DDD").await;

    // Where lockers of this hub stand, nothing leaves; and not half a network by accident.
    let locker = crate::world::Locker::new();
    let descriptor = json!({ "descriptor": locker.descriptor("inpost-pl-ddd") });
    network.operator.post("/v1/operator/lockers", descriptor).await.ok();
    let many: Vec<Value> = (0..40).map(|n| point(&format!("M{n}"))).collect();
    let report = network.imported(&points(&many), &[]);
    assert!(report.contains("kept inpost-pl-ddd"), "{report}");
    network.one("DDD").await;
    let (fine, report) = network.import(&points(&many[..3]), &[]);
    assert!(!fine && report.contains("37 of 41") && report.contains("--allow-leaving"), "{report}");
    network.one("M39").await;
    assert!(network.imported(&points(&many[..3]), &["--allow-leaving"]).contains("37 left"));
    assert!(network.found("M39").await.is_empty());
    drop(network.hub);
}

#[tokio::test]
async fn what_changes_comes_and_what_is_gone_leaves_and_corrections_stay() {
    comes_and_goes(Network::start(None).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_comes_and_what_is_gone_leaves_and_corrections_stay_on_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    comes_and_goes(Network::start(Some(postgres.database())).await).await;
}

#[test]
fn real_files_are_read_with_all_that_a_finder_needs() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("POSTERN_TEST_DATA").map_or(beside, PathBuf::from);
    for (file, sites, closed) in
        [("inpost-points-PL-page1.json", 476, 24), ("inpost-points-GB-page1.json", 440, 51)]
    {
        let path = folder.join(file);
        if !path.exists() {
            eprintln!("SKIPPED: no {file} in ../shared/data beside the project, nor in POSTERN_TEST_DATA");
            continue;
        }
        let data = tempfile::tempdir().unwrap();
        let path = path.to_str().unwrap();
        let (fine, report) = run(data.path(), &["import", path]);
        assert!(!fine && report.contains("pages"), "{report}");
        let (fine, report) = run(data.path(), &["import", path, "--partial"]);
        assert!(fine, "{report}");
        let summary = report.lines().find(|line| line.contains(" sites, ")).unwrap();
        eprintln!("{file}: {summary}");
        assert!(summary.starts_with(&format!("{sites} sites, {closed} closed")), "{summary}");
        assert!(
            !report.contains("that nobody understands"),
            "all hours of these files can be read: {report}"
        );
        assert!(report.contains(&format!("{sites} added")), "{report}");
    }
}

/// Peak of the memory that a process held, in KiB, as long as it runs.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_points_pass_through_little_memory_while_others_write() {
    let network = Network::start(None).await;
    let file = network.folder.path().join("network.json");
    {
        let mut out = BufWriter::new(File::create(&file).unwrap());
        write!(out, "{{\"count\":100000,\"page\":1,\"total_pages\":1,\"items\":[").unwrap();
        for n in 0..100_000_u32 {
            let mut point = point(&format!("P{n:05}"));
            point["location"] = json!({ "latitude": 49.5 + f64::from(n % 500) / 100.0, "longitude": 15.0 + f64::from(n / 500) / 40.0 });
            // As long as what the real network says of each.
            point["functions"] = json!(vec!["allegro_parcel_reverse_return_send"; 40]);
            write!(out, "{}{point}", if n == 0 { "" } else { "," }).unwrap();
        }
        write!(out, "]}}").unwrap();
    }
    let began = Instant::now();
    let mut import = Command::new(HUB)
        .arg("import")
        .arg(&file)
        .arg("--data")
        .arg(network.folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut memory, mut waits) = (0, Vec::new());
    let site = json!({ "name": "n", "address": "a", "latitude": 1.0, "longitude": 1.0, "hours": "", "always_open": false,
                       "access": "public", "step_free": false });
    while import.try_wait().unwrap().is_none() {
        memory = peak(import.id()).unwrap_or(memory);
        let asked = Instant::now();
        let put = network.operator.send(reqwest::Method::PUT, "/v1/operator/sites/busy", site.clone()).await;
        assert!(put.status.is_success(), "{}", put.body);
        waits.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let output = import.wait_with_output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(report.contains("100000 added"), "{report}");
    let longest =
        report.split("the longest transaction took ").nth(1).and_then(|rest| rest.split(' ').next());
    let longest: u64 = longest.unwrap().parse().unwrap();
    waits.sort();
    let (half, most) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    eprintln!(
        "100,000 points in {:?}, {} MiB at most; longest transaction {longest} ms; {} writes of others: median {half:?}, longest {most:?}",
        began.elapsed(),
        memory / 1024,
        waits.len()
    );
    assert!(memory < 200 * 1024, "{memory} KiB");
    assert!(waits.len() > 20, "others wrote meanwhile");
    assert!(half < Duration::from_millis(100), "{half:?}");
    network.one("P99999").await;
}
