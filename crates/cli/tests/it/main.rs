//! The program as a script sees it: what it prints, and what it ends with.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![cfg(target_os = "linux")]

// The same other ends as in the runtime's story, of which this one needs less.
#[allow(dead_code)]
#[path = "../../../runtime/tests/it/chromium.rs"]
mod chromium;
#[allow(dead_code)]
#[path = "../../../runtime/tests/it/parts.rs"]
mod parts;

mod account;
mod courier;
mod exits;
mod story;
mod trying_out;
mod wishes;

use std::{
    ffi::OsString,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// What came of one command.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }

    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }
}

/// A customer's shell.
pub(crate) struct Shell {
    environment: Vec<(&'static str, OsString)>,
}

impl Shell {
    /// With the keyring of this environment, and a profile in this folder.
    pub(crate) fn new(
        mut keyring: Vec<(&'static str, OsString)>,
        folder: &Path,
        hub: &str,
        radio: &str,
    ) -> Self {
        keyring.extend([
            ("POSTERN_DATA_DIR", folder.join("profile").into()),
            ("POSTERN_HUB", hub.into()),
            ("POSTERN_RADIO", radio.into()),
        ]);
        Self { environment: keyring }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// With nothing said of this.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(other, _)| *other != name);
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(arguments).envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.command(arguments).output().expect("postern");
        Outcome {
            code: output.status.code().expect("an exit code"),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}
