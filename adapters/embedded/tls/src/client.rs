//! Client certificates (RFC 8446 s4.4.2, RFC 8705): which one a connection presents, and who signs for it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, Signer};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use sansal::key::{Algorithm, KeyName};
use sha2::{Digest, Sha256};

/// The private key of a client certificate, wherever it is: in a secure element, or in memory.
pub trait ClientKey: fmt::Debug + Send + Sync {
    /// ES256 or PS256; RS256 serves in TLS 1.2 alone (RFC 8446 s4.2.3).
    fn algorithm(&self) -> Algorithm;

    /// The signature as JOSE wants it (RFC 7518 s3), which is what [`Asks::sign`](sansal_embedded::Asks::sign) gives too: for
    /// ES256 r and s. `None` if there is none; the connection fails then.
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>>;
}

/// A P-256 key in memory. It is overwritten when it is dropped.
#[derive(Clone)]
pub struct P256Key(SigningKey);

impl P256Key {
    /// The key with this private number; `None` for zero and numbers beyond the order of the curve.
    pub fn new(d: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(d).ok().map(Self)
    }
}

impl ClientKey for P256Key {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Es256
    }

    #[allow(clippy::disallowed_methods, reason = "the rule is about RSA; this is ECDSA, deterministic by RFC 6979")]
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature: Signature = self.0.sign_prehash(&Sha256::digest(message)).ok()?;
        Some(signature.to_bytes().to_vec())
    }
}

impl fmt::Debug for P256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P256Key(..)")
    }
}

/// A certificate with those above it, under the name by which requests ask for it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) name: KeyName,
    pub(crate) certified: Arc<Certified>,
}

impl Held {
    pub(crate) fn new(name: KeyName, chain: Vec<CertificateDer<'static>>, key: Arc<dyn ClientKey>) -> Self {
        let certified = CertifiedKey::new(chain, Arc::new(Key(key)));
        Self { name, certified: Arc::new(Certified(Arc::new(certified))) }
    }
}

/// The one certificate of a connection; whoever it is asked by gets it.
#[derive(Debug)]
pub(crate) struct Certified(Arc<CertifiedKey>);

impl ResolvesClientCert for Certified {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug)]
struct Key(Arc<dyn ClientKey>);

impl rustls::sign::SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.scheme()).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.0.algorithm() {
            Algorithm::Es256 => SignatureAlgorithm::ECDSA,
            _ => SignatureAlgorithm::RSA,
        }
    }
}

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = || Error::General("the client's key did not sign".into());
        let signature = self.0.sign(message).ok_or_else(failed)?;
        match self.0.algorithm() {
            // TLS wants it in DER (RFC 8446 s4.2.3).
            Algorithm::Es256 => {
                let signature = Signature::from_slice(&signature).map_err(|_| failed())?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            _ => Ok(signature),
        }
    }

    fn scheme(&self) -> SignatureScheme {
        match self.0.algorithm() {
            Algorithm::Es256 => SignatureScheme::ECDSA_NISTP256_SHA256,
            Algorithm::Ps256 => SignatureScheme::RSA_PSS_SHA256,
            _ => SignatureScheme::RSA_PKCS1_SHA256,
        }
    }
}
