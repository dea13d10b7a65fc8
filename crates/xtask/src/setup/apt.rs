//! apt-get: asked first what it would do, and told to do no more than that.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{process, workspace::target};

/// What apt-get would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// New packages, those that the wanted ones rest on included.
    pub(crate) new: usize,
    /// Packages that are there and would be raised to another version.
    pub(crate) upgraded: Vec<String>,
    /// Packages that would be lowered to an older version.
    pub(crate) downgraded: Vec<String>,
    /// Packages that would go.
    pub(crate) removed: Vec<String>,
    /// "534 MB", as apt-get counts what it would download.
    pub(crate) download: String,
    /// "2180 MB", as apt-get counts what it would take of the disk.
    pub(crate) disk: String,
}

impl Outlook {
    /// From what `apt-get install` prints in the C locale before it does anything.
    pub(crate) fn read(text: &str) -> Self {
        let under = |heading: &str| -> Vec<String> {
            let lines = text.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
            let list = lines.take_while(|line| line.starts_with("  "));
            // A star marks what would be purged.
            list.flat_map(str::split_whitespace).map(|name| name.trim_end_matches('*').to_owned()).collect()
        };
        let amount = |before: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(before)).unwrap_or_default();
            // "534 MB/600 MB": what is in the cache already is left out.
            let words: Vec<&str> = line.split([' ', '/', '\u{a0}']).take(2).collect();
            words.join(" ")
        };
        Self {
            new: under("The following NEW packages will be installed:").len(),
            upgraded: under("The following packages will be upgraded:"),
            downgraded: under("The following packages will be DOWNGRADED:"),
            removed: under("The following packages will be REMOVED:"),
            download: amount("Need to get "),
            disk: amount("After this operation, "),
        }
    }

    /// What would not be as it was, in words; nothing where everything would.
    pub(crate) fn gives_way(&self) -> Vec<String> {
        let lists = [
            ("removed", &self.removed),
            ("set back to an older version", &self.downgraded),
            ("raised to a newer version", &self.upgraded),
        ];
        lists
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("{what}: {}", names.join(" ")))
            .collect()
    }

    /// Whether everything would stay as it is: the packages are there already.
    pub(crate) fn is_empty(&self) -> bool {
        self.new == 0 && self.gives_way().is_empty()
    }

    /// Whether something would be lost, which nobody is to find out afterwards.
    pub(crate) fn takes_away(&self) -> bool {
        !self.removed.is_empty() || !self.downgraded.is_empty()
    }

    /// Minutes that it may take, at 5 MB a second of network and 15 MB a second of unpacking, which is slow for both.
    pub(crate) fn minutes(&self) -> u32 {
        let seconds = megabytes(&self.download) / 5.0 + megabytes(&self.disk) / 15.0;
        (seconds / 60.0).ceil().max(1.0) as u32
    }
}

/// Of "534 MB", "12.3 kB" or "1,234 MB".
fn megabytes(amount: &str) -> f64 {
    let mut words = amount.split_whitespace();
    let number: f64 = words.next().and_then(|word| word.replace(',', "").parse().ok()).unwrap_or(0.0);
    number
        * match words.next() {
            Some("GB") => 1e3,
            Some("kB") => 1e-3,
            Some("B") => 1e-6,
            _ => 1.0,
        }
}

/// The versions that `apt-cache policy` says it would install.
pub(crate) fn candidates(policy: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut package = None;
    for line in policy.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            package = Some(name.to_owned());
        } else if let Some(candidate) = line.trim().strip_prefix("Candidate: ")
            && candidate != "(none)"
            && let Some(package) = package.take()
        {
            found.insert(package, candidate.to_owned());
        }
    }
    found
}

/// Whether `apt-cache policy` names a source besides what is installed.
pub(crate) fn lists(policy: &str) -> bool {
    policy.lines().any(|line| line.trim().strip_prefix("release ").is_some_and(|source| source != "a=now"))
}

/// What the archive has of these.
///
/// # Errors
/// apt-cache cannot be started.
pub(crate) fn archive(names: &[&str]) -> Result<BTreeMap<String, String>> {
    let policy = process::output(plain("apt-cache").arg("policy").args(names))?;
    Ok(candidates(&policy))
}

/// Fetches the archive's lists.
///
/// # Errors
/// No rights, or apt-get failed.
pub(crate) fn update() -> Result<()> {
    as_root(&["-qq", "update"])
}

/// What is to be installed, and what that does to the rest of the machine.
pub(crate) struct Transaction {
    packages: Vec<String>,
    /// Whether packages that are named may be raised.
    raises: bool,
    /// What it does.
    pub(crate) outlook: Outlook,
}

impl Transaction {
    /// The one of the ways to install these packages that takes least away: where one would push a package off the machine
    /// because it is of an older version, that package is raised instead.
    ///
    /// # Errors
    /// apt-get knows no way.
    pub(crate) fn for_packages(packages: &[String]) -> Result<Self> {
        let first = Self { packages: packages.to_vec(), raises: false, outlook: look(packages, false)? };
        if first.outlook.removed.is_empty() {
            return Ok(first);
        }
        let kept: Vec<String> = packages.iter().chain(&first.outlook.removed).cloned().collect();
        match look(&kept, true) {
            Ok(outlook) if outlook.removed.len() < first.outlook.removed.len() => {
                Ok(Self { packages: kept, raises: true, outlook })
            }
            _ => Ok(first),
        }
    }

