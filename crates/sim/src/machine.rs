//! The machine that the firmware runs on here: flash, latches, sensors, clock. It behaves, and misbehaves, like hardware;
//! the firmware cannot tell.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use postern_locker::{Doors, Fittings, Flash, FlashError, Geometry, Hardware, Sensors};
use postern_protocol::{Door, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use crate::fate::{Fate, PowerCut, SensorFate};

/// Bytes in a page.
pub const PAGE: u32 = 4096;
/// Unit of programming, as on many microcontrollers.
const WRITE: u32 = 8;
/// A spring pushes a door open so many milliseconds after its latch let go.
const SPRING: u64 = 60;
/// How long a bad sensor flutters after a movement, in milliseconds.
const FLUTTER: u64 = 500;

/// A point in time, as the host knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Milliseconds of a clock that never goes back.
    pub up: u64,
    /// UNIX milliseconds.
    pub wall: u64,
}

/// One compartment as it really is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compartment {
    /// The door stands open.
    pub open: bool,
    /// The latch is energised, since.
    pub energised: Option<u64>,
    /// What lies inside.
    pub inside: Option<String>,
    /// Last time the door moved.
    pub moved: Option<u64>,
    /// Latch pulses so far.
    pub pulses: u32,
}

/// The simulated machine.
pub struct Machine {
    now: Now,
    compartments: BTreeMap<u16, Compartment>,
    fittings: Fittings,
    flash: Vec<u8>,
    file: Option<File>,
    writes: u32,
    cut: Option<PowerCut>,
    power_lost: bool,
    fate: Fate,
    rng: ChaCha20Rng,
}

impl Machine {
    /// A machine with these doors, and its flash in memory or in a file.
    ///
    /// # Errors
    /// When the file cannot be read or made.
    pub fn new(
        doors: impl IntoIterator<Item = u16>,
        fittings: Fittings,
        pages: u32,
        file: Option<&Path>,
        rng: ChaCha20Rng,
    ) -> io::Result<Self> {
        let size = pages as usize * PAGE as usize;
        let mut flash = Vec::new();
        let file = match file {
            None => None,
            Some(path) => {
                let mut file =
                    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
                file.read_to_end(&mut flash)?;
                Some(file)
            }
        };
        let fresh = flash.len() != size;
        flash.resize(size, 0xFF);
        let mut machine = Self {
            now: Now::default(),
            compartments: doors.into_iter().map(|door| (door, Compartment::default())).collect(),
            fittings,
            flash,
            file,
            writes: 0,
            cut: None,
            power_lost: false,
            fate: Fate::default(),
            rng,
        };
        if fresh {
            machine.persist(0, size)?;
        }
        Ok(machine)
    }

    /// Moves the world on to `now`: springs push, doors fall shut.
    pub fn advance(&mut self, now: Now) {
        self.now = now;
        for (door, compartment) in &mut self.compartments {
            let fate = self.fate.door(*door);
            if let Some(since) = compartment.energised
                && !compartment.open
                && now.up >= since + SPRING
                && fate.jammed_pulses.is_none_or(|jammed| compartment.pulses > jammed)
            {
                compartment.open = true;
                compartment.moved = Some(now.up);
            }
            if let (true, Some(after), Some(moved)) =
                (compartment.open, fate.closes_after_ms, compartment.moved)
                && !fate.obstructed
                && now.up >= moved + after
            {
                compartment.open = false;
                compartment.moved = Some(now.up);
            }
        }
    }

    /// When the world moves next by itself.
    #[must_use]
    pub fn next_movement(&self) -> Option<u64> {
        let of = |(door, compartment): (&u16, &Compartment)| {
            let fate = self.fate.door(*door);
            let spring =
                (!compartment.open).then(|| compartment.energised.map(|since| since + SPRING)).flatten();
            let fall = fate
                .closes_after_ms
                .filter(|_| compartment.open && !fate.obstructed)
                .and_then(|after| compartment.moved.map(|moved| moved + after));
            spring.into_iter().chain(fall).filter(|at| *at > self.now.up).min()
        };
        self.compartments.iter().filter_map(of).min()
    }

    /// Sets its fate. A power cut that was set before and has not happened is replaced.
    pub fn set_fate(&mut self, fate: &Fate) {
        if self.fate.machine.power_cut != fate.machine.power_cut {
            self.cut = fate.machine.power_cut;
            self.writes = 0;
        }
        for (door, compartment) in &mut self.compartments {
            if self.fate.door(*door).jammed_pulses != fate.door(*door).jammed_pulses {
                compartment.pulses = 0;
            }
        }
        self.fate = fate.clone();
    }

