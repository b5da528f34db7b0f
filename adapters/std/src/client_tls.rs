//! The certificate that is presented to a server (RFC 8705), with its chain and its private key.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer};
use sansal::base64;
use sansal::cert::{Certificate, PrivateKey, in_chain_order};
use sansal::error::CertError;
use ureq::tls::ClientCert;
use zeroize::Zeroizing;

/// Certificate, chain and key, checked: the key is the certificate's.
#[derive(Clone)]
pub struct TlsIdentity {
    presented: ClientCert,
    resolver: Arc<dyn ResolvesClientCert>,
    x5t_s256: [u8; 32],
}

impl TlsIdentity {
    /// An RSA key with its certificate, and whatever certificates lie beside it.
    ///
    /// # Errors
    /// [`CertError`] says what does not fit.
    pub(crate) fn rsa(key: &PrivateKey, leaf: &Certificate, others: Vec<Certificate>) -> Result<Self, CertError> {
        let der = PrivateKeyDer::from(PrivatePkcs1KeyDer::from(key.pkcs1_der().to_vec()));
        Self::new(der, leaf, others)
    }

    /// The same with a key of any kind that `ring` signs with.
    ///
    /// # Errors
    /// [`CertError::BadKey`] when it does not, [`CertError::KeyMismatch`].
    pub(crate) fn new(
        key: PrivateKeyDer<'static>,
        leaf: &Certificate,
        others: Vec<Certificate>,
    ) -> Result<Self, CertError> {
        let chain = in_chain_order(leaf, others);
        let certificates: Vec<CertificateDer<'static>> =
            chain.iter().map(|one| CertificateDer::from(one.der().to_vec())).collect();
        let (label, der) = match &key {
            PrivateKeyDer::Pkcs1(der) => ("RSA PRIVATE KEY", der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => ("PRIVATE KEY", der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(der) => ("EC PRIVATE KEY", der.secret_sec1_der()),
            _ => return Err(CertError::BadKey),
        };
        // `ureq` does not export the names of the kinds, by which it would take DER.
        let body = Zeroizing::new(base64::std_encode(der));
        let pem = Zeroizing::new(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", &*body));
        let presented = ClientCert::new_with_certs(
            &chain.iter().map(|one| ureq::tls::Certificate::from_der(one.der()).to_owned()).collect::<Vec<_>>(),
            ureq::tls::PrivateKey::from_pem(pem.as_bytes()).map_err(|_| CertError::BadKey)?,
        );
        // What `ureq` will do at the first connection, and could only report then.
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| CertError::BadKey)?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_client_auth_cert(certificates, key)
            .map_err(|why| match why {
                rustls::Error::InconsistentKeys(_) => CertError::KeyMismatch,
                _ => CertError::BadKey,
            })?;
        Ok(Self { presented, resolver: config.client_auth_cert_resolver, x5t_s256: leaf.sha256() })
    }

    /// As `ureq` presents it.
    pub(crate) fn presented(&self) -> ClientCert {
        self.presented.clone()
    }

    /// As `rustls` presents it.
    pub fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        self.resolver.clone()
    }

    /// SHA-256 of the whole certificate.
    pub(crate) fn x5t_s256(&self) -> [u8; 32] {
        self.x5t_s256
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsIdentity")
    }
}
