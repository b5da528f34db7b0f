//! TLS over whatever connects without it.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use embedded_io_async::{ErrorType, Read, Write};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use sansal::error::{SendError, TlsReason};
use sansal::http::ServerTrust;
use sansal::key::KeyName;
use sansal_embedded::{Connect, Peer};

use crate::client::{ClientKey, Held};
use crate::provider::{Random, provider};
use crate::stream::{TlsError, TlsStream};

/// Connects with TLS where it is asked for. The roots are the application's choice; each server is held against them, its name
/// and the date, before a byte of a request leaves.
pub struct Tls<C> {
    connect: C,
    roots: Arc<RootCertStore>,
    random: &'static Random,
    held: Vec<Held>,
}

impl<C> Tls<C> {
    /// Over this connector, which is asked for streams without TLS; by these roots.
    pub fn new(connect: C, roots: RootCertStore, random: &'static Random) -> Self {
        Self { connect, roots: Arc::new(roots), random, held: Vec::new() }
    }

    /// Holds a client certificate, with those above it, for requests that ask for it by this name
    /// ([`ClientCertificate`](sansal::client::ClientCertificate)). It is shown to the server that such a request is for, to nobody
    /// else.
    #[must_use]
    pub fn client_certificate(
        mut self,
        name: KeyName,
        chain: Vec<CertificateDer<'static>>,
        key: Arc<dyn ClientKey>,
    ) -> Self {
        self.held.push(Held::new(name, chain, key));
        self
    }

    fn begin(&self, peer: &Peer<'_>) -> Result<UnbufferedClientConnection, SendError> {
        let failed = SendError::Tls(TlsReason::Other);
        // Fail closed: what cannot be proved here is not left out.
        if peer.server != ServerTrust::System {
            return Err(failed);
        }
        let held = |name: &KeyName| self.held.iter().rev().find(|held| held.name == *name).ok_or(failed);
        let held = peer.client_cert.map(held).transpose()?;
        let (provider, date) = (Arc::new(provider(self.random)), Arc::new(Date(peer.date.0)));
        let builder = ClientConfig::builder_with_details(provider, date).with_safe_default_protocol_versions();
        let builder = builder.map_err(|_| failed)?;
        let builder = builder.with_root_certificates(Arc::clone(&self.roots));
        let mut config = match held {
            Some(held) => builder.with_client_cert_resolver(Arc::clone(&held.certified) as Arc<_>),
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        let host = peer.host.trim_start_matches('[').trim_end_matches(']').to_string();
        let name = ServerName::try_from(host).map_err(|_| failed)?;
        UnbufferedClientConnection::new(Arc::new(config), name).map_err(|_| failed)
    }
}

/// The date of one connection.
#[derive(Debug)]
struct Date(u64);

impl TimeProvider for Date {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

impl<C: Connect> Connect for Tls<C> {
    type Stream = MaybeTls<C::Stream>;

    async fn connect(&mut self, peer: &Peer<'_>) -> Result<Self::Stream, SendError> {
        if !peer.secure {
            return self.connect.connect(peer).await.map(MaybeTls::Plain);
        }
        let tls = self.begin(peer)?;
        let stream = self.connect.connect(&Peer { secure: false, ..*peer }).await?;
        TlsStream::handshake(stream, tls).await.map(MaybeTls::Tls).map_err(TlsError::before_sending)
    }
}

/// A stream under TLS, or one for a metadata host of the machine itself, which speaks none.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is the large one")]
pub enum MaybeTls<S> {
    /// Without TLS.
    Plain(S),
    /// With it.
    Tls(TlsStream<S>),
}

impl<S> ErrorType for MaybeTls<S> {
    type Error = TlsError;
}

impl<S: Read + Write> Read for MaybeTls<S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TlsError> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await.map_err(|_| TlsError::Stream),
            Self::Tls(stream) => stream.read(buffer).await,
        }
    }
}

impl<S: Read + Write> Write for MaybeTls<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, TlsError> {
        match self {
            Self::Plain(stream) => stream.write(bytes).await.map_err(|_| TlsError::Stream),
            Self::Tls(stream) => stream.write(bytes).await,
        }
    }

    async fn flush(&mut self) -> Result<(), TlsError> {
        match self {
            Self::Plain(stream) => stream.flush().await.map_err(|_| TlsError::Stream),
            Self::Tls(stream) => stream.flush().await,
        }
    }
}

impl<C> fmt::Debug for Tls<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("roots", &self.roots.len()).finish_non_exhaustive()
    }
}
