//! Time since power-on, by the first timer of the board (CMSDK APB timer, Arm DDI 0479): 25 MHz, counting down.
//!
//! Under `qemu -icount shift=0` one tick is exactly 40 instructions.

use core::ptr;

use postern_locker::Uptime;

const CTRL: *mut u32 = 0x4000_0000 as *mut u32;
const VALUE: *mut u32 = 0x4000_0004 as *mut u32;
const RELOAD: *mut u32 = 0x4000_0008 as *mut u32;
/// Instructions in a tick under `-icount shift=0`: a nanosecond each, at 25 MHz.
pub const INSTRUCTIONS_PER_TICK: u64 = 40;
const TICKS_PER_MILLISECOND: u64 = 25_000;

/// The running timer. Look at it at least every 171 s: it wraps.
#[derive(Debug)]
pub struct Timer {
    last: u32,
    ticks: u64,
}

impl Timer {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        // SAFETY: the registers of the timer, which only this type uses.
        unsafe {
            ptr::write_volatile(RELOAD, u32::MAX);
            ptr::write_volatile(VALUE, u32::MAX);
            ptr::write_volatile(CTRL, 1);
        }
        Self { last: u32::MAX, ticks: 0 }
    }

    /// Ticks since the start.
    pub fn ticks(&mut self) -> u64 {
        // SAFETY: as above.
        let value = unsafe { ptr::read_volatile(VALUE) };
        self.ticks += u64::from(self.last.wrapping_sub(value));
        self.last = value;
        self.ticks
    }

    /// Milliseconds since the start.
    pub fn uptime(&mut self) -> Uptime {
        Uptime(self.ticks() / TICKS_PER_MILLISECOND)
    }
}
