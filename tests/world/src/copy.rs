//! Copies of what the world is built of, in which something is otherwise than in the product: deliberate defects
//! ([`crate::mutants`]), or stand-ins for what costs time ([`stand_in`]). The product itself has no switch for either.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What the world is made of, below the workspace.
const CRATES: [&str; 5] = ["crates/api", "crates/core", "crates/locker", "crates/protocol", "tests/world"];
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
pub(crate) fn build(folder: &Path, target: &Path, program: &str, release: bool) -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--offline", "--quiet", "--package", "postern-world", "--bin", program]);
    if release {
        // As fast as it gets: thousands of worlds are worth a minute more of linking.
        command.arg("--release").env("CARGO_PROFILE_RELEASE_LTO", "fat");
        command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    }
    let output = command.current_dir(folder).env("CARGO_TARGET_DIR", target).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(target.join(if release { "release" } else { "debug" }).join(program));
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

/// The world with stand-ins for the cryptography ([`weaken`]), built with optimisation: what is left is what phones,
/// lockers, hub and the world themselves cost.
///
/// # Errors
/// The copy cannot be written or built.
pub fn stand_in(workspace: &Path, target: &Path) -> io::Result<PathBuf> {
    let folder = target.join("stand-in");
    write(workspace, &folder, PROGRAM)?;
    weaken(&folder)?;
    build(&folder, &target.join("stand-in-target"), PROGRAM, true)
}
