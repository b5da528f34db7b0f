//! JSON Web Tokens and keys: the one place that splits a JWT (RFC 7515, RFC 7517, RFC 7519). Only `verify` verifies.

pub mod assertion;
mod compact;
pub mod id_token;
mod jwk;
mod key_set;
mod part;
mod verify;

pub use compact::Compact;
pub use jwk::{Jwk, PublicKey};
pub use key_set::{KeySet, SetKey};
pub use part::{decode_part, decode_part_text};
pub use verify::{Software, Verify, verify};
