//! Other programs: run them, keep their output, leave none behind.
//!
//! Everything is started under `setpriv --pdeathsig` where there is one (Linux), so that it ends with us however we end,
//! SIGKILL included. Programs in the foreground share our process group, so that Ctrl-C in a terminal reaches them as well.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

use anyhow::{Context, Result, bail};

/// What every command is told besides what we were.
static TOLD: Mutex<Vec<(&str, OsString)>> = Mutex::new(Vec::new());
/// What makes a program end with us.
const GUARD: [&str; 4] = ["setpriv", "--pdeathsig", "TERM", "--"];
static GUARDED: LazyLock<bool> = LazyLock::new(|| cfg!(target_os = "linux") && exists(GUARD[0]));

/// A command in the workspace's folder that ends when we end.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = if *GUARDED {
        let mut command = Command::new(GUARD[0]);
        command.args(&GUARD[1..]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(crate::workspace::root());
    for (name, value) in TOLD.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        command.env(name, value);
    }
    command
}

/// Tells every command from now on this variable.
pub(crate) fn tell(name: &'static str, value: OsString) {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner).push((name, value));
}

/// The cargo that runs us, without what it told us of our own package: build scripts that look at that (ring's) would run
/// again, and all that rests on them be built anew, whenever somebody calls cargo themselves in between.
pub(crate) fn cargo() -> Command {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_us = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_us)) {
        cargo.env_remove(name);
    }
    cargo
}

/// Puts it into a process group of its own, so that Ctrl-C in a terminal does not reach it.
pub(crate) fn apart(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command
}

/// Makes a program of a file.
///
/// # Errors
/// The file is not there, or not ours.
pub(crate) fn executable(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Runs to the end with our terminal.
///
/// # Errors
/// Cannot be started, or ends with a failure.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("{} ended with {status}", name(command));
    }
    Ok(())
}

/// Runs to the end with our terminal and says how it ended.
///
/// # Errors
/// Cannot be started.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("cannot start {}", name(command)))
}

/// What it writes to standard output.
///
/// # Errors
/// Cannot be started, or ends with a failure.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}", name(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs to the end, both streams into `log` and every line of both to `see`.
///
/// # Errors
/// Cannot be started, or the log cannot be written.
pub(crate) fn logged(command: &mut Command, log: &Path, mut see: impl FnMut(&str)) -> Result<ExitStatus> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = File::options().create(true).append(true).open(log)?;
    writeln!(file, "$ {}", name(command))?;
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    // The command keeps its ends of the pipe, and the reader would wait for them.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        file.write_all(&line)?;
        see(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(child.wait()?)
}

/// Whether the program is on the PATH.
pub(crate) fn exists(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn name(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    words.strip_prefix(&GUARD.map(Into::into)).unwrap_or(&words).join(" ")
}
