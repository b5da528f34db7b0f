//! What this crate asks of an HTTP client, so that an application can bring its own.

use std::pin::Pin;
use std::sync::Arc;

use sansal::error::SendError;
use sansal::http::Request;
use sansal_std::HttpResponse;

/// A request on its way. Dropped, it is given up.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, SendError>> + Send + 'a>>;

/// Sends one request and brings its response. What [`sansal_std::HttpClient`] says of an implementation holds here too.
pub trait HttpClient: Send + Sync {
    /// Sends the request.
    ///
    /// # Errors
    /// [`SendError`] says what the machine must know to decide whether to repeat it.
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a>;
}

impl<H: HttpClient + ?Sized> HttpClient for Arc<H> {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        (**self).send(request)
    }
}
