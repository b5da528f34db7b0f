//! One request and its response over one TLS connection, as bytes in and bytes out: the sockets are the hosts' own.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};
use sansal::error::TlsReason;
use sansal::flow::{Request, SendError};
use sansal::http::ServerTrust;
use sansal::secret::SecretBytes;

use super::http1::{self, Answer};

/// The roots that vouch for servers. Nothing is read from the system or from variables.
#[derive(Clone, Debug)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The certificates of a PEM file and no others.
    ///
    /// # Errors
    /// A sentence that names the file, when it cannot be read or has no usable certificate.
    pub fn from_pem_file(path: &str) -> Result<Self, String> {
        let unreadable = |why: &dyn core::fmt::Display| format!("the CA file {path} cannot be used: {why}");
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|why| unreadable(&why))? {
            let certificate = certificate.map_err(|why| unreadable(&why))?;
            roots.add(certificate).map_err(|why| unreadable(&why))?;
        }
        match roots.is_empty() {
            true => Err(unreadable(&"there is no certificate in it")),
            false => Self::from_roots(roots).map_err(|why| unreadable(&why)),
        }
    }

    /// No root at all: every server is refused.
    ///
    /// # Errors
    /// What `rustls` says when the provider has no TLS version in common with it.
    pub fn nobody() -> Result<Self, rustls::Error> {
        Self::from_roots(RootCertStore::empty())
    }

    fn from_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// A request on its way and its response on the way back.
///
/// A host writes [`outgoing`](Self::outgoing), reads, passes what it read to [`incoming`](Self::incoming), and so on.
#[derive(Debug)]
pub struct Exchange {
    tls: ClientConnection,
    request: Option<SecretBytes>,
    received: Vec<u8>,
    limit: usize,
}

impl Exchange {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// [`SendError::Tls`] when the request asks for a proof or a client certificate that these hosts do not offer:
    /// better no request than one under weaker rules. [`SendError::NotSent`] when it is not for TLS at all.
    pub fn begin(trust: &Trust, request: &Request) -> Result<Self, SendError> {
        if request.server != ServerTrust::System || request.client_cert.is_some() {
            return Err(SendError::Tls(TlsReason::Other));
        }
        if !request.endpoint.is_https() {
            return Err(SendError::NotSent);
        }
        let name = ServerName::try_from(request.endpoint.host().to_owned()).map_err(|_| SendError::NotSent)?;
        let tls = ClientConnection::new(Arc::clone(&trust.0), name).map_err(|why| tls_error(&why))?;
        let limit = request.response_limit;
        Ok(Self { tls, request: Some(http1::write(request)), received: Vec::new(), limit })
    }

    /// What is to be written to the socket now; often nothing.
    ///
    /// # Errors
    /// As [`incoming`](Self::incoming).
    pub fn outgoing(&mut self) -> Result<Vec<u8>, SendError> {
        let lost = |_| SendError::NoAnswer;
        if !self.tls.is_handshaking()
            && let Some(request) = self.request.take()
        {
            self.tls.set_buffer_limit(None);
            self.tls.writer().write_all(request.expose()).map_err(lost)?;
        }
        let mut out = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut out).map_err(lost)?;
        }
        Ok(out)
    }

    /// Takes what the socket had; nothing means that the server closed the connection. The response, once it is whole.
    ///
    /// # Errors
    /// [`SendError::NotSent`] when the connection broke before the request was written, [`SendError::NoAnswer`]
    /// afterwards; [`SendError::Tls`] when the server could not be authenticated; [`SendError::TooLarge`].
    pub fn incoming(&mut self, mut bytes: &[u8]) -> Result<Option<Answer>, SendError> {
        let mut ended = bytes.is_empty();
        if ended && self.tls.is_handshaking() {
            return Err(self.broken());
        }
        loop {
            self.tls.read_tls(&mut bytes).map_err(|_| self.broken())?;
            self.tls.process_new_packets().map_err(|why| tls_error(&why))?;
            let mut chunk = [0; 4096];
            loop {
                match self.tls.reader().read(&mut chunk) {
                    // A close_notify: the end is the server's own word and not somebody's cut.
                    Ok(0) => {
                        ended = true;
                        break;
                    }
                    Ok(n) => self.received.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                    Err(why) if why.kind() == ErrorKind::WouldBlock => {
                        ended = false;
                        break;
                    }
                    Err(_) => return Err(SendError::NoAnswer),
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        match self.request {
            Some(_) => Ok(None),
            None => http1::read(&self.received, self.limit, ended),
        }
    }

    /// What a broken connection means at this moment.
    pub fn broken(&self) -> SendError {
        if self.request.is_some() { SendError::NotSent } else { SendError::NoAnswer }
    }
}

fn tls_error(why: &rustls::Error) -> SendError {
    use CertificateError as C;
    SendError::Tls(match why {
        rustls::Error::InvalidCertificate(C::UnknownIssuer) => TlsReason::UnknownIssuer,
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            TlsReason::WrongName
        }
        rustls::Error::InvalidCertificate(
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
        ) => TlsReason::Expired,
        _ => TlsReason::Other,
    })
}
