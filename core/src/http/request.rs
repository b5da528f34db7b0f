//! A request as data: all that an adapter has to know to send it, and nothing it may decide for itself.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::endpoint::Endpoint;
use crate::key::KeyName;
use crate::secret::{Secret, SecretBytes};
use crate::time::Millis;

/// An HTTP request that a machine wants sent.
///
/// The adapter sends exactly this, follows no redirect, adds no header that carries meaning, and stops reading
/// after `response_limit` bytes of body.
#[derive(Clone)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: Method,
    /// Where to, query included.
    pub endpoint: Endpoint,
    /// The headers that the protocol asks for; those of the transport (`Host`, `Content-Length`) are the adapter's.
    pub headers: Vec<Header>,
    /// The body of a `POST`.
    pub body: Option<Body>,
    /// Bytes of body to read at the most; more is [`SendError::TooLarge`](crate::error::SendError::TooLarge).
    pub response_limit: usize,
    /// Time for this attempt, connecting included.
    pub attempt_timeout: Millis,
    /// How the server proves itself.
    pub server: ServerTrust,
    /// The client certificate to present (RFC 8705), by the name under which the adapter holds it.
    pub client_cert: Option<KeyName>,
    /// Whether a proxy may be used.
    pub proxy: Proxy,
    /// Whether sending it twice is harmless. The core counts the attempts; this is for transports that would repeat by themselves.
    pub repeat: Repeat,
}

/// As many headers as a request to the token endpoint has as a rule, or more.
const HEADERS: usize = if cfg!(feature = "telemetry") { 10 } else { 6 };

/// The method of a [`Request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

impl Method {
    /// As it stands in the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One header of a [`Request`]. Its value is treated as a secret, since some are.
#[derive(Clone)]
pub struct Header {
    /// The name, in the case it is written.
    pub name: &'static str,
    /// The value.
    pub value: HeaderValue,
}

/// The value of a [`Header`].
#[derive(Clone)]
pub enum HeaderValue {
    /// One that is always the same, and no secret.
    Fixed(&'static str),
    /// Any other.
    Secret(Secret),
}

impl HeaderValue {
    /// The text itself.
    pub fn expose(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Secret(text) => text.expose(),
        }
    }
}

impl From<&'static str> for HeaderValue {
    fn from(text: &'static str) -> Self {
        Self::Fixed(text)
    }
}

impl From<Secret> for HeaderValue {
    fn from(text: Secret) -> Self {
        Self::Secret(text)
    }
}

impl From<String> for HeaderValue {
    fn from(text: String) -> Self {
        Self::Secret(Secret::new(text))
    }
}

/// The body of a [`Request`].
#[derive(Clone)]
pub struct Body {
    /// The `Content-Type` header to send with it.
    pub content_type: &'static str,
    /// The bytes, zeroed on drop.
    pub bytes: SecretBytes,
}

impl Body {
    /// A form (RFC 6749 appendix B).
    pub fn form<'a>(fields: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Self {
        Self { content_type: "application/x-www-form-urlencoded", bytes: super::form::encode(fields).into() }
    }
}

/// How the server of a request proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerTrust {
    /// By a certificate that the adapter's trust roots vouch for.
    System,
    /// By the certificate whose DER has this SHA-1 thumbprint, and nothing else (Service Fabric).
    Thumbprint([u8; 20]),
}

/// Whether a proxy may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proxy {
    /// As the adapter is configured.
    Default,
    /// Never: loopback, link-local and pinned requests.
    Never,
}

/// Whether a request may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Harmless, as often as one likes.
    Safe,
    /// Only after [`SendError::NotSent`](crate::error::SendError::NotSent).
    OnlyIfNotSent,
}

impl Request {
    /// A `GET` without headers.
    pub fn get(endpoint: Endpoint, response_limit: usize, attempt_timeout: Millis) -> Self {
        Self::new(Method::Get, endpoint, None, Repeat::Safe, response_limit, attempt_timeout)
    }

    /// A `POST` of a body.
    pub fn post(endpoint: Endpoint, body: Body, response_limit: usize, attempt_timeout: Millis) -> Self {
        Self::new(Method::Post, endpoint, Some(body), Repeat::OnlyIfNotSent, response_limit, attempt_timeout)
    }

    fn new(
        method: Method,
        endpoint: Endpoint,
        body: Option<Body>,
        repeat: Repeat,
        response_limit: usize,
        attempt_timeout: Millis,
    ) -> Self {
        let proxy = if endpoint.is_local() { Proxy::Never } else { Proxy::Default };
        Self {
            method,
            endpoint,
            headers: Vec::with_capacity(if method == Method::Post { HEADERS } else { 0 }),
            body,
            response_limit,
            attempt_timeout,
            server: ServerTrust::System,
            client_cert: None,
            proxy,
            repeat,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<HeaderValue>) -> Self {
        self.headers.push(Header { name, value: value.into() });
        self
    }
}

/// Shows method, address without query, header names and the body's length: nothing that could be secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("endpoint", &self.endpoint)
            .field("headers", &self.headers.iter().map(|h| h.name).collect::<Vec<_>>())
            .field("body", &self.body.as_ref().map(|b| &b.bytes))
            .field("server", &self.server)
            .field("proxy", &self.proxy)
            .field("repeat", &self.repeat)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ..", self.name)
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderValue(..)")
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({}, {:?})", self.content_type, self.bytes)
    }
}
