//! The transcript player: recorded conversations of MSAL Python are played with the core, and everything is compared.
//!
//! ```text
//! transcript ─┬─ what happens: apps, calls, answers ──▶ stage, calls ──▶ the core
//!             │                                              │ requests, outcomes, waits, callbacks, cache
//!             └─ what was seen: requests, results … ──▶ compare ◀┘
//! ```
//!
//! What was recorded as result, exception or final cache is private to [`expected`]: the code that runs the core cannot
//! read it. `FORMAT.md`, which comes with the recordings, is the specification.

pub mod arguments;
pub mod apps;
pub mod bound;
pub mod calls;
pub mod deviations;
pub mod exceptions;
pub mod expected;
pub mod json;
pub mod jwt;
pub mod matching;
pub mod outcome;
pub mod place;
pub mod player;
pub mod probe;
pub mod report;
pub mod server;
pub mod stage;
pub mod tape;
pub mod transcript;
pub mod xml;
