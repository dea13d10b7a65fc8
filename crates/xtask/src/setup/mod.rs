//! What a machine needs, and how it gets it.
//!
//! Needs are looked for as programs, libraries and files, whoever brought them: what is there is there. On Debian and its
//! kin the rest is installed, after a question and without taking anything away that need not go; elsewhere it is named.

mod apt;
mod machine;
mod needs;
mod plan;
mod system;

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs,
    io::{IsTerminal, Write as _},
    path::Path,
    process::ExitCode,
    sync::OnceLock,
    time::SystemTime,
};

use anyhow::{Result, bail};
use clap::Args;

use self::{
    apt::Transaction,
    machine::Here,
    plan::Plan,
    system::{Packager, System},
};
pub(crate) use self::{
    apt::update,
    machine::{Machine, Probe},
    needs::{Need, Packages, Use},
};
use crate::{process, workspace::root};

/// Where Chromium may be, best first. What is called so may be a placeholder that asks for a snap: it is asked who it is.
pub(crate) const CHROMIUM: &[Probe] = &[
    Probe::Says(&["chromium", "--version"], "Chrom"),
    Probe::Says(&["chromium-browser", "--version"], "Chrom"),
    Probe::Says(&["google-chrome-stable", "--version"], "Chrom"),
    Probe::Says(&["google-chrome", "--version"], "Chrom"),
];
/// The same for what drives it; the second is a snap's.
pub(crate) const CHROMEDRIVER: &[Probe] = &[
    Probe::Says(&["chromedriver", "--version"], "ChromeDriver"),
    Probe::Says(&["chromium.chromedriver", "--version"], "ChromeDriver"),
];

/// How much this may do by itself; said on the command line of any command.
#[derive(Args, Clone, Copy, Default)]
pub(crate) struct Consent {
    /// Install what is missing without a question. Without a terminal nobody is asked anyway, but then nothing is removed.
    #[arg(long, global = true)]
    yes: bool,
    /// Take this machine as it is: look for nothing, install nothing.
    #[arg(long, global = true, conflicts_with = "yes")]
    no_setup: bool,
}

static CONSENT: OnceLock<Consent> = OnceLock::new();

impl Consent {
    /// For the rest of this process.
    pub(crate) fn keep(self) {
        // The first stands: there is one command line.
        let _ = CONSENT.set(self);
    }

    fn given() -> Self {
        CONSENT.get().copied().unwrap_or_default()
    }
}

