//! The customer's browser: a real Chromium with a virtual authenticator, by WebDriver, that signs in on the hub's page.

use std::{
    io::{self, BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use postern_runtime::Browser;
use serde_json::{Value, json};

use crate::parts::http;

/// A browser with a passkey store of its own; it makes an account on the first page that it is sent to.
pub(crate) struct Chromium {
    _driver: Driver,
    session: String,
    client: reqwest::Client,
}

impl Chromium {
    /// # Panics
    /// If `chromedriver` or `chromium` is missing: nobody else can do WebAuthn here.
    pub(crate) async fn start() -> Self {
        let driver = std::env::var("POSTERN_CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".into());
        let driver = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver (install chromium-driver: `cargo xtask setup`)");
        let mut driver = Driver(driver);
        let mut lines = BufReader::new(driver.0.stdout.take().expect("its output is piped")).lines();
        // It first repeats the 0 that it was given.
        let port: u16 = lines
            .by_ref()
            .filter_map(|line| line.ok()?.rsplit_once("on port ")?.1.trim_end_matches('.').parse().ok())
            .find(|port| *port != 0)
            .expect("chromedriver says its port");
        std::thread::spawn(move || lines.for_each(drop));
        let client = http();
        let base = format!("http://127.0.0.1:{port}/session");
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        let mut options = json!({ "args": arguments });
        if let Ok(chromium) = std::env::var("POSTERN_CHROMIUM") {
            options["binary"] = chromium.into();
        }
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options } } });
        let answer: Value =
            client.post(&base).json(&capabilities).send().await.unwrap().json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let browser = Self { _driver: driver, session: format!("{base}/{id}"), client };
        let authenticator = json!({ "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "isUserConsenting": true });
        browser.post("/webauthn/authenticator", authenticator).await.expect("a virtual authenticator");
        browser
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.session);
        let response = self.client.post(url).json(&body).send().await.map_err(|e| e.to_string())?;
        let good = response.status().is_success();
        let mut answer: Value = response.json().await.map_err(|e| e.to_string())?;
        if good { Ok(answer["value"].take()) } else { Err(format!("{path}: {answer}")) }
    }

    async fn element(&self, css: &str) -> Result<String, String> {
        let found = self.post("/element", json!({ "using": "css selector", "value": css })).await?;
        let id = found.as_object().and_then(|o| o.values().next()).and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| found.to_string())
    }

    /// What a person does on the hub's page who has no passkey yet.
    async fn make_an_account(&self, url: &str) -> Result<(), String> {
        self.post("/url", json!({ "url": url })).await?;
        let name = self.element("#name").await?;
        self.post(&format!("/element/{name}/value"), json!({ "text": "Ada Lovelace" })).await?;
        let create = self.element("#create").await?;
        self.post(&format!("/element/{create}/click"), json!({})).await.map(drop)
    }

    /// What a person does there who has one: another device of the same account.
    #[allow(dead_code, reason = "not every test that has a browser has a second device")]
    pub(crate) async fn come_back(&self, url: &str) -> Result<(), String> {
        self.post("/url", json!({ "url": url })).await?;
        let sign_in = self.element("#sign-in").await?;
        self.post(&format!("/element/{sign_in}/click"), json!({})).await.map(drop)
    }

    /// What the page shows now.
    pub(crate) async fn text(&self) -> String {
        let script =
            json!({ "script": "return location.pathname + ': ' + document.body.innerText", "args": [] });
        self.post("/execute/sync", script).await.map_or_else(|e| e, |text| text.to_string())
    }

    pub(crate) async fn end(&self) {
        let _ = self.client.delete(&self.session).send().await;
    }
}

/// Killed with its value, also where the browser never came up.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[async_trait::async_trait]
impl Browser for Chromium {
    async fn open(&self, url: &str) -> io::Result<()> {
        self.make_an_account(url).await.map_err(io::Error::other)
    }
}
