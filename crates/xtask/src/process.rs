//! Other programs: run them, keep their output, leave none behind.
//!
//! Everything is started under `setpriv --pdeathsig`, so that it ends with us however we end, SIGKILL included. Programs
//! in the foreground share our process group, so that Ctrl-C in a terminal reaches them as well.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result, bail};

/// A command in the workspace's folder that ends when we end.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program).current_dir(crate::root());
    command
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
    let words = command.get_args().skip(3).map(|word| word.to_string_lossy());
    words.collect::<Vec<_>>().join(" ")
}
