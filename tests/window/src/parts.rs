//! The other ends: the hub, and the cabinet with real firmware in it.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sqlx::{Connection, Row};
use ureq::{Agent, typestate::WithBody};

use crate::{app::binary, child::Program, stage::Stage, world::now_ms};

/// How long a part may take to be ready, on a machine that has other things to do.
const READY: Duration = Duration::from_secs(30);

/// The hub, with the demo's carriers in it.
#[derive(Debug)]
pub struct Hub {
    /// Where apps reach it.
    pub url: String,
    /// The operator's key, for the cabinet to join.
    operator_key: String,
    /// Heron's key, for the courier.
    carrier_key: String,
    data: PathBuf,
    /// By how many seconds its clock is ahead.
    ahead: i64,
    program: Option<Program>,
}

impl Hub {
    /// Starts one whose data lie in `hub` of the stage's folder, on any port, configured so (TOML).
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(stage: &Stage, configuration: &str) -> Result<Self> {
        let data = stage.folder().join("hub");
        fs::create_dir_all(&data)?;
        fs::write(data.join("postern.toml"), configuration)?;
        let output =
            stage.command(binary("postern-hub")?).args(["demo-data", "--data"]).arg(&data).output()?;
        if !output.status.success() {
            bail!("postern-hub demo-data: {}", String::from_utf8_lossy(&output.stderr));
        }
        let keys: Value = serde_json::from_slice(&output.stdout).context("postern-hub demo-data")?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("postern-hub demo-data");
        let operator_key = text(&keys["operator_key"])?;
        let carrier_key = text(&keys["carriers"][0]["key"])?;
        let mut hub = Self { url: String::new(), operator_key, carrier_key, data, ahead: 0, program: None };
        hub.serve(stage, "127.0.0.1:0")?;
        Ok(hub)
    }

    fn serve(&mut self, stage: &Stage, address: &str) -> Result<()> {
        let ready = self.data.with_extension("ready");
        let _ = fs::remove_file(&ready);
        let mut command = stage.command(binary("postern-hub")?);
        command.args(["serve", "--demo", "--listen", address, "--data"]).arg(&self.data);
        command.arg("--ready-file").arg(&ready);
        if self.ahead != 0 {
            let library = find_faketime()?;
            command.env("LD_PRELOAD", library).env("FAKETIME", format!("{:+}s", self.ahead));
        }
        let mut program = Program::start("hub", stage.logs(), &command)?;
        let url =
            program.ready(&ready, READY)?["url"].as_str().context("the hub named no address")?.to_owned();
        self.url = url;
        self.program = Some(program);
        Ok(())
    }

