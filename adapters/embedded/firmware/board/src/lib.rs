//! Board support for QEMU's mps2-an386 (Cortex-M4F): start, heap, stack, clock, the host behind semihosting, and the network.
//! All unsafe code of the firmware is here.
#![no_std]

extern crate alloc;

mod clock;
mod heap;
mod host;
#[cfg(feature = "network")]
mod lan9118;
mod stack;
#[cfg(feature = "network")]
mod tcp;

pub use clock::{idle, milliseconds};
pub use heap::{Heap, heap};
pub use host::{Image, argument, exit, random, read, seconds};
pub use semihosting::println;
pub use stack::{repaint, stack_peak};
#[cfg(feature = "network")]
pub use tcp::{Network, NetworkError, Stream};

// It has the critical section of a single core.
use cortex_m as _;

unsafe extern "Rust" {
    /// What the board runs; the binary has it.
    safe fn application() -> !;
}

#[cortex_m_rt::entry]
fn start() -> ! {
    heap::begin();
    clock::begin();
    application()
}

/// Starts again from the reset vector, as a watchdog does. Memory is not kept, flash is.
pub fn reset() -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}

/// Where a panic comes to: `addr2line` knows the place. A device would reset.
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    println!("fault at {:#x}", frame.pc());
    host::exit(101)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    host::exit(101)
}
