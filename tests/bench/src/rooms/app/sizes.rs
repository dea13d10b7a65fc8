//! What has to be fetched before there is an app.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, ensure};

use crate::{
    bench::Bench,
    report::{Measurement, Unit},
    stat::Samples,
};

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    if bench.wants("app.page") {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/dist");
        let bytes = packed(&page)?;
        bench.add(
            bench.exact("app.page", "The whole page, gzipped", Unit::Bytes, bytes as f64).at_most(120_000.0),
        );
    }
    if bench.wants("app.package") {
        let folder = bench.binary("bundle/deb");
        let mut sizes = Samples::default();
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry?.path();
            if path.extension().is_some_and(|its| its == "deb") {
                sizes.0.push(path.metadata()?.len() as f64);
            }
        }
        if sizes.0.is_empty() {
            println!(
                "  app.package: left out, no .deb in {}; cargo xtask package makes one",
                folder.display()
            );
        } else {
            let one = Measurement::new("app.package", "The .deb", Unit::Bytes, &sizes);
            bench.add(one.at_most(15_000_000.0).note("As `cargo xtask package` left it."));
        }
    }
    Ok(())
}

/// Bytes of all files below, each gzipped.
fn packed(folder: &Path) -> Result<usize> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            bytes += packed(&path)?;
            continue;
        }
        let gzip = Command::new("gzip").args(["-9", "-n", "-c"]).arg(&path).output()?;
        ensure!(gzip.status.success(), "gzip: {}", String::from_utf8_lossy(&gzip.stderr));
        bytes += gzip.stdout.len();
    }
    Ok(bytes)
}
