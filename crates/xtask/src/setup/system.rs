//! Which system this is, as far as it decides how packages are named and installed.

use std::fmt;

/// How a system's packages are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packager {
    /// Debian, Ubuntu and what is made of them: installed from here.
    Apt,
    /// Fedora and its kin: named.
    Dnf,
    /// Arch Linux and its kin: named.
    Pacman,
    /// macOS with Homebrew: named.
    Homebrew,
    /// Windows: named.
    Winget,
    /// Any other: what is needed is named by its programs.
    Unknown,
}

/// A system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct System {
    /// As it calls itself: "Debian GNU/Linux 13 (trixie)".
    pub(crate) name: String,
    /// How its packages are named.
    pub(crate) packager: Packager,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl System {
    /// This one.
    pub(crate) fn here() -> Self {
        if cfg!(target_os = "macos") {
            return Self { name: "macOS".into(), packager: Packager::Homebrew };
        }
        if cfg!(windows) {
            return Self { name: "Windows".into(), packager: Packager::Winget };
        }
        let text = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        Self::from_os_release(&text)
    }

    /// As `/etc/os-release` describes it (see os-release(5)).
    pub(crate) fn from_os_release(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let ids = format!("{} {}", value("ID"), value("ID_LIKE"));
        let is = |wanted: &[&str]| ids.split_whitespace().any(|id| wanted.contains(&id));
        let packager = if is(&["debian", "ubuntu"]) {
            Packager::Apt
        } else if is(&["fedora", "rhel"]) {
            Packager::Dnf
        } else if is(&["arch"]) {
            Packager::Pacman
        } else {
            Packager::Unknown
        };
        let names = [value("PRETTY_NAME"), value("NAME"), value("ID")];
        let name = names.into_iter().find(|name| !name.is_empty());
        Self { name: name.unwrap_or_else(|| "a system without an os-release file".into()), packager }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &[(&str, &str, Packager)] = &[
        (include_str!("recorded/debian-12.os-release"), "Debian GNU/Linux 12 (bookworm)", Packager::Apt),
        (include_str!("recorded/debian-13.os-release"), "Debian GNU/Linux 13 (trixie)", Packager::Apt),
        (include_str!("recorded/ubuntu-24.04.os-release"), "Ubuntu 24.04.2 LTS", Packager::Apt),
        (include_str!("recorded/mint-22.os-release"), "Linux Mint 22", Packager::Apt),
        (
            include_str!("recorded/fedora-42.os-release"),
            "Fedora Linux 42 (Workstation Edition)",
            Packager::Dnf,
        ),
        (include_str!("recorded/rocky-9.os-release"), "Rocky Linux 9.4 (Blue Onyx)", Packager::Dnf),
        (include_str!("recorded/arch.os-release"), "Arch Linux", Packager::Pacman),
        (include_str!("recorded/nixos.os-release"), "NixOS 24.11 (Vicuna)", Packager::Unknown),
    ];

    #[test]
    fn systems_are_told_by_their_os_release() {
        for (text, name, packager) in RECORDED {
            let system = System::from_os_release(text);
            assert_eq!((system.name.as_str(), system.packager), (*name, *packager));
        }
    }

    #[test]
    fn a_system_that_says_nothing_is_no_debian() {
        let system = System::from_os_release("");
        assert_eq!(system.packager, Packager::Unknown);
        assert_eq!(system.to_string(), "a system without an os-release file");
    }
}
