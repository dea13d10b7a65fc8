//! `cargo xtask phone`: what RELEASING.md asks the first person with an Android phone to try, as far as `adb` can do it or see it.
//!
//! What a phone says is judged by pure functions. Nobody has run this against a phone: the tests run it against a stand-in for
//! `adb` that says what Android's documentation and sources say.

use std::{
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::process;

const APP: &str = "app.postern";
/// Until the first picture.
const MOST_START_MS: u64 = 3_000;

/// `cargo xtask phone`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Install this first; what is there already is tried otherwise.
    #[arg(long)]
    apk: Option<PathBuf>,
    /// Which phone, where several are connected (`adb devices` names them).
    #[arg(long)]
    serial: Option<String>,
    /// Which `adb`.
    #[arg(long, default_value = "adb")]
    adb: PathBuf,
    /// Say what would be done and asked, and touch nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What is done to the phone, or asked of the person who holds it.
enum Do {
    /// Something for the person, who presses Enter when it is done.
    Hand(&'static str),
    /// A question to the person; no is a failure.
    Ask(&'static str),
    /// A command, whose output says whether all is well: what was seen, or what is wrong.
    Adb(Vec<String>, fn(&str) -> Result<String>),
    /// A command that is to be done and says nothing.
    Quiet(Vec<String>),
}

/// One of RELEASING.md's first page.
struct Check {
    name: &'static str,
    does: Vec<Do>,
}

/// What became of one.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// All that could be seen was well; what was seen.
    Well(Vec<String>),
    /// What was wrong.
    Wrong(String),
}

/// `cargo xtask phone`.
///
/// # Errors
/// There is no phone, or no `adb`.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let checks = checks(flags.apk.as_deref());
    if flags.dry_run {
        print!("{}", plan(&checks));
        return Ok(ExitCode::SUCCESS);
    }
    let phone = Phone::find(&flags.adb, flags.serial.as_deref())?;
    println!("{}", phone.describe()?);
    let outcomes = drive(&phone, &checks, &mut |question, is_question| ask(question, is_question))?;
    println!();
    for (name, outcome) in &outcomes {
        println!("{}", line(name, outcome));
    }
    println!(
        "\n{}\nWrite that into the table of RELEASING.md, and name the phone in the message of the commit.",
        phone.describe()?
    );
    let failed = outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Wrong(_)));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn line(name: &str, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Well(seen) => format!("well   {name}: {}", seen.join("; ")),
        Outcome::Wrong(why) => format!("WRONG  {name}: {why}"),
    }
}

fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}

/// In the order of RELEASING.md: each needs the ones before it.
fn checks(apk: Option<&Path>) -> Vec<Check> {
    let adb = |command: &str, judge: fn(&str) -> Result<String>| Do::Adb(words(command), judge);
    let quiet = |command: &str| Do::Quiet(words(command));
    let mut checks = Vec::new();
    if let Some(apk) = apk {
        let install = vec!["install".to_owned(), "-r".to_owned(), apk.display().to_string()];
        checks.push(Check { name: "install", does: vec![Do::Adb(install, installed)] });
    }
    checks.extend([
        Check {
            name: "start",
            does: vec![
                quiet("logcat -b all -c"),
                quiet("shell am force-stop app.postern"),
                adb("shell am start -W -n app.postern/.MainActivity", started),
                Do::Ask("Does the app show its first screen, and has the system asked nothing?"),
                adb("shell pidof -s app.postern || true", alive),
                adb("logcat -d -b crash", no_crash),
            ],
        },
        Check {
            name: "sign in, with the app ended behind the browser",
            does: vec![
                Do::Hand("Press \"Sign in\", and leave the browser where it asks for the passkey."),
                quiet("shell am kill app.postern"),
                adb("shell pidof app.postern || true", gone),
                Do::Hand("Go on in the browser: the passkey, and back to the app."),
                Do::Ask("Is the app signed in?"),
            ],
        },
        Check {
            name: "a door, and the quota of scans",
            does: vec![
                // Crashes are looked at in the end.
                quiet("logcat -b main,system -c"),
                Do::Hand(
                    "Out of range, press and hold \"Open\" and walk up within 20 s; five times in a minute, and right after it a \
                     door in front of you.",
                ),
                adb("logcat -d", few_scans),
                Do::Ask("Did the last door open?"),
            ],
        },
        Check {
            name: "links that are closed",
            does: vec![
                Do::Hand("Open a door, walk out of range in the middle, come back, open the next one."),
                Do::Ask("Did it connect as fast as the first time?"),
                adb("shell dumpsys bluetooth_manager", one_client),
            ],
        },
        Check {
            name: "reminders",
            does: vec![
                Do::Hand("Have a parcel with a deadline in the list, and allow reminders."),
                adb("shell dumpsys alarm", planned),
                quiet("shell am force-stop app.postern"),
                quiet("shell am start -n app.postern/.MainActivity"),
                Do::Hand("Wait for the list."),
                adb("shell dumpsys alarm", planned),
            ],
        },
        Check {
            name: "nothing fell over on the way",
            does: vec![adb("logcat -d -b crash", no_crash), adb("logcat -d -s AndroidRuntime:E", no_crash)],
        },
    ]);
    checks
}

