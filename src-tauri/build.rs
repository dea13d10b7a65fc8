//! Builds the context of the app: configuration, permissions, icons, and the page that `npm run build` left in
//! `ui/dist`.

use std::{fs, path::Path};

/// What the window calls; each gets a permission `allow-NAME`, and capabilities/main.json grants them by name.
const COMMANDS: &[&str] = &[
    "send_intent",
    "subscribe",
    "open_bluetooth_settings",
    "open_in_browser",
    "copy_text",
    "diagnostics",
    "set_language",
    "autostart",
    "can_confirm_presence",
    "confirm_presence",
    "save_file",
    "read_qr",
    "feel",
];

fn main() {
    let dist = Path::new("../ui/dist");
    println!("cargo:rerun-if-changed=../ui/dist");
    if !dist.join("index.html").exists() {
        // So that `cargo check` works before the page is built. The page says what is missing; nothing ships so.
        let page = "<!doctype html><title>Postern</title><p>The page is not built: npm ci &amp;&amp; npm run build in ui/.";
        if let Err(error) = fs::create_dir_all(dist).and_then(|()| fs::write(dist.join("index.html"), page)) {
            println!("cargo:warning=cannot write a placeholder page: {error}");
        }
    }
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        println!("cargo:error={error:#}");
        std::process::exit(1);
    }
}
