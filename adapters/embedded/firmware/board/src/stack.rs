//! How deep the stack was, by what is left of the paint that `cortex-m-rt` puts there at the start.

const PAINT: u32 = 0xCCCC_CCCC;
/// This much untouched paint in a row is the end of what was used.
const CALM: usize = 16 * 1024;

unsafe extern "C" {
    static _stack_start: u32;
    static _stack_end: u32;
}

fn pointer() -> usize {
    cortex_m::register::msp::read() as usize
}

/// Paints what is free below the caller anew, so that only what comes from now on is measured.
#[inline(never)]
pub fn repaint() {
    let end = (&raw const _stack_end) as usize;
    let mut at = (pointer() - 256) & !3;
    // What lies far below was never touched.
    let mut calm = 0;
    while at > end && calm < CALM {
        let word = at as *mut u32;
        // SAFETY: between the end of the stack and the frames in use there is nothing but paint and what is left of old frames.
        unsafe {
            calm = if word.read_volatile() == PAINT { calm + 4 } else { 0 };
            word.write_volatile(PAINT);
        }
        at -= 4;
    }
}

/// The most bytes of stack that were in use at once.
#[inline(never)]
pub fn stack_peak() -> usize {
    let (start, end) = ((&raw const _stack_start) as usize, (&raw const _stack_end) as usize);
    let mut at = pointer() & !3;
    let (mut lowest, mut calm) = (at, 0);
    while at > end && calm < CALM {
        // SAFETY: this is the stack's memory, which always can be read.
        if unsafe { (at as *const u32).read_volatile() } == PAINT {
            calm += 4;
        } else {
            (lowest, calm) = (at, 0);
        }
        at -= 4;
    }
    start - lowest
}
