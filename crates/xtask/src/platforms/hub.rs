//! The hub's `.deb`: hub and terminal, the unit, settings to fill in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::{
    linux::{Kind, Root},
    step,
    table::{Proof, Step},
    toolchain,
};
use crate::{
    build, process, web,
    workspace::{root, target},
};

/// The programs that it brings.
const PROGRAMS: [&str; 2] = ["postern-hub", "postern"];
/// What it brings besides: where from, where to, with which rights.
const FILES: [(&str, &str, u32); 8] = [
    ("linux/hub/postern-hub.service", "usr/lib/systemd/system/postern-hub.service", 0o644),
    ("linux/hub/sysusers.conf", "usr/lib/sysusers.d/postern-hub.conf", 0o644),
    ("linux/hub/postern.toml", "etc/postern/postern.toml", 0o644),
    ("crates/hub/README.md", "usr/share/doc/postern-hub/README.md", 0o644),
    ("CHANGELOG.md", "usr/share/doc/postern-hub/CHANGELOG.md", 0o644),
    ("linux/hub/postinst", "DEBIAN/postinst", 0o755),
    ("linux/hub/prerm", "DEBIAN/prerm", 0o755),
    ("linux/hub/postrm", "DEBIAN/postrm", 0o755),
];
/// What an operator changes, and an upgrade leaves alone.
const SETTINGS: &str = "/etc/postern/postern.toml\n";
/// How exposed `systemd-analyze security` may find the service, in tenths of its ten.
const EXPOSURE: &str = "20";

