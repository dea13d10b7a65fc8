//! Windows: the rooms below the window run under Wine, the window is linked.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use super::{
    step,
    table::{Proof, Step},
    toolchain::{self, MINGW, RUST, Toolchain},
};
use crate::{
    build, process,
    setup::{self, Need, Packages, Probe, Use},
    workspace::root,
};

const TARGET: &str = "x86_64-pc-windows-gnu";
const LINKER: &str = "x86_64-w64-mingw32-gcc-posix";
/// Wine runs what was linked. It must be installed: it finds its parts by absolute paths.
const NEEDS: &[Need] = &[Need {
    name: "Wine",
    why: "runs what was built for Windows",
    uses: &[Use::Platforms],
    found: &[Probe::File(WINE)],
    packages: Packages::debian(&["wine64"]),
}];
const WINE: &str = "/usr/lib/wine/wine64";
/// No test binary takes as long as this, in seconds.
const PATIENCE: &str = "600";

/// Rooms whose tests must hold on Windows as they do here: by themselves, over `air`, and with secrets in its
/// Credential Manager.
const TESTED: [&str; 7] = [
    "postern-protocol",
    "postern-locker",
    "postern-api",
    "postern-core",
    "postern-radio",
    "postern-vault",
    "postern-runtime",
];
const WINDOW: &str = "postern-app";

/// Wine 8 lacks this library of Windows 10, which Rust's standard library draws its random numbers from. For tests
/// only; nothing of it is shipped.
const PRNG: &str = r#"#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length) {
    while (length > 0) {
        ULONG part = length > 65536 ? 65536 : (ULONG)length;
        if (!SystemFunction036(buffer, part)) return FALSE;
        buffer += part;
        length -= part;
    }
    return TRUE;
}
"#;

/// One build of the rooms, their tests and the window, which all share their dependencies; then the tests under Wine.
///
/// # Errors
/// Something cannot be had, does not build, or a test fails.
pub(crate) fn run(steps: &mut Vec<Step>) -> Result<()> {
    setup::install(&NEEDS.iter().collect::<Vec<_>>())?;
    let toolchain = Toolchain::with(&[RUST, MINGW])?;
    // The compiler of resources asks for it by the name that an installed package would give it.
    let plain = toolchain.root.join("bin").join(LINKER.trim_end_matches("-posix"));
    if !plain.exists() {
        fs::hard_link(toolchain.root.join("bin").join(LINKER), plain)?;
    }
    let prefix = toolchain::built().join("wine");
    prepare_wine(&toolchain, &prefix)?;

    let mut tests = Vec::new();
    step(
        steps,
        Proof::Built,
        "the window, linked as postern-app.exe; the rooms below it and their tests",
        || {
            let mut build = cargo(&toolchain, "build");
            build.args(["--message-format=json-render-diagnostics", "--lib", "--bins", "--tests"]);
            for room in TESTED.iter().chain([&WINDOW]) {
                build.args(["--package", room]);
            }
            tests = build::test_binaries(&process::output(&mut build)?)?;
            tests.retain(|test| TESTED.contains(&test.package.as_str()));
            let program = toolchain::built().join(TARGET).join("debug").join(format!("{WINDOW}.exe"));
            Ok(Some(program.metadata().with_context(|| program.display().to_string())?.len()))
        },
    )?;

    let mut ran = 0;
    step(steps, Proof::Ran, "tests of those rooms under Wine", || {
        ensure!(!tests.is_empty(), "no tests were built");
        let log = toolchain::built().join("windows-tests.log");
        let _ = fs::remove_file(&log);
        let mut failed = Vec::new();
        for test in &tests {
            let mut wine = process::command("timeout");
            wine.args(["--kill-after=10", PATIENCE, WINE]).arg(&test.executable);
            wine.current_dir(&test.folder).env("CARGO_MANIFEST_DIR", &test.folder);
            lend_wine(&mut wine, &prefix);
            // Snapshots are found from here: under Wine no cargo can be asked where the workspace is.
            wine.env("INSTA_WORKSPACE_ROOT", root()).env("INSTA_UPDATE", "no");
            let status = process::logged(&mut wine, &log, |line| {
                if let Some(count) = passed(line) {
                    ran += count;
                } else if line.starts_with("test ") && line.ends_with("FAILED") {
                    failed.push(line.to_owned());
                }
            })?;
            if !status.success() {
                failed.push(format!("{} of {} ended with {status}", test.target, test.package));
            }
        }
        ensure!(
            failed.is_empty() && ran > 0,
            "{ran} passed, but: {} (all of it: {})",
            failed.join("; "),
            log.display()
        );
        Ok(None)
    })?;
    if let Some(step) = steps.last_mut() {
        step.what = format!("{ran} {}: protocol, locker, api, core, radio, vault, runtime", step.what);
    }
    Ok(())
}

/// How many tests of one binary held, from its summary.
fn passed(line: &str) -> Option<u32> {
    line.strip_prefix("test result: ")?.split_once(". ")?.1.split_once(" passed")?.0.parse().ok()
}

fn cargo(toolchain: &Toolchain, verb: &str) -> Command {
    let mut cargo = toolchain.cargo(verb, &[TARGET]);
    cargo
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", LINKER)
        // Nobody debugs these: a minute less to compile and link.
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("CC_x86_64_pc_windows_gnu", LINKER)
        .env("AR_x86_64_pc_windows_gnu", "x86_64-w64-mingw32-ar");
    cargo
}

fn lend_wine(command: &mut Command, prefix: &Path) {
    command.env("WINEPREFIX", prefix).env("WINEDEBUG", "-all").env_remove("DISPLAY");
}

/// A Windows of its own for the tests, with the one library that Wine lacks.
fn prepare_wine(toolchain: &Toolchain, prefix: &Path) -> Result<()> {
    let library = prefix.join("drive_c/windows/system32/bcryptprimitives.dll");
    if library.exists() {
        return Ok(());
    }
    fs::create_dir_all(prefix)?;
    let mut boot = process::command(WINE);
    lend_wine(&mut boot, prefix);
    // Any program makes Wine fill the prefix.
    process::run(boot.args(["cmd", "/c", "exit 0"])).context("Wine does not start")?;
    let source = prefix.join("prng.c");
    fs::write(&source, PRNG)?;
    let mut compile = process::command(toolchain.root.join("bin").join(LINKER));
    toolchain.lend(&mut compile);
    process::run(compile.args(["-shared", "-O2", "-o"]).arg(&library).arg(&source).arg("-ladvapi32"))
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn a_summary_is_counted() {
        assert_eq!(passed("test result: ok. 12 passed; 0 failed; 0 ignored"), Some(12));
        assert_eq!(passed("test result: FAILED. 3 passed; 1 failed"), Some(3));
        assert_eq!(passed("test a ... ok"), None);
    }
}
