//! Everything about sansal that is tested from outside: recorded conversations, real servers, hosts, a daemon's day.
#![forbid(unsafe_code)]

pub mod conformance;
pub mod daemon;
pub mod hosts;

/// The README's code, compiled as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
