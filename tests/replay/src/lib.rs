//! Tapes of recorded conversations, played without the standard library.
//!
//! The transcript player (`sansal-tests`, module `conformance`) plays a recording of MSAL Python, compares everything with it, and
//! can keep a tape: which clients were built, which flows were begun, and each input that they got. Here the tape is played
//! again with the core alone, on whatever it runs: a Cortex-M in QEMU, WebAssembly, this machine. Both hash each step that the core
//! answered with: the digests are the same if and only if it behaved the same everywhere.
#![no_std]

extern crate alloc;

mod chance;
mod player;
mod spec;
mod told;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub use chance::Chance;
pub use player::{Played, play};
pub use spec::{BadTape, client};
pub use told::Told;
