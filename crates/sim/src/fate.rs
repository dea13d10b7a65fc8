//! What can go wrong, as data: set by panel, API and scenario, rolled by seed.

use serde::{Deserialize, Serialize};

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the phone.
    ToLocker,
    /// From the locker.
    ToPhone,
}

/// The fate of a cabinet. The default is a good day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fate {
    /// What happens on the air.
    pub air: AirFate,
    /// What happens to the machine.
    pub machine: MachineFate,
    /// What happens to doors, by number.
    #[serde(with = "by_number")]
    pub doors: std::collections::BTreeMap<u16, DoorFate>,
}

/// TOML and JSON keys are text.
mod by_number {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::DoorFate;

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<u16, DoorFate>, s: S) -> Result<S::Ok, S::Error> {
        map.iter().map(|(door, fate)| (door.to_string(), fate)).collect::<BTreeMap<_, _>>().serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<u16, DoorFate>, D::Error> {
        let map = BTreeMap::<String, DoorFate>::deserialize(d)?;
        map.into_iter()
            .map(|(door, fate)| {
                door.parse().map(|door| (door, fate)).map_err(|_| D::Error::custom("not a door"))
            })
            .collect()
    }
}

/// Faults of radio and links.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AirFate {
    /// Cut the next link after this frame.
    pub drop_after: Option<DropAfter>,
    /// Every frame takes so many milliseconds.
    pub delay_ms: u64,
    /// And up to so many more, by chance. The order of frames stays.
    pub jitter_ms: u64,
    /// Offer this ATT MTU instead of the cabinet's own.
    pub mtu: Option<u16>,
    /// Take no more than this ATT MTU carries, whatever was offered: the MTU that lies.
    pub true_mtu: Option<u16>,
    /// What becomes of a write that is longer than the true MTU carries.
    pub too_long: TooLong,
    /// Lose the notifications of so many HELLOs (all of their frames).
    pub lose_hellos: u32,
    /// Lose notification number n of the next link, from 1.
    pub lose_notification: Option<u32>,
    /// A central waits so many milliseconds for its connection.
    pub wake_ms: u64,
    /// All connections are taken by others.
    pub taken: bool,
    /// Not on the air at all: out of range.
    pub silent: bool,
    /// A new address after every link and every so many seconds; 0: never.
    pub rotate_seconds: u64,
    /// Somebody else advertises the same short id, with keys of its own.
    pub impostor: bool,
}

/// See [`AirFate::drop_after`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropAfter {
    /// Counting which frames.
    pub direction: Direction,
    /// The link is cut behind this frame, from 1; 0: as soon as it stands.
    pub frame: u32,
    /// Whether that frame itself still arrives.
    #[serde(default)]
    pub delivered: bool,
}

/// See [`AirFate::too_long`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TooLong {
    /// Refused with ATT error 0x0D.
    #[default]
    Refused,
    /// Cut to length, without a word.
    Cut,
}

/// Faults of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MachineFate {
    /// Power fails in the middle of a journal write.
    pub power_cut: Option<PowerCut>,
    /// The clock is wrong by so many seconds.
    pub clock_skew: i64,
    /// The clock has lost the time.
    pub clock_lost: bool,
    /// The supply is low.
    pub low_battery: bool,
    /// The flash takes no more writes.
    pub flash_worn: bool,
}

/// See [`MachineFate::power_cut`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerCut {
    /// In this journal write from now on, from 1.
    pub write: u32,
    /// So many of its bytes are still written: none, some (a torn write) or all.
    #[serde(default)]
    pub bytes: u32,
    /// Power comes back after so many milliseconds.
    #[serde(default = "second")]
    pub dark_ms: u64,
}

const fn second() -> u64 {
    1000
}

/// Faults of one door.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DoorFate {
    /// The latch does not let go for so many pulses; `null` or absent: it works.
    pub jammed_pulses: Option<u32>,
    /// What the door sensor says.
    pub sensor: SensorFate,
    /// Something keeps it from closing.
    pub obstructed: bool,
    /// It falls shut so many milliseconds after it opened.
    pub closes_after_ms: Option<u64>,
}

/// Faults of a door sensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensorFate {
    /// It works.
    #[default]
    Works,
    /// Says open, always.
    StuckOpen,
    /// Says closed, always.
    StuckClosed,
    /// Flutters for half a second after every movement.
    Bouncing,
    /// Says nothing.
    Dead,
}

impl Fate {
    /// Whether it is within the bounds of what can be.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let mtu = |mtu: Option<u16>| mtu.is_none_or(|mtu| (23..=517).contains(&mtu));
        mtu(self.air.mtu)
            && mtu(self.air.true_mtu)
            && self.air.delay_ms <= 60_000
            && self.air.jitter_ms <= 60_000
            && self.air.wake_ms <= 60_000
            && self.machine.power_cut.is_none_or(|cut| cut.write > 0 && cut.dark_ms <= 600_000)
            && self.machine.clock_skew.unsigned_abs() <= 10 * 366 * 86_400
    }

    /// The fate of one door.
    #[must_use]
    pub fn door(&self, door: u16) -> DoorFate {
        self.doors.get(&door).cloned().unwrap_or_default()
    }
}
