//! Cabinets as a TOML file describes them.
//!
//! ```toml
//! [[cabinet]]
//! name = "Lindenhof 1"
//! site = "lindenhof"
//! keypad = true
//! scanner = true
//!
//! [[cabinet.column]]
//! label = "A"
//! doors = ["s", "s", { size = "m", chilled = true }, { size = "l", height = 3 }]
//! ```
//!
//! Doors count from the top of their column; door numbers run down the columns from the left, from 1. A door is called by
//! the label of its column and its row, from 1.

use postern_api::locker::{DoorInfo, Reach, Size};
use serde::{Deserialize, Serialize};

/// Height of one cabinet unit, in centimetres: a small door.
const UNIT: u32 = 20;
/// What the cabinet stands on, in centimetres.
const PLINTH: u32 = 10;

/// A file of cabinets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cabinets {
    /// One or more.
    pub cabinet: Vec<CabinetConfig>,
}

/// One cabinet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CabinetConfig {
    /// Name for display; also names its folder under the data folder.
    pub name: String,
    /// The site it stands at.
    pub site: String,
    /// Has a keypad for PINs.
    #[serde(default = "yes")]
    pub keypad: bool,
    /// Has a QR scanner.
    #[serde(default = "yes")]
    pub scanner: bool,
    /// Has a screen that says what happens.
    #[serde(default = "yes")]
    pub screen: bool,
    /// The hub reaches it over a line of its own (`--hub` and `--operator-key` are needed): receipts go up by themselves,
    /// news comes down.
    #[serde(default)]
    pub uplink: bool,
    /// Its compartments know whether something lies inside.
    #[serde(default = "yes")]
    pub content_sensors: bool,
    /// Minutes during which an opened door may be opened again.
    #[serde(default = "reopen_minutes")]
    pub reopen_minutes: u16,
    /// Connections that its firmware holds at once. The radio lets one more in, so that whoever is of no use makes room.
    #[serde(default = "connections")]
    pub connections: usize,
    /// ATT MTU that its radio offers on `air`, 23 to 517. Over Bluetooth the adapter agrees on one with the central.
    #[serde(default = "mtu")]
    pub mtu: u16,
    /// Seconds after which an open door is reported as held open.
    #[serde(default = "held_open")]
    pub held_open: u64,
    /// Pages of 4096 bytes of flash for the journal.
    #[serde(default = "flash_pages")]
    pub flash_pages: u32,
    /// Tokens that it remembers, an equal share for each door and 16 at least.
    #[serde(default = "remembered_tokens")]
    pub remembered_tokens: usize,
    /// Columns from the left.
    pub column: Vec<ColumnConfig>,
}

/// One column of a cabinet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnConfig {
    /// What its doors' labels begin with.
    pub label: String,
    /// Doors from the top.
    pub doors: Vec<DoorConfig>,
}

/// One door: its size, or all of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum DoorConfig {
    /// Only the size.
    Size(Size),
    /// Everything.
    Full(FullDoorConfig),
}

/// One door in full.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FullDoorConfig {
    /// Size class.
    pub size: Size,
    /// Height in units; the usual one of the size when absent.
    #[serde(default)]
    pub height: Option<u16>,
    /// Cooled.
    #[serde(default)]
    pub chilled: bool,
    /// Freezes; not together with `chilled`.
    #[serde(default)]
    pub frozen: bool,
    /// How high it is; from its place in the cabinet when absent.
    #[serde(default)]
    pub reach: Option<Reach>,
}

const fn yes() -> bool {
    true
}
const fn reopen_minutes() -> u16 {
    10
}
const fn connections() -> usize {
    4
}
const fn mtu() -> u16 {
    247
}
const fn held_open() -> u64 {
    60
}
const fn flash_pages() -> u32 {
    512
}
const fn remembered_tokens() -> usize {
    10_000
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, or not of this form.
    #[error(transparent)]
    Syntax(#[from] toml::de::Error),
    /// Of the form, and impossible.
    #[error("cabinet {name:?}: {why}")]
    Impossible {
        /// Which cabinet.
        name: String,
        /// What cannot be.
        why: &'static str,
    },
}

impl Cabinets {
    /// Reads and checks a file's text.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let cabinets: Self = toml::from_str(text)?;
        cabinets.check()?;
        Ok(cabinets)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong =
            |cabinet: &CabinetConfig, why| ConfigError::Impossible { name: cabinet.name.clone(), why };
        if self.cabinet.is_empty() {
            return Err(ConfigError::Impossible { name: String::new(), why: "a file needs at least one" });
        }
        for (index, cabinet) in self.cabinet.iter().enumerate() {
            let doors = cabinet.doors();
            if cabinet.name.is_empty() || cabinet.name.len() > 64 {
                return Err(wrong(cabinet, "a name has 1 to 64 bytes"));
            }
            if self.cabinet[..index].iter().any(|other| other.folder() == cabinet.folder()) {
                return Err(wrong(cabinet, "two cabinets would share a folder"));
            }
            if doors.is_empty() || doors.len() > postern_locker::MAX_DOORS {
                return Err(wrong(cabinet, "a cabinet has 1 to 256 doors"));
            }
            if doors.iter().any(|door| door.chilled && door.frozen) {
                return Err(wrong(cabinet, "a door is chilled or freezes, not both"));
            }
            if doors.iter().any(|door| door.height == 0 || door.height > 20) {
                return Err(wrong(cabinet, "a door is 1 to 20 units high"));
            }
            if !(23..=517).contains(&cabinet.mtu) {
                return Err(wrong(cabinet, "an ATT MTU is 23 to 517"));
            }
            if !(1..=32).contains(&cabinet.connections) {
                return Err(wrong(cabinet, "a radio holds 1 to 32 connections"));
            }
        }
        Ok(())
    }
}

