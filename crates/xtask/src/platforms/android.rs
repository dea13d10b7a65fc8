//! Android, as far as a machine without its SDK can go: Rust type-checked, the Gradle project checked.
//!
//! Gradle and the SDK come from places that are no package registries, so no APK is made here. Kotlin of ours goes
//! through the real compiler, against declarations of the parts of Android that it uses (`stubs`), which are held
//! against Android's own API.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    apple, brought, carried,
    declared::Api,
    documents::{self, Claim},
    homeless, jvm, native, step,
    table::{Proof, Step},
    toolchain::{self, CLANG, CLIPPY, RUST, Toolchain},
};
use crate::{
    process,
    setup::{self, Need, Packages, Probe, Use},
    workspace::root,
};

/// What the release workflow builds for; phones first.
const TARGETS: [&str; 3] = ["aarch64-linux-android", "armv7-linux-androideabi", "x86_64-linux-android"];
pub(super) const PROJECT: &str = "src-tauri/gen/android";
const DECLARED: &str = "crates/xtask/src/platforms/stubs";
/// The Kotlin compiler, as npm has it.
pub(super) const KOTLIN: &str = "2.4.20";
/// Android's API and that of its libraries, as npm has them: of the version that the app is compiled for.
const API: (&str, &str) = ("@nativescript/types-android", "9.1.1");
const API_FILES: [&str; 3] = ["android-platform-37.d.ts", "androidx-32.d.ts", "androidx-17.d.ts"];
/// What the project's Gradle plugin speaks.
const LANGUAGE: &str = "2.2";
const NEEDS: &[Need] = &[
    Need {
        name: "javac",
        why: "runs the Kotlin compiler and the tests of the Keystore",
        uses: &[Use::Platforms],
        found: &[Probe::Program("javac")],
        packages: Packages::debian(&["default-jdk-headless"]),
    },
    Need {
        name: "aapt2",
        why: "compiles resources for Android",
        uses: &[Use::Platforms],
        found: &[Probe::Program("aapt2")],
        packages: Packages::debian(&["aapt"]),
    },
    Need {
        name: "patch",
        why: "adds to btleplug's Java what it lacks",
        uses: &[Use::Platforms],
        found: &[Probe::Program("patch")],
        packages: Packages::debian(&["patch"]),
    },
];

