//! `cargo xtask demo`: sets up, builds, and hands over to the story driver (tests/window), which starts the rest.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{
    build, process,
    setup::{self, Use},
    web,
    workspace::target,
};

/// `cargo xtask demo`.
#[derive(Args)]
pub(crate) struct Flags {
    /// Drive the real window through the whole story on a display of its own, and leave pictures and a transcript.
    /// What happens anyway where there is no display.
    #[arg(long)]
    headless: bool,
    /// What stands between app and cabinet: TCP, or Bluetooth (two adapters of this machine, else the lab).
    #[arg(long, value_enum, default_value_t = Radio::Air)]
    radio: Radio,
    /// The app in a phone's browser instead of the window, over the lab's Bluetooth.
    #[arg(long, conflicts_with_all = ["headless", "keep", "radio"])]
    web: bool,
    /// Leave hub, cabinet and window running after the story, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Where pictures, transcript and logs go (`target/demo` by default).
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Radio {
    Air,
    Ble,
}

/// `cargo xtask demo`.
///
/// # Errors
/// Something is missing or does not build.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    if flags.web {
        return web::demo(&flags.out.clone().unwrap_or_else(|| target().join("demo/web")));
    }
    let display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let headless = flags.headless || !display;
    let lab = matches!(flags.radio, Radio::Ble) && !has_two_adapters();
    setup::ensure(&uses(headless, lab))?;
    build::announce(build::What::Programs);
    build::page()?;
    build::binaries()?;
    let mut story = process::command(target().join("debug/postern-story"));
    story
        .arg(if headless { "headless" } else { "desktop" })
        .args(["--radio", if matches!(flags.radio, Radio::Ble) { "ble" } else { "air" }])
        .arg("--out")
        .arg(flags.out.clone().unwrap_or_else(|| target().join("demo")))
        .env("POSTERN_BINARIES", target().join("debug"))
        .env("POSTERN_XTASK", std::env::current_exe()?);
    if flags.keep {
        story.arg("--keep");
    }
    // Ctrl-C reaches the driver as it reaches us; it takes everything down and ends, and so do we.
    Ok(if process::status(&mut story)?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the demo needs of this machine.
fn uses(headless: bool, lab: bool) -> Vec<Use> {
    let mut uses = vec![Use::Build, Use::Page];
    if headless {
        uses.extend([Use::Window, Use::Browser]);
    } else {
        uses.push(Use::Desktop);
    }
    if lab {
        uses.push(Use::Lab);
    }
    uses
}

/// Whether this machine can hear itself over Bluetooth: the story asks the same (tests/window, radio).
fn has_two_adapters() -> bool {
    let Ok(entries) = std::fs::read_dir("/sys/class/bluetooth") else { return false };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("hci") && !name.contains(':')).count() >= 2
}
