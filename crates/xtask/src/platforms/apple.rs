//! iPhones and Macs, as far as a machine without Xcode can go: Rust type-checked, configuration checked.
//!
//! C code is only ever compiled here so that build scripts come to their end (the objects are never linked). It sees
//! headers that declare next to nothing, and an empty object stands for Objective-C, which needs Apple's frameworks. That
//! is why this proves types of Rust and nothing else.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    brought, carried,
    documents::{self, Claim},
    homeless, minimums, release, step,
    table::{Proof, Step},
    toolchain::{self, CLANG, CLIPPY, RUST, Toolchain},
};
use crate::{process, setup, workspace::root};

/// Which of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    /// iOS.
    Iphone,
    /// macOS.
    Mac,
}

const MAC: &[Claim] = &[(
    "//key[.='NSBluetoothAlwaysUsageDescription']/following-sibling::string[1][string-length()>40]",
    "what Bluetooth is for",
)];
const MAC_RIGHTS: &[Claim] = &[
    (
        "//key[.='com.apple.security.app-sandbox']/following-sibling::*[1][self::true]",
        "the app is in the sandbox",
    ),
    (
        "//key[.='com.apple.security.device.bluetooth']/following-sibling::*[1][self::true]",
        "Bluetooth in the sandbox",
    ),
    (
        "//key[.='com.apple.security.network.client']/following-sibling::*[1][self::true]",
        "the hub can be reached",
    ),
    (
        "not(//key[contains(.,'disable-library-validation') or contains(.,'allow-unsigned')])",
        "no hole in the runtime",
    ),
];
const IPHONE: &[Claim] = &[
    (
        "//key[.='NSBluetoothAlwaysUsageDescription']/following-sibling::string[1][string-length()>40]",
        "what Bluetooth is for",
    ),
    (
        "//key[.='NSFaceIDUsageDescription']/following-sibling::string[1][string-length()>20]",
        "what the face is for",
    ),
    (
        "//key[.='NSCameraUsageDescription']/following-sibling::string[1][string-length()>40]",
        "what the camera is for",
    ),
    ("//key[.='UIBackgroundModes']/following-sibling::array[1][not(*)]", "no radio in the background"),
    (
        "//key[.='ITSAppUsesNonExemptEncryption']/following-sibling::*[1][self::false]",
        "what Apple asks of encryption, at every upload",
    ),
    (
        "//key[.='UIFileSharingEnabled']/following-sibling::*[1][self::true] and \
         //key[.='LSSupportsOpeningDocumentsInPlace']/following-sibling::*[1][self::true]",
        "saved files are where people look for them",
    ),
    ("count(//key[.='CFBundleLocalizations']/following-sibling::array[1]/string)=4", "its languages"),
];
const PRIVACY: &[Claim] = &[
    ("//key[.='NSPrivacyTracking']/following-sibling::*[1][self::false]", "nobody is tracked"),
    (
        "//string[.='NSPrivacyAccessedAPICategoryFileTimestamp']/following-sibling::array[1]/string[.='C617.1']",
        "why it looks at the times of files (ITMS-91053)",
    ),
    (
        "//string[.='NSPrivacyAccessedAPICategorySystemBootTime']/following-sibling::array[1]/string[.='35F9.1']",
        "why it looks at the time since the start",
    ),
    (
        "not(//key[.='NSPrivacyCollectedDataTypeTracking']/following-sibling::*[1][self::true])",
        "no data is for tracking",
    ),
    (
        "//dict[key='NSPrivacyCollectedDataType'] and \
         not(//dict[key='NSPrivacyCollectedDataType'][not(key='NSPrivacyCollectedDataTypePurposes')])",
        "what each kind of data is for",
    ),
    (
        "count(//dict[key='NSPrivacyCollectedDataType'])=6 and //string[.='NSPrivacyCollectedDataTypeName'] and \
         //string[.='NSPrivacyCollectedDataTypeEmailAddress'] and //string[.='NSPrivacyCollectedDataTypeUserID'] and \
         //string[.='NSPrivacyCollectedDataTypePurchaseHistory'] and \
         //string[.='NSPrivacyCollectedDataTypePhotosorVideos'] and \
         //string[.='NSPrivacyCollectedDataTypeCustomerSupport']",
        "all that a hub keeps of a customer, as RELEASING.md answers Google",
    ),
];
/// Texts of the system's questions.
const QUESTIONS: [&str; 4] = [
    "NSBluetoothAlwaysUsageDescription",
    "NSCameraUsageDescription",
    "NSFaceIDUsageDescription",
    "NSLocalNetworkUsageDescription",
];
const IPHONE_RIGHTS: &[Claim] = &[
    ("//string[.='applinks:postern.app']", "claim links open the app"),
    ("//string[.='webcredentials:postern.app']", "passkeys are the network's"),
    // With the key of App Store Connect the file is signed as it is: nobody would put the team's prefix in.
    ("not(//key[.='keychain-access-groups'])", "the app's own Keychain, which needs no name"),
];

