//! Tokens on flash (`embedded-storage`): encrypted, over resets and power losses.
//!
//! ```text
//! region: | slot 0 | slot 1 | … |         each a multiple of what can be erased at once
//! slot:   | header | sealed     |         XChaCha20-Poly1305 under the key of the device
//! header: "sansal01", number of the save, length, nonce
//! ```
//! A save goes to the slot after the newest one: that one stays as it is until the new one is whole, and all slots wear alike.
//! The seal is the checksum: what was torn by a power loss, or changed by anybody, does not open, and the save before counts.
//! Whoever can write the flash can put an old save back; it opens, since nothing on flash can tell.

mod page;
mod shared;
mod slots;
mod tokens;

pub use shared::Shared;
pub use slots::{DeviceKey, FlashError, FlashSlots};
pub use tokens::FlashTokens;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod simulated;
