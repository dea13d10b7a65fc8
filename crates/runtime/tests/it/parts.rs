//! The real other ends: the hub and the simulator with the locker's firmware, as programs of their own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// How long a part may take to be ready, on a machine that has other things to do.
const READY: Duration = Duration::from_secs(60);

/// A program of this workspace, in `POSTERN_BIN_DIR` or where cargo puts it.
///
/// # Panics
/// If it was not built: a story without it would be told to nobody.
fn binary(name: &str) -> PathBuf {
    let beside = || {
        // target/debug/deps/it-… → target/debug
        let test = env::current_exe().expect("this test");
        test.parent().and_then(Path::parent).expect("target folder").to_owned()
    };
    let folder = env::var_os("POSTERN_BIN_DIR").map_or_else(beside, PathBuf::from);
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built: cargo build -p {name} (or set POSTERN_BIN_DIR)", path.display());
    path
}

/// For talking to the other ends.
pub(crate) fn http() -> reqwest::Client {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// A program, killed with its value.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    /// Starts it and gives what it wrote when it was ready.
    fn start(command: &mut Command, ready: &Path) -> (Self, Value) {
        let _ = fs::remove_file(ready);
        let child = command
            .arg("--ready-file")
            .arg(ready)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(if env::var_os("POSTERN_TEST_LOGS").is_some() { Stdio::inherit() } else { Stdio::null() })
            .spawn()
            .expect("a program of this workspace starts");
        let mut program = Self(child);
        let deadline = Instant::now() + READY;
        loop {
            // Written atomically: what is there is whole.
            if let Ok(text) = fs::read(ready) {
                return (program, serde_json::from_slice(&text).expect("JSON"));
            }
            if let Some(status) = program.0.try_wait().expect("its state") {
                panic!("{:?} ended with {status}; POSTERN_TEST_LOGS=1 shows why", command.get_program());
            }
            assert!(Instant::now() < deadline, "{:?} is not ready", command.get_program());
            // Not spinning: what is waited for needs the processor.
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// The hub with the demo's content.
pub(crate) struct Hub {
    pub(crate) url: String,
    operator_key: String,
    carrier_key: String,
    folder: PathBuf,
    program: Option<Program>,
}

impl Hub {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::configured(folder, "")
    }

    /// One whose operator has written this (TOML).
    pub(crate) fn configured(folder: &Path, configuration: &str) -> Self {
        let folder = folder.join("hub");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("postern.toml"), configuration).unwrap();
        let output =
            Command::new(binary("postern-hub")).args(["demo-data", "--data"]).arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let data: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().expect("a key").to_owned();
        let mut hub = Self {
            url: String::new(),
            operator_key: text(&data["operator_key"]),
            carrier_key: text(&data["carriers"][0]["key"]),
            folder,
            program: None,
        };
        hub.serve("127.0.0.1:0");
        hub
    }

    fn serve(&mut self, listen: &str) {
        let mut command = Command::new(binary("postern-hub"));
        command.args(["serve", "--demo", "--listen", listen, "--data"]).arg(&self.folder);
        let (program, ready) = Program::start(&mut command, &self.folder.with_extension("ready"));
        self.url = ready["url"].as_str().expect("a URL").to_owned();
        self.program = Some(program);
    }

    /// The code of a new courier of Heron Express.
    #[allow(dead_code, reason = "not every test that has these parts has couriers")]
    pub(crate) async fn new_courier(&self, name: &str) -> String {
        self.enrol(name).await.1
    }

    /// The same, with the courier's id.
    #[allow(dead_code, reason = "for the terminal's tests")]
    pub(crate) async fn enrol(&self, name: &str) -> (String, String) {
        let request = http()
            .post(format!("{}/v1/carrier/couriers", self.url))
            .bearer_auth(&self.carrier_key)
            .json(&json!({ "name": name }));
        let courier: Value = request.send().await.unwrap().json().await.unwrap();
        let text = |field: &str| courier[field].as_str().expect("an id and a code").to_owned();
        (text("id"), text("enrolment_code"))
    }

    /// The carrier dismisses a courier.
    #[allow(dead_code, reason = "for the terminal's tests")]
    pub(crate) async fn dismiss(&self, courier: &str) {
        let url = format!("{}/v1/carrier/couriers/{courier}", self.url);
        let answer = http().delete(url).bearer_auth(&self.carrier_key).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// The carrier announces a parcel to what its customer gave it; the claim link.
    #[allow(dead_code, reason = "for the terminal's tests")]
    pub(crate) async fn announce(&self, recipient: &str, title: &str) -> String {
        let parcel = json!({ "reference": title, "recipient": recipient, "title": title, "site": "lindenhof", "size": "s" });
        let request = http()
            .post(format!("{}/v1/carrier/parcels", self.url))
            .bearer_auth(&self.carrier_key)
            .json(&parcel);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        let parcel: Value = answer.json().await.unwrap();
        parcel["claim_link"].as_str().expect("a claim link").to_owned()
    }

    /// The operator invites one person to a flat; the link, and the code.
    #[allow(dead_code, reason = "for the terminal's tests")]
    pub(crate) async fn invite(&self, unit: &str) -> (String, String) {
        let path = format!("{}/v1/operator/sites/lindenhof/invitations", self.url);
        let flats = json!({ "flats": [{ "unit": unit }] });
        let request = http().post(path).bearer_auth(&self.operator_key).json(&flats);
        let made: Value = request.send().await.unwrap().json().await.unwrap();
        let text =
            |field: &str| made["invitations"][0][field].as_str().expect("a link and a code").to_owned();
        (text("link"), text("code"))
    }

    /// What the carrier reads of its parcel with this tracking number.
    #[allow(dead_code, reason = "for the terminal's tests")]
    pub(crate) async fn parcel(&self, reference: &str) -> Value {
        let request = http().get(format!("{}/v1/carrier/parcels", self.url)).bearer_auth(&self.carrier_key);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let parcels = answer["parcels"].as_array().expect("parcels");
        parcels.iter().find(|parcel| parcel["reference"] == reference).expect("a parcel").clone()
    }

    /// The carrier sends its parcel with this tracking number on its way.
    #[allow(dead_code, reason = "for the terminal's tests")]
    pub(crate) async fn dispatch(&self, reference: &str) {
        let parcel = self.parcel(reference).await;
        let path = format!("{}/v1/carrier/parcels/{}/dispatch", self.url, parcel["id"].as_str().unwrap());
        let request = http().post(path).bearer_auth(&self.carrier_key).json(&json!({}));
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// The operator answers each report that nobody has answered yet, with these words; how many.
    #[allow(dead_code, reason = "for the terminal's tests")]
    pub(crate) async fn answer_reports(&self, words: &str) -> usize {
        let reports = format!("{}/v1/operator/reports", self.url);
        let request = http().get(format!("{reports}?state=open")).bearer_auth(&self.operator_key);
        let found: Value = request.send().await.unwrap().json().await.unwrap();
        let found = found["reports"].as_array().expect("reports");
        for report in found {
            let path = format!("{reports}/{}/answers", report["id"].as_str().unwrap());
            let answer = json!({ "text": words, "solved": true });
            let answered =
                http().post(path).bearer_auth(&self.operator_key).json(&answer).send().await.unwrap();
            assert!(answered.status().is_success(), "{}", answered.text().await.unwrap());
        }
        found.len()
    }

    /// SIGKILL: nobody is told.
    pub(crate) fn kill(&mut self) {
        self.program = None;
    }

    /// Again on the same port and data.
    pub(crate) fn restart(&mut self) {
        let port = self.url.rsplit(':').next().expect("a port").to_owned();
        self.serve(&format!("127.0.0.1:{port}"));
    }
}

/// The simulator with its one cabinet.
pub(crate) struct Cabinet {
    /// `HOST:PORT` of the air.
    pub(crate) air: String,
    panel: String,
    id: String,
    _program: Program,
}

impl Cabinet {
    pub(crate) fn start(folder: &Path, hub: &Hub) -> Self {
        let mut command = Command::new(binary("postern-sim"));
        command
            .args(["serve", "--hub", &hub.url, "--air", "127.0.0.1:0", "--panel", "127.0.0.1:0", "--data"])
            .arg(folder.join("sim"))
            .env("POSTERN_OPERATOR_KEY", &hub.operator_key)
            .env("POSTERN_CARRIER_KEY", &hub.carrier_key);
        Self::of(&mut command, folder)
    }

    /// The firmware's image on a Cortex-M4 in its place: `POSTERN_BOARD_IMAGE` and `POSTERN_QEMU_ARM` say where they
    /// are. It has no panel, and a hand closes its doors.
    #[allow(dead_code, reason = "not every test that has these parts has a board")]
    pub(crate) fn on_board(folder: &Path, hub: &Hub) -> Self {
        let mut command = Command::new(binary("postern-sim"));
        command
            .args(["serve", "--hub", &hub.url, "--air", "127.0.0.1:0", "--board", "qemu", "--data"])
            .arg(folder.join("sim"))
            .env("POSTERN_OPERATOR_KEY", &hub.operator_key);
        Self::of(&mut command, folder)
    }

    /// At which nobody stands, on this port of the air.
    #[allow(dead_code, reason = "for the terminal's tests")]
    pub(crate) fn unattended(folder: &Path, hub: &Hub, port: u16) -> Self {
        let mut command = Command::new(binary("postern-sim"));
        command
            .args([
                "serve",
                "--unattended",
                "--hub",
                &hub.url,
                "--air",
                &format!("127.0.0.1:{port}"),
                "--data",
            ])
            .arg(folder.join("sim"))
            .env("POSTERN_OPERATOR_KEY", &hub.operator_key)
            .env("POSTERN_CARRIER_KEY", &hub.carrier_key);
        Self::of(&mut command, folder)
    }

    fn of(command: &mut Command, folder: &Path) -> Self {
        let (program, ready) = Program::start(command, &folder.join("sim.ready"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            air: text(&ready["air"]),
            panel: text(&ready["panel"]),
            id: text(&ready["cabinets"][0]),
            _program: program,
        }
    }

    async fn post(&self, path: &str, body: Value) {
        let url = format!("{}/api/cabinets/{}{path}", self.panel, self.id);
        let response = http().post(&url).json(&body).send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{path}: {status}: {}", response.text().await.unwrap());
    }

    /// One door as it really is.
    pub(crate) async fn door(&self, label: &str) -> Value {
        let url = format!("{}/api/cabinets/{}", self.panel, self.id);
        let state: Value = http().get(&url).send().await.unwrap().json().await.unwrap();
        let doors = state["doors"].as_array().expect("doors");
        doors.iter().find(|door| door["label"] == label).expect("a door of this label").clone()
    }

    /// `close`, `take` or `put`.
    pub(crate) async fn hand(&self, label: &str, what: &str) {
        let door = self.door(label).await["door"].as_u64().expect("a number");
        self.post(&format!("/doors/{door}/{what}"), json!({})).await;
    }

    /// A courier of Heron Express puts the parcel in.
    pub(crate) async fn courier_deposits(&self, parcel: &str) {
        self.post("/courier/deposit", json!({ "parcel": parcel, "what": "a shoe box" })).await;
    }

    /// Something goes wrong from now on (PANEL.md, faults).
    pub(crate) async fn faults(&self, patch: Value) {
        self.post("/faults", patch).await;
    }
}
