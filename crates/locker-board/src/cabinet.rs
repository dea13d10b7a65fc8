//! The machine that the firmware sees: flash on the board, doors and clock at the other end of the serial line.

use alloc::{collections::VecDeque, vec::Vec};

use postern_locker::{
    Doors, Fittings, FlashError, Geometry, Hardware, Sensors, Uptime,
    serial::{FromBoard, Provision},
};
use postern_protocol::{Door, Timestamp, token};

use crate::flash::Flash;

/// Doors, clock, battery as last told, and latches to be told of.
#[derive(Debug)]
pub struct Cabinet {
    /// The journal's memory.
    pub flash: Flash,
    /// Packets for the other end.
    pub latches: VecDeque<FromBoard>,
    sensors: Vec<(Door, Sensors)>,
    /// The wall clock's time at an uptime.
    wall: Option<(Timestamp, Uptime)>,
    now: Uptime,
    low: bool,
    seed: [u8; 32],
    drawn: u32,
    fittings: Fittings,
}

impl Cabinet {
    /// Doors as the provisioning says, no clock.
    #[must_use]
    pub fn new(provision: &Provision) -> Self {
        let sensors = |door| Sensors { open: Some(provision.open.contains(door)), ..Sensors::default() };
        Self {
            flash: Flash::new(),
            latches: VecDeque::new(),
            sensors: provision.doors.iter().map(|door| (*door, sensors(door))).collect(),
            wall: None,
            now: Uptime(0),
            low: false,
            seed: provision.seed,
            drawn: 0,
            fittings: provision.fittings,
        }
    }

    /// It is now.
    pub fn set_now(&mut self, now: Uptime) {
        self.now = now;
    }

    /// The wall clock was set, or lost power.
    pub fn set_clock(&mut self, time: Option<Timestamp>) {
        self.wall = time.map(|time| (time, self.now));
    }

    /// The battery.
    pub fn set_battery(&mut self, low: bool) {
        self.low = low;
    }

    /// What the door's sensors say from now on. Ignores doors that are not there.
    pub fn set_sensors(&mut self, door: Door, sensors: Sensors) {
        if let Some((_, known)) = self.sensors.iter_mut().find(|(known, _)| *known == door) {
            *known = sensors;
        }
    }
}

impl Doors for Cabinet {
    fn latch(&mut self, door: Door, energised: bool) {
        self.latches.push_back(FromBoard::Latch(door, energised));
    }

    fn sense(&mut self, door: Door) -> Sensors {
        self.sensors.iter().find(|(known, _)| *known == door).map_or_else(Sensors::default, |(_, it)| *it)
    }
}

impl postern_locker::Flash for Cabinet {
    fn geometry(&self) -> Geometry {
        self.flash.geometry()
    }

    fn read(&self, address: u32, into: &mut [u8]) -> Result<(), FlashError> {
        self.flash.read(address, into)
    }

    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.flash.program(address, bytes)
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        self.flash.erase(page)
    }
}

impl Hardware for Cabinet {
    fn wall_clock(&mut self) -> Option<Timestamp> {
        self.wall.map(|(time, at)| time.plus(self.now.since(at) / 1000))
    }

    /// QEMU's board has no generator: hashes of the provisioned seed and a count. That it begins again at every start
    /// is what the firmware's own mixing of start number and secret is for.
    fn random(&mut self, into: &mut [u8]) {
        for part in into.chunks_mut(32) {
            let mut input = [0; 36];
            input[..32].copy_from_slice(&self.seed);
            input[32..].copy_from_slice(&self.drawn.to_le_bytes());
            self.drawn += 1;
            part.copy_from_slice(&token::hash(&input)[..part.len()]);
        }
    }

    fn low_battery(&mut self) -> bool {
        self.low
    }

    fn fittings(&self) -> Fittings {
        self.fittings
    }
}
