//! A real PostgreSQL, started by the tests themselves.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// A server of its own in a folder of its own, reachable by a UNIX socket only; gone with this value.
pub(crate) struct Postgres {
    folder: tempfile::TempDir,
    server: Child,
    databases: AtomicU32,
}

fn binaries() -> Option<PathBuf> {
    // Debian's, by version; others have it beside everything else.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.chain(std::env::split_paths(&path)).find(|bin| bin.join("initdb").exists())
}

/// PostgreSQL refuses to run as root; Debian's package made a user for it.
fn command(program: &Path) -> Command {
    let root = fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn serve(bin: &Path, folder: &Path) -> Child {
    command(&bin.join("postgres"))
        .current_dir(folder)
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200", "-k"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Postgres {
    /// None, with a message, where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(bin) = binaries() else {
            eprintln!("SKIPPED: no PostgreSQL server (Debian package: postgresql)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let data = folder.path().join("data");
        let made = command(&bin.join("initdb"))
            .current_dir(folder.path())
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb");
        let server = serve(&bin, folder.path());
        let this = Self { folder, server, databases: AtomicU32::new(0) };
        this.wait();
        Some(this)
    }

    fn wait(&self) {
        let bin = binaries().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ready =
                Command::new(bin.join("pg_isready")).arg("-h").arg(self.folder.path()).output().unwrap();
            if ready.status.success() {
                return;
            }
            assert!(Instant::now() < deadline, "PostgreSQL did not start");
        }
    }

    /// Ends it as a crash does: no checkpoint, no word to its clients.
    pub(crate) fn crash(&mut self) {
        self.signal("-QUIT");
        let deadline = Instant::now() + Duration::from_secs(30);
        while matches!(self.server.try_wait(), Ok(None)) {
            assert!(Instant::now() < deadline, "PostgreSQL did not end");
            std::thread::yield_now();
        }
    }

    /// Starts it again after [`Postgres::crash`]; it recovers first.
    pub(crate) fn start_again(&mut self) {
        self.server = serve(&binaries().unwrap(), self.folder.path());
        self.wait();
    }

    /// The first line of the pid file is the server itself, whatever `runuser` put in between.
    fn signal(&self, signal: &str) {
        if let Ok(text) = fs::read_to_string(self.folder.path().join("data/postmaster.pid"))
            && let Some(pid) = text.lines().next()
        {
            let _ = Command::new("kill").args([signal, pid]).status();
        }
    }

    /// URL of a fresh database.
    pub(crate) fn database(&self) -> String {
        let name = format!("hub{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let bin = binaries().unwrap();
        let made = Command::new(bin.join("createdb"))
            .args(["-U", "postgres", "-h"])
            .arg(self.folder.path())
            .arg(&name)
            .status()
            .unwrap();
        assert!(made.success(), "createdb");
        let host = url::form_urlencoded::byte_serialize(self.folder.path().to_str().unwrap().as_bytes())
            .collect::<String>();
        format!("postgres://postgres@localhost/{name}?host={host}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.signal("-INT");
        // One that does not end in time is ended, so that a failing test never becomes a waiting one.
        let deadline = Instant::now() + Duration::from_secs(30);
        while matches!(self.server.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
