//! What the firmware asks of the machine it runs on: the only things that differ between a board, the simulator and a
//! test.
//!
//! No method may block for longer than the operation itself takes: a program or an erase of one flash page is the
//! longest. The firmware calls them only from within its own methods, never from an interrupt.

use postern_protocol::{Door, Timestamp};

/// The locker's machine: latches and sensors ([`Doors`]), non-volatile memory ([`Flash`]), clock and randomness.
pub trait Hardware: Doors + Flash {
    /// UNIX seconds by a battery-backed clock that has been set; `None` where there is no such clock or it lost power.
    fn wall_clock(&mut self) -> Option<Timestamp>;

    /// Fills `into` with random bytes. The firmware mixes them with its secret, its boot number and a counter, so
    /// that even a generator that repeats itself never repeats a handshake.
    fn random(&mut self, into: &mut [u8]);

    /// Whether the supply is so low that service staff should come.
    fn low_battery(&mut self) -> bool;

    /// What the cabinet has. Constant while the firmware runs.
    fn fittings(&self) -> Fittings;
}

/// What a cabinet has, beside doors: HELLO tells phones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fittings {
    /// Every compartment has a sensor for what lies inside.
    pub content_sensors: bool,
    /// Somebody can type. Of use only together with a PIN secret.
    pub keypad: bool,
    /// Somebody can show a code.
    pub scanner: bool,
    /// The hub usually reaches it.
    pub uplink: bool,
}

/// Latches and sensors of all compartments.
pub trait Doors {
    /// Energises (`true`) or releases (`false`) the latch of a door. The firmware times the pulse; a board should
    /// still cut a coil off by itself should the processor stop.
    fn latch(&mut self, door: Door, energised: bool);

    /// The door's sensors, now and not debounced.
    fn sense(&mut self, door: Door) -> Sensors;
}

/// One reading of a compartment's sensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sensors {
    /// Whether the door stands open; `None` without a sensor, or with one that is known to be broken.
    pub open: Option<bool>,
    /// Something keeps the door from closing.
    pub obstructed: bool,
    /// Whether something lies inside; `None` without such a sensor.
    pub content: Option<bool>,
}

/// Non-volatile memory in the manner of NOR flash: an erase sets a whole page to `0xFF`, a program writes erased
/// bytes once. Power may fail within either; the journal copes with any prefix of a program and any half-done erase.
pub trait Flash {
    /// Size and granularity. Constant while the firmware runs.
    fn geometry(&self) -> Geometry;

    /// Reads `into.len()` bytes from `address` (counted from the start of the journal's region).
    ///
    /// # Errors
    /// When the memory cannot be read, or the range lies outside of it.
    fn read(&self, address: u32, into: &mut [u8]) -> Result<(), FlashError>;

    /// Programs `bytes` at `address`; both are multiples of [`Geometry::write_size`], within one page, and the
    /// firmware programs no byte twice between two erases.
    ///
    /// # Errors
    /// When the memory could not be programmed; the range is then in doubt.
    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), FlashError>;

    /// Erases page number `page`.
    ///
    /// # Errors
    /// When the memory could not be erased; the page is then in doubt.
    fn erase(&mut self, page: u32) -> Result<(), FlashError>;
}

/// The shape of the flash region that the journal has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes in a page, the unit of erasing: 1024 to 65,536.
    pub page_size: u32,
    /// Pages in the region: at least four, an even number is used.
    pub pages: u32,
    /// The unit of programming in bytes: 1, 2, 4, 8, 16 or 32.
    pub write_size: u32,
}

/// The flash did not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("flash operation failed")]
pub struct FlashError;
