//! Packages for Linux: built, looked into, installed into a clean root, started there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    step,
    table::{Proof, Step},
    toolchain,
};
use crate::{
    build, process,
    setup::{self, Need, Packages, Probe, Use},
    workspace::{root, target},
};

const NEEDS: &[Need] = &[
    Need {
        name: "desktop-file-validate",
        why: "judges the desktop file",
        uses: &[Use::Platforms],
        found: &[Probe::Program("desktop-file-validate")],
        packages: Packages::debian(&["desktop-file-utils"]),
    },
    Need {
        name: "appstreamcli",
        why: "judges the metadata of software centres",
        uses: &[Use::Platforms],
        found: &[Probe::Program("appstreamcli")],
        packages: Packages::debian(&["appstream"]),
    },
    Need {
        name: "rpm",
        why: "looks into the .rpm",
        uses: &[Use::Platforms],
        found: &[Probe::Program("rpm")],
        packages: Packages::debian(&["rpm"]),
    },
    Need {
        name: "libayatana-appindicator3 with headers",
        why: "tells the bundler which library the tray is in",
        uses: &[Use::Platforms],
        found: &[Probe::PkgConfig("ayatana-appindicator3-0.1")],
        packages: Packages::debian(&["libayatana-appindicator3-dev"]),
    },
    Need {
        name: "xwininfo",
        why: "sees the app's window",
        uses: &[Use::Platforms],
        found: &[Probe::Program("xwininfo")],
        packages: Packages::debian(&["x11-utils"]),
    },
];
/// Tauri's own bundler, of the version that Cargo.lock has of Tauri.
pub(super) const BUNDLER: &str = "2.12.5";
/// More than this nobody has to download.
const MOST_PACKAGE: u64 = 15_000_000;
/// The same without optimisation.
const MOST_UNOPTIMISED: u64 = 24_000_000;
/// How long the app may take to show its window.
const PATIENCE: Duration = Duration::from_secs(60);
/// What both packages must bring.
const CONTENTS: [&str; 3] =
    ["usr/bin/postern-app", "usr/share/applications/Postern.desktop", METADATA_INSTALLED];
const METADATA: &str = "linux/app.postern.Postern.metainfo.xml";
const METADATA_INSTALLED: &str = "usr/share/metainfo/app.postern.Postern.metainfo.xml";

/// Metadata first, then the packages, then the installed app.
///
/// # Errors
/// A validator objects, a package is not what it must be, or the installed app shows no window.
pub(crate) fn run(steps: &mut Vec<Step>) -> Result<()> {
    needed()?;
    step(steps, Proof::Checked, "metadata of software centres (appstreamcli)", || {
        process::run(process::command("appstreamcli").args(["validate", "--no-net", METADATA]))?;
        Ok(None)
    })?;
    for (kind, package) in build(steps, Optimised::Little)? {
        let root = Root::new(kind)?;
        let name = kind.extension();
        step(
            steps,
            Proof::Checked,
            &format!("desktop file as the .{name} installs it (desktop-file-validate)"),
            || {
                root.install(&package)?;
                process::run(process::command("desktop-file-validate").arg(root.folder.join(CONTENTS[1])))?;
                Ok(None)
            },
        )?;
        let what = format!("app of the .{name}, installed into a clean root: shows its window under Xvfb");
        step(steps, Proof::Ran, &what, || {
            start(&root.folder)?;
            Ok(None)
        })?;
        step(steps, Proof::Ran, &format!("the .{name} removed again: nothing of it stays"), || {
            root.remove(&package, &[])?;
            Ok(None)
        })?;
    }
    Ok(())
}

fn needed() -> Result<()> {
    setup::ensure(&[Use::Build, Use::Page, Use::Window])?;
    setup::install(&NEEDS.iter().collect::<Vec<_>>())
}

/// A kind of package.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Deb,
    Rpm,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        }
    }
}

/// How much the compiler makes of the programs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Optimised {
    /// As they are released.
    Fully,
    /// As much as it takes to prove that they are packed, installed and started: several minutes less on two cores.
    Little,
}

