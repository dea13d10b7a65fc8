//! The locker firmware on a Cortex-M4 of 256 KB: what lies between `postern-locker` and the bare machine.
//!
//! Arm MPS2+ with the AN386 image, as QEMU plays it (`-machine mps2-an386`). See README.md for the serial line, for how
//! to build and run it, and for the numbers.
#![no_std]

extern crate alloc;

pub mod cabinet;
pub mod flash;
pub mod heap;
pub mod stack;
pub mod timer;
pub mod uart;

use core::panic::PanicInfo;

use cortex_m_semihosting::{debug, hprintln};

/// Without a debugger a locker restarts: the journal is made for that. In QEMU the reason is told and the run fails.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("panic: {info}");
    debug::exit(debug::EXIT_FAILURE);
    cortex_m::peripheral::SCB::sys_reset()
}
