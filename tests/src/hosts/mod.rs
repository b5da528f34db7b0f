//! Tiny hosts, each another answer to "how do I drive a machine?". All drive the same flows against the same servers.
//!
//! | host | how it does I/O | where its store is |
//! |---|---|---|
//! | [`blocking`] | one thread that waits for its socket | in memory |
//! | [`superloop`] | one `poll()` that never waits, as firmware has it | in memory |
//! | [`executor`] | futures on an executor of its own | in memory, shared by several flows |
//! | [`elsewhere`] | none: answers are scripted | in another place, reached by `Load` and `Commit` |
//!
//! A host on a runtime that others wrote, `smol`, is the example `host_smol`: bring your own.
//!
//! What they share is sans-IO itself: [`http1`] turns requests into bytes and bytes into responses, [`tls`] puts a
//! TLS connection around that, [`world`] lends the machine its store, its clock and its random bytes.

pub mod arguments;
pub mod blocking;
pub mod elsewhere;
pub mod executor;
pub mod http1;
pub mod sockets;
pub mod superloop;
pub mod tls;
pub mod world;

pub use arguments::Arguments;
pub use http1::Answer;
pub use tls::{Exchange, Trust};
pub use world::World;
