//! Who connects: from a host, a port and how both sides prove themselves, to a stream of bytes. TLS is on that side.

use embedded_io_async::{Read, Write};

use sansal::error::SendError;
use sansal::http::{Request, ServerTrust};
use sansal::key::KeyName;
use sansal::time::{Millis, UnixTime};

/// Where a connection goes to, and what it must prove.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// A DNS name in lower case, an IPv4 address, or `[::1]`; for SNI and for the names in the certificate.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken. Not with loopback and link-local metadata hosts that ask for `http`, and only with these.
    pub secure: bool,
    /// How the server proves itself.
    pub server: ServerTrust,
    /// The client certificate to present (RFC 8705), by the name under which the application holds it.
    pub client_cert: Option<&'a KeyName>,
    /// The time to hold certificates against: the date, or its floor on a device that does not know it (decision 12).
    pub date: UnixTime,
    /// How long this may take. Streams that block must come back from one `read` or `write` in this time too.
    pub timeout: Millis,
}

impl<'a> Peer<'a> {
    pub(crate) fn of(request: &'a Request, date: UnixTime) -> Self {
        Self {
            host: request.endpoint.host(),
            port: request.endpoint.port_or_default(),
            secure: request.endpoint.is_https(),
            server: request.server,
            client_cert: request.client_cert.as_ref(),
            date,
            timeout: request.attempt_timeout,
        }
    }
}

/// Makes connections. For streams that block there is [`Blocking`](crate::Blocking), for a superloop [`Polled`](crate::Polled).
///
/// A connection ends when its stream is dropped. A stream that says nothing more is to be trusted: `Ok(0)` from `read` means
/// that the peer has ended it in good order (with TLS: `close_notify`), anything else is an error.
#[allow(async_fn_in_trait, reason = "futures of a device stay on one executor; whoever needs Send boxes them")]
pub trait Connect {
    /// What comes out. It may borrow what this connector borrows.
    type Stream: Read + Write;

    /// Connects, with the TLS handshake and all checks done.
    ///
    /// # Errors
    /// [`SendError::NotSent`] when there is no connection; [`SendError::Tls`] when the server could not prove itself; never
    /// go on without a proof.
    async fn connect(&mut self, peer: &Peer<'_>) -> Result<Self::Stream, SendError>;
}

impl<C: Connect> Connect for &mut C {
    type Stream = C::Stream;

    async fn connect(&mut self, peer: &Peer<'_>) -> Result<Self::Stream, SendError> {
        (**self).connect(peer).await
    }
}
