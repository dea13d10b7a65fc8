//! The first serial line (CMSDK APB UART, Arm DDI 0479), polled.

use core::ptr;

const DATA: *mut u32 = 0x4000_4000 as *mut u32;
const STATE: *mut u32 = 0x4000_4004 as *mut u32;
const CTRL: *mut u32 = 0x4000_4008 as *mut u32;
const DIVIDER: *mut u32 = 0x4000_4010 as *mut u32;
const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;

/// The line, 1.5 Mbit/s at 25 MHz.
#[derive(Debug)]
pub struct Uart(());

impl Uart {
    /// Switches both directions on.
    #[must_use]
    pub fn start() -> Self {
        // SAFETY: the registers of the UART, which only this type uses.
        unsafe {
            ptr::write_volatile(DIVIDER, 16);
            ptr::write_volatile(CTRL, 3);
        }
        Self(())
    }

    /// A byte, if one has come.
    pub fn read(&mut self) -> Option<u8> {
        // SAFETY: as above.
        unsafe {
            (ptr::read_volatile(STATE) & RX_FULL != 0).then(|| ptr::read_volatile(DATA).to_le_bytes()[0])
        }
    }

    /// Sends, waiting for the line: a packet of 300 bytes takes 2 ms.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // SAFETY: as above.
            unsafe {
                while ptr::read_volatile(STATE) & TX_FULL != 0 {}
                ptr::write_volatile(DATA, u32::from(*byte));
            }
        }
    }
}
