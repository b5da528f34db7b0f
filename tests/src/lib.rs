//! What holds the core against the world: tiny hosts that drive it, and whatever else tests of several kinds share.
#![forbid(unsafe_code)]

pub mod hosts;
