//! The courier, with the real hub and the simulator as programs of their own.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// Long enough for a busy machine; the hub looks for expired parcels every 15 s.
const PATIENCE: Duration = Duration::from_secs(90);

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn binary(name: &str) -> PathBuf {
    let beside = || {
        // target/debug/deps/courier-… → target/debug
        let test = env::current_exe().unwrap();
        test.parent().and_then(Path::parent).unwrap().to_owned()
    };
    let path = env::var_os("POSTERN_BINARIES").map_or_else(beside, PathBuf::from).join(name);
    assert!(path.exists(), "{} is not built: cargo build --workspace", path.display());
    path
}

/// Starts a program and waits for its ready file.
fn start(command: &mut Command, ready: &Path) -> (Program, Value) {
    let _ = fs::remove_file(ready);
    command.arg("--ready-file").arg(ready).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = Program(command.spawn().unwrap());
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Written atomically: what is there is whole.
        if let Ok(text) = fs::read(ready) {
            return (program, serde_json::from_slice(&text).unwrap());
        }
        assert!(program.0.try_wait().unwrap().is_none(), "{command:?} ended");
        assert!(Instant::now() < deadline, "{command:?} is not ready");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

struct Stage {
    http: reqwest::Client,
    folder: tempfile::TempDir,
    hub: Option<Program>,
    hub_url: String,
    carrier_key: String,
    panel: String,
    cabinet: String,
    _sim: Program,
}

impl Stage {
    fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("hub");
        let output =
            Command::new(binary("postern-hub")).args(["demo-data", "--data"]).arg(&data).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let keys: Value = serde_json::from_slice(&output.stdout).unwrap();
        let carrier_key = keys["carriers"][0]["key"].as_str().unwrap().to_owned();
        let (hub, hub_url) = Self::serve(folder.path(), "127.0.0.1:0");
        let mut command = Command::new(binary("postern-sim"));
        command
            .args(["serve", "--hub", &hub_url, "--air", "127.0.0.1:0", "--panel", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("sim"))
            .env("POSTERN_OPERATOR_KEY", keys["operator_key"].as_str().unwrap())
            .env("POSTERN_CARRIER_KEY", &carrier_key);
        let (sim, ready) = start(&mut command, &folder.path().join("sim.ready"));
        Self {
            http: reqwest::Client::new(),
            hub: Some(hub),
            hub_url,
            carrier_key,
            panel: ready["panel"].as_str().unwrap().to_owned(),
            cabinet: ready["cabinets"][0].as_str().unwrap().to_owned(),
            _sim: sim,
            folder,
        }
    }

    fn serve(folder: &Path, listen: &str) -> (Program, String) {
        let mut command = Command::new(binary("postern-hub"));
        command.args(["serve", "--demo", "--listen", listen, "--data"]).arg(folder.join("hub"));
        let (program, ready) = start(&mut command, &folder.join("hub.ready"));
        (program, ready["url"].as_str().unwrap().to_owned())
    }

    fn hub_returns(&mut self) {
        let port = self.hub_url.rsplit(':').next().unwrap();
        self.hub = Some(Self::serve(self.folder.path(), &format!("127.0.0.1:{port}")).0);
    }

    /// A call of the carrier at the hub.
    async fn carrier(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/v1/carrier{path}", self.hub_url);
        let mut request = self.http.get(&url);
        if !body.is_null() {
            let once = format!("{path} {body}").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            request = self.http.post(&url).header("Idempotency-Key", &once[..once.len().min(60)]).json(&body);
        }
        let answer = request.bearer_auth(&self.carrier_key).send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// A parcel on its way. Its recipient is an account that a carrier can make without a passkey.
    async fn parcel(&self, reference: &str) -> String {
        let account = self.carrier("/couriers", json!({ "name": reference })).await;
        let parcel = json!({ "reference": reference, "recipient": account["id"], "title": "Shoes", "site": "lindenhof",
            "size": "m" });
        self.carrier("/parcels", parcel).await["id"].as_str().unwrap().to_owned()
    }

    async fn state_of(&self, parcel: &str) -> Value {
        self.carrier(&format!("/parcels/{parcel}"), Value::Null).await["state"].clone()
    }

    async fn until(&self, parcel: &str, state: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.state_of(parcel).await != state {
            assert!(Instant::now() < deadline, "{parcel} does not become {state}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A call of the panel: status and body.
    async fn panel(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/api/cabinets/{}{path}", self.panel, self.cabinet);
        let answer = self.http.post(&url).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn cabinet(&self) -> Value {
        let url = format!("{}/api/cabinets/{}", self.panel, self.cabinet);
        self.http.get(&url).send().await.unwrap().json().await.unwrap()
    }

    async fn door(&self, door: &Value) -> Value {
        let cabinet = self.cabinet().await;
        cabinet["doors"].as_array().unwrap().iter().find(|one| one["door"] == *door).unwrap().clone()
    }
}

#[tokio::test]
async fn a_deposit_opens_the_door_by_the_protocol_and_the_hub_believes_the_receipt() {
    let stage = Stage::new();
    let parcel = stage.parcel("HX1").await;
    let (status, answer) =
        stage.panel("/courier/deposit", json!({ "parcel": parcel, "what": "shoes" })).await;
    assert_eq!((status, &answer["by_protocol"], &answer["reported"]), (200, &json!(true), &json!(true)));
    assert_eq!(stage.state_of(&parcel).await, "ready");
    let door = stage.door(&answer["door"]).await;
    assert_eq!(
        (&door["inside"], &door["open"], &door["pulses"]),
        (&json!("shoes"), &json!(false), &json!(1))
    );
    let cabinet = stage.cabinet().await;
    let receipt = &cabinet["receipts"][0];
    assert_eq!((&receipt["operation"], &receipt["outcome"]), (&json!("deposit"), &json!("opened")));
    assert_eq!((&cabinet["chain_whole"], &cabinet["links"]), (&json!(true), &json!([])));
    // There is nothing to put in twice.
    let (status, _) = stage.panel("/courier/deposit", json!({ "parcel": parcel })).await;
    assert_eq!(status, 409);
    assert_eq!(stage.door(&answer["door"]).await["pulses"], 1);
}

#[tokio::test]
async fn a_named_door_is_told_to_the_hub_and_no_latch_moves() {
    let stage = Stage::new();
    let parcel = stage.parcel("HX2").await;
    let free = stage.cabinet().await["doors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|door| door["size"] == "m")
        .unwrap()["door"]
        .clone();
    let (status, answer) = stage.panel("/courier/deposit", json!({ "parcel": parcel, "door": free })).await;
    assert_eq!((status, &answer["by_protocol"], &answer["door"]), (200, &json!(false), &free));
    assert_eq!(stage.state_of(&parcel).await, "ready");
    let door = stage.door(&free).await;
    assert_eq!((&door["inside"], &door["pulses"]), (&json!("HX2"), &json!(0)));
}

#[tokio::test]
async fn what_expired_is_taken_out_and_goes_back() {
    let stage = Stage::new();
    let parcel = stage.parcel("HX3").await;
    let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 2;
    let deposit = json!({ "locker": stage.cabinet, "until": until });
    let door = stage.carrier(&format!("/parcels/{parcel}/deposit"), deposit).await["door"].clone();
    let (status, nothing) = stage.panel("/courier/collect", json!({})).await;
    assert_eq!((status, &nothing["collected"]), (200, &json!([])), "not before it has expired");
    stage.until(&parcel, "expired").await;
    let (status, answer) = stage.panel("/courier/collect", json!({})).await;
    let collected = json!([{ "reference": "HX3", "door": door, "reported": true }]);
    assert_eq!((status, &answer["collected"]), (200, &collected));
    assert_eq!(stage.state_of(&parcel).await, "returned");
    let cabinet = stage.cabinet().await;
    assert_eq!(
        (&cabinet["receipts"][0]["operation"], &cabinet["chain_whole"]),
        (&json!("collect"), &json!(true))
    );
    let left = stage.door(&door).await;
    assert_eq!((&left["inside"], &left["open"]), (&Value::Null, &json!(false)));
}

#[tokio::test]
async fn a_door_that_does_not_open_gets_no_parcel() {
    let stage = Stage::new();
    let parcel = stage.parcel("HX4").await;
    let doors: serde_json::Map<String, Value> = stage.cabinet().await["doors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|door| (door["door"].to_string(), json!({ "jammed_pulses": 1000 })))
        .collect();
    let (status, _) = stage.panel("/faults", json!({ "doors": doors })).await;
    assert_eq!(status, 200);
    let (status, answer) = stage.panel("/courier/deposit", json!({ "parcel": parcel })).await;
    assert_eq!(status, 409, "{answer}");
    assert_ne!(stage.state_of(&parcel).await, "ready");
    let inside =
        |cabinet: &Value| cabinet["doors"].as_array().unwrap().iter().any(|door| !door["inside"].is_null());
    assert!(!inside(&stage.cabinet().await));
}

#[tokio::test]
async fn a_link_that_ends_with_the_receipt_on_its_way_is_made_again_and_the_latch_moves_once() {
    let stage = Stage::new();
    let parcel = stage.parcel("HX8").await;
    // Frame 1 is the HELLO, frame 2 the receipt: the latch has moved, and the courier does not know.
    let cut = json!({ "direction": "to_phone", "frame": 2, "delivered": false });
    let (status, _) = stage.panel("/faults", json!({ "air": { "drop_after": cut } })).await;
    assert_eq!(status, 200);
    let (status, answer) = stage.panel("/courier/deposit", json!({ "parcel": parcel })).await;
    assert_eq!((status, &answer["reported"]), (200, &json!(true)), "{answer}");
    assert_eq!(stage.door(&answer["door"]).await["pulses"], 1);
    assert_eq!(stage.state_of(&parcel).await, "ready");
    let cabinet = stage.cabinet().await;
    assert_eq!(cabinet["receipts"].as_array().unwrap().len(), 1);
    let url = format!("{}/api/cabinets/{}/faults", stage.panel, stage.cabinet);
    let left: Value = stage.http.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(left["air"]["drop_after"], Value::Null, "the link was cut");
}

#[tokio::test]
async fn a_courier_without_a_hub_says_so_and_goes_on_when_it_is_back() {
    let mut stage = Stage::new();
    let parcel = stage.parcel("HX5").await;
    stage.hub = None;
    let (status, answer) = stage.panel("/courier/deposit", json!({ "parcel": parcel })).await;
    assert_eq!(status, 502, "{answer}");
    stage.hub_returns();
    let (status, answer) = stage.panel("/courier/deposit", json!({ "parcel": parcel })).await;
    assert_eq!((status, &answer["by_protocol"]), (200, &json!(true)), "{answer}");
}

#[tokio::test]
async fn a_receipt_that_the_hub_could_not_take_is_handed_in_with_the_next_errand() {
    let mut stage = Stage::new();
    let parcel = stage.parcel("HX6").await;
    // The receipt is so long on its way that the hub can go between the latch and its arrival.
    stage.panel("/faults", json!({ "air": { "delay_ms": 1000 } })).await;
    let request = json!({ "parcel": parcel });
    let deposit = stage.panel("/courier/deposit", request);
    let opened = async {
        loop {
            let cabinet = stage.cabinet().await;
            if cabinet["doors"].as_array().unwrap().iter().any(|door| door["open"] == true) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let hub = stage.hub.as_ref().unwrap().0.id();
    let kill = async {
        opened.await;
        assert!(Command::new("kill").args(["-9", &hub.to_string()]).status().unwrap().success());
    };
    let ((status, answer), ()) = tokio::join!(deposit, kill);
    assert_eq!(
        (status, &answer["by_protocol"], &answer["reported"]),
        (200, &json!(true), &json!(false)),
        "{answer}"
    );
    stage.hub = None;
    stage.hub_returns();
    assert_ne!(stage.state_of(&parcel).await, "ready");
    let (status, _) = stage.panel("/courier/collect", json!({})).await;
    assert_eq!(status, 200);
    assert_eq!(stage.state_of(&parcel).await, "ready");
}

#[tokio::test]
async fn a_cabinet_that_lost_the_time_opens_for_a_courier_by_a_token_that_is_bound_to_its_hello() {
    let stage = Stage::new();
    let parcel = stage.parcel("HX7").await;
    stage.panel("/faults", json!({ "machine": { "clock_lost": true } })).await;
    stage.panel("/power", json!({ "on": false, "dark_ms": 50 })).await;
    let deadline = Instant::now() + PATIENCE;
    while stage.cabinet().await["advertisement"]["clock_unset"] != json!(true) {
        assert!(Instant::now() < deadline, "the cabinet still knows the time");
        tokio::task::yield_now().await;
    }
    let (status, answer) = stage.panel("/courier/deposit", json!({ "parcel": parcel })).await;
    assert_eq!(
        (status, &answer["by_protocol"], &answer["reported"]),
        (200, &json!(true), &json!(true)),
        "{answer}"
    );
    assert_eq!(stage.state_of(&parcel).await, "ready");
    assert_eq!(stage.door(&answer["door"]).await["pulses"], 1);
}
