//! What a machine needs, and how it gets it: Debian packages by apt-get, the page's packages by npm.

use std::{
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::SystemTime,
};

use anyhow::{Result, bail};

use crate::{process, root};

/// Debian packages and what each is for. `cargo xtask setup` installs those that are missing.
const PACKAGES: &[(&str, &str)] = &[
    // to build
    ("build-essential", "the linker and C for SQLite and ring"),
    ("pkg-config", "to find system libraries"),
    ("libwebkit2gtk-4.1-dev", "the window"),
    ("libdbus-1-dev", "Bluetooth through BlueZ"),
    ("libayatana-appindicator3-1", "the tray"),
    // to run without a desktop
    ("xvfb", "a display where there is none"),
    ("dbus", "message buses"),
    ("gnome-keyring", "the keyring"),
    ("polkitd", "a desktop that asks who is there"),
    ("libfaketime", "a hub whose clock is wrong"),
    ("xdg-utils", "to open the system's browser"),
    ("fonts-dejavu-core", "letters"),
    // to drive and to look
    ("webkit2gtk-driver", "WebDriver for the window"),
    ("chromium", "the customer's browser, and the page's tests"),
    ("chromium-driver", "WebDriver for it"),
    ("zbar-tools", "an independent QR decoder"),
    // the Bluetooth lab
    ("qemu-system-x86", "the lab's machine"),
    ("bluez", "the lab's Bluetooth stack"),
    ("bluez-test-tools", "the lab's virtual controllers"),
    ("busybox-static", "the lab's first process"),
    ("cpio", "the lab's initial disk"),
    ("kmod", "the lab's kernel modules"),
    ("iproute2", "the lab's network"),
    ("postgresql", "the hub's other store, in its tests"),
];

/// `cargo xtask setup`.
pub(crate) fn run() -> Result<ExitCode> {
    packages()?;
    node_modules()?;
    println!("everything is here");
    Ok(ExitCode::SUCCESS)
}

/// Installs missing Debian packages.
///
/// # Errors
/// Not a Debian, no rights, or apt-get failed; the message says what to install by hand.
pub(crate) fn packages() -> Result<()> {
    install(PACKAGES)
}

/// Installs those of these Debian packages that are missing; each comes with what it is for.
///
/// # Errors
/// As [`packages`].
pub(crate) fn install(wanted: &[(&'static str, &'static str)]) -> Result<()> {
    let missing = missing(wanted);
    if missing.is_empty() {
        return Ok(());
    }
    println!("missing on this machine:");
    for (package, why) in &missing {
        println!("  {package:28} {why}");
    }
    let names: Vec<&str> = missing.iter().map(|(package, _)| *package).collect();
    if !process::exists("apt-get") {
        bail!("this is not a Debian; please install the equivalents of: {}", names.join(" "));
    }
    println!("installing them with apt-get");
    update()?;
    let mut install = vec!["-qq", "-y", "--no-install-recommends", "install"];
    install.extend(&names);
    apt(&install)
}

/// Asks the archive what it has.
///
/// # Errors
/// No rights, or apt-get failed.
pub(crate) fn update() -> Result<()> {
    apt(&["-qq", "update"])
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut words = vec!["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    words.extend(arguments);
    if process::output(Command::new("id").arg("-u"))?.trim() != "0" {
        if !process::exists("sudo") {
            bail!("please run as root: apt-get {}", arguments.join(" "));
        }
        words.insert(0, "sudo");
    }
    process::run(process::command(words[0]).args(&words[1..]))
}

fn missing(wanted: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let installed = Command::new("dpkg-query")
        .args(["-W", "-f", "${db:Status-Abbrev} ${Package}\n"])
        .stderr(Stdio::null())
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let has = |package: &str| {
        installed
            .lines()
            .any(|line| line.starts_with("ii") && line.split_whitespace().nth(1) == Some(package))
    };
    wanted.iter().filter(|(package, _)| !has(package)).copied().collect()
}

/// `npm ci` where the lock file is newer than what is installed.
///
/// # Errors
/// No Node, or npm failed.
pub(crate) fn node_modules() -> Result<()> {
    let ui = root().join("ui");
    if changed(&ui.join("package-lock.json")) <= changed(&ui.join("node_modules/.package-lock.json")) {
        return Ok(());
    }
    if !process::exists("npm") {
        bail!("Node 20 or newer is needed (the program `npm` is not on the PATH)");
    }
    println!("installing the page's packages (npm ci)");
    process::run(process::command("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(ui))
}

/// When the file changed; the beginning of time where there is none.
pub(crate) fn changed(path: &Path) -> SystemTime {
    path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
