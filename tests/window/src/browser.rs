//! The customer's own browser, with the customer's passkey in it.

use std::{env, net::TcpListener, path::Path, time::Duration};

use anyhow::Result;
use serde_json::json;

use crate::{child::Program, stage::Stage, webdriver::Session};

/// Chromium with an authenticator, driven by chromedriver.
#[derive(Debug)]
pub struct Browser {
    /// Its window.
    pub window: Session,
    _driver: Program,
}

impl Browser {
    /// Starts one.
    ///
    /// # Errors
    /// chromedriver or Chromium does not start.
    pub fn start(stage: &Stage) -> Result<Self> {
        let port = free_port()?;
        let mut driver = stage.command(program("POSTERN_CHROMEDRIVER", "chromedriver"));
        driver.arg(format!("--port={port}")).arg("--allowed-ips=127.0.0.1");
        let driver = Program::start("chromedriver", stage.logs(), &driver)?;
        let profile = stage.folder().join("chromium");
        // Root, as in a container, has no sandbox to offer.
        let mut arguments = vec![
            "--headless=new",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=480,900",
        ];
        if is_root() {
            arguments.push("--no-sandbox");
        }
        let profile = format!("--user-data-dir={}", profile.display());
        arguments.push(&profile);
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": program("POSTERN_CHROMIUM", "/usr/bin/chromium"), "args": arguments },
        });
        let window =
            Session::open(&format!("http://127.0.0.1:{port}"), &capabilities, Duration::from_secs(20))?;
        window.add_authenticator()?;
        Ok(Self { window, _driver: driver })
    }
}

/// What `cargo xtask` found of this kind, which other systems call otherwise than Debian does.
fn program(variable: &str, name: &str) -> String {
    env::var(variable).unwrap_or_else(|_| name.to_owned())
}

/// A port that was free a moment ago.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&match Path::new("/proc/self").metadata() {
        Ok(own) => own,
        Err(_) => return false,
    }) == 0
}
