//! Copies of what the world is built of, in which something is otherwise than in the product: deliberate defects
//! ([`crate::mutants`]), or stand-ins for what costs time ([`stand_in`]). The product itself has no switch for either.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the world is made of, below the workspace.
const CRATES: [&str; 6] =
    ["crates/api", "crates/core", "crates/locker", "crates/protocol", "crates/rules", "tests/world"];
/// The program with the stand-ins.
const PROGRAM: &str = "postern-world-stand-in";

fn bad(what: String) -> io::Error {
    io::Error::other(what)
}

/// Puts `new` in the place of the only `old`.
pub(crate) fn replace(path: &Path, old: &str, new: &str) -> io::Result<()> {
    let text = fs::read_to_string(path)?;
    match text.matches(old).count() {
        1 => fs::write(path, text.replacen(old, new, 1)),
        count => Err(bad(format!("{}: found {count} times, not once: {old}", path.display()))),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Writes a copy whose program has this name, so that it does not take the place of the real one.
pub(crate) fn write(workspace: &Path, folder: &Path, program: &str) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for member in CRATES {
        copy(&workspace.join(member), &folder.join(member))?;
    }
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let manifest = fs::read_to_string(workspace.join("Cargo.toml"))?;
    let members = CRATES.map(|member| format!("{member:?}")).join(", ");
    let lines = manifest.lines().map(|line| match line.split(" = ").next() {
        Some("members") => format!("members = [{members}, \"tests/world/stand-in/*\"]"),
        Some("default-members" | "exclude") => String::new(),
        _ => line.to_owned(),
    });
    fs::write(folder.join("Cargo.toml"), lines.collect::<Vec<_>>().join("\n"))?;
    replace(
        &folder.join("tests/world/Cargo.toml"),
        "name = \"postern-world\"\npath",
        &format!("name = \"{program}\"\npath"),
    )
}

/// Builds a copy and gives its program. Its target folder is its own: cargo tells packages apart by their place in the
/// workspace, and would take the copy's libraries for the real ones.
pub(crate) fn build(folder: &Path, target: &Path, program: &str) -> io::Result<PathBuf> {
    cargo(folder, target, program, None)
}

/// The same for this triple of the compiler and with these flags for it, which build scripts do without.
fn cargo(folder: &Path, target: &Path, program: &str, flags: Option<(&str, &str)>) -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--offline",
        "--quiet",
        "--release",
        "--package",
        "postern-world",
        "--bin",
        program,
    ]);
    // As fast as it gets: thousands of worlds are worth a minute more of linking. Nobody here catches a panic.
    for (setting, value) in [("LTO", "fat"), ("CODEGEN_UNITS", "1"), ("PANIC", "abort")] {
        command.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    let mut built = target.to_path_buf();
    if let Some((triple, flags)) = flags {
        command.args(["--target", triple]).env("RUSTFLAGS", flags);
        built.push(triple);
    }
    let output = command.current_dir(folder).env("CARGO_TARGET_DIR", target).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(built.join("release").join(program));
    }
    Err(bad(format!("the copy does not build:\n{}", String::from_utf8_lossy(&output.stderr))))
}

/// What stands in for what: the line of the workspace's manifest that names the real crate, and the stand-in's folder.
const STAND_INS: [(&str, &str); 4] = [
    ("ed25519-dalek = { version = \"3\",", "ed25519"),
    ("x25519-dalek = { version = \"3\",", "x25519"),
    ("blake2 = { version = \"0.11\",", "blake2s"),
    ("chacha20poly1305 = { version = \"0.11\",", "chacha20poly1305"),
];

/// Puts the cryptography of tests/world/stand-in in the place of the real one: signatures, key agreement, the hash and
/// the cipher of the handshake. SHA-256, of which ids and keys are made, stays.
pub(crate) fn weaken(folder: &Path) -> io::Result<()> {
    for (real, stand_in) in STAND_INS {
        let name = real.split(' ').next().unwrap_or_default();
        replace(
            &folder.join("Cargo.toml"),
            &format!("\n{real}"),
            &format!(
                "\n{name} = {{ package = \"postern-stand-in-{stand_in}\", path = \"tests/world/stand-in/{stand_in}\","
            ),
        )?;
    }
    Ok(())
}

/// The world with stand-ins for the cryptography, built.
pub struct StandIn {
    /// The program.
    pub program: PathBuf,
    /// It was built by the profile of a run of its own.
    pub profiled: bool,
}

/// The world with stand-ins for the cryptography ([`weaken`]), built with optimisation: what is left is what phones,
/// lockers, hub and the world themselves cost. Where the compiler's `llvm-profdata` is at hand it is built twice, the second
/// time by what was counted in worlds of the first.
///
/// # Errors
/// The copy cannot be written, built or, for the profile, run.
pub fn stand_in(workspace: &Path, target: &Path) -> io::Result<StandIn> {
    let folder = target.join("stand-in");
    write(workspace, &folder, PROGRAM)?;
    weaken(&folder)?;
    let target = target.join("stand-in-target");
    let Some((triple, merge)) = profiler()? else {
        return Ok(StandIn { program: build(&folder, &target, PROGRAM)?, profiled: false });
    };
    let (counted, merged) = (target.join("counted"), target.join("merged.profdata"));
    if counted.exists() {
        fs::remove_dir_all(&counted)?;
    }
    let counting = format!("-Cprofile-generate={}", counted.display());
    let program = cargo(&folder, &target.join("counting"), PROGRAM, Some((&triple, &counting)))?;
    // Of other seeds than anybody measures.
    for plan in [["--busy", "--seeds=100"], ["--keep-whole", "--seeds=20"]] {
        Command::new(&program).args(plan).arg("--seed=1000000").current_dir(&target).output()?;
    }
    let output = Command::new(merge).arg("merge").arg("--output").arg(&merged).arg(&counted).output()?;
    if !output.status.success() {
        return Err(bad(format!("the profile does not merge:\n{}", String::from_utf8_lossy(&output.stderr))));
    }
    let profile = format!("-Cprofile-use={}", merged.display());
    Ok(StandIn { program: cargo(&folder, &target, PROGRAM, Some((&triple, &profile)))?, profiled: true })
}

/// The triple that this compiler builds for, and the tool that merges profiles for its LLVM, where it is: of rustup's
/// llvm-tools, or of a distribution.
fn profiler() -> io::Result<Option<(String, PathBuf)>> {
    let rustc = |arguments: &[&str]| -> io::Result<String> {
        Ok(String::from_utf8_lossy(&Command::new("rustc").args(arguments).output()?.stdout).into_owned())
    };
    let version = rustc(&["-vV"])?;
    let value = |name: &str| version.lines().find_map(|line| line.strip_prefix(name));
    let (Some(triple), Some(llvm)) = (value("host: "), value("LLVM version: ")) else { return Ok(None) };
    let major = llvm.split('.').next().unwrap_or(llvm);
    let rustups = Path::new(rustc(&["--print", "sysroot"])?.trim())
        .join("lib/rustlib")
        .join(triple)
        .join("bin/llvm-profdata");
    let works =
        |tool: &PathBuf| Command::new(tool).arg("--version").output().is_ok_and(|it| it.status.success());
    let found = [rustups, format!("llvm-profdata-{major}").into()].into_iter().find(works);
    Ok(found.map(|tool| (triple.to_owned(), tool)))
}
