//! What a machine gives an app: a display, a message bus with a keyring, a default browser, and folders of its own.
//! Every stage has its own of each, so that nothing of the machine's or of another stage's is seen or touched.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::child::Program;

/// What the keyring of a stage is locked with.
const PASSWORD: &[u8] = b"correct horse battery staple";

/// The keyring that a stage has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyring {
    /// gnome-keyring, unlocked as by a login.
    Unlocked,
    /// gnome-keyring, locked, and nobody there to type the password.
    Locked,
    /// None on the bus.
    Absent,
}

/// Where the window is to appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// On a display of its own (Xvfb).
    Virtual,
    /// On the display that we were started on, with its session's bus and keyring.
    Desktop,
}

/// Whose Bluetooth programs of a stage find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bluetooth {
    /// Nobody's: there is no system bus for them, whatever the machine has.
    None,
    /// The machine's own adapters.
    Machine,
    /// The lab's, at this bus address.
    Lab(String),
}

/// Whose account programs of a stage run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Ours.
    Us,
    /// Another's, by user and group id. Takes root, to be more than one person.
    Other {
        /// User id.
        user: u32,
        /// Group id.
        group: u32,
    },
}

impl Person {
    /// Who owns nothing on a machine.
    pub const NOBODY: Self = Self::Other { user: 65534, group: 65534 };

    /// A command of theirs.
    fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let Self::Other { user, group } = self else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups"]);
        // Becoming somebody else forgets what was agreed on before.
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        command
    }

    /// Gives them a folder and everything in it.
    fn own(self, folder: &Path) -> Result<()> {
        let Self::Other { user, group } = self else { return Ok(()) };
        chown(folder, Some(user), Some(group))?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.own(&entry.path())?;
            } else {
                chown(entry.path(), Some(user), Some(group))?;
            }
        }
        Ok(())
    }
}

/// See the module.
#[derive(Debug)]
pub struct Stage {
    folder: PathBuf,
    logs: PathBuf,
    screen: Screen,
    person: Person,
    display: Option<String>,
    bus: Option<String>,
    bluetooth: Bluetooth,
    system_bus: Option<String>,
    // Ended in this order: whoever uses a bus or a display before the bus and the display.
    keyring: Option<Program>,
    _bus: Option<Program>,
    _display: Option<Program>,
    // Sockets live here: their paths have to be short.
    runtime: TempDir,
}

impl Stage {
    /// Sets one up below `folder`, which is emptied first.
    ///
    /// # Errors
    /// Xvfb, the bus or the keyring does not start.
    pub fn set(folder: &Path, screen: Screen, keyring: Keyring) -> Result<Self> {
        Self::set_for(Person::Us, folder, screen, keyring)
    }

    /// As [`Stage::set`], on which every program is this person's.
    ///
    /// # Errors
    /// As there; and we may not be this person.
    pub fn set_for(person: Person, folder: &Path, screen: Screen, keyring: Keyring) -> Result<Self> {
        let logs = folder.join("logs");
        let run = folder.join("run");
        for folder in [&logs, &run] {
            if folder.exists() {
                fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
            }
            fs::create_dir_all(folder)?;
        }
        let runtime = tempfile::Builder::new().prefix("postern-").tempdir()?;
        fs::set_permissions(runtime.path(), fs::Permissions::from_mode(0o700))?;
        let mut stage = Self {
            folder: run,
            logs,
            screen,
            person,
            display: None,
            bus: None,
            bluetooth: Bluetooth::None,
            system_bus: None,
            keyring: None,
            _bus: None,
            _display: None,
            runtime,
        };
        stage.default_browser()?;
        person.own(&stage.folder)?;
        person.own(stage.runtime.path())?;
        if screen == Screen::Virtual {
            stage.display()?;
            stage.bus()?;
            stage.keyring(keyring)?;
        }
        Ok(stage)
    }

    /// The folder for what programs of the stage keep.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the logs.
    #[must_use]
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// What is on the virtual display at any time: the memory that it is painted into, as an X window dump.
    #[must_use]
    pub fn framebuffer(&self) -> PathBuf {
        self.runtime.path().join("Xvfb_screen0")
    }

    /// Whose Bluetooth programs find that are started from now on.
    pub fn use_bluetooth(&mut self, bluetooth: Bluetooth) {
        self.bluetooth = bluetooth;
    }

    /// The system bus that programs find that are started from now on, whoever's Bluetooth is on it.
    pub fn use_system_bus(&mut self, address: &str) {
        self.system_bus = Some(address.to_owned());
    }

