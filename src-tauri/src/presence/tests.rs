//! Against a real polkit on a bus of its own, which finds our action alone. It asks about a process of somebody who is
//! not root: root is never asked anything. That takes root itself, to be more than one person.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use zbus::{blocking::connection, fdo, zvariant::OwnedValue};

use super::*;

const POLKIT: &str = "/usr/lib/polkit-1/polkitd";
const ACTIONS: &str = "/usr/share/polkit-1/actions";
const AGENT: &str = "/app/postern/Agent";
const NOBODY: i32 = 65534;
/// Everybody may talk to everybody: polkit is a user of its own.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:tmpdir=/tmp</listen><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
</policy></busconfig>"#;

/// Ends with the test, however that ends.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[zbus::proxy(
    interface = "org.freedesktop.PolicyKit1.Authority",
    default_service = "org.freedesktop.PolicyKit1",
    default_path = "/org/freedesktop/PolicyKit1/Authority",
    gen_async = false
)]
trait ForAgents {
    fn register_authentication_agent(
        &self,
        subject: &Subject<'_>,
        locale: &str,
        path: &str,
    ) -> zbus::Result<()>;

    #[zbus(name = "AuthenticationAgentResponse2")]
    fn response(
        &self,
        uid: u32,
        cookie: &str,
        identity: &(String, HashMap<String, OwnedValue>),
    ) -> zbus::Result<()>;
}

/// What somebody answers who is asked for a password.
#[derive(Clone, Copy)]
enum Answer {
    Right,
    Wrong,
    NotNow,
}

/// What a desktop has to ask with.
struct Agent {
    bus: Connection,
    answer: Answer,
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.PolicyKit1.Error")]
enum NotAsked {
    #[zbus(error)]
    ZBus(zbus::Error),
    Failed,
    Cancelled,
}

#[zbus::interface(name = "org.freedesktop.PolicyKit1.AuthenticationAgent")]
impl Agent {
    fn begin_authentication(
        &self,
        action: &str,
        message: &str,
        _icon: &str,
        _details: HashMap<String, String>,
        cookie: &str,
        people: Vec<(String, HashMap<String, OwnedValue>)>,
    ) -> Result<(), NotAsked> {
        assert_eq!(action, ACTION);
        assert!(message.contains("locker door"), "{message}");
        match self.answer {
            Answer::Right => Ok(ForAgentsProxy::new(&self.bus)?.response(0, cookie, &people[0])?),
            Answer::Wrong => Err(NotAsked::Failed),
            Answer::NotNow => Err(NotAsked::Cancelled),
        }
    }

    fn cancel_authentication(&self, _cookie: &str) -> fdo::Result<()> {
        Ok(())
    }
}

/// A polkit on a bus of its own; with the actions in this folder.
fn polkit(folder: &Path) -> (Connection, String, [Process; 2]) {
    let config = folder.join("bus.conf");
    fs::write(&config, BUS).unwrap();
    let mut daemon = Command::new("dbus-daemon");
    daemon.arg("--config-file").arg(&config).args(["--nofork", "--print-address"]).stdout(Stdio::piped());
    let mut bus = Process::start(&mut daemon);
    let mut address = String::new();
    BufReader::new(bus.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let address = address.trim().to_owned();

    // The folder stands in for the system's, for this one process.
    let script = format!("mount --bind \"$1\" {ACTIONS} && exec {POLKIT} --no-debug");
    let mut daemon = Command::new("unshare");
    daemon.args(["--mount", "sh", "-c", &script, "sh"]).arg(folder).env("DBUS_SYSTEM_BUS_ADDRESS", &address);
    let polkit = Process::start(&mut daemon);

    let connection = connection::Builder::address(address.as_str()).unwrap().build().unwrap();
    let names = fdo::DBusProxy::new(connection.inner());
    let names = zbus::block_on(names).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !zbus::block_on(names.name_has_owner("org.freedesktop.PolicyKit1".try_into().unwrap())).unwrap() {
        assert!(Instant::now() < deadline, "polkit does not come up");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    (connection, address, [bus, polkit])
}

/// Ticks after boot at which a process began (proc(5), stat, field 22).
fn began(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().parse().unwrap()
}

#[test]
fn the_desktop_asks_and_its_answer_counts() {
    let root = fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    if !root || !Path::new(POLKIT).exists() {
        eprintln!("left out: needs root and {POLKIT}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (bus, address, processes) = polkit(folder.path());
    assert!(!knows(&bus).unwrap(), "not installed, not offered");
    drop((bus, processes));

    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../linux/app.postern.policy");
    fs::copy(policy, folder.path().join("app.postern.policy")).unwrap();
    let _ = address;
    let (bus, address, _processes) = polkit(folder.path());
    assert!(knows(&bus).unwrap());

    let mut sleep = Command::new("setpriv");
    let person = NOBODY.to_string();
    let someone = Process::start(sleep.args(["--reuid", &person, "--clear-groups", "sleep", "600"]));
    let process = someone.0.id();
    let facts = || {
        HashMap::from([
            ("pid", Value::from(process)),
            ("start-time", Value::from(began(process))),
            ("uid", Value::from(NOBODY)),
        ])
    };
    let subject = ("unix-process", facts());
    assert_eq!(ask(&bus, &subject), None, "nobody is there to ask");

    for (answer, counts) in [(Answer::Right, true), (Answer::Wrong, false), (Answer::NotNow, false)] {
        let agent = Agent { bus: bus.clone(), answer };
        let desktop = connection::Builder::address(address.as_str())
            .unwrap()
            .serve_at(AGENT, agent)
            .unwrap()
            .build()
            .unwrap();
        ForAgentsProxy::new(&desktop).unwrap().register_authentication_agent(&subject, "C", AGENT).unwrap();
        assert_eq!(ask(&bus, &subject), Some(counts));
        desktop.close().unwrap();
        // Until polkit knows that this desktop is gone.
        let deadline = Instant::now() + Duration::from_secs(10);
        while ask(&bus, &subject).is_some() {
            assert!(Instant::now() < deadline);
        }
    }
}
