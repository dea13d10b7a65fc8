//! A machine that can ask who is there: a real polkit on a bus of its own, which knows our question alone, and a desktop
//! that polkit asks through. polkit asks no root, so the app has to be somebody else's ([`crate::stage::Person`]).

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use zbus::{
    blocking::{Connection, connection, fdo::DBusProxy},
    fdo,
    zvariant::{OwnedValue, Value},
};

use crate::{child::Program, world::PATIENCE};

/// Debian's and Arch's place, and Fedora's.
const DAEMON: &str = "$(ls /usr/lib/polkit-1/polkitd /usr/libexec/polkitd 2>/dev/null | head -n 1)";
const ACTIONS: &str = "/usr/share/polkit-1/actions";
const NAME: &str = "org.freedesktop.PolicyKit1";
const AGENT: &str = "/app/postern/Agent";
/// Everybody may talk to everybody: polkit is a user of its own, and so is the customer.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:tmpdir=/tmp</listen><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
</policy></busconfig>"#;

/// Somebody who is asked about or asks: a kind of polkit's, and what it needs to know.
type Who = (String, HashMap<String, OwnedValue>);

#[zbus::proxy(
    interface = "org.freedesktop.PolicyKit1.Authority",
    default_service = "org.freedesktop.PolicyKit1",
    default_path = "/org/freedesktop/PolicyKit1/Authority",
    gen_async = false
)]
trait Authority {
    fn register_authentication_agent(&self, subject: &Who, locale: &str, path: &str) -> zbus::Result<()>;

    #[zbus(name = "AuthenticationAgentResponse2")]
    fn response(&self, uid: u32, cookie: &str, identity: &Who) -> zbus::Result<()>;
}

/// The machine's polkit.
#[derive(Debug)]
pub struct Polkit {
    address: String,
    connection: Connection,
    // Ended in this order.
    _daemon: Program,
    _bus: Program,
    _folder: TempDir,
}

impl Polkit {
    /// Whether this machine lets us have one: it takes root.
    #[must_use]
    pub fn is_possible() -> bool {
        fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
    }

    /// Starts one that knows the question which this policy describes.
    ///
    /// # Errors
    /// It does not come up: polkitd is missing, or the machine lets nobody have a mount namespace.
    pub fn start(logs: &Path, policy: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("postern-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let config = folder.path().join("bus.conf");
        fs::write(&config, BUS)?;
        fs::copy(policy, folder.path().join("app.postern.policy"))?;
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg("--config-file").arg(&config).args(["--nofork", "--nopidfile", "--print-address=1"]);
        let (bus, address) = Program::start_for_line("system-bus", logs, &daemon)?;

        // The folder stands in for the system's, for this one process.
        let script = format!("mount --bind \"$1\" {ACTIONS} && exec {DAEMON} --no-debug");
        let mut daemon = Command::new("unshare");
        daemon.args(["--mount", "sh", "-c", &script, "sh"]).arg(folder.path());
        daemon.env("DBUS_SYSTEM_BUS_ADDRESS", &address);
        let mut daemon = Program::start("polkit", logs, &daemon)?;
        let connection = connection::Builder::address(address.as_str())?.build()?;
        let names = DBusProxy::new(&connection)?;
        let deadline = Instant::now() + PATIENCE;
        while !names.name_has_owner(NAME.try_into()?)? {
            daemon.check()?;
            ensure!(Instant::now() < deadline, "polkit does not come up; see {}", logs.display());
            thread::park_timeout(std::time::Duration::from_millis(20));
        }
        drop(names);
        Ok(Self { address, connection, _daemon: daemon, _bus: bus, _folder: folder })
    }

    /// The bus that it is on.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// What somebody answers who is asked for a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is them.
    Right,
    /// A wrong password.
    Wrong,
    /// Closes the question.
    NotNow,
}

/// A desktop that can ask. Gone when dropped.
#[derive(Debug)]
pub struct Desktop {
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
    connection: Connection,
    name: String,
    others: Connection,
}

impl Desktop {
    /// The desktop of a process, whose person gives this answer.
    ///
    /// # Errors
    /// polkit takes it for none.
    pub fn of(process: u32, polkit: &Polkit, answer: Answer) -> Result<Self> {
        let answer = Arc::new(Mutex::new(answer));
        let asked = Arc::new(AtomicUsize::new(0));
        let agent =
            Agent { bus: polkit.connection.clone(), answer: Arc::clone(&answer), asked: Arc::clone(&asked) };
        let connection =
            connection::Builder::address(polkit.address.as_str())?.serve_at(AGENT, agent)?.build()?;
        let name = connection.unique_name().context("a connection without a name")?.to_string();
        AuthorityProxy::new(&connection)?.register_authentication_agent(&subject(process)?, "C", AGENT)?;
        Ok(Self { answer, asked, connection, name, others: polkit.connection.clone() })
    }

    /// What the person answers from now on.
    pub fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// How often the person was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Ends, and waits until everybody on the bus has heard of it.
    ///
    /// # Errors
    /// The bus's.
    pub fn end(self) -> Result<()> {
        self.connection.close()?;
        let names = DBusProxy::new(&self.others)?;
        let deadline = Instant::now() + PATIENCE;
        while names.name_has_owner(self.name.as_str().try_into()?)? {
            ensure!(Instant::now() < deadline, "the bus does not let go of {}", self.name);
            thread::park_timeout(std::time::Duration::from_millis(20));
        }
        Ok(())
    }
}

/// A process, as polkit knows it.
fn subject(process: u32) -> Result<Who> {
    let owner = fs::metadata(format!("/proc/{process}"))?.uid();
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // proc(5): what follows the name begins with field 3; field 22 is when it began, in ticks after boot.
    let began = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(19));
    let Some(began) = began else { bail!("/proc/{process}/stat is of another shape") };
    let facts = [
        ("pid", Value::from(process)),
        ("start-time", Value::from(began.parse::<u64>()?)),
        ("uid", Value::from(i32::try_from(owner)?)),
    ];
    let facts = facts.into_iter().map(|(name, value)| Ok((name.to_owned(), value.try_to_owned()?)));
    Ok(("unix-process".to_owned(), facts.collect::<Result<_>>()?))
}

/// What a desktop has to ask with.
struct Agent {
    bus: Connection,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
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
        _action: &str,
        _message: &str,
        _icon: &str,
        _details: HashMap<String, String>,
        cookie: &str,
        people: Vec<Who>,
    ) -> Result<(), NotAsked> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = *self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        match (answer, people.first()) {
            (Answer::Right, Some(person)) => {
                // What the helper of a real desktop does, as root, once the password was right.
                Ok(AuthorityProxy::new(&self.bus)?.response(0, cookie, person)?)
            }
            (Answer::NotNow, _) => Err(NotAsked::Cancelled),
            (Answer::Wrong, _) | (Answer::Right, None) => Err(NotAsked::Failed),
        }
    }

    fn cancel_authentication(&self, _cookie: &str) -> fdo::Result<()> {
        Ok(())
    }
}