/// Builds `.deb` and `.rpm` with Tauri's bundler, which needs nothing from elsewhere for these two.
///
/// # Errors
/// Something does not build, is too large, or lacks what it must bring.
pub(crate) fn build(steps: &mut Vec<Step>, optimised: Optimised) -> Result<Vec<(Kind, PathBuf)>> {
    needed()?;
    build::page()?;
    let folder = target().join("release/bundle");
    let began = Instant::now();
    let cli = toolchain::node("@tauri-apps/cli", BUNDLER)?;
    let mut bundler = process::command("node");
    bundler
        .arg(cli.join("tauri.js"))
        .args(["build", "--ci", "--bundles", "deb,rpm"])
        .current_dir(root().join("src-tauri"));
    if optimised == Optimised::Little {
        for (setting, value) in
            [("LTO", "off"), ("CODEGEN_UNITS", "16"), ("OPT_LEVEL", "0"), ("DEBUG", "false")]
        {
            bundler.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
        }
    }
    process::run(&mut bundler)?;
    let took = began.elapsed();
    let mut packages = Vec::new();
    for kind in [Kind::Deb, Kind::Rpm] {
        let package = newest(&folder.join(kind.extension()), kind.extension())?;
        let size = package.metadata()?.len();
        inspect(&package, kind)?;
        let most = if optimised == Optimised::Little { MOST_UNOPTIMISED } else { MOST_PACKAGE };
        ensure!(size <= most, "{} has {size} bytes, at most {most}", package.display());
        let what = format!("{} (both packages were built in this time)", name(&package));
        steps.push(Step { what, proof: Proof::Built, took, size: Some(size) });
        packages.push((kind, package));
    }
    Ok(packages)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The package of this kind that was written last.
fn newest(folder: &Path, kind: &str) -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("no packages in {}", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_file() && path.extension().is_some_and(|its| its == kind))
        .collect();
    found.sort_by_key(|path| setup::changed(path));
    found.pop().with_context(|| format!("no .{kind} in {}", folder.display()))
}

/// Whether the package brings what it must.
fn inspect(package: &Path, kind: Kind) -> Result<()> {
    let mut list = match kind {
        Kind::Deb => process::command("dpkg-deb"),
        Kind::Rpm => process::command("rpm"),
    };
    match kind {
        Kind::Deb => list.arg("--contents"),
        Kind::Rpm => list.args(["--query", "--list", "--package"]),
    };
    let contents = process::output(list.arg(package))?;
    let missing = missing(&contents);
    if !missing.is_empty() {
        bail!("{} lacks {}", package.display(), missing.join(", "));
    }
    Ok(())
}

/// What of [`CONTENTS`] no line of the list ends with; dpkg-deb puts no slash before a path, rpm does.
fn missing(list: &str) -> Vec<&'static str> {
    let brings = |wanted: &str| {
        list.lines().any(|line| {
            line.strip_suffix(wanted).is_some_and(|before| before.is_empty() || before.ends_with(['/', ' ']))
        })
    };
    CONTENTS.iter().filter(|wanted| !brings(wanted)).copied().collect()
}

/// A root with nothing in it but a packager's books. What a package depends on is this machine's.
pub(super) struct Root {
    kind: Kind,
    /// Where it is.
    pub(super) folder: PathBuf,
}