    /// Its process id; 0 while it is stopped.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.program.as_ref().map_or(0, Program::id)
    }

    /// Sets its clock so many seconds ahead of everybody else's, from its next start on.
    pub fn set_ahead(&mut self, seconds: i64) {
        self.ahead = seconds;
    }

    /// What its operator configures (TOML), from its next start on.
    ///
    /// # Errors
    /// The disk's.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        Ok(fs::write(self.data.join("postern.toml"), configuration)?)
    }

    /// Heron Express takes a parcel in for the customer with this number and sends it on its way: its id.
    ///
    /// # Errors
    /// The hub's.
    pub fn dispatches(&self, number: &str, title: &str) -> Result<String> {
        let parcel = json!({
            "reference": format!("HX-{}", title.replace(' ', "-")), "recipient": number, "title": title,
            "site": "lindenhof", "size": "s",
        });
        let told = self.post("/v1/carrier/parcels", &self.carrier_key, &parcel)?;
        let id = told["id"].as_str().context("the hub named no parcel")?.to_owned();
        self.post(&format!("/v1/carrier/parcels/{id}/dispatch"), &self.carrier_key, &json!({}))?;
        Ok(id)
    }

    /// The cabinet can be reached online: tokens for it live for minutes from now on, no longer for hours.
    ///
    /// # Errors
    /// The hub's.
    pub fn hears_from(&self, cabinet: &Cabinet) -> Result<()> {
        let path = format!("/v1/operator/lockers/{}/heartbeat", cabinet.id);
        self.post(&path, &self.operator_key, &json!({})).map(drop)
    }

    /// The operator lends something that lies behind this door of the cabinet, for so many hours.
    ///
    /// # Errors
    /// The hub's.
    pub fn lends(&self, cabinet: &Cabinet, label: &str, id: &str, title: &str, hours: u32) -> Result<()> {
        let asset = json!({
            "id": id, "title": title, "site": "lindenhof", "locker": cabinet.id,
            "door": cabinet.door(label)?["door"], "loan_hours": hours,
        });
        let request = ureq::put(format!("{}/v1/operator/assets/{id}", self.url));
        Self::tell(request, &self.operator_key, &asset).map(drop)
    }

    /// What its operator has to look at about a reservation, by kind.
    ///
    /// # Errors
    /// The hub's.
    pub fn alarms(&self, reservation: &str) -> Result<Vec<String>> {
        let mut response = ureq::get(format!("{}/v1/operator/alarms", self.url))
            .header("Authorization", format!("Bearer {}", self.operator_key))
            .call()?;
        let told: Value = response.body_mut().read_json()?;
        let alarms = told["alarms"].as_array().context("no alarms")?;
        let of_it = alarms.iter().filter(|alarm| alarm["reservation"] == reservation);
        Ok(of_it.filter_map(|alarm| alarm["kind"].as_str()).map(str::to_owned).collect())
    }

    fn post(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        Self::tell(ureq::post(format!("{}{path}", self.url)), key, body)
    }

    fn tell(request: ureq::RequestBuilder<WithBody>, key: &str, body: &Value) -> Result<Value> {
        let path = request.uri_ref().map(|uri| uri.path().to_owned()).unwrap_or_default();
        let mut response = request
            .header("Authorization", format!("Bearer {key}"))
            .header("Idempotency-Key", format!("{}{}", path.replace('/', "-"), now_ms()?))
            .config()
            .http_status_as_error(false)
            .build()
            .send_json(body)?;
        let (status, told) = (response.status(), response.body_mut().read_to_string()?);
        if !status.is_success() {
            bail!("{path}: {status}: {told}");
        }
        Ok(serde_json::from_str(&told).unwrap_or_default())
    }

    /// The account of its first customer, for [`Hub::fill`].
    fn customer(&self) -> Result<String> {
        let url = format!("sqlite:{}?mode=ro", self.data.join("hub.db").display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut database = sqlx::SqliteConnection::connect(&url).await?;
            let query = "SELECT id FROM accounts WHERE guest = 0 ORDER BY created_at LIMIT 1";
            Ok(sqlx::query(query).fetch_one(&mut database).await?.try_get(0)?)
        })
    }

    /// So many parcels are on their way to its first customer, written into its database at once: through its door they
    /// would take minutes.
    ///
    /// # Errors
    /// The database's.
    pub fn fill(&self, parcels: u32) -> Result<()> {
        let customer = self.customer()?;
        let url = format!("sqlite:{}", self.data.join("hub.db").display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) ";
        let now = "CAST(strftime('%s', 'now') AS INTEGER)";
        let reservations = format!(
            "INSERT INTO reservations (id, account_id, kind, state, title, carrier_id, reference, size, timeline, \
             created_at, updated_at) {numbers} SELECT 'many' || (100000 + i), $1, 'pickup', 'in_transit', \
             'Parcel ' || i, 'heron', 'HX' || i, 'm', '[]', {now}, {now} FROM n"
        );
        let feed = format!(
            "INSERT INTO feed (account_id, reservation_id, seq, changed_at) {numbers} SELECT $1, 'many' || (100000 + i), \
             (SELECT feed FROM accounts WHERE id = $1) + i, {now} FROM n"
        );
        let position = "UPDATE accounts SET feed = feed + $2 WHERE id = $1".to_owned();
        runtime.block_on(async {
            let mut database = sqlx::SqliteConnection::connect(&url).await?;
            let mut all = database.begin().await?;
            for statement in [reservations, feed, position] {
                let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(&customer).bind(parcels);
                query.execute(&mut *all).await?;
            }
            Ok(all.commit().await?)
        })
    }

    /// Stops it: whoever calls it now finds nobody.
    pub fn stop(&mut self) {
        self.program = None;
    }

    /// Starts it again, on the same data and the same port.
    ///
    /// # Errors
    /// It does not come up.
    pub fn restart(&mut self, stage: &Stage) -> Result<()> {
        self.stop();
        let port = self.url.rsplit(':').next().context("the address has no port")?.to_owned();
        self.serve(stage, &format!("127.0.0.1:{port}"))
    }
}

/// A library that tells a program another time, which `cargo xtask setup` installs.
fn find_faketime() -> Result<PathBuf> {
    let debian = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let folders = [debian.as_str(), "/usr/lib64", "/usr/lib"];
    let paths = folders.map(|folder| PathBuf::from(folder).join("faketime/libfaketime.so.1"));
    let found = paths.iter().find_map(|path| path.canonicalize().ok());
    found.with_context(|| format!("{}: cargo xtask setup installs it", paths[0].display()))
}

/// What the cabinet is heard on.
#[derive(Clone, Debug)]
pub enum Air {
    /// TCP.
    Tcp,
    /// Bluetooth, on this adapter; the app uses another.
    Bluetooth {
        /// The cabinet's adapter.
        cabinet: String,
        /// The app's adapter.
        app: String,
    },
}

/// The simulator with one cabinet.
#[derive(Debug)]
pub struct Cabinet {
    /// What POSTERN_RADIO has to be for the app to hear it.
    pub radio: String,
    /// Its id.
    pub id: String,
    panel: String,
    agent: Agent,
    _program: Program,
}

