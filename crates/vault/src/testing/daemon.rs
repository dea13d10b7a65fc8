//! A real gnome-keyring under its own session bus and home, unlocked, gone with the value.

use std::{
    env,
    ffi::OsString,
    fs,
    future::Future,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use zbus::{
    blocking::{Connection, connection::Builder, fdo::DBusProxy},
    zvariant::{OwnedObjectPath, OwnedValue, Value},
};

/// Set in a process that runs inside of a test keyring.
const INSIDE: &str = "POSTERN_TEST_KEYRING";
const NAME: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";
const SERVICE: &str = "org.freedesktop.Secret.Service";
const INTERNAL: &str = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface";
/// Of the login keyring; that it is known does not matter here.
const PASSWORD: &[u8] = b"a test keyring";

/// A keyring daemon and the bus it is on.
pub struct TestKeyring {
    home: tempfile::TempDir,
    bus: Child,
    daemon: Child,
    address: String,
}

impl TestKeyring {
    /// Starts an empty, unlocked keyring.
    ///
    /// # Panics
    /// If `dbus-daemon` or `gnome-keyring-daemon` is missing or does not come up: there is no substitute, the test
    /// must fail.
    pub fn start() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::DirBuilder::new().mode(0o700).create(home.path().join("run")).expect("a runtime folder");
        let socket = home.path().join("run/bus");
        // No service folders: nothing can be started by name, so no prompter ever asks a question.
        let configuration = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>"#,
            socket.display()
        );
        let file = home.path().join("bus.conf");
        fs::write(&file, configuration).expect("the bus's configuration");

        let mut bus = spawn(
            Command::new("dbus-daemon")
                .arg(format!("--config-file={}", file.display()))
                .args(["--nofork", "--print-address=1"])
                .stdin(Stdio::null())
                .stderr(Stdio::null()),
        );
        let mut address = String::new();
        let stdout = bus.stdout.take().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut address).expect("the bus's address");
        let address = address.trim().to_owned();
        assert!(!address.is_empty(), "dbus-daemon did not start");

        let daemon = spawn_daemon(&environment(home.path(), &address));
        Self { home, bus, daemon, address }
    }

    /// What a process needs to use this keyring and no other, and nothing of this machine's user.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        environment(self.home.path(), &self.address)
    }

    /// A home of its own, gone with the keyring.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Locks every collection, as a screen lock does. Nobody can be asked to unlock it.
    pub fn lock(&self) {
        lock(&connect(&self.address));
    }

    /// Unlocks it with its password, as a login does.
    pub fn unlock(&self) {
        unlock(&connect(&self.address));
    }

    /// Ends the daemon and starts another on the same files.
    pub fn restart(&mut self) {
        end(&mut self.daemon);
        self.daemon = spawn_daemon(&self.environment());
    }

    /// Ends the daemon: from now on there is a bus and no keyring.
    pub fn stop(&mut self) {
        end(&mut self.daemon);
    }
}

impl Drop for TestKeyring {
    fn drop(&mut self) {
        end(&mut self.daemon);
        end(&mut self.bus);
    }
}

