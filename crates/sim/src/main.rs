//! `postern-sim`: see `postern-sim --help`.
#![forbid(unsafe_code)]

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use postern_api::operator::Provisioned;
use postern_locker::Fittings;
use postern_protocol::Door;
use postern_radio::air::AirServer;
use postern_sim::{
    air,
    board::{Board, BoardConfig},
    cabinet::Setup,
    config::Cabinets,
    courier::Courier,
    gateway,
    hub::{self, Hub, HubError},
    panel::{self, Panel},
    scenario::{self, Scenario},
    store::Store,
    unattended,
    world::World,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

/// Companion simulator: cabinets of real locker firmware on the air, with a live panel.
#[derive(Parser)]
#[command(name = "postern-sim", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put cabinets on the air and keep them there.
    Serve(Box<Serve>),
    /// Play scenarios in virtual time; fails when one does not end as it should.
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// Scenario files (TOML).
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Instead of the scenario's own seed.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Args)]
struct Serve {
    /// Folder for keys, flash and receipts.
    #[arg(long)]
    data: PathBuf,
    /// Cabinets (TOML); one with sixteen doors when absent.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Hub that the cabinets join.
    #[arg(long)]
    hub: Option<String>,
    /// The operator's API key there.
    #[arg(long, env = "POSTERN_OPERATOR_KEY", hide_env_values = true, requires = "hub")]
    operator_key: Option<String>,
    /// What a hub would have answered, as JSON, for cabinets without one.
    #[arg(long, conflicts_with = "operator_key")]
    provision: Option<PathBuf>,
    /// A carrier's API key at the hub, for the courier's buttons. Several, with commas between, for --unattended.
    #[arg(
        long,
        env = "POSTERN_CARRIER_KEY",
        hide_env_values = true,
        requires = "hub",
        value_delimiter = ','
    )]
    carrier_key: Vec<String>,
    /// Nobody stands at the cabinets: an open door closes by itself after four seconds, with what it was opened for done, and
    /// couriers of the carriers whose keys are given come by every three. For networks in which people try things out.
    #[arg(long, conflicts_with = "board")]
    unattended: bool,
    /// On the air over TCP, at this address; port 0 takes any.
    #[arg(long, required_unless_present = "ble", conflicts_with = "ble")]
    air: Option<SocketAddr>,
    /// On the air as a Bluetooth LE peripheral, on this adapter (Linux with BlueZ), such as hci1. Several cabinets take
    /// one adapter each: hci1,hci2.
    #[arg(long, value_delimiter = ',')]
    ble: Vec<String>,
    /// In place of a simulated cabinet, the firmware's image on a microcontroller, bridged to the air. Its one cabinet
    /// has no panel: its doors close by themselves. Its flash is a file of the data folder.
    #[arg(long, value_enum, requires = "board_image", conflicts_with = "ble")]
    board: Option<BoardKind>,
    /// The image `locker` of crates/locker-board.
    #[arg(long, env = "POSTERN_BOARD_IMAGE")]
    board_image: Option<PathBuf>,
    /// QEMU for Arm.
    #[arg(long, env = "POSTERN_QEMU_ARM", default_value = "qemu-system-arm")]
    qemu: PathBuf,
    /// Address of the panel; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:0")]
    panel: SocketAddr,
    /// Seed of everything that happens by chance: new identities, addresses, handshakes, fate.
    #[arg(long)]
    seed: Option<u64>,
    /// Where to write, when all stands, which addresses and cabinets there are (JSON).
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

/// Where the firmware's image runs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BoardKind {
    /// A Cortex-M4 of 256 KB, as QEMU plays it (mps2-an386).
    Qemu,
}