impl Root {
    /// An empty one.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn new(kind: Kind) -> Result<Self> {
        let folder = toolchain::built().join(format!("clean-root-{}", kind.extension()));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let root = Self { kind, folder };
        match kind {
            Kind::Deb => {
                for books in ["info", "updates"] {
                    fs::create_dir_all(root.folder.join("var/lib/dpkg").join(books))?;
                }
                fs::write(root.folder.join("var/lib/dpkg/status"), "")?;
            }
            Kind::Rpm => {
                fs::create_dir_all(&root.folder)?;
                process::run(root.packager().arg("--initdb"))?;
            }
        }
        Ok(root)
    }

    /// dpkg or rpm, with its books in this root.
    fn packager(&self) -> Command {
        match self.kind {
            Kind::Deb => {
                let mut dpkg = process::command("dpkg");
                dpkg.arg("--root").arg(&self.folder);
                dpkg.args(["--force-depends", "--force-not-root", "--force-script-chrootless"]);
                dpkg
            }
            Kind::Rpm => {
                let mut rpm = process::command("rpm");
                rpm.arg("--root").arg(&self.folder).args(["--dbpath", "/var/lib/rpm"]);
                rpm
            }
        }
    }

    /// Installs it, and looks whether what it says it depends on has a name that this machine's archive knows (`.deb`).
    ///
    /// # Errors
    /// It does not go in, or its dependencies are unknown.
    pub(super) fn install(&self, package: &Path) -> Result<()> {
        let mut packager = self.packager();
        if self.kind == Kind::Rpm {
            // Debian's rpm wants to be told that it is meant.
            packager.args(["--force-debian", "--nodeps"]);
        }
        process::run(packager.arg("--install").arg(package))?;
        if self.kind == Kind::Deb {
            let depends =
                process::output(process::command("dpkg-deb").arg("--field").arg(package).arg("Depends"))?;
            let depends: Vec<&str> =
                depends.split(',').filter_map(|word| word.split_whitespace().next()).collect();
            ensure!(!depends.is_empty(), "the package says nothing of what it depends on");
            process::output(process::command("apt-cache").arg("show").args(depends))?;
        }
        Ok(())
    }

    /// Removes it, and looks whether anything stays but the packager's books and what the app wrote into its home.
    ///
    /// # Errors
    /// It does not go, or something stays that is not among `kept`.
    pub(super) fn remove(&self, package: &Path, kept: &[&str]) -> Result<()> {
        let mut name = match self.kind {
            Kind::Deb => process::command("dpkg-deb"),
            Kind::Rpm => process::command("rpm"),
        };
        match self.kind {
            Kind::Deb => name.arg("--field").arg(package).arg("Package"),
            Kind::Rpm => name.args(["--query", "--queryformat", "%{NAME}", "--package"]).arg(package),
        };
        let name = process::output(&mut name)?;
        let verb = match self.kind {
            Kind::Deb => "--purge",
            Kind::Rpm => "--erase",
        };
        process::run(self.packager().arg(verb).arg(name.trim()))?;
        let mut left = Vec::new();
        files(&self.folder, &mut left)?;
        left.retain(|path| {
            !["home", "var/lib/dpkg", "var/lib/rpm", "var/log"]
                .iter()
                .chain(kept)
                .any(|ours| path.starts_with(self.folder.join(ours)))
        });
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    }
}

/// Every file below.
fn files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => files(&entry.path(), found)?,
            false => found.push(entry.path()),
        }
    }
    Ok(())
}

/// Starts what was installed, on a display, a bus and a home of its own, and waits for its window.
fn start(clean: &Path) -> Result<()> {
    let home = clean.join("home");
    fs::create_dir_all(&home)?;
    let script = format!(
        "\"$0\" & app=$!; end=$(($(date +%s)+{})); \
         while [ $(date +%s) -lt $end ]; do \
           kill -0 $app 2>/dev/null || {{ echo 'the app ended' >&2; exit 1; }}; \
           xwininfo -root -tree | grep -q '\"Postern\"' && {{ kill $app; wait $app; exit 0; }}; \
           sleep 0.2; \
         done; echo 'no window' >&2; kill $app; exit 1",
        PATIENCE.as_secs()
    );
    let mut app = process::command("xvfb-run");
    app.args(["--auto-servernum", "dbus-run-session", "--", "sh", "-c", &script])
        .arg(clean.join(CONTENTS[0]))
        .env("HOME", &home)
        .env("XDG_RUNTIME_DIR", &home)
        .env("POSTERN_DATA_DIR", home.join("data"))
        // Nobody listens there: the app must start without a hub and without Bluetooth.
        .env("POSTERN_HUB", "http://127.0.0.1:9")
        .env("POSTERN_RADIO", "air:127.0.0.1:9")
        .env("WEBKIT_DISABLE_COMPOSITING_MODE", "1")
        .env_remove("DBUS_SESSION_BUS_ADDRESS");
    process::run(&mut app)
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn what_a_package_lacks_is_named() {
        let deb = "-rwxr-xr-x 0/0 1 2026-11-23 09:00 usr/bin/postern-app\n\
                   -rw-r--r-- 0/0 1 2026-11-23 09:00 ./usr/share/applications/Postern.desktop";
        assert_eq!(missing(deb), ["usr/share/metainfo/app.postern.Postern.metainfo.xml"]);
        let rpm = "/usr/bin/postern-app\n/usr/share/applications/Postern.desktop\n\
                   /usr/share/metainfo/app.postern.Postern.metainfo.xml\n";
        assert!(missing(rpm).is_empty());
    }
}
