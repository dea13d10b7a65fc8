//! What libraries bring into the phones' apps beside their code: entries of Android's manifest, and frameworks that Apple's linker has
//! to be told of. Each was looked at once and is named here; what is new fails until somebody has looked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{process, workspace::root};

/// Permissions that plugins' manifests ask for, and what for.
const PERMISSIONS: [(&str, &str); 4] = [
    ("android.permission.POST_NOTIFICATIONS", "reminders"),
    ("android.permission.RECEIVE_BOOT_COMPLETED", "reminders, planned anew after a restart"),
    ("android.permission.WAKE_LOCK", "reminders"),
    ("android.permission.VIBRATE", "what the hand feels"),
];
/// Components that plugins' manifests declare.
const COMPONENTS: [&str; 4] = [
    ".BiometricActivity",
    "app.tauri.notification.LocalNotificationRestoreReceiver",
    "app.tauri.notification.NotificationDismissReceiver",
    "app.tauri.notification.TimedNotificationPublisher",
];
/// Features that Android takes for required where this permission is asked for, and so shows the app to no phone without them
/// (Android's reference of `<uses-feature>`).
const IMPLIED: [(&str, &[&str]); 7] = [
    ("android.permission.BLUETOOTH", &["android.hardware.bluetooth"]),
    ("android.permission.BLUETOOTH_ADMIN", &["android.hardware.bluetooth"]),
    ("android.permission.ACCESS_COARSE_LOCATION", &["android.hardware.location"]),
    ("android.permission.ACCESS_FINE_LOCATION", &["android.hardware.location"]),
    ("android.permission.CAMERA", &["android.hardware.camera", "android.hardware.camera.autofocus"]),
    ("android.permission.RECORD_AUDIO", &["android.hardware.microphone"]),
    ("android.permission.CALL_PHONE", &["android.hardware.telephony"]),
];

/// Frameworks that crates for the iPhone ask for, and through what each is linked or why it need not be. What a crate asks to be
/// linked is not passed on by a static library (rust-lang/rust#121293).
const FRAMEWORKS: [(&str, Linked); 21] = [
    ("AppKit", Linked::NotThere),
    ("ApplicationServices", Linked::NotThere),
    ("Carbon", Linked::NotThere),
    ("CloudKit", Linked::ByName),
    ("CoreBluetooth", Linked::Ours),
    ("CoreData", Linked::ByName),
    ("CoreFoundation", Linked::BySwift),
    ("CoreGraphics", Linked::ByTemplate),
    ("CoreImage", Linked::ByName),
    ("CoreLocation", Linked::ByName),
    ("CoreText", Linked::ByName),
    ("CoreVideo", Linked::NotThere),
    ("Foundation", Linked::BySwift),
    ("IOSurface", Linked::ByName),
    ("Network", Linked::NotThere),
    ("QuartzCore", Linked::ByTemplate),
    ("Security", Linked::ByTemplate),
    ("ServiceManagement", Linked::NotThere),
    ("UIKit", Linked::ByTemplate),
    ("UserNotifications", Linked::Ours),
    ("WebKit", Linked::ByTemplate),
];

/// How a framework comes into the iPhone's app.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Linked {
    /// `bundle.iOS.frameworks` of tauri.conf.json.
    Ours,
    /// Tauri's template of the Xcode project.
    ByTemplate,
    /// The objects of Tauri's Swift half name it themselves.
    BySwift,
    /// Nothing of it is called but classes, which are looked up by name.
    ByName,
    /// The part of the crate that asks for it is for Macs, or of a feature that is off.
    NotThere,
}

/// The folders of all crates that the app is made of on this platform, by their names.
fn crates(target: &str) -> Result<BTreeMap<String, PathBuf>> {
    let mut cargo = process::cargo();
    cargo.args(["metadata", "--format-version=1", "--locked"]).arg(format!("--filter-platform={target}"));
    let metadata: Value = serde_json::from_str(&process::output(&mut cargo)?)?;
    of_app(&metadata).context("cargo's metadata are of another shape")
}

fn of_app(metadata: &Value) -> Option<BTreeMap<String, PathBuf>> {
    let packages: BTreeMap<&str, &Value> =
        metadata["packages"].as_array()?.iter().filter_map(|one| Some((one["id"].as_str()?, one))).collect();
    let needs: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()?
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, &node["deps"])))
        .collect();
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> =
        packages.iter().filter(|(_, one)| one["name"] == "postern-app").map(|(id, _)| *id).collect();
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        let package = packages.get(id)?;
        let manifest = Path::new(package["manifest_path"].as_str()?);
        found.insert(package["name"].as_str()?.to_owned(), manifest.parent()?.to_owned());
        let normal = |need: &&Value| {
            need["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
        };
        let of_it = needs.get(id)?.as_array()?.iter().filter(normal);
        next.extend(of_it.filter_map(|need| need["pkg"].as_str()));
    }
    Some(found)
}

