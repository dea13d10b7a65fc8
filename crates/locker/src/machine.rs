//! A machine in memory, for tests, worlds and the simulator (feature `test-hardware`): flash with torn writes, power
//! that fails at a chosen step, latches and sensors that can be broken.

use alloc::{collections::BTreeMap, vec, vec::Vec};

use postern_protocol::{Door, Timestamp};

use crate::{Doors, Fittings, Flash, FlashError, Geometry, Hardware, Sensors};

/// How a compartment's mechanics behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mechanics {
    /// The door springs open as soon as the latch is energised.
    #[default]
    Sound,
    /// So many more pulses do nothing, then it is sound.
    Sticks(u8),
    /// The latch does not move.
    Jammed,
    /// The door opens and the sensor does not notice.
    SensorStuck,
}

/// One compartment.
#[derive(Clone, Debug, Default)]
pub struct Compartment {
    /// What the sensors say.
    pub sensors: Sensors,
    /// How the mechanics behave.
    pub mechanics: Mechanics,
    /// Whether the latch is energised now.
    pub energised: bool,
    /// How often the latch has been energised.
    pub pulses: u32,
    /// How often the door has come open.
    pub openings: u32,
}

/// One thing that a machine does and before or within which power may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A flash program of so many bytes.
    Program(usize),
    /// The erase of a page.
    Erase,
    /// A latch energised or released.
    Latch(bool),
}

/// When power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerCut {
    /// At the step with this number, counted from 0 since [`Machine::restore_power`] (or the beginning).
    pub step: usize,
    /// How many bytes of a program reach the flash, or of an erase are erased. A latch does not move.
    pub bytes: usize,
    /// Whether the byte after these is left half-programmed.
    pub ragged: bool,
}

/// The machine. Wall clock and battery are plain fields: the test plays them.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What the wall clock says.
    pub wall: Option<Timestamp>,
    /// Whether the battery is low.
    pub battery_low: bool,
    /// The compartments.
    pub compartments: BTreeMap<Door, Compartment>,
    /// Every flash operation fails from now on, with the power on.
    pub flash_broken: bool,
    /// A scanner.
    pub scanner: bool,
    /// A keypad.
    pub keypad: bool,
    /// A line to the hub.
    pub uplink: bool,
    flash: Vec<u8>,
    geometry: Geometry,
    random: u64,
    cut: Option<PowerCut>,
    powerless: bool,
    steps: Vec<Step>,
}

impl Machine {
    /// A machine with erased flash and closed, empty compartments.
    #[must_use]
    pub fn new(doors: impl IntoIterator<Item = Door>, geometry: Geometry) -> Self {
        let closed = Compartment {
            sensors: Sensors { open: Some(false), obstructed: false, content: Some(false) },
            ..Compartment::default()
        };
        Self {
            wall: None,
            battery_low: false,
            compartments: doors.into_iter().map(|door| (door, closed.clone())).collect(),
            flash_broken: false,
            scanner: true,
            keypad: true,
            uplink: false,
            flash: vec![0xFF; (geometry.page_size * geometry.pages) as usize],
            geometry,
            random: 0,
            cut: None,
            powerless: false,
            steps: Vec::new(),
        }
    }

    /// Starts the random numbers anew.
    pub fn seed(&mut self, seed: u64) {
        self.random = seed;
    }

    /// Power will fail.
    pub fn cut_power(&mut self, cut: PowerCut) {
        self.cut = Some(cut);
    }

    /// Whether it has. Nothing that the firmware does then has any effect.
    #[must_use]
    pub const fn is_powerless(&self) -> bool {
        self.powerless
    }

    /// Power comes back: latches are released, flash and doors are as they were, steps are counted anew.
    pub fn restore_power(&mut self) {
        (self.cut, self.powerless) = (None, false);
        self.steps.clear();
        for compartment in self.compartments.values_mut() {
            compartment.energised = false;
        }
    }

    /// What the machine has done since the power came on.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The flash's bytes, for tests that damage them.
    pub fn flash(&mut self) -> &mut [u8] {
        &mut self.flash
    }

    /// A door, which must be one of the machine's.
    ///
    /// # Panics
    /// For any other.
    pub fn compartment(&mut self, door: Door) -> &mut Compartment {
        self.compartments.get_mut(&door).expect("a door of this machine")
    }

    /// A hand closes the door.
    pub fn close(&mut self, door: Door) {
        self.compartment(door).sensors.open = Some(false);
    }

