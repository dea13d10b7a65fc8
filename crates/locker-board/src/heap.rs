//! The heap: TLSF, whose every operation takes a bounded number of steps, with marks of how much was ever used.

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use rlsf::Tlsf;

/// Bytes. What 100 doors and 10,000 remembered tokens take, four connections, and air; the rest of 256 KB is stack.
pub const SIZE: usize = 212 * 1024;

/// First-level classes of 16 bytes to 256 KB, each cut in 16.
type Pool = Tlsf<'static, u32, u16, 15, 16>;

/// What the heap has been through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// Allocations since the last reset of the marks.
    pub allocations: u32,
    /// Bytes in use, as asked for.
    pub used: usize,
    /// The most that were.
    pub peak: usize,
}

struct Heap {
    inner: UnsafeCell<Inner>,
}

struct Inner {
    pool: Pool,
    given: bool,
    marks: Marks,
}

/// Aligned as the pool wants it.
#[repr(align(16))]
struct Region(UnsafeCell<[MaybeUninit<u8>; SIZE]>);

// SAFETY: one core, and no interrupt is ever enabled: nothing runs beside what runs.
unsafe impl Sync for Heap {}
// SAFETY: as above; the region is handed to the pool once and touched by nobody else.
unsafe impl Sync for Region {}

#[unsafe(link_section = ".uninit.heap")]
static REGION: Region = Region(UnsafeCell::new([MaybeUninit::uninit(); SIZE]));

#[global_allocator]
static HEAP: Heap =
    Heap { inner: UnsafeCell::new(Inner { pool: Pool::new(), given: false, marks: Marks::new() }) };

impl Marks {
    const fn new() -> Self {
        Self { allocations: 0, used: 0, peak: 0 }
    }
}

impl Heap {
    #[allow(clippy::mut_from_ref, reason = "the one place where the cell is opened")]
    fn inner(&self) -> &mut Inner {
        // SAFETY: no interrupt and no second core, and no function of this module calls back into the allocator while
        // it holds the reference.
        unsafe { &mut *self.inner.get() }
    }
}

// SAFETY: TLSF gives out disjoint blocks of the region, of the size and alignment asked for.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let inner = self.inner();
        if !inner.given {
            inner.given = true;
            // SAFETY: the region lives for ever and is given away here alone.
            let region = unsafe { NonNull::new_unchecked(REGION.0.get() as *mut [u8; SIZE] as *mut [u8]) };
            // SAFETY: as above.
            unsafe { inner.pool.insert_free_block_ptr(region) };
        }
        match inner.pool.allocate(layout) {
            Some(block) => {
                inner.marks.allocations += 1;
                inner.marks.used += layout.size();
                inner.marks.peak = inner.marks.peak.max(inner.marks.used);
                block.as_ptr()
            }
            None => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let inner = self.inner();
        inner.marks.used -= layout.size();
        // SAFETY: the caller gives back what `alloc` gave, with the same layout.
        unsafe { inner.pool.deallocate(NonNull::new_unchecked(block), layout.align()) }
    }
}

/// What the heap has been through since [`reset_marks`].
#[must_use]
pub fn marks() -> Marks {
    HEAP.inner().marks
}

/// Begins to count anew.
pub fn reset_marks() {
    let marks = &mut HEAP.inner().marks;
    (marks.allocations, marks.peak) = (0, marks.used);
}