/// Holds what the plugins' manifests add to ours to what was looked at, and the whole to what Android derives from it.
///
/// # Errors
/// Names what is new, or what keeps the app from phones that it is for.
pub(super) fn hold_manifests(ours: &Path) -> Result<usize> {
    let mut theirs = Vec::new();
    for (name, folder) in crates("aarch64-linux-android")? {
        for half in ["android", "mobile/android"] {
            let manifest = folder.join(half).join("src/main/AndroidManifest.xml");
            // The app's own, where it is in the list.
            if manifest.exists() && !folder.starts_with(root()) {
                theirs.push((name.clone(), fs::read_to_string(manifest)?));
            }
        }
    }
    ensure!(!theirs.is_empty(), "no plugin has a manifest: they are looked for in the wrong place");
    let wrong = merged(&fs::read_to_string(ours)?, &theirs);
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(theirs.len())
}

/// What is wrong with what Android's tools would merge.
fn merged(ours: &str, theirs: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut permissions: BTreeSet<String> = names(ours, &["uses-permission"]).into_iter().collect();
    for (plugin, manifest) in theirs {
        for permission in names(manifest, &["uses-permission", "uses-permission-sdk-23"]) {
            if !PERMISSIONS.iter().any(|(known, _)| *known == permission) {
                wrong.push(format!("{plugin} asks for {permission}, which nobody has looked at"));
            }
            permissions.insert(permission);
        }
        for component in names(manifest, &["activity", "receiver", "service", "provider", "activity-alias"]) {
            if !COMPONENTS.contains(&component.as_str()) {
                wrong.push(format!("{plugin} declares {component}, which nobody has looked at"));
            }
        }
        for feature in names(manifest, &["uses-feature"]) {
            wrong.push(format!("{plugin} names the feature {feature}: say whether the app needs it"));
        }
        if manifest.contains("android:exported=\"true\"") {
            wrong.push(format!("{plugin} opens a door from outside"));
        }
    }
    for (permission, features) in IMPLIED.iter().filter(|(known, _)| permissions.contains(*known)) {
        for feature in *features {
            let optional = elements(ours, "uses-feature").into_iter().any(|element| {
                element.contains(&format!("\"{feature}\"")) && element.contains("android:required=\"false\"")
            });
            if !optional {
                wrong.push(format!("{permission} keeps the app from phones without {feature}"));
            }
        }
    }
    wrong
}

/// The start tags of this name.
fn elements<'a>(manifest: &'a str, tag: &str) -> Vec<&'a str> {
    let parts = manifest.split('<').filter_map(|part| Some((part, part.strip_prefix(tag)?)));
    let of_tag = parts.filter(|(_, rest)| rest.starts_with(|next: char| next.is_whitespace()));
    of_tag.map(|(part, _)| part.split('>').next().unwrap_or(part)).collect()
}

/// `android:name` of all elements of these names.
fn names(manifest: &str, tags: &[&str]) -> Vec<String> {
    let all = tags.iter().flat_map(|tag| elements(manifest, tag));
    let name = |element: &str| Some(element.split_once("android:name=\"")?.1.split('"').next()?.to_owned());
    all.filter_map(name).collect()
}

/// Holds the frameworks that crates ask for on an iPhone to how each is linked.
///
/// # Errors
/// Names one that nobody has looked at, or that the project lacks.
pub(super) fn hold_frameworks(config: &str) -> Result<usize> {
    let config: Value = serde_json::from_str(config)?;
    let given = config["bundle"]["iOS"]["frameworks"].as_array().cloned().unwrap_or_default();
    let given: BTreeSet<&str> = given.iter().filter_map(Value::as_str).collect();
    let mut asked = BTreeMap::new();
    for (name, folder) in crates("aarch64-apple-ios")? {
        for file in super::android::files(&folder, "rs")? {
            for framework in linked(&fs::read_to_string(&file).unwrap_or_default()) {
                asked.entry(framework).or_insert_with(|| name.clone());
            }
        }
    }
    ensure!(!asked.is_empty(), "no crate asks for a framework: they are looked for in the wrong place");
    let wrong = unlinked(&asked, &given);
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(asked.len())
}

fn unlinked(asked: &BTreeMap<String, String>, given: &BTreeSet<&str>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (framework, by) in asked {
        match FRAMEWORKS.iter().find(|(name, _)| name == framework) {
            None => {
                wrong.push(format!("{by} asks for the framework {framework}, which nobody has looked at"));
            }
            Some((_, Linked::Ours)) if !given.contains(framework.as_str()) => {
                wrong.push(format!("the iPhone's app is not linked with {framework}, which {by} calls"));
            }
            Some(_) => {}
        }
    }
    for framework in given.iter().filter(|name| !asked.contains_key(**name)) {
        wrong.push(format!("no crate asks for {framework}"));
    }
    wrong
}

