//! What this crate asks of an HTTP client, so that an application can bring its own.

use std::sync::Arc;

use sansal::error::SendError;
use sansal::http::Request;
use sansal::secret::SecretBytes;

/// Sends one request and brings its response.
///
/// An implementation sends exactly what the request says and
///
/// - follows no redirect and repeats nothing,
/// - keeps no cookies and adds no header that carries meaning,
/// - stops at `response_limit` bytes of body ([`SendError::TooLarge`]) and after `attempt_timeout`,
/// - obeys `proxy`, `server` and `client_cert`, or refuses what it cannot obey: it never ignores them,
/// - answers [`SendError::NotSent`] only if no byte of the request left; when in doubt it is [`SendError::NoAnswer`].
///
/// Any status is a response, 4xx and 5xx too.
pub trait HttpClient: Send + Sync {
    /// Sends the request.
    ///
    /// # Errors
    /// [`SendError`] says what the machine must know to decide whether to repeat it.
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError>;
}

impl<H: HttpClient + ?Sized> HttpClient for Arc<H> {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        (**self).send(request)
    }
}

impl<H: HttpClient + ?Sized> HttpClient for Box<H> {
    fn send(&self, request: &Request) -> Result<HttpResponse, SendError> {
        (**self).send(request)
    }
}

/// A whole response. Its body is zeroed on drop; `Debug` shows neither headers nor body.
#[derive(Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Names and values; those that are not UTF-8 are left out.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: SecretBytes,
}

impl HttpResponse {
    /// A response without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: SecretBytes::new(body.into()) }
    }
}

impl std::fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).field("body", &self.body).finish_non_exhaustive()
    }
}
