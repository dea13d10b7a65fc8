//! `cargo xtask coverage`: which lines the tests beside the code run, by room.
//!
//! Only our own crates are instrumented (a workspace wrapper around rustc), so that what they depend on is taken from the
//! usual build. LLVM's tools are Debian's, of the very version that rustc was built with.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::{
    build, process,
    setup::{self, Need, Packages, Probe},
    workspace::{root, target},
};

/// What is measured where nothing else is said: every room whose tests need neither window nor Bluetooth.
const ROOMS: &[&str] = &[
    "postern-api",
    "postern-cli",
    "postern-core",
    "postern-hub",
    "postern-locker",
    "postern-protocol",
    "postern-radio",
    "postern-runtime",
    "postern-sim",
    "postern-vault",
    "postern-fuzz",
    "postern-world",
];
/// Not ours, or not product.
const IGNORED: &str = "(/\\.cargo/|/rustc/|/tests/|/target/|/crates/xtask/)";

/// `cargo xtask coverage`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Only the tests of this package; may be given more than once.
    #[arg(long)]
    package: Vec<String>,
}

/// Builds, runs, and reports to target/coverage: a table here, pages in `html`, lcov.info for editors.
///
/// # Errors
/// Something is missing or does not build. A failed test is told and does not stop the report.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let tools = Tools::of_rustc()?;
    let home = target().join("coverage");
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    fs::create_dir_all(&home)?;
    let packages: Vec<&str> = if flags.package.is_empty() {
        ROOMS.to_vec()
    } else {
        flags.package.iter().map(String::as_str).collect()
    };
    let wrapper = home.join("rustc");
    // Not sh: Debian's forgets variables with a hyphen in their name, such as CARGO_BIN_EXE_postern-hub.
    fs::write(&wrapper, "#!/bin/bash\nexec \"$@\" -Cinstrument-coverage\n")?;
    process::executable(&wrapper)?;

    let mut cargo = process::cargo();
    cargo.args(["test", "--no-run", "--message-format=json-render-diagnostics"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    cargo.env("RUSTC_WORKSPACE_WRAPPER", &wrapper);
    // Build scripts and macros of ours are instrumented too, and would write where they run.
    cargo.env("LLVM_PROFILE_FILE", home.join("build/%p.profraw"));
    let built = process::output(&mut cargo)?;
    let binaries = build::test_binaries(&built)?;
    let programs = build::programs(&built)?;
    if binaries.is_empty() {
        bail!("no tests there");
    }
    let mut failed = Vec::new();
    for binary in &binaries {
        let name = format!("{}-{}", binary.package, binary.target);
        let mut test = process::command(&binary.executable);
        test.current_dir(&binary.folder)
            .env("CARGO_MANIFEST_DIR", &binary.folder)
            .env("POSTERN_BINARIES", target().join("debug"))
            // Coverage is of what is run at all: a few seeds show as much as many.
            .env("POSTERN_WORLD_SECONDS", "10")
            .env("LLVM_PROFILE_FILE", home.join(format!("raw/{name}-%p.profraw")));
        let status = process::logged(&mut test, &home.join(format!("{name}.log")), |_| {})?;
        println!("  {name}{}", if status.success() { "" } else { ": FAILED" });
        if !status.success() {
            failed.push(name);
        }
    }
    // What tests start counts too, unless they kill it: then it cannot write down what it ran.
    let tests = binaries.iter().map(|binary| binary.executable.as_path());
    let executables: Vec<&Path> = tests.chain(programs.iter().map(PathBuf::as_path)).collect();
    tools.report(&home, &executables)?;
    for name in &failed {
        println!("{name} failed: what it would have run is missing above");
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Debian's llvm-profdata and llvm-cov.
struct Tools {
    major: String,
}

impl Tools {
    fn of_rustc() -> Result<Self> {
        let said = process::output(process::command("rustc").arg("-vV"))?;
        let version = said.lines().find_map(|line| line.strip_prefix("LLVM version: "));
        let major = version.and_then(|version| version.split('.').next());
        let major = major.context("rustc does not say which LLVM it has")?.to_owned();
        if !process::exists(&format!("llvm-cov-{major}")) {
            // The names follow rustc's version; a need lives as long as the process.
            let package: &'static str = Box::leak(format!("llvm-{major}").into_boxed_str());
            let program: &'static str = Box::leak(format!("llvm-cov-{major}").into_boxed_str());
            setup::install(&[Box::leak(Box::new(Need {
                name: program,
                why: "reads what instrumented tests write",
                uses: &[],
                found: Box::leak(Box::new([Probe::Program(program)])),
                packages: Packages::debian(Box::leak(Box::new([package]))),
            }))])?;
        }
        Ok(Self { major })
    }

    fn report(&self, home: &Path, executables: &[&Path]) -> Result<()> {
        let profile = home.join("all.profdata");
        let mut merge = process::command(format!("llvm-profdata-{}", self.major));
        merge.args(["merge", "--sparse", "--output"]).arg(&profile).arg(home.join("raw"));
        process::run(&mut merge)?;
        let cov = |what: &str| {
            let mut cov = process::command(format!("llvm-cov-{}", self.major));
            cov.arg(what).arg(format!("--instr-profile={}", profile.display()));
            cov.arg(format!("--ignore-filename-regex={IGNORED}"));
            for (at, executable) in executables.iter().enumerate() {
                if at > 0 {
                    cov.arg("--object");
                }
                cov.arg(executable);
            }
            cov
        };
        let lcov = process::output(cov("export").arg("--format=lcov"))?;
        fs::write(home.join("lcov.info"), lcov)?;
        process::run(
            cov("show").arg("--format=html").arg(format!("--output-dir={}", home.join("html").display())),
        )?;
        let summary = process::output(cov("export").arg("--summary-only"))?;
        table(&serde_json::from_str(&summary)?)?;
        println!("pages: {}", home.join("html/index.html").display());
        Ok(())
    }
}

/// Lines by room, and in each the files that are run least.
fn table(summary: &Value) -> Result<()> {
    let files = summary["data"][0]["files"].as_array().context("llvm-cov has another shape")?;
    let mut rooms = BTreeMap::<String, (u64, u64, Vec<(f64, u64, String)>)>::new();
    for file in files {
        let path = Path::new(file["filename"].as_str().unwrap_or_default());
        let Ok(path) = path.strip_prefix(root()) else { continue };
        let lines = &file["summary"]["lines"];
        let (count, covered) =
            (lines["count"].as_u64().unwrap_or_default(), lines["covered"].as_u64().unwrap_or_default());
        if count == 0 {
            continue;
        }
        let room: Vec<_> = path.iter().take(2).map(|part| part.to_string_lossy()).collect();
        let entry = rooms.entry(room.join("/")).or_default();
        entry.0 += count;
        entry.1 += covered;
        entry.2.push((covered as f64 / count as f64, count - covered, path.display().to_string()));
    }
    for (room, (count, covered, mut files)) in rooms {
        println!("{room:20} {:5.1} % of {count} lines", 100.0 * covered as f64 / count as f64);
        files.sort_by_key(|(_, missing, _)| std::cmp::Reverse(*missing));
        for (share, missing, name) in files.iter().take(3).filter(|(_, missing, _)| *missing > 10) {
            println!("    {:5.1} %  {missing:4} lines not run  {name}", 100.0 * share);
        }
    }
    Ok(())
}
