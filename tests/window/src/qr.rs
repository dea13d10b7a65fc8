//! An eye that is not ours: zbar reads codes from pictures of the window.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

/// Every QR code in a picture, as text.
///
/// # Errors
/// zbarimg is missing, or sees none.
pub fn read(picture: &Path) -> Result<Vec<String>> {
    let output = Command::new("zbarimg")
        .args(["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable"])
        .arg(picture)
        .output()
        .context("zbarimg (zbar-tools) is needed")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let codes: Vec<String> = text.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect();
    if codes.is_empty() {
        bail!("no QR code is to be seen in {}", picture.display());
    }
    Ok(codes)
}