/// Frameworks that a source names in `#[link(…)]`, or a build script to cargo.
fn linked(source: &str) -> Vec<String> {
    let told = source.split("rustc-link-lib=framework=").skip(1);
    let told = told.filter_map(|rest| rest.split(|next: char| !next.is_ascii_alphanumeric()).next());
    let told: Vec<String> = told.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect();
    let attributes = source.split("link(").skip(1).filter_map(|rest| rest.split(')').next());
    let frameworks = attributes.filter(|attribute| attribute.contains("\"framework\""));
    let name = |attribute: &str| {
        let value = attribute.split("name").nth(1)?.trim_start().strip_prefix('=')?.trim_start();
        Some(value.strip_prefix('"')?.split('"').next()?.to_owned())
    };
    frameworks.filter_map(name).chain(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = r#"<manifest><uses-permission android:name="android.permission.BLUETOOTH" android:maxSdkVersion="30" />
        <uses-feature android:name="android.hardware.bluetooth" android:required="false" /></manifest>"#;

    #[test]
    fn what_a_plugin_brings_is_known_or_named() {
        let plugin = |text: &str| vec![("plugin".to_owned(), format!("<manifest>{text}</manifest>"))];
        let known = r#"<uses-permission android:name="android.permission.VIBRATE" />
            <application><receiver
                android:name="app.tauri.notification.TimedNotificationPublisher" /></application>"#;
        assert_eq!(merged(OURS, &plugin(known)), Vec::<String>::new());
        for (text, said) in [
            (r#"<uses-permission android:name="android.permission.READ_SMS"/>"#, "READ_SMS, which nobody"),
            (r#"<application><service android:name=".Spy"/></application>"#, ".Spy, which nobody"),
            (r#"<uses-feature android:name="android.hardware.nfc"/>"#, "android.hardware.nfc"),
            (
                r#"<application><receiver android:name="app.tauri.notification.TimedNotificationPublisher" android:exported="true"/></application>"#,
                "door from outside",
            ),
        ] {
            let wrong = merged(OURS, &plugin(text));
            assert!(wrong.len() == 1 && wrong[0].contains(said), "{wrong:?}");
        }
        let needed = OURS.replace("required=\"false\"", "required=\"true\"");
        assert_eq!(
            merged(&needed, &[]),
            ["android.permission.BLUETOOTH keeps the app from phones without android.hardware.bluetooth"]
        );
    }

    #[test]
    fn a_framework_that_a_crate_calls_is_linked() {
        let source = "#[cfg_attr(feature = \"a\", link(name = \"UIKit\", kind = \"framework\"))]\n#[link(name = \"z\")]\n\
             #[link(kind = \"framework\", name = \"CoreBluetooth\")] extern {}";
        assert_eq!(linked(source), ["UIKit", "CoreBluetooth"]);
        assert_eq!(linked("println!(\"cargo:rustc-link-lib=framework=WebKit\");"), ["WebKit"]);
        let asked = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "a".to_owned())).collect();
        let given = BTreeSet::from(["CoreBluetooth"]);
        assert_eq!(unlinked(&asked(&["CoreBluetooth", "UIKit"]), &given), Vec::<String>::new());
        assert_eq!(
            unlinked(&asked(&["CoreBluetooth"]), &BTreeSet::new()),
            ["the iPhone's app is not linked with CoreBluetooth, which a calls"]
        );
        assert!(unlinked(&asked(&["CoreBluetooth", "ARKit"]), &given)[0].contains("nobody has looked"));
        assert_eq!(unlinked(&asked(&[]), &given), ["no crate asks for CoreBluetooth"]);
    }

    #[test]
    fn a_crate_of_the_app_is_found_through_others() {
        let kinds = serde_json::json!([{ "kind": null }]);
        let metadata = serde_json::json!({
            "packages": [
                { "id": "1", "name": "postern-app", "manifest_path": "/a/Cargo.toml" },
                { "id": "2", "name": "b", "manifest_path": "/b/Cargo.toml" },
                { "id": "3", "name": "only-a-build", "manifest_path": "/c/Cargo.toml" },
            ],
            "resolve": { "nodes": [
                { "id": "1", "deps": [{ "pkg": "2", "dep_kinds": kinds }] },
                { "id": "2", "deps": [{ "pkg": "3", "dep_kinds": [{ "kind": "build" }] }] },
                { "id": "3", "deps": [] },
            ] },
        });
        let found = of_app(&metadata).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["b", "postern-app"]);
        assert_eq!(found["b"], Path::new("/b"));
    }
}