impl Default for Cabinets {
    /// One cabinet, four columns, four doors each.
    fn default() -> Self {
        let column = |label: &str, doors: [DoorConfig; 4]| ColumnConfig {
            label: label.to_owned(),
            doors: doors.into(),
        };
        let size = DoorConfig::Size;
        let high = |size, height| {
            DoorConfig::Full(FullDoorConfig {
                size,
                height: Some(height),
                chilled: false,
                frozen: false,
                reach: None,
            })
        };
        let chilled = DoorConfig::Full(FullDoorConfig {
            size: Size::M,
            height: None,
            chilled: true,
            frozen: false,
            reach: None,
        });
        let column = vec![
            column("A", [size(Size::S), size(Size::S), size(Size::M), high(Size::Xl, 4)]),
            column("B", [size(Size::M), size(Size::M), size(Size::M), size(Size::M)]),
            column("C", [size(Size::S), size(Size::M), size(Size::M), size(Size::L)]),
            column("D", [size(Size::S), size(Size::M), chilled, size(Size::L)]),
        ];
        Self {
            cabinet: vec![CabinetConfig {
                name: "Lindenhof 1".to_owned(),
                site: "lindenhof".to_owned(),
                keypad: true,
                scanner: true,
                screen: true,
                uplink: false,
                content_sensors: true,
                reopen_minutes: reopen_minutes(),
                connections: connections(),
                mtu: mtu(),
                held_open: held_open(),
                flash_pages: flash_pages(),
                remembered_tokens: remembered_tokens(),
                column,
            }],
        }
    }
}

impl DoorConfig {
    fn full(&self) -> FullDoorConfig {
        match self {
            Self::Size(size) => {
                FullDoorConfig { size: *size, height: None, chilled: false, frozen: false, reach: None }
            }
            Self::Full(full) => full.clone(),
        }
    }
}

/// Usual height of a size, in units.
const fn usual_height(size: Size) -> u16 {
    match size {
        Size::Xs | Size::S => 1,
        Size::M => 2,
        Size::L => 3,
        Size::Xl => 4,
    }
}

impl CabinetConfig {
    /// Its doors, numbered and placed.
    #[must_use]
    pub fn doors(&self) -> Vec<DoorInfo> {
        let mut number = 0;
        let mut doors = Vec::new();
        for (column, config) in (0u16..).zip(&self.column) {
            let full: Vec<_> = config.doors.iter().map(DoorConfig::full).collect();
            let heights: Vec<u16> =
                full.iter().map(|door| door.height.unwrap_or_else(|| usual_height(door.size))).collect();
            for (row, (door, height)) in (0u16..).zip(full.iter().zip(&heights)) {
                number += 1;
                let below: u32 =
                    heights[usize::from(row) + 1..].iter().map(|height| u32::from(*height)).sum();
                let middle = PLINTH + below * UNIT + u32::from(*height) * UNIT / 2;
                let reach = door.reach.unwrap_or(match middle {
                    0..40 => Reach::Floor,
                    40..=120 => Reach::Easy,
                    _ => Reach::High,
                });
                doors.push(DoorInfo {
                    door: number,
                    label: format!("{}{}", config.label, row + 1),
                    column,
                    row,
                    height: *height,
                    size: door.size.into(),
                    reach: reach.into(),
                    chilled: door.chilled,
                    frozen: door.frozen,
                });
            }
        }
        doors
    }

    /// The name of its folder: its own name, in letters that every file system takes.
    #[must_use]
    pub fn folder(&self) -> String {
        let plain: String = self
            .name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        plain.trim_matches('-').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_cabinet_has_the_doors_that_the_demonstration_names() {
        let cabinets = Cabinets::default();
        cabinets.check().unwrap();
        let doors = cabinets.cabinet[0].doors();
        let number = |label: &str| doors.iter().find(|door| door.label == label).unwrap().door;
        assert_eq!((number("A1"), number("A2"), number("B3"), number("C1"), number("D4")), (1, 2, 7, 9, 16));
        for column in 0..4 {
            let height: u16 = doors.iter().filter(|door| door.column == column).map(|door| door.height).sum();
            assert_eq!(height, 8, "columns are of one height");
        }
        assert!(doors.iter().any(|door| door.reach == Reach::Easy));
        assert_eq!(cabinets.cabinet[0].folder(), "lindenhof-1");
    }

    #[test]
    fn a_configuration_survives_its_text() {
        let text = toml::to_string(&Cabinets::default()).unwrap();
        assert_eq!(Cabinets::parse(&text).unwrap(), Cabinets::default());
    }

    #[test]
    fn impossible_cabinets_are_refused() {
        for (field, value) in [("mtu", "22"), ("connections", "0"), ("name", "\"\""), ("column", "[]")] {
            let mut table: toml::Table =
                toml::from_str(&toml::to_string(&Cabinets::default()).unwrap()).unwrap();
            let value: toml::Value =
                toml::from_str::<toml::Table>(&format!("v = {value}")).unwrap()["v"].clone();
            table["cabinet"][0][field] = value;
            assert!(Cabinets::parse(&toml::to_string(&table).unwrap()).is_err(), "{field}");
        }
        assert!(Cabinets::parse("[[cabinet]]\nname = 'x'\nsite = 'x'\ncolumn = []\nsurprise = 1").is_err());
    }
}