/// `cargo xtask setup`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Only say what is missing and what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// `cargo xtask setup`: everything that `demo` and `test` need.
///
/// # Errors
/// As [`ensure`].
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    if flags.dry_run {
        return Ok(if dry_run()? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    ensure(Use::TESTS)?;
    node_modules()?;
    println!("everything is here");
    Ok(ExitCode::SUCCESS)
}

/// Says what is missing and what would be done. Whether nothing is.
fn dry_run() -> Result<bool> {
    let system = System::here();
    let missing = plan::missing(&Here, &needs::of(Use::TESTS));
    if missing.is_empty() {
        println!("{system}: everything is here");
        return Ok(true);
    }
    name(&system, &missing);
    if system.packager == Packager::Apt && !has_lists() {
        println!("what brings it is not known yet: apt has no lists of the archive (apt-get update)");
        return Ok(false);
    }
    let plan = decide(&system, &missing)?;
    print!("{}", plan::by_hand(&system, &plan));
    if system.packager == Packager::Apt && !plan.packages.is_empty() {
        let transaction = Transaction::for_packages(&plan.packages)?;
        if !transaction.outlook.is_empty() {
            say(&transaction, plan.packages.len());
        }
    }
    Ok(false)
}

/// Sees to it that this machine has what these uses need.
///
/// # Errors
/// Something is missing and cannot be installed from here, or nobody agreed; the message says what to do by hand.
pub(crate) fn ensure(uses: &[Use]) -> Result<()> {
    install(&needs::of(uses))?;
    // Tests ask for them by these names.
    for (variable, probes) in [("POSTERN_CHROMIUM", CHROMIUM), ("POSTERN_CHROMEDRIVER", CHROMEDRIVER)] {
        if std::env::var_os(variable).is_none()
            && uses.contains(&Use::Browser)
            && let Some(path) = program(probes)
        {
            process::tell(variable, path);
        }
    }
    Ok(())
}

/// Whether this machine has what a use needs, or could have it from its packages.
///
/// # Errors
/// The archive's lists cannot be had, or apt-cache cannot be started.
pub(crate) fn is_possible(one: Use) -> Result<bool> {
    if Consent::given().no_setup {
        return Ok(true);
    }
    let system = System::here();
    let needs = needs::of(&[one]);
    let mut missing = plan::missing(&Here, &needs);
    if missing.is_empty() {
        return Ok(true);
    }
    if system.packager == Packager::Apt && !has_lists() {
        update()?;
        missing = plan::missing(&Here, &needs);
    }
    Ok(decide(&system, &missing)?.by_hand.is_empty())
}

/// The program that the first of these that is there names.
fn program(probes: &[Probe]) -> Option<OsString> {
    let found = probes.iter().find(|probe| Here.has(**probe))?;
    let name = match found {
        Probe::Program(name) | Probe::Version(name, ..) => name,
        Probe::Says(command, _) => command[0],
        Probe::PkgConfig(_) | Probe::File(_) => return None,
    };
    Here.program(name).map(Into::into)
}

/// As [`ensure`], for needs of one command alone.
///
/// # Errors
/// As there.
pub(crate) fn install(needs: &[&'static Need]) -> Result<()> {
    if Consent::given().no_setup {
        return Ok(());
    }
    let system = System::here();
    let mut missing = plan::missing(&Here, needs);
    if missing.is_empty() {
        return Ok(());
    }
    if system.packager == Packager::Apt && !has_lists() {
        println!("asking the archive what it has");
        update()?;
        missing = plan::missing(&Here, needs);
    }
    name(&system, &missing);
    let plan = decide(&system, &missing)?;
    if system.packager != Packager::Apt || !process::exists("apt-get") {
        bail!(
            "packages are not installed from here on {system}. Please run:\n{}\nthen the same command again; --no-setup \
             goes on without",
            plan::by_hand(&system, &plan)
        );
    }
    if !plan.packages.is_empty() {
        bring(&plan.packages)?;
    }
    let left = plan::missing(&Here, needs);
    if left.is_empty() {
        return Ok(());
    }
    let by_hand = Plan { packages: Vec::new(), ..decide(&system, &left)? };
    let mut text = plan::by_hand(&system, &by_hand);
    for need in &left {
        let probes: Vec<String> = need.found.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  {}: looked for {}", need.name, probes.join(", "));
    }
    bail!("still missing:\n{text}--no-setup goes on without")
}

/// Installs packages, after saying what that takes and asking.
fn bring(packages: &[String]) -> Result<()> {
    let transaction = match Transaction::for_packages(packages) {
        Ok(transaction) => transaction,
        // Old lists may fit the packages on the machine no longer, where those came from newer ones.
        Err(_) => {
            println!("no way by the lists on this machine; asking the archive what it has");
            update()?;
            Transaction::for_packages(packages)?
        }
    };
    if transaction.outlook.is_empty() {
        return Ok(());
    }
    say(&transaction, packages.len());
    agree(&transaction)?;
    println!("installing; all that apt-get says is in {}", apt::log().display());
    if transaction.carry_out().is_ok() {
        return Ok(());
    }
    // The lists may be so old that they name what the archive has no longer.
    update()?;
    let again = Transaction::for_packages(packages)?;
    if again.outlook.takes_away() && again.outlook != transaction.outlook {
        say(&again, packages.len());
        agree(&again)?;
    }
    again.carry_out()
}

fn name(system: &System, missing: &[&Need]) {
    println!("missing on this machine ({system}):");
    for need in missing {
        println!("  {:28} {}", need.name, need.why);
    }
}

fn decide(system: &System, missing: &[&'static Need]) -> Result<Plan> {
    let archive = if system.packager == Packager::Apt {
        let names: Vec<&str> = missing.iter().flat_map(|need| need.packages.apt).copied().collect();
        if names.is_empty() { Default::default() } else { apt::archive(&names)? }
    } else {
        Default::default()
    };
    Ok(plan::plan(system, missing, &archive))
}

/// Whether apt has the archive's lists: a fresh container has none.
pub(crate) fn has_lists() -> bool {
    process::output(process::command("apt-cache").arg("policy")).is_ok_and(|sources| apt::lists(&sources))
}

fn say(transaction: &Transaction, wanted: usize) {
    let outlook = &transaction.outlook;
    println!(
        "apt-get would install {wanted} packages and what they rest on, {} in all: {} to download, {} of disk, about \
         {} min",
        outlook.new,
        outlook.download,
        outlook.disk,
        outlook.minutes()
    );
    for line in outlook.gives_way() {
        println!("  {line}");
    }
}

/// Asks on a terminal.
fn agree(transaction: &Transaction) -> Result<()> {
    if Consent::given().yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        if transaction.outlook.takes_away() {
            bail!("nobody is there to agree that packages go; --yes agrees");
        }
        return Ok(());
    }
    print!("install them? [Y/n] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if !["", "y", "yes"].contains(&answer.trim().to_lowercase().as_str()) || answer.is_empty() {
        bail!("nothing was installed; --no-setup goes on without");
    }
    Ok(())
}

/// `npm ci` where the lock file is newer than what is installed.
///
/// # Errors
/// No Node, or npm failed.
pub(crate) fn node_modules() -> Result<()> {
    let ui = root().join("ui");
    if changed(&ui.join("package-lock.json")) <= changed(&ui.join("node_modules/.package-lock.json")) {
        return Ok(());
    }
    println!("installing the page's packages (npm ci)");
    process::run(process::command("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(ui))
}

/// When the file changed; the beginning of time where there is none.
pub(crate) fn changed(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