    /// A command that lives on this stage.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.person.command(program);
        command.current_dir(&self.folder).env("LANG", "C.UTF-8").env("LANGUAGE", "en");
        for name in
            ["LC_ALL", "LC_MESSAGES", "POSTERN_HUB", "POSTERN_RADIO", "POSTERN_DATA_DIR", "POSTERN_PROFILE"]
        {
            command.env_remove(name);
        }
        match &self.bluetooth {
            Bluetooth::Machine => {}
            Bluetooth::Lab(bus) => {
                command.env("DBUS_SYSTEM_BUS_ADDRESS", bus);
            }
            Bluetooth::None => {
                let nowhere = self.runtime.path().join("no-system-bus");
                command.env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", nowhere.display()));
            }
        }
        if let Some(bus) = &self.system_bus {
            command.env("DBUS_SYSTEM_BUS_ADDRESS", bus);
        }
        if self.screen == Screen::Desktop {
            return command;
        }
        let home = self.folder.join("home");
        command
            .env("HOME", &home)
            .env("XDG_DATA_HOME", home.join("data"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_RUNTIME_DIR", self.runtime.path())
            .env("BROWSER", self.folder.join("browser"))
            .env("GDK_BACKEND", "x11")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("NO_AT_BRIDGE", "1")
            .env("GTK_A11Y", "none")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("XDG_CURRENT_DESKTOP")
            .env_remove("DESKTOP_SESSION");
        if let Some(display) = &self.display {
            command.env("DISPLAY", display);
        }
        if let Some(bus) = &self.bus {
            command.env("DBUS_SESSION_BUS_ADDRESS", bus);
        }
        command
    }

    /// The next address that somebody opened in the system's browser, once there is one after the first `seen`.
    #[must_use]
    pub fn opened_address(&self, seen: usize) -> Option<String> {
        let text = fs::read_to_string(self.folder.join("opened")).ok()?;
        let complete = &text[..=text.rfind('\n')?];
        complete.lines().nth(seen).map(str::to_owned)
    }

    /// The customer's default browser: a program that writes down what it was asked to open. The story takes the
    /// address from there to a real browser, as a customer's eyes would go from one window to the other.
    fn default_browser(&self) -> Result<()> {
        let browser = self.folder.join("browser");
        let opened = self.folder.join("opened");
        fs::write(&browser, format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >> '{}'\n", opened.display()))?;
        fs::set_permissions(&browser, fs::Permissions::from_mode(0o755))?;
        let home = self.folder.join("home");
        for folder in ["data/applications", "config", "cache", "state"] {
            fs::create_dir_all(home.join(folder))?;
        }
        fs::write(
            home.join("data/applications/story-browser.desktop"),
            format!(
                "[Desktop Entry]\nType=Application\nName=Browser\nExec={} %u\nNoDisplay=true\n\
                 MimeType=x-scheme-handler/http;x-scheme-handler/https;\n",
                browser.display()
            ),
        )?;
        fs::write(
            home.join("config/mimeapps.list"),
            "[Default Applications]\nx-scheme-handler/http=story-browser.desktop\n\
             x-scheme-handler/https=story-browser.desktop\n",
        )?;
        Ok(())
    }

    fn display(&mut self) -> Result<()> {
        let mut xvfb = self.person.command("Xvfb");
        xvfb.args(["-displayfd", "1", "-screen", "0", "1600x1200x24", "-nolisten", "tcp", "-noreset"]);
        xvfb.arg("-fbdir").arg(self.runtime.path());
        let (program, number) = Program::start_for_line("display", &self.logs, &xvfb)?;
        self.display = Some(format!(":{number}"));
        self._display = Some(program);
        Ok(())
    }

    fn bus(&mut self) -> Result<()> {
        // Without the machine's list of services: nothing is started here that the stage did not start.
        let config = self.folder.join("bus.conf");
        fs::write(
            &config,
            format!(
                "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
                 \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig><type>session</type>\
                 <listen>unix:dir={}</listen><policy context=\"default\"><allow send_destination=\"*\" \
                 eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>\n",
                self.runtime.path().display()
            ),
        )?;
        let mut daemon = self.person.command("dbus-daemon");
        daemon.arg("--config-file").arg(&config).args(["--nofork", "--nopidfile", "--print-address=1"]);
        let (program, address) = Program::start_for_line("bus", &self.logs, &daemon)?;
        self.bus = Some(address);
        self._bus = Some(program);
        Ok(())
    }

    /// Gives the stage this keyring from now on.
    ///
    /// # Errors
    /// gnome-keyring does not start.
    pub fn keyring(&mut self, keyring: Keyring) -> Result<()> {
        if let Some(running) = self.keyring.take() {
            drop(running);
            self.wait_for_name(false)?;
        }
        let mut daemon = self.command("gnome-keyring-daemon");
        daemon.args(["--foreground", "--components=secrets"]);
        match keyring {
            Keyring::Absent => {}
            Keyring::Unlocked => {
                daemon.arg("--unlock");
                self.keyring = Some(Program::start_with_input("keyring", &self.logs, &daemon, PASSWORD)?);
                self.wait_for_name(true)?;
            }
            Keyring::Locked => {
                if !self.folder.join("home/data/keyrings/login.keyring").exists() {
                    // One has to exist before it can be found locked.
                    self.keyring(Keyring::Unlocked)?;
                    self.keyring(Keyring::Absent)?;
                }
                self.keyring = Some(Program::start("keyring", &self.logs, &daemon)?);
                self.wait_for_name(true)?;
            }
        }
        Ok(())
    }

    /// Waits until somebody keeps secrets on the bus, or nobody does any more.
    fn wait_for_name(&self, wanted: bool) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let asked = self
                .command("dbus-send")
                .args([
                    "--session",
                    "--print-reply=literal",
                    "--dest=org.freedesktop.DBus",
                    "/org/freedesktop/DBus",
                ])
                .args(["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"])
                .output()?;
            if String::from_utf8_lossy(&asked.stdout).contains(if wanted { "true" } else { "false" }) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the keyring did not come or go; see {}", self.logs.display());
            }
            thread::park_timeout(Duration::from_millis(20));
        }
    }
}
