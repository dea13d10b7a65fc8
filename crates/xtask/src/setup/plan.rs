//! What is to be done about what is missing: a decision without a look at the machine.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    machine::{Machine, version},
    needs::Need,
    system::{Packager, System},
};

/// What a machine lacks of what is needed.
pub(crate) fn missing<'a>(machine: &dyn Machine, needs: &[&'a Need]) -> Vec<&'a Need> {
    needs.iter().filter(|need| !need.found.iter().any(|probe| machine.has(*probe))).copied().collect()
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Packages that bring it, in the words of the system's packager, each once.
    pub(crate) packages: Vec<String>,
    /// What no package of the system brings, and where it is to be had.
    pub(crate) by_hand: Vec<(&'static str, &'static str)>,
}

/// Decides.
///
/// `archive` has the packages that apt knows, with the version it would install; other packagers are not asked.
pub(crate) fn plan(system: &System, missing: &[&'static Need], archive: &BTreeMap<String, String>) -> Plan {
    let mut plan = Plan::default();
    for need in missing {
        let packages = &need.packages;
        let words = match system.packager {
            Packager::Apt => {
                let new = |name: &&&str| {
                    archive.get(**name).is_some_and(|candidate| {
                        packages.least.is_none_or(|least| version(candidate).is_some_and(|v| v >= least))
                    })
                };
                packages.apt.iter().find(new).copied().unwrap_or_default()
            }
            Packager::Dnf => packages.dnf,
            Packager::Pacman => packages.pacman,
            Packager::Homebrew => packages.brew,
            Packager::Winget => packages.winget,
            Packager::Unknown => "",
        };
        if words.is_empty() {
            let there = packages.there.iter().find(|(packager, _)| *packager == system.packager);
            plan.by_hand.push((need.name, there.map_or(packages.otherwise, |(_, how)| how)));
        } else if system.packager == Packager::Homebrew {
            plan.packages.push(words.to_owned());
        } else {
            plan.packages.extend(words.split(' ').map(str::to_owned));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    plan.packages.retain(|package| seen.insert(package.clone()));
    plan
}

/// What somebody types on a system that is not installed on from here.
pub(crate) fn by_hand(system: &System, plan: &Plan) -> String {
    let mut text = String::new();
    if !plan.packages.is_empty() {
        let packages = plan.packages.join(" ");
        let command = match system.packager {
            Packager::Apt => format!("sudo apt-get install --no-install-recommends {packages}"),
            Packager::Dnf => format!("sudo dnf install {packages}"),
            Packager::Pacman => format!("sudo pacman -S --needed {packages}"),
            Packager::Homebrew => {
                let (casks, plain): (Vec<_>, Vec<_>) =
                    plan.packages.iter().partition(|package| package.starts_with("--cask "));
                let lines = [plain, casks].into_iter().filter(|list| !list.is_empty()).map(|list| {
                    let cask = if list[0].starts_with("--cask ") { "--cask " } else { "" };
                    let names: Vec<_> = list.iter().map(|name| name.trim_start_matches("--cask ")).collect();
                    format!("brew install {cask}{}", names.join(" "))
                });
                lines.collect::<Vec<_>>().join("\n  ")
            }
            Packager::Winget => {
                let lines = plan.packages.iter().map(|package| format!("winget install {package}"));
                lines.collect::<Vec<_>>().join("\n  ")
            }
            Packager::Unknown => String::new(),
        };
        let _ = writeln!(text, "  {command}");
    }
    for (name, otherwise) in &plan.by_hand {
        let _ = match *otherwise {
            "" => writeln!(text, "  {name}: no package of it is known here"),
            otherwise => writeln!(text, "  {name}: {otherwise}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::setup::needs::{self, Use};

    /// A machine that has these programs, pkg-config modules and files, and whose programs say this.
    #[derive(Default)]
    struct Recorded {
        programs: Vec<&'static str>,
        modules: Vec<&'static str>,
        files: Vec<&'static str>,
        says: Vec<(&'static str, &'static str)>,
    }

    impl Machine for Recorded {
        fn program(&self, name: &str) -> Option<PathBuf> {
            self.programs.contains(&name).then(|| PathBuf::from("/usr/bin").join(name))
        }

        fn says(&self, command: &[&str]) -> Option<String> {
            if let ["pkg-config", "--exists", module] = command {
                return self.modules.contains(module).then(String::new);
            }
            let said = self.says.iter().find(|(line, _)| *line == command.join(" "))?;
            Some(said.1.to_owned())
        }

        fn file(&self, pattern: &str) -> Option<PathBuf> {
            self.files.contains(&pattern).then(|| pattern.into())
        }
    }

    fn system(text: &str) -> System {
        System::from_os_release(text)
    }

    /// The packages and candidates that `apt-cache policy` named in a recorded list.
    fn archive(policy: &str) -> BTreeMap<String, String> {
        crate::setup::apt::candidates(policy)
    }

    const DEBIAN_12: &str = include_str!("recorded/debian-12.policy");
    const DEBIAN_13: &str = include_str!("recorded/debian-13.policy");
    const UBUNTU_24: &str = include_str!("recorded/ubuntu-24.04.policy");

    fn everything() -> Vec<&'static Need> {
        missing(&Recorded::default(), &needs::of(Use::TESTS))
    }

    #[test]
    fn programs_count_and_not_who_brought_them() {
        let machine = Recorded {
            programs: vec!["cc", "pkg-config", "node", "npm", "xdg-open"],
            modules: vec!["webkit2gtk-4.1", "dbus-1"],
            files: vec!["/usr/lib64/libayatana-appindicator3.so.1"],
            says: vec![("node --version", "v22.3.0\n")],
        };
        let needs = needs::of(&[Use::Build, Use::Page, Use::Desktop]);
        assert!(missing(&machine, &needs).is_empty(), "a demo runs there, whatever the system is called");
        let old = Recorded { says: vec![("node --version", "v18.20.4\n")], ..machine };
        let names: Vec<_> = missing(&old, &needs).iter().map(|need| need.name).collect();
        assert_eq!(names, ["Node 20.19 or newer"]);
    }

    #[test]
    fn debian_13_has_all_of_it() {
        let plan =
            plan(&system(include_str!("recorded/debian-13.os-release")), &everything(), &archive(DEBIAN_13));
        let kernel = [("Debian's kernel", "the lab runs on Debian for x86-64 only")];
        assert_eq!(plan.by_hand, kernel, "the recorded machine has no program, apt-cache included");
        for package in ["build-essential", "nodejs", "npm", "chromium", "bluez-test-tools", "postgresql"] {
            assert!(plan.packages.iter().any(|name| name == package), "{package}: {:?}", plan.packages);
        }
    }

    #[test]
    fn debian_12_has_all_but_a_new_enough_node() {
        let plan =
            plan(&system(include_str!("recorded/debian-12.os-release")), &everything(), &archive(DEBIAN_12));
        assert!(plan.by_hand.contains(&("Node 20.19 or newer", "https://nodejs.org/en/download")));
        assert!(!plan.packages.iter().any(|name| name == "nodejs"), "{:?}", plan.packages);
        assert!(plan.packages.iter().any(|name| name == "libwebkit2gtk-4.1-dev"));
    }

    #[test]
    fn ubuntu_gets_no_placeholder_for_its_browser() {
        let plan = plan(
            &system(include_str!("recorded/ubuntu-24.04.os-release")),
            &everything(),
            &archive(UBUNTU_24),
        );
        assert!(!plan.packages.iter().any(|name| name.starts_with("chromium")), "{:?}", plan.packages);
        let by_hand: Vec<_> = plan.by_hand.iter().map(|(name, _)| *name).collect();
        assert_eq!(by_hand, ["Node 20.19 or newer", "Chromium", "chromedriver", "Debian's kernel"]);
    }

    #[test]
    fn fedora_is_told_its_own_names_in_one_command() {
        let fedora = system(include_str!("recorded/fedora-42.os-release"));
        let needs = missing(&Recorded::default(), &needs::of(&[Use::Build, Use::Page, Use::Desktop]));
        let plan = plan(&fedora, &needs, &BTreeMap::new());
        assert_eq!(
            by_hand(&fedora, &plan),
            "  sudo dnf install gcc gcc-c++ make pkgconf-pkg-config webkit2gtk4.1-devel dbus-devel nodejs nodejs-npm \
             libayatana-appindicator-gtk3 xdg-utils\n"
        );
    }

    #[test]
    fn homebrew_keeps_casks_apart_and_names_nothing_twice() {
        let mac = System { name: "macOS".into(), packager: Packager::Homebrew };
        let needs = missing(&Recorded::default(), &needs::of(&[Use::Page, Use::Browser]));
        let text = by_hand(&mac, &plan(&mac, &needs, &BTreeMap::new()));
        assert!(
            text.starts_with("  brew install node\n  brew install --cask chromium chromedriver\n"),
            "{text}"
        );
    }

    #[test]
    fn a_system_that_nobody_knows_is_told_the_programs() {
        let nix = system(include_str!("recorded/nixos.os-release"));
        let needs = missing(&Recorded::default(), &needs::of(&[Use::Build]));
        let text = by_hand(&nix, &plan(&nix, &needs, &BTreeMap::new()));
        assert!(text.contains("WebKitGTK 4.1 with headers: no package of it is known here"), "{text}");
    }
}
