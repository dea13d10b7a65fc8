//! Compilers for other targets, unpacked into a cache folder; the main toolchain stays as it is.
//!
//! Debian's second Rust (`rustc-web`) brings the source of the standard library, so that `-Zbuild-std` reaches targets
//! whose standard library is not installed. It is not installed itself: installed, it would shadow the main toolchain.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{process, setup};

/// Packages that are unpacked together. The name is of the note that says that they are there. `{rust}` and `{llvm}`
/// stand for the versions that the distribution has today: stable releases take new ones in when browsers need them.
pub(crate) struct Bundle {
    name: &'static str,
    packages: &'static [&'static str],
}

/// Clang, by a name that `rust-web-llvm` gives it whatever its version.
pub(crate) const COMPILER_OF_C: &str = "rust-clang";

/// rustc with the standard library's source, and a linker that reaches every target.
pub(crate) const RUST: Bundle = Bundle {
    name: "rust",
    packages: &[
        "rustc-web",
        "libstd-rust-web-{rust}",
        "libstd-rust-web-dev",
        "rust-web-src",
        "rust-web-llvm",
        "lld-{llvm}",
        "libllvm{llvm}",
    ],
};
/// Clippy of the same version as that compiler.
pub(crate) const CLIPPY: Bundle = Bundle { name: "clippy", packages: &["rust-web-clippy"] };
/// A machine with a Cortex-M4.
pub(crate) const QEMU: Bundle = Bundle { name: "qemu", packages: &["qemu-system-arm"] };
/// C for targets whose own compiler cannot be had here.
pub(crate) const CLANG: Bundle = Bundle {
    name: "clang",
    packages: &["clang-{llvm}", "libclang-cpp{llvm}", "libclang1-{llvm}", "libclang-common-{llvm}-dev"],
};
/// Linker and C library of Windows.
pub(crate) const MINGW: Bundle = Bundle {
    name: "mingw",
    packages: &[
        "gcc-mingw-w64-x86-64-posix",
        "gcc-mingw-w64-x86-64-posix-runtime",
        "gcc-mingw-w64-base",
        "mingw-w64-common",
        "mingw-w64-x86-64-dev",
        "binutils-mingw-w64-x86-64",
    ],
};

/// Where the bundles are.
pub(crate) struct Toolchain {
    /// The unpacked `usr`.
    pub(crate) root: PathBuf,
}

impl Toolchain {
    /// Downloads and unpacks what is not there yet.
    ///
    /// # Errors
    /// A package cannot be had or unpacked.
    pub(crate) fn with(bundles: &[Bundle]) -> Result<Self> {
        let folder = cache()?;
        for bundle in bundles {
            unpack(bundle, &folder).with_context(|| format!("packages for {}", bundle.name))?;
        }
        Ok(Self { root: folder.join("usr") })
    }

    /// Has the main toolchain's cargo, which is the only one here, use this compiler. The environment stays with the one
    /// command.
    pub(crate) fn lend(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.root.join("bin")).chain(std::env::split_paths(&path));
        let libraries = format!("lib/{}-linux-gnu", std::env::consts::ARCH);
        command
            .env("LD_LIBRARY_PATH", self.root.join(libraries))
            .env("PATH", std::env::join_paths(folders).unwrap_or(path.clone()))
            .env("RUSTC", self.root.join("bin/rustc"))
            .env("RUSTDOC", self.root.join("bin/rustdoc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTUP_TOOLCHAIN");
    }

    /// cargo for targets whose standard library is built from source. One folder for all of them, so that build
    /// scripts and procedural macros are compiled once.
    pub(crate) fn cargo(&self, verb: &str, targets: &[&str]) -> Command {
        let mut cargo = process::cargo();
        self.lend(&mut cargo);
        cargo.args([verb, "--locked", "-Zbuild-std=std,panic_unwind", "--target-dir"]).arg(built());
        for target in targets {
            cargo.args(["--target", target]);
        }
        cargo
    }

    /// A type-check with every lint of the workspace, in which a warning is an error. What is not ours is checked as it
    /// would be without lints, so that it costs next to nothing more. All targets in one go, so that no processor waits for the
    /// last crate of one of them.
    ///
    /// Not by `cargo clippy`: cargo looks for that among its own programs first, which are of the main toolchain.
    pub(crate) fn lint(&self, targets: &[&str]) -> Command {
        let mut cargo = self.cargo("check", targets);
        cargo
            .env("RUSTC_WORKSPACE_WRAPPER", self.root.join("bin/clippy-driver"))
            // Arguments, with what clippy has between them.
            .env("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__");
        cargo
    }
}

