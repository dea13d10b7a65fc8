//! What this project needs of a machine, what for, and what systems call it.

use super::{machine::Probe, system::Packager};

/// What something is needed for. A command asks for what it is about to do, and for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Compiling the workspace.
    Build,
    /// Building the page.
    Page,
    /// The app on the desktop that is already there.
    Desktop,
    /// The app on a display of its own, driven by WebDriver.
    Window,
    /// A browser, driven: the page's tests, sign-in on the hub's page, pictures.
    Browser,
    /// The tests beside the code.
    Unit,
    /// The tests of the window.
    WindowTests,
    /// The Bluetooth lab.
    Lab,
    /// The second implementation of the protocol, and other checks in Python.
    Python,
    /// One of the proofs of `cargo xtask platforms`.
    Platforms,
}

impl Use {
    /// Everything but [`Use::Platforms`], whose parts ask for what they need when their turn comes.
    pub(crate) const TESTS: &[Self] = &[
        Self::Build,
        Self::Page,
        Self::Desktop,
        Self::Window,
        Self::Browser,
        Self::Unit,
        Self::WindowTests,
        Self::Lab,
        Self::Python,
    ];
}

/// Something that a machine has or lacks.
#[derive(Debug)]
pub(crate) struct Need {
    /// Its name, as a person would look for it.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) why: &'static str,
    /// What needs it.
    pub(crate) uses: &'static [Use],
    /// Any of these shows that it is there.
    pub(crate) found: &'static [Probe],
    /// What brings it.
    pub(crate) packages: Packages,
}

/// What brings it, by packager. Nothing where that system has no package of it, or none that is known to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Packages {
    /// Debian and its kin: the first of these that the archive has.
    pub(crate) apt: &'static [&'static str],
    /// Less than this version of the package is not enough.
    pub(crate) least: Option<(u32, u32)>,
    /// Fedora and its kin. A path is as good as a name: dnf finds who brings it.
    pub(crate) dnf: &'static str,
    /// Arch Linux.
    pub(crate) pacman: &'static str,
    /// Homebrew, on macOS.
    pub(crate) brew: &'static str,
    /// winget, on Windows.
    pub(crate) winget: &'static str,
    /// Where it is to be had on one system alone, where that has no package of it.
    pub(crate) there: &'static [(Packager, &'static str)],
    /// Where it is to be had otherwise.
    pub(crate) otherwise: &'static str,
}

impl Packages {
    /// What Debian alone has a package of; for chores that run on Debian alone.
    pub(crate) const fn debian(apt: &'static [&'static str]) -> Self {
        Self { apt, least: None, dnf: "", pacman: "", brew: "", winget: "", there: &[], otherwise: "" }
    }
}

/// No packages: the rest of a list.
const NONE: Packages = Packages::debian(&[]);

