//! A stream under TLS, over the unbuffered API of `rustls`: nothing is read ahead of what fits, memory is bounded.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use sansal::error::{SendError, TlsReason};
use zeroize::Zeroizing;

/// Received and not yet decrypted at the most: a record of TLS 1.2 (RFC 5246 s6.2.3), and the certificates of a server, which may
/// be several.
const MAX_INCOMING: usize = 18 * 1024;
/// What is asked for at first; most servers' certificates fit.
const FIRST_INCOMING: usize = 4 * 1024;
/// Bytes of the application in one record that is sent.
const FRAGMENT: usize = 2 * 1024;
/// What a handshake message of a client may take.
const OUTGOING: usize = FRAGMENT + 512;

/// Why a stream under TLS ended.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The stream below failed, or ended without TLS' own end (RFC 8446 s6.1): what came may be cut short.
    Stream,
    /// TLS did.
    Tls(TlsReason),
}

impl TlsError {
    pub(crate) const fn before_sending(self) -> SendError {
        match self {
            Self::Stream => SendError::NotSent,
            Self::Tls(why) => SendError::Tls(why),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream => f.write_str("the stream below TLS ended"),
            Self::Tls(why) => SendError::Tls(*why).fmt(f),
        }
    }
}

impl core::error::Error for TlsError {}

impl embedded_io_async::Error for TlsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Stream => ErrorKind::ConnectionAborted,
            Self::Tls(_) => ErrorKind::InvalidData,
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(why: rustls::Error) -> Self {
        use rustls::CertificateError as C;
        let rustls::Error::InvalidCertificate(why) = why else { return Self::Tls(TlsReason::Other) };
        Self::Tls(match why {
            // A root with the right name and another key: the signature does not fit.
            C::UnknownIssuer | C::BadSignature => TlsReason::UnknownIssuer,
            C::NotValidForName | C::NotValidForNameContext { .. } => TlsReason::WrongName,
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => TlsReason::Expired,
            _ => TlsReason::Other,
        })
    }
}

/// A stream of bytes under TLS.
pub struct TlsStream<S> {
    stream: S,
    tls: UnbufferedClientConnection,
    incoming: Vec<u8>,
    received: usize,
    outgoing: Vec<u8>,
    unsent: usize,
    /// Decrypted and not yet read, from `read` on.
    plain: Zeroizing<Vec<u8>>,
    read: usize,
    ended: bool,
}

/// What one look at the state of TLS was for.
enum Did {
    /// There is more to do.
    More,
    /// What is unsent has to be sent before anything else.
    Transmit,
    /// The server has to say something first.
    Read,
    /// The handshake is over; nothing has come.
    Idle,
    /// The application's bytes are encrypted.
    Wrote,
    /// The server has ended it in good order.
    Ended,
}

impl<S: Read + Write> TlsStream<S> {
    pub(crate) async fn handshake(stream: S, tls: UnbufferedClientConnection) -> Result<Self, TlsError> {
        let mut new = Self {
            stream,
            tls,
            incoming: vec![0; FIRST_INCOMING],
            received: 0,
            outgoing: vec![0; OUTGOING],
            unsent: 0,
            plain: Zeroizing::default(),
            read: 0,
            ended: false,
        };
        loop {
            match new.look(None)? {
                Did::More => {}
                Did::Transmit => new.transmit().await?,
                Did::Read => new.receive().await?,
                Did::Idle | Did::Wrote => return Ok(new),
                Did::Ended => return Err(TlsError::Tls(TlsReason::Other)),
            }
        }
    }

