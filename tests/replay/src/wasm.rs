//! The module for WebAssembly (`cargo rustc --crate-type cdylib`): its memory, its panics, and the one function that a host calls.

use alloc::boxed::Box;
use alloc::format;

#[global_allocator]
static MEMORY: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// The tapes, named where the module is built.
static TAPES: &[u8] = include_bytes!(env!("SANSAL_TAPES"));

/// Plays the tapes. Points at a line that says what came of it, and ends with a zero.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "a host knows it by this name")]
#[expect(unreachable_pub, reason = "the host reaches it")]
pub extern "C" fn replay() -> *const u8 {
    let said = match crate::play(TAPES) {
        Ok(played) => format!("{played}\0"),
        Err(why) => format!("{why}\0"),
    };
    Box::leak(said.into_boxed_str()).as_ptr()
}
