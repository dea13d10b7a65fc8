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
    operator_key: String,
    panel: String,
    cabinet: String,
    sim: Option<Program>,
}

impl Stage {
    fn new() -> Self {
        Self::with("")
    }

    /// With a cabinet of its own: lines of its configuration.
    fn with(cabinet: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("hub");
        let output =
            Command::new(binary("postern-hub")).args(["demo-data", "--data"]).arg(&data).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let keys: Value = serde_json::from_slice(&output.stdout).unwrap();
        let carrier_key = keys["carriers"][0]["key"].as_str().unwrap().to_owned();
        let (hub, hub_url) = Self::serve(folder.path(), "127.0.0.1:0");
        if !cabinet.is_empty() {
            let column = "[[cabinet.column]]\nlabel = \"A\"\ndoors = [\"s\", \"m\", \"m\", \"m\"]\n";
            let text = format!("[[cabinet]]\nname = \"Own\"\nsite = \"lindenhof\"\n{cabinet}\n\n{column}");
            fs::write(folder.path().join("cabinets.toml"), text).unwrap();
        }
        let operator_key = keys["operator_key"].as_str().unwrap().to_owned();
        let (sim, ready) = Self::simulate(folder.path(), &hub_url, &operator_key, &carrier_key);
        Self {
            http: reqwest::Client::new(),
            hub: Some(hub),
            hub_url,
            operator_key,
            carrier_key,
            panel: ready["panel"].as_str().unwrap().to_owned(),
            cabinet: ready["cabinets"][0].as_str().unwrap().to_owned(),
            sim: Some(sim),
            folder,
        }
    }

    fn simulate(folder: &Path, hub_url: &str, operator_key: &str, carrier_key: &str) -> (Program, Value) {
        let mut command = Command::new(binary("postern-sim"));
        command
            .args(["serve", "--hub", hub_url, "--air", "127.0.0.1:0", "--panel", "127.0.0.1:0", "--data"])
            .arg(folder.join("sim"))
            .env("POSTERN_OPERATOR_KEY", operator_key)
            .env("POSTERN_CARRIER_KEY", carrier_key);
        let config = folder.join("cabinets.toml");
        if config.exists() {
            command.arg("--config").arg(config);
        }
        start(&mut command, &folder.join("sim.ready"))
    }

    /// The simulator starts again: the cabinet has all that it had, and the courier is another one.
    fn sim_starts_again(&mut self) {
        self.sim = None;
        let (sim, ready) =
            Self::simulate(self.folder.path(), &self.hub_url, &self.operator_key, &self.carrier_key);
        self.panel = ready["panel"].as_str().unwrap().to_owned();
        self.sim = Some(sim);
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
            request =
                self.http.post(&url).header("Idempotency-Key", &once[..once.len().min(128)]).json(&body);
        }
        let answer = request.bearer_auth(&self.carrier_key).send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// What the hub knows of the cabinet, for its operator.
    async fn known(&self) -> Value {
        let url = format!("{}/v1/operator/lockers/{}", self.hub_url, self.cabinet);
        let answer = self.http.get(&url).bearer_auth(&self.operator_key).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().await.unwrap()
    }