    /// Power failed in the middle of a write: nothing that the firmware did since counts.
    #[must_use]
    pub fn power_lost(&self) -> Option<PowerCut> {
        self.power_lost.then_some(self.cut).flatten()
    }

    /// Power is gone: latches fall back.
    pub fn switch_off(&mut self) {
        self.power_lost = true;
        for compartment in self.compartments.values_mut() {
            compartment.energised = None;
        }
    }

    /// Power is back.
    pub fn switch_on(&mut self) {
        self.power_lost = false;
        self.cut = None;
        self.fate.machine.power_cut = None;
        self.writes = 0;
    }

    /// A compartment as it is.
    #[must_use]
    pub fn compartment(&self, door: u16) -> Option<&Compartment> {
        self.compartments.get(&door)
    }

    /// Lets a hand at it. Nothing without such a door.
    pub fn reach_in<T>(&mut self, door: u16, hand: impl FnOnce(&mut Compartment, Now) -> T) -> Option<T> {
        let now = self.now;
        self.compartments.get_mut(&door).map(|compartment| hand(compartment, now))
    }

    /// What the sensors of a door say now.
    #[must_use]
    pub fn reading(&self, door: u16) -> Sensors {
        let Some(compartment) = self.compartments.get(&door) else { return Sensors::default() };
        let fate = self.fate.door(door);
        let flutters = compartment.moved.is_some_and(|moved| self.now.up < moved + FLUTTER);
        let open = match fate.sensor {
            SensorFate::Works => Some(compartment.open),
            SensorFate::StuckOpen => Some(true),
            SensorFate::StuckClosed => Some(false),
            // Seven milliseconds this way, seven that way.
            SensorFate::Bouncing if flutters => Some(compartment.open ^ (self.now.up / 7 % 2 == 1)),
            SensorFate::Bouncing => Some(compartment.open),
            SensorFate::Dead => None,
        };
        Sensors {
            open,
            obstructed: fate.obstructed && compartment.open,
            content: self.fittings.content_sensors.then_some(compartment.inside.is_some()),
        }
    }

    fn persist(&mut self, from: usize, to: usize) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(from as u64))?;
            file.write_all(&self.flash[from..to])?;
        }
        Ok(())
    }

    fn range(&self, address: u32, length: usize) -> Result<(usize, usize), FlashError> {
        let from = address as usize;
        let to = from.checked_add(length).filter(|to| *to <= self.flash.len()).ok_or(FlashError)?;
        Ok((from, to))
    }

    /// Counts a write. How much of it still happens, when power fails in it.
    fn fails(&mut self) -> Option<u32> {
        self.writes += 1;
        self.cut.filter(|cut| self.writes == cut.write).map(|cut| cut.bytes)
    }

    fn write(
        &mut self,
        from: usize,
        bytes: impl Iterator<Item = u8>,
        length: usize,
    ) -> Result<(), FlashError> {
        if self.power_lost || self.fate.machine.flash_worn {
            return Err(FlashError);
        }
        let (whole, torn) = match self.fails() {
            None => (length, false),
            Some(written) => ((written as usize).min(length), true),
        };
        for (cell, byte) in self.flash[from..from + whole].iter_mut().zip(bytes) {
            *cell = byte;
        }
        self.persist(from, from + whole).map_err(|_| FlashError)?;
        if torn {
            self.switch_off();
            return Err(FlashError);
        }
        Ok(())
    }
}

impl Hardware for Machine {
    fn wall_clock(&mut self) -> Option<Timestamp> {
        let seconds = i64::try_from(self.now.wall / 1000).ok()?;
        let shown = seconds.saturating_add(self.fate.machine.clock_skew);
        (!self.fate.machine.clock_lost).then(|| Timestamp(u64::try_from(shown).unwrap_or(0)))
    }

    fn random(&mut self, into: &mut [u8]) {
        self.rng.fill_bytes(into);
    }

    fn low_battery(&mut self) -> bool {
        self.fate.machine.low_battery
    }

    fn fittings(&self) -> Fittings {
        self.fittings
    }
}

impl Doors for Machine {
    fn latch(&mut self, door: Door, energised: bool) {
        if self.power_lost {
            return;
        }
        let now = self.now.up;
        if let Some(compartment) = self.compartments.get_mut(&door.0) {
            match (compartment.energised, energised) {
                (None, true) => {
                    compartment.energised = Some(now);
                    compartment.pulses = compartment.pulses.saturating_add(1);
                }
                (Some(_), false) => compartment.energised = None,
                _ => {}
            }
        }
    }

