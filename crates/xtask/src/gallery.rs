//! Pictures of every screen in every state, to look through: the page takes them itself, in Chromium.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    process,
    setup::{self, Use},
    workspace::{root, target},
};

/// What to take pictures of.
#[derive(Args)]
pub(crate) struct Flags {
    /// Languages, `en,de` or `all` of the brand's.
    #[arg(long, default_value = "en")]
    lang: String,
    /// Only states whose name contains this, `opening` for example.
    #[arg(long, default_value = "")]
    only: String,
    /// The brand to dress as: a folder of ui/brands.
    #[arg(long, default_value = "postern")]
    brand: String,
    /// Where to; target/gallery, or target/gallery-BRAND for another brand than Postern.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Takes the pictures, in both themes and both sizes, and writes an index page.
///
/// # Errors
/// No Node or Chromium, an unknown brand, or a state that cannot be shown.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    setup::ensure(&[Use::Page, Use::Browser])?;
    setup::node_modules()?;
    let ui = root().join("ui");
    let brand = ui.join("brands").join(&flags.brand);
    brand.join("brand.json").metadata().with_context(|| format!("no brand in {}", brand.display()))?;
    let out = match &flags.out {
        Some(out) => std::path::absolute(out)?,
        None if flags.brand == "postern" => target().join("gallery"),
        None => target().join(format!("gallery-{}", flags.brand)),
    };
    let mut npm = process::command("npm");
    npm.args(["run", "--silent", "gallery", "--", "--out"]).arg(&out);
    npm.args(["--lang", &flags.lang, "--only", &flags.only]);
    process::run(npm.current_dir(ui).env("POSTERN_BRAND", &flags.brand))?;
    println!("look at {}", out.join("index.html").display());
    Ok(ExitCode::SUCCESS)
}
