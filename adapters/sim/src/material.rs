//! Keys and a certificate that everybody has: they stand in this crate, in the open. Nothing may ever trust them.

use std::fmt;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// The private key of a client that exists only in tests; its certificate is [`CLIENT_CERTIFICATE`]. **Public.**
pub const CLIENT_KEY: &str = include_str!("../keys/client.key.pem");
/// The certificate of [`CLIENT_KEY`]; register it with
/// [`Application::certificate`](crate::Application::certificate).
pub const CLIENT_CERTIFICATE: &str = include_str!("../keys/client.cert.pem");

/// What the platform signs its tokens with, one after the other. **Public.**
pub(crate) const SIGNING_KEYS: [&str; 2] =
    [include_str!("../keys/signing-a.pem"), include_str!("../keys/signing-b.pem")];

/// A text holds no key or certificate that can be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKey(pub(crate) &'static str);

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidKey {}

pub(crate) fn certificate(pem: &str) -> Result<CertificateDer<'static>, InvalidKey> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| InvalidKey("there is no PEM certificate in the text"))
}

pub(crate) fn private_key(pem: &str) -> Result<PrivatePkcs8KeyDer<'static>, InvalidKey> {
    PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| InvalidKey("there is no PKCS#8 key in the text"))
}