/// All of it, in the order in which it is named.
pub(crate) const NEEDS: &[Need] = &[
    Need {
        name: "a C compiler and linker",
        why: "to build: SQLite, ring, and every program's linking",
        uses: &[Use::Build],
        found: if cfg!(windows) {
            &[Probe::Program("link"), Probe::Program("gcc")]
        } else {
            &[Probe::Program("cc")]
        },
        packages: Packages {
            apt: &["build-essential"],
            dnf: "gcc gcc-c++ make",
            pacman: "base-devel",
            there: &[(Packager::Homebrew, "xcode-select --install")],
            winget: "Microsoft.VisualStudio.2022.BuildTools",
            ..NONE
        },
    },
    Need {
        name: "pkg-config",
        why: "to find system libraries",
        uses: if cfg!(target_os = "linux") { &[Use::Build] } else { &[] },
        found: &[Probe::Program("pkg-config")],
        packages: Packages { apt: &["pkg-config"], dnf: "pkgconf-pkg-config", pacman: "pkgconf", ..NONE },
    },
    Need {
        name: "WebKitGTK 4.1 with headers",
        why: "the window",
        uses: if cfg!(target_os = "linux") { &[Use::Build] } else { &[] },
        found: &[Probe::PkgConfig("webkit2gtk-4.1")],
        packages: Packages {
            apt: &["libwebkit2gtk-4.1-dev"],
            dnf: "webkit2gtk4.1-devel",
            pacman: "webkit2gtk-4.1",
            ..NONE
        },
    },
    Need {
        name: "libdbus with headers",
        why: "Bluetooth through BlueZ",
        uses: if cfg!(target_os = "linux") { &[Use::Build] } else { &[] },
        found: &[Probe::PkgConfig("dbus-1")],
        packages: Packages { apt: &["libdbus-1-dev"], dnf: "dbus-devel", pacman: "dbus", ..NONE },
    },
    Need {
        name: "Node 20.19 or newer",
        why: "to build the page",
        uses: &[Use::Page],
        found: &[Probe::Version("node", 20, 19)],
        packages: Packages {
            apt: &["nodejs"],
            least: Some((20, 19)),
            dnf: "nodejs",
            pacman: "nodejs",
            brew: "node",
            winget: "OpenJS.NodeJS.LTS",
            otherwise: "https://nodejs.org/en/download",
            ..NONE
        },
    },
    Need {
        name: "npm",
        why: "to build the page",
        uses: &[Use::Page],
        found: &[Probe::Program("npm")],
        packages: Packages {
            apt: &["npm"],
            dnf: "nodejs-npm",
            pacman: "npm",
            brew: "node",
            winget: "OpenJS.NodeJS.LTS",
            otherwise: "it comes with Node from https://nodejs.org/en/download",
            ..NONE
        },
    },
    Need {
        name: "libayatana-appindicator3",
        why: "the tray",
        uses: if cfg!(target_os = "linux") { &[Use::Desktop, Use::Window] } else { &[] },
        found: &[
            Probe::File("/usr/lib/*-linux-gnu/libayatana-appindicator3.so.1"),
            Probe::File("/usr/lib64/libayatana-appindicator3.so.1"),
            Probe::File("/usr/lib/libayatana-appindicator3.so.1"),
            // The older library of the same interface, which does as well.
            Probe::File("/usr/lib*/libappindicator3.so.1"),
            Probe::File("/usr/lib/*-linux-gnu/libappindicator3.so.1"),
        ],
        packages: Packages {
            apt: &["libayatana-appindicator3-1"],
            dnf: "libayatana-appindicator-gtk3",
            pacman: "libayatana-appindicator",
            ..NONE
        },
    },
    Need {
        name: "xdg-open",
        why: "to open the system's browser",
        uses: if cfg!(target_os = "linux") { &[Use::Desktop, Use::Window] } else { &[] },
        found: &[Probe::Program("xdg-open")],
        packages: Packages { apt: &["xdg-utils"], dnf: "xdg-utils", pacman: "xdg-utils", ..NONE },
    },
    Need {
        name: "Xvfb",
        why: "a display where there is none",
        uses: &[Use::Window],
        found: &[Probe::Program("Xvfb")],
        packages: Packages {
            apt: &["xvfb"],
            dnf: "xorg-x11-server-Xvfb",
            pacman: "xorg-server-xvfb",
            ..NONE
        },
    },
    Need {
        name: "dbus-daemon",
        why: "message buses",
        uses: &[Use::Window, Use::Unit, Use::Lab],
        found: &[Probe::Program("dbus-daemon")],
        packages: Packages { apt: &["dbus"], dnf: "dbus-daemon", pacman: "dbus", ..NONE },
    },
    Need {
        name: "gnome-keyring",
        why: "a keyring",
        uses: &[Use::Window, Use::Unit],
        found: &[Probe::Program("gnome-keyring-daemon")],
        packages: Packages { apt: &["gnome-keyring"], dnf: "gnome-keyring", pacman: "gnome-keyring", ..NONE },
    },
    Need {
        name: "DejaVu fonts",
        why: "letters, the same everywhere",
        uses: &[Use::Window, Use::Browser],
        found: &[
            Probe::File("/usr/share/fonts/truetype/dejavu"),
            Probe::File("/usr/share/fonts/dejavu*"),
            Probe::File("/usr/share/fonts/TTF/DejaVuSans.ttf"),
        ],
        packages: Packages {
            apt: &["fonts-dejavu-core"],
            dnf: "dejavu-sans-fonts",
            pacman: "ttf-dejavu",
            ..NONE
        },
    },
    Need {
        name: "WebKitWebDriver",
        why: "to drive the window",
        uses: &[Use::Window],
        found: &[Probe::Program("WebKitWebDriver")],
        packages: Packages {
            apt: &["webkit2gtk-driver"],
            dnf: "/usr/bin/WebKitWebDriver",
            there: &[(Packager::Pacman, "pacman -F WebKitWebDriver names the package")],
            ..NONE
        },
    },
    Need {
        name: "Chromium",
        why: "the customer's browser, and the page's tests",
        uses: &[Use::Browser],
        found: super::CHROMIUM,
        packages: Packages {
            apt: &["chromium"],
            dnf: "chromium",
            pacman: "chromium",
            brew: "--cask chromium",
            winget: "Google.Chrome",
            there: &[(
                Packager::Apt,
                "snap install chromium, or Google Chrome (https://www.google.com/chrome)",
            )],
            ..NONE
        },
    },
    Need {
        name: "chromedriver",
        why: "to drive Chromium",
        uses: &[Use::Browser],
        found: super::CHROMEDRIVER,
        packages: Packages {
            apt: &["chromium-driver"],
            dnf: "chromedriver",
            pacman: "chromium",
            brew: "--cask chromedriver",
            otherwise: "https://googlechromelabs.github.io/chrome-for-testing, of Chromium's version",
            ..NONE
        },
    },
    Need {
        name: "zbarimg",
        why: "an independent reader of QR codes",
        uses: &[Use::Window, Use::Unit],
        found: &[Probe::Program("zbarimg")],
        packages: Packages { apt: &["zbar-tools"], dnf: "zbar", pacman: "zbar", brew: "zbar", ..NONE },
    },
    Need {
        name: "PostgreSQL's server",
        why: "the hub's other store, in its tests",
        uses: &[Use::Unit],
        found: &[
            Probe::File("/usr/lib/postgresql/*/bin/initdb"),
            Probe::File("/usr/pgsql-*/bin/initdb"),
            Probe::Program("initdb"),
        ],
        packages: Packages {
            apt: &["postgresql"],
            dnf: "postgresql-server",
            pacman: "postgresql",
            brew: "postgresql",
            winget: "PostgreSQL.PostgreSQL.17",
            ..NONE
        },
    },
    Need {
        name: "openssl",
        why: "a certificate for the hub's tests",
        uses: &[Use::Unit],
        found: &[Probe::Program("openssl")],
        packages: Packages { apt: &["openssl"], dnf: "openssl", pacman: "openssl", brew: "openssl", ..NONE },
    },
    Need {
        name: "libfaketime",
        why: "a hub whose clock is wrong",
        uses: &[Use::WindowTests],
        found: &[
            Probe::File("/usr/lib/*-linux-gnu/faketime/libfaketime.so.1"),
            Probe::File("/usr/lib*/faketime/libfaketime.so.1"),
        ],
        packages: Packages { apt: &["libfaketime"], dnf: "libfaketime", pacman: "libfaketime", ..NONE },
    },
    Need {
        name: "polkitd",
        why: "a desktop that asks who is there",
        uses: &[Use::WindowTests],
        found: &[Probe::File("/usr/lib/polkit-1/polkitd"), Probe::File("/usr/libexec/polkitd")],
        packages: Packages { apt: &["polkitd"], dnf: "polkit", pacman: "polkit", ..NONE },
    },
    Need {
        name: "QEMU for x86-64",
        why: "the lab's machine",
        uses: &[Use::Lab],
        found: &[Probe::Program("qemu-system-x86_64")],
        packages: Packages {
            apt: &["qemu-system-x86"],
            dnf: "qemu-system-x86-core",
            pacman: "qemu-system-x86",
            ..NONE
        },
    },
    Need {
        name: "bluetoothd",
        why: "the lab's Bluetooth stack",
        uses: &[Use::Lab],
        found: &[
            Probe::File("/usr/libexec/bluetooth/bluetoothd"),
            Probe::File("/usr/lib/bluetooth/bluetoothd"),
        ],
        packages: Packages { apt: &["bluez"], dnf: "bluez", pacman: "bluez", ..NONE },
    },
    Need {
        name: "btvirt",
        why: "the lab's virtual controllers",
        uses: &[Use::Lab],
        found: &[Probe::Program("btvirt")],
        packages: Packages {
            apt: &["bluez-test-tools"],
            otherwise: "BlueZ's source: emulator/btvirt, built with --enable-testing",
            ..NONE
        },
    },
    Need {
        name: "cpio",
        why: "the lab's initial disk",
        uses: &[Use::Lab],
        found: &[Probe::Program("cpio")],
        packages: Packages { apt: &["cpio"], dnf: "cpio", pacman: "cpio", ..NONE },
    },
    Need {
        name: "modprobe and depmod",
        why: "the lab's kernel modules",
        uses: &[Use::Lab],
        found: &[Probe::Program("depmod")],
        packages: Packages { apt: &["kmod"], dnf: "kmod", pacman: "kmod", ..NONE },
    },
    Need {
        name: "ip",
        why: "the lab's network",
        uses: &[Use::Lab],
        found: &[Probe::Program("ip")],
        packages: Packages { apt: &["iproute2"], dnf: "iproute", pacman: "iproute2", ..NONE },
    },
    Need {
        name: "Debian's kernel",
        why: "the lab boots it; it is downloaded and not installed",
        uses: &[Use::Lab],
        found: &[Probe::Says(&["apt-cache", "show", "linux-image-amd64"], "Package: linux-image")],
        packages: Packages { otherwise: "the lab runs on Debian for x86-64 only", ..NONE },
    },
    Need {
        name: "Python 3 with venv",
        why: "the second implementation of the protocol",
        uses: &[Use::Python],
        found: &[Probe::Says(&["python3", "-c", "import ensurepip, venv; print('venv')"], "venv")],
        packages: Packages {
            apt: &["python3-venv"],
            dnf: "python3",
            pacman: "python",
            brew: "python",
            winget: "Python.Python.3.13",
            ..NONE
        },
    },
];

/// What the uses need, each once.
pub(crate) fn of(uses: &[Use]) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| need.uses.iter().any(|one| uses.contains(one))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(uses: &[Use]) -> Vec<&'static str> {
        of(uses).iter().map(|need| need.name).collect()
    }

    #[test]
    fn a_demo_on_a_desktop_needs_neither_emulator_nor_database() {
        let names = names(&[Use::Build, Use::Page, Use::Desktop]);
        for heavy in ["QEMU for x86-64", "PostgreSQL's server", "Chromium", "Xvfb", "btvirt", "gnome-keyring"]
        {
            assert!(!names.contains(&heavy), "{heavy}");
        }
        assert!(names.contains(&"WebKitGTK 4.1 with headers"));
    }

    #[test]
    fn every_need_can_be_found_and_had() {
        for need in NEEDS {
            assert!(!need.found.is_empty() && !need.why.is_empty(), "{}", need.name);
            let had = !need.packages.apt.is_empty() || !need.packages.otherwise.is_empty();
            assert!(had, "{}: nothing says where it is to be had", need.name);
        }
        assert_eq!(of(Use::TESTS).len(), NEEDS.iter().filter(|need| !need.uses.is_empty()).count());
    }
}
