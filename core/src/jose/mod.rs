//! JSON Web Tokens and keys: the one place that splits a JWT (RFC 7515, RFC 7517, RFC 7519). Nothing here verifies.

pub mod assertion;
mod compact;
pub mod id_token;
mod jwk;
mod part;

pub use compact::Compact;
pub use jwk::{Jwk, PublicKey};
pub use part::{decode_part, decode_part_text};
