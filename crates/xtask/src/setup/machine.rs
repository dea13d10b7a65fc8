//! What a machine has: programs, libraries and files, whoever put them there.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// One way to see that something is there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probe {
    /// A program on the PATH, or where systems keep root's.
    Program(&'static str),
    /// A command that succeeds and says this: a program by this name may be something else (a snap's placeholder, another
    /// kind of netcat), or lack a part (Debian's Python without `venv`).
    Says(&'static [&'static str], &'static str),
    /// A program that calls itself at least this version.
    Version(&'static str, u32, u32),
    /// A library with its headers, by its name in pkg-config.
    PkgConfig(&'static str),
    /// A file or folder; `*` stands for one part of the path, or for the middle of one.
    File(&'static str),
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(name) => write!(f, "the program {name}"),
            Self::Says(command, word) => write!(f, "`{}` that says {word}", command.join(" ")),
            Self::Version(name, major, minor) => write!(f, "the program {name} of version {major}.{minor}"),
            Self::PkgConfig(name) => write!(f, "{name} in pkg-config"),
            Self::File(pattern) => f.write_str(pattern),
        }
    }
}

/// Somewhere to look.
pub(crate) trait Machine {
    /// The program of this name.
    fn program(&self, name: &str) -> Option<PathBuf>;
    /// What a command that succeeds prints on both streams.
    fn says(&self, command: &[&str]) -> Option<String>;
    /// The first file or folder of this pattern.
    fn file(&self, pattern: &str) -> Option<PathBuf>;

    /// Whether the probe finds something.
    fn has(&self, probe: Probe) -> bool {
        match probe {
            Probe::Program(name) => self.program(name).is_some(),
            Probe::Says(command, word) => {
                self.program(command[0]).is_some()
                    && self.says(command).is_some_and(|text| text.contains(word))
            }
            Probe::Version(name, major, minor) => self
                .program(name)
                .and_then(|_| self.says(&[name, "--version"]))
                .and_then(|text| version(&text))
                .is_some_and(|found| found >= (major, minor)),
            Probe::PkgConfig(name) => {
                self.program("pkg-config").is_some() && self.says(&["pkg-config", "--exists", name]).is_some()
            }
            Probe::File(pattern) => self.file(pattern).is_some(),
        }
    }
}

/// The first two numbers of the first word that begins with a digit, after an optional `v` or epoch.
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let word = word.split_once(':').map_or(word, |(_, rest)| rest).trim_start_matches('v');
        let mut numbers = word.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let major = numbers.next()?.ok()?;
        Some((major, numbers.next().and_then(Result::ok).unwrap_or(0)))
    })
}

/// This machine.
pub(crate) struct Here;

impl Machine for Here {
    fn program(&self, name: &str) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let roots = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
        let names = if cfg!(windows) {
            vec![format!("{name}.exe"), format!("{name}.cmd")]
        } else {
            vec![name.to_owned()]
        };
        std::env::split_paths(&path)
            .chain(roots)
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
            .find(|path| path.is_file())
    }

    fn says(&self, command: &[&str]) -> Option<String> {
        let output =
            Command::new(self.program(command[0])?).args(&command[1..]).stdin(Stdio::null()).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
    }

    fn file(&self, pattern: &str) -> Option<PathBuf> {
        find(Path::new("/"), pattern.trim_start_matches('/'))
    }
}

/// The first path below `folder` that matches, in the order of names.
fn find(folder: &Path, pattern: &str) -> Option<PathBuf> {
    let (part, rest) = pattern.split_once('/').map_or((pattern, None), |(part, rest)| (part, Some(rest)));
    let go_on = |path: PathBuf| match rest {
        Some(rest) => find(&path, rest),
        None => path.exists().then_some(path),
    };
    let Some((before, after)) = part.split_once('*') else { return go_on(folder.join(part)) };
    let mut names: Vec<String> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        })
        .collect();
    names.sort();
    names.into_iter().find_map(|name| go_on(folder.join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_programs_and_packages_say_them() {
        assert_eq!(version("v20.19.2\n"), Some((20, 19)));
        assert_eq!(version("Chromium 156.0.8078.108 built on Debian"), Some((156, 0)));
        assert_eq!(version("18.20.4+dfsg-1~deb12u1"), Some((18, 20)));
        assert_eq!(version("1:7.2+dfsg-7"), Some((7, 2)));
        assert_eq!(version("22-1"), Some((22, 1)));
        assert_eq!(version("no number"), None);
    }

    #[test]
    fn files_are_found_by_patterns() {
        let folder = std::env::temp_dir().join(format!("postern-setup-{}", std::process::id()));
        fs::create_dir_all(folder.join("lib/x86_64-linux-gnu/faketime")).unwrap();
        fs::write(folder.join("lib/x86_64-linux-gnu/faketime/libfaketime.so.1"), "").unwrap();
        let found = |pattern| find(&folder, pattern).is_some();
        assert!(found("lib/*-linux-gnu/faketime/libfaketime.so.1"));
        assert!(found("lib/*/faketime"));
        assert!(!found("lib/*-linux-musl/faketime"));
        assert!(!found("lib/faketime/libfaketime.so.1"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_name_alone_is_not_the_program() {
        // Ubuntu's chromium-browser without its snap ends with a failure, and Debian's Python may lack `venv`.
        assert!(Here.has(Probe::Program("sh")));
        assert!(Here.has(Probe::Says(&["sh", "-c", "echo Chromium 156"], "Chromium")));
        assert!(!Here.has(Probe::Says(&["sh", "-c", "echo Chromium 156; exit 1"], "Chromium")));
        assert!(!Here.has(Probe::Says(&["sh", "-c", "echo something else"], "Chromium")));
        assert!(!Here.has(Probe::Program("postern-no-such-program")));
    }
}
