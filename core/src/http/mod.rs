//! HTTP as data: what a machine asks for, what it is given. Nobody here opens a socket.

pub mod challenge;
mod date;
pub mod form;
mod request;
mod response;

#[cfg(feature = "managed")]
pub(crate) use date::days_since_1970;
pub use date::imf_fixdate;
pub use request::{Body, Header, HeaderValue, Method, Proxy, Repeat, Request, ServerTrust};
pub use response::{Response, ResponseHeader, RetryAfter};