    /// A parcel on its way, for somebody who has no account.
    async fn parcel(&self, reference: &str) -> String {
        let parcel = json!({ "reference": reference, "recipient": "somebody@example.org", "title": "Shoes",
            "site": "lindenhof", "size": "m" });
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
    let [closing, receipt] = [0, 1].map(|index| &cabinet["receipts"][index]);
    assert_eq!((&receipt["operation"], &receipt["outcome"]), (&json!("deposit"), &json!("opened")));
    assert_eq!((&closing["operation"], &closing["outcome"]), (&json!("deposit"), &json!("closed_full")));
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
    let closing = &cabinet["receipts"][0];
    assert_eq!(
        (&closing["operation"], &closing["outcome"], &cabinet["chain_whole"]),
        (&json!("collect"), &json!("closed_empty"), &json!(true))
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
    assert_eq!(cabinet["receipts"].as_array().unwrap().len(), 2, "one opening, and its closing");
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

/// The hub goes between the latch and the receipt's arrival.
async fn deposit_as_the_hub_goes(stage: &mut Stage, parcel: &str) {
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
}

#[tokio::test]
async fn a_receipt_that_the_hub_could_not_take_is_handed_in_with_the_next_errand() {
    let mut stage = Stage::new();
    let parcel = stage.parcel("HX6").await;
    // The receipt is so long on its way that the hub can go between the latch and its arrival.
    stage.panel("/faults", json!({ "air": { "delay_ms": 1000 } })).await;
    deposit_as_the_hub_goes(&mut stage, &parcel).await;
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

/// Without content sensors the courier says what is inside, and the hub marks it as said.
#[tokio::test]
async fn where_nothing_measures_the_courier_says_what_is_inside() {
    let stage = Stage::with("content_sensors = false");
    let parcel = stage.parcel("HX9").await;
    let (status, answer) = stage.panel("/courier/deposit", json!({ "parcel": parcel })).await;
    assert_eq!((status, &answer["reported"]), (200, &json!(true)), "{answer}");
    let told = stage.carrier(&format!("/parcels/{parcel}"), Value::Null).await;
    assert_eq!((&told["state"], &told["unproven"]), (&json!("ready"), &json!(true)), "{told}");
    let cabinet = stage.cabinet().await;
    assert_eq!(cabinet["receipts"][0]["outcome"], "closed");

    // To take out is no different: an opening says nothing.
    let parcel = stage.parcel("HX12").await;
    let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 2;
    let deposit = json!({ "locker": stage.cabinet, "until": until });
    stage.carrier(&format!("/parcels/{parcel}/deposit"), deposit).await;
    stage.until(&parcel, "expired").await;
    let (status, answer) = stage.panel("/courier/collect", json!({})).await;
    assert_eq!((status, &answer["collected"][0]["reported"]), (200, &json!(true)), "{answer}");
    let told = stage.carrier(&format!("/parcels/{parcel}"), Value::Null).await;
    assert_eq!((&told["state"], &told["unproven"]), (&json!("returned"), &json!(true)), "{told}");
}

/// What one courier could not hand in, and never will, comes with the next who visits the locker.
#[tokio::test]
async fn a_courier_takes_along_what_the_hub_lacks() {
    let mut stage = Stage::new();
    let first = stage.parcel("HX10").await;
    stage.panel("/faults", json!({ "air": { "delay_ms": 1000 } })).await;
    deposit_as_the_hub_goes(&mut stage, &first).await;
    // Its device is lost, with the receipts.
    stage.hub_returns();
    stage.sim_starts_again();
    assert_ne!(stage.state_of(&first).await, "ready");
    assert_eq!(stage.known().await["newest_receipt"], Value::Null);
    let second = stage.parcel("HX11").await;
    let (status, answer) = stage.panel("/courier/deposit", json!({ "parcel": second })).await;
    assert_eq!(status, 200, "{answer}");
    let known = stage.known().await;
    assert_eq!((&known["newest_receipt"], &known["gaps"]), (&json!(3), &json!([])), "{known}");
    for parcel in [&first, &second] {
        assert_eq!(stage.state_of(parcel).await, "ready");
    }
}

/// A cabinet with a line of its own: its receipts are at the hub without anybody's phone, and news reaches it.
#[tokio::test]
async fn a_cabinet_with_a_line_of_its_own_tells_the_hub_by_itself() {
    let mut stage = Stage::with("uplink = true");
    let parcel = stage.parcel("HX12").await;
    stage.panel("/faults", json!({ "air": { "delay_ms": 1000 } })).await;
    deposit_as_the_hub_goes(&mut stage, &parcel).await;
    // No courier comes any more.
    stage.hub_returns();
    stage.sim_starts_again();
    let deadline = Instant::now() + PATIENCE;
    while stage.known().await["newest_receipt"] != json!(1) {
        assert!(Instant::now() < deadline, "{}", stage.known().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(
        stage.known().await["online_until"].as_i64().unwrap() > 0,
        "the hub knows that it is on its line"
    );
}

/// What cannot be is said aloud, and ends the simulator.
#[test]
fn an_impossible_cabinet_fails_aloud() {
    for (lines, said) in
        [("remembered_tokens = 8", "remembered tokens"), ("flash_pages = 4", "bytes of flash")]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cabinets.toml");
        let column = "[[cabinet.column]]\nlabel = \"A\"\ndoors = [\"s\"]\n";
        fs::write(&path, format!("[[cabinet]]\nname = \"x\"\nsite = \"x\"\n{lines}\n\n{column}")).unwrap();
        let output = Command::new(binary("postern-sim"))
            .args(["serve", "--air", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("data"))
            .arg("--config")
            .arg(&path)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(said) && text.contains("\"x\""), "{text}");
    }
}

/// No page may show the panel within itself.
#[tokio::test]
async fn the_panel_refuses_to_be_framed() {
    let stage = Stage::new();
    for path in ["/", "/api/state", "/panel.js", "/nothing"] {
        let answer = stage.http.get(format!("{}{path}", stage.panel)).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
    }
}
