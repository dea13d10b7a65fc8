//! How deep the stack has ever been. The start-up code paints it (feature `paint-stack` of cortex-m-rt).

use core::ptr;

const PAINT: u32 = 0xCCCC_CCCC;

unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

/// Bytes between the two ends.
#[must_use]
pub fn size() -> usize {
    ptr::addr_of!(_stack_start) as usize - ptr::addr_of!(_stack_end) as usize
}

/// The deepest that the stack has been since the start, in bytes.
#[must_use]
pub fn peak() -> usize {
    let end = ptr::addr_of!(_stack_end) as usize;
    let start = ptr::addr_of!(_stack_start) as usize;
    let mut address = end.next_multiple_of(4);
    // SAFETY: aligned words of RAM that belongs to the stack; volatile, since nothing but the paint was written there.
    while address < start && unsafe { ptr::read_volatile(address as *const u32) } == PAINT {
        address += 4;
    }
    start - address
}