    /// Does one thing that needs no waiting.
    fn look(&mut self, bytes: Option<&[u8]>) -> Result<Did, TlsError> {
        let failed = TlsError::Tls(TlsReason::Other);
        let Self { tls, incoming, received, outgoing, unsent, plain, .. } = self;
        let UnbufferedStatus { mut discard, state, .. } =
            tls.process_tls_records(incoming.get_mut(..*received).ok_or(failed)?);
        let did = match state? {
            ConnectionState::EncodeTlsData(mut data) => {
                let room = outgoing.get_mut(*unsent..).ok_or(failed)?;
                let n = match data.encode(room) {
                    Err(EncodeError::InsufficientSize(size)) if size.required_size <= MAX_INCOMING => {
                        outgoing.resize(unsent.saturating_add(size.required_size), 0);
                        data.encode(outgoing.get_mut(*unsent..).ok_or(failed)?).map_err(|_| failed)?
                    }
                    encoded => encoded.map_err(|_| failed)?,
                };
                *unsent = unsent.saturating_add(n);
                Did::More
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Did::Transmit
            }
            ConnectionState::BlockedHandshake => Did::Read,
            ConnectionState::WriteTraffic(mut traffic) => match bytes {
                None => Did::Idle,
                Some(bytes) => {
                    let room = outgoing.get_mut(*unsent..).ok_or(failed)?;
                    let n = match traffic.encrypt(bytes, room) {
                        Err(EncryptError::InsufficientSize(size)) if size.required_size <= MAX_INCOMING => {
                            outgoing.resize(unsent.saturating_add(size.required_size), 0);
                            traffic.encrypt(bytes, outgoing.get_mut(*unsent..).ok_or(failed)?).map_err(|_| failed)?
                        }
                        encrypted => encrypted.map_err(|_| failed)?,
                    };
                    *unsent = unsent.saturating_add(n);
                    Did::Wrote
                }
            },
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard = discard.saturating_add(record.discard);
                    plain.extend_from_slice(record.payload);
                }
                Did::More
            }
            ConnectionState::PeerClosed | ConnectionState::Closed => Did::Ended,
            _ => return Err(failed),
        };
        incoming.copy_within(discard.min(*received)..*received, 0);
        *received = received.saturating_sub(discard);
        Ok(did)
    }

    async fn transmit(&mut self) -> Result<(), TlsError> {
        let out = self.outgoing.get(..self.unsent).unwrap_or_default();
        self.stream.write_all(out).await.map_err(|_| TlsError::Stream)?;
        self.unsent = 0;
        self.stream.flush().await.map_err(|_| TlsError::Stream)
    }

    async fn receive(&mut self) -> Result<(), TlsError> {
        if self.received == self.incoming.len() {
            if self.received >= MAX_INCOMING {
                return Err(TlsError::Tls(TlsReason::Other));
            }
            self.incoming.resize(MAX_INCOMING, 0);
        }
        let room = self.incoming.get_mut(self.received..).unwrap_or_default();
        match self.stream.read(room).await {
            Ok(n) if n > 0 => {
                self.received = self.received.saturating_add(n);
                Ok(())
            }
            _ => Err(TlsError::Stream),
        }
    }
}

impl<S> ErrorType for TlsStream<S> {
    type Error = TlsError;
}

impl<S: Read + Write> Read for TlsStream<S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TlsError> {
        loop {
            let left = self.plain.get(self.read..).unwrap_or_default();
            let n = left.len().min(buffer.len());
            if n > 0 || buffer.is_empty() {
                buffer.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
                self.read = self.read.saturating_add(n);
                return Ok(n);
            }
            // All was read: its memory is overwritten.
            self.plain = Zeroizing::default();
            self.read = 0;
            if self.ended {
                return Ok(0);
            }
            match self.look(None)? {
                Did::More | Did::Wrote => {}
                Did::Transmit => self.transmit().await?,
                Did::Read | Did::Idle => self.receive().await?,
                Did::Ended => self.ended = true,
            }
        }
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, TlsError> {
        let bytes = bytes.get(..bytes.len().min(FRAGMENT)).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            match self.look(Some(bytes))? {
                Did::More | Did::Idle => {}
                Did::Transmit => self.transmit().await?,
                Did::Read => self.receive().await?,
                Did::Wrote => {
                    self.transmit().await?;
                    return Ok(bytes.len());
                }
                Did::Ended => return Err(TlsError::Stream),
            }
        }
    }

    async fn flush(&mut self) -> Result<(), TlsError> {
        self.stream.flush().await.map_err(|_| TlsError::Stream)
    }
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}
