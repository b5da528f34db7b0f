//! Errors a caller can act on: one variant per action, the data that action needs inside, no secrets.

#[cfg(not(feature = "sentences"))]
mod brief;
mod config;
mod fault;
mod material;
mod refusal;
mod remedy;
mod send;
mod shown;
mod token;

use alloc::boxed::Box;
use alloc::string::String;
#[cfg(feature = "sentences")]
use core::fmt;

pub use config::{Config, HostRule};
pub use fault::Fault;
pub use material::{CertError, IdTokenError, JwtError, KdfLimit};
pub use refusal::Refusal;
pub use remedy::Remedy;
pub use send::{AskError, CommitError, SendError, TlsReason};
pub use token::TokenError;

use crate::entropy::NoEntropy;

/// Why an operation ended without a result.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Error {
    /// The server said no (RFC 6749 s5.2). Its words are inside; repeating the same request gets the same answer.
    Refused(Box<Refusal>),
    /// A federation server said no with a SOAP fault (WS-Trust 1.3 s11): mostly a wrong name or password, or a locked
    /// account. Repeating it may lock the account.
    Fault(Box<Fault>),
    /// Only a person can go on: start an interactive flow. `claims`, if any, must go into that request.
    InteractionRequired {
        /// The claims request of the server, to be passed on unchanged.
        claims: Option<String>,
        /// What the server said, when a server was asked at all.
        refusal: Option<Box<Refusal>>,
    },
    /// The server cannot serve us now: 429 or 5xx. Try again later.
    Throttled {
        /// The HTTP status.
        status: u16,
        /// Seconds to wait, when the server said so (bounded by [`limits::MAX_RETRY_AFTER`](crate::limits)).
        retry_after: Option<u64>,
        /// The OAuth error in the answer, if there was one.
        refusal: Option<Box<Refusal>>,
    },
    /// No usable answer arrived.
    Unreachable {
        /// The host that was asked.
        host: String,
        /// What happened, as the host of the machine told it.
        why: SendError,
    },
    /// The answer breaks the protocol. Names the document and the place in it, never a value.
    BadResponse {
        /// Which document.
        what: What,
        /// The member or rule in question.
        at: &'static str,
    },
    /// The application asked for something that cannot be; nothing was sent for it. Fix the call or the settings.
    Config(Config),
    /// An ID token did not pass the checks of OpenID Connect Core s3.1.3.7. Nothing was stored.
    IdToken(IdTokenError),
    /// A token that was to be validated is not to be trusted: answer 401 (RFC 6750 s3.1).
    Token(TokenError),
    /// An [`Ask`](crate::flow::Ask) was answered with a failure.
    Unanswered {
        /// What was asked for: `signature`, `assertion`, `file` …
        ask: &'static str,
        /// Why it failed.
        why: AskError,
    },
    /// Something that had to be used in time has ended: begin anew.
    Expired {
        /// What it was: `device code`.
        what: &'static str,
        /// What the server said last.
        refusal: Option<Box<Refusal>>,
    },
    /// The host has no random bytes.
    NoEntropy,
    /// A bug in the host: this input does not answer the last step, or the machine is spent.
    OutOfTurn,
}

/// The document that an [`Error::BadResponse`] is about.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// OpenID provider metadata (OpenID Connect Discovery s3).
    ProviderMetadata,
    /// Microsoft's instance discovery.
    InstanceDiscovery,
    /// An answer of the token endpoint (RFC 6749 s5).
    TokenResponse,
    /// An answer of the device authorization endpoint (RFC 8628 s3.2).
    DeviceAuthorization,
    /// What a browser brought back from the authorization endpoint (RFC 6749 s4.1.2).
    AuthorizationResponse,
    /// A token cache in MSAL's schema.
    TokenCache,
    /// `client_info`, as Microsoft's servers send it.
    ClientInfo,
    /// An ID token (OpenID Connect Core s2).
    IdToken,
    /// Microsoft's answer about the realm of a user: managed or federated.
    UserRealm,
    /// A federation server's description of itself (WS-MetadataExchange).
    Mex,
    /// A federation server's answer to a request for a token (WS-Trust 1.3 s3.2).
    WsTrust,
    /// An answer of a source of managed identities.
    ManagedIdentity,
    /// The challenge of Azure Arc's agent.
    ArcChallenge,
    /// The keys of an issuer (RFC 7517 s5).
    KeySet,
    /// An answer of Cloud Shell, or the access token in it.
    CloudShell,
}

