//! Reads the sections of a cache file and their entries one by one: a whole [`Value`](crate::json::Value) would lose the order of
//! entries, and hold everything twice.

#[cfg(not(feature = "serde_json"))]
mod plain;
#[cfg(feature = "serde_json")]
mod serde;

#[cfg(not(feature = "serde_json"))]
pub(super) use plain::read;
#[cfg(feature = "serde_json")]
pub(super) use serde::read;