/// Configuration first, since it takes no time.
///
/// # Errors
/// A file does not say what it must, or something does not type-check.
pub(crate) fn run(device: Device, steps: &mut Vec<Step>) -> Result<()> {
    setup::install(&documents::NEEDS.iter().collect::<Vec<_>>())?;
    // What the release workflow builds for; its program for Macs is for both of theirs.
    let targets: &[&str] = match device {
        Device::Iphone => &["aarch64-apple-ios"],
        Device::Mac => &["aarch64-apple-darwin", "x86_64-apple-darwin"],
    };
    let (name, plist, claims, rights, granted) = match device {
        Device::Iphone => ("iOS", "ios.plist", IPHONE, "ios.entitlements", IPHONE_RIGHTS),
        Device::Mac => ("macOS", "macos.plist", MAC, "macos.entitlements", MAC_RIGHTS),
    };
    step(steps, Proof::Checked, &format!("{name}: Info.plist texts and entitlements"), || {
        let folder = root().join("src-tauri/apple");
        documents::well_formed([folder.join(plist).as_path(), folder.join(rights).as_path()])?;
        documents::hold(&format!("src-tauri/apple/{plist}"), claims)?;
        documents::hold(&format!("src-tauri/apple/{rights}"), granted)?;
        Ok(None)
    })?;
    step(
        steps,
        Proof::Checked,
        &format!("{name}: privacy manifest, and the system's questions in each language"),
        || {
            let folder = root().join("src-tauri/apple");
            let manifest = "PrivacyInfo.xcprivacy";
            documents::well_formed([folder.join(manifest).as_path()])?;
            documents::hold(&format!("src-tauri/apple/{manifest}"), PRIVACY)?;
            release::languages(&folder, &QUESTIONS)?;
            Ok(None)
        },
    )?;
    if device == Device::Iphone {
        step(
            steps,
            Proof::Checked,
            "iOS: frameworks that its crates ask for, and how each is linked",
            || {
                brought::hold_frameworks(&fs::read_to_string(root().join("src-tauri/tauri.conf.json"))?)?;
                Ok(None)
            },
        )?;
        step(steps, Proof::Checked, "iOS: icon, as the App Store takes it", || {
            icon(&root().join("src-tauri/apple/AppIcon.appiconset"))?;
            Ok(None)
        })?;
    }
    let toolchain = Toolchain::with(&[RUST, CLIPPY, CLANG])?;
    let kit = toolchain::built().join("apple");
    stand_in(&kit)?;
    let what = format!("{}: the window and the rooms below it, without a warning", targets.join(", "));
    step(steps, Proof::TypeChecked, &what, || {
        process::run(carried(&mut lint(&toolchain, targets, &kit)?))?;
        Ok(None)
    })?;
    if device == Device::Iphone {
        step(steps, Proof::Checked, "no phone is built without a hub to start with", || {
            homeless(&mut lint(&toolchain, &targets[..1], &kit)?)?;
            Ok(None)
        })?;
    }
    Ok(())
}

