//! `postern-story`: what `cargo xtask demo` hands over to.
#![forbid(unsafe_code)]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use postern_window_tests::{
    app::{Settings, binary},
    child::Program,
    parts::{Air, Cabinet, Hub},
    radio::Adapters,
    stage::{Bluetooth, Keyring, Screen, Stage},
    story,
};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    how: How,
}

#[derive(Subcommand)]
enum How {
    /// Hub, cabinet and window on this desktop, for a person to try.
    Desktop(Flags),
    /// The whole story by itself, on a display of its own.
    Headless(Flags),
}

#[derive(Args)]
struct Flags {
    #[arg(long, value_enum, default_value_t = Radio::Air)]
    radio: Radio,
    /// Leave everything running until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Where pictures, transcript, logs and data go.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Radio {
    Air,
    Ble,
}

impl Radio {
    fn adapters(self) -> Result<Option<Adapters>> {
        match self {
            Self::Air => Ok(None),
            Self::Ble => Adapters::find().map(Some),
        }
    }
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().how {
        How::Desktop(flags) => desktop(&flags),
        How::Headless(flags) => headless(&flags),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bluetooth(adapters: Option<&Adapters>) -> (Bluetooth, Air) {
    adapters
        .map_or((Bluetooth::None, Air::Tcp), |adapters| (adapters.bluetooth.clone(), adapters.air.clone()))
}

fn headless(flags: &Flags) -> Result<()> {
    let adapters = flags.radio.adapters()?;
    let (bluetooth, air) = bluetooth(adapters.as_ref());
    let world = story::tell(&flags.out, bluetooth, &air)?;
    println!("\nwritten: {}", flags.out.join("transcript.md").display());
    if flags.keep {
        println!("hub {}, panel {}; Ctrl-C ends", world.hub.url, world.cabinet.panel());
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

fn desktop(flags: &Flags) -> Result<()> {
    let adapters = flags.radio.adapters()?;
    let (bluetooth, air) = bluetooth(adapters.as_ref());
    let mut stage = Stage::set(&flags.out, Screen::Desktop, Keyring::Unlocked)?;
    stage.use_bluetooth(bluetooth);
    let hub = Hub::start(&stage, "")?;
    let cabinet = Cabinet::start(&stage, &hub, &air)?;
    let mut app = stage.command(binary("postern-app")?);
    Settings { hub: hub.url.clone(), radio: cabinet.radio.clone() }.tell(&stage, &mut app);
    let mut app = Program::start("app", stage.logs(), &app)?;
    println!(
        "1. In the window, press “Sign in”: your browser opens the hub; type a name and make a passkey."
    );
    println!(
        "2. Open {} beside it: that is the cabinet, with its doors, a courier and everything that can go wrong.",
        cabinet.panel()
    );
    println!(
        "3. “Two paperbacks” is ready: choose it and hold the button until door A2 opens in the cabinet."
    );
    println!(
        "4. Take it out and close the door there; in the window, say that it is taken and see the receipt."
    );
    println!(
        "5. End the hub (process {}) and open your compartment D2: no network is needed. Ctrl-C ends it all.",
        hub.id()
    );
    if flags.keep {
        loop {
            std::thread::park();
        }
    }
    app.wait(Duration::MAX).map(drop)
}
