//! What a host reports back when it could not do what a step asked for.

#[cfg(feature = "sentences")]
use core::fmt;

/// Why no response arrived. A machine decides by it whether a request may be repeated.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Nothing of the request left this machine (no route, no name, connection refused): safe to repeat.
    NotSent,
    /// The request may have been received, no complete answer came: an authorization code or a rotating refresh
    /// token must not be sent again.
    NoAnswer,
    /// The answer was longer than the request's `response_limit`.
    TooLarge,
    /// The server could not be authenticated. Never repeated.
    Tls(TlsReason),
    /// The application gave up.
    Cancelled,
}

impl SendError {
    /// Whether the same request may get through later.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::NotSent | Self::NoAnswer)
    }
}

/// Why TLS failed: as a rule, why it refused the server.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsReason {
    /// No trusted root signed its certificate.
    UnknownIssuer,
    /// Its certificate is for another name.
    WrongName,
    /// Its certificate is expired, or not yet valid.
    Expired,
    /// It is not the certificate with the pinned thumbprint.
    WrongThumbprint,
    /// The server did not accept the client's certificate, or missed one (RFC 8705).
    ClientCertificate,
    /// Anything else: no common version, a broken handshake, a revoked certificate.
    Other,
}

#[cfg(feature = "sentences")]
impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "cannot connect; check the address, the network and the proxy",
            Self::NoAnswer => "no complete answer came in time",
            Self::TooLarge => "the answer is longer than allowed",
            Self::Tls(TlsReason::UnknownIssuer) => {
                "no trusted root signed the server's certificate; add its CA to the trusted roots"
            }
            Self::Tls(TlsReason::WrongName) => "the server's certificate is for another name",
            Self::Tls(TlsReason::Expired) => "the server's certificate is not valid now; check both clocks",
            Self::Tls(TlsReason::WrongThumbprint) => "the server's certificate is not the pinned one",
            Self::Tls(TlsReason::ClientCertificate) => {
                "the server does not accept the client certificate, or misses one"
            }
            Self::Tls(TlsReason::Other) => "TLS failed",
            Self::Cancelled => "cancelled",
        })
    }
}

impl core::error::Error for SendError {}

/// Why a host could not answer an [`Ask`](crate::flow::Ask).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskError {
    /// This host has nothing that could answer.
    NotSupported,
    /// There is no such file or key.
    NotFound,
    /// There is one, but it may not be used.
    Denied,
    /// The file is longer than `max_len`.
    TooLarge,
    /// The callback or the key store failed.
    Failed,
    /// Nobody answered in time: the user did not finish in the browser.
    TimedOut,
    /// The application gave up.
    Cancelled,
}

#[cfg(feature = "sentences")]
impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSupported => "this host cannot provide it",
            Self::NotFound => "there is no such thing",
            Self::Denied => "access was denied",
            Self::TooLarge => "it is longer than allowed",
            Self::Failed => "the provider failed",
            Self::TimedOut => "nobody answered in time",
            Self::Cancelled => "cancelled",
        })
    }
}

impl core::error::Error for AskError {}

/// Why a host could not persist the changes of a [`Step::Commit`](crate::flow::Step::Commit).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// The store cannot be written: disk full, no permission, server away.
    NotWritten,
    /// Another writer was first and the changes do not apply any more.
    Conflict,
}

#[cfg(feature = "sentences")]
impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotWritten => "the token store could not be written",
            Self::Conflict => "another writer changed the token store first",
        })
    }
}

impl core::error::Error for CommitError {}