#[cfg(feature = "sentences")]
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProviderMetadata => "provider metadata",
            Self::InstanceDiscovery => "instance discovery",
            Self::TokenResponse => "token response",
            Self::DeviceAuthorization => "device authorization response",
            Self::AuthorizationResponse => "authorization response",
            Self::TokenCache => "token cache",
            Self::ClientInfo => "client_info",
            Self::IdToken => "ID token",
            Self::UserRealm => "user realm",
            Self::Mex => "federation metadata",
            Self::WsTrust => "WS-Trust response",
            Self::ManagedIdentity => "answer about the managed identity",
            Self::ArcChallenge => "challenge of Azure Arc",
            Self::KeySet => "key set",
            Self::CloudShell => "answer of Cloud Shell",
        })
    }
}

impl Error {
    /// What the server said, where it said anything.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::InteractionRequired { refusal, .. }
            | Self::Throttled { refusal, .. }
            | Self::Expired { refusal, .. } => refusal.as_deref(),
            _ => None,
        }
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Throttled { .. } => true,
            Self::Unreachable { why, .. } => why.is_transient(),
            _ => false,
        }
    }
}

#[cfg(feature = "sentences")]
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "the server refused: {refusal}"),
            Self::Fault(fault) => write!(f, "the federation server refused: {fault}"),
            Self::InteractionRequired { refusal: Some(refusal), .. } => {
                write!(f, "a person has to sign in: {refusal}")
            }
            Self::InteractionRequired { .. } => f.write_str("a person has to sign in: nothing usable is cached"),
            Self::Throttled { status, retry_after, refusal } => {
                write!(f, "the server cannot answer now (HTTP {status})")?;
                match retry_after {
                    Some(seconds) => write!(f, "; try again in {seconds} s")?,
                    None => f.write_str("; try again later")?,
                }
                match refusal {
                    Some(refusal) => write!(f, ": {refusal}"),
                    None => Ok(()),
                }
            }
            Self::Unreachable { host, why } => write!(f, "{host}: {why}"),
            Self::BadResponse { what, at } => write!(f, "the {what} breaks the protocol: {at}"),
            Self::Config(config) => config.fmt(f),
            Self::IdToken(why) => why.fmt(f),
            Self::Token(why) => why.fmt(f),
            Self::Unanswered { ask, why } => write!(f, "no {ask}: {why}"),
            Self::Expired { what, .. } => write!(f, "the {what} has ended before anybody used it; begin anew"),
            Self::NoEntropy => NoEntropy.fmt(f),
            Self::OutOfTurn => f.write_str("this input does not answer the machine's last step"),
        }
    }
}

impl core::error::Error for Error {}

impl From<Config> for Error {
    fn from(config: Config) -> Self {
        Self::Config(config)
    }
}

impl From<CertError> for Error {
    fn from(why: CertError) -> Self {
        Self::Config(Config::Certificate(why))
    }
}

impl From<IdTokenError> for Error {
    fn from(why: IdTokenError) -> Self {
        Self::IdToken(why)
    }
}

impl From<TokenError> for Error {
    fn from(why: TokenError) -> Self {
        Self::Token(why)
    }
}

impl From<NoEntropy> for Error {
    fn from(_: NoEntropy) -> Self {
        Self::NoEntropy
    }
}
