//! Programs that a stage starts, each in a process group of its own, all ended with the stage.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, Once},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// How long a program may take to end when asked to.
const GRACE: Duration = Duration::from_secs(4);

/// Process groups that are up, for Ctrl-C.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// What else is to be done on Ctrl-C.
static AT_END: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

/// Does this as well when a signal ends us.
pub fn on_signal(act: fn()) {
    watch_for_signals();
    if let Ok(mut acts) = AT_END.lock() {
        acts.push(act);
    }
}

/// A running program. Ends, with everything that it started, when dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    log: PathBuf,
    child: Child,
    group: Pid,
}

impl Program {
    /// Starts `command` in a process group of its own; both streams go to `NAME.log` in `logs`, after what is there.
    ///
    /// The program also ends when the calling thread does, whatever ends that.
    ///
    /// # Errors
    /// Cannot be started.
    pub fn start(name: &str, logs: &Path, command: &Command) -> Result<Self> {
        Self::spawn(name, logs, command, None).map(|(program, _)| program)
    }

    /// As [`Program::start`], and hands `input` to its standard input.
    ///
    /// # Errors
    /// Cannot be started.
    pub fn start_with_input(name: &str, logs: &Path, command: &Command, input: &[u8]) -> Result<Self> {
        Self::spawn(name, logs, command, Some(input)).map(|(program, _)| program)
    }

    /// As [`Program::start`], and waits for the first line of standard output, which does not go to the log.
    ///
    /// # Errors
    /// Cannot be started, or ends before it wrote a line.
    pub fn start_for_line(name: &str, logs: &Path, command: &Command) -> Result<(Self, String)> {
        let (program, stdout) = Self::spawn(name, logs, command, Some(b""))?;
        let mut reader = BufReader::new(stdout.context("no standard output")?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            bail!("{name} ended before it said anything; see {}", program.log.display());
        }
        // Kept open and read to its end: a program whose output nobody takes would stop.
        let mut rest = File::options().append(true).open(&program.log)?;
        thread::spawn(move || std::io::copy(&mut reader, &mut rest));
        Ok((program, line.trim().to_owned()))
    }

    fn spawn(
        name: &str,
        logs: &Path,
        command: &Command,
        input: Option<&[u8]>,
    ) -> Result<(Self, Option<std::process::ChildStdout>)> {
        watch_for_signals();
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let mut guarded = Command::new("setpriv");
        guarded.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(key, value),
                None => guarded.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guarded.current_dir(folder);
        }
        let for_line = input.is_some_and(<[u8]>::is_empty);
        guarded
            .process_group(0)
            .stdin(if input.is_some_and(|input| !input.is_empty()) { Stdio::piped() } else { Stdio::null() })
            .stdout(if for_line { Stdio::piped() } else { file.try_clone()?.into() })
            .stderr(file);
        let mut child = guarded.spawn().with_context(|| format!("cannot start {name}"))?;
        let group = Pid::from_child(&child);
        if let Ok(mut groups) = GROUPS.lock() {
            groups.insert(group.as_raw_pid());
        }
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            std::io::Write::write_all(&mut stdin, input)?;
        }
        let stdout = child.stdout.take();
        Ok((Self { name: name.to_owned(), log, child, group }, stdout))
    }

    /// Where its output went.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails, with the end of its log, if it has ended.
    ///
    /// # Errors
    /// It has ended.
    pub fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(15)..].join("\n");
            bail!("{} ended with {status}:\n{tail}", self.name);
        }
        Ok(())
    }

    /// Waits until it has written its ready file.
    ///
    /// # Errors
    /// It ended, or took longer than `within`.
    pub fn ready(&mut self, file: &Path, within: Duration) -> Result<serde_json::Value> {
        let deadline = Instant::now() + within;
        loop {
            if let Ok(text) = std::fs::read(file) {
                return serde_json::from_slice(&text)
                    .with_context(|| format!("{} is not JSON", file.display()));
            }
            self.check()?;
            if Instant::now() > deadline {
                bail!("{} was not ready within {within:?}; see {}", self.name, self.log.display());
            }
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// It still runs after `within`.
    pub fn wait(&mut self, within: Duration) -> Result<std::process::ExitStatus> {
        let deadline = Instant::now().checked_add(within);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                bail!("{} still runs after {within:?}", self.name);
            }
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        end_group(self.group, || matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)));
        let _ = self.child.wait();
        if let Ok(mut groups) = GROUPS.lock() {
            groups.remove(&self.group.as_raw_pid());
        }
    }
}

/// Asks the whole group to end, and insists after a while.
fn end_group(group: Pid, mut leader_gone: impl FnMut() -> bool) {
    let deadline = Instant::now() + GRACE;
    let _ = kill_process_group(group, Signal::TERM);
    while Instant::now() < deadline {
        let gone = leader_gone();
        if gone && test_kill_process_group(group).is_err() {
            return;
        }
        thread::park_timeout(Duration::from_millis(20));
    }
    let _ = kill_process_group(group, Signal::KILL);
}

/// Ctrl-C ends every group and then us.
fn watch_for_signals() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                end_all();
                AT_END.lock().iter().flat_map(|acts| acts.iter()).for_each(|act| act());
                std::process::exit(128 + signal);
            }
        });
    });
}

/// Ends everything that is up.
pub fn end_all() {
    let groups: Vec<Pid> = GROUPS
        .lock()
        .map(|groups| groups.iter().filter_map(|group| Pid::from_raw(*group)).collect())
        .unwrap_or_default();
    for group in &groups {
        let _ = kill_process_group(*group, Signal::TERM);
    }
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline && groups.iter().any(|group| test_kill_process_group(*group).is_ok()) {
        thread::park_timeout(Duration::from_millis(20));
    }
    for group in groups {
        let _ = kill_process_group(group, Signal::KILL);
    }
}
