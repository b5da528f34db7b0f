//! Sign-in and tokens for the Microsoft identity platform and any OpenID Connect provider, as pure state machines.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod limits;
pub mod secret;
pub mod time;
pub mod entropy;
pub mod base64;
pub mod json;
pub mod key;
pub mod error;
pub mod endpoint;
pub mod http;
pub mod token;
pub mod cache;

pub use endpoint::Endpoint;
pub use error::Error;
pub use secret::Secret;