/// What would be done and asked.
fn plan(checks: &[Check]) -> String {
    let mut lines = Vec::new();
    for check in checks {
        lines.push(check.name.to_owned());
        lines.extend(check.does.iter().map(|step| match step {
            Do::Hand(what) => format!("  you:  {what}"),
            Do::Ask(what) => format!("  asks: {what}"),
            Do::Adb(command, _) | Do::Quiet(command) => format!("  adb {}", command.join(" ")),
        }));
    }
    lines.join("\n") + "\n"
}

/// Does all of them, also those after one that failed: which others fail says more.
fn drive(
    phone: &Phone,
    checks: &[Check],
    ask: &mut dyn FnMut(&str, bool) -> Result<bool>,
) -> Result<Vec<(&'static str, Outcome)>> {
    let mut outcomes = Vec::new();
    for check in checks {
        println!("\n{}", check.name);
        let mut seen = Vec::new();
        let mut wrong = None;
        for step in &check.does {
            let done = match step {
                Do::Hand(what) => ask(what, false).map(|_| None),
                Do::Ask(what) => match ask(what, true)? {
                    true => Ok(None),
                    false => Err(anyhow::anyhow!("no to: {what}")),
                },
                Do::Quiet(command) => phone.adb(command).map(|_| None),
                Do::Adb(command, judge) => phone.adb(command).and_then(|said| judge(&said)).map(Some),
            };
            match done {
                Ok(what) => seen.extend(what),
                Err(why) => {
                    wrong = Some(format!("{why:#}"));
                    break;
                }
            }
        }
        outcomes.push((check.name, wrong.map_or(Outcome::Well(seen), Outcome::Wrong)));
    }
    Ok(outcomes)
}

/// Enter, or yes and no.
fn ask(what: &str, is_question: bool) -> Result<bool> {
    print!("{what} [{}] ", if is_question { "y/n" } else { "Enter" });
    io::stdout().flush()?;
    let mut answer = String::new();
    ensure!(io::stdin().lock().read_line(&mut answer)? > 0, "nobody answers");
    Ok(answer.trim().to_ascii_lowercase().starts_with('y'))
}

/// The phone at the other end of the cable.
struct Phone {
    adb: PathBuf,
    serial: String,
}

impl Phone {
    fn find(adb: &Path, serial: Option<&str>) -> Result<Self> {
        let said = process::output(process::command(adb).args(["devices", "-l"]))
            .context("adb does not run; it comes with Android's platform tools")?;
        Ok(Self { adb: adb.to_owned(), serial: choose(&said, serial)? })
    }

    fn adb(&self, command: &[String]) -> Result<String> {
        process::output(process::command(&self.adb).args(["-s", &self.serial]).args(command))
    }

    /// What it is: maker and model, Android, web view.
    fn describe(&self) -> Result<String> {
        let property = |name: &str| -> Result<String> {
            Ok(self.adb(&words(&format!("shell getprop {name}")))?.trim().to_owned())
        };
        let views = self.adb(&words("shell dumpsys webviewupdate"))?;
        Ok(format!(
            "{} {}, Android {} (API {}), web view {}",
            property("ro.product.manufacturer")?,
            property("ro.product.model")?,
            property("ro.build.version.release")?,
            property("ro.build.version.sdk")?,
            web_view(&views).unwrap_or("unknown"),
        ))
    }
}

