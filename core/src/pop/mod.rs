//! Proof of possession: keys, signed HTTP requests (SHR), DPoP proofs (RFC 9449), and the nonces that servers hand out for them.

mod address;
pub mod dpop;
mod key;
pub mod nonce;
pub mod shr;

pub use key::{PopKey, Signed};
