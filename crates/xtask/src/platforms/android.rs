//! Android, as far as a machine without its SDK can go: Rust type-checked, the Gradle project checked.
//!
//! Gradle and the SDK come from places that are no package registries, so no APK is made here. Kotlin of ours goes
//! through the real compiler, against declarations of the parts of Android that it uses (`stubs`): that proves syntax
//! and types, and that those declarations are Android's own is a reader's word.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    ROOMS,
    documents::{self, Claim},
    step,
    table::{Proof, Step},
    toolchain::{self, CLANG, RUST, Toolchain},
};
use crate::{process, root, setup};

const TARGET: &str = "aarch64-linux-android";
const PROJECT: &str = "src-tauri/gen/android";
/// The Kotlin compiler, as npm has it.
const KOTLIN: &str = "2.4.20";
/// What the project's Gradle plugin speaks.
const LANGUAGE: &str = "2.2";
const INSTALLED: &[(&str, &str)] =
    &[("default-jdk-headless", "runs the Kotlin compiler and the tests of the Keystore")];

/// What the manifest must say.
const MANIFEST: &[Claim] = &[
    (
        "//uses-permission[@*[name()='android:name']='android.permission.BLUETOOTH_SCAN' and \
         @*[name()='android:usesPermissionFlags']='neverForLocation']",
        "a search that is never for the location",
    ),
    ("//uses-permission[@*[name()='android:name']='android.permission.BLUETOOTH_CONNECT']", "connections"),
    (
        "not(//uses-permission[contains(@*[name()='android:name'],'LOCATION') and \
         not(@*[name()='android:maxSdkVersion']='30')])",
        "no location from Android 12",
    ),
    ("//uses-permission[@*[name()='android:name']='android.permission.POST_NOTIFICATIONS']", "notifications"),
    ("//uses-permission[@*[name()='android:name']='android.permission.USE_BIOMETRIC']", "biometry"),
    (
        "//application[@*[name()='android:allowBackup']='false']",
        "no backup of a wallet that only this device reads",
    ),
    ("//activity[@*[name()='android:launchMode']='singleTask']", "one window, which links reach"),
    ("//intent-filter/data[@*[name()='android:scheme']='postern']", "links of our own"),
    (
        "//intent-filter[@*[name()='android:autoVerify']='true']/data[@*[name()='android:scheme']='https']",
        "verified links",
    ),
    (
        "count(//activity[@*[name()='android:exported']='true'])=1 and \
         not(//provider[@*[name()='android:exported']='true'])",
        "one door from outside",
    ),
];

/// The cheap checks first.
///
/// # Errors
/// A file is not what it must be, or something does not compile.
pub(crate) fn run(steps: &mut Vec<Step>) -> Result<()> {
    setup::install(documents::INSTALLED)?;
    setup::install(INSTALLED)?;
    step(steps, Proof::Checked, "manifest, resources and words of the Gradle project", || {
        let files = files(&root().join(PROJECT).join("app/src/main"), "xml")?;
        documents::well_formed(files.iter().map(PathBuf::as_path))?;
        documents::hold(&format!("{PROJECT}/app/src/main/AndroidManifest.xml"), MANIFEST)?;
        translated(&root().join(PROJECT).join("app/src/main/res"))?;
        Ok(None)
    })?;
    step(steps, Proof::TypeChecked, "Kotlin of ours, against declared parts of Android", || {
        kotlin()?;
        Ok(None)
    })?;
    step(
        steps,
        Proof::Ran,
        "device key of the Keystore, on this machine's Java and a keystore like Android's",
        || {
            let mut tests = process::cargo();
            tests.args([
                "test",
                "--package",
                "postern-vault",
                "--features",
                "jvm",
                "--test",
                "android_keystore",
            ]);
            process::run(&mut tests)?;
            Ok(None)
        },
    )?;
    let toolchain = Toolchain::with(&[RUST, CLANG])?;
    step(steps, Proof::TypeChecked, "rooms below the window", || {
        let mut check = cargo(&toolchain);
        for room in ROOMS {
            check.args(["--package", room]);
        }
        process::run(check.arg("--lib"))?;
        Ok(None)
    })?;
    step(steps, Proof::TypeChecked, "the window", || {
        process::run(cargo(&toolchain).args(["--package", "postern-app", "--lib"]))?;
        Ok(None)
    })
}

fn cargo(toolchain: &Toolchain) -> Command {
    let mut cargo = toolchain.cargo("check", TARGET);
    cargo
        .env("CC_aarch64_linux_android", "clang-22")
        // Only ring has C, and it can do without a C library.
        .env("CFLAGS_aarch64_linux_android", "-nostdlibinc -DRING_CORE_NOSTDLIBINC=1");
    cargo
}

/// Files below `folder` with this extension, in order.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|its| its == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Every language has every word but the names.
fn translated(resources: &Path) -> Result<()> {
    let names = |folder: &Path| -> Result<Vec<String>> {
        let text = fs::read_to_string(folder.join("strings.xml"))?;
        Ok(string_names(&text))
    };
    let all: Vec<String> = names(&resources.join("values"))?
        .into_iter()
        .filter(|name| !["app_name", "main_activity_title"].contains(&name.as_str()))
        .collect();
    ensure!(!all.is_empty(), "no words");
    for language in ["de", "pl", "uk"] {
        let there = names(&resources.join(format!("values-{language}")))?;
        if there != all {
            bail!("{language} has the words {there:?}, not {all:?}");
        }
    }
    Ok(())
}

/// Names of `<string name="…">`, in their order.
fn string_names(text: &str) -> Vec<String> {
    text.split("<string name=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Compiles our Kotlin. Declarations of Android's parts are compiled by the same run.
fn kotlin() -> Result<()> {
    let compiler = toolchain::node("kotlin-compiler", KOTLIN)?.join("bin/kotlinc");
    let ours = files(&root().join(PROJECT).join("app/src/main/java"), "kt")?;
    let declared = root().join("crates/xtask/src/platforms/stubs");
    let mut stubs = files(&declared, "java")?;
    stubs.extend(files(&declared, "kt")?);
    ensure!(!ours.is_empty() && !stubs.is_empty(), "no Kotlin, or no declarations");
    let mut compile = process::command("bash");
    compile
        .arg(&compiler)
        .args(["-Werror", "-nowarn", "-language-version", LANGUAGE, "-jvm-target", "1.8", "-d"])
        .arg(toolchain::built().join("kotlin"))
        .args(&stubs)
        .args(&ours);
    process::run(&mut compile)
}

#[cfg(test)]
mod tests {
    use super::string_names;

    #[test]
    fn words_are_named() {
        let text = "<resources>\n<string name=\"a\">A</string>\n<string name=\"b_c\">B</string></resources>";
        assert_eq!(string_names(text), ["a", "b_c"]);
    }
}
