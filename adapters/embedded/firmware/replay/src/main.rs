//! Plays the tapes of recorded conversations on a Cortex-M4 in QEMU: what the core does there is what it does anywhere.
//!
//! `tests/run firmware` makes the tapes with `cargo run -p sansal-tests --bin tapes`, names them in `SANSAL_TAPES` and compares the
//! line that comes out. The exit status is 0 if all were played.
#![no_std]
#![no_main]

use board::println;

/// As large as flash is.
static TAPES: &[u8] = include_bytes!(env!("SANSAL_TAPES"));

/// Where the board begins when it is ready.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "the board knows it by this name")]
fn application() -> ! {
    match sansal_replay::play(TAPES) {
        Ok(played) => {
            println!("{played}");
            board::exit(0)
        }
        Err(why) => {
            println!("{why}");
            board::exit(1)
        }
    }
}
