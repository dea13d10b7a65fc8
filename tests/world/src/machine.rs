//! A locker's machine: doors that move, flash that tears, a clock that can be wrong or dead. What really happened is
//! recorded here, on the far side of the firmware, for the reference to judge.

use std::collections::BTreeSet;

use postern_locker::{Doors, Fittings, Flash, FlashError, Geometry, Hardware, Sensors};
use postern_protocol::{Door, Timestamp};

use crate::dice::Dice;

const GEOMETRY: Geometry = Geometry { page_size: 4096, pages: 16, write_size: 8 };

/// One compartment.
#[derive(Clone, Debug, Default)]
pub struct Compartment {
    /// Stands open.
    pub open: bool,
    /// The booking whose parcel lies inside.
    pub content: Option<usize>,
    /// Pulses that the latch will not follow.
    pub jammed: u32,
    /// What the sensor of the door says, open or shut, whatever the door does.
    pub stuck: Option<bool>,
}

/// How the locker knows the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WallClock {
    /// It runs, wrong by so many seconds.
    Runs(i64),
    /// It was never set, or lost its battery.
    Dead,
}

/// The machine.
pub struct Machine {
    /// Compartments, that of door 1 first.
    pub compartments: Vec<Compartment>,
    /// It measures what lies in its compartments.
    pub measures: bool,
    /// How it knows the time.
    pub wall_clock: WallClock,
    /// True UNIX seconds, set by the world before every call.
    pub true_time: u64,
    /// Doors that came open since the world last looked.
    pub came_open: Vec<u16>,
    /// Latches that were energised since the world last looked.
    pub pulses: Vec<u16>,
    /// The power failed; nothing moves or is written until the next boot.
    pub dead: bool,
    /// Power fails within the operation that brings this to zero.
    pub operations_left: Option<u32>,
    /// Bytes of that operation that still happen.
    pub torn: u32,
    /// Doors that came open as the power failed.
    pub cut: BTreeSet<u16>,
    /// Power fails with the next pulse of a latch: before it moves, or after.
    pub fails_at_latch: Option<bool>,
    /// Flash operations until the flash fails, while the power stays; it fails until it is exchanged.
    pub sound_operations: Option<u32>,
    flash: Vec<u8>,
    dice: Dice,
}

impl Machine {
    /// A new machine with all doors shut and blank flash.
    pub fn new(doors: u16, measures: bool, seed: u64) -> Self {
        Self {
            measures,
            compartments: vec![Compartment::default(); usize::from(doors)],
            wall_clock: WallClock::Runs(0),
            true_time: 0,
            came_open: Vec::new(),
            pulses: Vec::new(),
            dead: false,
            operations_left: None,
            torn: 0,
            cut: BTreeSet::new(),
            fails_at_latch: None,
            sound_operations: None,
            flash: vec![0xff; (GEOMETRY.page_size * GEOMETRY.pages) as usize],
            dice: Dice::new(seed),
        }
    }

    /// The compartment behind a door.
    pub fn compartment(&self, door: u16) -> Option<&Compartment> {
        self.compartments.get(usize::from(door).checked_sub(1)?)
    }

    /// The same, to change it.
    pub fn compartment_mut(&mut self, door: u16) -> Option<&mut Compartment> {
        self.compartments.get_mut(usize::from(door).checked_sub(1)?)
    }

    /// Whether this operation is the one in which the power fails, and how much of it happens.
    fn spend(&mut self, len: usize) -> Result<usize, FlashError> {
        if self.dead {
            return Err(FlashError);
        }
        match &mut self.sound_operations {
            Some(0) => return Err(FlashError),
            Some(left) => *left -= 1,
            None => {}
        }
        match &mut self.operations_left {
            Some(left @ 2..) => *left -= 1,
            Some(_) => {
                self.operations_left = None;
                self.dead = true;
                return Ok(len.min(self.torn as usize));
            }
            None => {}
        }
        Ok(len)
    }

    /// Whether the flash takes nothing any more.
    pub fn is_worn(&self) -> bool {
        self.sound_operations == Some(0)
    }

    fn answer(&self) -> Result<(), FlashError> {
        if self.dead { Err(FlashError) } else { Ok(()) }
    }
}

impl Doors for Machine {
    fn latch(&mut self, door: Door, energised: bool) {
        if self.dead || !energised {
            return;
        }
        if let Some(moves) = self.fails_at_latch.take() {
            self.dead = true;
            if !moves {
                return;
            }
            self.cut.insert(door.0);
        }
        self.pulses.push(door.0);
        let Some(compartment) = self.compartment_mut(door.0) else { return };
        if compartment.jammed > 0 {
            compartment.jammed -= 1;
        } else if !std::mem::replace(&mut compartment.open, true) {
            self.came_open.push(door.0);
        }
    }

    fn sense(&mut self, door: Door) -> Sensors {
        let compartment = self.compartment(door.0);
        Sensors {
            open: compartment.map(|compartment| compartment.stuck.unwrap_or(compartment.open)),
            obstructed: false,
            content: compartment.filter(|_| self.measures).map(|compartment| compartment.content.is_some()),
        }
    }
}

impl Flash for Machine {
    fn geometry(&self) -> Geometry {
        GEOMETRY
    }

    fn read(&self, address: u32, into: &mut [u8]) -> Result<(), FlashError> {
        let from = address as usize;
        into.copy_from_slice(self.flash.get(from..from + into.len()).ok_or(FlashError)?);
        self.answer()
    }

    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let happens = self.spend(bytes.len())?;
        let from = address as usize;
        for (cell, byte) in self.flash[from..].iter_mut().zip(&bytes[..happens]) {
            assert_eq!(*cell, 0xff, "firmware programmed a byte twice at {address}");
            *cell = *byte;
        }
        self.answer()
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        let size = GEOMETRY.page_size as usize;
        let happens = self.spend(size)?;
        let from = page as usize * size;
        self.flash[from..from + happens].fill(0xff);
        self.answer()
    }
}

impl Hardware for Machine {
    fn wall_clock(&mut self) -> Option<Timestamp> {
        match self.wall_clock {
            WallClock::Runs(skew) => Some(Timestamp(self.true_time.saturating_add_signed(skew))),
            WallClock::Dead => None,
        }
    }

    fn random(&mut self, into: &mut [u8]) {
        for byte in into {
            *byte = self.dice.bytes::<1>()[0];
        }
    }

    fn low_battery(&mut self) -> bool {
        false
    }

    fn fittings(&self) -> Fittings {
        Fittings { content_sensors: self.measures, keypad: true, scanner: false, uplink: false }
    }
}