    fn sense(&mut self, door: Door) -> Sensors {
        self.reading(door.0)
    }
}

impl Flash for Machine {
    fn geometry(&self) -> Geometry {
        Geometry { page_size: PAGE, pages: self.flash.len() as u32 / PAGE, write_size: WRITE }
    }

    fn read(&self, address: u32, into: &mut [u8]) -> Result<(), FlashError> {
        let (from, to) = self.range(address, into.len())?;
        into.copy_from_slice(&self.flash[from..to]);
        Ok(())
    }

    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let (from, to) = self.range(address, bytes.len())?;
        // What flash would not do, the simulator must not do either.
        let aligned = address.is_multiple_of(WRITE) && bytes.len().is_multiple_of(WRITE as usize);
        let one_page = bytes.is_empty() || from / PAGE as usize == (to - 1) / PAGE as usize;
        let erased = self.flash[from..to].iter().all(|cell| *cell == 0xFF);
        if !aligned || !one_page || !erased {
            tracing::error!(address, length = bytes.len(), aligned, one_page, erased, "flash misused");
            return Err(FlashError);
        }
        self.write(from, bytes.iter().copied(), bytes.len())
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        let (from, to) = self.range(page.checked_mul(PAGE).ok_or(FlashError)?, PAGE as usize)?;
        self.write(from, std::iter::repeat(0xFF), to - from)
    }
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng;

    use super::*;
    use crate::fate::DoorFate;

    const FITTINGS: Fittings = Fittings { content_sensors: true, keypad: true, scanner: true, uplink: false };

    fn machine() -> Machine {
        Machine::new(1..=4, FITTINGS, 4, None, ChaCha20Rng::from_seed([1; 32])).unwrap()
    }

    fn at(up: u64) -> Now {
        Now { up, wall: 1_700_000_000_000 + up }
    }

    #[test]
    fn a_latch_opens_its_door_and_only_its_door() {
        let mut machine = machine();
        machine.advance(at(0));
        machine.latch(Door(2), true);
        assert_eq!(machine.next_movement(), Some(SPRING));
        machine.advance(at(SPRING));
        assert_eq!(machine.reading(2).open, Some(true));
        assert_eq!(machine.reading(1).open, Some(false));
    }

    #[test]
    fn a_jammed_latch_lets_go_when_its_pulses_are_over() {
        let mut machine = machine();
        let mut fate = Fate::default();
        fate.doors.insert(1, DoorFate { jammed_pulses: Some(1), ..DoorFate::default() });
        machine.set_fate(&fate);
        for (up, open) in [(0, false), (1000, true)] {
            machine.advance(at(up));
            machine.latch(Door(1), true);
            machine.advance(at(up + SPRING));
            machine.latch(Door(1), false);
            assert_eq!(machine.reading(1).open, Some(open));
        }
    }

    #[test]
    fn a_power_cut_tears_the_write_and_stops_the_machine() {
        let mut machine = machine();
        let mut fate = Fate::default();
        fate.machine.power_cut = Some(PowerCut { write: 2, bytes: 3, dark_ms: 1 });
        machine.set_fate(&fate);
        machine.program(0, &[1; 8]).unwrap();
        assert!(machine.program(8, &[2; 8]).is_err());
        let mut bytes = [0; 16];
        machine.read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 255, 255, 255, 255, 255]);
        assert!(machine.power_lost().is_some());
        machine.latch(Door(1), true);
        assert!(machine.compartment(1).unwrap().energised.is_none());
        machine.switch_on();
        machine.program(16, &[3; 8]).unwrap();
    }

    #[test]
    fn flash_refuses_what_flash_cannot_do() {
        let mut machine = machine();
        machine.program(0, &[0; 8]).unwrap();
        assert!(machine.program(0, &[0; 8]).is_err(), "twice");
        assert!(machine.program(12, &[0; 8]).is_err(), "unaligned");
        assert!(machine.program(PAGE - 8, &[0; 16]).is_err(), "across pages");
        assert!(machine.program(4 * PAGE, &[0; 8]).is_err(), "outside");
        machine.erase(0).unwrap();
        machine.program(0, &[0; 8]).unwrap();
    }

    #[test]
    fn flash_survives_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flash.bin");
        let open = || Machine::new(1..=1, FITTINGS, 4, Some(&path), ChaCha20Rng::from_seed([1; 32])).unwrap();
        open().program(64, &[7; 8]).unwrap();
        let mut bytes = [0; 8];
        open().read(64, &mut bytes).unwrap();
        assert_eq!(bytes, [7; 8]);
    }
}
