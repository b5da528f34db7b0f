//! JSON Web Tokens and keys: the one place that splits a JWT (RFC 7515, RFC 7517, RFC 7519). Only `verify` verifies.

pub mod assertion;
mod compact;
#[cfg(feature = "validate")]
#[cfg(feature = "validate")]
mod header;
pub mod id_token;
mod jwk;
#[cfg(feature = "validate")]
mod key_set;
mod part;
#[cfg(feature = "validate")]
mod verify;

pub use compact::Compact;
#[cfg(feature = "validate")]
#[cfg(feature = "validate")]
pub(crate) use header::{Header, Member};
pub use jwk::{Jwk, PublicKey};
#[cfg(feature = "validate")]
pub use key_set::{KeySet, SetKey};
pub use part::{decode_part, decode_part_text};
#[cfg(feature = "validate")]
pub use verify::{Software, Verify, verify};