/// What the provider of files must say.
const FILES: &[Claim] = &[("//external-files-path[@path='Pictures/']", "where the camera puts a picture")];
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
    ("//uses-permission[@*[name()='android:name']='android.permission.VIBRATE']", "what the hand feels"),
    (
        "//queries/intent/action[@*[name()='android:name']='android.media.action.IMAGE_CAPTURE'] and \
         not(//uses-permission[@*[name()='android:name']='android.permission.CAMERA'])",
        "pictures from the phone's camera app, and no right to the camera",
    ),
    (
        "//activity[contains(@*[name()='android:configChanges'],'fontScale') and \
         contains(@*[name()='android:configChanges'],'uiMode') and \
         contains(@*[name()='android:configChanges'],'fontWeightAdjustment') and \
         contains(@*[name()='android:configChanges'],'navigation') and \
         contains(@*[name()='android:configChanges'],'touchscreen') and \
         @*[name()='android:windowSoftInputMode']='adjustResize']",
        "text size and weight, dark, keyboard and trackpad without a new start",
    ),
    ("//application[@*[name()='android:enableOnBackInvokedCallback']='true']", "the back gesture"),
    (
        "//application[@*[name()='android:allowBackup']='false']",
        "no backup of a wallet that only this device reads",
    ),
    (
        "//receiver[contains(@*[name()='android:name'],'LocalNotificationRestoreReceiver') and \
         @*[name()='android:directBootAware']='false']",
        "nothing of the app before the phone is unlocked",
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
    let needs: Vec<_> = documents::NEEDS.iter().chain(NEEDS).collect();
    setup::install(&needs)?;
    step(steps, Proof::Checked, "manifest, resources and words of the Gradle project", || {
        let files = files(&root().join(PROJECT).join("app/src/main"), "xml")?;
        documents::well_formed(files.iter().map(PathBuf::as_path))?;
        documents::hold(&format!("{PROJECT}/app/src/main/AndroidManifest.xml"), MANIFEST)?;
        documents::hold(&format!("{PROJECT}/app/src/main/res/xml/file_paths.xml"), FILES)?;
        translated(&root().join(PROJECT).join("app/src/main/res"))?;
        Ok(None)
    })?;
    step(
        steps,
        Proof::Checked,
        "what the plugins' manifests add to it, and what Android derives from the whole",
        || {
            brought::hold_manifests(&root().join(PROJECT).join("app/src/main/AndroidManifest.xml"))?;
            Ok(None)
        },
    )?;
    step(steps, Proof::Built, "resources of the app (aapt2; not linked against Android's own)", || {
        fs::create_dir_all(toolchain::built())?;
        let compiled = toolchain::built().join("android-resources.zip");
        let mut compile = process::command("aapt2");
        compile.args(["compile", "--dir"]).arg(root().join(PROJECT).join("app/src/main/res"));
        process::run(compile.arg("-o").arg(&compiled))?;
        Ok(Some(compiled.metadata()?.len()))
    })?;
    step(steps, Proof::Checked, "our declarations of Android, against its API 37 and Android X", || {
        declarations()?;
        Ok(None)
    })?;
    step(steps, Proof::TypeChecked, "Kotlin of ours, against those declarations", || {
        kotlin()?;
        Ok(None)
    })?;
    step(
        steps,
        Proof::Checked,
        "names and signatures by which its Rust and its Kotlin find each other",
        || {
            let rust = fs::read_to_string(root().join("src-tauri/src/android.rs"))?;
            native::hold(&rust, &toolchain::built().join("kotlin"))?;
            Ok(None)
        },
    )?;
    step(
        steps,
        Proof::Checked,
        "names by which a tap on a notification is known, against the plugin's",
        || {
            let app = root().join(PROJECT).join("app/src/main");
            let plugin = jvm::source_of("tauri-plugin-notification")?.join("android/src/main");
            native::hold_plugin(
                &fs::read_to_string(app.join("java/app/postern/Tap.kt"))?,
                &fs::read_to_string(app.join("AndroidManifest.xml"))?,
                &fs::read_to_string(plugin.join("java/TauriNotificationManager.kt"))?,
                &fs::read_to_string(plugin.join("AndroidManifest.xml"))?,
            )?;
            Ok(None)
        },
    )?;
    step(
        steps,
        Proof::Ran,
        "Bluetooth, files and name of the phone, and btleplug's Java with our patch, on this machine's Java",
        || {
            jvm::test()?;
            Ok(None)
        },
    )?;
    step(
        steps,
        Proof::Ran,
        "device key of the Keystore, on this machine's Java and a keystore like Android's",
        || {
            let mut tests = process::cargo();
            // Of the whole workspace, so that what the test suite has built serves here as well.
            tests.args([
                "test",
                "--workspace",
                "--exclude",
                "postern-xtask",
                "--features",
                "postern-vault/jvm",
            ]);
            process::run(tests.args(["--test", "android_keystore"]))?;
            Ok(None)
        },
    )?;
    let toolchain = Toolchain::with(&[RUST, CLIPPY, CLANG])?;
    let kit = toolchain::built().join("apple");
    apple::stand_in(&kit)?;
    let what = format!("{}: the window and the rooms below it, without a warning", TARGETS.join(", "));
    step(steps, Proof::TypeChecked, &what, || {
        process::run(carried(&mut lint(&toolchain, &TARGETS, &kit)))?;
        Ok(None)
    })?;
    step(steps, Proof::Checked, "no phone is built without a hub to start with", || {
        homeless(&mut lint(&toolchain, &TARGETS[..1], &kit))?;
        Ok(None)
    })
}

fn lint(toolchain: &Toolchain, targets: &[&str], kit: &Path) -> Command {
    let mut cargo = toolchain.lint(targets);
    cargo.env("POSTERN_DEFAULT_HUB", "https://hub.example");
    for target in targets {
        let snake = target.replace('-', "_");
        // Only ring has C, and it can do without a C library; where it calls the processor by name, the compiler's own header for
        // that names one of a C library's.
        let headers = if target.starts_with("x86_64") {
            format!(" -I{}", kit.join("include").display())
        } else {
            String::new()
        };
        cargo
            .env(format!("CC_{snake}"), toolchain::COMPILER_OF_C)
            .env(format!("CFLAGS_{snake}"), format!("-nostdlibinc -DRING_CORE_NOSTDLIBINC=1{headers}"));
    }
    cargo
}

/// Files below `folder` with this extension, in order.
pub(super) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
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

/// Every class, member, parameter and constant that we declare is Android's.
fn declarations() -> Result<()> {
    let package = toolchain::node(API.0, API.1)?.join("lib/android");
    let mut api = Api::default();
    for file in API_FILES {
        api.read(&fs::read_to_string(package.join(file)).with_context(|| file.to_owned())?);
    }
    let mut invented = Vec::new();
    for file in files(&root().join(DECLARED), "java")? {
        // Generated by the app's own build.
        if !file.ends_with("app/postern/R.java") {
            invented.extend(api.lacks(&fs::read_to_string(&file)?));
        }
    }
    ensure!(invented.is_empty(), "Android has no {}", invented.join(", no "));
    Ok(())
}

/// Compiles our Kotlin. Declarations of Android's parts are compiled by the same run.
fn kotlin() -> Result<()> {
    let compiler = toolchain::node("kotlin-compiler", KOTLIN)?.join("bin/kotlinc");
    let ours = files(&root().join(PROJECT).join("app/src/main/java"), "kt")?;
    let declared = root().join(DECLARED);
    let mut stubs = files(&declared, "java")?;
    stubs.extend(files(&declared, "kt")?);
    stubs.push(jvm::btleplug()?.join("com/nonpolynomial/btleplug/android/impl/ScanOptions.java"));
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
