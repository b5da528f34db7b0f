//! The heap, with its balance, its peak and its largest allocation.

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use embedded_alloc::LlffHeap;

/// Bytes of the heap; what a flow takes of it is measured.
const ARENA: usize = 128 * 1024;

/// What was taken from the heap, in bytes as they were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heap {
    /// In use now.
    pub used: usize,
    /// The most that was in use at once.
    pub peak: usize,
    /// The largest single allocation.
    pub largest: usize,
}

struct Counting {
    inner: LlffHeap,
    used: AtomicUsize,
    peak: AtomicUsize,
    largest: AtomicUsize,
}

#[global_allocator]
static HEAP: Counting = Counting {
    inner: LlffHeap::empty(),
    used: AtomicUsize::new(0),
    peak: AtomicUsize::new(0),
    largest: AtomicUsize::new(0),
};

/// The heap's memory; not part of the static memory that the table of sizes counts.
#[unsafe(export_name = "HEAP_ARENA")]
static mut ARENA_BYTES: [u8; ARENA] = [0; ARENA];

pub(crate) fn begin() {
    // SAFETY: called once, before the first allocation; nobody else names the arena.
    unsafe { HEAP.inner.init((&raw mut ARENA_BYTES) as usize, ARENA) };
}

/// What was taken so far.
pub fn heap() -> Heap {
    Heap { used: HEAP.used.load(Relaxed), peak: HEAP.peak.load(Relaxed), largest: HEAP.largest.load(Relaxed) }
}

// SAFETY: all memory comes from and goes to the inner allocator; the counters are only looked at.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is handed on.
        let memory = unsafe { self.inner.alloc(layout) };
        if !memory.is_null() {
            // No interrupt allocates, so these need not be one step.
            let used = self.used.load(Relaxed) + layout.size();
            self.used.store(used, Relaxed);
            self.peak.store(used.max(self.peak.load(Relaxed)), Relaxed);
            self.largest.store(layout.size().max(self.largest.load(Relaxed)), Relaxed);
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        self.used.store(self.used.load(Relaxed) - layout.size(), Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { self.inner.dealloc(memory, layout) }
    }
}