/// After so long a hand closes a door of the board.
const BOARD_DOORS_CLOSE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("POSTERN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let outcome = match Arguments::parse().command {
        Command::Run(run) => play(&run),
        Command::Serve(serve) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start")
            .and_then(|runtime| runtime.block_on(run(*serve))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postern-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(run: &Run) -> Result<()> {
    let mut failed = 0;
    for file in &run.files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let scenario = Scenario::parse(&text).with_context(|| file.display().to_string())?;
        let report = scenario::play(&scenario, run.seed).with_context(|| file.display().to_string())?;
        println!("{} {}", if report.passed() { "ok  " } else { "FAIL" }, scenario.name);
        for (number, step) in (1..).zip(&report.steps) {
            println!("  {number:>2}. {:>8} ms  {}", step.at, step.did);
            for failure in &step.failures {
                println!("                   {failure}");
            }
        }
        println!("      fingerprint {}", hex::encode(report.fingerprint));
        failed += usize::from(!report.passed());
    }
    if failed > 0 {
        bail!("{failed} of {} scenarios did not end as they should", run.files.len());
    }
    Ok(())
}

async fn run(serve: Serve) -> Result<()> {
    let cabinets = match &serve.config {
        None => Cabinets::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            Cabinets::parse(&text).with_context(|| path.display().to_string())?
        }
    };
    let mut seed = [0; 32];
    match serve.seed {
        Some(number) => seed[..8].copy_from_slice(&number.to_le_bytes()),
        None => getrandom::fill(&mut seed).context("no randomness")?,
    }
    let mut rng = ChaCha20Rng::from_seed(seed);
    let hub = serve.hub.as_deref().map(Hub::new).transpose()?;
    let mut setups = Vec::new();
    for config in cabinets.cabinet {
        let mut store = Store::open(serve.data.join(config.folder()), &mut rng)?;
        provision(&serve, hub.as_ref(), &config, &mut store).await?;
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        setups.push(Setup {
            config,
            keys: store.keys()?,
            folder: Some(store.folder().to_owned()),
            seed,
            provisioned_at: store.provisioned_at(),
        });
    }
    if let Some(BoardKind::Qemu) = serve.board {
        return on_board(serve, setups).await;
    }
    let uplinks: Vec<_> =
        setups.iter().filter(|setup| setup.config.uplink).map(|setup| setup.keys.locker.id).collect();
    let ids: Vec<_> = setups.iter().map(|setup| setup.keys.locker.id.to_string()).collect();
    rng.fill_bytes(&mut seed);
    let world = World::new(setups, seed)?;

    let mut tasks = tokio::task::JoinSet::new();
    let air = match serve.air {
        None => None,
        Some(address) => {
            let (server, dials) = AirServer::bind(address).await.with_context(|| address.to_string())?;
            let server = Arc::new(server);
            tasks.spawn(in_its_turn(air::serve(world.clone(), server.clone(), dials)));
            Some(server)
        }
    };
    on_bluetooth(&serve.ble, &world, &mut tasks).await?;
    let lines: Vec<_> = uplinks.into_iter().filter_map(|id| Some((world.find(id)?, id))).collect();
    match (hub.clone(), serve.operator_key.clone()) {
        _ if lines.is_empty() => {}
        (Some(hub), Some(key)) => {
            tasks.spawn(in_its_turn(gateway::run(hub, Zeroizing::new(key), world.clone(), lines)));
        }
        _ => bail!("a cabinet with an uplink needs --hub and --operator-key"),
    }

    let air_address = air.as_ref().map(|air| air.local_addr().to_string());
    let couriers: Vec<_> = hub.iter().flat_map(|hub| couriers(hub, &serve.carrier_key)).collect();
    if serve.unattended {
        tasks.spawn(in_its_turn(unattended::hands(world.clone())));
        for courier in &couriers {
            let rounds = unattended::rounds(world.clone(), courier.clone());
            tasks.spawn(async move { rounds.await.context("a courier cannot sign in") });
        }
    }
    let courier = couriers.into_iter().next();
    let (panel, serving) = panel::bind(serve.panel, Panel { world: world.clone(), air, courier }).await?;
    tasks.spawn(async move { serving.await.map_err(Into::into) });

    let ready = serde_json::json!({
        "air": air_address,
        "ble": serve.ble,
        "panel": format!("http://{panel}"),
        "cabinets": ids,
    });
    announce(&serve, &ready)?;
    tokio::select! {
        Some(ended) = tasks.join_next() => ended?,
        () = asked_to_end() => Ok(()),
    }
}

fn couriers(hub: &Hub, keys: &[String]) -> impl Iterator<Item = Arc<Courier>> {
    keys.iter().map(|key| Arc::new(Courier::new(hub.clone(), Zeroizing::new(key.clone()))))
}

/// As one of the tasks that serving consists of.
async fn in_its_turn(work: impl Future<Output = ()>) -> Result<()> {
    work.await;
    Ok(())
}

