//! A PostgreSQL as Debian installs it: with its own settings, and a write is on disk before it is acknowledged.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// A server with a folder of its own, reachable by a UNIX socket only; ended with this value.
pub(crate) struct Postgres {
    folder: PathBuf,
    binaries: PathBuf,
    server: Child,
}

/// It refuses to run as root; Debian's package made a user for it.
fn command(program: &Path) -> Command {
    if fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0) {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

impl Postgres {
    /// Starts one, with its data under `folder`.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or does not start.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        // Debian's, by version; others have it beside everything else.
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let binaries = versions
            .map(|entry| entry.path().join("bin"))
            .chain(std::env::split_paths(&path))
            .find(|bin| bin.join("initdb").exists())
            .context("PostgreSQL (Debian package: postgresql)")?;
        // Not below this project: another user must be able to get there. A socket's path is short besides.
        let folder = std::env::temp_dir().join(format!(
            "postern-bench-{}-{}",
            std::process::id(),
            folder.file_name().unwrap_or_default().to_string_lossy()
        ));
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        let data = folder.join("data");
        let made = command(&binaries.join("initdb"))
            .current_dir(&folder)
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()?;
        ensure!(made.success(), "initdb: {made}");
        let server = command(&binaries.join("postgres"))
            .current_dir(&folder)
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-k"])
            .arg(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let this = Self { folder, binaries, server };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ready =
                Command::new(this.binaries.join("pg_isready")).arg("-h").arg(&this.folder).output()?;
            if ready.status.success() {
                return Ok(this);
            }
            ensure!(Instant::now() < deadline, "PostgreSQL did not start");
        }
    }

    /// A new database.
    ///
    /// # Errors
    /// There is one of that name.
    pub(crate) fn create(&self, name: &str) -> Result<()> {
        let made = Command::new(self.binaries.join("createdb"))
            .args(["-U", "postgres", "-h"])
            .arg(&self.folder)
            .arg(name)
            .status()?;
        ensure!(made.success(), "createdb: {made}");
        Ok(())
    }

    /// How the hub reaches it.
    pub(crate) fn url(&self, name: &str) -> String {
        let host: String =
            url::form_urlencoded::byte_serialize(self.folder.to_string_lossy().as_bytes()).collect();
        format!("postgres://postgres@localhost/{name}?host={host}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The first line of the pid file is the server itself, whatever `runuser` put in between.
        if let Ok(text) = fs::read_to_string(self.folder.join("data/postmaster.pid"))
            && let Some(pid) = text.lines().next()
        {
            let _ = Command::new("kill").args(["-INT", pid]).status();
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while matches!(self.server.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let _ = self.server.kill().and_then(|()| self.server.wait());
        let _ = fs::remove_dir_all(&self.folder);
    }
}
