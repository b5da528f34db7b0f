//! What holds the core against the world: tiny hosts that drive it, and whatever else tests of several kinds share.
#![forbid(unsafe_code)]

pub mod hosts;

/// The README's code, compiled as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
