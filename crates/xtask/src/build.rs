//! One build for everything: the page, then one cargo invocation over the workspace.
//!
//! One invocation, because the features of shared dependencies are unified over what is selected: selecting other
//! packages for each chore would compile half of the dependencies again.

use std::{
    num::NonZero,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::SystemTime,
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    process, setup,
    workspace::{root, target},
};

/// A test executable.
pub(crate) struct TestBinary {
    /// Package name.
    pub(crate) package: String,
    /// Target name: the package's library, or a file of its `tests`.
    pub(crate) target: String,
    /// Where it is.
    pub(crate) executable: PathBuf,
    /// The folder that cargo would run it in.
    pub(crate) folder: PathBuf,
}

/// Builds the page where its sources changed.
///
/// # Errors
/// npm failed.
pub(crate) fn page() -> Result<()> {
    setup::node_modules()?;
    let ui = root().join("ui");
    let built = setup::changed(&ui.join("dist/index.html"));
    if newest(&ui)? <= built && !placeholder(&ui) {
        return Ok(());
    }
    println!("building the page (npm run build)");
    process::run(process::command("npm").args(["run", "--silent", "build"]).current_dir(ui))
}

/// src-tauri/build.rs leaves a placeholder where the page was not built.
fn placeholder(ui: &Path) -> bool {
    std::fs::read_to_string(ui.join("dist/index.html"))
        .is_ok_and(|page| page.contains("The page is not built"))
}

/// When the newest source of the page changed.
fn newest(folder: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if ["node_modules", "dist", "tests", "test-results", "docs"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        let age = if entry.file_type()?.is_dir() {
            self::newest(&entry.path())?
        } else {
            entry.metadata()?.modified()?
        };
        newest = newest.max(age);
    }
    Ok(newest)
}

/// What a first build makes.
#[derive(Clone, Copy)]
pub(crate) enum What {
    /// The programs.
    Programs,
    /// The programs and every test.
    Tests,
}

/// Says beforehand what a first build takes.
pub(crate) fn announce(what: What) {
    if target().join("debug/postern-hub").exists() {
        return;
    }
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    // Measured on two processors, from nothing.
    let (minutes_of_one, gigabytes) = match what {
        What::Programs => (20, 4),
        What::Tests => (24, 6),
    };
    let minutes = minutes_of_one / processors.min(8) + 1;
    println!(
        "the first build: about {minutes} min on {processors} processors, {gigabytes} GB of disk in {}",
        target().display()
    );
}

/// Builds every binary but this one.
///
/// # Errors
/// cargo failed.
pub(crate) fn binaries() -> Result<()> {
    process::run(process::cargo().args(["build", "--workspace", "--exclude", "postern-xtask", "--bins"]))
}

/// Builds every binary and every test.
///
/// # Errors
/// cargo failed.
pub(crate) fn tests() -> Result<Vec<TestBinary>> {
    let mut build = process::cargo();
    build
        .args(["build", "--workspace", "--exclude", "postern-xtask", "--bins", "--tests"])
        .arg("--message-format=json-render-diagnostics");
    test_binaries(&process::output(build.stdin(Stdio::null()))?)
}

/// The test executables that cargo's messages tell of.
///
/// # Errors
/// They are of another shape.
pub(crate) fn test_binaries(messages: &str) -> Result<Vec<TestBinary>> {
    let mut found = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(line)?;
        if let Some(binary) = test_binary(&message) {
            found.push(binary);
        }
    }
    Ok(found)
}

/// The programs that cargo's messages tell of, and that tests may start.
///
/// # Errors
/// They are of another shape.
pub(crate) fn programs(messages: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(line)?;
        if message["target"]["kind"][0] == "bin" && message["profile"]["test"] == false {
            found.extend(message["executable"].as_str().map(PathBuf::from));
        }
    }
    Ok(found)
}

fn test_binary(message: &Value) -> Option<TestBinary> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_path_buf();
    Some(TestBinary {
        package: package_name(message["package_id"].as_str()?),
        target: message["target"]["name"].as_str()?.to_owned(),
        executable: message["executable"].as_str()?.into(),
        folder,
    })
}

/// `path+file:///folder#name@version`, or `path+file:///folder/name#version` where both are the same.
fn package_name(id: &str) -> String {
    let (place, rest) = id.rsplit_once('#').unwrap_or((id, ""));
    match rest.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None => place.rsplit('/').next().unwrap_or(place).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::package_name;

    #[test]
    fn a_package_is_named_by_its_id() {
        assert_eq!(
            package_name("path+file:///home/a/postern/crates/core#postern-core@0.1.0"),
            "postern-core"
        );
        assert_eq!(package_name("path+file:///home/a/postern-core#0.1.0"), "postern-core");
    }
}