    /// Does it, and nothing that was not in [`Transaction::outlook`].
    ///
    /// # Errors
    /// No rights, or apt-get failed.
    pub(crate) fn carry_out(&self) -> Result<()> {
        let mut words = vec!["-y"];
        words.extend(flags(self.raises));
        if self.outlook.removed.is_empty() {
            words.push("--no-remove");
        }
        if !self.outlook.downgraded.is_empty() {
            words.push("--allow-downgrades");
        }
        // A file of configuration that somebody changed stays as they have it.
        words.extend([
            "-o",
            "Dpkg::Options::=--force-confdef",
            "-o",
            "Dpkg::Options::=--force-confold",
            "install",
        ]);
        words.extend(self.packages.iter().map(String::as_str));
        as_root(&words)
    }
}

fn flags(raises: bool) -> Vec<&'static str> {
    let mut flags = vec!["--no-install-recommends"];
    if !raises {
        flags.push("--no-upgrade");
    }
    flags
}

/// How apt-get is asked. Not by `--assume-no`: it puts no question, and installs, where nothing but the named packages
/// is new.
fn question(packages: &[String], raises: bool) -> Vec<String> {
    let mut words: Vec<String> =
        ["-o", "Debug::NoLocking=true", "--print-uris", "-y"].map(str::to_owned).into();
    words.extend(flags(raises).into_iter().map(str::to_owned));
    words.push("install".to_owned());
    words.extend_from_slice(packages);
    words
}

/// What apt-get would do, without rights and without doing it.
fn look(packages: &[String], raises: bool) -> Result<Outlook> {
    let output = plain("apt-get").args(question(packages, raises)).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // It may say a plan and then refuse it, for what it would take away; that is for us to ask about.
    if !text.contains(" newly installed") {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("apt-get knows no way to install {}: {}", packages.join(" "), said.trim());
    }
    Ok(Outlook::read(&text))
}

/// Without a translation of what it prints.
fn plain(program: &str) -> Command {
    let mut command = process::command(program);
    command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null());
    command
}

/// Where what apt-get prints is kept.
pub(crate) fn log() -> PathBuf {
    target().join("setup.log")
}

fn as_root(arguments: &[&str]) -> Result<()> {
    let mut words = vec!["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get"];
    words.extend(arguments);
    if process::output(Command::new("id").arg("-u"))?.trim() != "0" {
        if !process::exists("sudo") {
            bail!("please run as root: apt-get {}", arguments.join(" "));
        }
        words.insert(0, "sudo");
    }
    let log = log();
    let status = process::logged(process::command(words[0]).args(&words[1..]), &log, |_| {})?;
    if !status.success() {
        bail!("apt-get failed:\n{}\nall of it: {}", end(&log), log.display());
    }
    Ok(())
}

/// The last lines of a file.
fn end(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(12).collect();
    lines.into_iter().rev().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_debian_13_gives_nothing_away() {
        let outlook = Outlook::read(include_str!("recorded/debian-13.install"));
        assert_eq!((outlook.new, outlook.gives_way()), (988, vec![]));
        assert_eq!((outlook.download.as_str(), outlook.disk.as_str()), ("536 MB", "2180 MB"));
        assert_eq!(outlook.minutes(), 5);
    }

    #[test]
    fn what_gives_way_is_named() {
        let outlook = Outlook::read(include_str!("recorded/debian-12-raises.install"));
        assert_eq!(outlook.gives_way(), ["raised to a newer version: qemu-utils"]);
        assert!(!outlook.takes_away());
        let outlook = Outlook::read(include_str!("recorded/debian-12-removes.install"));
        assert_eq!(outlook.gives_way(), ["removed: busybox"]);
        assert!(outlook.takes_away());
    }

    #[test]
    fn a_question_installs_nothing() {
        let words = question(&["zbar-tools".to_owned()], false);
        assert!(words.iter().any(|word| word == "--print-uris"), "{words:?}");
        assert!(!words.iter().any(|word| word == "--assume-no"), "{words:?}");
    }

    #[test]
    fn packages_that_are_there_change_nothing() {
        let text = "zbar-tools is already the newest version (0.23.92-7+deb12u1).\n\
                    0 upgraded, 0 newly installed, 0 to remove and 110 not upgraded.\n";
        assert!(Outlook::read(text).is_empty());
    }

    #[test]
    fn only_what_the_archive_has_is_a_candidate() {
        let policy = "nodejs:\n  Installed: (none)\n  Candidate: 18.20.4+dfsg-1~deb12u1\n  Version table:\n\
                      gone:\n  Installed: (none)\n  Candidate: (none)\n";
        let found = candidates(policy);
        assert_eq!(found.get("nodejs").map(String::as_str), Some("18.20.4+dfsg-1~deb12u1"));
        assert!(!found.contains_key("gone"));
    }

    #[test]
    fn what_is_installed_is_no_list_of_the_archive() {
        let fresh = "Package files:\n 100 /var/lib/dpkg/status\n     release a=now\nPinned packages:\n";
        assert!(!lists(fresh));
        let listed = " 500 http://deb.debian.org/debian trixie/main amd64 Packages\n     release v=13.8,o=Debian,a=stable\n";
        assert!(lists(&format!("{fresh}{listed}")));
    }

    #[test]
    fn amounts_are_read_in_every_unit() {
        assert_eq!([megabytes("534 MB"), megabytes("1,234 MB"), megabytes("500 kB")], [534.0, 1234.0, 0.5]);
        assert_eq!(megabytes(""), 0.0);
    }
}