impl Cabinet {
    /// Starts the simulator; its cabinet joins the hub's network.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(stage: &Stage, hub: &Hub, air: &Air) -> Result<Self> {
        let data = stage.folder().join("cabinet");
        let ready = stage.folder().join("cabinet.ready");
        fs::create_dir_all(&data)?;
        let mut command: Command = stage.command(binary("postern-sim")?);
        command.args(["serve", "--hub", &hub.url, "--panel", "127.0.0.1:0", "--data"]).arg(&data);
        command.arg("--ready-file").arg(&ready);
        // By the environment: arguments can be read by everybody on the machine.
        command.env("POSTERN_OPERATOR_KEY", &hub.operator_key).env("POSTERN_CARRIER_KEY", &hub.carrier_key);
        match air {
            Air::Tcp => command.args(["--air", "127.0.0.1:0"]),
            Air::Bluetooth { cabinet, .. } => command.args(["--ble", cabinet]),
        };
        let mut program = Program::start("cabinet", stage.logs(), &command)?;
        let told = program.ready(&ready, READY)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("the simulator told too little");
        let radio = match air {
            Air::Tcp => format!("air:{}", text(&told["air"])?),
            Air::Bluetooth { app, .. } => format!("ble:{app}"),
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .into();
        Ok(Self {
            radio,
            id: text(&told["cabinets"][0])?,
            panel: text(&told["panel"])?,
            agent,
            _program: program,
        })
    }

    /// Its live panel, for a browser.
    #[must_use]
    pub fn panel(&self) -> &str {
        &self.panel
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/api{path}", self.panel);
        let mut response = self.agent.post(&url).send_json(body)?;
        let status = response.status();
        let text = response.body_mut().read_to_string()?;
        if !status.is_success() {
            bail!("{path}: {status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// The whole cabinet, as it really is.
    ///
    /// # Errors
    /// The panel's.
    pub fn state(&self) -> Result<Value> {
        let url = format!("{}/api/cabinets/{}", self.panel, self.id);
        Ok(self.agent.get(&url).call()?.body_mut().read_json()?)
    }

    /// One door, as it really is, by its label.
    ///
    /// # Errors
    /// There is none.
    pub fn door(&self, label: &str) -> Result<Value> {
        let state = self.state()?;
        let doors = state["doors"].as_array().context("no doors")?;
        doors.iter().find(|door| door["label"] == label).cloned().with_context(|| format!("no door {label}"))
    }

    /// Whether a door really stands open.
    ///
    /// # Errors
    /// There is no such door.
    pub fn is_open(&self, label: &str) -> Result<bool> {
        Ok(self.door(label)?["open"] == true)
    }

    /// Closes a door, or takes from or puts into its compartment: `close`, `take`, `put`.
    ///
    /// # Errors
    /// The door does not let that happen.
    pub fn hand(&self, label: &str, what: &str) -> Result<()> {
        let door = self.door(label)?["door"].as_u64().context("a door without a number")?;
        self.post(&format!("/cabinets/{}/doors/{door}/{what}", self.id), &json!({})).map(drop)
    }

    /// A courier of Heron Express puts a parcel in and reports it.
    ///
    /// # Errors
    /// The hub's or the cabinet's.
    pub fn courier_deposits(&self, parcel: &str) -> Result<u64> {
        let body = json!({ "parcel": parcel, "what": "a shoe box" });
        let told = self.post(&format!("/cabinets/{}/courier/deposit", self.id), &body)?;
        told["door"].as_u64().context("the courier names no door")
    }

    /// Changes what can go wrong (a merge patch of the faults in PANEL.md).
    ///
    /// # Errors
    /// No such fault.
    pub fn faults(&self, patch: &Value) -> Result<()> {
        self.post(&format!("/cabinets/{}/faults", self.id), patch).map(drop)
    }

    /// What phones are told of their radio, on `air`: `on`, `off`, `absent`, `denied`.
    ///
    /// # Errors
    /// The panel's.
    pub fn phones_adapter(&self, state: &str) -> Result<()> {
        self.post("/adapter", &json!({ "state": state })).map(drop)
    }

    /// Holds a code to the cabinet's scanner.
    ///
    /// # Errors
    /// The panel's; not that the locker refuses it.
    pub fn scan(&self, text: &str) -> Result<()> {
        self.post(&format!("/cabinets/{}/scanner", self.id), &json!({ "text": text })).map(drop)
    }

    /// Cuts or restores the cabinet's power.
    ///
    /// # Errors
    /// The panel's.
    pub fn power(&self, on: bool) -> Result<()> {
        self.post(&format!("/cabinets/{}/power", self.id), &json!({ "on": on })).map(drop)
    }

    /// What happened at the cabinet lately, oldest first.
    ///
    /// # Errors
    /// The panel's.
    pub fn log(&self) -> Result<Vec<Value>> {
        Ok(self.state()?["log"].as_array().cloned().unwrap_or_default())
    }
}
