//! The chores of the project: `cargo xtask --help`.
//!
//! Imports nothing of ours, so that it builds in seconds; what it starts are the project's own binaries.
#![forbid(unsafe_code)]

mod bench;
mod brand;
mod build;
mod coverage;
mod demo;
mod deny;
mod dependencies;
mod disk;
mod fuzz;
mod gallery;
mod graph;
mod guarded_lab;
mod lab;
mod peer;
mod phone;
mod platforms;
mod process;
mod promises;
mod python;
mod report;
mod sandbox;
mod sbom;
mod setup;
mod sources;
mod suite;
mod tidy;
mod web;
mod workspace;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of Postern.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
    #[command(flatten)]
    consent: setup::Consent,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what this machine lacks for `demo` and `test`, saying first what it is and what that takes.
    Setup(setup::Flags),
    /// Hub, simulated cabinet and app, up and connected; without a display the whole story runs by itself.
    Demo(demo::Flags),
    /// A network for trying things out: a hub, and lockers at which nobody stands.
    Sandbox(sandbox::Flags),
    /// The seeded world of phones, lockers and a hub, held against a reference.
    World(world::Flags),
    /// What it costs, each number beside its floor or peer, as a table, JSON and a page.
    Bench(bench::Flags),
    /// Hostile bytes for everything that reads bytes, under libFuzzer.
    Fuzz(fuzz::Flags),
    /// Every test, one summary.
    Test(suite::Flags),
    /// Pictures of every screen in every state, both themes, phone and desktop, with an index page.
    Gallery(gallery::Flags),
    /// The app as another brand, from a folder of ui/brands.
    Brand(brand::Flags),
    /// A real Bluetooth stack on virtual controllers, for machines without Bluetooth.
    Lab {
        #[command(subcommand)]
        what: LabChore,
    },
    /// What this machine can prove of phones, other desktops and the locker's board, in a table.
    Platforms(platforms::Flags),
    /// An Android phone at this machine: the first page of RELEASING.md, as far as `adb` can do it or see it.
    Phone(phone::Flags),
    /// `.deb` and `.rpm` of the app, or the hub's `.deb`.
    Package(platforms::PackageFlags),
    /// The app for browsers, into the folder that the hub's next build takes it from.
    Web(web::Flags),
    /// Which lines the tests beside the code run, by room.
    Coverage(coverage::Flags),
    /// What the product is made of, as CycloneDX.
    Sbom(sbom::Flags),
    /// Formatting, lints, crate graph, dependencies, lock files, promises; cargo-deny where it is installed.
    Tidy(tidy::Flags),
}

#[derive(Subcommand)]
enum LabChore {
    /// Boot it (about 10 s) or find it running; prints `DBUS_SYSTEM_BUS_ADDRESS=…` for programs that are to use it.
    Up {
        /// Write HCI traffic and bluetoothd's thoughts to hci.btsnoop (for btmon -r) and bluetoothd.log in its folder.
        #[arg(long)]
        trace: bool,
    },
    /// Stop it.
    Down,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.consent.keep();
    let outcome = match arguments.chore {
        Chore::Setup(flags) => setup::run(&flags),
        Chore::Demo(flags) => demo::run(&flags),
        Chore::Sandbox(flags) => sandbox::run(&flags),
        Chore::Test(flags) => suite::run(&flags),
        Chore::Bench(flags) => bench::run(&flags),
        Chore::Fuzz(flags) => fuzz::run(&flags),
        Chore::World(flags) => world::run(&flags),
        Chore::Brand(flags) => brand::run(&flags),
        Chore::Gallery(flags) => gallery::run(&flags),
        Chore::Lab { what } => run_lab(&what),
        Chore::Platforms(flags) => platforms::run(&flags),
        Chore::Phone(flags) => phone::run(&flags),
        Chore::Package(flags) => platforms::package(&flags),
        Chore::Web(flags) => web::run(&flags),
        Chore::Coverage(flags) => coverage::run(&flags),
        Chore::Sbom(flags) => sbom::run(&flags),
        Chore::Tidy(flags) => tidy::run(&flags),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_lab(chore: &LabChore) -> anyhow::Result<ExitCode> {
    let mut options = lab::Options::new(&workspace::target());
    match chore {
        LabChore::Up { trace } => {
            options.trace = *trace;
            let lab = lab::up(&options)?;
            println!("DBUS_SYSTEM_BUS_ADDRESS={}", lab.bus);
            println!("POSTERN_LAB_CONTROL={}", lab.control.display());
            println!("POSTERN_LAB_AIR={}", lab.air);
        }
        LabChore::Down => lab::down(&options.folder)?,
    }
    Ok(ExitCode::SUCCESS)
}
