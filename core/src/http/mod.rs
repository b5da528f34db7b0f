//! HTTP as data: what a machine asks for, what it is given. Nobody here opens a socket.

pub mod challenge;
pub mod form;
mod request;
mod response;

pub use request::{Body, Header, HeaderValue, Method, Proxy, Repeat, Request, ServerTrust};
pub use response::{Response, ResponseHeader, RetryAfter};
