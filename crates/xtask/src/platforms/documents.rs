//! Questions to XML documents: manifests, property lists, metadata.

use std::path::Path;

use anyhow::{Result, bail};

use crate::{
    process,
    setup::{Need, Packages, Probe, Use},
    workspace::root,
};

/// What asks them. Installed where it is missing.
pub(crate) const NEEDS: &[Need] = &[Need {
    name: "xmllint",
    why: "reads manifests and property lists",
    uses: &[Use::Platforms],
    found: &[Probe::Program("xmllint")],
    packages: Packages::debian(&["libxml2-utils"]),
}];

/// Whether each file is well-formed. Says how many there are.
///
/// # Errors
/// One is not, or there is none.
pub(crate) fn well_formed<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<usize> {
    let mut lint = process::command("xmllint");
    lint.args(["--noout", "--nonet"]);
    let mut count = 0;
    for file in files {
        lint.arg(file);
        count += 1;
    }
    if count == 0 {
        bail!("no document to check");
    }
    process::run(&mut lint)?;
    Ok(count)
}

/// What the document must say: an XPath that must hold, and what it means.
pub(crate) type Claim = (&'static str, &'static str);

/// Holds the document, by its path in the workspace, to all claims.
///
/// # Errors
/// Names every claim that does not hold.
pub(crate) fn hold(document: &str, claims: &[Claim]) -> Result<()> {
    let mut broken = Vec::new();
    for (path, meaning) in claims {
        let mut lint = process::command("xmllint");
        lint.args(["--nonet", "--xpath", &format!("boolean({path})")]).arg(root().join(document));
        if process::output(&mut lint)?.trim() != "true" {
            broken.push(*meaning);
        }
    }
    if !broken.is_empty() {
        bail!("{document} does not say: {}", broken.join("; "));
    }
    Ok(())
}
