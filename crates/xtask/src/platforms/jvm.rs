//! The app's Java and Kotlin, run on this machine's Java: ours, and btleplug's with our patch, against stand-ins that
//! behave as Android does towards an app (`jvm/stand-in`). What is proven is what our lines do, not what Android does.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    android::{self, KOTLIN, PROJECT},
    toolchain,
};
use crate::{process, workspace::root};

const HERE: &str = "crates/xtask/src/platforms";
/// Of ours, what needs no activity.
const OURS: [&str; 5] = ["Bluetooth.kt", "Device.kt", "Files.kt", "Native.kt", "Tap.kt"];
/// Of the declarations, what only the activity needs.
const OF_THE_ACTIVITY: [&str; 2] = ["app/postern/TauriActivity.kt", "androidx/activity/EdgeToEdge.kt"];

/// btleplug's Java half as the Gradle project builds it: from the crate of Cargo.lock, with `btleplug.patch`.
///
/// # Errors
/// The patch does not fit.
pub(super) fn btleplug() -> Result<PathBuf> {
    let theirs = source_of("btleplug")?.join("src/droidplug/java/src/main/java");
    let folder = toolchain::built().join("btleplug");
    let _ = fs::remove_dir_all(&folder);
    copy(&theirs, &folder)?;
    let mut patch = process::command("patch");
    patch
        .args(["--quiet", "-p1", "-d"])
        .arg(&folder)
        .arg("-i")
        .arg(root().join(PROJECT).join("btleplug.patch"));
    process::run(&mut patch)?;
    Ok(folder)
}

/// Where the crate of this name that Cargo.lock names for Android lies.
///
/// # Errors
/// It names none.
pub(super) fn source_of(name: &str) -> Result<PathBuf> {
    let mut cargo = process::cargo();
    cargo.args(["metadata", "--format-version=1", "--locked", "--filter-platform=aarch64-linux-android"]);
    let metadata: Value = serde_json::from_str(&process::output(&mut cargo)?)?;
    let manifest = metadata["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|package| package["name"] == name))
        .and_then(|package| package["manifest_path"].as_str())
        .with_context(|| format!("Cargo.lock names no {name}"))?;
    Path::new(manifest).parent().map(Path::to_owned).context("a crate without a folder")
}

/// Runs the tests; answers how many there were.
///
/// # Errors
/// One failed.
pub(super) fn test() -> Result<usize> {
    let work = toolchain::built().join("jvm");
    let _ = fs::remove_dir_all(&work);
    let (sources, classes) = (work.join("sources"), work.join("classes"));
    let here = root().join(HERE);
    // What comes later takes the place of what came before.
    for folder in [here.join("stubs"), btleplug()?, here.join("jvm/stand-in"), here.join("jvm/tests")] {
        copy(&folder, &sources)?;
    }
    for name in OF_THE_ACTIVITY {
        fs::remove_file(sources.join(name)).with_context(|| name.to_owned())?;
    }
    let package = Path::new("app/src/main/java/app/postern");
    for name in OURS {
        let to = sources.join("app/postern").join(name);
        fs::copy(root().join(PROJECT).join(package).join(name), to).with_context(|| name.to_owned())?;
    }
    let compiler = toolchain::node("kotlin-compiler", KOTLIN)?;
    let java = android::files(&sources, "java")?;
    let mut kotlin = process::command("bash");
    kotlin.arg(compiler.join("bin/kotlinc")).args([
        "-nowarn",
        "-language-version",
        "2.2",
        "-jvm-target",
        "11",
        "-d",
    ]);
    process::run(kotlin.arg(&classes).args(&java).args(android::files(&sources, "kt")?))?;
    let path = std::env::join_paths([classes.clone(), compiler.join("lib/kotlin-stdlib.jar")])?;
    let mut javac = process::command("javac");
    javac.args(["-nowarn", "-Xlint:-options", "--release", "8", "-cp"]).arg(&path).arg("-d").arg(&classes);
    process::run(javac.args(&java))?;
    // With the assertions of the Java half itself.
    let mut run = process::command("java");
    let said = process::output(run.args(["-ea", "-cp"]).arg(&path).arg("app.postern.TestsKt"))?;
    print!("{said}");
    let passed = said.lines().filter(|line| line.starts_with("ok: ")).count();
    ensure!(passed > 0, "no test ran");
    Ok(passed)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            // Read and written, so that what a registry keeps read-only can be patched.
            fs::write(target, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
