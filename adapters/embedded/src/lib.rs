//! Tokens for firmware: drives any [`Flow`](sansal::Flow) over any `embedded-io` stream. `no_std`, no thread, no `unsafe`.
//!
//! ```text
//! your network stack, your TLS      Connect, BlockingConnect or PolledConnect: a stream for a Peer
//! your clock, your random numbers   Time, Entropy (RandCore for a TRNG of rand_core)
//! your display, your keys           Asks
//! your flash                        TokenStore
//!                                        |
//!                                     Driver      async; drive_blocking; Superloop::poll
//! ```
//!
//! The driver is written once, as futures. Streams that block ([`Blocking`]) never keep one waiting, and in a superloop each
//! [`poll`](Superloop::poll) looks whether a stream is ready ([`Polled`]); nothing is spawned, nothing needs an executor.
//!
//! Tokens on flash, over resets and power losses, are in [`flash`](mod@flash) (feature `flash`, on by default).
//!
//! HTTP/1.1 with its limits is in [`http1`], for whoever brings a driver of their own.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails"))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod http1;

mod asks;
mod blocking;
mod connect;
mod dates;
mod driver;
mod entropy;
mod exchange;
#[cfg(feature = "flash")]
pub mod flash;
mod superloop;
mod time;
mod tokens;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

pub use asks::{Asks, DeviceCodePrompt, NoAsks};
pub use blocking::{Blocking, BlockingConnect, block_on};
pub use connect::{Connect, Peer};
pub use dates::{Dates, MAX_AHEAD};
pub use driver::Driver;
pub use entropy::RandCore;
pub use superloop::{Polled, PolledConnect, Superloop};
pub use time::Time;

pub use sansal;
pub use tokens::{NoTokenStore, Remembered, TokenStore};
