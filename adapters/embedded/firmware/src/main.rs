//! Example firmware: tokens from the simulated identity platform, on a Cortex-M4 in QEMU. What it does is the first argument:
//!
//! | mode | what |
//! |---|---|
//! | `secret`, `certificate` | the device's own token (RFC 6749 s4.4), by a secret or an RSA key |
//! | `provider` | by a secret or the certificate of the connection (RFC 8705) at any OpenID provider, which a file names |
//! | `device-code` | a user signs in elsewhere (RFC 8628); the code is shown on the console |
//! | `superloop` | the same, in a loop that polls and has other things to do |
//! | `embassy` | the same, as a task of embassy's executor |
//! | `bound` | the same, the token bound to a key that a secure element never gives out (PoP, ES256) |
//! | `bound-in-memory` | the same with a key in memory; in a build of its own, for comparing |
//! | `reboot` | device code, with a reset after the code was shown and one after the tokens came; then a refresh from flash |
//!
//! The second argument is the server's port at the emulator's host. The exit status is 0 if there was a token.
#![no_std]
#![no_main]

extern crate alloc;

#[cfg(not(feature = "flows"))]
#[path = "alone.rs"]
mod flows;
#[cfg(feature = "flows")]
mod device;
#[cfg(feature = "element")]
mod element;
#[cfg(feature = "embassy")]
mod embassy;
#[cfg(feature = "reboot")]
mod flash;
#[cfg(feature = "flows")]
mod flows;
#[cfg(feature = "bound")]
mod panel;
#[cfg(feature = "element")]
mod simulated_element;
#[cfg(feature = "tls")]
#[path = "network.rs"]
mod link;
#[cfg(not(feature = "tls"))]
#[path = "script.rs"]
mod link;

use board::println;

/// Where the board begins when it is ready.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "the board knows it by this name")]
fn application() -> ! {
    let mode = board::argument(1).unwrap_or_default();
    board::repaint();
    #[cfg(feature = "embassy")]
    if mode == "embassy" {
        embassy::run();
    }
    end(flows::run(&mode))
}

/// Says what was taken, and ends the emulator.
fn end(done: bool) -> ! {
    let (heap, stack) = (board::heap(), board::stack_peak());
    println!("heap-peak {} largest {} stack-peak {}", heap.peak, heap.largest, stack);
    board::exit(i32::from(!done))
}
