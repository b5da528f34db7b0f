//! TLS for firmware (RFC 8446, RFC 5246): `rustls` without `std`, RustCrypto primitives, and the certificate checks of webpki.
//!
//! [`Tls`] makes a [`Connect`](sansal_embedded::Connect) with TLS out of one without. The application brings the roots that it
//! trusts and a source of random numbers; the date comes with each [`Peer`](sansal_embedded::Peer).
//!
//! ```no_run
//! use sansal_embedded::{Blocking, BlockingConnect};
//! use sansal_embedded_tls::pki_types::CertificateDer;
//! use sansal_embedded_tls::{Random, RootCertStore, Tls};
//!
//! fn trng(out: &mut [u8]) -> bool {
//! #   let _ = out;
//!     // … fills `out` with random bytes; `false` when there are none …
//! #   false
//! }
//! static RANDOM: Random = Random(trng);
//!
//! # fn example(network: impl BlockingConnect, root: CertificateDer<'static>) -> Result<(), Box<dyn std::error::Error>> {
//! let mut roots = RootCertStore::empty();
//! roots.add(root)?;
//! let connect = Tls::new(Blocking(network), roots, &RANDOM); // for `sansal_embedded::Driver::new`
//! # Ok(())
//! # }
//! ```
//!
//! | what | which |
//! |---|---|
//! | versions | TLS 1.3 and 1.2 |
//! | key exchange | P-256 |
//! | cipher | AES-128-GCM with SHA-256 |
//! | certificates | ES256; with the feature `rsa` (default) PKCS #1 v1.5 and PSS with SHA-256 and SHA-384 |
//!
//! Client certificates (RFC 8705) are held by [`Tls::client_certificate`]; their keys may be in a secure element ([`ClientKey`]).
//!
//! Pinned servers are not there yet: a request that asks for one fails before anything is sent.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod aead;
mod client;
mod connect;
mod hash;
mod provider;
mod stream;
mod verify;

pub use client::{ClientKey, P256Key};
pub use connect::{MaybeTls, Tls};
pub use provider::Random;
pub use rustls::RootCertStore;
pub use rustls::pki_types;
pub use stream::{TlsError, TlsStream};
