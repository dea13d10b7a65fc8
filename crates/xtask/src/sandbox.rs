//! `cargo xtask sandbox`: a network for trying things out, with lockers at which nobody stands.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ExitCode},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::{
    build, process,
    setup::{self, Use},
    workspace::target,
};

/// `cargo xtask sandbox`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Where the hub listens.
    #[arg(long, default_value = "127.0.0.1:8460")]
    listen: SocketAddr,
    /// Where the lockers are on the air; apps look for this port at the hub's host.
    #[arg(long, default_value = "127.0.0.1:7080")]
    air: SocketAddr,
    /// The hub's address as clients use it, where that is another than where it listens.
    #[arg(long)]
    public_url: Option<String>,
    /// Where hub and lockers keep what they know (`target/sandbox` by default).
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// For a program to get ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// `cargo xtask sandbox`. Serves until it is ended.
///
/// # Errors
/// Something is missing, does not build, or does not come up.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    setup::ensure(&[Use::Build])?;
    build::announce(build::What::Programs);
    process::run(process::cargo().args(["build", "--package", "postern-hub", "--package", "postern-sim"]))?;
    let data = flags.data.clone().unwrap_or_else(|| target().join("sandbox"));
    let (hub_data, sim_data) = (data.join("hub"), data.join("lockers"));
    fs::create_dir_all(&hub_data).with_context(|| hub_data.display().to_string())?;
    let settings = format!(
        "name = \"Postern sandbox\"\nwebhooks_anywhere = true\n\n[test_network]\nair_port = {}\n",
        flags.air.port()
    );
    fs::write(hub_data.join("postern.toml"), settings)?;
    let programs = target().join("debug");
    let mut keys = process::command(programs.join("postern-hub"));
    let keys: Value =
        serde_json::from_str(&process::output(keys.args(["demo-data", "--data"]).arg(&hub_data))?)?;

    let mut hub = process::command(programs.join("postern-hub"));
    hub.args(["serve", "--demo", "--listen", &flags.listen.to_string(), "--data"]).arg(&hub_data);
    if let Some(url) = &flags.public_url {
        hub.env("POSTERN_HUB_PUBLIC_URL", url);
    }
    let ready = data.join("hub.ready");
    let mut hub = started(hub.arg("--ready-file").arg(&ready), &ready)?;
    let url = text(&hub.1["url"])?;
    let mut lockers = process::command(programs.join("postern-sim"));
    lockers
        .args(["serve", "--unattended", "--hub", &format!("http://{}", flags.listen)])
        .args(["--air", &flags.air.to_string(), "--data"])
        .arg(&sim_data)
        .env("POSTERN_OPERATOR_KEY", text(&keys["operator_key"])?)
        .env(
            "POSTERN_CARRIER_KEY",
            carriers(&keys)?.into_iter().map(|(_, key)| key).collect::<Vec<_>>().join(","),
        );
    let ready = data.join("lockers.ready");
    let mut lockers = started(lockers.arg("--ready-file").arg(&ready), &ready)?;
    tell(&url, &keys, &text(&lockers.1["panel"])?)?;
    loop {
        for (name, program) in [("the hub", &mut hub.0), ("the lockers", &mut lockers.0)] {
            if let Some(status) = program.try_wait()? {
                anyhow::bail!("{name} ended with {status}");
            }
        }
        thread::sleep(Duration::from_millis(200));
    }
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).context("the hub or the simulator did not say what it should")
}

/// Each carrier's name and key.
fn carriers(keys: &Value) -> Result<Vec<(String, String)>> {
    let carriers = keys["carriers"].as_array().context("a hub without carriers")?;
    carriers.iter().map(|carrier| Ok((text(&carrier["name"])?, text(&carrier["key"])?))).collect()
}

/// A program, and what it said when it was ready.
fn started(command: &mut std::process::Command, ready: &Path) -> Result<(Child, Value)> {
    let _ = fs::remove_file(ready);
    let mut program = command.stdout(std::process::Stdio::null()).spawn()?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(said) = fs::read(ready) {
            return Ok((program, serde_json::from_slice(&said)?));
        }
        if let Some(status) = program.try_wait()? {
            anyhow::bail!("{:?} ended with {status}", command.get_program());
        }
        ensure!(Instant::now() < deadline, "{:?} does not get ready", command.get_program());
        thread::sleep(Duration::from_millis(50));
    }
}

fn tell(url: &str, keys: &Value, panel: &str) -> Result<()> {
    println!("\nThe sandbox is up; Ctrl-C ends it.\n");
    println!("  hub       {url}   (the interface: {url}/docs)");
    println!("  operator  {}", text(&keys["operator_key"])?);
    let carriers = carriers(keys)?;
    for (name, key) in &carriers {
        println!("  carrier   {key}   {name}");
    }
    println!("  lockers   {panel}   (doors close by themselves, couriers come by every three seconds)");
    let key = carriers.first().map(|(_, key)| key.as_str()).unwrap_or_default();
    println!(
        "\nAn app that signs in at {url} reaches these lockers by itself. Its customer number is under \"Your address\"; a\n\
         parcel to it, and on its way:\n\n  \
         curl -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n       \
         -d '{{\"reference\":\"T1\",\"recipient\":\"CUSTOMER NUMBER\",\"title\":\"Teapot\",\"site\":\"lindenhof\",\"size\":\"s\"}}' \\\n       \
         {url}/v1/carrier/parcels\n  \
         curl -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{}}' \\\n       \
         {url}/v1/carrier/parcels/ID/dispatch\n"
    );
    Ok(())
}
