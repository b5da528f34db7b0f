//! Certificates and private keys as people have them: PEM of every shape, X.509, PKCS#1, PKCS#8; thumbprints, signatures.
//!
//! | feature | adds |
//! |---|---|
//! | none | PEM blocks, [`extract_certs`], [`Thumbprint`] |
//! | `cert` | [`Certificate`], [`PrivateKey`], [`in_chain_order`] |
//! | `x509` | [`Certificate::subject`], [`Certificate::issuer`]; certificates are read whole |
//! | `encrypted-keys` | [`PrivateKey::parse`] opens keys that have a passphrase |
//! | `rsa` | [`RsaKey`], [`Certificate::verify_signature`] |

#[cfg(feature = "cert")]
mod certificate;
#[cfg(feature = "cert")]
mod chain;
#[cfg(feature = "encrypted-keys")]
mod encrypted;
mod extract;
#[cfg(feature = "encrypted-keys")]
mod legacy;
pub mod pem;
#[cfg(feature = "cert")]
mod pkcs1;
#[cfg(feature = "cert")]
mod private_key;
#[cfg(feature = "rsa")]
mod rsa_key;
#[cfg(feature = "cert")]
mod structure;
mod thumbprint;

#[cfg(feature = "cert")]
pub use certificate::Certificate;
#[cfg(feature = "cert")]
pub use chain::{in_chain_order, is_chain};
pub use extract::extract_certs;
#[cfg(feature = "cert")]
pub use private_key::PrivateKey;
#[cfg(feature = "rsa")]
pub use rsa_key::{RsaKey, verify};
pub use thumbprint::{Thumbprint, parse_thumbprint};
