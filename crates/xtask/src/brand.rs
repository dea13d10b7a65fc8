//! White label: the app as another brand, made from one folder of `ui/brands`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    process,
    setup::{self, Use},
    workspace::{root, target},
};

/// The icon for every desktop. Sizes are in pixels; the first is the window's.
const ICONS: &[&str] = &["32x32.png", "64x64.png", "128x128.png", "128x128@2x.png", "icon.icns", "icon.ico"];

/// Which brand.
#[derive(Args)]
pub(crate) struct Flags {
    /// A folder of ui/brands.
    name: String,
    /// With optimisation.
    #[arg(long)]
    release: bool,
}

/// Builds the page, the icons and the window of a brand into `target/brands/NAME`. Nothing of the tree is changed, and
/// the page of the usual build stays as it is.
///
/// # Errors
/// No such brand, or something does not build.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    setup::ensure(&[Use::Build, Use::Page, Use::Browser])?;
    setup::node_modules()?;
    let ui = root().join("ui");
    let folder = ui.join("brands").join(&flags.name);
    let brand = Brand::read(&folder)?;
    let out = target().join("brands").join(&flags.name);
    let (page, icons) = (out.join("page"), out.join("icons"));
    println!("the page of {}", brand.name);
    let mut npm = process::command("npm");
    npm.args(["run", "--silent", "build"]).current_dir(&ui);
    process::run(npm.env("POSTERN_BRAND", &flags.name).env("POSTERN_UI_OUT", &page))?;
    let mut draw = process::command("npm");
    draw.args(["run", "--silent", "icons", "--"]).arg(folder.join("logo.svg")).arg(&icons).args(ICONS);
    process::run(draw.current_dir(&ui))?;

    let mut cargo = process::cargo();
    cargo.args(["build", "--package", "postern-app"]);
    if flags.release {
        cargo.arg("--release");
    }
    cargo.env("TAURI_CONFIG", brand.config(&page, &icons).to_string());
    if let Some(hub) = &brand.hub {
        cargo.env("POSTERN_DEFAULT_HUB", hub);
    }
    process::run(cargo.env("POSTERN_DEFAULT_PROFILE", &flags.name))?;
    let built = target().join(if flags.release { "release" } else { "debug" }).join("postern-app");
    let app = out.join(&flags.name);
    std::fs::copy(&built, &app).with_context(|| format!("cannot copy {}", built.display()))?;
    println!("{}: {}", brand.name, app.display());
    Ok(ExitCode::SUCCESS)
}

/// What the window must know of a brand; the page reads the rest (ui/brands/plugin.ts).
struct Brand {
    name: String,
    identifier: String,
    hub: Option<String>,
}

impl Brand {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("brand.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("no brand: {}", path.display()))?;
        let brand: Value = serde_json::from_str(&text)?;
        let word = |key: &str| brand[key].as_str().map(str::to_owned);
        let (Some(name), Some(identifier)) = (word("name"), word("identifier")) else {
            bail!("{} has no name or no identifier", path.display());
        };
        Ok(Self { name, identifier, hub: word("hub") })
    }

    /// What it says otherwise than src-tauri/tauri.conf.json.
    fn config(&self, page: &Path, icons: &Path) -> Value {
        let icons: Vec<PathBuf> = ICONS.iter().map(|size| icons.join(size)).collect();
        json!({
            "productName": self.name,
            "identifier": self.identifier,
            "build": { "frontendDist": page },
            "bundle": { "icon": icons, "publisher": self.name },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_brand_in_the_tree_can_be_built() {
        let brands = root().join("ui/brands");
        let folders: Vec<PathBuf> = std::fs::read_dir(brands)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        assert!(folders.len() >= 2, "a second brand shows that the first is one of many");
        let mut identifiers: Vec<String> = folders
            .iter()
            .map(|folder| {
                assert!(folder.join("logo.svg").is_file());
                Brand::read(folder).unwrap().identifier
            })
            .collect();
        identifiers.sort();
        identifiers.dedup();
        assert_eq!(identifiers.len(), folders.len(), "two apps of one identifier replace each other");
    }
}
