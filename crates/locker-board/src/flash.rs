//! The journal's flash: a megabyte of 4 KB pages that are programmed by double words, as a common microcontroller's,
//! played by the board's PSRAM, which a reset leaves alone.
//!
//! The rules of flash are kept: a program only clears bits of erased double words, an erase takes a page. Power may be
//! made to fail at any byte of any of them; the processor is then reset on the spot.

use core::ptr;

use cortex_m::peripheral::SCB;
use postern_locker::{FlashError, Geometry};

const BASE: usize = 0x2100_0000;
const PAGE: u32 = 4096;
const PAGES: u32 = 256;
/// Behind the region: a word that tells whether it was ever erased, as it leaves the factory.
const FACTORY: *mut u32 = (BASE + (PAGE * PAGES) as usize) as *mut u32;
const ERASED_AT_FACTORY: u32 = 0x504F_5354;

/// The region.
#[derive(Debug)]
pub struct Flash {
    /// Steps until power fails, and how many bytes of that step are still done.
    cut: Option<(u32, u32)>,
}

impl Flash {
    /// The region as the last run left it; erased at the very first.
    #[must_use]
    pub fn new() -> Self {
        let mut flash = Self { cut: None };
        // SAFETY: PSRAM behind the region, used by nothing else.
        if unsafe { ptr::read_volatile(FACTORY) } != ERASED_AT_FACTORY {
            flash.fill(0, PAGE * PAGES, PAGE * PAGES);
            // SAFETY: as above.
            unsafe { ptr::write_volatile(FACTORY, ERASED_AT_FACTORY) };
        }
        flash
    }

    /// Power will fail at this step from now on.
    pub fn cut_power(&mut self, step: u32, bytes: u32) {
        self.cut = Some((step, bytes));
    }

    /// How much of a step of `length` bytes is done before power fails, if it does.
    fn step(&mut self, length: u32) -> Option<u32> {
        match &mut self.cut {
            Some((0, bytes)) => Some((*bytes).min(length)),
            Some((steps, _)) => {
                *steps -= 1;
                None
            }
            None => None,
        }
    }

    fn fill(&mut self, address: u32, length: u32, done: u32) {
        for offset in address..address + length.min(done) {
            // SAFETY: within the region, checked by the callers.
            unsafe { ptr::write_volatile((BASE + offset as usize) as *mut u8, 0xFF) };
        }
    }

    fn check(address: u32, length: usize) -> Result<u32, FlashError> {
        let length = u32::try_from(length).map_err(|_| FlashError)?;
        let end = address.checked_add(length).ok_or(FlashError)?;
        if end <= PAGE * PAGES { Ok(length) } else { Err(FlashError) }
    }
}

impl Default for Flash {
    fn default() -> Self {
        Self::new()
    }
}

impl postern_locker::Flash for Flash {
    fn geometry(&self) -> Geometry {
        Geometry { page_size: PAGE, pages: PAGES, write_size: 8 }
    }

    fn read(&self, address: u32, into: &mut [u8]) -> Result<(), FlashError> {
        let length = Self::check(address, into.len())?;
        // SAFETY: within the region, which is memory that nobody else writes.
        let from =
            unsafe { core::slice::from_raw_parts((BASE + address as usize) as *const u8, length as usize) };
        into.copy_from_slice(from);
        Ok(())
    }

    fn program(&mut self, address: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let length = Self::check(address, bytes.len())?;
        if !address.is_multiple_of(8) || !length.is_multiple_of(8) {
            return Err(FlashError);
        }
        let done = self.step(length);
        for (offset, byte) in (address..address + done.unwrap_or(length)).zip(bytes) {
            let cell = (BASE + offset as usize) as *mut u8;
            // SAFETY: within the region. Bits are only cleared, as in flash.
            unsafe { ptr::write_volatile(cell, ptr::read_volatile(cell) & byte) };
        }
        if done.is_some() { SCB::sys_reset() } else { Ok(()) }
    }

    fn erase(&mut self, page: u32) -> Result<(), FlashError> {
        if page >= PAGES {
            return Err(FlashError);
        }
        let done = self.step(PAGE);
        self.fill(page * PAGE, PAGE, done.unwrap_or(PAGE));
        if done.is_some() { SCB::sys_reset() } else { Ok(()) }
    }
}