/// Whether these packages are unpacked, or could be: a system without apt, or whose archive lacks them, has none.
pub(crate) fn can_be_had(bundle: &Bundle) -> bool {
    if cache().is_ok_and(|folder| is_unpacked(bundle, &folder)) {
        return true;
    }
    if !["apt-get", "apt-cache", "dpkg"].iter().all(|program| process::exists(program)) {
        return false;
    }
    let is_known = || {
        let packages = named(bundle).ok()?;
        process::output(process::command("apt-cache").args(["show", "--no-all-versions"]).args(packages)).ok()
    };
    // In a fresh container there are no lists.
    (setup::has_lists() || setup::update().is_ok()) && is_known().is_some()
}

/// A program that npm has, in the cache folder; answers the folder that is its package.
///
/// Not among the packages of the page: nobody who works on the page needs it, and it comes for one kind of machine.
///
/// # Errors
/// npm failed.
pub(crate) fn node(package: &str, version: &str) -> Result<PathBuf> {
    let folder = cache()?.join("npm").join(format!("{}-{version}", package.replace('/', "-")));
    let there = folder.join("node_modules").join(package);
    if !there.join("package.json").exists() {
        println!("fetching {package} {version}");
        fs::create_dir_all(&folder)?;
        let mut npm = process::command("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(&folder);
        process::run(npm.arg(format!("{package}@{version}")))?;
    }
    Ok(there)
}

/// Where what is built for other targets is.
pub(crate) fn built() -> PathBuf {
    crate::workspace::target().join("platforms")
}

/// The customer's cache folder: packages outlive `cargo clean`.
fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(base.join("postern/platforms"))
}

/// Says which packages of a bundle are there.
fn note(bundle: &Bundle, folder: &Path) -> PathBuf {
    folder.join(format!("unpacked-{}", bundle.name))
}

fn is_unpacked(bundle: &Bundle, folder: &Path) -> bool {
    fs::read_to_string(note(bundle, folder)).is_ok_and(|there| there == bundle.packages.join(" "))
}

fn unpack(bundle: &Bundle, folder: &Path) -> Result<()> {
    if is_unpacked(bundle, folder) {
        return Ok(());
    }
    let downloads = folder.join(format!("downloads-{}", bundle.name));
    fs::create_dir_all(&downloads)?;
    let download = || {
        let packages = named(bundle)?;
        println!("unpacking {}", packages.join(" "));
        let mut apt = process::command("apt-get");
        process::run(apt.args(["-qq", "download"]).args(packages).current_dir(&downloads))
    };
    // A machine's lists may be missing, or so old that they name what the archive has no longer.
    if download().is_err() {
        setup::update()?;
        download()?;
    }
    for package in fs::read_dir(&downloads)? {
        let package = package?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            process::run(process::command("dpkg").arg("-x").arg(&package).arg(folder))?;
        }
    }
    fs::remove_dir_all(&downloads)?;
    fs::write(note(bundle, folder), bundle.packages.join(" "))?;
    Ok(())
}

/// The bundle's packages, by the names that they have today.
fn named(bundle: &Bundle) -> Result<Vec<String>> {
    if !bundle.packages.iter().any(|package| package.contains('{')) {
        return Ok(bundle.packages.iter().map(ToString::to_string).collect());
    }
    let rust = depends("libstd-rust-web-dev", "libstd-rust-web-")?;
    let llvm = depends(&format!("libstd-rust-web-{rust}"), "libllvm")?;
    let name = |package: &&str| package.replace("{rust}", &rust).replace("{llvm}", &llvm);
    Ok(bundle.packages.iter().map(name).collect())
}

/// What follows `prefix` in the name of the one package of such a name that `package` depends on.
fn depends(package: &str, prefix: &str) -> Result<String> {
    let mut apt = process::command("apt-cache");
    let said = process::output(apt.args(["show", "--no-all-versions", package]))?;
    following(&said, prefix).with_context(|| format!("{package} depends on no {prefix}…"))
}

fn following(control: &str, prefix: &str) -> Option<String> {
    let depends = control.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    let mut names = depends.split(", ").filter_map(|one| one.split(' ').next());
    names.find_map(|name| name.strip_prefix(prefix)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Bundle, can_be_had, following};

    #[test]
    fn what_no_archive_has_cannot_be_had() {
        let none = Bundle { name: "none", packages: &["postern-no-such-package"] };
        assert!(!can_be_had(&none));
    }

    #[test]
    fn a_version_is_read_from_what_is_depended_on() {
        let control =
            "Package: libstd-rust-web-1.96\nDepends: libc6 (>= 2.34), libllvm22, libstdc++6 (>= 11)\n";
        assert_eq!(following(control, "libllvm").as_deref(), Some("22"));
        let control =
            "Package: libstd-rust-web-dev\nDepends: libstd-rust-web-1.96 (= 1.96.0+dfsg1-1~deb12u2)\n";
        assert_eq!(following(control, "libstd-rust-web-").as_deref(), Some("1.96"));
        assert_eq!(following("Package: rust-web-src\n", "libllvm"), None);
    }
}
