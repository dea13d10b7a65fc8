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
    let mut sandbox = Sandbox::start(flags.listen, flags.air, flags.public_url.as_deref(), &data)?;
    sandbox.tell()?;
    loop {
        for (name, program) in [("the hub", &mut sandbox.hub), ("the lockers", &mut sandbox.lockers)] {
            if let Some(status) = program.try_wait()? {
                anyhow::bail!("{name} ended with {status}");
            }
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// A hub and lockers that run.
struct Sandbox {
    hub: Child,
    lockers: Child,
    /// The hub's address as clients use it.
    url: String,
    operator: String,
    /// Each carrier's name and key.
    carriers: Vec<(String, String)>,
    panel: String,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for program in [&mut self.hub, &mut self.lockers] {
            // They may have ended by themselves.
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

impl Sandbox {
    fn start(listen: SocketAddr, air: SocketAddr, public_url: Option<&str>, data: &Path) -> Result<Self> {
        let (hub_data, sim_data) = (data.join("hub"), data.join("lockers"));
        fs::create_dir_all(&hub_data).with_context(|| hub_data.display().to_string())?;
        // In the open there is a proxy before it, and no webhook may reach into the network that it stands in.
        let open = public_url.is_some();
        let settings = format!(
            "name = \"Postern sandbox\"\nbehind_proxy = {open}\nwebhooks_anywhere = {}\n\n[test_network]\nair_port = {}\n",
            !open,
            air.port()
        );
        fs::write(hub_data.join("postern.toml"), settings)?;
        let programs = target().join("debug");
        let mut keys = process::command(programs.join("postern-hub"));
        let keys = process::output(keys.args(["demo-data", "--data"]).arg(&hub_data))?;
        let keys: Value = serde_json::from_str(&keys)?;
        let named = keys["carriers"].as_array().context("a hub without carriers")?;
        let carriers = named.iter().map(|one| Ok((text(&one["name"])?, text(&one["key"])?)));
        let carriers: Vec<(String, String)> = carriers.collect::<Result<_>>()?;
        let operator = text(&keys["operator_key"])?;

        let mut hub = process::command(programs.join("postern-hub"));
        hub.args(["serve", "--demo", "--listen", &listen.to_string(), "--data"]).arg(&hub_data);
        if std::env::var_os("RUST_LOG").is_none() {
            // Each request has a line of its own else, beside what is to be read here.
            hub.env("RUST_LOG", "warn");
        }
        if let Some(url) = public_url {
            hub.env("POSTERN_HUB_PUBLIC_URL", url);
        }
        let ready = data.join("hub.ready");
        let (hub, said) = started(hub.arg("--ready-file").arg(&ready), &ready)?;
        let url = text(&said["url"])?;
        let given: Vec<_> = carriers.iter().map(|(_, key)| key.as_str()).collect();
        let mut lockers = process::command(programs.join("postern-sim"));
        lockers
            // By the address that couriers' proofs name.
            .args(["serve", "--unattended", "--hub", &url, "--air", &air.to_string(), "--data"])
            .arg(&sim_data)
            .env("POSTERN_OPERATOR_KEY", &operator)
            .env("POSTERN_CARRIER_KEY", given.join(","));
        let ready = data.join("lockers.ready");
        let (lockers, said) = started(lockers.arg("--ready-file").arg(&ready), &ready)?;
        Ok(Self { hub, lockers, url, operator, carriers, panel: text(&said["panel"])? })
    }

    fn tell(&self) -> Result<()> {
        let Self { url, operator, panel, .. } = self;
        println!("\nThe sandbox is up; Ctrl-C ends it.\n");
        println!(
            "  hub       {url}   (the interface: {url}/docs; for Postman, Bruno, Insomnia: {url}/collection.json)"
        );
        println!("  operator  {operator}");
        for (name, key) in &self.carriers {
            println!("  carrier   {key}   {name}");
        }
        println!("  lockers   {panel}   (doors close by themselves, couriers come by every three seconds)");
        let (_, key) = self.carriers.first().context("a hub without carriers")?;
        println!(
            "\nAn app that signs in at {url} reaches these lockers by itself. Its customer number is under \"Your address\"; a\n\
             parcel to it (or to any e-mail address: the answer has a claim link), and on its way:\n\n  \
             curl -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n       \
             -d '{}' \\\n       \
             {url}/v1/carrier/parcels\n  \
             curl -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{}}' \\\n       \
             {url}/v1/carrier/parcels/ID/dispatch\n",
            parcel("CUSTOMER NUMBER")
        );
        Ok(())
    }
}

/// A parcel to be announced, as JSON.
fn parcel(recipient: &str) -> String {
    format!(
        r#"{{"reference":"T1","recipient":"{recipient}","title":"Teapot","site":"lindenhof","size":"s"}}"#
    )
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).context("the hub or the simulator did not say what it should")
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

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// A call of a carrier's: the answer's body.
    fn call(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> Value {
        let address = sandbox.url.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).unwrap();
        let (key, length) = (&sandbox.carriers[0].1, body.len());
        write!(
            connection,
            "{method} /v1/carrier/parcels{path} HTTP/1.0\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 20") || head.starts_with("HTTP/1.1 20"), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// The calls that it prints bring a parcel into a locker.
    #[test]
    fn the_calls_that_the_sandbox_prints_bring_a_parcel_into_a_locker() {
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let data = std::env::temp_dir().join(format!("postern-sandbox-{}", std::process::id()));
        let sandbox = Sandbox::start(port(), port(), None, &data).unwrap();
        sandbox.tell().unwrap();
        let told = call(&sandbox, "POST", "", &parcel("somebody@example.org"));
        assert!(told["claim_link"].is_string(), "{told}");
        let of_it = format!("/{}", told["id"].as_str().unwrap());
        call(&sandbox, "POST", &format!("{of_it}/dispatch"), "{}");
        let deadline = Instant::now() + PATIENCE;
        while call(&sandbox, "GET", &of_it, "")["state"] != "ready" {
            assert!(Instant::now() < deadline, "no courier has put it in");
            thread::sleep(Duration::from_millis(200));
        }
        drop(sandbox);
        fs::remove_dir_all(data).unwrap();
    }
}
