//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The folder that cargo builds into, as this process was built into it.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Every source file below a folder.
pub(crate) fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(files) };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if !["node_modules", "dist", "gen", "target"].iter().any(|skipped| name == *skipped) {
                files.extend(sources(&entry.path())?);
            }
        } else if entry
            .path()
            .extension()
            .is_some_and(|e| e == "rs" || e == "ts" || e == "mjs" || e == "svelte" || e == "css")
        {
            files.push(entry.path());
        }
    }
    Ok(files)
}