    /// How often any door has come open.
    #[must_use]
    pub fn openings(&self) -> u32 {
        self.compartments.values().map(|compartment| compartment.openings).sum()
    }

    /// Counts a step; how much of it happens, or `None` for all.
    fn step(&mut self, step: Step) -> Result<Option<PowerCut>, FlashError> {
        if self.powerless {
            return Err(FlashError);
        }
        let number = self.steps.len();
        self.steps.push(step);
        let cut = self.cut.filter(|cut| cut.step == number);
        self.powerless = cut.is_some();
        Ok(cut)
    }

    fn range(&self, address: u32, length: usize) -> Result<core::ops::Range<usize>, FlashError> {
        let start = address as usize;
        let end = start.checked_add(length).ok_or(FlashError)?;
        if end <= self.flash.len() { Ok(start..end) } else { Err(FlashError) }
    }
}

impl Flash for Machine {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&self, address: u32, into: &mut [u8]) -> Result<(), FlashError> {
        let range = self.range(address, into.len())?;
        into.copy_from_slice(&self.flash[range]);
        Ok(())
    }

    /// # Panics
    /// When the firmware breaks the flash's rules: alignment, one page, no byte programmed twice.
    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let Geometry { page_size, write_size, .. } = self.geometry;
        let length = bytes.len() as u32;
        assert!(address.is_multiple_of(write_size) && length.is_multiple_of(write_size), "unaligned program");
        assert_eq!(address / page_size, (address + length - 1) / page_size, "program across pages");
        if self.flash_broken {
            return Err(FlashError);
        }
        let range = self.range(address, bytes.len())?;
        let cut = self.step(Step::Program(bytes.len()))?;
        assert!(self.flash[range.clone()].iter().all(|byte| *byte == 0xFF), "programmed twice");
        let whole = cut.map_or(bytes.len(), |cut| cut.bytes.min(bytes.len()));
        self.flash[range.start..range.start + whole].copy_from_slice(&bytes[..whole]);
        if cut.is_some_and(|cut| cut.ragged) && whole < bytes.len() {
            self.flash[range.start + whole] = bytes[whole] | 0b0101_1010;
        }
        if cut.is_some() { Err(FlashError) } else { Ok(()) }
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        if self.flash_broken {
            return Err(FlashError);
        }
        let range = self.range(page * self.geometry.page_size, self.geometry.page_size as usize)?;
        let cut = self.step(Step::Erase)?;
        let length = cut.map_or(range.len(), |cut| cut.bytes.min(range.len()));
        self.flash[range.start..range.start + length].fill(0xFF);
        if cut.is_some() { Err(FlashError) } else { Ok(()) }
    }
}

impl Doors for Machine {
    fn latch(&mut self, door: Door, energised: bool) {
        if matches!(self.step(Step::Latch(energised)), Err(_) | Ok(Some(_))) {
            return;
        }
        let compartment = self.compartment(door);
        let rises = energised && !compartment.energised;
        compartment.energised = energised;
        if !rises {
            return;
        }
        compartment.pulses += 1;
        match &mut compartment.mechanics {
            Mechanics::Sound => {
                compartment.openings += u32::from(compartment.sensors.open == Some(false));
                compartment.sensors.open = compartment.sensors.open.map(|_| true);
            }
            Mechanics::Sticks(0) => {
                compartment.mechanics = Mechanics::Sound;
                compartment.openings += 1;
                compartment.sensors.open = Some(true);
            }
            Mechanics::Sticks(pulses) => *pulses -= 1,
            Mechanics::Jammed => {}
            Mechanics::SensorStuck => compartment.openings += 1,
        }
    }

    fn sense(&mut self, door: Door) -> Sensors {
        self.compartment(door).sensors
    }
}

impl Hardware for Machine {
    fn wall_clock(&mut self) -> Option<Timestamp> {
        self.wall
    }

    fn random(&mut self, into: &mut [u8]) {
        // SplitMix64: any sequence that a seed repeats will do.
        for part in into.chunks_mut(8) {
            self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.random;
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            let bytes = (mixed ^ mixed >> 31).to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
    }

    fn low_battery(&mut self) -> bool {
        self.battery_low
    }

    fn fittings(&self) -> Fittings {
        Fittings {
            content_sensors: self.compartments.values().all(|it| it.sensors.content.is_some()),
            keypad: self.keypad,
            scanner: self.scanner,
            uplink: self.uplink,
        }
    }
}