/// Runs the calling test, of this name, in a process of its own inside of a fresh keyring: which keyring a process
/// talks to is decided by its environment. `control` is what the test may do to that keyring, by name.
///
/// # Panics
/// If the test failed there.
pub fn in_keyring<F: Future<Output = ()>>(test: &str, body: impl FnOnce(Control) -> F) {
    if let Ok(address) = env::var(INSIDE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(body(Control { address }));
        return;
    }
    let keyring = TestKeyring::start();
    let status = Command::new(env::current_exe().expect("this test"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .envs(keyring.environment())
        .env(INSIDE, &keyring.address)
        .status()
        .expect("this test again");
    assert!(status.success(), "{test} failed inside of its keyring");
}

/// A daemon, ended with the value.
pub struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// What a test inside of a keyring may do to it.
pub struct Control {
    address: String,
}

impl Control {
    /// See [`TestKeyring::lock`].
    pub async fn lock(&self) {
        let address = self.address.clone();
        tokio::task::spawn_blocking(move || lock(&connect(&address))).await.expect("lock");
    }

    /// Ends the daemon and starts another on the same files, which lives as long as what is returned.
    pub async fn restart(&self) -> Daemon {
        let address = self.address.clone();
        let work = move || {
            let bus = connect(&address);
            let proxy = DBusProxy::new(&bus).expect("the bus itself");
            let name = NAME.try_into().expect("a name");
            let process = proxy.get_connection_unix_process_id(name).expect("the daemon's process");
            let killed = Command::new("kill").arg(process.to_string()).status().expect("kill");
            assert!(killed.success());
            wait_for_owner(&bus, false);
            Daemon(spawn_daemon(&environment(Path::new(&env::var_os("HOME").expect("a home")), &address)))
        };
        tokio::task::spawn_blocking(work).await.expect("restart")
    }

    /// See [`TestKeyring::unlock`].
    pub async fn unlock(&self) {
        let address = self.address.clone();
        tokio::task::spawn_blocking(move || unlock(&connect(&address))).await.expect("unlock");
    }
}

fn environment(home: &Path, address: &str) -> Vec<(&'static str, OsString)> {
    let below = |path: &str| home.join(path).into_os_string();
    vec![
        ("DBUS_SESSION_BUS_ADDRESS", address.into()),
        ("HOME", home.into()),
        ("XDG_RUNTIME_DIR", below("run")),
        ("XDG_DATA_HOME", below(".local/share")),
        ("XDG_CONFIG_HOME", below(".config")),
        ("XDG_CACHE_HOME", below(".cache")),
        ("GNOME_KEYRING_CONTROL", below("run/keyring")),
    ]
}

fn spawn(command: &mut Command) -> Child {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}. Install dbus and gnome-keyring (`cargo xtask setup`)."))
}

fn spawn_daemon(environment: &[(&'static str, OsString)]) -> Child {
    let value =
        |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone()).unwrap_or_default();
    let mut control = OsString::from("--control-directory=");
    control.push(value("GNOME_KEYRING_CONTROL"));
    let mut daemon = spawn(
        Command::new("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .arg(control)
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("GNOME_KEYRING_CONTROL")
            .envs(environment.iter().filter(|(n, _)| *n != "GNOME_KEYRING_CONTROL").cloned())
            .stdin(Stdio::piped())
            .stderr(Stdio::null()),
    );
    // The password is everything up to the end of the input.
    let mut stdin = daemon.stdin.take().expect("its input is piped");
    stdin.write_all(PASSWORD).expect("the daemon reads its password");
    drop(stdin);
    let bus = connect(&value("DBUS_SESSION_BUS_ADDRESS").to_string_lossy());
    wait_for_owner(&bus, true);
    assert_ne!(default(&bus).as_str(), "/", "gnome-keyring-daemon made no login keyring");
    daemon
}

fn connect(address: &str) -> Connection {
    Builder::address(address).and_then(Builder::build).expect("the session bus of the test")
}

/// Waits for the change, not for time; but not for ever.
fn wait_for_owner(bus: &Connection, owned: bool) {
    let bus = bus.clone();
    let (done, changed) = mpsc::channel();
    thread::spawn(move || {
        let proxy = DBusProxy::new(&bus).expect("the bus itself");
        let changes = proxy.receive_name_owner_changed_with_args(&[(0, NAME)]).expect("a subscription");
        let name = NAME.try_into().expect("a name");
        if proxy.name_has_owner(name).is_ok_and(|now| now != owned) {
            let mut changes = changes.into_iter();
            let _ =
                changes.find(|change| change.args().is_ok_and(|args| args.new_owner().is_some() == owned));
        }
        let _ = done.send(());
    });
    changed
        .recv_timeout(Duration::from_secs(20))
        .expect("gnome-keyring-daemon takes its name on the bus, or gives it back, in time");
}

fn lock(bus: &Connection) {
    bus.call_method(Some(NAME), PATH, Some(SERVICE), "Lock", &(vec![default(bus)],)).expect("lock");
}

/// With the password, by the interface that the daemon has for exactly this; `--unlock` starts another daemon.
fn unlock(bus: &Connection) {
    let (_, session): (OwnedValue, OwnedObjectPath) = bus
        .call_method(Some(NAME), PATH, Some(SERVICE), "OpenSession", &("plain", Value::from("")))
        .and_then(|reply| reply.body().deserialize())
        .expect("a session");
    let password = (session, Vec::<u8>::new(), PASSWORD.to_vec(), "text/plain");
    bus.call_method(Some(NAME), PATH, Some(INTERNAL), "UnlockWithMasterPassword", &(default(bus), password))
        .expect("unlock");
}

/// The default collection.
fn default(bus: &Connection) -> OwnedObjectPath {
    bus.call_method(Some(NAME), PATH, Some(SERVICE), "ReadAlias", &("default",))
        .and_then(|reply| reply.body().deserialize())
        .expect("the secret service answers")
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