/// One picture of 1024 by 1024 without an alpha channel, from which Xcode makes every size.
fn icon(set: &Path) -> Result<()> {
    let contents: Value = serde_json::from_str(&fs::read_to_string(set.join("Contents.json"))?)?;
    let name = contents["images"][0]["filename"].as_str().context("the icon's set names no picture")?;
    let picture = fs::read(set.join(name))?;
    let header = picture.get(8..26).context("not a picture")?;
    let side = 1024_u32.to_be_bytes();
    // RFC 2083, 4.1.1: width, height, bit depth, colour type. 2 is RGB.
    ensure!(header[..8] == *b"\0\0\0\rIHDR", "{name} is no PNG");
    ensure!(header[8..12] == side && header[12..16] == side, "{name} is not 1024 by 1024");
    ensure!(header[17] == 2, "{name} has an alpha channel");
    Ok(())
}

fn lint(toolchain: &Toolchain, targets: &[&str], kit: &Path) -> Result<Command> {
    let (mac, iphone) = minimums::apple(&fs::read_to_string(root().join("src-tauri/tauri.conf.json"))?)?;
    let mut cargo = toolchain.lint(targets);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [kit.join("bin"), toolchain.root.join("bin")];
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path))).unwrap_or(path);
    let flags = format!("-nostdlibinc -I{}", kit.join("include").display());
    cargo
        .env("POSTERN_DEFAULT_HUB", "https://hub.example")
        .env("PATH", path)
        .env("SDKROOT", kit)
        // C code would ask Xcode.
        .env("MACOSX_DEPLOYMENT_TARGET", mac)
        .env("IPHONEOS_DEPLOYMENT_TARGET", iphone);
    for target in targets {
        let snake = target.replace('-', "_");
        cargo
            .env(format!("CC_{snake}"), kit.join("bin/apple-cc"))
            .env(format!("CXX_{snake}"), toolchain::COMPILER_OF_C)
            .env(format!("AR_{snake}"), "ar")
            .env(format!("CFLAGS_{snake}"), &flags)
            .env(format!("CXXFLAGS_{snake}"), &flags);
    }
    Ok(cargo)
}

/// Declarations that C code of dependencies asks for by name; enough to compile, nothing to link.
const HEADERS: &[(&str, &str)] = &[
    (
        "TargetConditionals.h",
        "#define TARGET_OS_IPHONE 1\n#define TARGET_OS_MAC 1\n#define TARGET_OS_OSX 0\n",
    ),
    (
        "stdlib.h",
        "#include <stddef.h>\nvoid *malloc(size_t); void free(void *); _Noreturn void abort(void);\n",
    ),
    (
        "string.h",
        "#include <stddef.h>\nvoid *memcpy(void *, const void *, size_t);\nvoid *memset(void *, int, size_t);\nint memcmp(const void *, const void *, size_t);\nvoid *memmove(void *, const void *, size_t);\nsize_t strlen(const char *);\n",
    ),
    (
        "assert.h",
        "#define assert(x) ((void)0)\n#ifndef __cplusplus\n#define static_assert _Static_assert\n#endif\n",
    ),
];

/// The C compiler, which takes an empty file where it is asked for Objective-C.
const COMPILER: &str = r#"#!/bin/sh
objective= target= output= before=
for word; do
  case $word in
    *.m | *.mm) objective=yes ;;
    --target=*) target=$word ;;
  esac
  [ "$before" = -o ] && output=$word
  before=$word
done
[ -n "$objective" ] || exec rust-clang "$@"
exec rust-clang "$target" -c -x c /dev/null -o "$output"
"#;

/// What stands where Xcode would: `xcrun`, the compiler and the headers.
pub(super) fn stand_in(kit: &Path) -> Result<()> {
    let (bin, include) = (kit.join("bin"), kit.join("include"));
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(&include)?;
    for (name, text) in
        [("xcrun", format!("#!/bin/sh\necho {}\n", kit.display())), ("apple-cc", COMPILER.to_owned())]
    {
        let program = bin.join(name);
        fs::write(&program, text)?;
        process::executable(&program)?;
    }
    for (name, text) in HEADERS {
        fs::write(include.join(name), text)?;
    }
    Ok(())
}