/// Packs these programs, and holds the package to what an operator needs of it.
///
/// # Errors
/// Something is missing, or the package does not install, run or go.
pub(crate) fn run(steps: &mut Vec<Step>) -> Result<()> {
    step(steps, Proof::Checked, "the hub's service (systemd-analyze security, at most 2.0 of 10)", || {
        let mut analyze = process::command("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE]).arg(FILES[0].0);
        process::output(&mut analyze)?;
        Ok(None)
    })?;
    // As in `package`: what is released serves the page.
    web::build(false)?;
    // The programs that every test runs, built with those: a second build, with optimisation or with other features of the
    // dependencies, would prove nothing more.
    build::tests()?;
    let mut package = PathBuf::new();
    step(steps, Proof::Built, "the hub's .deb, of programs without optimisation", || {
        package = pack(&target().join("debug"), &toolchain::built())?;
        Ok(Some(package.metadata()?.len()))
    })?;
    let clean = Root::new(Kind::Deb)?;
    step(
        steps,
        Proof::Ran,
        "the hub's .deb, installed into a clean root: makes its database and key there",
        || {
            clean.install(&package)?;
            // As systemd makes it for the service (`StateDirectory=`): the hub itself makes none, so that a path that was
            // mistyped is not taken for a new hub.
            let data = clean.folder.join("home/data");
            process::run(process::command("install").args(["-d", "-m", "700"]).arg(&data))?;
            for arguments in [&["migrate"][..], &["keys", "operator", "first"]] {
                let mut hub = process::command(clean.folder.join("usr/bin/postern-hub"));
                hub.args(arguments).arg("--data").arg(&data);
                hub.arg("--config").arg(clean.folder.join(SETTINGS.trim().trim_start_matches('/')));
                process::output(&mut hub)?;
            }
            ensure!(data.join("master.key").exists(), "no master key in {}", data.display());
            let users = fs::read_to_string(clean.folder.join("etc/passwd")).context("no user was made")?;
            ensure!(users.lines().any(|line| line.starts_with("postern:")), "no user of the hub's own");
            Ok(None)
        },
    )?;
    step(steps, Proof::Ran, "the installed hub serves the page for browsers", || {
        web::is_served_by(&clean.folder.join("usr/bin/postern-hub"))?;
        Ok(None)
    })?;
    step(steps, Proof::Ran, "the hub's .deb removed again: nothing but its user stays", || {
        clean.remove(&package, &["etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/.pwd.lock"])?;
        Ok(None)
    })
}

/// Makes the `.deb` of the programs in `binaries`, in `folder`.
///
/// # Errors
/// A file is missing, or dpkg-deb does not make it.
pub(crate) fn pack(binaries: &Path, folder: &Path) -> Result<PathBuf> {
    let stage = folder.join("hub-deb");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    let put = |from: &Path, to: &str| -> Result<PathBuf> {
        let to = stage.join(to);
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::copy(from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        Ok(to)
    };
    for (from, to, rights) in FILES {
        let file = put(&root().join(from), to)?;
        if rights & 0o111 != 0 {
            process::executable(&file)?;
        }
    }
    for name in PROGRAMS {
        let program = put(&binaries.join(name), &format!("usr/bin/{name}"))?;
        process::run(process::command("strip").arg("--strip-debug").arg(&program))?;
    }
    fs::write(stage.join("DEBIAN/conffiles"), SETTINGS)?;
    let architecture = process::output(process::command("dpkg").arg("--print-architecture"))?;
    let version = env!("CARGO_PKG_VERSION");
    fs::write(stage.join("DEBIAN/control"), control(version, architecture.trim(), &depends(&stage)?))?;
    let package = folder.join(format!("postern-hub_{version}_{}.deb", architecture.trim()));
    process::output(
        process::command("dpkg-deb")
            .args(["--root-owner-group", "-Zzstd", "--build"])
            .arg(&stage)
            .arg(&package),
    )?;
    Ok(package)
}

/// The libraries that the programs need, as Debian names them, with the versions whose symbols they use.
fn depends(stage: &Path) -> Result<String> {
    // dpkg-shlibdeps wants to stand beside a source package's control file.
    let beside = stage.with_extension("source");
    fs::create_dir_all(beside.join("debian"))?;
    fs::write(
        beside.join("debian/control"),
        "Source: postern-hub\n\nPackage: postern-hub\nArchitecture: any\n",
    )?;
    let mut find = process::command("dpkg-shlibdeps");
    find.args(["-O", "--ignore-missing-info"]).current_dir(&beside);
    for name in PROGRAMS {
        find.arg("-e").arg(stage.join("usr/bin").join(name));
    }
    let found = process::output(&mut find)?;
    let depends = found.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    Ok(depends.context("dpkg-shlibdeps names no libraries")?.to_owned())
}

fn control(version: &str, architecture: &str, depends: &str) -> String {
    format!(
        "Package: postern-hub\nVersion: {version}\nArchitecture: {architecture}\nSection: net\nPriority: optional\n\
         Maintainer: The Postern authors <hub@postern.app>\nHomepage: https://postern.app\n\
         Depends: {depends}, systemd | systemd-standalone-sysusers\nRecommends: nginx | caddy | httpd\n\
         Suggests: postgresql\n\
         Description: server of a network of parcel lockers\n \
         Accounts with passkeys, reservations, carriers, access tokens for lockers, receipts. SQLite is inside;\n \
         PostgreSQL where several hubs share a network. Brings the terminal, `postern`, too.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_the_package_brings_is_there() {
        for (from, ..) in FILES {
            assert!(root().join(from).is_file(), "{from}");
        }
        assert!(FILES.iter().any(|(_, to, _)| SETTINGS.trim() == format!("/{to}")));
    }

    #[test]
    fn the_image_makes_the_page_before_the_hub_that_takes_it_in() {
        let made = fs::read_to_string(root().join("Containerfile")).unwrap();
        let at = |what: &str| made.find(what).unwrap_or_else(|| panic!("nothing says {what}"));
        assert!(
            at("cargo xtask --no-setup web") < at("cargo build --release --locked --package postern-hub")
        );
        let left_out = fs::read_to_string(root().join(".containerignore")).unwrap();
        assert!(left_out.lines().any(|line| line == "crates/web/dist/page"), "a page of somebody's own");
    }

    #[test]
    fn the_service_starts_what_is_installed() {
        let unit = fs::read_to_string(root().join(FILES[0].0)).unwrap();
        let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/")).unwrap();
        assert!(start.starts_with("usr/bin/postern-hub serve") && start.contains(SETTINGS.trim()), "{start}");
        let files = unit.lines().find_map(|line| line.strip_prefix("LimitNOFILE=")).unwrap();
        assert!(files.parse::<u32>().unwrap() >= 65536, "a thousand customers' events take a thousand files");
    }

    #[test]
    fn a_description_is_one_paragraph_for_dpkg() {
        let text = control("1.2.3", "amd64", "libc6 (>= 2.34)");
        let (_, description) = text.split_once("Description: ").unwrap();
        assert!(description.lines().skip(1).all(|line| line.starts_with(' ')), "{text}");
        assert!(text.contains("\nDepends: libc6 (>= 2.34), systemd"));
    }
}
