//! The hub as its operator runs it: a process.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

pub(crate) const HUB: &str = env!("CARGO_BIN_EXE_postern-hub");

/// Runs a command to its end: whether it was content, and what it printed.
pub(crate) fn run(data: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(HUB).args(arguments).arg("--data").arg(data).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// The keys that `demo-data` prints, whatever is logged beside them.
pub(crate) fn demo_data(data: &Path) -> Value {
    let output = Command::new(HUB).args(["demo-data", "--data"]).arg(data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `postern-hub serve`, killed with this value.
pub(crate) struct Served {
    pub(crate) process: Child,
    pub(crate) base: String,
}

impl Served {
    /// Serves from the folder `data`, and returns when it can be reached.
    pub(crate) fn start(data: &Path, listen: &str) -> Self {
        Self::with(data, listen, &["--demo"], &[])
    }

    /// The same without anything of the demo's.
    pub(crate) fn start_plain(data: &Path, listen: &str) -> Self {
        Self::with(data, listen, &[], &[])
    }

    /// Serves the demo with these variables set.
    pub(crate) fn in_environment(data: &Path, listen: &str, environment: &[(&str, &str)]) -> Self {
        Self::with(data, listen, &["--demo"], environment)
    }

    fn with(data: &Path, listen: &str, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let ready = data.join("ready.json");
        let mut command = Command::new(HUB);
        command.arg("serve").args(more).args(["--listen", listen, "--data"]).arg(data);
        Self::run(command.arg("--ready-file").arg(&ready).envs(environment.iter().copied()), &ready)
    }

    /// The command serves, and writes the file when it can be reached.
    pub(crate) fn run(command: &mut Command, ready: &Path) -> Self {
        let _ = std::fs::remove_file(ready);
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(ready) {
                break text;
            }
            if let Some(status) = process.try_wait().unwrap() {
                panic!("the hub ended before it was ready: {status}");
            }
            assert!(Instant::now() < deadline, "not ready");
            std::thread::yield_now();
        };
        let base = serde_json::from_str::<Value>(&text).unwrap()["url"].as_str().unwrap().to_owned();
        Self { process, base }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
