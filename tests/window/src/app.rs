//! The app's window, driven by WebKitWebDriver.

use std::{env, fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{browser::free_port, child::Program, stage::Stage, webdriver::Session};

/// The app, running.
#[derive(Debug)]
pub struct App {
    /// Its window.
    pub window: Session,
    driver: Program,
}

/// What the app is told by its environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// POSTERN_HUB
    pub hub: String,
    /// POSTERN_RADIO
    pub radio: String,
}

impl Settings {
    /// Tells a command.
    pub fn tell(&self, stage: &Stage, command: &mut Command) {
        command
            .env("POSTERN_HUB", &self.hub)
            .env("POSTERN_RADIO", &self.radio)
            .env("POSTERN_DATA_DIR", stage.folder().join("app"))
            .env("POSTERN_PROFILE", "story");
    }
}

impl App {
    /// Starts the app and waits for its page.
    ///
    /// # Errors
    /// The driver or the app does not start.
    pub fn start(stage: &Stage, settings: &Settings) -> Result<Self> {
        let port = free_port()?;
        let mut driver = stage.command("WebKitWebDriver");
        driver.arg(format!("--port={port}")).env("TAURI_WEBVIEW_AUTOMATION", "true");
        settings.tell(stage, &mut driver);
        let driver = Program::start("app", stage.logs(), &driver)?;
        let binary = binary("postern-app")?;
        // The app is to end with its driver, whatever ends that.
        let options = json!({ "binary": "/usr/bin/setpriv", "args": ["--pdeathsig", "TERM", "--", binary] });
        let window = Session::open(
            &format!("http://127.0.0.1:{port}"),
            &json!({ "webkitgtk:browserOptions": options }),
            Duration::from_secs(20),
        )?;
        Ok(Self { window, driver })
    }

    /// Its process id. What the driver starts is in the driver's process group.
    ///
    /// # Errors
    /// It has ended.
    pub fn id(&self) -> Result<u32> {
        let group = self.driver.id().to_string();
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            // proc(5): pid (comm) state ppid pgrp …
            let Ok(stat) = fs::read_to_string(path.join("stat")) else { continue };
            let Some((process, rest)) = stat.split_once(" (postern-app) ") else { continue };
            if rest.split(' ').nth(2) == Some(group.as_str()) {
                return Ok(process.parse()?);
            }
        }
        bail!("the app has ended")
    }
}

/// One of the project's binaries, beside this one or where `POSTERN_BINARIES` says.
///
/// # Errors
/// It is not built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let folder = match env::var_os("POSTERN_BINARIES") {
        Some(folder) => PathBuf::from(folder),
        None => {
            // target/debug/postern-story, or target/debug/deps/test-…
            let own = env::current_exe()?;
            let folder = own.parent().context("no folder")?;
            if folder.ends_with("deps") {
                folder.parent().context("no folder")?.to_owned()
            } else {
                folder.to_owned()
            }
        }
    };
    let path = folder.join(name);
    path.canonicalize()
        .with_context(|| format!("{} is not built; cargo build --workspace --bins", path.display()))
}