/// Which phone of `adb devices -l`.
fn choose(said: &str, wanted: Option<&str>) -> Result<String> {
    let lines = said.lines().skip_while(|line| !line.starts_with("List of devices")).skip(1);
    let phones: Vec<(&str, &str)> = lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .filter(|(serial, _)| wanted.is_none_or(|wanted| wanted == *serial))
        .collect();
    match phones[..] {
        [] => bail!("there is no such phone; is its USB debugging on (developer options)?"),
        [(serial, "device")] => Ok(serial.to_owned()),
        [(serial, "unauthorized")] => {
            bail!("{serial} asks on its screen whether it may be debugged: say yes there")
        }
        [(serial, state)] => bail!("{serial} is {state}; take the cable out and put it in again"),
        _ => bail!(
            "several phones; name one with --serial: {}",
            phones.iter().map(|(serial, _)| *serial).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Of `Current WebView package (name, version): (com.google.android.webview, 131.0.6778.200)`.
fn web_view(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("Current WebView package (name, version): (")?;
    Some(rest.split_once(')')?.0.split_once(", ")?.1)
}

fn installed(said: &str) -> Result<String> {
    ensure!(said.lines().any(|line| line.trim() == "Success"), "{}", said.trim());
    Ok("installed".to_owned())
}

/// What `am start -W` says.
fn started(said: &str) -> Result<String> {
    let value = |name: &str| said.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    ensure!(value("Status:") == Some("ok"), "it did not start: {}", said.trim());
    let took: u64 =
        value("TotalTime:").and_then(|ms| ms.parse().ok()).context("it does not say how long it took")?;
    ensure!(took <= MOST_START_MS, "started after {took} ms, at most {MOST_START_MS}");
    Ok(format!("started after {took} ms"))
}

fn alive(said: &str) -> Result<String> {
    ensure!(!said.trim().is_empty(), "its process has ended");
    Ok("runs".to_owned())
}

fn gone(said: &str) -> Result<String> {
    ensure!(said.trim().is_empty(), "Android did not end it: the app must be behind the browser");
    Ok("was ended behind the browser".to_owned())
}

/// Crashes of ours: in Java (`Process: app.postern, PID: …`) or in native code (`>>> app.postern <<<`).
fn no_crash(said: &str) -> Result<String> {
    let ours = [format!("Process: {APP}"), format!(">>> {APP} <<<")];
    let lines: Vec<&str> = said.lines().collect();
    if let Some(at) = lines.iter().position(|line| ours.iter().any(|mark| line.contains(mark))) {
        bail!("it fell over: {}", lines[at..lines.len().min(at + 4)].join(" | "));
    }
    Ok("no crash".to_owned())
}

/// Android counts starts of scans by app, and says so once there were too many.
fn few_scans(said: &str) -> Result<String> {
    let told = said.lines().find(|line| {
        let line = line.to_ascii_lowercase();
        line.contains("scanning too frequently") || line.contains("scan_failed_scanning_too_frequently")
    });
    if let Some(told) = told {
        bail!("the quota of scans was used up: {}", told.trim());
    }
    Ok("the quota of scans was kept".to_owned())
}

/// The app's connections in `dumpsys bluetooth_manager`: what is registered as a client, a line each. "GATT Client Map" counts by app
/// and would show one however many there are.
fn one_client(said: &str) -> Result<String> {
    let (_, registered) = said.split_once("Registered App").context("it lists no GATT clients")?;
    let (_, clients) = registered.split_once("Client:").context("it lists no GATT clients")?;
    let clients = clients.split("Server:").next().unwrap_or_default();
    let ours = clients.lines().filter(|line| line.contains(&format!("appName: {APP}"))).count();
    ensure!(ours <= 1, "{ours} GATT clients are open: a lost link was not closed");
    Ok(format!("{ours} GATT client open"))
}

/// Alarms of ours in `dumpsys alarm`, which the notification plugin's receiver is to get; those that are over are listed below
/// them, in histories and statistics.
fn planned(said: &str) -> Result<String> {
    let over = ["Removal history:", "Top Alarms:", "Alarm Stats:"];
    let end = over.iter().filter_map(|heading| said.find(heading)).min();
    let pending = &said[..end.unwrap_or(said.len())];
    let ours = pending
        .lines()
        .filter(|line| line.contains(APP) && line.contains("TimedNotificationPublisher"))
        .count();
    ensure!(ours > 0, "no reminder is planned with Android");
    Ok(format!("{ours} lines of alarms"))
}

#[cfg(test)]
mod tests;