/// One cabinet, whose firmware runs on the board.
async fn on_board(serve: Serve, setups: Vec<Setup>) -> Result<()> {
    let (Some(address), Some(image)) = (serve.air, serve.board_image.clone()) else {
        bail!("a board is reached over --air");
    };
    let [setup] = <[Setup; 1]>::try_from(setups).map_err(|_| anyhow::anyhow!("a board is one cabinet"))?;
    let id = setup.keys.locker.id.to_string();
    let config = &setup.config;
    // With --seed the flash is new: the same random numbers must not meet a journal that has seen them.
    let flash =
        setup.folder.as_ref().filter(|_| serve.seed.is_none()).map(|folder| folder.join("board-flash.bin"));
    let board = Board::start(BoardConfig {
        qemu: serve.qemu.clone(),
        image,
        keys: setup.keys,
        doors: config.doors().iter().map(|door| Door(door.door)).collect(),
        // Nobody types or shows anything at it, and nothing is weighed inside.
        fittings: Fittings::default(),
        provisioned_at: setup.provisioned_at,
        connections: config.connections.try_into().context("connections of a board: at most 255")?,
        remembered_tokens: config.remembered_tokens.try_into().context("tokens of a board: at most 65535")?,
        mtu: config.mtu,
        closes_after: Some(BOARD_DOORS_CLOSE),
        seed: setup.seed,
        flash,
    })
    .await?;
    let (server, dials) = AirServer::bind(address).await.with_context(|| address.to_string())?;
    let ready = serde_json::json!({
        "air": server.local_addr().to_string(),
        "board": "qemu",
        "cabinets": [id],
    });
    announce(&serve, &ready)?;
    tokio::select! {
        () = board.serve(Arc::new(server), dials) => bail!("the board is gone"),
        () = asked_to_end() => Ok(()),
    }
}

/// Says that all stands, on standard output and in the ready file.
fn announce(serve: &Serve, ready: &serde_json::Value) -> Result<()> {
    println!("{ready}");
    match &serve.ready_file {
        Some(path) => write_atomically(path, ready.to_string().as_bytes()),
        None => Ok(()),
    }
}

#[cfg(target_os = "linux")]
async fn on_bluetooth(
    adapters: &[String],
    world: &Arc<World>,
    tasks: &mut tokio::task::JoinSet<Result<()>>,
) -> Result<()> {
    if adapters.is_empty() {
        return Ok(());
    }
    if adapters.len() < world.len() {
        bail!("{} cabinets need an adapter each, {} given", world.len(), adapters.len());
    }
    for (cabinet, adapter) in adapters.iter().take(world.len()).enumerate() {
        let peripheral = postern_sim::ble::Peripheral::start(world.clone(), cabinet, adapter)
            .await
            .with_context(|| format!("Bluetooth adapter {adapter}"))?;
        tasks.spawn(async move { peripheral.serve().await.map_err(Into::into) });
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
async fn on_bluetooth(
    adapters: &[String],
    _world: &Arc<World>,
    _tasks: &mut tokio::task::JoinSet<Result<()>>,
) -> Result<()> {
    if adapters.is_empty() {
        return Ok(());
    }
    bail!("a Bluetooth peripheral needs Linux and BlueZ; use --air")
}

/// Gives a cabinet its trust anchors, from wherever they come. A hub that cannot be reached is no obstacle to a cabinet
/// that was provisioned before: lockers work without a network.
async fn provision(
    serve: &Serve,
    hub: Option<&Hub>,
    config: &postern_sim::config::CabinetConfig,
    store: &mut Store,
) -> Result<()> {
    if let Some(path) = &serve.provision {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        let given: Provisioned = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
        return Ok(store.provision(&given)?);
    }
    let (Some(hub), Some(key)) = (hub, &serve.operator_key) else {
        if !store.is_provisioned() && hub.is_some() {
            bail!(
                "{} is not known at the hub yet: give --operator-key or POSTERN_OPERATOR_KEY this once",
                config.name
            );
        }
        if !store.is_provisioned() {
            tracing::warn!(cabinet = config.name, "not provisioned: it will trust no token");
        }
        return Ok(());
    };
    let descriptor = hub::descriptor(config, &store.keys()?.locker.identity());
    match hub.provision(&Zeroizing::new(key.clone()), descriptor).await {
        Ok(given) => Ok(store.provision(&given)?),
        Err(error @ HubError::Unreachable(_)) if store.is_provisioned() => {
            tracing::warn!(cabinet = config.name, %error, "going on with what it has");
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("cabinet {:?} cannot join", config.name)),
    }
}

fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new).with_context(|| new.display().to_string())?;
    file.write_all(bytes)?;
    std::fs::rename(&new, path).with_context(|| path.display().to_string())
}

async fn asked_to_end() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}
