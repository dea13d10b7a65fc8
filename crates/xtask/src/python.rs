//! Python environments below `target`, each with what one chore needs of PyPI.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    process,
    setup::{self, Use},
    workspace::target,
};

/// The interpreter of an environment with these requirements (as pip reads them), installed where they changed.
///
/// # Errors
/// Something cannot be installed.
pub(crate) fn environment(name: &str, requirements: &str) -> Result<PathBuf> {
    let home = target().join(name);
    let (python, installed) = (home.join("bin/python"), home.join("requirements.txt"));
    if std::fs::read(&installed).unwrap_or_default() != requirements.as_bytes() {
        setup::ensure(&[Use::Python])?;
        println!("  installing the Python packages of {name}");
        process::run(process::command("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        let wanted = home.join("wanted.txt");
        std::fs::write(&wanted, requirements)?;
        let mut pip = process::command(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        process::run(pip.arg(&wanted))?;
        // Last, so that what was interrupted is done again.
        std::fs::rename(&wanted, &installed)?;
    }
    Ok(python)
}
