//! The sign-in page in a real Chromium with a virtual authenticator, by WebDriver.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    client::{Answer, Device, Key, Pending, http},
    world::World,
};

struct Browser {
    driver: Child,
    session: String,
}

impl Browser {
    /// None, with a message, where there is no Chromium.
    async fn start(dark: bool) -> Option<Self> {
        let driver = std::env::var("POSTERN_CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".into());
        let spawned = Command::new(driver)
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let Ok(mut driver) = spawned else {
            eprintln!("SKIPPED: no chromedriver (Debian packages: chromium, chromium-driver)");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                let line = line.ok()?;
                let digits = line.rsplit_once("on port ")?.1.trim_end_matches('.').to_owned();
                digits.parse::<u16>().ok().filter(|port| *port != 0)
            })
            .expect("chromedriver says its port");
        std::thread::spawn(move || lines.for_each(drop));
        let base = format!("http://127.0.0.1:{port}");
        let mut args = vec![
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=400,800",
        ];
        if dark {
            args.push("--force-dark-mode");
        }
        let mut options = json!({ "args": args });
        if let Ok(chromium) = std::env::var("POSTERN_CHROMIUM") {
            options["binary"] = chromium.into();
        }
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options } } });
        let answer = Answer::of(http().post(format!("{base}/session")).json(&capabilities)).await.ok();
        let id = answer["value"]["sessionId"].as_str().unwrap();
        Some(Self { driver, session: format!("{base}/session/{id}") })
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        Answer::of(http().post(format!("{}{path}", self.session)).json(&body)).await.ok()["value"].clone()
    }

    async fn get(&self, path: &str) -> Value {
        Answer::of(http().get(format!("{}{path}", self.session))).await.ok()["value"].clone()
    }

    async fn element(&self, css: &str) -> String {
        let found = self.post("/element", json!({ "using": "css selector", "value": css })).await;
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    async fn type_in(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.post(&format!("/element/{element}/value"), json!({ "text": text })).await;
    }

    async fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Waits until the script says true.
    async fn wait_for(&self, script: &str) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while self.script(script).await != json!(true) {
            let shown = self.script("return document.body.innerText").await;
            assert!(std::time::Instant::now() < deadline, "{script}: {shown}");
        }
    }

    /// Waits for the redirect to where nobody listens: the address bar has it all the same.
    async fn redirected(&self, to: &str) -> String {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        loop {
            let url = self.get("/url").await.as_str().unwrap().to_owned();
            if url.starts_with(to) {
                return url;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "still at {url}: {}",
                self.script("return document.body.innerText").await
            );
        }
    }

    async fn end(self) {
        let _ = http().delete(&self.session).send().await;
    }
}

/// Also where the test fails: the driver leads a process group of its own, with the browser in it.
impl Drop for Browser {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.driver.id())]).status();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[tokio::test]
async fn a_person_makes_an_account_and_comes_back_in_a_real_browser() {
    let Some(browser) = Browser::start(false).await else { return };
    let world = World::start().await;
    // The app's own listener, so that the redirect arrives somewhere.
    let app = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let redirect_uri = format!("http://127.0.0.1:{}/signed-in", app.local_addr().unwrap().port());
    let page = axum::Router::new().fallback(|| async { "back in the app" });
    tokio::spawn(async move { axum::serve(app, page).await });
    let authorize = |pending: &Pending| {
        let mut url = url::Url::parse(&format!("{}/authorize", world.base)).unwrap();
        url.query_pairs_mut().extend_pairs(pending.query());
        url.to_string()
    };
    browser
        .post(
            "/webauthn/authenticator",
            json!({ "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
                    "isUserVerified": true, "isUserConsenting": true }),
        )
        .await;

    let pending = Pending { redirect_uri: redirect_uri.clone(), ..Pending::new() };
    browser.post("/url", json!({ "url": authorize(&pending) })).await;
    assert_eq!(
        browser.script("return document.documentElement.scrollWidth <= innerWidth").await,
        json!(true)
    );
    browser.click("#create").await;
    assert_eq!(
        browser.script("return document.getElementById('error').hidden").await,
        json!(false),
        "no name yet"
    );
    browser.type_in("#name", "Ada Lovelace").await;
    browser.click("#create").await;
    let redirect = browser.redirected(&redirect_uri).await;
    let first = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    let me = first.get("/v1/me").await.ok();
    assert_eq!(me["display_name"], "Ada Lovelace");

    let pending = Pending { redirect_uri: redirect_uri.clone(), ..Pending::new() };
    browser.post("/url", json!({ "url": authorize(&pending) })).await;
    browser.click("#sign-in").await;
    let redirect = browser.redirected(&redirect_uri).await;
    let second = Device::redeem(&world.base, &pending, &redirect, Key::p256(), &world.clock).await;
    assert_eq!(second.get("/v1/me").await.ok()["id"], me["id"]);

    // Another passkey, on another authenticator: first the one there is, then the new one.
    let pending = Pending { redirect_uri: redirect_uri.clone(), ..Pending::new() };
    let mut url = url::Url::parse(&authorize(&pending)).unwrap();
    url.query_pairs_mut().append_pair("add_passkey", "true");
    browser.post("/url", json!({ "url": url.as_str() })).await;
    browser.click("#sign-in").await;
    browser.wait_for("return !document.getElementById('add').hidden").await;
    browser
        .post(
            "/webauthn/authenticator",
            json!({ "protocol": "ctap2", "transport": "usb", "hasResidentKey": true, "hasUserVerification": true,
                    "isUserVerified": true, "isUserConsenting": true }),
        )
        .await;
    browser.click("#add").await;
    let redirect = browser.redirected(&redirect_uri).await;
    let third = Device::redeem(&world.base, &pending, &redirect, Key::ed25519(), &world.clock).await;
    assert_eq!(third.get("/v1/me").await.ok()["id"], me["id"]);
    assert_eq!(third.get("/v1/passkeys").await.ok()["passkeys"].as_array().unwrap().len(), 2);

    // On a phone the browser may ask for a press before it opens the app: there is something to press.
    let pending = Pending { redirect_uri: "postern://signed-in".to_owned(), ..Pending::new() };
    browser.post("/url", json!({ "url": authorize(&pending) })).await;
    assert_eq!(browser.script("return document.getElementById('back').hidden").await, json!(true));
    browser.click("#sign-in").await;
    browser.wait_for("return !document.getElementById('back').hidden").await;
    let link = browser.script("return document.getElementById('back').href").await;
    let fourth =
        Device::redeem(&world.base, &pending, link.as_str().unwrap(), Key::ed25519(), &world.clock).await;
    assert_eq!(fourth.get("/v1/me").await.ok()["id"], me["id"]);

    // Nothing on the page comes from elsewhere, and nothing was blocked by its own policy.
    let pending = Pending { redirect_uri, ..Pending::new() };
    browser.post("/url", json!({ "url": authorize(&pending) })).await;
    let resources = browser.script("return performance.getEntriesByType('resource').map(r => r.name)").await;
    for resource in resources.as_array().unwrap() {
        assert!(resource.as_str().unwrap().starts_with(&world.base), "{resource}");
    }
    let style = browser.script("return getComputedStyle(document.getElementById('sign-in')).minHeight").await;
    assert_eq!(style, "56px", "the style sheet was loaded");
    browser.end().await;
}
