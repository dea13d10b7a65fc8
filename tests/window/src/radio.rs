//! Where the story's Bluetooth comes from: two adapters of this machine, else the lab.

use std::{env, fs, process::Command};

use anyhow::{Context, Result, bail};

use crate::{child, parts::Air, stage::Bluetooth};

/// Bluetooth for app and cabinet. A lab that was booted for it is stopped when this is dropped.
#[derive(Debug)]
pub struct Adapters {
    /// Whose.
    pub bluetooth: Bluetooth,
    /// Which.
    pub air: Air,
    lab: bool,
}

impl Adapters {
    /// Finds two adapters (a central does not hear the peripheral on its own adapter), or boots the lab, or takes the
    /// one that `POSTERN_LAB_BUS` names.
    ///
    /// # Errors
    /// The lab does not come up.
    pub fn find() -> Result<Self> {
        let mut own: Vec<String> = fs::read_dir("/sys/class/bluetooth")
            .map(|entries| {
                entries
                    .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                    .filter(|name| name.starts_with("hci") && !name.contains(':'))
                    .collect()
            })
            .unwrap_or_default();
        own.sort();
        if let [app, cabinet, ..] = own.as_slice() {
            let air = Air::Bluetooth { cabinet: cabinet.clone(), app: app.clone() };
            return Ok(Self { bluetooth: Bluetooth::Machine, air, lab: false });
        }
        let (bus, lab) = match env::var("POSTERN_LAB_BUS") {
            Ok(bus) => (bus, false),
            Err(_) => (lab_up()?, true),
        };
        let air = Air::Bluetooth { cabinet: "hci1".into(), app: "hci0".into() };
        Ok(Self { bluetooth: Bluetooth::Lab(bus), air, lab })
    }
}

impl Drop for Adapters {
    fn drop(&mut self) {
        if self.lab {
            lab_down();
        }
    }
}

fn lab_down() {
    if let Ok(mut xtask) = xtask() {
        // Nothing more can be done about a lab that does not stop.
        let _ = xtask.args(["lab", "down"]).status();
    }
}

fn xtask() -> Result<Command> {
    let path = env::var_os("POSTERN_XTASK").context("to boot the lab, start this by `cargo xtask`")?;
    Ok(Command::new(path))
}

fn lab_up() -> Result<String> {
    child::on_signal(lab_down);
    let output = xtask()?.args(["lab", "up"]).output()?;
    if !output.status.success() {
        bail!("the lab: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let bus = text.lines().find_map(|line| line.strip_prefix("DBUS_SYSTEM_BUS_ADDRESS="));
    Ok(bus.context("the lab named no bus")?.to_owned())
}
